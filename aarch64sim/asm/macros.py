"""Macros and repetitions: `.macro`, `.rept`, `.irp` and `.irpc`, and what their arguments are.

Invariant: text in, text out: nothing here knows what an instruction or a symbol is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from aarch64sim.asm.source import Statement, cut
from aarch64sim.asm.text import Problem, quoted

# GNU as drops white space that does not keep two words apart.
_SPACE = re.compile(r'("(?:\\.|[^"\\])*"?)|(?<![\w.$\\"])\s+|\s+(?![\w.$\\"])', re.ASCII)
_ARGUMENT = re.compile(
    r'(?:"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<plain>(?:"(?:\\.|[^"\\])*"|[^\s,])*))(?:,|\s+|$)'
)
_KEYWORD = re.compile(r"([A-Za-z_.$][\w.$]*)=(?!=)(.*)", re.ASCII | re.DOTALL)
_PARAMETER = re.compile(
    r'([A-Za-z_.$][\w.$]*)(?::(req|vararg))?(?:=("(?:\\.|[^"\\])*"|[^\s,]*))?(?:,|\s+|$)',
    re.ASCII,
)
_SLOT = re.compile(r"'\\.|\\(?:(\(\))|(@)|([A-Za-z_.$][\w.$]*))", re.ASCII)

LONGEST = (
    1 << 16
)  # characters of a statement that is made: a macro may call itself with its argument doubled


def squeezed(text: str) -> str:
    """The text without white space that separates nothing."""
    return _SPACE.sub(lambda m: m[1] or "", text.strip())


def arguments(text: str) -> list[tuple[int, str]]:
    """Where each argument starts in the (squeezed) text, and what it is; they are kept apart by commas or spaces."""
    found, at = [], 0
    while at < len(text):
        match = _ARGUMENT.match(text, at)
        if match is None:
            break
        found.append((at, match["plain"] if match["quoted"] is None else match["quoted"]))
        at = match.end()
    return found


def fill(text: str, values: dict[str, str], number: int) -> str:
    r"""The text with `\name` replaced where there is a value, `\@` by the number, and `\()` by nothing.

    A character (`'\n'`) is one before a macro sees it, as in GNU as.
    """

    def value(match: re.Match[str]) -> str:
        if match[0][0] == "'":
            return match[0]
        if match[3]:
            return values.get(match[3], match[0])
        return str(number) if match[2] else ""

    filled = _SLOT.sub(value, text) if "\\" in text else text
    if len(filled) > LONGEST:
        raise Problem(
            0, f"a macro makes a statement of {len(filled)} characters: at most {LONGEST}"
        )
    return filled


@dataclass(frozen=True, slots=True)
class Macro:
    """A name for statements with parameters: (name, "", "req" or "vararg", default)."""

    name: str
    parameters: tuple[tuple[str, str, str], ...]
    body: list[Statement]

    @classmethod
    def read(cls, head: Statement, body: list[Statement]) -> Macro:
        """From the `.macro` statement and what follows it; Problem where the head is wrong."""
        name, rest = _first(head)
        if not re.fullmatch(r"[A-Za-z_.$][\w.$]*", name, re.ASCII):
            raise Problem(0, f"expected '.macro name parameters', found {quoted(head.text)}")
        parameters, at = [], 0
        while at < len(rest):
            match = _PARAMETER.match(rest, at)
            if match is None:
                raise Problem(0, f"expected a parameter, found {quoted(rest[at:])}")
            parameters.append((match[1], match[2] or "", (match[3] or "").strip('"')))
            at = match.end()
        return cls(name.lower(), tuple(parameters), body)

    def expand(self, call: Statement, number: int) -> Iterator[Statement]:
        """The body with the arguments of the call; Problem where they do not fit."""
        values = self._values(squeezed(call.rest))
        for statement in self.body:
            origin = f"in macro '{self.name}', line {statement.line}"
            yield from cut(fill(statement.text, values, number), call.line, call.column, origin)

    def _values(self, text: str) -> dict[str, str]:
        given: dict[str, str] = {}
        names = [name for name, _, _ in self.parameters]
        free = iter(self.parameters)
        for at, value in arguments(text):
            keyword = _KEYWORD.fullmatch(value)
            if keyword and keyword[1] in names:
                given[keyword[1]] = keyword[2].strip('"')
                continue
            name, kind, _ = next(free, ("", "", ""))
            if not name:
                raise Problem(
                    0,
                    f"macro '{self.name}' takes {len(names)} arguments, found {quoted(value)} after them",
                )
            if kind == "vararg":
                given[name] = text[at:]
                break
            if value:
                given[name] = value
        for name, kind, default in self.parameters:
            if kind == "req" and name not in given:
                raise Problem(0, f"macro '{self.name}' needs a value for '{name}'")
            given.setdefault(name, default)
        return given


def _first(head: Statement) -> tuple[str, str]:
    """The name that a head defines, and what comes after it and perhaps a comma."""
    name, separator, rest = re.split(r"([\s,]|$)", squeezed(head.rest), maxsplit=1)
    return name, rest.removeprefix(",") if separator != "," else rest


def repeat(head: Statement, body: list[Statement]) -> Iterator[Statement]:
    """What `.irp name, values` or `.irpc name, letters` makes; Problem where the head is wrong."""
    name, rest = _first(head)
    if not name:
        raise Problem(0, f"expected '{head.name} name, values', found {quoted(head.text)}")
    values = [*rest.strip('"')] if head.name == ".irpc" else [value for _, value in arguments(rest)]
    for value in values or [""]:
        for s in body:
            origin = f"with \\{name} = {value}"
            yield from cut(fill(s.text, {name: value}, 0), s.line, s.column, origin)
