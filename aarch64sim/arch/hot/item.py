"""One instruction as part of a block: its statements, its way on, and its flags as a recipe instead of as values.

Invariant: an item depends on nothing but its address, its word and the CPU's features, so every CPU can use it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from aarch64sim.arch import access
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
from aarch64sim.arch.hot.source import FLAGS, Unsupported
from aarch64sim.arch.state import CpuState

LONGEST = 64  # instructions of a block
MOST_KEPT = 20_000
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


_KEPT: dict[tuple[int, int, frozenset[str]], Item | None] = {}


def trace(cpu: CpuState, head: int) -> tuple[list[Item], int | None]:
    """The instructions from `head` on, as far as they ran before, and where it goes on (None: the last one says)."""
    if len(_KEPT) > MOST_KEPT:
        _KEPT.clear()
    items: list[Item] = []
    seen: set[int] = set()
    pc = head
    while len(items) < LONGEST and pc not in seen and pc in cpu.manual:
        item = _item_of(cpu, pc)
        if item is None:
            break
        items.append(item)
        seen.add(pc)
        following = _following(cpu, item.end, head, seen)
        if following is None:
            return items, None
        pc = following
    return items, pc


def _item_of(cpu: CpuState, pc: int) -> Item | None:
    """The instruction at `pc`, which `execute` has bound; None if it cannot be put in line."""
    key = pc, access.fetch(cpu, pc), cpu.features
    if key not in _KEPT:
        inliner = Inliner(cpu, in_locals=True, tag=f"{pc:x}_")
        try:
            item = _item(pc, key[1], inliner.statements(cpu.manual[pc]))
        except Unsupported:
            item = None
        _KEPT[key] = None if inliner.private else item
    return _KEPT[key]


def _following(cpu: CpuState, end: ast.expr, head: int, seen: set[int]) -> int | None:
    """Where the trace goes on after an instruction: None if it is the last one."""
    match end:
        case ast.Constant(value=int(pc)):
            return None if pc == head else pc
        case ast.IfExp(body=ast.Constant(value=int(yes)), orelse=ast.Constant(value=int(no))):
            if head not in (yes, no):  # a loop ends where it begins again
                return next((pc for pc in (no, yes) if pc in cpu.manual and pc not in seen), None)
    return None


def targets(item: Item) -> set[object]:
    """Where an item may go on, as far as that is known."""
    match item.end:
        case ast.Constant(value=pc):
            return {pc}
        case ast.IfExp(body=ast.Constant(value=yes), orelse=ast.Constant(value=no)):
            return {yes, no}
    return set()


def flag(which: str, *, store: bool = False) -> ast.Attribute:
    """A flag where PSTATE has it."""
    return ast.Attribute(name("p"), which, ast.Store() if store else ast.Load())


IN_PSTATE: Recipe = {f: flag(f) for f in FLAGS}


def _item(pc: int, word: int, statements: Statements) -> Item:
    *body, last = statements
    if not isinstance(last, ast.Return) or last.value is None:
        raise Unsupported("no return at the end")
    if any(isinstance(n, ast.Return) for s in body for n in each(s)):
        raise Unsupported("a return in the middle")
    item = Item(pc, word, body, last.value)
    nodes = [n for s in [*body, ast.Expr(last.value)] for n in each(s)]
    item.reads = any(
        _is_flag(n) and isinstance(n.ctx, ast.Load) for n in nodes if isinstance(n, ast.Name)
    )
    item.stores = any(isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) for n in nodes)
    written = [
        n for n in nodes if isinstance(n, ast.Name) and _is_flag(n) and isinstance(n.ctx, ast.Store)
    ]
    if written:
        _take_out_flags(item, len(written))
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
                kept.append(ast.Pass())  # its place
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
                used = [n for s in (*kept, *body[:at], ast.Expr(end)) for n in names_in(s)]
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
