"""The life cycle of KVM_RUN drawn: stages and arrows, flags, and a strip that says who runs and who waits.

Invariant: every line of the strip and every flag stands in the table of the figure, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from widgets.figures.render import canvas, half_width
from widgets.figures.repaint import says
from widgets.models.lifestages import ARROWS, BOXES, GROUNDS, LIFT, SIZE, Box, Flag
from widgets.models.theme import LIGHT
from widgets.models.visits import Visit

FONT = 10.5
COLOURS = {"userspace": "stop", "kernel": "here", "guest": "run"}
FLAGS = {"plain": ("run", ""), "right": ("run", "\u2713 "), "wrong": ("bug", "\u2715 ")}
STRIP_LEFT, STRIP_ROW, MOST_VISITS = 84.0, 19.0, 20
CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}


def draw(
    title: str,
    flags: Sequence[Flag],
    visits: Sequence[Visit],
    numbers: Mapping[str, str],
    path: Collection[tuple[str, str]],
) -> Figure:
    """The whole figure."""
    figure, axes = canvas(SIZE)
    lifted = figure.add_axes((0, LIFT / SIZE[1], 1, 1 - LIFT / SIZE[1]))
    lifted.set_xlim(0, SIZE[0])
    lifted.set_ylim(0, SIZE[1] - LIFT)
    lifted.axis("off")
    _grounds(lifted)
    for arrow in ARROWS:
        _arrow(lifted, arrow, (arrow[0], arrow[1]) in path)
    for box in BOXES:
        _box(lifted, box, numbers.get(box.name, ""))
    for flag in flags:
        _flag(lifted, flag)
    axes.text(
        8, SIZE[1] - 14, title, fontsize=FONT + 1.5, weight="bold", va="center", color=LIGHT["ink"]
    )
    _strip(axes, visits)
    return figure


def _grounds(axes: Axes) -> None:
    for level, (name, left, low, width, height, at) in enumerate(GROUNDS):
        ground = _rounded(left, low, width, height, 8)
        ground.set(
            facecolor=LIGHT["surface"], edgecolor=LIGHT["rule"], linewidth=1, zorder=level / 4
        )
        axes.add_patch(ground)
        axes.text(*at, name, fontsize=FONT, weight="bold", color=LIGHT["muted"], **CENTRED)


def _rounded(left: float, low: float, width: float, height: float, radius: float) -> FancyBboxPatch:
    return FancyBboxPatch(
        (left, low), width, height, boxstyle=f"round,pad=0,rounding_size={radius}"
    )


def _arrow(axes: Axes, arrow: tuple[Any, ...], lit: bool) -> None:
    source, target, start, end, bend, label, at = arrow
    colour, width = LIGHT["ink" if lit else "line"], 2.6 if lit else 1.3
    if (source, target) == ("return", "answer"):
        axes.plot(
            [512, 512, 184, 184], [301, 322, 322, 204], color=colour, linewidth=width, zorder=1
        )
        start, end = (184, 204), (167, 204)
    head = FancyArrowPatch(
        start,
        end,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>,head_length=0.5,head_width=0.26",
        mutation_scale=14,
        shrinkA=0,
        shrinkB=0,
        linewidth=width,
        color=colour,
        zorder=2,
    )
    axes.add_patch(says(head, "arrow", "taken" if lit else "not taken"))
    if label:
        beside = label == "to userspace"
        axes.text(
            at[0],
            at[1],
            label,
            fontsize=FONT - 1,
            ha="left" if beside else "center",
            va="center" if beside else "bottom",
            color=LIGHT["muted"],
            style="italic",
        )


def _box(axes: Axes, box: Box, number: str) -> None:
    (x, y), (w, h) = box.at, box.size
    colour = COLOURS[box.who]
    patch = _rounded(x - w / 2, y - h / 2, w, h, 14 if box.who == "guest" else 5)
    patch.set(
        facecolor=LIGHT[f"{colour}-fill" if number else "page"],
        edgecolor=LIGHT[colour if number else "line"],
        linewidth=2.4 if number else 1.2,
        zorder=3,
    )
    axes.add_patch(says(patch, "stage", "visited" if number else "not visited"))
    for line, text in enumerate(box.text):
        place = y + 7.5 * (len(box.text) - 1) - 15 * line
        axes.text(x, place, text, fontsize=FONT, color=LIGHT["ink"], zorder=4, **CENTRED)
    if number:
        half = half_width(number, FONT - 1.5)
        left = x - w / 2 - 4
        disc = _rounded(left, y + h / 2 - 8, 2 * half, 16, 7.9)
        disc.set(facecolor=LIGHT["badge"], edgecolor=LIGHT["page"], linewidth=1.2, zorder=6)
        axes.add_patch(disc)
        badge = axes.text(
            left + half,
            y + h / 2 - 0.3,
            number,
            fontsize=FONT - 1.5,
            weight="bold",
            color=LIGHT["badge-ink"],
            zorder=7,
            **CENTRED,
        )
        says(badge, "stage", "visited")


def _flag(axes: Axes, flag: Flag) -> None:
    box = next(box for box in BOXES if box.name == flag.stage)
    colour, mark = FLAGS[flag.kind]
    wrong = flag.kind == "wrong"
    half = (3.3 if mark else 2.9) * len(mark + flag.text) + 6
    x, y = box.at[0], box.at[1] - box.size[1] / 2 - 1
    patch = _rounded(x - half, y - 15, 2 * half, 17, 3)
    patch.set(facecolor=LIGHT[f"{colour}-fill"], edgecolor=LIGHT[colour], linewidth=1.4, zorder=5)
    patch.set_linestyle((0, (3, 2)) if wrong else "solid")
    axes.add_patch(says(patch, "flag", "wrong" if wrong else "right"))
    axes.text(
        x,
        y - 6.8,
        mark + flag.text,
        fontsize=FONT - 1.5,
        weight="bold" if mark else "normal",
        color=LIGHT["bug" if wrong else "ink"],
        zorder=6,
        **CENTRED,
    )


def _strip(axes: Axes, visits: Sequence[Visit]) -> None:
    """A row for each party: a box with the number of the visit where it runs, a line where it waits."""
    who = {box.name: box.who for box in BOXES}
    shown = visits[:MOST_VISITS]
    hidden = len(visits) - len(shown)
    more = f" (and {hidden} more)" if hidden else ""
    step = min(46.0, (SIZE[0] - STRIP_LEFT - 12) / max(len(shown), 1))
    axes.text(
        STRIP_LEFT,
        LIFT - 12,
        "who runs: a box with the number of the stage; who waits: a line" + more,
        fontsize=FONT - 1.5,
        style="italic",
        va="center",
        color=LIGHT["muted"],
    )
    for row, party in enumerate(COLOURS):
        y = LIFT - 32 - row * STRIP_ROW
        axes.text(
            STRIP_LEFT - 8, y, party, fontsize=FONT - 1, ha="right", va="center", color=LIGHT["ink"]
        )
        for place, visit in enumerate(shown):
            x = STRIP_LEFT + place * step
            if who[visit.stage] != party:
                (line,) = axes.plot([x, x + step], [y, y], color=LIGHT["line"], linewidth=1.2)
                says(line, "party", "waits")
                continue
            box = _rounded(x + 1, y - 8, step - 2, 16, 7.9 if party == "guest" else 1)
            colour = COLOURS[party]
            box.set(
                facecolor=LIGHT[f"{colour}-fill"],
                edgecolor=LIGHT[colour],
                linewidth=1.3,
                zorder=3,
            )
            axes.add_patch(says(box, "party", "runs"))
            number = str(visit.number)
            axes.text(
                x + step / 2,
                y - 0.4,
                number,
                fontsize=FONT - 2,
                color=LIGHT["ink"],
                zorder=4,
                **CENTRED,
            )
