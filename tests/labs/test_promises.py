"""What every lab promises of its tasks: wrong answers are told why, right ones pass however they are written.

Invariant: a lab's own test module only lists answers, `WRONG`, `OPEN` and `RIGHT`; what holds for all is said here.
"""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import jupytext
import pytest

from widgets.course.alone import Cell, checked, needed

from checks.task import MISCONCEPTIONS, Lab, Task

SOURCES = sorted((Path(__file__).resolve().parents[2] / "labs" / "source").glob("[0-9][0-9]-*.py"))
NUMBERS = [source.name[:2] for source in SOURCES]


def lab(number: str) -> Lab:
    found: Lab = importlib.import_module(f"checks.lab{number}").LAB
    return found


def answers(kind: str) -> list[Any]:
    """(number, task, answer, ...) for each answer of that kind that the labs' test modules list."""
    modules = [(n, importlib.import_module(f"tests.labs.test_lab{n}")) for n in NUMBERS]
    return [
        pytest.param(number, *entry, id=f"{number}-{entry[0]}-{n}", marks=marks(number))
        for number, module in modules
        for n, entry in enumerate(getattr(module, kind))
    ]


def marks(number: str) -> list[Any]:
    missing = number == "08" and shutil.which("gdb-multiarch") is None
    return [pytest.mark.skipif(missing, reason="gdb-multiarch is not installed")]


def tasks() -> list[Any]:
    return [
        pytest.param(number, task, id=f"{number}-{task.name}")
        for number in NUMBERS
        for task in lab(number).tasks
    ]


@pytest.mark.parametrize(("number", "task", "answer", "text", "misconception"), answers("WRONG"))
def test_a_wrong_answer_is_told_its_mistake(
    number: str, task: str, answer: Any, text: str, misconception: str
) -> None:
    verdict = lab(number).judge(task, answer)
    assert verdict.state == ("open" if "nothing yet" in text else "wrong"), verdict.text
    assert text in verdict.text
    assert "could not read" not in verdict.text
    assert verdict.misconception == misconception, verdict.text


@pytest.mark.parametrize(("number", "task", "answer"), answers("OPEN"))
def test_an_unanswered_task_says_what_is_missing(number: str, task: str, answer: Any) -> None:
    verdict = lab(number).judge(task, answer)
    assert verdict.state == "open", verdict.text
    assert verdict.text


@pytest.mark.parametrize(("number", "task", "answer"), answers("RIGHT"))
def test_a_right_answer_may_be_written_in_another_way(number: str, task: str, answer: Any) -> None:
    verdict = lab(number).judge(task, answer)
    assert verdict.right, verdict.text


def cells(number: str) -> list[Cell]:
    """The code cells of a lab's source, with the solutions in them."""
    (source,) = (path for path in SOURCES if path.name.startswith(number))
    read = jupytext.read(source, fmt="py:percent").cells
    return [Cell(str(n), cell.source) for n, cell in enumerate(read) if cell.cell_type == "code"]


@pytest.mark.parametrize(("number", "task"), tasks())
def test_the_reference_passes_with_no_more_than_the_cells_it_needs(number: str, task: Task) -> None:
    if number == "08" and shutil.which("gdb-multiarch") is None:
        pytest.skip("gdb-multiarch is not installed")
    all_cells = cells(number)
    (target,) = (
        n
        for n, cell in enumerate(all_cells)
        if (parts := checked(cell)) and parts[1] == task.name and "BEGIN SOLUTION" in cell.source
    )
    names: dict[str, Any] = {"__name__": "answer"}
    for cell in needed(all_cells, target):
        parts = checked(cell)
        exec(compile(parts[0] if parts else cell.source, cell.id, "exec"), names)
    work, _, answer = checked(all_cells[target]) or ("", "", "None")
    exec(compile(work, task.name, "exec"), names)
    assert task.judge(eval(answer, names)).right


@pytest.mark.parametrize(("number", "task"), tasks())
def test_a_task_helps_in_steps_and_names_the_misconceptions_of_its_wrong_answers(
    number: str, task: Task
) -> None:
    assert lab(number).judge(task.name, None).state == "open"
    assert len(task.hints) >= 2
    assert len(task.explanation) > 60
    module = importlib.import_module(f"tests.labs.test_lab{number}")
    mine = [entry for entry in module.WRONG if entry[0] == task.name]
    assert len({text for _, _, text, _ in mine}) >= 3
    met = {misconception for *_, misconception in mine} - {""}
    assert met == set(task.misconceptions) <= set(MISCONCEPTIONS)
