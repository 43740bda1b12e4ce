"""What the assembler sees of a source: its statements after macros, repetitions and conditions.

Invariant: statements come in the order in which GNU as would see them; a condition is decided when its turn comes, by
the symbols that are known then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from aarch64sim.asm.macros import Macro, repeat, squeezed
from aarch64sim.asm.source import Source, Statement
from aarch64sim.asm.text import Problem, quoted

DEEPEST, MOST = 100, 1_000_000  # macros inside macros, statements that macros and repetitions make
_SIGNS: dict[str, Callable[[int], bool]] = {
    ".if": lambda n: n != 0, ".ifne": lambda n: n != 0, ".ifeq": lambda n: n == 0, ".ifgt": lambda n: n > 0,
    ".ifge": lambda n: n >= 0, ".iflt": lambda n: n < 0, ".ifle": lambda n: n <= 0,
}  # fmt: skip
_TEXTS: dict[str, Callable[[str], bool]] = {
    ".ifb": lambda text: not text, ".ifnb": bool,
    ".ifc": lambda text: _same(text), ".ifeqs": lambda text: _same(text),
    ".ifnc": lambda text: not _same(text), ".ifnes": lambda text: not _same(text),
}  # fmt: skip
_DEFINED = {".ifdef": True, ".ifndef": False, ".ifnotdef": False}
_CONDITIONS = {*_SIGNS, *_TEXTS, *_DEFINED}
_LOOPS = {".rept", ".irp", ".irpc"}
CONTROL = {*_CONDITIONS, ".else", ".elseif", ".endif", *_LOOPS, ".endr",
           ".macro", ".endm", ".exitm", ".purgem", ".end"}  # fmt: skip


class Known(Protocol):
    """What conditions and counts may ask."""

    def value(self, statement: Statement) -> int:
        """The expression that follows the statement's first word; Problem where it is wrong or not known yet."""

    def defined(self, name: str) -> bool:
        """Whether the symbol has been defined so far."""


@dataclass(slots=True)
class _Condition:
    opened: Statement
    active: bool  # what stands here is assembled
    over: bool  # one branch has had its turn, or none can


def _same(text: str) -> bool:
    first, _, second = text.partition(",")
    return first.strip('"') == second.strip('"')


class Expansion:
    """Iterates over the statements; faults are noted in the source."""

    def __init__(self, source: Source, known: Known) -> None:
        self.source, self.known = source, known
        self.macros: dict[str, Macro] = {}
        self.conditions: list[_Condition] = []
        # Where statements come from, innermost last; of a macro with how many conditions stood open before it.
        self.inputs: list[tuple[Iterator[Statement], int | None]] = []
        self.calls = self.made = 0

    def __iter__(self) -> Iterator[Statement]:
        self.inputs.append((self.source.statements(), None))
        while self.inputs:
            nested = len(self.inputs) > 1
            for statement in self.inputs[-1][0]:
                if nested:
                    self._count(statement)
                if statement.name in CONTROL or statement.name in self.macros:
                    try:
                        self._control(statement)
                    except Problem as problem:
                        self.source.fault(statement, problem)
                    break  # it may have changed where the next one comes from
                if not self.conditions or self.conditions[-1].active:
                    yield statement
            else:
                self.inputs.pop()
        for condition in self.conditions:
            self.source.fault(
                condition.opened, Problem(0, f"this {condition.opened.name} has no .endif")
            )

    @property
    def _skipping(self) -> bool:
        return bool(self.conditions) and not self.conditions[-1].active

    def _count(self, statement: Statement) -> None:
        self.made += 1
        if self.made > MOST:
            what = f"macros and repetitions make too much: at most {MOST} statements"
            self.source.stop(statement, Problem(0, what))

    def _control(self, s: Statement) -> None:
        if s.name in _CONDITIONS:
            self._if(s)
        elif s.name in (".else", ".elseif", ".endif"):
            self._else(s)
        elif self._skipping:
            pass
        elif s.name == ".macro":
            macro = Macro.read(s, self._body(s, {".macro"}, ".endm"))
            self.macros[macro.name] = macro
        elif s.name in _LOOPS:
            self._loop(s, self._body(s, _LOOPS, ".endr"))
        elif s.name == ".purgem":
            if self.macros.pop(squeezed(s.rest).lower(), None) is None:
                raise Problem(0, f"there is no macro {quoted(squeezed(s.rest))}")
        elif s.name == ".end":
            self.inputs.clear()
        elif s.name == ".exitm":
            self._leave_macro(s)
        elif s.name in self.macros:
            self._push(s, self.macros[s.name].expand(s, self.calls), len(self.conditions))
            self.calls += 1
        else:
            opener = ".macro" if s.name == ".endm" else ".rept, .irp or .irpc"
            raise Problem(0, f"there is no {opener} before this {s.name}")

    # --- conditions ------------------------------------------------------------------------------------------------
    def _if(self, s: Statement) -> None:
        outside = not self._skipping
        condition = _Condition(s, False, over=not outside)
        self.conditions.append(condition)
        if outside:
            condition.active = condition.over = self._holds(s)

    def _holds(self, s: Statement) -> bool:
        if s.name in _SIGNS or s.name == ".elseif":
            return _SIGNS.get(s.name, bool)(self.known.value(s))
        text = squeezed(s.rest)
        if s.name in _TEXTS:
            return _TEXTS[s.name](text)
        if not re.fullmatch(r"[A-Za-z_.$][\w.$]*", text, re.ASCII):
            raise Problem(len(s.name), f"expected a symbol, found {quoted(text)}")
        return self.known.defined(text) == _DEFINED[s.name]

    def _else(self, s: Statement) -> None:
        if not self.conditions:
            raise Problem(0, f"there is no .if before this {s.name}")
        if s.name == ".endif":
            self.conditions.pop()
            return
        condition = self.conditions[-1]
        condition.active = False
        if not condition.over:
            condition.active = condition.over = s.name == ".else" or self._holds(s)

    # --- what is inserted ------------------------------------------------------------------------------------------
    def _push(self, s: Statement, statements: Iterator[Statement], depth: int | None) -> None:
        if len(self.inputs) > DEEPEST:
            what = f"macros and repetitions are nested too deeply: at most {DEEPEST}"
            self.source.stop(s, Problem(0, what))
        self.inputs.append((iter([*statements]), depth))

    def _loop(self, s: Statement, body: list[Statement]) -> None:
        if s.name != ".rept":
            self._push(s, repeat(s, body), None)
            return
        count = self.known.value(s)
        if not 0 <= count * (len(body) + 1) <= MOST:
            raise Problem(len(s.name), f"{count} repetitions are out of range")
        self._push(s, (statement for _ in range(count) for statement in body), None)

    def _leave_macro(self, s: Statement) -> None:
        if all(depth is None for _, depth in self.inputs):
            raise Problem(0, "there is no macro to leave here")
        depth = None
        while depth is None:
            _, depth = self.inputs.pop()
        del self.conditions[depth:]

    def _body(self, head: Statement, openers: set[str], closer: str) -> list[Statement]:
        """The statements up to the one that closes `head`, which are taken from where it came from."""
        body: list[Statement] = []
        depth = 1
        for statement in self.inputs[-1][0]:
            depth += (statement.name in openers) - (statement.name == closer)
            if depth == 0:
                return body
            body.append(statement)
        raise Problem(0, f"this {head.name} has no {closer}")
