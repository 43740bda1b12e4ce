"""CompareLab: one program under two kernels, a click on Step for both.

Invariant: the pair of debuggers holds the state; after every move the page is told once, and only what is different.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from aarch64sim.asm import Program
from aarch64sim.debug import Debugger
from aarch64sim.kvm import Kernel
from widgets.figures.comparefigure import StopTable
from widgets.figures.stepfigure import StepFigure
from widgets.figures.timelinefigure import TimelineFigure
from widgets.models.drawing import Drawing
from widgets.models.timeline import Timeline, timeline
from widgets.page import controls, edits, ownkernel, session_code, timelinepage, wording
from widgets.page.board import Action
from widgets.page.listing import Listing
from widgets.page.ownkernel import OwnKernel
from widgets.page.runner import RUN_LIMIT, Runner
from widgets.panel import comparepage
from widgets.panel.comparedriving import PairDriving, Shown
from widgets.panel.comparepage import SIDES
from widgets.panel.driving import read_program
from widgets.panel.guestboard import GuestBoard
from widgets.panel.pair import Pair

MOST_STOPS = 200  # clicks whose stops are shown: the last ones


class CompareLab(PairDriving, GuestBoard):
    """Two panels in one: `left` and `right` are presets of kernels, or kernels of your own.

    `step`, `back`, `goto`, `run`, `run_to_difference` and `load` do what the controls do; `state` gives a dictionary
    of where it stands, `code` a text from which `CompareLab.from_code` makes the panel again. Further options are
    those of the Debugger.
    """

    def __init__(
        self,
        program: Program | str | Path,
        left: str | Kernel = "v4.3",
        right: str | Kernel = "fixed",
        **options: Any,
    ) -> None:
        self.pair = Pair(read_program(program), left, right, **options)
        self.prefix = f"sl{uuid4().hex[:8]}-"
        self._listing = Listing(self.pair.program)
        self._message = ""
        self._runs_both = Runner()
        super().__init__(comparepage.skeleton(self.prefix), self._make_actions(), self._values())
        self._runner.panels.add(self)

    def _make_actions(self) -> dict[str, Action]:
        return {
            "start": lambda _: self.goto(0),
            "back": lambda _: self.back(),
            "step": lambda _: self.step(),
            "run": lambda _: self._start(None),
            "part": lambda _: self._go_to_difference(),
            "stop": lambda _: self._runner.stop(),
            "goto": lambda m: self.goto(edits.number(edits.value_of(m))),
            "left": lambda m: self.use_kernel("left", edits.value_of(m)),
            "right": lambda m: self.use_kernel("right", edits.value_of(m)),
            "event-left": lambda m: self.look_at(0, int(edits.value_of(m))),
            "event-right": lambda m: self.look_at(1, int(edits.value_of(m))),
            "assemble": lambda m: self._assemble(edits.value_of(m)),
        }

    @classmethod
    def from_code(cls, code: str, **options: Any) -> CompareLab:
        """The panel that `code()` described; SessionError for another text."""
        wanted = session_code.decode(code)
        if not isinstance(wanted.kernel, dict) or set(wanted.kernel) != set(SIDES):
            raise session_code.SessionError("the session code is of one guest: give it to StepLab")
        try:
            left, right = (ownkernel.from_plain(wanted.kernel[side]) for side in SIDES)
        except ValueError as error:
            raise session_code.SessionError(
                f"the session is of a kernel unknown here: {error}"
            ) from None
        lab = cls(wanted.program, left, right, **options)
        lab.pair.run_slice(min(wanted.step, RUN_LIMIT))
        at = lab.clicks
        lab._say(f"Taken up at click {at}, not {wanted.step}." if at != wanted.step else "")
        return lab

    # --- looking -----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
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
        debugger = self.debuggers[SIDES.index(side)]
        events = debugger.events_of(self.clicks) if self._steps_now(debugger) else ()
        return StepFigure.of(events, debugger.state, debugger.hardware.get("spsr_el2.ss"))

    def timeline(self, click: int | None = None) -> TimelineFigure:
        """The last click, or another one, under both kernels."""
        click = self.clicks if click is None else click
        return TimelineFigure(tuple(self._timeline(debugger, click) for debugger in self.debuggers))

    def look_at(self, side: int, event: int) -> None:
        """Say all about one event of the last click: side 0 (left) or 1 (right), events counted from 0."""
        events = self.debuggers[side].events_of(self.clicks)
        words = wording.event_html(events[event], event + 1, len(events))
        self.show({f"event-{SIDES[side]}": words})

    def _steps_now(self, debugger: Debugger) -> bool:
        return 0 < self.clicks <= debugger.position

    def _timeline(self, debugger: Debugger, click: int) -> Timeline:
        steps = [(click, debugger.events_of(click))] if 0 < click <= debugger.position else []
        return timeline(debugger.kernel.title, steps, self._listing.mnemonic)

    def _status(self, table: StopTable) -> str:
        if self._message:
            return self._message
        if self.clicks == 0:
            return "Not started. One click on Step steps both kernels."
        parted = self.pair.parted
        where = f" They part at click {parted}." if parted is not None else ""
        return table.sentence + where

    def _control_values(self, *, running: bool) -> Shown:
        pair = self.pair
        shown = controls.values(pair.position, pair.length, ended=pair.ended, running=running)
        nothing_more = pair.ended and pair.parted is None
        here = pair.parted is not None and pair.position == pair.parted
        off = running or nothing_more or here
        return shown | {"do-part@aria-disabled": "true" if off else None}

    def _values(self) -> Shown:
        table, times = self.stops(), self.timeline()
        width = max(len(line.columns) for line in times.timelines)
        found = self.pair.difference() if self.clicks else None
        values: Shown = {
            **self._control_values(running=self.running),
            "status.text": self._status(table),
            "differing": comparepage.differing_html(found, table.titles),
            "stops": table.html(),
            "editor@value": self.pair.program.source,
            "errors": "",
            "code@value": self.code(),
        }
        for side, debugger, line in zip(SIDES, self.debuggers, times.timelines, strict=True):
            title = debugger.kernel.title
            values |= controls.kernel_values(debugger.kernel, side, own=OwnKernel.of(debugger))
            values |= comparepage.machine_values(self.diagram(side), title, side, self.prefix)
            values[f"time-{side}"] = timelinepage.html(
                line, action=f"event-{side}", width=width, parting=times.parting
            )
            values[f"event-{side}"] = ""
            values[f"title-{side}.text"] = title
        return values

    def __repr__(self) -> str:
        left, right = self.debuggers
        places = (
            f"{left.kernel.name} at {left.last.pc:#x}, {right.kernel.name} at {right.last.pc:#x}"
        )
        missed = len(self.stops().missed)
        missing = f"{missed} stop{'s' if missed != 1 else ''} missing"
        return f"CompareLab({places}, after {self.clicks} click{'s' if self.clicks != 1 else ''}, {missing})"

    def drawing(self) -> Drawing:
        """The panel as one picture: the stops, and the timelines of the last click below them."""
        table, times = self.stops().drawing(), self.timeline().shortened()
        if not any(line.columns for line in times.timelines):
            return table
        below = times.drawing()
        drawing = Drawing((max(table.size[0], below.size[0]), table.size[1] + below.size[1]))
        drawing.place(table, 0, below.size[1])
        drawing.place(below, 0, 0)
        return drawing
