"""Sections: what a source puts bytes into, and the directives that choose one.

Invariant: the first pass only appends; after it `merging` rewrites what M allows, and `layout` sets the addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from aarch64sim.asm.text import ELF_ROUTE, Problem, quoted

NOP = (0xD503201F).to_bytes(4, "little")
SECTION_DIRECTIVES = {".section", ".pushsection", ".popsection", ".previous", ".text", ".data", ".bss"}  # fmt: skip
# The flags of a section for which the source gives none, by the first part of its name.
_USUAL = {"text": "ax", "rodata": "a", "gcc_except_table": "a", "data": "aw", "data1": "aw", "bss": "aw",
          "init_array": "aw", "fini_array": "aw", "preinit_array": "aw", "noinit": "aw",
          "persistent": "aw"}  # fmt: skip
_ZERO = re.compile(r"\.(bss|noinit)(\..*)?|\.persistent\.bss")  # where the source gives no type
_HEAD = re.compile(
    r"""\s*(?:"(?P<quoted>[^"]*)"|(?P<name>[^\s,"]+))\s*
        (?:,\s*"(?P<flags>\w*)"\s*(?:,\s*[@%](?P<type>\w+)\s*(?:,\s*(?P<unit>\d+))?[^"]*)?)?$""",
    re.VERBOSE | re.ASCII,
)
_REFUSED = {
    "tdata": "thread-local storage needs an operating system that sets it up",
    "tbss": "thread-local storage needs an operating system that sets it up",
    ".init": "ld puts it at an address of its own, outside this memory",
    ".fini": "ld puts it at an address of its own, outside this memory",
}
Kind = Literal["code", "fixed", "data", "zero"]


@dataclass(eq=False, slots=True)
class Section:
    """Runs of bytes by offset; `address` is provisional until the sections are laid out."""

    name: str
    flags: str
    zero: bool
    address: int
    unit: int = 0  # with the flag M: ld keeps pieces of so many bytes, or strings of them, once
    alignment: int = 1
    runs: list[tuple[int, bytearray]] = field(default_factory=lambda: [(0, bytearray())])
    lines: dict[int, int] = field(default_factory=dict)  # offset of an instruction -> its line

    @property
    def size(self) -> int:
        start, data = self.runs[-1]
        return start + len(data)

    @property
    def kind(self) -> Kind:
        """What ld takes it for where its script does not name it."""
        if "x" in self.flags:
            return "code"
        if "w" not in self.flags:
            return "fixed"
        return "zero" if self.zero else "data"

    @property
    def loaded(self) -> bool:
        """Whether it is part of the program in memory."""
        return "a" in self.flags

    def write(self, offset: int, data: bytes) -> None:
        """Put other bytes in the place of those that a statement appended at that offset."""
        start, run = self.runs[-1]
        if offset < start:
            start, run = next(r for r in reversed(self.runs) if r[0] <= offset)
        run[offset - start : offset - start + len(data)] = data

    def padding(self, alignment: int, most: int | None = None, fill: bytes = b"") -> bytes:
        """The bytes up to a multiple of `alignment`, which becomes the section's; none if over `most`."""
        size = -(self.address + self.size) % alignment
        if most is not None and size > most:
            return b""
        self.alignment = max(self.alignment, alignment)
        if fill or self.kind != "code":
            return (fill or b"\0") * size
        return bytes(size % 4) + NOP * (size // 4)  # code may go on: the same bytes as GNU as

    def leave_gap(self, size: int) -> None:
        """Go on after bytes that the program does not load."""
        if size:
            self.runs.append((self.size + size, bytearray()))


class Sections:
    """All sections of a source in order; `now` is the current one."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.all: dict[str, Section] = {}
        self.stack: list[tuple[Section, Section]] = []
        self.now = self.before = self.named(".text")
        self.named(".data"), self.named(".bss")  # in GNU as, too, they come first

    def named(self, name: str, flags: str | None = None, kind: str = "", unit: int = 0) -> Section:
        """The section of that name, made if it is new."""
        if name not in self.all:
            first = name.split(".")[1] if name.startswith(".") else ""
            zero = kind == "nobits" or (not kind and _ZERO.fullmatch(name) is not None)
            flags = _USUAL.get(first, "") if flags is None or first == "note" else flags
            unit = unit if "M" in flags else 0
            # The text's own address is right if nothing comes before it; the others' are aligned, far apart, and wrong.
            address = (self.base & -1 << 24) + (len(self.all) << 40) if self.all else self.base
            self.all[name] = Section(name, flags, zero, address, unit)
        return self.all[name]

    def choose(self, name: str, rest: str, column: int) -> None:
        """Obey one of SECTION_DIRECTIVES with what follows it; Problem where that is wrong."""
        if name == ".popsection":
            if not self.stack:
                raise Problem(column, "there is no .pushsection before this")
            self.now, self.before = self.stack.pop()
            return
        if name == ".pushsection":
            self.stack.append((self.now, self.before))
        self.now, self.before = self._chosen(name, rest, column), self.now

    def _chosen(self, name: str, rest: str, column: int) -> Section:
        if name == ".previous":
            return self.before
        if name in (".section", ".pushsection"):
            return self._read(rest, column)
        if rest.strip() not in ("", "0"):
            what = f"{name} takes no number: numbered subsections are left out; {ELF_ROUTE}"
            raise Problem(column, what)
        return self.named(name)

    def _read(self, rest: str, column: int) -> Section:
        match = _HEAD.match(rest)
        if match is None:
            what = 'expected a name, then perhaps "flags", @type'
            raise Problem(column, f"{what}, found {quoted(rest.strip())}")
        name, flags = match["quoted"] or match["name"] or "", match["flags"]
        first = name.split(".")[1] if name.startswith(".") else ""
        reason = _REFUSED.get("tdata" if "T" in (flags or "") else first) or _REFUSED.get(name)
        if reason:
            raise Problem(column, f"section {quoted(name)} is left out: {reason}; {ELF_ROUTE}")
        return self.named(name, flags, match["type"] or "", int(match["unit"] or 0))
