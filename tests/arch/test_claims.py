"""The architecture's 44 claims about software step, each as a test with its number.

Invariant: a claim about executing is executed by the Cpu; where it allows two outcomes the test accepts exactly those,
and then holds us to the one that we document.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from aarch64sim.arch import entry as entry_module
from aarch64sim.arch import step, sysregs
from aarch64sim.arch.cpu import Choices, Cpu
from aarch64sim.arch.exceptions import SERROR, Taken
from aarch64sim.arch.step import StepState
from aarch64sim.arch.syndrome import EC, software_step
from tests.arch.bench import (
    CODE,
    DAIF,
    DATA,
    DATA_NX,
    EL0,
    EL1,
    EL2,
    EXCLUSIVE_ESR,
    HOLE,
    IL,
    MASK_A,
    MASK_D,
    NOTHING_STEPPED_ESR,
    SS,
    STEPPED_ESR,
    VECTORS,
    again,
    boot,
    enter,
    go,
    host_step,
    self_step,
)

INACTIVE, NOT_PENDING, PENDING = StepState
KDE, MDE, MDSCR_SS = sysregs.MDSCR_KDE, sysregs.MDSCR_MDE, sysregs.MDSCR_SS
OPEN = DAIF & ~MASK_D  # debug exceptions not masked
SYNC_SAME, SYNC_LOWER, IRQ_SAME = VECTORS + 0x200, VECTORS + 0x400, VECTORS + 0x280


def state(**bits: int) -> StepState:
    """The state from the bits, all pure; MDSCR.SS=1, code at EL1 and TDE=1 unless told otherwise."""
    given = {
        "mdscr_ss": 1,
        "pstate_ss": 0,
        "tde": 1,
        "tge": 0,
        "el": 1,
        "kde": 0,
        "d": 0,
        "os_lock": 0,
    }
    given |= bits
    target = step.debug_target_el(tde=given["tde"], tge=given["tge"])
    enabled = step.debug_exceptions_enabled(
        el=given["el"], target_el=target, kde=given["kde"], d=given["d"], os_lock=given["os_lock"]
    )
    return step.step_state(
        mdscr_ss=given["mdscr_ss"],
        pstate_ss=given["pstate_ss"],
        enabled=enabled,
        target_aarch64=not given.get("aarch32"),
    )


def at_el1(source: str, *, spsr: int = EL1 | OPEN, **values: object) -> Cpu:
    """A CPU inside `source` at EL1 (or where `spsr` says), entered by a host at EL2 that does not step."""
    cpu = boot(source, spsr=spsr, **values)  # type: ignore[arg-type]
    cpu.exception_return()
    return cpu


def ec_of(taken: Taken | None) -> int | None:
    return taken.ec if taken else None


# --- the state function (D2.11.3) ----------------------------------------------------------------------------------


def test_claim_01_without_mdscr_ss_the_machine_is_inactive() -> None:
    assert {state(mdscr_ss=0, pstate_ss=ss, kde=kde) for ss in (0, 1) for kde in (0, 1)} == {
        INACTIVE
    }
    cpu = boot(spsr=EL1 | SS | OPEN, tde=1)
    cpu.exception_return()
    assert cpu.step_state() is INACTIVE
    assert cpu.step() is None


def test_claim_02_pstate_ss_set_is_active_not_pending() -> None:
    assert state(pstate_ss=1) is NOT_PENDING
    cpu = host_step()
    cpu.exception_return()
    assert cpu.step_state() is NOT_PENDING


def test_claim_03_pstate_ss_clear_is_active_pending() -> None:
    assert state(pstate_ss=0) is PENDING
    cpu = host_step(spsr=EL1 | DAIF)
    cpu.exception_return()
    assert cpu.step_state() is PENDING


def test_claim_04_aarch32_debug_target_is_always_inactive() -> None:
    for ss, kde, d, el in itertools.product((0, 1), (0, 1), (0, 1), (0, 1, 2)):
        assert state(pstate_ss=ss, kde=kde, d=d, el=el, aarch32=1) is INACTIVE


def test_claim_05_os_lock_makes_the_machine_inactive() -> None:
    for ss, kde, el, tde in itertools.product((0, 1), (0, 1), (0, 1, 2), (0, 1)):
        assert state(pstate_ss=ss, kde=kde, el=el, tde=tde, os_lock=1) is INACTIVE
    cpu = host_step("nop\n hvc #0xff")
    cpu.set_os_lock(1)
    assert enter(cpu).ec == EC.HVC


def test_claim_06_at_el1_with_target_el1_only_kde_and_clear_d_is_active() -> None:
    assert state(tde=0, kde=0) is INACTIVE
    assert state(tde=0, kde=0, d=1) is INACTIVE
    assert state(tde=0, kde=1, d=0) is PENDING
    assert state(tde=0, kde=1, d=1) is INACTIVE
    for kde, mask, active in ((0, 0, 0), (KDE, 0, 1), (KDE, MASK_D, 0)):
        cpu = at_el1("nop\n hvc #0xff", spsr=EL1 | OPEN | mask | SS, mdscr=MDSCR_SS | kde)
        taken = cpu.step()
        assert ec_of(taken) == (EC.SOFTWARE_STEP_SAME if active else None)


def test_claim_07_at_el0_with_target_el1_it_is_active_without_kde_and_with_d() -> None:
    for kde, d in itertools.product((0, 1), (0, 1)):
        assert state(tde=0, el=0, kde=kde, d=d) is PENDING
        spsr = EL0 | SS | (DAIF if d else OPEN)
        taken = enter(self_step(spsr=spsr, mdscr=MDSCR_SS | kde * KDE))
        assert (taken.esr, taken.elr) == (STEPPED_ESR, CODE + 4)


def test_claim_08_with_tde_el1_is_stepped_with_d_set_and_kde_clear() -> None:
    assert state(d=1, kde=0) is PENDING
    taken = enter(host_step(spsr=EL1 | DAIF | SS))
    assert (taken.target_el, taken.esr) == (2, STEPPED_ESR)


def test_claim_09_tge_makes_el2_the_debug_target_of_el0() -> None:
    assert step.debug_target_el(tde=0, tge=1) == 2
    cpu = boot(spsr=EL0 | DAIF | SS, mdscr=MDSCR_SS, hcr=sysregs.HCR_TGE)
    taken = enter(cpu)
    assert (taken.target_el, taken.esr) == (2, STEPPED_ESR)


def test_claim_10_el2_is_not_stepped_when_the_target_is_el1() -> None:
    for kde, d, ss in itertools.product((0, 1), repeat=3):
        assert state(tde=0, el=2, kde=kde, d=d, pstate_ss=ss) is INACTIVE
    cpu = boot("nop\n hvc #0xff", spsr=EL2 | OPEN | SS, mdscr=MDSCR_SS | KDE)
    assert enter(cpu).ec == EC.HVC


def test_claim_11_mde_is_no_condition_of_stepping() -> None:
    for mde in (0, MDE):
        taken = enter(boot(spsr=EL1 | DAIF | SS, mdscr=MDSCR_SS | mde, tde=1))
        assert (taken.esr, taken.elr) == (STEPPED_ESR, CODE + 4)


# --- exception return (D2.11.4) ------------------------------------------------------------------------------------


def test_claim_12_eret_with_spsr_ss_runs_exactly_one_instruction() -> None:
    cpu = host_step("add x1, x1, #1\n add x1, x1, #1")
    cpu.exception_return()
    assert cpu.pstate.ss == 1
    taken = go(cpu)
    assert (taken.ec, taken.elr, cpu.r[1]) == (EC.SOFTWARE_STEP, CODE + 4, 1)


def test_claim_13_eret_without_spsr_ss_runs_no_instruction() -> None:
    cpu = host_step("add x1, x1, #1\n add x1, x1, #1", spsr=EL1 | DAIF)
    cpu.exception_return()
    assert cpu.pstate.ss == 0
    taken = go(cpu)
    assert (taken.ec, taken.elr, cpu.r[1]) == (EC.SOFTWARE_STEP, CODE, 0)


def test_claim_14_guests_own_eret_under_a_host_step_clears_ss() -> None:
    cpu = host_step("eret\n nop\n nop", spsr_el1=EL0 | SS, elr_el1=CODE + 8)
    taken = enter(cpu)
    assert (taken.ec, taken.elr, taken.spsr) == (EC.SOFTWARE_STEP, CODE + 8, EL0)


def test_claim_15_eret_from_where_stepping_is_enabled_clears_ss() -> None:
    cpu = at_el1("eret\n nop\n nop", mdscr=MDSCR_SS | KDE, spsr=EL1 | OPEN | SS)
    cpu.sys.spsr_el1, cpu.sys.elr_el1 = EL0 | SS, CODE + 8
    taken = cpu.step()
    assert taken  # ELR is the target: its first instruction has not run
    assert (taken.ec, taken.elr, taken.spsr) == (EC.SOFTWARE_STEP, CODE + 8, EL0)


def test_claim_16_eret_to_where_stepping_is_disabled_clears_ss() -> None:
    for kde in (0, KDE):
        cpu = at_el1("eret\n nop\n nop", mdscr=MDSCR_SS | kde, spsr=EL1 | DAIF)
        cpu.sys.spsr_el1, cpu.sys.elr_el1 = EL1 | DAIF | SS, CODE + 4
        assert cpu.step() is None
        assert (cpu.pstate.ss, cpu.step_state()) == (0, INACTIVE)
        assert cpu.step() is None


def test_claim_17_eret_with_mdscr_ss_clear_clears_ss() -> None:
    cpu = boot(spsr=EL1 | OPEN | SS, tde=1)
    cpu.exception_return()
    assert cpu.pstate.ss == 0


def test_claim_18_all_rows_of_tables_d2_19_and_d2_20_agree_with_the_one_line_rule() -> None:
    rows = json.loads((Path(__file__).parent / "data" / "eret-table.json").read_text())["rows"]
    assert len(rows) == 80
    for row, spsr_ss in itertools.product(rows, (0, 1)):
        target, kde = row["debug_target_el"], row["kde"]
        new_ss = step.exception_return_ss(
            spsr_ss=spsr_ss,
            mdscr_ss=1,
            enabled_at_source=step.debug_exceptions_enabled(
                el=row["from_el"], target_el=target, kde=kde, d=row["pstate_d"], os_lock=0
            ),
            enabled_at_target=step.debug_exceptions_enabled(
                el=row["to_el"], target_el=target, kde=kde, d=row["spsr_d"], os_lock=0
            ),
        )
        assert new_ss == (spsr_ss if row["new_pstate_ss"] == "SPSR.SS" else row["new_pstate_ss"])


@pytest.mark.parametrize("ss", [SS, 0])
def test_claim_19_illegal_return_that_unmasks_d(ss: int) -> None:
    cpu = at_el1("eret\n nop\n nop", mdscr=MDSCR_SS | KDE, spsr=EL1 | DAIF)
    cpu.sys.spsr_el1, cpu.sys.elr_el1 = EL2 | OPEN | ss, CODE + 4
    assert cpu.step() is None
    taken = cpu.step()
    assert taken
    assert taken.elr == CODE + 4
    assert taken.spsr == EL1 | OPEN | IL | ss
    if ss:  # active-not-pending: the Illegal Execution state exception instead of the instruction
        assert taken.esr == EC.ILLEGAL_STATE << 26 | 1 << 25
    else:
        assert taken.ec == EC.SOFTWARE_STEP_SAME


def test_claim_20_a_stepped_eret_does_not_advance_the_step_twice() -> None:
    """SS after an ERET is what rule (a) says: an advance behind it would clear it again."""
    cpu = at_el1("eret\n nop\n nop", mdscr=MDSCR_SS | KDE, spsr=EL1 | DAIF)
    cpu.pstate.ss = 1  # inactive, for D masks it
    cpu.sys.spsr_el1, cpu.sys.elr_el1 = EL1 | OPEN | SS, CODE + 4
    assert cpu.step() is None
    assert (cpu.pstate.ss, cpu.step_state()) == (1, NOT_PENDING)
    taken = cpu.step()
    assert taken
    assert taken.elr == CODE + 8


# --- executing (D2.11.5) -------------------------------------------------------------------------------------------


def test_claim_21_stepped_nop_clears_ss_and_the_next_fetch_raises_the_step() -> None:
    cpu = host_step("nop\n nop")
    taken = enter(cpu)
    assert (taken.ec, taken.elr, taken.spsr & SS) == (EC.SOFTWARE_STEP, CODE + 4, 0)


def test_claim_22_setting_d_at_the_debug_target_level_ends_stepping_without_an_exception() -> None:
    cpu = self_step(
        "msr daifset, #8\n nop\n svc #0xff",
        spsr=EL1 | OPEN | SS,
        mdscr=MDSCR_SS | KDE,
    )
    cpu.exception_return()
    assert cpu.step_state() is NOT_PENDING
    assert cpu.step() is None
    assert cpu.step_state() is INACTIVE
    taken = go(cpu)
    assert (taken.ec, taken.elr) == (EC.SVC, CODE + 12)


def test_claim_23_clearing_d_makes_the_step_pending_before_the_next_instruction() -> None:
    cpu = self_step("msr daifclr, #8\n nop", spsr=EL1 | DAIF, mdscr=MDSCR_SS | KDE)
    taken = enter(cpu)
    assert (taken.esr, taken.elr) == (0xCE00_0022, CODE + 4)


def test_claim_23_isv_is_0_also_after_an_earlier_step_that_ended_inactive() -> None:
    """A stepped MSR switches stepping off; what is reported when it comes on again is not that step."""
    cpu = self_step(
        "msr mdscr_el1, xzr\n isb\n nop\n msr mdscr_el1, x1\n isb\n nop",
        spsr=EL1 | OPEN | SS,
        mdscr=MDSCR_SS | KDE,
        x1=MDSCR_SS | KDE,
    )
    taken = enter(cpu)
    assert taken.esr == 0xCE00_0022
    assert taken.elr in (CODE + 16, CODE + 20)


def test_claim_24_mdscr_ss_set_without_a_synchronization_event_may_take_effect_or_not() -> None:
    cpu = at_el1("msr mdscr_el1, x1\n nop\n isb\n nop", spsr=EL1 | OPEN, x1=MDSCR_SS | KDE)
    stops = []
    for _ in range(4):
        taken = cpu.step()
        if taken:
            stops.append(taken.elr)
            break
    assert stops[0] in (CODE + 4, CODE + 8, CODE + 12)  # allowed
    assert stops == [CODE + 4]  # ours: a write takes effect at once


def test_claim_24_after_the_isb_it_must_be_active_pending() -> None:
    cpu = at_el1("isb\n nop", spsr=EL1 | OPEN)
    cpu.sys.mdscr_el1 = MDSCR_SS | KDE  # as if the write had not been seen yet
    cpu.pstate.ss = 1
    taken = cpu.step()
    assert taken
    assert (taken.ec, taken.elr) == (EC.SOFTWARE_STEP_SAME, CODE + 4)


@pytest.mark.parametrize(
    "branch",
    ["b target", "bl target", "br x5", "blr x5", "ret x5", "cbz x0, target", "tbz x0, #3, target"],
)
def test_claim_25_elr_of_a_stepped_taken_branch_is_its_target(branch: str) -> None:
    cpu = host_step(f"{branch}\n nop\n nop\n target: nop", x5=CODE + 12)
    taken = enter(cpu)
    assert (taken.esr, taken.elr) == (STEPPED_ESR, CODE + 12)


def test_claim_26_stepped_branch_to_a_misaligned_address_reports_the_step_first() -> None:
    cpu = host_step("br x5\n nop", x5=CODE + 6)
    taken = enter(cpu)
    assert (taken.esr, taken.elr) == (STEPPED_ESR, CODE + 6)
    taken = again(
        cpu, ss=1
    )  # the PC alignment fault goes to EL1, and the step is reported at its vector
    assert (taken.ec, taken.elr) == (EC.SOFTWARE_STEP, SYNC_SAME)
    assert cpu.sys.esr_el1 == EC.PC_ALIGNMENT << 26 | 1 << 25
    assert (cpu.sys.elr_el1, cpu.sys.far_el1) == (CODE + 6, CODE + 6)


# --- exceptions (Tables D2-21, D2-22) ------------------------------------------------------------------------------


def test_claim_27_calls_save_ss_as_zero_and_return_to_the_next_instruction() -> None:
    taken = enter(host_step("hvc #3\n nop"))
    assert (taken.ec, taken.elr, taken.spsr & SS) == (EC.HVC, CODE + 4, 0)
    cpu = host_step("svc #3\n nop")
    enter(cpu)
    assert (cpu.sys.elr_el1, cpu.sys.spsr_el1 & SS) == (CODE + 4, 0)
    cpu = self_step("svc #3\n nop")
    taken = enter(cpu)
    assert (taken.ec, taken.elr, taken.spsr & SS) == (EC.SVC, CODE + 4, 0)
    # An executed SMC needs EL3, which this CPU has not: the rule is the same function.
    assert step.exception_entry_spsr_ss(mdscr_ss=1, pstate_ss=1, call=True) == 0


def test_claim_28_trapped_smc_saves_ss_as_one_and_returns_to_the_smc() -> None:
    taken = enter(host_step("smc #3\n nop", hcr=sysregs.HCR_TSC))
    assert (taken.ec, taken.elr, taken.spsr & SS) == (EC.SMC, CODE, SS)


@pytest.mark.parametrize(
    "access", ["ldr x1, [x9]", "str x1, [x9]", "ldp x1, x2, [x9]", "ldxr x1, [x9]"]
)
def test_claim_29_stage2_abort_saves_spsr_ss_as_one(access: str) -> None:
    taken = enter(host_step(f"{access}\n nop", x9=HOLE))
    assert (taken.ec, taken.elr, taken.spsr & SS) == (EC.DATA_ABORT, CODE, SS)


@pytest.mark.parametrize(
    ("source", "ec", "hcr"),
    [
        (".word 0", EC.UNKNOWN, 0),
        ("brk #5", EC.BRK, 0),
        ("msr tcr_el1, x1", EC.SYSTEM, sysregs.HCR_TVM),
        ("mrs x1, id_aa64pfr0_el1", EC.SYSTEM, sysregs.HCR_TID3),
        ("wfi", EC.WFX, sysregs.HCR_TWI),
    ],
)
def test_claim_30_undefined_brk_and_traps_save_ss_as_one(source: str, ec: int, hcr: int) -> None:
    cpu = host_step(source + "\n nop", hcr=hcr)
    taken = enter(cpu)
    if ec == EC.UNKNOWN:  # taken to EL1; the step is reported at its vector
        assert cpu.sys.esr_el1 == 1 << 25
        assert (cpu.sys.elr_el1, cpu.sys.spsr_el1 & SS) == (CODE, SS)
        assert (taken.esr, taken.elr) == (NOTHING_STEPPED_ESR, SYNC_SAME)
    else:
        assert (taken.ec, taken.elr, taken.spsr & SS) == (ec, CODE, SS)


def test_claim_31_interrupt_taken_first_saves_ss_as_one_with_nothing_executed() -> None:
    cpu = host_step("add x1, x1, #1", spsr=EL1 | MASK_A | SS, hcr=sysregs.HCR_VI | sysregs.HCR_IMO)
    taken = enter(cpu)
    assert (cpu.sys.elr_el1, cpu.sys.spsr_el1 & SS, cpu.r[1]) == (CODE, SS, 0)
    assert (taken.esr, taken.elr) == (NOTHING_STEPPED_ESR, IRQ_SAME)


@pytest.mark.parametrize("source", ["svc #0", "hvc #0", ".word 0", "brk #0", "ldr x1, [x9]", "wfi"])
def test_claim_32_exception_entry_clears_ss_and_sets_d(source: str) -> None:
    for el, mdscr in itertools.product((EL0, EL1), (0, MDSCR_SS)):
        cpu = at_el1(source, spsr=el | OPEN, x9=HOLE, hcr=sysregs.HCR_TWI)
        cpu.sys.mdscr_el1, cpu.sys.mdcr_el2 = mdscr, sysregs.MDCR_TDE
        cpu.pstate.ss = 1
        assert cpu.step()
        p = cpu.pstate
        assert (p.ss, p.d, p.a, p.i, p.f) == (0, 1, 1, 1, 1)


def test_claim_33_svc_of_a_stepped_el0_leaves_the_handler_unstepped_and_returns_into_a_step() -> (
    None
):
    cpu = self_step("svc #1\n nop")
    taken = enter(cpu)
    assert taken.ec == EC.SVC
    assert cpu.step_state() is INACTIVE
    taken = again(cpu)  # SPSR_EL1 as saved: SS = 0
    assert (taken.esr, taken.elr) == (NOTHING_STEPPED_ESR, CODE + 4)


def test_claim_33_the_handler_runs_freely_as_a64_code_too() -> None:
    cpu = boot("svc #1\n nop", spsr=EL0 | SS, mdscr=MDSCR_SS, vectors="nop\n nop\n eret", host_el=1)
    cpu.host_el = 2
    cpu.exception_return()
    for pc in (SYNC_LOWER, SYNC_LOWER + 4, SYNC_LOWER + 8):
        cpu.step()
        assert (cpu.pc, cpu.step_state()) == (pc, INACTIVE)
    assert cpu.step() is None  # ERET
    taken = cpu.step()
    assert taken
    assert (taken.esr, taken.elr) == (NOTHING_STEPPED_ESR, CODE + 4)


def test_claim_34_svc_of_a_host_stepped_el0_stops_at_the_vector_before_its_first_instruction() -> (
    None
):
    cpu = host_step("svc #1\n nop", spsr=EL0 | SS, vectors="add x1, x1, #1\n eret")
    taken = enter(cpu)
    assert (taken.esr, taken.elr, cpu.r[1]) == (NOTHING_STEPPED_ESR, SYNC_LOWER, 0)


@pytest.mark.parametrize("interrupt_first", [True, False])
def test_claim_35_pending_step_and_unmasked_irq_come_in_the_chosen_order(
    interrupt_first: bool,
) -> None:
    cpu = host_step(
        spsr=EL1 | MASK_A,
        hcr=sysregs.HCR_VI | sysregs.HCR_IMO,
        choices=Choices(interrupt_before_step=interrupt_first),
    )
    taken = enter(cpu)
    assert taken.ec == EC.SOFTWARE_STEP
    if interrupt_first:
        assert (taken.elr, cpu.sys.elr_el1, cpu.sys.spsr_el1 & SS) == (IRQ_SAME, CODE, 0)
    else:
        assert (taken.elr, cpu.sys.elr_el1) == (CODE, 0)
    assert Choices().interrupt_before_step


@pytest.mark.parametrize(
    "pc", [HOLE, DATA_NX, CODE + 2, CODE], ids=["abort", "permission", "alignment", "brk"]
)
def test_claim_36_pending_step_wins_over_everything_at_pc(pc: int) -> None:
    cpu = host_step("brk #1", spsr=EL1 | DAIF)
    cpu.sys.elr_el2 = pc
    taken = enter(cpu)
    assert (taken.esr, taken.elr) == (NOTHING_STEPPED_ESR, pc)


def test_claim_36_pending_step_wins_over_a_breakpoint() -> None:
    cpu = host_step(spsr=EL1 | DAIF, dbgbvr0_el1=CODE, dbgbcr0_el1=0x1E7)
    cpu.sys.mdscr_el1 |= MDE
    taken = enter(cpu)
    assert (taken.esr, taken.elr) == (NOTHING_STEPPED_ESR, CODE)
    assert again(cpu, ss=1).ec == EC.BREAKPOINT


def test_claim_37_serror_without_execution_saves_ss_as_zero_or_one() -> None:
    cpu = host_step("add x1, x1, #1", spsr=EL1 | SS, hcr=sysregs.HCR_VSE | sysregs.HCR_AMO)
    taken = enter(cpu)
    assert (taken.elr, cpu.sys.elr_el1, cpu.r[1]) == (VECTORS + 0x200 + SERROR, CODE, 0)
    assert cpu.sys.spsr_el1 & SS in (0, SS)  # allowed
    assert cpu.sys.spsr_el1 & SS == SS  # ours: the step is still owed, as with other interrupts


# --- syndrome (D2.11.9) ----------------------------------------------------------------------------------------------

ORDINARY = [
    "nop",
    "add x1, x1, #1",
    "str x1, [x8]",
    "ldr x1, [x8]",
    "b .+8",
    "stxr w1, x2, [x8]",
    "clrex",
    "ldar x1, [x8]",
]


@pytest.mark.parametrize("source", ORDINARY)
def test_claim_38_ordinary_step_from_a_lower_level(source: str) -> None:
    assert enter(host_step(source + "\n nop\n nop", x8=DATA)).esr == STEPPED_ESR == 0xCB00_0022
    assert enter(self_step(source + "\n nop\n nop", x8=DATA)).esr == STEPPED_ESR


@pytest.mark.parametrize(
    "source",
    [
        "ldxr x1, [x8]",
        "ldaxr x1, [x8]",
        "ldxrb w1, [x8]",
        "ldxp x1, x2, [x8]",
        "ldaxp w1, w2, [x8]",
    ],
)
def test_claim_39_stepped_load_exclusive_sets_ex(source: str) -> None:
    cpu = host_step(f"{source}\n {source}\n stxr w3, x1, [x8]", x8=DATA)
    assert enter(cpu).esr == EXCLUSIVE_ESR == 0xCB00_0062
    assert again(cpu, ss=1).esr == EXCLUSIVE_ESR
    assert again(cpu, ss=1).esr == STEPPED_ESR


def test_claim_40_pending_without_a_stepped_instruction_has_isv_0() -> None:
    assert enter(host_step(spsr=EL1 | DAIF)).esr == NOTHING_STEPPED_ESR == 0xCA00_0022
    assert enter(self_step(spsr=EL0 | DAIF)).esr == NOTHING_STEPPED_ESR


def test_claim_40_a_step_taken_away_by_the_host_is_not_reported_as_stepped() -> None:
    """Whatever was stepped before: an emulated instruction (SS cleared by the host) was not."""
    cpu = host_step("ldxr x1, [x8]\n nop\n nop", x8=DATA)
    assert enter(cpu).esr == EXCLUSIVE_ESR
    taken = again(cpu, ss=0, skip=4)
    assert (taken.esr, taken.elr) == (NOTHING_STEPPED_ESR, CODE + 8)


@pytest.mark.parametrize(("spsr_ss", "esr"), [(SS, 0xCF00_0022), (0, 0xCE00_0022)])
def test_claim_41_step_at_the_same_level_is_class_33(spsr_ss: int, esr: int) -> None:
    cpu = self_step(spsr=EL1 | OPEN | spsr_ss, mdscr=MDSCR_SS | KDE)
    taken = enter(cpu)
    assert (taken.esr, taken.vector) == (esr, 0x200)


def test_claim_41_exclusive_at_the_same_level() -> None:
    cpu = self_step("ldxr x1, [x8]", x8=DATA, spsr=EL1 | OPEN | SS, mdscr=MDSCR_SS | KDE)
    assert enter(cpu).esr == 0xCF00_0062


def test_claim_42_stepped_isb_or_eret_has_isv_0_or_1_and_ex_0() -> None:
    isb = enter(host_step("isb\n nop")).esr
    eret = enter(host_step("eret\n nop", spsr_el1=EL0, elr_el1=CODE + 4)).esr
    assert {isb, eret} <= {NOTHING_STEPPED_ESR, STEPPED_ESR}  # allowed
    assert isb == eret == STEPPED_ESR  # ours


def test_claim_42_eret_after_a_load_exclusive_has_ex_0() -> None:
    cpu = host_step("ldxr x1, [x8]\n eret\n nop", x8=DATA, spsr_el1=EL1 | DAIF, elr_el1=CODE + 8)
    enter(cpu)
    taken = again(cpu, ss=1)
    assert (taken.esr, taken.elr) == (STEPPED_ESR, CODE + 8)


def test_claim_43_an_implementation_that_always_says_isv_0_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never_valid(*, stepped: bool, exclusive: bool) -> int:
        return software_step(stepped=False, exclusive=exclusive)

    monkeypatch.setattr(entry_module, "software_step", never_valid)
    with pytest.raises(AssertionError):
        test_claim_38_ordinary_step_from_a_lower_level("nop")
    with pytest.raises(AssertionError):
        test_claim_39_stepped_load_exclusive_sets_ex("ldxr x1, [x8]")


def test_claim_44_elr_of_a_step_is_never_the_stepped_instruction_unless_it_branched_to_itself() -> (
    None
):
    for source in [*ORDINARY, "msr nzcv, x1", "mrs x1, nzcv", "isb", "cbz x1, .+8", "br x5"]:
        taken = enter(host_step(source + "\n nop\n nop", x8=DATA, x5=CODE + 8))
        assert taken.elr in (CODE + 4, CODE + 8)
    taken = enter(host_step("b ."))
    assert (taken.esr, taken.elr) == (STEPPED_ESR, CODE)
