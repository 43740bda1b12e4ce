"""From the closure that executes an instruction to the statements that it comes to once its constants are known.

Invariant: nothing here describes an instruction. What comes out is the body of the very function in `execute`, with the
numbers that its binder has chosen put in, branches on them decided, and the small functions that it calls written out.
A function that stays a call must read neither registers nor flags, and change none: they may be elsewhere by then.
Longer than other files: putting statements in line and evaluating expressions need each other.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

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
    NUMBERS,
    SHARED,
    Known,
    Scope,
    Unsupported,
    Value,
    known,
    objects_of,
    source_of,
)
from aarch64sim.arch.registers import SINK, ZERO
from aarch64sim.arch.state import CpuState

_INLINED = ("aarch64sim.arch.execute", "aarch64sim.arch.vocabulary", "aarch64sim.arch.registers")
# Attributes of the CPU that always hold the same object.
_STABLE = ("r", "v", "pstate", "sys", "memory")


class Inliner:
    """Puts ops of one CPU in line. Objects of the CPU have the names in `objects` there, whatever the CPU; if one was
    needed that has none, the result is `private`: good for this CPU only.

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

    # --- the way in ---

    def statements(self, op: Callable[[], int]) -> Statements:
        """What `op` does; its last statement, on every path, is a `return` of the next PC."""
        if not isinstance(op, FunctionType):
            raise Unsupported(op)
        return self._body(op, [], ast.Return)

    def _body(
        self, function: FunctionType, arguments: list[Value], give: Callable[[ast.expr], ast.stmt]
    ) -> Statements:
        """The statements of a call; `give` makes the statement for what it returns."""
        scope = self._scope(function, arguments)
        out: Statements = []
        node = scope.node
        if isinstance(node, ast.Lambda):
            value = self._expression(node.body, scope, out)
            return [*out, give(self.lift(value))]
        self._block(node.body, scope, out, give)
        return out

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
            found = SHARED.setdefault(value.value, f"o{next(NUMBERS)}")
        return name(found)

    # --- statements ---

    def _block(
        self, body: Statements, scope: Scope, out: Statements, give: Callable[[ast.expr], ast.stmt]
    ) -> bool:
        """Append what the statements come to; whether they return on every path."""
        for at, node in enumerate(body):
            if isinstance(node, ast.Return):
                self._give(node.value or constant(None), scope, out, give)
                return True
            if isinstance(node, ast.If):
                if self._if(node, body[at + 1 :], scope, out, give):
                    return True
            elif isinstance(node, ast.Try):
                if self._try(node, scope, out, give):
                    return True
            else:
                self._simple(node, scope, out)
        return False

    def _give(
        self, value: ast.expr, scope: Scope, out: Statements, give: Callable[[ast.expr], ast.stmt]
    ) -> None:
        called = self._called(value, scope, out)
        if called is not None:
            out.extend(self._body(called[0], called[1], give))
        else:
            out.append(give(self.lift(self._expression(value, scope, out))))

    def _if(
        self,
        node: ast.If,
        rest: Statements,
        scope: Scope,
        out: Statements,
        give: Callable[[ast.expr], ast.stmt],
    ) -> bool:
        test = self._expression(node.test, scope, out)
        if isinstance(test, ast.Constant):
            return self._block(node.body if test.value else node.orelse, scope, out, give)
        then: Statements = []
        otherwise: Statements = []
        before = dict(scope.values)
        ends = self._block(node.body, scope, then, give)
        scope.values = before
        if ends and not node.orelse:
            ends = self._block(rest, scope, otherwise, give)
        elif ends:
            raise Unsupported("a return beside an else")
        elif self._block(node.orelse, scope, otherwise, give):
            raise Unsupported("a return in an else")
        out.append(ast.If(self.lift(test), then or [ast.Pass()], otherwise))
        return ends

    def _try(
        self, node: ast.Try, scope: Scope, out: Statements, give: Callable[[ast.expr], ast.stmt]
    ) -> bool:
        body: Statements = []
        ends = [self._block(node.body, scope, body, give)]
        handlers = []
        for handler in node.handlers:
            statements: Statements = []
            ends.append(self._block(handler.body, scope, statements, give))
            kind = handler.type and self.lift(self._expression(handler.type, scope, out))
            handlers.append(ast.ExceptHandler(kind, None, statements or [ast.Pass()]))
        if any(ends) != all(ends) or node.orelse or node.finalbody:
            raise Unsupported("a return on some paths of a try")
        out.append(ast.Try(body, handlers, [], []))
        return all(ends)

    def _simple(self, node: ast.stmt, scope: Scope, out: Statements) -> None:
        if isinstance(node, ast.Expr):
            called = self._called(node.value, scope, out)
            if called is not None:
                out.extend(s for s in self._body(*called, ast.Expr) if not _idle(s))
            elif not isinstance(node.value, ast.Constant):
                out.append(ast.Expr(self.lift(self._expression(node.value, scope, out))))
        elif isinstance(node, ast.AugAssign):
            target = copy.copy(node.target)
            target.ctx = ast.Load()
            value = ast.BinOp(target, node.op, node.value)
            self._assign([node.target], value, scope, out)
        elif isinstance(node, ast.Assign):
            self._assign(node.targets, node.value, scope, out)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._assign([node.target], node.value, scope, out)
        elif not isinstance(node, ast.Pass):
            raise Unsupported(type(node).__name__)

    def _assign(
        self, targets: list[ast.expr], value: ast.expr, scope: Scope, out: Statements
    ) -> None:
        called = self._called(value, scope, out)
        only = targets[0]
        if called is not None:
            temporary = f"{scope.prefix}_{called[0].__name__.strip('<>')}"
            body = self._body(*called, lambda given: assign(temporary, given))
            match body[-1]:
                case ast.Assign(targets=[ast.Name(id=last)], value=given) if last == temporary:
                    result: Value = given  # given in one place, at the end: no variable is needed
                    body = body[:-1]
                case _:
                    result = name(temporary)
            out.extend(body)
        else:
            result = self._expression(value, scope, out)
        if isinstance(only, ast.Tuple) and isinstance(result, ast.Tuple) and len(targets) == 1:
            parts = [self._temporary(part, scope, out) for part in result.elts]
            for target, part in zip(only.elts, parts, strict=True):
                self._store(target, part, scope, out)
            return
        if len(targets) > 1:
            result = self._temporary(self.lift(result), scope, out)
        for target in reversed(targets):  # names first: a register may be read through them
            self._store(target, result, scope, out)

    def _temporary(self, value: ast.expr, scope: Scope, out: Statements) -> ast.expr:
        """The value, in a variable of its own unless it is a constant or is in one."""
        if isinstance(value, ast.Constant) or (
            isinstance(value, ast.Name) and not is_register(value)
        ):
            return value
        self._scopes += 1
        out.append(assign(f"_{self.tag}t{self._scopes}", value))
        return name(f"_{self.tag}t{self._scopes}")

    def _store(self, target: ast.expr, value: Value, scope: Scope, out: Statements) -> None:
        if isinstance(target, ast.Name):
            if target.id in scope.once and isinstance(value, ast.Constant | Known):
                scope.values[target.id] = value
                return
            variable = f"{scope.prefix}_{target.id}"
            if not (isinstance(value, ast.Name) and value.id == variable):
                out.append(assign(variable, self.lift(value)))
            scope.values[target.id] = name(variable)
        else:
            place = self._place(target, scope, out)
            if place is not None:
                out.append(assign(place, self.lift(value)))

    def _place(self, target: ast.expr, scope: Scope, out: Statements) -> ast.expr | None:
        """Where to assign; None for the sink, that nobody reads."""
        if isinstance(target, ast.Tuple):
            places = [self._place(e, scope, out) or name("_sink", store=True) for e in target.elts]
            return ast.Tuple(places, ast.Store())
        value = self._expression(target, scope, out, store=True)
        if isinstance(value, ast.Name) and value.id == "_sink":
            return None
        place = copy.copy(self.lift(value))
        if not isinstance(place, ast.Name | ast.Attribute | ast.Subscript):
            raise Unsupported("a target")
        place.ctx = ast.Store()
        return place

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
        return self._temporary(value, scope, out)

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
                return ast.IfExp(
                    self.lift(decided),
                    self._plain(body, scope, out),
                    self._plain(orelse, scope, out),
                )
            case ast.Tuple(elts=elements):
                return ast.Tuple([self._plain(e, scope, out) for e in elements], ast.Load())
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
        return ast.Attribute(self.lift(base), attribute, ast.Load())

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
        return ast.Subscript(self.lift(base), self.lift(index), ast.Load())

    def _call(self, node: ast.Call, scope: Scope, out: Statements) -> Value:
        function = self._expression(node.func, scope, out)
        if isinstance(function, Known) and _goes_in_line(function.value) and not node.keywords:
            arguments = [self._argument(a, scope, out) for a in node.args]
            try:
                return self._written_out(function.value, arguments, out)
            except Unsupported:
                return ast.Call(self.lift(function), [self.lift(a) for a in arguments], [])
        arguments = [self._expression(a, scope, out) for a in node.args]
        keywords = [ast.keyword(k.arg, self._plain(k.value, scope, out)) for k in node.keywords]
        return ast.Call(self.lift(function), [self.lift(a) for a in arguments], keywords)

    def _written_out(
        self, function: FunctionType, arguments: list[Value], out: Statements
    ) -> Value:
        """The value of a call, if all it needs are statements before the one that it stands in."""
        given: list[ast.expr] = []

        def give(value: ast.expr) -> ast.stmt:
            given.append(value)
            return ast.Pass()

        statements = self._body(function, arguments, give)
        if len(given) != 1 or any(not isinstance(s, ast.Assign | ast.Pass) for s in statements):
            raise Unsupported(function.__name__)
        out.extend(s for s in statements if not isinstance(s, ast.Pass))
        return given[0]


def _idle(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


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
