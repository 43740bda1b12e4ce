"""One single step, or a row of plain ones, of a machine with points planted in it; and how the last one ended.

Invariant: what the next step must know of the last one follows from the machine alone.
"""

from __future__ import annotations

from aarch64sim.arch.syndrome import EC, exception_class, stepped_exclusive
from aarch64sim.debug import pauses
from aarch64sim.debug.free_run import FreeRun, Look, OnExit
from aarch64sim.debug.guest import word
from aarch64sim.debug.plain import plain_steps
from aarch64sim.debug.planted import Planted, is_brk
from aarch64sim.debug.stops import STEP_LIMIT
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.vmm.machine import ExitRecord, Machine


class Stepper:
    """Steps `machine` past what is `planted`.

    About the last step: `exits`, every return of KVM_RUN (None: a plain step, or unknown); `note`, a reason to stop and
    a sentence; `paused`, the class of the debug exception that ended it, 0 for that of a step.
    """

    def __init__(self, machine: Machine, planted: Planted) -> None:
        self._machine, self._planted = machine, planted
        self.exits: list[ExitRecord] | None = None
        self.note: pauses.Note | None = None
        self.paused = 0
        self.last_run: FreeRun | None = None
        self.exclusives = 0  # load-exclusives after which the guest was stopped

    def plain(self, count: int) -> tuple[int, int]:
        """Up to `count` steps, to the first that is not plain; how many were made, and how many of them slow."""
        self.note = None
        made, slow, exit_ = plain_steps(self._machine, count)
        self._ended(None if exit_ is None else self._finish(exit_))
        return made, slow

    def step(self) -> int:
        """One step; 0 if it was as quick as a plain one, else how much slower."""
        machine, planted, pc = self._machine, self._planted, self._machine.vcpu.pc
        in_front = bool(self.paused) or pc in planted.addresses
        watched = self.note = None
        if in_front:
            if self.paused == EC.WATCHPOINT:
                watched = pauses.pass_watchpoint(machine, planted.points)
            planted.step_over(pc, watched=watched is not None)
        slow = self._through(pc)
        if in_front:
            planted.arm(planted.points)
            if watched is not None and self.paused != EC.WATCHPOINT:
                self.note = watched()
        return slow

    def run(
        self,
        most: int,
        *,
        exits: int = 0,
        leave: OnExit | None = None,
        look: Look | None = None,
        first_look: int = 0,
    ) -> FreeRun:
        """A free run of up to `most` ticks, left after so many `exits` (0: no matter), or where `leave` says True."""
        run, count = FreeRun(self._machine, most, look, first_look=first_look), 0
        self.note, self.last_run = None, run

        def on_exit(exit_: ExitRecord) -> bool:
            nonlocal count
            count += 1
            self._look_at_exit(exit_)
            return count == exits or self.note is not None or (leave is not None and leave(exit_))

        if run.go(on_exit):
            # Userspace has answered an access: a single step completes it.
            self._planted.arm(self._planted.points)
            run.exits += self._finish()
        self._ended(run.exits)
        return run

    def _through(self, pc: int) -> int:
        """Make the step, with nothing in front of it any more."""
        machine = self._machine
        if self.paused == EC.BRK and is_brk(word(machine, pc, 4)):
            pauses.reinject_brk(machine)
            self._ended([])
            return 1
        if machine.log.watching or self._planted.mmio:
            exits = self._finish()
            self._ended(exits)
            return len(exits) - 1
        return self.plain(1)[1]

    def _finish(self, after: ExitRecord | None = None) -> list[ExitRecord]:
        """The exits of a step up to its end, the guest's, or that of patience; `after` is one that was had before."""
        look = self._look_at_exit if self._planted.mmio else None
        return self._machine.run(STEP_LIMIT, after=after, on_exit=look)

    def _look_at_exit(self, exit_: ExitRecord) -> bool:
        if exit_.reason == "MMIO":
            watched = pauses.watched_mmio(self._machine, self._planted.mmio, exit_)
            self.note = watched or self.note
        return False

    def _ended(self, exits: list[ExitRecord] | None) -> None:
        self.exits = exits
        run, monitor = self._machine.vcpu.kvm_run, self._machine.vcpu.cpu.monitor
        if run.exit_reason is ExitReason.DEBUG:
            self.exclusives += monitor is not None or stepped_exclusive(run.debug.hsr)
        if exits is None:
            self.paused = 0
        else:
            self.look()

    def look(self) -> None:
        """See from the last exit whether the next step starts in front of something special."""
        run, self.paused = self._machine.vcpu.kvm_run, 0
        if run.exit_reason is ExitReason.DEBUG and not self._machine.ended:
            ec = exception_class(run.debug.hsr)
            if ec in (EC.BRK, EC.WATCHPOINT, EC.BREAKPOINT):
                self.paused = ec
        if self.paused == EC.WATCHPOINT:
            self.note = pauses.before_watched_access(self._machine, self._planted.points)

    def jumped(self) -> None:
        """The machine was put elsewhere: nothing is known of the step that led there."""
        self.look()
        self.exits = self.note = None
