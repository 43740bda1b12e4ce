"""Multiply, divide, shift by a register, CRC32, and the operations on the bits of one register (Arm ARM C4.1).

Invariant: results are cut to the width of the destination here; operands come cut to theirs.
"""

from __future__ import annotations

from aarch64sim.arch import vocabulary
from aarch64sim.arch.execute.common import following, plain
from aarch64sim.arch.execute.data_register import binary, unary
from aarch64sim.arch.pattern import Fields
from aarch64sim.arch.registers import MASK32, MASK64, destination, source
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import mask_of, shift_register, sign_extend


@plain
def multiply_add(cpu: CpuState, f: Fields, pc: int) -> Op:
    """MADD, MSUB, so also MUL and MNEG."""
    r, d, n, m, a = cpu.r, destination(f.Rd), source(f.Rn), source(f.Rm), source(f.Ra)
    mask, next_pc = mask_of(f.sf), following(pc)

    def op_add() -> int:
        r[d] = (r[a] + r[n] * r[m]) & mask
        return next_pc

    def op_sub() -> int:
        r[d] = (r[a] - r[n] * r[m]) & mask
        return next_pc

    return op_sub if f.op else op_add


@plain
def multiply_add_long(cpu: CpuState, f: Fields, pc: int) -> Op:
    """SMADDL, SMSUBL, UMADDL, UMSUBL: 32 x 32 -> 64 bits."""
    r, d, n, m, a = cpu.r, destination(f.Rd), source(f.Rn), source(f.Rm), source(f.Ra)
    unsigned, sign, next_pc = f.U, -1 if f.op else 1, following(pc)

    def op() -> int:
        x, y = r[n] & MASK32, r[m] & MASK32
        product = x * y if unsigned else sign_extend(x, 32) * sign_extend(y, 32)
        r[d] = (r[a] + sign * product) & MASK64
        return next_pc

    return op


@plain
def multiply_high(cpu: CpuState, f: Fields, pc: int) -> Op:
    """SMULH, UMULH: the upper half of 64 x 64 bits."""
    if f.U:
        return binary(cpu, f, pc, lambda x, y: x * y >> 64)
    return binary(cpu, f, pc, lambda x, y: sign_extend(x, 64) * sign_extend(y, 64) >> 64 & MASK64)


@plain
def divide(cpu: CpuState, f: Fields, pc: int) -> Op:
    """UDIV, SDIV: towards zero; by zero gives zero; the most negative by -1 gives itself."""
    width, mask, signed = 32 << f.sf, mask_of(f.sf), f.op

    def quotient(x: int, y: int) -> int:
        if y == 0:
            return 0
        if not signed:
            return x // y
        x, y = sign_extend(x, width), sign_extend(y, width)
        return (abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)) & mask

    return binary(cpu, f, pc, quotient)


@plain
def shift_variable(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LSLV, LSRV, ASRV, RORV: by Rm modulo the width."""
    kind, sf, limit = f.shift, f.sf, (32 << f.sf) - 1
    return binary(cpu, f, pc, lambda x, y: shift_register(x, kind, y & limit, sf))


@plain
def crc32(cpu: CpuState, f: Fields, pc: int) -> Op:
    """CRC32B/H/W/X and CRC32CB/H/W/X."""
    r, d, n, m, next_pc = cpu.r, destination(f.Rd), source(f.Rn), source(f.Rm), following(pc)
    bits = 8 << f.size
    polynomial = vocabulary.CRC32C_POLYNOMIAL if f.op else vocabulary.CRC32_POLYNOMIAL

    def op() -> int:
        r[d] = vocabulary.crc32(r[n] & MASK32, r[m], bits, polynomial)
        return next_pc

    return op


@plain
def reverse_bits(cpu: CpuState, f: Fields, pc: int) -> Op:
    """RBIT."""
    width = 32 << f.sf
    return unary(cpu, f, pc, lambda x: vocabulary.reverse_bits(x, width))


@plain
def reverse_bytes(cpu: CpuState, f: Fields, pc: int) -> Op:
    """REV16, REV32, REV: the bytes of every 2, 4 or 8."""
    width, container = 32 << f.sf, 8 << f.size
    return unary(cpu, f, pc, lambda x: vocabulary.reverse_bytes(x, width, container))


@plain
def count_leading(cpu: CpuState, f: Fields, pc: int) -> Op:
    """CLZ, CLS."""
    count = vocabulary.count_leading_sign if f.op else vocabulary.count_leading_zeros
    width = 32 << f.sf
    return unary(cpu, f, pc, lambda x: count(x, width))
