"""The one log that every floor writes and every view reads.

Invariant: an event is never changed after it was written, and nothing but the log says what happened.
Events are built only while somebody watches (`EventLog.watching`); a free run writes none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from aarch64sim.step_state import StepState


class Lane(StrEnum):
    """Who did it: the four parties of the mail thread, one lane of the timeline each."""

    GUEST = "guest"
    KVM = "kvm"
    VMM = "vmm"
    DEBUGGER = "debugger"


@dataclass(frozen=True, slots=True)
class Change:
    """A register or memory word that got a new value; `name` as in "x1", "pc", "[0x40004000]"."""

    name: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    `what` names it (guest: retire, exception, step_exception, interrupt; kvm: arm, enter, exit, skip, ...; vmm:
    mmio_read, mmio_write; debugger: stop). `pc` is the address it is about. `before` and `after` are the states of
    the software-step machine around it. `source` is "module:qualified name" of the function that made it, `commit`
    the Linux commit that function mirrors; both "" where there is none.
    """

    lane: Lane
    what: str
    pc: int
    before: StepState
    after: StepState
    changes: tuple[Change, ...] = ()
    text: str = ""
    source: str = ""
    commit: str = ""


@dataclass(slots=True)
class EventLog:
    """The list of events, and whether anybody watches."""

    watching: bool = False
    events: list[Event] = field(default_factory=list)

    def write(self, event: Event) -> None:
        """Append one event. Callers ask `watching` first, so that a free run builds none."""
        self.events.append(event)
