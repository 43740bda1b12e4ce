"""Fixtures of the browser tests: one server, one browser and one workbench for all of them.

They end with this folder: playwright keeps an event loop running in this thread, which other tests
must not meet. An error in the browser's console fails the test that it came up in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

from tests.browser.harness import LabPage, find_chromium, lab_page, launch
from tests.browser.server import Server, jupyter_server
from tests.browser.static_files import reading, served
from tests.browser.workbench import Workbench, open_workbench

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@contextmanager
def started_playwright() -> Iterator[Playwright]:
    manager = sync_playwright()
    try:
        playwright = manager.start()
    except Exception as error:  # noqa: BLE001  # it raises this very class
        pytest.skip(f"playwright's driver does not start here (Debian: libatomic1): {error}")
    yield playwright
    playwright.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("no Chromium here to open the labs with (Debian: apt install chromium)")
    with started_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with jupyter_server(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture(scope="package")
def _workbench(browser: Browser, server: Server) -> Iterator[Workbench]:
    with lab_page(browser, server) as page:
        yield open_workbench(page)


@pytest.fixture
def bench(_workbench: Workbench) -> Iterator[Workbench]:
    """An open notebook whose middle cell a test fills: `bench.show("from widgets import ...")`."""
    _workbench.reset()
    yield _workbench
    assert _workbench.lab.take_problems() == []


@pytest.fixture
def lab(browser: Browser, server: Server) -> Iterator[LabPage]:
    """A window on a JupyterLab with a copy of labs/: `lab.open_notebook("labs/00-...")`."""
    with lab_page(browser, server) as page:
        yield page


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """Where the static files of the module's `folder` are given out."""
    with served(folder) as address:
        yield address


@pytest.fixture
def reader(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A reader's browser on those files."""
    with reading(browser, address) as context:
        yield context
