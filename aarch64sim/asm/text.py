"""The words of a statement, and what is said about those that are wrong.

Invariant: whatever the text, reading it either works or raises `Problem`, which says where and what is wrong.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<char>'(?:\\.|[^\\])'?)
      | (?P<local>[0-9]+[bf](?![\w$.]))
      | (?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)
      | (?P<name>[A-Za-z_.$][\w.$]*)
      | (?P<relocation>:[a-z]\w*:)
      | (?P<mark><<|>>|<=|>=|==|!=|<>|&&|\|\||[-+*/%&|^~()\[\]{},;!:=\#<>])
      | (?P<wrong>\S)
    )""",
    re.VERBOSE | re.ASCII,
)
_GROUPS = ("", *_TOKEN.groupindex)  # the kinds, by the number of their group
_WRONG = _TOKEN.groupindex["wrong"]
ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "0": 0, "\\": 92, '"': 34, "'": 39}
_CHARACTERS = re.compile(
    r"(?P<plain>[^\\]+)|\\(?:x(?P<hex>[0-9a-fA-F]{1,2})|(?P<octal>[0-7]{1,3})|(?P<letter>.))"
)
ELF_ROUTE = "assemble and link it with GNU as and ld, and take the ELF file"
_SHOWN = 40  # characters of a word that a message repeats
_COMPARED = 5000  # names: in a larger program a wrong one gets no hint


class Problem(Exception):
    """A fault in one statement: `column` counts from 0; `weight` says how sure it is that this is what is meant.

    Most are caught and forgotten, so `hint` is called, and added to the message, only where one is shown.
    """

    def __init__(
        self, column: int, what: str, weight: int = 0, hint: Callable[[], str] = str
    ) -> None:
        super().__init__(what)
        self.column, self.weight, self._what, self._hint = column, weight, what, hint

    @property
    def message(self) -> str:
        return self._what + self._hint()


class UnknownYet(Problem):
    """The value depends on something that comes later, or on where the sections are put.

    With weight 0 it is a register that stands where a symbol could: of another row a better thing may be said.
    """


class Token(NamedTuple):
    kind: str  # string, char, local (`1b`), number, name, relocation, mark or end
    text: str
    column: int

    def __str__(self) -> str:
        return "the end of the line" if self.kind == "end" else quoted(self.text)


def quoted(text: str) -> str:
    """The text in quotes, cut where it is very long."""
    return f"'{text}'" if len(text) <= _SHOWN else f"'{text[:_SHOWN]}...'"


def tokenize(text: str) -> list[Token]:
    """The tokens of a statement without comments, closed by an `end` token."""
    tokens = []
    for match in _TOKEN.finditer(text):
        group = match.lastindex or 0
        tokens.append(Token(_GROUPS[group], match[group], match.start(group)))
        if group == _WRONG:
            raise _unexpected(match[group], match.start(group))
    tokens.append(Token("end", "", len(text.rstrip())))
    return tokens


def _unexpected(character: str, column: int) -> Problem:
    if character == '"':
        return Problem(column, "the string that starts here has no end")
    if " " <= character <= "~":
        return Problem(column, f"unexpected character {character!r}")
    name = unicodedata.name(character, "a control character").lower()
    what = f"unexpected character U+{ord(character):04X} ({name})"
    advice = ": put a plain space in its place" if unicodedata.category(character) == "Zs" else ""
    return Problem(column, what + advice)


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
    """ "; did you mean 'x'?" with the nearest known word: at most two edits away, fewer in a short word; or nothing."""
    word = word.lower()
    most = min(2, (len(word) - 1) // 2) if len(word) <= _SHOWN else 0
    alike = (name for name in islice(known, _COMPARED) if abs(len(name) - len(word)) <= most)
    ranked = ((_edits(word, name), len({*word} ^ {*name}), name) for name in alike)
    best = min(ranked, key=lambda rank: rank[:2], default=(3, 0, ""))
    return f"; did you mean '{best[2]}'?" if best[0] <= most else ""


def _edits(a: str, b: str) -> int:
    """How many letters to insert, leave out, replace or swap with their neighbour make `a` of `b`."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        before, last, row = row, before, [i + 1]
        for j, y in enumerate(b):
            cost = min(before[j] + (x != y), before[j + 1] + 1, row[j] + 1)
            if i and j and x == b[j - 1] and a[i - 1] == y:
                cost = min(cost, last[j - 1] + 1)
            row.append(cost)
    return row[-1]
