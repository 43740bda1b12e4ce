"""A probe at the guest entry, for lab 02: it reads the real registers just before each ERET into the guest.

Invariant: it only reads; a vCPU with a probe runs as one without.
"""

from __future__ import annotations

from dataclasses import dataclass

from aarch64sim import assemble
from aarch64sim.arch import sysregs
from aarch64sim.kvm import Kernel, Vcpu
from aarch64sim.kvm.kernels import kernel_of
from aarch64sim.vmm import Machine


@dataclass(frozen=True, repr=False)
class Entry:
    """The bits with which the guest was entered at `pc`."""

    pc: int
    mdscr_el1: int
    tde: int
    tda: int
    spsr_ss: int

    def __repr__(self) -> str:
        return (
            f"ERET to {self.pc:#x}: MDSCR_EL1 = {self.mdscr_el1:#x}, MDCR_EL2.TDE = {self.tde},"
            f" MDCR_EL2.TDA = {self.tda}, SPSR_EL2.SS = {self.spsr_ss}"
        )


class Probe:
    """Attach it to a vCPU: `entries` fills as KVM_RUN enters the guest, `last` is the latest one."""

    def __init__(self, vcpu: Vcpu) -> None:
        self.entries: list[Entry] = []
        cpu = vcpu.cpu
        cpu.log.watching = True  # KVM's short cut for plain steps is no good to look at
        eret = cpu.exception_return

        def watched() -> int:
            if cpu.at_host:
                cpu.log.events.clear()
                sys = cpu.sys
                tde, tda = (
                    int(bool(sys.mdcr_el2 & bit)) for bit in (sysregs.MDCR_TDE, sysregs.MDCR_TDA)
                )
                self.entries.append(Entry(cpu.pc, sys.mdscr_el1, tde, tda, cpu.pstate.ss))
            return eret()

        cpu.exception_return = watched  # type: ignore[method-assign]

    @property
    def last(self) -> Entry:
        """The latest entry."""
        return self.entries[-1]


def guest(source: str, control: int = 0, kernel: str | Kernel = "fixed") -> Machine:
    """A machine with this program and KVM_SET_GUEST_DEBUG(control), not yet run."""
    chosen = kernel_of(kernel)
    machine = Machine(assemble(source), chosen)
    machine.vcpu.set_guest_debug(control)
    return machine


RUNS = 12  # KVM_RUNs that bring either program to its loop, stepped or not
ASKS = """
    mrs   x0, mdscr_el1
    nop
loop: b   loop
"""
SETS_KDE = """
    mov   x1, #0x2000       // KDE alone
    msr   mdscr_el1, x1
    mrs   x0, mdscr_el1
    nop
loop: b   loop
"""
SETS_AND_ASKS = """
    mov   x1, #0x2001       // KDE and SS
    msr   mdscr_el1, x1
    mrs   x0, mdscr_el1
    nop
loop: b   loop
"""


def views(source: str, control: int) -> tuple[int, int, int]:
    """MDSCR_EL1 as the guest reads it into x0, as GET_ONE_REG shows it, and as it is in the CPU at the last entry."""
    machine = guest(source, control)
    probe = Probe(machine.vcpu)
    for _ in range(RUNS):
        machine.run_once(20)
    return (
        machine.vcpu.get_one_reg("x0"),
        machine.vcpu.get_one_reg("mdscr_el1"),
        probe.last.mdscr_el1,
    )
