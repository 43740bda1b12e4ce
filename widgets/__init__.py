"""What a learner sees: diagrams, timelines and panels, all read from the one event log.

Invariant: a name is imported when it is first used, so that the server extension in here costs the server nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from widgets.compare import CompareLab
    from widgets.comparefigure import StopTable
    from widgets.lifecycle import LifeCycle
    from widgets.panel import StepLab
    from widgets.question import Question
    from widgets.recorded import RecordedRun
    from widgets.ruler import EsrLab, EsrRuler
    from widgets.stepfigure import StepFigure
    from widgets.timelinefigure import TimelineFigure

_HOME = {
    "CompareLab": "widgets.compare",
    "EsrLab": "widgets.ruler",
    "EsrRuler": "widgets.ruler",
    "LifeCycle": "widgets.lifecycle",
    "Question": "widgets.question",
    "RecordedRun": "widgets.recorded",
    "StopTable": "widgets.comparefigure",
    "StepFigure": "widgets.stepfigure",
    "StepLab": "widgets.panel",
    "TimelineFigure": "widgets.timelinefigure",
}

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
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'widgets' has no attribute {name!r}")
