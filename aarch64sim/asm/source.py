"""Source text cut into statements, and the errors that point into it.

Invariant: columns are those of the source as written: comments are blanked, never removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from aarch64sim.asm.text import Problem, Token, tokenize

_COMMENT = re.compile(
    r"""(?P<keep>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^\\\n])'?) | //[^\n]* | /\*.*?\*/ | (?P<open>/\*.*)""",
    re.DOTALL | re.VERBOSE,
)


MOST = 50  # errors that are collected: a text that is no assembly at all says so soon


class AssemblyError(ValueError):
    """A fault in the source: `line` and `column` count from 1, `caret` is the line with a mark below the column.

    `errors` holds all faults of the source in order; the first is the exception itself.
    """

    def __init__(self, line: int, column: int, message: str, text: str = "") -> None:
        super().__init__(message)
        self.line, self.column, self.message = line, column, message
        self.caret = text + "\n" + re.sub(r"[^\t]", " ", text[: column - 1]) + "^"
        self.errors: tuple[AssemblyError, ...] = (self,)

    def __str__(self) -> str:
        return "\n".join(f"line {e.line}, column {e.column}: {e.message}" for e in self.errors)


@dataclass
class Statement:
    """One label, directive or instruction with its labels: tokens closed by `end`; `address` and `size` in bytes."""

    line: int
    order: int
    tokens: list[Token]
    address: int = 0
    size: int = 0

    @property
    def name(self) -> str:
        """The directive or mnemonic in lower case; "" if there is none."""
        return self.tokens[0].text.lower()


class Source:
    """The statements of a source, and the faults found in it so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.errors: list[AssemblyError] = []
        self.statements: list[Statement] = []
        for number, line in enumerate(self._without_comments(), 1):
            if not line.lstrip().startswith("#"):
                self._cut(number, line)

    def _without_comments(self) -> list[str]:
        def blank(match: re.Match[str]) -> str:
            if match["open"]:
                line = self.text.count("\n", 0, match.start())
                column = match.start() - (self.text.rfind("\n", 0, match.start()) + 1)
                self.fault(line + 1, Problem(column, "the comment that starts here has no end"))
            return match["keep"] or re.sub(r"[^\n]", " ", match[0])

        return _COMMENT.sub(blank, self.text).split("\n")

    def _cut(self, number: int, line: str) -> None:
        try:
            tokens = tokenize(line)
        except Problem as problem:
            self.fault(number, problem)
            return
        current: list[Token] = []
        for token in tokens:
            if token.kind == "end" or (token.kind == "mark" and token.text == ";"):
                current.append(Token("end", "", token.column))
                self.statements.append(Statement(number, len(self.statements), current))
                current = []
            else:
                current.append(token)

    def fault(self, line: int, problem: Problem) -> None:
        """Note a fault in that line; raise them all when there are MOST."""
        text = self.lines[line - 1].rstrip("\r")
        self.errors.append(AssemblyError(line, problem.column + 1, problem.message, text))
        if len(self.errors) == MOST:
            self.check()

    def guard(self, work: Callable[[Statement], None], statements: list[Statement]) -> None:
        """Do the work on each statement; note the Problems it meets."""
        for statement in statements:
            try:
                work(statement)
            except Problem as problem:
                self.fault(statement.line, problem)

    def check(self) -> None:
        """Raise the AssemblyError of all faults so far."""
        if self.errors:
            self.errors.sort(key=lambda e: (e.line, e.column))
            self.errors[0].errors = tuple(self.errors)
            raise self.errors[0]
