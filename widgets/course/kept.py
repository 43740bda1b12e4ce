"""The text that keeps answers: how `download` shows it, and how it is read back.

Invariant: what is read back is as `download` writes it, or is refused with one sentence.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

FORMAT = "step-labs answers, version 1"
MOST_TEXT = 1_000_000  # characters of a text to restore from
CELL = re.compile(r"task-[\w-]+")


class Said(str):
    """A sentence that a notebook shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Answers:
    """The answer cells of notebooks: notebook -> cell -> source. `text` is what to keep."""

    notebooks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: tuple[str, ...] = ()  # where they were read, below labs/; "" if only the text is there

    @property
    def text(self) -> str:
        """All answers as JSON, without a single quote, so that it can be pasted between r\'\'\' and \'\'\'."""
        data = json.dumps({"format": FORMAT, "notebooks": self.notebooks}, indent=1)
        return data.replace("'", "\\u0027") + "\n"

    @property
    def count(self) -> int:
        """How many cells."""
        return sum(len(cells) for cells in self.notebooks.values())

    def save(self, path: str | Path) -> Path:
        """Write the text to a file."""
        path = Path(path)
        path.write_text(self.text, encoding="utf-8")
        return path

    @property
    def file_name(self) -> str:
        """The name that a browser saves it under: answers.json, or that of the one notebook."""
        only = next(iter(self.notebooks)) if len(self.notebooks) == 1 else ""
        return f"{only.removesuffix('.ipynb')}-answers.json" if only else "answers.json"

    @property
    def _heading(self) -> str:
        return f"{many(self.count)} of {', '.join(self.files or self.notebooks)}, as last saved"

    def __repr__(self) -> str:
        return (
            f"{self._heading}."
            " Keep this text; restore(r'''the text''') takes it back.\n" + self.text
        )

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.text.encode()).decode()
        return (
            f"<p>{escape(self._heading)}:"
            f' <a download="{escape(self.file_name)}" href="data:application/json;base64,{data}">'
            f"download {escape(self.file_name)}</a></p>"
            "<details><summary>or copy this text: restore(r&#39;&#39;&#39;the text&#39;&#39;&#39;) takes it"
            " back</summary>"
            f"<pre>{escape(self.text)}</pre></details>"
        )


def many(count: int) -> str:
    """So many answers, in words."""
    return f"{count} answer{'s' if count != 1 else ''}"


class RefusedError(Exception):
    """One sentence for the learner."""


def parse(text: object) -> Answers:
    """The answers in a text, or in the file of that name; RefusedError says what is wrong with it."""
    if isinstance(text, Answers):
        return _accepted(text.notebooks)
    if isinstance(text, Path) or (isinstance(text, str) and text.strip().endswith(".json")):
        path = Path(str(text).strip())
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            raise RefusedError(f"There is no file {path.name} that could be read.") from None
    if not isinstance(text, str):
        raise RefusedError(
            f"restore() takes the text that download() gave, not a {type(text).__name__}."
        )
    if len(text) > MOST_TEXT:
        raise RefusedError("This text is too long to be answers of these labs.")
    if not text.strip():
        raise RefusedError("The text is empty: paste what download() gave.")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedError(
            "This is not the text that download() gave. Copy all of it, from { to }, and put an r before the quotes:"
            " restore(r'''...''')."
        ) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RefusedError("This text was not made by download().")
    return _accepted(data.get("notebooks"))


def _accepted(notebooks: Any) -> Answers:
    """The answers, if they are as download() writes them."""
    if not isinstance(notebooks, Mapping) or not notebooks:
        raise RefusedError("There are no answers in this text.")
    for name, cells in notebooks.items():
        if not isinstance(name, str) or not re.fullmatch(r"[0-9]{2}-[\w-]+\.ipynb", name):
            raise RefusedError(f"{str(name)[:40]!r} is not a notebook of these labs.")
        if not isinstance(cells, Mapping) or not all(map(_is_answer, cells.items())):
            raise RefusedError(f"The answers of {name} are not as download() writes them.")
    return Answers(notebooks)


def _is_answer(entry: tuple[Any, Any]) -> bool:
    key, source = entry
    if not isinstance(key, str) or not isinstance(source, str) or not CELL.fullmatch(key):
        return False
    try:
        source.encode()
    except UnicodeError:  # half a surrogate pair, which no file can hold
        return False
    return True
