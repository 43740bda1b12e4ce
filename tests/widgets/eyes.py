"""How the tests look at a drawing: where its texts stand, and what its marks look like.

Invariant: everything is asked from the drawn artists; nothing is known beforehand about a figure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import Any

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Polygon, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from tests.widgets import gallery
from widgets.figures.mpl_writer import claims

WALLS = ("machines", "all_lit", "cycles", "timelines", "tables", "rulers", "runs", "panels")


@dataclass
class Look:
    """What a mark of one meaning looks like, wherever it was seen."""

    shapes: set[str] = field(default_factory=set)
    lines: set[str] = field(default_factory=set)
    widths: set[float] = field(default_factory=set)
    signs: set[str] = field(default_factory=set)
    fills: set[str] = field(default_factory=set)
    edges: set[str] = field(default_factory=set)

    def add(self, artist: Artist) -> None:
        if isinstance(artist, Text):
            letter = artist.get_text()[0]
            self.signs.add("a number" if letter.isdigit() or letter == "\u2026" else letter)
        elif isinstance(artist, Patch):
            self.shapes.add(f"{type(artist).__name__}, {len(artist.get_path().vertices)} points")
            self.lines.add(str(artist.get_linestyle()))
            self.widths.add(artist.get_linewidth())
            if artist.get_facecolor()[3]:
                self.fills.add(to_hex(artist.get_facecolor()))
            self.edges.add(to_hex(artist.get_edgecolor()))
        elif isinstance(artist, Line2D):
            self.shapes.add("line")
            self.lines.add(str(artist._unscaled_dash_pattern))
            self.widths.add(artist.get_linewidth())
            self.edges.add(to_hex(artist.get_color()))

    def join(self, other: Look) -> None:
        for name, values in vars(other).items():
            getattr(self, name).update(values)


@dataclass
class Seen:
    """One picture: faults of its texts, the look of each (family, meaning), (text, ground) colours."""

    name: str
    faults: list[str]
    looks: dict[tuple[str, str], Look]
    inks: set[tuple[str, str]]


@cache
def seen(wall: str) -> tuple[Seen, ...]:
    """All pictures of a wall of the gallery."""
    found = []
    for name, picture in getattr(gallery, wall)():
        drawing = getattr(picture, "draw", picture)()
        texts = texts_of(drawing)  # laying them out takes longest
        found.append(Seen(name, faults(drawing, texts), looks_of(drawing), inks_of(drawing, texts)))
    return tuple(found)


Texts = list[tuple[Text, Bbox]]


def texts_of(drawing: Drawing) -> Texts:
    """Each text and where it stands, in pixels; half a pixel less at each side."""
    renderer = FigureCanvasAgg(drawing).get_renderer()
    return [
        (text, text.get_window_extent(renderer).padded(-0.5))
        for axes in drawing.axes
        for text in axes.texts
        if text.get_text().strip()
    ]


def shapes_of(drawing: Drawing) -> list[tuple[float, int, Patch, Any]]:
    """Boxes in the order in which they are painted, with their outlines in pixels."""
    boxes = [
        patch
        for axes in drawing.axes
        for patch in axes.patches
        if isinstance(patch, FancyBboxPatch | Polygon | Rectangle)
    ]
    outlines = [patch.get_transform().transform_path(patch.get_path()) for patch in boxes]
    return sorted(
        (patch.get_zorder(), n, patch, outline)
        for n, (patch, outline) in enumerate(zip(boxes, outlines, strict=True))
    )


def faults(drawing: Drawing, texts: Texts) -> list[str]:
    """What is wrong with the places of the texts, in words."""
    shapes = shapes_of(drawing)
    width, height = drawing.get_size_inches() * drawing.dpi
    found = [
        f"{text.get_text()!r} is clipped"
        for text, box in texts
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]
    for (one, a), (other, b) in combinations(texts, 2):
        if a.overlaps(b):
            found.append(f"{one.get_text()!r} touches {other.get_text()!r}")
    for text, box in texts:
        corners = [(box.x0, box.y0), (box.x0, box.y1), (box.x1, box.y0), (box.x1, box.y1)]
        around = [outline for *_, outline in shapes if outline.contains_point(_middle(box))]
        if around and not around[-1].contains_points(corners, radius=1.5).all():
            found.append(f"{text.get_text()!r} leaves its box")
    return found


def _middle(box: Bbox) -> tuple[float, float]:
    return (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2


def looks_of(drawing: Drawing) -> dict[tuple[str, str], Look]:
    """(family, meaning) -> what it looks like, for everything that is said to mean something."""
    looks: dict[tuple[str, str], Look] = {}
    for axes in drawing.axes:  # but not their ticks, which are hidden
        for artist in {*axes.get_children()} - {axes.xaxis, axes.yaxis}:
            for claim in claims(artist):
                family, meaning = claim.split(": ")
                looks.setdefault((family, meaning), Look()).add(artist)
    return looks


def inks_of(drawing: Drawing, texts: Texts) -> set[tuple[str, str]]:
    """The colours of each text and of what it stands on."""
    shapes, page = shapes_of(drawing), to_hex(drawing.get_facecolor())
    inks = set()
    for text, box in texts:
        ground = [
            to_hex(patch.get_facecolor())
            for _, _, patch, outline in shapes
            if patch.get_facecolor()[3] and outline.contains_point(_middle(box))
        ]
        inks.add((to_hex(text.get_color()), ground[-1] if ground else page))
    return inks
