"""Draw labs/images/speed.svg, the README's chart of speeds, from tests/benchmarks/figures.json.

Invariant: every bar is a figure of that file, which `python -m tests.benchmarks.bench_cpu --record` and `bench_gdb
--record` write; the same file gives the same picture.

    python -m tools.speed            draw it
    python -m tools.speed --check    compare with what is there, write nothing
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from tools.committed import ROOT, asked_to_check, settle
from widgets.figures.svg_writer import file_svg
from widgets.models.drawing import Drawing

FIGURES = ROOT / "tests" / "benchmarks" / "figures.json"
CHART = ROOT / "labs" / "images" / "speed.svg"

# What is compared with what: section of the file, ours, the other, and what both do.
ROWS = (
    ("instructions", "ours run", "Unicorn hook", "a run; in Unicorn, with a hook that sees each instruction"),
    ("instructions", "ours step() + look", "Unicorn hook + reg_read", "a register read at each instruction"),
    ("instructions", "ours step()", "Unicorn count=1", "one call for each instruction"),
    ("instructions", "ours KVM_RUN per step", "Unicorn count=1", "one KVM_RUN for each instruction"),
    ("gdb steps", "ours", "QEMU's", "one step of gdb's protocol (stepi)"),
)  # fmt: skip
WIDTH, LEFT, ROW, TOP = 560.0, 20.0, 44.0, 46.0
LEAST, MOST = 1e3, 1e8  # a second, at the ends of the scale


def main(arguments: list[str] | None = None) -> int:
    """Draw or check; the exit status is 1 on a difference."""
    check = asked_to_check(__doc__, arguments)
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    drawn = file_svg(chart(figures), title=sentence(figures)) + "\n"
    return settle(
        CHART,
        drawn.encode(),
        check=check,
        same=f"labs/images/{CHART.name}: {'is drawn from the figures' if check else 'unchanged'}",
        other=f"labs/images/{CHART.name}: differs from the figures; run make labs",
        written=f"labs/images/{CHART.name}: written",
    )


def rows(figures: dict[str, Any]) -> list[tuple[str, str, float, str, float]]:
    """What both do, and each one's name and speed; rows of which the file lacks a figure are left out."""
    found = []
    for section, ours, other, what in ROWS:
        known = figures["per second"].get(section, {})
        if ours in known and other in known:
            name = (
                other
                if other.startswith("Unicorn")
                else f"{other.removesuffix(chr(39) + 's')} gdbstub"
            )
            found.append((what, "this simulator", known[ours], name, known[other]))
    return found


def sentence(figures: dict[str, Any]) -> str:
    """The chart in words."""
    parts = [
        f"{what}: {words(mine)}, {name} {words(theirs)}"
        for what, _, mine, name, theirs in rows(figures)
    ]
    return f"Instructions a second. {'; '.join(parts)}. {where(figures)}."


def where(figures: dict[str, Any]) -> str:
    """What was measured, and on what."""
    return f"Geometric mean of four small programs; {figures['machine']}, {figures['python']}"


def words(speed: float) -> str:
    """A speed for people, with two digits that mean something."""
    if speed >= 1e6:
        return f"{speed / 1e6:.1f} million"
    return f"{speed / 1e3:.0f},000" if speed >= 10_000 else f"{speed:,.0f}"


def chart(figures: dict[str, Any]) -> Drawing:
    """Two bars a row, on one scale of powers of ten."""
    table = rows(figures)
    height = TOP + ROW * len(table) + 22
    drawing = Drawing((WIDTH, height))
    drawing.text(
        LEFT, height - 14, "Instructions a second, on a scale of powers of ten", 10, bold=True
    )
    drawing.text(LEFT, height - 29, where(figures), 8, colour="muted")
    bottom = 20.0
    for power in range(round(math.log10(LEAST)), round(math.log10(MOST)) + 1):
        x = place(10.0**power)
        drawing.line((x, bottom), (x, height - TOP + 4), colour="rule", width=0.6, z=0)
        drawing.text(x, bottom - 9, _power(power), 7, colour="muted", anchor="middle")
    for number, (what, ours, mine, name, theirs) in enumerate(table):
        y = height - TOP - ROW * number
        drawing.text(LEFT, y - 6, what, 8)
        for shift, who, speed, role in ((19, ours, mine, "run"), (32, name, theirs, "line")):
            length = place(speed) - LEFT
            drawing.box(LEFT, y - shift - 5, length, 10, fill=role, edge="")
            label = f"{who}: {words(speed)}"
            drawing.text(place(speed) + 4, y - shift, label, 7.5, ground="page")
    return drawing


def place(speed: float) -> float:
    """Where a speed is on the scale."""
    share = math.log(speed / LEAST) / math.log(MOST / LEAST)
    return LEFT + (WIDTH - 2 * LEFT - 90) * share


def _power(power: int) -> str:
    return f"{10**power:,}" if power < 6 else f"{10 ** (power - 6)} million"


if __name__ == "__main__":
    sys.exit(main())
