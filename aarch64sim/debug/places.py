"""Places in a program: addresses, labels, source lines.

Invariant: a place is the address of an instruction, or a sentence says why it is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches

from aarch64sim.asm import Program

_LINE = re.compile(r"(?:line\s+|:)(\d+)", re.IGNORECASE)
_SUM = re.compile(r"(.+?)\s*\+\s*(0[xX][0-9a-fA-F]+|\d+)")


def address_of(program: Program, where: int | str | None, *, line: int | None = None) -> int:
    """The address of a place: an address, or text: "0x40000008", a label, "label+8", "line 5"; or `line`.

    ValueError if there is no such place.

    >>> from aarch64sim.asm import assemble
    >>> program = assemble("start: nop\\n\\n  b start")
    >>> [hex(address_of(program, where)) for where in ("start", "start+4", "line 3", "0x40000000")]
    ['0x40000000', '0x40000004', '0x40000004', '0x40000000']
    >>> address_of(program, "line 2")
    Traceback (most recent call last):
    ...
    ValueError: line 2 has no instruction; the nearest line that has one is 3
    """
    if (where is None) == (line is None):
        raise ValueError("say either where (an address or a label) or which line")
    if line is not None:
        return _of_line(program, line)
    if isinstance(where, str):
        return _of_text(program, where.strip())
    if isinstance(where, bool) or not isinstance(where, int) or not 0 <= where < 1 << 64:
        raise ValueError(f"{where!r} is no address")
    return where


def _of_line(program: Program, line: int) -> int:
    addresses = [address for address, number in program.lines.items() if number == line]
    if addresses:
        return min(addresses)
    with_code = sorted(set(program.lines.values()), key=lambda n: (abs(n - line), -n))
    if not with_code:
        raise ValueError("the program has no source lines")
    raise ValueError(
        f"line {line} has no instruction; the nearest line that has one is {with_code[0]}"
    )


def _of_text(program: Program, text: str) -> int:
    if text in program.symbols:
        return program.symbols[text]
    if match := _LINE.fullmatch(text):
        return _of_line(program, int(match[1]))
    if match := _SUM.fullmatch(text):
        return _of_text(program, match[1]) + int(match[2], 0)
    try:
        return address_of(program, int(text, 0))
    except ValueError:
        near = get_close_matches(text, program.symbols, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{text!r} is no label, no line and no address{hint}") from None


def code_address(
    program: Program, where: int | str | None, line: int | None, is_memory: Callable[[int], bool]
) -> int:
    """The address of a place where an instruction can be; ValueError if there is none."""
    address = address_of(program, where, line=line)
    if address % 4 or not is_memory(address):
        raise ValueError(f"no instruction can be at {address:#x}")
    return address
