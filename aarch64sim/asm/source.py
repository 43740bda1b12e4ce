"""Source text cut into statements, and the errors that point into it.

Invariant: columns are those of the source as written: comments are blanked, never removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aarch64sim.asm.text import Problem

MOST = 50  # errors that are collected: a text that is not assembly at all is given up soon
LARGEST = 64 << 20  # characters
# Each alternative takes what it begins with, closed or not, so that no character is looked at twice.
_STRING, _CHAR = r'(?:\\.|[^"\\\n])*"?', r"(?:\\.|[^\\\n])?'?"  # after the quote
_COMMENT = re.compile(  # a class in front lets `re` skip everything else
    rf"""["'/](?:(?<=/)(?:/[^\n]*|\*.*?\*/|(?P<open>\*.*))|(?<="){_STRING}|(?<='){_CHAR})""",
    re.DOTALL | re.ASCII,
)
_PIECE = re.compile(rf"(?:\"{_STRING}|'{_CHAR}|[^;\"'])+", re.DOTALL)
_HEAD = re.compile(r"\s*((?:[\w.$]++|\\[\w@]|\\\(\))*+)([ \t]*:(?!:))?", re.ASCII)


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


@dataclass(slots=True)
class Statement:
    """One label, directive or instruction, and where it stands in the source; what a macro makes stands at its call."""

    line: int  # from 1
    column: int  # from 0
    name: str  # the first word, in lower case; of a label with its colon
    text: str
    origin: str = ""  # of what a macro or a repetition made: which one

    @property
    def rest(self) -> str:
        """What follows the first word."""
        return self.text[len(self.name) :]

    @property
    def names(self) -> list[str]:
        """What follows, cut at the commas."""
        return [name.strip() for name in self.rest.split(",")]


def cut(text: str, line: int, column: int = 0, origin: str = "") -> list[Statement]:
    """The statements of one line without comments."""
    made: list[Statement] = []
    for at, end in [m.span() for m in _PIECE.finditer(text)] if ";" in text else [(0, len(text))]:
        head = _HEAD.match(text, at, end)
        while head and head.lastindex == 2 and head[1]:
            label = head[1] + ":"
            made.append(Statement(line, column + head.start(1), label, label, origin))
            head = _HEAD.match(text, head.end(), end)
        if head and (body := text[(start := head.start(1)) : end].rstrip()):
            made.append(Statement(line, column + start, head[1].lower(), body, origin))
    return made


class Source:
    """The lines of a source, and the faults found in it so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.errors: list[AssemblyError] = []

    def statements(self) -> Iterator[Statement]:
        """All statements in order; a comment without an end is noted as a fault."""
        if len(self.text) > LARGEST:
            what = f"the source is too large: {len(self.text)} characters, at most {LARGEST}"
            self.stop(Statement(1, 0, "", ""), Problem(0, what))
        for number, line in enumerate(self._without_comments(), 1):
            if line and not line.lstrip().startswith("#"):
                yield from cut(line, number)

    def _without_comments(self) -> list[str]:
        def blank(match: re.Match[str]) -> str:
            if match[0][0] != "/":
                return match[0]
            if match["open"]:
                line = self.text.count("\n", 0, match.start())
                column = match.start() - (self.text.rfind("\n", 0, match.start()) + 1)
                what = "the comment that starts here has no end"
                self.fault(Statement(line + 1, column, "", ""), Problem(0, what))
            return "\n".join([" " * len(line) for line in match[0].split("\n")])

        return _COMMENT.sub(blank, self.text).split("\n")

    def fault(self, statement: Statement, problem: Problem) -> None:
        """Note a fault in that statement; raise them all when there are MOST."""
        text = self.lines[statement.line - 1].rstrip("\r")
        column, message = statement.column + problem.column, problem.message
        if statement.origin:  # the call stands in the line, not the text that it made
            column, message = statement.column, f"{message} ({statement.origin})"
        self.errors.append(AssemblyError(statement.line, column + 1, message, text))
        if len(self.errors) == MOST:
            self.check()

    def stop(self, statement: Statement, problem: Problem) -> None:
        """Note a fault after which nothing more can be said, and raise."""
        self.fault(statement, problem)
        self.check()

    def check(self) -> None:
        """Raise the AssemblyError of all faults so far."""
        if self.errors:
            self.errors.sort(key=lambda e: (e.line, e.column))
            self.errors[0].errors = tuple(self.errors)
            raise self.errors[0]
