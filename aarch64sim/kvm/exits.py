"""Why the guest was left, and what KVM does about it (arch/arm64/kvm/handle_exit.c, mmu.c).

Invariant: a handler says 1 to enter the guest again, 0 to return to userspace with kvm_run filled in, or -errno.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.syndrome import EC, is_cache_maintenance, is_write
from aarch64sim.events import What
from aarch64sim.kvm import emulate, mmio, smccc
from aarch64sim.kvm.adjust_pc import inject_abort, inject_undefined
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vcpu_state import VcpuState
from aarch64sim.kvm.vm_state import IPA_BITS


def handle_exit(vcpu: VcpuState, taken: Taken) -> int:
    """Dispatch on the exception class (handle_exit)."""
    if taken.ec in (EC.INSTRUCTION_ABORT, EC.DATA_ABORT) or (
        taken.ec == EC.WATCHPOINT and vcpu.vm.kernel.watchpoint_far_reported
    ):
        vcpu.fault_far = taken.far or 0
    return _HANDLERS.get(taken.ec or 0, _handle_unknown)(vcpu, taken)


def _handle_unknown(vcpu: VcpuState, taken: Taken) -> int:
    inject_undefined(vcpu)
    return 1


def _handle_guest_debug(vcpu: VcpuState, taken: Taken) -> int:
    """A debug exception of the host's (kvm_handle_guest_debug)."""
    run = vcpu.kvm_run
    run.exit_reason = ExitReason.DEBUG
    run.debug.hsr = taken.esr or 0
    if taken.ec == EC.WATCHPOINT:
        run.debug.far = vcpu.fault_far
    elif taken.ec == EC.SOFTWARE_STEP:
        vcpu.step_pending = False
    return 0


def _handle_guest_abort(vcpu: VcpuState, taken: Taken) -> int:
    """A stage-2 fault: fill in a page of a slot, or make an access outside the slots MMIO (kvm_handle_guest_abort)."""
    syndrome, far = taken.esr or 0, taken.far or 0
    ipa = (taken.hpfar or 0) << 8 | far & 0xFFF
    fetch = taken.ec == EC.INSTRUCTION_ABORT
    if ipa >> IPA_BITS and vcpu.vm.kernel.outside_ipa_space_aborts:
        inject_abort(vcpu, far, fetch=fetch)
        return 1
    slot = vcpu.vm.slot_at(ipa)
    if slot and not (slot.readonly and is_write(syndrome) and not fetch):
        vcpu.note(
            What.FAULT_IN, f"the page at {ipa & ~0xFFF:#x} is filled in; the instruction runs again"
        )
        vcpu.vm.map_page(ipa >> 12, slot)
        return 1
    if fetch:
        inject_abort(vcpu, far, fetch=True)
        return 1
    if is_cache_maintenance(syndrome) and slot is None:
        vcpu.skip_instruction()
        return 1
    return mmio.io_mem_abort(vcpu, syndrome, ipa)


_HANDLERS: dict[int, Callable[[VcpuState, Taken], int]] = {
    EC.WFX: emulate.handle_wfx,
    EC.HVC: smccc.handle_hvc,
    EC.SMC: smccc.handle_smc,
    EC.SYSTEM: emulate.handle_system_register,
    EC.INSTRUCTION_ABORT: _handle_guest_abort,
    EC.DATA_ABORT: _handle_guest_abort,
    EC.SOFTWARE_STEP: _handle_guest_debug,
    EC.WATCHPOINT: _handle_guest_debug,
    EC.BREAKPOINT: _handle_guest_debug,
    EC.BRK: _handle_guest_debug,
}
