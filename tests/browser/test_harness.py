"""The harness itself, on the workbench."""

from __future__ import annotations

import pytest

from tests.browser.harness import LabPage
from tests.browser.workbench import CELLS, MIDDLE, Workbench

COUNTER = """
import ipywidgets as widgets
button = widgets.Button(description="Count")
label = widgets.HTML("<b class='count'>0</b>")
clicks = 0
def count(_):
    global clicks
    clicks += 1
    label.value = f"<b class='count'>{clicks}</b>"
button.on_click(count)
panel = widgets.VBox([button, label])
panel.add_class("counter-panel")
panel
"""


@pytest.fixture
def counter(bench: Workbench) -> LabPage:
    bench.lab.run_cell(MIDDLE, COUNTER)
    return bench.lab


def test_a_click_reaches_the_kernel_and_comes_back(counter: LabPage) -> None:
    counter.page.get_by_role("button", name="Count").click()
    counter.page.wait_for_selector(".counter-panel .count:text-is('1')")
    assert counter.count_cells() == len(CELLS)
    assert counter.screenshot("harness").stat().st_size > 1000
    assert "news" not in counter.page.inner_text("body").lower()  # no question covers the page


def test_an_error_in_the_console_is_kept(counter: LabPage) -> None:
    counter.page.evaluate("() => { console.error('from a test'); setTimeout(() => { throw 1; }); }")
    counter.page.wait_for_timeout(100)
    assert [problem.split(" (")[0] for problem in counter.take_problems()] == ["from a test", "1"]


def test_a_cell_that_raises_is_reported(bench: Workbench) -> None:
    bench.lab.set_cell(MIDDLE, "1 / 0")
    with pytest.raises(AssertionError, match="ZeroDivisionError: division by zero"):
        bench.lab.run_all()
