"""Strips: where each of several kernels stopped in one program, a figure of labs 06 and 07.

Invariant: picture, table and sentence are made from the same rows; a mark differs in form, not only in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from checks import museum
from checks.museum import Return, returns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure

from widgets.figures.figure import Figure
from widgets.figures.render import canvas
from widgets.models.theme import LIGHT

# kind -> (form, colour, filled, what it says)
_FORMS = {
    "step": ("o", "run", True, "stop: an instruction was stepped"),
    "spent": ("D", "stop", True, "stop: the step was spent before the guest was entered"),
    "fake": ("^", "bug", True, "stop: faked by the kernel"),
    "told": ("o", "run", True, "the guest's handler was notified of a stop"),
    "MMIO": ("s", "muted", False, "KVM_EXIT_MMIO with this PC"),
    "EINTR": ("P", "muted", False, "EINTR with this PC"),
    "missing": ("X", "bug", False, "no stop: should have stopped here"),
}
_KINDS = {0xCB: "step", 0xCA: "spent", 0xC8: "fake"}


def kind(one: Return) -> str:
    """What a return of KVM_RUN is, in a word: step, spent, fake, MMIO, EINTR ..."""
    return _KINDS.get((one.hsr or 0) >> 24, one.reason) if one.reason == "DEBUG" else one.reason


@dataclass(frozen=True, slots=True)
class Strip:
    """One row: a name, and (kind, PC) in the order in which it happened."""

    name: str
    marks: Sequence[tuple[str, int]]


@dataclass(frozen=True, repr=False)
class Strips(Figure):
    """Where each of several kernels stopped in one program; `places` are its (address, instruction), in order.

    A place between the first and the last mark of a stop that has none is a missing stop, drawn as such.
    """

    title: str
    places: Sequence[tuple[int, str]]
    strips: Sequence[Strip]
    first: int  # from here on every place should have a stop
    name = "strips"

    def missing(self, strip: Strip) -> list[int]:
        """The places of this strip at which there should be a stop, and is none."""
        seen = {pc for kind_, pc in strip.marks if kind_ not in ("MMIO", "EINTR")}
        return [pc for pc, _ in self.places if pc >= self.first and pc not in seen]

    @property
    def sentence(self) -> str:
        parts = []
        lost = [(s.name, self.missing(s)) for s in self.strips]
        for place in sorted({pc for _, pcs in lost for pc in pcs}):
            names = [name for name, pcs in lost if place in pcs]
            parts.append(f"There is no stop at {place:#x} in {_listed(names)}.")
        fakes = [s.name for s in self.strips if any(k == "fake" for k, _ in s.marks)]
        if fakes:
            parts.append(f"Stops that the kernel faked are in {_listed(fakes)}.")
        return f"{self.title}: {len(self.strips)} strips. " + (
            " ".join(parts) or "No stop is missing."
        )

    @property
    def header(self) -> tuple[str, ...]:
        return ("", "what came back, and its PC", "missing")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                strip.name,
                " ".join(f"{kind_} {pc:#x}" for kind_, pc in strip.marks),
                " ".join(f"{pc:#x}" for pc in self.missing(strip)),
            )
            for strip in self.strips
        ]

    def draw(self) -> MplFigure:
        left, column, row = 128.0, 664.0 / len(self.places), 21.0
        used = [k for k in _FORMS if any(k == m for s in self.strips for m, _ in s.marks)]
        if any(self.missing(s) for s in self.strips):
            used.append("missing")
        bottom = 17.0 * ((len(used) + 1) // 2) + 14
        height = bottom + row * len(self.strips) + 46
        figure, axes = canvas((800, height))
        at = {pc: left + column * (n + 0.5) for n, (pc, _) in enumerate(self.places)}
        for pc, text in self.places:
            text_at(axes, at[pc], height - 12, f"{pc:#x}", size=8.5, colour="muted", align="center")
            text_at(axes, at[pc], height - 26, text, size=8.5, align="center")
        for n, strip in enumerate(self.strips):
            y = height - 46 - row * n
            text_at(axes, 8, y, strip.name, size=9)
            axes.plot(
                [left, left + column * len(self.places)],
                [y, y],
                color=LIGHT["rule"],
                linewidth=1,
                zorder=1,
            )
            marks = [*strip.marks, *(("missing", pc) for pc in self.missing(strip))]
            for pc in at:
                here = [kind_ for kind_, where in marks if where == pc]
                for i, kind_ in enumerate(here):
                    _mark(axes, at[pc] + 17 * (i - (len(here) - 1) / 2), y, kind_)
        for n, kind_ in enumerate(used):
            x, y = 16 + 400 * (n % 2), bottom - 16 - 17 * (n // 2)
            _mark(axes, x, y, kind_)
            text_at(axes, x + 14, y, _FORMS[kind_][3], size=8.5)
        return figure


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def text_at(
    axes: Axes, x: float, y: float, text: str, *, size: float, colour: str = "ink", **how: Any
) -> None:
    axes.text(
        x,
        y,
        text,
        fontsize=size,
        color=LIGHT[colour],
        va="center",
        ha=how.pop("align", "left"),
        zorder=5,
        **how,
    )


def _mark(axes: Axes, x: float, y: float, kind_: str) -> None:
    form, colour, filled, _ = _FORMS[kind_]
    axes.plot(
        [x],
        [y],
        marker=form,
        markersize=8 if form in "oX" else 7,
        markerfacecolor=LIGHT[colour] if filled else LIGHT["page"],
        markeredgecolor=LIGHT[colour],
        markeredgewidth=1.4,
        linestyle="none",
        zorder=4,
    )


def store_strips(kernels: Sequence[str], scenario: str = "b_str") -> Strips:
    """What the recorded kernels did in store.s: every return of KVM_RUN but the last, which ends the guest."""
    first = museum.recorded(kernels[0], scenario)
    places = [(i.address, i.text) for i in first.program]
    strips = [
        Strip(
            name,
            [
                (kind(one), one.pc)
                for one in returns(museum.recorded(name, scenario))
                if not one.last
            ],
        )
        for name in kernels
    ]
    return Strips("store.s on real kernels", places, strips, places[1][0])
