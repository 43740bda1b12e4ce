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


def html(describe: str = "") -> str:
    """The slider; `describe` is the id for the description of the ticks, "" for a slider without."""
    ticks = (
        f'<svg class="sl-ticks" data-slot="ticks" viewBox="0 0 1 12" preserveAspectRatio="none" aria-hidden="true">'
        '<path data-slot="ticks-MMIO" class="sl-tick-mmio" d=""/>'
        f'<path data-slot="ticks-{STOP}" class="sl-tick-stop" d=""/></svg>'
        if describe
        else ""
    )
    described = f' aria-describedby="{describe}"' if describe else ""
    note = f'<span class="sl-hidden" id="{describe}" data-slot="marks"></span>' if describe else ""
    title = f' title="{LEGEND}"' if describe else ""
    return (
        f'<label class="sl-history"{title}><span class="sl-position" data-slot="position"></span>'
        f'<span class="sl-line-of-steps">{ticks}'
        '<input type="range" min="0" max="0" value="0" step="1" data-set="goto" data-slot="history"'
        f' aria-label="position in the history"{described}></span></label>{note}'
    )


def values(marks: Landmarks, position: int, length: int) -> dict[str, str | int | None]:
    """Ticks, their description, and what the slider says of where it stands."""
    here = ", ".join(_WORDS[kind] for kind in marks.at(position))
    return {
        "ticks@viewBox": f"0 0 {max(1, length)} 12",
        **{f"ticks-{kind}@d": _path(kind, marks.steps(kind), length) for kind in _PLACES},
        "history@aria-valuetext": f"step {position} of {length}" + (f", {here}" if here else ""),
        "marks.text": " ".join(_described(kind, marks.steps(kind)) for kind in _PLACES),
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
    return (
        f"{_WORDS[kind].capitalize()} at {named}{' and more' if len(steps) > MOST_NAMED else ''}."
    )
