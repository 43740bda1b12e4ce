"""Data processing with an immediate: PC-relative addresses, add, logical, move, bitfield, extract (Arm ARM C4.1).

Invariant: binders turn every immediate into the number that the operation adds, keeps or masks with.
"""

from __future__ import annotations

from aarch64sim.arch.execute.arithmetic import adds_operand
from aarch64sim.arch.execute.common import following, plain
from aarch64sim.arch.pattern import Fields
from aarch64sim.arch.registers import MASK64, destination, source
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import bitmask_immediate, mask_of, ones, rotate_right, sign_extend


def _set_constant(cpu: CpuState, d: int, value: int, pc: int) -> Op:
    r, next_pc = cpu.r, following(pc)

    def op() -> int:
        r[d] = value
        return next_pc

    return op


@plain
def address(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ADR."""
    offset = sign_extend(f.imm << 2 | f.immlo, 21)
    return _set_constant(cpu, destination(f.Rd), (pc + offset) & MASK64, pc)


@plain
def address_of_page(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ADRP."""
    offset = sign_extend(f.imm << 2 | f.immlo, 21) << 12
    return _set_constant(cpu, destination(f.Rd), ((pc & ~0xFFF) + offset) & MASK64, pc)


@plain
def add_immediate(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ADD, SUB (immediate): 31 is the stack pointer in both places."""
    r, d, n, mask, next_pc = cpu.r, f.Rd, f.Rn, mask_of(f.sf), following(pc)
    value = (f.imm << 12 * f.shift) * (-1 if f.op else 1)

    def op() -> int:
        r[d] = (r[n] + value) & mask
        return next_pc

    return op


@plain
def adds_immediate(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ADDS, SUBS (immediate), so also CMN and CMP."""
    value = f.imm << 12 * f.shift
    return adds_operand(cpu, destination(f.Rd), f.Rn, lambda: value, f.op, f.sf, pc)


@plain
def logical_immediate(cpu: CpuState, f: Fields, pc: int) -> Op:
    """AND, ORR, EOR (bitmask immediate): 31 is the stack pointer as destination."""
    r, d, n, next_pc = cpu.r, f.Rd, source(f.Rn), following(pc)
    value, mask = bitmask_immediate(f.N, f.imms, f.immr, f.sf) or 0, mask_of(f.sf)

    def op_and() -> int:
        r[d] = r[n] & value
        return next_pc

    def op_orr() -> int:
        r[d] = (r[n] | value) & mask
        return next_pc

    def op_eor() -> int:
        r[d] = (r[n] ^ value) & mask
        return next_pc

    return (op_and, op_orr, op_eor)[f.op]


@plain
def ands_immediate(cpu: CpuState, f: Fields, pc: int) -> Op:
    """ANDS (bitmask immediate), so also TST."""
    r, p, d, n, next_pc = cpu.r, cpu.pstate, destination(f.Rd), source(f.Rn), following(pc)
    value, top = bitmask_immediate(f.N, f.imms, f.immr, f.sf) or 0, (32 << f.sf) - 1

    def op() -> int:
        r[d] = result = r[n] & value
        p.n, p.z, p.c, p.v = result >> top, 0 if result else 1, 0, 0
        return next_pc

    return op


@plain
def move_wide(cpu: CpuState, f: Fields, pc: int) -> Op:
    """MOVN, MOVZ, MOVK."""
    r, d, next_pc = cpu.r, destination(f.Rd), following(pc)
    value = f.imm << 16 * f.shift
    if f.op != 3:
        return _set_constant(cpu, d, value if f.op else value ^ mask_of(f.sf), pc)
    keep = mask_of(f.sf) & ~(0xFFFF << 16 * f.shift)

    def op_keep() -> int:
        r[d] = r[d] & keep | value
        return next_pc

    return op_keep


@plain
def bitfield(cpu: CpuState, f: Fields, pc: int) -> Op:
    """SBFM, BFM, UBFM: a field of Rn is moved down to bit 0 (imms >= immr) or up from it."""
    r, d, n, next_pc = cpu.r, destination(f.Rd), source(f.Rn), following(pc)
    down = f.imms >= f.immr
    width = f.imms - f.immr + 1 if down else f.imms + 1
    low, at = (f.immr, 0) if down else (0, (32 << f.sf) - f.immr)
    field, mask = ones(width), mask_of(f.sf)
    keep = mask & ~(field << at)

    def op_signed() -> int:
        r[d] = sign_extend(r[n] >> low, width) << at & mask
        return next_pc

    def op_insert() -> int:
        r[d] = r[d] & keep | (r[n] >> low & field) << at
        return next_pc

    def op_unsigned() -> int:
        r[d] = (r[n] >> low & field) << at
        return next_pc

    return (op_signed, op_insert, op_unsigned)[f.op]


@plain
def extract(cpu: CpuState, f: Fields, pc: int) -> Op:
    """EXTR, so also ROR (immediate)."""
    r, d, n, m, next_pc = cpu.r, destination(f.Rd), source(f.Rn), source(f.Rm), following(pc)
    low, width, mask = f.imm, 32 << f.sf, mask_of(f.sf)

    def op() -> int:
        r[d] = ((r[n] & mask) << width | r[m] & mask) >> low & mask
        return next_pc

    def op_rotate() -> int:
        r[d] = rotate_right(r[n] & mask, low, width)
        return next_pc

    return op_rotate if n == m else op
