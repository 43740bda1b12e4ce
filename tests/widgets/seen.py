"""Panels that show everything at once, and what a learner sees of them, by the names of the places.

Invariant: `_shown` is read from the controls and parts themselves; nothing is worked out here.
"""

from __future__ import annotations

from typing import Any

import widgets
from widgets.page import ownkernel
from widgets.panel import comparepage, panel, views
from widgets.panel.view import Shown


def press(lab: panel.Panel, action: str, value: object = None) -> None:
    """What the page sends for a click; "ready" is what it says first."""
    if action == "ready":
        for board in (lab._status_line, lab._stage, *lab._parts.values()):
            board._receive(board, {"do": "ready"}, [])
    elif action == "here":
        lab._status_line._receive(lab._status_line, {"do": "here"}, [])
    else:
        lab._receive(lab, {"do": action} | ({} if value is None else {"value": value}), [])


class Seen(panel.Panel):
    """What stands in the controls, besides what the parts show."""

    def _show_everything(self) -> None:
        drawers = self._drawers
        drawers.tab.selected_index = drawers._names.index("edit")

    @property
    def _shown(self) -> Shown:
        shown: Shown = dict(self._status_line.shown)
        for part in (self._stage, *self._parts.values()):
            shown |= part.shown
        for name, button in self._buttons.items():
            shown[f"do-{name}@aria-disabled"] = "true" if button.disabled else None
        slider = self._slider
        shown |= {"history@value": slider.value}
        shown["editor@value"] = self._drawers._editor.value
        shown["errors"] = self._drawers._errors.shown["errors"]
        for name, chooser in self._named_choosers().items():
            own = {value: words for words, value in chooser.options}.get(ownkernel.VALUE, "")
            shown[f"{name}@value"], shown[f"{name}-summary"] = chooser.value, chooser.tooltip
            shown[f"{name}-own.text"], shown[f"{name}-own@hidden"] = own, None if own else ""
        return shown

    def _named_choosers(self) -> dict[str, Any]:
        return {"kernel": self._chooser} if hasattr(self, "_chooser") else self._choosers


class StepLab(Seen, widgets.StepLab):
    """With every view open."""

    def __init__(self, *args: Any, views: Any = tuple(views.VIEWS), **options: Any) -> None:
        super().__init__(*args, views=views, **options)
        self._show_everything()


class CompareLab(Seen, widgets.CompareLab):
    """With every view open."""

    def __init__(self, *args: Any, views: Any = tuple(comparepage.VIEWS), **options: Any) -> None:
        super().__init__(*args, views=views, **options)
        self._show_everything()
