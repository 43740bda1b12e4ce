"""A machine on its track: new steps at its end, and every known one again.

Invariant: the machine stands at `position`, with nothing of the debugger's in it between two calls; the steps up to
`length` can be replayed exactly, with what was planted at the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aarch64sim.arch.syndrome import EC
from aarch64sim.debug.guest import registers
from aarch64sim.debug.history import History, Input
from aarch64sim.debug.landmarks import Landmarks
from aarch64sim.debug.planted import Planted
from aarch64sim.debug.planted_when import FAR, PlantedWhen
from aarch64sim.debug.points import NOTHING, Points
from aarch64sim.debug.stepper import Stepper
from aarch64sim.debug.stops import HistoryError, StepRecord, Stop, make_stop, start_stop
from aarch64sim.events import Event, Lane, What
from aarch64sim.kvm.vcpu_state import GuestDebug
from aarch64sim.vmm.machine import ExitRecord, Machine

KEPT_RECORDS = 5000  # steps whose events are kept; older ones are replayed


class Track:
    """A machine and its history. One position is one single step through KVM_RUN.

    `position` counts the steps that led here, `length` those that are known: the position may be anywhere up to there.
    """

    def __init__(self, machine: Machine) -> None:
        machine.vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
        self.machine = machine
        self.position = self.length = 0
        self.marks = Landmarks()
        self.history = History(machine)
        self._planted = Planted(machine)
        self._planted_when = PlantedWhen()
        self._stepper = Stepper(machine, self._planted)
        self._made = (
            0  # the number of the step that `_stepper` made last; 0: none was made on the way here
        )
        self._records: dict[int, StepRecord] = {}
        self._start = StepRecord(start_stop(machine.vcpu.pc), (), {})

    # --- new steps ---------------------------------------------------------------------------------------------------

    def step(self, points: Points) -> None:
        """One new step with `points` set, and its record; none if the guest has ended."""
        if not self.machine.ended:
            self._settle(points)
            self._planted.arm(points)
            try:
                self._watched_step()
            except BaseException:
                self._recover()
                raise
            finally:
                self._planted.lift()

    def go(
        self,
        count: int,
        points: Points,
        until: Callable[[], bool] | None = None,
        *,
        finish: bool = True,
    ) -> bool:
        """Up to `count` new steps with `points` set, to the first that is a reason to stop or for which `until` holds.

        With `finish` a stop in front of a watched access is followed by the step that makes it. False if `count` ran
        out.
        """
        most = FAR
        while count > 0 and not self.machine.ended:
            first = self.position
            room = min(count, self._settle(points), most)
            self._planted.arm(points)
            try:
                if self._row(room, until):
                    if finish and self.paused == EC.WATCHPOINT:
                        self._settle(points)
                        self._planted.arm(points)
                        self._one()
                    return True
            except BaseException as error:
                self._recover()
                if room == 1 or not isinstance(error, Exception):
                    raise
                most = 1  # a device of the caller's failed: go up to that step again, and let it fail there
            finally:
                self._planted.lift()
            count -= self.position - first
        return bool(self.machine.ended)

    def _row(self, count: int, until: Callable[[], bool] | None = None) -> bool:
        """Up to `count` steps with what is planted; whether there was a reason to stop."""
        end = self.position + count
        planted = self._planted.points is not NOTHING
        while self.position < end and not self.machine.ended:
            if self.paused or planted:
                self._one()
            else:
                self._plain(end - self.position if until is None else 1)
            if (
                self.paused
                or self._stepper.note
                or (planted and self.machine.vcpu.pc in self._planted.addresses)
            ):
                return True
            if until is not None and until():
                return True
        return bool(self.machine.ended)

    def _one(self) -> None:
        self._arrive(1, self._stepper.step())

    def _plain(self, count: int) -> None:
        """Up to `count` steps with nothing planted; a step that is not plain ends the row."""
        self._arrive(*self._stepper.plain(min(count, self.history.room(self.position))))

    def _watched_step(self) -> None:
        """One step, and its record."""
        machine = self.machine
        machine.vcpu.cpu.watch(True)
        before = registers(machine)
        self._one()
        stop, state = self.stop(), machine.vcpu.cpu.step_state()
        machine.log.write(
            Event(Lane.DEBUGGER, What.STOP, stop.pc, state, state, (), stop.text, kind=stop.reason)
        )
        self._keep(stop, before)
        machine.vcpu.cpu.watch(False)

    def _arrive(self, made: int, slow: int) -> None:
        """`made` steps were made."""
        self.position += made
        self._made = self.position
        exits, planted = self._stepper.exits, self._planted
        at_point = self.machine.vcpu.pc in planted.addresses
        if at_point or exits is not None:
            stopped = at_point or bool(self._stepper.note) or bool(self.machine.ended)
            self.marks.note(self.position, exits or (), stopped=stopped)
        self.length = max(self.length, self.position)
        if self.history.walked(self.position, made, slow):
            points = planted.points
            planted.lift()
            self.history.arrived(self.position)
            planted.arm(points)

    # --- the future is forgotten -------------------------------------------------------------------------------------

    def _settle(self, points: Points) -> int:
        """Before a new step: if it is not as known, forget the future. For how many steps `points` is settled."""
        known, end = self._planted_when.at(self.position)
        if self.position < self.length and known == points:
            return min(end, self.length) - self.position
        self._forget_future()
        self._planted_when.set(self.position, points)
        return FAR

    def _forget_future(self) -> None:
        self.history.forget_after(self.position)
        self._planted_when.forget_after(self.position)
        self.marks.forget_after(self.position)
        if self.length > self.position:
            self.length = self.position
            self._records = {n: r for n, r in self._records.items() if n <= self.position}

    def input(self, act: Input) -> None:
        """Something from outside, here and now."""
        self.history.add_input(self.position, act)
        self._forget_future()
        self._stepper.look()

    # --- known steps -------------------------------------------------------------------------------------------------

    def travel(self, number: int) -> None:
        """Be at step `number`, silently."""
        if number < self.position or self.history.nearest(number) > self.position:
            self._jump(number)
        while self.position < number:
            points, end = self._planted_when.at(self.position)
            self._planted.arm(points)
            try:
                self._replay(min(number, end))
            except BaseException:
                self._jump(self.position)
                raise
            finally:
                self._planted.lift()

    def arrive_at(self, number: int) -> None:
        """Be at step `number`, and have the record of what led there."""
        self._check(number)
        if number == 0 or number in self._records:
            self.travel(number)
        elif number != self.position:
            self.travel(number - 1)
            self._replay_watched()

    def passing(self, first: int, last: int) -> Iterator[int]:
        """Replay the steps after `first` up to `last`; yields each position."""
        self.travel(first)
        while self.position < last:
            self.travel(self.position + 1)
            yield self.position

    def _replay(self, end: int) -> None:
        """The known steps up to `end`, whatever happens in them, with what is planted."""
        planted = self._planted.points is not NOTHING
        while self.position < end:
            if self.paused or planted:
                self._one()
            else:
                self._plain(end - self.position)

    def _replay_watched(self) -> None:
        """The next known step, and its record."""
        self._planted.arm(self._planted_when.at(self.position)[0])
        try:
            self._watched_step()
        finally:
            self._planted.lift()

    def _jump(self, number: int) -> None:
        """Be at the last checkpoint at or before step `number`."""
        self.position = self.history.back_to(number)
        self._stepper.jumped()
        self._made = 0

    def _recover(self) -> None:
        """Something broke off a step halfway: stand at `position` again."""
        here, machine = self.position, self.machine
        self._planted.lift()
        machine.log.events.clear()
        machine.vcpu.cpu.watch(False)
        self._jump(here)
        self.travel(here)

    # --- what is known of a step -------------------------------------------------------------------------------------

    @property
    def paused(self) -> int:
        """The class of the debug exception that the guest stands in front of, 0 if there is none."""
        return self._stepper.paused

    @property
    def met_watchpoint(self) -> bool:
        """The step just made ended at a watchpoint, or made a watched access."""
        return self._stepper.note is not None and self._stepper.note[0] == "watchpoint"

    def stop(self) -> Stop:
        """The stop at `position`."""
        if not self.position or self.position != self._made:
            return self.record(self.position).stop
        machine, exits = self.machine, self._stepper.exits
        if exits is None:
            hsr = machine.vcpu.kvm_run.debug.hsr
            exits = [ExitRecord("DEBUG", machine.vcpu.pc, f"hsr {hsr:#x}", hsr)]
        points, _ = self._planted_when.at(self.position - 1)
        at_breakpoint = machine.vcpu.pc in points.addresses
        note = self._stepper.note
        return make_stop(self.position, machine, exits, at_breakpoint=at_breakpoint, note=note)

    def record(self, number: int) -> StepRecord:
        """All about step `number` (0 to `length`); HistoryError for any other."""
        return self.records(number, number)[0]

    def records(self, first: int, last: int) -> list[StepRecord]:
        """All about steps `first` to `last`; what is no longer kept is replayed in one go."""
        missing = [n for n in range(max(first, 1), last + 1) if n not in self._records]
        if missing:
            self._check(missing[0])
            self._check(missing[-1])
            here = self.position
            for number in missing:
                self.travel(number - 1)
                self._replay_watched()
            self.travel(here)
        return [self._records[n] if n else self._start for n in range(first, last + 1)]

    def _keep(self, stop: Stop, before: dict[str, int]) -> None:
        after, log = registers(self.machine), self.machine.log
        changes = {n: (old, after[n]) for n, old in before.items() if old != after[n]}
        self._records[stop.number] = StepRecord(stop, tuple(log.events), changes)
        log.events.clear()
        if len(self._records) > KEPT_RECORDS:
            del self._records[next(iter(self._records))]

    def _check(self, number: int) -> None:
        if not 0 <= number <= self.length:
            raise HistoryError(
                f"there is no step {number}: the history goes from 0 to {self.length}"
            )
