"""An assembled, compiled or raw program: bytes at addresses, with symbols and the line that each instruction came from.

Invariant: segments are sorted, do not overlap and lie below 2**64; `lines` maps only addresses inside them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from aarch64sim.asm.disassembler import disassemble

LARGEST = 64 << 20  # bytes in all: far beyond any guest of ours, well below what hurts the host
MOST_LISTED = 1 << 16  # instructions of a compiled program that get a listing
PF_X, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
_LINKED_OTHERWISE = {
    1: "an object file (link it first)",
    3: "position-independent (link it with -static -no-pie)",
}
_NAMED = ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE")


class ProgramError(ValueError):
    """The bytes are no program for this machine; the text says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`data` bytes at guest-physical `address`."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True)
class Program:
    """Text, bytes and the map between them.

    `lines` gives for the address of an instruction its line in `source`, counted from 1. For a compiled or raw program
    `source` is our own listing.
    """

    source: str
    base: int
    segments: tuple[Segment, ...]
    entry: int
    symbols: dict[str, int] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)

    def words(self) -> Iterator[tuple[int, int]]:
        """Address and 32-bit word of every instruction in `lines`, in order of address."""
        for address in sorted(self.lines):
            data = self.read(address, 4)
            if data is not None:
                yield address, int.from_bytes(data, "little")

    def read(self, address: int, size: int) -> bytes | None:
        """The `size` bytes that the program puts at `address`, None if they are not all in one segment."""
        for segment in self.segments:
            if segment.address <= address and address + size <= segment.end:
                offset = address - segment.address
                return segment.data[offset : offset + size]
        return None

    def line_text(self, address: int) -> str:
        """The source line of the instruction at `address` without surrounding space, "" if there is none."""
        number = self.lines.get(address)
        return self.source.splitlines()[number - 1].strip() if number else ""

    def label_at(self, address: int) -> str | None:
        """The first symbol with this value, None if there is none."""
        return next((name for name, value in self.symbols.items() if value == address), None)

    @classmethod
    def from_flat(cls, data: bytes, base: int = 0x4000_0000) -> Program:
        """A program of raw bytes at `base`, entered at its start; ProgramError if it is empty or does not fit."""
        what = f"the load address {base:#x} is not a multiple of 4 below 2**64"
        _require(len(data) > 0, "the flat binary is empty")
        _require(base % 4 == 0 and 0 <= base < 1 << 64, what)
        segments = [Segment(base, bytes(data))]
        return _listed(base, segments, segments, {})

    @classmethod
    def from_elf(cls, data: bytes) -> Program:
        """The program of an AArch64 ELF executable (64-bit, little-endian, statically linked); else ProgramError."""
        from elftools.common.exceptions import ELFError
        from elftools.construct import ConstructError

        try:
            return _from_elf(data)
        except ProgramError:
            raise
        except (ELFError, ConstructError, ValueError, LookupError, TypeError, AttributeError,
                ArithmeticError, AssertionError, OSError, struct.error) as error:  # fmt: skip
            what = error or type(error).__name__
            raise ProgramError(f"the ELF file is damaged: {what}") from error


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ProgramError(message)


def _from_elf(data: bytes) -> Program:
    from elftools.elf.elffile import ELFFile

    head = data.ljust(64, b"\0")
    kind, machine = struct.unpack_from("<HH", head, 16)
    what = _LINKED_OTHERWISE.get(kind, f"of type {kind}")
    _require(data[:4] == b"\x7fELF", "not an ELF file: it does not start with 7f 45 4c 46")
    _require(len(data) >= 64, "the ELF file is truncated: its header has 64 bytes")
    _require(head[4] == 2, "the ELF file is 32-bit: expected 64-bit")
    _require(head[5] == 1, "the ELF file is big-endian: expected little-endian")
    _require(machine == 183, f"the ELF file is for machine {machine}: expected AArch64 (183)")
    _require(kind == 2, f"the ELF file is {what}: expected an executable")
    _require(head[54:56] == b"\x38\0", "the ELF file is damaged: a program header has 56 bytes")
    elf = ELFFile(io.BytesIO(data))
    segments, code = [], []
    sections = [s for s in elf.iter_sections() if s["sh_flags"] & SHF_ALLOC]
    for header in elf.iter_segments("PT_LOAD"):
        start, address = header["p_offset"], header["p_paddr"]
        size, memory = header["p_filesz"], header["p_memsz"]
        _require(
            start + size <= len(data), "the ELF file is truncated: a segment reaches beyond its end"
        )
        _require(
            size <= memory,
            "the ELF file is damaged: a segment is larger in the file than in memory",
        )
        _require(memory <= LARGEST, f"the program is too large: {memory} bytes, at most {LARGEST}")
        inside = [s for s in sections if start <= s["sh_offset"] < start + size]
        if start == 0 and inside:  # the linker put the file's own headers in front: cut them off
            cut = min(s["sh_offset"] for s in inside)
            start, size, memory, address = cut, size - cut, memory - cut, address + cut
        if memory:
            segments.append(Segment(address, data[start : start + size].ljust(memory, b"\0")))
        if header["p_flags"] & PF_X:
            parts = [s for s in inside if s["sh_flags"] & SHF_EXECINSTR]
            spans = [(s["sh_offset"], s["sh_size"]) for s in parts] or [(start, size)]
            code += [Segment(address + at - start, data[at : at + n]) for at, n in spans]
    _require(bool(segments), "the ELF file has nothing to load")
    segments.sort(key=lambda s: s.address)
    entry = elf["e_entry"]
    listed = _listed(entry, segments, code, _elf_symbols(data))
    where = entry % 4 == 0 and any(s.address <= entry < s.end for s in segments)
    _require(where, f"the ELF file's entry point {entry:#x} is not in its code")
    return listed


def _elf_symbols(data: bytes) -> dict[str, int]:
    """Named functions, objects and labels; mapping symbols ($x, $d) left out."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    symbols: dict[str, int] = {}
    for section in ELFFile(io.BytesIO(data)).iter_sections():
        if not isinstance(section, SymbolTableSection) or section["sh_entsize"] != 24:
            continue
        _require(
            section["sh_offset"] + section["sh_size"] <= len(data),
            "the ELF file is truncated: its symbol table reaches beyond its end",
        )
        for symbol in section.iter_symbols():
            if symbol["st_info"]["type"] in _NAMED and symbol.name[:1] not in ("", "$"):
                symbols.setdefault(symbol.name, symbol["st_value"])
    return symbols


def _listed(
    entry: int, segments: list[Segment], code: list[Segment], symbols: dict[str, int]
) -> Program:
    """The program of segments in order, with a listing of its code as source; ProgramError if they do not fit."""
    for before, after in pairwise(segments):
        both = f"{before.address:#x} and {after.address:#x}"
        _require(before.end <= after.address, f"the segments at {both} overlap")
    _require(segments[-1].end <= 1 << 64, "the program does not fit below 2**64")
    total = sum(len(s.data) for s in segments)
    _require(total <= LARGEST, f"the program is too large: {total} bytes, at most {LARGEST}")
    labels = {value: name for name, value in reversed(symbols.items())}
    text: list[str] = []
    lines: dict[int, int] = {}
    for segment in code:
        for address in range(segment.address + -segment.address % 4, segment.end - 3, 4):
            if len(lines) == MOST_LISTED:
                break
            offset = address - segment.address
            word = int.from_bytes(segment.data[offset : offset + 4], "little")
            if address in labels:
                text.append(f"{labels[address]}:")
            text.append(f"    {disassemble(word, address)}")
            lines[address] = len(text)
    base = segments[0].address
    return Program("\n".join(text), base, tuple(segments), entry, symbols, lines)
