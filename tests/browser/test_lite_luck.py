"""A page of JupyterLite for a reader with bad luck: what it lacks, and what does not come, is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Route

from tests.browser.static_files import reading
from tools import lite

STORAGE_OFF = "Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException(); } })"
REFUSED = """if (globalThis.ServiceWorkerContainer)
    ServiceWorkerContainer.prototype.register = () => Promise.reject(new DOMException());"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frame of a JupyterLite: a page, and a worker that fetches a part of Python."""
    out: Path = tmp_path_factory.mktemp("lite")
    (out / "lab").mkdir()
    (out / "lab" / "index.html").write_text("<!doctype html><html><head><title>Lite</title>")
    worker = out / f"extensions/{lite.PLUGIN.partition(':')[0]}/static/a.worker.1.js"
    worker.parent.mkdir(parents=True)
    worker.write_text("fetch('/static/pyodide/a.whl').then(() => postMessage('Python is there'));")
    lite.add_scripts(out)
    return out


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("delete window.WebAssembly", "", "no WebAssembly"),
        (STORAGE_OFF, "", "keeps nothing for this site"),
        ("delete Navigator.prototype.serviceWorker", "", "no Service Worker"),
        (REFUSED, "navigator.serviceWorker.register('x').catch(() => {})", "no Service Worker"),
        ("", "document.head.append(Object.assign(document.createElement('script'), "
             "{ src: 'missing.js' }))", "is the network on?"),
        ("", "1", None),
    ],
)  # fmt: skip
def test_a_page_of_jupyterlite_says_what_it_lacks_and_the_notice_can_be_closed(
    browser: Browser, address: str, before: str, after: str, says: str | None
) -> None:
    with reading(browser, address) as context:
        context.add_init_script(before)
        page = context.new_page()
        page.goto(f"{address}lab/index.html")
        page.evaluate(after)
        notice = page.get_by_role("alert")
        if says:
            notice.get_by_text(says).wait_for()
            page.get_by_label("close this notice").click()
        assert not notice.count()


def test_a_part_of_jupyterlites_python_that_does_not_come_is_said_and_asked_for_until_it_comes(
    reader: BrowserContext, address: str, folder: Path
) -> None:
    (worker,) = folder.glob("extensions/**/*.worker.*.js")
    waiting: list[Route] = []
    reader.route("**/a.whl", lambda route: waiting.append(route))
    page = reader.new_page()
    page.goto(f"{address}lab/index.html")
    page.evaluate(
        "url => { new Worker(url, { type: 'module' }).onmessage = ({ data }) => { document.title = data; }; }",
        f"/{worker.relative_to(folder).as_posix()}",
    )
    notice = page.get_by_role("alert")
    notice.get_by_text("Nothing of Python has come for ten seconds").wait_for()
    waiting.pop().fulfill(status=503)
    notice.get_by_text("A part of Python, a.whl, did not come (the server answers 503).").wait_for()
    page.wait_for_timeout(5_500)
    waiting.pop().fulfill(body="there")
    notice.wait_for(state="detached")
    assert page.title() == "Python is there"
