"""Loads and stores of one register, by an immediate, a register or a literal (Arm ARM C4.1).

Invariant: every address is cut to 64 bits; a fault leaves the transfer register and the base as they were.
Where the base is also the transfer register of a writeback form (CONSTRAINED UNPREDICTABLE), a load leaves the
new address in it and a store stores the old one.
"""

from __future__ import annotations

from aarch64sim.arch import syndrome
from aarch64sim.arch.execute.common import following, plain, with_fp_check, with_sp_check
from aarch64sim.arch.execute.transfer import Reader, Writer, reader, writer
from aarch64sim.arch.pattern import POST, PRE, UNPRIVILEGED, Fields
from aarch64sim.arch.registers import MASK64, destination, source
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import extend_register, mask_of, sign_extend


def _iss(f: Fields) -> int:
    """What the access tells a data abort: nothing with writeback or a SIMD&FP register."""
    if f.simd or f.mode in (POST, PRE):
        return 0
    wide = f.sf if f.sign else f.size == 3
    return syndrome.access(1 << f.size, f.Rt, sign_extend=bool(f.sign), sixty_four=bool(wide))


@plain
def load_store_scaled(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LDR, STR and similar with an unsigned offset in units of the access size."""
    return _at_offset(cpu, f, pc, f.imm << f.size)


@plain
def load_store(cpu: CpuState, f: Fields, pc: int) -> Op:
    """The same with a signed 9-bit byte offset: LDUR, post- and pre-index, LDTR."""
    return _at_offset(cpu, f, pc, sign_extend(f.imm, 9))


def _at_offset(cpu: CpuState, f: Fields, pc: int, offset: int) -> Op:
    """Base + offset, which post- and pre-index write back after the access succeeded."""
    r, n, next_pc = cpu.r, f.Rn, following(pc)
    before, after = (0, offset) if f.mode == POST else (offset, 0)
    writes_back = f.mode in (POST, PRE)
    file, t, read, write = _transfer(cpu, f)

    def op_load() -> int:
        a = (r[n] + before) & MASK64
        file[t] = read(a)
        if writes_back:
            r[n] = (a + after) & MASK64
        return next_pc

    def op_store() -> int:
        a = (r[n] + before) & MASK64
        write(a, file[t])
        if writes_back:
            r[n] = (a + after) & MASK64
        return next_pc

    return _checked(cpu, f, op_load if f.L else op_store)


def _transfer(cpu: CpuState, f: Fields) -> tuple[list[int], int, Reader, Writer]:
    """The register file and slot that are transferred, and how they are read and written."""
    size, iss, privilege = 1 << f.size, _iss(f), f.mode == UNPRIVILEGED
    sign = mask_of(f.sf) if f.sign else 0
    read = reader(cpu, size, iss, sign=sign, unprivileged=privilege)
    write = writer(cpu, size, iss, unprivileged=privilege)
    if f.simd:
        return cpu.v, f.Rt, read, write
    return cpu.r, destination(f.Rt) if f.L else source(f.Rt), read, write


def _checked(cpu: CpuState, f: Fields, op: Op) -> Op:
    op = with_sp_check(cpu, f.Rn, op)
    return with_fp_check(cpu, op) if f.simd else op


@plain
def load_store_register(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LDR, STR and similar at base + index register, extended and scaled."""
    r, n, m, option, next_pc = cpu.r, f.Rn, source(f.Rm), f.option, following(pc)
    left = f.size if f.S else 0
    file, t, read, write = _transfer(cpu, f)

    def op_load() -> int:
        file[t] = read((r[n] + extend_register(r[m], option, left)) & MASK64)
        return next_pc

    def op_store() -> int:
        write((r[n] + extend_register(r[m], option, left)) & MASK64, file[t])
        return next_pc

    return _checked(cpu, f, op_load if f.L else op_store)


@plain
def load_literal(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LDR, LDRSW (literal)."""
    a, next_pc = (pc + 4 * sign_extend(f.imm, 19)) & MASK64, following(pc)
    file, t = (cpu.v, f.Rt) if f.simd else (cpu.r, destination(f.Rt))
    size = 1 << f.size if f.simd else 4 if f.sign else 4 << f.sf
    wide = bool(f.sign or size == 8)
    iss = syndrome.access(size, f.Rt, sign_extend=bool(f.sign), sixty_four=wide)
    read = reader(cpu, size, 0 if f.simd else iss, sign=MASK64 if f.sign else 0)

    def op() -> int:
        file[t] = read(a)
        return next_pc

    return with_fp_check(cpu, op) if f.simd else op


def _ordered(f: Fields) -> int:
    return syndrome.access(1 << f.size, f.Rt, sixty_four=f.size == 3, acquire_release=True)


@plain
def load_acquire(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LDAR, LDLAR, LDAPR: the address must be naturally aligned."""
    r, n, t, next_pc = cpu.r, f.Rn, destination(f.Rt), following(pc)
    aligned = not f.rcpc or cpu.choices.ldapr_alignment_checked
    read = reader(cpu, 1 << f.size, _ordered(f), ordered=aligned)

    def op() -> int:
        r[t] = read(r[n])
        return next_pc

    return with_sp_check(cpu, n, op)


@plain
def store_release(cpu: CpuState, f: Fields, pc: int) -> Op:
    """STLR, STLLR: the address must be naturally aligned."""
    r, n, t, next_pc = cpu.r, f.Rn, source(f.Rt), following(pc)
    write = writer(cpu, 1 << f.size, _ordered(f), ordered=True)

    def op() -> int:
        write(r[n], r[t])
        return next_pc

    return with_sp_check(cpu, n, op)
