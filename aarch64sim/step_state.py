"""The name of a state of the software-step machine: what the log says of every event, so it stands beside the log.

Invariant: how the state follows from the CPU's bits is `arch.step`'s to say; here it has only its names.
"""

from __future__ import annotations

from enum import Enum


class StepState(Enum):
    """The three states of Arm ARM Table D2-17."""

    INACTIVE = "inactive"
    ACTIVE_NOT_PENDING = "active-not-pending"
    ACTIVE_PENDING = "active-pending"

    def __str__(self) -> str:
        return self.value
