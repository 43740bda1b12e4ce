"""Every picture seen without one kind of cones: what must be told apart can be, and every text can be read.

The simulation is that of Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color
vision deficiency" (IEEE TVCG 15(6), 2009) at severity 1.0, as the library colorspacious computes it. Told apart means:
another shape, line style or sign, lines of twice the width, or fills or outlines whose contrast is at least 3:1, which
is what WCAG 2.2 (1.4.11) asks of graphics; for texts it asks 4.5:1 (1.4.3).
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pytest
from colorspacious import cspace_convert

from tests.widgets.eyes import WALLS, Look, seen
from widgets.models.theme import LIGHT, THEMES

VISIONS = {
    "all cones": None,
    "protanopia": "protanomaly",
    "deuteranopia": "deuteranomaly",
    "tritanopia": "tritanomaly",
}
GRAPHIC, TEXT, WIDER = 3.0, 4.5, 2.0
ROLES = {colour: role for role, colour in LIGHT.items()}
Palette = dict[str, str]


@cache
def luminance(colour: str, vision: str) -> float:
    """WCAG's relative luminance of a colour, 0 to 1, as it is seen."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    if VISIONS[vision]:
        space = {"name": "sRGB1+CVD", "cvd_type": VISIONS[vision], "severity": 100}
        channels = np.clip(cspace_convert(channels, space, "sRGB1"), 0, 1)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str, vision: str) -> float:
    light, dark = sorted((luminance(one, vision), luminance(other, vision)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def in_theme(colours: set[str], palette: Palette) -> set[str]:
    return {palette[ROLES[colour]] for colour in colours}


def told_apart(one: Look, other: Look, palette: Palette, vision: str) -> list[str]:
    """By what: wherever the two meanings were seen, they differed in it."""
    reasons = [
        name
        for name in ("shapes", "lines", "signs")
        if (a := getattr(one, name)) | (b := getattr(other, name)) and not a & b
    ]
    if one.widths and other.widths:
        thin, thick = sorted((one.widths, other.widths), key=max)
        if min(thick) >= WIDER * max(thin):
            reasons.append("widths")
    for name in ("fills", "edges"):
        pairs = [
            contrast(a, b, vision)
            for a in in_theme(getattr(one, name), palette)
            for b in in_theme(getattr(other, name), palette)
        ]
        if pairs and min(pairs) >= GRAPHIC:
            reasons.append(name)
    return reasons


@cache
def looks() -> dict[tuple[str, str], Look]:
    """What each (family, meaning) looks like in all pictures together."""
    pooled: dict[tuple[str, str], Look] = {}
    for wall in WALLS:
        for picture in seen(wall):
            for key, look in picture.looks.items():
                pooled.setdefault(key, Look()).join(look)
    return pooled


def confused(marks: dict[tuple[str, str], Look], palette: Palette, vision: str) -> list[str]:
    """The pairs of meanings of one family that nothing tells apart."""
    return [
        f"{family}: {one} / {other}"
        for (family, one), (second, other) in combinations(sorted(marks), 2)
        if family == second
        and not told_apart(marks[family, one], marks[family, other], palette, vision)
    ]


def faint(inks: set[tuple[str, str]], palette: Palette, vision: str) -> list[str]:
    """The roles (text on ground) that are too close to each other to be read."""
    return sorted(
        f"{ROLES[ink]} on {ROLES[ground]}"
        for ink, ground in inks
        if contrast(palette[ROLES[ink]], palette[ROLES[ground]], vision) < TEXT
    )


FAMILIES = {
    "state": {"current", "other"},
    "work": {"done", "not done"},
    "edge": {"taken", "not taken", "missing, taken", "missing, not taken"},
    "stage": {"visited", "not visited"},
    "arrow": {"taken", "not taken"},
    "flag": {"right", "wrong"},
    "party": {"runs", "waits"},
    "lane": {"guest", "kernel", "userspace", "debugger"},
    "event": {"was notified", "nobody was notified", "a stop that never came"},
    "column": {"first difference"},
    "cell": {"a stop that never came"},
    "bit": {"changed"},
    "field": {"in use", "reserved"},
    "row": {"same", "differs"},
}


def test_the_pictures_show_every_mark_that_means_something() -> None:
    found: dict[str, set[str]] = {}
    for family, meaning in looks():
        found.setdefault(family, set()).add(meaning)
    assert found == FAMILIES


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISIONS)
def test_whatever_means_something_else_can_be_told_apart(vision: str, theme: str) -> None:
    assert not confused(looks(), THEMES[theme], vision)


@pytest.mark.parametrize("wall", WALLS)
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISIONS)
def test_every_text_can_be_read_on_its_ground(vision: str, theme: str, wall: str) -> None:
    inks = {pair for picture in seen(wall) for pair in picture.inks}
    assert not faint(inks, THEMES[theme], vision)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISIONS)
def test_every_outline_stands_out_from_the_page(vision: str, theme: str) -> None:
    palette = THEMES[theme]
    edges = {colour for look in looks().values() for colour in look.edges}
    assert not [
        ROLES[colour]
        for colour in edges
        if contrast(palette[ROLES[colour]], palette["page"], vision) < GRAPHIC
    ]


# That these tests can fail


def only_colours(look: Look) -> Look:
    return Look(fills=look.fills, edges=look.edges)


@pytest.mark.parametrize("theme", THEMES)
def test_by_colour_alone_the_marks_would_be_confused(theme: str) -> None:
    bare = {key: only_colours(look) for key, look in looks().items()}
    found = confused(bare, THEMES[theme], "deuteranopia")
    assert "event: nobody was notified / was notified" in found
    assert "lane: debugger / guest" in found


def test_red_and_green_are_found_out_for_those_who_confuse_them_only() -> None:
    # Of one luminance without green cones, of two with them.
    marks = {("m", "one"): Look(edges={LIGHT["run"]}), ("m", "other"): Look(edges={LIGHT["bug"]})}
    palette = LIGHT | {"run": "#d01010", "bug": "#00c000"}
    assert not confused(marks, palette | {"bug": "#ffffff"}, "deuteranopia")
    assert confused(marks, palette, "deuteranopia") == ["m: one / other"]
    assert contrast(palette["run"], palette["bug"], "all cones") > contrast(
        palette["run"], palette["bug"], "deuteranopia"
    )


def test_a_palette_whose_text_fades_for_some_is_found_out() -> None:
    inks = {pair for picture in seen("tables") for pair in picture.inks}
    faded = LIGHT | {"bug": "#ff0000", "bug-fill": "#300030"}
    assert faint(inks, faded, "protanopia") == ["bug on bug-fill"]
