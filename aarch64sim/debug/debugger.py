"""The debugger: one step at a time through any kernel's KVM_RUN, forwards and backwards.

Invariant: whatever moves the guest is made of single steps, so that every position can be reached again exactly.
Memory use is bounded: checkpoints as `History` says, and the events of the last 5000 steps looked at (about 12 MiB).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from aarch64sim.arch import sysregs
from aarch64sim.arch.cpu import Choices
from aarch64sim.arch.step import StepState
from aarch64sim.asm import Program, assemble
from aarch64sim.debug import reverse
from aarch64sim.debug.course import GUEST_REGISTERS
from aarch64sim.debug.points import Watchpoint
from aarch64sim.debug.reverse import Write
from aarch64sim.debug.running import Running
from aarch64sim.debug.stops import STEP_LIMIT, HistoryError, StepRecord, Stop
from aarch64sim.events import Event
from aarch64sim.kvm.kernels import Kernel, kernels
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vm_state import Host
from aarch64sim.vmm.devices import Device
from aarch64sim.vmm.machine import Machine
from aarch64sim.vmm.start import StartState


class Debugger(Running):
    """Steps a guest program under a kernel of your choice.

    `program` is a Program or source text; `kernel` a Kernel or the name of a preset (UnknownKernelError lists them);
    `devices` more devices as (base address, device); `uart_input` what the guest finds in the UART; `patch` is called
    with every machine that is made, to change its hypervisor.

    >>> dbg = Debugger("mov x0, #0x41\\nstr w0, [x19]\\nadd x1, x1, #1\\nstr w20, [x20]", "v4.3")
    >>> hex(dbg.step().pc), hex(dbg.step().pc)
    ('0x40000004', '0x4000000c')
    """

    def __init__(
        self,
        program: Program | str,
        kernel: Kernel | str = "fixed",
        devices: Sequence[tuple[int, Device]] = (),
        uart_input: bytes = b"",
        *,
        start: StartState | None = None,
        host: Host | None = None,
        choices: Choices | None = None,
        patch: Callable[[Machine], None] | None = None,
    ) -> None:
        self.program = assemble(program) if isinstance(program, str) else program
        self.kernel = kernels[kernel] if isinstance(kernel, str) else kernel
        self.patch = patch
        self.patched = patch is not None  # the machine has it
        self._devices = tuple((base, device, device.save()) for base, device in devices)
        self._options: dict[str, Any] = {"start": start, "host": host, "choices": choices}
        self._uart_input = uart_input
        super().__init__(self._patched_machine())

    def _machine(self) -> Machine:
        for _, device, state in self._devices:
            device.restore(state)
        return Machine(
            self.program,
            self.kernel,
            devices=[(base, device) for base, device, _ in self._devices],
            uart_input=self._uart_input,
            **self._options,
        )

    def _patched_machine(self) -> Machine:
        machine = self._machine()
        if self.patch is not None and self.patched:
            self.patch(machine)
        return machine

    def restart(
        self,
        kernel: Kernel | str | None = None,
        *,
        program: Program | str | None = None,
        patched: bool = True,
    ) -> Stop:
        """Start over, under another kernel or with another program if one is given; the history goes.

        Breakpoints and watchpoints stay where the program has an instruction; the patch stays if `patched`. When
        the program is none (AssemblyError) or does not fit, everything stays as it was.
        """
        before = self.program, self.kernel, self.patched
        states = [device.save() for _, device, _ in self._devices]
        try:
            if program is not None:
                self.program = assemble(program) if isinstance(program, str) else program
            if kernel is not None:
                self.kernel = kernels[kernel] if isinstance(kernel, str) else kernel
            self.patched = patched and self.patch is not None
            machine = self._patched_machine()
        except BaseException:
            self.program, self.kernel, self.patched = before
            for (_, device, _), state in zip(self._devices, states, strict=True):
                device.restore(state)
            raise
        self._begin(machine)
        if program is not None:
            self.points = self.points.inside({address for address, _ in self.program.words()})
        return self.last

    # --- travelling --------------------------------------------------------------------------------------------------

    def back(self) -> Stop:
        """Undo the last step; at the start nothing happens."""
        return self.goto(max(0, self.position - 1))

    def goto(self, number: int) -> Stop:
        """Go to step `number` of the history, 0 to `length`; HistoryError for any other."""
        self.look_at_end()
        self._check_step(number)
        if number == 0 or number in self._records:
            self.travel(number)
        elif number != self.position:
            self.travel(number - 1)
            self._relive()
        return self.last

    def reverse_continue(self) -> Stop:
        """Back to the last step before this one that met a breakpoint or changed a watched range, else to the start."""
        return self.goto(reverse.whole(self.search_stop()))

    def search_stop(self) -> reverse.Search[int]:
        """The search of `reverse_continue`, with rests, for an event loop: its value is the step to go to."""
        return reverse.find_stop(self, self.points)

    def last_write(self, what: int | str, *, before: int | None = None) -> Write:
        """Go to the last step that changed a register, or the 8 bytes at an address or label; HistoryError if none did.

        Looks at the steps up to `position`, or those before step `before`.
        """
        write = reverse.whole(self.search_write(what, before=before))
        self.goto(write.step)
        return write

    def search_write(self, what: int | str, *, before: int | None = None) -> reverse.Search[Write]:
        """The search of `last_write`, with rests, for an event loop."""
        last = self.position if before is None else min(before - 1, self.length)
        return reverse.find_write(self, what, last)

    # --- what there is to see ----------------------------------------------------------------------------------------

    @property
    def last(self) -> Stop:
        """The stop at `position`; its `pc` is the current one, also after it was written."""
        number = self.position
        stop = self._make_stop() if number and number == self._made else self.record(number).stop
        if number in self._history.inputs:
            stop = replace(stop, pc=self.machine.vcpu.pc)
        return stop

    def stop_at(self, number: int) -> Stop:
        """The stop of step `number` (0 to `length`)."""
        return self.record(number).stop

    @property
    def stops(self) -> list[Stop]:
        """All stops up to `position`, the start included."""
        here = self.position
        stops = [self.record(0).stop]
        for _ in self.passing(0, here):
            stops.append(self._make_stop())
        return stops

    @property
    def events(self) -> list[Event]:
        """Everything that happened up to `position`."""
        return [event for n in range(1, self.position + 1) for event in self.events_of(n)]

    def events_of(self, number: int) -> tuple[Event, ...]:
        """What happened in step `number` (1 to `length`)."""
        return self.record(number).events

    @property
    def changes(self) -> dict[str, tuple[int, int]]:
        """Registers that the last step changed: name -> (old, new)."""
        return self.record(self.position).changes

    @property
    def ended(self) -> str:
        """Why the guest can't go on; "" while it can."""
        return self.machine.ended

    @property
    def console(self) -> str:
        """What the UART has sent."""
        return self.machine.uart.text

    @property
    def hardware(self) -> dict[str, int]:
        """The bits that decide about the next step, as they stand now, while the host runs."""
        vcpu, sys = self.machine.vcpu, self.machine.vcpu.cpu.sys
        pstate = vcpu.cpu.pstate  # what the guest will be entered with: SPSR_EL2 of a real kernel
        return {
            "mdscr_el1.ss": int(vcpu.single_stepping),
            "mdscr_el1.ss.guest": sys.mdscr_el1 & sysregs.MDSCR_SS,
            "mdcr_el2.tde": int(bool(sys.mdcr_el2 & sysregs.MDCR_TDE)),
            "spsr_el2.ss": pstate.ss,
            "pstate.d": pstate.d,
            "el": vcpu.el,
            "step_pending": int(vcpu.step_pending),
        }

    @property
    def state(self) -> StepState:
        """The state of the software-step machine after the last event."""
        events = self.record(self.position).events
        return events[-1].after if events else self.machine.vcpu.cpu.step_state()

    # --- changing the guest ------------------------------------------------------------------------------------------

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes of guest memory, without anything of the debugger's in it; OSError (EFAULT) outside."""
        return self.machine.vm.read_memory(address, size)

    def set_register(self, name: str, value: int) -> None:
        """Write a guest register (a name of `registers`) here and now; the steps after this one are forgotten.

        OSError for a name that there is not (ENOENT), or a value that the register cannot hold (EINVAL).
        """
        if name == "sp":
            name = "sp_el1" if self.machine.vcpu.pstate & 1 else "sp_el0"

        def write(machine: Machine) -> None:
            machine.vcpu.set_one_reg(name, value)
            if name == "pc" and machine.vcpu.kvm_run.exit_reason is ExitReason.DEBUG:
                machine.vcpu.kvm_run.exit_reason = ExitReason.UNKNOWN  # it was about another place

        self._input(write)
        self._pause()

    def write_memory(self, address: int, data: bytes) -> None:
        """Write guest memory here and now; the steps after this one are forgotten. OSError (EFAULT) outside."""
        self._input(lambda machine: machine.vm.write_memory(address, data))

    def type(self, data: bytes) -> None:
        """Give the UART more input; the steps after this one are forgotten."""

        def give(machine: Machine) -> None:
            machine.uart.input += data

        self._input(give)

    def __repr__(self) -> str:
        return f"Debugger({self.kernel.name}, step {self.position} of {self.length}, pc={self.machine.vcpu.pc:#x})"


__all__ = [
    "GUEST_REGISTERS",
    "STEP_LIMIT",
    "Debugger",
    "HistoryError",
    "StepRecord",
    "Stop",
    "Watchpoint",
]
