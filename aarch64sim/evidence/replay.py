"""Replay a recording of a real kernel against the simulator, and say the first difference.

Invariant: a replay does what the recorded VMM did and compares everything that the recording holds; it knows no
scenario and no kernel by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from aarch64sim.arch.choices import ARCHITECTURE, QEMU, Choices
from aarch64sim.events import EventLog
from aarch64sim.evidence.recording import Recording
from aarch64sim.evidence.simulated import OPERATIONS, READ_REGISTERS, Event, Simulated
from aarch64sim.kvm.kernels import Kernel, UnknownKernelError, kernels


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where the simulator does something else than the recorded kernel."""

    event: int
    what: str
    recorded: Any
    simulated: Any
    context: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"event {self.event}: {self.what}: the real kernel {self.recorded}, ours {self.simulated}"
        ]
        return "\n".join(lines + [f"    {line}" for line in self.context])


@dataclass(slots=True)
class Result:
    """What came of one replay: agreement, a difference, or the reason why it could not be replayed."""

    recording: Recording
    kernel: Kernel | None = None
    difference: Difference | None = None
    unreplayable: str = ""
    exits: int = 0
    limit: str = ""
    """Which of `LIMITS` explains the difference, if it was asked (`beyond.judged`) and one does."""

    @property
    def agrees(self) -> bool:
        """Every exit, register and errno was the same."""
        return not self.difference and not self.unreplayable


class Unreplayable(Exception):
    """The recording asks for something that the replay does not know."""


class Replay:
    """One recording against one kernel of ours: a VMM that does what the recorded one did.

    `ours` is the event that the simulated kernel made of the last one.
    """

    def __init__(
        self,
        recording: Recording,
        kernel: Kernel,
        log: EventLog | None = None,
        choices: Choices = QEMU,
    ) -> None:
        self.recording = recording
        self.target = Simulated(kernel, recording.start, recording.host, choices=choices, log=log)
        self.target.begin((i.address, i.word) for i in recording.program)
        self.ours: Event = {}

    def run(self) -> Iterator[tuple[int, Event, Difference | None]]:
        """Do event after event; yields number, event and the difference, if any. Raises Unreplayable."""
        for number, event in enumerate(self.recording.events):
            op = event.get("op") if isinstance(event, dict) else None
            if not isinstance(op, str) or op not in OPERATIONS:
                raise Unreplayable(f"event {number}: the operation {op!r} is not known")
            try:
                self.ours = self.target.perform(event)
                found = _COMPARISONS.get(op, self._compare_call)(event, self.ours)
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                raise Unreplayable(f"event {number}: {op} is not readable: {error}") from None
            yield number, event, self._difference(number, found) if found else None

    def _compare_call(self, event: Event, ours: Event) -> Found:
        recorded, simulated = event.get("errno", 0), ours.get("errno", 0)
        if simulated and not recorded:
            raise Unreplayable(self.target.failure)
        return ("errno", recorded, simulated) if recorded != simulated else None

    def _difference(self, number: int, found: tuple[str, Any, Any]) -> Difference:
        what, recorded, simulated = found
        pc = self.target.vcpu.pc
        context = tuple(
            f"{'->' if i.address == pc else '  '} {i.address:#x}  {i.text}"
            for i in self.recording.program
            if abs(i.address - pc) <= 8
        )
        return Difference(number, what, recorded, simulated, context)


Found = tuple[str, Any, Any] | None


def _compare_run(event: Event, ours: Event) -> Found:
    if event["errno"] != ours["errno"]:
        return "errno", event["errno"], ours["errno"]
    for key in ("exit_reason", "mmio", "debug", "arm_nisv", "system_event"):
        recorded = event.get(key)
        if isinstance(recorded, dict):
            simulated = ours.get(key) or {}
            for name, value in recorded.items():
                if _number(value) != _number(simulated.get(name)):
                    return f"{key}.{name}", value, simulated.get(name)
        elif recorded is not None and recorded != ours.get(key):
            return key, f"{recorded} ({event})", f"{ours[key]} ({ours})"
    recorded, simulated = _numbers(event["registers"]), _numbers(ours["registers"])
    if recorded == simulated:
        return None
    names = [n for n in READ_REGISTERS if recorded.get(n) != simulated.get(n)]
    return (
        "registers",
        {n: event["registers"].get(n, "unchanged") for n in names},
        {n: ours["registers"].get(n, "unchanged") for n in names},
    )


def _compare_final(event: Event, ours: Event) -> Found:
    if event["x"] != ours["x"]:
        wrong = [n for n in range(31) if event["x"][n] != ours["x"][n]]
        return "final x", {n: event["x"][n] for n in wrong}, {n: ours["x"][n] for n in wrong}
    for address, words in event["memory"].items():
        if words != ours["memory"][address]:
            return f"final memory at {address}", words, ours["memory"][address]
    return None


_COMPARISONS = {"KVM_RUN": _compare_run, "final": _compare_final}


def _number(value: Any) -> Any:
    return int(value, 16) if isinstance(value, str) and value.startswith("0x") else value


def _numbers(registers: Event) -> dict[str, int]:
    return {name: int(value, 16) for name, value in registers.items()}


def needed_choices(recording: Recording) -> list[str] | None:
    """The choices of QEMU's without any one of which the recording is not replayed; None if it is not with all."""
    if not replay(recording).agrees:
        return None
    own = [
        f.name for f in fields(Choices) if getattr(QEMU, f.name) != getattr(ARCHITECTURE, f.name)
    ]
    as_manual = {name: replace(QEMU, **{name: getattr(ARCHITECTURE, name)}) for name in own}
    return [name for name in own if not replay(recording, choices=as_manual[name]).agrees]


def replay(recording: Recording, kernel: Kernel | None = None, choices: Choices = QEMU) -> Result:
    """Replay one recording on `kernel`, or on the preset that its name maps to, with a CPU of these choices."""
    result = Result(recording, unreplayable=recording.damage)
    try:
        result.kernel = kernel or recording.what_if or kernels[recording.kernel]
        for _, event, difference in Replay(recording, result.kernel, choices=choices).run():
            result.exits += event["op"] == "KVM_RUN"
            if difference:
                result.difference = difference
                break
    except (UnknownKernelError, Unreplayable) as error:
        result.unreplayable = str(error)
    except OSError as error:
        result.unreplayable = error.strerror or str(error)
    return result
