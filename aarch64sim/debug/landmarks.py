"""Where in the history a step was more than a plain one: device accesses, breakpoints, the guest's end.

Invariant: every mark is the exact number of a step that is known. Their number is bounded: with more than `MOST` those
that stand close to another of their kind go, and the least distance doubles.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from aarch64sim.arch.syndrome import EC, exception_class
from aarch64sim.vmm.machine import ExitRecord

MOST = 1000  # of a kind
# KVM_EXIT_DEBUG by something else than a step, an errno, a shutdown: where a run ends.
STOP = "stop"


class Landmarks:
    """The marks of one history: kind -> step numbers, ascending. The kinds are "MMIO" and STOP."""

    def __init__(self) -> None:
        self._steps: dict[str, list[int]] = {"MMIO": [], STOP: []}
        self._distance = 1

    def note(self, step: int, exits: Sequence[ExitRecord], *, stopped: bool) -> None:
        """Step `step` was made, with these returns of KVM_RUN; `stopped` if it is a reason to stop a run."""
        if any(record.reason == "MMIO" for record in exits):
            self.note_access(step)
        last = exits[-1] if exits else None
        if stopped or (last is not None and not _is_step(last)):
            self._add(STOP, step)

    def note_access(self, step: int) -> None:
        """In step `step` KVM_RUN returned with KVM_EXIT_MMIO."""
        self._add("MMIO", step)

    def steps(self, kind: str) -> Sequence[int]:
        """The marks of a kind."""
        return self._steps[kind]

    def at(self, step: int) -> tuple[str, ...]:
        """The kinds that a step is marked with."""
        found = []
        for kind, steps in self._steps.items():
            index = bisect_left(steps, step)
            if index < len(steps) and steps[index] == step:
                found.append(kind)
        return tuple(found)

    def forget_after(self, step: int) -> None:
        """Steps after `step` will not happen as they did."""
        for steps in self._steps.values():
            del steps[bisect_right(steps, step) :]

    def _add(self, kind: str, step: int) -> None:
        steps = self._steps[kind]
        if steps and step < steps[-1] + self._distance:
            return  # known, or too close
        steps.append(step)
        if len(steps) > MOST:
            self._distance *= 2
            for each in self._steps.values():
                each[:] = _apart(each, self._distance)


def _is_step(record: ExitRecord) -> bool:
    return record.hsr is not None and exception_class(record.hsr) == EC.SOFTWARE_STEP


def _apart(steps: list[int], distance: int) -> list[int]:
    kept: list[int] = []
    for step in steps:
        if not kept or step >= kept[-1] + distance:
            kept.append(step)
    return kept
