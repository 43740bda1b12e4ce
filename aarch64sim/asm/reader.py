"""Reads the tokens of one statement from left to right, and the expressions among them.

Invariant: reading raises nothing but `Problem`. What NOWHERE lets through depends on nothing but the tokens.
"""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple, NoReturn, Protocol

from aarch64sim.asm.text import ELF_ROUTE, ESCAPES, Problem, Token, UnknownYet, did_you_mean

# How tight the operators bind: as in GNU as, not as in C.
_LEVELS = {
    sign: level
    for level, signs in enumerate(("||", "&&", "== != <> < <= > >=", "+ -", "| ^ & !", "* / % << >>"))
    for sign in signs.split()
}  # fmt: skip
_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": op.add, "-": op.sub, "|": op.or_, "^": op.xor, "&": op.and_, "*": op.mul,
    "/": lambda x, y: abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1),  # towards zero, as C
    "%": lambda x, y: abs(x) % abs(y) * (-1 if x < 0 else 1),
    "!": lambda x, y: x | ~y,
    # A comparison that holds is -1, as in GNU as.
    "==": lambda x, y: -(x == y), "!=": lambda x, y: -(x != y), "<>": lambda x, y: -(x != y),
    "<": lambda x, y: -(x < y), "<=": lambda x, y: -(x <= y),
    ">": lambda x, y: -(x > y), ">=": lambda x, y: -(x >= y),
    "&&": lambda x, y: int(x != 0 and y != 0), "||": lambda x, y: int(x != 0 or y != 0),
}  # fmt: skip
_SIGNS: dict[str, Callable[[int], int]] = {
    "-": op.neg, "+": op.pos, "~": op.inv, "!": lambda x: int(x == 0),
    ":lo12:": lambda x: x & 0xFFF, ":pg_hi21:": op.pos, ":pg_hi21_nc:": op.pos,
}  # fmt: skip
QUOTED = f"a symbol's name in quotes is left out: write it without them, or {ELF_ROUTE}"
_TOO_LARGE = "the value does not fit in 64 bits"
_DEEPEST = 40  # nesting of parentheses and signs: far beyond need, far below Python's limit


def _relocation(operator: str) -> str:
    if "got" in operator:
        return "there is no dynamic linking (give the compiler -fno-pie, and define what is weak)"
    if "tls" in operator or "tp" in operator:
        return "there is no thread-local storage"
    return "there are :lo12:, :pg_hi21:, and for movz, movn and movk :abs_g0: to :abs_g3:"


class Context(Protocol):
    """What a statement's surroundings know."""

    def symbol(self, token: Token) -> int:
        """The value of a name, of `.` or of a numeric label."""

    def literal(self, r: Reader, size: int) -> int:
        """Reads the expression after `=`; the address of that many bytes with its value in a literal pool."""

    def address(self) -> int:
        """Where the statement stands, or its item that is read; UnknownYet before that is settled."""

    def passed(self, size: int) -> None:
        """An item of so many bytes has been read."""


class Nowhere:
    """The context of an instruction that has none: only what means the same everywhere can be read."""

    def symbol(self, token: Token) -> int:
        raise UnknownYet(token.column, f"unknown symbol {token}", 2)

    def literal(self, r: Reader, size: int) -> int:
        raise UnknownYet(r.token.column, "unknown literal", 2)

    def address(self) -> int:
        raise UnknownYet(0, "unknown address", 2)

    def passed(self, size: int) -> None:
        pass


NOWHERE = Nowhere()


class Anywhere(Nowhere):
    """The context of an instruction that gets its label, at that column, later: it is 0, as is its own address."""

    def __init__(self, column: int) -> None:
        self.column = column

    def symbol(self, token: Token) -> int:
        return 0 if token.column == self.column else super().symbol(token)

    def address(self) -> int:
        return 0


class Linear(NamedTuple):
    """How a word depends on a number in its text that is not negative: it gains `unit` with each `step` above 0."""

    unit: int
    low: int
    high: int
    step: int = 1


class Reader:
    """Reads the tokens of one statement from left to right."""

    def __init__(self, tokens: list[Token], context: Context = NOWHERE) -> None:
        self.tokens, self.context, self.at = tokens, context, 0
        # The numbers of registers, and the immediates, that are no more than a number; by column.
        self.registers: dict[int, Linear] = {}
        self.immediates: dict[int, Linear] = {}

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
        word = self.tokens[self.at].text
        if word == text or word.lower() == text:
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
            near = partial(did_you_mean, name, names) if hint and token.kind == "name" else str
            self.fail(f"expected {expected}, found {token}", weight, hint=near)
        self.advance()
        return name

    def at_number(self) -> bool:
        """Whether a number comes next, not a name."""
        return self.token.kind == "number" or self.token.text in ("#", "(")

    def number(self, what: str, low: int, high: int, step: int = 1, unit: int = 0) -> int:
        """An expression with one of the values low, low + step ... high; `unit`: what the word gains with each step."""
        token, value = self.token, self.expression()
        self.note(token, Linear(unit, low, high, step))
        if not low <= value <= high:
            multiple = f", a multiple of {step}" if step > 1 else ""
            expected = f"expected {low} to {high}{multiple}"
            self.fail(f"{what} {value} is out of range: {expected}", 3, token)
        if value % step:
            self.fail(f"{what} {value} is not a multiple of {step}", 3, token)
        return value

    def note(self, first: Token, linear: Linear) -> None:
        """What the number means that began with that token and has just been read, if it was a number and no more."""
        last = self.tokens[self.at - 1]
        hash_mark = first.text == "#" and self.tokens[self.at - 2] is first
        if last.kind == "number" and (last is first or hash_mark):
            self.immediates[last.column] = linear

    def fail(
        self,
        message: str,
        weight: int = 0,
        token: Token | None = None,
        hint: Callable[[], str] = str,
    ) -> NoReturn:
        raise Problem((token or self.token).column, message, weight, hint)

    def expression(self, bits: int = 64) -> int:
        """The value of the expression that starts here, which fits in so many bits with a sign or without."""
        first = self.token
        self.accept("#")
        value = self._binary(0, 0)
        if not -(1 << bits - 1) <= value < 1 << bits:
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
        if token.kind in ("mark", "relocation") and token.text in _SIGNS:
            return _SIGNS[token.text](self._unary(depth + 1))
        if token.kind == "mark" and token.text == "(":
            value = self._binary(0, depth + 1)
            self.expect(")")
            return value
        if token.kind == "number":
            return self._integer(token)
        if token.kind == "char":
            return self._character(token)
        if token.kind == "relocation":
            self.fail(f"{token} is left out: {_relocation(token.text)}", 3, token)
        if token.kind == "string":
            self.fail(f"{token}: {QUOTED}", 2, token)
        if token.kind not in ("name", "local"):
            self.fail(f"expected a number or a symbol, found {token}", 0, token)
        return self.context.symbol(token)

    def _character(self, token: Token) -> int:
        body = token.text[1:].removesuffix("'") or "'"
        if body[0] == "\\" and body[1:] not in ESCAPES:
            self.fail(f"unknown escape '{body}'", 2, token)
        return ESCAPES[body[1:]] if body[0] == "\\" else ord(body)

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
