"""CompareLab: one program under two kernels, a click on Step for both.

Invariant: the pair of debuggers holds the state; after every move the page is told once, and only what is different.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import uuid4

import ipywidgets
import traitlets as t

from aarch64sim.asm import Program
from aarch64sim.kvm import Kernel
from widgets.figures.comparefigure import StopTable
from widgets.models.drawing import Drawing
from widgets.page import edits, ownkernel, session_code
from widgets.page.board import Action
from widgets.page.known import read_program
from widgets.page.listing import Listing
from widgets.page.ownkernel import OwnKernel
from widgets.page.runner import RUN_LIMIT, Runner
from widgets.panel import controls
from widgets.panel.comparedriving import PairDriving
from widgets.panel.comparepage import FIRST, SIDES, VIEWS
from widgets.panel.drawers import Drawers
from widgets.panel.driving import MOST_KEPT
from widgets.panel.face import kernel_named
from widgets.panel.pair import Pair
from widgets.panel.panel import Panel
from widgets.panel.parts import Part
from widgets.panel.view import Shown

TITLES = {
    "stops": "Stops",
    "differing": "Registers that differ",
    "program": "Program",
    "edit": "Edit",
    "session": "Share",
}


class CompareLab(PairDriving, Panel):
    """Two guests in one panel: `left` and `right` are presets of kernels, or kernels of your own.

    It is an ipywidgets container with parts (`controls`, `machines`, `timeline`, `stops`). `position` (clicks),
    `left`, `right`, `program` and `views` can be observed, linked and set; `length`, `parted`, `status`, `running`
    and `ended` observed. `step`, `back`, `goto`, `run`, `run_to_difference` and `load` do what the controls do;
    `code` gives a text from which `CompareLab.from_code` makes the panel again. Further options are the Debugger's.
    """

    left = t.Unicode("v4.3", help="the name of the kernel at the left").tag(sync=True)
    right = t.Unicode("fixed", help="the name of the kernel at the right").tag(sync=True)
    parted = t.Int(None, allow_none=True, read_only=True, help="the click they part at").tag(
        sync=True
    )

    _views = VIEWS
    _keys = ("start", "end", "back", "step", "run", "stop", "part", "keys")
    _public = (
        *("position", "length", "left", "right", "program", "parted", "status", "running", "ended"),
        *("views", "step", "back", "goto", "run", "run_to_difference", "load", "use_kernel"),
        *("clicks", "debuggers", "pair", "code", "from_code", "snapshot", "diagram", "timeline"),
        *("look_at", "draw", "png", "children", "controls", "part", "machines", "stops"),
    )

    def __init__(
        self,
        program: Program | str | Path,
        left: str | Kernel = "v4.3",
        right: str | Kernel = "fixed",
        *,
        views: Collection[str] = FIRST,
        **options: Any,
    ) -> None:
        self._pair = Pair(read_program(program), left, right, **options)
        self._prefix = f"sl{uuid4().hex[:8]}-"
        self._own = dict(zip(SIDES, map(OwnKernel.of, self.debuggers), strict=True))
        self._listing = Listing(self.pair.program)
        self._message = ""
        self._explained: dict[str, str] = {}
        self._runs_both = Runner()
        super().__init__(views)

    def _make_row(self) -> tuple[ipywidgets.Widget, ...]:
        maker = self._maker
        self._choosers = {}
        for side, debugger in zip(SIDES, self.debuggers, strict=True):
            options, value, summary = controls.chosen_kernel(debugger.kernel, own=self._own[side])
            self._choosers[side] = maker.dropdown(side, summary, options, value)
        names, off = ("start", "back", "step", "run", "part", "stop", "keys"), self._disabled(False)
        self._buttons = {name: maker.button(name, off=off.get(name, False)) for name in names}
        self._slider = maker.slider()
        buttons = [self._buttons[name] for name in names]
        return *self._choosers.values(), *buttons[:-1], self._slider, buttons[-1]

    def _make_drawers(self) -> Drawers:
        titles = {name: words for name, words in TITLES.items() if name not in self.views}
        return Drawers(self, self._maker, titles, "stops" if "stops" in titles else "")

    def _make_actions(self) -> dict[str, Action]:
        return {
            "start": lambda _: self.goto(0),
            "end": lambda _: self.goto(self.pair.length),
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
        }

    @property
    def _source(self) -> str:
        return self.pair.program.source

    @property
    def machines(self) -> Part:
        """Both step machines."""
        return self.part("machines")

    @property
    def timeline(self) -> Part:
        """The last click under both kernels. Called, it gives a figure: `both.timeline()`, `both.timeline(2)`."""
        return self.part("timeline")

    # --- traits --------------------------------------------------------------------------------------

    @t.validate("left", "right")
    def _check_kernel(self, proposal: Any) -> str:
        wanted, side = str(proposal["value"]), proposal["trait"].name
        if self._showing:
            return wanted
        is_own = wanted == ownkernel.VALUE and self._own[side]
        self.use_kernel(side, wanted if is_own else kernel_named(wanted))
        return self.debuggers[SIDES.index(side)].kernel.name

    def __setattr__(self, name: str, value: object) -> None:
        if name in SIDES and isinstance(value, Kernel):
            self.use_kernel(name, value)
        else:
            super().__setattr__(name, value)

    def _go_or_step(self, wanted: int) -> int:
        def move() -> None:
            self.pair.goto(min(wanted, self.pair.length))
            self.pair.run_slice(min(wanted - self.clicks, MOST_KEPT))

        if wanted != self.clicks:
            self._moved(move)
            if self.clicks < wanted and not self._runner.running:
                why = "both have ended" if self.pair.ended else "no more are made at once"
                self._say(f"{self.clicks} clicks of {wanted}: {why}.")
        return self.clicks

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

    def _status(self, table: StopTable) -> str:
        if self._message:
            return self._message
        if self.clicks == 0:
            return "Not started. One click on Step steps both kernels."
        parted = self.pair.parted
        where = f" They differ from click {parted} on." if parted is not None else ""
        return table.sentence + where

    def _show(self) -> None:
        """Show what has changed; everything that the page shows is asked for anew."""
        if self._showing:
            return
        if self._listing.program is not self.pair.program:
            self._listing = Listing(self.pair.program)
            self._drawers.loaded(self._source)
        for side, debugger in zip(SIDES, self.debuggers, strict=True):
            self._own[side] = OwnKernel.of(debugger) or self._own[side]
        with self._together():
            self._tell_traits()
            self._show_controls(running=self.running)
            self._status_line.show(self._status_values())
            for part in self._open():
                part.refresh()
            if not self._message:
                self._drawers.show_errors("")

    def _tell_traits(self) -> None:
        pair = self.pair
        with self._told():
            self.set_trait("length", pair.length)
            self.set_trait("position", pair.position)
            self.set_trait("parted", pair.parted)
            self.set_trait("program", self._source)
            for side, debugger in zip(SIDES, self.debuggers, strict=True):
                self.set_trait(side, debugger.kernel.name)
            self.set_trait("running", self._runner.running)
            self.set_trait("ended", pair.ended)
            self.set_trait("status", self._status(self.stops()))

    def _disabled(self, running: bool) -> dict[str, bool]:
        pair = self.pair
        nothing_more = pair.ended and pair.parted is None
        here = pair.parted is not None and pair.position == pair.parted
        off = controls.disabled(pair.position, ended=pair.ended, running=running)
        return {**off, "part": running or nothing_more or here}

    def _status_values(self) -> Shown:
        return {"status.text": self.status, "position.text": self._progress}

    @property
    def _progress(self) -> str:
        pair = self.pair
        return controls.progress(pair.position, pair.length, pair.ended)

    def _show_controls(self, *, running: bool) -> None:
        pair, off = self.pair, self._disabled(running)
        with self._maker.quiet():
            for side, debugger in zip(SIDES, self.debuggers, strict=True):
                own = self._own[side]
                options, value, summary = controls.chosen_kernel(debugger.kernel, own=own)
                controls.choose(self._choosers[side], options, value)
                self._choosers[side].tooltip = summary
            controls.place(self._slider, pair.position, pair.length)
            for name, button in self._buttons.items():
                button.disabled = off.get(name, False)

    def _show_progress(self, words: str) -> None:
        """While a run goes on: the status and the controls, and nothing else."""
        with self._together():
            self.set_trait("status", words)
            self._status_line.show({"status.text": words, "position.text": self._progress})
            self._show_controls(running=True)

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
        table, times = self.stops().drawing(), self._figure().shortened()
        if not any(line.columns for line in times.timelines):
            return table
        below = times.drawing()
        drawing = Drawing((max(table.size[0], below.size[0]), table.size[1] + below.size[1]))
        drawing.place(table, 0, below.size[1])
        drawing.place(below, 0, 0)
        return drawing
