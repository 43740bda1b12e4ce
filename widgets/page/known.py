"""Sides and numbers that a learner says: taken if they exist, refused with one sentence that says which do.

Invariant: what is refused has changed nothing.
"""

from __future__ import annotations

from aarch64sim.debug import HistoryError


def number_of(what: str, number: object, last: int) -> int:
    """The number, if it is one from 0 to `last`; HistoryError that says so for anything else."""
    if not isinstance(number, int) or not 0 <= number <= last:
        known = f"they go from 0 to {last}" if last >= 0 else "there are none"
        raise HistoryError(f"there is no {what} {number!r}: {known}")
    return number


def side_of(name: object, sides: tuple[str, ...]) -> int:
    """Which of the sides it is, counted from 0; ValueError with the names that exist for any other."""
    if name not in sides:
        raise ValueError(f"there is no side {name!r}: there are {' and '.join(sides)}")
    return sides.index(str(name))
