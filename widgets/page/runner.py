"""A run on the event loop, in slices, so that Stop and everything else still works while it goes on.

Invariant: at most one run of a debugger is under way, whichever panel began it, and its end is told to all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakSet

from aarch64sim.debug import Debugger, HistoryError
from aarch64sim.debug.destinations import Destination
from aarch64sim.debug.reverse import Found, Search
from aarch64sim.debug.stops import EXCLUSIVE
from widgets.page.home import at_home

SLICE_SECONDS = 0.05  # how long the page may have to wait for its turn
FIRST_SLICE = 50  # steps
RUN_LIMIT = 100_000  # steps after which a run that a cell waits for comes back
LIVE_LIMIT = 50_000_000  # steps after which a run that Stop can end stops by itself
ASK_SECONDS = 1.0  # between two questions to the page whether it is still there
MOST_UNANSWERED = 5  # such questions: then nobody looks any more, and the run ends
BY_YOU, UNSEEN = " by you", ", as no page showed it any more,"
PLAY_SECONDS = {"slow": 1.2, "medium": 0.5, "fast": 0.12}


class Follower(Protocol):
    """A panel: told between slices, and at the end with a sentence ("" where the stop says it)."""

    unanswered: int  # questions to its page

    def ask(self) -> bool:
        """Ask its page whether it is still there; False if it never was on one."""

    def run_goes_on(self) -> None:
        """A slice was made."""

    def run_ended(self, message: str, to: Destination | None) -> None:
        """The run is over; `to` is where it was to go."""


class Runner:
    """Runs one debugger for the panels that show it."""

    def __init__(self) -> None:
        self.panels: WeakSet[Follower] = WeakSet()
        self._task: asyncio.Task[None] | None = None
        self._stopped = ""  # by whom, or why
        self._asked_at = 0.0
        self.playing = False  # a step at a time, with pauses
        self.looking_at: int | None = None  # how far a search has come

    @property
    def running(self) -> bool:
        """A run is under way."""
        return self._task is not None

    def start(
        self, debugger: Debugger, *, pause: float = 0.0, to: Destination | None = None
    ) -> None:
        """Run at full speed, or a step each `pause` seconds. Nothing happens while a run is under way."""
        if self._task is None and not debugger.ended:
            work = self._play(debugger, pause) if pause else self._run(debugger, to)
            self._begin(work, to, playing=pause > 0)

    def search(self, search: Search[Found], found: Callable[[Found], str]) -> str:
        """Look back; `found` acts on what was found and says so. The sentence, or "" while it goes on on the loop."""
        if self._task is not None:
            return ""
        try:
            at = next(search)
        except StopIteration as end:
            return found(end.value)
        self._begin(self._search(search, found, at), None)
        return ""

    def _begin(
        self, work: Coroutine[Any, Any, str], to: Destination | None, *, playing: bool = False
    ) -> None:
        self._stopped, self.playing = "", playing
        for panel in self.panels:
            panel.unanswered = 0
        self._task = at_home(lambda: asyncio.get_running_loop().create_task(self._whole(work, to)))

    async def _search(self, search: Search[Found], found: Callable[[Found], str], at: int) -> str:
        try:
            while self._goes_on():
                self.looking_at = at
                self._tell()
                await asyncio.sleep(0.005)
                at = next(search)
        except StopIteration as end:
            return found(end.value)
        finally:
            self.looking_at = None
        return f"Stopped{self._stopped}: nothing was found back to step {at}."

    def stop(self) -> None:
        """End the run at its next slice."""
        self._stopped = BY_YOU

    def _goes_on(self) -> bool:
        """Nobody has stopped the run, and somebody may still see it."""
        now = asyncio.get_running_loop().time()
        if not self._stopped and now - self._asked_at >= ASK_SECONDS:
            self._asked_at = now
            shown = [panel for panel in self.panels if panel.ask()]
            if shown and all(panel.unanswered > MOST_UNANSWERED for panel in shown):
                self._stopped = UNSEEN
        return not self._stopped

    def leave(self, panel: Follower) -> None:
        """A panel is taken off the page. A run that no other shows ends."""
        self.panels.discard(panel)
        if not self.panels:
            self.abandon()

    def abandon(self) -> None:
        """End the run at once, without a word."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _whole(self, work: Awaitable[str], to: Destination | None) -> None:
        """Do the work and tell its end, also when something of the learner's breaks it off."""
        task, message = asyncio.current_task(), ""
        try:
            message = await work
        except HistoryError as error:
            message = could_not(error)
        except Exception as error:  # noqa: BLE001  # a device or patch of the learner's may raise anything
            message = broken_off(error)
        if self._task is task:
            self._task = None
            for panel in list(self.panels):
                panel.run_ended(message, to)

    def _tell(self) -> None:
        for panel in list(self.panels):
            panel.run_goes_on()

    async def _run(self, debugger: Debugger, to: Destination | None) -> str:
        first, size = debugger.position, FIRST_SLICE
        exclusives = debugger.exclusives
        clock = asyncio.get_running_loop().time
        while self._goes_on():
            began = clock()
            if debugger.run_slice(size, to=to) is not None:
                return ""
            if debugger.position - first >= LIVE_LIMIT:
                return (
                    f"The run was stopped after {LIVE_LIMIT} instructions; the guest has not ended."
                )
            size = max(1, int(size * min(4.0, SLICE_SECONDS / max(clock() - began, 1e-6))))
            self._tell()
            await asyncio.sleep(0.005)
        why = f" {EXCLUSIVE}" if debugger.exclusives > exclusives else ""
        unit = "steps" if debugger.by_steps else "instructions"
        return f"Stopped{self._stopped} after {debugger.position - first} {unit}.{why}"

    async def _play(self, debugger: Debugger, pause: float) -> str:
        while self._goes_on() and not debugger.ended:
            debugger.step()
            self._tell()
            if debugger.last.reason != "step":
                return ""
            await asyncio.sleep(pause)
        return f"Paused{self._stopped.rstrip(',')}." if self._stopped else ""


def could_not(error: Exception) -> str:
    """Why something that was asked for was not done, in a sentence."""
    return f"Could not do that: {error}."


def broken_off(error: BaseException) -> str:
    """What a learner's own code did to a run, in a sentence."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f", in line {trace.tb_lineno} of {trace.tb_frame.f_code.co_name}()" if trace else ""
    return f"Broken off by {type(error).__name__}: {error}{where}. The guest stands where it stood before."


_runners: WeakKeyDictionary[Debugger, Runner] = WeakKeyDictionary()


def runner_of(debugger: Debugger) -> Runner:
    """The one runner of a debugger."""
    return _runners.setdefault(debugger, Runner())
