"""The registers as gdb sees them: numbers, widths, and the target description that says so.

Invariant: a register's number is its place in `REGISTERS`, and the description lists them in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from aarch64sim.arch import sysregs

# Views of PSTATE, not registers of their own; a register that cannot be read; what stands with the V registers.
_LEFT_OUT = {"spsel", "currentel", "pan", "uao", "nzcv", "daif", "dit", "oslar_el1", "fpsr", "fpcr"}


@dataclass(frozen=True, slots=True)
class Register:
    """`name` for gdb, `source` for KVM_GET_ONE_REG, width in bytes, and gdb's type."""

    name: str
    source: str
    size: int
    type: str


_CORE = (
    *(Register(f"x{n}", f"x{n}", 8, "int") for n in range(31)),
    Register("sp", "sp", 8, "data_ptr"),
    Register("pc", "pc", 8, "code_ptr"),
    Register("cpsr", "pstate", 4, "pstate_flags"),
)
_FPU = (
    *(Register(f"v{n}", f"v{n}", 16, "aarch64v") for n in range(32)),
    *(Register(name, name, 4, "int") for name in ("fpsr", "fpcr")),
)
_TYPES = {
    "mdscr_el1": "mdscr_flags",
    "spsr_el1": "spsr_flags",
    "elr_el1": "code_ptr",
    "vbar_el1": "code_ptr",
    "sp_el0": "data_ptr",
    "sp_el1": "data_ptr",
}
_SYSTEM = tuple(
    Register(name, name, 8, _TYPES.get(name, "int"))
    for name in (*(r.name for r in sysregs.REGISTERS if r.read_el < 2 and not r.reserved), "sp_el1")
    if name not in _LEFT_OUT
)
REGISTERS = _CORE + _FPU + _SYSTEM
IN_G = len(_CORE)  # so many are in the g packet; gdb asks for the others one by one
PC = 32

_PSTATE = (
    ("SP", 0, 0), ("EL", 2, 3), ("nRW", 4, 4), ("F", 6, 6), ("I", 7, 7), ("A", 8, 8), ("D", 9, 9), ("BTYPE", 10, 11),
    ("IL", 20, 20), ("SS", 21, 21), ("PAN", 22, 22), ("UAO", 23, 23), ("V", 28, 28), ("C", 29, 29), ("Z", 30, 30),
    ("N", 31, 31),
)  # fmt: skip
_MDSCR = (("SS", 0, 0), ("TDCC", 12, 12), ("KDE", 13, 13), ("HDE", 14, 14), ("MDE", 15, 15))


def _flags(name: str, size: int, fields: tuple[tuple[str, int, int], ...]) -> str:
    rows = "".join(
        f'<field name="{field}" start="{first}" end="{last}"{_TYPE if first == last else ""}/>'
        for field, first, last in fields
    )
    return f'<flags id="{name}" size="{size}">{rows}</flags>'


_TYPE = ' type="bool"'
# What a V register can be looked at as: (letter, width of an element, gdb's types for one).
_ELEMENTS = (
    ("d", 64, ("ieee_double", "uint64", "int64")),
    ("s", 32, ("ieee_single", "uint32", "int32")),
    ("h", 16, ("uint16", "int16")),
    ("b", 8, ("uint8", "int8")),
)


def _vectors() -> str:
    """gdb's type of a V register, as its own description has it: a union of vectors of every width."""
    kinds = {"ieee_double": "f", "ieee_single": "f"}
    rows, unions = "", ""
    for letter, bits, types in _ELEMENTS:
        fields = ""
        for type_ in types:
            name = f"v{128 // bits}{letter}{type_[0]}"
            rows += f'<vector id="{name}" type="{type_}" count="{128 // bits}"/>'
            fields += f'<field name="{kinds.get(type_, type_[0])}" type="{name}"/>'
        rows += f'<union id="v{letter}n">{fields}</union>'
        unions += f'<field name="{letter}" type="v{letter}n"/>'
    rows += (
        '<vector id="v1u" type="uint128" count="1"/><vector id="v1i" type="int128" count="1"/>'
        '<union id="vqn"><field name="u" type="v1u"/><field name="s" type="v1i"/></union>'
    )
    return f'{rows}<union id="aarch64v">{unions}<field name="q" type="vqn"/></union>'


_VECTORS = _vectors()


def _group(name: str) -> str:
    """What `info registers system` shows, and `info registers debug`."""
    return "debug" if name.startswith("dbg") else "system"


def _rows(registers: tuple[Register, ...], *, groups: bool) -> str:
    return "".join(
        f'<reg name="{r.name}" bitsize="{8 * r.size}" type="{r.type}"'
        + (f' group="{_group(r.name)}"/>' if groups else "/>")
        for r in registers
    )


@cache
def target_xml() -> bytes:
    """target.xml: gdb's features core and fpu, and the system registers as a feature of their own."""
    return (
        '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">'
        "<architecture>aarch64</architecture>"
        '<feature name="org.gnu.gdb.aarch64.core">'
        f"{_flags('pstate_flags', 4, _PSTATE)}{_rows(_CORE, groups=False)}</feature>"
        f'<feature name="org.gnu.gdb.aarch64.fpu">{_VECTORS}{_rows(_FPU, groups=False)}</feature>'
        '<feature name="aarch64-step-labs.system">'
        f"{_flags('spsr_flags', 8, _PSTATE)}{_flags('mdscr_flags', 8, _MDSCR)}"
        f"{_rows(_SYSTEM, groups=True)}</feature></target>"
    ).encode()
