"""A lab's cell that is run alone, after a restart, answers with a sentence."""

from __future__ import annotations

import ast
import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from widgets.course.alone import Cell, cells_of, missing
from widgets.jupyter import alone

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "labs").glob("[0-9][0-9]-*.ipynb"))


@pytest.fixture
def shell() -> Any:
    shell = InteractiveShell.instance()
    alone.load_ipython_extension(shell)
    yield shell
    InteractiveShell.clear_instance()


def error_of(cell: Cell) -> NameError | None:
    """What a cell raises in a kernel that has run no other, if it lacks a name."""
    code = compile(cell.source, cell.id, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    try:
        if inspect.iscoroutine(ran := eval(code, {})):
            asyncio.run(ran)
    except NameError as error:
        return error
    return None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_any_cell_of_a_lab_before_the_first_one_says_what_to_run(path: Path) -> None:
    errors = [error_of(cell) for cell in cells_of(path)[1:]]
    assert len([error for error in errors if error]) > 5
    assert [error for error in errors if error and not missing(error)] == []


def test_a_cell_that_is_run_alone_shows_the_sentence_and_no_traceback(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell('lab.evidence("skip_instruction")', store_history=True)
    said = capsys.readouterr().out
    assert said.startswith("There is no lab yet: run the cells above first")
    assert said.count("\n") == 1


def test_a_later_cell_that_has_not_run_is_told_in_a_notebook_that_uses_widgets(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("from widgets import StepLab", store_history=True)
    shell.run_cell("panel.diagram()", store_history=True)
    assert "There is no panel yet: run the cells above first" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["nothing", "lab = 1\nlab + nothing", "1 / 0"])
def test_any_other_error_is_shown_as_ever(
    shell: Any, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell(source, store_history=True)
    assert "Error" in "".join(capsys.readouterr())
