"""A drawing in another theme, and what its parts mean.

Invariant: painting changes colours only, each by its role, so that a dark drawing stands where the light one does.
"""

from __future__ import annotations

from typing import Any, TypeVar

from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from widgets.models.theme import LIGHT, THEMES

Drawn = TypeVar("Drawn")
_ROLES = {colour: role for role, colour in LIGHT.items()}


def says(artist: Drawn, family: str, meaning: str) -> Drawn:
    """Note on an artist what it tells: `family` is the kind of mark ("state"), `meaning` which of them ("current").

    It may tell several things. A file or a page shows nothing of it; tests ask whether the meanings of a family can be
    told apart by everybody.
    """
    artist.set_label("; ".join([*claims(artist), f"{family}: {meaning}"]))  # type: ignore[attr-defined]
    return artist


def claims(artist: Any) -> list[str]:
    """What was noted on an artist, "family: meaning" each."""
    label = str(artist.get_label())
    return label.split("; ") if ": " in label else []


def repaint(figure: Figure, theme: str) -> Figure:
    """Paint a light drawing in the colours of a theme; ValueError if there is none of that name."""
    if theme not in THEMES:
        raise ValueError(f"there is no theme {theme!r}: there are {' and '.join(THEMES)}")
    colours = THEMES[theme]

    def painted(colour: Any) -> Any:
        role = _ROLES.get(to_hex(colour))
        return colours[role] if role else colour

    for artist in figure.findobj():
        if isinstance(artist, Patch):
            if to_rgba(artist.get_facecolor())[3]:
                artist.set_facecolor(painted(artist.get_facecolor()))
            if to_rgba(artist.get_edgecolor())[3]:
                artist.set_edgecolor(painted(artist.get_edgecolor()))
        elif isinstance(artist, Text | Line2D):
            artist.set_color(painted(artist.get_color()))
            ground = artist.get_bbox_patch() if isinstance(artist, Text) else None
            if ground is not None:
                ground.set_facecolor(painted(ground.get_facecolor()))
    return figure
