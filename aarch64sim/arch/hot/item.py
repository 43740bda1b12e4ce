"""One instruction as part of a block: its statements, its way on, and its flags as a recipe instead of as values.

Invariant: an item depends on nothing but its address, its word and the CPU's features, so every CPU can use it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property

from aarch64sim.arch import access
from aarch64sim.arch.hot import tree
from aarch64sim.arch.hot.inline import Inliner
from aarch64sim.arch.hot.nodes import (
    Statements,
    assign,
    each,
    is_register,
    name,
    names_in,
    rewritten,
)
from aarch64sim.arch.hot.ranges import REGISTER, Bounds, Ranges
from aarch64sim.arch.hot.source import FLAGS, Unsupported
from aarch64sim.arch.state import CpuState

MOST_KEPT = 20_000
LINK = "x30"
Recipe = dict[str, ast.expr]  # what the flags are, as expressions of local variables


@dataclass
class Item:
    """One instruction of a block."""

    pc: int
    word: int
    body: Statements
    end: ast.expr  # the next PC
    recipe: Recipe | None = None  # of the flags that it sets
    eager: bool = False  # it sets flags on some paths only, so in PSTATE at once
    reads: bool = False  # it reads flags
    stores: bool = False  # it may change code
    # Where it may go on, as far as that is known; the next one below last.
    targets: tuple[int, ...] = ()
    link: int | None = None  # where a call that it makes returns to
    returns: bool = False
    calls: bool = False  # it calls what may raise the guest's exception
    names: frozenset[str] = frozenset()  # of variables
    stored: frozenset[str] = frozenset()

    @cached_property
    def results(self) -> Bounds:
        """Where the registers that it changes lie afterwards, whatever they were."""
        ranges = Ranges({})
        ranges.statements(self.body)
        registers = (n for n in self.stored if is_register(name(n)))
        return {n: ranges.known.get(n, REGISTER) for n in registers}


_KEPT: dict[tuple[int, int, frozenset[str]], Item | None] = {}


def item_at(cpu: CpuState, pc: int) -> Item | None:
    """The instruction at `pc`, which `execute` has bound; None if it cannot be put in line."""
    if len(_KEPT) > MOST_KEPT:
        _KEPT.clear()
    key = pc, access.fetch(cpu, pc), cpu.features
    if key not in _KEPT:
        inliner = Inliner(cpu, in_locals=True, tag=f"{pc:x}_")
        try:
            item = _item(pc, key[1], inliner.statements(cpu.manual[pc]))
        except Unsupported:
            item = None
        _KEPT[key] = None if inliner.private else item
    return _KEPT[key]


def _targets(item: Item) -> tuple[int, ...]:
    match item.end:
        case ast.Constant(value=int(pc)):
            return (pc,)
        case ast.IfExp(body=ast.Constant(value=int(yes)), orelse=ast.Constant(value=int(no))):
            return (yes, no) if no == item.pc + 4 else (no, yes)
    return ()


def _link(item: Item) -> int | None:
    match item.body:
        case [ast.Assign(targets=[ast.Name(id=variable)], value=ast.Constant(value=int(to)))]:
            return to if variable == LINK and item.targets not in ((), (item.pc + 4,)) else None
    return None


def flag(which: str, *, store: bool = False) -> ast.Attribute:
    """A flag where PSTATE has it."""
    return tree.Attribute(name("p"), which, ast.Store() if store else ast.Load())


IN_PSTATE: Recipe = {f: flag(f) for f in FLAGS}


def _item(pc: int, word: int, statements: Statements) -> Item:
    *body, last = statements
    if not isinstance(last, ast.Return) or last.value is None:
        raise Unsupported("no return at the end")
    item = Item(pc, word, body, last.value)
    names, written = [], 0
    for node in (n for s in [*body, tree.Expr(last.value)] for n in each(s)):
        if isinstance(node, ast.Name):
            names.append(node)
        elif isinstance(node, ast.Return):
            raise Unsupported("a return in the middle")
        elif isinstance(node, ast.Expr):
            item.stores = item.stores or isinstance(node.value, ast.Call)
        elif isinstance(node, ast.Call):
            item.calls = True
    item.names = frozenset(n.id for n in names)
    item.stored = frozenset(n.id for n in names if isinstance(n.ctx, ast.Store))
    for node in names:
        if node.id.startswith("flag_"):
            written += isinstance(node.ctx, ast.Store)
            item.reads = item.reads or isinstance(node.ctx, ast.Load)
    item.targets = _targets(item)
    item.link = _link(item)
    item.returns = isinstance(item.end, ast.Name) and item.end.id == LINK
    if written:
        _take_out_flags(item, written)
    return item


def _is_flag(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id.startswith("flag_")


def _take_out_flags(item: Item, count: int) -> None:
    """Make the assignments of flags the item's recipe, if all four are made on every path."""
    recipe: Recipe = {}
    kept: Statements = []
    for statement in item.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target.startswith(
                "flag_"
            ):
                recipe[target[-1]] = value
                kept.append(tree.Pass())  # its place
            case _:
                kept.append(statement)
    if (
        len(recipe) != len(FLAGS)
        or count != len(FLAGS)
        or any(_is_flag(n) for v in recipe.values() for n in each(v))
    ):
        item.eager = True
        return
    item.body, item.recipe = _sink(kept, recipe, item.end, f"_at{item.pc:x}")


def _sink(body: Statements, recipe: Recipe, end: ast.expr, tag: str) -> tuple[Statements, Recipe]:
    """Compute what only the recipe needs nowhere else; keep what it needs of registers, which may change."""
    place = next(n for n, s in enumerate(body) if isinstance(s, ast.Pass))
    captured: dict[str, ast.expr] = {}
    kept: Statements = []
    for at in reversed(range(len(body))):
        statement = body[at]
        if isinstance(statement, ast.Pass):
            continue
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if (
                target[0] == "_" and at < place and _is_pure(value)
            ):
                used = [n for s in (*kept, *body[:at], tree.Expr(end)) for n in names_in(s)]
                if target not in used:
                    recipe = {f: _substitute(e, {target: value}) for f, e in recipe.items()}
                    continue
        kept.insert(0, statement)
    registers = sorted({n.id for e in recipe.values() for n in each(e) if is_register(n)})  # type: ignore[attr-defined]
    copies: Statements = []
    for register in registers:
        captured[register] = name(f"{tag}_{register}")
        copies.append(assign(f"{tag}_{register}", name(register)))
    recipe = {f: _substitute(e, captured) for f, e in recipe.items()}
    before = sum(1 for s in kept if any(s is b for b in body[:place]))
    return [*kept[:before], *copies, *kept[before:]], recipe


def _is_pure(node: ast.expr) -> bool:
    return all(
        isinstance(n, ast.Name | ast.Constant | ast.BinOp | ast.UnaryOp | ast.IfExp | ast.Compare | ast.BoolOp
                   | ast.operator | ast.unaryop | ast.cmpop | ast.boolop | ast.expr_context)
        for n in each(node)
    )  # fmt: skip


def _substitute(node: ast.expr, values: dict[str, ast.expr]) -> ast.expr:
    changed: ast.expr = rewritten(
        node, lambda n: values.get(n.id) if isinstance(n.ctx, ast.Load) else None
    )
    return changed
