"""What a page shows of a debugger: a skeleton with slots, and what stands in them at one step.

Invariant: everything is made by the models, figures and sentences of the live panel; no sentence is written here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from aarch64sim.debug import Debugger
from widgets.figures.figure import html_table
from widgets.figures.stepfigure import StepFigure
from widgets.models.timeline import Timeline, timeline
from widgets.page import timelinepage, wording
from widgets.page.listing import Listing

PREFIX = "web0-"  # of the ids in a drawing; a page with several panels replaces it
# What changes from step to step, in the order in which a history holds it.
FIELDS = (
    *("status", "style", "texts", "marks", "caption", "table"),
    *("timeline", "changed", "exits", "console"),
)
Frame = dict[str, str]


def last_timeline(debugger: Debugger, listing: Listing) -> Timeline:
    """The last step as a model."""
    at = debugger.position
    steps = [(at, debugger.events_of(at))] if at else []
    return timeline(debugger.kernel.title, steps, listing.mnemonic)


def diagram(debugger: Debugger) -> StepFigure:
    """The step machine after the last step."""
    events = debugger.events_of(debugger.position) if debugger.position else ()
    return StepFigure.of(events, debugger.state, debugger.hardware.get("spsr_el2.ss"))


def frame(debugger: Debugger, listing: Listing) -> Frame:
    """The content of every field where the debugger stands now."""
    line, figure = last_timeline(debugger, listing), diagram(debugger)
    style, texts = figure.page_changes(PREFIX)
    return {
        "status": wording.status(debugger.last, listing, line),
        "style": style,
        "texts": json.dumps(texts),
        "marks": json.dumps(listing.marks(line, debugger.last.pc)),
        "caption": figure.sentence,
        "table": html_table(figure.header, figure.rows) if figure.rows else "",
        "timeline": timelinepage.html(line),
        "changed": _changed(debugger),
        "exits": wording.exits_html(debugger.last.exits),
        "console": debugger.console,
    }


def _changed(debugger: Debugger) -> str:
    rows = [(name, f"{old:#x}", f"{new:#x}") for name, (old, new) in debugger.changes.items()]
    return html_table(("changed", "before", "now"), rows) if rows else ""


def listing_html(listing: Listing, pc: int) -> str:
    """The program as a table, without what only a live panel can do."""
    return listing.html(*listing.window(pc))


def machine_svg() -> str:
    """The step machine, unlit."""
    return StepFigure().page_svg(PREFIX)


BUTTONS = (
    ("start", "Start", "Home", "go back to the start"),
    ("back", "Back", "p", "undo the last step"),
    ("step", "Step", "n", "one click on Step, as a debugger does it"),
    ("run", "Run", "r", "run to the end"),
)


def skeleton(kernels: Sequence[tuple[str, str]], name: str, start: str, together: str = "") -> str:
    """The page of a panel, in the order in which it is read and tabbed through.

    `kernels` are names and titles; `name` tells panels apart; those with the same `together` step together.
    """
    buttons = "".join(
        f'<button type="button" class="sl-button{" sl-primary" if do == "step" else ""}" data-do="{do}"'
        f' data-key="{key}" aria-keyshortcuts="{key}" title="{what} (key {key})">{words}</button>'
        for do, words, key, what in BUTTONS
    )
    options = "".join(
        f'<option value="{escape(each)}"{" selected" if each == start else ""}>{escape(title)}</option>'
        for each, title in kernels
    )
    return (
        f'<section class="sl-board web-panel" data-panel="{escape(name)}" data-together="{together}"'
        ' aria-label="a guest, a step at a time">'
        f'<div class="sl-panel" role="group" aria-label="controls and views"><div class="sl-tools">'
        f'<div class="sl-buttons" role="group" aria-label="stepping">{buttons}</div>'
        '<label class="sl-history"><span class="sl-position" data-slot="position"></span>'
        '<input type="range" min="0" value="0" data-set="goto" aria-label="step"></label>'
        f'<label class="sl-kernel"><span>kernel</span><select data-set="kernel">{options}</select></label>'
        '<button type="button" class="sl-button" data-do="link">Copy link</button></div>'
        '<p class="sl-note" data-slot="summary"></p>'
        '<p class="sl-status" role="status" aria-live="polite" data-slot="status"></p>'
        '<div class="sl-columns web-upper"><div><h2>Program</h2>'
        '<div class="sl-scroll" tabindex="0" role="region" aria-label="program" data-slot="listing"></div>'
        '<div data-slot="changed"></div></div>'
        '<div><h2>Software-step machine</h2><style data-slot="style"></style>'
        '<div class="sl-diagram" data-slot="machine"></div>'
        '<details class="sl-twin"><summary>The diagram in words</summary><p data-slot="caption"></p>'
        '<div data-slot="table"></div></details></div></div>'
        '<div><h2>This step, event by event</h2><div data-slot="timeline"></div>'
        '<p class="sl-event" aria-live="polite" data-slot="event"></p></div>'
        '<details class="sl-more"><summary>What KVM_RUN returned, and the UART</summary>'
        '<div data-slot="exits"></div><pre data-slot="console" aria-label="what the UART has sent"></pre></details>'
        f"{_python_part()}</div></section>"
    )


def _python_part() -> str:
    """What needs Python in the browser: it is fetched when the reader opens it."""
    return (
        '<details class="sl-more web-python"><summary>Edit the program, choose any kernel, run to a place</summary>'
        '<div data-slot="python"><p>This needs Python in your browser: 14 MB, once.'
        ' <button type="button" class="sl-button" data-do="python">Fetch Python</button></p>'
        '<p role="status" aria-live="polite" data-slot="progress-words"></p>'
        '<progress max="1" value="0" hidden data-slot="progress" aria-label="Python is loading"></progress></div>'
        '<div class="web-editor" hidden data-slot="editor">'
        '<label>Program<textarea rows="10" spellcheck="false" data-field="source"></textarea></label>'
        '<p><button type="button" class="sl-button" data-do="assemble">Assemble and start over</button></p>'
        '<p class="sl-field"><label>Run to <input type="text" size="22" data-field="where"'
        ' placeholder="loop, line 7, exit MMIO, x2 == 5"></label>'
        '<button type="button" class="sl-button" data-do="run-to">Go</button></p></div></details>'
    )
