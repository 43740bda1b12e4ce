"""From an instruction word to its row of the table, and to the closure that executes it.

Invariant: a word that is no row's, or whose row needs a feature that the CPU lacks, is UNDEFINED: an exception of the
guest, never a Python error.
"""

from __future__ import annotations

from functools import cache, lru_cache

from aarch64sim.arch import access, bound_code, execute
from aarch64sim.arch.encodings import ENCODINGS, FEATURES
from aarch64sim.arch.execute.common import PLAIN, Binder
from aarch64sim.arch.pattern import Encoding, Fields
from aarch64sim.arch.requested import undefined
from aarch64sim.arch.state import CpuState, Op

_BY_SPECIFICITY = sorted(ENCODINGS, key=lambda row: -row.mask.bit_count())


@cache  # at most 256 values, few of which a program asks for
def _bucket(top: int) -> tuple[Encoding, ...]:
    """The rows that this value of bits 31 to 24 leaves possible, the most specific first."""
    return tuple(
        row for row in _BY_SPECIFICITY if not ((top << 24) ^ row.value) & row.mask & 0xFF00_0000
    )


_BINDERS: dict[str, Binder] = {row.binder: execute.binder(row.binder) for row in ENCODINGS}


@lru_cache(maxsize=1 << 14)
def decode(word: int, features: frozenset[str] = FEATURES) -> tuple[Encoding, Fields] | None:
    """The row of a 32-bit instruction word and its fields; None if the word is UNDEFINED with these features.

    >>> row, fields = decode(0x91004041)
    >>> row.spell({"op": fields.op}), fields.Rd, fields.Rn, fields.imm
    ('add', 1, 2, 16)
    """
    for row in _bucket(word >> 24):
        if word & row.mask == row.value and (not row.feature or row.feature in features):
            fields = row.extract(word)
            if fields is not None:
                return row, Fields(fields)
    return None


def bind(cpu: CpuState, word: int, pc: int) -> Op:
    """The operation that executes `word` at address `pc` on `cpu` and returns the next PC."""
    decoded = decode(word, cpu.features)
    if decoded is None:
        return undefined
    row, fields = decoded
    return _BINDERS[row.binder](cpu, fields, pc)


def bind_at(cpu: CpuState, pc: int) -> Op:
    """Fetch and decode the instruction at `pc`, bind it and keep it; raises what the fetch meets."""
    word = access.fetch(cpu, pc)
    op = bind(cpu, word, pc)
    bound_code.keep(cpu, pc, op, plain=is_plain(word, cpu.features))
    return op


def is_plain(word: int, features: frozenset[str] = FEATURES) -> bool:
    """Whether the instruction is one of those that `execute` marks as plain."""
    decoded = decode(word, features)
    if decoded is None:
        return False
    row, fields = decoded
    when = PLAIN.get(_BINDERS[row.binder])
    return when is not None and when(fields)
