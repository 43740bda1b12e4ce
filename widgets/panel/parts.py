"""The parts of a panel: the stage with its views, and each view alone, a widget that can stand anywhere, in step.

Invariant: a part shows what the panel's debugger says; it keeps nothing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import traitlets as t

from aarch64sim.asm import Program
from widgets.page.board import Board
from widgets.page.known import PROGRAM, read_program
from widgets.page.together import Together
from widgets.panel.view import Shown, View


class Owner(Protocol):
    """The panel that a part belongs to."""

    _together: Together
    _views: Mapping[str, View]

    @property
    def _source(self) -> str:
        """The text of its program."""

    def _receive(self, widget: object, content: Mapping[str, Any], buffers: object) -> None: ...


class Piece(Board):
    """A board of a panel: what it is asked for and does not know, the panel does."""

    _owner: Owner

    def _receive(self, widget: object, content: Mapping[str, Any], buffers: object) -> None:
        if content.get("do") in self._actions:
            super()._receive(widget, content, buffers)
        else:
            self.unanswered = 0
            self._owner._receive(widget, content, buffers)


class Part(Piece):
    """Some views of a panel."""

    def __init__(self, owner: Owner, *names: str, **options: Any) -> None:
        self._owner = owner
        self._names = names
        options.setdefault("layout", {"width": "100%"})
        super().__init__(self._html(), {}, self._values(), owner._together, **options)

    def _html(self) -> str:
        """The sections of its views."""
        return "".join(_section(self._owner, name) for name in self._names)

    def _values(self) -> Shown:
        views, owner = self._owner._views, self._owner
        return {k: v for name in self._names for k, v in views[name].values(owner).items()}

    def refresh(self) -> None:
        """Show what is so now."""
        self.show(self._values())

    def __repr__(self) -> str:
        return f"{', '.join(self._names)} of {self._owner!r}"


def _section(owner: Owner, name: str) -> str:
    view = owner._views[name]
    title = f"<h3>{view.title}</h3>" if view.title else ""
    section = f'<section class="sl-view sl-view-{name}">{title}{view.html(owner)}</section>'
    return f'<div class="sl-part sl-part-{name}">{section}</div>'


class Stage(Part):
    """The views that a panel shows unfolded, on one board."""

    def arrange(self, names: tuple[str, ...]) -> None:
        """Show these views instead."""
        if names != self._names:
            self._names = names
            self.shown.clear()
            self.skeleton = self._html()
            self.refresh()


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


class ProgramTrait(t.TraitType[Any, Any]):
    """The text of the program. Read, it is the part that shows it, which is equal to the text."""

    info_text = PROGRAM

    def validate(self, obj: Any, value: object) -> str:
        """The text; TraitError for anything else, and what `read_program` says of a file."""
        if not isinstance(value, str | Path | Program | Part):
            self.error(obj, value)
        program = read_program(str(value) if isinstance(value, Part) else value)
        return program.source if isinstance(program, Program) else program

    def get(self, obj: Any, cls: Any = None) -> Any:
        """The part; for the page the text."""
        return obj._source if obj._writing_state else obj.part("program")
