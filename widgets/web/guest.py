"""A guest on a page with no Jupyter: moved and looked at by the code of StepLab, shown by the views of StepLab.

Invariant: what is here is only where the content goes; every sentence, table and drawing is the panel's own.
"""

from __future__ import annotations

import json
from typing import cast

from aarch64sim.debug import Debugger
from widgets.page.listing import Listing
from widgets.page.ownkernel import OwnKernel
from widgets.panel.hands import Hands
from widgets.panel.views import VIEWS

PREFIX = "web0-"  # of the ids in a drawing; a page with several panels replaces it
FILLED = ("machine", "timeline", "changes", "exits", "console")  # the views that a step fills
Frame = dict[str, str]


class Guest(Hands):
    """A debugger, and all that a page shows of it. Without ipywidgets: `StepLab` is these `Hands` with widgets."""

    _prefix = PREFIX
    _speed = "medium"
    _wrote = None

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._listing = Listing(debugger.program)
        self._own = OwnKernel.of(debugger)
        self._message = ""

    def frame(self) -> Frame:
        """What stands in every slot where the guest stands now."""
        shown = {key: text for name in FILLED for key, text in VIEWS[name].values(self).items()}
        rows = {f"row-{address:x}" for address in self._listing.words}
        marks = self._listing.marks(self.last_timeline, self._pc)
        marks = {row: mark for row, mark in marks.items() if row in rows}
        said = {"status.text": self._message or self._status(), "marks": json.dumps(marks)}
        return said | cast("Frame", shown)

    @property
    def _pc(self) -> int:
        debugger = self.debugger
        return debugger.phase_registers()["pc"] if debugger.phase else debugger.last.pc

    def listing_html(self, *, points: bool = False) -> str:
        """The program as a table; `points`: with the buttons that set breakpoints."""
        return self._listing.html(*self._listing.window(self._pc), points=points)

    @staticmethod
    def section(name: str) -> str:
        """The HTML of a view, with its slots."""
        return VIEWS[name].html(_UNPLACED)


class _Unplaced:
    """Views are made before there is a guest: they differ in the ids of a drawing alone."""

    _prefix = PREFIX


_UNPLACED = _Unplaced()
