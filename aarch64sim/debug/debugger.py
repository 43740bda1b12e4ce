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
from aarch64sim.debug.phase import PhaseCursor
from aarch64sim.debug.pointing import Pointing
from aarch64sim.debug.points import Points, Watchpoint
from aarch64sim.debug.reverse import Write
from aarch64sim.debug.stops import STEP_LIMIT, HistoryError, StepRecord, Stop
from aarch64sim.events import Event
from aarch64sim.kvm.kernels import Kernel, kernels
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vm import Host
from aarch64sim.vmm.devices import Device
from aarch64sim.vmm.machine import Machine
from aarch64sim.vmm.start import StartState

RUN_LIMIT = 100_000  # steps after which a run comes back
EXIT_KINDS = ("DEBUG", "MMIO", "EINTR", "SYSTEM_EVENT", "ARM_NISV", "ENOSYS")


class Debugger(Pointing, PhaseCursor):
    """Steps a guest program under a kernel of your choice.

    `program` is a Program or source text; `kernel` a Kernel or the name of a preset (UnknownKernelError lists them);
    `devices` more devices as (base address, device); `uart_input` what the guest finds in the UART.

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
    ) -> None:
        self.program = assemble(program) if isinstance(program, str) else program
        self.kernel = kernels[kernel] if isinstance(kernel, str) else kernel
        self._devices = tuple((base, device, device.save()) for base, device in devices)
        self._options: dict[str, Any] = {"start": start, "host": host, "choices": choices}
        self._uart_input = uart_input
        super().__init__(self._machine())

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

    def restart(self, kernel: Kernel | str | None = None) -> Stop:
        """Start over, under another kernel if one is given; breakpoints and watchpoints stay, the history goes."""
        if kernel is not None:
            self.kernel = kernels[kernel] if isinstance(kernel, str) else kernel
        self._begin(self._machine())
        return self.last

    # --- moving on ---------------------------------------------------------------------------------------------------

    def step(self) -> Stop:
        """Step once, as a debugger does: KVM_RUN until KVM_EXIT_DEBUG, answering whatever else comes back.

        When the guest has ended nothing happens, and the last stop is returned.
        """
        self.look_at_end()
        self._step_once()
        return self.last

    def continue_(self, limit: int = RUN_LIMIT) -> Stop:
        """Step until a breakpoint, a watchpoint or a BRK of the guest's own is met, or the guest ends.

        At most `limit` times.
        """
        self._go_on(limit)
        return self.last

    run = continue_

    def run_slice(self, count: int, *, finish: bool = True) -> Stop | None:
        """Up to `count` steps; the stop if there was a reason to stop, else None. For a run on an event loop.

        Without `finish` it may be the one in front of a watched access, which is where gdb wants it.
        """
        return self.last if self._go_on(count, finish=finish) else None

    def run_to(
        self, where: int | str | None = None, *, line: int | None = None, limit: int = RUN_LIMIT
    ) -> Stop:
        """Continue to an address, a label or a source line, as if a breakpoint were there.

        ValueError if there is no such place.
        """
        address = self._code_address(where, line)
        self._go_on(
            limit, points=replace(self.points, breakpoints=self.points.breakpoints | {address})
        )
        return self.last

    def run_until(self, condition: Callable[[Debugger], bool], limit: int = RUN_LIMIT) -> Stop:
        """Continue until `condition(debugger)` holds after a step."""
        for _ in range(limit):
            if self._go_on(1) or condition(self):
                break
        return self.last

    def run_to_exit(self, kind: str, limit: int = RUN_LIMIT) -> Stop:
        """Continue to the end of the next step in which KVM_RUN returned for `kind`: "MMIO", "SYSTEM_EVENT" ...

        ValueError if there is no such kind.
        """
        kind = kind.upper().removeprefix("KVM_EXIT_")
        if kind not in EXIT_KINDS and kind not in ExitReason.__members__:
            raise ValueError(f"KVM_RUN has no exit {kind!r}: it has {', '.join(EXIT_KINDS)}")
        self._go_on(
            limit, until=lambda: any(e.reason == kind for e in self._exits or ()) or kind == "DEBUG"
        )
        return self.last

    def _go_on(
        self,
        count: int,
        *,
        points: Points | None = None,
        until: Callable[[], bool] | None = None,
        finish: bool = True,
    ) -> bool:
        self.look_at_end()
        return self._go(count, self.points if points is None else points, until, finish=finish)

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
        return self.goto(reverse.find_stop(self, self.points))

    def last_write(self, what: int | str, *, before: int | None = None) -> Write:
        """Go to the last step that changed a register, or the 8 bytes at an address or label; HistoryError if none did.

        Looks at the steps up to `position`, or those before step `before`.
        """
        last = self.position if before is None else min(before - 1, self.length)
        write = reverse.find_write(self, what, last)
        self.goto(write.step)
        return write

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
