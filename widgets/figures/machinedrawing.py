"""A state machine drawn: finished for a file, or unlit for a page, where a small style lights it.

Invariant: what is lit has names, and stands where it stands unlit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from widgets.models.diagram import Diagram, Edge, State
from widgets.models.drawing import Arrow, Drawing, octagon, slanted

FONT = 11.5
LIT_STATE, LIT_EDGE = 3.0, 3.2  # widths of their lines, in points
BIT_WIDTH = 89.0


def draw_diagram(
    diagram: Diagram,
    *,
    current: str = "",
    numbers: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
    unlit: bool = False,
) -> Drawing:
    """`current` is the lit state, `numbers` the traversed edges (name -> "1" or "2, 4") and `values` what the bits
    hold ("inactive.SPSR_EL2.SS" -> "1").

    With `unlit` nothing is lit, and every mark and every badge is there for `page_style` to show.
    """
    drawing, lit = Drawing(diagram.size), dict(numbers or {})
    for edge in diagram.edges:
        number = "0" if unlit else lit.get(edge.name, "")
        _draw_edge(drawing, edge, number, lit=bool(number) and not unlit)
    for state in diagram.states:
        is_lit = state.name == current or (state.shape == "work" and state.name in lit)
        _draw_state(drawing, state, dict(values or {}), lit=is_lit and not unlit, marked=unlit)
    return drawing


def _draw_state(
    drawing: Drawing, state: State, values: dict[str, str], *, lit: bool, marked: bool
) -> None:
    if state.shape == "work":
        said = f"work: {'done' if lit else 'not done'}"
    else:
        said = f"state: {'current' if lit else 'other'}"
    _outline(drawing, state, lit, said)
    (x, y), style = state.at, {"anchor": "middle", "z": 5}
    if state.shape == "work":
        drawing.text(x, y + 8, state.title, FONT, **style)
        drawing.text(x, y - 8, state.meaning, FONT, **style)
        return
    if lit or marked:
        left = x - 4.1 * len(state.title) - 9
        mark: dict[str, Any] = {"name": f"mark-{state.name}", "says": (said,), "bold": True}
        drawing.text(left, y + 20, "\u25b6", FONT, colour=state.colour, **mark, **style)
    drawing.text(x, y + 20, state.title, FONT + 1.5, bold=True, **style)
    drawing.text(x, y + 2, state.meaning, FONT, **style)
    for number, (name, value) in enumerate(state.bits):
        right = x + 6 + (number - len(state.bits) / 2 + 1) * BIT_WIDTH
        shown = values.get(f"{state.name}.{name}", value)
        drawing.text(right - 18, y - 19, name, FONT - 2.2, colour="muted", anchor="end", z=5)
        bit = f"bit-{state.name}-{name}"
        drawing.text(right - 11, y - 19, shown, FONT, bold=True, name=bit, **style)


def _outline(drawing: Drawing, state: State, lit: bool, said: str) -> None:
    (x, y), (w, h) = state.at, state.size
    place = (x - w / 2, y - h / 2, w, h)
    style: dict[str, Any] = {
        "fill": f"{state.colour}-fill" if lit else "surface",
        "edge": state.colour if lit else "line",
        "z": 3,
        "name": f"state-{state.name}",
        "says": (said,),
    }
    width = LIT_STATE if lit else 1.2
    if state.shape == "octagon":
        drawing.polygon(octagon(*place, cut=14), width=width, **style)
    elif state.shape == "work":
        drawing.polygon(slanted(*place, cut=12), width=width, **style)
    else:
        radius = h / 2 if state.shape == "pill" else 7.0
        drawing.box(*place, stroke=width, radius=radius, **style)


def _draw_edge(drawing: Drawing, edge: Edge, number: str, *, lit: bool) -> None:
    said = "edge: " + ("missing, " if edge.missing else "") + ("taken" if lit else "not taken")
    drawing.add(
        Arrow(
            start=edge.start,
            end=edge.end,
            bend=edge.bend,
            width=LIT_EDGE if lit else 1.4,
            dash=(4, 2.4) if edge.missing else (),
            colour="bug" if edge.missing else "ink" if lit else "line",
            name=f"edge-{edge.name}",
            says=(said,),
        )
    )
    for text, is_effect, at in edge.label:
        colour = "bug" if edge.missing else "muted" if is_effect else "ink"
        anchor = {"left": "start", "center": "middle", "right": "end"}[edge.align]
        style: dict[str, Any] = {"colour": colour, "anchor": anchor, "level": "baseline", "z": 4}
        drawing.text(*at, text, FONT, italic=is_effect, **style)
    if edge.cross_at is not None:
        _draw_cross(drawing, *edge.cross_at)
    if number:
        _draw_badge(drawing, edge, number, said)


def _draw_cross(drawing: Drawing, x: float, y: float) -> None:
    for width, colour in ((7.0, "page"), (3.2, "bug")):
        for rise in (6, -6):
            ends = (x - 6, y - rise), (x + 6, y + rise)
            drawing.line(*ends, colour=colour, width=width, round=True, z=4)


def half_width(number: str, font: float) -> float:
    """Half of what a badge needs for a bold number, in points; at least that of a round one."""
    letters = sum({",": 0.38, " ": 0.35, "\u2026": 1.0}.get(letter, 0.7) for letter in number)
    return max(0.74 * font, (letters * font) / 2 + 0.4 * font)


def _draw_badge(drawing: Drawing, edge: Edge, number: str, said: str) -> None:
    (x, y), half = edge.badge_at, half_width(number, FONT)
    disc: dict[str, Any] = {"fill": "badge", "edge": "page", "stroke": 1.5, "z": 6}
    drawing.box(x - half, y - 8.5, 2 * half, 17, radius=8.4, name=f"disc-{edge.name}", **disc)
    text: dict[str, Any] = {"bold": True, "colour": "badge-ink", "anchor": "middle", "z": 7}
    drawing.text(x, y - 0.3, number, FONT, name=f"number-{edge.name}", says=(said,), **text)


def page_style(diagram: Diagram, prefix: str, current: str, numbers: Mapping[str, str]) -> str:
    """The CSS rules that light a drawing made `unlit`: the current state, the traversed edges."""
    states = (_state_rules(state, prefix, current, numbers) for state in diagram.states)
    edges = (_edge_rules(edge, prefix, numbers.get(edge.name, "")) for edge in diagram.edges)
    return "".join([*states, *edges])


def _state_rules(state: State, prefix: str, current: str, numbers: Mapping[str, str]) -> str:
    rules = ""
    if state.name == current or (state.shape == "work" and state.name in numbers):
        rules = (
            f"#{prefix}state-{state.name}>*{{fill:var(--sl-{state.colour}-fill)!important;"
            f"stroke:var(--sl-{state.colour})!important;stroke-width:{LIT_STATE:g}!important}}"
        )
    if state.name != current and state.shape != "work":
        rules += f"#{prefix}mark-{state.name}{{visibility:hidden}}"
    return rules


def _edge_rules(edge: Edge, prefix: str, number: str) -> str:
    if not number:
        return f"#{prefix}disc-{edge.name},#{prefix}number-{edge.name}{{visibility:hidden}}"
    paint, name = "bug" if edge.missing else "ink", f"#{prefix}edge-{edge.name}"
    rules = (
        f"{name}>*{{stroke:var(--sl-{paint})!important;stroke-width:{LIT_EDGE:g}!important}}"
        f"{name}>:last-child{{fill:var(--sl-{paint})!important}}"
    )
    if len(number) > 1:  # the disc is made for one figure: the text brings its own ground
        rules += (
            f"#{prefix}number-{edge.name} text{{paint-order:stroke;stroke:var(--sl-badge);"
            "stroke-width:8px;stroke-linejoin:round}"
        )
    return rules
