"""A scenario of lab 09 as a learner writes it, and what `read` makes of it: numbers in place of labels and words.

Invariant: what `read` accepts can be played; what it does not accept is answered with one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from aarch64sim import AssemblyError, Program, assemble
from aarch64sim.vmm.devices import printed

from checks.task import NotAnswered, Wrong, describe, numbers, plain

CODE, RAM_SIZE = 0x4000_0000, 0x20_0000
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


@lru_cache(maxsize=256)
def _assembled(source: str) -> Program:
    return assemble(source)


def program_of(scenario: Scenario) -> Program:
    """The assembled program; Wrong with the place of the first error."""
    if not isinstance(scenario, Scenario):
        raise Wrong(f"This is no scenario, but {describe(scenario)}.")
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
        raise Wrong(f"{who} does not assemble: {error}") from None
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
            'This task asks for a scenario, as in Scenario("name", program, stops=[0x4, 0x8]), and this is'
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
        wanted["uart"] = printed(answer.uart.encode("latin-1", "replace"))
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
