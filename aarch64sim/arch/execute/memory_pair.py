"""Loads and stores of two registers (Arm ARM C4.1.92).

Invariant: a load writes neither register before both halves are read. Of two equal transfer registers (CONSTRAINED
UNPREDICTABLE) the first value stays; a base that is also loaded keeps its written-back address.
"""

from __future__ import annotations

from aarch64sim.arch.execute.common import following, with_fp_check, with_sp_check
from aarch64sim.arch.execute.transfer import MISSES, PAIRS, reader, writer
from aarch64sim.arch.pattern import POST, PRE, Fields
from aarch64sim.arch.registers import MASK64, destination, source
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import sign_extend


def load_store_pair(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LDP, STP, LDPSW, LDNP, STNP, with general or SIMD&FP registers; an abort has no valid syndrome."""
    r, n, size, next_pc = cpu.r, f.Rn, 1 << f.size, following(pc)
    offset = sign_extend(f.imm, 7) * size
    before, after = (0, offset) if f.mode == POST else (offset, 0)
    writes_back = f.mode in (POST, PRE)
    read, write = reader(cpu, size, sign=MASK64 if f.sign else 0), writer(cpu, size)
    if f.simd:
        file, t, t2 = cpu.v, f.Rt, f.Rt2
    else:
        register = destination if f.L else source
        file, t, t2 = cpu.r, register(f.Rt), register(f.Rt2)
    fast = PAIRS.get(size, PAIRS[8])
    mask = (1 << 8 * size) - 1
    readable, writable = cpu.memory.readable, cpu.memory.writable

    def op_load() -> int:
        a = (r[n] + before) & MASK64
        first, second = read(a), read((a + size) & MASK64)
        file[t2] = second
        file[t] = first
        if writes_back:
            r[n] = (a + after) & MASK64
        return next_pc

    def op_store() -> int:
        a = (r[n] + before) & MASK64
        write(a, file[t])
        write((a + size) & MASK64, file[t2])
        if writes_back:
            r[n] = (a + after) & MASK64
        return next_pc

    def op_load_fast() -> int:
        a = (r[n] + before) & MASK64
        try:
            r[t], r[t2] = fast.unpack_from(readable[a >> 12], a & 4095)
        except MISSES:
            return op_load()
        if writes_back:
            r[n] = (a + after) & MASK64
        return next_pc

    def op_store_fast() -> int:
        a = (r[n] + before) & MASK64
        try:
            fast.pack_into(writable[a >> 12], a & 4095, r[t] & mask, r[t2] & mask)
        except MISSES:
            return op_store()
        if writes_back:
            r[n] = (a + after) & MASK64
        return next_pc

    slow = f.sign or f.simd or t == t2
    op = (op_load if slow else op_load_fast) if f.L else (op_store if slow else op_store_fast)
    op = with_sp_check(cpu, n, op)
    return with_fp_check(cpu, op) if f.simd else op
