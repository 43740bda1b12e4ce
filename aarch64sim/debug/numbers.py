"""Numbers that somebody asks for: taken if they are there, refused with one sentence that says which are."""

from __future__ import annotations

from aarch64sim.debug.stops import HistoryError


def number_of(what: str, number: object, last: int) -> int:
    """The number, if it is one from 0 to `last`; HistoryError that says so for anything else."""
    if not isinstance(number, int) or not 0 <= number <= last:
        known = f"they go from 0 to {last}" if last >= 0 else "there are none"
        raise HistoryError(f"there is no {what} {number!r}: {known}")
    return number


def limit_of(count: object) -> int:
    """The limit of a run, in instructions, steps or clicks; ValueError for what is no whole number from 0 on."""
    if not isinstance(count, int) or count < 0:
        raise ValueError(f"the limit of a run is a whole number from 0 on, not {count!r}")
    return count
