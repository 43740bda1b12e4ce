"""The two bits that the course is about, as the CPU has them now.

Invariant: these are the CPU's own; what GET_ONE_REG shows instead stands among the registers.
"""

from __future__ import annotations

from dataclasses import dataclass

from aarch64sim.arch.step import StepState
from aarch64sim.debug import Debugger

NOT_RUN = "SS and MDSCR_EL1.SS: not set before the first KVM_RUN"


@dataclass(frozen=True, slots=True)
class StepBits:
    """`ss` is in PSTATE while the guest runs, else `saved` in SPSR_EL2; `armed` is MDSCR_EL1.SS. None: not known."""

    ss: int | None
    saved: bool
    armed: int | None


def now(debugger: Debugger) -> StepBits | None:
    """The bits at the moment that is looked at; None before KVM_RUN has set any."""
    if (phase := debugger.phase) is None:
        if not debugger.position:
            return None
        hardware = debugger.hardware
        return StepBits(hardware.get("spsr_el2.ss"), True, hardware.get("mdscr_el1.ss"))
    events = debugger.record(phase.step).events[: phase.index + 1]
    armed = int(phase.step > 1 or any(event.what == "arm" for event in events))
    if events[-1].after is not StepState.INACTIVE:
        return StepBits(int(events[-1].after is StepState.ACTIVE_NOT_PENDING), False, armed)
    saved = [c.new for e in events for c in e.changes if c.name == "spsr_el2.ss"]
    return StepBits(saved[-1] if saved else 0, True, armed)


def spsr_ss(debugger: Debugger) -> int | None:
    """SPSR_EL2.SS at that moment; None while the guest runs, and before KVM_RUN has set it."""
    found = now(debugger)
    return found.ss if found and found.saved else None


def html(found: StepBits | None) -> str:
    """Both bits, and where SS is."""
    if found is None:
        return f'<span class="sl-note">{NOT_RUN}</span>'
    where = "SPSR_EL2.SS" if found.saved else "PSTATE.SS"
    why = "saved while the host runs" if found.saved else "the guest runs"
    return (
        f'<span class="sl-livebit" title="{where}: {why}"><span class="sl-name">SS now</span> '
        f"<strong>{_bit(found.ss)}</strong> <span class='sl-note'>in {where}</span></span>"
        f'<span class="sl-livebit" title="stepping is on or off"><span class="sl-name">MDSCR_EL1.SS</span>'
        f" <strong>{_bit(found.armed)}</strong></span>"
    )


def _bit(value: int | None) -> str:
    return "-" if value is None else str(value)
