"""The guest runs free: KVM_RUN without single steps, counted, so that any instruction of it can be reached again.

Invariant: whoever looks in between does not disturb the guest: it runs on as if nobody had, until a signal ends it.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch.exceptions import Taken
from aarch64sim.debug.stops import STEP_LIMIT
from aarch64sim.vmm.machine import ExitRecord, Machine

OnExit = Callable[[ExitRecord], bool]
Look = Callable[[int], bool]


class FreeRun:
    """One run of `machine`, which ends after `most` ticks, if nothing ends it before.

    A tick is an instruction that the CPU completed or the hypervisor emulated, or an exception taken by the guest. At
    the end a signal arrives, as the overflow of a performance counter makes it; rr counts its way through a recording
    like this. `look(tick)` is called after each tick from number `first_look` on, and ends the run by saying True.
    """

    def __init__(
        self, machine: Machine, most: int, look: Look | None = None, *, first_look: int = 0
    ) -> None:
        self._machine, self._most = machine, most
        self._cpu = machine.vcpu.cpu
        self._start = self._cpu.ticks
        self._look, self._first_look = look, first_look
        self._seen = 0  # ticks at the last look
        self._left_at = 0  # ticks when the CPU left the guest for the host
        self._positions = 0
        self.stopped = False  # by `look`
        self.exits: list[ExitRecord] = []  # those of the last tick
        self.accesses: list[int] = []  # the ticks in which userspace was a device

    @property
    def ticks(self) -> int:
        """How many there were."""
        return self._cpu.ticks - self._start

    @property
    def positions(self) -> int:
        """How many positions of a history it made: its ticks, and one for a last instruction that was not completed."""
        return self._positions or max(1, self.ticks)

    def go(self, on_exit: OnExit) -> bool:
        """Run; `on_exit` sees each return of KVM_RUN, and leaves the guest there by saying True. Whether it did."""
        machine, vcpu = self._machine, self._machine.vcpu
        left = False

        def see(exit_: ExitRecord) -> bool:
            nonlocal left
            self._note(exit_)
            left = on_exit(exit_)
            return left

        plain, vcpu.run_cpu = vcpu.run_cpu, self._run_cpu
        try:
            machine.run(STEP_LIMIT, on_exit=see)
        finally:
            vcpu.run_cpu = plain
        signal = self.exits[-1].reason == "EINTR"
        if signal and self._over and not (vcpu.waiting or self._cpu.at_own_vector):
            machine.ended = ""  # the signal was ours: the guest would have gone on
        if left or (machine.ended and not signal):
            self._positions = self._left_at + 1
        return left and not machine.ended

    @property
    def _over(self) -> bool:
        """The signal that ends it is due."""
        return self.stopped or self.ticks >= self._most

    def _note(self, exit_: ExitRecord) -> None:
        tick = self._left_at + 1
        if exit_.reason == "MMIO":
            if self.accesses[-1:] != [tick]:
                self.exits.clear()
            self.accesses.append(tick)
        elif self.accesses[-1:] != [self.ticks]:
            self.exits.clear()
        self.exits.append(exit_)

    def _run_cpu(self, limit: int) -> Taken | None:
        """In place of `Cpu.run`: as far as the next tick to look at, over and over."""
        cpu = self._cpu
        self._show()  # KVM may have completed an instruction by itself
        while limit > 0 and (left := self._most - self.ticks) > 0 and not self.stopped:
            count = min(limit, left, self._until_look())
            taken = cpu.run(count)
            limit -= count
            if taken is not None and taken.target_el >= cpu.host_el:
                self._left_at = self.ticks
                return taken
            self._show()
        return None

    def _until_look(self) -> int:
        return self._most if self._look is None else max(1, self._first_look - self.ticks)

    def _show(self) -> None:
        ticks = self.ticks
        if self._look is not None and ticks > self._seen and ticks >= self._first_look:
            self._seen = ticks
            self.stopped = self._look(ticks)
