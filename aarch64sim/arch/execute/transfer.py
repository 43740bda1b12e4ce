"""How bytes move between memory and registers: one reader and one writer for every access size.

Invariant: an access first asks the cache of pages that need no further look; only what that cannot answer goes to
`access.load` and `access.store`, which know about faults, alignment, watchpoints and byte order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from aarch64sim.arch import access
from aarch64sim.arch.state import CpuState
from aarch64sim.arch.vocabulary import sign_extend

Reader = Callable[[int], int]
Writer = Callable[[int, int], None]

UNITS = {1: "B", 2: "H", 4: "I", 8: "Q"}  # by size in bytes, as `struct` calls them
UNSIGNED = {size: struct.Struct("<" + unit) for size, unit in UNITS.items()}
# The page is not cached, or the access crosses its end.
MISSES = (KeyError, struct.error)


def reader(
    cpu: CpuState,
    size: int,
    iss: int = 0,
    *,
    sign: int = 0,
    ordered: bool = False,
    unprivileged: bool = False,
) -> Reader:
    """A function from an address to the value there, zero-extended, or sign-extended and cut to the mask `sign`."""
    readable = cpu.memory.readable
    bits, low = 8 * size, size - 1

    def slow(a: int) -> int:
        return access.load(cpu, a, size, iss, ordered=ordered, unprivileged=unprivileged)

    if size == 16:
        return slow
    unpack_from = UNSIGNED[size].unpack_from

    def read(a: int) -> int:
        try:
            value = unpack_from(readable[a >> 12], a & 4095)[0]
        except MISSES:
            value = slow(a)
        return sign_extend(value, bits) & sign if sign else value

    def read_ordered(a: int) -> int:
        if a & low:
            return slow(a)
        return read(a)

    return read_ordered if ordered else read


def writer(
    cpu: CpuState, size: int, iss: int = 0, *, ordered: bool = False, unprivileged: bool = False
) -> Writer:
    """A function that writes the low `size` bytes of a value at an address."""
    writable = cpu.memory.writable
    mask, low = (1 << 8 * size) - 1, size - 1

    def slow(a: int, value: int) -> None:
        access.store(cpu, a, size, value, iss, ordered=ordered, unprivileged=unprivileged)

    if size == 16:
        return slow
    pack_into = UNSIGNED[size].pack_into

    def write(a: int, value: int) -> None:
        try:
            pack_into(writable[a >> 12], a & 4095, value & mask)
        except MISSES:
            slow(a, value)

    def write_ordered(a: int, value: int) -> None:
        if a & low:
            slow(a, value)
        else:
            write(a, value)

    return write_ordered if ordered else write
