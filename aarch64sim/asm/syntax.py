"""Both directions of one instruction: text to word and word to text, from the syntax of the table's rows.

Invariant: for every word that decodes, reading what `write_instruction` gives yields the same word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aarch64sim.arch.decode import decode
from aarch64sim.arch.encodings import ENCODINGS
from aarch64sim.arch.pattern import Encoding
from aarch64sim.asm import immediates, names, operands
from aarch64sim.asm.aliases import NEVER_PREFERRED, PREFERRED
from aarch64sim.asm.operands import FieldValues, Operand
from aarch64sim.asm.text import Problem, Reader, did_you_mean

# Which class reads and writes the operand that a spec names, by the start of the spec.
_KINDS: Sequence[tuple[str, Callable[[str, Encoding, bool], Operand]]] = (
    (r"[us]\d", immediates.Immediate),
    (r"[WXRZV][a-z]", operands.Register),
    ("both", operands.Both),
    ("tested", operands.Tested),
    ("pair", operands.EvenPair),
    ("shift", operands.ShiftAmount),
    ("extended", operands.ExtendedRegister),
    ("index", operands.Index),
    ("cond|notcond", operands.Condition),
    ("add12", immediates.AddImmediate),
    ("negative", immediates.NegativeAdd),
    ("lsl16", immediates.Lsl16),
    ("bitmask", immediates.Bitmask),
    ("bit", immediates.BitPosition),
    ("wide", immediates.Wide),
    ("left", immediates.LeftShift),
    ("insert", immediates.InsertAt),
    ("width", immediates.FieldWidth),
    ("rel|page", immediates.Target),
    ("zero", immediates.Zero),
    ("sysreg", names.SystemRegister),
    ("system", names.SystemInstruction),
    ("operation", names.SystemOperation),
    ("pstate", names.PstateField),
    ("barrier|isb|prefetch", names.Choice),
    ("c|j|jc|csync", names.Word),
)


@dataclass(frozen=True)
class Group:
    """An optional part of a syntax, `{...}`: written and read as a whole or not at all."""

    parts: tuple[str | Operand, ...]


class Template:
    """The operands of one row: punctuation, operand kinds and optional groups."""

    def __init__(self, row: Encoding) -> None:
        self.row = row
        parts: list[str | Operand | Group] = []
        group: list[str | Operand] | None = None
        for piece in re.findall(r"[\[\]!,{}]|[^\s\[\]!,{}]+", row.operands):
            if piece == "{":
                group = []
            elif piece == "}":
                parts.append(Group(tuple(group or ())))
                group = None
            else:
                part = piece if piece in "[]!," else _operand(piece, row, group is not None)
                (parts if group is None else group).append(part)
        self.parts = tuple(parts)

    def read(self, r: Reader, f: FieldValues) -> None:
        """Read all operands up to the end of the statement into `f`."""
        for part in self.parts:
            if isinstance(part, Group):
                self._read_group(part, r, f)
            else:
                _read_part(part, r, f)
        r.expect_end()

    def _read_group(self, group: Group, r: Reader, f: FieldValues) -> None:
        first = group.parts[0]
        present = r.token.kind != "end" if isinstance(first, Operand) else r.token.text == first
        for part in group.parts:
            if present:
                _read_part(part, r, f)
            elif isinstance(part, Operand):
                part.omit(f)

    def write(self, f: FieldValues, address: int) -> str | None:
        """The operands' text; None where no text has these fields."""
        out = []
        for part in self.parts:
            if isinstance(part, Group):
                texts = [p if isinstance(p, str) else p.write(f, address) for p in part.parts]
                out += texts if all(texts) else []
            else:
                out.append(part if isinstance(part, str) else part.write(f, address))
        if not all(p.canonical(f) for p in self.parts if isinstance(p, Operand)):
            return None
        return "".join(out).replace(",", ", ").replace(",  ", ", ")


def _operand(spec: str, row: Encoding, optional: bool) -> Operand:
    for pattern, kind in _KINDS:
        if re.match(pattern, spec):
            return kind(spec, row, optional)
    raise KeyError(f"{row.syntax}: unknown operand {spec}")


def _read_part(part: str | Operand, r: Reader, f: FieldValues) -> None:
    if isinstance(part, str):
        r.expect(part)
    else:
        part.read(r, f)


_TEXT_ROWS = tuple(row for row in (*PREFERRED, *ENCODINGS, *NEVER_PREFERRED) if row.syntax)
_TEMPLATES = {row: Template(row) for row in _TEXT_ROWS}


def _spellings() -> dict[str, list[tuple[Encoding, FieldValues]]]:
    table: dict[str, list[tuple[Encoding, FieldValues]]] = defaultdict(list)
    for row in _TEXT_ROWS:
        for mnemonic, fields in row.spellings():
            table[mnemonic].append((row, fields))
    return dict(table)


_SPELLINGS = _spellings()
MNEMONICS = frozenset(_SPELLINGS)


def read_instruction(r: Reader) -> int:
    """The word of the instruction whose mnemonic is the next token; raises Problem where the text is wrong."""
    token = r.advance()
    forms = _SPELLINGS.get(token.text.lower())
    if forms is None:
        hint = did_you_mean(token.text, MNEMONICS)
        raise Problem(token.column, f"unknown mnemonic '{token.text}'{hint}", 9)
    start, best = r.at, None
    for row, preset in forms:
        fields = dict(preset)
        r.at = start
        try:
            _TEMPLATES[row].read(r, fields)
        except Problem as problem:
            if best is None or (problem.column, problem.weight) > (best.column, best.weight):
                best = problem
        else:
            return row.build(fields)
    assert best is not None
    raise best


@lru_cache(maxsize=256)
def _aliases(top: int) -> tuple[Encoding, ...]:
    return tuple(row for row in PREFERRED if not ((top << 24) ^ row.value) & row.mask & 0xFF00_0000)


def write_instruction(word: int, address: int) -> str | None:
    """The text of a word at an address; None if it is UNDEFINED, or if no text assembles to it."""
    decoded = decode(word)
    if decoded is None or not decoded[0].syntax:
        return None
    for row in (*_aliases(word >> 24), decoded[0]):
        fields = row.extract(word)
        if fields is not None:
            operands = _TEMPLATES[row].write(fields, address)
            return None if operands is None else f"{row.spell(fields)} {operands}".rstrip()
    raise AssertionError("the decoded row fits its own word")
