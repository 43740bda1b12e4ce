"""A machine on its course: one step after another, with a checkpoint now and then.

Invariant: after each step `position` counts it, and what the next one must know of it follows from the machine alone.
"""

from __future__ import annotations

from aarch64sim.arch.syndrome import EC, exception_class
from aarch64sim.debug import special
from aarch64sim.debug.history import History
from aarch64sim.debug.marks import Marks
from aarch64sim.debug.plain import plain_steps
from aarch64sim.debug.plans import Plans
from aarch64sim.debug.points import NOTHING, Gear, is_brk
from aarch64sim.debug.stops import STEP_LIMIT, StepRecord, Stop, make_stop
from aarch64sim.events import Event, Lane, What
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vcpu_state import GuestDebug
from aarch64sim.vmm.machine import ExitRecord, Machine

GUEST_REGISTERS = (
    *(f"x{n}" for n in range(31)),
    *("sp", "pc", "pstate", "elr_el1", "spsr_el1", "esr_el1", "far_el1", "vbar_el1", "mdscr_el1"),
)
KEPT_RECORDS = 5000  # steps whose events are kept; older ones are lived through again


class Course:
    """A machine, its history, and its next step. One position is one single step through KVM_RUN."""

    def __init__(self, machine: Machine) -> None:
        self.points = NOTHING  # what is to be set for steps to come
        self._begin(machine)

    def _begin(self, machine: Machine) -> None:
        self.machine = machine
        machine.vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
        self.position = 0
        self.length = 0  # steps that are known: `position` may be anywhere from 0 to here
        self._history = History(machine)
        self._gear = Gear(machine)
        self._plans = Plans()
        self.marks = Marks()
        self._records: dict[int, StepRecord] = {}
        self._entry = machine.vcpu.pc
        # About the step just made: its exits (None: a plain step or unknown), a reason and sentence to prefer, the
        # class of the debug exception that ended it if it was no step exception.
        self._made = 0  # its number; 0: no step was made on the way here
        self._exits: list[ExitRecord] | None = None
        self._note: special.Note | None = None
        self._paused = 0

    # --- steps with nothing to look at -----------------------------------------------------------------------------

    def _replay(self, count: int) -> None:
        """The next `count` known steps, whatever happens in them, with what is armed."""
        end = self.position + count
        armed = self._gear.points is not NOTHING
        while self.position < end:
            if self._paused or armed:
                self._advance(watching=False)
            else:
                self._plain(end - self.position)

    def _plain(self, count: int) -> None:
        """Up to `count` steps with nothing armed; a step that is not plain ends the row."""
        count = min(count, self._history.room(self.position))
        self._note = None
        made, slow, exit_ = plain_steps(self.machine, count, STEP_LIMIT)
        self._exits = None if exit_ is None else self._finish(exit_)
        self._arrive(made, slow)

    # --- one step ----------------------------------------------------------------------------------------------------

    def _advance(self, *, watching: bool) -> None:
        """One step from `position` with what is armed; with `watching`, its record is kept."""
        machine, gear = self.machine, self._gear
        pc = machine.vcpu.pc
        if watching:
            machine.vcpu.cpu.watch(True)
            before = self.registers
        self._note = None
        in_front = bool(self._paused) or pc in gear.addresses
        watched = None
        made, slow = 1, 1
        if in_front:
            watched = (
                special.pass_watchpoint(machine, gear.points)
                if self._paused == EC.WATCHPOINT
                else None
            )
            gear.step_over(pc, watched=watched is not None)
        if self._paused == EC.BRK and is_brk(self._word(pc)):
            special.reinject_brk(machine)
            self._exits = []
        elif watching or gear.mmio:
            self._exits = self._finish()
            slow = len(self._exits) - 1
        else:
            made, slow, exit_ = plain_steps(machine, 1, STEP_LIMIT)
            self._exits = None if exit_ is None else self._finish(exit_)
        if in_front:
            gear.arm(gear.points)
            if watched is not None:
                self._note = watched()
        self._arrive(made, slow)
        if watching:
            stop = self._make_stop()
            state = machine.vcpu.cpu.step_state()
            event = Event(
                Lane.DEBUGGER, What.STOP, stop.pc, state, state, (), stop.text, kind=stop.reason
            )
            machine.log.write(event)
            self._keep(stop, before)
            machine.vcpu.cpu.watch(False)

    def _finish(self, after: ExitRecord | None = None) -> list[ExitRecord]:
        """The exits of a step up to its end, the guest's, or that of patience; `after` is one that was had before."""
        look = self._look_at_exit if self._gear.mmio else None
        return self.machine.run(STEP_LIMIT, after=after, on_exit=look)

    def _look_at_exit(self, exit_: ExitRecord) -> bool:
        if exit_.reason == "MMIO":
            self._note = special.watched_mmio(self.machine, self._gear.mmio, exit_) or self._note
        return False

    def _arrive(self, made: int, slow: int) -> None:
        """`made` steps were made."""
        self.position += made
        self._made = self.position
        if self._exits is None:
            self._paused = 0
        else:
            self._pause()
        at_point = self.machine.vcpu.pc in self._gear.addresses
        if at_point or self._exits is not None:
            stopped = at_point or bool(self._note) or bool(self.machine.ended)
            self.marks.note(self.position, self._exits or (), stopped=stopped)
        if self.position > self.length:
            self.length = self.position
        if self._history.walked(self.position, made, slow):
            points = self._gear.points
            self._gear.lift()
            self._history.arrived(self.position)
            self._gear.arm(points)

    def _pause(self) -> None:
        """See from the last exit whether the next step starts in front of something special."""
        run, self._paused = self.machine.vcpu.kvm_run, 0
        if run.exit_reason is ExitReason.DEBUG and not self.machine.ended:
            ec = exception_class(run.debug.hsr)
            if ec in (EC.BRK, EC.WATCHPOINT, EC.BREAKPOINT):
                self._paused = ec
        if self._paused == EC.WATCHPOINT:
            self._note = special.before_watched_access(self.machine, self._gear.points)

    def _word(self, address: int) -> int:
        try:
            return int.from_bytes(self.machine.vm.read_memory(address, 4), "little")
        except OSError:
            return 0

    def _make_stop(self) -> Stop:
        """The stop of the step just made."""
        vcpu = self.machine.vcpu
        exits = self._exits
        if exits is None:
            hsr = vcpu.kvm_run.debug.hsr
            exits = [ExitRecord("DEBUG", vcpu.pc, f"hsr {hsr:#x}", hsr)]
        at_breakpoint = vcpu.pc in self._plans.at(self.position - 1)[0].addresses
        return make_stop(
            self.position, self.machine, exits, at_breakpoint=at_breakpoint, note=self._note
        )

    def _keep(self, stop: Stop, before: dict[str, int]) -> None:
        after = self.registers
        changes = {n: (old, after[n]) for n, old in before.items() if old != after[n]}
        log = self.machine.log
        self._records[stop.number] = StepRecord(stop, tuple(log.events), changes)
        log.events.clear()
        if len(self._records) > KEPT_RECORDS:
            del self._records[next(iter(self._records))]

    @property
    def registers(self) -> dict[str, int]:
        """The guest's registers as GET_ONE_REG gives them, 64 bits each; `sp` is the current one."""
        vcpu = self.machine.vcpu
        sp = "sp_el1" if vcpu.pstate & 1 else "sp_el0"
        return {n: vcpu.get_one_reg(sp if n == "sp" else n) for n in GUEST_REGISTERS}
