"""The diagram: places, what a walk lights, and that no arrow crosses a text and no text stands half in a box."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon
from matplotlib.path import Path

from tests.widgets.conftest import at_step
from tests.widgets.eyes import texts_of
from widgets.figures.machinedrawing import draw_diagram
from widgets.figures.mpl_writer import figure as mpl_figure
from widgets.figures.stepfigure import StepFigure
from widgets.models.diagram import STEP_MACHINE
from widgets.models.edges_taken import numbers, walk
from widgets.models.theme import DARK, LIGHT


def figure_at(kernel: str, step: int) -> StepFigure:
    debugger = at_step(kernel, step)
    return StepFigure.of(debugger.events_of(step), debugger.state, debugger.hardware["spsr_el2.ss"])


def edges(kernel: str, step: int) -> list[str]:
    return [leg.edge for leg in figure_at(kernel, step).legs]


def test_an_ordinary_step_is_entry_retirement_and_step_exception() -> None:
    assert edges("v4.3", 3) == ["enter-granted", "retire", "step-exception"]


def test_the_bug_of_2014_takes_the_missing_edge() -> None:
    expected = ["enter-granted", "exception", "skip", "skip-kept", "retire", "step-exception"]
    assert edges("v4.3", 2) == expected


def test_a_right_kernel_goes_from_the_skip_to_active_pending() -> None:
    assert edges("fixed", 2) == [
        "enter-granted",
        "exception",
        "skip",
        "skip-cleared",
        "step-exception",
    ]


def test_ss_cleared_but_armed_again_takes_the_missing_edge_too() -> None:
    assert "skip-kept" in edges("v5.3", 2)


def test_an_edge_taken_twice_shows_both_numbers() -> None:
    first = at_step("fixed", 1)
    assert numbers(walk(first.events_of(1)))["enter-granted"] == "1, 3"


def test_the_sentence_tells_the_bug_and_only_the_bug() -> None:
    assert "one instruction too many" in figure_at("v4.3", 2).sentence
    assert "too many" not in figure_at("fixed", 2).sentence


def test_every_state_has_its_own_shape_and_every_edge_its_ends() -> None:
    shapes = [state.shape for state in STEP_MACHINE.states]
    assert len(set(shapes)) == len(shapes)
    names = {state.name for state in STEP_MACHINE.states}
    for edge in STEP_MACHINE.edges:
        assert {edge.source, edge.target} <= names


@pytest.mark.parametrize("kernel", ["v4.3", "fixed", "v4.15"])
@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_no_arrow_crosses_a_text_and_no_text_stands_half_in_a_box(kernel: str, step: int) -> None:
    debugger = at_step(kernel, step)
    events = debugger.events_of(step) if step else ()
    check_texts(StepFigure.of(events, debugger.state, 1).draw())


def test_none_does_when_everything_is_lit() -> None:
    lit = {edge.name: "10" for edge in STEP_MACHINE.edges}
    check_texts(mpl_figure(draw_diagram(STEP_MACHINE, current="inactive", numbers=lit)))


def check_texts(figure: Figure) -> None:
    (axes,) = figure.axes
    texts = [(text.get_text(), box) for text, box in texts_of(figure)]
    arrows = [p for p in axes.patches if isinstance(p, FancyArrowPatch)]
    for arrow in arrows:
        curve = arrow.get_transform().transform_path(arrow.get_path())
        pieces = curve.to_polygons(closed_only=False)  # bends as many straight pieces
        points = np.concatenate([Path(piece).interpolated(8).vertices for piece in pieces])
        for text, box in texts:
            inside = (points > box.min).all(axis=1) & (points < box.max).all(axis=1)
            assert not np.any(inside) or text[0].isdigit(), f"an arrow crosses {text!r}"
    for shape in axes.patches:
        if isinstance(shape, FancyBboxPatch | Polygon):
            outline = shape.get_transform().transform_path(shape.get_path())
            for text, box in texts:
                corners = [(box.x0, box.y0), (box.x0, box.y1), (box.x1, box.y0), (box.x1, box.y1)]
                inside = outline.contains_points(corners)
                is_badge = shape.get_zorder() == 6
                if box.width < shape.get_window_extent().width:
                    assert inside.all() or not inside.any() or is_badge, f"{text!r} leaves its box"


# On a page


def test_the_drawing_is_the_same_twice() -> None:
    assert StepFigure().page_svg("p-") == StepFigure().page_svg("p-")
    assert figure_at("v4.3", 2).png() == figure_at("v4.3", 2).png()


def test_the_page_drawing_has_no_foreign_ids_no_fixed_colours_and_is_well_formed() -> None:
    svg = StepFigure().page_svg("p-")
    ElementTree.fromstring(svg.replace("xlink:href", "href"))
    assert all(name.startswith("p-") for name in re.findall(r' id="([^"]+)"', svg))
    assert 'role="img"' in svg
    assert 'aria-label="' in svg
    outside = re.sub(r"var\(--sl-[a-z-]+, #[0-9a-f]{6}\)", "", svg)
    assert not re.findall(r'(?:fill|stroke)[:=]"?#', outside)


def test_a_step_changes_a_style_and_a_few_texts() -> None:
    before, _ = figure_at("v4.3", 1).page_changes("p-")
    style, texts = figure_at("v4.3", 2).page_changes("p-")
    assert style != before
    assert len(style) < 2500
    assert texts["p-number-skip-kept"] == "4"
    assert "#p-edge-skip-kept>*" in style
    assert "#p-disc-skip-cleared" in style  # hidden


def test_every_gid_that_the_style_names_is_in_the_drawing() -> None:
    svg = StepFigure().page_svg("p-")
    style, texts = figure_at("v4.3", 2).page_changes("p-")
    for name in [*re.findall(r"#(p-[A-Za-z0-9_-]+)", style), *texts]:
        assert f'id="{name}"' in svg, name


# Colours


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "page"),
        ("ink", "surface"),
        ("muted", "page"),
        ("muted", "surface"),
        ("ink", "here-fill"),
        ("ink", "run-fill"),
        ("ink", "stop-fill"),
        ("ink", "bug-fill"),
        ("bug", "page"),
        ("bug", "bug-fill"),
        ("badge-ink", "badge"),
        ("page", "run"),
    ],
)
def test_text_can_be_read(theme: dict[str, str], text: str, ground: str) -> None:
    assert contrast(theme[text], theme[ground]) >= 4.5


def test_no_two_roles_share_a_colour() -> None:
    assert len(set(LIGHT.values())) == len(LIGHT)
    assert set(LIGHT) == set(DARK)
