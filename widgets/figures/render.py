"""Diagrams drawn with matplotlib: once for the page, where a small style recolours them, or finished for a file.

Invariant: the same diagram and the same walk give the same bytes; every line of text is an artist of its own, so
that a browser's font cannot push it out of place.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch, Polygon
from matplotlib.text import Text
from PIL import Image

from widgets.figures.repaint import says
from widgets.models.diagram import Diagram, Edge, State
from widgets.models.theme import LIGHT, themed

DPI = 110
FONT = 11.5
SETTINGS: Any = {"svg.hashsalt": "step-labs", "svg.fonttype": "none", "font.family": "DejaVu Sans"}


def canvas(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """An empty figure whose data coordinates are points, 1/72 inch, from the lower left corner."""
    figure = Figure(figsize=(size[0] / 72, size[1] / 72), dpi=DPI, facecolor=LIGHT["page"])
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, size[0])
    axes.set_ylim(0, size[1])
    axes.axis("off")
    return figure, axes


def draw_diagram(
    axes: Axes,
    diagram: Diagram,
    *,
    prefix: str = "",
    current: str = "",
    numbers: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
) -> None:
    """Draw into axes whose coordinates are points.

    With a `prefix` everything is drawn unlit, with gids that start with it, for `svg_for_page`. Without, `current`
    is the lit state, `numbers` the traversed edges (name -> "1" or "2, 4") and `values` what the bits hold
    ("inactive.SPSR_EL2.SS" -> "1").
    """
    lit = dict(numbers or {})
    for edge in diagram.edges:
        _draw_edge(axes, edge, prefix, lit.get(edge.name, "0" if prefix else ""))
    for state in diagram.states:
        is_lit = state.name == current or (state.shape == "work" and state.name in lit)
        _draw_state(axes, state, prefix, is_lit and not prefix, dict(values or {}))


def _gid(artist: Any, prefix: str, name: str) -> Any:
    if prefix:
        artist.set_gid(f"{prefix}{name}")
    return artist


def _outline(state: State, grow: float = 0.0) -> Patch:
    (x, y), (w, h) = state.at, (state.size[0] + 2 * grow, state.size[1] + 2 * grow)
    left, bottom = x - w / 2, y - h / 2
    if state.shape == "octagon":
        c = 14.0 + grow * 0.41
        corners = [(c, 0), (w - c, 0), (w, c), (w, h - c), (w - c, h), (c, h), (0, h - c), (0, c)]
        return Polygon([(left + dx, bottom + dy) for dx, dy in corners], closed=True)
    if state.shape == "work":
        return Polygon(
            [
                (left + 12, bottom),
                (left + w, bottom),
                (left + w - 12, bottom + h),
                (left, bottom + h),
            ],
            closed=True,
        )
    radius = (h / 2 if state.shape == "pill" else 7.0) - 0.01
    return FancyBboxPatch((left, bottom), w, h, boxstyle=f"round,pad=0,rounding_size={radius}")


def _draw_state(axes: Axes, state: State, prefix: str, lit: bool, values: dict[str, str]) -> None:
    body = _outline(state)
    body.set(
        facecolor=LIGHT[f"{state.colour}-fill" if lit else "surface"],
        edgecolor=LIGHT[state.colour if lit else "line"],
        linewidth=3.0 if lit else 1.2,
        zorder=3,
    )
    axes.add_patch(_gid(body, prefix, f"state-{state.name}"))
    family, meanings = ("work", ("done", "not done"))
    if state.shape != "work":
        family, meanings = ("state", ("current", "other"))
    meaning = meanings[0 if lit else 1]
    says(body, family, meaning)
    x, y = state.at
    style: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 5}
    if state.shape == "work":
        axes.text(x, y + 8, state.title, fontsize=FONT, color=LIGHT["ink"], **style)
        axes.text(x, y - 8, state.meaning, fontsize=FONT, color=LIGHT["ink"], **style)
        return
    if lit or prefix:
        mark = axes.text(
            x, y + 20, "\u25b6", fontsize=FONT, color=LIGHT[state.colour], weight="bold", **style
        )
        mark.set_x(x - 4.1 * len(state.title) - 9)
        says(_gid(mark, prefix, f"mark-{state.name}"), family, meaning)
    axes.text(
        x, y + 20, state.title, fontsize=FONT + 1.5, weight="bold", color=LIGHT["ink"], **style
    )
    axes.text(x, y + 2, state.meaning, fontsize=FONT, color=LIGHT["ink"], **style)
    width = 89.0
    for number, (name, value) in enumerate(state.bits):
        left = x + 6 + (number - len(state.bits) / 2) * width
        shown = values.get(f"{state.name}.{name}", value)
        axes.text(
            left + width - 18,
            y - 19,
            name,
            fontsize=FONT - 2.2,
            color=LIGHT["muted"],
            **style | {"ha": "right"},
        )
        bit = axes.text(
            left + width - 11,
            y - 19,
            shown,
            fontsize=FONT,
            weight="bold",
            color=LIGHT["ink"],
            **style,
        )
        _gid(bit, prefix, f"bit-{state.name}-{name}")


def _draw_edge(axes: Axes, edge: Edge, prefix: str, number: str) -> None:
    lit = bool(number) and not prefix
    colour = LIGHT["bug" if edge.missing else "ink" if lit else "line"]
    arrow = FancyArrowPatch(
        edge.start,
        edge.end,
        connectionstyle=f"arc3,rad={edge.bend}",
        arrowstyle="-|>,head_length=0.5,head_width=0.26",
        mutation_scale=17,
        shrinkA=0,
        shrinkB=0,
        linewidth=3.2 if lit else 1.4,
        linestyle=(0, (4, 2.4)) if edge.missing else "solid",
        color=colour,
        zorder=2,
    )
    meaning = ("missing, " if edge.missing else "") + ("taken" if lit else "not taken")
    axes.add_patch(says(_gid(arrow, prefix, f"edge-{edge.name}"), "edge", meaning))
    for text, is_effect, at in edge.label:
        axes.text(
            *at,
            text,
            fontsize=FONT,
            ha=edge.align,
            va="baseline",
            color=LIGHT["bug" if edge.missing else "muted" if is_effect else "ink"],
            zorder=4,
            style="italic" if is_effect else "normal",
        )
    if edge.cross_at is not None:
        x, y = edge.cross_at
        for width, paint in ((7.0, "page"), (3.2, "bug")):
            for slope in (1, -1):
                axes.plot(
                    [x - 6, x + 6],
                    [y - 6 * slope, y + 6 * slope],
                    color=LIGHT[paint],
                    linewidth=width,
                    solid_capstyle="round",
                    zorder=4,
                )
    if number:
        says(_draw_badge(axes, edge, prefix, number), "edge", meaning)


def half_width(number: str, font: float) -> float:
    """Half of what a badge needs for a bold number, in points; at least that of a round one."""
    letters = sum({",": 0.38, " ": 0.35, "\u2026": 1.0}.get(letter, 0.7) for letter in number)
    return max(0.74 * font, (letters * font) / 2 + 0.4 * font)


def _draw_badge(axes: Axes, edge: Edge, prefix: str, number: str) -> Text:
    (x, y), half = edge.badge_at, half_width(number, FONT)
    disc = FancyBboxPatch(
        (x - half, y - 8.5), 2 * half, 17, boxstyle="round,pad=0,rounding_size=8.4"
    )
    disc.set(facecolor=LIGHT["badge"], edgecolor=LIGHT["page"], linewidth=1.5, zorder=6)
    axes.add_patch(_gid(disc, prefix, f"disc-{edge.name}"))
    text = axes.text(
        x,
        y - 0.3,
        number,
        fontsize=FONT,
        weight="bold",
        ha="center",
        va="center",
        color=LIGHT["badge-ink"],
        zorder=7,
    )
    return _gid(text, prefix, f"number-{edge.name}")  # type: ignore[no-any-return]


# Files and pages


def to_svg(figure: Figure, *, outlines: bool = False) -> str:
    """The figure as SVG with real text or its outlines, without date or anything else that changes."""
    buffer = io.StringIO()
    with mpl.rc_context(SETTINGS | ({"svg.fonttype": "path"} if outlines else {})):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def to_png(figure: Figure) -> bytes:
    """The figure as PNG, half as large again as its points, in 64 colours: small enough to be committed."""
    buffer, small = io.BytesIO(), io.BytesIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(buffer, format="png", metadata={"Software": None})
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(small, "PNG")
    return small.getvalue()


_HEADER = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", re.DOTALL)
_SIZE = re.compile(r'(<svg [^>]*?)\s(?:width|height)="[^"]*pt"')


def svg_for_page(figure: Figure, prefix: str, label: str) -> str:
    """The drawing as an element of a page: themed, sized by its place, named for screen readers.

    Only ids that start with `prefix`, and those that the drawing itself refers to, are kept: several drawings
    share a page.
    """
    svg = _METADATA.sub("", _HEADER.sub("", to_svg(figure)))
    while (smaller := _SIZE.sub(r"\1", svg)) != svg:
        svg = smaller
    referred = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    svg = re.sub(
        r' id="([^"]+)"',
        lambda m: m[0] if m[1].startswith(prefix) or m[1] in referred else "",
        svg,
    )
    for name in referred:
        svg = svg.replace(f'id="{name}"', f'id="{prefix}{name}"').replace(
            f"#{name}", f"#{prefix}{name}"
        )
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" focusable="false" ', 1)
    # The page behind shows through.
    svg = re.sub(r'<g>\s*<path [^>]*style="fill: #ffffff"/>\s*</g>', "", svg, count=1)
    return themed(svg)


def page_style(diagram: Diagram, prefix: str, current: str, numbers: Mapping[str, str]) -> str:
    """The CSS rules that light a drawing made with `prefix`: the current state, the traversed edges."""
    rules = []
    for state in diagram.states:
        name = f"#{prefix}state-{state.name}"
        if state.name == current or (state.shape == "work" and state.name in numbers):
            rules.append(
                f"{name} path{{fill:var(--sl-{state.colour}-fill)!important;"
                f"stroke:var(--sl-{state.colour})!important;stroke-width:3!important}}"
            )
        if state.name != current and state.shape != "work":
            rules.append(f"#{prefix}mark-{state.name}{{visibility:hidden}}")
    for edge in diagram.edges:
        if edge.name in numbers:
            paint = "bug" if edge.missing else "ink"
            rules.append(
                f"#{prefix}edge-{edge.name} path{{stroke:var(--sl-{paint})!important;stroke-width:3.2!important}}"
                f"#{prefix}edge-{edge.name} path:last-child{{fill:var(--sl-{paint})!important}}"
            )
            if (
                len(numbers[edge.name]) > 1
            ):  # the disc is made for one figure: the text brings its own ground
                rules.append(
                    f"#{prefix}number-{edge.name} text{{paint-order:stroke;stroke:var(--sl-badge);"
                    "stroke-width:8px;stroke-linejoin:round}"
                )
        else:
            rules.append(
                f"#{prefix}disc-{edge.name},#{prefix}number-{edge.name}{{visibility:hidden}}"
            )
    return "".join(rules)
