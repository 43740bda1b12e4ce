"""A machine on its track: every known move again, and what is known of each position.

Invariant: the machine stands at `position`, with nothing of the debugger's in it between two calls; the positions up to
`length` can be reached again exactly, with what was planted at the time.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.debug.free_run import Look
from aarch64sim.debug.history import History
from aarch64sim.debug.landmarks import Landmarks
from aarch64sim.debug.moves import Move, Moves
from aarch64sim.debug.numbers import number_of
from aarch64sim.debug.planted import Planted
from aarch64sim.debug.points import NOTHING, Points
from aarch64sim.debug.records import Recorder, Records
from aarch64sim.debug.stepper import Stepper
from aarch64sim.debug.stops import HistoryError, StepRecord, Stop, in_a_run, make_stop, start_stop
from aarch64sim.kvm.vcpu_state import GuestDebug
from aarch64sim.vmm.machine import ExitRecord, Machine

TICKS_OF_WORK = 4  # of a run, as much work as one plain step


class Track:
    """A machine and its history. A position is the end of a single step, or an instruction that a run went by.

    `position` says how many led here, `length` how many are known: the position may be anywhere up to there.
    """

    def __init__(self, machine: Machine) -> None:
        machine.vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
        self.machine = machine
        self.position = self.length = 0
        self.marks = Landmarks()
        self.history = History(machine)
        self.planted = Planted(machine)
        self._moves = Moves()
        self._stepper = Stepper(machine, self.planted)
        # The position that `_stepper` reached last; 0: none was made on the way here.
        self._made = 0
        self._passing = False  # somebody looks at the guest while it runs
        self._records = Records(start_stop(machine.vcpu.pc))
        self._recorder = Recorder(machine, self._records)

    # --- moves as they are made, for the first time or again ---------------------------------------------------------

    def _one(self) -> None:
        self._arrive(1, self._stepper.step())

    def _plain(self, count: int) -> None:
        """Up to `count` steps with nothing planted; a step that is not plain ends the row."""
        self._arrive(*self._stepper.plain(min(count, self.history.room(self.position))))

    def _watched_step(self, points: Points) -> None:
        """One step, and its record."""
        self.planted.arm(points)
        try:
            self._recorder.start()
            self._one()
            self._recorder.stopped(self.stop())
        finally:
            self._recorder.end()
            self.planted.lift()

    def _arrive(self, made: int, slow: int) -> None:
        """`made` steps were made."""
        self.position += made
        exits = self._stepper.exits
        at_point = self.machine.vcpu.pc in self.planted.addresses
        if at_point or exits is not None:
            stopped = at_point or bool(self._stepper.note) or bool(self.machine.ended)
            self.marks.note(self.position, exits or (), stopped=stopped)
        self._arrived(made, made + slow * History.SLOW)

    def _arrived(self, made: int, work: int) -> None:
        self._made = self.position
        self.length = max(self.length, self.position)
        if self.history.walked(self.position, made, work):
            points = self.planted.points
            self.planted.lift()
            self.history.arrived(self.position)
            self.planted.arm(points)

    # --- known moves -------------------------------------------------------------------------------------------------

    def travel(self, number: int) -> None:
        """Be at position `number`, silently."""
        inside = self._moves.inside_run(self.position) and number != self.position
        if inside or number < self.position or self.history.nearest(number) > self.position:
            self._jump(number)
        while self.position < number:
            move = self._moves.at(self.position)
            if move.run:
                self._rerun(move, min(number, move.end))
            else:
                self._replay(move, min(number, self._moves.end(self.position)))

    def each(self, first: int, last: int, look: Callable[[int], None]) -> None:
        """Replay from position `first` to `last`, and `look` at each position after the first."""
        self.travel(first)
        while self.position < last:
            move = self._moves.at(self.position)
            if move.run:
                self._rerun(move, min(last, move.end), look)
            else:
                self.travel(self.position + 1)
                look(self.position)

    def _rerun(
        self, move: Move, to: int, look: Callable[[int], None] | None = None, first_look: int = 0
    ) -> None:
        """The known run from its start up to position `to`; `look` is told each position there, `to` last."""
        natural, most = to == move.end, to - move.start

        def at(tick: int) -> bool:
            if look is not None and tick < most:
                look(move.start + tick)
            return False

        most_again, exits = (move.most, move.exits) if natural else (most, 0)
        watched: Look | None = None if look is None else at
        self.planted.arm(move.points, run=True)
        try:
            self._stepper.run(most_again, exits=exits, look=watched, first_look=first_look)
            self.position = self._made = to
            if natural:
                self._arrived(most, most // TICKS_OF_WORK)
            if look is not None:
                look(to)
        except BaseException:
            self._jump(move.start)
            raise
        finally:
            self.planted.lift()

    def _replay(self, move: Move, end: int) -> None:
        """The known steps up to `end`, whatever happens in them, with what was planted."""
        self.planted.arm(move.points)
        planted = self.planted.points is not NOTHING
        try:
            while self.position < end:
                if self.paused or planted:
                    self._one()
                else:
                    self._plain(end - self.position)
        except BaseException:
            self._jump(self.position)
            raise
        finally:
            self.planted.lift()

    def arrive_at(self, number: int) -> None:
        """Be at position `number`, and have the record of what led there."""
        number_of("step", number, self.length)
        if number in self._records:
            self.travel(number)
        elif number != self.position:
            self._record_up_to(number, number)

    def _record_up_to(self, first: int, last: int) -> int:
        """Replay and make records from position `first` on, up to `last` or the end of that move; where it ended."""
        move = self._moves.before(first)
        if not move.run:
            self.travel(first - 1)
            self._watched_step(move.points)
            return first
        to, recorder = min(last, move.end), self._recorder

        def look(position: int) -> None:
            if recorder.watching and position == move.end:
                recorder.stopped(self.stop())
            elif recorder.watching:
                recorder.passed(position)
            elif position >= first - 1:
                recorder.start()

        if self.position != move.start:
            self._jump(move.start)
            self.travel(move.start)
        try:
            look(move.start)
            self._rerun(move, to, look, max(1, first - 1 - move.start))
        finally:
            recorder.end()
        return to

    def _jump(self, number: int) -> None:
        """Be at the last checkpoint at or before position `number`."""
        self.position = self.history.back_to(number)
        self._stepper.jumped()
        self._made = 0

    # --- what is known of a position ---------------------------------------------------------------------------------

    @property
    def paused(self) -> int:
        """The class of the debug exception that the guest stands in front of, 0 if there is none."""
        return self._stepper.paused

    @property
    def exclusives(self) -> int:
        """How many load-exclusives were stepped."""
        return self._stepper.exclusives

    @property
    def met_watchpoint(self) -> bool:
        """The move just made ended at a watchpoint, or made a watched access."""
        return self._stepper.note is not None and self._stepper.note[0] == "watchpoint"

    def inside_run(self, number: int) -> bool:
        """Position `number` is an instruction that a run went by."""
        return number > 0 and self._moves.inside_run(number)

    def was_told(self, stop: Stop) -> bool:
        """The guest stopped there: a run, or the step with which it begins, did not just go on."""
        move = self._moves.before(stop.number)
        return stop.reason not in ("run", "step") or not (move.run or move.past)

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes of guest memory, without anything of the debugger's in it; OSError (EFAULT) outside."""
        return self.planted.original(address, self.machine.vm.read_memory(address, size))

    def stop(self) -> Stop:
        """The stop at `position`."""
        if self._passing:
            return Stop(self.position, self.machine.vcpu.pc, "run", in_a_run(self.machine.vcpu.pc))
        if not self.position or self.position != self._made:
            return self.record(self.position).stop
        machine, exits, move = self.machine, self._stepper.exits, self._moves.before(self.position)
        if exits is None:
            hsr = machine.vcpu.kvm_run.debug.hsr
            exits = [ExitRecord("DEBUG", machine.vcpu.pc, f"hsr {hsr:#x}", hsr)]
        at_breakpoint = machine.vcpu.pc in move.points.addresses
        note = self._stepper.note
        return make_stop(
            self.position, machine, exits, at_breakpoint=at_breakpoint, note=note, run=move.run
        )

    def record(self, number: int) -> StepRecord:
        """All about position `number` (0 to `length`); HistoryError for any other."""
        return self.records(number, number)[0]

    def records(self, first: int, last: int) -> list[StepRecord]:
        """All about positions `first` to `last`; what is no longer kept is replayed in one go."""
        missing = [n for n in range(first, last + 1) if n not in self._records]
        if missing:
            if self._passing:
                raise HistoryError("the guest runs: what has happened can be asked when it stands")
            for number in (missing[0], missing[-1]):
                number_of("step", number, self.length)
            here, done = self.position, 0
            for number in missing:
                if number > done:
                    done = self._record_up_to(number, missing[-1])
            self.travel(here)
        return [self._records[n] for n in range(first, last + 1)]
