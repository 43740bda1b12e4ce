"""A run on the event loop, in slices, so that Stop and everything else still works while it goes on.

Invariant: at most one run of a panel is under way, and its end is always told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aarch64sim.debug import Debugger

SLICE_SECONDS = 0.05  # how long the page may have to wait for its turn
FIRST_SLICE = 50  # steps
RUN_LIMIT = 100_000  # steps after which a run that a cell waits for comes back
LIVE_LIMIT = 50_000_000  # steps after which a run that Stop can end stops by itself
PLAY_SECONDS = {"slow": 1.2, "medium": 0.5, "fast": 0.12}


class Runner:
    """Runs a debugger; `progress` is called between slices, `ended` with a sentence ("" where the stop says it)."""

    def __init__(self, progress: Callable[[], None], ended: Callable[[str], None]) -> None:
        self._progress, self._ended = progress, ended
        self._task: asyncio.Task[None] | None = None
        self._stop_asked = False
        self.playing = False  # a step at a time, with pauses

    @property
    def running(self) -> bool:
        """A run is under way."""
        return self._task is not None

    def start(self, debugger: Debugger, *, pause: float = 0.0) -> None:
        """Run at full speed, or a step each `pause` seconds. Nothing happens while a run is under way."""
        if self._task is None and not debugger.ended:
            self._stop_asked, self.playing = False, pause > 0
            work = self._play(debugger, pause) if pause else self._run(debugger)
            self._task = asyncio.get_running_loop().create_task(work)

    def stop(self) -> None:
        """End the run at its next slice."""
        self._stop_asked = True

    async def _run(self, debugger: Debugger) -> None:
        message, first, size = "", debugger.position, FIRST_SLICE
        clock = asyncio.get_running_loop().time
        try:
            while not self._stop_asked:
                began = clock()
                if debugger.run_slice(size) is not None:
                    break
                if debugger.position - first >= LIVE_LIMIT:
                    message = (
                        f"The run was stopped after {LIVE_LIMIT} steps; the guest has not ended."
                    )
                    break
                size = max(1, int(size * min(4.0, SLICE_SECONDS / max(clock() - began, 1e-6))))
                self._progress()
                await asyncio.sleep(0.005)
            if self._stop_asked:
                message = f"Stopped by you after {debugger.position - first} steps."
        finally:
            self._task = None
            self._ended(message)

    async def _play(self, debugger: Debugger, pause: float) -> None:
        try:
            while not self._stop_asked and not debugger.ended:
                debugger.step()
                self._progress()
                if debugger.last.reason != "step":
                    break
                await asyncio.sleep(pause)
        finally:
            self._task = None
            self._ended("Paused by you." if self._stop_asked else "")
