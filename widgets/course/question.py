"""A question with answers to choose from: asked before the reveal, and a wrong answer says what it overlooks.

Invariant: every answer has its own response, and none costs anything. What was chosen outlives a reload: the kernel
keeps it, or a file does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from textwrap import fill
from typing import Any

import ipywidgets

from widgets.course import chosen
from widgets.page.guard import guarded
from widgets.page.together import HTML, RadioButtons

UNANSWERED = "Choose one: a wrong answer costs nothing."
_CODE = re.compile("`([^`]+)`")
PLAIN_WIDTH = 100  # letters: JupyterLab breaks longer lines of plain text in the middle of a word


class Question(ipywidgets.VBox):
    """`answers` gives the response to each answer; the one in `right` is right. Stock RadioButtons and HTML."""

    def __init__(self, text: str, answers: Mapping[str, str], right: str) -> None:
        if not isinstance(text, str) or not isinstance(answers, Mapping):
            raise TypeError("a question is a text, and a dict of the responses to its answers")
        if right not in answers:
            raise ValueError(f"the right answer {right!r} is not among the answers")
        self.text, self.answers, self.right = text, dict(answers), right
        plain = [(_CODE.sub(r"\1", answer), answer) for answer in answers]
        layout, style = ipywidgets.Layout(width="auto"), ipywidgets.HTML.style.klass()
        options, before = list(answers), chosen.recalled(text)
        index = options.index(before) if before in options else None
        self._radio = RadioButtons(options=plain, index=index, layout=layout)
        self._response = HTML(self._said, layout=layout, style=style, _dom_classes=("sl-response",))
        asked = HTML(f'<p class="sl-asked">{marked(text)}</p>', layout=layout, style=style)
        super().__init__((asked, self._radio, self._response), _dom_classes=guarded("sl-question"))
        self._radio.observe(self._chosen, "value")

    @property
    def answer(self) -> str | None:
        """What was chosen last, None if nothing was."""
        value: str | None = self._radio.value
        return value

    def choose(self, answer: str) -> str:
        """Answer from code; returns the response. ValueError for what is no answer."""
        if answer not in self.answers:
            raise ValueError(f"{answer!r} is not one of {', '.join(self.answers)}")
        self._radio.value = answer
        return self.answers[answer]

    def response(self, answer: str) -> str:
        """What an answer gets: whether it is the right one, and why."""
        mark = "\u2713 Right." if answer == self.right else "\u2717 Not quite."
        return f"{mark} {self.answers[answer]}"

    def _chosen(self, _: Any) -> None:
        if self.answer is not None:
            chosen.keep(self.text, self.answer)
        self._response.value = self._said

    @property
    def _said(self) -> str:
        words = UNANSWERED if self.answer is None else self.response(self.answer)
        return f'<p role="status" aria-live="polite">{marked(words)}</p>'

    def __repr__(self) -> str:
        if self.answer is None:
            state = "not answered yet: run this cell to answer"
        else:
            state = "answered correctly" if self.answer == self.right else "answered, not correctly"
        options = "".join(f"\n  ( ) {answer}" for answer in self.answers)
        text = fill(f"Question: {self.text}", PLAIN_WIDTH)
        return f"{text}{options}\n  {state}"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data = dict(super()._repr_mimebundle_() or {})
        return data | {"text/plain": repr(self)}, {}


def marked(text: str) -> str:
    """Text as HTML; what stands between backquotes is code, as in the cells around it."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
