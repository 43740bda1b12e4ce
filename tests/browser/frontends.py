"""The front ends of Jupyter, each behind the same few verbs: what a learner does outside the panel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Browser, Locator, Page

from tests.browser.harness import LabPage, lab_page
from tests.browser.server import JUPYTERLAB, OF_THE_SERVER, App, Server

WIDTH, HEIGHT = 1366, 768
TRIES = 20
NOTEBOOK = App(
    "notebook",
    "notebooks",
    "api/status",
    (*OF_THE_SERVER, "--JupyterNotebookApp.expose_app_in_browser=True"),
)
VOILA = App(
    "voila",
    "voila/render",
    "voila/static/voila.js",
    (
        "--Voila.ip=127.0.0.1",
        "--port={port}",
        "--token={token}",
        "--VoilaConfiguration.allow_theme_override=YES",
        "{folder}",
    ),
)


class Desk(Protocol):
    """A notebook that is open in a front end, all its cells run."""

    page: Page

    def find(self, selector: str, text: str | None = None) -> Locator:
        """A part of the notebook, brought into view."""

    def sources(self) -> list[str]:
        """What a key that strays into the notebook would change."""

    def use_theme(self, *, dark: bool) -> None: ...

    def settle(self) -> None:
        """Wait until the kernel has done what it was asked."""

    def reload(self) -> None:
        """Save, and load the page anew."""

    def take_problems(self) -> list[str]:
        """Uncaught errors of the page since this was last asked."""


class LabDesk:
    """JupyterLab and Notebook: the same application around one notebook."""

    def __init__(self, lab: LabPage, notebook: str) -> None:
        self._lab, self.page = lab, lab.page
        lab.open_notebook(notebook)
        lab.page.keyboard.press("Escape")
        lab.run_all()

    def find(self, selector: str, text: str | None = None) -> Locator:
        part = self.page.locator(selector, has_text=text).first
        for _ in range(TRIES):  # a page that is loading has not all of its cells yet
            with suppress(AssertionError):
                return self._lab.scroll_to(part)
            self.page.wait_for_timeout(500)
        return self._lab.scroll_to(part)

    def sources(self) -> list[str]:
        return self._lab.cell_sources()

    def use_theme(self, *, dark: bool) -> None:
        self._lab.use_theme(dark=dark)

    def settle(self) -> None:
        self._lab.ask_kernel()

    def reload(self) -> None:
        self._lab.command("docmanager:save")
        self.page.reload()
        self._lab.wait_for_notebook()

    def take_problems(self) -> list[str]:
        return self._lab.take_problems()


class VoilaDesk:
    """A notebook as a page: it runs by itself, and there are no cells to write in."""

    def __init__(self, page: Page, server: Server, notebook: str) -> None:
        self.page, self._address = page, server.address(notebook)
        self._problems: list[str] = []
        page.on("pageerror", lambda error: self._problems.append(error.stack or str(error)))
        self._open(self._address)

    def _open(self, address: str) -> None:
        self.page.goto(address, wait_until="commit")
        self._wait()

    def _wait(self) -> None:
        self.page.wait_for_selector("#rendered_cells", state="visible", timeout=120_000)
        self.page.wait_for_selector(".the-first .sl-diagram svg", timeout=60_000)

    def find(self, selector: str, text: str | None = None) -> Locator:
        part = self.page.locator(selector, has_text=text).first
        part.scroll_into_view_if_needed()
        return part

    def sources(self) -> list[str]:
        return self.page.locator(".jp-Cell").evaluate_all("all => all.map(cell => cell.className)")

    def use_theme(self, *, dark: bool) -> None:
        self._open(f"{self._address}&theme={'dark' if dark else 'light'}")

    def settle(self) -> None:
        self.page.wait_for_timeout(400)

    def reload(self) -> None:
        self.page.reload(wait_until="commit")
        self._wait()

    def take_problems(self) -> list[str]:
        problems, self._problems = self._problems, []
        return problems


@dataclass(frozen=True)
class FrontEnd:
    """One of them: its name, the package that has its version, the environment it is installed in, and its server."""

    name: str
    package: str
    environment: str
    app: App

    @property
    def label(self) -> str:
        return f"{self.package}-{self.environment.rsplit('-', 1)[1]}"

    @contextmanager
    def open(self, browser: Browser, server: Server, notebook: str) -> Iterator[Desk]:
        """The notebook in a window as large as a laptop's."""
        if self.app is VOILA:
            context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
            context.set_default_timeout(30_000)
            yield VoilaDesk(context.new_page(), server, notebook)
            context.close()
        else:
            with lab_page(browser, server, WIDTH, HEIGHT) as lab:
                yield LabDesk(lab, notebook)
                lab.take_problems()  # each check asked for its own


NEWEST, OLDEST = ".venv-frontends-newest", ".venv-frontends-oldest"
FRONT_ENDS = (
    FrontEnd("JupyterLab", "jupyterlab", NEWEST, JUPYTERLAB),
    FrontEnd("JupyterLab", "jupyterlab", OLDEST, JUPYTERLAB),
    FrontEnd("Notebook", "notebook", NEWEST, NOTEBOOK),
    FrontEnd("Notebook", "notebook", OLDEST, NOTEBOOK),
    FrontEnd("Voila", "voila", NEWEST, VOILA),
)


def python_of(root: Path, front_end: FrontEnd) -> Path:
    """The interpreter of its environment."""
    return root / front_end.environment / "bin" / "python"
