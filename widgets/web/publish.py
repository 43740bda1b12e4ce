"""What a lab's cells leave for a page with no Jupyter: histories for panels, texts for questions, SVG for figures.

Invariant: a history is given only if it says, where the panel stands, what the panel says.
"""

from __future__ import annotations

from typing import Any

from aarch64sim.debug import Debugger
from aarch64sim.kvm import Kernel
from widgets.course.question import Question, marked
from widgets.figures.figure import Figure
from widgets.figures.recorded import RecordedRun
from widgets.figures.ruler import EsrLab
from widgets.figures.svg_writer import page_svg
from widgets.models.drawing import Drawing
from widgets.panel.comparelab import CompareLab
from widgets.panel.steplab import StepLab
from widgets.web.guest import Guest
from widgets.web.history import FRONT_KERNELS, history

MIME = "application/vnd.step-labs.page+json"


def enable(shell: Any) -> None:
    """From now on an IPython shell displays for a page: every such output has `MIME`."""
    bundles = shell.display_formatter.mimebundle_formatter
    for kind, made in {
        Figure: lambda figure: {"kind": "html", "html": figure.page_html()},
        EsrLab: lambda lab: {"kind": "html", "html": lab.figure.page_html()},
        Question: _question,
        StepLab: _panel,
        CompareLab: _comparison,
    }.items():
        bundles.for_type(kind, lambda it, made=made, **_: {MIME: made(it), "text/plain": repr(it)})
    bundles.for_type(RecordedRun, lambda run, **_: run._repr_mimebundle_())


def _question(question: Question) -> dict[str, Any]:
    answers = [(marked(each), marked(question.response(each))) for each in question.answers]
    return {"kind": "question", "text": marked(question.text), "answers": answers}


def _held(debugger: Debugger, others: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """The history that leads to where a debugger stands; None if a plain start does not lead there."""
    own = debugger.kernel
    names: list[str | Kernel] = [own, *(name for name in others if name != own.name)]
    again = Debugger(debugger.program.source, own)
    while again.position < debugger.position and not again.ended:
        again.step()
    shown, wanted = (Guest(each).frame() for each in (again, debugger))
    if shown != wanted:
        return None
    return history(debugger.program.source, names, at=debugger.position)


def _picture(drawing: Drawing, words: str) -> str:
    return f'<div class="sl-drawing">{page_svg(drawing, words)}</div>'


def _panel(lab: StepLab) -> dict[str, Any]:
    held = _held(lab.debugger, FRONT_KERNELS)
    if held is None:
        return {"kind": "html", "html": _picture(lab.drawing(), repr(lab))}
    return {"kind": "panels", "html": "", "held": [held]}


def _comparison(lab: CompareLab) -> dict[str, Any]:
    held = [_held(debugger) for debugger in lab.debuggers]
    kept = [one for one in held if one is not None]
    picture = _picture(lab.drawing(), repr(lab))
    return {"kind": "panels", "html": picture, "held": kept if len(kept) == len(held) else []}
