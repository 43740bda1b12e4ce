"""What a learner sees: diagrams, timelines and panels, all read from the one event log.

Invariant: a name is imported when it is first used, so that the server extension in here costs the server nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.course.question import Question
    from widgets.figures.comparefigure import StopTable
    from widgets.figures.lifecycle import LifeCycle
    from widgets.figures.recorded import RecordedRun
    from widgets.figures.ruler import EsrLab, EsrRuler
    from widgets.figures.stepfigure import StepFigure
    from widgets.figures.timelinefigure import TimelineFigure
    from widgets.panel.comparelab import CompareLab
    from widgets.panel.steplab import StepLab

_HOME = {
    "CompareLab": "widgets.panel.comparelab",
    "EsrLab": "widgets.figures.ruler",
    "EsrRuler": "widgets.figures.ruler",
    "LifeCycle": "widgets.figures.lifecycle",
    "Question": "widgets.course.question",
    "RecordedRun": "widgets.figures.recorded",
    "StopTable": "widgets.figures.comparefigure",
    "StepFigure": "widgets.figures.stepfigure",
    "StepLab": "widgets.panel.steplab",
    "TimelineFigure": "widgets.figures.timelinefigure",
}

_LIVE = {"CompareLab", "EsrLab", "Question", "StepLab"}  # what shows widgets

__all__ = [
    "CompareLab",
    "EsrLab",
    "EsrRuler",
    "LifeCycle",
    "Question",
    "RecordedRun",
    "StepFigure",
    "StepLab",
    "StopTable",
    "TimelineFigure",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        import_module("widgets.course.mistyped").shorten()
        if name in _LIVE:
            import_module("widgets.page.guard").warm_up()
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'widgets' has no attribute {name!r}")
