"""Breakpoints and watchpoints: which of the debug registers match (Arm ARM D2.8, D2.9).

Invariant: what fires follows from the registers, the level and the access; nothing is remembered.
"""

from __future__ import annotations

from aarch64sim.arch import sysregs
from aarch64sim.arch.exceptions import Synchronous
from aarch64sim.arch.memory import OFFSET
from aarch64sim.arch.registers import MASK32
from aarch64sim.arch.state import CpuState
from aarch64sim.arch.syndrome import EC, FSC

_ENABLED = 1
_ADDRESS, _LINKED_ADDRESS = 0, 1  # breakpoint types, DBGBCR.BT; the odd ones have or are a link
_EL1_LINKS = (3, 7)  # those that are compared with CONTEXTIDR_EL1 alone, for others
_CONTEXT_AWARE = range(sysregs.BREAKPOINTS - sysregs.CONTEXT_AWARE, sysregs.BREAKPOINTS)


def check_watchpoints(
    cpu: CpuState, address: int, size: int, wnr: int, *, unprivileged: bool = False
) -> None:
    """Raise the Watchpoint exception of the first watchpoint that an access of `size` bytes at `address` meets.

    `wnr` is WNR for a store, else 0. An `unprivileged` access (LDTR, STTR) is one of EL0, unless PSTATE.UAO is set.
    """
    if not cpu.sys.mdscr_el1 & sysregs.MDSCR_MDE or not cpu.debug_exceptions_enabled():
        return
    el = 0 if unprivileged and not cpu.pstate.uao else cpu.pstate.el
    for start, length in _as_watched(cpu, address, size, wnr):
        _check_watchpoints(cpu, start, length, wnr, el)


def _as_watched(cpu: CpuState, address: int, size: int, wnr: int) -> list[tuple[int, int]]:
    """The access as watchpoints see it: address and size of each of its parts."""
    unit = min(size, 8)
    if not address & (unit - 1) or cpu.choices.unaligned_watched_exactly:
        return [(address, size)]
    units = range(address, address + size, unit)
    if not wnr:
        aligned = [start & -unit for start in units]
        return [(start, unit) for low in aligned for start in (low, low + unit)]
    parts = []
    for start in units:
        last = start + unit
        page, inside = last & ~OFFSET, last & OFFSET
        parts += [(start, unit - inside)] if inside < unit else []
        parts += [(page, inside)]
    return parts


def _check_watchpoints(cpu: CpuState, address: int, size: int, wnr: int, el: int) -> None:
    direction = 2 if wnr else 1  # of DBGWCR.LSC
    for n in range(sysregs.WATCHPOINTS):
        control = cpu.sys.get(f"dbgwcr{n}_el1")
        if not control & _ENABLED or not control >> 3 & direction or not _at_level(control, el):
            continue
        byte = _first_watched(cpu.sys.get(f"dbgwvr{n}_el1"), control, address, size)
        if byte is not None and (not control >> 20 & 1 or _linked_context(cpu, control)):
            target = cpu.debug_target_el()
            raise Synchronous(EC.WATCHPOINT, wnr | FSC.DEBUG, target_el=target, far=byte)


def _first_watched(value: int, control: int, address: int, size: int) -> int | None:
    """The lowest byte of the access that is watched: FAR_ELx (D2.9.8.2.4). None if there is none.

    DBGWCR.MASK watches an aligned range of 2^MASK bytes. Else DBGWCR.BAS selects bytes of the doubleword at DBGWVR, or
    of the word there, if DBGWVR[2] says that it is one.
    """
    if mask := control >> 24 & 31:
        start = value & ~7 & -(1 << mask)
        byte = max(address, start)
        return byte if byte < min(address + size, start + (1 << mask)) else None
    width = 4 if value & 4 else 8
    start = value & -width
    watched = (start + n for n in range(width) if control >> 5 + n & 1)
    return next((byte for byte in watched if address <= byte < address + size), None)


def check_breakpoints(cpu: CpuState) -> None:
    """Raise the Breakpoint exception when a breakpoint matches the instruction at PC or the context."""
    if not cpu.debug_exceptions_enabled():
        return
    for n in range(sysregs.BREAKPOINTS):
        control = cpu.sys.get(f"dbgbcr{n}_el1")
        if control & _ENABLED and _at_level(control, cpu.pstate.el) and _matches(cpu, n, control):
            target = cpu.debug_target_el()
            clears = cpu.choices.breakpoint_clears_far and target == 1
            far = 0 if clears else None
            raise Synchronous(EC.BREAKPOINT, FSC.DEBUG, target_el=target, far=far)


def _matches(cpu: CpuState, n: int, control: int) -> bool:
    """Whether what breakpoint `n` compares is as DBGBVR says; one that others link to matches only for them."""
    kind, value = _kind(control), cpu.sys.get(f"dbgbvr{n}_el1")
    if kind in (_ADDRESS, _LINKED_ADDRESS):
        return value & ~3 == cpu.pc and (kind == _ADDRESS or _linked_context(cpu, control))
    return n in _CONTEXT_AWARE and not kind & 1 and _context_is(cpu, kind, value)


def _linked_context(cpu: CpuState, control: int) -> bool:
    """Whether the context breakpoint that LBN of a control register names matches."""
    n = control >> 16 & 15
    if n not in _CONTEXT_AWARE:
        return False
    linked = cpu.sys.get(f"dbgbcr{n}_el1")
    kind = _kind(linked)
    is_link = linked & _ENABLED and kind & 1 and kind != _LINKED_ADDRESS
    return bool(is_link) and _context_is(cpu, kind, cpu.sys.get(f"dbgbvr{n}_el1"))


def _context_is(cpu: CpuState, kind: int, value: int) -> bool:
    """Whether CONTEXTIDR_EL1, CONTEXTIDR_EL2 and the VMID, those that the type compares, are those of DBGBVR."""
    if kind not in _EL1_LINKS and not cpu.choices.all_context_breakpoints:
        return False
    s = cpu.sys
    context = s.get("contextidr_el1") & MASK32 == value & MASK32
    host_context = s.get("contextidr_el2") & MASK32 == value >> 32
    vmid = s.get("vttbr_el2") >> 48 & 0xFF == value >> 32 & 0xFF
    both = host_context and context
    compared = {1: context, 3: context, 4: vmid, 5: vmid and context, 6: host_context, 7: both}
    return compared.get(kind >> 1, False)


def _kind(control: int) -> int:
    return control >> 20 & 15


def _at_level(control: int, el: int) -> bool:
    """Whether the PMC or PAC field of a control register covers level `el`; EL2 is not debugged."""
    return bool(control >> 1 & 3 & (2 if el == 0 else 1)) and el < 2
