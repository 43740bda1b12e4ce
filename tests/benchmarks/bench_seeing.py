"""How fast a learner sees what a click did, in a real JupyterLab with the shipped server extension.

Invariant: figures only, each beside its aim; nothing here passes or fails.

    python -m tests.benchmarks.bench_seeing
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.harness import CHROMIUM_ARGUMENTS, find_chromium, jupyter_server, lab_page
from tests.browser.latency import click_to_paint, lag_after_thirty_clicks
from tests.browser.workbench import LOOP, Workbench, open_workbench

IMPORTS = "from widgets import StepLab\nimport matplotlib.figure, widgets.panel.steplab"
PANEL = f"lab = StepLab('{LOOP}', 'v4.3'%s)\nlab"
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
begun = time.perf_counter()
lab = StepLab(program("store"), "v4.3")
made = time.perf_counter()
bundle = lab._repr_mimebundle_()
print(1000 * (made - begun), 1000 * (time.perf_counter() - made))
"""


@contextmanager
def workbench() -> Iterator[Workbench]:
    """The notebook that the browser tests use, on a server of its own."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as home:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=CHROMIUM_ARGUMENTS
        )
        with jupyter_server(Path(home)) as server, lab_page(browser, server) as page:
            yield open_workbench(page)
        browser.close()


def printed(bench: Workbench, code: str) -> list[float]:
    """Run the code in the first cell; the numbers that it prints."""
    bench.lab.run_cell(0, code)
    text = bench.page.locator(".jp-Notebook .jp-Cell").first.locator(".jp-OutputArea").inner_text()
    return [float(number) for number in re.findall(r"[\d.]+", text)]


def say(what: str, value: float, aim: float, unit: str = "ms") -> None:
    """One figure beside its aim."""
    print(f"{what:52} {value:8.1f} {unit:8} (aim: at most {aim:g})")


def first_display(bench: Workbench) -> float:
    """Milliseconds from Run to a painted panel, imports done, in a kernel that has drawn none yet."""
    bench.lab.run_cell(0, IMPORTS + "\nfrom widgets.course import program")
    bench.lab.set_cell(1, "StepLab(program('store'), 'v4.3')")
    return float(
        bench.page.evaluate(
            """async () => {
                const notebook = window.jupyterapp.shell.currentWidget;
                notebook.content.activeCellIndex = 1;
                const begun = performance.now();
                window.jupyterapp.commands.execute('notebook:run-cell');
                while (!document.querySelector('.sl-panel .sl-status')?.textContent) {
                    await new Promise(requestAnimationFrame);
                }
                await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
                return performance.now() - begun;
            }"""
        )
    )


def main() -> int:
    if find_chromium() is None:
        print("no Chromium here to look with (Debian: apt install chromium)", file=sys.stderr)
        return 1
    with workbench() as bench:
        say("first display of a StepLab, imports done", first_display(bench), 150)
        made, drawn = printed(bench, FIRST)
        print(f"    a later one in the kernel: {made:.0f} ms made, {drawn:.0f} ms its picture")

        for words, views, aim in (
            ("everything visible", "", 45),
            ("diagram alone", ", views=['machine']", 35),
        ):
            panel = bench.show(PANEL % views)
            latency = click_to_paint(bench.button("Step"), panel)
            say(f"click to paint, {words} (median of {len(latency.painted)})", latency.median, aim)
            print(
                f"    to the first change of the page: {statistics.median(latency.changed):.0f} ms"
            )

        panel = bench.show(PANEL % "")
        say("lag after 30 clicks, 20 ms apart", lag_after_thirty_clicks(panel, "step 30"), 100)
        cpu, messages = printed(bench, KERNEL_WORK)
        say("kernel CPU of a step (median of 200)", cpu, 1.5)
        say("messages from the kernel for a step, at most", messages, 1, "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
