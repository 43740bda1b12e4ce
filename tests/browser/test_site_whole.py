"""The whole site: every lab is a page whose panels step, and a page that fetched Python goes on where it was.

For `make site-check`, which builds it: the labs are run, and Python comes from npm.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.static_files import reading
from tests.browser.test_site import LOST, status
from tools import site, site_python
from widgets.web.view import PYTHON_MB

pytestmark = pytest.mark.site
SECONDS = 120_000  # milliseconds that Python may take on a busy machine
PAGES = [source.stem for source in sorted((site.ROOT / "labs" / "source").glob("[0-9][0-9]-*.py"))]


@pytest.fixture(scope="module")
def folder() -> Path:
    if not (site.OUT / "labs.zip").exists():
        pytest.skip(f"the site is not in {site.OUT}: make site-check builds it")
    return site.OUT


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A phone's browser; a request that fails, fails the test."""
    missing: list[str] = []
    with reading(browser, address, viewport={"width": 360, "height": 800}) as context:
        context.on("requestfailed", lambda request: missing.append(request.url))
        yield context.new_page()
    assert not missing


@pytest.mark.parametrize("name", PAGES)
def test_a_lab_is_a_page_whose_panels_step(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}{name}.html")
    assert "all cells" not in page.inner_text("main").lower()  # a page has none to run
    panels = page.locator("[data-panel]")
    assert panels.count()
    for n in range(panels.count()):
        panel = panels.nth(n)
        panel.locator(".web-panel[data-ready]").or_(panel).first.wait_for()
        panel.get_by_role("slider").fill("0")
        panel.get_by_role("button", name="Step", exact=True).click()
        assert panel.locator("[data-slot=position]").inner_text().startswith("step 1")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = Axe().run(page).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == []


def test_a_prediction_is_answered_and_remembered(page: Page, address: str) -> None:
    page.goto(f"{address}{PAGES[0]}.html")
    question = page.locator("[data-question]").first
    question.get_by_role("radio").nth(1).check()
    answer = question.get_by_role("status").inner_text()
    assert answer[0] in "✓✗"
    page.reload()
    assert question.get_by_role("radio").nth(1).is_checked()
    assert question.get_by_role("status").inner_text() == answer


def test_every_link_of_the_site_leads_to_something_there(folder: Path) -> None:
    for path in folder.glob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"]+)"', path.read_text(encoding="utf-8")):
            if "://" in target or target.startswith(("#", "data:", "mailto:")):
                continue
            place, _, anchor = target.partition("#")
            file = place.partition("?")[0]
            assert (folder / file).exists(), (path.name, target)
            if anchor and file.endswith(".html"):
                assert f'id="{anchor}"' in (folder / file).read_text(encoding="utf-8"), target


def fetch_python(page: Page, address: str) -> None:
    page.goto(f"{address}#kernel=v4.3&step=2")
    page.locator("[data-ready]").wait_for()
    page.locator(".web-python summary").click()
    page.get_by_role("button", name="Fetch Python").click()


def wait_for_status(page: Page, words: str) -> None:
    page.locator(".sl-status").get_by_text(words).wait_for()


def test_python_goes_on_where_the_reader_was_and_runs_what_they_write(
    page: Page, address: str
) -> None:
    fetch_python(page, address)
    page.locator("[data-slot=editor]").wait_for(state="visible", timeout=SECONDS)
    assert LOST in status(page)
    page.get_by_role("button", name="Back").click()
    wait_for_status(page, "Stopped at 0x40000004 (str w0, [x19]).")
    page.get_by_label("kernel").select_option("v5.3")
    wait_for_status(page, "The same 1 step under Linux 5.3")
    page.get_by_label("Program").last.fill("bogus")
    page.get_by_role("button", name="Assemble").click()
    wait_for_status(page, "Not assembled: line 1, column 1: unknown mnemonic 'bogus'")
    page.get_by_role("button", name="Step", exact=True).click()
    page.get_by_label("Program").last.fill("mov x1, #0\nloop: add x1, x1, #1\nb loop")
    page.get_by_role("button", name="Assemble").click()
    wait_for_status(page, "Not started.")
    page.get_by_label("Run to").fill("x1 == 5")
    page.get_by_role("button", name="Go").click()
    wait_for_status(page, "Stopped at 0x40000008 (b 0x40000004): x1 == 5.")
    page.get_by_role("button", name="breakpoint at 0x40000008").click()
    wait_for_status(page, "Breakpoint at 0x40000008 set.")
    page.get_by_role("button", name="breakpoint at 0x40000008").click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("button", name="Stop", exact=True).click()
    wait_for_status(page, "Stopped by you after")


def test_a_browser_that_cannot_take_pythons_memory_starts_python_from_nothing(
    reader: BrowserContext, address: str
) -> None:
    page = reader.new_page()
    reader.route("**/memory.gz", lambda route: route.fulfill(status=404))
    fetch_python(page, address)
    page.locator("[data-slot=editor]").wait_for(state="visible", timeout=SECONDS)
    assert LOST in status(page)


@pytest.mark.parametrize(
    ("part", "answer", "says"),
    [
        ("labs.zip", {"status": 404}, "labs.zip is missing on this site (404)."),
        ("labs.zip", {"status": 503}, "labs.zip did not come (the server answers 503)."),
        ("labs.zip", {"body": "<html>"}, "A part of Python came damaged"),
        ("pyodide.asm.wasm", {"body": "<html>"}, "A part of Python came damaged"),
    ],
)
def test_a_file_that_is_missing_or_damaged_is_named_and_the_steps_go_on(
    reader: BrowserContext, address: str, part: str, answer: dict[str, Any], says: str
) -> None:
    page = reader.new_page()
    reader.route(f"**/{part}", lambda route: route.fulfill(**answer))
    fetch_python(page, address)
    said = page.locator("[data-slot=progress-words]").get_by_text(says)
    said.get_by_text("The steps above go on.").wait_for(timeout=SECONDS)
    page.get_by_role("button", name="Back").click()
    assert status(page) == "Stopped at 0x40000004 (str w0, [x19])."


PARTS = ("labs.zip", "pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")


def test_python_comes_when_the_network_is_back_and_after_it_was_cancelled(
    reader: BrowserContext, address: str
) -> None:
    page = reader.new_page()
    fetch = page.get_by_role("button", name="Fetch Python")
    page.goto(f"{address}#kernel=v4.3&step=2")
    page.locator("[data-ready]").wait_for()
    page.locator(".web-python summary").click()
    for part in PARTS:
        reader.route(f"**/{part}", lambda route: route.abort())
        fetch.click()
        page.get_by_text("did not come: is the network on? The steps above go on.").wait_for()
        reader.unroute(f"**/{part}")
    fetch.click()
    page.get_by_role("button", name="Cancel").click()
    fetch.click()
    page.locator("[data-slot=editor]").wait_for(state="visible", timeout=SECONDS)
    assert LOST in status(page)


def test_what_a_reader_fetches_for_python_is_what_the_page_says(folder: Path) -> None:
    files = [folder / "labs.zip", *(folder / "pyodide").iterdir()]
    sent = sum(min(len(gzip.compress(each.read_bytes(), 6)), each.stat().st_size) for each in files)
    assert sent / 1e6 == pytest.approx(PYTHON_MB, abs=1)


def test_a_package_that_is_not_the_pinned_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(site_python, "CACHE", tmp_path)
    false = tmp_path / f"{site_python.PYODIDE.replace('@', '-')}.tgz"
    false.write_bytes(b"another")
    assert hashlib.sha256(b"another").hexdigest() != site_python.SHA256
    with pytest.raises(site_python.NotThePinnedFileError):
        site_python.pyodide()
    assert not false.exists()
