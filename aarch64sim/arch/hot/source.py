"""Where a function comes from: its definition in its file, and what its names stand for.

Invariant: a function is found by its place alone, so what is put in line is what would have been called.
"""

from __future__ import annotations

import ast
import itertools
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from aarch64sim.arch.hot import tree
from aarch64sim.arch.hot.nodes import constant
from aarch64sim.arch.state import CpuState

FLAGS = ("n", "z", "c", "v")


class Unsupported(Exception):
    """The function is written in a way that cannot be put in line; it is called instead."""


class Known:
    """A value that is known now, but is no constant that could be written down: an object."""

    def __init__(self, value: Any) -> None:
        self.value = value


Value = ast.expr | Known


def objects_of(cpu: CpuState) -> dict[str, Any]:
    """The objects of a CPU that code in line may need, by the names that they have there."""
    return {
        "cpu": cpu, "r": cpu.r, "v": cpu.v, "p": cpu.pstate, "sys": cpu.sys, "memory": cpu.memory,
        "readable": cpu.memory.readable, "writable": cpu.memory.writable, "changed": cpu.changed_code,
    }  # fmt: skip


Definition = ast.FunctionDef | ast.Lambda


@cache
def _definitions(filename: str) -> dict[tuple[str, int], list[Definition]]:
    """All functions of a file by name and line."""
    found: dict[tuple[str, int], list[Definition]] = {}
    for node in ast.walk(ast.parse(Path(filename).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            title = node.name if isinstance(node, ast.FunctionDef) else "<lambda>"
            found.setdefault((title, node.lineno), []).append(node)
    return found


@cache
def _codes(filename: str) -> frozenset[CodeType]:
    """The code of every function that the file defines as it is now."""
    found: set[CodeType] = set()
    rest = [
        compile(Path(filename).read_text(encoding="utf-8"), filename, "exec", dont_inherit=True)
    ]
    while rest:
        code = rest.pop()
        found.add(code)
        rest += [c for c in code.co_consts if isinstance(c, CodeType)]
    return frozenset(found)


@cache
def source_of(code: CodeType) -> Definition:
    """The definition of a function, found by its place in its file; Unsupported if that has changed or is gone."""
    try:
        if code not in _codes(code.co_filename):
            raise Unsupported(code.co_name)
    except OSError as error:
        raise Unsupported(code.co_name) from error
    found = _definitions(code.co_filename).get((code.co_name, code.co_firstlineno), [])
    if len(found) > 1:  # lambdas on one line: the one in whose body the last instruction stands
        last = max(
            (p[0], p[2]) for p in code.co_positions() if p[0] is not None and p[2] is not None
        )
        found = [n for n in found if isinstance(n, ast.Lambda) and _holds(n.body, last)]
    if len(found) != 1:
        raise Unsupported(code.co_name)
    return found[0]


def _holds(node: ast.expr, place: tuple[int, int]) -> bool:
    """Whether a line and column are in a node."""
    end = node.end_lineno or 0, node.end_col_offset or 0
    return (node.lineno, node.col_offset) <= place <= end


@cache
def _stored_once(code: CodeType) -> frozenset[str]:
    """The locals that are assigned in one place only, so that they may stand for a constant."""
    node = source_of(code)
    body = node.body if isinstance(node, ast.FunctionDef) else []
    names = (n for s in body for n in ast.walk(s) if isinstance(n, ast.Name))
    stored = [n.id for n in names if isinstance(n.ctx, ast.Store)]
    return frozenset(n for n in stored if stored.count(n) == 1)


class Scope:
    """One function while it is put in line: the values of its names, and the prefix of its locals there."""

    def __init__(self, function: FunctionType, prefix: str) -> None:
        self.node = source_of(function.__code__)
        self.globals = function.__globals__
        self.prefix = prefix
        self.values: dict[str, Value] = {}
        for variable, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            self.values[variable] = known(cell.cell_contents)
        self.once = _stored_once(function.__code__)

    def look_up(self, variable: str) -> Value:
        if variable in self.values:
            return self.values[variable]
        builtins = self.globals["__builtins__"]
        names = builtins if isinstance(builtins, dict) else vars(builtins)
        return known(self.globals[variable] if variable in self.globals else names[variable])


def known(value: Any) -> Value:
    """A constant if it can be written down, else the object."""
    if isinstance(value, tuple) and all(isinstance(part, int) for part in value):
        return tree.Tuple([constant(part) for part in value], ast.Load())
    return constant(value) if value is None or isinstance(value, int | str) else Known(value)


SHARED: dict[str, Any] = {}
"""Objects that are the same for every CPU (functions of modules, their constants), by the names they have in line."""
_NAMES: dict[Any, str] = {}
_NUMBERS = itertools.count()  # no two threads get the same


def name_of(value: Any) -> str:
    """The name of an object that is the same for every CPU."""
    title = getattr(value, "__name__", type(value).__name__)
    found = _NAMES.setdefault(value, f"{title}_{next(_NUMBERS)}")
    SHARED[found] = value
    return found
