"""What the lists of kernels offer in the lab that is open: answers to its questions stay out of them.

Invariant: without a lab, lists offer everything. A kernel that is chosen is always in its list.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offer:
    """`what_ifs`: kernels that never were; `summaries`: a sentence on what each kernel does when it steps."""

    what_ifs: bool = True
    summaries: bool = True


EVERYTHING = Offer()
_open = [EVERYTHING]


def use(offer: Offer) -> None:
    """A lab with this offer is open now."""
    _open[0] = offer


def now() -> Offer:
    """The offer of the lab that is open."""
    return _open[0]
