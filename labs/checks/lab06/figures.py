"""The other figures of the museum: the matrix, each cell twice, and the lives of the bugs.

Invariant: picture, table and sentence are made from the same rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from aarch64sim.evidence.eras_table import ROWS
from widgets.figures.figure import Figure
from widgets.models.drawing import Drawing

from checks import museum

# --- the matrix ------------------------------------------------------------------------------------------------------

_CODES = {
    "insn": ("+0", "PC of the instruction"),
    "insn+4": ("+4", "PC of the next one"),
    "0 (spurious)": ("0", ""),
    "1 (run returns 0/DEBUG, not EINTR)": ("1?", "KVM_RUN says DEBUG, not EINTR"),
    "2 and one insn lost": ("2!", "late, and an instruction is lost"),
    "UNDEF injected": ("U", "the guest gets an exception"),
    "lost": ("L", "the next instruction is lost"),
    "late": ("2", ""),
    "right": ("1", ""),
    "0x2003c5": ("SS1", "the host's SS shows"),
    "0x3c5": ("SS0", "the guest's own SS"),
    "0x80": ("80", "zero-extended"),
    "0xffffffffffffff80": ("F80", "sign-extended"),
    "taken": ("ok", "the abort is taken, once, and nothing else happens"),
    "taken, but 1st handler insn skipped": ("S", "the handler's first instruction is skipped"),
    "lost, MMIO re-executed": ("G", "the abort is lost"),
    "x10=0x0 x2=0x99": ("B", "abort and access are both done"),
    "x10=0x1 x2=0x77": ("ok", ""),
}


def code(cell: str) -> str:
    """A cell of the matrix in at most three characters."""
    return _CODES.get(cell, (cell, ""))[0]


@dataclass(frozen=True, repr=False)
class Matrix(Figure):
    """Which kernels step correctly? In every cell the recording's answer, and the simulator's.

    `folders` are those of the recordings: `museum.FIRST` or `museum.NEWER`.
    """

    folders: tuple[str, ...] = museum.FIRST
    name = "matrix"

    @property
    def _cells(self) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], str]]:
        return museum.recorded_cells(self.folders), museum.simulated_cells(self.folders)

    @property
    def sentence(self) -> str:
        recorded, simulated = self._cells
        equal = sum(recorded[key] == simulated[key] for key in recorded)
        wrong = sum(museum.is_right(*key, self.folders) is False for key in recorded)
        return (
            f"{len(ROWS)} cases on {len(museum.columns(self.folders))} real kernels. In {equal} of {len(recorded)}"
            f" recorded cells the simulator gives the same answer. {wrong} cells are not as they should be."
        )

    @property
    def header(self) -> tuple[str, ...]:
        return ("case", *museum.columns(self.folders))

    @property
    def rows(self) -> list[tuple[str, ...]]:
        recorded, simulated = self._cells
        table = []
        for row in ROWS:
            cells = []
            for name in museum.columns(self.folders):
                real, ours = (found.get((row.title, name), "-") for found in (recorded, simulated))
                cells.append(real if real == ours else f"{real}; simulated {ours}")
            table.append((row.title, *cells))
        return table

    def drawing(self) -> Drawing:
        kernels = museum.columns(self.folders)
        left, column, line = 212.0, 36.5, 22.0
        shorts = [re.sub(r"^(linux|what-if-[\d.]+)-", "", name) for name in kernels]
        head = max(58.0, 4.6 * max(map(len, shorts)) + 16)
        legend = [(short, words) for short, words in _CODES.values() if words]
        bottom = 15.0 * ((len(legend) + 2) // 3) + 42
        height = bottom + line * len(ROWS) + head + 4
        drawing = Drawing((800, height))
        recorded, simulated = self._cells
        for n, name in enumerate(kernels):
            x = left + column * (n + 0.5)
            middle = height - head + 8 + 2.3 * len(shorts[n])
            drawing.text(x, middle, shorts[n], 8.5, turned=True, anchor="middle")
            if n == 0 or museum.era_of(name) != museum.era_of(kernels[n - 1]):
                border = x - column / 2
                drawing.line(
                    (border, bottom - 10), (border, height - head), colour="ink", width=1.1, z=4
                )
                drawing.text(border + 4, bottom - 4, museum.era_of(name), 9, bold=True)
        for r, row in enumerate(ROWS):
            y = height - head - 12 - line * r
            drawing.text(4, y, row.title, 8.5)
            for n, name in enumerate(kernels):
                real, ours = (found.get((row.title, name)) for found in (recorded, simulated))
                if real is not None and ours is not None:
                    place = (left + column * n, y, column, line)
                    right = museum.is_right(row.title, name, self.folders)
                    _cell(drawing, place, bool(right), (real, ours))
        words = (
            "In each cell: recorded, then simulated, = or \u2260. Shaded: not as it should be. Empty: not recorded."
            " 1: right, 2: one late, 0: a spurious stop."
        )
        drawing.text(4, bottom - 22, words, 8.5)
        for n, (short, words) in enumerate(legend):
            x, y = 4 + 266 * (n % 3), bottom - 38 - 15 * (n // 3)
            drawing.text(x, y, short, 8.5, bold=True)
            drawing.text(x + 30, y, words, 8.5)
        return drawing


def _cell(
    drawing: Drawing,
    place: tuple[float, float, float, float],
    right: bool,
    cells: tuple[str, str],
) -> None:
    (x, y, width, line), (real, ours) = place, cells
    if not right:
        style = {"fill": "stop-fill", "edge": "stop", "z": 2}
        drawing.box(x + 1, y - line / 2 + 1, width - 2, line - 2, stroke=0.7, **style)
    same = real == ours
    words = f"{code(real)}{'=' if same else chr(0x2260)}{code(ours)}"
    size = 8.5 if len(code(real)) < 3 else 6.2
    drawing.text(x + width / 2, y, words, size, anchor="middle", colour="ink" if same else "bug")


# --- the lives of the bugs -------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Lives(Figure):
    """Each wrong behaviour as a bar from the release that brought it to the one that fixed it."""

    name = "lives"

    @property
    def sentence(self) -> str:
        born = [c for c in museum.commits() if c.fixed and c.broke]
        return (
            f"The lives of {len(museum.lives())} wrong behaviours from {museum.commits()[0].moment.when} on."
            f" {len(born)} commits end one bar and begin another: "
            + ", ".join(f"{c.moment.commit} ({c.moment.release})" for c in born)
            + "."
        )

    @property
    def header(self) -> tuple[str, ...]:
        return ("field", "came", "went", "again")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                life.field,
                life.came.release,
                life.went.release,
                life.again.release if life.again else "",
            )
            for life in museum.lives()
        ]

    def drawing(self) -> Drawing:
        lives = museum.lives()
        left, right, line = 172.0, 760.0, 26.0
        height = line * len(lives) + 56
        drawing = Drawing((800, height))

        def x(year: float) -> float:
            return left + (right - left) * (year - 2014) / (2027 - 2014)

        top, y = height - 34, {}
        for year in range(2014, 2027):
            drawing.line((x(year), 12), (x(year), top), colour="rule", width=0.8, z=0)
            drawing.text(x(year), height - 14, str(year), 8.5, colour="muted", anchor="middle")
        for n, life in enumerate(lives):
            y[life.field] = top - line * (n + 0.5)
            drawing.text(4, y[life.field], life.field, 9)
            spans: list[tuple[museum.Moment, museum.Moment | None]] = [(life.came, life.went)]
            if life.again:
                spans.append((life.again, None))
            for start, end in spans:
                low, width = y[life.field] - 7, x(end.year if end else 2027) - x(start.year)
                bar: dict[str, Any] = {"fill": "stop-fill", "edge": "stop", "z": 3}
                drawing.box(x(start.year), low, width, 14, **bar)
                drawing.text(x(start.year) + 3, y[life.field], start.release, 7.5, z=5)
                if end:
                    drawing.text(x(end.year) + 4, y[life.field], end.release, 7.5, z=5)
        for commit in museum.commits():
            if commit.fixed and commit.broke:
                ends = [y[field] for field in (*commit.fixed, *commit.broke)]
                at, style = x(commit.moment.year), {"colour": "bug", "width": 2.2, "z": 4}
                drawing.line((at, min(ends)), (at, max(ends)), dash=(3, 1.5), **style)
        return drawing
