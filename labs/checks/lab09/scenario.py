"""Scenarios of lab 09: a guest program, what userspace does meanwhile, and what is expected of a correct hypervisor.

Invariant: `play` is bounded and never raises for a scenario that `read` has accepted, whatever the hypervisor does;
each play has a machine of its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from aarch64sim import Debugger, Kernel, kernels
from aarch64sim.kvm import GuestDebug
from aarch64sim.kvm.kernels import kernel_of
from aarch64sim.vmm import Machine
from aarch64sim.vmm.start import default_start

from checks.lab09.mutants import FIXED, Mutant
from checks.lab09.reading import (
    ACTIONS,
    CODE,
    ENDS,
    EXPECTED,
    REGISTERS,
    Scenario,
    program_of,
)
from checks.task import NotAnswered, Wrong, cut

__all__ = ["Observed", "Scenario", "debugger_of", "differences", "play"]

MOST_STOPS, MOST_EXITS, MOST_INSTRUCTIONS = 48, 120, 3000


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
        if self.end == "not played":
            return f"Not played: {self.why}"
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
    if not isinstance(hypervisor, Mutant | Kernel) and hypervisor not in kernels:
        return Observed(end="not played", why=f"there is no kernel {cut(repr(hypervisor), 40)}")
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
