"""StepLab: everything about one guest under one kernel, a step at a time.

Invariant: the debugger holds the state; the panel is told after every move, and says only what the log says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from aarch64sim.asm import AssemblyError, Program
from aarch64sim.debug import Debugger
from aarch64sim.kvm import Kernel
from widgets.figures.poster import poster
from widgets.models.drawing import Drawing
from widgets.page import controls, edits, historyline, ownkernel, session_code, wording
from widgets.page.board import Action
from widgets.page.listing import Listing
from widgets.page.logview import LogView
from widgets.page.ownkernel import OwnKernel
from widgets.page.runner import PLAY_SECONDS
from widgets.panel.driving import Driving, read_program
from widgets.panel.guestboard import GuestBoard
from widgets.panel.snapshot import Looking
from widgets.panel.views import VIEWS, Shown, skeleton

SESSION_LIMIT = 1_000_000  # steps that a session code is followed


class StepLab(Driving, Looking, GuestBoard):
    """A panel for one guest: `program` is a Program, source text or the path of a .s file, `kernel` a preset.

    `step`, `back`, `goto`, `run`, `run_to` and `load` do what the controls do; `state` gives a dictionary of where it
    stands, `code` a text from which `StepLab.from_code` makes the panel again. `views` are the sections to show;
    further options are those of the Debugger.
    """

    def __init__(
        self,
        program: Program | str | Path = "",
        kernel: str | Kernel = "v4.3",
        *,
        debugger: Debugger | None = None,
        views: Collection[str] = tuple(VIEWS),
        **options: Any,
    ) -> None:
        if unknown := [name for name in views if name not in VIEWS]:
            raise ValueError(f"there is no view {unknown[0]!r}; there are {', '.join(VIEWS)}")
        self.debugger = debugger or Debugger(read_program(program), kernel, **options)
        self.views = tuple(views)
        self.prefix = f"sl{id(self):x}-"
        self.memory_address = 0x4000_4000
        self.event_list = LogView()
        self._message = ""
        self._speed = "medium"
        self._own = OwnKernel.of(self.debugger)
        self._wrote = None
        self._listing = Listing(self.debugger.program)
        self._window: tuple[int, int] | None = None
        self._marked: set[str] = set()
        self._made = False
        super().__init__(skeleton(self), self._make_actions(), self._values())
        self._made = True
        self._runner.panels.add(self)

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
            debugger.run_slice(step - debugger.position)
        at = debugger.position
        lab._say(f"Taken up at step {at}, not {wanted.step}." if at != wanted.step else "")
        return lab

    def _make_actions(self) -> dict[str, Action]:
        return {
            "start": lambda _: self.goto(0),
            "back": lambda _: self.back(),
            "step": lambda _: self.step(),
            "run": lambda _: self.start_run(),
            "play": lambda _: self.play(),
            "stop": lambda _: self.stop(),
            "goto": lambda m: self._go(edits.value_of(m)),
            "kernel": lambda m: self.use_kernel(edits.value_of(m)),
            "assemble": lambda m: self._assemble(edits.value_of(m)),
            "event": lambda m: self.look_at(int(edits.value_of(m))),
            "log": lambda m: self._go_to_event(edits.value_of(m)),
            "earlier": lambda _: self.event(-1),
            "later": lambda _: self.event(1),
            "reverse": lambda _: self.start_back(),
            "travel": lambda m: self._travel(*edits.value_of(m).partition(" ")[::2]),
            "remove": lambda m: self._try(edits.remove, edits.value_of(m)),
            "speed": lambda m: self._set_speed(edits.value_of(m)),
            "breakpoint": lambda m: self._say(
                edits.toggle_breakpoint(self.debugger, int(edits.value_of(m)))
            ),
            "register": lambda m: self._try(edits.set_register, edits.value_of(m)),
            "type": lambda m: self._try(edits.type_into, edits.value_of(m)),
            "address": lambda m: self._set_address(edits.value_of(m)),
        }

    # --- by hand -------------------------------------------------------------------------------------

    def _go(self, value: str) -> None:
        self.goto(edits.number(value))

    def _go_to_event(self, value: str) -> None:
        step, _, event = value.partition(":")
        self.goto(int(step))
        if not self.running:
            self.look_at(int(event))

    def _travel(self, verb: str, where: str) -> None:
        """What the field beside Go says."""
        if verb == "run":
            self.start_run(self.debugger.destination(where))
        elif verb == "break":
            self._try(edits.set_breakpoint, where)
        elif verb == "watch":
            self._try(edits.watch, where)
        else:
            self.start_last_write(where.strip())

    def _try(self, act: Callable[[Debugger, str], str], text: str) -> None:
        self._say(act(self.debugger, text))

    def _set_address(self, text: str) -> None:
        self.memory_address = edits.address(self.debugger, text)
        self._say("")

    def _set_speed(self, value: str) -> None:
        self._speed = value if value in PLAY_SECONDS else "medium"

    def _values(self) -> Shown:
        debugger = self.debugger
        if self._listing.program is not debugger.program:
            self._listing, self._window = Listing(debugger.program), None
        self._own = OwnKernel.of(debugger) or self._own
        ended, words = bool(debugger.ended), self._message
        values: Shown = {
            **controls.values(
                debugger.position, debugger.length, ended=ended, running=self.running
            ),
            **historyline.values(debugger.marks, debugger.position, debugger.length),
            **controls.kernel_values(debugger.kernel, patched=debugger.patched, own=self._own),
            "points": wording.points_html(debugger.points, self._listing),
            "status.text": words or self._status(),
            "errors": "",
        }
        for name in self.views:
            values |= VIEWS[name].values(self)
        return values

    def _status(self) -> str:
        if now := self.debugger.phase:
            return wording.phase(now)
        return wording.status(self.debugger.last, self._listing, self.last_timeline)

    def listing_values(self) -> Shown:
        """The table when it is new, else only the rows that change."""
        values: Shown = {}
        debugger = self.debugger
        pc = debugger.phase_registers()["pc"] if debugger.phase else debugger.last.pc
        window = self._listing.window(pc)
        if window != self._window:
            if self._made:
                self.forget("row-")
                self.forget("bp-")
            self._window, self._marked = window, set()
            values["listing"] = self._listing.html(*window)
            values["editor@value"] = debugger.program.source
        marks = self._listing.marks(self.last_timeline, pc)
        for slot in {*marks, *self._marked}:
            values[f"{slot}@class"] = marks.get(slot)
            values[f"{slot}@aria-current"] = "step" if slot == f"row-{pc:x}" else None
        self._marked = set(marks)
        for address in self._listing.shown(*window):
            is_set = address in debugger.breakpoints
            values[f"bp-{address:x}@aria-pressed"] = "true" if is_set else "false"
        return values

    def _show(self) -> None:
        """Show what has changed; everything that the page shows is asked for anew."""
        self.show(self._values())

    def __repr__(self) -> str:
        debugger = self.debugger
        where = controls.progress(debugger.position, debugger.length, bool(debugger.ended))
        state = f"ended: {debugger.last.reason}" if debugger.ended else str(debugger.state)
        name = type(self).__name__
        return f"{name}({debugger.kernel.name}, {where}, pc={debugger.last.pc:#x}, {state})"

    def drawing(self) -> Drawing:
        """The panel as one picture."""
        return poster(repr(self), self._listing, self.debugger, self.diagram(), self.last_timeline)
