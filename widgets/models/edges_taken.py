"""What the step machine did, read from the event log: the edges of the diagram in the order they were taken.

Invariant: events are the only source; nothing here recomputes a state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aarch64sim.arch.step import StepState
from aarch64sim.events import Event, Lane, What

INACTIVE, NOT_PENDING, PENDING = (
    StepState.INACTIVE,
    StepState.ACTIVE_NOT_PENDING,
    StepState.ACTIVE_PENDING,
)


@dataclass(frozen=True, slots=True)
class Leg:
    """One edge taken: its number in the walk from 1, its name in the diagram, the event that took it."""

    number: int
    edge: str
    event: Event


def walk(events: Iterable[Event]) -> tuple[Leg, ...]:
    """The edges that these events took, in order.

    A guest entry after a skip is named after what the skip did to the step: spent it, or left it owed.
    """
    legs: list[Leg] = []
    skipped = False
    for event in events:
        edge = _edge(event, skipped)
        if event.lane is Lane.KVM and event.what is What.SKIP:
            skipped = True
        elif event.before is INACTIVE and event.after is not INACTIVE:
            skipped = False
        if edge:
            legs.append(Leg(len(legs) + 1, edge, event))
    return tuple(legs)


def _edge(event: Event, skipped: bool) -> str:
    if event.lane is Lane.KVM and event.what is What.SKIP and event.before is event.after:
        return "skip" if not skipped else ""
    match event.before, event.after:
        case StepState.INACTIVE, StepState.ACTIVE_NOT_PENDING:
            return "skip-kept" if skipped else "enter-granted"
        case StepState.INACTIVE, StepState.ACTIVE_PENDING:
            return "skip-cleared" if skipped else "enter-pending"
        case StepState.ACTIVE_NOT_PENDING, StepState.ACTIVE_PENDING:
            return "retire"
        case StepState.ACTIVE_NOT_PENDING, StepState.INACTIVE:
            return "exception"
        case StepState.ACTIVE_PENDING, StepState.INACTIVE:
            return "step-exception"
    return ""


def numbers(legs: Sequence[Leg], last: int = 12) -> dict[str, str]:
    """What stands in the badge of each edge: "3", "2, 5", or "\u2026 8" for one taken more than twice."""
    shown: dict[str, str] = {}
    for leg in legs[-last:]:
        before = shown.get(leg.edge)
        shown[leg.edge] = f"{before}, {leg.number}" if before else str(leg.number)
    return {
        edge: text if text.count(",") < 2 else f"\u2026 {text.split()[-1]}"
        for edge, text in shown.items()
    }
