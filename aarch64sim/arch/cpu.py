"""The CPU: registers, fetch, one step at a time, exception entry and return.

Invariant: after every call the CPU stands between two instructions, and `step_state()` follows from its bits alone.
"""

from __future__ import annotations

from typing import Any

from aarch64sim.arch import access, banked, entry, raising, step, sysregs, system, translation
from aarch64sim.arch import watching as watcher
from aarch64sim.arch.choices import ARCHITECTURE, QEMU, Choices
from aarch64sim.arch.decode import Op
from aarch64sim.arch.encodings import FEATURES
from aarch64sim.arch.exceptions import Synchronous, Taken, Uncounted
from aarch64sim.arch.memory import Memory
from aarch64sim.arch.pstate import PState, level_of, sp_of
from aarch64sim.arch.step import StepState
from aarch64sim.arch.syndrome import EC
from aarch64sim.events import EventLog

_CARE_MDSCR = sysregs.MDSCR_SS | sysregs.MDSCR_MDE
_CARE_HCR = sysregs.HCR_VI | sysregs.HCR_VF | sysregs.HCR_VSE
LEAVE = -1  # returned by an op instead of a PC: look around first; the PC is in `Cpu.pc`


class Cpu:
    """One AArch64 processing element with EL0, EL1 and EL2; exceptions taken to `host_el` go to the caller.

    With `resident_guest`, the software at EL2 is the caller itself. It uses no register of the CPU, so an exception
    taken there leaves the guest's PC, PSTATE and SP where they are (`at_host` says that EL2 runs): that is what the
    caller sees of ELR_EL2 and SPSR_EL2, and what its `exception_return()` returns to.

    `r` holds X0-X30, then the current SP, a zero (never written) and a sink (never read), each unsigned 64 bits.
    """

    def __init__(
        self,
        *,
        host_el: int = 2,
        resident_guest: bool = False,
        choices: Choices | None = None,
        features: frozenset[str] = FEATURES,
        log: EventLog | None = None,
    ) -> None:
        self.r: list[int] = [0] * 34
        self.v: list[int] = [0] * 32
        self.pc = 0
        self.pstate = PState()
        self.sys = sysregs.SystemRegisters()
        self.memory = Memory()
        self.host_el = host_el
        self.resident_guest = resident_guest
        self.at_host = resident_guest
        self.choices = choices or Choices()
        self.features = features
        self.log = log or EventLog()
        self.monitor: tuple[int, int] | None = None  # exclusive reservation: address, size
        self.event_register = False
        self.retired = 0  # instructions completed since reset
        # Stores of this step while watched: address, size, value before.
        self.written: list[tuple[int, int, int]] = []
        self._sp = [0, 0, 0]  # the banked SPs; the current one is in r[SP]
        self._ops: dict[int, Op] = {}
        self.plain: dict[int, Op] = {}  # the plain ones of `_ops` (`decode.is_plain`)
        self._returned = False  # the instruction was ERET, which sets PSTATE.SS itself
        self._counted = False  # `retired` is exact while the instruction executes
        # For the syndrome of the next step exception only (ISV, EX): was an instruction stepped, a load-exclusive?
        self._stepped = self._stepped_exclusive = False

    pstate: PState

    load = access.load
    store = access.store
    read_system = system.read_system
    write_system = system.write_system
    write_pstate_field = system.write_pstate_field
    system_instruction = system.system_instruction
    wait_for_interrupt = system.wait_for_interrupt
    wait_for_event = system.wait_for_event
    undefined = system.undefined
    supervisor_call = raising.supervisor_call
    hypervisor_call = raising.hypervisor_call
    secure_monitor_call = raising.secure_monitor_call
    breakpoint_instruction = raising.breakpoint_instruction
    check_fp = raising.check_fp
    check_sp_alignment = raising.check_sp_alignment
    take_step_exception = entry.take_step_exception
    enter_exception = entry.enter_exception
    exception_return = entry.exception_return
    select_sp = banked.select_sp
    set_pstate = banked.set_pstate
    get_sp = banked.get_sp
    set_sp = banked.set_sp
    forget_code = translation.forget_code
    forget_page = translation.forget_page

    # --- the software-step machine, from its bits ---

    def debug_target_el(self) -> int:
        """Where debug exceptions go now."""
        tde = self.sys.mdcr_el2 & sysregs.MDCR_TDE
        return step.debug_target_el(tde=tde, tge=self.sys.hcr_el2 & sysregs.HCR_TGE)

    def debug_exceptions_enabled(self, el: int | None = None, d: int | None = None) -> bool:
        """Whether they are enabled from here, or from level `el` with PSTATE.D = `d`."""
        if el is None:
            el, d = (2, 1) if self.at_host else (self.pstate.el, self.pstate.d)
        return step.debug_exceptions_enabled(
            el=el,
            target_el=self.debug_target_el(),
            kde=self.sys.mdscr_el1 & sysregs.MDSCR_KDE,
            d=self.pstate.d if d is None else d,
            os_lock=self.sys.oslsr_el1 & 2,
        )

    def step_state(self) -> StepState:
        """The state of the software-step machine."""
        if not self.sys.mdscr_el1 & sysregs.MDSCR_SS:
            return StepState.INACTIVE  # the usual case, without a closer look
        return step.step_state(
            mdscr_ss=self.sys.mdscr_el1 & sysregs.MDSCR_SS,
            pstate_ss=self.pstate.ss,
            enabled=self.debug_exceptions_enabled(),
        )

    def stepping(self) -> bool:
        """Whether software step is active."""
        return self.step_state() is not StepState.INACTIVE

    # --- running ---

    def run(self, limit: int) -> Taken | None:
        """Execute up to `limit` instructions (an exception taken counts as one); an exception taken to the host's
        level ends the run and is returned.
        """
        left = limit
        while left > 0:
            if self.must_look():
                taken = self._careful_step()
                left -= 1
            else:
                before = self.retired
                taken = self._burst(left)
                left -= self.retired - before + (taken is not None)
            if taken and taken.target_el >= self.host_el:
                return taken
        return None

    def step(self) -> Taken | None:
        """One instruction, or the exception that comes instead of it or right behind it; the exception, if any."""
        s = self.sys
        if (
            s.mdscr_el1 & _CARE_MDSCR
            or s.hcr_el2 & _CARE_HCR
            or self.pstate.il
            or self.log.watching
        ):  # `must_look`, without the call
            return self._careful_step()
        try:
            try:
                op = self._ops[self.pc]
            except KeyError:
                op = translation.translate(self, self.pc)
            pc = op()
        except Synchronous as exception:
            return entry.take_synchronous(self, exception)
        if pc != LEAVE:
            self.pc = pc
        self.retired += 1
        return None

    def must_look(self, mdscr: int = _CARE_MDSCR) -> bool:
        """Whether an instruction needs a look around first: a step, breakpoints, interrupts, PSTATE.IL, a watcher.

        `mdscr` are the bits of MDSCR_EL1 that count: without MDSCR_SS, a step is nothing to look for.
        """
        s = self.sys
        return bool(
            s.mdscr_el1 & mdscr or s.hcr_el2 & _CARE_HCR or self.pstate.il or self.log.watching
        )

    def _burst(self, limit: int) -> Taken | None:
        """Up to `limit` instructions with nothing to look at between them; fewer when an op says LEAVE."""
        ops = self._ops
        pc = self.pc
        left = limit
        try:
            while left:
                try:
                    for left in range(left, 0, -1):  # noqa: B007, B020
                        pc = ops[pc]()
                    left = 0
                except KeyError:
                    if pc == LEAVE:
                        break
                    if pc in ops:
                        raise
                    translation.translate(self, pc)
        except Synchronous as exception:
            self.pc = pc
            self.retired += limit - left
            return entry.take_synchronous(self, exception)
        if pc != LEAVE:
            self.pc = pc
        self.retired += limit - left
        return None

    def _careful_step(self) -> Taken | None:
        """One instruction with everything looked at, in the order of Arm ARM D1.3.5.6 and the choices."""
        state = self.step_state()
        pending = state is StepState.ACTIVE_PENDING
        vector = entry.pending_interrupt(self)
        if vector is not None and (not pending or self.choices.interrupt_before_step):
            return entry.take_interrupt(self, vector)
        try:
            if pending:
                if self.choices.fetch_before_step and self.pc not in self._ops:
                    translation.translate(self, self.pc)
                return self.take_step_exception()
            if self.pstate.il and not self.pc & 3:  # the PC alignment fault has priority
                raise Synchronous(EC.ILLEGAL_STATE)
            op = self._ops.get(self.pc) or translation.translate(self, self.pc)
            if self.sys.mdscr_el1 & sysregs.MDSCR_MDE:
                access.check_breakpoints(self)
            self._execute(op, state)
        except Synchronous as exception:
            return entry.take_synchronous(self, exception)
        if self._stepped:
            vector = entry.pending_interrupt(self)
            if vector is None or self.choices.completed_step_first:
                return self.take_step_exception()
        return None

    def _execute(self, op: Op, before: StepState) -> None:
        """Run one op to completion and advance the step machine, which is in state `before`."""
        watching = self.log.watching
        pc = self.pc
        monitor = self.monitor
        if watching:
            saved = self.r.copy()
            saved_pstate = self.pstate.to_spsr()
            self.written.clear()
        mdscr_ss = self.sys.mdscr_el1 & sysregs.MDSCR_SS
        self._returned = False
        self._counted = True
        next_pc = op()
        self._counted = False
        if next_pc != LEAVE:
            self.pc = next_pc
        self.retired += 1
        if not self._returned:
            self.pstate.ss = step.advance_ss(mdscr_ss=mdscr_ss, pstate_ss=self.pstate.ss)
        # Unless its step exception follows at once, it will be another instruction or none that was stepped.
        self._stepped = (
            before is StepState.ACTIVE_NOT_PENDING and self.step_state() is StepState.ACTIVE_PENDING
        )
        reserved = self.monitor is not None and self.monitor is not monitor
        self._stepped_exclusive = self._stepped and reserved
        if watching:
            watcher.log_retired(self, pc, before, saved, saved_pstate)

    def leave(self, next_pc: int) -> int:
        """For an op that may have changed what must be looked at: makes the loop look before `next_pc`."""
        self.pc = next_pc
        return LEAVE

    def instruction_count(self) -> int:
        """Instructions completed before this one: a burst, which counts only at its end, stops for it."""
        if not self._counted:
            raise Uncounted
        return self.retired

    def set_os_lock(self, locked: int) -> None:
        """OSLAR_EL1.OSLK: lock (1) or unlock (0); OSLSR_EL1.OSLK shows it."""
        self.sys.oslsr_el1 = self.sys.oslsr_el1 & ~2 | locked << 1

    # --- checkpoints ---

    def save(self) -> tuple[object, ...]:
        """Everything but memory, as plain values for `restore`."""
        return (
            self.r.copy(),
            self.v.copy(),
            self.pc,
            self.pstate.to_spsr(),
            self.sys.copy_values(),
            self._sp.copy(),
            self.monitor,
            self.event_register,
            self.retired,
            (self._stepped, self._stepped_exclusive, self.at_host),
        )

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Put back what `save` gave."""
        self.r[:], self.v[:], self.pc, spsr, values, self._sp[:], *rest = saved
        self.monitor, self.event_register, self.retired, stepped = rest
        self._stepped, self._stepped_exclusive, self.at_host = stepped
        p = self.pstate
        p.set_all_but_stack(spsr)
        p.el, p.sp = level_of(spsr), sp_of(spsr)
        self.sys.restore_values(values)
        self.memory.forget_caches()

    # --- the log ---

    def watch(self, watching: bool) -> None:
        """Write events from now on, or stop."""
        self.log.watching = watching
        self.memory.forget_caches()


__all__ = ["ARCHITECTURE", "FEATURES", "LEAVE", "QEMU", "Choices", "Cpu", "Op"]
