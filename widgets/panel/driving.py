"""What moves the guest of a panel: steps, runs, time travel, another program, another kernel.

Invariant: the debugger does it; while a run is under way nothing else moves the guest, and every panel is told.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from aarch64sim.asm import Program
from aarch64sim.debug import Debugger, Stop, Write
from aarch64sim.debug.destinations import Destination
from aarch64sim.debug.numbers import number_of
from aarch64sim.debug.reverse import Found, Search
from aarch64sim.kvm import Kernel
from widgets.page import arrivals, ownkernel, wording
from widgets.page.home import at_home
from widgets.page.known import read_program
from widgets.page.ownkernel import OwnKernel
from widgets.page.runner import PLAY_SECONDS, RUN_LIMIT, Runner, runner_of
from widgets.panel.gdb import GdbDoor
from widgets.panel.snapshot import Looking

MOST_KEPT = 2000  # steps that are made again under another kernel


class Driving(Looking):
    """Mixed into a panel that shows a debugger."""

    _message: str
    _speed: str
    _gdb: GdbDoor | None = None
    _own: OwnKernel | None  # the learner's kernel, for the list
    _wrote: tuple[int | str, Write] | None  # what was asked for last, and found
    running: bool  # a run is under way
    _show_progress: Callable[[str], None]
    _show: Callable[[], None]

    @property
    def _runner(self) -> Runner:
        return runner_of(self.debugger)

    # --- moving --------------------------------------------------------------------------------------

    def step(self) -> Stop:
        """One click on Step; from the middle of a step, to its end."""
        debugger = self.debugger
        return self._moved(debugger.look_at_end if debugger.phase else debugger.step)

    def back(self) -> Stop:
        """Undo the last step."""
        return self._moved(self.debugger.back)

    def goto(self, number: int) -> Stop:
        """Go to a step of the history; HistoryError beyond it."""
        return self._moved(partial(self.debugger.goto, number))

    def run(self, limit: int = RUN_LIMIT) -> Stop:
        """Run to a breakpoint or the guest's end, `limit` instructions at most; the cell waits for it.

        With the option `by_steps` of the panel it is a row of single steps.
        """
        stops: list[Stop] = []
        stop = self._moved(lambda: stops.append(self.debugger.run(limit)))
        if stops and stops[0].reason == "limit":
            self._say(stops[0].text)
            return stops[0]
        return stop

    def run_to(self, where: str, limit: int = RUN_LIMIT) -> Stop:
        """Run to what `where` says: "loop", "line 7", "exit MMIO", "x2 == 5"; the cell waits for it.

        ValueError says what can be written.
        """
        to = self.debugger.destination(where)
        stop = self._moved(lambda: self.debugger.run_slice(limit, to=to))
        self._say(self._arrive(to))
        return stop

    def _arrive(self, to: Destination) -> str:
        """Stand where a run was to go: at the very return of KVM_RUN, if it was to one. The sentence about it."""
        debugger = self.debugger
        if to.exit and to.reached(debugger):
            events = debugger.record(debugger.position).events
            at = arrivals.exit_event(events, to.exit)
            if at is not None and at < len(events) - 1:
                debugger.look_at(at)
        return wording.arrival(to, debugger, self._listing, self.last_timeline)

    def run_back(self) -> Stop:
        """Back to the breakpoint or watched access before, else to the start."""
        return self._moved(self.debugger.reverse_continue)

    def last_write(self, what: int | str) -> Write:
        """Go to the last step that changed a register, or the 8 bytes at an address or label.

        Asked again for the same there, to the one before. HistoryError if there is none, ValueError for what is
        neither.
        """
        if arrivals.is_ss(what):
            return self._to_last_ss()
        write = self.debugger.last_write(what, before=self._asked_before(what))
        self._moved(lambda: None)
        self._wrote = what, write
        return write

    def _to_last_ss(self) -> Write:
        """Look at the event that changed SS last, before the moment that is looked at."""
        debugger, moment = self.debugger, self.moment
        write, event = arrivals.last_ss(debugger, moment)
        self._moved(lambda: debugger.goto(write.step))
        self.look_at(event)
        return write

    def _asked_before(self, what: int | str) -> int | None:
        """The step before which to look, if `what` was asked for last and the guest still stands where it was found."""
        here, wrote = self.debugger.position, self._wrote
        return here if wrote and wrote[0] == what and wrote[1].step == here else None

    def look_at(self, event: int | None) -> None:
        """Look at one event of the last step, counted from 0; None, or the same again, for all of it."""
        debugger, shown = self.debugger, self.moment
        if event is None or event == shown:
            debugger.look_at_end()
        else:
            last = len(debugger.record(debugger.position).events) - 1
            debugger.look_at(number_of("event", event, last))
        self._message = ""
        self._show_everywhere()

    @property
    def moment(self) -> int | None:
        """The event of the last step that is looked at, counted from 0; None for the end of the step."""
        phase = self.debugger.phase
        return phase.index if phase else None

    def event(self, by: int = 1) -> None:
        """One event on, into the next step when this one is over; or one back."""
        debugger = self.debugger
        self._moved(debugger.phase_forward if by > 0 else debugger.phase_back)

    # --- runs on the event loop ----------------------------------------------------------------------

    def start_run(self, to: Destination | None = None) -> None:
        """Run on the event loop, so that Stop works."""
        self._start(0.0, to)

    def start_back(self) -> None:
        """Run back; on the event loop where the history is long."""

        def found(step: int) -> str:
            self.debugger.goto(step)
            return ""

        self._look_back(self.debugger.search_stop(), found)

    def start_last_write(self, what: str) -> None:
        """Go to the last write; on the event loop where the history is long."""

        def found(write: Write) -> str:
            self.debugger.goto(write.step)
            self._wrote = what, write
            return arrivals.written(write, self.debugger.record(write.step).events, self._listing)

        if arrivals.is_ss(what):
            write = self._to_last_ss()
            self._say(f"SS was written last here: {write.old} -> {write.new}. {self._status()}")
            return
        before = self._asked_before(what)
        self._look_back(self.debugger.search_write(what, before=before), found)

    def _look_back(self, search: Search[Found], found: Callable[[Found], str]) -> None:
        self._say(self._runner.search(search, found))

    def play(self) -> None:
        """A step every now and then, at the speed that is chosen."""
        self._start(PLAY_SECONDS[self._speed])

    def stop(self) -> None:
        """End a run or a play."""
        self._runner.stop()

    def _start(self, pause: float, to: Destination | None = None) -> None:
        self._message = ""
        self._runner.start(self.debugger, pause=pause, to=to)
        self._show_everywhere()

    def run_goes_on(self) -> None:
        """A slice of the run was made."""
        debugger = self.debugger
        if self._runner.playing:
            self._show()
            return
        at, pc = self._runner.looking_at, debugger.registers["pc"]
        how = "Running step by step" if debugger.by_steps else "Running"
        words = f"{how}: {debugger.position} instructions, PC {pc:#x}."
        self._show_progress(words if at is None else f"Looking back: at step {at}.")

    def run_ended(self, message: str, to: Destination | None) -> None:
        """The run is over."""
        if to and not message:
            message = self._arrive(to)
        self._message = message
        self._show()

    # --- starting over -------------------------------------------------------------------------------

    def load(self, program: Program | str | Path) -> None:
        """Start over with another program; AssemblyError leaves the old one. Kernel and breakpoints stay."""
        text = read_program(program)
        self._restart(lambda d: d.restart(program=text, patched=d.patched))

    def use_kernel(self, kernel: str | Kernel) -> None:
        """The same number of steps under another kernel; breakpoints stay, and so does the learner's own kernel."""
        own, ran = self._own, self._runner.running
        wanted = 0 if ran else self.debugger.position
        if kernel == ownkernel.VALUE and own is not None:
            self._restart(lambda d: d.restart(own.kernel, patched=own.patched), wanted)
        else:
            self._restart(lambda d: d.restart(kernel, patched=False), wanted)
        if ran:
            self._say(wording.run_given_up(self.debugger, self._status()))

    def _restart(self, restart: Callable[[Debugger], object], wanted: int = 0) -> None:
        at_home(lambda: self._start_over(restart, wanted))

    def _start_over(self, restart: Callable[[Debugger], object], wanted: int) -> None:
        debugger = self.debugger
        restart(debugger)
        self._runner.abandon()
        while debugger.position < min(wanted, MOST_KEPT) and not debugger.ended:
            debugger.step()
        self._say(wording.kept_place(debugger, wanted, self._status()) if wanted else "")

    # --- others that drive ---------------------------------------------------------------------------

    def serve_gdb(self, port: int = 0) -> GdbDoor:
        """Let a gdb of this computer attach; OSError if the port is in use. A door that was open before is closed.

        While a gdb is attached, its door stays open, and is returned.
        """
        if self._gdb and self._gdb.attached and port in (0, self._gdb.port):
            return self._gdb
        door = GdbDoor(self, port)
        if self._gdb:
            self._gdb.close()
        self._gdb = door
        return door

    def follow(self) -> None:
        """Show what somebody else, a gdb or another panel, has done to the debugger."""
        self._message = ""
        self._show()

    def _moved(self, move: Callable[[], object]) -> Stop:
        return at_home(lambda: self._move(move))

    def _move(self, move: Callable[[], object]) -> Stop:
        self._message = ""
        if not self._runner.running:
            move()
        self._show_everywhere()
        return self.debugger.last

    def _say(self, message: str) -> None:
        self._message = message
        self._show_everywhere()

    def _show_everywhere(self) -> None:
        self._show()
        for panel in list(self._runner.panels):
            if isinstance(panel, Driving) and panel is not self:
                panel.follow()
