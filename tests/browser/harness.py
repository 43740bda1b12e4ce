"""A learner's hands and eyes: JupyterLab in a headless Chromium, driven through playwright.

Every test works on a copy of labs/ with a configuration folder of its own; nothing of the
developer's is touched.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
START_SECONDS = 60
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: where it is, its token, and the folder it serves (labs/ is in it)."""

    url: str
    token: str
    folder: Path

    def address(self, notebook: str) -> str:
        return f"{self.url}/lab/tree/{notebook}?token={self.token}&reset"


@contextmanager
def jupyter_server(home: Path, *, nodelay: bool = True) -> Iterator[Server]:
    """JupyterLab on a free loopback port, over a copy of labs/ in `home`, until the block ends."""
    folder = home / "served"
    if not folder.exists():
        shutil.copytree(ROOT / "labs", folder / "labs", ignore=shutil.ignore_patterns("recordings"))
        (folder / "labs" / "recordings").symlink_to(ROOT / "labs" / "recordings")
    port, token = free_port(), secrets.token_hex(16)
    environment = os.environ | {
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        f"--ServerApp.root_dir={folder}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        "--LabApp.expose_app_in_browser=True",
        f"--ServerApp.jpserver_extensions={{'widgets.nodelay': {nodelay}}}",
    ]
    log = home / "server.log"
    with log.open("a") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment
        )
        try:
            server = Server(f"http://127.0.0.1:{port}", token, folder)
            _wait_until_up(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{server.url}/api/status?token={server.token}", timeout=5)
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@dataclass(frozen=True)
class Latency:
    """Milliseconds from a click to the first change, and to the paint that shows the last one."""

    changed: list[float]
    painted: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.painted)

    def __str__(self) -> str:
        return (
            f"click to change {statistics.median(self.changed):.0f} ms, "
            f"click to paint {self.median:.0f} ms (medians of {len(self.painted)})"
        )


WATCH_FOR_CHANGES = """element => {
    const seen = window.stepLabsClicks = { clicked: null, changed: null, painted: null };
    if (window.stepLabsObserver) window.stepLabsObserver.disconnect();
    if (!window.stepLabsListening) {
        window.stepLabsListening = true;
        document.addEventListener('click', () => {
            Object.assign(window.stepLabsClicks,
                { clicked: performance.now(), changed: null, painted: null });
        }, true);
    }
    window.stepLabsObserver = new MutationObserver(() => {
        if (seen.clicked === null) return;
        seen.changed ??= performance.now();
        // After the frame that shows it: an animation frame, then the first task behind that.
        requestAnimationFrame(() => setTimeout(() => { seen.painted = performance.now(); }));
    });
    window.stepLabsObserver.observe(
        element, { subtree: true, childList: true, characterData: true, attributes: true });
}"""

NOTEBOOK = "window.jupyterapp.shell.currentWidget"


class LabPage:
    """One notebook open in JupyterLab. `page` is playwright's, for whatever is not here."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    # Opening and running

    def open_notebook(self, path: str) -> None:
        """Open `labs/00-start-here.ipynb`, say, and wait for its cells and its kernel."""
        self.page.goto(self.server.address(path))
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=START_SECONDS * 1000)
        self.page.wait_for_function(
            f"() => {NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=START_SECONDS * 1000,
        )

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

    def use_dark_theme(self) -> None:
        self.command("apputils:change-theme", theme="JupyterLab Dark")
        self.page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")

    # Looking

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

    def screenshot(self, name: str) -> Path:
        """Keep what is to be seen as build/screenshots/NAME.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    # Measuring

    def median_click_to_paint(self, button: Locator, watched: Locator, clicks: int = 40) -> float:
        return self.click_to_paint(button, watched, clicks).median

    def click_to_paint(self, button: Locator, watched: Locator, clicks: int = 40) -> Latency:
        """Click with the mouse, one click at a time, and time the changes inside `watched`."""
        watched.evaluate(WATCH_FOR_CHANGES)
        changed, painted = [], []
        for number in range(clicks):
            button.click()
            self.page.wait_for_function(
                "() => window.stepLabsClicks.painted !== null", timeout=10_000
            )
            self._wait_until_settled()
            seen = self.page.evaluate("() => window.stepLabsClicks")
            if number > 0:  # the first one warms caches on both sides
                changed.append(seen["changed"] - seen["clicked"])
                painted.append(seen["painted"] - seen["clicked"])
        return Latency(changed, painted)

    def _wait_until_settled(self, quiet_milliseconds: float = 60) -> None:
        """Wait until nothing has been painted for a while: one click may bring several updates."""
        self.page.wait_for_function(
            "quiet => performance.now() - window.stepLabsClicks.painted > quiet",
            arg=quiet_milliseconds,
        )


@contextmanager
def lab_page(
    browser: Browser, server: Server, width: int = 1280, height: int = 900
) -> Iterator[LabPage]:
    """A fresh browser window of that size on a server."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(30_000)
    try:
        yield LabPage(context.new_page(), server)
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
