"""A drawing as data: texts, lines, outlines and arrows in points, each painted in a role of the theme.

Invariant: nothing is measured. A text is one line; its place is one point and how it is anchored there, so that every
writer of a drawing puts it there, whatever its font.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

Point = tuple[float, float]
Dash = tuple[float, ...]  # drawn and left out, by turns, in widths of the line
DASHED: Dash = (3, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """Something drawn: above what has a lower `z`, and above what was added before with the same.

    `name` is how a live page finds it. `says` notes what it tells, "family: meaning" each ("state: current"): a
    reader sees nothing of it; tests ask whether the meanings of a family can be told apart by everybody.
    """

    z: float = 1.0
    name: str = ""
    says: tuple[str, ...] = ()

    def moved(self, dx: float, dy: float) -> Element:
        """The same elsewhere."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Element):
    """One line. `anchor` is the end that stands at the point (start, middle, end), `level` the height of the letters
    that does: baseline, center (of a line from the foot of p to the top of l), or bottom."""

    at: Point
    text: str
    size: float
    z: float = 3.0
    colour: str = "ink"
    anchor: str = "start"
    level: str = "center"
    bold: bool = False
    italic: bool = False
    mono: bool = False
    turned: bool = False  # read from below; only for a text whose middle stands at the point
    ground: str = ""  # painted behind the letters, over what is there

    def moved(self, dx: float, dy: float) -> Text:
        return replace(self, at=_moved(self.at, dx, dy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Element):
    """Straight from point to point."""

    points: tuple[Point, ...]
    z: float = 2.0
    colour: str = "line"
    width: float = 1.0
    dash: Dash = ()
    round: bool = False  # its ends

    def moved(self, dx: float, dy: float) -> Line:
        return replace(self, points=tuple(_moved(point, dx, dy) for point in self.points))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline(Element):
    """What is filled and has an edge; "" for a role leaves that out."""

    fill: str = ""
    edge: str = ""
    width: float = 1.0
    dash: Dash = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Box(Outline):
    """A rectangle, given by its lower left corner; `radius` of its corners."""

    at: Point
    size: Point
    radius: float = 0.0

    def moved(self, dx: float, dy: float) -> Box:
        return replace(self, at=_moved(self.at, dx, dy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygon(Outline):
    """A closed shape with straight sides."""

    points: tuple[Point, ...]

    def moved(self, dx: float, dy: float) -> Polygon:
        return replace(self, points=tuple(_moved(point, dx, dy) for point in self.points))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow(Element):
    """An arc that bulges to the right by `bend` times its length, with a filled head of `head` points."""

    start: Point
    end: Point
    z: float = 2.0
    colour: str = "line"
    width: float = 1.0
    dash: Dash = ()
    bend: float = 0.0
    head: float = 17.0

    @property
    def control(self) -> Point:
        """The control point of the arc, a quadratic curve."""
        (x1, y1), (x2, y2) = self.start, self.end
        return (x1 + x2) / 2 + self.bend * (y2 - y1), (y1 + y2) / 2 - self.bend * (x2 - x1)

    def moved(self, dx: float, dy: float) -> Arrow:
        return replace(self, start=_moved(self.start, dx, dy), end=_moved(self.end, dx, dy))


def _moved(point: Point, dx: float, dy: float) -> Point:
    return point[0] + dx, point[1] + dy


Added = TypeVar("Added", bound=Element)


@dataclass
class Drawing:
    """Elements on a canvas of `size` points, 1/72 inch, from the lower left corner."""

    size: Point
    elements: list[Element] = field(default_factory=list)

    def painted(self) -> list[Element]:
        """The elements in the order in which they are painted."""
        return sorted(self.elements, key=lambda element: element.z)

    def add(self, element: Added) -> Added:
        """Add an element, and return it."""
        self.elements.append(element)
        return element

    def place(self, other: Drawing, dx: float, dy: float) -> None:
        """Add another drawing, its lower left corner at that point."""
        self.elements += [element.moved(dx, dy) for element in other.elements]

    # Short words for what figures draw most.

    def text(self, x: float, y: float, text: str, size: float, **style: Any) -> Text:
        """A line of text."""
        return self.add(Text(at=(x, y), text=text, size=size, **style))

    def line(self, *points: Point, **style: Any) -> Line:
        """A line from point to point."""
        return self.add(Line(points=points, **style))

    def box(
        self,
        left: float,
        low: float,
        width: float,
        height: float,
        stroke: float = 1.0,
        **style: Any,
    ) -> Box:
        """A rectangle; `stroke` is the width of its edge."""
        return self.add(Box(at=(left, low), size=(width, height), width=stroke, **style))

    def polygon(self, points: Iterable[Point], **style: Any) -> Polygon:
        """A closed shape."""
        return self.add(Polygon(points=tuple(points), **style))


def slanted(left: float, low: float, width: float, height: float, cut: float) -> Sequence[Point]:
    """The corners of a parallelogram: something that is done, not a state."""
    right, top = left + width, low + height
    return (left + cut, low), (right, low), (right - cut, top), (left, top)


def octagon(left: float, low: float, width: float, height: float, cut: float) -> Sequence[Point]:
    """The corners of an octagon, as of a stop sign."""
    right, top = left + width, low + height
    return (
        *((left + cut, low), (right - cut, low), (right, low + cut), (right, top - cut)),
        *((right - cut, top), (left + cut, top), (left, top - cut), (left, low + cut)),
    )
