"""Loads and stores of SIMD structures, LD1-LD4, ST1-ST4 and LD1R-LD4R (Arm ARM C4.1): data movement only.

Invariant: a load has read everything before it changes a register; no access has a valid syndrome, so a hypervisor
cannot emulate it.
"""

from __future__ import annotations

from aarch64sim.arch import access
from aarch64sim.arch.execute.common import following, with_fp_check, with_sp_check
from aarch64sim.arch.pattern import POST, Fields
from aarch64sim.arch.registers import MASK64
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import ones

# opcode -> registers per structure (interleaved), structures side by side
MULTIPLE = {0: (4, 1), 2: (1, 4), 4: (3, 1), 6: (1, 3), 7: (1, 1), 8: (2, 1), 10: (1, 2)}


def _lane(f: Fields) -> tuple[int, int]:
    """Size (log2 bytes) and index of the lane of a single-structure access; index -1 = all lanes."""
    scale, size, high = f.op >> 1, f.size, f.Q << 1 | f.S
    if scale == 3:
        return size, -1
    if scale == 2 and size == 1:
        return 3, f.Q
    return scale, high << 2 - scale | size >> scale


def load_store_structures(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LD1-LD4, ST1-ST4 of whole registers, interleaved by element."""
    interleaved, side_by_side = MULTIPLE[f.op]
    size = 1 << f.size
    lanes = [
        ((f.Rt + block + register) % 32, lane)
        for block in range(side_by_side)
        for lane in range((16 if f.Q else 8) // size)
        for register in range(interleaved)
    ]
    return _transfer(cpu, f, pc, size, lanes, keep=0)


def load_store_lane(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LD1-LD4, ST1-ST4 of one lane, and LD1R-LD4R, which fill all lanes with one element."""
    scale, index = _lane(f)
    size, registers = 1 << scale, ((f.op & 1) << 1 | f.R) + 1
    lanes = [((f.Rt + register) % 32, max(index, 0)) for register in range(registers)]
    if index >= 0:
        return _transfer(cpu, f, pc, size, lanes, keep=ones(128))
    copies = sum(1 << 8 * size * lane for lane in range((16 if f.Q else 8) // size))
    return _transfer(cpu, f, pc, size, lanes, keep=0, copies=copies)


def _transfer(
    cpu: CpuState,
    f: Fields,
    pc: int,
    size: int,
    lanes: list[tuple[int, int]],
    *,
    keep: int,
    copies: int = 1,
) -> Op:
    """Move element after element between memory and (register, lane); `keep` masks what a load leaves in a register."""
    r, v, n, m, next_pc = cpu.r, cpu.v, f.Rn, f.Rm if f.mode == POST else 31, following(pc)
    bits, mask = 8 * size, ones(8 * size)
    writes_back, by_register, step = f.mode == POST, m != 31, len(lanes) * size

    def finish(base: int) -> int:
        if writes_back:
            r[n] = (base + (r[m] if by_register else step)) & MASK64
        return next_pc

    def op_load() -> int:
        base = r[n]
        values = [access.load(cpu, base + size * i & MASK64, size, 0) for i in range(len(lanes))]
        loaded: dict[int, int] = {}
        for (register, lane), value in zip(lanes, values, strict=True):
            before = loaded.get(register, v[register] & keep)
            loaded[register] = before & ~(mask << bits * lane) | value * copies << bits * lane
        for register, value in loaded.items():
            v[register] = value
        return finish(base)

    def op_store() -> int:
        base = r[n]
        for i, (register, lane) in enumerate(lanes):
            access.store(cpu, base + size * i & MASK64, size, v[register] >> bits * lane, 0)
        return finish(base)

    return with_fp_check(cpu, with_sp_check(cpu, n, op_load if f.L else op_store))
