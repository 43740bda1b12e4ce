"""A question with answers to choose from: asked before the reveal, and a wrong answer says what it overlooks.

Invariant: every answer has its own response, and none costs anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from widgets.page.board import Board, Bundle


class Question(Board):
    """`answers` gives the response to each answer; those in `right` are right."""

    def __init__(self, text: str, answers: Mapping[str, str], right: str) -> None:
        if right not in answers:
            raise ValueError(f"the right answer {right!r} is not among the answers")
        self.text, self.answers, self.right = text, dict(answers), right
        self.answer: str | None = None
        super().__init__(
            self._make(), {"answer": lambda m: self._chosen(m.get("value"))}, self._values()
        )

    def choose(self, answer: str) -> str:
        """Answer from code; returns the response. ValueError for what is no answer."""
        if answer not in self.answers:
            raise ValueError(f"{answer!r} is not one of {', '.join(self.answers)}")
        self.answer = answer
        self.show(self._values())
        return self.answers[answer]

    def _chosen(self, value: object) -> None:
        names = list(self.answers)
        if isinstance(value, int | str) and 0 <= int(value) < len(names):
            self.choose(names[int(value)])

    def _make(self) -> str:
        name = f"q{id(self):x}"
        options = "".join(
            f'<label><input type="radio" name="{name}" value="{n}" data-set="answer"> {_marked(answer)}</label>'
            for n, answer in enumerate(self.answers)
        )
        return (
            f'<fieldset class="sl-question"><legend>{_marked(self.text)}</legend>{options}'
            '<p role="status" aria-live="polite" data-slot="response"></p></fieldset>'
        )

    def _values(self) -> dict[str, str | int | None]:
        if self.answer is None:
            return {"response": "Choose one: a wrong answer costs nothing."}
        mark = "\u2713 Right." if self.answer == self.right else "\u2717 Not quite."
        return {"response": _marked(f"{mark} {self.answers[self.answer]}")}

    def __repr__(self) -> str:
        if self.answer is None:
            state = "not answered yet"
        else:
            state = "answered rightly" if self.answer == self.right else "answered wrongly"
        options = "".join(f"\n  ( ) {answer}" for answer in self.answers)
        return f"Question: {self.text}{options}\n  {state}"

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        return data | {"text/plain": repr(self)}, metadata


def _marked(text: str) -> str:
    """Text as HTML; what stands between backquotes is code, as in the cells around it."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
