"""A drawing written by matplotlib: the pictures in notebooks and files. The only room that imports it.

Invariant: the same drawing gives the same bytes. Nothing here is imported before somebody asks for such a picture.
"""

from __future__ import annotations

import io
from functools import singledispatch
from typing import Any

import matplotlib as mpl
from matplotlib import patches, patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from widgets.figures.svg_writer import HEAD_HALF_WIDTH, HEAD_LENGTH
from widgets.models.drawing import Arrow, Box, Dash, Drawing, Element, Line, Outline, Polygon, Text
from widgets.models.theme import colours_of

DPI = 110
SETTINGS: Any = {"svg.hashsalt": "step-labs", "svg.fonttype": "none", "font.family": "DejaVu Sans"}
ANCHORS = {"start": "left", "middle": "center", "end": "right"}
Colours = dict[str, str]


def figure(drawing: Drawing, theme: str = "light") -> Figure:
    """The drawing in the colours of a theme; ValueError if there is none of that name."""
    colours = colours_of(theme)
    width, height = drawing.size
    drawn = Figure(figsize=(width / 72, height / 72), dpi=DPI, facecolor=colours["page"])
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    for element in drawing.painted():
        artist = _artist(element, axes, colours)
        artist.set(zorder=element.z, label="; ".join(element.says))
    return drawn


def claims(artist: Any) -> list[str]:
    """What an artist says, "family: meaning" each."""
    label = str(artist.get_label())
    return label.split("; ") if ": " in label else []


def to_png(drawn: Figure) -> bytes:
    """The figure as PNG, half as large again as its points, in 64 colours: small enough to be committed."""
    buffer, small = io.BytesIO(), io.BytesIO()
    with mpl.rc_context(SETTINGS):
        drawn.savefig(buffer, format="png", metadata={"Software": None})
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(small, "PNG")
    return small.getvalue()


def to_svg(drawn: Figure, *, outlines: bool = False) -> str:
    """The figure as SVG with real text or its outlines, without date or anything else that changes."""
    buffer = io.StringIO()
    with mpl.rc_context(SETTINGS | ({"svg.fonttype": "path"} if outlines else {})):
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def to_pdf(drawn: Figure, title: str) -> bytes:
    """The figure as a page of PDF with real text, without date or anything else that changes."""
    buffer = io.BytesIO()
    metadata = {"Title": title, "CreationDate": None, "Creator": None, "Producer": None}
    with mpl.rc_context(SETTINGS | {"pdf.fonttype": 42, "pdf.compression": 9}):
        drawn.savefig(buffer, format="pdf", metadata=metadata)
    return buffer.getvalue()


@singledispatch
def _artist(element: Element, axes: Axes, colours: Colours) -> Any:
    raise TypeError(f"{type(element).__name__} cannot be drawn by matplotlib")


@_artist.register
def _(text: Text, axes: Axes, colours: Colours) -> Any:
    artist = axes.text(
        *text.at,
        text.text,
        fontsize=text.size,
        color=colours[text.colour],
        ha=ANCHORS[text.anchor],
        va=text.level,
        weight="bold" if text.bold else "normal",
        style="italic" if text.italic else "normal",
        family="DejaVu Sans Mono" if text.mono else "DejaVu Sans",
        rotation=90 if text.turned else 0,
        parse_math=False,
    )
    if text.ground:
        stroke = patheffects.withStroke(linewidth=text.size / 2, foreground=colours[text.ground])
        artist.set_path_effects([stroke])
    return artist


@_artist.register
def _(line: Line, axes: Axes, colours: Colours) -> Any:
    (artist,) = axes.plot(
        *zip(*line.points, strict=True),
        color=colours[line.colour],
        linewidth=line.width,
        linestyle=_style(line.dash),
        solid_capstyle="round" if line.round else "projecting",
    )
    return artist


@_artist.register
def _(box: Box, axes: Axes, colours: Colours) -> Any:
    if not box.radius:
        return axes.add_patch(patches.Rectangle(box.at, *box.size, **_filled(box, colours)))
    # A pill has no straight side left; matplotlib wants a little of one.
    radius = min(box.radius, box.size[1] / 2 - 0.01)
    style = f"round,pad=0,rounding_size={radius}"
    return axes.add_patch(
        patches.FancyBboxPatch(box.at, *box.size, boxstyle=style, **_filled(box, colours))
    )


@_artist.register
def _(shape: Polygon, axes: Axes, colours: Colours) -> Any:
    return axes.add_patch(patches.Polygon(shape.points, closed=True, **_filled(shape, colours)))


@_artist.register
def _(arrow: Arrow, axes: Axes, colours: Colours) -> Any:
    return axes.add_patch(
        patches.FancyArrowPatch(
            arrow.start,
            arrow.end,
            connectionstyle=f"arc3,rad={arrow.bend}",
            arrowstyle=f"-|>,head_length={HEAD_LENGTH},head_width={HEAD_HALF_WIDTH}",
            mutation_scale=arrow.head,
            shrinkA=0,
            shrinkB=0,
            linewidth=arrow.width,
            linestyle=_style(arrow.dash),
            color=colours[arrow.colour],
        )
    )


def _filled(outline: Outline, colours: Colours) -> dict[str, Any]:
    return {
        "facecolor": colours[outline.fill] if outline.fill else "none",
        "edgecolor": colours[outline.edge] if outline.edge else "none",
        "linewidth": outline.width,
        "linestyle": _style(outline.dash),
    }


def _style(dash: Dash) -> Any:
    return (0, dash) if dash else "solid"
