"""Grade answers for points: each in a fresh process, with fresh checks, and from its source alone.

Invariant: of what a learner hands in only the sources of the answers are used. An answer that reaches for the machinery
of Python is refused, and one that has changed the simulator or the checks gets no verdict.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from widgets.course.alone import Cell, cells_of, checked, needed
from widgets.course.files import exercises

LABS = Path(__file__).resolve().parents[2] / "labs"  # never the folder of what was handed in

_REFUSED_NAMES = {
    *("exec", "eval", "compile", "open", "globals", "locals", "vars", "getattr", "setattr"),
    *("delattr", "breakpoint", "input", "exit", "quit", "get_ipython"),
}
_REFUSED_MODULES = {
    *("os", "subprocess", "ctypes", "gc", "inspect", "importlib", "builtins", "signal", "socket"),
    *("threading", "multiprocessing", "pickle", "shutil", "pathlib", "code", "codeop", "runpy"),
    *("ast", "types", "IPython", "widgets", "tools"),
}
_GUARDED = ("checks", "aarch64sim", "widgets", "builtins", "operator")


class RefusedError(Exception):
    """Why an answer is not graded, in one sentence."""


def refuse(source: str) -> None:
    """RefusedError if an answer uses what no task needs and a forger does."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RefusedError(f"this is not Python: {error}") from None
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if name in _REFUSED_NAMES or name.startswith(
                "__"
            ):
                raise RefusedError(f"a graded answer may not use {name}")
            case ast.Attribute(attr=attr, value=value) if attr.startswith("_"):
                if not (isinstance(value, ast.Name) and value.id in ("self", "cls")) or (
                    attr.startswith("__")
                ):
                    raise RefusedError(f"a graded answer may not use .{attr}")
            case ast.Import(names=names):
                _refuse_modules([alias.name for alias in names])
            case ast.ImportFrom(module=module, names=names):
                _refuse_modules([str(module), *(alias.name for alias in names)])


def _refuse_modules(names: list[str]) -> None:
    for name in names:
        if name.partition(".")[0] in _REFUSED_MODULES or name.startswith("_"):
            raise RefusedError(f"a graded answer may not import {name}")


# --- in the fresh process --------------------------------------------------------------------------------------------


def _fingerprint() -> dict[tuple[str, ...], object]:
    """What the modules that judge an answer consist of: their functions, classes and tables."""
    found: dict[tuple[str, ...], object] = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and name.partition(".")[0] in _GUARDED:
            for key, value in vars(module).items():
                found[name, key] = _identity(value)
                if isinstance(value, type) and value.__module__ == name:
                    for inner, part in vars(value).items():
                        found[name, key, inner] = _identity(part)
    return found


def _identity(value: object) -> object:
    return (value, value.__code__) if isinstance(value, FunctionType) else (value,)


def _same(before: Mapping[tuple[str, ...], Any], after: Mapping[tuple[str, ...], Any]) -> bool:
    return all(
        key in after and all(a is b for a, b in zip(value, after[key], strict=False))
        for key, value in before.items()
        if not key[-1].startswith("_abc") and key[-1] != "_"
    )


def judge(lab: str, task: str, answers: Mapping[str, str]) -> Any:
    """The Verdict on a task; `answers` are the sources of the lab's answer cells by their ids."""
    cells = [_with_answer(cell, answers) for cell in cells_of(_notebook(lab))]
    found = [(n, parts) for n, cell in enumerate(cells) if (parts := checked(cell))]
    target, (_, _, expression) = next((n, p) for n, p in found if p[1] == task)
    bounds, outcome = checks_module("bounds"), checks_module("outcome")
    judging = {each.name: each for each in exercises(lab).tasks}[task]
    names: dict[str, Any] = {"__name__": "answer"}
    before: dict[tuple[str, ...], object] | None = None
    try:
        for cell in [*needed(cells, target), cells[target]]:
            parts = checked(cell)
            code = compile(parts[0] if parts else cell.source, cell.id, "exec")
            if cell.id not in answers:
                exec(code, names)
                continue
            refuse(answers[cell.id])
            before = before or _fingerprint()
            with bounds.timed():
                exec(code, names)
        value = eval(expression, names)
    except RefusedError as refused:
        return outcome.Verdict(task, "wrong", f"not graded: {refused}.")
    except BaseException as error:  # noqa: BLE001  # an answer may raise anything
        text = f"the answer raised {type(error).__name__}: {str(error)[:300]}"
        return outcome.Verdict(task, "wrong", text)
    verdict = judging.judge(value)
    if before is not None and not _same(before, _fingerprint()):
        text = "not graded: this answer changes the simulator or its own check."
        return outcome.Verdict(task, "wrong", text)
    return verdict


def checks_module(name: str) -> Any:
    """A module that all labs' checks share."""
    exercises("00")  # makes them importable
    return import_module(f"checks.{name}")


def _with_answer(cell: Cell, answers: Mapping[str, str]) -> Cell:
    """A cell of the lab with what was handed in for it; the check at its end is the lab's own."""
    parts = checked(cell)
    if cell.id not in answers or not parts:
        return cell
    return Cell(cell.id, f'{answers[cell.id]}\nlab.check("{parts[1]}", {parts[2]})')


def _notebook(lab: str) -> Path:
    (found,) = LABS.glob(f"{lab}-*.ipynb")
    return found


def main() -> None:
    """Read a request as JSON from standard input, and write [state, text] of each task to standard output."""
    asked = json.load(sys.stdin)
    lab, answers = asked["lab"], asked["answers"]
    exercises(lab)
    bounds = checks_module("bounds")
    said = {}
    for task in asked["tasks"]:
        verdict = bounds.in_bounds(task, lambda task=task: judge(lab, task, answers))
        said[task] = [verdict.state, str(verdict)]
    json.dump(said, sys.stdout)


# --- for a grader ----------------------------------------------------------------------------------------------------


def grade(lab: str, tasks: Sequence[str], answers: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """State and text of each task's verdict. One process is started, and each task is judged in a child of it."""
    request = json.dumps({"lab": lab, "tasks": list(tasks), "answers": dict(answers)})
    done = subprocess.run(
        [sys.executable, "-m", "widgets.course.grading"],
        input=request,
        capture_output=True,
        text=True,
        cwd=LABS,
        check=True,
        env=os.environ | {"PYTHONPATH": str(LABS.parent)},
    )
    return {task: (state, text) for task, (state, text) in json.loads(done.stdout).items()}


if __name__ == "__main__":
    main()
