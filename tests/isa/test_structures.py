"""Loads and stores of SIMD structures: the same memory and V registers as Unicorn, and no syndrome at stage 2."""

from __future__ import annotations

import random

import pytest

from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.decode import decode
from tests.isa.machine import make_cpu, map_ram, read, write

unicorn = pytest.importorskip("unicorn", reason="no Unicorn here")
arm64 = pytest.importorskip("unicorn.arm64_const", reason="no Unicorn here")

CODE, DATA = 0x4000_0000, 0x4010_0000


def random_word(rng: random.Random) -> int:
    """A word of the class: 0 Q 00110 single? post? L ..., base X1 or another than the index."""
    word = (
        0b0_0_001100 << 24
        | rng.getrandbits(1) << 30
        | rng.getrandbits(22)
        | rng.getrandbits(2) << 23
    )
    word = word & ~(31 << 5) | 1 << 5
    if word >> 23 & 1 and word >> 16 & 31 == 1:
        word ^= 2 << 16  # not the base as the index
    return word


def test_structures_move_what_unicorn_moves() -> None:
    rng = random.Random(8)
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
    uc.ctl_set_cpu_model(arm64.UC_CPU_ARM64_MAX)
    uc.mem_map(CODE, 0x1000)
    uc.mem_map(DATA, 0x2000)
    cpu = make_cpu(1)
    cpu.sys.set("cpacr_el1", 3 << 20)
    map_ram(cpu, CODE, 0x1000)
    map_ram(cpu, DATA, 0x2000)
    uc.reg_write(arm64.UC_ARM64_REG_CPACR_EL1, 3 << 20)
    compared = 0
    for _ in range(8000):
        word = random_word(rng)
        decoded = decode(word)
        if decoded is None or not decoded[0].binder.startswith("load_store_"):
            continue
        memory = rng.randbytes(512)
        base = DATA + rng.randrange(256)
        write(cpu, DATA, memory)
        write(cpu, CODE, word.to_bytes(4, "little"))
        uc.mem_write(DATA, memory)
        uc.mem_write(CODE, word.to_bytes(4, "little"))
        uc.ctl_remove_cache(CODE, CODE + 4)
        for n in range(31):
            value = base if n == 1 else rng.getrandbits(64)
            cpu.r[n] = value
            uc.reg_write(getattr(arm64, f"UC_ARM64_REG_X{n}"), value)
        for n in range(32):
            cpu.v[n] = rng.getrandbits(128)
            uc.reg_write(getattr(arm64, f"UC_ARM64_REG_Q{n}"), cpu.v[n])
        cpu.pc = CODE
        uc.emu_start(CODE, CODE + 4)
        assert cpu.step() is None
        assert cpu.pc == CODE + 4
        assert read(cpu, DATA, 512) == bytes(uc.mem_read(DATA, 512)), hex(word)
        assert cpu.v == [uc.reg_read(getattr(arm64, f"UC_ARM64_REG_Q{n}")) for n in range(32)], hex(
            word
        )
        assert cpu.r[1] == uc.reg_read(arm64.UC_ARM64_REG_X1), hex(word)
        compared += 1
    assert compared > 1000


def test_a_structure_load_that_faults_has_no_syndrome_and_changes_nothing() -> None:
    cpu: Cpu = make_cpu(1)
    cpu.sys.set("cpacr_el1", 3 << 20)
    cpu.sys.set("hcr_el2", 0x8000_0001)
    map_ram(cpu, CODE, 0x1000)
    write(cpu, CODE, (0x4CDF_7020).to_bytes(4, "little"))  # ld1 {v0.16b}, [x1], #16
    cpu.r[1], cpu.v[0], cpu.pc = 0x900_0000, 7, CODE
    taken = cpu.step()
    assert taken is not None
    assert taken.esr is not None
    assert taken.esr >> 24 == 0x92
    assert (cpu.r[1], cpu.v[0]) == (0x900_0000, 7)
