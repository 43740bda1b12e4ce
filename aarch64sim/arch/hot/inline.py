"""From the closure that executes an instruction to the statements that it comes to once its constants are known.

Invariant: nothing here describes an instruction. What comes out is the body of the very function in `execute`, with the
numbers that its binder has chosen put in, branches on them decided, and the small functions that it calls written out.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from types import FunctionType

from aarch64sim.arch.hot import tree, windows
from aarch64sim.arch.hot.expressions import Expressions, Give
from aarch64sim.arch.hot.nodes import Statements, assign, constant, name
from aarch64sim.arch.hot.source import Known, Scope, Unsupported, Value


class Inliner(Expressions):
    """Puts whole ops of one CPU in line."""

    # --- the way in ---

    def statements(self, op: Callable[[], int]) -> Statements:
        """What `op` does; its last statement, on every path, is a `return` of the next PC."""
        if not isinstance(op, FunctionType):
            raise Unsupported(op)
        return self._body(op, [], tree.Return)

    def _body(self, function: FunctionType, arguments: list[Value], give: Give) -> Statements:
        """The statements of a call; `give` makes the statement for what it returns."""
        scope = self._scope(function, arguments)
        out: Statements = []
        node = scope.node
        if isinstance(node, ast.Lambda):
            value = self._expression(node.body, scope, out)
            return [*out, give(self.lift(value))]
        self._block(node.body, scope, out, give)
        return out

    # --- statements ---

    def _block(self, body: Statements, scope: Scope, out: Statements, give: Give) -> bool:
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

    def _give(self, value: ast.expr, scope: Scope, out: Statements, give: Give) -> None:
        called = self._called(value, scope, out)
        if called is not None:
            out.extend(self._body(called[0], called[1], give))
        else:
            out.append(give(self.lift(self._expression(value, scope, out))))

    def _if(
        self, node: ast.If, rest: Statements, scope: Scope, out: Statements, give: Give
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
        out.append(tree.If(self.lift(test), then or [tree.Pass()], otherwise))
        return ends

    def _try(self, node: ast.Try, scope: Scope, out: Statements, give: Give) -> bool:
        body: Statements = []
        ends = [self._block(node.body, scope, body, give)]
        handlers = []
        for handler in node.handlers:
            statements: Statements = []
            ends.append(self._block(handler.body, scope, statements, give))
            kind = handler.type and self.lift(self._expression(handler.type, scope, out))
            handlers.append(tree.ExceptHandler(kind, None, statements or [tree.Pass()]))
        if any(ends) != all(ends) or node.orelse or node.finalbody:
            raise Unsupported("a return on some paths of a try")
        self._scopes += 1
        access = tree.Try(body, handlers, [], [])
        tag = f"{self.tag}{self._scopes}"
        out += windows.in_front_of(access, tag, in_locals=self.in_locals)
        return all(ends)

    def _simple(self, node: ast.stmt, scope: Scope, out: Statements) -> None:
        if isinstance(node, ast.Expr):
            called = self._called(node.value, scope, out)
            if called is not None:
                out.extend(s for s in self._body(*called, tree.Expr) if not _idle(s))
            elif not isinstance(node.value, ast.Constant):
                out.append(tree.Expr(self.lift(self._expression(node.value, scope, out))))
        elif isinstance(node, ast.AugAssign):
            target = copy.copy(node.target)
            target.ctx = ast.Load()
            value = tree.BinOp(target, node.op, node.value)
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
            parts = [self._temporary(part, out) for part in result.elts]
            for target, part in zip(only.elts, parts, strict=True):
                self._store(target, part, scope, out)
            return
        if len(targets) > 1:
            result = self._temporary(self.lift(result), out)
        for target in reversed(targets):  # names first: a register may be read through them
            self._store(target, result, scope, out)

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
            return tree.Tuple(places, ast.Store())
        value = self._expression(target, scope, out, store=True)
        if isinstance(value, ast.Name) and value.id == "_sink":
            return None
        place = copy.copy(self.lift(value))
        if not isinstance(place, ast.Name | ast.Attribute | ast.Subscript):
            raise Unsupported("a target")
        place.ctx = ast.Store()
        return place


def _idle(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
