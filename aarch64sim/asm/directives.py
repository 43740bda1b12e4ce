"""The directives that make bytes: numbers, strings, gaps and alignment; and the names of all others.

Invariant: `made` may be called again when the sections have their addresses; then a size must come out as before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aarch64sim.asm.reader import Reader
from aarch64sim.asm.sections import Section
from aarch64sim.asm.text import string_bytes

LARGEST = 16 << 20  # bytes that one source may make
DATA = {".byte": 1, ".hword": 2, ".short": 2, ".2byte": 2, ".word": 4, ".long": 4, ".int": 4, ".4byte": 4,
        ".quad": 8, ".xword": 8, ".dword": 8, ".8byte": 8, ".octa": 16}  # fmt: skip
STRINGS = {".ascii": b"", ".asciz": b"\0", ".string": b"\0"}
ALIGNMENTS = {".align", ".p2align", ".balign"}
GAPS = {".space", ".skip", ".zero"}
MAKERS = {*DATA, *STRINGS, *ALIGNMENTS, *GAPS, ".fill", ".inst"}
POOLS = {".ltorg", ".pool"}
ASSIGNMENTS = {".equ", ".set", ".equiv"}
# They tell linkers, debuggers and humans something that a guest without an operating system cannot see.
IGNORED = {".global", ".globl", ".local", ".hidden", ".protected", ".internal", ".type", ".size", ".arch", ".cpu",
           ".arch_extension", ".file", ".loc", ".ident", ".addrsig", ".addrsig_sym", ".variant_pcs", ".eabi_attribute",
           ".title", ".sbttl", ".list", ".nolist"}  # fmt: skip
_PLAIN = re.compile(r"(?:[ \t]*-?(?:0x[0-9a-f]+|[0-9]+)[ \t]*(?:,|\Z))*(?<!,)", re.ASCII)


def made(name: str, r: Reader, section: Section) -> bytes:
    """The bytes that one of MAKERS makes at the end of the section; `r` stands after its name."""
    if name in DATA:
        return b"".join(_list(r, lambda: number(r, DATA[name])))
    if name in STRINGS:
        return b"".join(_list(r, lambda: _string(r) + STRINGS[name]))
    if name == ".inst":
        return b"".join(_list(r, lambda: number(r, 4)))
    if name == ".fill":
        return _fill(r)
    return _aligned(name, r, section) if name in ALIGNMENTS else _gap(r)


def plain(name: str, text: str) -> bytes | None:
    """What `made` makes of numbers without operators, for one of DATA; None of anything else, and of wrong ones."""
    if not _PLAIN.fullmatch(text):
        return None
    size = DATA[name]
    try:
        values = [int(item, 0) for item in text.split(",")]
        return b"".join([n.to_bytes(size, "little", signed=n < 0) for n in values])
    except (ValueError, OverflowError):
        return None


def number(r: Reader, size: int) -> bytes:
    """An expression as `size` bytes; a negative one as two's complement."""
    token, value = r.token, r.expression(max(64, 8 * size))
    if not -(1 << 8 * size - 1) <= value < 1 << 8 * size:
        r.fail(f"{value} does not fit in {size} byte{'s' * (size > 1)}", token=token)
    return (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def power_of_2(name: str, r: Reader) -> int:
    """An alignment in bytes, for `.align` and `.p2align` written as the power."""
    token, count = r.token, r.expression()
    if name != ".balign":
        if not 0 <= count <= 20:
            r.fail(f"alignment 2**{count} is out of range: expected 0 to 20", token=token)
        count = 1 << count
    if count < 1 or count & count - 1 or count > 1 << 20:
        r.fail(f"alignment {count}: expected a power of 2 up to {1 << 20}", token=token)
    return count


def usual_alignment(name: str, size: int) -> int:
    """The alignment of zeros for which none is given: GNU as rounds the size down, to 8 at most, ld up, to 16."""
    bits = min(size, 8).bit_length() - 1 if name == ".lcomm" else (min(size, 16) - 1).bit_length()
    return 1 << bits if size else 1


def _aligned(name: str, r: Reader, section: Section) -> bytes:
    """`.p2align power, fill, most`: the fill and the most bytes that it may take can be left out."""
    alignment, fill, most = power_of_2(name, r), b"", None
    if r.accept(",") and r.token.text != ",":
        fill = number(r, 1)
    if r.accept(","):
        most = r.number("number of bytes", 0, LARGEST)
    r.expect_end()
    return section.padding(alignment, most, fill)


def _gap(r: Reader) -> bytes:
    count = _count(r, 1)
    fill = number(r, 1) if r.accept(",") else b"\0"
    r.expect_end()
    return fill * count


def _fill(r: Reader) -> bytes:
    """`.fill count, size, value`: as in GNU as at most 4 bytes of the value, the others are 0."""
    count, size, value = _count(r, 8), 1, b""
    if r.accept(","):
        size = r.number("size", 0, 8)
    if r.accept(","):
        value = number(r, 8)[: min(size, 4)]
    r.expect_end()
    return value.ljust(size, b"\0") * count


def _count(r: Reader, size: int) -> int:
    token, count = r.token, r.expression()
    if not 0 <= count <= LARGEST // size:
        r.fail(f"{count} bytes are out of range: expected 0 to {LARGEST // size}", token=token)
    return count


def _string(r: Reader) -> bytes:
    if r.token.kind != "string":
        r.fail(f"expected a string in double quotes, found {r.token}")
    data = string_bytes(r.advance())
    return data + _string(r) if r.token.kind == "string" else data


def _list(r: Reader, read: Callable[[], bytes]) -> Iterator[bytes]:
    """What `read` gives, once for each item between commas, up to the end of the line."""
    more = True
    while more:
        data = read()
        r.context.passed(len(data))
        yield data
        more = r.accept(",")
    r.expect_end()
