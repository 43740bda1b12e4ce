"""Both directions of one instruction: text to word and word to text, from the syntax of the table's rows.

Invariant: reading a text that `write_instruction` gives yields the same word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from aarch64sim.arch.decode import decode
from aarch64sim.arch.encodings import ENCODINGS
from aarch64sim.arch.pattern import Encoding
from aarch64sim.asm import names, numbers, operands
from aarch64sim.asm.aliases import NEVER_PREFERRED, PREFERRED
from aarch64sim.asm.operands import FieldValues, Operand, Register, register_of
from aarch64sim.asm.reader import Anywhere, Reader
from aarch64sim.asm.text import Problem, Token, UnknownYet

_KINDS = operands.KINDS | numbers.KINDS | names.KINDS
_PIECES = re.compile(r"[\[\]!{}]|, | |[^\s\[\]!,{}]+")
_MARKS = {"[", "]", "!", ", ", " ", "lsl", "c", "j", "jc", "csync"}


class Mark:
    """Punctuation and fixed words, such as the target of `bti c`; a space is written, not read."""

    def __init__(self, text: str) -> None:
        self.text, self.token = text, text.strip()

    def read(self, r: Reader, f: FieldValues) -> None:
        if self.token:
            r.expect(self.token)

    def write(self, f: FieldValues, address: int) -> str:
        return self.text


class Template:
    """The parts of a syntax in their order: marks, operands and optional groups."""

    def __init__(self, pieces: Iterator[str], row: Encoding) -> None:
        self.parts: list[Mark | Operand | Template] = []
        for piece in pieces:
            if piece == "}":
                break
            self.parts.append(Group(pieces, row) if piece == "{" else _part(piece, row))

    def read(self, r: Reader, f: FieldValues) -> None:
        """Read the parts into `f`."""
        for part in self.parts:
            part.read(r, f)

    def write(self, f: FieldValues, address: int) -> str | None:
        """The text of all parts; None where no text gives these fields."""
        text = ""
        for part in self.parts:
            written = part.write(f, address)
            if written is None:
                return None
            text += written
        return text


class Group(Template):
    """What stands in braces: read and written as a whole or, where all its fields have their defaults, not at all."""

    def __init__(self, pieces: Iterator[str], row: Encoding) -> None:
        super().__init__(pieces, row)
        self.first = self.parts[0].token if isinstance(self.parts[0], Mark) else ""
        self.left_out = {p.field: p.default for p in self.parts if isinstance(p, Operand)}

    def read(self, r: Reader, f: FieldValues) -> None:
        if r.token.text == self.first if self.first else r.token.kind != "end":
            super().read(r, f)
        else:
            f.update(self.left_out)

    def write(self, f: FieldValues, address: int) -> str | None:
        if all(f.get(field, 0) == default for field, default in self.left_out.items()):
            return ""
        return super().write(f, address)


def _part(piece: str, row: Encoding) -> Mark | Operand:
    """A mark, a register (`Rd`), an immediate (`u12`), or one of the kinds that have a name."""
    if piece in _MARKS:
        return Mark(piece)
    if piece[0].isupper():
        return Register(piece, row)
    if piece[1].isdigit():
        return numbers.Immediate(piece, row)
    return _KINDS[re.split(r"[.=]", piece)[0]](piece, row)


@cache
def _template(row: Encoding) -> Template:
    return Template(iter(_PIECES.findall(row.operands)), row)


@cache
def spellings() -> dict[str, list[tuple[Encoding, FieldValues]]]:
    """By mnemonic the rows that it can be, in the order they are tried, with the fields that it fixes."""
    table: dict[str, list[tuple[Encoding, FieldValues]]] = defaultdict(list)
    for row in (*PREFERRED, *ENCODINGS, *NEVER_PREFERRED):
        for mnemonic, fields in row.spellings() if row.syntax else ():
            table[mnemonic].append((row, fields))
    return dict(table)


@cache  # a few thousand at most: mnemonics, classes of registers
def _forms(mnemonic: str, letter: str) -> list[tuple[Encoding, FieldValues]]:
    """The rows that a mnemonic can be with a first operand of that class of registers; all of them if none can."""

    def possible(row: Encoding, preset: FieldValues) -> bool:
        first = _template(row).parts[:1]
        return not (first and isinstance(first[0], Register)) or letter in first[0].letters(preset)

    forms = spellings()[mnemonic]
    return [form for form in forms if possible(*form)] or forms if letter else forms


def read_instruction(r: Reader) -> int:
    """The word of the instruction whose mnemonic, one of `spellings`, is the next token; Problem where it is wrong."""
    row, fields = _read(r)
    return row.build(fields)


def _read(r: Reader) -> tuple[Encoding, FieldValues]:
    mnemonic = r.advance().text.lower()
    register = register_of(r.token.text.lower())
    start, problems = r.at, []
    for row, preset in _forms(mnemonic, register[0] if register else ""):
        fields = dict(preset)
        r.at, r.registers, r.immediates = start, {}, {}
        try:
            _template(row).read(r, fields)
            r.expect_end()
        except Problem as problem:
            problems.append(problem)
        else:
            if any(problem.weight == 3 for problem in problems):
                r.immediates = {}  # with other values it may be another row
            return row, fields
    unknown = (p for p in problems if isinstance(p, UnknownYet) and p.weight)
    raise next(unknown, None) or max(problems, key=lambda p: (p.column, p.weight))


class Branch:
    """What is the same in all instructions that differ in nothing but the label that they end in."""

    def __init__(self, row: Encoding, fields: FieldValues, target: numbers.Target) -> None:
        self._target = target
        self.within_section = not target.page  # pages depend on where the section is put
        self.loads = target.loads(fields)
        self._word = row.build(fields | {"imm": 0, "immlo": 0})
        self._parts = [
            (low, mask, up + (2 if name == "imm" else 0))
            for name, low, mask, up, _ in row.parts
            if name in ("imm", "immlo")
        ]

    @classmethod
    def read(cls, tokens: list[Token]) -> Branch | None:
        """Of such an instruction; None if it is not one, or not a right one."""
        if len(tokens) < 3 or tokens[-2].kind not in ("name", "local"):
            return None
        if len(tokens) > 3 and tokens[-3].text != ",":
            return None
        with suppress(Problem):
            row, fields = _read(Reader(tokens, Anywhere(tokens[-2].column)))
            target = _template(row).parts[-1]
            if isinstance(target, numbers.Target):
                return cls(row, fields, target)
        return None

    def word(self, value: int, here: int, column: int) -> bytes:
        """The bytes of the instruction at address `here` with that value of the label; Problem if out of reach."""
        distance = self._target.distance(value, here, column)
        word = self._word
        for low, mask, up in self._parts:
            word |= (distance >> up & mask) << low
        return word.to_bytes(4, "little")


@cache  # at most 256 values
def _aliases(top: int) -> tuple[Encoding, ...]:
    return tuple(row for row in PREFERRED if not ((top << 24) ^ row.value) & row.mask & 0xFF00_0000)


def write_instruction(word: int, address: int) -> str | None:
    """The text of a word at an address; None if it is UNDEFINED, or if no text assembles to it."""
    decoded = decode(word)
    if decoded is None or not decoded[0].syntax or ~word & decoded[0].should_be_one:
        return None
    for row in (*_aliases(word >> 24), decoded[0]):
        fields = row.extract(word) if word & row.mask == row.value else None
        if fields is not None:
            operands = _template(row).write(fields, address)
            if operands is not None:
                return f"{row.spell(fields)} {operands}".rstrip()
    return None
