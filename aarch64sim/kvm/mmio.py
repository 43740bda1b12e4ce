"""MMIO: from the data abort to KVM_EXIT_MMIO, and from userspace's answer to the register (arch/arm64/kvm/mmio.c).

Invariant: an access that userspace serves is complete only after the next KVM_RUN; until then `vcpu.mmio_needed`
says so, unless an abort takes its place.
"""

from __future__ import annotations

import errno

from aarch64sim.arch import access, syndrome
from aarch64sim.arch.registers import MASK32, MASK64, source
from aarch64sim.events import Change, What
from aarch64sim.kvm import adjust_pc
from aarch64sim.kvm.guest_debug import remember_step
from aarch64sim.kvm.kernels import Completion, PcAdvance
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vcpu_state import VcpuState

_NISV_BITS = syndrome.CM | syndrome.WNR | syndrome.STATUS


def io_mem_abort(vcpu: VcpuState, esr: int, fault_ipa: int) -> int:
    """Make an MMIO exit of an access outside the slots; 0 to leave, 1 if the kernel served it, or -errno."""
    run, vm = vcpu.kvm_run, vcpu.vm
    if not syndrome.has_valid_access(esr):
        if not vm.nisv_to_user:
            vcpu.note(What.NO_SYNDROME, "the access has no valid syndrome: KVM cannot emulate it")
            return -errno.ENOSYS
        run.exit_reason = ExitReason.ARM_NISV
        run.arm_nisv.fill(esr & _NISV_BITS, fault_ipa)
        return 0

    length, is_write = syndrome.access_size(esr), syndrome.is_write(esr)
    if vm.kernel.pc_advance is PcAdvance.BEFORE_EXIT:
        vcpu.skip_instruction()
    data = b""
    if is_write:
        value = vcpu.cpu.r[source(syndrome.transfer_register(esr))]
        data = (value & (1 << 8 * length) - 1).to_bytes(
            length, access.byte_order_of(vcpu.cpu, vcpu.el)
        )
    in_kernel = is_write and any(fd.takes(fault_ipa, data) for fd in vm.ioeventfds)
    # The bytes are for userspace: they stay in a buffer of the kernel's while a device of its own takes them.
    run.mmio.fill(fault_ipa, length, is_write, b"" if in_kernel else data)
    vcpu.mmio_syndrome = esr
    vcpu.mmio_needed = True
    if in_kernel:
        vcpu.note(
            What.IN_KERNEL_DEVICE, "a device in the kernel took the store: no exit to userspace"
        )
        complete(vcpu)
        return 1
    if vm.kernel.pc_advance is PcAdvance.BEFORE_EXIT and vm.kernel.early_skip_remembers_step:
        remember_step(vcpu)
    run.exit_reason = ExitReason.MMIO
    return 0


def complete(vcpu: VcpuState) -> None:
    """Finish the access that userspace answered (kvm_handle_mmio_return)."""
    run, kernel = vcpu.kvm_run, vcpu.vm.kernel
    if kernel.completion is Completion.BY_FLAG and not vcpu.mmio_needed:
        return
    if vcpu.pending_exception and not adjust_pc.loses_exceptions(vcpu):
        return  # an abort was injected instead of an answer: nothing retires (e735a5da6442)
    vcpu.mmio_needed = False
    if not run.mmio.is_write:
        _write_back(vcpu, vcpu.mmio_syndrome, run.mmio.len)
    if kernel.pc_advance is PcAdvance.AFTER_ANSWER:
        vcpu.skip_instruction()


def _write_back(vcpu: VcpuState, esr: int, length: int) -> None:
    """A load's value goes to its register: guest byte order, then sign extension, then the register's width.

    Until 2026 Linux extended first and cut to the access width afterwards, so the sign was lost (85f56708a443).
    """
    order = access.byte_order_of(vcpu.cpu, vcpu.el)
    value = int.from_bytes(vcpu.kvm_run.union[8 : 8 + length], order)
    if syndrome.sign_extends(esr) and vcpu.vm.kernel.sign_extends_mmio:
        sign = 1 << 8 * length - 1
        value = (value ^ sign) - sign
    value &= MASK64 if syndrome.is_sixty_four(esr) else MASK32
    register = syndrome.transfer_register(esr)
    if register != 31:
        old, vcpu.cpu.r[register] = vcpu.cpu.r[register], value
        vcpu.note(
            What.COMPLETE_MMIO,
            f"the load is completed: x{register} = {value:#x}",
            (Change(f"x{register}", old, value),),
        )
