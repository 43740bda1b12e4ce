"""The page of a panel: its controls, and the sections of the live panel's views.

Invariant: no sentence about a guest is written here; the views bring them.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from widgets.panel.views import VIEWS
from widgets.web.guest import Guest

PYTHON_MB = 14  # that a reader fetches for Python, compressed (a test weighs it)
BUTTONS = (
    ("start", "Start", "Home", "go back to the start"),
    ("back", "Back", "p", "undo the last step"),
    ("step", "Step", "n", "one click on Step, as a debugger does it"),
    ("run", "Run", "r", "run to the end"),
    ("stop", "Stop", "s", "end the run"),
)


def skeleton(kernels: Sequence[tuple[str, str]], name: str, start: str, together: str = "") -> str:
    """The page of a panel, in the order in which it is read and tabbed through.

    `kernels` are names and titles; `name` tells panels apart; those with the same `together` step together.
    """
    buttons = "".join(_button(*each) for each in BUTTONS)
    options = "".join(
        f'<option value="{escape(each)}"{" selected" if each == start else ""}>{escape(title)}</option>'
        for each, title in kernels
    )
    return (
        f'<div class="sl-board web-panel" data-panel="{escape(name)}" data-together="{together}"'
        ' role="group" aria-label="a guest, a step at a time">'
        f'<div class="sl-panel" role="group" aria-label="controls and views"><div class="sl-tools">'
        f'<div class="sl-buttons" role="group" aria-label="stepping">{buttons}</div>'
        '<label class="sl-history"><span class="sl-position" data-slot="position"></span>'
        '<input type="range" min="0" value="0" data-set="goto" aria-label="step" autocomplete="off"></label>'
        '<label class="sl-kernel"><span>kernel</span><select data-set="kernel" autocomplete="off">'
        f"{options}</select></label>"
        '<button type="button" class="sl-button" data-do="link">Copy link</button></div>'
        '<p class="sl-note" data-slot="summary"></p>'
        '<p class="sl-status" role="status" aria-live="polite" data-slot="status"></p>'
        f'<div class="sl-columns web-upper"><div>{_section("program")}{_section("changes")}</div>'
        f"<div>{_wide('machine', 'diagram')}</div></div>"
        f"<div>{_wide('timeline', 'events')}"
        '<p class="sl-event" aria-live="polite" data-slot="event"></p></div>'
        '<details class="sl-more"><summary>What KVM_RUN returned, and the UART</summary>'
        f"{_section('exits')}{_section('console')}</details>"
        f"{_python_part()}</div></div>"
    )


def _button(do: str, words: str, key: str, what: str) -> str:
    look = " sl-primary" if do == "step" else ""
    hidden = " hidden" if do == "stop" else ""  # until there is a run
    return (
        f'<button type="button" class="sl-button{look}" data-do="{do}" data-key="{key}" aria-keyshortcuts="{key}"'
        f' title="{what} (key {key})"{hidden}>{words}</button>'
    )


def _wide(name: str, words: str) -> str:
    """A view that scrolls sideways on a narrow page, and can be reached by a keyboard there."""
    return f'<div class="web-wide" tabindex="0" role="group" aria-label="{words}">{_section(name)}</div>'


def _section(name: str) -> str:
    """A view of the live panel, below its title."""
    view = VIEWS[name]
    return f"<h2>{view.title}</h2>{Guest.section(name)}" if view.title else Guest.section(name)


def _python_part() -> str:
    """What needs Python in the browser: it is fetched when the reader opens it."""
    return (
        '<details class="sl-more web-python"><summary>Edit the program, choose any kernel, run to a place</summary>'
        f'<div data-slot="python"><p>This needs Python in your browser: {PYTHON_MB} MB, once.'
        ' <button type="button" class="sl-button" data-do="python">Fetch Python</button></p>'
        '<p role="status" aria-live="polite" data-slot="progress-words"></p>'
        '<progress max="1" value="0" hidden data-slot="progress" aria-label="Python is loading"></progress></div>'
        '<div class="web-editor" hidden data-slot="editor">'
        '<label>Program<textarea rows="10" spellcheck="false" data-field="source"></textarea></label>'
        '<p><button type="button" class="sl-button" data-do="assemble">Assemble and start over</button></p>'
        '<p class="sl-field"><label>Run to <input type="text" size="22" data-field="where"'
        ' placeholder="loop, line 7, exit MMIO, x2 == 5"></label>'
        '<button type="button" class="sl-button" data-do="travel">Go</button></p></div></details>'
    )
