"""The timeline drawn, one kernel or several above each other.

Invariant: everything drawn stands in the table, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from aarch64sim.events import Lane
from widgets.figures.figure import Figure
from widgets.models.drawing import DASHED, Drawing, octagon, slanted
from widgets.models.timeline import LANE_TITLES, LANES, Column, Timeline, first_divergence

LEFT, ROW, HEAD, GAP, FONT = 66.0, 26.0, 48.0, 14.0, 8.5
FILLS = {"guest": "run-fill", "kvm": "here-fill", "vmm": "surface", "debugger": "stop-fill"}
EDGES = {"guest": "run", "kvm": "here", "vmm": "line", "debugger": "stop"}
PARTS = "first difference"
Place = tuple[float, float, float, float]
MOST_COLUMNS = 17  # that a panel's picture has room for


@dataclass(frozen=True, repr=False)
class TimelineFigure(Figure):
    """One timeline, or several for comparison."""

    timelines: tuple[Timeline, ...]
    width: float = 720.0
    name = "timeline"

    @property
    def sentence(self) -> str:
        return " ".join(timeline.sentence for timeline in self.timelines)

    @property
    def parting(self) -> int | None:
        """The first column that is not the same in all timelines; None where all are, or none is from the start."""
        first, *others = [[(c.lane, c.label, c.pc) for c in t.columns] for t in self.timelines]
        found = [at for other in others if (at := first_divergence(first, other))]
        return min(found, default=None)

    @property
    def header(self) -> tuple[str, ...]:
        return ("kernel", "step", "lane", "event", "PC", "SS", "what happened")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                timeline.title,
                str(c.step),
                LANE_TITLES[c.lane],
                c.label
                + (" (nobody was notified)" if c.ghost == "ran" else "")
                + (f" ({PARTS})" if number == self.parting else ""),
                f"{c.pc:#x}",
                c.ss,
                c.text,
            )
            for timeline in self.timelines
            for number, c in enumerate(timeline.columns)
        ]

    @property
    def height(self) -> float:
        """Points that the drawing needs."""
        return len(self.timelines) * (HEAD + len(LANES) * ROW + GAP)

    def shortened(self, most: int = MOST_COLUMNS) -> TimelineFigure:
        """At most so many columns: from shortly before the first difference, or the last ones; the titles say which."""
        longest = max((len(t.columns) for t in self.timelines), default=0)
        if longest <= most:
            return self
        wanted = longest - most if self.parting is None else self.parting - 4
        first = max(0, min(wanted, longest - most))
        cut = tuple(
            Timeline(
                f"{t.title} (columns {first + 1} to {min(first + most, len(t.columns))} of {len(t.columns)})",
                t.columns[first : first + most],
            )
            for t in self.timelines
        )
        return replace(self, timelines=cut)

    def drawing(self) -> Drawing:
        columns = max((len(t.columns) for t in self.timelines), default=0)
        width = max(self.width, LEFT + 47 * columns)
        step = min(64.0, (width - LEFT - 4) / max(columns, 1))
        drawing, top = Drawing((width, self.height)), self.height
        for timeline in self.timelines:
            _draw_timeline(drawing, timeline, top, step)
            if self.parting is not None and self.parting < len(timeline.columns):
                _draw_parting(drawing, LEFT + self.parting * step, top)
            top -= HEAD + len(LANES) * ROW + GAP
        return drawing


def _draw_parting(drawing: Drawing, x: float, top: float) -> None:
    low, said = top - HEAD - len(LANES) * ROW, ("column: first difference",)
    ends = (x, low), (x, top - HEAD + 4)
    drawing.line(*ends, colour="ink", width=1.6, dash=(1, 1.6), says=said)
    if x < drawing.size[0] - 110:
        drawing.text(x + 3, low - 1, f"\u25c2 {PARTS}", FONT, says=said)
    else:
        drawing.text(x - 3, low - 1, f"{PARTS} \u25b8", FONT, anchor="end", says=said)


def _draw_timeline(drawing: Drawing, timeline: Timeline, top: float, step: float) -> None:
    drawing.text(4, top - 8, timeline.title, FONT + 1.5, bold=True)
    for title, y in (("PC", top - 24), ("SS", top - 38)):
        drawing.text(LEFT - 8, y, title, FONT, colour="muted", anchor="end")
    _draw_spans(drawing, timeline, top, step)
    for lane_number, lane in enumerate(LANES):
        y = top - HEAD - (lane_number + 0.5) * ROW
        drawing.line((LEFT, y), (drawing.size[0] - 4, y), colour="rule", z=1)
        drawing.text(LEFT - 8, y, LANE_TITLES[lane], FONT, anchor="end")
        for number, column in enumerate(timeline.columns):
            if column.lane is lane:
                _draw_chip(drawing, column, LEFT + (number + 0.5) * step, y, step)


def _draw_spans(drawing: Drawing, timeline: Timeline, top: float, step: float) -> None:
    for row, y in (("pc", top - 24), ("ss", top - 38)):
        for first, count in timeline.spans(attrgetter(row)):
            x0, x1 = LEFT + first * step, LEFT + (first + count) * step
            column = timeline.columns[first]
            text = column.ss
            if row == "pc":
                text = f"{column.pc:#x}" if x1 - x0 > 62 else f"\u2026{column.pc & 0xFF:02x}"
            if text:
                drawing.line((x0 + 2, y - 6.5), (x1 - 2, y - 6.5))
                drawing.text((x0 + x1) / 2, y, text, FONT, anchor="middle")


def _outline(drawing: Drawing, lane: Lane, place: Place, style: dict[str, Any]) -> None:
    """A lane has its shape, the same as in the other figures: what runs is a pill, what stops an octagon."""
    if lane in (Lane.GUEST, Lane.KVM):
        drawing.box(*place, stroke=1.3, radius=8.9 if lane is Lane.GUEST else 0, **style)
    else:
        corners = slanted(*place, cut=5) if lane is Lane.VMM else octagon(*place, cut=5)
        drawing.polygon(corners, width=1.3, **style)


def _draw_chip(drawing: Drawing, column: Column, x: float, y: float, step: float) -> None:
    half = step / 2 - 1.5
    fill = {"stop": "page", "ran": "bug-fill"}.get(column.ghost)
    meaning = {"": "was notified", "stop": "a stop that never came"}
    style: dict[str, Any] = {
        "fill": fill or FILLS[column.lane],
        "edge": "bug" if column.ghost else EDGES[column.lane],
        "dash": DASHED if column.ghost else (),
        "z": 3,
        "says": (
            f"event: {meaning.get(column.ghost, 'nobody was notified')}",
            f"lane: {LANE_TITLES[column.lane]}",
        ),
    }
    _outline(drawing, column.lane, (x - half, y - 9, 2 * half, 18), style)
    size = min(FONT - 0.5, (2 * half - 2) / max(len(column.label), 1) / 0.62)
    colour = "bug" if column.ghost else "ink"
    label: dict[str, Any] = {"colour": colour, "bold": bool(column.ghost), "anchor": "middle"}
    drawing.text(x, y, column.label, size, z=4, **label)
    if column.ghost == "stop":  # over the line of the lane
        words: dict[str, Any] = {"colour": "bug", "anchor": "end", "ground": "page", "z": 4}
        drawing.text(x - half - 4, y, f"{column.text} \u25b8", FONT, **words)
