"""The slider over the history, with a tick where a step left for a device and where a run was stopped.

Invariant: a tick stands at the step that it is about; in a long history ticks that would touch are one.
"""

from __future__ import annotations

from collections.abc import Sequence

from aarch64sim.debug.landmarks import STOP, Landmarks

MOST_TICKS = 160  # of a kind: so many can be told apart on the line
MOST_NAMED = 12  # steps that the description names
_PLACES = {"MMIO": ("0", "5"), STOP: ("7", "12")}  # above the line, below it
_WORDS = {"MMIO": "exit to a device (MMIO)", STOP: "stop that is more than a step"}
LEGEND = "Above the line: steps with an exit to a device (MMIO). Below: breakpoints, watchpoints, the end."


def ticks(describe: str) -> str:
    """The ticks, which the page puts into the slider, and what they say; `describe` is the id of that."""
    return (
        f'<svg class="sl-ticks" data-into=".sl-history .noUi-base" data-slot="ticks" viewBox="0 0 1 12"'
        f' preserveAspectRatio="none" aria-hidden="true"><title>{LEGEND}</title>'
        '<path data-slot="ticks-MMIO" class="sl-tick-mmio" d=""/>'
        f'<path data-slot="ticks-{STOP}" class="sl-tick-stop" d=""/></svg>'
        f'<span class="sl-hidden" id="{describe}" data-slot="marks"></span>'
    )


def values(marks: Landmarks, position: int, length: int) -> dict[str, str | int | None]:
    """Ticks, and what they and the place where one stands say."""
    here = ", ".join(_WORDS[kind] for kind in marks.at(position))
    return {
        "ticks@viewBox": f"0 0 {max(1, length)} 12",
        **{f"ticks-{kind}@d": _path(kind, marks.steps(kind), length) for kind in _PLACES},
        "marks.text": (f"Step {position} of {length}: {here}. " if here else "")
        + " ".join(_described(kind, marks.steps(kind)) for kind in _PLACES),
    }


def _path(kind: str, steps: Sequence[int], length: int) -> str:
    top, bottom = _PLACES[kind]
    least, last, parts = length / MOST_TICKS, float("-inf"), []
    for step in steps:
        if step - last >= least:
            parts.append(f"M{step} {top}V{bottom}")
            last = step
    return "".join(parts)


def _described(kind: str, steps: Sequence[int]) -> str:
    if not steps:
        return f"No {_WORDS[kind]}."
    named = ", ".join(str(step) for step in steps[:MOST_NAMED])
    return f"{_WORDS[kind][0].upper() + _WORDS[kind][1:]} at {named}{' and more' if len(steps) > MOST_NAMED else ''}."
