"""Replay a recording of a real kernel against the simulator, and say the first difference.

Invariant: a replay does what the recorded VMM did and compares everything that the recording holds; it knows no
scenario and no kernel by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aarch64sim.arch.cpu import QEMU
from aarch64sim.events import EventLog
from aarch64sim.evidence.recording import POISON, Recording, linux_errno
from aarch64sim.kvm.kernels import Kernel, UnknownKernelError, kernels
from aarch64sim.kvm.run_page import ExitReason, KvmRun
from aarch64sim.kvm.vcpu import Vcpu
from aarch64sim.kvm.vm import VM

READ_REGISTERS = (
    ["pc", "pstate", "sp_el0", "sp_el1", "elr_el1", "spsr_el1", "mdscr_el1"]
    + [f"x{n}" for n in range(31)]
    + ["esr_el1", "far_el1"]
)


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

    @property
    def agrees(self) -> bool:
        """Every exit, register and errno was the same."""
        return not self.difference and not self.unreplayable


class Unreplayable(Exception):
    """The recording asks for something that the replay does not know."""


class Replay:
    """One recording against one kernel of ours: a VMM that does what the recorded one did."""

    def __init__(self, recording: Recording, kernel: Kernel, log: EventLog | None = None) -> None:
        self.recording = recording
        self.vm = VM(kernel, host=recording.host, choices=QEMU, log=log)
        self.vcpu: Vcpu = recording.start.create(self.vm)
        for instruction in recording.program:
            self.vm.write_memory(instruction.address, instruction.word.to_bytes(4, "little"))
        self.seen: dict[str, int] = {}

    def run(self) -> Iterator[tuple[int, dict[str, Any], Difference | None]]:
        """Do event after event; yields number, event and the difference, if any. Raises Unreplayable."""
        for number, event in enumerate(self.recording.events):
            op = event.get("op") if isinstance(event, dict) else None
            if not isinstance(op, str) or op not in _ACTIONS:
                raise Unreplayable(f"event {number}: the operation {op!r} is not known")
            try:
                found = _ACTIONS[op](self, event)
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                raise Unreplayable(f"event {number}: {op} is not readable: {error}") from None
            yield number, event, self._difference(number, found) if found else None

    def _difference(self, number: int, found: tuple[str, Any, Any]) -> Difference:
        what, recorded, simulated = found
        pc = self.vcpu.pc
        context = tuple(
            f"{'->' if i.address == pc else '  '} {i.address:#x}  {i.text}"
            for i in self.recording.program
            if abs(i.address - pc) <= 8
        )
        return Difference(number, what, recorded, simulated, context)

    def registers(self) -> dict[str, int]:
        """What GET_ONE_REG gives for each register that recordings hold."""
        return {name: self.vcpu.get_one_reg(name) for name in READ_REGISTERS}

    def changed_registers(self) -> dict[str, int]:
        """What a recording would hold of the registers at this stop."""
        now = self.registers()
        if not self.seen:
            changed = {n: v for n, v in now.items() if v or not n.startswith("x")}
        else:
            changed = {n: v for n, v in now.items() if v != self.seen[n]}
        self.seen = now
        return {n: v for n, v in changed.items() if n.startswith("x") or v != POISON}


Found = tuple[str, Any, Any] | None


def _run(replay: Replay, event: dict[str, Any]) -> Found:
    vcpu, number = replay.vcpu, 0
    try:
        vcpu.run(
            immediate_exit=bool(event.get("immediate_exit")),
            pending_signal=bool(event.get("pending_signal")),
            limit=1_000_000,
        )
    except OSError as error:
        number = linux_errno(error)
    if number != event["errno"]:
        return "errno", event["errno"], number
    found = describe_exit(vcpu.kvm_run)
    for key in ("exit_reason", "mmio", "debug", "arm_nisv", "system_event"):
        recorded = event.get(key)
        if isinstance(recorded, dict):
            simulated = found.get(key) or {}
            for name, value in recorded.items():
                ours = simulated.get(name)
                if _number(value) != ours:
                    return f"{key}.{name}", value, _hex(ours)
        elif recorded is not None and recorded != found.get(key):
            return key, f"{recorded} ({event})", f"{found} at {vcpu.pc:#x}"
    registers = {name: int(value, 16) for name, value in event["registers"].items()}
    changed = replay.changed_registers()
    if registers != changed:
        names = [n for n in READ_REGISTERS if registers.get(n) != changed.get(n)]
        return (
            "registers",
            {n: _hex(registers.get(n, "unchanged")) for n in names},
            {n: _hex(changed.get(n, "unchanged")) for n in names},
        )
    return None


def describe_exit(run: KvmRun) -> dict[str, Any]:
    """The exit as a recording would hold it, numbers as numbers."""
    found: dict[str, Any] = {"exit_reason": run.exit_reason.name}
    if run.exit_reason is ExitReason.MMIO:
        mmio = run.mmio
        found["mmio"] = {"phys_addr": mmio.phys_addr, "len": mmio.len, "is_write": mmio.is_write}
        found["mmio"]["data"] = mmio.data
    elif run.exit_reason is ExitReason.DEBUG:
        found["debug"] = {"hsr": run.debug.hsr, "far": run.debug.far}
    elif run.exit_reason is ExitReason.ARM_NISV:
        nisv = run.arm_nisv
        found["arm_nisv"] = {"esr_iss": nisv.esr_iss, "fault_ipa": nisv.fault_ipa}
    elif run.exit_reason is ExitReason.SYSTEM_EVENT:
        found["system_event"] = {"type": run.system_event.type}
    return found


def _number(value: Any) -> Any:
    return int(value, 16) if isinstance(value, str) and value.startswith("0x") else value


def _hex(value: Any) -> Any:
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _final(replay: Replay, event: dict[str, Any]) -> Found:
    ours = [hex(replay.vcpu.get_one_reg(f"x{n}")) for n in range(31)]
    if event["x"] != ours:
        wrong = [n for n in range(31) if event["x"][n] != ours[n]]
        return "final x", {n: event["x"][n] for n in wrong}, {n: ours[n] for n in wrong}
    for address, words in event["memory"].items():
        data = replay.vm.read_memory(int(address, 16), 8 * len(words))
        found = [hex(int.from_bytes(data[i : i + 8], "little")) for i in range(0, len(data), 8)]
        if words != found:
            return f"final memory at {address}", words, found
    return None


def _set_guest_debug(replay: Replay, event: dict[str, Any]) -> Found:
    addresses = {
        kind: [int(event[kind], 16)] if isinstance(event[kind], str) else event[kind]
        for kind in ("hwbp", "hwwp")
        if kind in event
    }
    replay.vcpu.set_guest_debug(int(event["control"], 16), **addresses)
    return None


def _memory_region(replay: Replay, event: dict[str, Any]) -> Found:
    base = int(event["guest_phys_addr"], 16)
    readonly = bool(event.get("readonly"))
    replay.vm.set_user_memory_region(
        event["slot"], base, int(event["memory_size"], 16), readonly=readonly
    )
    if "first_word" in event:
        replay.vm.write_memory(base, int(event["first_word"], 16).to_bytes(8, "little"))
    return None


def _irq_line(replay: Replay, event: dict[str, Any]) -> Found:
    replay.vm.irq_line(event["level"], when_waiting=bool(event.get("during_next_run")))
    return None


def _set_data(replay: Replay, event: dict[str, Any]) -> Found:
    replay.vcpu.kvm_run.mmio.data = int(event["value"], 16)
    return None


def _set_exit_reason(replay: Replay, event: dict[str, Any]) -> Found:
    replay.vcpu.kvm_run.exit_reason = ExitReason[event["value"]]
    return None


_ACTIONS: dict[str, Any] = {
    "KVM_RUN": _run,
    "KVM_SET_GUEST_DEBUG": _set_guest_debug,
    "KVM_SET_ONE_REG": lambda r, e: r.vcpu.set_one_reg(e["register"], int(e["value"], 16)),
    "KVM_SET_VCPU_EVENTS": lambda r, e: r.vcpu.set_vcpu_events(
        ext_dabt_pending=bool(e["ext_dabt_pending"])
    ),
    "KVM_IRQ_LINE": _irq_line,
    "KVM_ENABLE_CAP": lambda r, e: r.vm.enable_cap(e["cap"]),
    "KVM_IOEVENTFD": lambda r, e: r.vm.ioeventfd(int(e["addr"], 16), e["len"]),
    "KVM_SET_USER_MEMORY_REGION": _memory_region,
    "write_memory": lambda r, e: r.vm.write_memory(
        int(e["address"], 16), int(e["word"], 16).to_bytes(4, "little")
    ),
    "mmio_data": _set_data,
    "set_exit_reason": _set_exit_reason,
    "final": _final,
    "truncated": lambda r, e: None,
}


def replay(recording: Recording, kernel: Kernel | None = None) -> Result:
    """Replay one recording on `kernel`, or on the preset that its kernel's name maps to."""
    result = Result(recording, unreplayable=recording.damage)
    try:
        result.kernel = kernel or recording.what_if or kernels[recording.kernel]
        for _, event, difference in Replay(recording, result.kernel).run():
            result.exits += event["op"] == "KVM_RUN"
            if difference:
                result.difference = difference
                break
    except (UnknownKernelError, Unreplayable) as error:
        result.unreplayable = str(error)
    except OSError as error:
        result.unreplayable = error.strerror or str(error)
    return result
