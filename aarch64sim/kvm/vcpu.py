"""The vCPU: KVM_RUN in the order in which Linux does things, guest debug, ONE_REG (arch/arm64/kvm/arm.c, debug.c).

Invariant: the host's step bits are in place only around a guest entry; between two calls the guest's own are, as far
as the era gives them back.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from sys import _getframe
from typing import TYPE_CHECKING, Any, Protocol

from aarch64sim.arch import sysregs
from aarch64sim.arch.cpu import Cpu, Op
from aarch64sim.arch.exceptions import Synchronous, Taken
from aarch64sim.arch.pstate import DAIF, EL1H
from aarch64sim.arch.step import StepState
from aarch64sim.arch.syndrome import EC, ISS_MASK, ISV, class_alone
from aarch64sim.events import Change, Event, Lane, What
from aarch64sim.kvm import adjust_pc as adjusting
from aarch64sim.kvm import exits, guest_debug, mmio, one_reg, smccc
from aarch64sim.kvm.guest_debug import GuestDebug
from aarch64sim.kvm.kernels import AbortInjection, Leftover
from aarch64sim.kvm.run_page import ExitReason, KvmRun

if TYPE_CHECKING:
    from aarch64sim.kvm.vm import VM


FAKE_STEP_HSR = class_alone(EC.SOFTWARE_STEP)  # what 4.15 to 4.20 report after an emulation
_DEBUG = ExitReason.DEBUG  # an attribute of an Enum is slow to look up
# Instructions after which a KVM_RUN comes back as if a signal had arrived.
DEFAULT_LIMIT = 100_000_000

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


_SAVED = (
    "guest_debug", "mmio_needed", "mmio_syndrome", "increment_pc", "pending_exception", "step_pending",
    "signal_pending", "waiting", "hw_registers", "os_lock", "fault_far",
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


class Vcpu:
    """A virtual CPU. Everything that Linux keeps per vCPU, under its own name."""

    vm: VM

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.log = vm.log
        self.cpu = Cpu(resident_guest=True, choices=vm.choices, log=vm.log)
        self.kvm_run = KvmRun()
        self.guest_debug = GuestDebug(0)
        self.mmio_needed = False
        self.mmio_syndrome = 0
        self.increment_pc = False  # a skip that waits for the next entry
        self.pending_exception = False  # an injected exception that waits for the next entry
        self.step_pending = False  # the host's step is spent, and its exception not yet taken
        self.signal_pending = False
        self.quick: dict[int, Op] = {}
        """Steps from an address that are nothing but their op: `cpu.plain` after a step in which nothing but one
        instruction happened, until anything changes that the next step would have to look at; else empty."""
        self.waiting = False  # the last KVM_RUN ended in a wait that only a signal ends
        self._initialised = False
        self.hw_registers: dict[str, int] = {}
        # The guest's debug registers while the host's are in place.
        self.guest_registers: dict[str, int] = {}
        self.guest_ss = 0
        self.fault_far = 0  # FAR_EL2 at the last abort: where an injected one is reported
        self.os_lock = 0  # the guest's, as it sees it: the CPU's own stays open

    # --- registers ---

    @property
    def pc(self) -> int:
        """The guest's PC: while the host runs, it is what the CPU would return to."""
        return self.cpu.pc

    @pc.setter
    def pc(self, value: int) -> None:
        self.cpu.pc = value

    @property
    def pstate(self) -> int:
        """The guest's PSTATE (SPSR image, 32 bits)."""
        return self.cpu.pstate.to_spsr()

    @pstate.setter
    def pstate(self, value: int) -> None:
        self.cpu.set_pstate(value)

    @property
    def el(self) -> int:
        """The guest's Exception level, 0 or 1."""
        return self.cpu.pstate.el

    def init(self) -> None:
        """KVM_ARM_VCPU_INIT: reset values."""
        sys = self.cpu.sys
        sys.hcr_el2 = HCR_OF_KVM
        sys.mdcr_el2 = guest_debug.MDCR_OF_KVM
        sys.cptr_el2 = 0x33FF & ~sysregs.CPTR_TFP
        self.pstate = _RESET_PSTATE
        sys.set("pmuserenr_el0", 0xF)  # while a guest runs: all of EL0's accesses go to EL2, too
        for name in _RESET_UNKNOWN:
            sys.set(name, UNKNOWN)
        if not self.vm.kernel.cache_registers_trapped:
            sys.set("csselr_el1", UNKNOWN & 0xF)  # what the CPU's register keeps of it
        for trapped, bit in (
            (True, sysregs.HCR_TERR),
            (self.vm.kernel.id_registers_trapped, sysregs.HCR_TID3),
            (self.vm.kernel.cache_registers_trapped, sysregs.HCR_TID2),
            (self.vm.kernel.lor_registers_trapped, sysregs.HCR_TLOR),
            (self.vm.kernel.implementation_registers_trapped, sysregs.HCR_TID1),
        ):
            sys.hcr_el2 |= bit if trapped else 0
        if self.vm.kernel.gic_registers_trapped:
            sys.set("ich_hcr_el2", sysregs.ICH_HCR_TRAPS)
        for name, value in self.vm.host.id_registers.items():
            sys.set(name, value)
        self._initialised = True

    get_one_reg = one_reg.get_one_reg
    set_one_reg = one_reg.set_one_reg
    set_guest_debug = guest_debug.set_guest_debug
    arm_step = guest_debug.arm_step
    disarm_step = guest_debug.disarm_step
    adjust_pc = adjusting.adjust_pc
    skip_instruction = adjusting.skip_instruction
    inject_undefined = adjusting.inject_undefined

    def load(self, program: Loadable) -> None:
        """What userspace does before the first run: write the program into guest memory, set PC to its entry."""
        for segment in program.segments:
            self.vm.write_memory(segment.address, segment.data)
        self.pc = program.entry
        self.look_again()

    # --- KVM_SET_GUEST_DEBUG, KVM_SET_VCPU_EVENTS ---

    @property
    def single_stepping(self) -> bool:
        """The host steps the guest."""
        return bool(self.guest_debug & GuestDebug.SINGLESTEP)

    def get_vcpu_events(self) -> dict[str, int]:
        """KVM_GET_VCPU_EVENTS (from 4.19; EINVAL): a pending SError and its syndrome. An abort is never pending."""
        if not self.vm.kernel.vcpu_events:
            raise OSError(errno.EINVAL, f"{self.vm.kernel.title} knows no vCPU events")
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
        kernel = self.vm.kernel
        if serror_pending:
            self._pend_serror(serror_esr)
        elif kernel.abort_injection is AbortInjection.UNSUPPORTED:
            raise OSError(errno.EINVAL, f"{kernel.title} cannot inject an external abort")
        if ext_dabt_pending:
            self._inject_abort(kernel.abort_injection)

    def _pend_serror(self, iss: int | None) -> None:
        """Make an SError pending for the guest, which takes it once PSTATE.A lets it (kvm_inject_vabt)."""
        if not self.vm.kernel.vcpu_events:
            raise OSError(errno.EINVAL, f"{self.vm.kernel.title} cannot inject an SError")
        if iss is not None and iss & ~ISS_MASK:
            raise OSError(errno.EINVAL, f"the syndrome of an SError has 25 bits, not {iss:#x}")
        self.look_again()
        self.cpu.sys.set("vsesr_el2", ISV if iss is None else iss)
        self.cpu.sys.hcr_el2 |= sysregs.HCR_VSE

    def _inject_abort(self, kind: AbortInjection) -> None:
        """An external abort, taken where and when the era does."""
        self.look_again()
        if self.vm.kernel.aborted_access_forgotten:
            self.mmio_needed = False
        adjusting.inject_abort(self, self.fault_far)
        if kind is AbortInjection.AT_ONCE_STEP_FORGOTTEN:
            self.adjust_pc()

    # --- KVM_RUN ---

    def run(
        self,
        *,
        immediate_exit: bool = False,
        pending_signal: bool = False,
        limit: int = DEFAULT_LIMIT,
    ) -> KvmRun:
        """KVM_RUN (kvm_arch_vcpu_ioctl_run): run the guest until userspace is needed, and return the shared page.

        `immediate_exit` and `pending_signal`: complete what is pending, but do not enter the guest (EINTR). After
        about `limit` guest instructions and entries a signal is taken to have arrived. Raises OSError as the ioctl
        fails: EINTR (InterruptedError), ENOSYS, ENOEXEC.
        """
        run = self.kvm_run
        if (
            run.exit_reason is _DEBUG
            and not immediate_exit
            and not pending_signal
            and not self.log.watching
        ):
            cpu = self.cpu
            try:
                cpu.pc = self.quick[cpu.pc]()
            except (KeyError, Synchronous):
                pass  # nothing has happened: take the long way
            else:
                cpu.retired += 1
                return run
        self.quick = {}
        return self._kvm_run(immediate_exit, pending_signal, limit)

    def _kvm_run(self, immediate_exit: bool, pending_signal: bool, limit: int) -> KvmRun:
        """The long way, in the order in which Linux does things."""
        if not self._initialised:
            raise OSError(errno.ENOEXEC, "the vCPU is not initialised: call init() first")
        run, kernel = self.kvm_run, self.vm.kernel
        self.signal_pending, self.waiting = pending_signal, False
        if run.exit_reason is ExitReason.MMIO:
            mmio.complete(self)
            if self._fakes_debug_exit():
                return run
        if immediate_exit:
            return self._return(-errno.EINTR)
        run.exit_reason = ExitReason.UNKNOWN
        ret = 1
        while ret > 0:
            if self.signal_pending:
                run.exit_reason = ExitReason.INTR
                ret = -errno.EINTR
                break
            self.arm_step()
            self.adjust_pc()
            taken, limit = self._enter_guest(limit)
            self.quick = self._quick_after(taken)
            self.disarm_step()
            self.signal_pending = taken is None or limit <= 0
            if taken:
                ret = exits.handle_exit(self, taken)
                if ret > 0 and kernel.fake_debug_exit and self._fakes_debug_exit():
                    ret = 0
        return self._return(ret)

    def _quick_after(self, taken: Taken | None) -> dict[int, Op]:
        """What the next KVM_RUN may execute as it stands: asked while the host's debug state is still on the CPU.

        It is the CPU that says whether an instruction needs a look around; of its reasons only the step is the host's.
        """
        plainly = self.guest_debug == GuestDebug.ENABLE | GuestDebug.SINGLESTEP
        ordinary = taken is not None and taken.esr == exits.ORDINARY_STEP
        if not (plainly and ordinary) or self.cpu.must_look(sysregs.MDSCR_MDE):
            return {}
        return self.cpu.plain

    def look_again(self) -> None:
        """Something changed from outside: the next KVM_RUN takes the long way."""
        self.quick = {}

    def _return(self, ret: int) -> KvmRun:
        """Leave KVM_RUN: what becomes of a PC advance or an exception that waits for an entry is the era's."""
        leftover = self.vm.kernel.leftover_advance
        if leftover is Leftover.AFTER_PUT_AWAY:
            self.adjust_pc()
        elif leftover is Leftover.BEFORE_PUT_AWAY and (self.increment_pc or self.pending_exception):
            self.arm_step()
            self.adjust_pc()
            self.disarm_step()
        if ret < 0:
            raise OSError(-ret, _ERRNO_TEXTS.get(-ret, os.strerror(-ret)))
        if self.vm.log.watching:
            reason = self.kvm_run.exit_reason.name
            self.note(What.USERSPACE_EXIT, f"KVM_RUN returns: KVM_EXIT_{reason}", kind=reason)
        return self.kvm_run

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

    # --- around the guest entry ---

    def _enter_guest(self, limit: int) -> tuple[Taken | None, int]:
        """ERET to the guest, and run it until it takes an exception to EL2; None when `limit` instructions have run.

        Also gives what is left of `limit`; an entry counts as one, so a guest that runs into trap after trap ends, too.
        """
        cpu = self.cpu
        before, retired = cpu.step_state(), cpu.retired
        cpu.exception_return()
        if self.vm.log.watching:
            self.note(What.ENTER, f"ERET into the guest: {cpu.step_state()}", before=before)
        taken = cpu.run(limit)
        while smccc.answered_at_el2(self, taken):
            cpu.exception_return()
            taken = cpu.run(limit - (cpu.retired - retired))
        if taken is None:
            # The signal's interrupt is taken to EL2 with nothing executed.
            cpu.enter_exception(2, 0x80, None, what=What.INTERRUPT)
        return taken, limit - 1 - (cpu.retired - retired)

    @property
    def loses_exceptions(self) -> bool:
        """A skip wipes out a pending exception instead of giving way to it (5.11 to 6.12)."""
        return self.vm.kernel.abort_injection is AbortInjection.LOST

    def remember_step(self) -> None:
        """The host's step is spent: do not arm it again."""
        if self.single_stepping:
            self.step_pending = True

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
        self.look_again()

    # --- the log ---

    def note(
        self,
        what: What,
        text: str,
        changes: tuple[Change, ...] = (),
        *,
        commit: str = "",
        before: StepState | None = None,
        at: int | None = None,
        kind: str = "",
    ) -> None:
        """Write an event of the kernel lane, if somebody watches; its source is the line that calls this."""
        if not self.vm.log.watching:
            return
        state = self.cpu.step_state()
        pc = self.pc if at is None else at
        caller = _getframe(1)
        place = f"{caller.f_globals['__name__']}:{caller.f_code.co_qualname}:{caller.f_lineno}"
        event = Event(
            Lane.KVM, what, pc, before or state, state, changes, text, place, commit, kind
        )
        self.vm.log.write(event)


_ERRNO_TEXTS = {
    errno.EINTR: "KVM_RUN was interrupted; call it again",
    errno.ENOSYS: "the access outside memory has no valid syndrome, so KVM cannot emulate it;"
    " enable KVM_CAP_ARM_NISV_TO_USER to handle it in userspace",
}
