"""Every combination of the step machine's inputs: the pure functions, and the Cpu that executes them.

Invariant: what is expected here is written down from the tables of the manual (D2.3, D2-17 to D2-22) and
never computed with the functions under test.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from aarch64sim.arch import step, sysregs
from aarch64sim.arch.cpu import Choices, Cpu
from aarch64sim.arch.pstate import PState
from aarch64sim.arch.step import StepState
from aarch64sim.arch.syndrome import EC
from tests.arch.bench import CODE, DAIF, EL0, EL1, EL2, HOLE, MASK_D, MASK_I, SS, boot

INACTIVE, NOT_PENDING, PENDING = StepState
ROWS = json.loads((Path(__file__).parent / "data" / "eret-table.json").read_text())["rows"]
MODES = {0: EL0, 1: EL1, 2: EL2}
BOTH = (0, 1)


# --- the state (D2.3, D2.5, Table D2-17) ----------------------------------------------------------------------------

# Section 1.3: (current level against the debug target level, KDE, D) -> enabled.
ENABLED = {("above", kde, d): False for kde in BOTH for d in BOTH}
ENABLED |= {("below", kde, d): True for kde in BOTH for d in BOTH}
ENABLED |= {
    ("same", 0, 0): False,
    ("same", 0, 1): False,
    ("same", 1, 0): True,
    ("same", 1, 1): False,
}
TABLE_D2_17 = {
    (0, 0): INACTIVE,
    (0, 1): INACTIVE,
    (1, 0): PENDING,
    (1, 1): NOT_PENDING,
}  # SS, PSTATE.SS
TARGET = {(0, 0): 1, (0, 1): 2, (1, 0): 2, (1, 1): 2}  # TDE, TGE


def expected_state(
    mdscr_ss: int, kde: int, tde: int, tge: int, os_lock: int, el: int, d: int, pstate_ss: int
) -> StepState:
    target = TARGET[tde, tge]
    where = "above" if el > target else "below" if el < target else "same"
    if os_lock or not ENABLED[where, kde, d]:
        return INACTIVE
    return TABLE_D2_17[mdscr_ss, pstate_ss]


INPUTS = list(itertools.product(BOTH, BOTH, BOTH, BOTH, BOTH, (0, 1, 2), BOTH, BOTH))


def test_the_pure_functions_give_table_d2_17_for_every_input() -> None:
    for inputs in INPUTS:
        mdscr_ss, kde, tde, tge, os_lock, el, d, pstate_ss = inputs
        target = step.debug_target_el(tde=tde, tge=tge)
        enabled = step.debug_exceptions_enabled(
            el=el, target_el=target, kde=kde, d=d, os_lock=os_lock
        )
        state = step.step_state(mdscr_ss=mdscr_ss, pstate_ss=pstate_ss, enabled=enabled)
        assert state is expected_state(*inputs), inputs
        aarch32 = step.step_state(
            mdscr_ss=mdscr_ss, pstate_ss=pstate_ss, enabled=enabled, target_aarch64=False
        )
        assert aarch32 is INACTIVE


def test_cpu_executes_what_the_state_says_for_every_input() -> None:
    """One NOP: it retires freely, or with a step exception behind it, or a step exception comes instead."""
    cpu = boot()
    saved = cpu.save()
    for inputs in INPUTS:
        mdscr_ss, kde, tde, tge, os_lock, el, d, pstate_ss = inputs
        cpu.restore(saved)
        s = cpu.sys
        s.mdscr_el1 = mdscr_ss | kde << 13
        s.mdcr_el2 = tde << 8
        s.hcr_el2 |= tge << 27
        cpu.set_os_lock(os_lock)
        cpu.select_sp(el, int(el > 0))
        cpu.pstate.d, cpu.pstate.ss = d, pstate_ss
        cpu.pc = CODE
        state = expected_state(*inputs)
        assert cpu.step_state() is state, inputs
        taken = cpu.step()
        if state is INACTIVE:
            assert taken is None, inputs
            assert cpu.pc == CODE + 4
            continue
        assert taken, inputs
        target = TARGET[tde, tge]
        stepped = state is NOT_PENDING
        ec = EC.SOFTWARE_STEP_SAME if target == el else EC.SOFTWARE_STEP
        assert taken.esr == ec << 26 | 1 << 25 | stepped << 24 | 0x22, inputs
        assert (taken.target_el, taken.elr) == (target, CODE + 4 * stepped)
        assert taken.spsr & SS == 0
        assert (cpu.pstate.el, cpu.pstate.ss, cpu.pstate.d) == (target, 0, 1)


@pytest.mark.parametrize("watching", [False, True])
def test_the_state_is_never_stored(watching: bool) -> None:
    """Whatever the bits were before, the state follows from what they are now."""
    cpu = boot()
    cpu.watch(watching)
    for inputs in itertools.chain(INPUTS, reversed(INPUTS)):
        mdscr_ss, kde, tde, tge, os_lock, el, d, pstate_ss = inputs
        cpu.sys.mdscr_el1, cpu.sys.mdcr_el2 = mdscr_ss | kde << 13, tde << 8
        cpu.sys.hcr_el2 = tge << 27
        cpu.set_os_lock(os_lock)
        cpu.select_sp(el, int(el > 0))
        cpu.pstate.d, cpu.pstate.ss = d, pstate_ss
        assert cpu.step_state() is expected_state(*inputs)


# --- exception return (Tables D2-18 to D2-20) -----------------------------------------------------------------------


def row_id(row: dict[str, object]) -> str:
    return "ELD{debug_target_el}-EL{from_el}-EL{to_el}-KDE{kde}-D{pstate_d}-SPSR.D{spsr_d}".format(
        **row
    )


def test_the_table_has_every_combination() -> None:
    assert len(ROWS) == len({row_id(row) for row in ROWS}) == 80


def standing_at(el: int, source: str = "eret\n" + "nop\n" * 8, **values: object) -> Cpu:
    """A CPU at level `el`, about to execute `source`."""
    cpu = boot(source, spsr=MODES[el] | DAIF, **values)  # type: ignore[arg-type]
    cpu.exception_return()
    return cpu


def returning(
    row: dict[str, int],
    spsr_ss: int,
    *,
    mdscr_ss: int = 1,
    os_lock: int = 0,
    tge: int = 0,
    resident: bool = False,
) -> Cpu:
    """A CPU that stands before an ERET as the row says."""
    cpu = boot("eret\n" + "nop\n" * 8, resident=True) if resident else standing_at(row["from_el"])
    s = cpu.sys
    s.mdscr_el1 = mdscr_ss | row["kde"] << 13
    target = row["debug_target_el"]
    s.mdcr_el2 = 0 if tge else (target == 2) << 8
    s.hcr_el2 |= tge << 27
    cpu.set_os_lock(os_lock)
    spsr = MODES[row["to_el"]] | DAIF & ~MASK_D | row["spsr_d"] << 9 | spsr_ss << 21
    if resident:
        cpu.set_pstate(spsr)
        cpu.pc = CODE + 0x10
        return cpu
    cpu.pstate.d = row["pstate_d"]
    cpu.pstate.ss = 1  # or a step would be pending before the ERET where stepping is active here
    s.set(f"spsr_el{row['from_el']}", spsr)
    s.set(f"elr_el{row['from_el']}", CODE + 0x10)
    return cpu


def after_eret(cpu: Cpu) -> tuple[PState, int]:
    """PSTATE and PC right after the ERET is executed: as saved, where its own step is reported at once."""
    taken = cpu.step()
    if taken is None:
        return cpu.pstate, cpu.pc
    assert taken.esr
    assert taken.esr >> 26 & ~1 == EC.SOFTWARE_STEP
    return PState.from_spsr(taken.spsr), taken.elr


@pytest.mark.parametrize("spsr_ss", BOTH)
@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_exception_return(row: dict[str, object], spsr_ss: int) -> None:
    """An ERET executed by the Cpu, and the pure function, give the row's PSTATE.SS."""
    numbers = {key: int(value) for key, value in row.items() if key != "new_pstate_ss"}  # type: ignore[call-overload]
    new_ss = spsr_ss if row["new_pstate_ss"] == "SPSR.SS" else row["new_pstate_ss"]
    source, target = (
        step.debug_exceptions_enabled(
            el=numbers[el],
            target_el=numbers["debug_target_el"],
            kde=numbers["kde"],
            d=numbers[d],
            os_lock=0,
        )
        for el, d in (("from_el", "pstate_d"), ("to_el", "spsr_d"))
    )
    assert new_ss == step.exception_return_ss(
        spsr_ss=spsr_ss, mdscr_ss=1, enabled_at_source=source, enabled_at_target=target
    )
    cpu = returning(numbers, spsr_ss)
    p, pc = after_eret(cpu)
    assert (p.el, p.ss, p.d, pc) == (numbers["to_el"], new_ss, numbers["spsr_d"], CODE + 0x10)
    if numbers["from_el"] == 2 and numbers["pstate_d"]:  # a host that is no A64 code returns alike
        cpu = returning(numbers, spsr_ss, resident=True)
        cpu.exception_return()
        assert (cpu.pstate.el, cpu.pstate.ss, cpu.pc) == (numbers["to_el"], new_ss, CODE + 0x10)


@pytest.mark.parametrize("spsr_ss", BOTH)
@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_what_happens_after_exception_return(row: dict[str, object], spsr_ss: int) -> None:
    """After the ERET: one instruction and a step exception, a step exception at once, or no stepping."""
    numbers = {key: int(value) for key, value in row.items() if key != "new_pstate_ss"}  # type: ignore[call-overload]
    new_ss = spsr_ss if row["new_pstate_ss"] == "SPSR.SS" else row["new_pstate_ss"]
    target, to = numbers["debug_target_el"], numbers["to_el"]
    where = "above" if to > target else "below" if to < target else "same"
    active = ENABLED[where, numbers["kde"], numbers["spsr_d"]]
    cpu = returning(numbers, spsr_ss)
    taken = cpu.step()
    if active and not new_ss:
        taken = taken or cpu.step()
        assert taken
        assert (taken.ec or 0) & ~1 == EC.SOFTWARE_STEP
        assert taken.elr == CODE + 0x10  # nothing executed at the target
    else:
        assert taken is None
        taken = cpu.step()
        assert bool(taken) == active
        assert (taken.elr if taken else cpu.pc) == CODE + 0x14


def test_exception_return_clears_ss_without_mdscr_ss_or_with_the_os_lock() -> None:
    for row in ROWS:
        numbers = {key: value for key, value in row.items() if key != "new_pstate_ss"}
        for mdscr_ss, os_lock in ((0, 0), (0, 1), (1, 1)):
            cpu = returning(numbers, 1, mdscr_ss=mdscr_ss, os_lock=os_lock)
            assert after_eret(cpu)[0].ss == 0


def test_exception_return_with_tge_is_as_with_tde() -> None:
    """HCR_EL2.TGE makes EL2 the debug target level, too; EL1 is then no legal target."""
    for row in ROWS:
        numbers = {key: value for key, value in row.items() if key != "new_pstate_ss"}
        if row["debug_target_el"] == 1 or row["from_el"] != 2 or row["to_el"] == 1:
            continue
        for spsr_ss in BOTH:
            cpu = returning(numbers, spsr_ss, tge=1)
            assert after_eret(cpu)[0].ss == (spsr_ss if row["new_pstate_ss"] == "SPSR.SS" else 0)


def test_exception_return_to_aarch32_debugger_clears_ss() -> None:
    for source, target in itertools.product((False, True), repeat=2):
        new_ss = step.exception_return_ss(
            spsr_ss=1,
            mdscr_ss=1,
            enabled_at_source=source,
            enabled_at_target=target,
            target_aarch64=False,
        )
        assert new_ss == 0


ILLEGAL = {
    "to EL2 from EL1": EL2,
    "to EL3": 0xD,
    "to EL0 with SPSel": 0x1,
    "to AArch32": 0x10,
    "reserved M[1]": 0x6,
}


@pytest.mark.parametrize("mode", ILLEGAL.values(), ids=ILLEGAL)
def test_illegal_return_stays_and_judges_the_target_by_the_current_level(mode: int) -> None:
    """Table D2-19's note: the debug target rule uses the level that the CPU stays at."""
    for kde, d, spsr_d, spsr_ss in itertools.product(BOTH, repeat=4):
        cpu = standing_at(1)
        cpu.sys.mdscr_el1 = 1 | kde << 13
        cpu.pstate.d, cpu.pstate.ss = d, 1
        cpu.sys.spsr_el1 = mode | spsr_d << 9 | spsr_ss << 21 | 0xF000_0000
        cpu.sys.elr_el1 = CODE + 0x10
        p, pc = after_eret(cpu)
        assert (p.el, p.sp, p.il, pc) == (1, 1, 1, CODE + 0x10)
        assert (p.n, p.z, p.c, p.v, p.d, p.i) == (1, 1, 1, 1, spsr_d, 0)
        disabled_here, enabled_after = not (kde and not d), kde and not spsr_d
        assert p.ss == (spsr_ss if disabled_here and enabled_after else 0)


def test_return_to_el1_is_illegal_while_tge_is_set() -> None:
    cpu = standing_at(2)
    cpu.sys.hcr_el2 |= sysregs.HCR_TGE
    cpu.sys.spsr_el2, cpu.sys.elr_el2 = EL1 | DAIF, CODE + 0x10
    cpu.step()
    assert (cpu.pstate.el, cpu.pstate.il) == (2, 1)


# --- exception entry (Tables D2-21 and D2-22) -----------------------------------------------------------------------

# instruction, level it is executed at, extra HCR_EL2 bits, target level, preferred return, saved SS if it was ANP
ENTRIES = {
    "SVC from EL0": ("svc #1", 0, 0, 1, 4, 0),
    "SVC from EL1": ("svc #1", 1, 0, 1, 4, 0),
    "HVC": ("hvc #1", 1, 0, 2, 4, 0),
    "SMC trapped": ("smc #1", 1, sysregs.HCR_TSC, 2, 0, 1),
    "SMC undefined": ("smc #1", 1, 0, 1, 0, 1),
    "undefined from EL0": (".word 0", 0, 0, 1, 0, 1),
    "undefined from EL1": (".word 0", 1, 0, 1, 0, 1),
    "HVC undefined at EL0": ("hvc #1", 0, 0, 1, 0, 1),
    "stage-2 abort from EL0": ("ldr x1, [x9]", 0, 0, 2, 0, 1),
    "stage-2 abort from EL1": ("str x1, [x9]", 1, 0, 2, 0, 1),
    "trapped WFI": ("wfi", 1, sysregs.HCR_TWI, 2, 0, 1),
    "trapped MRS": ("mrs x1, id_aa64isar0_el1", 1, sysregs.HCR_TID3, 2, 0, 1),
    "alignment": ("ldxr x1, [x8]", 1, 0, 1, 0, 1),
    "SVC from EL0 with TGE": ("svc #1", 0, sysregs.HCR_TGE, 2, 4, 0),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_exception_entry(name: str) -> None:
    """SPSR_ELx.SS as saved, PSTATE after, and the state at the handler, for every state before."""
    source, el, hcr, to, offset, ss_if_not_pending = ENTRIES[name]
    for kde, tde, d, mdscr_ss, pstate_ss in itertools.product(BOTH, repeat=5):
        cpu = standing_at(el, source, hcr=0, x9=HOLE, x8=CODE + 1)
        cpu.sys.hcr_el2 |= hcr
        cpu.sys.mdscr_el1, cpu.sys.mdcr_el2 = mdscr_ss | kde << 13, tde << 8
        cpu.pstate.d, cpu.pstate.ss = d, pstate_ss
        tge = int(bool(hcr & sysregs.HCR_TGE))
        state = expected_state(mdscr_ss, kde, tde, tge, 0, el, d, pstate_ss)
        if state is PENDING:
            continue  # the step exception comes first
        taken = cpu.step()
        assert taken, name
        assert (taken.target_el, taken.elr) == (to, CODE + offset)
        if state is NOT_PENDING:
            assert bool(taken.spsr & SS) == ss_if_not_pending
        p = cpu.pstate
        assert (p.ss, p.il, p.d, p.a, p.i, p.f, p.el, p.sp) == (0, 0, 1, 1, 1, 1, to, 1)
        # D is 1 now: only from EL1 below a debug target of EL2 is anything enabled, and there it is pending.
        after = PENDING if mdscr_ss and to < TARGET[tde, tge] else INACTIVE
        assert cpu.step_state() is after


@pytest.mark.parametrize("interrupt_first", [True, False])
def test_interrupt_entry(interrupt_first: bool) -> None:
    """An interrupt keeps PSTATE.SS in SPSR_EL1.SS; in active-pending the order is a choice."""
    choices = Choices(interrupt_before_step=interrupt_first)
    for kde, tde, d, mdscr_ss, pstate_ss, el in itertools.product(BOTH, repeat=6):
        cpu = standing_at(el, hcr=sysregs.HCR_VI | sysregs.HCR_IMO, choices=choices)
        cpu.sys.mdscr_el1, cpu.sys.mdcr_el2 = mdscr_ss | kde << 13, tde << 8
        cpu.pstate.d, cpu.pstate.ss, cpu.pstate.i = d, pstate_ss, 0
        state = expected_state(mdscr_ss, kde, tde, 0, 0, el, d, pstate_ss)
        taken = cpu.step()
        assert taken
        assert taken.elr == CODE  # nothing executed
        if state is PENDING and not interrupt_first:
            assert (taken.ec or 0) & ~1 == EC.SOFTWARE_STEP
            continue
        assert (taken.target_el, taken.vector & 0x1FF, taken.esr) == (1, 0x080, None)
        assert bool(taken.spsr & SS) == pstate_ss
        assert taken.spsr & MASK_I == 0
        assert cpu.step_state() is (PENDING if mdscr_ss and tde else INACTIVE)


def test_advance_clears_ss_exactly_where_stepping_is_configured() -> None:
    for mdscr_ss, pstate_ss in itertools.product(BOTH, BOTH):
        after = step.advance_ss(mdscr_ss=mdscr_ss, pstate_ss=pstate_ss)
        assert after == (0 if mdscr_ss else pstate_ss)
        assert pstate_ss == step.advance_ss(mdscr_ss=1, pstate_ss=pstate_ss, target_aarch64=False)
        for call in (False, True):
            saved = step.exception_entry_spsr_ss(mdscr_ss=mdscr_ss, pstate_ss=pstate_ss, call=call)
            assert saved == (after if call else pstate_ss)


def test_a_free_run_does_not_look_at_the_step_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stepping costs nothing when it is off: no state is computed for plain instructions."""
    cpu = boot("1: add x0, x0, #1\n b 1b")
    cpu.exception_return()

    def never(**_: object) -> StepState:
        raise AssertionError("the state was computed")

    monkeypatch.setattr(step, "step_state", never)
    assert cpu.run(1000) is None
    assert cpu.r[0] == 500
