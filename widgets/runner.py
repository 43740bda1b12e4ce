"""A run on the event loop, in slices, so that Stop and everything else still works while it goes on.

Invariant: at most one run of a debugger is under way, whichever panel began it, and its end is told to all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol
from weakref import WeakKeyDictionary, WeakSet

from aarch64sim.debug import Debugger, HistoryError
from aarch64sim.debug.destinations import Destination
from aarch64sim.debug.reverse import Found, Search

SLICE_SECONDS = 0.05  # how long the page may have to wait for its turn
FIRST_SLICE = 50  # steps
RUN_LIMIT = 100_000  # steps after which a run that a cell waits for comes back
LIVE_LIMIT = 50_000_000  # steps after which a run that Stop can end stops by itself
PLAY_SECONDS = {"slow": 1.2, "medium": 0.5, "fast": 0.12}


class Follower(Protocol):
    """A panel: told between slices, and at the end with a sentence ("" where the stop says it)."""

    def run_goes_on(self) -> None:
        """A slice was made."""

    def run_ended(self, message: str, to: Destination | None) -> None:
        """The run is over; `to` is where it was to go."""


class Runner:
    """Runs one debugger for the panels that show it."""

    def __init__(self) -> None:
        self.panels: WeakSet[Follower] = WeakSet()
        self._task: asyncio.Task[None] | None = None
        self._stop_asked = False
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
            loop = asyncio.get_running_loop()
            self._stop_asked, self.playing = False, pause > 0
            work = self._play(debugger, pause) if pause else self._run(debugger, to)
            self._task = loop.create_task(self._whole(work, to))

    def search(self, search: Search[Found], found: Callable[[Found], str]) -> str:
        """Look back; `found` acts on what was found and says so. The sentence, or "" while it goes on on the loop."""
        if self._task is not None:
            return ""
        try:
            at = next(search)
        except StopIteration as end:
            return found(end.value)
        loop = asyncio.get_running_loop()
        self._stop_asked, self.playing = False, False
        self._task = loop.create_task(self._whole(self._search(search, found, at), None))
        return ""

    async def _search(self, search: Search[Found], found: Callable[[Found], str], at: int) -> str:
        try:
            while not self._stop_asked:
                self.looking_at = at
                self._tell()
                await asyncio.sleep(0.005)
                at = next(search)
        except StopIteration as end:
            return found(end.value)
        finally:
            self.looking_at = None
        return f"Stopped by you: nothing was found back to step {at}."

    def stop(self) -> None:
        """End the run at its next slice."""
        self._stop_asked = True

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
            message = f"Not done: {error}."
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
        clock = asyncio.get_running_loop().time
        while not self._stop_asked:
            began = clock()
            if debugger.run_slice(size, to=to) is not None:
                return ""
            if debugger.position - first >= LIVE_LIMIT:
                return f"The run was stopped after {LIVE_LIMIT} steps; the guest has not ended."
            size = max(1, int(size * min(4.0, SLICE_SECONDS / max(clock() - began, 1e-6))))
            self._tell()
            await asyncio.sleep(0.005)
        return f"Stopped by you after {debugger.position - first} steps."

    async def _play(self, debugger: Debugger, pause: float) -> str:
        while not self._stop_asked and not debugger.ended:
            debugger.step()
            self._tell()
            if debugger.last.reason != "step":
                return ""
            await asyncio.sleep(pause)
        return "Paused by you." if self._stop_asked else ""


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
