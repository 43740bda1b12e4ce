"""Userspace: a machine with devices, and the loop around KVM_RUN that answers its exits (kvmtool's kvm_cpu__start).

Invariant: every return of KVM_RUN is answered before the next call, and gives one `ExitRecord`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aarch64sim.arch.cpu import Choices
from aarch64sim.arch.syndrome import EC, exception_class
from aarch64sim.asm import Program, as_program
from aarch64sim.events import Event, EventLog, Lane, What
from aarch64sim.kvm.kernels import Kernel
from aarch64sim.kvm.run_page import ExitReason, KvmRun
from aarch64sim.kvm.vm import VM
from aarch64sim.kvm.vm_state import Host
from aarch64sim.vmm.devices import Attached, Bus, Counter, Device, ExitDevice, Uart, placed
from aarch64sim.vmm.start import StartState, default_start

# Returns of KVM_RUN in one go: a kernel that never skips an access makes no other end.
EXITS_LIMIT = 10_000
UART_BASE, EXIT_BASE, COUNTER_BASE = 0x0900_0000, 0x0901_0000, 0x0902_0000

_EC_NAMES = {int(ec): ec.name for ec in EC} | {int(EC.UNKNOWN): "UNDEFINED"}
# With one of these a vector has no instruction to begin with.
_NO_HANDLER = (EC.UNKNOWN, EC.INSTRUCTION_ABORT_SAME, EC.PC_ALIGNMENT)


def _exception(syndrome: int) -> str:
    return _EC_NAMES.get(exception_class(syndrome), "an exception")


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """One return of KVM_RUN: reason without KVM_EXIT_ (or the errno's name), PC as GET_ONE_REG gives it, a sentence."""

    reason: str
    pc: int
    text: str
    hsr: int | None = None


class Machine:
    """A guest program, its VM, and the devices UART, exit and counter (and more at addresses of your choice)."""

    def __init__(
        self,
        program: Program | str,
        kernel: Kernel | str,
        *,
        devices: Sequence[tuple[int, Device]] = (),
        uart_input: bytes = b"",
        start: StartState | None = None,
        host: Host | None = None,
        choices: Choices | None = None,
    ) -> None:
        self.log = EventLog()
        self.vm = VM(kernel, host=host, choices=choices, log=self.log)
        self.vcpu = (start or default_start()).create(self.vm)
        self.uart = Uart(uart_input)
        self.exit_device = ExitDevice()
        self.bus = Bus()
        self.bus.add(UART_BASE, self.uart)
        self.bus.add(EXIT_BASE, self.exit_device)
        self.bus.add(COUNTER_BASE, Counter())
        for base, device in placed(devices):
            self.bus.add(base, device)
        for _, device in self.bus:
            if isinstance(device, Attached):
                device.attach(self.vm)
        self.ended = ""
        self.vcpu.load(as_program(program))

    def run(
        self,
        limit: int,
        *,
        after: ExitRecord | None = None,
        on_exit: Callable[[ExitRecord], bool] | None = None,
    ) -> list[ExitRecord]:
        """The exit loop: KVM_RUN, a look at why it returned, again; until KVM_EXIT_DEBUG, a signal, or the guest's end.

        Each KVM_RUN executes about `limit` guest instructions at most, and there are at most `EXITS_LIMIT` of them.
        Gives every return; `after` is one that was had and answered before. `on_exit` sees each, and may end the loop.
        """
        exits = [] if after is None else [after]
        while not self.ended and len(exits) < EXITS_LIMIT:
            if exits and exits[-1].reason in ("DEBUG", "EINTR"):
                break
            exits.append(self.run_once(limit))
            if on_exit is not None and on_exit(exits[-1]):
                break
        return exits

    def run_once(self, limit: int) -> ExitRecord:
        """One KVM_RUN of about `limit` guest instructions at most, and the answer to its exit.

        When the guest can't go on, `ended` says why. An interrupted run (EINTR) just needs the next call.
        """
        before = self.vcpu.cpu.retired
        try:
            run = self.vcpu.run(limit=limit)
        except OSError as error:
            return self.failed(error, before)
        return self.answer(run, before)

    def answer(self, run: KvmRun, before: int) -> ExitRecord:
        """Switch on the exit reason: serve the device, or see that nothing here can answer.

        `before` is how many instructions had retired when KVM_RUN was called.
        """
        pc = self.vcpu.pc
        match run.exit_reason:
            case ExitReason.MMIO:
                return ExitRecord("MMIO", pc, self._mmio(run))
            case ExitReason.DEBUG:
                if self.vcpu.cpu.at_own_vector and self.vcpu.cpu.retired == before:
                    self.ended = self._why_stuck()
                return ExitRecord("DEBUG", pc, f"hsr {run.debug.hsr:#x}", run.debug.hsr)
            case ExitReason.SYSTEM_EVENT:
                kind = {1: "shut down", 2: "reset"}.get(run.system_event.type, "?")
                self.ended = f"the guest asked to be {kind}"
            case _:
                self.ended = f"KVM_EXIT_{run.exit_reason.name} at {pc:#x} has no answer here"
        return ExitRecord(run.exit_reason.name, pc, self.ended)

    def failed(self, error: OSError, before: int) -> ExitRecord:
        """KVM_RUN came back with an errno; `before` as in `answer`."""
        vcpu = self.vcpu
        name = errno.errorcode.get(error.errno or 0, "?")
        if error.errno != errno.EINTR:
            self.ended = f"KVM_RUN failed with {name} at {vcpu.pc:#x}: {error.strerror}"
        elif vcpu.waiting:
            self.ended = f"the guest waits at {vcpu.pc:#x} for an interrupt that never comes"
        elif vcpu.cpu.retired == before:
            self.ended = self._why_stuck()
        return ExitRecord(name, vcpu.pc, error.strerror or name)

    def _why_stuck(self) -> str:
        """No instruction completes any more."""
        cpu, pc = self.vcpu.cpu, self.vcpu.pc
        if not cpu.at_own_vector:
            return f"the guest does not get past {pc:#x}: the hypervisor enters it again and again"
        syndrome, at = cpu.raised
        first = "an interrupt" if syndrome is None else _exception(syndrome)
        if syndrome is not None and exception_class(syndrome) == EC.SVC:
            at -= 4  # it returns to the instruction after it
        why = "no handler there"
        if exception_class(cpu.sys.esr_el1) not in _NO_HANDLER:
            why = f"the first instruction there raises {_exception(cpu.sys.esr_el1)}"
        return (
            f"the guest is caught in exceptions at its vector {pc:#x}: {why}"
            f" ({first} was raised at {at:#x})"
        )

    def _mmio(self, run: KvmRun) -> str:
        """Emulate the access: find the device, let it act, answer a load."""
        mmio = run.mmio
        found = self.bus.find(mmio.phys_addr, mmio.len)
        kind = found[0].name if found else ""
        name = kind or "nobody"
        if mmio.is_write:
            if found:
                found[0].write(found[1], mmio.len, mmio.data)
            text = f"{mmio.len}-byte store of {mmio.data:#x} to {mmio.phys_addr:#x}: {name}"
        else:
            value = found[0].read(found[1], mmio.len) if found else 0
            if not isinstance(value, int):
                raise TypeError(
                    f"the device {name} answers a load with {value!r}, not with a number"
                )
            mmio.data = value & (1 << 8 * mmio.len) - 1
            text = f"{mmio.len}-byte load from {mmio.phys_addr:#x}: {name} answers {mmio.data:#x}"
        if self.log.watching:
            what = What.MMIO_WRITE if mmio.is_write else What.MMIO_READ
            state = self.vcpu.cpu.step_state()
            self.log.write(Event(Lane.VMM, what, self.vcpu.pc, state, state, (), text, kind=kind))
        if self.exit_device.value is not None:
            self.ended = "a store to the exit device"
        return text

    # --- checkpoints ---

    def save(self) -> tuple[object, ...]:
        """Everything but memory, as plain values for `restore`."""
        stage2 = frozenset(self.vcpu.cpu.memory.stage2)
        devices = tuple(device.save() for _, device in self.bus)
        irq = self.vm.irq_when_waiting
        return self.vcpu.save(), devices, stage2, self.ended, irq

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Put back what `save` gave; memory contents are put back by the caller."""
        vcpu, devices, stage2, self.ended, self.vm.irq_when_waiting = saved
        self.vcpu.restore(vcpu)
        for (_, device), state in zip(self.bus, devices, strict=True):
            device.restore(state)
        cpu = self.vcpu.cpu
        for page in set(cpu.memory.stage2) - stage2:
            cpu.forget_page(page)
        for page in stage2 - set(cpu.memory.stage2):
            if slot := self.vm.slot_at(page << 12):
                self.vm.map_page(page, slot)
