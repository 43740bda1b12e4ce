"""A state-machine diagram as data: states, edges, places. Nothing here draws, and nothing knows the machine's rules.

Invariant: a place never depends on what happened, so the eye learns where things are.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]
LEADING = 15.0  # points from one line of a label to the next


@dataclass(frozen=True, slots=True)
class State:
    """One box. `bits` are (name, value) lines inside it; `shape` tells states apart without colour."""

    name: str
    title: str
    meaning: str
    bits: tuple[tuple[str, str], ...]
    at: Point
    size: Point
    shape: str = "round"  # round | pill | octagon | work (something that is done, not a state)
    colour: str = "here"


@dataclass(frozen=True, slots=True)
class Edge:
    """One arrow from `source` to `target`: why it is taken, what it does, and where everything stands.

    `bend` is the curvature of the arc; `label_at` anchors the first line of the label, `align` says how. `missing`
    marks the edge that should not be there, or whose absence is the bug: dashed, with a cross.
    """

    name: str
    source: str
    target: str
    cause: str
    effect: str
    start: Point
    end: Point
    label_at: Point
    badge_at: Point
    align: str = "center"
    bend: float = 0.0
    effect_at: Point | None = None
    words: str = ""  # the edge in a sentence
    missing: bool = False
    cross_at: Point | None = None

    @property
    def label(self) -> tuple[tuple[str, bool, Point], ...]:
        """The lines of the label: the text, whether it tells the effect, where it stands."""
        causes, effects = (
            [part for part in text.split("\n") if part] for text in (self.cause, self.effect)
        )
        x, y = self.label_at
        below = self.effect_at or (x, y - LEADING * len(causes))
        return tuple(
            [(text, False, (x, y - LEADING * n)) for n, text in enumerate(causes)]
            + [(text, True, (below[0], below[1] - LEADING * n)) for n, text in enumerate(effects)]
        )


@dataclass(frozen=True, slots=True)
class Diagram:
    """States and edges on a canvas of `size` points."""

    name: str
    title: str
    size: Point
    states: tuple[State, ...]
    edges: tuple[Edge, ...]

    def state(self, name: str) -> State:
        """The state of that name; KeyError if there is none."""
        return {state.name: state for state in self.states}[name]

    def edge(self, name: str) -> Edge:
        """The edge of that name; KeyError if there is none."""
        return {edge.name: edge for edge in self.edges}[name]


def one_line(text: str) -> str:
    """A label as a sentence part: its lines joined."""
    return " ".join(text.split("\n"))


STEP_MACHINE = Diagram(
    name="step",
    title="The software-step machine",
    size=(600, 372),
    states=(
        State(
            "inactive",
            "inactive",
            "not stepping: the host runs at EL2",
            (("SPSR_EL2.SS", "-"),),
            (300, 329),
            (232, 70),
            "round",
            "here",
        ),
        State(
            "active-not-pending",
            "active-not-pending",
            "one instruction may run",
            (("MDSCR_EL1.SS", "1"), ("PSTATE.SS", "1")),
            (104, 46),
            (196, 72),
            "pill",
            "run",
        ),
        State(
            "active-pending",
            "active-pending",
            "stop before the next instruction",
            (("MDSCR_EL1.SS", "1"), ("PSTATE.SS", "0")),
            (493, 46),
            (206, 72),
            "octagon",
            "stop",
        ),
        State(
            "skip",
            "KVM emulates the access,",
            "skips it: PC += 4",
            (),
            (300, 196),
            (180, 46),
            "work",
            "here",
        ),
    ),
    edges=(
        Edge(
            "enter-granted",
            "inactive",
            "active-not-pending",
            "ERET to the guest,\nSPSR_EL2.SS = 1",
            "one step granted",
            (184, 340),
            (36, 82),
            (6, 334),
            (46, 205),
            "left",
            0.36,
            words="the guest is entered with SS = 1",
        ),
        Edge(
            "exception",
            "active-not-pending",
            "inactive",
            "exception to EL2",
            "SPSR_EL2.SS = 1:\nstep still owed",
            (144, 82),
            (222, 294),
            (78, 238),
            (183, 188),
            "left",
            words="an exception leaves the guest",
        ),
        Edge(
            "retire",
            "active-not-pending",
            "active-pending",
            "instruction retires",
            "PSTATE.SS := 0",
            (202, 46),
            (390, 46),
            (296, 60),
            (296, 46),
            effect_at=(296, 26),
            words="the instruction retires",
        ),
        Edge(
            "step-exception",
            "active-pending",
            "inactive",
            "Software Step\nexception to EL2",
            "debugger stops",
            (564, 82),
            (416, 340),
            (594, 334),
            (554, 205),
            "right",
            0.36,
            words="the Software Step exception stops it",
        ),
        Edge(
            "enter-pending",
            "inactive",
            "active-pending",
            "ERET,\nSPSR_EL2.SS = 0",
            "step spent",
            (376, 294),
            (478, 82),
            (529, 228),
            (427, 188),
            "right",
            words="the guest is entered with SS = 0",
        ),
        Edge(
            "skip",
            "inactive",
            "skip",
            "",
            "",
            (300, 294),
            (300, 219),
            (310, 254),
            (300, 257),
            words="the kernel skips the emulated instruction",
        ),
        Edge(
            "skip-cleared",
            "skip",
            "active-pending",
            "SS := 0,",
            "ERET",
            (360, 173),
            (436, 82),
            (348, 121),
            (381, 148),
            "left",
            words="the guest is entered with SS = 0 after the skip",
        ),
        Edge(
            "skip-kept",
            "skip",
            "active-not-pending",
            "SS is still 1:",
            "one more granted",
            (254, 173),
            (182, 78),
            (231, 124),
            (239, 153),
            "left",
            missing=True,
            cross_at=(211, 116),
            words="the guest is entered with SS still 1 after the skip",
        ),
    ),
)
