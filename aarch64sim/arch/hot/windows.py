"""Windows: where an access of memory went last, so that the next one there is an index into that page.

Invariant: a window is open only on a page in the cache that its access asks (`Memory.readable` or `writable`); as soon
as one of those loses a page, all windows are closed (`Memory.close_windows`). Any other access asks the cache.

An access is recognised by what the functions in `execute.transfer` come to in line, and nothing else is.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import Any

from aarch64sim.arch import access
from aarch64sim.arch.execute.transfer import UNITS, UNSIGNED
from aarch64sim.arch.hot import tree
from aarch64sim.arch.hot.nodes import Statements, assign, constant, name
from aarch64sim.arch.hot.source import name_of
from aarch64sim.arch.memory import NOWHERE, OFFSET, PAGE_BITS, Memory

_READS = {name_of(UNSIGNED[size].unpack_from): size for size in UNITS}
_WRITES = {name_of(UNSIGNED[size].pack_into): size for size in UNITS}

Window = list[Any]  # the first address that it shows, and the page in units of the access's size
PREFIX = "near"


def closed() -> Window:
    """A window that shows nothing."""
    return [NOWHERE, None]


def move(
    window: Window, memory: Memory, pages: dict[int, memoryview], address: int, size: int
) -> Window:
    """Open the window where two accesses in a row found the same page, which it did not show."""
    page = address >> PAGE_BITS
    if address & size - 1 or page not in pages:
        return window
    if window[0] != NOWHERE | page << PAGE_BITS:
        window[:] = NOWHERE | page << PAGE_BITS, None
    else:
        window[:] = page << PAGE_BITS, pages[page].cast("B").cast(UNITS[size])  # type: ignore[call-overload]
        memory.windows.append(window)
    return window


_MOVE = name_of(move)
_LOAD = name_of(access.load)


@dataclass(frozen=True)
class _Access:
    """One load or store in line."""

    pages: str  # the name of the cache that it asks
    size: int  # in bytes
    address: str
    target: ast.expr | None  # of a load
    value: ast.expr | None  # of a store


def _recognised(node: ast.Try) -> _Access | None:
    target: ast.expr | None = None
    value: ast.expr | None = None
    match node.body:
        case [
            ast.Assign(
                targets=[target],
                value=ast.Subscript(value=ast.Call() as call, slice=ast.Constant(value=0)),
            )
        ]:
            sizes = _READS
        case [ast.Expr(value=ast.Call(args=[_, _, value]) as call)]:
            sizes = _WRITES
        case _:
            return None
    match call:
        case ast.Call(
            func=ast.Name(id=function),
            args=[
                ast.Subscript(
                    value=ast.Name(id=pages),
                    slice=ast.BinOp(left=ast.Name(id=address), op=ast.RShift()),
                ),
                ast.BinOp(left=ast.Name(id=same), op=ast.BitAnd()),
                *_,
            ],
        ) if function in sizes and address == same:
            return _Access(pages, sizes[function], address, target, value)
    return None


def in_front_of(node: ast.Try, tag: str, *, in_locals: bool) -> Statements:
    """The access, with a look through its window first. `tag` names the window; with `in_locals`, what it shows is in
    variables (`prologue`).
    """
    found = _recognised(node)
    if found is None or sys.byteorder != "little":
        return [node]
    near, size = f"{PREFIX}{found.size}_{tag}", found.size
    base, view = _parts(near, in_locals=in_locals)
    offset = name(f"_{tag}o")
    beyond: ast.expr = tree.Compare(offset, [ast.Gt()], [constant(OFFSET)])
    if size > 1:
        unaligned = tree.BinOp(offset, ast.BitAnd(), constant(size - 1))
        beyond = tree.BoolOp(ast.Or(), [beyond, unaligned])
    index: ast.expr = offset
    if size > 1:
        index = tree.BinOp(offset, ast.RShift(), constant(size.bit_length() - 1))
    arguments = [name(near), name("memory"), name(found.pages), name(found.address), constant(size)]
    moved = tree.Call(name(_MOVE), arguments, [])
    where = tree.BinOp(name(found.address), ast.BitXor(), base)
    if found.target is not None:
        shown = assign(found.target, tree.Subscript(view, index, ast.Load()))
    else:
        assert found.value is not None
        shown = assign(tree.Subscript(view, index, ast.Store()), found.value)
    far: Statements = [node, _unpack(near, moved) if in_locals else assign("_near", moved)]
    return [assign(offset.id, where), tree.If(beyond, far, [shown])]


def _parts(near: str, *, in_locals: bool) -> tuple[ast.expr, ast.expr]:
    if in_locals:
        return name(f"_base_{near}"), name(f"_view_{near}")
    base, view = (tree.Subscript(name(near), constant(n), ast.Load()) for n in (0, 1))
    return base, view


def _unpack(near: str, window: ast.expr) -> ast.stmt:
    parts: list[ast.expr] = [name(f"_{part}_{near}", store=True) for part in ("base", "view")]
    return tree.Assign([tree.Tuple(parts, ast.Store())], window)


def prologue(names: set[str]) -> Statements:
    """What must stand before code with the windows among `names`, if they are in variables there."""
    return [_unpack(near, name(near)) for near in sorted(names) if near.startswith(PREFIX)]


def bytes_given(node: ast.expr) -> int:
    """How many bytes the value of an expression has, if it is a load; else 0."""
    match node:
        case ast.Subscript(value=ast.Call(func=ast.Name(id=function)), slice=ast.Constant(value=0)):
            return _READS.get(function, 0)
        case ast.Call(func=ast.Name(id=function), args=[_, _, ast.Constant(value=int(size)), *_]):
            return size if function == _LOAD else 0
        case ast.Subscript(value=ast.Name(id=view)) if view.startswith(f"_view_{PREFIX}"):
            return int(view.removeprefix(f"_view_{PREFIX}")[0])
        case ast.Subscript(
            value=ast.Subscript(value=ast.Name(id=near), slice=ast.Constant(value=1))
        ):
            return int(near.removeprefix(PREFIX)[0]) if near.startswith(PREFIX) else 0
    return 0
