"""Memory: page-crossing accesses, self-modifying code, the journal, read-only pages, and the caches of pages.

Invariant: a cached page never serves an access that needs a look, and an access that faults has changed nothing.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aarch64sim.arch import sysregs
from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.memory import PAGE, Memory, Stage2Page
from aarch64sim.arch.syndrome import EC
from aarch64sim.asm import assemble
from tests.arch.bench import (
    CODE,
    DAIF,
    DATA,
    EL0,
    HOLE,
    ROM,
    inside,
    load,
    map_page,
    peek,
    poke,
)

END = DATA + 0x4000  # of the mapped data pages
RESET_SCTLR = 0xC50078


def run(cpu: Cpu, count: int) -> None:
    """Execute `count` instructions, none of which takes an exception."""
    for _ in range(count):
        assert cpu.step() is None


# --- crossing a page ------------------------------------------------------------------------------------------------

LOADS = {
    "ldrh w1, [x7]": 2, "ldr w1, [x7]": 4, "ldr x1, [x7]": 8, "ldrsh x1, [x7]": 2, "ldrsw x1, [x7]": 4,
    "ldp x1, x2, [x7]": 16, "ldp w1, w2, [x7]": 8, "ldr x1, [x7], #8": 8, "ldr x1, [x7, #0]!": 8, "ldr q0, [x7]": 16,
}  # fmt: skip
STORES = {
    "strh w1, [x7]": 2, "str w1, [x7]": 4, "str x1, [x7]": 8, "str x1, [x7], #8": 8, "str q0, [x7]": 16,
}  # fmt: skip


@pytest.mark.parametrize("source", LOADS)
def test_load_across_pages_joins_both(source: str) -> None:
    size = LOADS[source]
    for offset in range(1, size):
        for warm in (False, True):
            cpu = inside(f"ldrb w9, [x8]\n ldrb w9, [x6]\n {source}", cpacr_el1=3 << 20, x7=DATA + PAGE - offset,
                         x8=DATA, x6=DATA + PAGE)  # fmt: skip
            data = bytes(range(0x81, 0x81 + size))
            poke(cpu, DATA + PAGE - offset, data)
            cpu.pc = CODE if warm else CODE + 8
            run(cpu, 3 if warm else 1)
            value = int.from_bytes(data[: size // 2 if "ldp" in source else size], "little")
            got = cpu.v[0] if "q0" in source else cpu.r[1]
            assert got & (1 << 8 * min(size, 16 if "q0" in source else 8)) - 1 == value


@pytest.mark.parametrize("source", LOADS)
def test_load_that_faults_on_the_second_page_changes_nothing(source: str) -> None:
    cpu = inside(source, cpacr_el1=3 << 20, x1=0x1111, x2=0x2222, x7=END - 1)
    before = cpu.r.copy()
    taken = cpu.step()
    assert taken
    assert (taken.ec, cpu.r[:31]) == (EC.DATA_ABORT, before[:31])
    # The fault is where the first byte that does not exist is.
    assert (taken.far, taken.hpfar) == (END, END >> 8)


@pytest.mark.parametrize("source", STORES)
@pytest.mark.parametrize("target", ["hole", "read-only"])
def test_store_that_faults_on_the_second_page_changes_nothing(source: str, target: str) -> None:
    cpu = inside(
        f"strb wzr, [x8]\n {source}", cpacr_el1=3 << 20, x1=0xFFFF_FFFF, x7=END - 1, x8=END - 8
    )
    cpu.v[0] = (1 << 128) - 1
    if target == "read-only":
        map_page(cpu, END, writable=False)
    run(cpu, 1)
    before = cpu.r.copy()
    taken = cpu.step()
    assert taken
    assert (taken.ec, taken.far, cpu.r[:31]) == (EC.DATA_ABORT, END, before[:31])
    assert (taken.esr or 0) & 0x4F == (0x4F if target == "read-only" else 0x47)
    assert peek(cpu, END - 16, 16) == bytes(16)


def test_access_that_faults_on_the_first_page_reports_its_own_address() -> None:
    cpu = inside("ldr x1, [x7]", x7=DATA - 4)
    taken = cpu.step()
    assert taken
    assert taken.far == DATA - 4


def test_access_at_the_top_of_the_address_space_wraps() -> None:
    cpu = inside("ldr x1, [x7]", x7=(1 << 64) - 4)
    taken = cpu.step()
    assert taken
    assert taken.far == (1 << 64) - 4


def test_pair_store_that_faults_changes_no_register() -> None:
    cpu = inside("stp x1, x2, [x7], #16", x1=1, x2=2, x7=END - 8)
    taken = cpu.step()
    assert taken
    assert (taken.far, cpu.r[7]) == (END, END - 8)


@pytest.mark.parametrize(
    "source", ["swp x1, x2, [x11]", "ldadd x1, x2, [x11]", "str x1, [x11]", "stlr x1, [x11]"]
)
def test_read_only_page_refuses_every_write(source: str) -> None:
    cpu = inside(f"ldr x3, [x11]\n {source}", x1=5, x2=6, x11=ROM)
    run(cpu, 1)
    taken = cpu.step()
    assert taken
    assert (taken.esr or 0) & 0x7F == 0x4F
    assert (cpu.r[2], peek(cpu, ROM, 8)) == (6, bytes(8))


# --- self-modifying code ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("watching", [False, True])
@pytest.mark.parametrize("size", ["strb w1", "strh w1", "str w1", "str x1"])
def test_code_that_changes_itself_is_seen_at_once(size: str, watching: bool) -> None:
    """The instruction right after the store, executed once before, is another one now."""
    old, new = (next(iter(assemble(f"mov x3, #{n}").words()))[1] for n in (5, 7))
    nop = 0xD503201F
    cpu = inside(
        f"b 1f\n 2: {size}, [x7]\n mov x3, #5\n nop\n hvc #1\n 1: mov x3, #5\n b 2b", x7=CODE + 8
    )
    cpu.r[1] = (nop << 32 | new) & (1 << {"b": 8, "h": 16}.get(size[3], 64)) - 1
    assert old & 0xFF != new & 0xFF
    cpu.pc = CODE + 8
    run(cpu, 1)
    assert cpu.r[3] == 5
    cpu.pc = CODE
    cpu.watch(watching)
    assert cpu.run(20)
    assert cpu.r[3] == 7


def test_store_across_the_end_of_a_data_page_changes_code() -> None:
    new = next(iter(assemble("mov x3, #7").words()))[1]
    cpu = inside("str x1, [x7]", x7=CODE + PAGE - 4, x1=new << 32)
    load(cpu, assemble("mov x3, #5\n hvc #1", base=CODE + PAGE))
    cpu.pc = CODE + PAGE
    run(cpu, 1)
    cpu.pc = CODE
    run(cpu, 1)
    cpu.pc = CODE + PAGE
    run(cpu, 1)
    assert cpu.r[3] == 7


def test_loop_that_counts_in_its_own_immediate() -> None:
    cpu = inside(
        "1: movz x3, #0\n ldr w4, [x7]\n add w4, w4, #32\n str w4, [x7]\n sub x5, x5, #1\n cbnz x5, 1b\n hvc #0",
        x7=CODE, x5=100,
    )  # fmt: skip
    assert cpu.run(10_000)
    assert cpu.r[3] == 99


def test_a_page_becomes_code_after_it_was_written_to() -> None:
    cpu = inside("str w1, [x8]\n blr x8\n str w2, [x8]\n blr x8", x8=DATA)
    ret = next(iter(assemble("ret").words()))[1]
    cpu.r[1], cpu.r[2] = (next(iter(assemble(f"mov x3, #{n}").words()))[1] for n in (1, 2))
    poke(cpu, DATA + 4, ret.to_bytes(4, "little"))
    run(cpu, 4)
    assert cpu.r[3] == 1
    run(cpu, 4)
    assert cpu.r[3] == 2


def test_page_that_is_mapped_anew_forgets_its_code() -> None:
    cpu = inside("mov x3, #5\n b .-4")
    run(cpu, 1)
    other = bytearray(PAGE)
    other[0:4] = next(iter(assemble("mov x3, #6").words()))[1].to_bytes(4, "little")
    cpu.forget_page(CODE >> 12)
    cpu.memory.map(CODE >> 12, Stage2Page(memoryview(other)))
    cpu.pc = CODE
    run(cpu, 1)
    assert cpu.r[3] == 6


# --- the journal -----------------------------------------------------------------------------------------------------


def test_journal_keeps_each_page_as_it_was_before_its_first_write() -> None:
    cpu = inside("str x1, [x7]\n str x2, [x7]\n str x1, [x7, #8]\n str x1, [x8]\n dc zva, x9", x1=1, x2=2, x7=DATA,
                 x8=DATA + 0x1FFC, x9=DATA + 0x3000)  # fmt: skip
    poke(cpu, DATA, b"before")
    run(cpu, 1)  # the page is cached as writable before the journal starts
    cpu.memory.start_journal()
    cpu.pc = CODE
    run(cpu, 5)
    journal = cpu.memory.journal
    assert journal is not None
    pages = [DATA >> 12, (DATA >> 12) + 1, (DATA >> 12) + 2, (DATA >> 12) + 3]
    assert sorted(journal) == pages
    assert journal[pages[0]][:8] == (1).to_bytes(8, "little")
    assert all(not any(journal[page]) for page in pages[1:])


def test_journal_undoes_a_run() -> None:
    source = "1: str x5, [x7], #24\n str w5, [x8, #-4]!\n sub x5, x5, #1\n cbnz x5, 1b\n hvc #0"
    cpu = inside(source, x5=200, x7=DATA + 3, x8=DATA + 0x4000)
    rng = random.Random(1)
    for page in range(4):
        poke(cpu, DATA + page * PAGE, rng.randbytes(PAGE))
    before = peek(cpu, DATA, 4 * PAGE)
    cpu.memory.start_journal()
    assert cpu.run(10_000)
    assert peek(cpu, DATA, 4 * PAGE) != before
    for page, content in (cpu.memory.journal or {}).items():
        cpu.memory.stage2[page].data[:] = content
    assert peek(cpu, DATA, 4 * PAGE) == before


# --- the caches -----------------------------------------------------------------------------------------------------


def test_plain_accesses_fill_the_caches() -> None:
    cpu = inside("ldr x1, [x7]\n str x1, [x7]", x7=DATA)
    run(cpu, 1)
    assert DATA >> 12 in cpu.memory.readable
    assert DATA >> 12 not in cpu.memory.writable
    run(cpu, 1)
    assert DATA >> 12 in cpu.memory.writable


LOOKS = {
    "big-endian EL1": {"sctlr_el1": RESET_SCTLR | sysregs.SCTLR_EE},
    "big-endian EL0": {"sctlr_el1": RESET_SCTLR | sysregs.SCTLR_E0E},
    "alignment checks": {"sctlr_el1": RESET_SCTLR | sysregs.SCTLR_A},
    "watchpoints": {"mdscr": sysregs.MDSCR_MDE},
}


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_is_cached_while_accesses_need_a_look(look: str) -> None:
    cpu = inside(
        "ldr x1, [x7]\n str x1, [x7]\n ldp x1, x2, [x7]\n dc zva, x7", x7=DATA, **LOOKS[look]
    )
    run(cpu, 4)
    assert not cpu.memory.readable
    assert not cpu.memory.writable


@pytest.mark.parametrize("register", ["sctlr_el1", "mdscr_el1"])
def test_writing_a_mode_register_empties_the_caches(register: str) -> None:
    cpu = inside(f"ldr x1, [x7]\n str x1, [x7]\n msr {register}, x2", x7=DATA)
    run(cpu, 3)
    assert not cpu.memory.readable
    assert not cpu.memory.writable


def test_code_and_read_only_pages_are_never_cached_as_writable() -> None:
    cpu = inside("ldr x1, [x8]\n str x1, [x7]\n str x1, [x7]", x7=CODE + 0x100, x8=ROM)
    run(cpu, 3)
    assert CODE >> 12 not in cpu.memory.writable
    assert ROM >> 12 not in cpu.memory.writable


def test_page_that_becomes_code_leaves_the_cache() -> None:
    cpu = inside("str xzr, [x8]\n br x8", x8=DATA + 0x800)
    poke(cpu, DATA + 0x800, bytes(4))
    run(cpu, 1)
    assert DATA >> 12 in cpu.memory.writable
    run(cpu, 1)
    cpu.step()
    assert DATA >> 12 not in cpu.memory.writable


def test_unmapped_page_leaves_the_caches() -> None:
    cpu = inside("ldr x1, [x7]\n str x1, [x7]\n ldr x1, [x7]", x7=DATA)
    run(cpu, 2)
    cpu.memory.unmap(DATA >> 12)
    taken = cpu.step()
    assert taken
    assert taken.ec == EC.DATA_ABORT


def test_watching_sees_every_store_also_to_a_page_cached_before() -> None:
    cpu = inside(
        "str x1, [x7]\n str x1, [x7, #8]\n stp x1, x1, [x7, #16]\n ldadd x1, x2, [x7]",
        x7=DATA,
        x1=3,
    )
    run(cpu, 1)
    cpu.watch(True)
    run(cpu, 3)
    stores = [
        change.name for event in cpu.log.events for change in event.changes if change.name[0] == "["
    ]
    assert stores == [f"[{DATA + 8:#x}]", f"[{DATA + 16:#x}]", f"[{DATA + 24:#x}]", f"[{DATA:#x}]"]


def test_fault_level_follows_what_is_mapped() -> None:
    memory = Memory()
    page = 0x40000
    assert memory.fault_level(page) == 1
    memory.map(page + 513, Stage2Page(memoryview(bytearray(PAGE))))
    assert (memory.fault_level(page), memory.fault_level(page + 512), memory.fault_level(1)) == (
        2,
        3,
        1,
    )
    memory.map(page + 513, Stage2Page(memoryview(bytearray(PAGE))))
    memory.unmap(page + 513)
    memory.unmap(page + 513)
    assert memory.fault_level(page + 512) == 1


# --- against a bytearray ------------------------------------------------------------------------------------------

SINGLE = [
    ("ldrb", "strb", "w", 1),
    ("ldrh", "strh", "w", 2),
    ("ldr", "str", "w", 4),
    ("ldr", "str", "x", 8),
]
SPAN = 4 * PAGE


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from([0, sysregs.SCTLR_EE]), st.booleans())
def test_random_loads_and_stores_are_those_of_a_bytearray(
    seed: int, endian: int, watching: bool
) -> None:
    rng = random.Random(seed)
    model = bytearray(rng.randbytes(SPAN))
    lines, expected = [], []
    order = "big" if endian else "little"
    registers = {"sctlr_el1": RESET_SCTLR | endian}
    for _ in range(60):
        loads, stores, width, size = rng.choice(SINGLE)
        at = rng.choice([rng.randrange(SPAN - 16), rng.randrange(1, 4) * PAGE - rng.randrange(17)])
        pair = size >= 4 and rng.random() < 0.3
        lines.append(f"movz x7, #{at & 0xFFFF}\n movk x7, #{DATA >> 16}, lsl #16")
        elements = range(at, at + (2 * size if pair else size), size)
        if rng.random() < 0.5:
            values = [rng.getrandbits(16) for _ in elements]
            for i, (element, value) in enumerate(zip(elements, values, strict=True)):
                lines.append(f"movz x{1 + i}, #{value}\n orr x{1 + i}, x{1 + i}, x{1 + i}, lsl #33")
                wide = (value | value << 33) & (1 << 8 * size) - 1
                model[element : element + size] = wide.to_bytes(size, order)
            lines.append(f"stp {width}1, {width}2, [x7]" if pair else f"{stores} {width}1, [x7]")
        else:
            lines.append(f"ldp {width}1, {width}2, [x7]" if pair else f"{loads} {width}1, [x7]")
            for i, element in enumerate(elements):
                lines.append(f"eor x20, x{1 + i}, x20, ror #7")
                expected.append(int.from_bytes(model[element : element + size], order))
    cpu = inside("\n".join(lines) + "\n hvc #0", **registers)
    poke(cpu, DATA, random.Random(seed).randbytes(SPAN))
    cpu.watch(watching)
    taken = cpu.run(1000)
    assert taken
    assert taken.ec == EC.HVC
    digest = 0
    for value in expected:
        digest = value ^ (digest >> 7 | digest << 57 & (1 << 64) - 1)
    assert cpu.r[20] == digest
    assert peek(cpu, DATA, SPAN) == model


def test_el0_and_holes_in_the_same_program() -> None:
    cpu = inside("ldr x1, [x7]", spsr=EL0 | DAIF, x7=HOLE)
    taken = cpu.step()
    assert taken
    assert (taken.target_el, taken.ec) == (2, EC.DATA_ABORT)
