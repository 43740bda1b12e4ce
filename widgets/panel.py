"""StepLab: everything about one guest under one kernel, a step at a time.

Invariant: the debugger holds the state; the panel is told after every move, and says only what the log says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

from aarch64sim.asm import AssemblyError, Program
from aarch64sim.debug import Debugger, HistoryError, Stop
from aarch64sim.kvm import Kernel
from widgets import controls, editor, hands, session, wording
from widgets.board import Action, Board, Bundle
from widgets.gdb import GdbDoor
from widgets.listing import Listing
from widgets.looking import Looking
from widgets.poster import poster
from widgets.render import to_png
from widgets.runner import PLAY_SECONDS, RUN_LIMIT, Runner
from widgets.views import VIEWS, Shown, skeleton


def read_program(program: Program | str | Path) -> Program | str:
    """A program, its text, or the file it stands in: a path that ends in .s."""
    if isinstance(program, Program):
        return program
    if isinstance(program, Path) or (program.endswith(".s") and "\n" not in program):
        return Path(program).read_text(encoding="utf-8")
    return program


class StepLab(Looking, Board):
    """A panel for one guest: `program` is a Program, source text or the path of a .s file, `kernel` a preset.

    `step`, `back`, `goto`, `run` and `load` do what the controls do; `state` gives a dictionary of where it stands,
    `code` a text from which `StepLab.from_code` makes the panel again. `views` are the sections to show; further
    options are those of the Debugger.
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
        self._options = options
        self.debugger = debugger or Debugger(read_program(program), kernel, **options)
        self.views = tuple(views)
        self.prefix = f"sl{id(self):x}-"
        self.memory_address = 0x4000_4000
        self.moment = None  # the event of the last step that is looked at
        self._message = ""
        self._speed = "medium"
        self._runner = Runner(self._progress, self._run_ended)
        self._gdb: GdbDoor | None = None
        self._listing = Listing(self.debugger.program)
        self._window: tuple[int, int] | None = None
        self._marked: set[str] = set()
        self._made = False
        super().__init__(skeleton(self), self._make_actions(), self._values())
        self._made = True

    @classmethod
    def from_code(cls, code: str, **options: Any) -> StepLab:
        """The panel that `code()` described; SessionError for another text."""
        wanted = session.decode(code)
        lab = cls(wanted.program, wanted.kernel, **options)
        for _ in range(min(wanted.step, RUN_LIMIT)):
            lab.debugger.step()
        lab._show()
        return lab

    def _make_actions(self) -> dict[str, Action]:
        return {
            "start": lambda _: self.goto(0),
            "back": lambda _: self.back(),
            "step": lambda _: self.step(),
            "run": lambda _: self.start_run(),
            "play": lambda _: self.play(),
            "stop": lambda _: self.stop(),
            "goto": lambda m: self._go(hands.value_of(m)),
            "kernel": lambda m: self.use_kernel(hands.value_of(m)),
            "assemble": lambda m: self._assemble(hands.value_of(m)),
            "event": lambda m: self.look_at(int(hands.value_of(m))),
            "earlier": lambda _: self._look(-1),
            "later": lambda _: self._look(1),
            "speed": lambda m: self._set_speed(hands.value_of(m)),
            "breakpoint": lambda m: self._say(
                hands.toggle_breakpoint(self.debugger, int(hands.value_of(m)))
            ),
            "register": lambda m: self._try(hands.set_register, hands.value_of(m)),
            "type": lambda m: self._try(hands.type_into, hands.value_of(m)),
            "address": lambda m: self._set_address(hands.value_of(m)),
        }

    # --- moving --------------------------------------------------------------------------------------

    def step(self) -> Stop:
        """One click on Step."""
        return self._moved(self.debugger.step)

    def back(self) -> Stop:
        """Undo the last step."""
        return self._moved(self.debugger.back)

    def goto(self, number: int) -> Stop:
        """Go to a step of the history; HistoryError beyond it."""
        return self._moved(partial(self.debugger.goto, number))

    def run(self, limit: int = RUN_LIMIT) -> Stop:
        """Step until a breakpoint or the guest's end, at most `limit` times; the cell waits for it."""
        return self._moved(partial(self.debugger.run, limit))

    def load(self, program: Program | str | Path) -> None:
        """Start over with another program; AssemblyError leaves the old one."""
        self._restart(Debugger(read_program(program), self.debugger.kernel, **self._options))

    def use_kernel(self, kernel: str | Kernel) -> None:
        """Start over under another kernel; breakpoints stay."""
        old = self.debugger
        new = Debugger(old.program, kernel, **self._options)
        for address in sorted(old.breakpoints):
            new.add_breakpoint(address)
        self._restart(new)

    def start_run(self) -> None:
        """Run on the event loop, so that Stop works."""
        self._start(0.0)

    def play(self) -> None:
        """A step every now and then, at the speed that is chosen."""
        self._start(PLAY_SECONDS[self._speed])

    def stop(self) -> None:
        """End a run or a play."""
        self._runner.stop()

    def serve_gdb(self, port: int = 0) -> GdbDoor:
        """Let a gdb of this computer attach; OSError if the port is in use. A door that was open before is closed."""
        door = GdbDoor(self, port)
        if self._gdb:
            self._gdb.close()
        self._gdb = door
        return door

    def follow(self) -> None:
        """Show what somebody else, a gdb, has done to the debugger."""
        self.moment, self._message = None, ""
        self._show()

    def look_at(self, event: int | None) -> None:
        """Look at one event of the last step, counted from 0; None, or the same again, for all of it."""
        self.moment = None if event == self.moment else event
        self._show()

    @property
    def running(self) -> bool:
        """A run is under way."""
        return self._runner.running

    def _look(self, by: int) -> None:
        """To the event before or after; beyond the last one, the whole step again."""
        count = len(self.step_events)
        at = (count if by < 0 else -1) if self.chosen is None else self.chosen
        self.moment = at + by if 0 <= at + by < count else None
        self._show()

    def _start(self, pause: float) -> None:
        self.moment, self._message = None, ""
        self._runner.start(self.debugger, pause=pause)
        self._show()

    def _progress(self) -> None:
        debugger = self.debugger
        if self._runner.playing:
            self._show()
            return
        pc = debugger.registers["pc"]
        self.show(
            {"status.text": f"Running: {debugger.position} steps, PC {pc:#x}."}
            | controls.values(debugger.position, debugger.length, ended=False, running=True)
        )

    def _run_ended(self, message: str) -> None:
        self._message = message
        self._show()

    def _restart(self, debugger: Debugger) -> None:
        self._runner.stop()
        self._runner = Runner(self._progress, self._run_ended)
        self.debugger = debugger
        if self._gdb:
            self._gdb.serve(debugger)
        self._listing, self._window = Listing(debugger.program), None
        self.moment, self._message = None, ""
        self._show()

    def _moved(self, move: Callable[[], object]) -> Stop:
        self.moment, self._message = None, ""
        if not self.running:
            move()
        self._show()
        return self.debugger.last

    # --- by hand -------------------------------------------------------------------------------------

    def _go(self, value: str) -> None:
        try:
            self.goto(int(value))
        except HistoryError as error:
            self._say(f"{str(error).capitalize()}.")

    def _say(self, message: str) -> None:
        self._message = message
        self._show()

    def _try(self, act: Callable[[Debugger, str], str], text: str) -> None:
        try:
            self._say(act(self.debugger, text))
        except ValueError as error:
            self._say(f"Not done: {error}.")

    def _set_address(self, text: str) -> None:
        try:
            self.memory_address = hands.number(text) & 0xFFFF_FFFF_FFFF_FFFF
            self._say("")
        except ValueError as error:
            self._say(f"Not done: {error}.")

    def _set_speed(self, value: str) -> None:
        self._speed = value if value in PLAY_SECONDS else "medium"

    def _assemble(self, source: str) -> None:
        try:
            self.load(source)
        except AssemblyError as error:
            said = "Not assembled: " + str(error.errors[0])
            self.show({"errors": editor.errors_html(error), "status.text": said})
        except ValueError as error:
            self.show({"errors": editor.message_html(str(error))})

    def _values(self) -> Shown:
        debugger = self.debugger
        ended, words = bool(debugger.ended), self._message
        values: Shown = {
            **controls.values(
                debugger.position, debugger.length, ended=ended, running=self.running
            ),
            **controls.kernel_values(debugger.kernel),
            "status.text": words
            or wording.status(debugger.last, self._listing, self.last_timeline),
            "errors": "",
        }
        for name in self.views:
            values |= VIEWS[name].values(self)
        return values

    def listing_values(self) -> Shown:
        """The table when it is new, else only the rows that change."""
        values: Shown = {}
        debugger = self.debugger
        pc = debugger.last.pc
        window = self._listing.window(pc)
        if window != self._window:
            if self._made:
                self.forget("listing")  # sent even if it is the same: with its rows their marks go
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
        self.show(self._values())

    def __repr__(self) -> str:
        debugger = self.debugger
        where = controls.progress(debugger.position, debugger.length, bool(debugger.ended))
        state = f"ended: {debugger.last.reason}" if debugger.ended else str(debugger.state)
        name = type(self).__name__
        return f"{name}({debugger.kernel.name}, {where}, pc={debugger.last.pc:#x}, {state})"

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        data |= {"text/plain": repr(self), "image/png": self.png()}
        return data, metadata

    def png(self) -> bytes:
        """The panel as a picture, for where nothing runs."""
        drawn = poster(repr(self), self._listing, self.debugger, self.diagram(), self.last_timeline)
        return to_png(drawn)
