"""What the guest lane of the log says: an instruction retired, an exception was taken.

Invariant: called only while somebody watches, and changes nothing.
"""

from __future__ import annotations

from aarch64sim.arch import access
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.pstate import ss_of
from aarch64sim.arch.registers import SP
from aarch64sim.arch.state import CpuState
from aarch64sim.arch.syndrome import EC
from aarch64sim.events import Change, Event, Lane, What
from aarch64sim.step_state import StepState


def log_retired(
    cpu: CpuState, pc: int, before: StepState, saved: list[int], saved_pstate: int
) -> None:
    """The instruction at `pc` retired; `saved` and `saved_pstate` are X0-X30, SP and PSTATE before it."""
    changes = [
        Change("sp" if n == SP else f"x{n}", old, new)
        for n, (old, new) in enumerate(zip(saved[:32], cpu.r, strict=False))
        if old != new
    ]
    if (pstate := cpu.pstate.to_spsr()) != saved_pstate:
        changes.append(Change("pstate", saved_pstate, pstate))
    for address, size, old in cpu.written:
        changes.append(Change(f"[{address:#x}]", old, access.peek(cpu, address, size)))
    text = f"the instruction at {pc:#x} retired"
    cpu.log.write(
        Event(Lane.GUEST, What.RETIRE, pc, before, cpu.step_state(), tuple(changes), text)
    )


def log_taken(
    cpu: CpuState, taken: Taken, what: What, pc: int, before: StepState, pstate_ss: int
) -> None:
    """An exception was taken with PSTATE.SS = `pstate_ss`; the change is what SPSR_ELx holds of it."""
    saved = f"spsr_el{taken.target_el}.ss"
    changes = (Change(saved, pstate_ss, ss_of(taken.spsr)),)
    kind = "" if taken.esr is None else EC(taken.ec or 0).name
    name = f"the exception {kind}" if kind else "an interrupt"
    text = f"{name} was taken to EL{taken.target_el} at {pc:#x}"
    cpu.log.write(Event(Lane.GUEST, what, pc, before, cpu.step_state(), changes, text, kind=kind))
