"""The status line of a panel: what it says, its keys, the ticks of its slider; the messages of all parts come with it.

Invariant: it stands where the controls stand, so that whoever clicks reads what came of it.
"""

from __future__ import annotations

import json
from typing import Protocol

import ipywidgets

from widgets.page import historyline
from widgets.panel import controls
from widgets.panel.parts import Owner, Piece
from widgets.panel.view import Shown

# What stock controls without a label of their own are called.
LABELS = {
    ".sl-history [role=slider]": "position in the history",
    ".sl-choose-kernel select": "kernel",
    ".sl-choose-left select": "kernel at the left",
    ".sl-choose-right select": "kernel at the right",
    ".sl-choose-verb select": "what to do",
    ".sl-source textarea": "program, A64 assembly",
}


class Speaker(Owner, Protocol):
    """The panel that says something."""

    def _status_values(self) -> Shown: ...


class StatusLine(Piece):
    """The status in words, the keys of the panel, the ticks of its slider; it carries the messages of all parts."""

    def __init__(
        self, panel: Speaker, keys: tuple[str, ...], prefix: str, layout: ipywidgets.Layout
    ) -> None:
        self._owner = panel
        labels = json.dumps(LABELS).replace("'", "&#39;")
        skeleton = (
            f"<div data-keys='{controls.keys_attribute(*keys)}' data-labels='{labels}'>"
            '<div class="sl-said"><p class="sl-status" role="status" aria-live="polite" data-slot="status"></p>'
            '<span class="sl-keyhint">keys go here; ? for all</span></div>'
            '<span class="sl-position" data-into=".sl-history" data-slot="position"></span>'
            f'<div data-slot="keytable" hidden="">{controls.keys_html(*keys)}</div>'
            f"{historyline.ticks(prefix + 'marks')}</div>"
        )
        super().__init__(
            skeleton,
            {},
            panel._status_values(),
            panel._together,
            layout=layout,
            _dom_classes=("sl-part-status",),
        )

    def __repr__(self) -> str:
        return f"status of {self._owner!r}"
