"""What is on the screen after a click on Step, in the windows that learners have, with the sidebar open."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from aarch64sim.kvm import kernels
from tests.browser.workbench import LAST, Workbench
from widgets import StepLab
from widgets.course import labs_folder

CODE = (
    "from widgets import CompareLab, StepLab\nfrom widgets.course import program\n"
    "lab = StepLab(program('store'), kernel='v4.3')\nlab"
)
BOTH = CODE.replace(
    "lab = StepLab(program('store'), kernel='v4.3')", "lab = CompareLab(program('store'))"
)
ALL = (
    ".sl-bar",
    ".sl-status",
    ".sl-diagram svg",
    ".sl-timeline tbody",
    ".sl-livebit",
    ".sl-changes",
)
BOXES = """parts => {
    const page = document.querySelector('.jp-WindowedPanel-outer');
    const panel = document.querySelector('.sl-panel');
    page.scrollTop += panel.getBoundingClientRect().top - page.getBoundingClientRect().top;
    const view = page.getBoundingClientRect();
    const hidden = [];
    for (const part of parts) for (const e of document.querySelectorAll(`.sl-panel ${part}`)) {
        const box = e.getBoundingClientRect();
        if (box.height < 5 || box.top < view.top - 1 || box.bottom > view.bottom + 1
            || box.left < view.left - 1 || box.right > view.right + 1) hidden.push([part, box.top, box.bottom]);
    }
    const texts = [...document.querySelectorAll('.sl-diagram text')].filter(t => t.textContent.trim());
    return {
        hidden, view: [view.top, view.bottom],
        width: document.querySelector('.sl-diagram svg').getBoundingClientRect().width,
        stuck: document.querySelector('.sl-controls').getBoundingClientRect().height,
        smallest: Math.min(...texts.map(t => t.getBoundingClientRect().height)),
    };
}"""


WINDOWS = ((1366, 768), (1280, 720), (1920, 1080))


def seen(bench: Workbench, code: str, width: int, height: int, *parts: str) -> Any:
    """The boxes after two clicks on Step, and a screenshot."""
    bench.look(width, height)
    bench.lab.use_side_bar(shown=width >= 1000)
    bench.show(code)
    for number in (1, 2):
        bench.button("Step").click()
        label = bench.page.locator(".sl-history .sl-position")
        expect(label).to_contain_text(f"step {number}")
    bench.lab.screenshot(f"screen-{'both' if code == BOTH else 'lab'}-{width}")
    return bench.page.evaluate(BOXES, list(parts))


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_after_a_click_all_of_the_step_is_on_the_screen(
    bench: Workbench, width: int, height: int
) -> None:
    parts = (*ALL, ".sl-registers") if width >= 1600 else ALL
    boxes = seen(bench, CODE, width, height, *parts, ".sl-listing .sl-now")
    assert boxes["hidden"] == [], boxes
    assert boxes["width"] >= 450
    assert round(boxes["smallest"]) >= 9  # the names of bits; all else is larger


def room(lab: StepLab) -> list[int]:
    """How much there is to show after a step, by what can grow."""
    timeline, changed = str(lab._stage.shown["timeline"]), str(lab._stage.shown["changed"])
    caption = timeline.partition("<caption")[2].partition("</caption")[0]
    return [len(lab.status), timeline.count("<button"), len(timeline), len(caption), len(changed)]


@cache
def largest_steps() -> list[tuple[str, str, int]]:
    """Program, kernel, position: the steps of the labs' programs that need the most room in one way or another."""
    most: dict[tuple[Path, int], tuple[int, str, int]] = {}
    for path in sorted((labs_folder() / "programs").glob("*.s")):
        for kernel in kernels:
            lab = StepLab(path, kernel, views=["changes", "timeline"])
            while not lab.ended and lab.position < 30:
                lab.step()
                for what, size in enumerate(room(lab)):
                    if size > most.get((path, what), (0,))[0]:
                        most[path, what] = size, kernel, lab.position
            lab.close()
    return sorted({(path.stem, *where[1:]) for (path, _), where in most.items()})


MEET = """
def meet(name, kernel, position):
    lab.load(program(name))
    lab.use_kernel(kernel)
    lab.goto(position)
"""


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_no_step_of_a_lab_pushes_its_timeline_off_the_screen(
    bench: Workbench, width: int, height: int
) -> None:
    bench.look(width, height)
    bench.show(CODE)
    bench.page.locator(".sl-drawers").wait_for()
    bench.page.locator(".sl-controls").click()  # its keys are shown
    bench.lab.execute(MEET)
    for number, step in enumerate(largest_steps()):
        bench.lab.execute(f"meet(*{step!r})")
        boxes = bench.page.evaluate(BOXES, [*ALL, ".sl-timeline caption"])
        if boxes["hidden"] or number == 0:
            bench.lab.screenshot(f"largest-{width}-{number}")
        assert boxes["hidden"] == [], (step, boxes)


def test_on_a_phone_there_is_one_column_below_one_row_of_controls(bench: Workbench) -> None:
    buttons = (".sl-do-back", ".sl-do-step", ".sl-do-run")
    boxes = seen(bench, CODE, 390, 844, *buttons, ".sl-status", ".sl-listing .sl-now")
    assert boxes["hidden"] == [], boxes
    assert boxes["stuck"] <= 120, boxes


def test_at_150_percent_the_controls_the_status_and_the_diagram_are_on_the_screen(
    bench: Workbench,
) -> None:
    width, height = 1366 * 2 // 3, 768 * 2 // 3
    parts = (".sl-bar", ".sl-status", ".sl-diagram svg", ".sl-listing .sl-now")
    boxes = seen(bench, CODE, width, height, *parts)
    assert boxes["hidden"] == [], boxes


def test_both_kernels_are_on_one_screen(bench: Workbench) -> None:
    parts = (".sl-bar", ".sl-status", ".sl-diagram svg", ".sl-timeline tbody", ".sl-parted")
    assert seen(bench, BOTH, 1366, 768, *parts)["hidden"] == []


STUCK = """async shift => {
    const page = document.querySelector('.jp-WindowedPanel-outer');
    const of = name => document.querySelector(name).getBoundingClientRect();
    page.scrollTop += of('.sl-drawers .lm-TabBar').top - page.getBoundingClientRect().top - shift;
    for (const frame of [1, 2]) await new Promise(requestAnimationFrame);
    const row = of('.sl-controls'), tabs = of('.sl-drawers .lm-TabBar');
    return {row: row.bottom, tabs: tabs.top, view: page.getBoundingClientRect().top, top: row.top};
}"""


@pytest.mark.parametrize("code", [CODE, BOTH])
def test_the_row_of_controls_stays_while_one_scrolls_and_lies_on_no_tab(
    bench: Workbench, code: str
) -> None:
    bench.look(1366, 500)
    bench.lab.set_cell(LAST, "print(1)\n" * 60)
    bench.show(code)
    bench.button("Step").click()
    bench.page.locator(".sl-drawers .lm-TabBar-tab").nth(1).click()
    far = bench.page.evaluate(STUCK, 200)
    assert abs(far["top"] - far["view"]) <= 2, far  # it is stuck to the top of the notebook
    for shift in (60, 30, 5, 0, -10):
        boxes = bench.page.evaluate(STUCK, shift)
        assert boxes["row"] <= boxes["tabs"], boxes
