"""What all binders share: the kind of thing they return, and the wrappers that check before they execute.

Invariant: a wrapped operation runs only when nothing trapped, so nothing has changed when it does.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch.pattern import Fields
from aarch64sim.arch.registers import MASK64, SP
from aarch64sim.arch.requested import check_fp, check_sp_alignment
from aarch64sim.arch.state import CpuState, Op

Binder = Callable[[CpuState, Fields, int], Op]
"""What a row names: makes the operation for the CPU, the fields of the word, and its address."""
PLAIN: dict[Binder, Callable[[Fields], bool]] = {}


def plain(binder: Binder, when: Callable[[Fields], bool] = lambda f: True) -> Binder:
    """Marks a binder whose instructions do no more than change registers, flags and memory, and the PC, or fault.

    After such an instruction nothing about stepping, interrupts, traps or reservations can be different.
    """
    PLAIN[binder] = when
    return binder


def following(pc: int) -> int:
    """The address of the next instruction."""
    return (pc + 4) & MASK64


def with_sp_check(cpu: CpuState, n: int, op: Op) -> Op:
    """`op`, after the SP alignment check if base register `n` is the stack pointer."""
    if n != SP:
        return op
    r = cpu.r

    def checked() -> int:
        if r[SP] & 15:
            check_sp_alignment(cpu)
        return op()

    return checked


def with_fp_check(cpu: CpuState, op: Op) -> Op:
    """`op`, after the check that SIMD&FP instructions do not trap."""

    def checked() -> int:
        check_fp(cpu)
        return op()

    return checked
