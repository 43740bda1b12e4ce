"""The host kernel: KVM_RUN, guest debug, MMIO, and the eras of Linux as named fields."""

from aarch64sim.kvm.kernels import Kernel, UnknownKernelError, kernels
from aarch64sim.kvm.run_page import ExitReason, KvmRun
from aarch64sim.kvm.vcpu import Vcpu
from aarch64sim.kvm.vcpu_state import GuestDebug
from aarch64sim.kvm.vm import VM
from aarch64sim.kvm.vm_state import Host, SmcCall

__all__ = [
    "VM",
    "ExitReason",
    "GuestDebug",
    "Host",
    "Kernel",
    "KvmRun",
    "SmcCall",
    "UnknownKernelError",
    "Vcpu",
    "kernels",
]
