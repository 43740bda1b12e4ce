"""A view of a panel, apart from the widgets: a page with no Jupyter shows the same ones.

Invariant: a view knows how it is filled, not who shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Shown = dict[str, str | int | None]


@dataclass(frozen=True, slots=True)
class View:
    """A title, the HTML of the section, and what fills it; both are functions of the panel."""

    title: str
    html: Callable[[Any], str]
    values: Callable[[Any], Shown]
