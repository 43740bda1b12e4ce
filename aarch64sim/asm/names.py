"""The operand kinds that are names: conditions, shifts, system registers and instructions, PSTATE fields, barriers.

Invariant: a name that is not in a table has a generic form (`s3_0_c1_c0_0`, `#5`), so that every word has a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial

from aarch64sim.arch.encodings import CONDITIONS, PSTATE_FIELDS
from aarch64sim.arch.pattern import Encoding
from aarch64sim.arch.syndrome import system_fields, system_key
from aarch64sim.arch.sysregs import KEYS
from aarch64sim.asm.operands import FieldValues, Kind, Operand
from aarch64sim.asm.reader import Reader
from aarch64sim.asm.text import did_you_mean

BARRIERS = {"oshld": 1, "oshst": 2, "osh": 3, "nshld": 5, "nshst": 6, "nsh": 7, "ishld": 9, "ishst": 10, "ish": 11,
            "ld": 13, "st": 14, "sy": 15}  # fmt: skip
PREFETCHES = {
    f"{kind}l{level + 1}{policy}": i << 3 | level << 1 | j
    for i, kind in enumerate(("pld", "pli", "pst"))
    for level in range(3)
    for j, policy in enumerate(("keep", "strm"))
}

# SYS by mnemonic: name, op1 CRm op2; CRn is 7, and 8 for TLBI. A name with a dot takes no register operand.
SYSTEM_OPERATIONS = {
    "ic": "ialluis. 0 1 0; iallu. 0 5 0; ivau 3 5 1",
    "dc": "ivac 0 6 1; isw 0 6 2; csw 0 10 2; cisw 0 14 2; zva 3 4 1; cvac 3 10 1; cvau 3 11 1; cvap 3 12 1; "
          "cvadp 3 13 1; civac 3 14 1",
    "at": "s1e1r 0 8 0; s1e1w 0 8 1; s1e0r 0 8 2; s1e0w 0 8 3; s1e1rp 0 9 0; s1e1wp 0 9 1; s1e2r 4 8 0; s1e2w 4 8 1; "
          "s12e1r 4 8 4; s12e1w 4 8 5; s12e0r 4 8 6; s12e0w 4 8 7; s1e3r 6 8 0; s1e3w 6 8 1",
    "tlbi": "vmalle1. 0 7 0; vae1 0 7 1; aside1 0 7 2; vaae1 0 7 3; vale1 0 7 5; vaale1 0 7 7; alle2. 4 7 0; "
            "vae2 4 7 1; alle1. 4 7 4; vale2 4 7 5; vmalls12e1. 4 7 6; ipas2e1 4 4 1; ipas2le1 4 4 5; alle3. 6 7 0; "
            "vae3 6 7 1; vale3 6 7 5",
}  # fmt: skip
# Of TLBI there are inner (is) and outer (os) shareable forms, which differ in CRm only.
_SHAREABLE = {"7": (("", 7), ("is", 3), ("os", 1)), "4": (("", 4), ("is", 0))}


def _operations(kind: str, register: bool) -> Iterator[tuple[str, int]]:
    """Name and key of those that take a register or of those that do not."""
    crn, tlbi = (8, True) if kind == "tlbi" else (7, False)
    for entry in SYSTEM_OPERATIONS[kind].split("; "):
        name, op1, crm, op2 = entry.split()
        if name.endswith(".") != register:
            for suffix, m in _SHAREABLE[crm] if tlbi else (("", int(crm)),):
                yield name.strip(".") + suffix, system_key(0, int(op1), crn, m, int(op2))


_GENERIC = re.compile(r"s([23])_([0-7])_c(\d|1[0-5])_c(\d|1[0-5])_([0-7])\Z")
_REGISTERS = {name: (key & 0x7FFF,) for name, key in KEYS.items() if not _GENERIC.match(name)}
_CONDITIONS = {name: n for n, name in enumerate(CONDITIONS)} | {"hs": 2, "lo": 3}
_INVERTED = {name: n ^ 1 for name, n in _CONDITIONS.items() if n < 14}
_SHIFTS = {name: n for n, name in enumerate(("lsl", "lsr", "asr", "ror"))}
_NOT_ROR = {name: n for name, n in _SHIFTS.items() if n < 3}


class Name(Operand):
    """A name that stands for values of some fields; with `number`, a format, a number is possible too."""

    def __init__(
        self,
        spec: str,
        row: Encoding,
        fields: tuple[str, ...],
        values: Mapping[str, tuple[int, ...]],
        expected: str = "",
        number: str = "",
        weight: int = 1,
    ) -> None:
        super().__init__(spec, row)
        self.fields, self.field, self.values, self.number = fields, fields[0], values, number
        self.names = {value: name for name, value in reversed([*values.items()])}
        self.expected, self.weight = expected or f"one of {', '.join(values)}", weight

    def read(self, r: Reader, f: FieldValues) -> None:
        if self.number and r.at_number():
            f[self.field] = r.number("immediate", 0, 15 if self.field == "CRm" else 31)
        else:
            name = r.choose(self.values, self.expected, self.weight, hint=True)
            f.update(zip(self.fields, self.values[name], strict=True))

    def write(self, f: FieldValues, address: int) -> str | None:
        name = self.names.get(tuple(f[field] for field in self.fields))
        return f"#{f[self.field]:{self.number}}" if name is None and self.number else name


class SystemRegister(Name):
    """`vbar_el1`, or `s<op0>_<op1>_c<CRn>_c<CRm>_<op2>` with op0 2 or 3."""

    def __init__(self, spec: str, row: Encoding) -> None:
        expected = "a system register or s<op0>_<op1>_c<n>_c<m>_<op2>"
        super().__init__(spec, row, ("key",), _REGISTERS, expected)

    def read(self, r: Reader, f: FieldValues) -> None:
        if match := _GENERIC.match(r.token.text.lower()):
            f["key"] = system_key(*map(int, match.groups())) & 0x7FFF
            r.advance()
        else:
            super().read(r, f)

    def write(self, f: FieldValues, address: int) -> str:
        fields = system_fields(f["key"] | 0x8000)
        return super().write(f, address) or "s{}_{}_c{}_c{}_{}".format(*fields)


class SystemOperation(Name):
    """`operation.dc` and so on: a name of that instruction, one that fits the row having a register or not."""

    def __init__(self, spec: str, row: Encoding) -> None:
        self.kind = spec.partition(".")[2]
        keys = {name: (key,) for name, key in _operations(self.kind, "Xt" in row.syntax)}
        super().__init__(spec, row, ("key",), keys)

    def read(self, r: Reader, f: FieldValues) -> None:
        name = r.token.text.lower()
        if name not in self.values:
            known = (*_operations(self.kind, True), *_operations(self.kind, False))
            hint = partial(did_you_mean, name, [name for name, _ in known])
            r.fail(f"{r.token} is not an operation of {self.kind}", 1, hint=hint)
        super().read(r, f)


class SystemInstruction(Operand):
    """`#op1, Cn, Cm, #op2` of SYS and SYSL."""

    def read(self, r: Reader, f: FieldValues) -> None:
        op1, crn, crm = r.number("immediate", 0, 7), self._control(r), self._control(r)
        r.expect(",")
        f["key"] = system_key(0, op1, crn, crm, r.number("immediate", 0, 7))

    def _control(self, r: Reader) -> int:
        r.expect(",")
        return int(r.choose([f"c{n}" for n in range(16)], "c0 to c15")[1:])

    def write(self, f: FieldValues, address: int) -> str:
        _, op1, crn, crm, op2 = system_fields(f["key"])
        return f"#{op1}, c{crn}, c{crm}, #{op2}"


def _kind(field: str, values: Mapping[str, int], expected: str = "", number: str = "") -> Kind:
    pairs = {name: (value,) for name, value in values.items()}
    return partial(Name, fields=(field,), values=pairs, expected=expected, number=number)


KINDS: dict[str, Kind] = {
    "cond": _kind("cond", _CONDITIONS, "a condition (eq, ne, ... nv)"),
    # The encoding holds the inverse (CSET and its kin, so not AL or NV).
    "notcond": _kind("cond", _INVERTED, "a condition (eq, ne, ... le)"),
    "shift3": _kind("shift", _NOT_ROR, "lsl, lsr or asr"),
    "shift4": _kind("shift", _SHIFTS, "lsl, lsr, asr or ror"),
    "barrier": _kind("CRm", BARRIERS, number="#04x"),
    "isb": _kind("CRm", {"sy": 15}, number="#x"),
    "prefetch": _kind("Rt", PREFETCHES, number="#04x"),
    "pstate": partial(  # a system register is as likely, so the weight is 0
        Name,
        fields=("op1", "op2"),
        values=PSTATE_FIELDS,
        expected=f"a PSTATE field ({', '.join(PSTATE_FIELDS)})",
        weight=0,
    ),
    "sysreg": SystemRegister,
    "system": SystemInstruction,
    "operation": SystemOperation,
}
