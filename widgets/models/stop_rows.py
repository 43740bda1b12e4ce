"""Two lists of stops beside each other: which stop of one kernel is which of the other, and which never came.

Invariant: rows keep the order of both lists, and every stop stands in exactly one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from aarch64sim.debug import Stop

ENDS = ("exit", "error")


@dataclass(frozen=True, slots=True)
class Pair:
    """One row: a stop of the left, of the right, or of both; `missed` names the side whose stop never came."""

    left: Stop | None
    right: Stop | None
    missed: str = ""

    @property
    def pc(self) -> int:
        """Where it is."""
        stop = self.right or self.left
        return stop.pc if stop else 0


def aligned(left: Sequence[Stop], right: Sequence[Stop]) -> list[Pair]:
    """The rows. A stop that has no partner is missed by the other side if that went on beyond it."""
    matcher = SequenceMatcher(
        None, [_key(s) for s in left], [_key(s) for s in right], autojunk=False
    )
    pairs: list[Pair] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            pairs += [Pair(a, b) for a, b in zip(left[i1:i2], right[j1:j2], strict=True)]
            continue
        pairs += [
            Pair(
                None,
                stop,
                "left"
                if (i2 < len(left) or _passed(left, right)) and not _spurious(right, j)
                else "",
            )
            for j, stop in enumerate(right[j1:j2], j1)
        ]
        pairs += [
            Pair(stop, None, "right" if j2 < len(right) and not _spurious(left, i) else "")
            for i, stop in enumerate(left[i1:i2], i1)
        ]
    return pairs


def _spurious(stops: Sequence[Stop], index: int) -> bool:
    """A stop where the guest stood already: no other kernel should have stopped there once more."""
    return index > 0 and stops[index].pc == stops[index - 1].pc


def _passed(left: Sequence[Stop], right: Sequence[Stop]) -> bool:
    """Both made as many steps, and the left one stands further on."""
    return len(left) >= len(right) and bool(left) and bool(right) and left[-1].pc > right[-1].pc


def _key(stop: Stop) -> object:
    if stop.reason in ENDS:
        return "end"
    return stop.reason if stop.reason == "start" else stop.pc
