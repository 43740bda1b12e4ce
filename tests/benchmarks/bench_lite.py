"""What a reader of JupyterLite waits for: a kernel that answers, cold and warm, and Run All of each lab.

Invariant: figures only; nothing here passes or fails.

    python -m tests.benchmarks.bench_lite [BUILT JUPYTERLITE]
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.benchmarks.bench_site import cpu_seconds, say
from tests.browser.harness import launch
from tests.browser.static_files import served
from tests.browser.test_lite import LABS, command, opened, run_cell
from tools import lite

TRIES = 3


def answered(context: BrowserContext, address: str) -> tuple[float, float]:
    """Wall and CPU seconds from the link to the answer of a cell."""
    cpu, begun = cpu_seconds(), time.monotonic()
    page = opened(context, address, LABS[0])
    assert run_cell(page, 0, "print(1 + 1)") == "2\n"
    seconds = time.monotonic() - begun, cpu_seconds() - cpu
    page.close()
    return seconds


def told(what: str, times: list[tuple[float, float]]) -> None:
    """The medians of wall and CPU seconds."""
    wall, cpu = (statistics.median(each) for each in zip(*times, strict=True))
    say(f"link to a kernel that answers, {what} (median of {TRIES})", wall, "s")
    say("of it CPU, all processes of the browser", cpu, "s")


def ran(context: BrowserContext, address: str, name: str) -> None:
    """One lab from its first cell to its last, in a kernel that has started."""
    page = opened(context, address, name)
    cpu, begun = cpu_seconds(), time.monotonic()
    command(page, "notebook:run-all-cells")
    say(f"Run All of {name}", time.monotonic() - begun, "s")
    say("of it CPU", cpu_seconds() - cpu, "s")
    page.close()


def seen(browser: Browser, address: str) -> None:
    """Everything, cold (nothing kept) and warm."""
    cold = []
    for _ in range(TRIES):
        context = browser.new_context()
        cold.append(answered(context, address))
        context.close()
    told("cold", cold)
    warm = browser.new_context()
    answered(warm, address)
    told("warm", [answered(warm, address) for _ in range(TRIES)])
    for name in LABS:
        ran(warm, address, name)


def main(arguments: list[str]) -> int:
    """Measure a JupyterLite that is built already: make lite."""
    out = Path(arguments[0]) if arguments else lite.OUT
    if not (out / "index.html").exists():
        sys.exit(f"There is no JupyterLite in {out}: make lite builds one.")
    print(f"load average {os.getloadavg()[0]:.1f}")
    whole = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    say("JupyterLite with the labs, on disk", whole / 1e6, "MB")
    with served(out) as address, sync_playwright() as playwright:
        browser = launch(playwright)
        seen(browser, address)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
