"""Two debuggers of one program, a click on Step for both, and the first place where they part.

Invariant: both have made the same number of clicks, unless one of them has ended.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from aarch64sim.asm import Program
from aarch64sim.debug import Debugger
from aarch64sim.debug.numbers import limit_of, number_of
from aarch64sim.evidence.lockstep import Divergence, Lockstep
from aarch64sim.kvm import Kernel


def _of_its_own(options: dict[str, Any]) -> dict[str, Any]:
    """The options for one guest: its devices are copies, so that no other guest finds what it has done to them."""
    if "devices" not in options:
        return options
    return options | {"devices": [(base, deepcopy(device)) for base, device in options["devices"]]}


class Pair:
    """The left and the right side. `parted` is the first click that they differ after, None while unknown."""

    def __init__(
        self, program: Program | str, left: str | Kernel, right: str | Kernel, **options: Any
    ) -> None:
        first = Debugger(program, left, **_of_its_own(options))
        self.sides = (first, Debugger(first.program, right, **_of_its_own(options)))
        self.options = options
        self.position = 0  # clicks
        self.parted: int | None = None

    @property
    def program(self) -> Program:
        """What both run."""
        return self.sides[0].program

    @property
    def by_steps(self) -> bool:
        """A click is a step on both sides, whatever a run of one of them is."""
        return True

    @property
    def exclusives(self) -> int:
        """How many load-exclusives were stepped."""
        return sum(side.exclusives for side in self.sides)

    @property
    def ended(self) -> bool:
        """Neither can go on."""
        return all(side.ended for side in self.sides)

    @property
    def length(self) -> int:
        """The clicks that were made."""
        return max(side.length for side in self.sides)

    def step(self) -> None:
        """One click in both."""
        if self.ended:
            return
        self.position += 1
        for side in self.sides:
            side.step()
        if self.parted is None and self.difference():
            self.parted = self.position

    def goto(self, clicks: int) -> None:
        """Be where so many clicks led; HistoryError beyond."""
        self.position = number_of("click", clicks, self.length)
        for side in self.sides:
            side.goto(min(clicks, side.length))

    def difference(self) -> Divergence | None:
        """What differs here, if anything does."""
        left, right = self.sides
        if left.position == right.position:
            return Lockstep(left, right).here()
        return Divergence(self.position, left.last, right.last)

    def run_slice(self, count: int, *, to: object = None) -> bool | None:
        """Up to `count` clicks; True where they part first, or both have ended. Without a `to`, only at the end."""
        for _ in range(limit_of(count)):
            if self.ended:
                return True
            self.step()
            if to is not None and self.parted == self.position:
                return True
        return True if self.ended else None
