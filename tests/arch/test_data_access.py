"""Data accesses in their modes: the exclusive monitor, big-endian, alignment, DC ZVA, stage-2 fault levels.

Invariant: a mode that is switched on counts at once, also for a page that was accessed before.
"""

from __future__ import annotations

import pytest

from aarch64sim.arch import pstate, sysregs
from aarch64sim.arch.pstate import PState
from aarch64sim.arch.syndrome import EC, FSC
from tests.arch.bench import (
    CODE,
    DAIF,
    DATA,
    EL0,
    EL1,
    HOLE,
    MODES,
    inside,
    map_page,
    peek,
    take,
)

# --- the exclusive monitor ------------------------------------------------------------------------

EXCLUSIVES = "ldxr x1, [x8]\n {between}\n stxr w3, x2, [x8]"


@pytest.mark.parametrize(("between", "fails"), [
    ("nop", 0), ("clrex", 1), ("ldr x4, [x8]", 0), ("stxr w5, x2, [x8]", 1), ("ldxr x1, [x9]", 1), ("ldxr w1, [x8]", 1),
])  # fmt: skip
def test_store_exclusive_needs_the_reservation(between: str, fails: int) -> None:
    cpu = inside(EXCLUSIVES.format(between=between), x8=DATA, x9=DATA + 64, x2=7, x3=9)
    for _ in range(3):
        assert cpu.step() is None
    assert cpu.r[3] == fails
    stored = between.startswith("stxr") or not fails
    assert peek(cpu, DATA, 8)[0] == (7 if stored else 0)


def test_store_exclusive_without_reservation_makes_no_access() -> None:
    cpu = inside("stxr w3, x2, [x9]", x9=HOLE)
    assert cpu.step() is None
    assert cpu.r[3] == 1


# --- modes of data access -------------------------------------------------------------------------


def test_big_endian_data_follows_the_level() -> None:
    source = (
        "ldr w1, [x8]\n ldrh w2, [x8]\n ldrb w3, [x8]\n str w4, [x8, #8]\n ldp w5, w6, [x8, #16]"
    )
    for el, bit in ((0, sysregs.SCTLR_E0E), (1, sysregs.SCTLR_EE)):
        for on in (0, 1):
            other = sysregs.SCTLR_EE if el == 0 else sysregs.SCTLR_E0E
            cpu = inside(
                source,
                spsr=MODES[el],
                x8=DATA,
                x4=0x11223344,
                sctlr_el1=0xC50078 | (bit if on else other),
            )
            for offset in (0, 16, 20):
                cpu.memory.stage2[DATA >> 12].data[offset : offset + 4] = bytes((1, 2, 3, 4))
            for _ in range(5):
                assert cpu.step() is None
            order = "big" if on else "little"
            word = int.from_bytes(bytes((1, 2, 3, 4)), order)
            assert cpu.r[1:4] == [word, int.from_bytes(bytes((1, 2)), order), 1]
            assert cpu.r[5:7] == [word, word]
            assert peek(cpu, DATA + 8, 4) == (0x11223344).to_bytes(4, order)


def test_instructions_are_little_endian_always() -> None:
    cpu = inside("mov x1, #7", sctlr_el1=0xC50078 | sysregs.SCTLR_EE)
    assert cpu.step() is None
    assert cpu.r[1] == 7


def test_byte_order_changes_with_the_level() -> None:
    """A page cached at little-endian EL0 must not serve big-endian EL1."""
    cpu = inside(
        "ldr w1, [x8]\n svc #0",
        spsr=EL0,
        x8=DATA,
        sctlr_el1=0xC50078 | sysregs.SCTLR_EE,
        vectors="ldr w2, [x8]\n eret",
    )
    cpu.memory.stage2[DATA >> 12].data[0:4] = bytes((1, 2, 3, 4))
    for _ in range(3):
        cpu.step()
    assert (cpu.r[1], cpu.r[2]) == (0x04030201, 0x01020304)


def test_unaligned_accesses_are_fine_without_sctlr_a() -> None:
    for source in (
        "ldr x1, [x7]",
        "str x1, [x7]",
        "ldp x1, x2, [x7]",
        "ldrh w1, [x7]",
        "stp w1, w2, [x7]",
    ):
        assert inside(source, x7=DATA + 1).step() is None


@pytest.mark.parametrize(
    "source", ["ldr x1, [x7]", "ldp x1, x2, [x7]", "ldrh w1, [x7]", "str w1, [x7]", "ldtr w1, [x7]"]
)
def test_sctlr_a_checks_alignment_to_the_element(source: str) -> None:
    _, taken = take(source, x7=DATA + 1, sctlr_el1=0xC50078 | sysregs.SCTLR_A)
    assert (taken.target_el, (taken.esr or 0) & 0x3F) == (1, FSC.ALIGNMENT)
    for aligned in (
        "ldp x1, x2, [x7]",
        "ldrb w1, [x7, #1]",
        "ldr w1, [x7, #4]",
        "strb w1, [x7, #3]",
    ):
        assert inside(aligned, x7=DATA + 8, sctlr_el1=0xC50078 | sysregs.SCTLR_A).step() is None


def test_sctlr_a_checks_a_page_that_was_cached_before() -> None:
    cpu = inside(
        "ldr x1, [x7]\n str x1, [x7]\n msr sctlr_el1, x2\n isb\n ldr x1, [x7]",
        x7=DATA + 1,
        x2=0xC50078 | sysregs.SCTLR_A,
    )
    for _ in range(4):
        assert cpu.step() is None
    taken = cpu.step()
    assert taken
    assert taken.ec == EC.DATA_ABORT_SAME


@pytest.mark.parametrize(
    "source",
    [
        "ldxr x1, [x7]",
        "ldar w1, [x7]",
        "stlr x1, [x7]",
        "ldaddal x1, x2, [x7]",
        "cas w1, w2, [x7]",
        "ldxp w1, w2, [x7]",
    ],
)
def test_ordered_accesses_are_aligned_always(source: str) -> None:
    """Also where the page is cached and needs no further look."""
    cpu = inside(
        f"ldrb w9, [x7]\n strb w9, [x7]\n {source}",
        x7=DATA + 4 if "x1" in source.split(",")[0] else DATA + 2,
    )
    assert cpu.step() is None
    assert cpu.step() is None
    taken = cpu.step()
    assert taken
    assert (taken.esr or 0) & 0x3F == FSC.ALIGNMENT


def test_dc_zva_zeroes_its_block() -> None:
    cpu = inside("dc zva, x7", x7=DATA + 0x7F)
    cpu.memory.stage2[DATA >> 12].data[0:256] = b"\xff" * 256
    assert cpu.step() is None
    assert peek(cpu, DATA, 256) == b"\xff" * 64 + bytes(64) + b"\xff" * 128
    assert 4 << cpu.sys.get("dczid_el0") == 64


def test_cache_maintenance_and_prefetch_of_nothing_do_nothing() -> None:
    for source in (
        "dc civac, x9",
        "dc cvac, x9",
        "dc ivac, x9",
        "ic ivau, x9",
        "prfm pldl1keep, [x9]",
        "dc cvau, x9",
    ):
        assert inside(source, x9=HOLE).step() is None


def test_stage2_fault_level_is_where_the_walk_ends() -> None:
    for address, level in ((HOLE, 1), (0x4060_0000, 2), (CODE + 0x2000, 3), (DATA - 8, 3)):
        _, taken = take("ldr x1, [x9]", x9=address)
        assert (taken.esr or 0) & 0x3F == FSC.TRANSLATION | level
    cpu = inside("ldr x1, [x9]", x9=HOLE)
    map_page(cpu, HOLE)
    assert cpu.step() is None
    cpu.memory.unmap(HOLE >> 12)
    cpu.pc = CODE
    taken = cpu.step()
    assert taken
    assert (taken.esr or 0) & 0x3F == FSC.TRANSLATION | 1


def test_pstate_reads_well() -> None:
    assert str(PState.from_spsr(EL1 | DAIF | pstate.SS)) == "nzcv DAIF EL1h SS=1"
