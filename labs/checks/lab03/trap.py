"""One access and its trap, for lab 03: what the hypervisor finds in ESR_EL2, FAR_EL2 and HPFAR_EL2.

Invariant: the numbers come from running the instruction; nothing here knows what a syndrome should be.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from aarch64sim import assemble, kernels
from aarch64sim.kvm import ExitReason
from aarch64sim.vmm import Machine


@dataclass(frozen=True, repr=False)
class Trap:
    """What a data abort leaves for the hypervisor, and how KVM_RUN came back: an exit, or the name of an error."""

    line: str
    esr: int
    far: int
    hpfar: int
    came_back: str

    @property
    def emulated(self) -> bool:
        """KVM could hand the access to userspace as MMIO."""
        return self.came_back == "MMIO"

    def __repr__(self) -> str:
        return (
            f"{self.line}: ESR_EL2 = {self.esr:#x}, FAR_EL2 = {self.far:#x}, HPFAR_EL2 = {self.hpfar:#x};"
            f" KVM_RUN: {self.came_back}"
        )


def trap(line: str) -> Trap:
    """Run one load or store of a device (x19 is the UART) as a guest, up to the first return of KVM_RUN.

    >>> hex(trap("str w0, [x19]").esr)
    '0x93800045'
    """
    vcpu = Machine(assemble(f"{line}\nend: b end"), kernels["fixed"]).vcpu
    try:
        run = vcpu.run(limit=10)
        came_back = ExitReason(run.exit_reason).name
    except InterruptedError:
        came_back = "no exit"
    except OSError as error:
        came_back = "ENOSYS" if error.errno == errno.ENOSYS else str(error.errno)
    sys = vcpu.cpu.sys
    return Trap(" ".join(line.split()), sys.esr_el2, sys.far_el2, sys.hpfar_el2, came_back)
