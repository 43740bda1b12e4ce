"""What a check can say of an answer: that it is wrong and why, or that it is not there yet.

Invariant: a text from here is short enough to be read, whatever the answer holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

MOST_TEXT = 1500  # characters of a verdict
MOST_EVIDENCE = 6000  # characters of what is shown below it

MISCONCEPTIONS = {
    "ss0-is-off": "SS=0 means that stepping is off",
    "mdscr-alone": "MDSCR_EL1.SS alone starts stepping",
    "reports-stepped": "the step exception reports the stepped instruction",
    "mmio-is-done": "an MMIO exit means that the instruction is done",
    "skip-is-pc": "skipping is only PC += 4",
    "clear-anywhere": "SS may be cleared anywhere",
    "shows-host-ss": "GET_ONE_REG shows the host's SS",
    "abort-saves-0": "an abort saves SS=0",
    "all-emulated": "every access outside RAM can be emulated",
    "interrupts-do-not-matter": "interrupts do not matter",
}

MARKS = {"right": "\u2713", "wrong": "\u2717", "open": "\u25cb"}
_COLOURS = {"right": "success", "wrong": "error", "open": "border"}


class Wrong(Exception):
    """Raised by a check: the answer is wrong, and `text` says which mistake it shows.

    `misconception` is a key of MISCONCEPTIONS, if the mistake is one of those; `evidence` a smallest program or a
    figure that shows it, displayed under the text. `first` is said instead of all this at the first wrong try, where
    the text would give a cell of a table away.
    """

    def __init__(
        self, text: str, *, misconception: str = "", evidence: Any = None, first: str = ""
    ) -> None:
        super().__init__(text)
        self.text = text
        self.misconception = misconception
        self.evidence = evidence
        self.first = first
        assert not misconception or misconception in MISCONCEPTIONS, misconception


class NotAnswered(Exception):
    """Raised by a check, or for it: the stub is still there; `text` says what is missing."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Text(str):
    """A text that a notebook shows as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Verdict:
    """What a check says: "right", "wrong" or "open", and why."""

    task: str
    state: str
    text: str
    misconception: str = ""
    evidence: Any = None
    first: str = ""  # what is said instead at the first wrong try; "" for the same

    @property
    def right(self) -> bool:
        """The answer is accepted."""
        return self.state == "right"

    def __str__(self) -> str:
        shown = f"\n{cut(str(self.evidence), MOST_EVIDENCE)}" if self.evidence is not None else ""
        return f"{MARKS[self.state]} {self.task}: {sentence(cut(self.text))}{shown}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        colour = f"var(--jp-{_COLOURS[self.state]}-color1, currentColor)"
        style = (
            f"white-space: pre-wrap; word-break: normal; border-left: 4px solid {colour};"
            " padding-left: 8px"
        )
        return f'<pre role="status" style="{style}">{escape(str(self))}</pre>'


def sentence(text: str) -> str:
    """A text as it is shown: with a capital letter, if it begins with a word and not with a name, and a full stop.

    >>> sentence("right: 2 of 3"), sentence("x0 is 1. Why?"), sentence("step() does nothing yet (as it is)")
    ('Right: 2 of 3.', 'x0 is 1. Why?', 'step() does nothing yet (as it is).')
    """
    if re.match(r"[a-z]+[ ,:.]", text):
        text = text[0].upper() + text[1:]
    return text if re.search(r"[.?!]\)?$", text) else f"{text}."


def cut(text: str, most: int = MOST_TEXT) -> str:
    """A text, with its middle left out if it is longer than `most` characters.

    >>> cut("a" * 10 + "b" * 90, 40)
    'aaaaaaaaaabbbbb ... bbbbb'
    """
    if len(text) <= most:
        return text
    tail = most // 8
    return f"{text[: most // 2 - tail]} ... {text[-tail:]}"
