"""System instructions: hints, barriers, PSTATE fields, system registers (Arm ARM C4.1).

Invariant: whatever may change what the CPU must look at before the next instruction ends in `cpu.leave`.
"""

from __future__ import annotations

from aarch64sim.arch import system
from aarch64sim.arch.execute.common import following, plain
from aarch64sim.arch.pattern import Fields
from aarch64sim.arch.registers import destination, source
from aarch64sim.arch.requested import undefined
from aarch64sim.arch.state import CpuState, Op

WFE, WFI, SEV, SEVL = 2, 3, 4, 5
SYS_SPACE, REGISTER_SPACE = 0x4000, 0x8000  # op0 = 0b01 and 0b1x of a key


def hint(cpu: CpuState, f: Fields, pc: int) -> Op:
    """WFE, WFI, SEV, SEVL; every other hint does nothing (PAC and BTI too: the CPU has neither)."""
    next_pc = following(pc)

    def op_send_event() -> int:
        cpu.event_register = True
        return next_pc

    if f.imm == WFE:
        return lambda: system.wait_for_event(cpu, next_pc)
    if f.imm == WFI:
        return lambda: system.wait_for_interrupt(cpu, next_pc)
    return op_send_event if f.imm in (SEV, SEVL) else lambda: next_pc


plain(hint, when=lambda f: f.imm not in (WFE, WFI, SEV, SEVL))


@plain
def barrier(cpu: CpuState, f: Fields, pc: int) -> Op:
    """DSB, DMB: one CPU that does everything in order has nothing to wait for."""
    next_pc = following(pc)
    return lambda: next_pc


prefetch = barrier  # PRFM: no cache, no effect, and never a fault


def instruction_barrier(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ISB: a context synchronization event."""
    next_pc = following(pc)
    return lambda: cpu.leave(next_pc)


# --- PSTATE ---


def clear_exclusive(cpu: CpuState, f: Fields, pc: int) -> Op:
    """CLREX."""
    next_pc = following(pc)

    def op() -> int:
        cpu.monitor = None
        return next_pc

    return op


def write_pstate_field(cpu: CpuState, f: Fields, pc: int) -> Op:
    """MSR (immediate)."""
    op1, op2, crm, next_pc = f.op1, f.op2, f.CRm, following(pc)

    def op() -> int:
        system.write_pstate_field(cpu, op1, op2, crm)
        return cpu.leave(next_pc)

    return op


def write_system_register(cpu: CpuState, f: Fields, pc: int) -> Op:
    """MSR (register)."""
    r, t, rt, key, next_pc = cpu.r, source(f.Rt), f.Rt, f.key | REGISTER_SPACE, following(pc)

    def op() -> int:
        system.write_system(cpu, key, r[t], rt)
        return cpu.leave(next_pc)

    return op


def read_system_register(cpu: CpuState, f: Fields, pc: int) -> Op:
    """MRS."""
    r, t, rt, key, next_pc = cpu.r, destination(f.Rt), f.Rt, f.key | REGISTER_SPACE, following(pc)

    def op() -> int:
        r[t] = system.read_system(cpu, key, rt)
        return next_pc

    return op


def system_instruction(cpu: CpuState, f: Fields, pc: int) -> Op:
    """SYS: DC, IC, AT, TLBI."""
    r, t, rt, key, next_pc = cpu.r, source(f.Rt), f.Rt, f.key | SYS_SPACE, following(pc)

    def op() -> int:
        system.system_instruction(cpu, key, r[t], rt)
        return cpu.leave(next_pc)

    return op


def system_instruction_with_result(cpu: CpuState, f: Fields, pc: int) -> Op:
    """SYSL: nothing is allocated there."""
    return undefined
