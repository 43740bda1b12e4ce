"""Guests that step themselves, for lab 07: run one, read its log, draw its own step machine.

Invariant: a guest is notified of a stop only by its own handler; nothing here steps it, unless `control` says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from aarch64sim import GuestDebug, assemble
from aarch64sim.arch.step import StepState
from aarch64sim.events import Event, Lane, What
from aarch64sim.kvm import ExitReason, Kernel
from aarch64sim.kvm.kernels import kernel_of
from aarch64sim.vmm import Machine
from widgets import course
from widgets.figures.stepfigure import StepFigure
from widgets.figures.timelinefigure import TimelineFigure
from widgets.models.diagram import STEP_MACHINE, Diagram
from widgets.models.edges_taken import walk
from widgets.models.timeline import timeline
from widgets.page.listing import Listing

from checks import museum
from checks.strips import Strip, Strips

USER, LOG = 0x4000_0100, 0x4000_5000
STEPPING = GuestDebug.ENABLE | GuestDebug.SINGLESTEP
MOST_RUNS, MOST_STOPS, INSTRUCTIONS = 60, 20, 400


@cache
def source(name: str) -> str:
    """The program labs/programs/NAME.s."""
    return course.program(name)


def with_part(name: str, part: str, text: str) -> str:
    """The program with the lines between `// {part` and `// }` replaced."""
    pattern = rf"(// \{{{part}\n).*?(\n\s*// \}})"
    return re.sub(pattern, lambda m: f"{m[1]}{text}{m[2]}", source(name), count=1, flags=re.DOTALL)


def part_of(name: str, part: str) -> str:
    """What stands between the marks in the program as it is."""
    found = re.search(rf"// \{{{part}\n(.*?)\n\s*// \}}", source(name), flags=re.DOTALL)
    assert found is not None
    return found[1]


@dataclass(frozen=True, slots=True)
class Stop:
    """One line of the handler's log: where the user goes on, and the syndrome."""

    elr: int
    esr: int

    @property
    def isv(self) -> int:
        """1: the CPU has stepped an instruction since the ERET."""
        return self.esr >> 24 & 1

    def __str__(self) -> str:
        return f"stop at {self.elr:#x}, ESR_EL1 {self.esr:#x}"


class Guest:
    """A guest with a log, under a kernel. `run()` lets it go to its end; `step()` is one KVM_RUN."""

    def __init__(
        self, text: str, kernel: str | Kernel = "fixed", control: int = 0, *, watching: bool = False
    ) -> None:
        self.kernel = kernel_of(kernel)
        self.program = assemble(text)
        self.machine = Machine(self.program, self.kernel)
        self.machine.log.watching = watching
        self.vcpu = self.machine.vcpu
        self.vcpu.set_guest_debug(control)
        self.endless = False

    def step(self) -> str:
        """One KVM_RUN; returns its exit reason."""
        return self.machine.run_once(INSTRUCTIONS).reason

    def run(self) -> Guest:
        """To the end, or until the handler was notified of twenty stops: then it is `endless`."""
        for _ in range(MOST_RUNS):
            if self.machine.ended or self.vcpu.get_one_reg("x10") > MOST_STOPS:
                break
            self.step()
        self.endless = not self.machine.ended
        return self

    def run_to(self, reason: str, pc: int) -> Guest:
        """Until a KVM_RUN comes back for `reason` with the PC `pc`."""
        while not self.machine.ended and (self.step(), self.vcpu.pc) != (reason, pc):
            pass
        return self

    @property
    def stops(self) -> list[Stop]:
        """The handler's log."""
        count = min(self.vcpu.get_one_reg("x10"), MOST_STOPS)
        data = self.machine.vm.read_memory(LOG, 16 * count)
        words = [int.from_bytes(data[n : n + 8], "little") for n in range(0, len(data), 8)]
        return [Stop(*words[n : n + 2]) for n in range(0, len(words), 2)]

    @property
    def log(self) -> list[int]:
        """Where it was notified of stops."""
        return [stop.elr for stop in self.stops]

    # --- the guest's own step machine ------------------------------------------------------------------------------

    def own_step(self, number: int) -> Sequence[Event]:
        """The events of the guest's step `number`, from 1: from its ERET to its Software Step exception at EL1."""
        events = self.machine.log.events
        begins = [
            n
            for n, event in enumerate(events)
            if event.lane is Lane.GUEST
            and event.before is StepState.INACTIVE
            and event.after is not StepState.INACTIVE
        ]
        first = begins[number - 1]
        last = next(n for n in range(first, len(events)) if events[n].what is What.STEP_EXCEPTION)
        return events[first : last + 1]

    def diagram(self, number: int) -> StepFigure:
        """The way of the guest's step `number`."""
        events = self.own_step(number)
        return StepFigure(events[-1].after, walk(events), None, GUEST_MACHINE)

    def timeline(self, number: int) -> TimelineFigure:
        """The guest's step `number`, event by event."""
        mnemonic = Listing(self.program).mnemonic
        line = timeline(self.kernel.title, [(number, self.own_step(number))], mnemonic)
        return TimelineFigure((line,))


def guest(kernel: str | Kernel = "fixed", control: int = 0) -> Guest:
    """The guest of this lab, step-user.s, run to its end under a kernel."""
    return Guest(source("step-user"), kernel, control, watching=True).run()


def whose_ss(kernel: str, control: int) -> int:
    """PSTATE.SS as GET_ONE_REG shows it at KVM_EXIT_MMIO of the user's store."""
    made = Guest(source("step-user"), kernel, control)
    while made.step() != ExitReason.MMIO.name:
        pass
    return int(made.vcpu.get_one_reg("pstate") >> 21 & 1)


def released() -> Guest:
    """The host steps the guest up to the user's first instruction, lets go, and the guest runs to its end."""
    made = Guest(source("step-user"), "fixed", STEPPING).run_to("DEBUG", USER)
    made.vcpu.set_guest_debug(0)
    return made.run()


def stop_strips(names: Sequence[str]) -> Strips:
    """Where the guest's handler was notified of stops, under each kernel, with nobody stepping on the host."""
    program = assemble(source("step-user"))
    listing = Listing(program)
    places = [(a, listing.text_at(a)) for a, _ in program.words() if USER <= a < USER + 0x1C]
    strips = [Strip(name, [("notified", pc) for pc in guest(name).log]) for name in names]
    return Strips("A guest that steps itself", places, strips, places[1][0])


def recorded_log(kernel: str, scenario: str) -> list[Stop]:
    """The same log, written by a guest on a real kernel."""
    made = museum.recorded(kernel, scenario)
    final = next(event for event in made.events if event["op"] == "final")
    words = [int(word, 16) for word in final["memory"]["0x40005000"]]
    return [Stop(words[n + 1], words[n]) for n in range(0, len(words) - 2, 3) if words[n]]


# --- the same diagram, one level down --------------------------------------------------------------------------------


def _guest_machine() -> Diagram:
    """The step machine as the guest's kernel sees it: it is the one that grants steps and is notified of stops."""
    states = {
        "inactive": {"meaning": "the guest's kernel, or the host, runs", "bits": ()},
        "active-not-pending": {"meaning": "the user may run one"},
    }
    edges = {
        "enter-granted": {
            "cause": "ERET to the user,\nSPSR_EL1.SS = 1",
            "words": "the guest's kernel returns to its user with SS = 1",
        },
        "step-exception": {
            "cause": "Software Step\nexception to EL1",
            "effect": "handler called",
            "words": "the Software Step exception tells the guest's handler",
        },
        "enter-pending": {
            "cause": "ERET,\nSPSR_EL1.SS = 0",
            "words": "the guest's kernel returns to its user with SS = 0",
        },
        "exception": {"words": "the access leaves the guest, with SS = 1"},
    }
    return replace(
        STEP_MACHINE,
        name="guest-step",
        title="The software-step machine, used by the guest",
        states=tuple(replace(s, **states.get(s.name, {})) for s in STEP_MACHINE.states),  # type: ignore[arg-type]
        edges=tuple(replace(e, **edges.get(e.name, {})) for e in STEP_MACHINE.edges),  # type: ignore[arg-type]
    )


GUEST_MACHINE = _guest_machine()
