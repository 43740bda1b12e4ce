"""The words of a source line and the expressions made of them.

Invariant: whatever the text, reading it either works or raises `Problem`, with the column and what was expected there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<char>'(?:\\.|[^\\])'?)
      | (?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+(?:[bf](?![\w$.]))?)
      | (?P<name>[A-Za-z_.$][\w.$]*)
      | (?P<mark><<|>>|:lo12:|[-+*/%&|^~()\[\]{},;!:=\#])
    )""",
    re.VERBOSE | re.ASCII,
)
ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "0": 0, "\\": 92, '"': 34, "'": 39}
_BINARY = (
    ("+", "-"),
    ("|", "^", "&"),
    ("*", "/", "%", "<<", ">>"),
)  # loosest first, as GNU as, not as C
_DEEPEST = 40  # nesting of parentheses and signs: far beyond need, far below Python's limit


class Problem(Exception):
    """A fault in one line: `column` counts from 0; `weight` says how sure it is that this is what is meant."""

    def __init__(self, column: int, message: str, weight: int = 0) -> None:
        super().__init__(message)
        self.column, self.message, self.weight = column, message, weight


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # string, char, number, name, mark or end
    text: str
    column: int

    def __str__(self) -> str:
        return "the end of the line" if self.kind == "end" else f"'{self.text}'"


def tokenize(line: str) -> list[Token]:
    """The tokens of one line without comments, closed by an `end` token."""
    tokens, position, end = [], 0, len(line.rstrip())
    while position < end:
        match = _TOKEN.match(line, position)
        if match is None or match.lastgroup is None:
            column = position + len(line[position:]) - len(line[position:].lstrip())
            raise Problem(column, f"unexpected character {line[column]!r}")
        tokens.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        position = match.end()
    return [*tokens, Token("end", "", end)]


def string_bytes(token: Token) -> bytes:
    """The bytes of a quoted string: UTF-8, with C's escapes."""
    out, text, i = bytearray(), token.text[1:-1], 0
    while i < len(text):
        if text[i] != "\\":
            out += text[i].encode("utf-8", "replace")
        elif match := re.compile(r"x([0-9a-fA-F]{1,2})|([0-7]{1,3})").match(text, i + 1):
            out.append(int(match[1] or match[2], 16 if match[1] else 8) & 0xFF)
            i = match.end() - 1
        else:
            i += 1
            if text[i] not in ESCAPES:
                raise Problem(token.column + i, f"unknown escape '\\{text[i]}'")
            out.append(ESCAPES[text[i]])
        i += 1
    return bytes(out)


def did_you_mean(word: str, known: object) -> str:
    """ "; did you mean 'x'?" with the nearest of the known words, or nothing."""
    near = get_close_matches(word.lower(), [str(k) for k in known], 1, 0.6)  # type: ignore[attr-defined]
    return f"; did you mean '{near[0]}'?" if near else ""


class Reader:
    """Reads the tokens of one statement from left to right."""

    def __init__(
        self,
        tokens: list[Token],
        symbol: Callable[[Token], int],
        address: int,
        literal: Callable[[int], int],
    ) -> None:
        self.tokens, self.at, self.address = tokens, 0, address
        self.symbol = symbol  # the value of a name or of a numeric label
        self.literal = literal  # for `=value`: the address of the pool's entry of that many bytes

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def advance(self) -> Token:
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def accept(self, text: str) -> bool:
        """Whether the next token is this mark or (in lower case) this name; it is consumed if so."""
        token = self.token
        if token.kind in ("mark", "name") and token.text.lower() == text:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            self.fail(f"expected '{text}', found {self.token}")

    def expect_end(self) -> None:
        if self.token.kind != "end":
            self.fail(f"expected the end of the line, found {self.token}", 1)

    def fail(self, message: str, weight: int = 0, token: Token | None = None) -> NoReturn:
        raise Problem((token or self.token).column, message, weight)

    def expression(self) -> int:
        """The value of the expression that starts here, between -2**63 and 2**64 - 1."""
        first = self.token
        self.accept("#")
        value = self._binary(0, 0)
        if not -(1 << 63) <= value < 1 << 64:
            self.fail("the value does not fit in 64 bits", 2, first)
        return value

    def _binary(self, level: int, depth: int) -> int:
        if level == len(_BINARY):
            return self._unary(depth)
        left = self._binary(level + 1, depth)
        while self.token.kind == "mark" and self.token.text in _BINARY[level]:
            sign = self.advance()
            left = self._apply(sign, left, self._binary(level + 1, depth))
        return left

    def _apply(self, sign: Token, x: int, y: int) -> int:
        if sign.text in "/%":
            if y == 0:
                self.fail("division by zero", 2, sign)
            quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)  # towards zero, as C
            return quotient if sign.text == "/" else x - quotient * y
        if sign.text in ("<<", ">>"):
            if not 0 <= y < 64:
                self.fail(f"shift by {y}: expected 0 to 63", 2, sign)
            return (x << y if sign.text == "<<" else x >> y) & (-1 if x < 0 else (1 << 64) - 1)
        x, y = self._limit(x, sign), self._limit(y, sign)
        return {
            "+": x + y, "-": x - y, "*": x * y, "&": x & y, "|": x | y, "^": x ^ y,
        }[sign.text]  # fmt: skip

    def _limit(self, value: int, token: Token) -> int:
        if abs(value) >> 128:
            self.fail("the value does not fit in 64 bits", 2, token)
        return value

    def _unary(self, depth: int) -> int:
        if depth > _DEEPEST:
            self.fail("the expression is nested too deeply", 2)
        token = self.advance()
        if token.text in ("-", "+", "~") and token.kind == "mark":
            value = self._unary(depth + 1)
            return -value if token.text == "-" else ~value if token.text == "~" else value
        if token.text == "(" and token.kind == "mark":
            value = self._binary(0, depth + 1)
            self.expect(")")
            return value
        if token.text == ":lo12:":
            return self._unary(depth + 1) & 0xFFF
        if token.kind == "number" and (token.text[-1] not in "bf" or token.text[1:2] in "xX"):
            return self._number(token)
        if token.kind == "char":
            body = token.text[1:].removesuffix("'") or "'"
            if body[0] == "\\" and body[1:] not in ESCAPES:
                self.fail(f"unknown escape '{body}'", 2, token)
            return ESCAPES[body[1:]] if body[0] == "\\" else ord(body)
        if token.kind not in ("name", "number"):
            self.fail(f"expected a number or a symbol, found {token}", 0, token)
        return self.symbol(token)

    def _number(self, token: Token) -> int:
        text = token.text.lower()
        if len(text) > 70:
            self.fail("the value does not fit in 64 bits", 2, token)
        if text[0] == "0" and text.isdigit() and len(text) > 1:  # octal, as in C and GNU as
            if not set(text) <= set("01234567"):
                self.fail(
                    f"'{text}' starts with 0, so it is octal: expected digits 0 to 7", 2, token
                )
            return int(text, 8)
        return int(text, 0)
