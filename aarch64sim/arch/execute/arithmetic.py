"""Addition and subtraction with a constant, a register or any second operand, with and without flags.

Invariant: slots are final (31 = SP, ZERO or SINK already chosen); values are cut to their width where it matters.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch.execute.common import following
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import mask_of

Operand = Callable[[], int]


def add_constant(cpu: CpuState, d: int, n: int, value: int, sf: int, pc: int) -> Op:
    """Slot d = slot n + a constant of either sign."""
    r, mask, next_pc = cpu.r, mask_of(sf), following(pc)

    def op() -> int:
        r[d] = (r[n] + value) & mask
        return next_pc

    return op


def adds_constant(cpu: CpuState, d: int, n: int, value: int, sf: int, pc: int) -> Op:
    """Slot d = slot n + a constant, and NZCV."""
    r, p, mask, top, next_pc = cpu.r, cpu.pstate, mask_of(sf), (32 << sf) - 1, following(pc)

    def op() -> int:
        x = r[n] & mask
        total = x + value
        r[d] = result = total & mask
        p.n = result >> top
        p.z = 0 if result else 1
        p.c = total >> top + 1
        p.v = ((x ^ result) & (value ^ result)) >> top
        return next_pc

    return op


def subs_constant(cpu: CpuState, d: int, n: int, value: int, sf: int, pc: int) -> Op:
    """Slot d = slot n - a constant of 0 to 2**24, and NZCV."""
    r, p, mask, top, next_pc = cpu.r, cpu.pstate, mask_of(sf), (32 << sf) - 1, following(pc)
    half = 1 << top

    def op() -> int:
        x = r[n] & mask
        if value <= x < half:  # the usual cases, no sign and no overflow: 1.4 times as fast
            r[d] = result = x - value
            p.z = 0 if result else 1
            p.n = p.v = 0
            p.c = 1
            return next_pc
        if x < value:
            r[d] = x - value & mask
            p.n = 1
            p.z = p.c = p.v = 0
            return next_pc
        r[d] = result = (x - value) & mask
        p.n = result >> top
        p.z = 0 if result else 1
        p.c = 1 if x >= value else 0
        p.v = ((x ^ value) & (x ^ result)) >> top
        return next_pc

    return op


def add_register(
    cpu: CpuState, d: int, n: int, m: int, left: int, subtract: int, sf: int, pc: int
) -> Op:
    """Slot d = slot n +- (slot m << left)."""
    r, mask, next_pc = cpu.r, mask_of(sf), following(pc)

    def op_add() -> int:
        r[d] = (r[n] + r[m]) & mask
        return next_pc

    def op_add_shifted() -> int:
        r[d] = (r[n] + (r[m] << left)) & mask
        return next_pc

    def op_sub() -> int:
        r[d] = (r[n] - r[m]) & mask
        return next_pc

    def op_sub_shifted() -> int:
        r[d] = (r[n] - (r[m] << left)) & mask
        return next_pc

    if left:
        return op_sub_shifted if subtract else op_add_shifted
    return op_sub if subtract else op_add


def add_operand(
    cpu: CpuState, d: int, n: int, operand: Operand, subtract: int, sf: int, pc: int
) -> Op:
    """Slot d = slot n +- the operand."""
    r, mask, next_pc = cpu.r, mask_of(sf), following(pc)

    def op_add() -> int:
        r[d] = (r[n] + operand()) & mask
        return next_pc

    def op_sub() -> int:
        r[d] = (r[n] - operand()) & mask
        return next_pc

    return op_sub if subtract else op_add


def adds_register(cpu: CpuState, d: int, n: int, m: int, subtract: int, sf: int, pc: int) -> Op:
    """Slot d = slot n +- slot m, and NZCV: the common case of `adds_operand`."""
    r, p, mask, top, next_pc = cpu.r, cpu.pstate, mask_of(sf), (32 << sf) - 1, following(pc)
    half = 1 << top

    def op_sub() -> int:
        x, y = r[n] & mask, r[m] & mask
        if y <= x < half:  # as in `subs_constant`
            r[d] = result = x - y
            p.z = 0 if result else 1
            p.n = p.v = 0
            p.c = 1
            return next_pc
        if x < y < half:
            r[d] = x - y & mask
            p.n = 1
            p.z = p.c = p.v = 0
            return next_pc
        r[d] = result = (x - y) & mask
        p.n = result >> top
        p.z = 0 if result else 1
        p.c = 1 if x >= y else 0
        p.v = ((x ^ y) & (x ^ result)) >> top
        return next_pc

    return op_sub if subtract else adds_operand(cpu, d, n, lambda: r[m] & mask, 0, sf, pc)


def adds_operand(
    cpu: CpuState, d: int, n: int, operand: Operand, subtract: int, sf: int, pc: int
) -> Op:
    """Slot d = slot n +- the operand, which is cut to its width, and NZCV."""
    r, next_pc, set_flags = cpu.r, following(pc), flag_setter(cpu, subtract, sf)

    def op() -> int:
        r[d] = set_flags(r[n], operand())
        return next_pc

    return op


def flag_setter(cpu: CpuState, subtract: int, sf: int) -> Callable[[int, int], int]:
    """A function that gives x + y or x - y and sets NZCV for it."""
    p, mask, top = cpu.pstate, mask_of(sf), (32 << sf) - 1
    invert, carry = (mask, 1) if subtract else (0, 0)

    def set_flags(x: int, y: int) -> int:
        x &= mask
        y ^= invert
        total = x + y + carry
        result = total & mask
        p.n, p.z, p.c = result >> top, 0 if result else 1, total >> top + 1
        p.v = ((x ^ result) & (y ^ result)) >> top
        return result

    return set_flags
