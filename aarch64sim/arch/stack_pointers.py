"""The banked stack pointers, and PSTATE changed as a whole: which SP is current follows from its level and SPSel.

Invariant: `CpuState.r[SP]` is the current SP and its slot in `sp_el` is stale; every other SP is in `sp_el`.
"""

from __future__ import annotations

from aarch64sim.arch.pstate import level_of, sp_of
from aarch64sim.arch.registers import SP
from aarch64sim.arch.state import CpuState


def select_sp(cpu: CpuState, el: int, sp: int) -> None:
    """Change Exception level and SPSel, and with them which SP is current."""
    p = cpu.pstate
    cpu.sp_el[p.el if p.sp else 0] = cpu.r[SP]
    p.el, p.sp = el, sp
    cpu.r[SP] = cpu.sp_el[el if sp else 0]


def set_pstate(cpu: CpuState, spsr: int) -> None:
    """Make PSTATE what a 32-bit SPSR image says, as far as the CPU has it, with the SP that it selects."""
    p = cpu.pstate
    p.set_all_but_stack(cpu.implemented(spsr))
    select_sp(cpu, level_of(spsr), sp_of(spsr))


def get_sp(cpu: CpuState, el: int) -> int:
    """SP_ELx of level `el`, 64 bits, also while it is the current one."""
    p = cpu.pstate
    return cpu.r[SP] if el == (p.el if p.sp else 0) else cpu.sp_el[el]


def set_sp(cpu: CpuState, el: int, value: int) -> None:
    """Write SP_ELx of level `el`."""
    p = cpu.pstate
    if el == (p.el if p.sp else 0):
        cpu.r[SP] = value
    else:
        cpu.sp_el[el] = value
