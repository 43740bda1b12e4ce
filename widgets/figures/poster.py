"""A panel as one picture: what a notebook shows where no kernel runs.

Invariant: drawn from the same models as the panel, and drawn as they are.
"""

from __future__ import annotations

from aarch64sim.debug import Debugger
from widgets.figures.stepfigure import StepFigure
from widgets.figures.timelinefigure import TimelineFigure
from widgets.models.drawing import Drawing
from widgets.models.timeline import Timeline
from widgets.page import wording
from widgets.page.listing import Listing

WIDTH, LEFT = 900.0, 300.0
MOST_LINES, MOST_REGISTERS = 12, 7


def poster(
    title: str, listing: Listing, debugger: Debugger, diagram: StepFigure, timeline: Timeline
) -> Drawing:
    """Program and registers at the left, the step machine at the right, the timeline below, the status on top."""
    lower = TimelineFigure((timeline,), WIDTH - 16).shortened()
    below = lower.height if timeline.columns else 0.0
    height = diagram.diagram.size[1] + below + 44
    drawing = Drawing((WIDTH, height))
    drawing.text(8, height - 13, title, 10, bold=True)
    drawing.text(8, height - 30, wording.status(debugger.last, listing, timeline), 9)
    y = _program(drawing, listing, debugger, timeline, height - 56)
    _registers(drawing, debugger, y - 14)
    drawing.place(diagram.drawing(), LEFT, below)
    if below:
        drawing.place(lower.drawing(), 8, 0)
    return drawing


def _program(
    drawing: Drawing, listing: Listing, debugger: Debugger, timeline: Timeline, top: float
) -> float:
    pc = debugger.last.pc
    addresses = sorted(listing.words)
    at = addresses.index(pc) if pc in addresses else 0
    first = max(0, min(at - 5, len(addresses) - MOST_LINES))
    unseen = {c.pc for c in timeline.columns if c.ghost == "ran"}
    for n, address in enumerate(addresses[first : first + MOST_LINES]):
        y, here, lost = top - 15 * n, address == pc, address in unseen
        if here or lost:
            drawing.text(8, y, "\u25b6" if here else "!", 8, colour="bug" if lost else "stop")
        text = f"{address:#x}  {' '.join(listing.text_at(address).split())}"
        colour = "bug" if lost else "ink"
        drawing.text(22, y, text, 8, bold=here, colour=colour, mono=True)
    return top - 15 * min(MOST_LINES, len(addresses))


def _registers(drawing: Drawing, debugger: Debugger, top: float) -> None:
    registers, changes = debugger.registers, debugger.changes
    lines = [f"{n:9}{old:#x} \u2192 {new:#x}" for n, (old, new) in changes.items()]
    lines = lines[:MOST_REGISTERS] or [f"{n:9}{registers[n]:#x}" for n in ("pc", "pstate")]
    console = debugger.console.replace("\n", "\u21b5")[-24:]
    for n, line in enumerate([*lines, f"{'UART':9}'{console}'"]):
        drawing.text(22, top - 14 * n, line, 8, mono=True)
