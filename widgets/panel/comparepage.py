"""The views of a comparison: what stands on the page, and what fills it.

Invariant: everything is there twice, left and right, in the same order, each in a slot of its own.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from aarch64sim.evidence.lockstep import Divergence
from widgets.figures.figure import html_table
from widgets.figures.stepfigure import StepFigure
from widgets.page import timelinepage
from widgets.panel.view import Shown, View
from widgets.panel.views import machine_svg, session_html

if TYPE_CHECKING:
    from widgets.panel.comparelab import CompareLab

SIDES = ("left", "right")


def _machines_html(lab: CompareLab) -> str:
    machines = "".join(
        f'<div><h4 data-slot="machine-title-{side}"></h4><style data-slot="step-style-{side}"></style>'
        f'<div class="sl-diagram">{machine_svg(f"{lab._prefix}{side}-")}</div>'
        f'<details class="sl-twin"><summary>In words</summary><p data-slot="step-caption-{side}"></p>'
        f'<div data-slot="step-table-{side}"></div></details></div>'
        for side in SIDES
    )
    return f'<div class="sl-columns sl-two">{machines}</div>'


def _machines(lab: CompareLab) -> Shown:
    values: Shown = {}
    for side, debugger in zip(SIDES, lab.debuggers, strict=True):
        values |= machine_values(lab.diagram(side), debugger.kernel.title, side, lab._prefix)
    return values


def _times_html(lab: CompareLab) -> str:
    return "".join(
        f'<h4 data-slot="title-{side}"></h4><div data-slot="time-{side}"></div>'
        f'<div class="sl-event" data-slot="event-{side}"></div>'
        for side in SIDES
    )


def _times(lab: CompareLab) -> Shown:
    times, values = lab._figure(), dict[str, str | int | None]()
    width = max(len(line.columns) for line in times.timelines)
    for side, debugger, line in zip(SIDES, lab.debuggers, times.timelines, strict=True):
        values[f"time-{side}"] = timelinepage.html(
            line, action=f"event-{side}", width=width, parting=times.parting
        )
        values[f"event-{side}"] = lab._explained.get(side, "")
        values[f"title-{side}.text"] = debugger.kernel.title
    return values


def _program(lab: CompareLab) -> Shown:
    return {"listing": lab._listing.html(*lab._listing.window(0), points=False)}


def _differing(lab: CompareLab) -> Shown:
    found = lab.pair.difference() if lab.clicks else None
    return {"differing": differing_html(found, lab.stops().titles)}


def _slot(name: str, attributes: str = "") -> str:
    return f'<div {attributes} data-slot="{name}"></div>'


VIEWS: dict[str, View] = {
    "machines": View("Software-step machine", _machines_html, _machines),
    "timeline": View("This click, event by event", _times_html, _times),
    "stops": View(
        "Where each kernel stopped",
        lambda lab: _slot("stops", 'class="sl-scroll" data-follow'),
        lambda lab: {"stops": lab.stops().html()},
    ),
    "differing": View("Registers that differ", lambda lab: _slot("differing"), _differing),
    "program": View("Program", lambda lab: _slot("listing", 'class="sl-scroll"'), _program),
    "session": View(
        "", lambda lab: session_html("CompareLab"), lambda lab: {"code@value": lab.code()}
    ),
}
FIRST = ("machines", "timeline")


def machine_values(figure: StepFigure, title: str, side: str, prefix: str) -> dict[str, str]:
    """One of the two diagrams."""
    style, texts = figure.page_changes(f"{prefix}{side}-")
    return {
        f"machine-title-{side}.text": title,
        f"step-style-{side}": style,
        f"step-caption-{side}.text": figure.sentence,
        f"step-table-{side}": html_table(figure.header, figure.rows),
        **{f"#{name}": text for name, text in texts.items()},
    }


def differing_html(found: Divergence | None, titles: tuple[str, str]) -> str:
    """The registers that differ now."""
    if found is None or not found.registers:
        return '<p class="sl-note">no register differs here</p>'
    rows = [(name, f"{a:#x}", f"{b:#x}") for name, (a, b) in found.registers.items()]
    count = f"{len(rows)} register{'s' if len(rows) != 1 else ''}"
    return (
        f"<p>{count} differ{'s' if len(rows) == 1 else ''} here: {escape(', '.join(row[0] for row in rows))}</p>"
        f"{html_table(('register', *titles), rows)}"
    )
