"""Step by phase: from event to event within a step - guest instruction, kernel entry and exit, userspace's answer.

Invariant: the cursor is a view over the log; the machine itself always stands at the end of a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aarch64sim.debug.guest import registers
from aarch64sim.debug.track import Track
from aarch64sim.events import Event, What


@dataclass(frozen=True, slots=True)
class Phase:
    """Event `index` (from 0) of the `of` events of step `step`: all up to and with it has happened."""

    step: int
    index: int
    of: int
    event: Event

    def __str__(self) -> str:
        return f"step {self.step}, event {self.index + 1} of {self.of}: {self.event.lane.value}: {self.event.text}"


class Cursor:
    """Where in the step that led to the track's position somebody looks: at one of its events, or at its end."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._at: tuple[int, int] | None = None  # step and event; None: the end of the step

    def _events(self) -> tuple[Event, ...]:
        return self._track.record(self._track.position).events

    @property
    def now(self) -> Phase | None:
        """The event; None at the end of a step, where nothing of it is still to come."""
        if self._at is None or self._at[0] != self._track.position:
            return None
        events = self._events()
        return Phase(*self._at, len(events), events[self._at[1]])

    def to_end(self) -> None:
        """To the end of the step."""
        self._at = None

    def to(self, index: int) -> Phase:
        """To event `index` (from 0) of the step just made; IndexError if there is none."""
        position, count = self._track.position, len(self._events())
        if not 0 <= index < count:
            raise IndexError(f"step {position} has {count} events: there is no event {index}")
        self._at = position, index
        phase = self.now
        assert phase is not None
        return phase

    def forward(self, step: Callable[[], object]) -> Phase | None:
        """To the next event, with a `step` when this one is over; None at a step's last, and at the guest's end."""
        phase = self.now
        if phase is not None and phase.index < phase.of - 1:
            return self._put(phase.index + 1)
        before = self._track.position
        step()
        return self._put(0) if self._track.position != before else None

    def back(self) -> Phase | None:
        """To the event before, into the step before when this one is at its first."""
        phase = self.now
        if phase is not None and phase.index == 0:
            self._track.travel(self._track.position - 1)
            self._at = None
            return None
        if phase is None and self._track.position == 0:
            return None
        return self._put(max(0, phase.index - 1 if phase else len(self._events()) - 2))

    def registers(self) -> dict[str, int]:
        """The guest's registers there, as far as the events say."""
        phase, now = self.now, registers(self._track.machine)
        if phase is None:
            return now
        record = self._track.record(phase.step)
        now |= {name: old for name, (old, _) in record.changes.items()}
        for event in record.events[: phase.index + 1]:
            if event.what is What.RETIRE:
                now["pc"] = event.pc + 4
            for change in event.changes:
                if change.name in now:
                    now[change.name] = change.new
        return now

    def _put(self, index: int) -> Phase | None:
        last = len(self._events()) - 1
        self._at = (self._track.position, index) if index < last else None
        return self.now
