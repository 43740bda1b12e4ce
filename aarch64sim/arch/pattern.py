"""What a row of the A64 table is: a syntax, a 32-character bit pattern, and what follows from the two.

A `+` in a pattern is a bit that should be one, (1) in the manual: the assembler writes a one, the CPU does not look at
it. The manual allows that (CONSTRAINED UNPREDICTABLE), and QEMU 7.2 does it.

Invariant: `extract` and `build` are inverse for every row; nothing here knows any particular instruction.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

# The field each letter of a pattern stands for; a field written in two places is read from the top bit down.
# `f` is sf (1 = 64-bit), `F` the same bit inverted; several f in one pattern must agree.
LETTERS = {
    "d": "Rd", "n": "Rn", "m": "Rm", "a": "Ra", "t": "Rt", "u": "Rt2", "s": "Rs",
    "f": "sf", "F": "sf", "i": "imm", "j": "immlo", "h": "shift", "z": "size", "o": "op",
    "S": "S", "N": "N", "U": "U", "r": "immr", "k": "imms", "c": "cond", "v": "nzcv",
    "e": "option", "y": "key", "p": "op1", "q": "op2", "C": "CRm", "A": "A", "R": "R",
    "L": "L", "b": "bit", "Q": "Q",
}  # fmt: skip


class Fields:
    """The named fields of one instruction word, as unsigned integers, plus the row's constants."""

    # sign 1: a load that sign-extends; mode: see below; simd 1: the transfer registers are SIMD&FP registers;
    # rcpc 1: the acquire is the weaker one of FEAT_LRCPC.
    __slots__ = (*sorted(set(LETTERS.values())), "sign", "mode", "simd", "rcpc")
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> int: ...

    def __init__(self, values: Mapping[str, int]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


OFFSET, POST, PRE, REGISTER, UNPRIVILEGED = range(
    5
)  # how a load or store makes its address, and as whom
Condition = Callable[[dict[str, int]], bool]


@dataclass(frozen=True, eq=False)
class Encoding:
    """One row. `syntax` may hold choices in its mnemonic: `(o:add|sub)` is picked by field `o`, `-` is unallocated."""

    syntax: str
    pattern: str
    binder: str = ""  # the function of arch/execute that makes the operation; "" for an alias
    feature: str = ""
    # Excludes reserved values of fields; for an alias: says when it is the preferred text.
    where: Condition | None = None
    constants: Mapping[str, int] = field(default_factory=dict)
    mask: int = 0
    value: int = 0
    should_be_one: int = 0
    # Field, low bit, mask, position in the field, invert.
    parts: tuple[tuple[str, int, int, int, int], ...] = ()
    # The mnemonic in pieces: the fields that choose (none for a fixed piece), and the texts that they choose from.
    spelled_by: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        bits = self.pattern.replace(" ", "")
        if len(bits) != 32:
            raise ValueError(f"{self.syntax}: the pattern has {len(bits)} bits")
        put = object.__setattr__
        put(self, "mask", int("".join("01"[c in "01"] for c in bits), 2))
        put(self, "value", int("".join(c if c in "01" else "0" for c in bits), 2))
        put(self, "should_be_one", int("".join("01"[c == "+"] for c in bits), 2))
        put(self, "parts", tuple(_parts(bits)))
        put(self, "spelled_by", tuple(self._pieces()))

    @property
    def mnemonic(self) -> str:
        return self.syntax.partition(" ")[0]

    @property
    def operands(self) -> str:
        return self.syntax.partition(" ")[2]

    def width(self, name: str) -> int:
        """Number of bits that the field has in this pattern."""
        return sum(m.bit_length() for n, _, m, _, _ in self.parts if n == name)

    def unit(self, *names: str) -> int:
        """What a word gains where each of these fields grows by 1; 0 if one of them is not in one piece."""
        lows = [low for name, low, *_ in self.parts if name in names]
        return sum(1 << low for low in lows) if len(lows) == len(names) else 0

    def _pieces(self) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        for piece in re.split(r"(\(.*?\))", self.mnemonic):
            letters, colon, options = piece.strip("()").partition(":")
            if colon:
                yield tuple(LETTERS[c] for c in letters), tuple(options.split("|"))
            elif piece:
                yield (), (piece,)

    def spell(self, f: Mapping[str, int]) -> str | None:
        """The mnemonic that these fields choose, or None where it is unallocated."""
        text = []
        for names, options in self.spelled_by:
            index = 0
            for name in names:
                index = index << self.width(name) | f[name]
            if options[index] == "-":
                return None
            text.append(options[index])
        return "".join(text)

    def spellings(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Every mnemonic of this row with the fields that it fixes."""
        for picked in itertools.product(*(range(len(options)) for _, options in self.spelled_by)):
            fields = dict(self.constants)
            text = ""
            for (names, options), index in zip(self.spelled_by, picked, strict=True):
                text += options[index]
                for name in reversed(names):
                    fields[name] = index & ((1 << self.width(name)) - 1)
                    index >>= self.width(name)
            if "-" not in text:
                yield text, fields

    def extract(self, word: int) -> dict[str, int] | None:
        """The fields of `word`, or None if it is not of this row (fixed bits differ, or a reserved value)."""
        if word & self.mask != self.value:
            return None
        fields = dict(self.constants)
        for name, low, mask, up, invert in self.parts:
            fields[name] = fields.get(name, 0) | ((word >> low & mask) ^ invert) << up
        if fields.get("sf", 0) > 1:  # sf written in several places: keep one if all agree
            if fields["sf"] != (1 << self.width("sf")) - 1:
                return None
            fields["sf"] = 1
        elif "sf" in fields and fields["sf"] == 1 and self.width("sf") > 1:
            return None
        if self.where is not None and not self.where(fields):
            return None
        return None if self.spell(fields) is None else fields

    def build(self, fields: Mapping[str, int]) -> int:
        """The word with these fields (an absent field is 0)."""
        word = self.value | self.should_be_one
        for name, low, mask, up, invert in self.parts:
            number = -fields.get("sf", 0) if name == "sf" else fields.get(name, 0)
            word |= ((number >> up & mask) ^ invert) << low
        return word


def _parts(bits: str) -> Iterator[tuple[str, int, int, int, int]]:
    runs = [(m.group()[0], 32 - m.end(), len(m.group())) for m in re.finditer(r"(.)\1*", bits)]
    above: dict[str, int] = {}
    for letter, low, count in reversed(runs):
        if letter not in "01+":
            mask = (1 << count) - 1
            yield LETTERS[letter], low, mask, above.get(letter, 0), mask if letter == "F" else 0
            above[letter] = above.get(letter, 0) + count
