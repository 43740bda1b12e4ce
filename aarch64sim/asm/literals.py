"""Literal pools: the values that `ldr x0, =value` loads, at `.ltorg` or at the end of their section.

Invariant: equal values have one entry in a pool; words come before doublewords, each aligned to its size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass

from aarch64sim.asm.sections import Section
from aarch64sim.asm.text import Token


@dataclass(slots=True)
class Literal:
    """One entry: `data` is known when a statement that asks for it is read again."""

    size: int
    section: Section
    offset: int = 0
    run: bytearray | None = None
    start: int = 0

    @property
    def address(self) -> int:
        return self.section.address + self.offset

    def put(self, data: bytes) -> None:
        """Write the value into its place in the pool."""
        if self.run is not None:
            self.run[self.start : self.start + self.size] = data


_SIZES = {"w": 4, "s": 4, "x": 8, "d": 8, "q": 16}


def literal_size(tokens: list[Token]) -> int:
    """The bytes that `ldr register, =...` or `ldrsw` loads; 0 of anything else."""
    if len(tokens) < 5 or tokens[3].text != "=":
        return 0
    loads = {"ldr": _SIZES.get(tokens[1].text[:1].lower(), 0), "ldrsw": 4}
    return loads.get(tokens[0].text.lower(), 0)


class Pools:
    """The pools of all sections, each with what waits to be put there."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, dict[Hashable, Literal]] = defaultdict(dict)

    def entry(self, section: Section, size: int, value: Hashable) -> Literal:
        """The entry in the section's next pool for a value of `size` bytes; equal values share one."""
        return self._waiting[section.name].setdefault((size, value), Literal(size, section))

    def flush(self, section: Section) -> None:
        """Put what waits at the end of the section."""
        for literal in sorted(self._waiting.pop(section.name, {}).values(), key=lambda e: e.size):
            run = section.runs[-1][1]
            run.extend(bytes(len(section.padding(literal.size))))
            literal.offset, literal.run, literal.start = section.size, run, len(run)
            run.extend(bytes(literal.size))
