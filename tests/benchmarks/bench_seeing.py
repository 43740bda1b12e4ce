"""How fast a learner sees what a click did, in a real JupyterLab with the shipped server extension.

Invariant: figures only, each beside its aim; nothing here passes or fails.

    python -m tests.benchmarks.bench_seeing          # displays and clicks
    python -m tests.benchmarks.bench_seeing labs     # Run All of each lab
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.harness import LabPage, find_chromium, lab_page, launch
from tests.browser.latency import click_to_paint, lag_after_thirty_clicks
from tests.browser.server import ROOT, Server, jupyter_server
from tests.browser.workbench import LOOP, Workbench, open_workbench

IMPORTS = "from widgets import StepLab\nimport matplotlib.figure, widgets.panel.steplab"
PANEL = f"lab = StepLab('{LOOP}', 'v4.3'%s)\nlab"
ROUNDS = 3
AIMS = {"00": 2, "09": 4}  # seconds
KERNEL_WORK = """
import statistics, time
times, messages = [], []
for _ in range(200):
    sent, begun = lab._together.sent, time.process_time()
    lab._act("step")
    times.append(1000 * (time.process_time() - begun))
    messages.append(lab._together.sent - sent)
print(statistics.median(times), max(messages))
"""
FIRST = """
import time
from widgets import StepLab
from widgets.course import program
begun = time.perf_counter()
lab = StepLab(program("store"), "v4.3")
made = time.perf_counter()
bundle = lab._repr_mimebundle_()
print(1000 * (made - begun), 1000 * (time.perf_counter() - made))
"""


@contextmanager
def pages() -> Iterator[tuple[Browser, Server]]:
    """A browser, and a server of its own."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as home:
        browser = launch(playwright)
        with jupyter_server(Path(home)) as server:
            yield browser, server
        browser.close()


@contextmanager
def workbench(browser: Browser, server: Server, name: str) -> Iterator[Workbench]:
    """The notebook that the browser tests use, in a fresh page with a fresh kernel."""
    with lab_page(browser, server) as page:
        yield open_workbench(page, name)


def printed(bench: Workbench, code: str) -> list[float]:
    """Run the code in the first cell; the numbers that it prints."""
    bench.lab.run_cell(0, code)
    text = bench.page.locator(".jp-Notebook .jp-Cell").first.locator(".jp-OutputArea").inner_text()
    return [float(number) for number in re.findall(r"[\d.]+", text)]


def say(what: str, value: float, aim: float, unit: str = "ms") -> None:
    """One figure beside its aim."""
    print(f"{what:52} {value:8.1f} {unit:8} (aim: at most {aim:g})")


FIRST_PAINT = """async selectors => {
    const notebook = window.jupyterapp.shell.currentWidget;
    notebook.content.activeCellIndex = 1;
    const begun = performance.now();
    window.jupyterapp.commands.execute('notebook:run-cell');
    const isThere = selector => document.querySelector(selector)?.textContent;
    while (!selectors.every(isThere)) await new Promise(requestAnimationFrame);
    await new Promise(done => setTimeout(done));  // after the frame that paints them: we are in its callbacks
    return performance.now() - begun;
}"""
LEAST = """
class Least(anywidget.AnyWidget):
    _esm = "export default { render({ el }) { el.innerHTML = '<p class=least>x</p>'; } }"
ipywidgets.VBox([ipywidgets.Button(description='x'), Least()])
"""


def first_display(bench: Workbench, imports: str, code: str, *selectors: str) -> float:
    """Milliseconds from Run to what a cell paints, imports done, in a page that has shown nothing yet."""
    bench.lab.run_cell(0, imports)
    bench.lab.set_cell(1, code)
    bench.page.wait_for_timeout(1000)
    return float(bench.page.evaluate(FIRST_PAINT, selectors))


def run_all_seconds(lab: LabPage, notebook: str) -> float:
    """From Run All, in a page and a kernel that have just been opened, until the kernel is idle."""
    lab.open_notebook(notebook)
    lab.page.wait_for_timeout(1000)
    begun = time.perf_counter()
    lab.run_all()
    return time.perf_counter() - begun


def labs() -> int:
    """Run All of each lab, `ROUNDS` times; the median."""
    with pages() as (browser, server):
        for path in sorted((ROOT / "labs").glob("[0-9]*.ipynb")):
            seconds = []
            for _ in range(ROUNDS):
                with lab_page(browser, server, 1366, 768) as lab:
                    seconds.append(run_all_seconds(lab, f"labs/{path.name}"))
                    lab.take_problems()
            aim = f" (aim: at most {AIMS[path.name[:2]]} s)" if path.name[:2] in AIMS else ""
            print(f"Run All of {path.stem:32} {statistics.median(seconds):5.1f} s{aim}")
    return 0


def first_displays(browser: Browser, server: Server) -> None:
    """The first StepLab of a page, and the least that any widget takes there: one Button and one empty anywidget."""
    least, panels = [], []
    for number in range(ROUNDS):
        with workbench(browser, server, f"least-{number}") as bench:
            least.append(first_display(bench, "import anywidget, ipywidgets", LEAST, ".least"))
        with workbench(browser, server, f"first-{number}") as bench:
            imports = IMPORTS + "\nfrom widgets.course import program"
            code = "StepLab(program('store'), 'v4.3')"
            panels.append(first_display(bench, imports, code, ".sl-status", ".sl-stage .sl-board"))
    say("first display of a StepLab, imports done", statistics.median(panels), 150)
    print(f"    a Button and an empty anywidget take {statistics.median(least):.0f} ms")


def main() -> int:
    if find_chromium() is None:
        print("no Chromium here to look with (Debian: apt install chromium)", file=sys.stderr)
        return 1
    if "labs" in sys.argv[1:]:
        return labs()
    with pages() as (browser, server):
        first_displays(browser, server)
        with workbench(browser, server, "workbench") as bench:
            clicks(bench)
    return 0


def clicks(bench: Workbench) -> None:
    """What follows a click."""
    made, drawn = printed(bench, FIRST)
    print(f"    one in the kernel: {made:.0f} ms made, {drawn:.0f} ms its picture")
    for words, views, aim in (
        ("everything visible", "", 45),
        ("diagram alone", ", views=['machine']", 35),
    ):
        panel = bench.show(PANEL % views)
        latency = click_to_paint(bench.button("Step"), panel)
        say(f"click to paint, {words} (median of {len(latency.painted)})", latency.median, aim)
        print(f"    to the first change of the page: {statistics.median(latency.changed):.0f} ms")

    panel = bench.show(PANEL % "")
    say("lag after 30 clicks, 20 ms apart", lag_after_thirty_clicks(panel, "step 30"), 100)
    cpu, messages = printed(bench, KERNEL_WORK)
    say("kernel CPU of a step (median of 200)", cpu, 1.5)
    say("messages from the kernel for a step, at most", messages, 1, "")


if __name__ == "__main__":
    sys.exit(main())
