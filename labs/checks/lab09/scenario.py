"""Scenarios of lab 09: a guest program, what userspace does meanwhile, and what is expected of a correct hypervisor.

Invariant: `play` is bounded and never raises for a scenario that `read` has accepted, whatever the hypervisor does;
each play has a machine of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from itertools import groupby
from typing import Any

from aarch64sim import AssemblyError, Debugger, Kernel, Program, assemble, kernels
from aarch64sim.kvm import GuestDebug
from aarch64sim.kvm.kernels import kernel_of
from aarch64sim.vmm import Machine
from aarch64sim.vmm.start import default_start

from checks.lab09.mutants import FIXED, Mutant
from checks.task import NotAnswered, Wrong, describe, numbers, plain

CODE, RAM_SIZE = 0x4000_0000, 0x20_0000
MOST_STOPS, MOST_EXITS, MOST_INSTRUCTIONS = 48, 120, 3000
MOST_TEXT = 10_000  # characters of one program
ACTIONS = {
    "": "nothing",
    "immediate_exit": "KVM_RUN with immediate_exit, then go on",
    "signal": "KVM_RUN with a signal pending, then go on",
    "abort": "answer the access with an external abort",
    "interrupt": "raise the guest's interrupt line",
    "stop_stepping": "switch guest debug off",
}
ENDS = ("exit", "ENOSYS", "shutdown")
REGISTERS = (
    *(f"x{n}" for n in range(31)),
    *("pc", "pstate", "sp", "elr_el1", "spsr_el1", "esr_el1", "far_el1", "mdscr_el1", "sctlr_el1"),
)  # fmt: skip
EXPECTED = ("stops", "accesses", "at_exit", "uart", "registers")


@dataclass(frozen=True)
class Scenario:
    """A program, and what must come of it. What is None is not looked at.

    `stops`: the PC at every stop, as offsets from the program's start or labels. `accesses`: what reaches the devices,
    as ("store", address, bytes, value); the exit device is left out. `at_exit`: registers as userspace reads them at
    the first KVM_EXIT_MMIO. `uart`: what was sent. `registers`: registers at the end. `end`: how it ends: "exit" is a
    store to the exit device, "ENOSYS" a KVM_RUN that fails, "shutdown" a PSCI call. `at_mmio` is what userspace does
    at the first KVM_EXIT_MMIO; with `steps=False` nobody steps.
    """

    name: str
    program: str = ""
    stops: Any = None
    accesses: Any = None
    at_exit: Any = None
    uart: Any = None
    registers: Any = None
    end: Any = "exit"
    at_mmio: Any = ""
    steps: Any = True


@dataclass
class Observed:
    """What came of a scenario under one hypervisor."""

    stops: list[int] = field(default_factory=list)
    accesses: list[tuple[str, int, int, int]] = field(default_factory=list)
    at_exit: dict[str, int] = field(default_factory=dict)
    uart: str = ""
    registers: dict[str, int] = field(default_factory=dict)
    end: str = "endless"
    exits: list[int] = field(default_factory=list)  # PCs at stops and KVM_EXIT_MMIO, in order
    pages: frozenset[int] = frozenset()  # addresses of the pages of RAM that were filled in
    why: str = ""

    def __repr__(self) -> str:
        start = default_start().registers
        changed = {n: v for n, v in self.registers.items() if n[0] == "x" and v != start.get(n, 0)}
        lines = [
            f"stops      {_offsets(self.stops)}",
            f"accesses   {_accesses(self.accesses)}",
            f"uart       {self.uart!r}",
            f"registers  {', '.join(f'{n} = {v:#x}' for n, v in changed.items()) or 'no x register changed'}",
            f"end        {self.end}" + (f": {self.why}" if self.end not in ENDS else ""),
        ]
        if self.at_exit:
            at = f"pc = {self.at_exit['pc'] - CODE:#x}, pstate = {self.at_exit['pstate']:#x}"
            lines.insert(2, f"at_exit    {at}")
        return "\n".join(lines)


def _offsets(stops: list[int]) -> str:
    """The stops as offsets; one that comes again and again is written once."""
    shown = []
    for pc, same in groupby(stops):
        count, text = len(list(same)), f"{pc - CODE if pc >= CODE else pc:#x}"
        shown += [f"{text} ({count} times)"] if count > 3 else [text] * count
    return "[" + ", ".join(shown) + "]"


def _accesses(accesses: Any) -> str:
    one = '("{0}", {1:#x}, {2}, {3:#x})'
    return "[" + ", ".join(one.format(*access) for access in accesses) + "]"


# --- reading what a learner wrote --------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _assembled(source: str) -> Program:
    return assemble(source)


def program_of(scenario: Scenario) -> Program:
    """The assembled program; Wrong with the place of the first error."""
    if not isinstance(scenario, Scenario):
        raise Wrong(f"this is no scenario, but {describe(scenario)}")
    who, source = _who(scenario), scenario.program
    if not isinstance(source, str):
        raise Wrong(f"{who}: the program is a text, not {describe(source)}.")
    if not source.strip():
        raise NotAnswered(f"{who} has no program yet.")
    if len(source) > MOST_TEXT:
        raise Wrong(f"{who}: a program of {len(source):,} characters is too long for a test.")
    try:
        program = _assembled(source)
    except AssemblyError as error:
        raise Wrong(f"{who} does not assemble: {error}.") from None
    for segment in program.segments:
        if not CODE <= segment.address <= segment.address + len(segment.data) <= CODE + RAM_SIZE:
            raise Wrong(f"{who}: there is no memory at {segment.address:#x}.")
    return program


def _who(scenario: Scenario) -> str:
    return f"The scenario {scenario.name!r}" if isinstance(scenario.name, str) else "The scenario"


def read(answer: Any) -> dict[str, Any]:
    """What a scenario expects, in canonical form; Wrong names what is of the wrong kind."""
    if not isinstance(answer, Scenario):
        raise Wrong(
            'this task asks for a scenario, as in Scenario("name", program, stops=[0x4, 0x8]), and this is'
            f" {describe(answer)}."
        )
    answer = replace(answer, **{f.name: plain(getattr(answer, f.name)) for f in fields(answer)})
    if isinstance(answer.end, str) and answer.end.lower() == "enosys":
        answer = replace(answer, end="ENOSYS")
    who, program = _who(answer), program_of(answer)
    if answer.at_mmio not in ACTIONS:
        known = ", ".join(map(repr, list(ACTIONS)[1:]))
        raise Wrong(f"{who}: at_mmio is one of {known}, not {describe(answer.at_mmio)}.")
    if answer.end not in ENDS:
        raise Wrong(
            f"{who}: end is one of {', '.join(map(repr, ENDS))}, not {describe(answer.end)}."
        )
    wanted: dict[str, Any] = {"end": answer.end}
    if answer.stops is not None:
        wanted["stops"] = _read_stops(who, answer.stops, program)
    if answer.accesses is not None:
        wanted["accesses"] = _read_accesses(who, answer.accesses)
    if answer.uart is not None:
        if not isinstance(answer.uart, str):
            raise Wrong(f"{who}: uart is a text, not {describe(answer.uart)}.")
        wanted["uart"] = answer.uart
    for kind in ("at_exit", "registers"):
        if getattr(answer, kind) is not None:
            wanted[kind] = _read_registers(who, kind, getattr(answer, kind))
    if len(wanted) == 1 and answer.end == "exit":
        raise Wrong(
            f"{who} expects nothing, so no hypervisor can fail it. Give it one of: {', '.join(EXPECTED)}."
        )
    if wanted.get("stops") and not answer.steps:
        raise Wrong(f"{who} expects stops, but with steps=False nobody steps.")
    return wanted


def _read_stops(who: str, stops: Any, program: Program) -> list[int]:
    if not isinstance(stops, list | tuple):
        raise Wrong(f"{who}: stops is a list of addresses, not {describe(stops)}.")
    found = []
    for stop in stops:
        if isinstance(stop, str) and stop not in program.symbols:
            stop = numbers(stop)  # "0x8" is 0x8
        if isinstance(stop, str):
            if stop not in program.symbols:
                raise Wrong(f"{who}: the program has no label {stop!r}.")
            found.append(program.symbols[stop])
        elif isinstance(stop, int) and not isinstance(stop, bool) and stop >= 0:
            found.append(stop if stop >= RAM_SIZE else CODE + stop)
        else:
            raise Wrong(
                f"{who}: a stop is an offset from the start (0x8), an address or a label, not {describe(stop)}."
            )
    if any(pc % 4 for pc in found):
        raise Wrong(
            f"{who}: instructions lie at multiples of 4. A stop is an offset in bytes, and not the number of an instruction."
        )
    return found


def _read_accesses(who: str, accesses: Any) -> list[tuple[str, int, int, int]]:
    form = 'an access is ("store" or "load", address, bytes, value)'
    if not isinstance(accesses, list | tuple):
        raise Wrong(f"{who}: accesses is a list; {form}.")
    for entry in accesses:
        right = (
            isinstance(entry, list | tuple) and len(entry) == 4 and entry[0] in ("store", "load")
        )
        if not right or not all(isinstance(number, int) for number in entry[1:]):
            raise Wrong(f"{who}: {form}, not {describe(entry)}.")
    return [tuple(entry) for entry in accesses]


def _register(name: Any) -> Any:
    return name.strip().lower() if isinstance(name, str) else name


def _read_registers(who: str, kind: str, registers: Any) -> dict[str, int]:
    if not isinstance(registers, Mapping):
        raise Wrong(f'{who}: {kind} is a dictionary, as {{"x1": 1}}, not {describe(registers)}.')
    registers = {_register(name): numbers(value) for name, value in registers.items()}
    for name, value in registers.items():
        if name not in REGISTERS:
            raise Wrong(
                f"{who}: {kind} knows x0 to x30 and {', '.join(REGISTERS[31:])}, not {name!r}."
            )
        if not isinstance(value, int):
            raise Wrong(f"{who}: {kind}[{name!r}] is a number, not {describe(value)}.")
    return {
        name: (CODE + value if name == "pc" and 0 <= value < RAM_SIZE else value) % (1 << 64)
        for name, value in registers.items()
    }


# --- running ---------------------------------------------------------------------------------------------------------


def _machine(scenario: Scenario, hypervisor: Mutant | Kernel | str) -> Machine:
    if isinstance(hypervisor, Mutant):
        machine = Machine(program_of(scenario), hypervisor.kernel)
        hypervisor.apply(machine)
        return machine
    return Machine(program_of(scenario), kernel_of(hypervisor))


def play(scenario: Scenario, hypervisor: Mutant | Kernel | str = FIXED) -> Observed:
    """Run a scenario under a hypervisor: a mutant, a kernel, or its name; what cannot be played says why."""
    try:
        program_of(scenario)
    except (Wrong, NotAnswered) as problem:
        return Observed(end="not played", why=problem.text)
    if scenario.at_mmio not in ACTIONS:
        known = ", ".join(map(repr, list(ACTIONS)[1:]))
        return Observed(end="not played", why=f"at_mmio is one of {known}")
    if isinstance(hypervisor, str) and hypervisor not in kernels:
        return Observed(end="not played", why=f"there is no kernel {hypervisor[:40]!r}")
    machine, seen = _machine(scenario, hypervisor), Observed()
    vcpu, action = machine.vcpu, scenario.at_mmio
    if scenario.steps:
        vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
    for _ in range(MOST_EXITS):
        record = machine.run_once(MOST_INSTRUCTIONS)
        mmio = vcpu.kvm_run.mmio
        if record.reason == "DEBUG":
            seen.stops.append(record.pc)
            seen.exits.append(record.pc)
        elif record.reason == "MMIO" and not machine.ended:
            way = "store" if mmio.is_write else "load"
            seen.accesses.append((way, mmio.phys_addr, mmio.len, mmio.data))
            seen.exits.append(record.pc)
            if len(seen.accesses) == 1:
                seen.at_exit = _registers(machine)
                _act(machine, action)
        if machine.ended:
            asked = machine.exit_device.value is not None
            seen.end = (
                "exit"
                if asked
                else "shutdown"
                if record.reason == "SYSTEM_EVENT"
                else record.reason
            )
            seen.why = machine.ended
            break
        if len(seen.stops) >= MOST_STOPS or (record.reason == "EINTR" and not machine.ended):
            break
    if not machine.ended:
        seen.why = f"it has not ended after {len(seen.stops)} stops; PC is {vcpu.pc:#x}"
    seen.uart, seen.registers = machine.uart.text, _registers(machine)
    seen.pages = frozenset(page << 12 for page in vcpu.cpu.memory.stage2)
    return seen


def _registers(machine: Machine) -> dict[str, int]:
    get = machine.vcpu.get_one_reg
    return {name: get("sp_el1" if name == "sp" else name) for name in REGISTERS}


def _act(machine: Machine, action: str) -> None:
    vcpu = machine.vcpu
    if action in ("immediate_exit", "signal"):
        with contextlib.suppress(OSError):
            vcpu.run(immediate_exit=action == "immediate_exit", pending_signal=action == "signal")
    elif action == "abort":
        with contextlib.suppress(OSError):  # kernels before 5.5 have no such call
            vcpu.set_vcpu_events(ext_dabt_pending=True)
    elif action == "interrupt":
        machine.vm.irq_line(1)
    elif action == "stop_stepping":
        vcpu.set_guest_debug(0)


def differences(wanted: Mapping[str, Any], seen: Observed) -> dict[str, str]:
    """What is not as expected: kind -> a sentence's end, in the order in which they are worth looking at."""
    found = {}
    for kind in EXPECTED:
        expected, got = wanted.get(kind), getattr(seen, kind)
        if expected is None:
            continue
        if kind in ("at_exit", "registers"):
            wrong = {name: got.get(name) for name in expected if got.get(name) != expected[name]}
            if wrong:
                name, value = next(iter(wrong.items()))
                was = "nothing (there is no KVM_EXIT_MMIO)" if value is None else f"{value:#x}"
                found[kind] = f"{kind}: {name} is {was}, expected {expected[name]:#x}"
        elif got != expected:
            show = {"stops": _offsets, "accesses": _accesses}.get(kind, repr)
            found[kind] = f"{kind}: {show(got)}, expected {show(expected)}"
    if seen.end != wanted["end"]:
        found["end"] = f"end: {seen.end} ({seen.why}), expected {wanted['end']}"
    return found


def debugger_of(program: str, mutant: Mutant) -> Debugger:
    """A debugger on a mutant, for a StepLab."""
    return Debugger(program, mutant.kernel, patch=mutant.patch)
