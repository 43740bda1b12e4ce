"""JupyterLite: every lab runs in a browser with no server, and gives the outputs that the committed notebook has.

For `make lite-check`: the site is built, with Python from npm and wheels that are pinned by hash.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.test_site import Quiet
from tools import lite
from tools.site import ROOT

pytestmark = pytest.mark.lite
LABS = [source.stem for source in sorted((ROOT / "labs" / "source").glob("[0-9][0-9]-*.py"))]
BOOT, RUN = 180_000, 300_000  # milliseconds, on a busy machine
NOTEBOOK = "window.jupyterapp?.shell.currentWidget"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("jupyterlite_core", reason="JupyterLite is not here: make lite-check")
    out: Path = tmp_path_factory.mktemp("lite") / "site"
    lite.build(out)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(out))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def reader(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A reader's browser; a request to another site fails the test."""
    elsewhere: list[str] = []
    context = browser.new_context(viewport={"width": 1366, "height": 900})

    def asked(url: str) -> None:
        if url.startswith("http") and urlsplit(url).netloc != urlsplit(address).netloc:
            elsewhere.append(url)

    context.on("request", lambda request: asked(request.url))
    yield context
    context.close()
    assert not elsewhere


def run_all(reader: BrowserContext, address: str, name: str) -> dict[str, Any]:
    """Open a lab, run all its cells, and take the notebook from the page."""
    page = reader.new_page()
    page.goto(f"{address}lab/index.html?path=labs/{name}.ipynb")
    status = f"{NOTEBOOK}?.sessionContext?.session?.kernel?.status === 'idle'"
    page.wait_for_function(status, timeout=BOOT)
    page.evaluate(
        "window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.done = true; })"
    )
    page.wait_for_function("window.done === true", timeout=RUN)
    found: dict[str, Any] = page.evaluate(f"{NOTEBOOK}.content.model.toJSON()")
    page.close()
    return found


def texts(notebook: dict[str, Any]) -> list[list[str]]:
    """What each cell of code printed or showed, as plain text."""
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            stream = "".join(
                "".join(o["text"]) for o in cell["outputs"] if o["output_type"] == "stream"
            )
            plain = [
                "".join(o["data"].get("text/plain", "")) for o in cell["outputs"] if "data" in o
            ]
            shown.append([stream, *plain])
    return shown


@pytest.mark.parametrize("name", [name for name in LABS if not name.startswith("08")])
def test_a_lab_gives_the_outputs_that_it_gives_on_cpython(
    reader: BrowserContext, address: str, name: str
) -> None:
    committed = json.loads((ROOT / "labs" / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert texts(run_all(reader, address, name)) == texts(committed)


def test_lab_08_runs_to_its_end_and_says_why_no_gdb_attaches(
    reader: BrowserContext, address: str
) -> None:
    (name,) = (name for name in LABS if name.startswith("08"))
    notebook = run_all(reader, address, name)
    assert not [o for cell in notebook["cells"] for o in cell.get("outputs", []) if "ename" in o]
    assert "08-attach-gdb.md" in json.dumps(notebook)
