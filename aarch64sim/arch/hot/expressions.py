"""Values of an instruction's function while it is put in line: what is a constant by then, what stays an expression.

Invariant: nothing here describes an instruction. A function that stays a call must read neither registers nor flags,
and change none: they may be elsewhere by then.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from aarch64sim.arch.hot import tree
from aarch64sim.arch.hot.nodes import (
    Statements,
    assign,
    binary,
    boolean,
    comparison,
    constant,
    is_register,
    name,
    unary,
)
from aarch64sim.arch.hot.source import (
    FLAGS,
    Known,
    Scope,
    Unsupported,
    Value,
    known,
    name_of,
    objects_of,
    source_of,
)
from aarch64sim.arch.registers import SINK, ZERO
from aarch64sim.arch.state import CpuState

_INLINED = ("aarch64sim.arch.execute", "aarch64sim.arch.vocabulary", "aarch64sim.arch.registers")
# Attributes of the CPU that always hold the same object.
_STABLE = ("r", "v", "pstate", "sys", "memory")
Give = Callable[[ast.expr], ast.stmt]
"""Makes the statement for what a function returns."""


class Expressions(ABC):
    """Puts the expressions of one CPU's ops in line. Objects of the CPU have the names in `objects` there, whatever the
    CPU; if one was needed that has none, the result is `private`: good for this CPU only.

    With `in_locals` a register is the variable x0 to x31 and a flag flag_n to flag_v; else they stay r[0] and p.n.
    """

    def __init__(self, cpu: CpuState, *, in_locals: bool, tag: str = "") -> None:
        self.cpu = cpu
        self.tag = tag  # makes the names of variables different from another instruction's
        self.in_locals = in_locals
        self.objects: dict[str, Any] = objects_of(cpu)
        self.private = False
        self._names = {id(value): key for key, value in self.objects.items()}
        self._scopes = 0

    @abstractmethod
    def _body(self, function: FunctionType, arguments: list[Value], give: Give) -> Statements:
        """The statements of a call; `give` makes the statement for what it returns."""

    def _scope(self, function: FunctionType, arguments: list[Value]) -> Scope:
        self._scopes += 1
        scope = Scope(function, f"_{self.tag}{self._scopes}")
        parameters = [a.arg for a in scope.node.args.args]
        if len(parameters) != len(arguments) or scope.node.args.kwonlyargs:
            raise Unsupported(function.__name__)
        scope.values.update(zip(parameters, arguments, strict=True))
        return scope

    def lift(self, value: Value) -> ast.expr:
        """The value as an expression: an object gets a name."""
        if not isinstance(value, Known):
            return value
        found = self._names.get(id(value.value))
        if found is None and getattr(value.value, "__closure__", None):
            self.private = True
            found = f"own{len(self.objects)}"
            self._names[id(value.value)] = found
            self.objects[found] = value.value
        if found is None:
            found = name_of(value.value)
        return name(found)

    def _temporary(self, value: ast.expr, out: Statements) -> ast.expr:
        """The value, in a variable of its own unless it is a constant or is in one."""
        if isinstance(value, ast.Constant) or (
            isinstance(value, ast.Name) and not is_register(value)
        ):
            return value
        self._scopes += 1
        out.append(assign(f"_{self.tag}t{self._scopes}", value))
        return name(f"_{self.tag}t{self._scopes}")

    def _called(
        self, node: ast.expr, scope: Scope, out: Statements
    ) -> tuple[FunctionType, list[Value]] | None:
        """The function and its arguments, if the expression is nothing but the call of one that goes in line."""
        if not isinstance(node, ast.Call) or node.keywords:
            return None
        function = self._expression(node.func, scope, out)
        if not (isinstance(function, Known) and _goes_in_line(function.value)):
            return None
        if not _worth_it(function.value.__code__):
            return None
        return function.value, [self._argument(a, scope, out) for a in node.args]

    def _argument(self, node: ast.expr, scope: Scope, out: Statements) -> Value:
        value = self._expression(node, scope, out)
        if isinstance(value, Known | ast.Constant | ast.Name):
            return value
        return self._temporary(value, out)

    # --- expressions ---

    def _expression(
        self, node: ast.expr, scope: Scope, out: Statements, *, store: bool = False
    ) -> Value:
        match node:
            case ast.Constant():
                return node
            case ast.Name(id=variable):
                return scope.look_up(variable)
            case ast.Attribute(value=inner, attr=attribute):
                return self._attribute(self._expression(inner, scope, out), attribute)
            case ast.Subscript(value=inner, slice=index):
                base = self._expression(inner, scope, out)
                return self._subscript(base, self._expression(index, scope, out), store=store)
            case ast.BinOp(left=left, op=op, right=right):
                return binary(self._plain(left, scope, out), op, self._plain(right, scope, out))
            case ast.UnaryOp(op=op, operand=operand):
                return unary(op, self._plain(operand, scope, out))
            case ast.BoolOp(op=op, values=values):
                return boolean(op, [self._plain(v, scope, out) for v in values])
            case ast.Compare(left=left, ops=ops, comparators=others):
                return comparison([self._plain(v, scope, out) for v in (left, *others)], ops)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                decided = self._expression(test, scope, out)
                if isinstance(decided, ast.Constant):
                    return self._expression(body if decided.value else orelse, scope, out)
                return tree.IfExp(
                    self.lift(decided),
                    self._plain(body, scope, out),
                    self._plain(orelse, scope, out),
                )
            case ast.Tuple(elts=elements):
                return tree.Tuple([self._plain(e, scope, out) for e in elements], ast.Load())
            case ast.Call():
                return self._call(node, scope, out)
        raise Unsupported(type(node).__name__)

    def _plain(self, node: ast.expr, scope: Scope, out: Statements) -> ast.expr:
        return self.lift(self._expression(node, scope, out))

    def _attribute(self, base: Value, attribute: str) -> Value:
        if isinstance(base, Known):
            if base.value is self.cpu.pstate and attribute in FLAGS and self.in_locals:
                return name(f"flag_{attribute}")
            stable = base.value is self.cpu and attribute in _STABLE
            if stable or isinstance(base.value, ModuleType) or base.value is self.cpu.memory:
                return known(getattr(base.value, attribute))
        return tree.Attribute(self.lift(base), attribute, ast.Load())

    def _subscript(self, base: Value, index: Value, *, store: bool) -> Value:
        if isinstance(index, ast.Constant) and isinstance(index.value, int):
            if isinstance(base, Known) and base.value is self.cpu.r:
                if index.value == ZERO and not store:
                    return constant(0)
                if index.value == SINK:
                    return name("_sink")
                if self.in_locals:
                    return name(f"x{index.value}")
            elif isinstance(base, Known) and isinstance(base.value, tuple):
                return known(base.value[index.value])
            elif isinstance(base, ast.Tuple):
                return base.elts[index.value]
        return tree.Subscript(self.lift(base), self.lift(index), ast.Load())

    def _call(self, node: ast.Call, scope: Scope, out: Statements) -> Value:
        function = self._expression(node.func, scope, out)
        if isinstance(function, Known) and _goes_in_line(function.value) and not node.keywords:
            arguments = [self._argument(a, scope, out) for a in node.args]
            try:
                return self._written_out(function.value, arguments, out)
            except Unsupported:
                return tree.Call(self.lift(function), [self.lift(a) for a in arguments], [])
        arguments = [self._expression(a, scope, out) for a in node.args]
        keywords = [tree.keyword(k.arg, self._plain(k.value, scope, out)) for k in node.keywords]
        return tree.Call(self.lift(function), [self.lift(a) for a in arguments], keywords)

    def _written_out(
        self, function: FunctionType, arguments: list[Value], out: Statements
    ) -> Value:
        """The value of a call, if all it needs are statements before the one that it stands in."""
        given: list[ast.expr] = []

        def give(value: ast.expr) -> ast.stmt:
            given.append(value)
            return tree.Pass()

        statements = self._body(function, arguments, give)
        if len(given) != 1 or any(not isinstance(s, ast.Assign | ast.Pass) for s in statements):
            raise Unsupported(function.__name__)
        out.extend(s for s in statements if not isinstance(s, ast.Pass))
        return given[0]


def _goes_in_line(function: Any) -> bool:
    return isinstance(function, FunctionType) and function.__module__.startswith(_INLINED)


@cache
def _worth_it(code: CodeType) -> bool:
    """Whether a function can be written out as statements: no loop, no generator, nothing nested."""
    try:
        node = source_of(code)
    except Unsupported:
        return False
    return not any(
        isinstance(n, ast.For | ast.While | ast.Raise | ast.Starred | ast.GeneratorExp)
        for n in ast.walk(node)
    )
