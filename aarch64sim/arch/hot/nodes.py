"""Pieces of Python's syntax tree, and how they are made, folded and rewritten.

Invariant: pure functions; a node that is given is never changed.
"""

from __future__ import annotations

import ast
import copy
import operator
from collections.abc import Callable, Iterator
from typing import Any

from aarch64sim.arch.hot import tree
from aarch64sim.arch.registers import MASK64

Statements = list[ast.stmt]

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod, ast.LShift: operator.lshift, ast.RShift: operator.rshift, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Invert: operator.invert, ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip


def constant(value: Any) -> ast.Constant:
    """A number, text or None."""
    return tree.Constant(value)


def name(text: str, *, store: bool = False) -> ast.Name:
    """A variable, read or (`store`) written."""
    return tree.Name(text, ast.Store() if store else ast.Load())


def assign(target: str | ast.expr, value: ast.expr) -> ast.Assign:
    """`target = value`."""
    return tree.Assign([name(target, store=True) if isinstance(target, str) else target], value)


def is_register(node: ast.AST) -> bool:
    """Whether a node is the local variable of a general register."""
    return isinstance(node, ast.Name) and node.id[0] == "x" and node.id[1:].isdigit()


def each(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all that is in it, as `ast.walk`, but faster."""
    rest = [node]
    while rest:
        current = rest.pop()
        yield current
        for key in current._fields:
            value = getattr(current, key, None)
            if isinstance(value, ast.AST):
                rest.append(value)
            elif isinstance(value, list):
                rest += [v for v in value if isinstance(v, ast.AST)]


def names_in(node: ast.AST) -> Iterator[str]:
    """The variables that a node reads or writes."""
    return (n.id for n in each(node) if isinstance(n, ast.Name))


def rewritten(node: Any, change: Callable[[ast.Name], ast.expr | None]) -> Any:
    """The node with every name replaced for which `change` gives something; what has none stays the same object."""
    if isinstance(node, ast.Name):
        return change(node) or node
    new: dict[str, Any] = {}
    for key in node._fields:
        old = getattr(node, key, None)
        if isinstance(old, ast.AST):
            value: Any = rewritten(old, change)
        elif isinstance(old, list):
            value = [rewritten(n, change) if isinstance(n, ast.AST) else n for n in old]
            if all(a is b for a, b in zip(value, old, strict=True)):
                value = old
        else:
            continue
        if value is not old:
            new[key] = value
    if not new:
        return node
    made = copy.copy(node)
    for key, value in new.items():
        setattr(made, key, value)
    return made


# --- what is known already ---


def _number(node: ast.expr) -> int | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else None


def binary(left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr:
    """`left op right`, computed if both are known, and without what changes nothing."""
    a, b = _number(left), _number(right)
    if a is not None and b is not None:
        return constant(_BINARY[type(op)](a, b))
    if isinstance(op, ast.BitAnd):
        if 0 in (a, b):
            return constant(0)
        if b == MASK64 and _is_unsigned(left):
            return left
        if a == MASK64 and _is_unsigned(right):
            return right
    if b == 0 and isinstance(
        op, ast.Add | ast.Sub | ast.LShift | ast.RShift | ast.BitOr | ast.BitXor
    ):
        return left
    if a == 0 and isinstance(op, ast.Add | ast.BitOr | ast.BitXor):
        return right
    if b is not None and b < 0 and isinstance(op, ast.Add):
        return tree.BinOp(left, ast.Sub(), constant(-b))
    return tree.BinOp(left, op, right)


def _is_unsigned(node: ast.expr) -> bool:
    """Whether the expression is a register, which never holds more than 64 bits."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id == "r"
    return is_register(node)


def boolean(op: ast.boolop, values: list[ast.expr]) -> ast.expr:
    """`and` or `or`, without what is known already."""
    decisive = isinstance(op, ast.Or)
    kept: list[ast.expr] = []
    for value in values:
        if isinstance(value, ast.Constant):
            if bool(value.value) is decisive:
                kept.append(value)
                break
            if value is values[-1]:
                kept.append(value)
        else:
            kept.append(value)
    return kept[0] if len(kept) == 1 else tree.BoolOp(op, kept)


def comparison(values: list[ast.expr], ops: list[ast.cmpop]) -> ast.expr:
    """A comparison, decided if both sides are known."""
    if len(values) == 2 and all(isinstance(v, ast.Constant) for v in values):
        a, b = (v.value for v in values if isinstance(v, ast.Constant))
        if type(ops[0]) in _COMPARE:
            return constant(_COMPARE[type(ops[0])](a, b))
    return tree.Compare(values[0], ops, values[1:])


def unary(op: ast.unaryop, value: ast.expr) -> ast.expr:
    """`op value`, computed if it is known."""
    if isinstance(value, ast.Constant):
        return constant(_UNARY[type(op)](value.value))
    return tree.UnaryOp(op, value)


# --- truths ---

_INVERSE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
}  # fmt: skip


def negated(node: ast.expr) -> ast.expr:
    """The opposite of a truth."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return operand
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _INVERSE:
            return tree.Compare(left, [_INVERSE[type(op)]()], [right])
    return tree.UnaryOp(ast.Not(), node)


def of_bits(op: ast.operator, a: ast.expr, b: ast.expr) -> ast.expr:
    """`a op b` of two truths."""
    for known, other in ((a, b), (b, a)):
        if isinstance(known, ast.Constant):
            if isinstance(op, ast.BitXor):
                return negated(other) if known.value else other
            return other if bool(known.value) is isinstance(op, ast.BitAnd) else known
    if isinstance(op, ast.BitXor):
        return tree.Compare(a, [ast.NotEq()], [b])
    return tree.BoolOp(ast.And() if isinstance(op, ast.BitAnd) else ast.Or(), [a, b])


def truth_of(node: ast.expr) -> ast.expr | None:
    """Of `1 if test else 0`, the test, if its value is a truth."""
    match node:
        case ast.IfExp(test=test, body=ast.Constant(value=1), orelse=ast.Constant(value=0)):
            return test if is_truth(test) else None
    return None


def is_truth(node: ast.expr) -> bool:
    """Whether the value of an expression is True or False."""
    if isinstance(node, ast.BoolOp):
        return all(is_truth(v) for v in node.values)
    return isinstance(node, ast.Compare) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )
