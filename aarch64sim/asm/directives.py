"""The directives that make bytes: numbers, strings, gaps and alignment.

Invariant: `size_of` in the first pass and `bytes_of` in the second agree about every statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from aarch64sim.asm.text import Reader, string_bytes

LARGEST = 16 << 20  # bytes that one source may make
NOP = (0xD503201F).to_bytes(4, "little")
DATA = {".byte": 1, ".hword": 2, ".short": 2, ".2byte": 2, ".word": 4, ".long": 4, ".int": 4, ".4byte": 4,
        ".quad": 8, ".xword": 8, ".dword": 8, ".8byte": 8}  # fmt: skip
STRINGS = {".ascii": b"", ".asciz": b"\0", ".string": b"\0"}
ALIGNMENTS = (".align", ".p2align", ".balign")
GAPS = (".space", ".skip", ".zero")
MAKERS = {*DATA, *STRINGS, *ALIGNMENTS, *GAPS}


def size_of(name: str, r: Reader) -> int:
    """How many bytes the directive makes; `r` stands behind its name."""
    if name in DATA:
        return DATA[name] * (1 + sum(t.text == "," and t.kind == "mark" for t in r.tokens))
    if name in STRINGS:
        return len(_strings(r, STRINGS[name]))
    token, count = r.token, r.expression()
    if name in GAPS:
        if not 0 <= count <= LARGEST:
            r.fail(f"{count} bytes are out of range: expected 0 to {LARGEST}", token=token)
        return count
    if name != ".balign":
        if not 0 <= count <= 20:
            r.fail(f"alignment 2**{count} is out of range: expected 0 to 20", token=token)
        count = 1 << count
    if count < 1 or count & count - 1 or count > 1 << 20:
        r.fail(f"alignment {count}: expected a power of 2 up to {1 << 20}", token=token)
    return -r.address % count


def bytes_of(name: str, r: Reader, size: int) -> bytes:
    """The bytes themselves; `size` is what `size_of` said."""
    if name in DATA:
        return b"".join(_list(r, lambda: number(r, DATA[name])))
    if name in STRINGS:
        return _strings(r, STRINGS[name])
    r.expression()
    fill = number(r, 1) if r.accept(",") else None
    r.expect_end()
    if fill is None and name in ALIGNMENTS:  # code may go on: the same bytes as GNU as
        return bytes(size % 4) + NOP * (size // 4)
    return (fill or b"\0") * size


def number(r: Reader, size: int) -> bytes:
    """An expression as `size` bytes; a negative one as two's complement."""
    token, value = r.token, r.expression()
    if not -(1 << 8 * size - 1) <= value < 1 << 8 * size:
        r.fail(f"{value} does not fit in {size} byte{'s' * (size > 1)}", token=token)
    return (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def _strings(r: Reader, end: bytes) -> bytes:
    def one() -> bytes:
        if r.token.kind != "string":
            r.fail(f"expected a string in double quotes, found {r.token}")
        return string_bytes(r.advance()) + end

    return b"".join(_list(r, one))


def _list(r: Reader, read: Callable[[], bytes]) -> Iterator[bytes]:
    """What `read` gives, once for each item between commas, up to the end of the line."""
    yield read()
    while r.accept(","):
        yield read()
    r.expect_end()
