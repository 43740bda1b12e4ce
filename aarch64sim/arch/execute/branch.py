"""Branches and exception-generating instructions (Arm ARM C4.1).

Invariant: targets are computed by the binder; an operation only chooses between two numbers or reads a register.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from aarch64sim.arch import entry, requested
from aarch64sim.arch.execute.common import Binder, following, plain
from aarch64sim.arch.pattern import Fields
from aarch64sim.arch.registers import MASK64, source
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import mask_of, sign_extend

LR = 30


def _target(f: Fields, pc: int, bits: int) -> int:
    return (pc + 4 * sign_extend(f.imm, bits)) & MASK64


@plain
def branch(cpu: CpuState, f: Fields, pc: int) -> Op:
    """B, BL."""
    r, target, next_pc = cpu.r, _target(f, pc, 26), following(pc)

    def op_link() -> int:
        r[LR] = next_pc
        return target

    return op_link if f.L else lambda: target


@plain
def branch_conditional(cpu: CpuState, f: Fields, pc: int) -> Op:
    """B.cond: the odd conditions are the even ones with the two ways exchanged; AL and NV are both always."""
    p, target, next_pc = cpu.pstate, _target(f, pc, 19), following(pc)
    yes, no = (next_pc, target) if f.cond & 1 and f.cond != 15 else (target, next_pc)
    return (
        lambda: yes if p.z else no,
        lambda: yes if p.c else no,
        lambda: yes if p.n else no,
        lambda: yes if p.v else no,
        lambda: yes if p.c and not p.z else no,
        lambda: yes if p.n == p.v else no,
        lambda: yes if p.n == p.v and not p.z else no,
        lambda: yes,
    )[f.cond >> 1]


@plain
def compare_and_branch(cpu: CpuState, f: Fields, pc: int) -> Op:
    """CBZ, CBNZ."""
    r, t, mask = cpu.r, source(f.Rt), mask_of(f.sf)
    target, next_pc = _target(f, pc, 19), following(pc)
    nonzero, zero = (target, next_pc) if f.op else (next_pc, target)
    return lambda: nonzero if r[t] & mask else zero


@plain
def test_and_branch(cpu: CpuState, f: Fields, pc: int) -> Op:
    """TBZ, TBNZ."""
    r, t, bit = cpu.r, source(f.Rt), 1 << f.bit
    target, next_pc = _target(f, pc, 14), following(pc)
    one, zero = (target, next_pc) if f.op else (next_pc, target)
    return lambda: one if r[t] & bit else zero


@plain
def branch_register(cpu: CpuState, f: Fields, pc: int) -> Op:
    """BR, BLR, RET."""
    r, n, next_pc = cpu.r, source(f.Rn), following(pc)

    def op_link() -> int:
        target = r[n]
        r[LR] = next_pc
        return target

    return op_link if f.L else lambda: r[n]


def exception_return(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ERET."""
    return lambda: entry.exception_return(cpu)


def _asking_for(exception: Callable[[CpuState, int], NoReturn]) -> Binder:
    """The binder of an instruction that does nothing but raise, with the immediate."""

    def binder(cpu: CpuState, f: Fields, pc: int) -> Op:
        imm16 = f.imm
        return lambda: exception(cpu, imm16)

    return binder


supervisor_call = _asking_for(requested.supervisor_call)
hypervisor_call = _asking_for(requested.hypervisor_call)
secure_monitor_call = _asking_for(requested.secure_monitor_call)
breakpoint = _asking_for(requested.breakpoint_instruction)


def undefined(cpu: CpuState, f: Fields, pc: int) -> Op:
    """UDF, and HLT while halting debug is off."""
    return requested.undefined


def other_simd(cpu: CpuState, f: Fields, pc: int) -> Op:
    """SIMD&FP that we do not execute: its trap if one is set, else UNDEFINED."""

    def op() -> int:
        requested.check_fp(cpu)
        requested.undefined()

    return op
