"""What one vCPU is made of, under the names that Linux has for it; and the places where a lab puts verbs of its own.

Invariant: no verb is defined here; whoever changes the state stands above it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from sys import _getframe

from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.exceptions import Taken
from aarch64sim.events import Change, Event, Lane, What
from aarch64sim.kvm.quick import Quick
from aarch64sim.kvm.run_page import KvmRun
from aarch64sim.kvm.vm_state import VmState
from aarch64sim.step_state import StepState


class GuestDebug(IntFlag):
    """KVM_GUESTDBG_*: the control bits that arm64 accepts."""

    ENABLE = 1
    SINGLESTEP = 2
    USE_SW_BP = 1 << 16
    USE_HW = 1 << 17


STEPPING = GuestDebug.ENABLE | GuestDebug.SINGLESTEP  # and nothing else


class Hooks:
    """The verbs that every KVM_RUN calls through the vCPU, so that one vCPU may be given others.

    Labs 04 and 09 do: a learner's `adjust_pc`, or one with a mistake in it. A debugger counts instructions in
    `run_cpu`. `Vcpu` puts the real ones here.
    """

    arm_step: Callable[[], None]
    adjust_pc: Callable[[], None]
    enter_guest: Callable[[int], tuple[Taken | None, int]]
    run_cpu: Callable[[int], Taken | None]
    disarm_step: Callable[[], None]
    skip_instruction: Callable[[], None]
    return_to_userspace: Callable[[int], KvmRun]


class VcpuState(Hooks):
    """A virtual CPU. Everything that Linux keeps per vCPU, under its own name."""

    def __init__(self, vm: VmState) -> None:
        self.vm = vm
        self.log = vm.log
        self.cpu = Cpu(resident_guest=True, choices=vm.choices, memory=vm.memory, log=vm.log)
        vm.cpu = self.cpu
        self.quick = Quick()
        self.log.listeners.add(self.quick)
        self.kvm_run = KvmRun(self.quick.look_again)
        self.guest_debug = GuestDebug(0)
        self.hw_registers: dict[str, int] = {}  # breakpoints and watchpoints of the host's
        # The guest's debug registers and PSTATE.SS while the host's are in place.
        self.guest_registers: dict[str, int] = {}
        self.guest_ss = 0
        self.os_lock = 0  # the guest's, as it sees it: the CPU's own stays open
        self.fault_far = 0  # FAR_EL2 at the last abort: where an injected one is reported
        self.mmio_needed = False
        self.mmio_syndrome = 0
        self.increment_pc = False  # a skip that waits for the next entry
        self.pending_exception = False  # an injected exception that waits for the next entry
        self.step_pending = False  # the host's step is spent, and its exception not yet taken
        # By the guest: they are not trapped (DEBUG_DIRTY, debug_owner).
        self.debug_registers_used = False
        self.signal_pending = False
        # By the guest: KVM_RUN only waits, until the vCPU is initialised again.
        self.powered_off = False
        self.waiting = False  # the last KVM_RUN ended in a wait that only a signal ends

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

    @property
    def single_stepping(self) -> bool:
        """The host steps the guest."""
        return bool(self.guest_debug & GuestDebug.SINGLESTEP)

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
        if not self.log.watching:
            return
        state = self.cpu.step_state()
        pc = self.pc if at is None else at
        caller = _getframe(1)
        place = f"{caller.f_globals['__name__']}:{caller.f_code.co_qualname}:{caller.f_lineno}"
        event = Event(
            Lane.KVM, what, pc, before or state, state, changes, text, place, commit, kind
        )
        self.log.write(event)
