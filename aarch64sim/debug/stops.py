"""What there is to say about a step: where and why it stopped, its events, the registers that changed.

Invariant: a stop follows from the exits of its step and what was set at the time, so that a replay of the step
gives the same stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.pstate import names_aarch32_user
from aarch64sim.arch.syndrome import EC, exception_class, immediate, stepped_exclusive
from aarch64sim.events import Event
from aarch64sim.kvm.vcpu import FAKE_STEP_HSR
from aarch64sim.limits import LIMITS
from aarch64sim.vmm.machine import EXITS_LIMIT, ExitRecord, Machine

EXCLUSIVE = (
    "The guest was stopped after a load-exclusive: the ERET back into it clears the exclusive monitor, so the"
    " store-exclusive fails. A run without a stop between the two goes through both."
)
STEP_LIMIT = 100_000  # guest instructions after which a step that does not end is given up


@dataclass(frozen=True, slots=True)
class Stop:
    """Where and why the guest stopped.

    `reason` is start, step, run (an instruction that a run went by, or where it was left), breakpoint, watchpoint, exit
    (the guest has ended), error or limit; `hsr` the syndrome that KVM_EXIT_DEBUG gave (32 bits); `exits` every return
    of KVM_RUN on the way.
    """

    number: int
    pc: int
    reason: str
    text: str
    hsr: int | None = None
    exits: tuple[ExitRecord, ...] = ()
    open_monitor: bool = False  # the CPU's exclusive monitor is set, until the next ERET

    @property
    def after_exclusive(self) -> bool:
        """The guest was interrupted after a load-exclusive, so its store-exclusive will fail (`EXCLUSIVE`)."""
        return self.hsr is not None and (self.open_monitor or stepped_exclusive(self.hsr))


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step: its stop, what happened on the way, and the registers that changed (old, new)."""

    stop: Stop
    events: tuple[Event, ...]
    changes: dict[str, tuple[int, int]]


class HistoryError(ValueError):
    """There is no such step, or nothing of the kind in the history."""


def start_stop(pc: int) -> Stop:
    """Where a guest stands that has not run yet."""
    return Stop(0, pc, "start", f"The guest has not run yet; PC is {pc:#x}.")


def in_a_run(pc: int) -> str:
    """The sentence for an instruction that a run went by."""
    return f"At {pc:#x}, within a run."


def make_stop(
    number: int,
    machine: Machine,
    exits: Sequence[ExitRecord],
    *,
    at_breakpoint: bool = False,
    note: tuple[str, str] | None = None,
    run: bool = False,
) -> Stop:
    """The stop of step `number`, at whose end the machine stands; `note` is a reason and a sentence to prefer.

    With `run` it was no step, but a run that led there.
    """
    pc = machine.vcpu.pc
    last = exits[-1] if exits else None
    hsr = last.hsr if last else None
    if machine.ended:
        asked = machine.exit_device.value is not None or (last and last.reason == "SYSTEM_EVENT")
        reason = "exit" if asked else "error"
        text = f"The guest has ended at {pc:#x}: {machine.ended}."
    elif note:
        reason, text = note
    elif run and last and last.reason != "DEBUG" and not at_breakpoint:
        reason, text = "run", in_a_run(pc)
        if last.reason != "EINTR":
            text = f"Stopped at {pc:#x}, after KVM_EXIT_{last.reason}."
    elif last and last.reason != "DEBUG" and not (run and last.reason == "EINTR"):
        reason = "limit"
        text = f"The step has not ended after {STEP_LIMIT} instructions or {EXITS_LIMIT} exits; PC is {pc:#x}."
    elif at_breakpoint:
        reason, text = "breakpoint", f"Stopped at {pc:#x} by a breakpoint."
    elif hsr is not None and exception_class(hsr) == EC.BRK:
        reason = "breakpoint"
        text = f"Stopped at {pc:#x} by the guest's own BRK #{immediate(hsr):#x}."
    elif hsr == FAKE_STEP_HSR:
        reason = "step"
        text = f"Stopped at {pc:#x}; the kernel pretended this step (hsr {hsr:#x})."
    else:
        reason, text = "step", f"Stopped at {pc:#x}.{_limit_met(machine.vcpu.cpu)}"
    return Stop(number, pc, reason, text, hsr, tuple(exits), machine.vcpu.cpu.monitor is not None)


def _limit_met(cpu: Cpu) -> str:
    """What the guest has just met that the model leaves out, as a sentence; mostly nothing."""
    asked = cpu.pstate.il and names_aarch32_user(cpu.sys.spsr_el1)
    return f" Not modelled: {LIMITS['aarch32']}" if asked else ""
