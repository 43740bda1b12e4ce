"""The room for speed of the CPU: code that runs often becomes Python functions of its own.

Invariant: leaving this room out changes no result (`CpuState.hot_after` = 0 does): everything here is made from the
functions in `execute`, and every block that is kept was made from what memory holds now.
"""

from __future__ import annotations

from aarch64sim.arch import decode
from aarch64sim.arch.exceptions import Synchronous
from aarch64sim.arch.hot.block import Block, build, single
from aarch64sim.arch.state import LEAVE, CpuState, Op


def run(cpu: CpuState, limit: int) -> None:
    """Execute up to `limit` instructions with nothing to look at between them; fewer when an op says LEAVE.

    What was entered `hot_after` times is executed in blocks from then on. PC and the count of instructions are right
    afterwards, also when an exception ends it.
    """
    pc, left = cpu.pc, limit
    ops, blocks, heat, changed = cpu.ops, cpu.blocks, cpu.heat, cpu.changed_code
    block: Block | None = None
    try:
        while left > 0:
            block = blocks.get(pc)
            if block is not None and left >= block.length:
                pc, left = block.run(left)
                if changed:
                    changed.clear()
                continue
            op = ops.get(pc) or decode.bind_at(cpu, pc)
            times = heat[pc] = heat.get(pc, 0) + 1
            if times >= cpu.hot_after and pc not in blocks and pc in cpu.manual:
                keep(cpu, pc)
                continue
            pc = op()
            left -= 1
            if pc == LEAVE:
                break
    except Synchronous as exception:
        trace = exception.__traceback__
        while block and trace and trace.tb_frame.f_code is not block.code:
            trace = trace.tb_next
        if block and trace:
            pc, left = block.recover(cpu, trace.tb_frame)
        raise
    finally:
        if pc != LEAVE:
            cpu.pc = pc
        cpu.retired += limit - left


def make_ready(cpu: CpuState) -> None:
    """There is nothing to look at: until that changes, a step of a plain instruction is that instruction."""
    if cpu.hot_after:
        cpu.ready = cpu.plain


def warming(cpu: CpuState, pc: int, op: Op) -> Op:
    """`op`, until it was executed `hot_after` times by itself; then what `single` makes of it takes its place."""
    times = 0

    def op_counting() -> int:
        nonlocal times
        times += 1
        if times == cpu.hot_after and cpu.ops.get(pc) is op_counting:
            cpu.ops[pc] = cpu.plain[pc] = single(cpu, pc)
        return op()

    return op_counting


def keep(cpu: CpuState, pc: int) -> None:
    """Make the block that begins at `pc`, if there is one, and keep it until its code changes."""
    block = cpu.blocks[pc] = build(cpu, pc)
    for inside in block.covers if block else (pc,):
        cpu.blocks_at.setdefault(inside, set()).add(pc)
        cpu.heat[inside] = 0  # it was executed as part of what is a block now
