"""The debugger: one step at a time through any kernel's KVM_RUN, forwards and backwards.

It has three parts and does what they do not: a `Track` moves the machine and remembers how, `Points` are what is set,
a `Cursor` looks into the last step.

Invariant: every position can be reached again exactly: the end of a single step, or any instruction of a run.
Memory use is bounded: checkpoints as `History` says, and the events of the last 5000 steps looked at (about 12 MiB).
Longer than other files: all that a user can call is on this one page, and a quarter of it is docstrings.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from weakref import WeakSet

from aarch64sim.arch.cpu import Choices
from aarch64sim.arch.syndrome import EC
from aarch64sim.asm import Program, as_program
from aarch64sim.debug import destinations, guest, pauses, places, reverse
from aarch64sim.debug.destinations import Destination
from aarch64sim.debug.numbers import limit_of
from aarch64sim.debug.phase import Cursor, Phase
from aarch64sim.debug.points import NOTHING, Kind, Points, Watchpoint
from aarch64sim.debug.reverse import Write
from aarch64sim.debug.setup import Patch, Setup
from aarch64sim.debug.stops import EXCLUSIVE, Stop
from aarch64sim.debug.view import View
from aarch64sim.kvm.kernels import Kernel, kernel_of
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vm_state import Host
from aarch64sim.vmm.devices import Device, placed
from aarch64sim.vmm.machine import Machine
from aarch64sim.vmm.start import StartState

RUN_LIMIT = 100_000  # instructions after which a run comes back

_live: WeakSet[Debugger] = WeakSet()


def _shared(devices: Sequence[Device]) -> Device | None:
    """One of them that a debugger has already."""
    taken = [device for debugger in _live for device in debugger._own_devices]
    return next((device for device in devices if any(device is other for other in taken)), None)


class Debugger(View):
    """Steps a guest program under a kernel of your choice.

    `program` is a Program or source text; `kernel` a Kernel or the name of a preset (UnknownKernelError lists them);
    `devices` more devices as (base address, device); `uart_input` what the guest finds in the UART; `patch` is called
    with every machine that is made, to change its hypervisor.

    A run enters the guest freely, as a debugger's `continue` does. With `by_steps` it is a row of single steps instead:
    each is looked at, and goes wrong as the kernel's do.

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
        patch: Patch | None = None,
        by_steps: bool = False,
    ) -> None:
        devices = placed(devices)
        self._claim([device for _, device in devices])
        options = {"uart_input": uart_input, "start": start, "host": host, "choices": choices}
        at_start = tuple((base, device, device.save()) for base, device in devices)
        program, kernel = as_program(program), kernel_of(kernel)
        self._begin(Setup(program, kernel, at_start, options, patch, patch is not None))
        self.points = NOTHING  # what is to be set for steps to come
        self.by_steps = by_steps
        _live.add(self)

    def _claim(self, devices: Sequence[Device]) -> None:
        """Refuse a device that another debugger drives: what one guest does to it, the other would find."""
        self._own_devices = devices
        if _shared(devices) is not None:
            gc.collect()  # it may be that of a debugger that nobody has any more
        if (device := _shared(devices)) is not None:
            raise ValueError(
                f"the device {device.name} belongs to another Debugger: give each of them one of its own"
            )

    def _begin(self, setup: Setup) -> None:
        super().__init__(setup)
        self._cursor = Cursor(self.track)

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
        self._begin(self._setup.with_changes(program, kernel, patched=patched))
        if program is not None:
            self.points = self.points.inside({address for address, _ in self.program.words()})
        return self.last

    # --- moving on ---------------------------------------------------------------------------------------------------

    def step(self) -> Stop:
        """Step once, as a debugger does: KVM_RUN until KVM_EXIT_DEBUG, answering whatever else comes back.

        When the guest has ended nothing happens, and the last stop is returned.
        """
        self.look_at_end()
        self.track.step(self.points)
        return self.last

    def continue_(self, limit: int = RUN_LIMIT) -> Stop:
        """Run until a breakpoint, a watchpoint or a BRK of the guest's own is met, or the guest ends.

        At most `limit` instructions; the stop's reason is "limit" then.
        """
        return self._run(limit)

    run = continue_

    def run_to(
        self, where: int | str | None = None, *, line: int | None = None, limit: int = RUN_LIMIT
    ) -> Stop:
        """Continue to an address, a label or a source line, as if a breakpoint were there.

        ValueError if there is no such place.
        """
        address = self.code_address(where, line)
        return self._run(limit, Destination(f"{address:#x}", address))

    def run_until(self, condition: Callable[[Debugger], bool], limit: int = RUN_LIMIT) -> Stop:
        """Continue until `condition(debugger)` holds after an instruction."""
        return self._run(limit, Destination("the condition", holds=lambda _: condition(self)))

    def run_to_exit(self, kind: str, limit: int = RUN_LIMIT) -> Stop:
        """Continue to the end of the next step in which KVM_RUN returned for `kind`: "MMIO", "SYSTEM_EVENT" ...

        ValueError if there is no such kind.
        """
        kind = destinations.exit_kind(kind)
        return self._run(limit, Destination(kind, exit=kind))

    def _run(self, limit: int, to: Destination | None = None) -> Stop:
        exclusives = self.exclusives
        if (stop := self.run_slice(limit, to=to)) is not None:
            return stop
        unit = "steps" if self.by_steps else "instructions"
        text = f"The run has come to its limit of {limit} {unit}; PC is {self.pc:#x}."
        if self.exclusives > exclusives:
            text += f" {EXCLUSIVE}"
        return replace(self.last, reason="limit", text=text)

    def run_slice(
        self,
        count: int,
        *,
        to: Destination | None = None,
        finish: bool = True,
        by_steps: bool | None = None,
    ) -> Stop | None:
        """Run for up to `count` instructions; the stop if there was a reason to stop, else None. For an event loop.

        `to` is one more reason. Without `finish` it may be the stop in front of a watched access, which is where gdb
        wants it. `by_steps` as the debugger's own, unless it is given. ValueError unless `count` is a number.
        """
        count = limit_of(count)
        self.look_at_end()
        points = self.points
        if to is not None and to.address is not None:
            points = points.with_breakpoint(to.address)
        by_steps = self.by_steps if by_steps is None else by_steps
        if to is not None and to.exit == "DEBUG":
            by_steps = True  # which is what makes such exits
        run = self._row if by_steps else self._free
        return self.last if run(count, points, to, finish=finish) else None

    def _free(self, count: int, points: Points, to: Destination | None, *, finish: bool) -> bool:
        """The guest is entered without single steps, and left where there is something to look at."""
        until, leave = None, None
        if to is not None and to.holds is not None:
            until = partial(to.reached, self)
        elif to is not None and to.exit:
            leave = to.is_exit
        return self.track.run(count, points, until=until, leave=leave, finish=finish)

    def _row(self, count: int, points: Points, to: Destination | None, *, finish: bool) -> bool:
        """One single step after another."""
        track = self.track
        if to is not None and to.holds is not None:
            # After each step nothing may be in the machine: a condition looks at memory as the guest has it.
            return any(track.go(1, points) or to.reached(self) for _ in range(count))
        until = None
        if to is not None and to.exit:
            until = (lambda: True) if to.exit == "DEBUG" else partial(to.reached, self)
        return track.go(count, points, until, finish=finish)

    def destination(self, text: str) -> Destination:
        """What a text says about where to run, for `run_slice`; ValueError says what can be written."""
        return destinations.destination(text, self.program, self._is_memory)

    # --- travelling --------------------------------------------------------------------------------------------------

    def back(self) -> Stop:
        """Undo the last step; at the start nothing happens."""
        return self.goto(max(0, self.position - 1))

    def goto(self, number: int) -> Stop:
        """Go to step `number` of the history, 0 to `length`; HistoryError for any other."""
        self.look_at_end()
        self.track.arrive_at(number)
        return self.last

    def reverse_continue(self) -> Stop:
        """Back to the last step before this one that met a breakpoint or changed a watched range, else to the start."""
        return self.goto(reverse.whole(self.search_stop()))

    def search_stop(self) -> reverse.Search[int]:
        """The search of `reverse_continue`, with rests, for an event loop: its value is the step to go to."""
        return reverse.find_stop(self.track, self.points)

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
        return reverse.find_write(self.track, self.program, what, last)

    def travel(self, number: int) -> None:
        """Be at step `number`, silently."""
        self.track.travel(number)

    # --- points ------------------------------------------------------------------------------------------------------

    @property
    def breakpoints(self) -> frozenset[int]:
        """The addresses of all breakpoints."""
        return self.points.addresses

    def add_breakpoint(
        self, where: int | str | None = None, *, line: int | None = None, hardware: bool = False
    ) -> int:
        """A breakpoint at an address, label or source line; its address. ValueError where there is no instruction.

        It is a BRK word in guest memory while the guest runs, as KVM's debuggers plant it; with `hardware` a debug
        register (there are 6).
        """
        address = self.code_address(where, line)
        self.points = self.points.with_breakpoint(address, hardware=hardware)
        return address

    def remove_breakpoint(self, where: int | str | None = None, *, line: int | None = None) -> None:
        """Remove the breakpoint there; ValueError if there is none."""
        address = places.address_of(self.program, where, line=line)
        self.points = self.points.without_breakpoint(address)

    def toggle_breakpoint(self, where: int | str | None = None, *, line: int | None = None) -> bool:
        """Set the breakpoint there or remove it; whether it is set now."""
        if places.address_of(self.program, where, line=line) in self.breakpoints:
            self.remove_breakpoint(where, line=line)
            return False
        self.add_breakpoint(where, line=line)
        return True

    def watch(
        self, where: int | str, size: int = 8, kind: Kind = "write", *, mmio: bool = False
    ) -> Watchpoint:
        """Watch `size` bytes at an address or label for a "write", "read" or "access" of the guest's.

        On memory this takes the debug registers of the CPU (there are 4): the guest is stopped before the access is
        made; a run makes it, and says old and new value. With `mmio` it is about a device: the stop is at the end of
        the step that made the access.
        """
        address = places.address_of(self.program, where)
        watchpoint = Watchpoint.checked(address, size, kind, mmio=mmio)
        if self._is_memory(address) == mmio:
            advice = "memory: leave out mmio" if mmio else "no memory: use mmio=True for a device"
            raise ValueError(f"{address:#x} is {advice}")
        self.points = self.points.with_watchpoint(watchpoint)
        return watchpoint

    def unwatch(self, watchpoint: Watchpoint) -> None:
        """Remove it; ValueError if it is not set."""
        self.points = self.points.without_watchpoint(watchpoint)

    def clear_points(self) -> None:
        """Remove all breakpoints and watchpoints."""
        self.points = NOTHING

    def code_address(self, where: int | str | None, line: int | None = None) -> int:
        """The address of a place where an instruction can be; ValueError if there is none."""
        return places.code_address(self.program, where, line, self._is_memory)

    def _is_memory(self, address: int) -> bool:
        return self.machine.vm.slot_at(address) is not None

    @property
    def watchpoint_in_front(self) -> Watchpoint | None:
        """The watchpoint on the access that the guest is about to make, if it stands in front of one."""
        if self.track.paused != EC.WATCHPOINT:
            return None
        return pauses.hit(self.machine, self.points)[0]

    # --- event by event ----------------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase | None:
        """The event of the last step that is looked at; None at its end."""
        return self._cursor.now

    def look_at(self, index: int) -> Phase:
        """Look at event `index` (from 0) of the step just made; IndexError if there is none."""
        return self._cursor.to(index)

    def look_at_end(self) -> None:
        """Look at the end of the step."""
        self._cursor.to_end()

    def phase_forward(self) -> Phase | None:
        """To the next event, making the next step when this one is over; the new `phase`, None at a step's last."""
        return self._cursor.forward(lambda: self.track.step(self.points))

    def phase_back(self) -> Phase | None:
        """To the event before, into the step before when this one is at its first; the new `phase`."""
        return self._cursor.back()

    def phase_registers(self) -> dict[str, int]:
        """The guest's registers at `phase`, as far as the events say."""
        return self._cursor.registers()

    # --- changing the guest ------------------------------------------------------------------------------------------

    def set_register(self, name: str, value: int) -> None:
        """Write a guest register (a name of `registers`) here and now; the steps after this one are forgotten.

        OSError for an unknown name (ENOENT), or a value that the register cannot hold (EINVAL).
        """
        name = guest.current_sp(self.machine) if name == "sp" else name

        def write(machine: Machine) -> None:
            machine.vcpu.set_one_reg(name, value)
            if name == "pc" and machine.vcpu.kvm_run.exit_reason is ExitReason.DEBUG:
                machine.vcpu.kvm_run.exit_reason = ExitReason.UNKNOWN  # it was about another place

        self.track.input(write)

    def write_memory(self, address: int, data: bytes) -> None:
        """Write guest memory here and now; the steps after this one are forgotten. OSError (EFAULT) outside."""
        self.track.input(lambda machine: machine.vm.write_memory(address, data))

    def type(self, data: bytes) -> None:
        """Give the UART more input; the steps after this one are forgotten. TypeError for what is not bytes."""
        if not isinstance(data, bytes):
            raise TypeError(f"input is bytes, such as b'x', not {data!r}")

        def give(machine: Machine) -> None:
            machine.uart.receive(data)

        self.track.input(give)

    def irq_line(self, level: int) -> None:
        """KVM_IRQ_LINE here and now; the steps after this one are forgotten."""
        self.track.input(lambda machine: machine.vm.irq_line(level))

    def __repr__(self) -> str:
        return (
            f"Debugger({self.kernel.name}, step {self.position} of {self.length}, pc={self.pc:#x})"
        )
