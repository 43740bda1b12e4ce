"""One notebook that stays open: a test fills its middle cell, and a panel stands there half a second later.

Invariant: every test meets it alike: light, 1280 pixels wide with its side bar, its neighbour cells as they were, no
panel open.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from packaging.version import Version
from playwright.sync_api import Locator, Page

from tests.browser.harness import LabPage, write_notebook

CELLS = ("1 + 1", "", "2 + 2")
MIDDLE = 1
LAST = 2
ACTIONS = {
    "Start": "start",
    "First difference": "part",
    "Run back": "reverse",
    "Go": "travel",
}
LOOP = "loop: add x0, x0, #1\\n str w0, [x19]\\n add x1, x1, #1\\n b loop"
STEP_LAB = (
    "from widgets import StepLab\nfrom widgets.course import program\n"
    "lab = StepLab(program('store'), kernel='v4.3')\nlab"
)


def has(package: str, oldest: str) -> bool:
    """Whether the package that is installed is of that version, or a newer one."""
    return Version(version(package)) >= Version(oldest)


@dataclass(frozen=True)
class Workbench:
    """The window, and what a test does with the panel in it."""

    lab: LabPage

    @property
    def page(self) -> Page:
        """Playwright's page."""
        return self.lab.page

    def reset(self) -> None:
        """As it was at first."""
        self.look(1280)
        self.lab.use_side_bar(shown=True)
        for number, source in enumerate(CELLS):
            self.lab.set_cell(number, source)
        self.lab.take_problems()

    def look(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Be so wide, and light or dark."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.lab.use_theme(dark=dark)

    def show(self, code: str = STEP_LAB) -> Locator:
        """Run the code in the middle cell; the panel (or the picture) that it shows."""
        self.lab.run_cell(MIDDLE, code)
        output = self.page.locator(".jp-Notebook .jp-Cell").nth(MIDDLE).locator(".jp-OutputArea")
        shown = output.locator(
            ".sl-panel, .sl-board, .sl-question, .jp-RenderedImage img, .jp-RenderedHTMLCommon"
        ).first
        shown.wait_for()
        if "sl-panel" in (shown.get_attribute("class") or ""):
            self.status().and_(self.page.locator(":not(:empty)")).first.wait_for()
        return shown

    def choose(self, what: str, words: str) -> None:
        """Choose from a list of the panel, by the words that it shows: ipywidgets makes their spaces unbreakable."""
        chooser = self.page.locator(f".sl-panel .sl-choose-{what} select")
        chooser.select_option(label=words.replace(" ", "\xa0"))

    def button(self, name: str) -> Locator:
        """A control of the panel, by the name of its action or by its words."""
        stock = self.page.locator(f".sl-panel .sl-do-{ACTIONS.get(name, name.lower())}")
        return stock.or_(
            self.page.locator(".sl-panel").get_by_role("button", name=name, exact=True)
        ).first

    def open(self, title: str) -> None:
        """Turn to a page of the panel's Tab."""
        self.page.locator(".sl-drawers .lm-TabBar-tab", has_text=title).first.click()

    def status(self) -> Locator:
        """What the panel says to a screen reader."""
        return self.page.locator(".sl-panel .sl-status")

    def text(self, slot: str) -> Locator:
        """A named place of the panel."""
        return self.page.locator(f".sl-panel [data-slot='{slot}']")


def open_workbench(lab: LabPage, name: str = "workbench") -> Workbench:
    """Write the notebook, open it, and have what the panels need imported.

    Two that are open at once need two names: JupyterLab asks what to do about a file that somebody else has written.
    """
    path = f"labs/{name}.ipynb"
    write_notebook(lab.server.folder / path, *CELLS)
    lab.open_notebook(path)
    lab.page.keyboard.press("Escape")
    lab.run_cell(0, "import widgets")
    return Workbench(lab)
