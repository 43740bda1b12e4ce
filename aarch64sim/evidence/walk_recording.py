"""A recording of a real kernel as something to walk along, and its guest as something to step.

Invariant: of a recording only what it holds is said; registers that it never gave are left out.
"""

from __future__ import annotations

from typing import Any

from aarch64sim.arch.cpu import QEMU
from aarch64sim.asm.program import Program, Segment
from aarch64sim.debug.debugger import Debugger
from aarch64sim.debug.guest import GUEST_REGISTERS
from aarch64sim.debug.stops import HistoryError, Stop
from aarch64sim.evidence.recording import POISON, Recording
from aarch64sim.kvm.kernels import Kernel, kernels
from aarch64sim.vmm.devices import Bus
from aarch64sim.vmm.machine import EXIT_BASE, UART_BASE, Machine


class Recorded:
    """The stops of a recording, one after the other: what `Lockstep` needs of a debugger.

    Only recordings of plain stepping can be walked so; ValueError for those whose VMM did more than answer exits.
    """

    _OPERATIONS = frozenset({"KVM_SET_GUEST_DEBUG", "KVM_RUN", "mmio_data", "final", "truncated"})

    def __init__(self, recording: Recording) -> None:
        operations = {event.get("op") for event in recording.events}
        controls = [e["control"] for e in recording.events if e.get("op") == "KVM_SET_GUEST_DEBUG"]
        if (
            operations - self._OPERATIONS
            or controls != ["0x3"]
            or recording.events[0]["op"] == "KVM_RUN"
        ):
            raise ValueError(f"{recording} is no recording of plain stepping: replay it instead")
        self.recording = recording
        self.position = 0
        self.ended = ""
        registers = dict.fromkeys((f"x{n}" for n in range(31)), 0) | recording.start.registers
        start = Stop(0, registers["pc"], "start", "recorded")
        self._stops = [(start, {n: v for n, v in registers.items() if v != POISON})]
        for event in recording.events:
            if event["op"] == "KVM_RUN":
                registers |= {n: int(v, 16) for n, v in event["registers"].items()}
                reason = event.get("exit_reason", "") if not event["errno"] else "errno"
                if reason == "DEBUG":
                    stop = Stop(
                        len(self._stops),
                        registers["pc"],
                        "step",
                        "recorded",
                        int(event["debug"]["hsr"], 16),
                    )
                    self._stops.append((stop, dict(registers)))

    @property
    def length(self) -> int:
        """How many stops there are after the start."""
        return len(self._stops) - 1

    @property
    def last(self) -> Stop:
        """The stop at `position`."""
        return self._stops[self.position][0]

    @property
    def registers(self) -> dict[str, int]:
        """What the recording holds of the registers there."""
        known = self._stops[self.position][1]
        known["sp"] = known["sp_el1" if known["pstate"] & 1 else "sp_el0"]
        return {name: value for name, value in known.items() if name in GUEST_REGISTERS}

    def forward(self) -> None:
        """To the next stop; at the last one the recording has ended."""
        self.position += 1
        if self.position == self.length:
            self.ended = "the recording ends"

    def goto(self, number: int) -> Stop:
        """Go to stop `number`; HistoryError if there is none."""
        if not 0 <= number <= self.length:
            raise HistoryError(f"the recording has stops 0 to {self.length}, not {number}")
        self.position = number
        self.ended = "the recording ends" if number == self.length else ""
        return self.last


def program_of(recording: Recording) -> Program:
    """The recorded guest as a program; its source is the listing that came with it."""
    words = sorted(recording.program, key=lambda i: i.address)
    return Program(
        "\n".join(i.text for i in words),
        words[0].address,
        tuple(Segment(i.address, i.word.to_bytes(4, "little")) for i in words),
        recording.start.registers["pc"],
        {},
        {i.address: line for line, i in enumerate(words, 1)},
    )


class _Script:
    """Answers loads as the recorded VMM did, whatever their address; where it gave none, the buffer keeps its value."""

    name = "recorded"

    def __init__(self, size: int, machine: Machine, answers: list[int | None]) -> None:
        self.size = size
        self._machine = machine
        self._answers = answers
        self._given = [0]

    def at(self, size: int) -> _Script:
        """The same script in another place."""
        other = _Script(size, self._machine, self._answers)
        other._given = self._given
        return other

    def read(self, offset: int, length: int) -> int:
        index = self._given[0]
        self._given[0] += 1
        answer = self._answers[index] if index < len(self._answers) else None
        return self._machine.vcpu.kvm_run.mmio.data if answer is None else answer

    def write(self, offset: int, length: int, value: int) -> None:
        if offset == UART_BASE:
            self._machine.uart.write(0, length, value)

    def save(self) -> Any:
        return self._given[0], self._machine.uart.save()

    def restore(self, state: Any) -> None:
        self._given[0], uart = state
        self._machine.uart.restore(uart)


def debugger_for(recording: Recording, kernel: Kernel | str | None = None) -> Debugger:
    """A debugger of the recorded guest, with a userspace that answers as the recorded one did."""
    answers: list[int | None] = []
    for event in recording.events:
        if event["op"] == "mmio_data" and answers:
            answers[-1] = int(event["value"], 16)
        elif event.get("exit_reason") == "MMIO" and not event["mmio"]["is_write"]:
            answers.append(None)

    def answer_as_recorded(machine: Machine) -> None:
        script = _Script(EXIT_BASE, machine, answers)
        machine.bus = Bus()
        machine.bus.add(0, script)
        machine.bus.add(EXIT_BASE, machine.exit_device)
        behind = EXIT_BASE + machine.exit_device.size
        machine.bus.add(behind, script.at((1 << 64) - behind))

    return Debugger(
        program_of(recording),
        kernels[recording.kernel] if kernel is None else kernel,
        start=recording.start,
        host=recording.host,
        choices=QEMU,
        patch=answer_as_recorded,
    )
