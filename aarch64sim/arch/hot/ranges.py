"""What is known of numbers: the bounds of an expression's value, and what becomes simpler by them.

Invariant: what is written anew has the same value, whatever registers and memory hold; nothing here knows an
instruction.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable

from aarch64sim.arch.hot import tree
from aarch64sim.arch.hot.nodes import (
    Statements,
    assign,
    constant,
    each,
    is_register,
    is_truth,
    name,
    negated,
    of_bits,
    truth_of,
)
from aarch64sim.arch.hot.source import name_of
from aarch64sim.arch.hot.windows import bytes_given
from aarch64sim.arch.registers import MASK64

Range = tuple[int, int]  # the least and the greatest value
Bounds = dict[str, Range]  # of variables, by name
REGISTER: Range = (0, MASK64)
BIT: Range = (0, 1)


def _ordered(function: Callable[[int, int], int]) -> Callable[[Range, Range], Range]:
    """For a function that grows with both of its arguments."""
    return lambda a, b: (function(a[0], b[0]), function(a[1], b[1]))


def _bits(a: Range, b: Range) -> Range:
    return 0, (1 << max(a[1], b[1]).bit_length()) - 1


_ANY: dict[type[ast.operator], Callable[[Range, Range], Range]] = {
    ast.Add: _ordered(operator.add),
    ast.Sub: lambda a, b: (a[0] - b[1], a[1] - b[0]),
}
_UNSIGNED: dict[type[ast.operator], Callable[[Range, Range], Range]] = {
    ast.Mult: _ordered(operator.mul),
    ast.BitOr: _bits,
    ast.BitXor: _bits,
    ast.RShift: lambda a, b: (a[0] >> b[1], a[1] >> b[0]),
}
_BOOL = name_of(bool)
_WIDEST = 128  # bits of a number that is followed


def _combined(op: ast.operator, a: Range | None, b: Range | None) -> Range | None:
    """Where `x op y` lies, for x in `a` and y in `b`."""
    if isinstance(op, ast.BitAnd):
        highest = [given[1] for given in (a, b) if given and given[0] >= 0]
        return (0, min(highest)) if highest else None
    if a is None or b is None:
        return None
    if type(op) in _ANY:
        return _ANY[type(op)](a, b)
    if a[0] < 0 or b[0] < 0:
        return None
    if isinstance(op, ast.LShift) and a[1].bit_length() + b[1] <= _WIDEST:
        return a[0] << b[0], a[1] << b[1]
    return _UNSIGNED[type(op)](a, b) if type(op) in _UNSIGNED else None


def union(a: Range | None, b: Range | None) -> Range | None:
    """Where a value lies that is in one of the two."""
    return (min(a[0], b[0]), max(a[1], b[1])) if a and b else None


def in_both(a: Bounds, b: Bounds) -> Bounds:
    """What is known where two ways meet."""
    both = {n: union(a[n], b[n]) for n in a.keys() & b.keys()}
    return {n: lies for n, lies in both.items() if lies}


class Ranges:
    """Goes through statements in their order, with what is `known` of variables before each."""

    def __init__(self, known: Bounds) -> None:
        self.known = dict(known)

    # --- expressions ---

    def expression(self, node: ast.expr) -> tuple[ast.expr, Range | None]:
        """The node, maybe simpler, and where it lies (None: anywhere, or no number)."""
        match node:
            case ast.Constant(value=int(value)):
                return node, (value, value)
            case ast.Name(id=variable):
                return node, self.known.get(variable) or _by_kind(node)
            case ast.Attribute(value=ast.Name(id="p")):
                return node, BIT
            case ast.Subscript(value=ast.Name(id="r"), slice=ast.Constant()):
                return node, REGISTER
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(left, op, right)
            case ast.UnaryOp(op=ast.Not()) | ast.Compare():
                return self.test(node), BIT
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yes, a = self.expression(body)
                no, b = self.expression(orelse)
                return tree.IfExp(self.test(test), yes, no), union(a, b)
            case ast.Call(func=ast.Name(id=function)) if function == _BOOL:
                test = self.test(node)
                return (test if is_truth(test) else node), BIT
        size = bytes_given(node)
        return node, (0, (1 << 8 * size) - 1) if size else None

    def _binary(
        self, left: ast.expr, op: ast.operator, right: ast.expr
    ) -> tuple[ast.expr, Range | None]:
        x, a = self.expression(left)
        y, b = self.expression(right)
        if isinstance(op, ast.BitAnd):
            for value, lies, mask in ((x, a, y), (y, b, x)):
                ones = _all_ones(mask)
                if ones and lies and lies[0] >= 0 and lies[1] <= ones:
                    return value, lies
        if isinstance(op, ast.RShift) and a and b and b[0] == b[1] >= 0 <= a[0]:
            if a[1] >> b[0] == 0:
                return constant(0), (0, 0)
            if a[1] >> b[0] == 1:  # one bit is left: to compare is quicker than to shift
                top = self._top(x, 1 << b[0])
                if isinstance(top, ast.Constant):
                    return constant(1 if top.value else 0), BIT
                return tree.IfExp(top, constant(1), constant(0)), BIT
        return tree.BinOp(x, op, y), _combined(op, a, b)

    def _top(self, node: ast.expr, bit: int) -> ast.expr:
        """Whether `bit`, the highest one that the value can have, is set in it."""
        match node:
            case ast.Constant(value=int(value)):
                return constant(bool(value & bit))
            case ast.BinOp(
                left=left, op=ast.BitXor() | ast.BitAnd() | ast.BitOr() as op, right=right
            ) if all(self._is_below(side, 2 * bit) for side in (left, right)):
                return of_bits(op, self._top(left, bit), self._top(right, bit))
        return tree.Compare(node, [ast.GtE()], [constant(bit)])

    def _is_below(self, node: ast.expr, limit: int) -> bool:
        _, lies = self.expression(node)
        return lies is not None and lies[0] >= 0 and lies[1] < limit

    def test(self, node: ast.expr) -> ast.expr:
        """The node where it only matters whether it is true."""
        match node:
            case ast.IfExp(test=test, body=ast.Constant(value=yes), orelse=ast.Constant(value=no)):
                if bool(yes) is not bool(no):
                    return self.test(test) if yes else negated(self.test(test))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negated(self.test(operand))
            case ast.Call(func=ast.Name(id=function), args=[value]) if function == _BOOL:
                return self.test(value)
            case ast.BinOp(left=bit, op=ast.BitXor(), right=ast.Constant(value=1)):
                if self._is_below(bit, 2):
                    return negated(self.test(bit))
            case ast.BinOp(
                left=ast.BinOp(left=left, op=ast.Sub(), right=right), op=ast.BitAnd(), right=mask
            ) if ones := _all_ones(mask):
                if self._is_below(left, ones + 1) and self._is_below(right, ones + 1):
                    return tree.Compare(
                        self.expression(left)[0], [ast.NotEq()], [self.expression(right)[0]]
                    )
            case ast.BoolOp(op=op, values=values):
                return tree.BoolOp(op, [self.test(v) for v in values])
            case ast.Compare(left=left, ops=ops, comparators=others):
                first, *rest = (self.expression(v)[0] for v in (left, *others))
                if len(ops) == 1 and isinstance(ops[0], ast.Eq | ast.NotEq):
                    a, b = truth_of(first), truth_of(rest[0])
                    if a and b:
                        first, rest = a, [b]
                return tree.Compare(first, ops, rest)
        return self.expression(node)[0]

    # --- statements ---

    def statements(self, body: Statements) -> Statements:
        """The statements, maybe simpler; what is known afterwards is in `known`."""
        out: Statements = []
        for statement in body:
            self._statement(statement, out)
        return out

    def _statement(self, node: ast.stmt, out: Statements) -> None:
        match node:
            case ast.Assign(targets=[target], value=value):
                self._assign(target, value, out)
            case ast.If(test=test, body=body, orelse=orelse):
                then, otherwise = Ranges(self.known), Ranges(self.known)
                decided = self.test(test)
                out.append(tree.If(decided, then.statements(body), otherwise.statements(orelse)))
                self.known = in_both(then.known, otherwise.known)
            case ast.Try(body=body, handlers=handlers):
                tried = Ranges(self.known)
                new = tried.statements(body)
                caught = []
                for handler in handlers:
                    inside = Ranges(self.known)
                    inside._forget(body)
                    statements = inside.statements(handler.body)
                    caught.append(tree.ExceptHandler(handler.type, handler.name, statements))
                    tried.known = in_both(tried.known, inside.known)
                out.append(tree.Try(new, caught, [], []))
                self.known = tried.known
            case ast.Return(value=ast.expr() as value):
                out.append(tree.Return(self.expression(value)[0]))
            case _:
                self._forget([node])
                out.append(node)

    def _assign(self, target: ast.expr, value: ast.expr, out: Statements) -> None:
        """`target = value`; a mask that hardly ever changes anything is put on only if it does."""
        new, lies = self.expression(value)
        match new:
            case ast.BinOp(
                left=ast.BinOp(op=ast.Add() | ast.Sub()) as sum_, op=ast.BitAnd(), right=mask
            ):
                _, wide = self.expression(sum_)
                ones = _all_ones(mask)
                test = _outside(wide, ones) if ones and wide else None
                if test:
                    variable = target.id if isinstance(target, ast.Name) else "_sum"
                    here = name(variable)
                    out.append(assign(variable, sum_))
                    cut = assign(variable, tree.BinOp(here, ast.BitAnd(), mask))
                    out.append(
                        tree.If(tree.Compare(here, [test[0]], [constant(test[1])]), [cut], [])
                    )
                    new = here
        if not (isinstance(target, ast.Name) and isinstance(new, ast.Name) and new.id == target.id):
            out.append(tree.Assign([target], new))
        if not isinstance(target, ast.Name):
            self._forget([tree.Expr(target)])
        elif lies:
            self.known[target.id] = lies
        else:
            self.known.pop(target.id, None)

    def _forget(self, statements: Statements) -> None:
        """Nothing is known of what these assign."""
        if not self.known:
            return
        for statement in statements:
            for n in each(statement):
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
                    self.known.pop(n.id, None)


def _by_kind(node: ast.Name) -> Range | None:
    if is_register(node):
        return REGISTER
    return BIT if node.id.startswith("flag_") else None


def _all_ones(node: ast.expr) -> int:
    """The value of a constant that is a mask of the lowest bits; else 0."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value > 0:
        return 0 if node.value & node.value + 1 else node.value
    return 0


def _outside(lies: Range, mask: int) -> tuple[ast.cmpop, int] | None:
    """How to see that a value is not within the mask, if one comparison says it."""
    if lies[0] >= 0:
        return ast.Gt(), mask
    return (ast.Lt(), 0) if lies[1] <= mask else None
