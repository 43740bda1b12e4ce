"""The stop table of two kernels: where each stopped, and the stops that never came.

Invariant: a ghost is a row of its own, in words, a dashed box and a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Any

from aarch64sim.debug import Stop
from widgets.figures.figure import Figure
from widgets.models.drawing import DASHED, Drawing
from widgets.models.stop_rows import ENDS, Pair, aligned
from widgets.models.timeline import MISSED, listed
from widgets.page.listing import Listing

ROW, WIDTH, LEADING = 24.0, 640.0, 11.0
COLUMNS = (8.0, 240.0, 440.0)
MOST_LETTERS = 26  # of a kernel's name on one line


@dataclass(frozen=True, repr=False)
class StopTable(Figure):
    """The stops of two kernels, named `titles`, over one program."""

    titles: tuple[str, str]
    left: Sequence[Stop]
    right: Sequence[Stop]
    listing: Listing
    name = "stops"

    @property
    def pairs(self) -> list[Pair]:
        """The rows, the start left out."""
        pairs = [p for p in aligned(self.left, self.right) if (p.left or p.right).reason != "start"]  # type: ignore[union-attr]
        if self.left[
            0
        ].number:  # the beginning is cut off, so what has no partner there may have had one
            whole = (n for n, pair in enumerate(pairs) if pair.left and pair.right)
            return pairs[next(whole, 0) :]
        return pairs

    @property
    def missed(self) -> list[Pair]:
        """The rows of stops that never came."""
        return [pair for pair in self.pairs if pair.missed]

    @property
    def sentence(self) -> str:
        said = [self._steps()]
        for side, title in zip(("left", "right"), self.titles, strict=True):
            if missed := [f"{pair.pc:#x}" for pair in self.missed if pair.missed == side]:
                said.append(f"{title} should have stopped at {listed(missed)}.")
        return " ".join(said if len(said) > 1 else [*said, "No stop is missing so far."])

    def _steps(self) -> str:
        left, right = (stops[-1].number if stops else 0 for stops in (self.left, self.right))
        steps = f"{left} step{'s' if left != 1 else ''}"
        if left == right:
            return f"{steps} each."
        return f"{self.titles[0]}: {steps}; {self.titles[1]}: {right}."

    @property
    def header(self) -> tuple[str, ...]:
        return ("stop before", *self.titles)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (self._where(p), self._cell(p, p.left, "left"), self._cell(p, p.right, "right"))
            for p in self.pairs
        ]

    def _where(self, pair: Pair) -> str:
        stop = pair.right or pair.left
        return "the end" if stop and stop.reason in ENDS else self.listing.where(pair.pc)

    def _cell(self, pair: Pair, stop: Stop | None, side: str) -> str:
        if stop is not None:
            kind = {"exit": "ended", "error": "failed"}.get(stop.reason, "stop")
            return f"{kind}, step {stop.number}"
        return f"no stop: {MISSED}" if pair.missed == side else "\u00b7"

    def html(self) -> str:
        """The table with its ghosts marked."""
        body, last = [], len(self.pairs) - 1
        for number, (pair, row) in enumerate(zip(self.pairs, self.rows, strict=True)):
            cells = "".join(
                f'<td class="sl-ghostcell">{escape(text)}</td>'
                if pair.missed == side
                else f"<td>{escape(text)}</td>"
                for side, text in (("left", row[1]), ("right", row[2]))
            )
            now = ' class="sl-now"' if number == last else ""
            body.append(f'<tr{now}><th scope="row">{escape(row[0])}</th>{cells}</tr>')
        head = "".join(f'<th scope="col">{escape(title)}</th>' for title in self.header)
        return (
            f'<table class="sl-table sl-stops"><caption class="sl-hidden">{escape(self.sentence)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        )

    @property
    def _head(self) -> list[list[str]]:
        """The names of the columns, a long one on two lines."""
        return [wrap(title, MOST_LETTERS) for title in self.header]

    @property
    def _head_height(self) -> float:
        return ROW + 12.0 * (max(len(lines) for lines in self._head) - 1)

    @property
    def height(self) -> float:
        """Points that the drawing needs."""
        return self._head_height + ROW * len(self.pairs) + 8

    def drawing(self) -> Drawing:
        drawing, top = Drawing((WIDTH, self.height)), self.height - 2
        middle = top - self._head_height / 2
        for x, lines in zip(COLUMNS, self._head, strict=True):
            for number, line in enumerate(lines):
                y = middle + LEADING * ((len(lines) - 1) / 2 - number)
                drawing.text(x, y, line, 9.5, bold=True)
        for number, (pair, row) in enumerate(zip(self.pairs, self.rows, strict=True), 1):
            y = top - self._head_height + ROW / 2 - ROW * number
            ends = (4, y + ROW / 2), (WIDTH - 4, y + ROW / 2)
            drawing.line(*ends, colour="rule", width=0.8)
            for x, side, words in zip(COLUMNS, ("", "left", "right"), row, strict=True):
                _draw_cell(drawing, x, y, words, ghost=bool(side) and pair.missed == side)
        return drawing


def _draw_cell(drawing: Drawing, x: float, y: float, words: str, *, ghost: bool) -> None:
    if not ghost:
        drawing.text(x, y, words, 9)
        return
    said = ("cell: a stop that never came",)
    drawing.text(x, y, f"\u2715 {words}", 9, colour="bug", says=said)
    style: dict[str, Any] = {"fill": "bug-fill", "edge": "bug", "dash": DASHED, "says": said}
    drawing.box(x - 4, y - 9, 190, 18, radius=4, **style)
