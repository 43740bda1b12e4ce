"""A kernel of ours, asked as a real one is: operation by operation, as recordings hold them.

Invariant: `perform` answers an operation with the event that a recording of it would hold; it knows no scenario and no
kernel by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from aarch64sim.arch.cpu import QEMU, Choices
from aarch64sim.arch.syndrome import EC, exception_class
from aarch64sim.events import EventLog
from aarch64sim.evidence.recording import LINUX_ERRNO, POISON, linux_errno
from aarch64sim.kvm.kernels import Kernel
from aarch64sim.kvm.run_page import ExitReason, KvmRun
from aarch64sim.kvm.vcpu import Vcpu
from aarch64sim.kvm.vm import VM
from aarch64sim.kvm.vm_state import Host
from aarch64sim.vmm.start import StartState

Event = dict[str, Any]

# In the order in which recordings hold them.
READ_REGISTERS = [
    "pc",
    "pstate",
    "sp_el0",
    "sp_el1",
    "elr_el1",
    "spsr_el1",
    "esr_el1",
    "far_el1",
    "mdscr_el1",
] + [f"x{n}" for n in range(31)]
EINTR = LINUX_ERRNO["EINTR"]
LIMIT = 1_000_000  # instructions that a guest may run in one KVM_RUN


class Target(Protocol):
    """A kernel that can be asked: a real one through the recorder, or a simulated one."""

    def begin(self, program: Iterable[tuple[int, int]]) -> None:
        """A new VM with these words (address, 32 bits) in its memory."""

    def perform(self, operation: Event) -> Event:
        """Do what a recording's event says; the same event with what came back.

        `too_long` is true in it if the guest was stopped because it had run for very long.
        """


class Simulated:
    """The target that is a kernel of ours."""

    def __init__(
        self,
        kernel: Kernel,
        start: StartState,
        host: Host | None = None,
        *,
        choices: Choices = QEMU,
        log: EventLog | None = None,
        limit: int = LIMIT,
    ) -> None:
        self.kernel, self.start, self.host = kernel, start, host
        self.choices, self.log, self.limit = choices, log, limit
        self.failure = ""
        self.begin(())

    def begin(self, program: Iterable[tuple[int, int]]) -> None:
        """A new VM in the start state, with the program in its memory."""
        self.vm = VM(self.kernel, host=self.host, choices=self.choices, log=self.log)
        self.vcpu: Vcpu = self.start.create(self.vm)
        for address, word in program:
            self.vm.write_memory(address, word.to_bytes(4, "little"))
        self.seen: dict[str, int] = {}

    def perform(self, operation: Event) -> Event:
        """Do it; `failure` says in words why a call failed. LookupError for an unknown operation."""
        self.failure = ""
        if operation["op"] == "KVM_RUN":
            return self._run(operation)
        if operation["op"] == "final":
            return self._final(operation)
        action = _ACTIONS[operation["op"]]
        event = {name: value for name, value in operation.items() if name != "errno"}
        try:
            action(self, operation)
        except OSError as error:
            self.failure = error.strerror or str(error)
            event["errno"] = linux_errno(error)
        return event

    def _run(self, operation: Event) -> Event:
        how = {name: 1 for name in ("immediate_exit", "pending_signal") if operation.get(name)}
        number = 0
        try:
            self.vcpu.run(
                immediate_exit=bool(how.get("immediate_exit")),
                pending_signal=bool(how.get("pending_signal")),
                limit=self.limit,
            )
        except OSError as error:
            number = linux_errno(error)
        registers = {name: hex(value) for name, value in self.changed_registers().items()}
        exit_ = describe_exit(self.vcpu.kvm_run)
        event = {"op": "KVM_RUN", **how, "errno": number, **exit_, "registers": registers}
        return event | ({"too_long": True} if number == EINTR and not how else {})

    def _final(self, operation: Event) -> Event:
        memory = {}
        for address, words in operation["memory"].items():
            count = words if isinstance(words, int) else len(words)
            data = self.vm.read_memory(int(address, 16), 8 * count)
            memory[address] = [
                hex(int.from_bytes(data[i : i + 8], "little")) for i in range(0, len(data), 8)
            ]
        x = [hex(self.vcpu.get_one_reg(f"x{n}")) for n in range(31)]
        return {"op": "final", "x": x, "memory": memory}

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


def describe_exit(run: KvmRun) -> Event:
    """The exit as a recording holds it."""
    found: Event = {"exit_reason": run.exit_reason.name}
    if run.exit_reason is ExitReason.MMIO:
        mmio = run.mmio
        found["mmio"] = {
            "phys_addr": hex(mmio.phys_addr),
            "len": mmio.len,
            "is_write": mmio.is_write,
        }
        if mmio.is_write:
            found["mmio"]["data"] = hex(mmio.data)
    elif run.exit_reason is ExitReason.DEBUG:
        found["debug"] = {"hsr": hex(run.debug.hsr)}
        if exception_class(run.debug.hsr) == EC.WATCHPOINT:  # else `far` means nothing
            found["debug"]["far"] = hex(run.debug.far)
    elif run.exit_reason is ExitReason.ARM_NISV:
        nisv = run.arm_nisv
        found["arm_nisv"] = {"esr_iss": hex(nisv.esr_iss), "fault_ipa": hex(nisv.fault_ipa)}
    elif run.exit_reason is ExitReason.SYSTEM_EVENT:
        found["system_event"] = {"type": run.system_event.type}
    return found


def _set_guest_debug(target: Simulated, event: Event) -> None:
    addresses = {
        kind: [int(event[kind], 16)] if isinstance(event[kind], str) else event[kind]
        for kind in ("hwbp", "hwwp")
        if kind in event
    }
    target.vcpu.set_guest_debug(int(event["control"], 16), **addresses)


def _memory_region(target: Simulated, event: Event) -> None:
    base = int(event["guest_phys_addr"], 16)
    readonly = bool(event.get("readonly"))
    target.vm.set_user_memory_region(
        event["slot"], base, int(event["memory_size"], 16), readonly=readonly
    )
    if "first_word" in event:
        target.vm.write_memory(base, int(event["first_word"], 16).to_bytes(8, "little"))


def _irq_line(target: Simulated, event: Event) -> None:
    target.vm.irq_line(event["level"], when_waiting=bool(event.get("during_next_run")))


def _set_data(target: Simulated, event: Event) -> None:
    target.vcpu.kvm_run.mmio.data = int(event["value"], 16)


def _set_exit_reason(target: Simulated, event: Event) -> None:
    target.vcpu.kvm_run.exit_reason = ExitReason[event["value"]]


_ACTIONS: dict[str, Callable[[Simulated, Event], None]] = {
    "KVM_SET_GUEST_DEBUG": _set_guest_debug,
    "KVM_SET_ONE_REG": lambda t, e: t.vcpu.set_one_reg(e["register"], int(e["value"], 16)),
    "KVM_SET_VCPU_EVENTS": lambda t, e: t.vcpu.set_vcpu_events(
        ext_dabt_pending=bool(e["ext_dabt_pending"])
    ),
    "KVM_IRQ_LINE": _irq_line,
    "KVM_ENABLE_CAP": lambda t, e: t.vm.enable_cap(e["cap"]),
    "KVM_IOEVENTFD": lambda t, e: t.vm.ioeventfd(int(e["addr"], 16), e["len"]),
    "KVM_SET_USER_MEMORY_REGION": _memory_region,
    "write_memory": lambda t, e: t.vm.write_memory(
        int(e["address"], 16), int(e["word"], 16).to_bytes(4, "little")
    ),
    "mmio_data": _set_data,
    "set_exit_reason": _set_exit_reason,
    "truncated": lambda t, e: None,
}
OPERATIONS = frozenset({*_ACTIONS, "KVM_RUN", "final"})
