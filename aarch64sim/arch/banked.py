"""The banked stack pointers, and PSTATE changed as a whole: which SP is current follows from its level and SPSel.

Invariant: `Cpu.r[SP]` is the current SP and its slot in `Cpu._sp` is stale; every other SP is in `Cpu._sp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aarch64sim.arch.pstate import level_of, sp_of
from aarch64sim.arch.registers import SP

if TYPE_CHECKING:
    from aarch64sim.arch.cpu import Cpu


def select_sp(cpu: Cpu, el: int, sp: int) -> None:
    """Change Exception level and SPSel, and with them which SP is current."""
    p = cpu.pstate
    cpu._sp[p.el if p.sp else 0] = cpu.r[SP]
    p.el, p.sp = el, sp
    cpu.r[SP] = cpu._sp[el if sp else 0]


def set_pstate(cpu: Cpu, spsr: int) -> None:
    """Make PSTATE what a 32-bit SPSR image says, with the SP that it selects."""
    p = cpu.pstate
    p.set_all_but_stack(spsr)
    cpu.select_sp(level_of(spsr), sp_of(spsr))


def get_sp(cpu: Cpu, el: int) -> int:
    """SP_ELx of level `el`, 64 bits, also while it is the current one."""
    p = cpu.pstate
    return cpu.r[SP] if el == (p.el if p.sp else 0) else cpu._sp[el]


def set_sp(cpu: Cpu, el: int, value: int) -> None:
    """Write SP_ELx of level `el`."""
    p = cpu.pstate
    if el == (p.el if p.sp else 0):
        cpu.r[SP] = value
    else:
        cpu._sp[el] = value
