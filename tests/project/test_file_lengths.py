"""No file is long without a reason: what is read at one sitting has about 300 lines."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("aarch64sim", "widgets", "labs/checks", "tools")
MOST_LINES = 300
SAYS_WHY = "onger than other files: "


def test_every_long_file_says_in_its_docstring_why_it_is_long() -> None:
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(texts) > 100
    long = {name: text for name, text in texts.items() if text.count("\n") > MOST_LINES}
    silent = [
        name
        for name, text in long.items()
        if SAYS_WHY not in (ast.get_docstring(ast.parse(text)) or "")
    ]
    assert not silent, (
        "split these by meaning, or say in the docstring 'Longer than other files: ...'"
    )
