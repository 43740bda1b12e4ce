"""What stands on the page of a comparison, and where.

Invariant: everything is there twice, left and right, in the same order; only one copy of the page is ever made.
"""

from __future__ import annotations

from html import escape

from aarch64sim.evidence.lockstep import Divergence
from widgets.figures.figure import html_table
from widgets.figures.stepfigure import StepFigure
from widgets.page import controls, editor

SIDES = ("left", "right")


def skeleton(prefix: str) -> str:
    """The page of a panel whose drawings have ids with that prefix."""
    choosers = "".join(
        f'<div class="sl-tools">{controls.kernel_chooser(side, f"{side} kernel")}</div>'
        for side in SIDES
    )
    moves = controls.buttons(("start", "back", "step", "run", "stop"))
    part = (
        '<button type="button" class="sl-button" data-do="part" data-key="d" data-slot="do-part"'
        ' aria-keyshortcuts="d" title="go to the first click after which the two differ (key d)">'
        "To the first difference</button>"
    )
    machines = "".join(
        f'<div><h4 data-slot="machine-title-{side}"></h4><style data-slot="step-style-{side}"></style>'
        f'<div class="sl-diagram">{StepFigure().page_svg(f"{prefix}{side}-")}</div>'
        f'<details class="sl-twin"><summary>In words</summary><p data-slot="step-caption-{side}"></p>'
        f'<div data-slot="step-table-{side}"></div></details></div>'
        for side in SIDES
    )
    times = "".join(
        f'<h4 data-slot="title-{side}"></h4><div data-slot="time-{side}"></div>'
        f'<div class="sl-event" data-slot="event-{side}"></div>'
        for side in SIDES
    )
    return (
        '<div class="sl-panel" role="group" aria-label="one program under two kernels">'
        f'{choosers}<div class="sl-tools">{moves}{part}{controls.slider()}</div>'
        '<p class="sl-status" role="status" aria-live="polite" data-slot="status"></p>'
        '<div data-slot="differing"></div>'
        '<section class="sl-view"><h3>Where each kernel stopped</h3>'
        f'<div class="sl-scroll" data-follow data-slot="stops"></div>{editor.skeleton()}</section>'
        '<section class="sl-view"><h3>Software-step machine</h3>'
        f'<div class="sl-columns sl-two">{machines}</div></section>'
        f'<section class="sl-view"><h3>This click, event by event</h3>{times}</section>'
        '<details class="sl-more"><summary>Session code</summary><p class="sl-note">Take it up again in another'
        ' notebook: <code>CompareLab.from_code("...")</code></p><p><input type="text" class="sl-codefield" readonly'
        ' data-slot="code" aria-label="session code"></p></details></div>'
    )


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
        return ""
    rows = [(name, f"{a:#x}", f"{b:#x}") for name, (a, b) in found.registers.items()]
    count = f"{len(rows)} register{'s' if len(rows) != 1 else ''}"
    return (
        f'<details class="sl-more"><summary>{count} differ{"s" if len(rows) == 1 else ""} here:'
        f" {escape(', '.join(row[0] for row in rows))}</summary>"
        f"{html_table(('register', *titles), rows)}</details>"
    )
