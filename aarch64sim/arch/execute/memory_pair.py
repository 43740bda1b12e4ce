"""Loads and stores of two registers (Arm ARM C4.1).

Invariant: a load writes neither register before both halves are read. Of two equal transfer registers (CONSTRAINED
UNPREDICTABLE) the first value stays; a base that is also loaded keeps its written-back address.
"""

from __future__ import annotations

from aarch64sim.arch.execute.common import following, plain, with_fp_check, with_sp_check
from aarch64sim.arch.execute.transfer import reader, writer
from aarch64sim.arch.pattern import POST, PRE, Fields
from aarch64sim.arch.registers import MASK64, destination, source
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import sign_extend


@plain
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

    def op_load() -> int:
        a = (r[n] + before) & MASK64
        first = read(a)
        second = read((a + size) & MASK64)
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

    op = with_sp_check(cpu, n, op_load if f.L else op_store)
    return with_fp_check(cpu, op) if f.simd else op
