"""The whole site: every lab is a page whose panels step, and a page that fetched Python goes on where it was.

For `make site-check`: the labs are run, and Python comes from npm.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.static_files import reading
from tests.browser.test_site import LOST, status
from tools import site, site_python

pytestmark = pytest.mark.site
SECONDS = 120_000  # milliseconds that Python may take on a busy machine
PAGES = [source.stem for source in sorted((site.ROOT / "labs" / "source").glob("[0-9][0-9]-*.py"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("site")
    site.build(out)
    return out


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
    panels = page.locator("[data-panel]")
    assert panels.count()
    for n in range(panels.count()):
        panel = panels.nth(n)
        panel.locator(".web-panel[data-ready]").or_(panel).first.wait_for()
        panel.get_by_role("slider").fill("0")
        panel.get_by_role("button", name="Step", exact=True).click()
        assert panel.locator("[data-slot=position]").inner_text().startswith("step 1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = Axe().run(page).response["violations"]
    assert not [v["id"] for v in found if v["impact"] in ("serious", "critical")]


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
            file, _, anchor = target.partition("#")
            assert (folder / file).exists(), (path.name, target)
            if anchor and file.endswith(".html"):
                assert f'id="{anchor}"' in (folder / file).read_text(encoding="utf-8"), target


def test_python_goes_on_where_the_reader_was_and_runs_what_they_write(
    page: Page, address: str
) -> None:
    page.goto(f"{address}#kernel=v4.3&step=2")
    page.locator("[data-ready]").wait_for()
    page.locator(".web-python summary").click()
    page.get_by_role("button", name="Fetch Python").click()
    page.locator("[data-slot=editor]").wait_for(state="visible", timeout=SECONDS)
    assert LOST in status(page)
    page.get_by_role("button", name="Back").click()
    page.get_by_text("Stopped at 0x40000004 (str w0, [x19]).").wait_for()
    page.get_by_label("kernel").select_option("v5.3")
    page.get_by_label("Program").last.fill("bogus")
    page.get_by_role("button", name="Assemble").click()
    page.get_by_text("The program does not assemble, so the old one stays: line 1").wait_for()
    page.get_by_label("Program").last.fill("mov x1, #0\nloop: add x1, x1, #1\nb loop")
    page.get_by_role("button", name="Assemble").click()
    page.get_by_label("Run to").fill("x1 == 5")
    page.get_by_role("button", name="Go").click()
    page.get_by_text("x1 == 5.").first.wait_for()


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
