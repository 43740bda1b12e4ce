"""What a reader of the site waits for: the first step from a link, Python on demand, a click with Python.

Invariant: figures only, each beside its aim; nothing here passes or fails.

    python -m tests.benchmarks.bench_site [BUILT SITE]
"""

from __future__ import annotations

import http.client
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.harness import launch
from tests.browser.latency import click_to_paint
from tests.browser.static_files import served
from tools import site

LEARNERS, AT_A_TIME, TRIES = 300, 30, 5
FIRST = ("", "site.css", "panel.js")  # what the first step needs
STEPPED = """() => new Promise((done) => {
    document.querySelector('[data-do=step]').click();
    requestAnimationFrame(() => setTimeout(() => done(performance.now())));
})"""


def say(what: str, value: float, unit: str, aim: float | None = None) -> None:
    """One figure, beside its aim if it has one."""
    print(f"{what:58} {value:8.2f} {unit:4}" + ("" if aim is None else f" (aim: at most {aim:g})"))


def cpu_seconds() -> float:
    """CPU seconds of the processes below this one, those that have ended included."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(path.parent.name)] = int(fields[1])
        ticks[int(path.parent.name)] = sum(int(n) for n in fields[11:15])
    below: set[int] = set()
    found = {os.getpid()}
    while found:  # numbers begin again at the greatest: a child's may be less than its parent's
        found = {child for child, parent in parents.items() if parent in found}
        below |= found
    return sum(ticks[each] for each in below) / os.sysconf("SC_CLK_TCK")


def first_step(context: BrowserContext, address: str) -> float:
    """Seconds from the beginning of the navigation to the painted first step."""
    page = context.new_page()
    page.goto(address)
    page.locator("[data-ready]").wait_for()
    seconds = float(page.evaluate(STEPPED)) / 1000
    page.close()
    return seconds


def python(page: Page, address: str) -> tuple[float, float]:
    """Wall and CPU seconds from the click on Fetch Python until Python answers."""
    page.goto(address + "#kernel=v4.3&step=2")
    page.locator("[data-ready]").wait_for()
    page.locator(".web-python summary").click()
    cpu, begun = cpu_seconds(), time.monotonic()
    page.get_by_role("button", name="Fetch Python").click()
    page.locator("[data-slot=editor]").wait_for(state="visible", timeout=180_000)
    return time.monotonic() - begun, cpu_seconds() - cpu


def median(measure: Callable[[], float]) -> float:
    """Of five."""
    return statistics.median(measure() for _ in range(TRIES))


def seen(browser: Browser, address: str) -> None:
    """First steps and Python, cold (nothing kept) and warm."""

    def cold() -> float:
        context = browser.new_context()
        seconds = first_step(context, address)
        context.close()
        return seconds

    say("link to painted first step, cold (median of 5)", median(cold), "s", 1)
    warm = browser.new_context()
    first_step(warm, address)
    say("the same, warm", median(lambda: first_step(warm, address)), "s", 1)
    times = []
    for _ in range(3):
        context = browser.new_context()
        times.append(python(context.new_page(), address))
        context.close()
    wall, cpu = (statistics.median(each) for each in zip(*times, strict=True))
    say("Fetch Python to its first answer, cold (median of 3)", wall, "s", 10)
    say("of it CPU, all processes of the browser", cpu, "s")
    page = warm.new_page()
    python(page, address)
    page.get_by_label("Program").last.fill("loop: add x1, x1, #1\nb loop")
    page.get_by_role("button", name="Assemble").click()
    page.locator("[data-slot=status]").get_by_text("Not started").wait_for()
    step = page.get_by_role("button", name="Step", exact=True)
    say(
        "click to paint with Python (median of 40)",
        click_to_paint(step, page.locator("[data-panel]")).median,
        "ms",
        60,
    )


def load(address: str) -> None:
    """Learners who open the front page together, some at a time, on this computer alone."""
    host = urlsplit(address).netloc

    def learner(_: int) -> float:
        begun = time.monotonic()
        connection = http.client.HTTPConnection(host, timeout=30)
        for name in FIRST:
            connection.request("GET", f"/{name}", headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            assert answer.status == 200
            answer.read()
        connection.close()
        return time.monotonic() - begun

    cpu, begun = time.process_time(), time.monotonic()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        times = sorted(pool.map(learner, range(LEARNERS)))
    say(
        f"{LEARNERS} learners, {AT_A_TIME} at a time: all served after",
        time.monotonic() - begun,
        "s",
    )
    say("CPU of the server and of all of them", time.process_time() - cpu, "s")
    say("half of them were served within", 1000 * times[LEARNERS // 2], "ms")
    say("the slowest", 1000 * times[-1], "ms")


def main(arguments: list[str]) -> int:
    """Measure a site that is built already, or build one."""
    with tempfile.TemporaryDirectory() as made:
        out = Path(arguments[0]) if arguments else Path(made) / "site"
        if not arguments:
            site.build(out, labs=False)
        print(f"load average {os.getloadavg()[0]:.1f}, {threading.active_count()} thread")
        say(
            "front page until the first step, compressed", site.first_step_size(out) / 1e3, "kB", 60
        )
        with served(out) as address:
            load(address)
            with sync_playwright() as playwright:
                browser = launch(playwright)
                seen(browser, address)
                browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
