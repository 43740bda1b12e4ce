"""A drawing written as SVG, with nothing but the standard library: for live panels, pages and browsers.

Invariant: an element becomes one group with one text, line or outline (an arrow: a shaft and a head) in it, in the
order in which they are painted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import singledispatch
from html import escape

from widgets.models.drawing import Arrow, Box, Drawing, Element, Line, Point, Polygon, Text
from widgets.models.theme import LIGHT, colours_of

# From the foot of "p" to the top of "l" in DejaVu Sans, in em. Verdana is as wide.
ASCENT, DESCENT = 0.76, 0.208
LEVELS = {"baseline": 0.0, "center": (ASCENT - DESCENT) / 2, "bottom": -DESCENT}
FAMILY, MONO = "DejaVu Sans,Verdana,sans-serif", "DejaVu Sans Mono,Menlo,Consolas,monospace"
HEAD_LENGTH, HEAD_HALF_WIDTH = 0.5, 0.26  # of the head of an arrow, by its size
Paint = Callable[[str], str]


def file_svg(drawing: Drawing, theme: str = "light", title: str = "") -> str:
    """The drawing as a file in the colours of a theme, with a title; ValueError if there is no such theme."""
    colours = colours_of(theme)
    width, height = drawing.size
    ground = f'<rect width="{_n(width)}" height="{_n(height)}" fill="{colours["page"]}"/>'
    named = f"<title>{escape(title)}</title>" if title else ""
    size = f'width="{_n(width)}pt" height="{_n(height)}pt" '
    return _svg(drawing, colours.__getitem__, "", size, named + ground)


def page_svg(drawing: Drawing, label: str, prefix: str = "") -> str:
    """The drawing as an element of a page: in the page's theme, sized by its place, named for screen readers.

    With a `prefix` the elements that have names have ids, which start with it: several drawings share a page.
    """
    attributes = f'role="img" aria-label="{escape(label)}" focusable="false" '
    return _svg(drawing, _variable, prefix, attributes)


def _variable(role: str) -> str:
    return f"var(--sl-{role}, {LIGHT[role]})"


def _svg(drawing: Drawing, paint: Paint, prefix: str, attributes: str, content: str = "") -> str:
    width, height = drawing.size
    groups = "".join(_group(each, paint, height, prefix) for each in drawing.painted())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}viewBox="0 0 {_n(width)} {_n(height)}"'
        f' font-family="{FAMILY}" xml:space="preserve">{content}{groups}</svg>'
    )


def _group(element: Element, paint: Paint, height: float, prefix: str) -> str:
    name = f' id="{prefix}{element.name}"' if prefix and element.name else ""
    return f"<g{name}>{_body(element, paint, height)}</g>"


@singledispatch
def _body(element: Element, paint: Paint, height: float) -> str:
    raise TypeError(f"{type(element).__name__} cannot be written as SVG")


@_body.register
def _(text: Text, paint: Paint, height: float) -> str:
    x, y = text.at[0], height - text.at[1]
    down = LEVELS[text.level] * text.size
    turned = f' transform="rotate(-90 {_n(x)} {_n(y)})"' if text.turned else ""
    style = f"fill:{paint(text.colour)}"
    if text.ground:  # a thick outline of the letters
        style += f";paint-order:stroke;stroke:{paint(text.ground)};stroke-width:{_n(text.size / 2)}"
    return (
        f'<text x="{_n(x)}" y="{_n(y + down)}"{turned} font-size="{_n(text.size)}"'
        + (' font-weight="bold"' if text.bold else "")
        + (' font-style="italic"' if text.italic else "")
        + (f' font-family="{MONO}"' if text.mono else "")
        + ("" if text.anchor == "start" else f' text-anchor="{text.anchor}"')
        + f' style="{style}">{escape(text.text, quote=False)}</text>'
    )


@_body.register
def _(line: Line, paint: Paint, height: float) -> str:
    cap = "" if line.dash else f";stroke-linecap:{'round' if line.round else 'square'}"
    style = f"fill:none;{_stroke(line, paint(line.colour))}{cap}"
    return f'<path d="M{_path(line.points, height)}" style="{style}"/>'


@_body.register
def _(box: Box, paint: Paint, height: float) -> str:
    (x, y), (w, h) = box.at, box.size
    radius = f' rx="{_n(box.radius)}"' if box.radius else ""
    return (
        f'<rect x="{_n(x)}" y="{_n(height - y - h)}" width="{_n(w)}" height="{_n(h)}"{radius}'
        f' style="{_filled(box, paint)}"/>'
    )


@_body.register
def _(shape: Polygon, paint: Paint, height: float) -> str:
    return f'<path d="M{_path(shape.points, height)}z" style="{_filled(shape, paint)}"/>'


@_body.register
def _(arrow: Arrow, paint: Paint, height: float) -> str:
    start, control = (_path([point], height) for point in (arrow.start, arrow.control))
    one, tip, other = head_of(arrow)
    colour = paint(arrow.colour)
    return (
        f'<path d="M{start}Q{control} {_path([tip], height)}" style="fill:none;{_stroke(arrow, colour)}"/>'
        f'<path d="M{_path([one, tip, other], height)}z"'
        f' style="fill:{colour};stroke:{colour};stroke-width:{_n(arrow.width)}"/>'
    )


def head_of(arrow: Arrow) -> tuple[Point, Point, Point]:
    """The corners of its head; the middle one is the tip, set back so that its mitred edge ends at the arrow's end."""
    (x, y), (cx, cy) = arrow.end, arrow.control
    length, half = HEAD_LENGTH * arrow.head, HEAD_HALF_WIDTH * arrow.head
    slant = math.hypot(length, half)
    far = math.hypot(cx - x, cy - y) or 1.0
    ux, uy = (cx - x) / far, (cy - y) / far
    back = 0.5 * arrow.width * slant / half
    tip = (x + back * ux, y + back * uy)
    one, other = (
        (tip[0] + length * ux + side * half * uy, tip[1] + length * uy - side * half * ux)
        for side in (1, -1)
    )
    return one, tip, other


def _stroke(drawn: Line | Arrow | Box | Polygon, colour: str) -> str:
    dash = ",".join(_n(part * drawn.width) for part in drawn.dash)
    return f"stroke:{colour};stroke-width:{_n(drawn.width)}" + (
        f";stroke-dasharray:{dash}" if dash else ""
    )


def _filled(outline: Box | Polygon, paint: Paint) -> str:
    fill = paint(outline.fill) if outline.fill else "none"
    return f"fill:{fill}" + (f";{_stroke(outline, paint(outline.edge))}" if outline.edge else "")


def _path(points: Iterable[Point], height: float) -> str:
    return "L".join(f"{_n(x)} {_n(height - y)}" for x, y in points)


def _n(value: float) -> str:
    """A number with at most two decimals.

    >>> _n(12.0), _n(0.456), _n(-0.001)
    ('12', '0.46', '0')
    """
    return f"{round(value, 2) + 0.0:g}"
