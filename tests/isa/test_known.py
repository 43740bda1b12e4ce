"""Instructions found by others that differ in numbers: the word is the one that reading the text gives.

Invariant: texts are those of random words of every row, and the same with other numbers.
"""

from __future__ import annotations

import random
import re

import pytest

from aarch64sim.arch.encodings import ENCODINGS
from aarch64sim.asm import assemble, disassemble
from aarch64sim.asm.known import Known
from aarch64sim.asm.reader import Reader
from aarch64sim.asm.syntax import read_instruction, spellings
from aarch64sim.asm.text import Problem, tokenize
from tests.isa import machine

_NUMBER = re.compile(r"(?<![\w.])(?:0x[0-9a-f]+|\d+)(?![\w.])|(?<=[\s,\[][xwbhsdq])\d+(?![\w.$])")
_VALUES = [
    *map(str, (0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 30, 31, 32, 48, 63, 64, 255, 256, 257, 504, 512, 1008, 4088, 4095)),
    *map(str, (4096, 32760, 32768, 65535, 65536, 0xFF00_FF00_FF00_FF00, -1, -8, -256, -512)),
    *("05", "0x0", "0X1f", "0xfff", "0x1000", "(3)", "2+1"),
]  # fmt: skip


def _changed(text: str, rng: random.Random) -> str:
    text = _NUMBER.sub(
        lambda m: rng.choice([m[0], str(rng.randrange(70)), rng.choice(_VALUES)]), text
    )
    return rng.choice([text, text.replace("#", ""), text.replace(", ", ","), text.upper()])


def _read(text: str) -> bytes | None:
    tokens = tokenize(text)
    try:
        return read_instruction(Reader(tokens)).to_bytes(4, "little")
    except Problem:
        return None


@pytest.mark.parametrize("count", [2, pytest.param(200, marks=pytest.mark.fuzz)])
def test_what_is_found_is_what_reading_gives(count: int) -> None:
    rng = random.Random(11)
    found = 0
    for row in ENCODINGS:
        texts = [disassemble(machine.word_of(row, rng), 0) for _ in range(count)]
        texts += [_changed(text, rng) for text in texts for _ in range(8)]
        rng.shuffle(texts)
        known = Known()
        for text in texts:
            if text.split()[0].lower() not in spellings():
                continue
            expected, word = _read(text), known.alike(text)
            assert word in (None, expected), text
            found += word is not None
            if expected is not None:
                assert known.learn(text, tokenize(text)) == expected
                assert known.alike(text) in (None, expected), text
    assert found > len(ENCODINGS)


def test_a_name_for_a_register_ends_what_was_known() -> None:
    program = assemble("n .req x1\nmov x0, n\n.unreq n\nn .req x2\nmov x0, n\nb1: b b1")
    assert [word for _, word in program.words()] == [0xAA0103E0, 0xAA0203E0, 0x14000000]


def test_a_label_may_have_the_name_of_a_register_with_a_letter_before_it() -> None:
    program = assemble("cbz x3, x5_\nx5_: cbz x3, w7_\nw7_: b . - 4\n1: b 1b\n01: b 01b")
    words = [word for _, word in program.words()]
    assert words == [0xB4000023, 0xB4000023, 0x17FFFFFF, 0x14000000, 0x14000000]
