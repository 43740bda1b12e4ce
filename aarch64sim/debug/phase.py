"""Step by phase: from event to event within a step - guest instruction, kernel entry and exit, userspace's answer.

Invariant: the cursor is a view over the log; the machine itself always stands at the end of a step.
"""

from __future__ import annotations

from dataclasses import dataclass

from aarch64sim.debug.stepper import Stepper
from aarch64sim.debug.stops import StepRecord
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


class PhaseCursor(Stepper):
    """The cursor of a debugger: (position, event). Whatever moves the debugger puts it to the end of the step."""

    _cursor: tuple[int, int] | None = (
        None  # step and event; None: the end of the step at `position`
    )

    def look_at(self, index: int) -> Phase:
        """Put the cursor to event `index` (from 0) of the step just made; IndexError if it has none such."""
        count = len(self.record(self.position).events)
        if not 0 <= index < count:
            raise IndexError(f"step {self.position} has {count} events: there is no event {index}")
        self._cursor = (self.position, index)
        phase = self.phase
        assert phase is not None
        return phase

    @property
    def phase(self) -> Phase | None:
        """Where the cursor stands; None at the end of a step, where nothing of it is still to come."""
        if self._cursor is None or self._cursor[0] != self.position:
            return None
        events = self.record(self.position).events
        return Phase(self.position, self._cursor[1], len(events), events[self._cursor[1]])

    def phase_forward(self) -> Phase | None:
        """To the next event, making the next step when this one is over; the new `phase`.

        At the last event of a step the cursor is at its end: `phase` is None. Nothing happens once the guest has ended.
        """
        phase = self.phase
        if phase is None or phase.index == phase.of - 1:
            before = self.position
            self._step_once()
            if self.position == before:
                return None
            index = 0
        else:
            index = phase.index + 1
        return self._put(index)

    def phase_back(self) -> Phase | None:
        """To the event before, into the step before when this one is at its first; the new `phase`."""
        phase = self.phase
        if phase is not None and phase.index == 0:
            self.travel(self.position - 1)
            self._cursor = None
            return None
        if phase is None and self.position == 0:
            return None
        index = phase.index - 1 if phase else len(self.record(self.position).events) - 2
        return self._put(max(0, index))

    step_phase = phase_forward

    def look_at_end(self) -> None:
        """Put the cursor to the end of the step."""
        self._cursor = None

    def phase_registers(self) -> dict[str, int]:
        """The guest's registers at the cursor, as far as the events say."""
        phase = self.phase
        now = self.registers
        if phase is None:
            return now
        record: StepRecord = self.record(phase.step)
        now |= {name: old for name, (old, _) in record.changes.items()}
        for event in record.events[: phase.index + 1]:
            if event.what is What.RETIRE:
                now["pc"] = event.pc + 4
            for change in event.changes:
                if change.name in now:
                    now[change.name] = change.new
        return now

    def _put(self, index: int) -> Phase | None:
        last = len(self.record(self.position).events) - 1
        self._cursor = (self.position, index) if index < last else None
        return self.phase
