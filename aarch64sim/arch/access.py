"""Loads, stores and fetches when the caches of `Memory` do not answer: alignment, stage 2, watchpoints, byte order.

Invariant: an access that faults has changed nothing, and its syndrome says all that the architecture gives
(Arm ARM D8, D24.2.45; the order of checks follows the AArch64.TranslateAddress pseudocode).
"""

from __future__ import annotations

from typing import Literal

from aarch64sim.arch import sysregs
from aarch64sim.arch.bound_code import forget_code
from aarch64sim.arch.exceptions import Synchronous
from aarch64sim.arch.matching import check_watchpoints
from aarch64sim.arch.memory import OFFSET, PAGE, PAGE_BITS
from aarch64sim.arch.state import CpuState
from aarch64sim.arch.syndrome import EC, FSC, WNR

ZVA_BLOCK = 64  # bytes zeroed by DC ZVA, as DCZID_EL0 says
PHYSICAL_BITS = (32, 36, 40, 42, 44, 48)  # of an address, by ID_AA64MMFR0_EL1.PARange


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
        or cpu.choices.unaligned_device_faults
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
    LDTR and similar: without stage 1 they access what a plain load does, but watchpoints see an access of EL0.
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
    check_watchpoints(cpu, address, size, 0, unprivileged=unprivileged)
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
    parts = _parts(address, size)
    for number, (page, offset, _) in enumerate(parts):
        descriptor = memory.stage2.get(page)
        if descriptor is None or not descriptor.writable:
            fault = (page << PAGE_BITS | offset) if number else address
            status = FSC.PERMISSION if descriptor else FSC.TRANSLATION
            raise _stage2_abort(cpu, fault, iss | WNR, status)
    check_watchpoints(cpu, address, size, WNR, unprivileged=unprivileged)
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


def check_read_write(cpu: CpuState, address: int, size: int) -> None:
    """What an atomic of `size` bytes meets before it reads: it is a load and a store, whether or not it then writes
    (Arm ARM C3.2.17). Of an access that may not even be read, the syndrome says that it was a read.
    """
    _check_alignment(cpu, address, size, 0, ordered=True)
    page = address >> PAGE_BITS
    descriptor = cpu.memory.stage2.get(page)
    if descriptor is None:
        raise _stage2_abort(cpu, address, 0, FSC.TRANSLATION)
    if not descriptor.writable:
        raise _stage2_abort(cpu, address, WNR, FSC.PERMISSION)
    check_watchpoints(cpu, address, size, 0)
    check_watchpoints(cpu, address, size, WNR)


def fetch(cpu: CpuState, pc: int) -> int:
    """The instruction word at `pc`; raises the PC alignment fault or the instruction abort, in the CPU's order."""
    if pc & 3 and not cpu.choices.fetch_before_alignment:
        raise Synchronous(EC.PC_ALIGNMENT, far=pc)
    check_fetch(cpu, pc)
    if pc & 3:
        raise Synchronous(EC.PC_ALIGNMENT, far=pc)
    offset = pc & OFFSET
    return int.from_bytes(cpu.memory.stage2[pc >> PAGE_BITS].data[offset : offset + 4], "little")


def check_fetch(cpu: CpuState, pc: int) -> None:
    """Raise the instruction abort of a fetch at `pc`, if there is one."""
    descriptor = cpu.memory.stage2.get(pc >> PAGE_BITS)
    if descriptor is None or not descriptor.executable:
        status = FSC.PERMISSION if descriptor else FSC.TRANSLATION
        raise _stage2_abort(cpu, pc, 0, status, EC.INSTRUCTION_ABORT)


def peek(cpu: CpuState, address: int, size: int) -> int:
    """What a load would give, without any effect; 0 for bytes that are not mapped."""
    data = bytearray()
    for page, offset, length in _parts(address, size):
        descriptor = cpu.memory.stage2.get(page)
        data += descriptor.data[offset : offset + length] if descriptor else bytes(length)
    return int.from_bytes(data, byte_order(cpu))


def zero_block(cpu: CpuState, address: int) -> None:
    """DC ZVA: zero the 64-byte block around `address`; an abort has no valid syndrome."""
    if _is_device(cpu):
        raise Synchronous(EC.DATA_ABORT, WNR | FSC.ALIGNMENT, far=address)
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
        ordered or (cpu.pstate.el < 2 and cpu.sys.sctlr_el1 & sysregs.SCTLR_A) or _is_device(cpu)
    ):
        raise Synchronous(EC.DATA_ABORT, wnr | FSC.ALIGNMENT, far=address)


def _is_device(cpu: CpuState) -> bool:
    """Data is Device-nGnRnE memory: stage 1 is off and HCR_EL2.DC does not make it Normal, where the CPU cares."""
    return (
        cpu.choices.unaligned_device_faults
        and not cpu.sys.sctlr_el1 & sysregs.SCTLR_M
        and not cpu.sys.hcr_el2 & sysregs.HCR_DC
    )


def physical_bits(cpu: CpuState) -> int:
    """Bits of a physical address: what lies beyond is an Address size fault of stage 1, also when that is off."""
    return PHYSICAL_BITS[min(cpu.sys.get("id_aa64mmfr0_el1") & 15, len(PHYSICAL_BITS) - 1)]


def _stage2_abort(
    cpu: CpuState, address: int, iss: int, status: int, ec: int = EC.DATA_ABORT
) -> Synchronous:
    if address >> physical_bits(cpu):
        return Synchronous(ec, iss & WNR | FSC.ADDRESS_SIZE, far=address)
    page = address >> PAGE_BITS
    level = 3 if status == FSC.PERMISSION else cpu.memory.fault_level(page)
    if address >> 64 - (cpu.sys.vtcr_el2 & sysregs.VTCR_T0SZ):
        level = 0  # beyond what stage 2 translates
    return Synchronous(ec, iss | status | level, target_el=2, far=address, hpfar=page << 4)
