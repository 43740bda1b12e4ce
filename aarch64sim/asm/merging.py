"""Strings and constants that ld keeps only once: sections with the flag M, such as gcc's .rodata.str1.8.

Invariant: every label still marks the bytes that it marked before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from aarch64sim.asm.sections import Section
from aarch64sim.asm.symbols import Symbols


@dataclass(eq=False, slots=True)
class _Piece:
    """A string with its end, or a constant; kept in `section`, or as the end of a longer one."""

    data: bytes
    alignment: int
    section: Section
    offset: int = 0
    longer: _Piece | None = None

    def place(self) -> tuple[Section, int]:
        if self.longer is None:
            return self.section, self.offset
        return self.longer.section, self.longer.offset + len(self.longer.data) - len(self.data)


def merge(sections: Iterable[Section], symbols: Symbols) -> None:
    """Do it, for sections that have nothing but bytes known by now."""
    mergeable = [s for s in sections if s.unit and s.size and len(s.runs) == 1]
    mergeable.sort(key=_kind)
    for _, group in groupby(mergeable, key=_kind):
        _merge([*group], symbols)


def _kind(section: Section) -> tuple[str, int, int]:
    return "".join(sorted(section.flags)), section.unit, section.alignment


def _merge(sections: list[Section], symbols: Symbols) -> None:
    known: dict[bytes, _Piece] = {}
    found = {section.name: _find(section, known) for section in sections}
    if "S" in sections[0].flags:
        _share_ends([*known.values()])
    for section in sections:
        section.runs = [(0, bytearray())]
    for piece in known.values():
        if piece.longer is None:
            _keep(piece)

    def moved(section: Section, offset: int) -> tuple[Section, int]:
        starts = found.get(section.name)
        if not starts:
            return section, offset
        start, data = starts[max(0, bisect_right(starts, offset, key=lambda s: s[0]) - 1)]
        target, place = known[data].place()
        return target, place + offset - start

    symbols.move(moved)


def _find(section: Section, known: dict[bytes, _Piece]) -> list[tuple[int, bytes]]:
    """The pieces of a section by offset; one that needs more than its like before it takes that one's place."""
    found = []
    for offset, data, alignment in _pieces(section):
        if data not in known or known[data].alignment < alignment:
            known.pop(data, None)
            known[data] = _Piece(data, alignment, section)
        found.append((offset, data))
    return found


def _keep(piece: _Piece) -> None:
    run = piece.section.runs[0][1]
    run.extend(bytes(-len(run) % piece.alignment))
    piece.offset = len(run)
    run.extend(piece.data)


def _pieces(section: Section) -> Iterator[tuple[int, bytes, int]]:
    """Offset, bytes and needed alignment of each piece."""
    data, unit = bytes(section.runs[0][1]), section.unit
    if "S" not in section.flags:
        for at in range(0, len(data), unit):
            yield at, data[at : at + unit], section.alignment
        return
    at, empty = 0, False
    while at < len(data):
        end = at
        while any(data[end : end + unit]):
            end += unit
        end += unit
        yield at, data[at:end], min(at & -at or section.alignment, section.alignment)
        at = end
        while unit == 1 and data[at : at + 1] == b"\0":  # padding, which may be an empty string
            if not empty and at % section.alignment == 0:
                empty = True
                yield at, b"\0", section.alignment
            at += 1


def _share_ends(pieces: list[_Piece]) -> None:
    """Let a string that is the end of another one be that, where the alignment allows it."""

    def order(piece: _Piece) -> tuple[int, bytes]:
        return (len(piece.data) - 1) % piece.alignment, piece.data[::-1]

    longer: _Piece | None = None
    for piece in sorted(pieces, key=order, reverse=True):
        if longer and _is_end(piece, longer):
            piece.longer = longer
        else:
            longer = piece


def _is_end(piece: _Piece, longer: _Piece) -> bool:
    aligned = (len(longer.data) - len(piece.data)) % piece.alignment == 0
    return aligned and longer.alignment >= piece.alignment and longer.data.endswith(piece.data)
