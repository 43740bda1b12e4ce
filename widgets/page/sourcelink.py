"""From an event to the line of ours that made it.

Invariant: only files of the aarch64sim package are ever shown.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file: its path inside the package, the function around it, the lines about it."""

    path: str
    function: str
    line: int
    first: int
    lines: tuple[str, ...]


def find(source: str, around: int = 4) -> Place | None:
    """The place that an event's `source` names ("module:qualname:line"), None if there is none."""
    module, _, rest = source.partition(":")
    function, _, number = rest.rpartition(":")
    file = getattr(sys.modules.get(module), "__file__", None)
    if not module.startswith("aarch64sim") or not number.isdigit() or file is None:
        return None
    text = Path(file).read_text(encoding="utf-8").splitlines()
    line = int(number)
    if not 1 <= line <= len(text):
        return None
    first = max(1, line - around)
    return Place(
        module.replace(".", "/") + ".py",
        function,
        line,
        first,
        tuple(text[first - 1 : line + around]),
    )


def html(source: str) -> str:
    """The lines with their numbers, the one that made the event marked; "" if there are none."""
    place = find(source)
    if place is None:
        return ""
    rows = "".join(
        f'<span class="{"sl-codenow" if place.first + n == place.line else ""}">'
        f"{'▶' if place.first + n == place.line else ' '}{place.first + n:4} {escape(text)}\n</span>"
        for n, text in enumerate(place.lines)
    )
    return (
        f"<details><summary>Made by <code>{escape(place.function)}</code>, {place.path}, line {place.line}"
        f'</summary><pre class="sl-code" tabindex="0">{rows}</pre></details>'
    )
