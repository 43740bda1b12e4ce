"""Strips: where each of several kernels stopped in one program, a figure of labs 06 and 07.

Invariant: picture, table and sentence are made from the same rows; a mark differs in form, not only in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

from widgets.figures.figure import Figure
from widgets.models.drawing import Drawing, Point

from checks import museum
from checks.museum import Return, returns

# kind -> (form, colour, filled, what it says)
_FORMS = {
    "step": ("disc", "run", True, "stop: an instruction was stepped"),
    "spent": ("diamond", "stop", True, "stop: the step was spent before the guest was entered"),
    "fake": ("triangle", "bug", True, "stop: faked by the kernel"),
    "notified": ("disc", "run", True, "the guest's handler was notified of a stop"),
    "MMIO": ("square", "muted", False, "KVM_EXIT_MMIO with this PC"),
    "EINTR": ("plus", "muted", False, "EINTR with this PC"),
    "missing": ("cross", "bug", False, "no stop: should have stopped here"),
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

    def drawing(self) -> Drawing:
        left, column, row = 128.0, 664.0 / len(self.places), 21.0
        used = [k for k in _FORMS if any(k == m for s in self.strips for m, _ in s.marks)]
        if any(self.missing(s) for s in self.strips):
            used.append("missing")
        bottom = 17.0 * ((len(used) + 1) // 2) + 14
        height = bottom + row * len(self.strips) + 46
        drawing = Drawing((800, height))
        at = {pc: left + column * (n + 0.5) for n, (pc, _) in enumerate(self.places)}
        for pc, text in self.places:
            drawing.text(at[pc], height - 12, f"{pc:#x}", 8.5, colour="muted", anchor="middle")
            drawing.text(at[pc], height - 26, text, 8.5, anchor="middle")
        for n, strip in enumerate(self.strips):
            y = height - 46 - row * n
            drawing.text(8, y, strip.name, 9)
            drawing.line((left, y), (left + column * len(self.places), y), colour="rule", z=1)
            marks = [*strip.marks, *(("missing", pc) for pc in self.missing(strip))]
            for pc in at:
                here = [kind_ for kind_, where in marks if where == pc]
                for i, kind_ in enumerate(here):
                    _mark(drawing, at[pc] + 17 * (i - (len(here) - 1) / 2), y, kind_)
        for n, kind_ in enumerate(used):
            x, y = 16 + 400 * (n % 2), bottom - 16 - 17 * (n // 2)
            _mark(drawing, x, y, kind_)
            drawing.text(x + 14, y, _FORMS[kind_][3], 8.5)
        return drawing


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# The corners of the marks, in points from their middle.
_ARM, _DEEP = 3.5, 3.5 / 3
_PLUS = [
    *((-_DEEP, -_ARM), (_DEEP, -_ARM), (_DEEP, -_DEEP), (_ARM, -_DEEP), (_ARM, _DEEP)),
    *((_DEEP, _DEEP), (_DEEP, _ARM), (-_DEEP, _ARM), (-_DEEP, _DEEP), (-_ARM, _DEEP)),
    *((-_ARM, -_DEEP), (-_DEEP, -_DEEP)),
]
_MARKS: dict[str, list[Point]] = {
    "disc": [(4 * cos(pi * n / 12), 4 * sin(pi * n / 12)) for n in range(24)],
    "diamond": [(0, -4.9), (4.9, 0), (0, 4.9), (-4.9, 0)],
    "triangle": [(-3.5, -3.5), (3.5, -3.5), (0, 3.5)],
    "square": [(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)],
    "plus": _PLUS,
    "cross": [((x - y) * 0.85, (x + y) * 0.85) for x, y in _PLUS],
}


def _mark(drawing: Drawing, x: float, y: float, kind_: str) -> None:
    form, colour, filled, _ = _FORMS[kind_]
    corners = [(x + dx, y + dy) for dx, dy in _MARKS[form]]
    fill = colour if filled else "page"
    drawing.polygon(corners, fill=fill, edge=colour, width=1.4, z=4)


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
