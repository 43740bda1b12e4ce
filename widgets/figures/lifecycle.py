"""The life of one KVM_RUN: who runs, who waits, where SS is armed, where the PC moves and SS is cleared.

Invariant: the boxes stand where they stand for every kernel; what a kernel does differently are the flags on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from aarch64sim.events import Event, What
from aarch64sim.kvm.kernels import Arming, Kernel, kernel_of
from widgets.figures.figure import Figure
from widgets.figures.lifedrawing import draw
from widgets.models.drawing import Drawing
from widgets.models.lifestages import BOXES, Flag, way
from widgets.models.visits import Visit, access_under, visits

PLACES = {
    "handle": "while it handles the exit",
    "return": "as KVM_RUN returns",
    "complete": "when it completes the access",
    "adjust": "after it has armed the step",
}
MOST_NUMBERS = 3  # shown at one box


@dataclass(frozen=True, repr=False)
class LifeCycle(Figure):
    """The life cycle under one kernel; `events` light the stages that they belong to, numbered in order."""

    kernel: Kernel
    events: tuple[Event, ...] = ()
    name = "kvm-run"

    def __post_init__(self) -> None:
        if not isinstance(self.kernel, Kernel):
            raise TypeError(
                f"LifeCycle takes a Kernel; of a name LifeCycle.of({self.kernel!r}) makes one"
            )

    @classmethod
    def of(cls, kernel: str | Kernel, events: Iterable[Event] | None = None) -> LifeCycle:
        """For a kernel (or its name), with the events of a step; by default that over one store to a device."""
        chosen = kernel_of(kernel)
        return cls(chosen, access_under(chosen).events if events is None else tuple(events))

    @property
    def skip_at(self) -> str:
        """The stage in which the PC moves over an access that userspace emulates."""
        return access_under(self.kernel).skip_at

    @property
    def skip_text(self) -> str:
        """What happens there."""
        return "PC += 4, SS := 0" if self.kernel.skip_clears_ss else "PC += 4, SS kept"

    @property
    def late(self) -> bool:
        """After an access that userspace emulates, a second instruction runs without a stop."""
        return access_under(self.kernel).late

    @cached_property
    def visits(self) -> tuple[Visit, ...]:
        """The stages in the order in which the events visited them."""
        return visits(self.events, self.kernel)

    @property
    def numbers(self) -> dict[str, str]:
        """What stands at each visited stage: "2", or "2, 8" where it was visited twice."""
        found: dict[str, list[str]] = {}
        for visit in self.visits:
            found.setdefault(visit.stage, []).append(str(visit.number))
        return {stage: ", ".join(places[:MOST_NUMBERS]) for stage, places in found.items()}

    @property
    def path(self) -> set[tuple[str, str]]:
        """The arrows that the events went along, the stages that write no event included."""
        taken: set[tuple[str, str]] = set()
        for one, other in pairwise(self.visits):
            direct = any(event.what is What.FAKE_DEBUG_EXIT for event in other.events)
            taken |= set(pairwise(way(one.stage, other.stage, without_entry=direct)))
        return taken

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What this kernel does to the PC and to SS, and at which stage; and what the CPU itself does."""
        once = self.kernel.arming is Arming.EVERY_ENTRY
        flags = [
            Flag("arm", "at every entry" if once else "unless a step is pending"),
            Flag("guest", "PC += 4, SS := 0"),  # the CPU itself, when an instruction retires
        ]
        if access_under(self.kernel).fake:
            return (
                *flags,
                Flag(self.skip_at, self.skip_text),
                Flag("return", "fakes a step", "wrong"),
            )
        return (*flags, Flag(self.skip_at, self.skip_text, "wrong" if self.late else "right"))

    @property
    def sentence(self) -> str:
        result = (
            "so the guest is entered with SS = 1, and a second instruction runs"
            if self.late
            else "so the guest is entered with SS = 0, and stops at once"
        )
        if access_under(self.kernel).fake:
            result = "and fakes a step, so that the debugger stops without an entry"
        moved = f"KVM moves the PC over an emulated access {PLACES[self.skip_at]}"
        return f"{self.kernel.title}: {moved} ({self.skip_text}), {result}."

    @property
    def header(self) -> tuple[str, ...]:
        return ("stage", "who", "does", "flag", "visited")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        flags = {box.name: [f.text for f in self.flags if f.stage == box.name] for box in BOXES}
        return [
            (
                box.name,
                box.who,
                " ".join(box.text),
                "; ".join(flags[box.name]),
                self.numbers.get(box.name, ""),
            )
            for box in BOXES
        ]

    def drawing(self) -> Drawing:
        return draw(
            f"KVM_RUN under {self.kernel.title}", self.flags, self.visits, self.numbers, self.path
        )
