"""What a learner sees, in both themes and widths: nothing scrolls sideways, axe-core finds no barrier."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator

import widgets
from tests.browser.gallery import FIGURES, PANELS
from tests.browser.workbench import Workbench

EVERYTHING = PANELS | FIGURES
GRAVE = ("serious", "critical")
# Pixels that are cut off, or that one has to scroll for; long lines of code may scroll in their own box.
SIDEWAYS = """element => {
    const wide = [element, ...element.querySelectorAll('*')].filter(e =>
        !e.matches('textarea, pre') && e.scrollWidth > e.clientWidth + 1
        && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX));
    const box = element.getBoundingClientRect();
    const page = element.closest('.jp-OutputArea').getBoundingClientRect();
    const notebook = element.closest('.jp-WindowedPanel-outer, .jp-Notebook');
    return {
        scrolling: wide.map(e => e.className || e.tagName),
        overhang: Math.max(0, box.right - page.right),
        content: element.scrollWidth - element.clientWidth,
        notebook: notebook.scrollWidth - notebook.clientWidth,
    };
}"""
OPEN_ALL = "element => element.querySelectorAll('details').forEach(each => { each.open = true; })"


def barriers(part: Locator) -> list[str]:
    """What axe-core finds serious or critical inside one part of the page: rule, place, reason."""
    part.evaluate("element => { element.id ||= 'axe-here'; }")
    options: dict[str, object] = {"resultTypes": ["violations"]}
    if part.evaluate("element => element.matches('.jp-RenderedImage')"):
        # JupyterLab's own renderer of pictures drops the alternative text that every output of ours carries.
        options["rules"] = {"image-alt": {"enabled": False}}
    found = Axe().run(part.page, f"#{part.get_attribute('id')}", options)
    return [
        f"{rule['id']}: {node['html'][:120]}: {node['failureSummary']}"
        for rule in found.response["violations"]
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("name", EVERYTHING)
def test_nothing_scrolls_sideways_in_either_width(bench: Workbench, name: str) -> None:
    bench.show(EVERYTHING[name])
    output = bench.page.locator(".jp-OutputArea-output").first
    for width in (1280, 900):
        for dark in (False, True):
            bench.look(width, 2400, dark=dark)
            where = f"{name}-{width}-{'dark' if dark else 'light'}"
            bench.lab.screenshot(where, output)
            board = output.locator(".sl-board")
            extent = (board.first if board.count() else output).evaluate(SIDEWAYS)
            assert extent == {"scrolling": [], "overhang": 0, "content": 0, "notebook": 0}, where


@pytest.mark.parametrize("name", EVERYTHING)
def test_axe_finds_no_barrier_not_even_behind_what_opens(bench: Workbench, name: str) -> None:
    bench.show(EVERYTHING[name])
    output = bench.page.locator(".jp-OutputArea-output").first
    output.evaluate(OPEN_ALL)
    for dark in (False, True):
        bench.look(1280, 2400, dark=dark)
        if name in PANELS:
            bench.lab.screenshot(f"{name}-open-{'dark' if dark else 'light'}", output)
        assert barriers(output) == []


def test_axe_reports_a_barrier_where_there_is_one(bench: Workbench) -> None:
    panel = bench.show(PANELS["EsrLab"])
    panel.evaluate("e => { e.insertAdjacentHTML('beforeend', '<button></button>'); }")
    assert any(found.startswith("button-name") for found in barriers(panel))


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_follows_the_theme(bench: Workbench, name: str) -> None:
    panel = bench.show(PANELS[name])
    for dark in (False, True):
        bench.look(1280, dark=dark)
        ink, page = panel.evaluate(
            "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
        )
        assert (brightness(ink) > brightness(page)) == dark


def brightness(colour: str) -> int:
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_the_gallery_has_everything_that_the_package_offers() -> None:
    assert set(EVERYTHING) == set(widgets.__all__)
