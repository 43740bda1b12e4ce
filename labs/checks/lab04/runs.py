"""What a debugger sees of a program under a kernel: its stops, and the events of its steps."""

from __future__ import annotations

from aarch64sim import Debugger
from aarch64sim.events import Event, Lane, What
from aarch64sim.kvm import Kernel

MOST_STEPS = 50


def stops(source: str, kernel: str | Kernel = "v4.3") -> list[int]:
    """Where a debugger stops, in instructions from the start; the end of the guest does not count."""
    debugger = Debugger(source, kernel)
    found: list[int] = []
    while not debugger.ended and len(found) < MOST_STEPS:
        stop = debugger.step()
        if not debugger.ended:
            found.append((stop.pc - debugger.program.entry) // 4)
    return found


def steps(source: str, kernel: str | Kernel) -> list[tuple[Event, ...]]:
    """The events of each step."""
    debugger = Debugger(source, kernel)
    found: list[tuple[Event, ...]] = []
    while not debugger.ended and len(found) < MOST_STEPS:
        debugger.step()
        found.append(debugger.events_of(debugger.position))
    return found


def is_skip(event: Event) -> bool:
    """Whether the kernel has completed an instruction."""
    return event.lane is Lane.KVM and event.what is What.SKIP


def is_retire(event: Event) -> bool:
    """Whether the CPU has completed an instruction."""
    return event.lane is Lane.GUEST and event.what is What.RETIRE
