"""An AArch64 guest under a small, faithful model of Linux KVM: what the labs step through."""

from aarch64sim.asm import AssemblyError, Program, assemble, disassemble
from aarch64sim.debug import Debugger, Stop
from aarch64sim.kvm import VM, ExitReason, GuestDebug, Kernel, kernels

__all__ = [
    "VM",
    "AssemblyError",
    "Debugger",
    "ExitReason",
    "GuestDebug",
    "Kernel",
    "Program",
    "Stop",
    "assemble",
    "disassemble",
    "kernels",
]
