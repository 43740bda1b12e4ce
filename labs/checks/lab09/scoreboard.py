"""The scoreboard of lab 09: which scenario of a suite catches which mutant, and which mutants survive.

Invariant: a scenario that fails on the correct hypervisor catches nothing; it is a false alarm, and said to be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from checks.lab09.mutants import FIXED, MUTANTS, Mutant
from checks.lab09.scenario import Scenario, differences, play, read
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.patches import Rectangle

from widgets.figures.figure import Figure
from widgets.figures.render import canvas
from widgets.models.theme import LIGHT

WIDTH, ROW, HINT_ROW, GRID = 760.0, 21.0, 36.0, 484.0


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
    def sentence(self) -> str:
        count, many = len(self.caught) - len(self.survivors), len(self.names)
        text = f"Scoreboard: {many} scenario{'s' if many != 1 else ''}, {count} of {len(self.caught)} mutants caught."
        if self.alarms:
            text += f" False alarm on the correct hypervisor: {', '.join(self.names[n] for n in self.alarms)}."
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

    def draw(self) -> MplFigure:
        legend = wrap(
            "   ".join(f"{n}\u00a0{self._short(name)}" for n, name in enumerate(self.names, 1)), 112
        )
        heights = [ROW] + [ROW if by else HINT_ROW for _, by in self.caught]
        height = sum(heights) + 2 * ROW + 15 * len(legend) + 22
        figure, axes = canvas((WIDTH, height))
        y = height - 14
        self._text(
            axes,
            8,
            y,
            self.sentence.split(". ")[0].removesuffix(".") + ".",
            weight="bold",
            fontsize=10.5,
        )
        y -= ROW
        for x, title in ((26, "hypervisor"), (322, "made by")):
            self._text(axes, x, y, title, color=LIGHT["muted"])
        step = self._step
        for n in range(len(self.names)):
            self._text(axes, GRID + step * n, y, str(n + 1), ha="center", color=LIGHT["muted"])
        y -= ROW
        self._row(
            axes,
            y,
            ROW,
            "\u2717" if self.alarms else "\u2713",
            "the correct one",
            "",
            bool(self.alarms),
        )
        for n in range(len(self.names)):
            alarm = n in self.alarms
            self._cell(axes, n, y, "!" if alarm else "\u00b7", "bug" if alarm else "run")
        if self.alarms:
            self._text(axes, 322, y, "a false alarm: !", color=LIGHT["bug"])
        y -= ROW
        for (mutant, by), tall in zip(self.caught, heights[1:], strict=True):
            self._row(
                axes, y, tall, "\u2713" if by else "\u2717", mutant.title, mutant.where, not by
            )
            for n in by:
                self._cell(axes, n, y, "\u2713", "run")
            if not by:
                self._text(axes, 40, y - 15, f"hint: {mutant.hint}", style="italic", fontsize=8.6)
            y -= tall
        for line in legend:
            self._text(axes, 8, y - 2, line, fontsize=8.6, color=LIGHT["muted"])
            y -= 15
        return figure

    @staticmethod
    def _short(name: str) -> str:
        name = name.replace("$", r"\$").replace(" ", "\u00a0")
        return name if len(name) <= 40 else name[:39] + "\u2026"

    @property
    def _step(self) -> float:
        return min(24.0, (WIDTH - GRID - 8) / max(1, len(self.names)))

    def _row(
        self, axes: Axes, y: float, tall: float, mark: str, title: str, where: str, bad: bool
    ) -> None:
        if bad:
            box = Rectangle((4, y + ROW / 2 - tall), WIDTH - 8, tall)
            box.set(facecolor=LIGHT["bug-fill"], edgecolor="none", zorder=0)
            axes.add_patch(box)
        axes.plot([4, WIDTH - 4], [y + ROW / 2] * 2, color=LIGHT["rule"], linewidth=0.7, zorder=1)
        self._text(axes, 9, y, mark, weight="bold", color=LIGHT["bug" if bad else "run"])
        self._text(axes, 26, y, title, weight="bold" if bad else "normal")
        self._text(axes, 322, y, where, color=LIGHT["muted"], fontsize=8.6)

    def _cell(self, axes: Axes, n: int, y: float, mark: str, colour: str) -> None:
        half = self._step / 2 - 1
        box = Rectangle((GRID + self._step * n - half, y - 8), 2 * half, 16)
        box.set(facecolor=LIGHT[f"{colour}-fill"], edgecolor="none", zorder=1)
        axes.add_patch(box)
        self._text(
            axes, GRID + self._step * n, y, mark, ha="center", color=LIGHT[colour], weight="bold"
        )

    @staticmethod
    def _text(axes: Axes, x: float, y: float, words: str, **style: Any) -> None:
        plain: dict[str, Any] = {"fontsize": 9.2, "va": "center", "color": LIGHT["ink"]}
        axes.text(x, y, words, **(plain | {"zorder": 3} | style))


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
