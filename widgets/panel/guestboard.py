"""What StepLab and CompareLab have in common: the answer to what cannot be done, the end of a run, a picture.

Invariant: what a learner asks for and cannot be done is answered with one sentence, and all stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aarch64sim.asm import AssemblyError, Program
from widgets.figures.figure import live_still, mpl_figure, png
from widgets.models.drawing import Drawing
from widgets.page import editor
from widgets.page.board import Board, Bundle
from widgets.page.runner import Runner, broken_off

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure


class GuestBoard(Board):
    """A board whose controls move guests, and that a run keeps informed."""

    @property
    def _runner(self) -> Runner:
        """What runs the guests of this panel."""
        raise NotImplementedError

    # What a panel does in its own way.
    def load(self, program: Program | str | Path) -> None:
        """Start over with another program."""
        raise NotImplementedError

    def drawing(self) -> Drawing:
        """The panel as one picture, for where nothing runs."""
        raise NotImplementedError

    def _say(self, message: str) -> None:
        raise NotImplementedError

    def _receive(self, widget: object, content: Mapping[str, Any], buffers: object) -> None:
        try:
            super()._receive(widget, content, buffers)
        except ValueError as error:
            self._say(f"Not done: {error}.")
        except Exception as error:  # noqa: BLE001  # a device or patch of the learner's may raise anything
            self._say(broken_off(error))

    def _assemble(self, source: str) -> None:
        """Start over with the program in the editor, or say why not."""
        try:
            self.load(editor.read(source))
        except (AssemblyError, ValueError, OSError) as error:
            self.show(editor.refusal(error))

    def close(self) -> None:
        """Take the panel off the page. A run that only it shows ends; the guest stays as it is."""
        if self.comm is not None:  # made to its end, and not closed yet
            self._runner.leave(self)
        super().close()

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        return data | live_still(self.drawing(), repr(self)), metadata

    def draw(self, theme: str = "light") -> MplFigure:
        """That picture, as matplotlib draws it."""
        return mpl_figure(self.drawing(), theme)

    def png(self) -> bytes:
        """That picture as PNG."""
        return png(self.drawing())
