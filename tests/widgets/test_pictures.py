"""Every picture that there is, looked at with a ruler: no text is clipped, none touches another or leaves its box."""

from __future__ import annotations

import itertools

import pytest

from tests.widgets import gallery
from tests.widgets.eyes import WALLS, faults, seen, texts_of
from widgets.figures.mpl_writer import figure
from widgets.models.drawing import Drawing
from widgets.models.theme import DARK


@pytest.mark.parametrize("wall", WALLS)
def test_no_text_is_clipped_touches_another_or_leaves_its_box(wall: str) -> None:
    assert seen(wall)
    assert not {picture.name: picture.faults for picture in seen(wall) if picture.faults}


def test_the_ruler_finds_what_is_clipped_what_touches_and_what_leaves_its_box() -> None:
    drawing = Drawing((100, 50))
    drawing.text(12, 12, "a long word", 10)
    drawing.text(20, 13, "over it", 10)
    drawing.text(90, 40, "clipped", 10)
    drawn = figure(drawing)
    assert set(faults(drawn, texts_of(drawn))) == {
        "'clipped' is clipped",
        "'a long word' touches 'over it'",
    }
    drawing = Drawing((200, 50))
    drawing.box(10, 10, 60, 16, fill="surface")
    drawing.text(20, 18, "far too long", 10)
    drawn = figure(drawing)
    assert faults(drawn, texts_of(drawn)) == ["'far too long' leaves its box"]


@pytest.mark.parametrize("wall", [wall for wall in WALLS if wall not in ("panels", "all_lit")])
def test_a_theme_moves_nothing_and_leaves_no_light_page(wall: str) -> None:
    for name, picture in itertools.islice(getattr(gallery, wall)(), 4):
        light, dark = picture.draw(), picture.draw("dark")
        places = [[box.bounds for _, box in texts_of(drawing)] for drawing in (light, dark)]
        assert places[0] == places[1], name
        svg = picture.svg("dark")
        assert f"fill: {DARK['page']}" in svg
        assert "#ffffff" not in svg


def test_a_theme_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="there are light and dark"):
        next(iter(gallery.cycles()))[1].png("sepia")
