"""What a comparison can say about itself: state, code, stops, diagrams and timelines of the last click.

Invariant: all of it is read from the two debuggers each time; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aarch64sim.debug import Debugger
from aarch64sim.debug.numbers import number_of
from widgets.figures.comparefigure import StopTable
from widgets.figures.stepfigure import StepFigure
from widgets.figures.timelinefigure import TimelineFigure
from widgets.models.timeline import Timeline, timeline
from widgets.page import bits, ownkernel, session_code, wording
from widgets.page.known import side_of
from widgets.page.listing import Listing
from widgets.panel.comparepage import SIDES
from widgets.panel.pair import Pair

MOST_STOPS = 200  # clicks whose stops are shown: the last ones


class PairLooking:
    """Mixed into a panel that has a pair and its listing."""

    _listing: Listing
    _explained: dict[str, str]
    _show: Callable[[], None]
    _pair: Pair

    @property
    def pair(self) -> Pair:
        """The two debuggers, and where they part."""
        return self._pair

    @property
    def debuggers(self) -> tuple[Debugger, Debugger]:
        """The left one and the right one."""
        return self.pair.sides

    @property
    def clicks(self) -> int:
        """How many clicks on Step lead here."""
        return self.pair.position

    def snapshot(self) -> dict[str, Any]:
        """Where the panel stands, as plain values."""
        sides = {
            name: {
                "kernel": side.kernel.name,
                "pc": side.last.pc,
                "state": str(side.state),
                "stop": side.last.reason,
                "console": side.console,
            }
            for name, side in zip(SIDES, self.debuggers, strict=True)
        }
        first = {"clicks": self.clicks, "parted": self.pair.parted}
        return first | sides | {"program": self.pair.program.source}

    def code(self) -> str:
        """Program, kernels and clicks as a short text for `CompareLab.from_code`."""
        plain = {
            name: ownkernel.to_plain(side.kernel)
            for name, side in zip(SIDES, self.debuggers, strict=True)
        }
        return session_code.encode(
            session_code.Session(self.pair.program.source, plain, self.clicks)
        )

    def stops(self) -> StopTable:
        """Where both have stopped, in the last clicks."""
        left, right = self.debuggers
        first = max(0, self.clicks - MOST_STOPS)
        ours, theirs = (
            [d.stop_at(n) for n in range(first, d.position + 1)] for d in self.debuggers
        )
        return StopTable((left.kernel.title, right.kernel.title), ours, theirs, self._listing)

    def diagram(self, side: str) -> StepFigure:
        """The step machine of one side, "left" or "right", in the last click."""
        debugger = self.debuggers[side_of(side, SIDES)]
        events = debugger.events_of(self.clicks) if self._steps_now(debugger) else ()
        return StepFigure.of(events, debugger.state, bits.spsr_ss(debugger))

    def _figure(self, click: int | None = None) -> TimelineFigure:
        click = number_of("click", self.clicks if click is None else click, self.pair.length)
        return TimelineFigure(tuple(self._timeline(debugger, click) for debugger in self.debuggers))

    def look_at(self, side: int, event: int) -> None:
        """Say all about one event of the last click: side 0 (left) or 1 (right), events counted from 0."""
        events = self.debuggers[number_of("side", side, 1)].events_of(self.clicks)
        number_of("event", event, len(events) - 1)
        words = wording.event_html(events[event], event + 1, len(events))
        self._explained = {SIDES[side]: words}
        self._show()
        self._explained = {}

    def _steps_now(self, debugger: Debugger) -> bool:
        return 0 < self.clicks <= debugger.position

    def _timeline(self, debugger: Debugger, click: int) -> Timeline:
        steps = [(click, debugger.events_of(click))] if 0 < click <= debugger.position else []
        return timeline(debugger.kernel.title, steps, self._listing.mnemonic)
