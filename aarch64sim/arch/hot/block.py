"""Blocks: loops and straight-line code that ran some dozens of times become one Python function.

Invariant: a block leaves the CPU as its instructions would have, one by one, wherever it is left: at its end, when the
count that it was given is used up, or by an exception halfway.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import CodeType, FrameType, FunctionType
from typing import Any

from aarch64sim.arch import access
from aarch64sim.arch.hot import tree, windows
from aarch64sim.arch.hot.inline import Inliner
from aarch64sim.arch.hot.item import MOST_KEPT, Recipe
from aarch64sim.arch.hot.nodes import Statements
from aarch64sim.arch.hot.ranges import Ranges
from aarch64sim.arch.hot.region import region
from aarch64sim.arch.hot.source import SHARED, Unsupported, objects_of
from aarch64sim.arch.hot.writer import BY_VARIABLE, Place, Writer
from aarch64sim.arch.state import CpuState, Op


@dataclass(frozen=True, slots=True)
class Block:
    """The function of a block: given a count of at least `length`, it executes at most that many instructions.

    It returns the next PC and what is left of the count.
    """

    run: Callable[[int], tuple[int, int]]
    length: int  # the most instructions that are executed between two looks at the count
    code: CodeType
    covers: tuple[int, ...]  # addresses
    written: tuple[int, ...]  # registers
    places: tuple[Place, ...]  # by `_at`
    recipes: tuple[Recipe, ...]  # of flags, by number

    def recover(self, cpu: CpuState, frame: FrameType) -> tuple[int, int]:
        """Put everything where it belongs after an exception: PC of its instruction, and what is left of the count."""
        values = frame.f_locals
        place = self.places[values["_at"]]
        for n in self.written:
            cpu.r[n] = values[f"x{n}"]
        recipe = place.pending
        if recipe is BY_VARIABLE:
            recipe = self.recipes[values["_flags"] - 1] if values["_flags"] else None
        flags = {}  # all of them before one changes: they may follow from those in PSTATE
        for which, expression in (recipe or {}).items():
            code = compile(ast.Expression(expression), "<flags>", "eval")
            flags[which] = eval(code, frame.f_globals, values)
        for which, value in flags.items():
            setattr(cpu.pstate, which, value)
        return place.pc, values["left"] - place.done


def build(cpu: CpuState, head: int) -> Block | None:
    """The block that begins at `head`; None if there is nothing to gain."""
    found = region(cpu, head)
    if not found.items or (len(found.items) == 1 and not found.inside):
        return None
    key = tuple((item.pc, item.word) for item in found.items.values()), cpu.features
    made = _MADE.get(key)
    if made is None:
        if len(_MADE) > MOST_KEPT:
            _MADE.clear()
        written = Writer(found)
        code = _compiled("block", ["left"], written.body)
        made = _MADE[key] = Block(
            FunctionType(code, {}),
            written.longest,
            code,
            tuple(found.items),
            written.written,
            tuple(written.places),
            tuple(written.recipes),
        )
    return replace(made, run=FunctionType(made.code, _names(cpu, made.code)))


# Blocks without the objects of any CPU, by their addresses and words and the CPU's features.
_MADE: dict[tuple[tuple[tuple[int, int], ...], frozenset[str]], Block] = {}


def single(cpu: CpuState, pc: int) -> Op:
    """The op of `execute` at `pc` once more, with all that is known put in; the op itself if that cannot be."""
    key = pc, access.fetch(cpu, pc), cpu.features
    if key not in _SINGLES:
        inliner = Inliner(cpu, in_locals=False, tag=f"{pc:x}_")
        try:
            body = Ranges({}).statements(inliner.statements(cpu.manual[pc]))
            code = _compiled("op", [], body)
        except Unsupported:
            code = None
        if len(_SINGLES) >= MOST_KEPT:
            _SINGLES.clear()
        _SINGLES[key] = None if inliner.private else code
    code = _SINGLES[key]
    return FunctionType(code, _names(cpu, code)) if code else cpu.manual[pc]


_SINGLES: dict[tuple[int, int, frozenset[str]], CodeType | None] = {}


def _names(cpu: CpuState, code: CodeType) -> dict[str, object]:
    """The objects that code in line needs, by their names there: one dictionary for all of a CPU's functions."""
    names = cpu.objects_in_line
    if not names:
        names.update(objects_of(cpu))
    for title in code.co_names:
        if title not in names:
            if title in SHARED:
                names[title] = SHARED[title]
            elif title.startswith(windows.PREFIX):
                names[title] = windows.closed()
    return names


def _compiled(title: str, parameters: list[str], body: Statements) -> CodeType:
    """The code of a function of these statements; the names that it does not define are given later (`_names`)."""
    arguments = [tree.arg(p) for p in parameters]
    taken = ast.arguments([], arguments, None, [], [], None, [])
    definition: Any = tree.FunctionDef(title, taken, body, [])
    definition.type_params = []  # from Python 3.12
    code = compile(ast.Module([definition], []), f"<{title}>", "exec")
    return next(c for c in code.co_consts if isinstance(c, CodeType))
