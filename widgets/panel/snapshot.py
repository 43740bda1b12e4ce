"""What a panel can say about itself: state, code, diagram and timeline of the last step.

Invariant: all of it is read from the debugger each time; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aarch64sim.debug import Debugger
from aarch64sim.debug.numbers import number_of
from aarch64sim.events import Event
from widgets.figures.stepfigure import StepFigure
from widgets.figures.timelinefigure import TimelineFigure
from widgets.models.timeline import Timeline, timeline
from widgets.page import bits, ownkernel, session_code, wording
from widgets.page.listing import Listing


class Looking:
    """Mixed into a panel that has a debugger and its listing."""

    _debugger: Debugger
    _listing: Listing

    @property
    def debugger(self) -> Debugger:
        """What steps the guest."""
        return self._debugger

    def snapshot(self) -> dict[str, Any]:
        """Where the panel stands, as plain values."""
        debugger = self.debugger
        return {
            "kernel": debugger.kernel.name,
            "step": debugger.position,
            "pc": debugger.last.pc,
            "state": str(debugger.state),
            "stop": debugger.last.reason,
            "console": debugger.console,
            "program": debugger.program.source,
        }

    def code(self) -> str:
        """Program, kernel and step as a short text for `StepLab.from_code`.

        What was changed by hand is not in it, and neither is a patch.
        """
        debugger = self.debugger
        plain = ownkernel.to_plain(debugger.kernel)
        return session_code.encode(
            session_code.Session(debugger.program.source, plain, debugger.position)
        )

    @property
    def step_events(self) -> Sequence[Event]:
        """The events of the last step."""
        return self.debugger.events_of(self.debugger.position) if self.debugger.position else ()

    def diagram(self) -> StepFigure:
        """The state-machine diagram of the last step, for its own cell or a file."""
        events, phase = self.step_events, self.debugger.phase
        state = self.debugger.state if phase is None else phase.event.after
        shown = events if phase is None else events[: phase.index + 1]
        return StepFigure.of(shown, state, bits.spsr_ss(self.debugger))

    @property
    def last_timeline(self) -> Timeline:
        """The timeline of the last step as a model."""
        return self._timeline(self.debugger.position, self.debugger.position)

    def _status(self) -> str:
        """The status line: the step that is over, or the moment in it that is looked at."""
        if now := self.debugger.phase:
            return wording.phase(now)
        return wording.status(self.debugger.last, self._listing, self.last_timeline)

    def _timeline(self, first: int, last: int) -> Timeline:
        debugger = self.debugger
        steps = [(n, debugger.events_of(n)) for n in range(max(1, first), last + 1)]
        return timeline(debugger.kernel.title, steps, self._listing.mnemonic)

    def _figure(self, first: int | None = None, last: int | None = None) -> TimelineFigure:
        length = self.debugger.length
        first = number_of("step", self.debugger.position if first is None else first, length)
        last = number_of("step", first if last is None else last, length)
        return TimelineFigure((self._timeline(first, last),))
