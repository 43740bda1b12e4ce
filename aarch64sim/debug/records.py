"""The records of steps: what happened in each, kept for the last ones that somebody looked at.

Invariant: memory use is bounded: there are at most `KEPT` records, about 2.5 KiB each.
"""

from __future__ import annotations

from aarch64sim.debug.guest import registers
from aarch64sim.debug.stops import StepRecord, Stop, in_a_run
from aarch64sim.events import Event, Lane, What
from aarch64sim.vmm.machine import Machine

KEPT = 5000


class Records:
    """By step number; `start` is that of a guest that has not run yet."""

    def __init__(self, start: Stop) -> None:
        self._start = StepRecord(start, (), {})
        self._kept: dict[int, StepRecord] = {}

    def __contains__(self, number: int) -> bool:
        return number == 0 or number in self._kept

    def __getitem__(self, number: int) -> StepRecord:
        return self._kept[number] if number else self._start

    def add(self, record: StepRecord) -> None:
        """Keep one more, and let the oldest go if there are too many."""
        self._kept[record.stop.number] = record
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def forget_after(self, number: int) -> None:
        """Steps after `number` will not happen as they did."""
        self._kept = {n: record for n, record in self._kept.items() if n <= number}


class Recorder:
    """Watches a machine, and makes a record each time that a step is over."""

    def __init__(self, machine: Machine, records: Records) -> None:
        self._machine, self._records = machine, records
        self._before: dict[str, int] = {}

    @property
    def watching(self) -> bool:
        """Events are written."""
        return self._machine.log.watching

    def start(self) -> None:
        """From here on."""
        self._machine.vcpu.cpu.watch(True)
        self._before = registers(self._machine)

    def stopped(self, stop: Stop) -> None:
        """The machine has stopped: the debugger's word is the last event."""
        machine, state = self._machine, self._machine.vcpu.cpu.step_state()
        machine.log.write(
            Event(Lane.DEBUGGER, What.STOP, stop.pc, state, state, (), stop.text, kind=stop.reason)
        )
        self.keep(stop)

    def passed(self, number: int) -> None:
        """The guest runs, and has come to step `number`."""
        pc = self._machine.vcpu.pc
        self.keep(Stop(number, pc, "run", in_a_run(pc)))

    def keep(self, stop: Stop) -> None:
        """What happened since the last record."""
        after, log = registers(self._machine), self._machine.log
        changes = {n: (old, after[n]) for n, old in self._before.items() if old != after[n]}
        self._records.add(StepRecord(stop, tuple(log.events), changes))
        log.events.clear()
        self._before = after

    def end(self) -> None:
        """Watch no more."""
        self._machine.log.events.clear()
        self._machine.vcpu.cpu.watch(False)
