"""What all binders share: the kind of thing they return, and the wrappers that check before they execute.

Invariant: a wrapped operation runs only when nothing trapped, so nothing has changed when it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aarch64sim.arch.registers import MASK64, SP

if TYPE_CHECKING:
    from aarch64sim.arch.cpu import Cpu

Op = Callable[[], int]


def following(pc: int) -> int:
    """The address of the next instruction."""
    return (pc + 4) & MASK64


def with_sp_check(cpu: Cpu, n: int, op: Op) -> Op:
    """`op`, after the SP alignment check if base register `n` is the stack pointer."""
    if n != SP:
        return op
    check = cpu.check_sp_alignment

    def checked() -> int:
        check()
        return op()

    return checked


def with_fp_check(cpu: Cpu, op: Op) -> Op:
    """`op`, after the check that SIMD&FP instructions do not trap."""
    check = cpu.check_fp

    def checked() -> int:
        check()
        return op()

    return checked
