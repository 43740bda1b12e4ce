"""A part of a page: HTML with named slots, and messages that carry only what is different.

Invariant: `shown` is what every front end shows, or will show as soon as it has asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import anywidget
import traitlets

from widgets.page.guard import token
from widgets.page.together import InStep, Together

# A slot's content: HTML text; key "slot.text" sets plain text, "slot@name" an attribute (None removes it), and
# "#id" the text inside an element of a drawing.
Values = Mapping[str, str | int | None]
_SLOTS = re.compile(r'data-slot="([^"]+)"')
# The code of all boards is the guard's: one copy on a page, however many boards there are.
_STUB = """
const page = (globalThis.aarch64StepLabs ??= {});
page.board ??= new Promise((give) => { page.giveBoard = give; });
export default {
  async initialize(context) { return (await page.board).initialize(context); },
  async render(context) { return (await page.board).render(context); },
};
"""
Action = Callable[[Mapping[str, Any]], object]
Bundle = tuple[dict[str, Any], dict[str, Any]]


class Board(InStep, anywidget.AnyWidget):
    """HTML with slots. Buttons carry `data-do`, fields `data-set`; what they do is in `actions`."""

    _esm = _STUB
    skeleton = traitlets.Unicode().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True, to_json=lambda values, _: _sent(values))
    me = traitlets.Unicode().tag(sync=True)
    guard = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        skeleton: str,
        actions: Mapping[str, Action],
        values: Values,
        together: Together | None = None,
        **options: Any,
    ) -> None:
        self._actions = dict(actions) | {"ready": self._answer_ready, "here": lambda _: None}
        self._with = together
        self.is_ready = False
        self._as_opened = True  # shows what it was opened with
        self.unanswered = 0  # questions to the page since it said anything
        me = uuid4().hex  # its own name, known before it is opened
        super().__init__(
            skeleton=skeleton, shown=dict(values), me=me, model_id=me, guard=token(), **options
        )
        self.on_msg(self._receive)

    def show(self, values: Values) -> None:
        """Make the page show these; what it shows already is not sent again."""
        known = self.shown
        self._forget_inside(values)
        changes = {
            key: value for key, value in values.items() if key not in known or known[key] != value
        }
        if not changes:
            return
        known.update(changes)  # in place: the traitlet must not send all of it
        self._as_opened = False
        if self.is_ready:
            self.send({"show": _sent(changes)})
        else:
            self.send_state("shown")

    def _forget_inside(self, values: Values) -> None:
        """A slot that is filled anew brings the slots inside it anew: what those showed is gone."""
        known = self.shown
        inside = {
            slot
            for key, html in values.items()
            if isinstance(html, str) and "data-slot" in html and known.get(key, html) != html
            for slot in _SLOTS.findall(html)
        }
        if inside:
            for key in [key for key in known if re.split("[.@]", key, maxsplit=1)[0] in inside]:
                del known[key]

    def ask(self) -> bool:
        """Ask whether a page still shows this. False if none ever did: there is nobody to ask.

        A page that is closed or reloaded, and a view whose cell runs again, go without a word.
        """
        if self.is_ready:
            self.unanswered += 1
            self.send({"ask": True})
        return self.is_ready

    def _receive(self, _: object, content: Mapping[str, Any], __: object) -> None:
        self.unanswered = 0
        action = self._actions.get(str(content.get("do", "")))
        if action is not None:
            action(content)

    def _answer_ready(self, _: Mapping[str, Any]) -> None:
        """A page that shows what the widget was opened with needs nothing more; another may have missed something."""
        if self.is_ready or not self._as_opened:
            self.send({"show": _sent(self.shown)})
        self.is_ready, self._as_opened = True, False


def _sent(values: Values) -> dict[str, Any]:
    """The values as they are sent: a front end may lose None on its way, so "no attribute" is False."""
    return {key: False if value is None else value for key, value in values.items()}
