"""The mistakes of lab 09 that are no field of a kernel: each puts a wrong verb into the hooks of one vCPU.

Invariant: a patch touches the machine that it is given, and nothing that others share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aarch64sim.arch import access, syndrome, sysregs
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.syndrome import EC
from aarch64sim.kvm import ExitReason, GuestDebug, KvmRun, Vcpu, mmio
from aarch64sim.vmm import Machine

_SAS, _FOUR_BYTES, _SF = 3 << 22, 2 << 22, 1 << 15  # of the ISS of a data abort


def syndromes(change: Callable[[Vcpu, Taken], Taken]) -> Callable[[Machine], None]:
    """A mistake in how the kernel reads why the guest was left."""

    def patch(machine: Machine) -> None:
        vcpu, ours = machine.vcpu, machine.vcpu.enter_guest

        def enter_guest(limit: int) -> tuple[Taken | None, int]:
            taken, left = ours(limit)
            return taken and change(vcpu, taken), left

        vcpu.enter_guest = enter_guest

    return patch


def _is_mmio(vcpu: Vcpu, taken: Taken) -> bool:
    ipa = (taken.hpfar or 0) << 8 | (taken.far or 0) & 0xFFF
    return taken.ec == EC.DATA_ABORT and vcpu.vm.slot_at(ipa) is None


def page_fault_is_a_step(vcpu: Vcpu, taken: Taken) -> Taken:
    ipa = (taken.hpfar or 0) << 8 | (taken.far or 0) & 0xFFF
    slot = vcpu.vm.slot_at(ipa)
    if taken.ec != EC.DATA_ABORT or slot is None or not vcpu.single_stepping:
        return taken
    vcpu.vm.map_page(ipa >> 12, slot)
    return replace(taken, esr=EC.SOFTWARE_STEP << 26)


def hvc_is_skipped(vcpu: Vcpu, taken: Taken) -> Taken:
    vcpu.increment_pc |= taken.ec == EC.HVC
    return taken


def four_bytes(vcpu: Vcpu, taken: Taken) -> Taken:
    esr = taken.esr or 0
    if not _is_mmio(vcpu, taken) or not syndrome.has_valid_access(esr):
        return taken
    return replace(taken, esr=esr & ~_SAS | _FOUR_BYTES)


def no_syndrome_is_emulated(vcpu: Vcpu, taken: Taken) -> Taken:
    return replace(taken, esr=(taken.esr or 0) | syndrome.ISV) if _is_mmio(vcpu, taken) else taken


def sign_beyond_w(vcpu: Vcpu, taken: Taken) -> Taken:
    esr = taken.esr or 0
    signed = _is_mmio(vcpu, taken) and syndrome.has_valid_access(esr) and syndrome.sign_extends(esr)
    return replace(taken, esr=esr | _SF) if signed else taken


def offset_lost(vcpu: Vcpu, taken: Taken) -> Taken:
    return replace(taken, far=(taken.far or 0) & ~0xFFF) if _is_mmio(vcpu, taken) else taken


def twice_four(machine: Machine) -> None:
    vcpu, ours = machine.vcpu, machine.vcpu.adjust_pc

    def adjust_pc() -> None:
        skips = vcpu.increment_pc and not vcpu.pending_exception
        ours()
        vcpu.pc += 4 if skips else 0

    vcpu.adjust_pc = adjust_pc


def no_tde(machine: Machine) -> None:
    vcpu, ours = machine.vcpu, machine.vcpu.arm_step

    def arm_step() -> None:
        ours()
        vcpu.cpu.sys.mdcr_el2 &= ~sysregs.MDCR_TDE

    vcpu.arm_step = arm_step


def mdscr_stays(machine: Machine) -> None:
    vcpu, ours = machine.vcpu, machine.vcpu.disarm_step

    def disarm_step() -> None:
        ours()
        vcpu.cpu.sys.mdscr_el1 |= sysregs.MDSCR_SS if vcpu.single_stepping else 0

    vcpu.disarm_step = disarm_step


def off_is_ss_0(machine: Machine) -> None:
    vcpu = machine.vcpu
    arm, set_debug, off = vcpu.arm_step, vcpu.set_guest_debug, [False]

    def set_guest_debug(control: int, **registers: object) -> None:
        off[0] = not control & GuestDebug.ENABLE and vcpu.single_stepping
        if not off[0]:
            set_debug(control, **registers)  # type: ignore[arg-type]

    def arm_step() -> None:
        vcpu.step_pending |= off[0]
        arm()

    vcpu.set_guest_debug, vcpu.arm_step = set_guest_debug, arm_step  # type: ignore[method-assign]


def interrupts_wait(machine: Machine) -> None:
    vcpu = machine.vcpu
    arm, disarm, sys, held = vcpu.arm_step, vcpu.disarm_step, vcpu.cpu.sys, [0]

    def arm_step() -> None:
        arm()
        if vcpu.single_stepping:
            held[0] = sys.hcr_el2 & sysregs.HCR_VI
            sys.hcr_el2 &= ~sysregs.HCR_VI

    def disarm_step() -> None:
        disarm()
        sys.hcr_el2 |= held[0]
        held[0] = 0

    vcpu.arm_step, vcpu.disarm_step = arm_step, disarm_step


def register_31_is_sp(machine: Machine) -> None:
    vcpu = machine.vcpu
    leave, skip = vcpu.return_to_userspace, vcpu.skip_instruction
    run, r = vcpu.kvm_run, vcpu.cpu.r

    def is_about_31(*, write: bool) -> bool:
        return (
            run.exit_reason is ExitReason.MMIO
            and run.mmio.is_write == write
            and syndrome.transfer_register(vcpu.mmio_syndrome) == 31
        )

    def return_(ret: int) -> KvmRun:
        if ret == 0 and is_about_31(write=True):
            run.mmio.data = r[31].to_bytes(8, "little")[: run.mmio.len]
        return leave(ret)

    def skip_instruction() -> None:
        if is_about_31(write=False):
            r[31] = run.mmio.data
        skip()

    vcpu.return_to_userspace, vcpu.skip_instruction = return_, skip_instruction


def bytes_not_swapped(machine: Machine) -> None:
    vcpu = machine.vcpu
    leave, skip = vcpu.return_to_userspace, vcpu.skip_instruction
    run = vcpu.kvm_run

    def swap() -> None:
        if run.exit_reason is ExitReason.MMIO and access.byte_order_of(vcpu.cpu, vcpu.el) == "big":
            run.union[8 : 8 + run.mmio.len] = run.union[8 : 8 + run.mmio.len][::-1]

    def return_(ret: int) -> KvmRun:
        if ret == 0 and run.exit_reason is ExitReason.MMIO and run.mmio.is_write:
            swap()
        return leave(ret)

    def skip_instruction() -> None:
        if run.exit_reason is ExitReason.MMIO and not run.mmio.is_write:
            swap()  # the load is written back already: once more, with the bytes as they came
            mmio._write_back(vcpu, vcpu.mmio_syndrome, run.mmio.len)
        skip()

    vcpu.return_to_userspace, vcpu.skip_instruction = return_, skip_instruction


def abort_completes(machine: Machine) -> None:
    vcpu, ours = machine.vcpu, machine.vcpu.set_vcpu_events

    def set_vcpu_events(*, ext_dabt_pending: bool = False, **others: Any) -> None:
        if ext_dabt_pending and vcpu.mmio_needed and not vcpu.kvm_run.mmio.is_write:
            mmio._write_back(vcpu, vcpu.mmio_syndrome, vcpu.kvm_run.mmio.len)
        ours(ext_dabt_pending=ext_dabt_pending, **others)

    vcpu.set_vcpu_events = set_vcpu_events  # type: ignore[method-assign]
