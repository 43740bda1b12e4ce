"""A panel as one picture: what a notebook shows where no kernel runs.

Invariant: drawn from the same models as the panel, by the same renderers.
"""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aarch64sim.debug import Debugger
from widgets.figures.render import canvas
from widgets.figures.stepfigure import StepFigure
from widgets.figures.timelinefigure import TimelineFigure
from widgets.models.theme import LIGHT
from widgets.models.timeline import Timeline
from widgets.page import wording
from widgets.page.listing import Listing

WIDTH, LEFT = 900.0, 300.0
NO_BUTTONS = "This is a picture. Run the cell (Shift+Enter) to get the buttons."
MONO: dict[str, Any] = {"family": "DejaVu Sans Mono", "fontsize": 8.0, "va": "center"}


def poster(
    title: str, listing: Listing, debugger: Debugger, diagram: StepFigure, timeline: Timeline
) -> Figure:
    """Program and registers at the left, the step machine at the right, the timeline below, the status on top."""
    lower = TimelineFigure((timeline,), WIDTH - 16).shortened()
    below = lower.height if timeline.columns else 0.0
    height = diagram.diagram.size[1] + below + 60
    figure, axes = canvas((WIDTH, height))
    axes.text(
        8, height - 13, NO_BUTTONS, fontsize=10, weight="bold", va="center", color=LIGHT["stop"]
    )
    height -= 16
    axes.text(8, height - 13, title, fontsize=10, weight="bold", va="center", color=LIGHT["ink"])
    axes.text(
        8,
        height - 30,
        wording.status(debugger.last, listing, timeline),
        fontsize=9,
        va="center",
        color=LIGHT["ink"],
    )
    _program(axes, listing, debugger, timeline, height - 56)
    height += 16
    inner = figure.add_axes(
        (LEFT / WIDTH, below / height, (WIDTH - LEFT) / WIDTH, diagram.diagram.size[1] / height)
    )
    inner.set_xlim(0, diagram.diagram.size[0])
    inner.set_ylim(0, diagram.diagram.size[1])
    inner.axis("off")
    diagram.draw_into(inner)
    if below:
        shifted = figure.add_axes((8 / WIDTH, 0, (WIDTH - 16) / WIDTH, below / height))
        shifted.set_xlim(0, WIDTH - 16)
        shifted.set_ylim(0, below)
        shifted.axis("off")
        lower.draw_into(shifted, below, WIDTH - 16)
    return figure


def _program(
    axes: Axes, listing: Listing, debugger: Debugger, timeline: Timeline, top: float
) -> None:
    pc = debugger.last.pc
    addresses = sorted(listing.words)
    at = addresses.index(pc) if pc in addresses else 0
    first = max(0, min(at - 5, len(addresses) - 12))
    unseen = {c.pc for c in timeline.columns if c.ghost == "ran"}
    for n, address in enumerate(addresses[first : first + 12]):
        y = top - 15 * n
        here = address == pc
        mark = "\u25b6" if here else "!" if address in unseen else ""
        colour = LIGHT["bug" if address in unseen else "ink"]
        axes.text(
            8,
            y,
            mark,
            fontsize=8,
            va="center",
            color=LIGHT["bug"] if address in unseen else LIGHT["stop"],
        )
        text = f"{address:#x}  {' '.join(listing.text_at(address).split())}"
        axes.text(22, y, text, weight="bold" if here else "normal", color=colour, **MONO)
    y = top - 15 * min(12, len(addresses)) - 14
    registers = debugger.registers
    lines = [f"{n:9}{old:#x} \u2192 {new:#x}" for n, (old, new) in debugger.changes.items()][:7]
    if not lines:
        lines = [f"{n:9}{registers[n]:#x}" for n in ("pc", "pstate")]
    console = debugger.console.replace("\n", "\u21b5")[-24:]
    for n, line in enumerate([*lines, f"{'UART':9}{console!r}"]):
        axes.text(22, y - 14 * n, line, color=LIGHT["ink"], **MONO)
