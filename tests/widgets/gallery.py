"""Every figure in every state, for the tests that look at all of them.

Invariant: two pictures of the gallery differ; what is drawn alike for two kernels hangs here once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations

from matplotlib.figure import Figure as Drawing

from aarch64sim import Debugger
from aarch64sim.arch.step import StepState
from aarch64sim.arch.syndrome import EC
from aarch64sim.evidence import recording
from aarch64sim.kvm import kernels
from aarch64sim.vmm.start import recordings_folder
from tests.widgets.conftest import STORE
from widgets import CompareLab, EsrRuler, LifeCycle, RecordedRun, StepLab, StopTable
from widgets.figures.cheatsheet import cheat_sheet
from widgets.figures.figure import Figure
from widgets.figures.machinedrawing import draw_diagram
from widgets.figures.mpl_writer import figure as mpl_figure
from widgets.figures.stepfigure import StepFigure
from widgets.figures.timelinefigure import TimelineFigure
from widgets.models.diagram import STEP_MACHINE
from widgets.models.edges_taken import numbers, walk
from widgets.models.timeline import Timeline, timeline
from widgets.page.listing import Listing

from checks.lab07.guest import GUEST_MACHINE

Draw = Callable[[], Drawing]
MANY = (
    "str w0, [x19]\nldr w2, [x19, #0x18]\n" * 6 + "add x1, x1, #1\nadd x2, x2, #1\nstr w20, [x20]"
)
OTHER = "svc #0\nhvc #0\nmrs x1, mdscr_el1\nbrk #0\nudf #0"
PROGRAMS = (STORE.read_text(encoding="utf-8"), MANY, OTHER)
ERAS = tuple(kernels)
FEW = ("v4.3", "v4.15", "v5.3", "fixed")
SYNDROMES = (0x9380_0047, 0xCB00_0022, 0x6200_0300, 0x5600_0001, 0x8200_0007, 0xFFFF_FFFF, 0)
# The little program under every kernel, the others under a few.
RUNS = [(PROGRAMS[0], era) for era in ERAS] + [(text, era) for text in PROGRAMS[1:] for era in FEW]


@cache
def stepped(source: str, kernel: str) -> Debugger:
    """A debugger that has made all steps, at most twelve."""
    debugger = Debugger(source, kernel)
    while not debugger.ended and debugger.position < 12:
        debugger.step()
    return debugger


def line_of(debugger: Debugger, step: int) -> Timeline:
    mnemonic = Listing(debugger.program).mnemonic
    return timeline(debugger.kernel.title, [(step, debugger.events_of(step))], mnemonic)


def machines() -> Iterator[tuple[str, Figure]]:
    """The step machine in each state, with each way that any kernel takes in any of the programs."""
    seen = set()
    for source, kernel in RUNS:
        debugger = stepped(source, kernel)
        for step in range(1, debugger.length + 1):
            events = debugger.events_of(step)
            for end in range(len(events) + 1):
                state = events[end - 1].after if end else StepState.INACTIVE
                figure = StepFigure(state, walk(events[:end]), end % 2)
                key = (state, tuple(sorted(numbers(figure.legs).items())))
                if key not in seen:
                    seen.add(key)
                    yield f"step machine, {kernel}, step {step}, event {end}", figure


def all_lit() -> Iterator[tuple[str, Draw]]:
    """Both diagrams with a large number on every edge, in each state."""
    for diagram in (STEP_MACHINE, GUEST_MACHINE):
        for state in diagram.states:

            def draw(diagram=diagram, state=state) -> Drawing:
                lit = {edge.name: "10, 12" for edge in diagram.edges}
                return mpl_figure(draw_diagram(diagram, current=state.name, numbers=lit))

            yield f"{diagram.name}, all lit, {state.name}", draw


def timelines() -> Iterator[tuple[str, Figure]]:
    """Each step of each era alone, and beside another kernel, and three kernels at once."""
    seen = set()
    for source, kernel in RUNS:
        debugger = stepped(source, kernel)
        for n in range(1, debugger.length + 1):
            line = line_of(debugger, n)
            key = tuple((c.lane, c.label, c.ss, c.ghost) for c in line.columns)
            if key not in seen:
                seen.add(key)
                yield f"timeline, {kernel}, step {n}", TimelineFigure((line,))
    empty = timeline("Linux 4.3 - 4.14", [], str)
    yield "timeline, nothing yet", TimelineFigure((empty,))
    chosen = ("v4.3", "v5.3", "v5.11", "what-if-early-advance-step-remembered", "fixed")
    for names in [*combinations(chosen, 2), chosen[:3]]:
        pair = [line_of(stepped(PROGRAMS[0], name), 2) for name in names]
        yield f"timelines, {', '.join(names)}", TimelineFigure(tuple(pair))


def cycles() -> Iterator[tuple[str, Figure]]:
    """The life cycle under every kernel, and with every step of every program."""
    seen = set()

    def key(cycle: LifeCycle) -> object:
        return cycle.flags, tuple(visit.stage for visit in cycle.visits)

    for kernel in ERAS:
        cycle = LifeCycle.of(kernel)
        seen.add(key(cycle))
        yield f"life cycle, {kernel}", cycle
    yield "life cycle, nothing yet", LifeCycle.of("fixed", ())
    for source, kernel in RUNS:
        debugger = stepped(source, kernel)
        for n in range(1, debugger.length + 1):
            cycle = LifeCycle.of(kernel, debugger.events_of(n))
            if key(cycle) not in seen:
                seen.add(key(cycle))
                yield f"life cycle, {kernel}, step {n}", cycle


def tables() -> Iterator[tuple[str, Figure]]:
    """Stop tables of the first kernel with others, and of the two with the longest names."""
    longest = sorted(ERAS, key=lambda name: len(kernels[name].title))[-2:]
    for pair in [*(("v4.3", other) for other in ERAS[1::3]), longest, longest[::-1]]:
        for source in PROGRAMS[:2]:
            both = [stepped(source, name) for name in pair]
            left, right = ([d.stop_at(n) for n in range(d.length + 1)] for d in both)
            titles = both[0].kernel.title, both[1].kernel.title
            yield (
                f"stops, {', '.join(pair)}",
                StopTable(titles, left, right, Listing(both[0].program)),
            )


def rulers() -> Iterator[tuple[str, Figure]]:
    """Some that kernels showed; one of every class with no bit and with every bit set, and every bit changed."""
    for word in SYNDROMES:
        yield f"syndrome {word:#x}", EsrRuler(word)
    for exception_class in {*EC, 0x3F}:
        for iss in (0, 0x1FF_FFFF):
            word = exception_class << 26 | 1 << 25 | iss
            yield f"syndrome {word:#x}", EsrRuler(word, before=word ^ 0xFFFF_FFFF)


def runs() -> Iterator[tuple[str, Figure]]:
    """Recordings: the longest description, one with the longest name of a kernel, one that differs."""
    folder = recording.load(recordings_folder())
    longest = max(folder.recordings("linux-6.14"), key=lambda r: len(r.about))
    yield "recording, longest", RecordedRun("linux-6.14", longest.scenario)
    yield "recording, what if", RecordedRun("what-if-early-advance-step-remembered", "b_str")
    for scenario in ("b_str", "d_three", "c_ldr"):
        yield f"recording, {scenario}, differs", RecordedRun("linux-4.4.60", scenario, "fixed")


def panels() -> Iterator[tuple[str, StepLab | CompareLab]]:
    """The static pictures of the panels, at every step."""
    for kernel in ("v4.3", "what-if-early-advance-step-remembered"):
        for source in PROGRAMS[:2]:
            lab = StepLab(source, kernel)
            both = CompareLab(source, kernel, "v5.0")
            for step in range(4):
                yield f"panel, {kernel}, step {step}", lab
                yield f"comparison, {kernel}, step {step}", both
                lab.step()
                both.step()


def figures() -> Iterator[tuple[str, Figure]]:
    """All figures that are models, by name."""
    for part in (machines, cycles, timelines, tables, rulers, runs):
        yield from part()
    yield "cheat sheet", cheat_sheet()


def drawings() -> Iterator[tuple[str, Draw]]:
    """Everything that is drawn."""
    for name, figure in figures():
        yield name, figure.draw
    yield from all_lit()
    for name, panel in panels():
        yield name, panel.draw
