"""What Unicorn cannot answer for: exclusives, signed atomics, faults and their syndromes, byte order, traps.

Invariant: expectations are from the manual (sections named), not from a run of ours.
"""

from __future__ import annotations

import pytest

from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.exceptions import Taken
from aarch64sim.asm import assemble
from tests.isa import machine
from tests.isa.machine import CODE, DATA, run_source

UNMAPPED = 0x9000_0000


def end_of(source: str, **registers: int) -> Cpu:
    """The Cpu after the source, which `svc #0` ends."""
    cpu, taken = run_source(source + "\n svc #0", **registers)
    assert taken is not None
    assert taken.esr == 0x56000000, hex(taken.esr or 0)
    return cpu


def fault_of(instruction: str, **registers: int) -> tuple[Cpu, Taken]:
    """The Cpu and the exception that the one instruction takes."""
    cpu, taken = run_source(instruction, **registers)
    assert taken is not None
    assert taken.elr == CODE
    return cpu, taken


# --- exclusives (Arm ARM B2.12) --------------------------------------------------------------------


def test_store_exclusive_succeeds_after_its_load() -> None:
    cpu = end_of("ldxr x1, [x0]\n add x1, x1, #5\n stxr w2, x1, [x0]\n ldr x3, [x0]", x0=DATA, x2=7)
    assert cpu.r[2:4] == [0, 5]


def test_store_exclusive_fails_without_a_load_and_does_not_access() -> None:
    cpu = end_of("stxr w2, x1, [x0]", x0=UNMAPPED, x1=5)
    assert cpu.r[2] == 1


@pytest.mark.parametrize(
    "between", ["clrex", "stxr w9, x9, [x8]", "add x0, x0, #8", "ldxr w9, [x8]"], ids=str
)
def test_store_exclusive_fails_when_the_reservation_is_gone(between: str) -> None:
    source = f"ldxr x1, [x0]\n {between}\n stxr w2, x3, [x0]\n ldr x4, [x5]"
    cpu = end_of(source, x0=DATA, x3=5, x5=DATA, x8=DATA + 64)
    assert (cpu.r[2], cpu.r[4]) == (1, 0)


def test_store_exclusive_fails_with_another_size() -> None:
    assert end_of("ldxr w1, [x0]\n stxr w2, x3, [x0]", x0=DATA).r[2] == 1


def test_an_exclusive_pair_is_one_access() -> None:
    source = "stp x1, x2, [x0]\n ldaxp x3, x4, [x0]\n stlxp w5, x4, x3, [x0]\n ldp x6, x7, [x0]"
    cpu = end_of(source, x0=DATA, x1=1, x2=2)
    assert cpu.r[3:8] == [1, 2, 0, 2, 1]


def test_exclusives_need_natural_alignment() -> None:
    for instruction, address in (("ldxr x1, [x0]", DATA + 4), ("ldxp x1, x2, [x0]", DATA + 8),
                                 ("ldadd w1, w2, [x0]", DATA + 2), ("ldar w1, [x0]", DATA + 1)):  # fmt: skip
        _, taken = fault_of(instruction, x0=address)
        assert taken.esr is not None
        assert taken.esr >> 26 == 0x24
        assert taken.esr & 0x3F == 0x21
        assert taken.far == address


# --- atomics (Arm ARM C6.2, LDSMAX and its kin) ---------------------------------------------------


@pytest.mark.parametrize(
    ("mnemonic", "memory", "operand", "result"),
    [
        ("ldsmaxb", 0x80, 0x01, 0x01),
        ("ldsmaxb", 0x7F, 0xFF, 0x7F),
        ("ldsminb", 0x80, 0x01, 0x80),
        ("ldsminb", 0x01, 0xFF, 0xFF),
        ("ldumaxb", 0x80, 0x01, 0x80),
        ("lduminb", 0x80, 0x01, 0x01),
        ("ldsmaxh", 0x8000, 0x0001, 0x0001),
        ("ldsminh", 0x8000, 0x7FFF, 0x8000),
        ("ldsmax", 0x8000_0000, 1, 1),
        ("ldsmin", 0xFFFF_FFFF, 1, 0xFFFF_FFFF),
        ("ldadd", 0xFFFF_FFFF, 1, 0),
        ("ldclr", 0b1111, 0b0101, 0b1010),
        ("ldeor", 0b1100, 0b1010, 0b0110),
        ("ldset", 0b1100, 0b1010, 0b1110),
        ("swp", 5, 6, 6),
    ],
)
def test_atomics(mnemonic: str, memory: int, operand: int, result: int) -> None:
    source = f"str w1, [x0]\n {mnemonic} w2, w3, [x0]\n ldr w4, [x0]"
    cpu = end_of(source, x0=DATA, x1=memory, x2=operand | 0xABCD << 32, x3=-1 & (1 << 64) - 1)
    assert (cpu.r[3], cpu.r[4]) == (memory, result)


@pytest.mark.parametrize(("compare", "now"), [(5, 9), (6, 5)])
def test_compare_and_swap(compare: int, now: int) -> None:
    cpu = end_of("str x1, [x0]\n cas x2, x3, [x0]\n ldr x4, [x0]", x0=DATA, x1=5, x2=compare, x3=9)
    assert (cpu.r[2], cpu.r[4]) == (5, now)


def test_compare_and_swap_pair() -> None:
    source = "stp w4, w5, [x0]\n casp w4, w5, w6, w7, [x0]\n ldp w8, w9, [x0]"
    cpu = end_of(source, x0=DATA, x4=1, x5=2, x6=3, x7=4)
    assert cpu.r[4:10] == [1, 2, 3, 4, 3, 4]


# --- faults leave everything as it was, and say what the manual wants (D24.2.45, ISS of a Data Abor

ISV, WNR, AR, SF = 1 << 24, 1 << 6, 1 << 14, 1 << 15


def _access(size: int, register: int, *more: int) -> int:
    return ISV | size << 22 | register << 16 | sum(more)


@pytest.mark.parametrize(
    ("instruction", "iss"),
    [
        ("ldr w1, [x0]", _access(2, 1)),
        ("ldr x1, [x0, #8]", _access(3, 1, SF)),
        ("str xzr, [x0]", _access(3, 31, SF, WNR)),
        ("strb w1, [x0, #1]", _access(0, 1, WNR)),
        ("ldrsb w1, [x0]", _access(0, 1, 1 << 21)),
        ("ldrsb x1, [x0]", _access(0, 1, 1 << 21, SF)),
        ("ldrsw x1, [x0]", _access(2, 1, 1 << 21, SF)),
        ("ldur h1, [x0]", 0),
        ("ldurh w1, [x0, #-1]", _access(1, 1)),
        ("ldr x1, [x0, x2, lsl #3]", _access(3, 1, SF)),
        ("ldtr x1, [x0]", _access(3, 1, SF)),
        ("ldar w1, [x0]", _access(2, 1, AR)),
        ("stlrh w1, [x0]", _access(1, 1, AR, WNR)),
        ("ldapr x1, [x0]", _access(3, 1, AR, SF)),
        ("ldr x1, [x0], #8", 0),
        ("str w1, [x0, #8]!", WNR),
        ("ldp x1, x2, [x0]", 0),
        ("stp x1, x2, [x0, #-16]!", WNR),
        ("ldnp w1, w2, [x0]", 0),
        ("ldxr w1, [x0]", 0),
        ("ldaxp x1, x2, [x0]", 0),
        ("ldadd w1, w2, [x0]", 0),
        ("swp x1, x2, [x0]", 0),
        ("cas x1, x2, [x0]", 0),
        ("casp x2, x3, x4, x5, [x0]", 0),
        ("ldr q1, [x0]", 0),
        ("str s1, [x0, x2]", WNR),
        ("ldp q1, q2, [x0], #32", 0),
    ],
    ids=lambda x: x if isinstance(x, str) else hex(x),
)
def test_a_fault_has_its_syndrome_and_changes_nothing(instruction: str, iss: int) -> None:
    registers = {f"x{n}": 0x100 * n for n in range(2, 9)} | {"x0": UNMAPPED, "x1": 5}
    cpu, taken = fault_of(instruction, **registers)
    assert taken.esr is not None
    assert taken.esr >> 26 == 0x24
    assert taken.esr & 0x1FF_FFC0 == iss, hex(taken.esr)
    assert [cpu.r[int(name[1:])] for name in registers] == list(registers.values())
    assert cpu.monitor is None


def test_an_access_across_pages_faults_at_the_second_and_writes_nothing() -> None:
    last = DATA + machine.DATA_SIZE - 4
    cpu, taken = fault_of("str x1, [x0]", x0=last, x1=-1 & (1 << 64) - 1)
    assert taken.far == last + 4
    assert machine.read(cpu, last, 4) == bytes(4)


def test_a_prefetch_never_faults() -> None:
    end_of(
        "prfm pldl1keep, [x0]\n prfum pldl1keep, [x0, #1]\n prfm pldl1keep, [x0, x0]", x0=UNMAPPED
    )


# --- stack pointer, byte order, traps -------------------------------------------------------------


@pytest.mark.parametrize(
    "instruction", ["ldr x0, [sp]", "stp x0, x1, [sp, #-16]!", "ldxr w0, [sp]", "ldr q0, [sp]"]
)
def test_a_misaligned_stack_pointer_faults(instruction: str) -> None:
    _, taken = fault_of(instruction, sp=DATA + 8)
    assert taken.esr is not None
    assert taken.esr >> 26 == 0x26


def test_big_endian_data() -> None:
    cpu = machine.make_cpu()
    cpu.sys.hcr_el2 |= 1 << 27
    cpu.sys.sctlr_el1 |= 1 << 24  # E0E
    source = """
        ldr w1, [x0]
        ldp w2, w3, [x0]
        ldaxp w4, w5, [x0]
        ldrh w6, [x0, #2]
        stp x2, x3, [x0, #16]
        casp w2, w3, w4, w5, [x0]
        svc #0"""
    machine.load_program(cpu, assemble(source, CODE))
    machine.write(cpu, DATA, bytes(range(8)))
    cpu.r[0] = DATA
    assert cpu.run(100) is not None
    assert cpu.r[1:7] == [0x00010203, 0x00010203, 0x04050607, 0x00010203, 0x04050607, 0x0203]
    assert machine.read(cpu, DATA + 16, 16) == bytes(4) + bytes(range(4)) + bytes(4) + bytes(
        range(4, 8)
    )


def test_simd_is_trapped_before_anything_else() -> None:
    for instruction in ("ldr q0, [x0]", "stp d0, d1, [sp]", "fadd", "ld1"):
        words = {"fadd": 0x1E602820, "ld1": 0x4C407000}
        cpu = machine.make_cpu()
        cpu.sys.cpacr_el1 = 0
        source = f".inst {words[instruction]:#x}" if instruction in words else instruction
        machine.load_program(cpu, assemble(source, CODE))
        cpu.r[0] = UNMAPPED
        taken = cpu.step()
        assert taken is not None
        assert (taken.esr or 0) >> 26 == 0x07
        cpu = machine.make_cpu()
        cpu.sys.hcr_el2 |= 1 << 27
        machine.load_program(cpu, assemble(source, CODE))
        cpu.r[0] = cpu.r[31] = UNMAPPED
        taken = cpu.step()
        assert (taken.esr or 0) >> 26 == (0x00 if instruction == "fadd" else 0x24)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("instruction", "ec", "iss"),
    [("svc #7", 0x15, 7), ("brk #0x123", 0x3C, 0x123), ("udf #1", 0, 0), ("hlt #1", 0, 0), ("smc #0", 0, 0),
     ("hvc #0", 0, 0), ("eret", 0, 0), (".inst 0xd69f03e1", 0, 0)],
)  # fmt: skip
def test_exceptions_from_el0(instruction: str, ec: int, iss: int) -> None:
    _, taken = run_source(instruction)
    assert taken is not None
    assert taken.esr is not None
    assert (taken.esr >> 26, taken.esr & 0xFFFFFF) == (ec, iss)


def test_flags_go_to_and_from_nzcv() -> None:
    cpu = end_of("msr nzcv, x0\n mrs x1, nzcv\n cset w2, mi\n cset w3, vs", x0=0x9FFF_FFFF)
    assert cpu.r[1:4] == [0x9000_0000, 1, 1]


def test_code_that_is_overwritten_is_decoded_again() -> None:
    source = """
        adr x1, patch
        ldr w2, =0xd2800540   // mov x0, #42
        bl patch
        str w2, [x1]
        bl patch
        svc #0
patch:  mov x0, #1
        add x3, x3, x0
        ret"""
    cpu, _ = run_source(source)
    assert cpu.r[3] == 43


def test_addresses_and_pc_wrap_at_64_bits() -> None:
    cpu = machine.make_cpu()
    top = (1 << 64) - 0x1000
    machine.map_ram(cpu, top, 0x1000)
    machine.write(cpu, top + 0xFFC, assemble("add x0, x0, #1").segments[0].data)
    cpu.pc = top + 0xFFC
    assert cpu.step() is None
    assert (cpu.pc, cpu.r[0]) == (0, 1)
    machine.map_ram(cpu, CODE, 0x1000)
    machine.write(cpu, CODE, assemble("ldr x1, [x2, #8]").segments[0].data)
    machine.map_ram(cpu, 0, 0x1000)
    machine.write(cpu, 0, b"\x07")
    cpu.pc, cpu.r[2] = CODE, (1 << 64) - 8
    assert cpu.step() is None
    assert cpu.r[1] == 7
