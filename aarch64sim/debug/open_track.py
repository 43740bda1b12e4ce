"""New moves at the end of a track: steps, rows of steps, runs, and what comes from outside.

Invariant: a move that is not as it is known forgets the future; one that breaks off halfway changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aarch64sim.arch.syndrome import EC
from aarch64sim.debug.free_run import FreeRun, OnExit
from aarch64sim.debug.history import FAR, History, Input
from aarch64sim.debug.moves import Move
from aarch64sim.debug.points import NOTHING, Points
from aarch64sim.debug.track import TICKS_OF_WORK, Track
from aarch64sim.vmm.machine import ExitRecord

SLICE = 2_500  # ticks of a run between two places from which it can be replayed


class OpenTrack(Track):
    """A track that goes on."""

    # --- new single steps --------------------------------------------------------------------------------------------

    def step(self, points: Points) -> None:
        """One new step with `points` set, and its record; none if the guest has ended."""
        if self.machine.ended:
            return
        self._settle(points)
        try:
            self._watched_step(points)
        except BaseException:
            self._recover()
            raise

    def go(
        self,
        count: int,
        points: Points,
        until: Callable[[], bool] | None = None,
        *,
        finish: bool = True,
        past: bool = False,
    ) -> bool:
        """Up to `count` new steps with `points` set, to the first that is a reason to stop or for which `until` holds.

        With `finish` a stop in front of a watched access is followed by the step that makes it. False if `count` ran
        out.
        """
        most = FAR
        while count > 0 and not self.machine.ended:
            first = self.position
            room = min(count, self._settle(points, past=past), most)
            self.planted.arm(points)
            try:
                if self._row(room, until):
                    if finish:
                        self._make_watched_access(points)
                    return True
            except BaseException as error:
                self._recover()
                if room == 1 or not isinstance(error, Exception):
                    raise
                most = 1  # a device of the caller's failed: go up to that step again, and let it fail there
            finally:
                self.planted.lift()
            count -= self.position - first
        return bool(self.machine.ended)

    def _make_watched_access(self, points: Points) -> None:
        if self.paused == EC.WATCHPOINT:
            self._settle(points)
            self.planted.arm(points)
            self._one()

    def _row(self, count: int, until: Callable[[], bool] | None = None) -> bool:
        """Up to `count` steps with what is planted; whether there was a reason to stop."""
        end = self.position + count
        planted = self.planted.points is not NOTHING
        while self.position < end and not self.machine.ended:
            if self.paused or planted:
                self._one()
            else:
                self._plain(end - self.position if until is None else 1)
            if self._at_a_point() or (until is not None and until()):
                return True
        return bool(self.machine.ended)

    def _at_a_point(self) -> bool:
        """There is a reason to stop."""
        in_front = self.machine.vcpu.pc in self.planted.addresses
        return bool(self.paused or self._stepper.note or in_front)

    # --- new runs ----------------------------------------------------------------------------------------------------

    def run(
        self,
        count: int,
        points: Points,
        *,
        until: Callable[[], bool] | None = None,
        leave: OnExit | None = None,
        finish: bool = True,
    ) -> bool:
        """Run freely for up to `count` ticks, to the first reason to stop; False if there was none.

        `until` is asked after each tick, `leave` at each return of KVM_RUN. What stands right here is stepped over.
        """
        while count > 0 and not self.machine.ended:
            first = self.position
            if self.paused or self.machine.vcpu.pc in points.addresses:
                stopped = self.go(
                    1, points, partial(self._passed, until, leave), finish=False, past=True
                )
            else:
                stopped = self._run(min(count, SLICE), points, until, leave)
            if stopped:
                if finish and self.paused == EC.WATCHPOINT:
                    self.go(1, points)
                return True
            count -= self.position - first
        return bool(self.machine.ended)

    def _passed(self, until: Callable[[], bool] | None, leave: OnExit | None) -> bool:
        """Whether the step past what stood in front is a reason to end a run."""
        left = leave is not None and any(map(leave, self._stepper.exits or ()))
        return left or (until is not None and until())

    def _run(
        self, most: int, points: Points, until: Callable[[], bool] | None, leave: OnExit | None
    ) -> bool:
        """A run without anything in front; whether there was a reason to stop."""
        self._forget_future()
        start, left_at = self.position, 0
        returns: list[ExitRecord] = []

        def look(tick: int) -> bool:
            self.position, self._passing = start + tick, True
            return until is not None and until()

        def on_exit(exit_: ExitRecord) -> bool:
            nonlocal left_at
            returns.append(exit_)
            if self._stepper.note or (leave is not None and leave(exit_)):
                left_at = len(returns)
            return bool(left_at)

        self.planted.arm(points, run=True)
        try:
            run = self._stepper.run(most, leave=on_exit, look=look if until else None)
            self._passing = False
            self.position = start + run.positions
            most = run.ticks if run.stopped else most
            self._moves.add(
                Move(start, points, run=True, end=self.position, most=most, exits=left_at)
            )
            stopped = bool(run.stopped or left_at or self._at_a_point())
            self._landmarks(start, run, stopped=stopped)
            self._arrived(run.positions, run.ticks // TICKS_OF_WORK + len(returns) * History.SLOW)
        except BaseException as error:
            self.position, self._passing = start, False
            self._after_failure(start, points, error)
            raise
        finally:
            self.planted.lift()
        return stopped

    def _landmarks(self, start: int, run: FreeRun, *, stopped: bool) -> None:
        for tick in run.accesses:
            self.marks.note_access(start + tick)
        if stopped or self.machine.ended:
            self.marks.note(self.position, (), stopped=True)

    def _after_failure(self, start: int, points: Points, error: BaseException) -> None:
        """A device of the caller's failed in a run: stand right before that access."""
        run = self._stepper.last_run
        ticks = run.ticks if run and isinstance(error, Exception) else 0
        self._recover()
        for most in (ticks, ticks - 1):
            if most > 0 and self.position == start:
                self.planted.arm(points, run=True)
                try:
                    self._stepper.run(most)
                except Exception:  # noqa: BLE001  # this one leads into the failure, too
                    self._recover()
                else:
                    self.position += most
                    self._moves.add(Move(start, points, run=True, end=self.position, most=most))
                    self._arrived(most, most)

    # --- the future is forgotten -------------------------------------------------------------------------------------

    def _settle(self, points: Points, *, past: bool = False) -> int:
        """Before new steps: if they are not as known, forget the future. For how many steps `points` is settled."""
        move = Move(self.position, points, past=past)
        if self.position < self.length and move.like(self._moves.at(self.position)):
            return min(self._moves.end(self.position), self.length) - self.position
        self._forget_future()
        self._moves.add(move)
        return FAR

    def _forget_future(self) -> None:
        self.history.forget_after(self.position)
        self._moves.forget_after(self.position)
        self.marks.forget_after(self.position)
        if self.length > self.position:
            self.length = self.position
            self._records.forget_after(self.position)

    def input(self, act: Input) -> None:
        """Something from outside, here and now."""
        self.history.add_input(self.position, act)
        self._forget_future()
        self._stepper.look()

    def _recover(self) -> None:
        """Something broke off a move halfway: stand at `position` again."""
        here = self.position
        self.planted.lift()
        self._recorder.end()
        self._jump(here)
        self.travel(here)
