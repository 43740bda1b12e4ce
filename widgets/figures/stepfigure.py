"""The state-machine diagram with a walk through it: the figure that every lab shows.

Invariant: the drawing on a page is made once; afterwards only a style and a few texts change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aarch64sim.arch.step import StepState
from aarch64sim.events import Event
from widgets.figures.figure import Figure
from widgets.figures.machinedrawing import draw_diagram, page_style
from widgets.figures.svg_writer import page_svg
from widgets.models.diagram import STEP_MACHINE, Diagram, one_line
from widgets.models.drawing import Drawing
from widgets.models.edges_taken import Leg, numbers, walk

MOST_LEGS = 12


@dataclass(frozen=True, repr=False)
class StepFigure(Figure):
    """A state, and the edges that led to it. `spsr_ss` is what SPSR_EL2.SS holds now, None where unknown."""

    state: StepState = StepState.INACTIVE
    legs: tuple[Leg, ...] = ()
    spsr_ss: int | None = None
    diagram: Diagram = STEP_MACHINE
    name = "step-machine"

    @classmethod
    def of(
        cls, events: Iterable[Event], state: StepState, spsr_ss: int | None = None
    ) -> StepFigure:
        """The figure of what these events did; `state` is where the machine is after them."""
        return cls(state, walk(events), spsr_ss)

    @property
    def values(self) -> dict[str, str]:
        """What stands in the boxes for the bits that are not fixed by the state."""
        return {"inactive.SPSR_EL2.SS": "-" if self.spsr_ss is None else str(self.spsr_ss)}

    @property
    def sentence(self) -> str:
        """Where the machine is, and the way it took."""
        here = f"The software-step machine is {self.state}."
        if not self.legs:
            return here
        way = "; ".join(
            f"{leg.number}. {self.diagram.edge(leg.edge).words}" for leg in self.legs[-MOST_LEGS:]
        )
        more = (
            ""
            if len(self.legs) <= MOST_LEGS
            else f" (the last {MOST_LEGS} of {len(self.legs)} moves)"
        )
        bug = any(self.diagram.edge(leg.edge).missing for leg in self.legs)
        return f"{here} Its path in this step{more}: {way}." + (
            " The skip left the step owed, so one instruction too many was granted." if bug else ""
        )

    @property
    def header(self) -> tuple[str, ...]:
        return ("no.", "from", "to", "cause", "effect", "PC")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for leg in self.legs:
            edge = self.diagram.edge(leg.edge)
            rows.append(
                (
                    str(leg.number),
                    edge.source,
                    edge.target,
                    one_line(edge.cause) or leg.event.text,
                    one_line(edge.effect),
                    f"{leg.event.pc:#x}",
                )
            )
        return rows

    def drawing(self) -> Drawing:
        return draw_diagram(
            self.diagram, current=str(self.state), numbers=numbers(self.legs), values=self.values
        )

    # On a live page

    def page_svg(self, prefix: str) -> str:
        """The drawing, unlit, its parts with ids that start with `prefix`; what `page_changes` returns lights it."""
        return page_svg(draw_diagram(self.diagram, unlit=True), self.diagram.title, prefix)

    def page_changes(self, prefix: str) -> tuple[str, dict[str, str]]:
        """The style, and the texts by id, that make the unlit drawing show this figure."""
        shown = numbers(self.legs)
        texts = {
            f"{prefix}number-{edge.name}": shown.get(edge.name, "0") for edge in self.diagram.edges
        }
        texts |= {
            f"{prefix}bit-{name.replace('.', '-', 1)}": value for name, value in self.values.items()
        }
        return page_style(self.diagram, prefix, str(self.state), shown), texts
