"""Many steps, and every known step again.

Invariant: the machine stands at `position`, with nothing of the debugger's in it between two calls; the steps up to
`length` can be lived through again exactly, with what was planted at the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aarch64sim.arch.syndrome import EC
from aarch64sim.debug import special
from aarch64sim.debug.course import Course
from aarch64sim.debug.plans import FAR
from aarch64sim.debug.points import NOTHING, Points, Watchpoint
from aarch64sim.debug.stops import HistoryError, StepRecord, Stop
from aarch64sim.vmm.machine import Machine


class Stepper(Course):
    """New steps up to a reason to stop, known ones again, inputs from outside."""

    # --- many steps --------------------------------------------------------------------------------------------------

    def _go(
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
            self._gear.arm(points)
            try:
                if self._stretch(room, until):
                    if finish and self._paused == EC.WATCHPOINT:
                        self._settle(points)
                        self._gear.arm(points)
                        self._advance(watching=False)
                    return True
            except BaseException as error:
                self._recover()
                if room == 1 or not isinstance(error, Exception):
                    raise
                most = 1  # a device of the caller's failed: go up to that step again, and let it fail there
            finally:
                self._gear.lift()
            count -= self.position - first
        return bool(self.machine.ended)

    def _stretch(self, count: int, until: Callable[[], bool] | None = None) -> bool:
        """Up to `count` steps with what is armed; whether there was a reason to stop."""
        end = self.position + count
        armed = self._gear.points is not NOTHING
        while self.position < end and not self.machine.ended:
            if self._paused or armed:
                self._advance(watching=False)
            else:
                self._plain(end - self.position if until is None else 1)
            if (
                self._paused
                or self._note
                or (armed and self.machine.vcpu.pc in self._gear.addresses)
            ):
                return True
            if until is not None and until():
                return True
        return bool(self.machine.ended)

    def _step_once(self) -> None:
        """One new step, watched; none if the guest has ended."""
        if not self.machine.ended:
            self._settle(self.points)
            self._gear.arm(self.points)
            try:
                self._advance(watching=True)
            except BaseException:
                self._recover()
                raise
            finally:
                self._gear.lift()

    # --- what is planted when ----------------------------------------------------------------------------------------

    def _settle(self, points: Points) -> int:
        """Before a new step: if it is not as known, forget the future. For how many steps `points` is settled."""
        planned, end = self._plans.at(self.position)
        if self.position < self.length and planned == points:
            return min(end, self.length) - self.position
        self._forget_future()
        self._plans.set(self.position, points)
        return FAR

    def _forget_future(self) -> None:
        self._history.forget_after(self.position)
        self._plans.forget_after(self.position)
        self.marks.forget_after(self.position)
        if self.length > self.position:
            self.length = self.position
            self._records = {n: r for n, r in self._records.items() if n <= self.position}

    def _input(self, act: Callable[[Machine], None]) -> None:
        """Something from outside, here and now."""
        self._history.add_input(self.position, act)
        self._forget_future()

    # --- travelling and records --------------------------------------------------------------------------------------

    def travel(self, number: int) -> None:
        """Be at step `number`, silently."""
        if number < self.position or self._history.nearest(number) > self.position:
            self._jump(number)
        while self.position < number:
            points, end = self._plans.at(self.position)
            self._gear.arm(points)
            try:
                self._replay(min(number, end) - self.position)
            except BaseException:
                self._jump(self.position)
                raise
            finally:
                self._gear.lift()

    def _jump(self, number: int) -> None:
        """Be at the last checkpoint at or before step `number`."""
        self.position = self._history.back_to(number)
        self._pause()
        self._made, self._exits, self._note = 0, None, None

    def _recover(self) -> None:
        """Something broke off a step in its middle: stand at `position` again."""
        here, machine = self.position, self.machine
        self._gear.lift()
        machine.log.events.clear()
        machine.vcpu.cpu.watch(False)
        self._jump(here)
        self.travel(here)

    def _relive(self) -> None:
        """The next known step again, and keep its record."""
        self._gear.arm(self._plans.at(self.position)[0])
        try:
            self._advance(watching=True)
        finally:
            self._gear.lift()

    def passing(self, first: int, last: int) -> Iterator[int]:
        """Live through the known steps after `first` up to `last` again; yields each position."""
        self.travel(first)
        while self.position < last:
            self._gear.arm(self._plans.at(self.position)[0])
            try:
                self._replay(1)
            finally:
                self._gear.lift()
            yield self.position

    def checkpoint_before(self, number: int) -> int:
        """The step number of the last checkpoint before step `number`, which is at least 1."""
        return self._history.nearest(number - 1)

    def may_have_written(self, page: int, first: int, last: int) -> bool:
        """Whether page number `page` may have changed between checkpoint `first` and `last`, at most the next one."""
        return self._history.written_between(page, first, last)

    @property
    def met_watchpoint(self) -> bool:
        """The step just made ended at a watchpoint, or made a watched access."""
        return self._note is not None and self._note[0] == "watchpoint"

    @property
    def watchpoint_in_front(self) -> Watchpoint | None:
        """The watchpoint on the access that the guest is about to make, if it stands in front of one."""
        if self._paused != EC.WATCHPOINT:
            return None
        return special.hit(self.machine, self.points)[0]

    def record(self, number: int) -> StepRecord:
        """All about step `number` (0 to `length`); lived through again if it is no longer kept."""
        if number == 0:
            text = f"The guest has not run yet; PC is {self._entry:#x}."
            return StepRecord(Stop(0, self._entry, "start", text), (), {})
        if number not in self._records:
            self._check_step(number)
            here = self.position
            self.travel(number - 1)
            self._relive()
            self.travel(here)
        return self._records[number]

    def records(self, first: int, last: int) -> list[StepRecord]:
        """All about steps `first` (at least 1) to `last`; what is no longer kept is lived through again in one go."""
        missing = [n for n in range(first, last + 1) if n not in self._records]
        if missing:
            here = self.position
            for number in missing:
                self.travel(number - 1)
                self._relive()
            self.travel(here)
        return [self.record(number) for number in range(first, last + 1)]

    def _check_step(self, number: int) -> None:
        if not 0 <= number <= self.length:
            raise HistoryError(
                f"there is no step {number}: the history goes from 0 to {self.length}"
            )
