"""Measure what a learner waits for on a fresh machine: `make lab` until the first click on Step is answered.

Invariant: it is measured in a fresh copy of the project with a fresh home, with nothing of pip's kept from before.

    make measure                  cold (nothing is set up) and warm (the second time)
    make measure ARGS=--test      and `make test` in the same copy
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

from tests.browser.harness import find_chromium, lab_page, launch
from tests.browser.server import Server

ROOT = Path(__file__).resolve().parent.parent
FIRST_LAB = "labs/00-start-here.ipynb"
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/lab\S*\?token=(\w+)")
# With this JupyterLab lets the measurement run cells; to a learner it makes no difference.
DRIVEN = "--LabApp.expose_app_in_browser=True"


def first_click(server: Server) -> float:
    """Seconds from opening the first lab's address in a browser to the answer to the first click on Step."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        with lab_page(browser, server) as lab:
            started = time.monotonic()
            lab.open_notebook(FIRST_LAB)
            panel = lab.page.locator(".sl-panel").first
            step = panel.locator(".sl-do-step")
            cells = lab.page.locator(".jp-Cell").count()
            for _ in range(cells):  # as with Shift+Enter: to the panel, and no further
                if step.count():
                    break
                lab.command("notebook:run-cell-and-select-next")
            step.click()
            expect(panel.locator(".sl-status")).to_contain_text("Stopped at")
            seconds = time.monotonic() - started
        browser.close()
    return seconds


@contextmanager
def make_lab(folder: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """Run `make lab` in a folder; gives the server as soon as its address is printed."""
    command = ["make", "lab", f"ARGS=--no-browser {DRIVEN}"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := ADDRESS.search(line):
                break
        else:
            raise SystemExit(f"make lab ended:\n{''.join(said[-20:])}")
        yield Server(found[1], found[2], folder)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


def main() -> int:
    """Print one line for each figure; the exit status is 1 if the browser is missing or a test failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--test", action="store_true", help="measure make test, too")
    options = parser.parse_args()
    if find_chromium() is None:
        print("There is no Chromium here to click with (Debian: apt install chromium).")
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name) / "project", Path(name) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
        left_out = ("VIRTUAL_ENV", "VENV", "MAKE", "JUPYTER", "IPYTHON")
        kept: dict[str, Any] = {n: v for n, v in os.environ.items() if not n.startswith(left_out)}
        environment = kept | {"HOME": str(home), "PIP_NO_CACHE_DIR": "1"}
        for state in ("cold", "warm"):
            started = time.monotonic()
            with make_lab(folder, environment) as server:
                address = time.monotonic() - started
                click = first_click(server)
            print(
                f"make lab, {state}: {address:.1f} s to the address,"
                f" {click:.1f} s more to the first click answered",
                flush=True,
            )
        print(f".venv after make lab: {megabytes(folder / '.venv'):.0f} MB", flush=True)
        print(
            f"({os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f} in the last five minutes)"
        )
        if options.test:
            started = time.monotonic()
            done = subprocess.run(["make", "test"], cwd=folder, env=environment, check=False)
            print(f"make test: {time.monotonic() - started:.0f} s, set-up included")
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
