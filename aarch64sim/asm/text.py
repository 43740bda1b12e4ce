"""The words of a source line and the expressions made of them.

Invariant: whatever the text, reading it either works or raises `Problem`, with the column and what was expected there.
"""

from __future__ import annotations

import operator as op
import re
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, NoReturn

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<char>'(?:\\.|[^\\])'?)
      | (?P<local>[0-9]+[bf](?![\w$.]))
      | (?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)
      | (?P<name>[A-Za-z_.$][\w.$]*)
      | (?P<mark><<|>>|:lo12:|[-+*/%&|^~()\[\]{},;!:=\#])
    )""",
    re.VERBOSE | re.ASCII,
)
ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "0": 0, "\\": 92, '"': 34, "'": 39}
_CHARACTERS = re.compile(
    r"(?P<plain>[^\\]+)|\\(?:x(?P<hex>[0-9a-fA-F]{1,2})|(?P<octal>[0-7]{1,3})|(?P<letter>.))"
)
# How tight the operators bind: as in GNU as, not as in C.
_LEVELS = {"+": 0, "-": 0, "|": 1, "^": 1, "&": 1, "*": 2, "/": 2, "%": 2, "<<": 2, ">>": 2}
_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": op.add, "-": op.sub, "|": op.or_, "^": op.xor, "&": op.and_, "*": op.mul,
    "/": lambda x, y: abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1),  # towards zero, as C
    "%": lambda x, y: abs(x) % abs(y) * (-1 if x < 0 else 1),
}  # fmt: skip
_SIGNS: dict[str, Callable[[int], int]] = {
    "-": op.neg, "+": op.pos, "~": op.inv, ":lo12:": lambda x: x & 0xFFF
}  # fmt: skip
_TOO_LARGE = "the value does not fit in 64 bits"
_DEEPEST = 40  # nesting of parentheses and signs: far beyond need, far below Python's limit


class Problem(Exception):
    """A fault in one line: `column` counts from 0; `weight` says how sure it is that this is what is meant."""

    def __init__(self, column: int, message: str, weight: int = 0) -> None:
        super().__init__(message)
        self.column, self.message, self.weight = column, message, weight


class Token(NamedTuple):
    kind: str  # string, char, local (`1b`), number, name, mark or end
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
    out = bytearray()
    for match in _CHARACTERS.finditer(token.text[1:-1]):
        if match["plain"]:
            out += match["plain"].encode("utf-8", "replace")
        elif match["hex"] or match["octal"]:
            out.append(int(match["hex"] or match["octal"], 16 if match["hex"] else 8) & 0xFF)
        elif match["letter"] in ESCAPES:
            out.append(ESCAPES[match["letter"]])
        else:
            raise Problem(token.column + match.start() + 1, f"unknown escape '{match[0]}'")
    return bytes(out)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" with the nearest of the known words, or nothing."""
    from difflib import get_close_matches  # only a mistake needs it

    near = get_close_matches(word.lower(), list(known), 1, 0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


class Reader:
    """Reads the tokens of one statement from left to right."""

    def __init__(
        self,
        tokens: list[Token],
        address: int,
        symbol: Callable[[Token], int],
        literal: Callable[[Reader, int], int],
    ) -> None:
        self.tokens, self.at, self.address = tokens, 0, address
        self.symbol = symbol  # the value of a name or of a numeric label
        self.literal = literal  # for `=value`: reads it, gives the address of the pool's entry of that many bytes

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

    def choose(
        self, names: Collection[str], expected: str, weight: int = 1, *, hint: bool = False
    ) -> str:
        """The one of `names` that comes next, in lower case; `hint`: else say which is near."""
        token, name = self.token, self.token.text.lower()
        if name not in names:
            near = did_you_mean(name, names) if hint and token.kind == "name" else ""
            self.fail(f"expected {expected}, found {token}{near}", weight)
        self.advance()
        return name

    def at_number(self) -> bool:
        """Whether a number comes next, not a name."""
        return self.token.kind == "number" or self.token.text in ("#", "(")

    def number(self, what: str, low: int, high: int, step: int = 1) -> int:
        """An expression with one of the values low, low + step ... high."""
        token, value = self.token, self.expression()
        if not low <= value <= high:
            multiple = f", a multiple of {step}" if step > 1 else ""
            expected = f"expected {low} to {high}{multiple}"
            self.fail(f"{what} {value} is out of range: {expected}", 3, token)
        if value % step:
            self.fail(f"{what} {value} is not a multiple of {step}", 3, token)
        return value

    def fail(self, message: str, weight: int = 0, token: Token | None = None) -> NoReturn:
        raise Problem((token or self.token).column, message, weight)

    def expression(self) -> int:
        """The value of the expression that starts here, between -2**63 and 2**64 - 1."""
        first = self.token
        self.accept("#")
        value = self._binary(0, 0)
        if not -(1 << 63) <= value < 1 << 64:
            self.fail(_TOO_LARGE, 2, first)
        return value

    def _binary(self, level: int, depth: int) -> int:
        """Operations of this level and tighter, from left to right."""
        left = self._unary(depth)
        while self.token.kind == "mark" and _LEVELS.get(self.token.text, -1) >= level:
            sign = self.advance()
            left = self._apply(sign, left, self._binary(_LEVELS[sign.text] + 1, depth))
        return left

    def _apply(self, sign: Token, x: int, y: int) -> int:
        if sign.text in "/%" and y == 0:
            self.fail("division by zero", 2, sign)
        if sign.text in ("<<", ">>"):
            if not 0 <= y < 64:
                self.fail(f"shift by {y}: expected 0 to 63", 2, sign)
            return (x << y if sign.text == "<<" else x >> y) & (-1 if x < 0 else (1 << 64) - 1)
        if (abs(x) | abs(y)) >> 128:
            self.fail(_TOO_LARGE, 2, sign)
        return _OPERATIONS[sign.text](x, y)

    def _unary(self, depth: int) -> int:
        if depth > _DEEPEST:
            self.fail("the expression is nested too deeply", 2)
        token = self.advance()
        if token.kind == "mark" and token.text in _SIGNS:
            return _SIGNS[token.text](self._unary(depth + 1))
        if token.kind == "mark" and token.text == "(":
            value = self._binary(0, depth + 1)
            self.expect(")")
            return value
        if token.kind == "number":
            return self._integer(token)
        if token.kind == "char":
            body = token.text[1:].removesuffix("'") or "'"
            if body[0] == "\\" and body[1:] not in ESCAPES:
                self.fail(f"unknown escape '{body}'", 2, token)
            return ESCAPES[body[1:]] if body[0] == "\\" else ord(body)
        if token.kind not in ("name", "local"):
            self.fail(f"expected a number or a symbol, found {token}", 0, token)
        return self.symbol(token)

    def _integer(self, token: Token) -> int:
        text = token.text.lower()
        if len(text) > 70:
            self.fail(_TOO_LARGE, 2, token)
        if not text.isdigit() or text[0] != "0":
            return int(text, 0)
        if not set(text) <= set("01234567"):  # octal, as in C and GNU as
            expected = "it is octal: expected digits 0 to 7"
            self.fail(f"'{text}' starts with 0, so {expected}", 2, token)
        return int(text, 8)
