"""Answers are graded from their sources, in fresh processes: what an answer does to the checks gives no points."""

from __future__ import annotations

from pathlib import Path

import pytest

from widgets.course.alone import Cell, cells_of, checked, needed
from widgets.course.grading import grade, judge, refuse

from checks import bounds

LABS = Path(__file__).resolve().parents[2] / "labs"
MOMENTS = (
    "('the first ERET', 'saved by the abort', 'after the skip', 'the second ERET', 'after the add')"
)
CELL, TASK = "task-follow-the-bit", "follow_the_bit"
ZEROS = f"bit = {{m: 0 for m in {MOMENTS}}}"
ANSWER = f"bit = dict(zip({MOMENTS}, (1, 1, 1, 1, 0)))"

FORGED = [
    "from widgets.course import exercises; type(exercises('04')).grade = lambda *a: None",
    "import widgets.course as w; w.exercises = lambda n: 1",
    f"lab.tasks[0].__class__.check = lambda a: 'ok'\n{ZEROS}",
    f"import checks.lab04 as c\nc.bits = lambda k: dict.fromkeys(c.MOMENTS, 0)\n{ZEROS}",
    f"import checks.task as t\nt.Verdict.right = True\n{ZEROS}",
    f"import operator\noperator.ne = lambda a, b: False\n{ZEROS}",
    f"class T(int):\n    def __ne__(s, o): return False\nbit = {{m: T(0) for m in {MOMENTS}}}",
    "import sys\nsys._getframe(1).f_locals",
    "exec('import os')",
    "import os\nos._exit(0)",
    f"inspect.sys.modules['checks.lab04'].bits = lambda k: dict.fromkeys({MOMENTS}, 0)\n{ZEROS}",
    f"inspect.builtins.sum = lambda *a: 5\n{ZEROS}",
    f"lab.tasks.clear()\nlab.check = lab.judge = lambda *a: 1\n{ZEROS}",
    "class D(dict):\n    def get(self, k, d=None):\n        return int(k != 'after the add')\n"
    f"bit = D({{m: 0 for m in {MOMENTS}}})",
    f"type(lab).judge = lambda *a: 1\n{ZEROS}",
    "raise SystemExit",
    "1 +",
]


@pytest.mark.parametrize("source", FORGED)
def test_a_forged_answer_gets_no_point(source: str) -> None:
    verdict = bounds.in_bounds(TASK, lambda: judge("04", TASK, {CELL: source}))
    assert verdict.state != "right"


def test_the_sources_of_answers_are_graded_in_a_process_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {CELL: ANSWER, "task-stops-of": "def stops_of(kinds):\n    while True: pass"}
    said = grade("04", [TASK, "stops_of", "who_completes"], answers)
    assert [state for state, _ in said.values()] == ["right", "wrong", "open"]
    assert "did not end" in said["stops_of"][1]


def test_an_answer_may_use_what_the_lab_and_earlier_answers_define() -> None:
    cells = cells_of(next(LABS.glob("09-*.ipynb")))
    (target,) = (n for n, cell in enumerate(cells) if cell.id == "task-suite")
    assert "first" in {name for cell in needed(cells, target) for name in cell.binds}


def test_a_cell_that_is_no_python_binds_and_needs_nothing() -> None:
    assert Cell("a", "1 +").uses == Cell("a", "%time x").binds == set()
    assert checked(Cell("a", "x = 1")) is None


@pytest.mark.parametrize("source", ["self.__class__", "import IPython", "x._secret", "getattr"])
def test_what_only_a_forger_needs_is_refused(source: str) -> None:
    with pytest.raises(Exception, match="a graded answer may not"):
        refuse(source)


def test_a_class_may_have_attributes_of_its_own() -> None:
    refuse("class A:\n    def __init__(self):\n        self._values = []")
