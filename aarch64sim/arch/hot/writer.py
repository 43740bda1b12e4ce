"""Writes the function of a region: its loops as loops, each way through it one after another as the code runs.

Invariant: wherever the function is left, general registers and the count are what its instructions would have left. An
instruction that may raise an exception says its place in `_at` first, and of each place it is known what is where.

General registers are local variables meanwhile. Flags are not even computed before somebody reads them: until then it
is known how they follow from locals, here (`_Path.pending`) or, where two ways meet, in the variable `_flags`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from aarch64sim.arch.hot import tree, windows
from aarch64sim.arch.hot.item import IN_PSTATE, Item, Recipe, flag
from aarch64sim.arch.hot.nodes import (
    Statements,
    assign,
    constant,
    is_register,
    name,
    negated,
    rewritten,
)
from aarch64sim.arch.hot.ranges import REGISTER, Bounds, Ranges, in_both, union
from aarch64sim.arch.hot.region import Region
from aarch64sim.arch.hot.source import FLAGS

MOST = 96  # instructions of a block: one stands in it once for every way that leads to it
BY_VARIABLE: Recipe = {}
"""Which flags are pending is in `_flags`: 0 for none, else the number of a recipe."""


@dataclass(frozen=True, slots=True)
class Place:
    """An instruction in the function: how many the count lacks, and which flags are pending, when it begins."""

    pc: int
    done: int
    pending: Recipe | None


@dataclass(slots=True)
class _Path:
    """How the code came here: what is pending, uncounted, executed since the count was looked at, and known."""

    pending: Recipe | None = field(default_factory=lambda: BY_VARIABLE)
    done: int = 0
    unchecked: int = 0
    known: Bounds = field(default_factory=dict)


@dataclass(slots=True)
class _Loop:
    """A loop that is being written."""

    head: int
    inside: Iterable[int]
    follows: int | None
    over: list[_Path] = field(default_factory=list)  # the ways that lead to where it goes on
    left: bool = False  # whether a way leads out of the block


class Writer:
    """Writes one region; then `body` is that of the function, and the rest tells of it."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.places: list[Place] = []
        self.recipes: list[Recipe] = []
        self.longest = 1  # instructions between two looks at the count
        self._enough = constant(0)
        self._flushes: list[ast.If] = []
        self._loops: list[_Loop] = []
        self.body = self._function()

    def _function(self) -> Statements:
        root = _Loop(self.region.head, self.region.items, None)
        loop = self._loop(root, _Path())
        finish = self._flush()
        self._enough.value = self.longest
        for place in self._flushes:
            place.body = self._chosen(1)
        items = [self.region.items[pc] for pc in {place.pc for place in self.places}]
        names = {n for item in items for n in item.names}
        stored = {n for item in items for n in item.stored}
        used = sorted(n for n in names if is_register(name(n)))
        self.written = tuple(int(n[1:]) for n in used if n in stored)
        begin = [
            *(assign(n, _element(int(n[1:]))) for n in used),
            *windows.prologue(names),
            assign("_flags", constant(0)),
        ]
        end: Statements = [
            *(assign(_element(n, store=True), name(f"x{n}")) for n in self.written),
            *finish,
            tree.Return(tree.Tuple([name("pc"), name("left")], ast.Load())),
        ]
        return [*begin, *loop, *end]

    # --- from an instruction to the next ---

    def _go(self, pc: int, path: _Path) -> Statements:
        """What happens from `pc` on; it ends in `continue` or `break`, on every way."""
        loop = self._loops[-1]
        if pc == loop.head:
            return self._again(loop, path)
        if pc == loop.follows:
            loop.over.append(path)
            return [*self._settle(path), tree.Break()]
        if (
            any(pc == outer.head for outer in self._loops)
            or pc not in loop.inside
            or len(self.places) >= MOST
        ):
            return self._leave(path, constant(pc))
        if pc in self.region.inside:
            return self._inner(pc, path)
        return self._instruction(self.region.items[pc], path)

    def _instruction(self, item: Item, path: _Path) -> Statements:
        at = len(self.places)
        self.places.append(Place(item.pc, path.done, path.pending))
        out = self._into_pstate(path) if item.eager or (item.reads and not path.pending) else []
        flags = path.pending or IN_PSTATE
        ranges = Ranges(path.known)
        body, end = item.body, item.end
        if item.reads or item.eager:
            body = [_in_place(s, flags) for s in body]
            end = _in_place(end, flags) if item.recipe is None else end
        if item.calls:
            out.append(assign("_at", constant(at)))
        out += ranges.statements(body)
        path.done += 1
        path.unchecked += 1
        path.pending = item.recipe or path.pending
        self.longest = max(self.longest, path.unchecked)
        path.known = {n: lies for n, lies in ranges.known.items() if is_register(name(n))}
        if item.stores and isinstance(end, ast.Constant):  # its own code may have changed
            out.append(tree.If(name("changed"), self._leave(path, end), []))
        match end:
            case ast.Name(id=register) if register in path.known:
                low, high = path.known[register]
                end = constant(low) if low == high else end
        match end:
            case ast.Constant(value=int(pc)):
                return [*out, *self._go(pc, path)]
            case ast.IfExp(
                test=test, body=ast.Constant(value=int(yes)), orelse=ast.Constant(value=int(no))
            ):
                test = ranges.test(test)
                one, other = self._go(yes, replace(path)), self._go(no, path)
                if len(one) > len(other):
                    test, one, other = ranges.test(negated(test)), other, one
                return [*out, tree.If(test, one, []), *other]
        return [*out, *self._leave(path, end)]

    # --- loops ---

    def _inner(self, head: int, path: _Path) -> Statements:
        """A loop in the block, and what follows it."""
        follows = self.region.follows(head)
        loop = _Loop(head, self.region.inside[head], follows)
        out = [assign("pc", constant(None)), *self._loop(loop, path)]
        self._loops[-1].left |= loop.left
        if not loop.over or follows is None:
            return [*out, tree.Break()]
        known = reduce(in_both, (p.known for p in loop.over))
        after = _Path(unchecked=max(p.unchecked for p in loop.over), known=known)
        if loop.left:
            gone = tree.Compare(name("pc"), [ast.IsNot()], [constant(None)])
            out.append(tree.If(gone, [tree.Break()], []))
        return [*out, *self._go(follows, after)]

    def _loop(self, loop: _Loop, path: _Path) -> Statements:
        """`while True` around its instructions; what they do to a register is not known of it in the next round."""
        begin = self._settle(path)
        self._loops.append(loop)
        known = self._lasting(loop, path.known)
        body = self._instruction(
            self.region.items[loop.head], _Path(unchecked=path.unchecked, known=known)
        )
        self._loops.pop()
        return [*begin, tree.While(constant(True), body, [])]

    def _lasting(self, loop: _Loop, known: Bounds) -> Bounds:
        """What is known of registers at the head of a loop, also when it begins again."""
        for results in (self.region.items[pc].results for pc in loop.inside):
            both = {n: union(lies, results.get(n, lies)) for n, lies in known.items()}
            known = {n: lies for n, lies in both.items() if lies and lies != REGISTER}
        return known

    def _again(self, loop: _Loop, path: _Path) -> Statements:
        """Begin the loop again, if the count allows another round."""
        loop.left = True
        enough = tree.Compare(name("left"), [ast.GtE()], [self._enough])
        return [
            *self._settle(path),
            tree.If(enough, [tree.Continue()], []),
            assign("pc", constant(loop.head)),
            tree.Break(),
        ]

    # --- out ---

    def _leave(self, path: _Path, pc: ast.expr) -> Statements:
        self._loops[-1].left = True
        return [*self._settle(path), assign("pc", pc), tree.Break()]

    def _settle(self, path: _Path) -> Statements:
        """Count what was executed, and say which flags are pending."""
        out: Statements = []
        if path.pending:
            if not any(path.pending is recipe for recipe in self.recipes):
                self.recipes.append(path.pending)
            number = next(n for n, r in enumerate(self.recipes, 1) if r is path.pending)
            out.append(assign("_flags", constant(number)))
        if path.done:
            out.append(tree.AugAssign(name("left", store=True), ast.Sub(), constant(path.done)))
        return out

    # --- flags ---

    def _into_pstate(self, path: _Path) -> Statements:
        """Put pending flags into PSTATE."""
        if path.pending is None:
            return []
        put = into_pstate(path.pending) if path.pending else self._flush()
        path.pending = None
        return [*put, assign("_flags", constant(0))]

    def _flush(self) -> Statements:
        """The same with those that `_flags` says; what they are is filled in when all recipes are known."""
        self._flushes.append(tree.If(name("_flags"), [tree.Pass()], []))
        return [self._flushes[-1]]

    def _chosen(self, number: int) -> Statements:
        """The body of `if _flags`: recipe number `number`, or one of the later ones."""
        if number > len(self.recipes):
            return [tree.Pass()]
        this = into_pstate(self.recipes[number - 1])
        if number == len(self.recipes):
            return this
        test = tree.Compare(name("_flags"), [ast.Eq()], [constant(number)])
        return [tree.If(test, this, self._chosen(number + 1))]


def into_pstate(recipe: Recipe) -> Statements:
    """The statements that set the flags as the recipe says."""
    return [assign(flag(f, store=True), recipe[f]) for f in FLAGS if f in recipe]


def _in_place(node: Any, recipe: Recipe) -> Any:
    """The node with flags read as the recipe says, and set in PSTATE."""

    def change(n: ast.Name) -> ast.expr | None:
        if not n.id.startswith("flag_"):
            return None
        return flag(n.id[-1], store=True) if isinstance(n.ctx, ast.Store) else recipe[n.id[-1]]

    return rewritten(node, change)


def _element(n: int, *, store: bool = False) -> ast.Subscript:
    return tree.Subscript(name("r"), constant(n), ast.Store() if store else ast.Load())
