"""The CPU: one instruction after another, each with what must be looked at before and after it.

Invariant: after every call the CPU stands between two instructions, and `step_state()` follows from its bits alone.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from aarch64sim.arch import (
    access,
    bound_code,
    decode,
    entry,
    guest_lane,
    hot,
    matching,
    stack_pointers,
    step,
    sysregs,
    system,
)
from aarch64sim.arch.choices import ARCHITECTURE, QEMU, Choices
from aarch64sim.arch.encodings import FEATURES
from aarch64sim.arch.exceptions import Synchronous, Taken, Uncounted
from aarch64sim.arch.state import LEAVE, CpuState, Op
from aarch64sim.arch.syndrome import EC
from aarch64sim.step_state import StepState

_LOOK_MDSCR = sysregs.MDSCR_SS | sysregs.MDSCR_MDE
_LOOK_HCR = sysregs.HCR_PENDING


class Cpu(CpuState):
    """The state with its verbs: running and stepping are here, the others are bound for use from outside."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.warming = partial(hot.warming, self)

    load = access.load
    store = access.store
    enter_exception = entry.enter_exception
    exception_return = entry.exception_return
    select_sp = stack_pointers.select_sp
    set_pstate = stack_pointers.set_pstate
    get_sp = stack_pointers.get_sp
    set_sp = stack_pointers.set_sp
    set_os_lock = system.set_os_lock
    forget_code = bound_code.forget_code
    forget_page = bound_code.forget_page

    def run(self, limit: int) -> Taken | None:
        """Execute up to `limit` instructions (an exception taken counts as one); an exception taken to the host's
        level ends the run and is returned.
        """
        left = limit
        while left > 0:
            if self.must_look():
                taken = self._step_in_order()
                left -= 1
            else:
                before = self.retired
                taken = self._run_unwatched(left)
                left -= self.retired - before + (taken is not None)
            if taken and taken.target_el >= self.host_el:
                return taken
        return None

    def step(self) -> Taken | None:
        """Execute one instruction, or take the exception instead of it or right after it; the exception, if any."""
        if not self.pstate.il:
            try:
                self.pc = self.ready[self.pc]()
            except KeyError:
                pass  # not plain, not decoded yet, or there is something to look at
            except Synchronous as exception:
                return entry.take_synchronous(self, exception)
            else:
                self.retired += 1
                return None
        return self._step_with_a_look()

    def _step_with_a_look(self) -> Taken | None:
        """The same, of any instruction in any state."""
        if self.must_look():
            return self._step_in_order()
        hot.make_ready(self)
        try:
            pc = (self.ops.get(self.pc) or decode.bind_at(self, self.pc))()
        except Uncounted:
            return self._step_in_order()
        except Synchronous as exception:
            return entry.take_synchronous(self, exception)
        if pc != LEAVE:
            self.pc = pc
        self.retired += 1
        return None

    def must_look(self, mdscr: int = _LOOK_MDSCR) -> bool:
        """Whether an instruction needs a look around first: a step, breakpoints, interrupts, PSTATE.IL, a watcher.

        `mdscr` are the bits of MDSCR_EL1 that count: without MDSCR_SS, a step is nothing to look for.
        """
        s = self.sys
        return bool(
            s.mdscr_el1 & mdscr or s.hcr_el2 & _LOOK_HCR or self.pstate.il or self.log.watching
        )

    def _run_unwatched(self, limit: int) -> Taken | None:
        """Up to `limit` instructions with nothing to look at between them; fewer when an op says LEAVE."""
        try:
            hot.run(self, limit) if self.hot_after else self._run_cold(limit)
        except Uncounted:
            return self._step_in_order()
        except Synchronous as exception:
            return entry.take_synchronous(self, exception)
        return None

    def _run_cold(self, limit: int) -> None:
        """The same, one instruction after another as the manual has them."""
        pc, left = self.pc, limit
        try:
            while left > 0 and pc != LEAVE:
                pc = (self.ops.get(pc) or decode.bind_at(self, pc))()
                left -= 1
        finally:
            if pc != LEAVE:
                self.pc = pc
            self.retired += limit - left

    def _step_in_order(self) -> Taken | None:
        """One instruction with everything looked at, in the order of Arm ARM D1.4.5.6 and the choices."""
        state = self.step_state()
        pending = state is StepState.ACTIVE_PENDING
        vector = entry.pending_interrupt(self)
        if vector is not None and (not pending or self.choices.interrupt_before_step):
            return entry.take_interrupt(self, vector)
        try:
            if pending:
                if self.choices.fetch_before_step:
                    access.check_fetch(self, self.pc)
                return entry.take_step_exception(self)
            self._execute(self._next_op(), state)
        except Synchronous as exception:
            self.counted = False
            return entry.take_synchronous(self, exception)
        if self.stepped:
            vector = entry.pending_interrupt(self)
            if vector is None or self.choices.completed_step_first:
                return entry.take_step_exception(self)
        return None

    def _next_op(self) -> Op:
        """The instruction at PC; raises what comes instead of it, by its place in Arm ARM D1.4.5.6: PC alignment (7),
        Illegal Execution state (8 or 11), instruction abort (9), breakpoint (10).
        """
        choices, illegal = self.choices, self.pstate.il
        if illegal and not choices.illegal_state_last and not self.pc & 3:
            raise Synchronous(EC.ILLEGAL_STATE)
        breakpoints = self.sys.mdscr_el1 & sysregs.MDSCR_MDE
        if breakpoints and choices.breakpoint_before_fetch:
            matching.check_breakpoints(self)
        op = self.ops.get(self.pc) or decode.bind_at(self, self.pc)
        if breakpoints:
            matching.check_breakpoints(self)
        if illegal:
            raise Synchronous(EC.ILLEGAL_STATE)
        return op

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
        self.returned = False
        self.counted = True
        next_pc = op()
        self.counted = False
        if next_pc != LEAVE:
            self.pc = next_pc
        self.retired += 1
        if not self.returned:
            self.pstate.ss = step.advance_ss(mdscr_ss=mdscr_ss, pstate_ss=self.pstate.ss)
        # Unless its step exception follows at once, it will be another instruction or none that was stepped.
        self.stepped = before is StepState.ACTIVE_NOT_PENDING and (
            self.choices.completed_step_first or self.step_state() is StepState.ACTIVE_PENDING
        )
        reserved = self.monitor is not None and self.monitor is not monitor
        self.stepped_exclusive = self.stepped and reserved
        if watching:
            guest_lane.log_retired(self, pc, before, saved, saved_pstate)


__all__ = ["ARCHITECTURE", "FEATURES", "LEAVE", "QEMU", "Choices", "Cpu", "CpuState", "Op"]
