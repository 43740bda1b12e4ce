"""Loads, stores and fetches when the caches of `Memory` do not answer: alignment, stage 2, watchpoints, byte order.

Invariant: an access that faults has changed nothing, and its syndrome says all that the architecture gives
(Arm ARM D8, D24.2.40; the order of checks follows the AArch64.TranslateAddress pseudocode).
"""

from __future__ import annotations

from typing import Literal

from aarch64sim.arch import sysregs
from aarch64sim.arch.bound_code import forget_code
from aarch64sim.arch.exceptions import Synchronous
from aarch64sim.arch.memory import OFFSET, PAGE, PAGE_BITS
from aarch64sim.arch.state import CpuState
from aarch64sim.arch.syndrome import EC, FSC, WNR

ZVA_BLOCK = 64  # bytes zeroed by DC ZVA, as DCZID_EL0 says
ADDRESS_BITS = 48  # what lies beyond is an Address size fault of stage 1, also when that is off


def byte_order_of(cpu: CpuState, el: int) -> Literal["little", "big"]:
    """The order of bytes in data accesses from level `el`: SCTLR_EL1.EE at EL1, SCTLR_EL1.E0E at EL0."""
    bit = sysregs.SCTLR_EE if el else sysregs.SCTLR_E0E
    return "big" if el < 2 and cpu.sys.sctlr_el1 & bit else "little"


def byte_order(cpu: CpuState) -> Literal["little", "big"]:
    """The order of bytes in data accesses now."""
    return byte_order_of(cpu, cpu.pstate.el)


def may_cache(cpu: CpuState) -> bool:
    """Whether accesses need no look beyond stage 2, so that pages may go to the caches."""
    return not (
        cpu.sys.sctlr_el1 & (sysregs.SCTLR_A | sysregs.SCTLR_EE | sysregs.SCTLR_E0E)
        or cpu.sys.mdscr_el1 & sysregs.MDSCR_MDE
        or cpu.log.watching
    )


def load(
    cpu: CpuState,
    address: int,
    size: int,
    iss: int,
    *,
    ordered: bool = False,
    unprivileged: bool = False,
) -> int:
    """The value of `size` bytes at `address`; `iss` is what the instruction adds to the syndrome of an abort.

    `ordered`: acquire, release, exclusive or atomic, so that natural alignment is required. `unprivileged` marks
    LDTR and similar: without stage 1 they access what a plain load does.
    """
    _check_alignment(cpu, address, size, 0, ordered)
    data = bytearray()
    for page, offset, length in _parts(address, size):
        descriptor = cpu.memory.stage2.get(page)
        if descriptor is None:
            fault = (page << PAGE_BITS | offset) if data else address
            raise _stage2_abort(cpu, fault, iss, FSC.TRANSLATION)
        data += descriptor.data[offset : offset + length]
        if may_cache(cpu):
            cpu.memory.readable[page] = descriptor.data
    _check_watchpoints(cpu, address, size, 0)
    return int.from_bytes(data, byte_order(cpu))


def store(
    cpu: CpuState,
    address: int,
    size: int,
    value: int,
    iss: int,
    *,
    ordered: bool = False,
    unprivileged: bool = False,
) -> None:
    """Write the low `size` bytes of `value` at `address`; parameters as for `load`."""
    _check_alignment(cpu, address, size, WNR, ordered)
    memory = cpu.memory
    parts = list(_parts(address, size))
    for number, (page, offset, _) in enumerate(parts):
        descriptor = memory.stage2.get(page)
        if descriptor is None or not descriptor.writable:
            fault = (page << PAGE_BITS | offset) if number else address
            status = FSC.PERMISSION if descriptor else FSC.TRANSLATION
            raise _stage2_abort(cpu, fault, iss | WNR, status)
    _check_watchpoints(cpu, address, size, WNR)
    if cpu.log.watching:
        cpu.written.append((address, size, peek(cpu, address, size)))
    data = (value & (1 << 8 * size) - 1).to_bytes(size, byte_order(cpu))
    done = 0
    for page, offset, length in parts:
        view = memory.stage2[page].data
        memory.before_write(page, view)
        view[offset : offset + length] = data[done : done + length]
        done += length
        if page in memory.code:
            forget_code(cpu, page << PAGE_BITS | offset, length)
        elif may_cache(cpu):
            memory.writable[page] = view


def fetch(cpu: CpuState, pc: int) -> int:
    """The instruction word at `pc`; raises the PC alignment fault or the instruction abort."""
    if pc & 3:
        raise Synchronous(EC.PC_ALIGNMENT, far=pc)
    descriptor = cpu.memory.stage2.get(pc >> PAGE_BITS)
    if descriptor is None or not descriptor.executable:
        status = FSC.PERMISSION if descriptor else FSC.TRANSLATION
        raise _stage2_abort(cpu, pc, 0, status, EC.INSTRUCTION_ABORT)
    offset = pc & OFFSET
    return int.from_bytes(descriptor.data[offset : offset + 4], "little")


def peek(cpu: CpuState, address: int, size: int) -> int:
    """What a load would give, without any effect; 0 for bytes that are not mapped."""
    data = bytearray()
    for page, offset, length in _parts(address, size):
        descriptor = cpu.memory.stage2.get(page)
        data += descriptor.data[offset : offset + length] if descriptor else bytes(length)
    return int.from_bytes(data, byte_order(cpu))


def zero_block(cpu: CpuState, address: int) -> None:
    """DC ZVA: zero the 64-byte block around `address`; an abort has no valid syndrome."""
    try:
        store(cpu, address & ~(ZVA_BLOCK - 1), ZVA_BLOCK, 0, 0)
    except Synchronous as fault:
        fault.far = address  # FAR_ELx is what the register held, not the start of the block
        raise


def _parts(address: int, size: int) -> list[tuple[int, int, int]]:
    """The access cut at page boundaries: page number, offset, length."""
    page, offset = address >> PAGE_BITS, address & OFFSET
    first = min(size, PAGE - offset)
    parts = [(page, offset, first)]
    if first < size:
        parts.append(((page + 1) & (1 << 64 - PAGE_BITS) - 1, 0, size - first))
    return parts


def _check_alignment(cpu: CpuState, address: int, size: int, wnr: int, ordered: bool) -> None:
    if address & (size - 1) and (
        ordered or (cpu.pstate.el < 2 and cpu.sys.sctlr_el1 & sysregs.SCTLR_A)
    ):
        raise Synchronous(EC.DATA_ABORT, wnr | FSC.ALIGNMENT, far=address)


def _stage2_abort(
    cpu: CpuState, address: int, iss: int, status: int, ec: int = EC.DATA_ABORT
) -> Synchronous:
    if address >> ADDRESS_BITS:
        return Synchronous(ec, iss & WNR | FSC.ADDRESS_SIZE, far=address)
    page = address >> PAGE_BITS
    level = 3 if status == FSC.PERMISSION else cpu.memory.fault_level(page)
    return Synchronous(ec, iss | status | level, target_el=2, far=address, hpfar=page << 4)


def _check_watchpoints(cpu: CpuState, address: int, size: int, wnr: int) -> None:
    if cpu.sys.mdscr_el1 & sysregs.MDSCR_MDE and cpu.debug_exceptions_enabled():
        direction = 2 if wnr else 1
        for n in range(sysregs.WATCHPOINTS):
            control = cpu.sys.get(f"dbgwcr{n}_el1")
            if not control & 1 or not control >> 3 & direction or not level_matches(cpu, control):
                continue
            base = cpu.sys.get(f"dbgwvr{n}_el1") & ~7
            watched = {base + bit for bit in range(8) if control >> 5 & 1 << bit}
            if mask := control >> 24 & 31:
                watched = set()
                start = base & ~((1 << mask) - 1)
                hit = address < start + (1 << mask) and address + size > start
            else:
                hit = any(address <= byte < address + size for byte in watched)
            if hit:
                target = cpu.debug_target_el()
                raise Synchronous(EC.WATCHPOINT, wnr | FSC.DEBUG, target_el=target, far=address)


def check_breakpoints(cpu: CpuState) -> None:
    """Raise the Breakpoint exception when an enabled address breakpoint matches PC (Arm ARM D2.8)."""
    if not cpu.debug_exceptions_enabled():
        return
    for n in range(sysregs.BREAKPOINTS):
        control = cpu.sys.get(f"dbgbcr{n}_el1")
        if (
            control & 1
            and control >> 20 & 15 == 0
            and level_matches(cpu, control)
            and cpu.sys.get(f"dbgbvr{n}_el1") & ~3 == cpu.pc
        ):
            raise Synchronous(EC.BREAKPOINT, FSC.DEBUG, target_el=cpu.debug_target_el())


def level_matches(cpu: CpuState, control: int) -> bool:
    """Whether the PMC or PAC field of a breakpoint or watchpoint control register covers the current level."""
    return bool(control >> 1 & 3 & (2 if cpu.pstate.el == 0 else 1)) and cpu.pstate.el < 2
