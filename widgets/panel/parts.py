"""The parts of a panel: each a widget that can stand anywhere, several times, and stays in step with the panel.

Invariant: a part shows what the panel's debugger says; it keeps nothing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import ipywidgets

from widgets.page.board import Board
from widgets.page.together import Together
from widgets.panel.view import View


class Owner(Protocol):
    """The panel that a part belongs to."""

    _together: Together
    _views: Mapping[str, View]

    @property
    def _source(self) -> str:
        """The text of its program."""

    def _receive(self, widget: object, content: Mapping[str, Any], buffers: object) -> None: ...


class Part(Board):
    """One view of a panel."""

    def __init__(self, owner: Owner, name: str) -> None:
        self._owner = owner
        self._name = name
        self._view = view = owner._views[name]
        title = f"<h3>{view.title}</h3>" if view.title else ""
        html = f'<section class="sl-view sl-view-{name}">{title}{view.html(owner)}</section>'
        super().__init__(
            html,
            {},
            {},
            owner._together,
            layout=ipywidgets.Layout(width="100%"),
            _dom_classes=(f"sl-part-{name}",),
        )

    def refresh(self) -> None:
        """Show what is so now."""
        self.show(self._view.values(self._owner))

    def _receive(self, widget: object, content: Mapping[str, Any], buffers: object) -> None:
        if content.get("do") in self._actions:
            super()._receive(widget, content, buffers)
        else:
            self.unanswered = 0
            self._owner._receive(widget, content, buffers)

    def __repr__(self) -> str:
        return f"{self._name} of {self._owner!r}"


class ProgramPart(Part):
    """The listing. It is equal to the text of the program, and `str` gives it."""

    @property
    def value(self) -> str:
        """The program's text."""
        return self._owner._source

    def __str__(self) -> str:
        return self.value

    def __eq__(self, other: object) -> bool:
        return self.value == other if isinstance(other, str) else self is other

    __hash__ = Part.__hash__


class FigurePart(Part):
    """A part that gives its figure when it is called: `lab.timeline()`."""

    def __call__(self, *which: int) -> Any:
        """The figure; which step, or the first and the last, if it is not the one that is looked at."""
        return self._owner._figure(*which)  # type: ignore[attr-defined]


KINDS: dict[str, type[Part]] = {"program": ProgramPart, "timeline": FigurePart}
