"""Data processing on registers: add, logical, carry, shifts, extends, conditions and flags (Arm ARM C4.1).

Invariant: a second operand is a function of no arguments; whoever uses its value cuts it to the width.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch.execute import arithmetic
from aarch64sim.arch.execute.arithmetic import Operand, flag_setter
from aarch64sim.arch.execute.common import following, plain
from aarch64sim.arch.pattern import Fields
from aarch64sim.arch.registers import destination, source
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import (
    add_with_carry,
    condition_holds,
    extend_register,
    mask_of,
    rotate_right,
    shift_right_arithmetic,
)


def _shifted(cpu: CpuState, f: Fields) -> Operand:
    r, m, amount, width, mask = cpu.r, source(f.Rm), f.imm, 32 << f.sf, mask_of(f.sf)
    return (
        lambda: r[m] << amount,
        lambda: (r[m] & mask) >> amount,
        lambda: shift_right_arithmetic(r[m], amount, width),
        lambda: rotate_right(r[m] & mask, amount, width),
    )[f.shift]


def _extended(cpu: CpuState, f: Fields) -> Operand:
    r, m, option, amount = cpu.r, source(f.Rm), f.option, f.imm
    return lambda: extend_register(r[m], option, amount)


@plain
def add_shifted(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ADD, SUB (shifted register)."""
    d, n = destination(f.Rd), source(f.Rn)
    return arithmetic.add_operand(cpu, d, n, _shifted(cpu, f), f.op, f.sf, pc)


@plain
def adds_shifted(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ADDS, SUBS (shifted register), so also CMN, CMP, NEGS."""
    d, n = destination(f.Rd), source(f.Rn)
    return arithmetic.adds_operand(cpu, d, n, _shifted(cpu, f), f.op, f.sf, pc)


@plain
def add_extended(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ADD, SUB (extended register): 31 is the stack pointer as Rd and Rn."""
    return arithmetic.add_operand(cpu, f.Rd, f.Rn, _extended(cpu, f), f.op, f.sf, pc)


@plain
def adds_extended(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ADDS, SUBS (extended register): 31 is the stack pointer as Rn."""
    return arithmetic.adds_operand(cpu, destination(f.Rd), f.Rn, _extended(cpu, f), f.op, f.sf, pc)


@plain
def logical_shifted(cpu: CpuState, f: Fields, pc: int) -> Op:
    """AND, BIC, ORR, ORN, EOR, EON, ANDS, BICS (shifted register), so also MOV, MVN, TST."""
    r, p, d, n = cpu.r, cpu.pstate, destination(f.Rd), source(f.Rn)
    mask, top, next_pc = mask_of(f.sf), (32 << f.sf) - 1, following(pc)
    shifted, invert = _shifted(cpu, f), mask if f.N else 0

    def op_and() -> int:
        r[d] = r[n] & (shifted() ^ invert) & mask
        return next_pc

    def op_orr() -> int:
        r[d] = (r[n] | (shifted() ^ invert)) & mask
        return next_pc

    def op_eor() -> int:
        r[d] = (r[n] ^ shifted() ^ invert) & mask
        return next_pc

    def op_ands() -> int:
        r[d] = result = r[n] & (shifted() ^ invert) & mask
        p.n, p.z, p.c, p.v = result >> top, 0 if result else 1, 0, 0
        return next_pc

    return (op_and, op_orr, op_eor, op_ands)[f.op]


@plain
def add_carry(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ADC, ADCS, SBC, SBCS."""
    r, p, d, n, m = cpu.r, cpu.pstate, destination(f.Rd), source(f.Rn), source(f.Rm)
    mask, sf, setflags, next_pc = mask_of(f.sf), f.sf, f.S, following(pc)
    invert = mask if f.op else 0

    def op() -> int:
        r[d] = add_with_carry(r[n] & mask, r[m] & mask ^ invert, p.c, sf)[0]
        return next_pc

    def op_flags() -> int:
        r[d], p.n, p.z, p.c, p.v = add_with_carry(r[n] & mask, r[m] & mask ^ invert, p.c, sf)
        return next_pc

    return op_flags if setflags else op


# --- conditions and flags ---


def _compare(cpu: CpuState, f: Fields, pc: int, operand: Operand) -> Op:
    r, p, n, cond, nzcv, next_pc = cpu.r, cpu.pstate, source(f.Rn), f.cond, f.nzcv, following(pc)
    set_flags, mask = flag_setter(cpu, f.op, f.sf), mask_of(f.sf)
    flags = tuple(nzcv >> bit & 1 for bit in (3, 2, 1, 0))

    def op() -> int:
        if condition_holds(cond, p.n, p.z, p.c, p.v):
            set_flags(r[n] & mask, operand() & mask)
        else:
            p.n, p.z, p.c, p.v = flags
        return next_pc

    return op


@plain
def compare_register(cpu: CpuState, f: Fields, pc: int) -> Op:
    """CCMN, CCMP (register)."""
    r, m = cpu.r, source(f.Rm)
    return _compare(cpu, f, pc, lambda: r[m])


@plain
def compare_immediate(cpu: CpuState, f: Fields, pc: int) -> Op:
    """CCMN, CCMP (immediate)."""
    value = f.imm
    return _compare(cpu, f, pc, lambda: value)


@plain
def conditional_select(cpu: CpuState, f: Fields, pc: int) -> Op:
    """CSEL, CSINC, CSINV, CSNEG, so also CSET and similar."""
    r, p, d, n, m = cpu.r, cpu.pstate, destination(f.Rd), source(f.Rn), source(f.Rm)
    cond, mask, next_pc = f.cond, mask_of(f.sf), following(pc)
    invert, increment = mask if f.op else 0, f.N

    def op() -> int:
        holds = condition_holds(cond, p.n, p.z, p.c, p.v)
        r[d] = (r[n] if holds else (r[m] ^ invert) + increment) & mask
        return next_pc

    return op


def unary(cpu: CpuState, f: Fields, pc: int, function: Callable[[int], int]) -> Op:
    """Rd = function of Rn cut to its width."""
    r, d, n, mask, next_pc = cpu.r, destination(f.Rd), source(f.Rn), mask_of(f.sf), following(pc)

    def op() -> int:
        r[d] = function(r[n] & mask)
        return next_pc

    return op


def binary(cpu: CpuState, f: Fields, pc: int, function: Callable[[int, int], int]) -> Op:
    """Rd = function of Rn and Rm cut to their width."""
    r, d, n, m = cpu.r, destination(f.Rd), source(f.Rn), source(f.Rm)
    mask, next_pc = mask_of(f.sf), following(pc)

    def op() -> int:
        r[d] = function(r[n] & mask, r[m] & mask)
        return next_pc

    return op
