"""The timeline drawn with matplotlib, one kernel or several above each other.

Invariant: everything drawn stands in the table, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.patches import FancyBboxPatch, Patch, Polygon, Rectangle

from aarch64sim.events import Lane
from widgets.figures.figure import Figure
from widgets.figures.render import canvas
from widgets.figures.repaint import says
from widgets.models.theme import LIGHT
from widgets.models.timeline import LANE_TITLES, LANES, Column, Timeline, first_divergence

LEFT, ROW, HEAD, GAP, FONT = 66.0, 26.0, 48.0, 14.0, 8.5
FILLS = {"guest": "run-fill", "kvm": "here-fill", "vmm": "surface", "debugger": "stop-fill"}
EDGES = {"guest": "run", "kvm": "here", "vmm": "line", "debugger": "stop"}
PARTS = "first difference"
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

    def draw(self) -> MplFigure:
        columns = max((len(t.columns) for t in self.timelines), default=0)
        figure, axes = canvas((max(self.width, LEFT + 47 * columns), self.height))
        self.draw_into(axes, self.height, max(self.width, LEFT + 47 * columns))
        return figure

    def draw_into(self, axes: Axes, top: float, width: float) -> None:
        """Draw below `top` into axes whose coordinates are points."""
        columns = max((len(t.columns) for t in self.timelines), default=0)
        step = min(64.0, (width - LEFT - 4) / max(columns, 1))
        parting = self.parting
        for timeline in self.timelines:
            _draw_timeline(axes, timeline, top, step, width)
            if parting is not None and parting < len(timeline.columns):
                _draw_parting(axes, LEFT + parting * step, top, width)
            top -= HEAD + len(LANES) * ROW + GAP


def _draw_parting(axes: Axes, x: float, top: float, width: float) -> None:
    low = top - HEAD - len(LANES) * ROW
    (line,) = axes.plot(
        [x, x],
        [low, top - HEAD + 4],
        color=LIGHT["ink"],
        linewidth=1.6,
        linestyle=(0, (1, 1.6)),
        zorder=2,
    )
    room = x < width - 110
    words = axes.text(
        x + 3 if room else x - 3,
        low - 1,
        f"\u25c2 {PARTS}" if room else f"{PARTS} \u25b8",
        fontsize=FONT,
        ha="left" if room else "right",
        va="center",
        color=LIGHT["ink"],
    )
    for artist in (line, words):
        says(artist, "column", "first difference")


def _draw_timeline(axes: Axes, timeline: Timeline, top: float, step: float, width: float) -> None:
    small: dict[str, Any] = {"fontsize": FONT, "va": "center"}
    axes.text(
        4,
        top - 8,
        timeline.title,
        fontsize=FONT + 1.5,
        weight="bold",
        va="center",
        color=LIGHT["ink"],
    )
    for title, y in (("PC", top - 24), ("SS", top - 38)):
        axes.text(LEFT - 8, y, title, color=LIGHT["muted"], ha="right", **small)
    _draw_spans(axes, timeline, top, step)
    for lane_number, lane in enumerate(LANES):
        y = top - HEAD - (lane_number + 0.5) * ROW
        axes.plot([LEFT, width - 4], [y, y], color=LIGHT["rule"], linewidth=1, zorder=1)
        axes.text(LEFT - 8, y, LANE_TITLES[lane], color=LIGHT["ink"], ha="right", **small)
        for number, column in enumerate(timeline.columns):
            if column.lane is lane:
                _draw_chip(axes, column, LEFT + (number + 0.5) * step, y, step)


def _draw_spans(axes: Axes, timeline: Timeline, top: float, step: float) -> None:
    for row, y in (("pc", top - 24), ("ss", top - 38)):
        for first, count in timeline.spans(attrgetter(row)):
            x0, x1 = LEFT + first * step, LEFT + (first + count) * step
            column = timeline.columns[first]
            text = column.ss
            if row == "pc":
                text = f"{column.pc:#x}" if x1 - x0 > 62 else f"\u2026{column.pc & 0xFF:02x}"
            if text:
                axes.plot([x0 + 2, x1 - 2], [y - 6.5, y - 6.5], color=LIGHT["line"], linewidth=1)
            axes.text(
                (x0 + x1) / 2, y, text, fontsize=FONT, ha="center", va="center", color=LIGHT["ink"]
            )


def _outline(column: Column, left: float, low: float, width: float, height: float) -> Patch:
    """A lane has its shape, the same as in the other figures: what runs is a pill, what stops an octagon."""
    if column.lane is Lane.GUEST:
        return FancyBboxPatch((left, low), width, height, boxstyle="round,pad=0,rounding_size=8.9")
    right, top = left + width, low + height
    if column.lane is Lane.KVM:
        return Rectangle((left, low), width, height)
    if column.lane is Lane.VMM:
        corners = [(left, low), (right - 5, low), (right, top), (left + 5, top)]
        return Polygon(corners, closed=True)
    cut = 5.0
    corners = [
        *((left + cut, low), (right - cut, low), (right, low + cut), (right, top - cut)),
        *((right - cut, top), (left + cut, top), (left, top - cut), (left, low + cut)),
    ]
    return Polygon(corners, closed=True)


def _draw_chip(axes: Axes, column: Column, x: float, y: float, step: float) -> None:
    half = step / 2 - 1.5
    chip = _outline(column, x - half, y - 9, 2 * half, 18)
    fill = {"stop": "page", "ran": "bug-fill"}.get(column.ghost)
    chip.set(
        facecolor=LIGHT[fill or FILLS[column.lane]],
        edgecolor=LIGHT["bug" if column.ghost else EDGES[column.lane]],
        linewidth=1.3,
        linestyle=(0, (3, 2)) if column.ghost else "solid",
        zorder=3,
    )
    meaning = {"": "was told", "stop": "a stop that never came"}
    says(chip, "event", meaning.get(column.ghost, "nobody was notified"))
    says(chip, "lane", LANE_TITLES[column.lane])
    axes.add_patch(chip)
    size = min(FONT - 0.5, (2 * half - 2) / max(len(column.label), 1) / 0.62)
    axes.text(
        x,
        y,
        column.label,
        fontsize=size,
        ha="center",
        va="center",
        color=LIGHT["bug" if column.ghost else "ink"],
        weight="bold" if column.ghost else "normal",
        zorder=4,
    )
    if column.ghost == "stop":
        axes.text(
            x - half - 4,
            y,
            f"{column.text} \u25b8",
            fontsize=FONT,
            ha="right",
            va="center",
            color=LIGHT["bug"],
            bbox={
                "facecolor": LIGHT["page"],
                "edgecolor": "none",
                "pad": 1,
            },  # over the line of the lane
            zorder=4,
        )
