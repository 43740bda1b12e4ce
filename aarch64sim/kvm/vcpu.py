"""The vCPU: KVM_RUN in the order in which Linux does things, guest debug, ONE_REG (arch/arm64/kvm/arm.c, debug.c).

Invariant: the host's step bits are in place only around a guest entry; between two calls the guest's own are, as far
as the era gives them back.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from aarch64sim.arch import sysregs
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.pstate import DAIF, EL1H
from aarch64sim.arch.syndrome import EC, ISS_MASK, ISV, class_alone
from aarch64sim.events import What
from aarch64sim.kvm import adjust_pc, exits, guest_debug, mmio, one_reg, smccc
from aarch64sim.kvm.capabilities import check_extension
from aarch64sim.kvm.kernels import AbortInjection, Leftover
from aarch64sim.kvm.quick import DEFAULT_LIMIT
from aarch64sim.kvm.run_page import ExitReason, KvmRun
from aarch64sim.kvm.vcpu_state import STEPPING, VcpuState
from aarch64sim.kvm.vm_state import IPA_BITS, VmState

FAKE_STEP_HSR = class_alone(EC.SOFTWARE_STEP)  # what 4.15 to 4.20 report after an emulation

# Traps that KVM always sets (HCR_GUEST_FLAGS, and stage 2).
HCR_OF_KVM = (
    sysregs.HCR_VM | sysregs.HCR_RW | sysregs.HCR_FMO | sysregs.HCR_IMO | sysregs.HCR_AMO
    | sysregs.HCR_TWI | sysregs.HCR_TWE | sysregs.HCR_TSC | sysregs.HCR_TIDCP | sysregs.HCR_TACR
    | sysregs.HCR_TSW | sysregs.HCR_TVM
)  # fmt: skip
_RESET_PSTATE = DAIF | EL1H
UNKNOWN = 0x1DE7_EC7E_DBAD_C0DE  # what KVM resets registers to that the architecture leaves UNKNOWN
_RESET_UNKNOWN = (
    "ttbr0_el1", "ttbr1_el1", "mair_el1", "par_el1", "esr_el1", "far_el1", "tpidr_el0", "tpidr_el1",
    "tpidrro_el0", "csselr_el1",
)  # fmt: skip

# What a checkpoint holds beside the CPU and the shared page.
_SAVED = (
    "guest_debug", "mmio_needed", "mmio_syndrome", "increment_pc", "pending_exception", "step_pending",
    "debug_registers_used", "signal_pending", "waiting", "powered_off", "hw_registers", "os_lock", "fault_far",
)  # fmt: skip


class Chunk(Protocol):
    """Bytes and the guest-physical address where they belong."""

    @property
    def address(self) -> int: ...
    @property
    def data(self) -> bytes: ...


class Loadable(Protocol):
    """What `Vcpu.load` takes; an assembled program is one."""

    @property
    def segments(self) -> Sequence[Chunk]: ...
    @property
    def entry(self) -> int: ...


class Vcpu(VcpuState):
    """A virtual CPU: the ioctls of a KVM vCPU file descriptor."""

    def __init__(self, vm: VmState) -> None:
        super().__init__(vm)
        self._initialised = False
        self.arm_step = partial(guest_debug.arm_step, self)
        self.adjust_pc = partial(adjust_pc.adjust_pc, self)
        self.enter_guest = partial(_enter_guest, self)
        self.run_cpu = self.cpu.run
        self.disarm_step = partial(guest_debug.disarm_step, self)
        self.skip_instruction = partial(adjust_pc.skip_instruction, self)
        self.return_to_userspace = partial(_return_to_userspace, self)
        # On the instance, so that `Vcpu.run` is KVM_RUN and nothing else.
        vars(self)["run"] = self.quick.in_front_of(self.run, self.cpu, self.kvm_run)

    def init(self) -> None:
        """KVM_ARM_VCPU_INIT: reset values."""
        sys = self.cpu.sys
        sys.hcr_el2 = HCR_OF_KVM
        sys.vtcr_el2 = 64 - IPA_BITS
        sys.mdcr_el2 = guest_debug.MDCR_OF_KVM
        sys.cptr_el2 = 0x33FF & ~sysregs.CPTR_TFP
        self.pstate = _RESET_PSTATE
        self.powered_off = False
        sys.set("pmuserenr_el0", 0xF)  # while a guest runs: all of EL0's accesses go to EL2, too
        for name in _RESET_UNKNOWN:
            sys.set(name, UNKNOWN)
        if not self.vm.kernel.cache_registers_trapped:
            sys.set("csselr_el1", UNKNOWN & 0xF)  # what the CPU's register keeps of it
        for trapped, bit in (
            # Seen in 5.10.218 and later; which commit set it was not found.
            (True, sysregs.HCR_TERR),
            (self.vm.kernel.id_registers_trapped, sysregs.HCR_TID3),
            (self.vm.kernel.cache_registers_trapped, sysregs.HCR_TID2),
            (self.vm.kernel.lor_registers_trapped, sysregs.HCR_TLOR),
            (self.vm.kernel.implementation_registers_trapped, sysregs.HCR_TID1),
        ):
            sys.hcr_el2 |= bit if trapped else 0
        if self.vm.kernel.gic_registers_trapped:
            traps = sysregs.ICH_HCR_TC | sysregs.ICH_HCR_TALL0 | sysregs.ICH_HCR_TALL1
            sys.set("ich_hcr_el2", traps)
        for name, value in self.vm.host.id_registers.items():
            sys.set(name, value)
        self._initialised = True

    get_one_reg = one_reg.get_one_reg
    set_one_reg = one_reg.set_one_reg
    set_guest_debug = guest_debug.set_guest_debug

    def load(self, program: Loadable) -> None:
        """What userspace does before the first run: write the program into guest memory, set PC to its entry."""
        for segment in program.segments:
            self.vm.write_memory(segment.address, segment.data)
        self.pc = program.entry
        self.quick.drop()

    # --- KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS ---

    def get_vcpu_events(self) -> dict[str, int]:
        """KVM_GET_VCPU_EVENTS (from 4.19; EINVAL): a pending SError and its syndrome. An abort is never pending."""
        self._check_vcpu_events()
        sys = self.cpu.sys
        pending = int(bool(sys.hcr_el2 & sysregs.HCR_VSE))
        return {
            "serror_pending": pending,
            "serror_has_esr": 1,
            "serror_esr": sys.vsesr_el2 if pending else 0,
            "ext_dabt_pending": 0,
        }

    def set_vcpu_events(
        self,
        *,
        ext_dabt_pending: bool = False,
        serror_pending: bool = False,
        serror_esr: int | None = None,
    ) -> None:
        """KVM_SET_VCPU_EVENTS: inject an external data abort at the address of the last access (from 5.5; EINVAL), or
        an SError (from 4.19) with an ISS of 25 bits, by default IMPLEMENTATION DEFINED.
        """
        if ext_dabt_pending and not check_extension(self.vm, "ARM_INJECT_EXT_DABT"):
            title = self.vm.kernel.title
            raise OSError(errno.EINVAL, f"{title} cannot inject an external abort")
        if serror_pending or not ext_dabt_pending:
            self._check_vcpu_events()
        if serror_pending:
            self._pend_serror(serror_esr)
        if ext_dabt_pending:
            self._inject_abort()

    def _check_vcpu_events(self) -> None:
        if not check_extension(self.vm, "VCPU_EVENTS"):
            raise OSError(errno.EINVAL, f"{self.vm.kernel.title} knows no vCPU events")

    def _pend_serror(self, iss: int | None) -> None:
        """Make an SError pending for the guest, which takes it once PSTATE.A lets it (kvm_inject_vabt)."""
        if iss is not None and iss & ~ISS_MASK:
            raise OSError(errno.EINVAL, f"the syndrome of an SError has 25 bits, not {iss:#x}")
        self.quick.drop()
        self.cpu.sys.set("vsesr_el2", ISV if iss is None else iss)
        self.cpu.sys.hcr_el2 |= sysregs.HCR_VSE

    def _inject_abort(self) -> None:
        """An external abort, taken where and when the era does."""
        self.quick.drop()
        if self.vm.kernel.aborted_access_forgotten:
            self.mmio_needed = False
        adjust_pc.inject_abort(self, self.fault_far)
        if self.vm.kernel.abort_injection is AbortInjection.AT_ONCE_STEP_FORGOTTEN:
            self.adjust_pc()

    # --- KVM_RUN ---

    def run(
        self, immediate_exit: bool = False, pending_signal: bool = False, limit: int = DEFAULT_LIMIT
    ) -> KvmRun:
        """KVM_RUN (kvm_arch_vcpu_ioctl_run): run the guest until userspace is needed, and return the shared page.

        `immediate_exit` and `pending_signal`: complete what is pending, but do not enter the guest (EINTR). After
        about `limit` guest instructions and entries a signal is taken to have arrived. Raises OSError as the ioctl
        fails: EINTR (InterruptedError), ENOSYS, ENOEXEC.
        """
        if not self._initialised:
            raise OSError(errno.ENOEXEC, "the vCPU is not initialised: call init() first")
        run = self.kvm_run
        self.signal_pending, self.waiting = pending_signal, False
        if run.exit_reason is ExitReason.MMIO:
            mmio.complete(self)
            if self._fakes_debug_exit():
                return run
        if immediate_exit:
            return self.return_to_userspace(-errno.EINTR)
        run.exit_reason = ExitReason.UNKNOWN
        ret = 1
        while ret > 0:
            if self.powered_off:
                # Nothing else ends the wait of the only vCPU.
                self.signal_pending = self.waiting = True
            if self.signal_pending:
                run.exit_reason = ExitReason.INTR
                ret = -errno.EINTR
                break
            self.arm_step()
            self.adjust_pc()
            taken, limit = self.enter_guest(limit)
            self.quick.offer(self.cpu, taken, plainly=self.guest_debug == STEPPING)
            self.disarm_step()
            self.signal_pending = taken is None or limit <= 0
            if taken:
                ret = exits.handle_exit(self, taken)
                if ret > 0 and self._fakes_debug_exit():
                    ret = 0
        return self.return_to_userspace(ret)

    def _fakes_debug_exit(self) -> bool:
        """Pretend a step (kvm_arm_handle_step_debug, 4.15 to 4.20)."""
        if not (self.vm.kernel.fake_debug_exit and self.single_stepping):
            return False
        self.kvm_run.exit_reason = ExitReason.DEBUG
        self.kvm_run.debug.hsr = FAKE_STEP_HSR
        self.note(
            What.FAKE_DEBUG_EXIT, "the kernel pretends that a step was made", commit="7226bc2e126d"
        )
        return True

    # --- checkpoints ---

    def save(self) -> tuple[object, ...]:
        """Everything but memory, as plain values for `restore`."""
        own = tuple(getattr(self, name) for name in _SAVED)
        return self.cpu.save(), own, self.kvm_run.exit_reason, bytes(self.kvm_run.union)

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Put back what `save` gave."""
        cpu, own, self.kvm_run.exit_reason, self.kvm_run.union[:] = saved
        self.cpu.restore(cpu)
        for name, value in zip(_SAVED, own, strict=True):
            setattr(self, name, value)
        self.quick.drop()


_ERRNO_TEXTS = {
    errno.EINTR: "KVM_RUN was interrupted; call it again",
    errno.ENOSYS: "the access outside memory has no valid syndrome, so KVM cannot emulate it",
}
_ADVICE = "; enable KVM_CAP_ARM_NISV_TO_USER to handle it in userspace"  # where there is one


def _enter_guest(vcpu: VcpuState, limit: int) -> tuple[Taken | None, int]:
    """ERET to the guest, and run it until it takes an exception to EL2; None when `limit` instructions have run.

    Also gives what is left of `limit`; an entry counts as one, so a guest that runs into trap after trap ends, too.
    """
    cpu = vcpu.cpu
    before, retired = cpu.step_state(), cpu.retired
    cpu.exception_return()
    if vcpu.vm.log.watching:
        vcpu.note(What.ENTER, f"ERET into the guest: {cpu.step_state()}", before=before)
    taken = vcpu.run_cpu(limit)
    while smccc.answered_at_el2(vcpu, taken):
        cpu.exception_return()
        taken = vcpu.run_cpu(limit - (cpu.retired - retired))
    if taken is None:
        # The signal's interrupt is taken to EL2 with nothing executed.
        cpu.enter_exception(2, 0x80, None, what=What.INTERRUPT)
    return taken, limit - 1 - (cpu.retired - retired)


def _return_to_userspace(vcpu: VcpuState, ret: int) -> KvmRun:
    """Leave KVM_RUN: what becomes of a PC advance or an exception that waits for an entry is the era's."""
    leftover = vcpu.vm.kernel.leftover_advance
    if leftover is Leftover.AFTER_PUT_AWAY:
        vcpu.adjust_pc()
    elif leftover is Leftover.BEFORE_PUT_AWAY and (vcpu.increment_pc or vcpu.pending_exception):
        vcpu.arm_step()
        vcpu.adjust_pc()
        vcpu.disarm_step()
    if vcpu.vm.kernel.debug_registers_owned:
        vcpu.debug_registers_used = False
    if ret < 0:
        text = _ERRNO_TEXTS.get(-ret, os.strerror(-ret))
        if -ret == errno.ENOSYS and check_extension(vcpu.vm, "ARM_NISV_TO_USER"):
            text += _ADVICE
        raise OSError(-ret, text)
    if vcpu.vm.log.watching:
        reason = vcpu.kvm_run.exit_reason.name
        vcpu.note(What.USERSPACE_EXIT, f"KVM_RUN returns: KVM_EXIT_{reason}", kind=reason)
    return vcpu.kvm_run
