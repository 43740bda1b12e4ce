"""A panel that is scrolled out of view, or lies behind another tab: it comes back with all that came meanwhile.

JupyterLab up to 4.4, and so Binder, takes cells out of view off the page; newer ones do so when asked, as here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.harness import NEXT_SCREEN, NOTEBOOK, lab_page, write_notebook
from tests.browser.server import Server
from tests.browser.workbench import Workbench

LONG = "from widgets import StepLab\nlab = StepLab('nop\\n' * 300 + 'last: b last', 'fixed')\nlab"
HALF_A_SCREEN = "print('\\n' * 25)"
# How far its lists are scrolled, what is open, what is written, and all the rest.
LOOK = """panel => [...panel.querySelectorAll('*')].map(e => [e.scrollTop, e.open, e.value].join())
    .join('\\n') + panel.innerHTML"""
# The cells that answer to the mouse anywhere on the screen, but cannot be seen.
UNSEEN = """notebook => {
    const { x, y, width, height } = notebook.getBoundingClientRect(), found = new Set();
    for (let down = 5; down < height; down += 20) for (let right = 5; right < width; right += 40) {
        const cell = document.elementFromPoint(x + right, y + down)?.closest('.jp-Cell');
        if (cell && !cell.clientHeight) found.add(cell.innerText);
    }
    return [...found];
}"""


@pytest.fixture(scope="module")
def far(browser: Browser, server: Server) -> Iterator[Workbench]:
    """A notebook whose first cell shows a panel with a long listing, and whose others fill half a screen each."""
    with lab_page(browser, server) as lab:
        write_notebook(server.folder / "labs" / "far.ipynb", LONG, *[HALF_A_SCREEN] * 8)
        lab.open_notebook("labs/far.ipynb")
        lab.page.evaluate(
            f"""() => {{
                const notebook = {NOTEBOOK}.content;
                notebook.notebookConfig = {{ ...notebook.notebookConfig, windowingMode: 'full' }};
            }}"""
        )
        lab.run_all()
        yield Workbench(lab)


def leave(far: Workbench) -> None:
    """Scroll to the end of the notebook; JupyterLab takes the panel away on the way."""
    while far.lab.cells.evaluate(NEXT_SCREEN):
        pass
    panel = far.page.locator(".jp-Cell", has=far.page.locator(".sl-panel"))
    expect(panel).to_have_css("height", re.compile("^(0px|auto)$"))


def test_a_panel_comes_back_as_it_was_left_and_goes_on(far: Workbench) -> None:
    panel = far.page.locator(".sl-panel")
    far.lab.scroll_to(far.button("Step")).click()
    expect(panel.locator(".sl-history .sl-position")).to_have_text("step 1")
    panel.locator("[data-slot='listing']").evaluate("box => { box.scrollTop = 200; }")
    before = panel.evaluate(LOOK)
    leave(far)
    far.lab.scroll_to(far.button("Step"))
    assert panel.evaluate(LOOK) == before
    far.button("Step").click()
    expect(panel.locator(".sl-history .sl-position")).to_have_text("step 2")


def test_a_panel_out_of_view_lies_over_no_other_cell(far: Workbench) -> None:
    far.lab.scroll_to(far.button("Step"))
    leave(far)
    assert far.lab.cells.evaluate(UNSEEN) == []


def test_a_list_shows_the_current_line_of_a_step_made_behind_another_tab(bench: Workbench) -> None:
    bench.show(LONG)
    bench.page.evaluate(f"() => {{ window.stepLabsNotebook = {NOTEBOOK}; }}")
    bench.lab.command("launcher:create")
    bench.page.evaluate(
        """async () => {
            const kernel = window.stepLabsNotebook.sessionContext.session.kernel;
            await kernel.requestExecute({ code: "lab.run_to('last')" }).done;
        }"""
    )
    expect(bench.status()).to_contain_text("Arrived at")
    line = bench.page.locator(".sl-listing .sl-now")
    assert not line.is_visible()
    bench.lab.command("application:close")
    expect(line).to_be_in_viewport()
