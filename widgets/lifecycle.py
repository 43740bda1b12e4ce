"""The life of one KVM_RUN: who runs, who waits, where SS is armed, where the PC moves and SS is cleared.

Invariant: the boxes stand where they stand for every kernel; what a kernel does differently are the flags on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from aarch64sim.events import Event
from aarch64sim.kvm.kernels import Kernel, PcAdvance, SkipApplied, kernels
from widgets.figure import Figure
from widgets.lifestages import ARROWS, BOXES, GROUNDS, SIZE, Box, way
from widgets.render import canvas
from widgets.theme import LIGHT

FONT = 10.5


@dataclass(frozen=True, repr=False)
class LifeCycle(Figure):
    """The life cycle under one kernel; `events` light the boxes that they belong to, numbered in order."""

    kernel: Kernel
    events: tuple[Event, ...] = ()
    name = "kvm-run"

    @classmethod
    def of(cls, kernel: str | Kernel, events: Iterable[Event] = ()) -> LifeCycle:
        """For a kernel by name, with the events of a step."""
        return cls(kernels[kernel] if isinstance(kernel, str) else kernel, tuple(events))

    @property
    def skip_at(self) -> str:
        """The box in which the PC moves over an access that userspace emulates."""
        if self.kernel.skip_applied is SkipApplied.AT_NEXT_ENTRY:
            return "adjust"
        return "handle" if self.kernel.pc_advance is PcAdvance.BEFORE_EXIT else "complete"

    @property
    def skip_text(self) -> str:
        """What happens there."""
        return "PC += 4, SS := 0" if self.kernel.skip_clears_ss else "PC += 4, SS kept"

    @property
    def late(self) -> bool:
        """SS is not 0 when the guest is entered after a skip."""
        return not (self.skip_at == "adjust" and self.kernel.skip_clears_ss)

    @property
    def numbers(self) -> dict[str, str]:
        """The order in which the boxes were visited by the events."""
        visited: dict[str, list[int]] = {}
        order = 0
        last = ""
        for event in self.events:
            box = self._box_of(event)
            if box and box != last:
                order += 1
                visited.setdefault(box, []).append(order)
                last = box
        return {name: ", ".join(map(str, places[:3])) for name, places in visited.items()}

    @property
    def path(self) -> set[tuple[str, str]]:
        """The arrows that the events went along, the stages that write no event included."""
        visited = [box for box in map(self._box_of, self.events) if box]
        taken: set[tuple[str, str]] = set()
        for source, target in pairwise(visited):
            if source != target:
                taken |= set(pairwise(way(source, target)))
        return taken

    def _box_of(self, event: Event) -> str:
        if event.what == "skip":
            return self.skip_at
        return next((box.name for box in BOXES if event.what in box.events), "")

    @property
    def sentence(self) -> str:
        place = {
            "handle": "while it handles the exit",
            "complete": "when it completes the access",
            "adjust": "after it has armed the step",
        }
        result = (
            "so the guest is entered with SS = 1, and a second instruction runs"
            if self.late
            else "so the guest is entered with SS = 0, and stops at once"
        )
        if self.kernel.fake_debug_exit:
            result = "and pretends a step, so that the debugger stops without an entry"
        moved = f"KVM moves the PC over an emulated access {place[self.skip_at]}"
        return f"{self.kernel.title}: {moved} ({self.skip_text}), {result}."

    @property
    def header(self) -> tuple[str, ...]:
        return ("stage", "who", "does", "flag", "visited")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                box.name,
                box.who,
                " ".join(box.text),
                self._flag(box.name),
                self.numbers.get(box.name, ""),
            )
            for box in BOXES
        ]

    def _flag(self, name: str) -> str:
        return self.skip_text if name == self.skip_at else ""

    def draw(self) -> MplFigure:
        figure, axes = canvas(SIZE)
        for level, (name, left, low, width, height, at) in enumerate(GROUNDS):
            ground = FancyBboxPatch(
                (left, low), width, height, boxstyle="round,pad=0,rounding_size=8"
            )
            ground.set(
                facecolor=LIGHT["surface"], edgecolor=LIGHT["rule"], linewidth=1, zorder=level / 4
            )
            axes.add_patch(ground)
            axes.text(
                *at,
                name,
                fontsize=FONT,
                weight="bold",
                ha="center",
                va="center",
                color=LIGHT["muted"],
            )
        return self._finish(figure, axes)

    def _finish(self, figure: MplFigure, axes: Axes) -> MplFigure:
        numbers, path = self.numbers, self.path
        for source, target, start, end, bend, label, at in ARROWS:
            lit = (source, target) in path
            style = f"arc3,rad={bend}"
            if (source, target) == ("return", "answer"):
                self._return_arrow(axes, lit)
            else:
                axes.add_patch(_arrow(start, end, style, lit))
            if label:
                ha = "left" if label.startswith("to") else "center"
                axes.text(
                    *at,
                    label,
                    fontsize=FONT - 1,
                    ha=ha,
                    va="bottom" if ha == "center" else "center",
                    color=LIGHT["muted"],
                    style="italic",
                )
        for box in BOXES:
            self._draw_box(axes, box, numbers.get(box.name, ""))
        self._draw_flag(axes)
        return figure

    def _return_arrow(self, axes: Axes, lit: bool) -> None:
        colour, width = LIGHT["ink" if lit else "line"], 2.6 if lit else 1.3
        axes.plot(
            [512, 512, 184, 184], [301, 322, 322, 204], color=colour, linewidth=width, zorder=1
        )
        axes.add_patch(_arrow((184, 204), (167, 204), "arc3,rad=0", lit))

    def _draw_box(self, axes: Axes, box: Box, number: str) -> None:
        (x, y), (w, h) = box.at, box.size
        colour = {"userspace": "stop", "kernel": "here", "guest": "run"}[box.who]
        patch = FancyBboxPatch(
            (x - w / 2, y - h / 2),
            w,
            h,
            boxstyle=f"round,pad=0,rounding_size={14 if box.who == 'guest' else 5}",
        )
        patch.set(
            facecolor=LIGHT[f"{colour}-fill" if number else "page"],
            edgecolor=LIGHT[colour if number else "line"],
            linewidth=2.4 if number else 1.2,
            zorder=3,
        )
        axes.add_patch(patch)
        for line, text in enumerate(box.text):
            axes.text(
                x,
                y + 7.5 * (len(box.text) - 1) - 15 * line,
                text,
                fontsize=FONT,
                ha="center",
                va="center",
                color=LIGHT["ink"],
                zorder=4,
            )
        if number:
            half = 8 + 4.0 * (len(number) - 1) / 2
            left = x - w / 2 - 4
            disc = FancyBboxPatch(
                (left, y + h / 2 - 8), 2 * half, 16, boxstyle="round,pad=0,rounding_size=7.9"
            )
            disc.set(facecolor=LIGHT["badge"], edgecolor=LIGHT["page"], linewidth=1.2, zorder=6)
            axes.add_patch(disc)
            axes.text(
                left + half,
                y + h / 2 - 0.3,
                number,
                fontsize=FONT - 1.5,
                weight="bold",
                ha="center",
                va="center",
                color=LIGHT["badge-ink"],
                zorder=7,
            )

    def _draw_flag(self, axes: Axes) -> None:
        box = next(box for box in BOXES if box.name == self.skip_at)
        colour = "bug" if self.late and not self.kernel.fake_debug_exit else "run"
        mark = "\u2715 " if colour == "bug" else "\u2713 "
        x, y = box.at[0], box.at[1] - box.size[1] / 2 - 1
        flag = FancyBboxPatch((x - 64, y - 15), 128, 17, boxstyle="round,pad=0,rounding_size=3")
        flag.set(
            facecolor=LIGHT[f"{colour}-fill"], edgecolor=LIGHT[colour], linewidth=1.4, zorder=5
        )
        flag.set_linestyle((0, (3, 2)) if colour == "bug" else "solid")
        axes.add_patch(flag)
        axes.text(
            x,
            y - 6.8,
            mark + self.skip_text,
            fontsize=FONT - 1,
            weight="bold",
            ha="center",
            va="center",
            color=LIGHT["bug" if colour == "bug" else "ink"],
            zorder=6,
        )


def _arrow(
    start: tuple[float, float], end: tuple[float, float], style: str, lit: bool
) -> FancyArrowPatch:
    return FancyArrowPatch(
        start,
        end,
        connectionstyle=style,
        arrowstyle="-|>,head_length=0.5,head_width=0.26",
        mutation_scale=14,
        shrinkA=0,
        shrinkB=0,
        linewidth=2.6 if lit else 1.3,
        color=LIGHT["ink" if lit else "line"],
        zorder=2,
    )
