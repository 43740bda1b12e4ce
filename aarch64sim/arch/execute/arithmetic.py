"""Addition and subtraction of any second operand, with and without flags.

Invariant: slots are final (31 = SP, ZERO or SINK already chosen); operands need not be cut to their width, results are.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch.execute.common import following
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import mask_of

Operand = Callable[[], int]


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


def adds_operand(
    cpu: CpuState, d: int, n: int, operand: Operand, subtract: int, sf: int, pc: int
) -> Op:
    """Slot d = slot n +- the operand, and NZCV."""
    r, mask, next_pc, set_flags = cpu.r, mask_of(sf), following(pc), flag_setter(cpu, subtract, sf)

    def op() -> int:
        r[d] = set_flags(r[n] & mask, operand() & mask)
        return next_pc

    return op


def flag_setter(cpu: CpuState, subtract: int, sf: int) -> Callable[[int, int], int]:
    """A function that gives x + y or x - y and sets NZCV for it; both are cut to their width."""
    p, mask, top = cpu.pstate, mask_of(sf), (32 << sf) - 1

    def add(x: int, y: int) -> int:
        total = x + y
        result = total & mask
        p.n, p.z, p.c = result >> top, 0 if result else 1, total >> top + 1
        p.v = ((x ^ result) & (y ^ result)) >> top
        return result

    def subtract_(x: int, y: int) -> int:
        result = x - y & mask
        p.n, p.z, p.c = result >> top, 0 if result else 1, 1 if x >= y else 0
        p.v = ((x ^ y) & (x ^ result)) >> top
        return result

    return subtract_ if subtract else add
