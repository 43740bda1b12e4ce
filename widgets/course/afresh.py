"""nbgrader's step that runs what was handed in, made anew: answers are graded from their sources (`grading`).

Invariant: no cell of a learner's notebook is executed here. A graded cell shows its verdict, as an error unless it is
right, so that nbgrader gives the points; its text on stdout is not a number, so nbgrader need not guess.
"""

from __future__ import annotations

import re
from typing import Any

from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor

from widgets.course.grading import grade


class GradeAfresh(NbGraderPreprocessor):
    """In place of nbgrader's Execute."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grade all answers of a notebook, and write the verdicts into its graded cells."""
        answers: dict[str, str] = {}
        graded: dict[str, Any] = {}
        for cell in nb.cells:
            marks = cell.metadata.get("nbgrader", {})
            if marks.get("grade") and (task := re.search(r'\.grade\("(\w+)"', cell.source)):
                graded[task[1]] = cell
            elif marks.get("solution"):
                answers[marks["grade_id"]] = cell.source
        number = resources["metadata"]["name"][:2]
        for name, (state, text) in grade(number, list(graded), answers).items():
            graded[name].outputs = [_output(state, text)]
        return nb, resources


def _output(state: str, text: str) -> Any:
    if state == "right":
        return new_output("stream", name="stdout", text=f"{text}\n")
    return new_output("error", ename="NotRightError", evalue=text, traceback=[text])
