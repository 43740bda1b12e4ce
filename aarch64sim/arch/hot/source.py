"""Where a function comes from: its definition in its file, and what its names stand for.

Invariant: a function is found by its place alone, so what is put in line is what would have been called.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

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


@cache
def _module(filename: str) -> ast.Module:
    return ast.parse(Path(filename).read_text(encoding="utf-8"))


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
def source_of(code: CodeType) -> ast.FunctionDef | ast.Lambda:
    """The definition of a function, found by its place in its file; Unsupported if that has changed or is gone."""
    try:
        if code not in _codes(code.co_filename):
            raise Unsupported(code.co_name)
    except OSError as error:
        raise Unsupported(code.co_name) from error
    places = [(p[0], p[2]) for p in code.co_positions() if p[0] is not None and p[2] is not None]
    found = [n for n in ast.walk(_module(code.co_filename)) if _is_of(n, code, max(places))]
    if len(found) != 1:
        raise Unsupported(code.co_name)
    node = found[0]
    assert isinstance(node, ast.FunctionDef | ast.Lambda)
    return node


def _is_of(node: ast.AST, code: CodeType, last: tuple[int, int]) -> bool:
    """Whether the definition is that of the code, whose last instruction stands at line and column `last`."""
    match node:
        case ast.FunctionDef():
            return (node.name, node.lineno) == (code.co_name, code.co_firstlineno)
        case ast.Lambda(body=body):
            place = code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
            begin, end = (
                (body.lineno, body.col_offset),
                (body.end_lineno or 0, body.end_col_offset or 0),
            )
            return place and begin <= last <= end
    return False


class Scope:
    """One function while it is put in line: the values of its names, and how its locals are called outside."""

    def __init__(self, function: FunctionType, prefix: str) -> None:
        self.node = source_of(function.__code__)
        self.globals = function.__globals__
        self.prefix = prefix
        self.values: dict[str, Value] = {}
        for variable, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            self.values[variable] = known(cell.cell_contents)
        body = self.node.body if isinstance(self.node, ast.FunctionDef) else []
        stored = [
            n.id
            for s in body
            for n in ast.walk(s)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        ]
        self.once = {n for n in stored if stored.count(n) == 1}

    def look_up(self, variable: str) -> Value:
        if variable in self.values:
            return self.values[variable]
        builtins = self.globals["__builtins__"]
        names = builtins if isinstance(builtins, dict) else vars(builtins)
        return known(self.globals[variable] if variable in self.globals else names[variable])


def known(value: Any) -> Value:
    """A constant if it can be written down, else the object."""
    if isinstance(value, tuple) and all(isinstance(part, int) for part in value):
        return ast.Tuple([constant(part) for part in value], ast.Load())
    return constant(value) if value is None or isinstance(value, int | str) else Known(value)


SHARED: dict[Any, str] = {}
"""Objects that are the same for every CPU (functions of modules, their constants), and the names they have."""
