"""The scenario matrix of lab 04: a learner's `skip_instruction` inside the real host model, beside the right one.

Invariant: a scenario is played on a machine of its own, and a learner's function only ever runs through
`checks.task.call`, so it cannot hang, print or spoil what the next scenario sees.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aarch64sim import Debugger, Program, assemble, kernels
from aarch64sim.events import Change, Event, What
from aarch64sim.kvm import GuestDebug, Vcpu
from aarch64sim.vmm import Machine
from widgets.figures.timelinefigure import TimelineFigure
from widgets.models.timeline import timeline
from widgets.page.listing import Listing

from checks.lab04.matrix import LOG, SCENARIOS, Scenario
from checks.task import Wrong, call

MOST_STOPS, MOST_EXITS, MOST_INSTRUCTIONS = 30, 40, 20_000
MOST_SKIPS = 1000  # of one instruction, in a panel
SHOWN = 14  # columns of a timeline that has no stop to end it
COMPARED = [f"x{n}" for n in range(31)] + ["pstate", "elr_el1", "spsr_el1", "mdscr_el1"]

Skip = Callable[[Vcpu], Any]


def plug(vcpu: Vcpu, skip: Skip) -> None:
    """Let `skip(vcpu)` move the guest's PC on this vCPU: at the next guest entry, after the step is armed."""
    ours = vcpu.adjust_pc

    def adjust_pc() -> None:
        if vcpu.pending_exception or not vcpu.increment_pc:
            ours()
            return
        pc, ss = vcpu.pc, vcpu.cpu.pstate.ss
        call_skip(skip, vcpu)
        vcpu.increment_pc = vcpu.pending_exception = False
        changes = (Change("pc", pc, vcpu.pc), Change("spsr_el2.ss", ss, vcpu.cpu.pstate.ss))
        vcpu.note(What.SKIP, "your skip_instruction has run", changes, at=pc)

    vcpu.adjust_pc = adjust_pc


def call_skip(skip: Any, vcpu: Vcpu) -> None:
    """Call the learner's function on the vCPU itself, within the bounds of `call`."""

    call(skip, vcpu, copied=False)
    if not isinstance(vcpu.pc, int) or not 0 <= vcpu.pc < 1 << 64:
        raise Wrong(f"After your function the PC is {vcpu.pc!r}; it is an address of 64 bits.")


@dataclass
class Play:
    """What came of one scenario: where it stopped, what the registers were there, and the events of each step."""

    scenario: Scenario
    program: Program
    stops: list[int] = field(default_factory=list)
    registers: list[dict[str, int]] = field(default_factory=list)
    ends: list[bool] = field(default_factory=list)  # the guest ended there instead of stopping
    events: list[tuple[Event, ...]] = field(default_factory=list)
    ended: str = ""

    def timeline(self, step: int, title: str) -> Any:
        """Step `step`, counted from 0, as a timeline; of a run without stops, what is around the skip."""
        events = self.events[min(step, len(self.events) - 1)] if self.events else ()
        if not self.scenario.host_steps or len(events) > 2 * SHOWN:
            skips = [n for n, e in enumerate(events) if e.what is What.SKIP]
            middle = skips[-1] if skips and not self.scenario.host_steps else SHOWN // 2
            events = events[max(0, middle - SHOWN // 2) : middle + SHOWN // 2 + 2]
        return timeline(title, [(step + 1, events)], Listing(self.program).mnemonic)


def play(scenario: Scenario, skip: Skip | None = None) -> Play:
    """Step through a scenario on `fixed`, with the learner's skip in place of ours; Wrong if that cannot run."""
    program = assemble(scenario.source)
    machine = Machine(program, kernels["fixed"])
    vcpu, result = machine.vcpu, Play(scenario, program)
    if skip is not None:
        plug(vcpu, skip)
    vcpu.set_one_reg("pstate", scenario.pstate)
    if scenario.host_steps:
        vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
    vcpu.cpu.watch(True)
    interfere = scenario.at_mmio
    while not machine.ended and len(result.stops) < MOST_STOPS:
        for _ in range(MOST_EXITS):
            exit_ = machine.run_once(MOST_INSTRUCTIONS)
            if exit_.reason == "MMIO" and interfere:
                _interfere(vcpu, interfere)
                interfere = ""
            if exit_.reason == "DEBUG" or machine.ended:
                break
        result.stops.append(vcpu.pc)
        result.ends.append(bool(machine.ended))
        result.registers.append({name: vcpu.get_one_reg(name) for name in COMPARED})
        result.events.append(tuple(machine.log.events))
        machine.log.events.clear()
        if not scenario.host_steps:
            break
    result.ended = machine.ended
    if not scenario.host_steps:
        result.stops = _guest_log(machine) + result.stops
        result.registers = [result.registers[-1]] * len(result.stops)
        result.ends = [False] * (len(result.stops) - 1) + [bool(machine.ended)]
    return result


def _interfere(vcpu: Vcpu, how: str) -> None:
    if how == "abort":
        vcpu.set_vcpu_events(ext_dabt_pending=True)
        return
    with contextlib.suppress(InterruptedError):
        vcpu.run(immediate_exit=True)


def _guest_log(machine: Machine) -> list[int]:
    """Where the guest's own handler saw itself stopped."""
    data = machine.vm.read_memory(LOG, 8 * MOST_STOPS)
    words = [int.from_bytes(data[n : n + 8], "little") for n in range(0, len(data), 8)]
    return [word for word in words if word]


@dataclass(frozen=True)
class Failure:
    """The first place where a learner's function makes a scenario go another way than it should."""

    scenario: Scenario
    stop: int  # number of the step, from 0
    right: Play
    learner: Play

    @property
    def sentence(self) -> str:
        """What should have happened and what did."""
        listing, n = Listing(self.right.program), self.stop
        who = "the debugger" if self.scenario.host_steps else "the guest's own handler"
        should = listing.where(self.right.stops[n])
        if n >= len(self.learner.stops):
            return f"In the scenario '{self.scenario.name}' {who} should be notified of {should}, and is not."
        got = self.learner.stops[n]
        if self.learner.ends[n] and not self.right.ends[n]:
            return (
                f"In the scenario '{self.scenario.name}' {who} should be notified of {should},"
                " and the guest runs to its end without a stop."
            )
        if got != self.right.stops[n]:
            return (
                f"In the scenario '{self.scenario.name}' stop {n + 1} should be at {should},"
                f" and {who} is notified of {listing.where(got)}."
            )
        wrong = [
            f"{name} is {self.learner.registers[n][name]:#x}, not {value:#x}"
            for name, value in self.right.registers[n].items()
            if self.learner.registers[n][name] != value
        ]
        return (
            f"In the scenario '{self.scenario.name}', at stop {n + 1} ({should}),"
            f" {' and '.join(wrong[:2])}."
        )

    @property
    def figure(self) -> TimelineFigure:
        """The failing step under the learner's function, and above it how it should have been."""
        lines = (
            self.right.timeline(self.stop, "as it should be"),
            self.learner.timeline(self.stop, "with your skip_instruction"),
        )
        return TimelineFigure(lines)

    def __str__(self) -> str:
        first, last = max(0, self.stop - 2), self.stop + 2

        def stops(play: Play) -> str:
            pairs = zip(play.stops[first:last], play.ends[first:last], strict=True)
            return ", ".join("the end" if end else f"{pc:#x}" for pc, end in pairs) or "none"

        program = f"The smallest program that shows it:\n{self.scenario.source.rstrip()}\n"
        if stops(self.right) == stops(self.learner):
            return f"{program}The stops are the same, but not what the guest has there."
        return (
            f"{program}"
            f"Stops {first + 1} to {last}, as it should be: {stops(self.right)}\n"
            f"Stops {first + 1} to {last}, with yours:      {stops(self.learner)}"
        )

    __repr__ = __str__

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.figure._repr_mimebundle_(**options)


def failure(scenario: Scenario, skip: Skip) -> Failure | None:
    """Where this scenario first goes wrong with `skip`; None if it does not."""
    right, learner = play(scenario), play(scenario, skip)
    places = [list(zip(p.stops, p.ends, strict=True)) for p in (right, learner)]
    if places[0] == places[1] and right.registers == learner.registers:
        return None
    same = [a == b for a, b in zip(*places, strict=False)]
    if scenario.host_steps or False not in same:
        pairs = zip(right.registers, learner.registers, strict=False)
        same = [s and a == b for s, (a, b) in zip(same, pairs, strict=True)]
    stop = same.index(False) if False in same else len(same)
    return Failure(scenario, min(stop, len(right.stops) - 1), right, learner)


def first_failure(skip: Skip, scenarios: Sequence[Scenario] = SCENARIOS) -> Failure | None:
    """The first scenario of the matrix that goes wrong; None if all are right."""
    return next((found for s in scenarios if (found := failure(s, skip))), None)


def scoreboard(skip: Skip) -> str:
    """All scenarios with a mark each, one a line."""
    lines = []
    for scenario in SCENARIOS:
        try:
            found = failure(scenario, skip)
            lines.append(f"\u2717 {scenario.name}" if found else f"\u2713 {scenario.name}")
        except Wrong as wrong:
            lines.append(f"\u2717 {scenario.name}: {wrong.text}")
    return "\n".join(lines)


def debugger_with(skip: Skip, source: str) -> Debugger:
    """A debugger of `source` on `fixed`, with the learner's skip in place of ours: for a StepLab."""

    def patch(machine: Machine) -> None:
        calls = Counter[int]()

        def tolerant(vcpu: Vcpu) -> None:
            pc = vcpu.pc
            with contextlib.suppress(
                Wrong
            ):  # the check says what is wrong; a panel shows what happens
                call_skip(skip, vcpu)
            calls[pc] += 1
            if calls[pc] >= MOST_SKIPS:
                machine.ended = f"the instruction at {pc:#x} is emulated again and again"

        plug(machine.vcpu, tolerant)

    return Debugger(source, "fixed", patch=patch)
