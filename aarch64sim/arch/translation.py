"""From an address to the operation that executes the instruction there, kept until its memory changes.

Invariant: what `Cpu._ops` holds was decoded from what memory holds now: a page with decoded instructions is never in
the cache of writable pages, so every store to it comes by `forget_code`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aarch64sim.arch import access, decode
from aarch64sim.arch.memory import PAGE_BITS

if TYPE_CHECKING:
    from aarch64sim.arch.cpu import Cpu


def translate(cpu: Cpu, pc: int) -> decode.Op:
    """Fetch and decode the instruction at `pc` and bind its operation; raises what the fetch meets."""
    word = access.fetch(cpu, pc)
    page = pc >> PAGE_BITS
    if page not in cpu.memory.code:
        cpu.memory.code.add(page)
        cpu.memory.writable.pop(page, None)
    op = cpu._ops[pc] = decode.bind(cpu, word, pc)
    if decode.is_plain(word, cpu.features):
        cpu.plain[pc] = op
    return op


def forget_code(cpu: Cpu, address: int, size: int) -> None:
    """`size` bytes at `address` changed: what was decoded from them no longer holds."""
    for pc in range(address & ~3, address + size, 4):
        cpu._ops.pop(pc, None)
        cpu.plain.pop(pc, None)


def forget_page(cpu: Cpu, page: int) -> None:
    """Page number `page` was unmapped or changed as a whole."""
    cpu.memory.unmap(page)
    cpu.memory.code.discard(page)
    for pc in [pc for pc in cpu._ops if pc >> PAGE_BITS == page]:
        del cpu._ops[pc]
        cpu.plain.pop(pc, None)
