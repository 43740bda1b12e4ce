"""The A64 table itself: patterns, overlaps, aliases, binders.

Invariant: these tests look at rows only; what instructions do is tested elsewhere.
"""

from __future__ import annotations

import itertools
import random

import pytest

from aarch64sim.arch import execute, sysregs
from aarch64sim.arch.decode import decode
from aarch64sim.arch.encodings import ENCODINGS, FEATURES, ID_FIELDS, OTHER_SIMD
from aarch64sim.arch.pattern import Encoding
from aarch64sim.arch.vocabulary import bitmask_immediate, encode_bitmask_immediate
from aarch64sim.asm import assemble, disassemble
from aarch64sim.asm.aliases import NEVER_PREFERRED, PREFERRED
from tests.isa import machine

ALIASES = (*PREFERRED, *NEVER_PREFERRED)
ROWS = [row for row in ENCODINGS if row not in OTHER_SIMD]


def name(row: Encoding) -> str:
    return f"{row.syntax or row.binder}:{row.pattern}"


def compatible(a: Encoding, b: Encoding) -> bool:
    return (a.value ^ b.value) & a.mask & b.mask == 0


def common_words(a: Encoding, b: Encoding, rng: random.Random, count: int) -> list[int]:
    """Words with the fixed bits of both rows."""
    free = ~(a.mask | b.mask)
    return [a.value | b.value | rng.getrandbits(32) & free for _ in range(count)]


def test_no_two_rows_share_a_word() -> None:
    rng = random.Random(1)
    pairs = [(a, b) for i, a in enumerate(ROWS) for b in ROWS[i + 1 :] if compatible(a, b)]
    assert pairs  # such as AND (immediate) and ANDS, which a choice of the mnemonic keeps apart
    for a, b in pairs:
        both = [w for w in common_words(a, b, rng, 500) if a.extract(w) and b.extract(w)]
        assert not both, (name(a), name(b), hex(both[0]))


def test_the_catch_all_rows_of_simd_are_less_specific_than_any_row_that_they_overlap() -> None:
    for other, row in itertools.product(OTHER_SIMD, ROWS):
        if not (other.value ^ row.value) & other.mask & row.mask:
            assert row.mask.bit_count() > other.mask.bit_count(), row


@pytest.mark.parametrize("row", ENCODINGS, ids=name)
def test_row_is_whole(row: Encoding) -> None:
    """Its binder exists, its feature is known, and its words go apart and together again."""
    assert execute.binder(row.binder)
    assert not row.feature or row.feature in FEATURES
    rng = random.Random(row.value)
    allocated = 0
    for word in machine.some(row, rng, 300):
        fields = row.extract(word)
        if fields is not None:
            allocated += 1
            assert row.build(fields) == word
    assert allocated


@pytest.mark.parametrize("feature", ID_FIELDS)
def test_an_id_register_tells_the_guest_of_each_feature(feature: str) -> None:
    register, bit, least = ID_FIELDS[feature]
    assert sysregs.BY_KEY[sysregs.KEYS[register]].reset >> bit & 0xF >= least, (
        f"{register}[{bit + 3}:{bit}] in aarch64sim/arch/sysregs.py says that there is no {feature}"
    )


@pytest.mark.parametrize("row", ALIASES, ids=name)
def test_alias_lies_inside_the_table(row: Encoding) -> None:
    """Some of its words are words of a row and, unless it is only read, have its text."""
    rng = random.Random(row.value)
    mnemonics = {mnemonic for mnemonic, _ in row.spellings()}
    system = "operation" in row.syntax  # few of those keys have names: try them all
    words = (
        [row.value | key << 5 for key in range(1 << 14)] if system else machine.some(row, rng, 300)
    )
    texts = {disassemble(word).partition(" ")[0] for word in words if decode(word)}
    assert texts
    assert row in NEVER_PREFERRED or texts & mnemonics


def test_a_row_needs_its_feature() -> None:
    casal = 0xC8E0FC41
    assert decode(casal, frozenset({"LSE"}))
    assert decode(casal, frozenset()) is None


@pytest.mark.parametrize(("sf", "values"), [(0, 1302), (1, 5334)])
def test_every_bitmask_immediate_is_found_again(sf: int, values: int) -> None:
    found = {bitmask_immediate(n, s, r, sf) for n in (0, 1) for s in range(64) for r in range(64)}
    found.discard(None)
    assert len(found) == values
    for value in found:
        assert value is not None
        encoded = encode_bitmask_immediate(value, sf)
        assert encoded is not None
        assert bitmask_immediate(*encoded, sf) == value


@pytest.mark.parametrize(
    "word",
    [
        0x0B20A820,  # add w0, w1, w0, sxth #2: fine but for shift amounts above 4
        0x0BC10000,  # add (shifted) with ROR
        0x0B018000,  # add w with shift amount 32
        0x52C00000,  # movz w0, #0, lsl #32
        0xB2800000,  # move wide with opc = 01
        0x12400000,  # and w with N = 1
        0x93000000,  # sbfm x with N = 0
        0x1AC05C00,  # crc32cx with 32-bit operands
        0x04000000,  # SVE
        0x38600401,  # pointer authentication load (LDRAA) with size 0
        0x08213C00,  # casp with an odd register
        0xD503309F,  # dsb is fine, this op2 = 4 is it
        0xD50330FF,  # barrier op2 = 7 (SB, which is not in the table)
        0xD4000000,  # exception generation with LL = 0
        0xD69F03E1,  # eret with a bit too many
        0xD500401F,  # cfinv
        0xD9200000,  # MTE
        0xDAC10000,  # PACIA
    ],
    ids=hex,
)
def test_unallocated_words(word: int) -> None:
    allocated = {0x0B20A820, 0xD503309F}
    assert (decode(word) is not None) == (word in allocated)


@pytest.mark.parametrize("text", ["ldar w21, [x10]", "stxr w2, x1, [x0]", "umulh x1, x2, x3"])
def test_a_bit_that_should_be_one_is_ignored_by_the_cpu_and_not_shown_as_text(text: str) -> None:
    ((_, word),) = assemble(text).words()
    decoded = decode(word)
    assert decoded
    low = decoded[0].should_be_one & -decoded[0].should_be_one
    other = decode(word & ~low)
    assert other
    assert other[0] is decoded[0]
    assert disassemble(word & ~low).startswith(".word")
