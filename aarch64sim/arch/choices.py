"""What the architecture leaves to the implementation, as named choices of the CPU.

Invariant: a choice changes only what the manual leaves open; what a kernel does is never a choice of the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """What the architecture leaves to the implementation."""

    interrupt_before_step: bool = True
    """A pending, unmasked interrupt is taken before a pending step (Arm ARM D2.11.7 leaves the order open)."""
    completed_step_first: bool = False
    """A step that the last instruction completed is reported before anything else is looked at."""
    fetch_before_step: bool = False
    """A step pending at a fetch yields to that fetch's instruction abort. The manual gives the step priority
    (D1.3.5.6); QEMU 7.2 does not."""
    stepped_wfi_traps: bool = True
    """HCR_EL2.TWI traps WFI also while it is stepped; else it completes at once."""
    wfe_traps: bool = True
    """HCR_EL2.TWE traps WFE; QEMU 7.2 completes it instead."""


ARCHITECTURE = Choices()
QEMU = Choices(completed_step_first=True, fetch_before_step=True, wfe_traps=False)
"""QEMU 7.2, patched so that a stepped WFI traps: the CPU behind the recordings."""
