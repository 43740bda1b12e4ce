"""Which stages of KVM_RUN some events visited, and what a kernel does with one access that userspace emulates.

Invariant: read from the event log alone; the rules of a kernel are asked by running it, never repeated here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from aarch64sim.debug import Debugger
from aarch64sim.events import Event, What
from aarch64sim.kvm.kernels import Kernel, SkipApplied
from widgets.models.lifestages import BOXES

STAGES = {what: box.name for box in BOXES for what in box.events}
ACCESS = "nop\nstr w0, [x19]\nadd x1, x1, #1\nadd x2, x2, #1"


@dataclass(frozen=True, slots=True)
class Visit:
    """One stay at a stage: its number in the order from 1, the stage, what happened there."""

    number: int
    stage: str
    events: tuple[Event, ...]


def visits(events: Iterable[Event], kernel: Kernel) -> tuple[Visit, ...]:
    """The stages in the order in which they were visited."""
    stays: list[tuple[str, list[Event]]] = []
    for event in events:
        at = stays[-1][0] if stays else ""
        stage = STAGES.get(event.what, "")
        if event.what in (What.SKIP, What.INJECT):
            stage = _stage_of_move(at, kernel)
        if not stage:
            continue
        if stage == at:
            stays[-1][1].append(event)
        else:
            stays.append((stage, [event]))
    return tuple(Visit(n, stage, tuple(found)) for n, (stage, found) in enumerate(stays, 1))


def _stage_of_move(before: str, kernel: Kernel) -> str:
    """Where the kernel moves the PC, from where it was just before."""
    if before in ("arm", "adjust"):
        return "adjust"
    if before in ("", "answer", "complete"):
        return "complete"
    # A move that was to wait for the next entry is made while KVM_RUN returns.
    return "handle" if kernel.skip_applied is SkipApplied.AT_ONCE else "return"


@dataclass(frozen=True, slots=True)
class Access:
    """One stepped store to a device that userspace emulates: all its events, and what came of it.

    `skip_at` is the stage in which the PC moved over it; `late`: a second instruction ran; `fake`: the kernel
    faked the step.
    """

    events: tuple[Event, ...]
    skip_at: str
    late: bool
    fake: bool


@cache
def access_under(kernel: Kernel) -> Access:
    """Step over a store to a device under this kernel, and look."""
    debugger = Debugger(ACCESS, kernel)
    events: tuple[Event, ...] = ()
    while not any(event.what is What.MMIO_WRITE for event in events):
        debugger.step()  # some kernels stop at a fault first
        events = debugger.events_of(debugger.position)
    return Access(
        events,
        next(v.stage for v in visits(events, kernel) for e in v.events if e.what is What.SKIP),
        any(e.what is What.RETIRE for e in events),
        any(e.what is What.FAKE_DEBUG_EXIT for e in events),
    )
