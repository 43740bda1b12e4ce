"""Instructions that are bound to the CPU: kept until their memory changes.

Invariant: what `CpuState.ops` holds was decoded from what memory holds now: a page with decoded instructions is never
in the cache of writable pages, so every store to it comes by `forget_code`.
"""

from __future__ import annotations

from aarch64sim.arch.memory import PAGE_BITS
from aarch64sim.arch.state import CpuState, Op


def keep(cpu: CpuState, pc: int, op: Op, *, plain: bool) -> None:
    """From now on `op` is the instruction at `pc`."""
    page = pc >> PAGE_BITS
    if page not in cpu.memory.code:
        cpu.memory.code.add(page)
        cpu.memory.forget_cache(page)
    if plain:
        cpu.manual[pc] = op
        if cpu.hot_after:
            op = cpu.warming(pc, op)
        cpu.plain[pc] = op
    cpu.ops[pc] = op


def forget_code(cpu: CpuState, address: int, size: int) -> None:
    """`size` bytes at `address` changed: what was decoded from them no longer holds."""
    for pc in range(address & ~3, address + size, 4):
        _forget(cpu, pc)


def forget_page(cpu: CpuState, page: int) -> None:
    """Page number `page` was unmapped or changed as a whole."""
    cpu.memory.unmap(page)
    cpu.memory.code.discard(page)
    for pc in [pc for pc in cpu.ops if pc >> PAGE_BITS == page]:
        _forget(cpu, pc)


def _forget(cpu: CpuState, pc: int) -> None:
    """The instruction at `pc`, and the blocks that hold it; one that runs now ends after the instruction it is at."""
    cpu.ops.pop(pc, None)
    cpu.plain.pop(pc, None)
    cpu.manual.pop(pc, None)
    for head in cpu.blocks_at.pop(pc, ()):
        if cpu.blocks.pop(head, None) is not None:
            cpu.changed_code.append(head)
        cpu.heat.pop(head, None)
