"""StepLab: everything about one guest under one kernel, a step at a time.

Invariant: the debugger holds the state; traits, controls and parts are told after every move.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from uuid import uuid4

import ipywidgets
import traitlets as t

from aarch64sim.arch.step import StepState
from aarch64sim.asm import AssemblyError, Program
from aarch64sim.debug import Debugger, Stop
from aarch64sim.kvm import Kernel
from widgets.figures.poster import poster
from widgets.models.drawing import Drawing
from widgets.page import historyline, ownkernel, session_code
from widgets.page.known import read_program
from widgets.page.listing import Listing
from widgets.page.logview import LogView
from widgets.page.ownkernel import OwnKernel
from widgets.panel import controls
from widgets.panel.drawers import StepDrawers
from widgets.panel.face import kernel_named
from widgets.panel.hands import Hands
from widgets.panel.named import NamedParts
from widgets.panel.panel import Panel
from widgets.panel.view import Shown
from widgets.panel.views import FIRST, VIEWS

SESSION_LIMIT = 1_000_000  # steps that a session code is followed
TITLES = {
    "registers": "Registers",
    "bits": "Bits",
    "memory": "Memory",
    "console": "UART",
    "log": "Events",
    "points": "Run to",
    "exits": "KVM_RUN",
    "edit": "Edit",
    "session": "Share",
}


class StepLab(Hands, NamedParts, Panel):
    """A panel for one guest: `program` is a Program, source text or the path of a .s file, `kernel` a preset.

    It is an ipywidgets container, and its parts (`controls`, `program`, `machine`, `timeline`, `registers` ...) are
    widgets that can stand anywhere. `position`, `kernel`, `program` and `views` can be observed, linked and set;
    `length`, `pc`, `state`, `status`, `running` and `ended` observed. `step`, `back`, `goto`, `run`, `run_to` and
    `load` do what the controls do. `views` are the parts to show unfolded; further options are those of the Debugger.
    """

    kernel = t.Unicode("v4.3", help="the name of the kernel").tag(sync=True)
    pc = t.Int(0, read_only=True, help="the guest's PC").tag(sync=True)
    state = t.Unicode("inactive", read_only=True, help="of the step machine").tag(sync=True)

    _views = VIEWS
    _keys = (*controls.STEPPING, "end", "earlier", "later", "reverse", "keys")
    _when_wide = ("registers",)
    _public = (
        *("position", "length", "kernel", "program", "pc", "state", "status", "running", "ended"),
        *("views", "step", "back", "goto", "run", "run_to", "run_back", "last_write", "look_at"),
        *("event", "moment", "load", "use_kernel", "serve_gdb", "code", "from_code", "snapshot"),
        *("debugger", "diagram", "step_events", "draw", "png", "on_stop", "children", "controls"),
        *("part", "machine", "timeline", "registers", "bits", "memory", "console", "exits"),
        *("changes", "events"),
    )

    def __init__(
        self,
        program: Program | str | Path = "",
        kernel: str | Kernel = "v4.3",
        *,
        debugger: Debugger | None = None,
        views: Collection[str] = FIRST,
        **options: Any,
    ) -> None:
        self._debugger = debugger or Debugger(read_program(program), kernel, **options)
        self._prefix = f"sl{uuid4().hex[:8]}-"
        self._memory_address = 0x4000_4000
        self._log = LogView()
        self._message = ""
        self._speed = "medium"
        self._own = OwnKernel.of(self._debugger)
        self._wrote = None
        self._listing = Listing(self._debugger.program)
        self._listeners: list[Callable[[Stop], object]] = []
        self._last_told = self.debugger.position, self.debugger.kernel.name
        super().__init__(views)

    def close(self) -> None:
        """Take the panel off the page. A run that only it shows ends; the debugger stays as it is."""
        if self._gdb:
            self._gdb.close()
        super().close()

    @classmethod
    def from_code(cls, code: str, **options: Any) -> StepLab:
        """The panel that `code()` described; SessionError for another text."""
        wanted = session_code.decode(code)
        try:
            kernel = ownkernel.from_plain(wanted.kernel)
        except ValueError as error:
            raise session_code.SessionError(
                f"the session is of a kernel unknown here: {error}"
            ) from None
        try:
            lab = cls(wanted.program, kernel, **options)
        except (AssemblyError, OSError, UnicodeError) as error:
            raise session_code.SessionError(
                f"the program of this session cannot be run: {error}"
            ) from None
        debugger, step = lab.debugger, min(wanted.step, SESSION_LIMIT)
        while debugger.position < step and not debugger.ended:
            debugger.run_slice(step - debugger.position, by_steps=True)
        at = debugger.position
        lab._say(f"Taken up at step {at}, not {wanted.step}." if at != wanted.step else "")
        return lab

    def _make_row(self) -> tuple[ipywidgets.Widget, ...]:
        maker = self._maker
        debugger = self.debugger
        options, value, summary = controls.chosen_kernel(
            debugger.kernel, patched=debugger.patched, own=self._own
        )
        self._chooser = maker.dropdown("kernel", summary, options, value)
        off = controls.disabled(debugger.position, ended=bool(debugger.ended), running=False)
        names = (*controls.STEPPING, "earlier", "later", "keys")
        self._buttons = {name: maker.button(name, off=off.get(name, False)) for name in names}
        self._slider = maker.slider()
        first, rest = names[: len(controls.STEPPING)], names[len(controls.STEPPING) :]
        buttons = self._buttons
        return (
            self._chooser,
            *(buttons[n] for n in first),
            self._slider,
            *(buttons[n] for n in rest),
        )

    def _make_drawers(self) -> StepDrawers:
        titles = {name: words for name, words in TITLES.items() if name not in self.views}
        return StepDrawers(self, self._maker, titles)

    @property
    def _source(self) -> str:
        return self.debugger.program.source

    # --- traits ---------------------------------------------------------------------------------------

    @t.validate("kernel")
    def _check_kernel(self, proposal: Any) -> str:
        wanted = str(proposal["value"])
        if self._showing:
            return wanted
        is_own = wanted == ownkernel.VALUE and self._own
        self.use_kernel(wanted if is_own else kernel_named(wanted))
        return self.debugger.kernel.name

    def __setattr__(self, name: str, value: object) -> None:
        if name == "kernel" and isinstance(value, Kernel):
            self.use_kernel(value)
        else:
            super().__setattr__(name, value)

    def on_stop(self, callback: Callable[[Stop], object]) -> None:
        """Call back with the Stop whenever the guest has stopped somewhere else."""
        if not callable(callback):
            raise TypeError(f"what is called back is a function, not {callback!r}")
        self._listeners.append(callback)

    def _tell_traits(self) -> None:
        debugger = self.debugger
        with self._told():
            self.set_trait("length", debugger.length)
            self.set_trait("position", debugger.position)
            self.set_trait("kernel", debugger.kernel.name)
            self.set_trait("program", debugger.program.source)
            self.set_trait("pc", debugger.last.pc)
            self.set_trait("state", str(self._state_now))
            self.set_trait("running", self._runner.running)
            self.set_trait("ended", bool(debugger.ended))
            self.set_trait("status", self._message or self._status())

    @property
    def _state_now(self) -> StepState:
        """The state of the step machine at the moment that is looked at."""
        phase = self.debugger.phase
        return phase.event.after if phase else self.debugger.state

    def _tell_listeners(self) -> None:
        now = self.debugger.position, self.debugger.kernel.name
        if now != self._last_told and not self._runner.running:
            self._last_told = now
            for listener in self._listeners:
                listener(self.debugger.last)

    # --- showing -------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Show what has changed; everything that the page shows is asked for anew."""
        if self._showing:
            return
        debugger = self.debugger
        if self._listing.program is not debugger.program:
            self._listing = Listing(debugger.program)
            self._drawers.loaded(debugger.program.source)
        self._own = OwnKernel.of(debugger) or self._own
        with self._together():
            self._tell_traits()
            self._show_controls(running=self.running)
            self._status_line.show(self._status_values())
            for part in self._open():
                part.refresh()
            self._drawers.refresh()
            self._drawers.say(self._message)
            if not self._message:
                self._drawers.show_errors("")
        self._tell_listeners()

    def _show_controls(self, *, running: bool) -> None:
        debugger = self.debugger
        options, value, summary = controls.chosen_kernel(
            debugger.kernel, patched=debugger.patched, own=self._own
        )
        position, length, ended = debugger.position, debugger.length, bool(debugger.ended)
        with self._maker.quiet():
            controls.choose(self._chooser, options, value)
            self._chooser.tooltip = summary
            controls.place(self._slider, position, length)
            for name, off in controls.disabled(position, ended=ended, running=running).items():
                self._buttons[name].disabled = off

    def _show_progress(self, words: str) -> None:
        """While a run goes on: the status and the controls, and nothing else."""
        with self._together():
            self.set_trait("status", words)
            self._status_line.show({"status.text": words, "position.text": self._progress})
            self._show_controls(running=True)

    @property
    def _progress(self) -> str:
        debugger = self.debugger
        return controls.progress(debugger.position, debugger.length, bool(debugger.ended))

    def _status_values(self) -> Shown:
        debugger = self.debugger
        marks = historyline.values(debugger.marks, debugger.position, debugger.length)
        return {"status.text": self.status, "position.text": self._progress} | marks

    def _listing_values(self) -> Shown:
        debugger, listing = self.debugger, self._listing
        pc = debugger.phase_registers()["pc"] if debugger.phase else debugger.last.pc
        window = listing.window(pc)
        values: Shown = {"listing": listing.html(*window)}
        marks = listing.marks(self.last_timeline, pc)
        for address in listing.shown(*window):
            row = f"row-{address:x}"
            values[f"{row}@class"] = marks.get(row)
            values[f"{row}@aria-current"] = "step" if address == pc else None
            is_set = address in debugger.breakpoints
            values[f"bp-{address:x}@aria-pressed"] = "true" if is_set else "false"
        return values

    def __repr__(self) -> str:
        debugger = self.debugger
        state = f"ended: {debugger.last.reason}" if debugger.ended else str(debugger.state)
        name, pc = type(self).__name__, debugger.last.pc
        return f"{name}({debugger.kernel.name}, {self._progress}, pc={pc:#x}, {state})"

    def drawing(self) -> Drawing:
        """The panel as one picture."""
        return poster(repr(self), self._listing, self.debugger, self.diagram(), self.last_timeline)
