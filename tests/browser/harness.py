"""A learner's hands and eyes: JupyterLab in a headless Chromium, driven through playwright."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Playwright

from tests.browser.server import ROOT, START_SECONDS, Server

SCREENSHOTS = ROOT / "build" / "screenshots"
RUN_SECONDS = 120
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """The browser to drive: $CHROMIUM, or the first that the system has."""
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


def launch(playwright: Playwright) -> Browser:
    """That browser, with no window."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_ARGUMENTS)


NOTEBOOK = "window.jupyterapp.shell.currentWidget"
# The widgets' messages without an answer. They have a subshell of their own: what is executed may overtake them.
KEEP_UNANSWERED = f"""() => {{
    const unanswered = window.stepLabsUnanswered = new Set();
    {NOTEBOOK}.sessionContext.session.kernel.anyMessage.connect((_, {{ msg, direction }}) => {{
        const {{ header, parent_header, content }} = msg;
        if (direction === 'send' && header.msg_type === 'comm_msg') unanswered.add(header.msg_id);
        if (header.msg_type === 'status' && content.execution_state === 'idle')
            unanswered.delete(parent_header.msg_id);
    }});
}}"""
# Scrolls on by most of a screen and waits until that is painted; false at the end.
NEXT_SCREEN = """async element => {
    const before = element.scrollTop;
    element.scrollTop += 0.8 * element.clientHeight;
    for (const frame of [1, 2, 3]) await new Promise(requestAnimationFrame);
    return element.scrollTop > before;
}"""
# JupyterLab may take an output's node away twice when a cell is cleared while the theme changes; no code but its own
# is in the stack then.
DETACHED_TWICE, JUPYTERLAB = "'removeChild' on 'Node'", "/static/lab/jlab_core"


class LabPage:
    """One notebook open in JupyterLab. `page` is playwright's, for whatever is not here."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.problems: list[str] = []
        self.cells = page.locator(".jp-Notebook .jp-WindowedPanel-outer")  # they scroll in it
        page.on("pageerror", self._fail)
        page.on("console", self._hear)

    def _fail(self, error: Error) -> None:
        stack = error.stack or str(error)
        if not (
            DETACHED_TWICE in stack and set(re.findall(r"/static/\w+/\w+", stack)) == {JUPYTERLAB}
        ):
            self.problems.append(stack)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"{message.text} ({message.location.get('url', '')})")

    def take_problems(self) -> list[str]:
        """What the browser's console has complained about since this was last asked."""
        problems, self.problems = self.problems, []
        return problems

    # Opening and running

    def open_notebook(self, path: str) -> None:
        """Open `labs/00-start-here.ipynb`, say, and wait for its cells and its kernel."""
        self.page.goto(self.server.address(path))
        self.wait_for_notebook()

    def turn_to(self, path: str) -> None:
        """Open another notebook in place of the one that is open, and wait for its cells only."""
        self.command("application:close")
        self.command("docmanager:open", path=path)
        self.page.wait_for_function(f"path => {NOTEBOOK}?.context?.path === path", arg=path)
        self._wait_for_cells()

    def open_page(self, path: str) -> None:
        """Open a notebook and wait for its cells only."""
        self.page.goto(self.server.address(path))
        self._wait_for_cells()

    def _wait_for_cells(self) -> None:
        """Not for the empty cell that a notebook has before its file has come."""
        self.page.wait_for_function(
            f"() => window.jupyterapp && {NOTEBOOK}?.context?.isReady", timeout=START_SECONDS * 1000
        )
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=START_SECONDS * 1000)

    def wait_for_notebook(self) -> None:
        """Wait for the cells and the kernel of the page that is loading."""
        self._wait_for_cells()
        self.page.wait_for_function(
            f"() => window.jupyterapp && {NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=START_SECONDS * 1000,
        )
        self.page.evaluate(KEEP_UNANSWERED)

    def run_all(self, seconds: float = RUN_SECONDS) -> None:
        """Run all cells and wait until the last has run; fail on the first that raised."""
        self.command("notebook:run-all-cells", seconds=seconds)
        self.wait_for_idle(seconds)
        if errors := self.cell_errors():
            raise AssertionError(f"a cell raised: {errors[0]}")

    def wait_for_idle(self, seconds: float = RUN_SECONDS) -> None:
        """Wait until the kernel has nothing to do."""
        self.page.wait_for_function(
            f"() => {NOTEBOOK}.sessionContext.session.kernel.status === 'idle'",
            timeout=seconds * 1000,
        )

    def ask_kernel(self) -> None:
        """Wait until the kernel has answered all that the page has sent so far, and the page shows it."""
        self.page.wait_for_timeout(30)  # a slider waits 25 ms before it sends
        self.page.wait_for_function("() => window.stepLabsUnanswered.size === 0")
        self.execute("0")

    def execute(self, code: str) -> None:
        """Run code in the kernel, as from a cell that nobody sees, until the page shows what came of it."""
        self.page.evaluate(
            f"""async (code) => {{
                const kernel = {NOTEBOOK}.sessionContext.session.kernel;
                await kernel.requestExecute({{ code, silent: true }}).done;
                for (const frame of [1, 2]) await new Promise(requestAnimationFrame);
            }}""",
            code,
        )

    def restart_kernel(self) -> None:
        """Wait until it is back; what it was asked before gets no answer."""
        self.page.evaluate(f"() => {NOTEBOOK}.sessionContext.session.kernel.restart()")
        self.wait_for_idle()
        self.page.evaluate("() => window.stepLabsUnanswered.clear()")

    def end_kernel(self) -> None:
        """As if the server had been stopped since."""
        self.page.evaluate(f"() => {NOTEBOOK}.sessionContext.shutdown()")

    def command(self, name: str, *, seconds: float = RUN_SECONDS, **arguments: Any) -> None:
        """Execute a JupyterLab command and wait for it to finish."""
        self.page.evaluate(
            """([name, args]) => {
                window.stepLabsDone = false;
                window.jupyterapp.commands.execute(name, args)
                    .finally(() => { window.stepLabsDone = true; });
            }""",
            [name, arguments],
        )
        self.page.wait_for_function("() => window.stepLabsDone", timeout=seconds * 1000)

    def use_theme(self, *, dark: bool) -> None:
        light = "false" if dark else "true"
        if self.page.locator(f"body[data-jp-theme-light={light}]").count():
            return
        self.command("apputils:change-theme", theme=f"JupyterLab {'Dark' if dark else 'Light'}")
        self.page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")

    def use_side_bar(self, *, shown: bool) -> None:
        collapsed = self.page.evaluate("() => window.jupyterapp.shell.leftCollapsed")
        if collapsed == shown:
            self.command("application:toggle-left-area")

    def set_cell(self, number: int, source: str) -> None:
        """Give a cell this text, and no output."""
        self.page.evaluate(
            f"""([number, source]) => {{
                const model = {NOTEBOOK}.content.widgets[number].model;
                if (model.sharedModel.getSource() !== source) model.sharedModel.setSource(source);
                if (model.outputs.length) model.clearExecution();
            }}""",
            [number, source],
        )
        cell = self.page.locator(".jp-Notebook .jp-Cell").nth(number)
        cell.locator(".jp-OutputArea-child").first.wait_for(state="detached")

    def run_cell(self, number: int, source: str) -> None:
        """Give a cell this text and run it; fail if it raised."""
        self.set_cell(number, source)
        self.page.evaluate(f"number => {{ {NOTEBOOK}.content.activeCellIndex = number; }}", number)
        self.command("notebook:run-cell")
        if errors := self.cell_errors():
            raise AssertionError(f"a cell raised: {errors[0]}")

    # Looking

    def scroll_to(self, part: Locator) -> Locator:
        """Bring a part of the notebook into view, as a learner does: from the top, a screen at a time.

        JupyterLab up to 4.4 takes cells that are out of view off the page; no locator scrolls to those.
        """
        if not part.is_visible():
            self.cells.evaluate("element => { element.scrollTop = 0; }")
        while not part.is_visible():
            assert self.cells.evaluate(NEXT_SCREEN), f"nowhere in the notebook: {part}"
        part.scroll_into_view_if_needed()
        return part

    def cell_sources(self) -> list[str]:
        """The text of every cell, as JupyterLab has it now."""
        sources = self.page.evaluate(
            f"() => {NOTEBOOK}.content.widgets.map(cell => cell.model.sharedModel.getSource())"
        )
        return list(sources)

    def count_cells(self) -> int:
        return len(self.cell_sources())

    def cell_errors(self) -> list[str]:
        """`Name: text` of each error output in the notebook."""
        outputs = self.page.evaluate(
            f"""() => {NOTEBOOK}.content.widgets.flatMap(cell => cell.model.type === 'code'
                && !(cell.model.getMetadata('tags') || []).includes('raises-exception')
                ? cell.model.sharedModel.getOutputs() : [])"""
        )
        return [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]

    def screenshot(self, name: str, part: Locator | None = None) -> Path:
        """Keep the window, or one part of the page, as build/screenshots/NAME.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        (part or self.page).screenshot(path=path)
        return path


@contextmanager
def lab_page(
    browser: Browser, server: Server, width: int = 1280, height: int = 900
) -> Iterator[LabPage]:
    """A fresh browser window of that size on a server; an error in its console fails the test."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(30_000)
    try:
        page = LabPage(context.new_page(), server)
        yield page
        assert page.take_problems() == []
    finally:
        context.close()


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of code cells, for tests that need one of their own."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text) for text in cells],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))
