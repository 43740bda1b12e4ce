"""One for all widgets of a kernel: keeps keys in them, and says on the page when the kernel no longer answers.

Invariant: an element with the classes of `guarded()` loses no key to the notebook, and leaves no click unanswered.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import ipywidgets
import traitlets

from widgets.page.together import AtHome

STATIC = Path(__file__).resolve().parents[1] / "static"
THEME = (STATIC / "theme.css").read_text("utf-8")


class Guard(AtHome, anywidget.AnyWidget):
    """Has no view; the page loads it with the first widget of ours, and asks it whether the kernel is there."""

    _esm = "".join((STATIC / name).read_text("utf-8") for name in ("board.js", "guard.js"))
    _css = THEME + (STATIC / "board.css").read_text("utf-8")  # for all of them: one copy on a page
    me = traitlets.Unicode().tag(sync=True)

    def __init__(self) -> None:
        me = uuid4().hex  # its own name, known before it is opened
        super().__init__(me=me, model_id=me)
        self.on_msg(self._answer)
        # A front end loads its code for controls with the first model of theirs.
        self._loads_controls = ipywidgets.ButtonStyle()

    def _answer(self, _: object, content: Mapping[str, Any], __: object) -> None:
        self.send({"here": True})

    def __repr__(self) -> str:
        return "Guard()"


_guards: list[Guard] = []


def token() -> str:
    """The name of the kernel's guard on the page; it is made when it is first asked for."""
    if not _guards or _guards[0].comm is None:
        _guards[:] = [Guard()]
    return str(_guards[0].model_id)


def warm_up() -> None:
    """Bring to the page what all widgets share, so that it is there when the first of them is shown."""
    token()


def guarded(*classes: str) -> tuple[str, ...]:
    """The classes of a guarded element, after those given."""
    return (*classes, "sl-guard", f"sl-of-{token()}")
