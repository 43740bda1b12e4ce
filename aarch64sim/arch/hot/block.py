"""Blocks: straight-line code and loops that ran some dozens of times become one Python function.

Invariant: a block leaves the CPU as its instructions would have, one by one, wherever it is left: at its end, when the
count that it was given is used up, or by an exception in its middle, whose line says which instruction raised it.

General registers are local variables meanwhile. Flags are not even computed before somebody reads them: until then it
is known how they follow from locals.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import CodeType, FrameType, FunctionType
from typing import Any

from aarch64sim.arch import access
from aarch64sim.arch.hot.inline import Inliner
from aarch64sim.arch.hot.item import (
    IN_PSTATE,
    MOST_KEPT,
    Item,
    Recipe,
    flag,
    targets,
    trace,
)
from aarch64sim.arch.hot.nodes import (
    Statements,
    assign,
    constant,
    each,
    is_register,
    name,
    names_in,
    rewritten,
)
from aarch64sim.arch.hot.source import FLAGS, SHARED, Unsupported, objects_of
from aarch64sim.arch.state import CpuState, Op

_SINCE_HEAD: Recipe = {}
"""Nothing has set flags since the loop began again: what is pending then is the loop's (`Block.at_head`)."""


@dataclass(frozen=True, slots=True)
class Block:
    """The function of a block: given a count of at least `length`, it executes at most that many instructions.

    It returns the next PC and what is left of the count.
    """

    run: Callable[[int], tuple[int, int]]
    length: int  # the most instructions that one round executes
    code: CodeType
    covers: tuple[int, ...]  # addresses
    written: tuple[int, ...]  # registers
    pending: tuple[
        Recipe | None, ...
    ]  # the flags that are not in PSTATE yet when an instruction begins
    at_head: Recipe | None  # and when the loop begins again

    def recover(self, cpu: CpuState, frame: FrameType, line: int) -> tuple[int, int]:
        """Put everything where it belongs after an exception: PC of its instruction, and what is left of the count."""
        at = line - _FIRST_LINE
        values = frame.f_locals
        for n in self.written:
            cpu.r[n] = values[f"x{n}"]
        recipe = self.pending[at]
        if recipe is _SINCE_HEAD and self.at_head and values[_guard(self.at_head)] is not None:
            recipe = self.at_head
        for which, expression in (recipe or {}).items():
            tree = ast.fix_missing_locations(ast.Expression(expression))
            value = eval(compile(tree, "<flags>", "eval"), frame.f_globals, values)
            setattr(cpu.pstate, which, value)
        return self.covers[at], values["left"] - at


def build(cpu: CpuState, head: int) -> Block | None:
    """The block that begins at `head`; None if there is nothing to gain."""
    items, after = trace(cpu, head)
    if not items or (len(items) == 1 and after is not None):
        return None
    key = tuple((item.pc, item.word) for item in items), after, cpu.features
    made = _MADE.get(key)
    if made is None:
        if len(_MADE) > MOST_KEPT:
            _MADE.clear()
        made = _MADE[key] = _Writer(items, after).block()
    return replace(made, run=FunctionType(made.code, _names(cpu)))


# Blocks without the objects of any CPU, by their addresses and words, where they go on, and the CPU's features.
_MADE: dict[tuple[tuple[tuple[int, int], ...], int | None, frozenset[str]], Block] = {}


def single(cpu: CpuState, pc: int) -> Op:
    """The op of `execute` at `pc` once more, with all that is known put in; the op itself if that cannot be."""
    key = pc, access.fetch(cpu, pc), cpu.features
    if key not in _SINGLES:
        inliner = Inliner(cpu, in_locals=False)
        try:
            code = _compiled("op", [], _on_line(1, inliner.statements(cpu.manual[pc])))
        except Unsupported:
            code = None
        if len(_SINGLES) >= MOST_KEPT:
            _SINGLES.clear()
        _SINGLES[key] = None if inliner.private else code
    code = _SINGLES[key]
    return FunctionType(code, _names(cpu)) if code else cpu.manual[pc]


_SINGLES: dict[tuple[int, int, frozenset[str]], CodeType | None] = {}


def _names(cpu: CpuState) -> dict[str, object]:
    """What the objects that a function in line needs are called there: one dictionary for all of a CPU's functions."""
    names = cpu.objects_in_line
    if not names:
        names.update(objects_of(cpu))
    if len(names) != len(SHARED) + len(objects_of(cpu)):
        names.update({text: value for value, text in list(SHARED.items())})
    return names


_FIRST_LINE = 2


def _guard(recipe: Recipe) -> str:
    """A local variable of the recipe: None as long as its instruction has not been executed."""
    return next((n for e in recipe.values() for n in names_in(e) if n[0] == "_"), "")


class _Writer:
    """Writes the function of a block: `while True` around its instructions, out of which every way leads by a break."""

    def __init__(self, items: list[Item], after: int | None) -> None:
        self.items, self.after, self.head = items, after, items[0].pc
        self.pending, self.ends = self._follow_flags()
        back = [p for item, p in zip(items, self.ends, strict=True) if self.head in targets(item)]
        self.at_head = back[0] if back and self._may_stay_pending(back) else None
        if self.at_head is None:  # PSTATE has them whenever the loop begins again
            self.pending = [None if p is _SINCE_HEAD else p for p in self.pending]
            self.ends = [None if p is _SINCE_HEAD else p for p in self.ends]

    def _follow_flags(self) -> tuple[list[Recipe | None], list[Recipe | None]]:
        """What is pending before and after each instruction."""
        before: list[Recipe | None] = []
        after: list[Recipe | None] = []
        pending: Recipe | None = _SINCE_HEAD
        for item in self.items:
            before.append(pending)
            pending = None if item.eager else item.recipe or pending
            after.append(pending)
        return before, after

    def _may_stay_pending(self, back: list[Recipe | None]) -> bool:
        """Whether flags need not be computed before the loop begins again: a round sets them before it reads them."""
        first = next((item for item in self.items if item.reads or item.eager or item.recipe), None)
        if first is None or first.reads or first.eager:
            return False
        return all(p is back[0] for p in back) and bool(back[0]) and bool(_guard(back[0] or {}))

    def block(self) -> Block:
        body: Statements = []
        for at, item in enumerate(self.items):
            body += _on_line(at + _FIRST_LINE, self._item(at, item))
        if self.after is not None:
            done = len(self.items)
            leave = self._leave(self.ends[-1], constant(self.after), done)
            body += _on_line(done + _FIRST_LINE, leave)
        nodes = [n for s in body for n in each(s) if is_register(n)]
        used = sorted({int(n.id[1:]) for n in nodes if isinstance(n, ast.Name)})
        stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        written = tuple(n for n in used if f"x{n}" in stored)
        begin: Statements = [assign(f"x{n}", _element(n)) for n in used]
        if self.at_head:
            begin.append(assign(_guard(self.at_head), constant(None)))
        finish: Statements = [
            *(assign(_element(n, store=True), name(f"x{n}")) for n in written),
            ast.Return(ast.Tuple([name("pc"), name("left")], ast.Load())),
        ]
        _on_line(1, begin)
        _on_line(1, finish)
        loop = ast.While(_placed(constant(True)), body, [])
        code = _compiled("block", ["left"], [*begin, _placed(loop), *finish])
        covers = tuple(item.pc for item in self.items)
        run = FunctionType(code, {})
        return Block(run, len(covers), code, covers, written, tuple(self.pending), self.at_head)

    def _item(self, at: int, item: Item) -> Statements:
        before: Statements = []
        flags = self.pending[at]
        if item.eager and flags:
            before, flags = _into_pstate(flags), None
        body = [_in_place(s, flags or IN_PSTATE) for s in item.body]
        if item.stores and isinstance(item.end, ast.Constant):  # its own code may have changed
            body.append(ast.If(name("changed"), self._leave(self.ends[at], item.end, at + 1), []))
        end = item.end
        if item.recipe is None:
            end = _in_place(end, IN_PSTATE if item.eager else flags or IN_PSTATE)
        return [*before, *body, *self._end(at, end)]

    def _end(self, at: int, end: ast.expr) -> Statements:
        """From an instruction to the next: on to the one below, back to the head, or out."""
        following = self.items[at + 1].pc if at + 1 < len(self.items) else self.after
        match end:
            case ast.Constant(value=pc):
                return [] if pc == following else self._to(at, end)
            case ast.IfExp(test=test, body=ast.Constant() as yes, orelse=ast.Constant() as no):
                if no.value == following:
                    return [ast.If(test, self._to(at, yes), [])]
                if yes.value == following:
                    return [ast.If(ast.UnaryOp(ast.Not(), test), self._to(at, no), [])]
                return [ast.If(test, self._to(at, yes), []), *self._to(at, no)]
        return self._to(at, end)

    def _to(self, at: int, pc: ast.expr) -> Statements:
        if isinstance(pc, ast.Constant) and pc.value == self.head:
            return self._back(self.ends[at], at + 1)
        return self._leave(self.ends[at], pc, at + 1)

    def _back(self, flags: Recipe | None, done: int) -> Statements:
        """Begin the loop again, if the count allows another round."""
        now = self._flush(flags)
        enough = ast.Compare(name("left"), [ast.GtE()], [constant(len(self.items))])
        again: Statements = [_count(done), ast.If(enough, [ast.Continue()], [])]
        out: Statements = [assign("pc", constant(self.head)), ast.Break()]
        return [*again, *now, *out] if self.at_head else [*now, *again, *out]

    def _leave(self, flags: Recipe | None, pc: ast.expr, done: int) -> Statements:
        return [*self._flush(flags), _count(done), assign("pc", pc), ast.Break()]

    def _flush(self, flags: Recipe | None) -> Statements:
        """Put pending flags into PSTATE."""
        if flags is _SINCE_HEAD and self.at_head:
            executed = ast.Compare(name(_guard(self.at_head)), [ast.IsNot()], [constant(None)])
            return [ast.If(executed, _into_pstate(self.at_head), [])]
        return _into_pstate(flags or {})


def _into_pstate(recipe: Recipe) -> Statements:
    return [assign(flag(f, store=True), recipe[f]) for f in FLAGS if f in recipe]


def _in_place(node: Any, recipe: Recipe) -> Any:
    """The node with flags read as the recipe says, and set in PSTATE."""

    def change(n: ast.Name) -> ast.expr | None:
        if not n.id.startswith("flag_"):
            return None
        return flag(n.id[-1], store=True) if isinstance(n.ctx, ast.Store) else recipe[n.id[-1]]

    return rewritten(node, change)


def _count(done: int) -> ast.AugAssign:
    return ast.AugAssign(name("left", store=True), ast.Sub(), constant(done))


def _element(n: int, *, store: bool = False) -> ast.Subscript:
    return ast.Subscript(name("r"), constant(n), ast.Store() if store else ast.Load())


def _on_line(line: int, statements: Statements) -> Statements:
    """The statements, all of them on one line, so that an exception tells where it came from."""
    for statement in statements:
        for node in each(statement):
            _placed(node, line)
    return statements


def _placed(node: Any, line: int = 1) -> Any:
    node.lineno = node.end_lineno = line
    node.col_offset = node.end_col_offset = 0
    return node


def _compiled(title: str, parameters: list[str], body: Statements) -> CodeType:
    """The code of a function of these statements; what it does not define are objects that get known later."""
    arguments = [_placed(ast.arg(p)) for p in parameters]
    taken = ast.arguments([], arguments, None, [], [], None, [])
    definition = _placed(ast.FunctionDef(title, taken, body, []))
    definition.type_params = []  # from Python 3.12
    code = compile(ast.Module([definition], []), f"<{title}>", "exec")
    return next(c for c in code.co_consts if isinstance(c, CodeType))
