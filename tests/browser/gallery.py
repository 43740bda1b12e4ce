"""Everything that a learner can see, by name: the code that shows it in a cell.

Invariant: one entry for every public class of `widgets` (a test holds it), each in a state that has something to show.
"""

from __future__ import annotations

_STORE = "from widgets.course import program\nstore = program('store')\n"
_STEPPED = "lab = StepLab(store, kernel='v4.3')\nlab.step(); lab.step()\n"
_BOTH = "both = CompareLab(store, left='v4.3', right='fixed')\nboth.step(); both.step()\n"
_IMPORT = (
    "from widgets import CompareLab, EsrLab, EsrRuler, LifeCycle, Question, RecordedRun, StepLab\n"
)

PANELS = {
    "StepLab": f"{_IMPORT}{_STORE}{_STEPPED}lab",
    "CompareLab": f"{_IMPORT}{_STORE}{_BOTH}both",
    "EsrLab": f"{_IMPORT}EsrLab(0x93800047)",
    "Question": (
        f"{_IMPORT}asked = Question('Where?', {{'here': 'Yes.', 'there': 'No: PC moved.'}}, 'here')\n"
        "asked.choose('there')\nasked"
    ),
}
FIGURES = {
    "StepFigure": f"{_IMPORT}{_STORE}{_STEPPED}lab.diagram()",
    "LifeCycle": f"{_IMPORT}LifeCycle.of('v5.3')",
    "TimelineFigure": f"{_IMPORT}{_STORE}{_BOTH}both.timeline()",
    "StopTable": f"{_IMPORT}{_STORE}{_BOTH}both.stops()",
    "EsrRuler": f"{_IMPORT}EsrRuler(0x93800047)",
    "RecordedRun": f"{_IMPORT}RecordedRun('linux-4.4.60', 'b_str')",
}
