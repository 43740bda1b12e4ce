"""The life cycle of KVM_RUN drawn: stages and arrows, flags, and a strip that says who runs and who waits.

Invariant: every line of the strip and every flag stands in the table of the figure, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from widgets.figures.machinedrawing import half_width
from widgets.models.drawing import DASHED, Arrow, Drawing
from widgets.models.lifestages import ARROWS, BOXES, GROUNDS, LIFT, SIZE, Box, Flag
from widgets.models.visits import Visit

FONT = 10.5
COLOURS = {"userspace": "stop", "kernel": "here", "guest": "run"}
FLAGS = {"plain": ("run", ""), "right": ("run", "\u2713 "), "wrong": ("bug", "\u2715 ")}
STRIP_LEFT, STRIP_ROW, MOST_VISITS = 84.0, 19.0, 20
ROUND_THE_OUTSIDE = (512, 301), (512, 322), (184, 322), (184, 204)  # from "return" to "answer"


def draw(
    title: str,
    flags: Sequence[Flag],
    visits: Sequence[Visit],
    numbers: Mapping[str, str],
    path: Collection[tuple[str, str]],
) -> Drawing:
    """The whole figure."""
    drawing, stages = Drawing(SIZE), Drawing((SIZE[0], SIZE[1] - LIFT))
    _grounds(stages)
    for arrow in ARROWS:
        _arrow(stages, arrow, (arrow[0], arrow[1]) in path)
    for box in BOXES:
        _box(stages, box, numbers.get(box.name, ""))
    for flag in flags:
        _flag(stages, flag)
    drawing.place(stages, 0, LIFT)
    drawing.text(8, SIZE[1] - 14, title, FONT + 1.5, bold=True)
    _strip(drawing, visits)
    return drawing


def _grounds(drawing: Drawing) -> None:
    for level, (name, left, low, width, height, at) in enumerate(GROUNDS):
        style: dict[str, Any] = {"fill": "surface", "edge": "rule", "z": level / 4}
        drawing.box(left, low, width, height, radius=8, **style)
        drawing.text(*at, name, FONT, bold=True, colour="muted", anchor="middle")


def _arrow(drawing: Drawing, arrow: tuple[Any, ...], lit: bool) -> None:
    source, target, start, end, bend, label, at = arrow
    style: dict[str, Any] = {"colour": "ink" if lit else "line", "width": 2.6 if lit else 1.3}
    if (source, target) == ("return", "answer"):
        drawing.line(*ROUND_THE_OUTSIDE, z=1, **style)
        start, end = ROUND_THE_OUTSIDE[-1], (167, 204)
    said = f"arrow: {'taken' if lit else 'not taken'}"
    drawing.add(Arrow(start=start, end=end, bend=bend, head=14, says=(said,), **style))
    if label:
        words: dict[str, Any] = {"colour": "muted", "italic": True}
        if label != "to userspace":
            words |= {"anchor": "middle", "level": "bottom"}
        drawing.text(at[0], at[1], label, FONT - 1, **words)


def _box(drawing: Drawing, box: Box, number: str) -> None:
    (x, y), (w, h) = box.at, box.size
    colour = COLOURS[box.who]
    drawing.box(
        *(x - w / 2, y - h / 2, w, h),
        stroke=2.4 if number else 1.2,
        radius=14 if box.who == "guest" else 5,
        fill=f"{colour}-fill" if number else "page",
        edge=colour if number else "line",
        z=3,
        says=(f"stage: {'visited' if number else 'not visited'}",),
    )
    for line, text in enumerate(box.text):
        place = y + 7.5 * (len(box.text) - 1) - 15 * line
        drawing.text(x, place, text, FONT, anchor="middle", z=4)
    if number:
        _badge(drawing, x - w / 2 - 4, y + h / 2, number)


def _badge(drawing: Drawing, left: float, y: float, number: str) -> None:
    half, size = half_width(number, FONT - 1.5), FONT - 1.5
    disc: dict[str, Any] = {"fill": "badge", "edge": "page", "stroke": 1.2, "z": 6}
    drawing.box(left, y - 8, 2 * half, 16, radius=7.9, **disc)
    style: dict[str, Any] = {"bold": True, "colour": "badge-ink", "anchor": "middle", "z": 7}
    drawing.text(left + half, y - 0.3, number, size, says=("stage: visited",), **style)


def _flag(drawing: Drawing, flag: Flag) -> None:
    box = next(box for box in BOXES if box.name == flag.stage)
    colour, mark = FLAGS[flag.kind]
    wrong = flag.kind == "wrong"
    half = (3.3 if mark else 2.9) * len(mark + flag.text) + 6
    x, y = box.at[0], box.at[1] - box.size[1] / 2 - 1
    drawing.box(
        *(x - half, y - 15, 2 * half, 17),
        stroke=1.4,
        radius=3,
        fill=f"{colour}-fill",
        edge=colour,
        dash=DASHED if wrong else (),
        z=5,
        says=(f"flag: {'wrong' if wrong else 'right'}",),
    )
    style: dict[str, Any] = {"colour": "bug" if wrong else "ink", "anchor": "middle", "z": 6}
    drawing.text(x, y - 6.8, mark + flag.text, FONT - 1.5, bold=bool(mark), **style)


def _strip(drawing: Drawing, visits: Sequence[Visit]) -> None:
    """A row for each party: a box with the number of the visit where it runs, a line where it waits."""
    shown = visits[:MOST_VISITS]
    hidden = len(visits) - len(shown)
    more = f" (and {hidden} more)" if hidden else ""
    words = "who runs: a box with the number of the stage; who waits: a line" + more
    drawing.text(STRIP_LEFT, LIFT - 12, words, FONT - 1.5, italic=True, colour="muted")
    step = min(46.0, (SIZE[0] - STRIP_LEFT - 12) / max(len(shown), 1))
    for row, party in enumerate(COLOURS):
        y = LIFT - 32 - row * STRIP_ROW
        drawing.text(STRIP_LEFT - 8, y, party, FONT - 1, anchor="end")
        for place, visit in enumerate(shown):
            _party(drawing, party, visit, STRIP_LEFT + place * step, y, step)


def _party(drawing: Drawing, party: str, visit: Visit, x: float, y: float, step: float) -> None:
    who = {box.name: box.who for box in BOXES}
    if who[visit.stage] != party:
        drawing.line((x, y), (x + step, y), width=1.2, says=("party: waits",))
        return
    colour = COLOURS[party]
    style: dict[str, Any] = {"fill": f"{colour}-fill", "edge": colour, "stroke": 1.3, "z": 3}
    radius = 7.9 if party == "guest" else 1
    drawing.box(x + 1, y - 8, step - 2, 16, radius=radius, says=("party: runs",), **style)
    drawing.text(x + step / 2, y - 0.4, str(visit.number), FONT - 2, anchor="middle", z=4)
