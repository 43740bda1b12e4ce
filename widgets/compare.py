"""CompareLab: one program under two kernels, a click on Step for both.

Invariant: both debuggers have made the same number of clicks, unless one of them has ended.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as MplFigure

from aarch64sim.asm import Program
from aarch64sim.debug import Debugger, Stop
from aarch64sim.kvm import Kernel
from widgets import controls, timelinepage, wording
from widgets.board import Action, Board, Bundle
from widgets.comparefigure import WIDTH, StopTable
from widgets.listing import Listing
from widgets.panel import read_program
from widgets.render import canvas, to_png
from widgets.timeline import timeline
from widgets.timelinefigure import TimelineFigure

MOST_STOPS = 500  # stops that are compared and shown
SIDES = ("left", "right")


class CompareLab(Board):
    """Two panels in one: `left` and `right` are presets of kernels."""

    def __init__(
        self,
        program: Program | str | Path,
        left: str | Kernel = "v4.3",
        right: str | Kernel = "fixed",
        **options: Any,
    ) -> None:
        self._options = options
        self._program = read_program(program)
        self.debuggers = tuple(
            Debugger(self._program, kernel, **options) for kernel in (left, right)
        )
        self._listing = Listing(self.debuggers[0].program)
        self.clicks = 0
        actions: dict[str, Action] = {
            "start": lambda _: self.goto(0),
            "back": lambda _: self.back(),
            "step": lambda _: self.step(),
            "run": lambda _: self.run(),
            "goto": lambda m: self.goto(int(m.get("value", 0))),
            "left": lambda m: self.use_kernel("left", str(m.get("value"))),
            "right": lambda m: self.use_kernel("right", str(m.get("value"))),
            "event-left": lambda m: self.look_at(0, int(m.get("value", 0))),
            "event-right": lambda m: self.look_at(1, int(m.get("value", 0))),
        }
        super().__init__(_skeleton(), actions, self._values())

    # --- moving ------------------------------------------------------------------------------------------------------

    def step(self) -> tuple[Stop, Stop]:
        """One click on Step in both."""
        if not all(debugger.ended for debugger in self.debuggers):
            self.clicks += 1
            for debugger in self.debuggers:
                debugger.step()
        return self._moved()

    def back(self) -> tuple[Stop, Stop]:
        """Undo the last click."""
        return self.goto(max(0, self.clicks - 1))

    def goto(self, clicks: int) -> tuple[Stop, Stop]:
        """Be where so many clicks lead; beyond what was seen, step on."""
        self.clicks = min(clicks, max(d.length for d in self.debuggers))
        for debugger in self.debuggers:
            debugger.goto(min(self.clicks, debugger.length))
        return self._moved()

    def run(self, limit: int = MOST_STOPS) -> tuple[Stop, Stop]:
        """Step both until they end, at most `limit` times."""
        for _ in range(limit):
            if all(debugger.ended for debugger in self.debuggers):
                break
            self.clicks += 1
            for debugger in self.debuggers:
                debugger.step()
        return self._moved()

    def use_kernel(self, side: str, kernel: str | Kernel) -> None:
        """Another kernel on one side; both start over."""
        chosen = [
            kernel if s == side else d.kernel for s, d in zip(SIDES, self.debuggers, strict=True)
        ]
        self.debuggers = tuple(Debugger(self._program, each, **self._options) for each in chosen)
        self.clicks = 0
        self.show(self._values())

    def _moved(self) -> tuple[Stop, Stop]:
        self.show(self._values())
        return self.debuggers[0].last, self.debuggers[1].last

    # --- looking -----------------------------------------------------------------------------------------------------

    def stops(self) -> StopTable:
        """Where both have stopped so far."""
        left, right = self.debuggers
        titles = (left.kernel.title, right.kernel.title)
        lists = [
            [d.record(n).stop for n in range(min(d.position, MOST_STOPS) + 1)]
            for d in self.debuggers
        ]
        return StopTable(titles, lists[0], lists[1], self._listing)

    def timeline(self, click: int | None = None) -> TimelineFigure:
        """The last click, or another one, under both kernels."""
        click = self.clicks if click is None else click
        return TimelineFigure(tuple(self._timeline(debugger, click) for debugger in self.debuggers))

    def look_at(self, side: int, event: int) -> None:
        """Say all about one event of the last click: side 0 (left) or 1 (right), events counted from 0."""
        events = self.debuggers[side].events_of(self.clicks)
        words = wording.event_html(events[event], event + 1, len(events))
        self.show({f"event-{SIDES[side]}": words})

    def _timeline(self, debugger: Debugger, click: int) -> Any:
        steps = [(click, debugger.events_of(click))] if 0 < click <= debugger.position else []
        return timeline(debugger.kernel.title, steps, self._listing.mnemonic)

    def _status(self, table: StopTable) -> str:
        if self.clicks == 0:
            return "Not started. One click on Step steps both kernels."
        return table.sentence

    def _values(self) -> dict[str, str | int | None]:
        table, lines = (
            self.stops(),
            [self._timeline(debugger, self.clicks) for debugger in self.debuggers],
        )
        ended = all(debugger.ended for debugger in self.debuggers)
        length = max(debugger.length for debugger in self.debuggers)
        values = {
            **controls.values(self.clicks, length, ended=ended, running=False),
            "status.text": self._status(table),
            "stops": table.html(),
        }
        width = max(len(line.columns) for line in lines)
        for side, debugger, line in zip(SIDES, self.debuggers, lines, strict=True):
            values |= controls.kernel_values(debugger.kernel, side)
            values[f"time-{side}"] = timelinepage.html(line, action=f"event-{side}", width=width)
            values[f"event-{side}"] = ""
            values[f"title-{side}"] = escape(debugger.kernel.title)
        return values

    def __repr__(self) -> str:
        left, right = self.debuggers
        places = (
            f"{left.kernel.name} at {left.last.pc:#x}, {right.kernel.name} at {right.last.pc:#x}"
        )
        missed = len(self.stops().missed)
        missing = f"{missed} stop{'s' if missed != 1 else ''} missing"
        return f"CompareLab({places}, after {self.clicks} click{'s' if self.clicks != 1 else ''}, {missing})"

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        data |= {"text/plain": repr(self), "image/png": self.png()}
        return data, metadata

    def png(self) -> bytes:
        """The comparison as a picture."""
        return to_png(self._draw())

    def _draw(self) -> MplFigure:
        table, times = self.stops(), self.timeline()
        show_times = any(line.columns for line in times.timelines)
        width = max(WIDTH, times.draw().get_figwidth() * 72) if show_times else WIDTH
        height = table.height + (times.height if show_times else 0)
        figure, axes = canvas((width, height))
        table.draw_into(axes, height)
        if show_times:
            times.draw_into(axes, times.height, width)
        return figure


def _skeleton() -> str:
    times = [
        f'<h4 data-slot="title-{side}"></h4><div data-slot="time-{side}"></div>'
        f'<div class="sl-event" data-slot="event-{side}"></div>'
        for side in SIDES
    ]
    choosers = "".join(
        f'<div class="sl-tools">{controls.kernel_chooser(side, f"{side} kernel")}</div>'
        for side in SIDES
    )
    return (
        '<div class="sl-panel" role="group" aria-label="one program under two kernels">'
        f'{choosers}<div class="sl-tools">{controls.buttons(("start", "back", "step", "run"))}{controls.slider()}</div>'
        '<p class="sl-status" role="status" aria-live="polite" data-slot="status"></p>'
        '<section class="sl-view"><h3>Where each kernel stopped</h3><div data-slot="stops"></div></section>'
        f'<section class="sl-view"><h3>This click, event by event</h3>{"".join(times)}</section></div>'
    )
