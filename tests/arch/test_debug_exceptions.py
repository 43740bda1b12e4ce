"""Hardware breakpoints and watchpoints.

Invariant: they stop before anything has changed, and exactly where debug exceptions are enabled.
"""

from __future__ import annotations

import itertools

import pytest

from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.syndrome import EC
from tests.arch.bench import (
    CODE,
    DAIF,
    DATA,
    EL1,
    HOLE,
    KDE,
    MDE,
    MODES,
    esr,
    inside,
    peek,
)

BREAKPOINT = 0x1E7  # BAS=0xf, EL0 and EL1, enabled


def debugged(
    source: str, *, spsr: int = EL1 | DAIF, kde: int = 0, tde: int = 1, **values: object
) -> Cpu:
    return inside(source, spsr=spsr, mdscr=MDE | kde * KDE, tde=tde, **values)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_breakpoint_stops_before_the_instruction(n: int) -> None:
    cpu = debugged(
        "add x1, x1, #1\n add x1, x1, #1",
        **{f"dbgbvr{n}_el1": CODE + 4, f"dbgbcr{n}_el1": BREAKPOINT},
    )
    taken = cpu.run(10)
    assert taken
    assert (taken.target_el, taken.esr) == (2, esr(EC.BREAKPOINT, 0x22))
    assert (taken.elr, cpu.r[1], taken.far) == (CODE + 4, 1, None)


@pytest.mark.parametrize(("pmc", "levels"), [(1, {1}), (2, {0}), (3, {0, 1})])
def test_breakpoint_matches_the_levels_of_pmc(pmc: int, levels: set[int]) -> None:
    control = BREAKPOINT & ~6 | pmc << 1
    for el in (0, 1):
        cpu = debugged("nop", spsr=MODES[el], dbgbvr0_el1=CODE, dbgbcr0_el1=control)
        assert bool(cpu.step()) == (el in levels)


@pytest.mark.parametrize(("el", "tde", "kde", "d", "to"), [
    (0, 0, 0, 1, 1), (1, 0, 0, 0, 0), (1, 0, 1, 0, 1), (1, 0, 1, 1, 0), (1, 1, 0, 1, 2), (0, 1, 0, 0, 2),
])  # fmt: skip
def test_breakpoint_and_watchpoint_need_debug_exceptions_enabled(
    el: int, tde: int, kde: int, d: int, to: int
) -> None:
    registers = {"dbgbvr0_el1": CODE, "dbgbcr0_el1": BREAKPOINT}
    spsr = MODES[el] | d << 9
    taken = debugged("nop", spsr=spsr, tde=tde, kde=kde, **registers).step()
    same = int(to == el)
    assert (taken.target_el if taken else 0) == to
    assert not taken or taken.ec == EC.BREAKPOINT + same
    registers = {"dbgwvr0_el1": DATA, "dbgwcr0_el1": 0x1FFF & ~0x1F00 | 0x1FF, "x8": DATA}
    taken = debugged("ldr x1, [x8]", spsr=spsr, tde=tde, kde=kde, **registers).step()
    assert (taken.target_el if taken else 0) == to
    assert not taken or taken.ec == EC.WATCHPOINT + same


def test_breakpoint_needs_mde_and_no_os_lock() -> None:
    registers = {"dbgbvr0_el1": CODE, "dbgbcr0_el1": BREAKPOINT}
    assert inside("nop", tde=1, **registers).step() is None
    cpu = debugged("nop", **registers)
    cpu.set_os_lock(1)
    assert cpu.step() is None


WATCH = 0xFF << 5 | 3 << 3 | 3 << 1 | 1  # all bytes, loads and stores, EL0 and EL1


@pytest.mark.parametrize(("source", "wnr"), [
    ("ldr x1, [x8]", 0), ("str x1, [x8]", 1), ("ldrb w1, [x8, #7]", 0), ("stp x1, x2, [x8, #-8]", 1),
])  # fmt: skip
def test_watchpoint(source: str, wnr: int) -> None:
    cpu = debugged(source, x8=DATA + 8, x1=5, dbgwvr2_el1=DATA + 8, dbgwcr2_el1=WATCH)
    before = peek(cpu, DATA + 8, 8)
    taken = cpu.step()
    assert taken
    assert (taken.target_el, taken.esr) == (2, esr(EC.WATCHPOINT, wnr << 6 | 0x22))
    assert (taken.elr, cpu.r[1], peek(cpu, DATA + 8, 8)) == (CODE, 5, before)
    assert taken.far is not None
    assert DATA + 8 <= taken.far < DATA + 16


@pytest.mark.parametrize("lsc", [1, 2, 3])
def test_watchpoint_direction(lsc: int) -> None:
    control = WATCH & ~(3 << 3) | lsc << 3
    for source, direction in (("ldr x1, [x8]", 1), ("str x1, [x8]", 2)):
        taken = debugged(source, x8=DATA, dbgwvr0_el1=DATA, dbgwcr0_el1=control).step()
        assert bool(taken) == bool(lsc & direction)


def test_watchpoint_byte_select() -> None:
    for bas, offset, size in itertools.product(
        (1, 0x80, 0x0F, 0xF0, 0x3C), range(-2, 10), (1, 2, 4, 8)
    ):
        name = {1: "ldrb w1", 2: "ldrh w1", 4: "ldr w1", 8: "ldr x1"}[size]
        cpu = debugged(
            f"{name}, [x8]",
            x8=DATA + 8 + offset,
            dbgwvr0_el1=DATA + 8,
            dbgwcr0_el1=WATCH & ~0x1FE0 | bas << 5,
        )
        watched = {bit for bit in range(8) if bas >> bit & 1}
        assert bool(cpu.step()) == bool(watched & set(range(offset, offset + size))), (
            bas,
            offset,
            size,
        )


def test_watchpoint_mask() -> None:
    for mask, offset in itertools.product((3, 6, 12), (-8, -1, 0, 7, 8, 63, 64, 4095, 4096)):
        base = DATA + 0x1000
        cpu = debugged(
            "ldrb w1, [x8]", x8=base + offset, dbgwvr0_el1=base, dbgwcr0_el1=WATCH | mask << 24
        )
        assert bool(cpu.step()) == (0 <= offset < 1 << mask)


def test_watchpoint_sees_a_page_that_was_cached_before() -> None:
    cpu = inside("ldr x1, [x8]\n msr mdscr_el1, x2\n isb\n ldr x1, [x8]", spsr=EL1, x8=DATA, x2=MDE | KDE,
                 dbgwvr0_el1=DATA, dbgwcr0_el1=WATCH)  # fmt: skip
    for _ in range(3):
        assert cpu.step() is None
    taken = cpu.step()
    assert taken
    assert taken.esr == esr(EC.WATCHPOINT_SAME, 0x22)


def test_stage2_abort_comes_before_the_watchpoint() -> None:
    cpu = debugged("ldr x1, [x9]", x9=HOLE, dbgwvr0_el1=HOLE, dbgwcr0_el1=WATCH)
    taken = cpu.step()
    assert taken
    assert taken.ec == EC.DATA_ABORT


def test_dc_zva_meets_a_watchpoint_in_its_block_and_zeroes_nothing() -> None:
    cpu = debugged("dc zva, x7", x7=DATA + 0x47, dbgwvr0_el1=DATA + 0x78, dbgwcr0_el1=WATCH)
    cpu.memory.stage2[DATA >> 12].data[0:256] = b"\xff" * 256
    taken = cpu.step()
    assert taken
    assert (taken.ec, peek(cpu, DATA, 256)) == (EC.WATCHPOINT, b"\xff" * 256)
