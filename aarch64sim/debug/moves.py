"""What moved the guest, and with which points: part of the log from which a history is replayed.

Invariant: for every known position there is one move that leads on from it: a row of single steps with one set of
points, or a run. A run is replayed from its start only.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

from aarch64sim.debug.history import FAR
from aarch64sim.debug.points import NOTHING, Points


@dataclass(frozen=True, slots=True)
class Move:
    """From position `start` on. `run`: it is no row of steps but a run, which ended at position `end`. `past`: the step
    with which a run begins where something stands in front.

    What ended the run: the guest met a point, or `most` instructions had passed, or it was left at return `exits` of
    KVM_RUN (0: at none).
    """

    start: int
    points: Points = NOTHING
    run: bool = False
    past: bool = False
    end: int = FAR
    most: int = FAR
    exits: int = 0

    def like(self, other: Move) -> bool:
        """Both are rows of steps with the same points."""
        same = (self.points, self.past) == (other.points, other.past)
        return same and not self.run and not other.run

    def cut(self, position: int) -> Move:
        """The run, ended at a position inside it."""
        return replace(self, end=position, most=position - self.start, exits=0)


class Moves:
    """The moves of one history, in order."""

    def __init__(self) -> None:
        self._moves = [Move(0)]

    def at(self, position: int) -> Move:
        """The move that leads on from `position`; its `end` says up to where."""
        return self._moves[self._index(position)]

    def before(self, position: int) -> Move:
        """The move that led to `position`, which is at least 1."""
        return self.at(position - 1)

    def end(self, position: int) -> int:
        """Up to which position the move at `position` leads."""
        index = self._index(position)
        following = self._moves[index + 1].start if index + 1 < len(self._moves) else FAR
        return min(self._moves[index].end, following)

    def inside_run(self, position: int) -> bool:
        """`position` is between start and end of a run."""
        move = self.at(position)
        return move.run and move.start < position < move.end

    def forget_after(self, position: int) -> None:
        """Moves from positions after `position` are no longer known; a run that it is inside of ends there."""
        while self._moves[-1].start > position:
            self._moves.pop()
        if self.inside_run(position):
            self._moves[-1] = self._moves[-1].cut(position)

    def add(self, move: Move) -> None:
        """From `move.start`, the last position known, it leads on."""
        if self._moves[-1].start == move.start:
            self._moves.pop()
        if not self._moves or not self._moves[-1].like(move):
            self._moves.append(move)

    def _index(self, position: int) -> int:
        return bisect_right(self._moves, position, key=lambda move: move.start) - 1
