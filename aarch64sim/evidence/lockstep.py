"""Two debuggers in lockstep: the first place where two kernels, or a kernel and a recording, part.

Invariant: both stand at the same step number; what differs is what GET_ONE_REG gives there, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from aarch64sim.arch.pstate import SS
from aarch64sim.asm.program import Program
from aarch64sim.debug.debugger import Debugger
from aarch64sim.debug.guest import GUEST_REGISTERS
from aarch64sim.debug.numbers import number_of
from aarch64sim.debug.stops import Stop
from aarch64sim.evidence.recording import Recording
from aarch64sim.evidence.walk_recording import Recorded, debugger_for
from aarch64sim.kvm.kernels import Kernel

LIMIT = 100_000  # steps


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first stop where the two sides differ: the stops of both, and name -> (left, right) for what differs."""

    step: int
    left: Stop
    right: Stop
    registers: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.left.pc != self.right.pc:
            return f"step {self.step}: the left stops at {self.left.pc:#x}, the right at {self.right.pc:#x}"
        if self.registers:
            names = ", ".join(f"{n} {a:#x} / {b:#x}" for n, (a, b) in self.registers.items())
            return f"step {self.step}, both at {self.left.pc:#x}: {names}"
        return f"step {self.step}: {self.left.text} / {self.right.text}"


class Lockstep:
    """Two sides in lockstep: debuggers, or a debugger and a Recording.

    `ignore` names registers that don't count; of PSTATE the SS bit never does, since what GET_ONE_REG shows of it
    differs between releases (34fbdee086cf) and is no difference of the guest's.

    >>> program = "mov x0, #0x41\\nstr w0, [x19]\\nadd x1, x1, #1\\nadd x2, x2, #1\\nstr w20, [x20]"
    >>> print(Lockstep.kernels(program, "v4.3", "fixed").run())
    step 2: the left stops at 0x4000000c, the right at 0x40000008
    """

    def __init__(
        self, left: Debugger, right: Debugger | Recording, *, ignore: Sequence[str] = ()
    ) -> None:
        self.left = left
        self.right: Debugger | Recorded = Recorded(right) if isinstance(right, Recording) else right
        self.ignore = frozenset(ignore)
        if self.left.position != self.right.position:
            raise ValueError(
                f"both sides start at one step number, not at {self.left.position} and {self.right.position}"
            )

    @classmethod
    def kernels(cls, program: Program | str, left: Kernel | str, right: Kernel | str) -> Lockstep:
        """The same guest under two kernels."""
        first = Debugger(program, left)
        return cls(first, Debugger(first.program, right))

    @classmethod
    def recording(cls, recording: Recording, kernel: Kernel | str | None = None) -> Lockstep:
        """A recording of plain stepping, and its guest under `kernel` (or the preset that its own kernel maps to).

        Userspace answers as the recorded one did. ValueError for a recording of more than stepping: replay that.
        """
        return cls(debugger_for(recording, kernel), recording)

    def step(self) -> Divergence | None:
        """One step on both sides; where they part, if they do here."""
        self.left.run_slice(1, by_steps=True)
        if isinstance(self.right, Recorded):
            self.right.forward()
        else:
            self.right.run_slice(1, by_steps=True)
        return self.here()

    def run(self, limit: int = LIMIT) -> Divergence | None:
        """Step both to the first stop that differs; None if they don't part in `limit` steps, or before they end."""
        found = self.here()
        for _ in range(limit):
            if found or (self.left.ended and self.right.ended):
                break
            if isinstance(self.right, Recorded) and self.right.ended:
                break
            found = self.step()
        return found

    def goto(self, number: int) -> Divergence | None:
        """Both to step `number`; HistoryError unless both have been there."""
        number_of("common step", number, min(self.left.length, self.right.length))
        self.left.goto(number)
        self.right.goto(number)
        return self.here()

    def here(self) -> Divergence | None:
        """What differs at this step, if anything does."""
        left, right = self.left, self.right
        differing = self._registers()
        parted = isinstance(right, Debugger) and bool(left.ended) != bool(right.ended)
        if differing or parted:
            return Divergence(left.position, left.last, right.last, differing)
        return None

    def _registers(self) -> dict[str, tuple[int, int]]:
        left, right = self.left, self.right
        if isinstance(right, Debugger):
            mine, theirs = left.machine.vcpu.cpu, right.machine.vcpu.cpu
            if mine.pc == theirs.pc and mine.r[:31] == theirs.r[:31] and not self._look_closely():
                return {}
        ours, others = left.registers, right.registers
        return {
            name: (ours[name], others[name])
            for name in GUEST_REGISTERS
            if name in others
            and name not in self.ignore
            and _value(name, ours) != _value(name, others)
        }

    def _look_closely(self) -> bool:
        """More than PC and X0-X30 may differ."""
        right = self.right
        assert isinstance(right, Debugger)
        return any(
            _value(name, self.left.registers) != _value(name, right.registers)
            for name in GUEST_REGISTERS[31:]
        )

    def __iter__(self) -> Iterator[Divergence]:
        """All stops that differ, from here to where one side ends."""
        while not (self.left.ended or self.right.ended):
            if found := self.step():
                yield found


def _value(name: str, registers: dict[str, int]) -> int:
    return registers[name] & ~SS if name == "pstate" else registers[name]
