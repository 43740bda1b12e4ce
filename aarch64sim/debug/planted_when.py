"""What was planted when: part of the log from which a history is replayed.

Invariant: for every known step there is one set of points, the one that was in the machine when it was made first.
"""

from __future__ import annotations

from bisect import bisect_right

from aarch64sim.debug.points import NOTHING, Points

FAR = 1 << 62


class PlantedWhen:
    """The points of every step, kept as the positions from which on they changed."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, Points]] = [(0, NOTHING)]

    def at(self, step: int) -> tuple[Points, int]:
        """What is planted for the step that starts at position `step`, and up to which position that holds."""
        index = bisect_right(self._changes, step, key=lambda change: change[0]) - 1
        end = self._changes[index + 1][0] if index + 1 < len(self._changes) else FAR
        return self._changes[index][1], end

    def forget_after(self, step: int) -> None:
        """Steps from positions after `step` are no longer known."""
        while self._changes[-1][0] > step:
            self._changes.pop()

    def set(self, step: int, points: Points) -> None:
        """From position `step`, the last one known, `points` are planted."""
        if self._changes[-1][0] == step:
            self._changes.pop()
        if not self._changes or self._changes[-1][1] != points:
            self._changes.append((step, points))
