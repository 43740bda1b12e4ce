"""The scoreboard of lab 09: which scenario of a suite catches which mutant, and which mutants survive.

Invariant: a scenario that fails on the correct hypervisor catches nothing; it is a false alarm, and said to be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import wrap

from widgets.figures.figure import Figure
from widgets.models.drawing import Drawing

from checks.lab09.mutants import FIXED, MUTANTS, Mutant
from checks.lab09.reading import Scenario, read
from checks.lab09.scenario import differences, play

WIDTH, ROW, HINT_ROW, GRID = 760.0, 21.0, 36.0, 484.0
SIZE, SMALL = 9.2, 8.6
ENOUGH = 11  # scenarios that catch all mutants


@dataclass(frozen=True, repr=False)
class Scoreboard(Figure):
    """`caught` holds for each mutant the numbers (from 0) of the scenarios that catch it; `alarms` the false alarms."""

    names: tuple[str, ...]
    caught: tuple[tuple[Mutant, tuple[int, ...]], ...]
    alarms: tuple[int, ...] = ()
    name = "scoreboard"

    @property
    def survivors(self) -> list[Mutant]:
        """The mutants that no scenario catches."""
        return [mutant for mutant, by in self.caught if not by]

    @property
    def score(self) -> int:
        """Points for a contest: a mutant 1, a false alarm -3, each scenario over ENOUGH -1."""
        caught = len(self.caught) - len(self.survivors)
        return caught - 3 * len(self.alarms) - max(0, len(self.names) - ENOUGH)

    @property
    def sentence(self) -> str:
        count, many = len(self.caught) - len(self.survivors), len(self.names)
        text = f"Scoreboard: {many} scenario{'s' if many != 1 else ''}, {count} of {len(self.caught)} mutants caught."
        if self.alarms:
            text += f" False alarm on the correct hypervisor: {', '.join(self.names[n] for n in self.alarms)}."
        text += f" Score: {self.score}."
        if self.survivors:
            titles = [mutant.title for mutant in self.survivors]
            more = f"; and {len(titles) - 5} more" if len(titles) > 5 else ""
            text += f" These survive: {'; '.join(titles[:5])}{more}."
        return text

    @property
    def header(self) -> tuple[str, ...]:
        return ("hypervisor", "made by", "caught by", "hint")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        alarms = ", ".join(self.names[n] for n in self.alarms)
        first = ("the correct one", "", f"false alarm: {alarms}" if alarms else "", "")
        return [
            first,
            *(
                (m.title, m.where, ", ".join(self.names[n] for n in by), "" if by else m.hint)
                for m, by in self.caught
            ),
        ]

    def drawing(self) -> Drawing:
        legend = wrap(
            "   ".join(f"{n}\u00a0{self._short(name)}" for n, name in enumerate(self.names, 1)), 112
        )
        heights = [ROW] + [ROW if by or not mutant.hint else HINT_ROW for mutant, by in self.caught]
        height = sum(heights) + 2 * ROW + 15 * len(legend) + 22
        drawing = Drawing((WIDTH, height))
        y, title = height - 14, self.sentence.split(". ")[0].removesuffix(".") + "."
        drawing.text(8, y, title, 10.5, bold=True)
        y -= ROW
        for at, head in ((26, "hypervisor"), (322, "made by")):
            drawing.text(at, y, head, SIZE, colour="muted")
        for n in range(len(self.names)):
            x = GRID + self._step * n
            drawing.text(x, y, str(n + 1), SIZE, anchor="middle", colour="muted")
        y -= ROW
        _row(drawing, y, ROW, "the correct one", "", bad=bool(self.alarms))
        for n in range(len(self.names)):
            alarm = n in self.alarms
            self._cell(drawing, n, y, "!" if alarm else "\u00b7", "bug" if alarm else "run")
        if self.alarms:
            drawing.text(322, y, "a false alarm: !", SIZE, colour="bug")
        y -= ROW
        for (mutant, by), tall in zip(self.caught, heights[1:], strict=True):
            _row(drawing, y, tall, mutant.title, mutant.where, bad=not by)
            for n in by:
                self._cell(drawing, n, y, "\u2713", "run")
            if not by and mutant.hint:
                drawing.text(40, y - 15, f"hint: {mutant.hint}", SMALL, italic=True)
            y -= tall
        for line in legend:
            drawing.text(8, y - 2, line, SMALL, colour="muted")
            y -= 15
        return drawing

    @staticmethod
    def _short(name: str) -> str:
        name = name.replace(" ", "\u00a0")
        return name if len(name) <= 40 else name[:39] + "\u2026"

    @property
    def _step(self) -> float:
        return min(24.0, (WIDTH - GRID - 8) / max(1, len(self.names)))

    def _cell(self, drawing: Drawing, n: int, y: float, mark: str, colour: str) -> None:
        x, half = GRID + self._step * n, self._step / 2 - 1
        drawing.box(x - half, y - 8, 2 * half, 16, fill=f"{colour}-fill")
        drawing.text(x, y, mark, SIZE, anchor="middle", colour=colour, bold=True)


def _row(drawing: Drawing, y: float, tall: float, title: str, where: str, *, bad: bool) -> None:
    if bad:
        drawing.box(4, y + ROW / 2 - tall, WIDTH - 8, tall, fill="bug-fill", z=0)
    line = (4, y + ROW / 2), (WIDTH - 4, y + ROW / 2)
    drawing.line(*line, colour="rule", width=0.7, z=1)
    mark = "\u2717" if bad else "\u2713"
    drawing.text(9, y, mark, SIZE, bold=True, colour="bug" if bad else "run")
    drawing.text(26, y, title, SIZE, bold=bad)
    drawing.text(322, y, where, SMALL, colour="muted")


def without_hints(board: Scoreboard) -> Scoreboard:
    """The same scoreboard, which does not say how to catch the survivors."""
    return replace(board, caught=tuple((replace(m, hint=""), by) for m, by in board.caught))


def score(suite: Sequence[Scenario], mutants: Sequence[Mutant] = MUTANTS) -> Scoreboard:
    """Play every scenario on the correct hypervisor and on the mutants; Wrong if one cannot be read."""
    wanted = [read(scenario) for scenario in suite]
    alarms = tuple(
        n for n, scenario in enumerate(suite) if differences(wanted[n], play(scenario, FIXED))
    )
    good = [(n, scenario) for n, scenario in enumerate(suite) if n not in alarms]
    caught = tuple(
        (mutant, tuple(n for n, s in good if differences(wanted[n], play(s, mutant))))
        for mutant in mutants
    )
    return Scoreboard(tuple(str(scenario.name) for scenario in suite), caught, alarms)
