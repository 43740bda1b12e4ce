"""KVM_CHECK_EXTENSION: what this kernel can do, by the names of the capabilities (Documentation/virt/kvm/api.rst).

Invariant: a call that fails for want of a capability asks here.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch.sysregs import BREAKPOINTS, WATCHPOINTS
from aarch64sim.kvm.kernels import AbortInjection
from aarch64sim.kvm.vm_state import VmState

MOST_SLOTS = 32767  # KVM_USER_MEM_SLOTS since 4fc096a99e01 (5.12); older kernels have fewer


def _injects_aborts(vm: VmState) -> int:
    return int(vm.kernel.abort_injection is not AbortInjection.UNSUPPORTED)


CAPABILITIES: dict[str, Callable[[VmState], int]] = {
    "USER_MEMORY": lambda vm: 1,
    "READONLY_MEM": lambda vm: 1,
    "NR_MEMSLOTS": lambda vm: MOST_SLOTS,
    "NR_VCPUS": lambda vm: 1,
    "MAX_VCPUS": lambda vm: 1,
    "ONE_REG": lambda vm: 1,
    "ARM_PSCI_0_2": lambda vm: 1,
    "IOEVENTFD": lambda vm: 1,
    "IOEVENTFD_ANY_LENGTH": lambda vm: 1,
    "SET_GUEST_DEBUG": lambda vm: 1,
    "GUEST_DEBUG_HW_BPS": lambda vm: BREAKPOINTS,
    "GUEST_DEBUG_HW_WPS": lambda vm: WATCHPOINTS,
    "VCPU_EVENTS": lambda vm: int(vm.kernel.vcpu_events),
    "ARM_INJECT_SERROR_ESR": lambda vm: int(vm.kernel.vcpu_events),
    "ARM_INJECT_EXT_DABT": _injects_aborts,
    "ARM_NISV_TO_USER": _injects_aborts,  # came with it
}


def check_extension(vm: VmState, cap: str) -> int:
    """KVM_CHECK_EXTENSION: the value of KVM_CAP_`cap` (with or without the prefix); 0 where there is none."""
    known = CAPABILITIES.get(str(cap).removeprefix("KVM_CAP_"))
    return known(vm) if known else 0
