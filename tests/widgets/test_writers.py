"""The two writers of a drawing: the same elements in the same places, and no matplotlib until a figure asks for it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from xml.etree import ElementTree

import pytest

from tests.widgets import gallery
from tests.widgets.eyes import WALLS
from widgets import StepLab
from widgets.figures import figure as figures
from widgets.figures.cheatsheet import CheatSheet
from widgets.figures.mpl_writer import figure, to_svg
from widgets.figures.svg_writer import file_svg
from widgets.models.drawing import Arrow, Drawing, Text
from widgets.models.theme import LIGHT, THEMES

SVG = "{http://www.w3.org/2000/svg}"
NEAR = 0.8  # points; matplotlib rounds a text to the pixels of its screen
NUMBER = r"-?\d+(?:\.\d+)?"


@dataclass(frozen=True)
class Mark:
    """One text or outline as a reader of the file sees it: what it says, its colours, and points that it has."""

    text: str
    colours: frozenset[str]
    points: tuple[tuple[float, float], ...]

    def is_like(self, other: Mark) -> bool:
        near = len(self.points) == len(other.points) and all(
            abs(a - b) <= NEAR
            for one, another in zip(self.points, other.points, strict=True)
            for a, b in zip(one, another, strict=True)
        )
        return near and (self.text, self.colours) == (other.text, other.colours)


def style_of(node: ElementTree.Element) -> frozenset[str]:
    """The colours it is filled and outlined with, not its order in the file."""
    found = re.findall(r"(?:fill|stroke): ?(#[0-9a-f]{6})", node.get("style", ""))
    return frozenset(found)


def extent(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys)), (max(xs), max(ys))


def numbers(text: str) -> list[tuple[float, float]]:
    values = [float(number) for number in re.findall(NUMBER, text)]
    return list(zip(values[::2], values[1::2], strict=True))


def ends(path: str) -> list[tuple[float, float]]:
    """The points that a path goes through: of a curve not the points that only bend it."""
    found = []
    for command, places in re.findall(r"([MLQz])([^MLQz]*)", path):
        points = numbers(places)
        found += points[1::2] if command == "Q" else points
    return found


def place_of(text: ElementTree.Element) -> tuple[float, float]:
    """Where a text stands. Of a turned one only its column is known: where it begins depends on its length."""
    x, y = (float(text.get(name, 0)) for name in ("x", "y"))
    turn = text.get("transform", "")
    if turn.startswith("translate"):  # matplotlib's: where it begins
        return numbers(turn.partition("rotate")[0])[0][0], 0.0
    if turn.startswith("rotate(-90"):  # ours: x and y before it is turned, and around what
        (_, around), *_ = numbers(turn.replace("-90 ", ""))
        return x + y - around, 0.0
    return x, y


def mark_of(node: ElementTree.Element) -> Mark:
    if node.tag == f"{SVG}text":
        text = "".join(node.itertext()).replace("\u00a0", " ")
        return Mark(text, style_of(node), (place_of(node),))
    if node.tag == f"{SVG}rect":
        x, y, w, h = (float(node.get(name, 0)) for name in ("x", "y", "width", "height"))
        return Mark("", style_of(node), ((x, y), (x + w, y + h)))
    return Mark("", style_of(node), extent(ends(node.get("d", ""))))


def marks(svg: str) -> list[Mark]:
    """Everything that an SVG paints, in order; the page left out."""
    root = ElementTree.fromstring(svg[svg.index("<svg") :])
    for definitions in root.iter(f"{SVG}defs"):
        definitions.clear()
    kinds = {f"{SVG}{name}" for name in ("text", "path", "rect")}
    return [mark_of(node) for node in root.iter() if node.tag in kinds][1:]


def differences(drawing: Drawing) -> list[str]:
    """Where the two writers differ about a drawing, in words."""
    # matplotlib makes outlines of the letters that have a ground, which says nothing about their place.
    bare = [replace(e, ground="") if isinstance(e, Text) else e for e in drawing.elements]
    drawing = Drawing(drawing.size, bare)
    theirs, ours = marks(to_svg(figure(drawing))), marks(file_svg(drawing))
    if len(theirs) != len(ours):
        return [f"{len(theirs)} marks by matplotlib, {len(ours)} by ours"]
    return [
        f"{a} by matplotlib, {b} by ours"
        for a, b in zip(theirs, ours, strict=True)
        if not a.is_like(b)
    ]


def hung(wall: str, most: int) -> list[tuple[str, Drawing]]:
    """The first drawings of a wall of the gallery."""
    return [(name, picture.drawing()) for name, picture in islice(getattr(gallery, wall)(), most)]


@pytest.mark.parametrize("wall", [wall for wall in WALLS if wall != "all_lit"])
def test_both_writers_put_the_same_elements_in_the_same_places(wall: str) -> None:
    assert not {name: found for name, it in hung(wall, 3) if (found := differences(it))}


def test_a_text_that_stands_elsewhere_or_says_something_else_is_found_out() -> None:
    one, other = Drawing((100, 50)), Drawing((100, 50))
    one.text(10, 20, "here", 10)
    for x, text in ((10, "there"), (12, "here")):
        other.elements.clear()
        other.text(x, 20, text, 10)
        assert not marks(file_svg(one))[0].is_like(marks(file_svg(other))[0])


def test_an_arrow_has_a_shaft_and_a_head_that_ends_where_it_points() -> None:
    drawing = Drawing((100, 100))
    drawing.add(Arrow(start=(10, 10), end=(90, 60), bend=0.3, width=3.0))
    assert not differences(drawing)


@pytest.mark.parametrize("theme", THEMES)
def test_a_file_is_well_formed_names_itself_and_has_the_colours_of_its_theme_only(
    theme: str,
) -> None:
    name, drawing = hung("cycles", 1)[0]
    svg = file_svg(drawing, theme, name)
    root = ElementTree.fromstring(svg)
    assert root.find(f"{SVG}title").text == name
    assert set(re.findall(r"#[0-9a-f]{6}", svg)) <= set(THEMES[theme].values())


def test_what_a_figure_says_is_escaped() -> None:
    drawing = Drawing((100, 50))
    drawing.text(5, 5, '<b> & "c"', 10)
    root = ElementTree.fromstring(file_svg(drawing, title="a < b"))
    assert [text.text for text in root.iter(f"{SVG}text")] == ['<b> & "c"']
    assert LIGHT["ink"] in file_svg(drawing)


QUIET = """
import sys
from widgets import CompareLab, EsrLab, StepLab, LifeCycle, TimelineFigure
from widgets.figures import figure
figure.a_page_looks = lambda: True
lab, both, ruler = StepLab("nop"), CompareLab("nop"), EsrLab()
lab.step()
for panel in (lab, both, ruler):
    panel._repr_mimebundle_()  # as for a page
lab.diagram().live_svg(), lab.timeline().live_svg()
print(sorted({name.split(".")[0] for name in sys.modules} & {"matplotlib", "numpy", "PIL"}))
"""


def test_live_panels_import_no_matplotlib() -> None:
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


PICTURES: dict[str, Callable[[], object]] = {
    "a panel as PNG": lambda: StepLab("nop").png(),
    "a panel as a figure": lambda: StepLab("nop").draw(),
    "a figure as PNG": lambda: StepLab("nop").diagram().png(),
    "the cheat sheet as PDF": lambda: CheatSheet().pdf(),
}


@pytest.mark.parametrize("what", PICTURES)
def test_without_matplotlib_a_picture_that_needs_it_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(figures, "has_matplotlib", lambda: False)
    with pytest.raises(figures.NoMatplotlibError, match="no matplotlib here") as raised:
        PICTURES[what]()
    assert raised.value._render_traceback_() == [str(raised.value)]
