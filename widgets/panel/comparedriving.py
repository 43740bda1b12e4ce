"""What moves the two guests of a comparison: steps, time travel, runs, another program, another kernel.

Invariant: while a run is under way nothing else moves the guests, and the page is told once after every move.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aarch64sim.asm import Program
from aarch64sim.debug import Stop
from aarch64sim.kvm import Kernel
from widgets.page import ownkernel
from widgets.page.home import at_home
from widgets.page.known import read_program, side_of
from widgets.page.ownkernel import OwnKernel
from widgets.page.runner import RUN_LIMIT, Runner
from widgets.panel.comparepage import SIDES
from widgets.panel.comparesnapshot import PairLooking
from widgets.panel.driving import MOST_KEPT
from widgets.panel.pair import Pair

PARTING = "the first difference"


class PairDriving(PairLooking):
    """Mixed into a panel that shows a pair."""

    running: bool  # a run is under way
    _message: str
    _own: dict[str, OwnKernel | None]  # the learner's kernels, for the lists
    _runs_both: Runner
    _show: Callable[[], None]
    _show_progress: Callable[[str], None]

    @property
    def _runner(self) -> Runner:
        return self._runs_both

    # --- moving ------------------------------------------------------------------------------------------------------

    def step(self) -> tuple[Stop, Stop]:
        """One click on Step in both."""
        return self._moved(self.pair.step)

    def back(self) -> tuple[Stop, Stop]:
        """Undo the last click."""
        return self.goto(max(0, self.clicks - 1))

    def goto(self, clicks: int) -> tuple[Stop, Stop]:
        """Be where so many clicks led; HistoryError beyond those that were made."""
        return self._moved(lambda: self.pair.goto(clicks))

    def run(self, limit: int = RUN_LIMIT) -> tuple[Stop, Stop]:
        """Step both until they end, at most `limit` times; the cell waits for it."""
        return self._moved(lambda: self.pair.run_slice(limit))

    def run_to_difference(self, limit: int = RUN_LIMIT) -> tuple[Stop, Stop]:
        """Go to the first click after which the two differ, stepping at most `limit` times; the cell waits for it."""
        pair = self.pair
        if pair.parted is not None:
            return self.goto(pair.parted)
        return self._moved(lambda: self._run_on(limit))

    def _run_on(self, limit: int) -> None:
        self.pair.goto(self.pair.length)
        self.pair.run_slice(limit, to=PARTING)

    def load(self, program: Program | str | Path) -> None:
        """Start over with another program; AssemblyError leaves the old one."""
        kernels = (side.kernel for side in self.debuggers)
        self._begin(Pair(read_program(program), *kernels, **self.pair.options))

    def use_kernel(self, side: str, kernel: str | Kernel) -> None:
        """Another kernel on one side; both make the same clicks again."""
        ran = self._runner.running
        chosen: list[str | Kernel] = [d.kernel for d in self.debuggers]
        at = side_of(side, SIDES)
        own = self._own[side]
        chosen[at] = own.kernel if kernel == ownkernel.VALUE and own else kernel
        self._begin(
            Pair(self.pair.program, *chosen, **self.pair.options), 0 if ran else self.clicks
        )
        if ran:
            self._say("The run has ended; both guests start over.")

    def _begin(self, pair: Pair, clicks: int = 0) -> None:
        at_home(lambda: self._start_over(pair, clicks))

    def _start_over(self, pair: Pair, clicks: int) -> None:
        self._runner.abandon()
        pair.run_slice(min(clicks, MOST_KEPT))
        self._pair, self._message = pair, ""
        self._show()

    def _moved(self, move: Callable[[], object]) -> tuple[Stop, Stop]:
        return at_home(lambda: self._move(move))

    def _move(self, move: Callable[[], object]) -> tuple[Stop, Stop]:
        self._message = ""
        if not self._runner.running:
            move()
        self._show()
        return self.debuggers[0].last, self.debuggers[1].last

    # --- runs on the event loop --------------------------------------------------------------------------------------

    def _go_to_difference(self) -> None:
        if self.pair.parted is not None:
            self.goto(self.pair.parted)
        elif not self._runner.running:
            self.pair.goto(self.pair.length)
            self._start(PARTING)

    def _start(self, to: str | None) -> None:
        self._message = ""
        self._runner.start(self.pair, to=to)  # type: ignore[arg-type]
        self._show()

    def run_goes_on(self) -> None:
        """A slice of the run was made."""
        clicks = self.clicks
        self._show_progress(f"Running: {clicks} clicks on both sides.")

    def run_ended(self, message: str, to: object) -> None:
        """The run is over."""
        if to == PARTING and not message and self.pair.parted is None:
            message = f"No difference: both have ended after {self.clicks} clicks."
        self._say(message)

    def _say(self, message: str) -> None:
        self._message = message
        self._show()
