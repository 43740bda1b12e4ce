"""What was chosen in the questions of a lab, kept in labs/mine/ where a reload of the page ends Python.

Invariant: a file that cannot be read or written costs no more than what it would have kept.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

from widgets.course.files import NoSuchFileError, work_folder

FORGETS = sys.platform == "emscripten"  # Python in a browser ends with its page; a kernel does not
NAME = "mine/predictions.json"


def recalled(question: str) -> str | None:
    """The answer that was chosen last, None if nothing is kept."""
    return _kept().get(question) if FORGETS else None


def keep(question: str, answer: str) -> None:
    """Keep an answer where it would not outlive a reload."""
    if not FORGETS:
        return
    with suppress(OSError, NoSuchFileError):
        path = _path()
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(_kept() | {question: answer}, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


def _path() -> Path:
    return work_folder() / NAME


def _kept() -> dict[str, str]:
    try:
        kept = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError, NoSuchFileError):
        return {}
    return kept if isinstance(kept, dict) else {}
