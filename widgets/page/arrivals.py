"""Where a search or a run has led inside a step: to which event, and which instruction that was.

Invariant: read from the events of the step; the debugger is moved by others.
"""

from __future__ import annotations

from collections.abc import Sequence

from aarch64sim.debug import Debugger, HistoryError, Write
from aarch64sim.events import Event
from widgets.page.listing import Listing

SS = ("ss", "pstate.ss", "spsr_el2.ss")
MOST_STEPS = 1000  # that are looked through for SS; each step that is armed writes it
_SS_BIT = 1 << 21  # PSTATE.SS, where SPSR_ELx has it


def exit_event(events: Sequence[Event], kind: str) -> int | None:
    """The index of the first return of KVM_RUN for that reason; None if there is none."""
    name = f"KVM_EXIT_{kind}"
    return next(
        (
            n
            for n, event in enumerate(events)
            if event.what == "userspace_exit" and event.text.endswith(name)
        ),
        None,
    )


def is_ss(what: int | str) -> bool:
    """Whether the bit of the course is asked for."""
    return str(what).strip().lower() in SS


def last_ss(debugger: Debugger, moment: int | None) -> tuple[Write, int]:
    """The last change of SS before the moment, and the event that made it; HistoryError if there is none."""
    for step in range(debugger.position, max(0, debugger.position - MOST_STEPS), -1):
        events = debugger.record(step).events
        end = len(events) if moment is None or step != debugger.position else moment
        for number in range(end - 1, -1, -1):
            if (change := _ss_change(events[number])) is not None:
                return Write(step, events[number].pc, "SS", *change), number
    raise HistoryError("no step before this moment has changed SS")


def _ss_change(event: Event) -> tuple[int, int] | None:
    for change in event.changes:
        if change.name == "spsr_el2.ss" and change.old != change.new:
            return change.old, change.new
        if change.name == "pstate" and (change.old ^ change.new) & _SS_BIT:
            return change.old >> 21 & 1, change.new >> 21 & 1
    return None


def written(write: Write, events: Sequence[Event], listing: Listing) -> str:
    """A write and what made it: `Last written in step 2 by 0x40000008 (add x1, x1, #0x1): x1 0x0 -> 0x1.`"""
    by = next((e for e in reversed(events) if _writes(e, write)), None)
    where = listing.where(by.pc if by else write.pc)
    return f"Last written in step {write.step} by {where}: {write.name} {write.old:#x} -> {write.new:#x}."


def _writes(event: Event, write: Write) -> bool:
    return any(c.name == write.name and c.new == write.new for c in event.changes)
