"""What a live panel shows, in the words of a page."""

from __future__ import annotations

import json

from tests.widgets.seen import StepLab
from widgets.web.guest import PREFIX


def shown_by(lab: StepLab) -> dict[str, str]:
    """What the live panel shows, its own ids written as a page has them."""
    own = {key: "" if text is None else str(text) for key, text in lab._shown.items()}
    return json.loads(json.dumps(own).replace(lab._prefix, PREFIX))


def rows_marked(shown: dict[str, str]) -> dict[str, str]:
    """The rows of the listing that the live panel marks, by the slots' names."""
    rows = {key.partition("@")[0]: text for key, text in shown.items() if key.startswith("row-")}
    marked = {row: shown.get(f"{row}@class", "") for row in rows}
    return {row: mark for row, mark in marked.items() if mark and mark != "False"}
