"""System registers and instructions: traps and their syndromes both ways, what EL0 may do, the counter.

Invariant: who may do what is tested by executing it at each level.
"""

from __future__ import annotations

import itertools

import pytest

from aarch64sim.arch import syndrome, sysregs
from aarch64sim.arch.syndrome import EC
from aarch64sim.asm import assemble
from tests.arch.bench import (
    CODE,
    DAIF,
    DATA,
    EL0,
    EL1,
    EL1T,
    EL2,
    esr,
    inside,
    take,
)


def test_what_is_reserved_among_the_id_registers_reads_as_zero() -> None:
    cpu = inside("mrs x5, s3_0_c0_c4_7")
    cpu.r[5] = 1
    assert cpu.step() is None
    assert cpu.r[5] == 0
    _, taken = take("mrs x5, s3_0_c0_c4_7", hcr=sysregs.HCR_TID3)
    assert (taken.target_el, taken.ec) == (2, EC.SYSTEM)
    _, taken = take("msr s3_0_c0_c4_7, x5")
    assert taken.ec == EC.UNKNOWN


# --- traps of system registers --------------------------------------------------------------------

TRAPPED = [
    ("mrs x5, id_aa64isar0_el1", {"hcr": sysregs.HCR_TID3}),
    ("mrs x5, midr_el1", {}),
    ("mrs x6, aidr_el1", {"hcr": 1 << 16}),
    ("mrs x30, ctr_el0", {"hcr": 1 << 17}),
    ("msr csselr_el1, x3", {"hcr": 1 << 17}),
    ("msr sctlr_el1, x3", {"hcr": sysregs.HCR_TVM}),
    ("msr tcr_el1, xzr", {"hcr": sysregs.HCR_TVM}),
    ("mrs x3, ttbr0_el1", {"hcr": 1 << 30}),
    ("mrs x3, actlr_el1", {"hcr": sysregs.HCR_TACR}),
    ("msr lorc_el1, x3", {"hcr": sysregs.HCR_TLOR}),
    ("mrs x3, pmcr_el0", {"mdcr_el2": sysregs.MDCR_TPM}),
    ("msr pmuserenr_el0, x3", {"mdcr_el2": sysregs.MDCR_TPM}),
    ("mrs x3, mdscr_el1", {"mdcr_el2": sysregs.MDCR_TDA}),
    ("msr mdscr_el1, x3", {"mdcr_el2": sysregs.MDCR_TDE}),
    ("msr dbgbvr5_el1, x3", {"mdcr_el2": sysregs.MDCR_TDA}),
    ("msr oslar_el1, x3", {"mdcr_el2": sysregs.MDCR_TDOSA}),
    ("mrs x3, oslsr_el1", {"mdcr_el2": sysregs.MDCR_TDE}),
    ("dc isw, x3", {"hcr": sysregs.HCR_TSW}),
]


@pytest.mark.parametrize(("source", "control"), TRAPPED, ids=[row[0] for row in TRAPPED])
def test_trapped_system_access(source: str, control: dict[str, int]) -> None:
    """With the control bit EL2 gets the access with register, Rt and direction; without it nothing traps."""
    assert inside(source).step() is None
    if not control:
        return
    _, taken = take(source, **control)
    assert (taken.target_el, taken.ec, taken.elr) == (2, EC.SYSTEM, CODE)
    key, rt, read = syndrome.trapped_system_access((taken.esr or 0) & 0x1FF_FFFF)
    word = next(iter(assemble(source).words()))[1]
    assert key == word >> 5 & 0xFFFF
    assert (rt, read) == (word & 31, bool(word >> 21 & 1))


def test_a_write_trap_lets_reads_pass_and_the_other_way_round() -> None:
    assert inside("mrs x1, sctlr_el1", hcr=sysregs.HCR_TVM).step() is None
    assert inside("msr sctlr_el1, x1", hcr=1 << 30, x1=0xC50078).step() is None


def test_traps_do_not_bind_el2() -> None:
    cpu = inside(
        "msr sctlr_el1, x1\n mrs x2, id_aa64pfr0_el1",
        spsr=EL2,
        hcr=sysregs.HCR_TVM | sysregs.HCR_TID3,
    )
    assert cpu.step() is None
    assert cpu.step() is None


def test_syndrome_of_a_system_access_both_ways() -> None:
    for key, rt, read in itertools.product(sysregs.NAMES, (0, 17, 31), (False, True)):
        iss = syndrome.system_access(key, rt, read=read)
        assert iss < 1 << 22
        assert syndrome.trapped_system_access(iss) == (key, rt, read)
        assert syndrome.system_key(*syndrome.system_fields(key)) == key
    # KVM's own constant for ICC_SGI1R_EL1: op0=3 op1=0 CRn=12 CRm=11 op2=5
    assert syndrome.system_access(syndrome.system_key(3, 0, 12, 11, 5), 0, read=False) == 0x3A3016


def test_syndrome_of_a_data_access_both_ways() -> None:
    for size, register, sign, wide, acquire in itertools.product(
        (1, 2, 4, 8), (0, 5, 31), (0, 1), (0, 1), (0, 1)
    ):
        iss = syndrome.access(
            size,
            register,
            sign_extend=bool(sign),
            sixty_four=bool(wide),
            acquire_release=bool(acquire),
        )
        assert syndrome.has_valid_access(iss)
        assert syndrome.access_size(iss) == size
        assert syndrome.transfer_register(iss) == register
        assert syndrome.sign_extends(iss) == bool(sign)
        assert syndrome.is_sixty_four(iss) == bool(wide)
        assert iss >> 14 & 1 == acquire
        assert not syndrome.is_write(iss)
        assert not syndrome.is_cache_maintenance(iss)


@pytest.mark.parametrize("tidcp", [0, sysregs.HCR_TIDCP])
def test_implementation_defined_space_traps_with_tidcp(tidcp: int) -> None:
    for source in ("mrs x1, s3_0_c15_c2_1", "msr s3_3_c11_c0_0, x1"):
        _, taken = take(source, hcr=tidcp)
        assert (taken.target_el, taken.ec) == ((2, EC.SYSTEM) if tidcp else (1, EC.UNKNOWN))


# --- what EL0 may not do --------------------------------------------------------------------------

FORBIDDEN = """
mrs x0, sctlr_el1
msr vbar_el1, x0
mrs x0, currentel
msr spsel, #1
mrs x0, spsel
eret
mrs x0, midr_el1
mrs x0, mdscr_el1
msr pan, #1
mrs x0, esr_el1
msr elr_el1, x0
dc isw, x0
ic iallu
tlbi vmalle1
at s1e1r, x0
mrs x0, hcr_el2
msr tpidrro_el0, x0
mrs x0, sp_el0
mrs x0, oslsr_el1
""".strip().splitlines()


@pytest.mark.parametrize("source", FORBIDDEN)
def test_undefined_at_el0(source: str) -> None:
    _, taken = take(source, spsr=EL0)
    assert (taken.target_el, taken.esr) == (1, esr(EC.UNKNOWN))


EL0_CONTROLS = [
    ("mrs x0, daif", "sctlr_el1", 1 << 9),
    ("msr daif, x0", "sctlr_el1", 1 << 9),
    ("msr daifset, #2", "sctlr_el1", 1 << 9),
    ("msr daifclr, #15", "sctlr_el1", 1 << 9),
    ("mrs x0, ctr_el0", "sctlr_el1", 1 << 15),
    ("dc zva, x8", "sctlr_el1", 1 << 14),
    ("dc cvau, x8", "sctlr_el1", 1 << 26),
    ("dc civac, x8", "sctlr_el1", 1 << 26),
    ("ic ivau, x8", "sctlr_el1", 1 << 26),
    ("mrs x0, cntvct_el0", "cntkctl_el1", 1 << 1),
    ("mrs x0, cntpct_el0", "cntkctl_el1", 1 << 0),
    ("mrs x0, cntfrq_el0", "cntkctl_el1", 3),
    ("mrs x0, cntv_ctl_el0", "cntkctl_el1", 1 << 8),
    ("mrs x0, cntp_ctl_el0", "cntkctl_el1", 1 << 9),
    ("msr cntp_cval_el0, x0", "cntkctl_el1", 1 << 9),
    ("mrs x0, pmcr_el0", "pmuserenr_el0", 1 << 0),
]


@pytest.mark.parametrize(("source", "register", "bit"), EL0_CONTROLS)
def test_el1_decides_what_el0_may_do(source: str, register: str, bit: int) -> None:
    assert inside(source, spsr=EL0, x8=DATA, **{register: bit}).step() is None
    _, taken = take(source, spsr=EL0, x8=DATA, **{register: ~bit & 0xFFFF_FFFF})
    assert (taken.target_el, taken.ec) == (1, EC.SYSTEM)
    key, _, _ = syndrome.trapped_system_access((taken.esr or 0) & 0x1FF_FFFF)
    word = next(iter(assemble(source).words()))[1]
    if "daifset" not in source and "daifclr" not in source:
        assert key == word >> 5 & 0xFFFF
    assert inside(source, spsr=EL1, x8=DATA, **{register: 0}).step() is None


def test_either_counter_shows_el0_the_frequency() -> None:
    for bits in (1, 2):
        assert inside("mrs x0, cntfrq_el0", spsr=EL0, cntkctl_el1=bits).step() is None


@pytest.mark.parametrize(
    "source",
    [
        "mrs x0, nzcv",
        "msr nzcv, x0",
        "msr tpidr_el0, x0",
        "mrs x0, tpidrro_el0",
        "mrs x0, dczid_el0",
    ],
)
def test_el0_may(source: str) -> None:
    assert inside(source, spsr=EL0).step() is None


@pytest.mark.parametrize("spsr", [EL0, EL1])
@pytest.mark.parametrize("sctlr", [0, sysregs.SCTLR_DZE])
def test_dczid_says_whether_dc_zva_is_prohibited_here(spsr: int, sctlr: int) -> None:
    cpu = inside("mrs x0, dczid_el0\n dc zva, x8", spsr=spsr, sctlr_el1=sctlr, x8=DATA)
    assert cpu.step() is None
    prohibited = cpu.r[0] >> 4
    taken = cpu.step()
    assert prohibited == (taken is not None)


@pytest.mark.parametrize("name", [*sysregs._WRITABLE, "dbgbcr0_el1"])
def test_a_write_keeps_the_bits_that_it_does_not_reach(name: str) -> None:
    fixed, all_ones = sysregs.kept(name, 0), sysregs.kept(name, (1 << 64) - 1)
    for value in (0, 0x5A5A_5A5A_5A5A_5A5A, 0x1234_5678_9ABC_DEF0):
        held = sysregs.kept(name, value)
        assert fixed & held == fixed
        assert held & ~all_ones == 0
        assert sysregs.kept(name, held) == held


def test_what_one_level_may_not_reach_is_undefined() -> None:
    for name in sorted(sysregs.KEYS):
        register = sysregs.BY_KEY[sysregs.KEYS[name]]
        for el, text in ((1, f"mrs x1, {name}"), (1, f"msr {name}, x1")):
            lowest = register.read_el if text.startswith("mrs") else register.write_el
            if lowest > el:
                _, taken = take(text, cpacr_el1=3 << 20)
                assert (taken.target_el, taken.esr) == (1, esr(EC.UNKNOWN)), text


def test_sp_el0_has_no_name_while_it_is_the_stack_pointer() -> None:
    _, taken = take("mrs x0, sp_el0", spsr=EL1T | DAIF)
    assert taken.ec == EC.UNKNOWN
    cpu = inside("mrs x0, sp_el0", sp_el0=0x1230)
    assert cpu.step() is None
    assert cpu.r[0] == 0x1230


@pytest.mark.parametrize(
    "source",
    ["sys #0, c7, c1, #5", "sys #0, c8, c7, #4", "sysl x1, #0, c7, c5, #0", "msr s3_0_c4_c1_2, x1"],
)
def test_unallocated_system_instructions_are_undefined(source: str) -> None:
    _, taken = take(source)
    assert taken.esr == esr(EC.UNKNOWN)


@pytest.mark.parametrize(
    "source", ["ic ialluis", "ic iallu", "dc ivac, x8", "tlbi vmalle1", "tlbi vae1is, x8"]
)
def test_maintenance_does_nothing(source: str) -> None:
    assert inside(source, x8=DATA).step() is None


def test_os_lock_is_set_by_oslar_and_shown_by_oslsr() -> None:
    cpu = inside(
        "mrs x2, oslsr_el1\n msr oslar_el1, x1\n mrs x3, oslsr_el1\n msr oslar_el1, xzr\n mrs x4, oslsr_el1",
        x1=1,
    )
    for _ in range(5):
        assert cpu.step() is None
    assert (cpu.r[2], cpu.r[3], cpu.r[4]) == (8, 10, 8)  # OSLM says that there is a lock


def test_nzcv_and_daif_are_views_of_pstate() -> None:
    cpu = inside(
        "msr nzcv, x1\n msr daif, x1\n mrs x2, nzcv\n mrs x3, daif\n mrs x4, currentel\n mrs x5, spsel",
        x1=0xA000_0280,
    )
    for _ in range(6):
        assert cpu.step() is None
    assert cpu.r[2:6] == [0xA000_0000, 0x280, 4, 1]
    assert cpu.pstate.to_spsr() == EL1 | 0xA000_0280


@pytest.mark.parametrize("at", ["at s1e1r, x1", "sys #0, c7, c9, #0, x1", "sys #0, c7, c9, #1, x1"])
def test_at_gives_the_flat_translation(at: str) -> None:
    """The others are AT S1E1RP and AT S1E1WP."""
    cpu = inside(f"{at}\n mrs x2, par_el1", x1=DATA + 0x123)
    assert cpu.step() is None
    assert cpu.step() is None
    assert cpu.r[2] & 0xF_FFFF_FFFF_F001 == DATA


# --- the counter: time is instructions ------------------------------------------------------------


def test_the_counter_is_the_same_however_the_cpu_is_driven() -> None:
    source = "nop\n mrs x1, cntvct_el0\n nop\n mrs x2, cntpct_el0\n b .-16"
    readings = []
    for slices in ([40], [1] * 40, [3, 7, 30]):
        cpu = inside(source)
        for n in slices:
            cpu.run(n)
        readings.append((cpu.r[1], cpu.r[2], cpu.pc, cpu.retired))
    assert len(set(readings)) == 1
    assert readings[0] == (36, 38, CODE, 40)


def test_a_loop_that_waits_for_the_counter_ends() -> None:
    cpu = inside("1: mrs x1, cntvct_el0\n cmp x1, #100\n b.lo 1b\n hvc #1")
    taken = cpu.run(10_000)
    assert taken
    assert taken.ec == EC.HVC


def test_run_counts_an_exception_as_one_instruction() -> None:
    cpu = inside("1: nop\n svc #0\n b 1b", vectors="eret")
    assert cpu.run(3) is None  # NOP, SVC's exception, ERET
    assert cpu.pc == CODE + 8
