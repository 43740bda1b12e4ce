"""The timeline drawn with matplotlib, one kernel or several above each other.

Invariant: everything drawn stands in the table, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.patches import FancyBboxPatch

from widgets.figure import Figure
from widgets.render import canvas
from widgets.theme import LIGHT
from widgets.timeline import LANE_TITLES, LANES, Column, Timeline

LEFT, ROW, HEAD, GAP, FONT = 66.0, 26.0, 48.0, 14.0, 8.5
COLOURS = {"guest": "run", "kvm": "here", "vmm": "here", "debugger": "stop"}


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
    def header(self) -> tuple[str, ...]:
        return ("kernel", "step", "lane", "event", "PC", "SS", "what happened")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                timeline.title,
                str(c.step),
                LANE_TITLES[c.lane],
                c.label + (" (nobody was told)" if c.ghost == "ran" else ""),
                f"{c.pc:#x}",
                c.ss,
                c.text,
            )
            for timeline in self.timelines
            for c in timeline.columns
        ]

    @property
    def height(self) -> float:
        """Points that the drawing needs."""
        return len(self.timelines) * (HEAD + len(LANES) * ROW + GAP)

    def draw(self) -> MplFigure:
        columns = max((len(t.columns) for t in self.timelines), default=0)
        figure, axes = canvas((max(self.width, LEFT + 47 * columns), self.height))
        self.draw_into(axes, self.height, max(self.width, LEFT + 47 * columns))
        return figure

    def draw_into(self, axes: Axes, top: float, width: float) -> None:
        """Draw below `top` into axes whose coordinates are points."""
        columns = max((len(t.columns) for t in self.timelines), default=0)
        step = min(64.0, (width - LEFT - 4) / max(columns, 1))
        for timeline in self.timelines:
            _draw_timeline(axes, timeline, top, step, width)
            top -= HEAD + len(LANES) * ROW + GAP


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


def _draw_chip(axes: Axes, column: Column, x: float, y: float, step: float) -> None:
    colour = "bug" if column.ghost else COLOURS[column.lane]
    half = step / 2 - 1.5
    chip = FancyBboxPatch((x - half, y - 9), 2 * half, 18, boxstyle="round,pad=0,rounding_size=4")
    chip.set(
        facecolor=LIGHT["page" if column.ghost == "stop" else f"{colour}-fill"],
        edgecolor=LIGHT[colour],
        linewidth=1.3,
        linestyle=(0, (3, 2)) if column.ghost else "solid",
        zorder=3,
    )
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
            zorder=4,
        )
