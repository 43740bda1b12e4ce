"""Exceptions other than the step: classes and syndromes, routing, entry and return, priorities, interrupts, waiting.

Invariant: every test executes an instruction and looks at what the handler would find.
"""

from __future__ import annotations

import itertools

import pytest

from aarch64sim.arch import sysregs
from aarch64sim.arch.cpu import Choices
from aarch64sim.arch.exceptions import FIQ, IRQ, SERROR
from aarch64sim.arch.pstate import PState
from aarch64sim.arch.syndrome import EC, FSC
from aarch64sim.asm import assemble
from tests.arch.bench import (
    CODE,
    DAIF,
    DATA,
    DATA_NX,
    EL0,
    EL1,
    EL1T,
    EL2,
    HOLE,
    HOST_VECTORS,
    IL,
    MASK_A,
    MASK_F,
    MASK_I,
    MDE,
    MODES,
    ROM,
    VECTORS,
    boot,
    esr,
    inside,
    load,
    take,
)

# --- every synchronous class, from EL0 and EL1, to EL1 and EL2 ------------------------------------

UNALIGNED = DATA + 1
TGE, TSC, TWI, TWE = sysregs.HCR_TGE, sysregs.HCR_TSC, sysregs.HCR_TWI, sysregs.HCR_TWE
TIDCP, TVM, TID3 = sysregs.HCR_TIDCP, sysregs.HCR_TVM, sysregs.HCR_TID3
WFX = 0x1E0_0000
FP = 0x1E0_0000
TDE = {"mdcr_el2": sysregs.MDCR_TDE}
NO_FP = {"cpacr_el1": 0}
FP_ALLOWED = {"cpacr_el1": 3 << 20}
S_A = {"sctlr_el1": 0xC50078 | sysregs.SCTLR_A}

# source, from, extra HCR_EL2, registers, to, class, ISS, offset of ELR, FAR (None: not set)
CLASSES = [
    ("svc #0xabc", 0, 0, {}, 1, EC.SVC, 0xABC, 4, None),
    ("svc #0xffff", 1, 0, {}, 1, EC.SVC, 0xFFFF, 4, None),
    ("svc #1", 0, TGE, {}, 2, EC.SVC, 1, 4, None),
    ("hvc #0x123", 1, 0, {}, 2, EC.HVC, 0x123, 4, None),
    ("hvc #0x123", 2, 0, {}, 2, EC.HVC, 0x123, 4, None),
    ("hvc #1", 0, 0, {}, 1, EC.UNKNOWN, 0, 0, None),
    ("hvc #1", 0, TGE, {}, 2, EC.UNKNOWN, 0, 0, None),
    ("hvc #1", 1, sysregs.HCR_HCD, {}, 1, EC.UNKNOWN, 0, 0, None),
    ("smc #7", 1, TSC, {}, 2, EC.SMC, 7, 0, None),
    ("smc #7", 1, 0, {}, 1, EC.UNKNOWN, 0, 0, None),
    ("smc #7", 0, TSC, {}, 1, EC.UNKNOWN, 0, 0, None),
    ("brk #0x7d0", 0, 0, {}, 1, EC.BRK, 0x7D0, 0, None),
    ("brk #0x7d0", 1, 0, {}, 1, EC.BRK, 0x7D0, 0, None),
    ("brk #1", 1, 0, TDE, 2, EC.BRK, 1, 0, None),
    ("brk #1", 0, TGE, {}, 2, EC.BRK, 1, 0, None),
    ("brk #1", 2, 0, {}, 2, EC.BRK, 1, 0, None),
    (".word 0", 0, 0, {}, 1, EC.UNKNOWN, 0, 0, None),
    (".word 0", 1, 0, {}, 1, EC.UNKNOWN, 0, 0, None),
    (".word 0", 2, 0, {}, 2, EC.UNKNOWN, 0, 0, None),
    (".word 0", 0, TGE, {}, 2, EC.UNKNOWN, 0, 0, None),
    ("eret", 0, 0, {}, 1, EC.UNKNOWN, 0, 0, None),
    ("wfi", 1, TWI, {}, 2, EC.WFX, WFX, 0, None),
    ("wfi", 0, TWI, {}, 2, EC.WFX, WFX, 0, None),
    ("wfe", 1, TWE, {}, 2, EC.WFX, WFX | 1, 0, None),
    ("wfi", 0, 0, {"sctlr_el1": 0}, 1, EC.WFX, WFX, 0, None),
    ("wfe", 0, 0, {"sctlr_el1": 0}, 1, EC.WFX, WFX | 1, 0, None),
    ("wfi", 0, TWI, {"sctlr_el1": 0}, 1, EC.WFX, WFX, 0, None),
    ("wfi", 0, TGE, {"sctlr_el1": 0}, 2, EC.WFX, WFX, 0, None),
    ("ldr q0, [x8]", 1, 0, NO_FP, 1, EC.FP_ACCESS, FP, 0, None),
    ("ldr q0, [x8]", 0, 0, {"cpacr_el1": 1 << 20}, 1, EC.FP_ACCESS, FP, 0, None),
    ("ldr q0, [x8]", 0, 0, {"cpacr_el1": 2 << 20}, 1, EC.FP_ACCESS, FP, 0, None),
    ("ldr q0, [x8]", 1, 0, FP_ALLOWED | {"cptr_el2": 1 << 10}, 2, EC.FP_ACCESS, FP, 0, None),
    ("ldr q0, [x8]", 1, 0, NO_FP | {"cptr_el2": 1 << 10}, 1, EC.FP_ACCESS, FP, 0, None),
    ("ldr q0, [x8]", 0, TGE, NO_FP, 2, EC.UNKNOWN, 0, 0, None),
    ("mrs x1, fpcr", 1, 0, NO_FP, 1, EC.FP_ACCESS, FP, 0, None),
    ("ldxr x1, [x7]", 1, 0, {}, 1, EC.DATA_ABORT_SAME, 0x21, 0, UNALIGNED),
    ("ldxr x1, [x7]", 0, 0, {}, 1, EC.DATA_ABORT, 0x21, 0, UNALIGNED),
    ("ldxr x1, [x7]", 0, TGE, {}, 2, EC.DATA_ABORT, 0x21, 0, UNALIGNED),
    ("stlr w1, [x7]", 1, 0, {}, 1, EC.DATA_ABORT_SAME, 0x61, 0, UNALIGNED),
    ("ldr w1, [x7]", 1, 0, S_A, 1, EC.DATA_ABORT_SAME, 0x21, 0, UNALIGNED),
    ("str w1, [x7]", 0, 0, S_A, 1, EC.DATA_ABORT, 0x61, 0, UNALIGNED),
    ("ldr x1, [x9]", 1, 0, {}, 2, EC.DATA_ABORT, 0x1C1_8005, 0, HOLE),
    ("strb w3, [x9, #5]", 0, 0, {}, 2, EC.DATA_ABORT, 0x103_0045, 0, HOLE + 5),
    ("ldrsh w5, [x9]", 1, 0, {}, 2, EC.DATA_ABORT, 0x165_0005, 0, HOLE),
    ("ldar x1, [x9]", 1, 0, {}, 2, EC.DATA_ABORT, 0x1C1_C005, 0, HOLE),
    ("str xzr, [x9]", 1, 0, {}, 2, EC.DATA_ABORT, 0x1DF_8045, 0, HOLE),
    ("ldp x1, x2, [x9]", 1, 0, {}, 2, EC.DATA_ABORT, 0x5, 0, HOLE),
    ("str x1, [x9], #8", 1, 0, {}, 2, EC.DATA_ABORT, 0x45, 0, HOLE),
    ("ldadd x1, x2, [x9]", 1, 0, {}, 2, EC.DATA_ABORT, 0x5, 0, HOLE),
    ("ldr q0, [x9]", 1, 0, FP_ALLOWED, 2, EC.DATA_ABORT, 0x5, 0, HOLE),
    ("str w1, [x11]", 1, 0, {}, 2, EC.DATA_ABORT, 0x181_004F, 0, ROM),
    ("dc zva, x11", 1, 0, {}, 2, EC.DATA_ABORT, 0x4F, 0, ROM),
    ("dc zva, x12", 1, 0, {}, 2, EC.DATA_ABORT, 0x45, 0, HOLE + 0x1234567),
    ("ldr x1, [x13]", 1, 0, {}, 1, EC.DATA_ABORT_SAME, 0, 0, 0xFFFF_0000_0000_0000),
    ("str x1, [x13]", 0, 0, {}, 1, EC.DATA_ABORT, 0x40, 0, 0xFFFF_0000_0000_0000),
    ("ldr x1, [sp]", 1, 0, {"sp_el1": DATA + 8}, 1, EC.SP_ALIGNMENT, 0, 0, None),
    ("str x1, [sp, #8]", 0, 0, {"sp_el0": DATA + 8}, 1, EC.SP_ALIGNMENT, 0, 0, None),
    ("ldp x1, x2, [sp], #16", 0, TGE, {"sp_el0": DATA + 8}, 2, EC.SP_ALIGNMENT, 0, 0, None),
]  # fmt: skip
REGISTERS = {
    "x7": UNALIGNED,
    "x8": DATA,
    "x9": HOLE,
    "x11": ROM,
    "x12": HOLE + 0x1234567,
    "x13": 0xFFFF << 48,
}


@pytest.mark.parametrize(
    ("source", "el", "hcr", "registers", "to", "ec", "iss", "offset", "far"),
    CLASSES,
    ids=[f"{case[0]}-EL{case[1]}-to-EL{case[4]}-{number}" for number, case in enumerate(CLASSES)],
)
def test_class(
    source: str,
    el: int,
    hcr: int,
    registers: dict[str, int],
    to: int,
    ec: int,
    iss: int,
    offset: int,
    far: int | None,
) -> None:
    cpu, taken = take(source, spsr=MODES[el] | DAIF, hcr=hcr, **(REGISTERS | registers))
    assert (taken.target_el, hex(taken.esr or 0)) == (to, hex(esr(ec, iss)))
    assert (taken.elr, taken.far) == (CODE + offset, far)
    assert taken.vector == (0x400 if el < to else 0x200)
    assert taken.spsr == MODES[el] | DAIF
    s = cpu.sys
    base = s.vbar_el1 if to == 1 else s.vbar_el2
    assert cpu.pc == base + taken.vector
    assert (s.get(f"esr_el{to}"), s.get(f"elr_el{to}")) == (taken.esr, taken.elr)
    assert s.get(f"spsr_el{to}") == taken.spsr
    if far is not None:
        assert s.get(f"far_el{to}") == far
    if to == 2 and far is not None and iss & 0x3F != FSC.ALIGNMENT:
        assert s.hpfar_el2 == far >> 12 << 4


def test_esr_and_far_of_the_other_level_are_left_alone() -> None:
    cpu, _ = take("ldr x1, [x9]", x9=HOLE, esr_el1=0x123, far_el1=0x456)
    assert (cpu.sys.esr_el1, cpu.sys.far_el1) == (0x123, 0x456)


@pytest.mark.parametrize(("pc", "ec", "iss"), [
    (HOLE, EC.INSTRUCTION_ABORT, 0x05),
    (DATA_NX, EC.INSTRUCTION_ABORT, 0x0F),
])  # fmt: skip
@pytest.mark.parametrize("el", [0, 1])
def test_instruction_abort_of_stage_2(pc: int, ec: int, iss: int, el: int) -> None:
    cpu = inside("nop", spsr=MODES[el] | DAIF)
    cpu.pc = pc
    taken = cpu.step()
    assert taken
    assert (taken.target_el, taken.esr, taken.elr) == (2, esr(ec, iss), pc)
    assert (taken.far, taken.hpfar) == (pc, pc >> 8)


def test_instruction_beyond_the_address_size_is_the_guests_own_abort() -> None:
    cpu = inside("br x13", x13=0xFFFF << 48)
    assert cpu.step() is None
    taken = cpu.step()
    assert taken
    assert (taken.target_el, taken.esr) == (1, esr(EC.INSTRUCTION_ABORT_SAME))


@pytest.mark.parametrize(("el", "hcr", "to"), [(0, 0, 1), (1, 0, 1), (0, TGE, 2)])
def test_pc_alignment(el: int, hcr: int, to: int) -> None:
    cpu = inside("br x5", spsr=MODES[el] | DAIF, hcr=hcr, x5=CODE + 2)
    assert cpu.step() is None
    taken = cpu.step()
    assert taken
    assert (taken.target_el, taken.esr) == (to, esr(EC.PC_ALIGNMENT))
    assert (taken.elr, taken.far) == (CODE + 2, CODE + 2)


def test_sp_alignment_is_checked_only_where_sctlr_asks() -> None:
    for el, bit in ((0, sysregs.SCTLR_SA0), (1, sysregs.SCTLR_SA)):
        sctlr = 0xC50078 & ~bit
        cpu = inside(
            "ldr x1, [sp]", spsr=MODES[el] | DAIF, sctlr_el1=sctlr, sp_el0=DATA + 8, sp_el1=DATA + 8
        )
        assert cpu.step() is None


def test_sp_alignment_comes_before_the_abort() -> None:
    _, taken = take("ldr x1, [sp]", sp_el1=HOLE + 8)
    assert taken.ec == EC.SP_ALIGNMENT


def test_alignment_comes_before_the_abort() -> None:
    _, taken = take("ldxr x1, [x9]", x9=HOLE + 1)
    assert (taken.ec, taken.target_el) == (EC.DATA_ABORT_SAME, 1)


# --- entry and return -----------------------------------------------------------------------------


@pytest.mark.parametrize(("spsr", "vector"), [(EL0, 0x400), (EL1, 0x200), (EL1T, 0x000)])
def test_vector_group_follows_level_and_stack_pointer(spsr: int, vector: int) -> None:
    cpu, taken = take("svc #0", spsr=spsr | DAIF)
    assert (taken.vector, cpu.pc) == (vector, VECTORS + vector)
    _, taken = take("hvc #0" if spsr else "ldr x0, [x9]", spsr=spsr | DAIF, x9=HOLE)
    assert taken.vector == 0x400
    assert HOST_VECTORS


def test_entry_saves_and_masks_everything() -> None:
    cpu = inside("svc #0", spsr=EL0 | 0xF000_0000)
    p = cpu.pstate
    p.pan = p.uao = p.dit = p.ssbs = 1
    p.btype = 3
    taken = cpu.step()
    assert taken
    assert taken.spsr == EL0 | 0xF000_0000 | 1 << 24 | 1 << 23 | 1 << 22 | 1 << 12 | 3 << 10
    assert (p.d, p.a, p.i, p.f, p.ss, p.il, p.btype, p.uao) == (1, 1, 1, 1, 0, 0, 0, 0)
    assert (p.n, p.z, p.c, p.v, p.pan, p.dit) == (1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("span", [0, 1])
def test_entry_to_el1_sets_pan_unless_span(span: int) -> None:
    sctlr = 0xC50078 & ~sysregs.SCTLR_SPAN | span * sysregs.SCTLR_SPAN
    cpu, _ = take("svc #0", spsr=EL0, sctlr_el1=sctlr)
    assert cpu.pstate.pan == 1 - span


def test_every_level_has_its_stack_pointer() -> None:
    source = "add sp, sp, #16\n svc #0"
    cpu = boot(source, spsr=EL0, sp_el0=0x1000, sp_el1=0x2000)
    cpu.set_sp(2, 0x3000)
    cpu.exception_return()
    assert cpu.r[31] == 0x1000
    cpu.step()
    cpu.step()
    assert (cpu.r[31], cpu.get_sp(0), cpu.get_sp(1), cpu.get_sp(2)) == (
        0x2000,
        0x1010,
        0x2000,
        0x3000,
    )


def test_spsel_switches_the_stack_pointer() -> None:
    cpu = inside(
        "msr spsel, #0\n mov x1, sp\n msr spsel, #1\n mov x2, sp", sp_el0=0x1000, sp_el1=0x2000
    )
    for _ in range(4):
        assert cpu.step() is None
    assert (cpu.r[1], cpu.r[2]) == (0x1000, 0x2000)


def test_every_spsr_image_of_a_legal_state_comes_back() -> None:
    for mode, nzcv, daif, others in itertools.product(
        (EL0, EL1T, EL1, 8, EL2),
        range(16),
        range(16),
        (0, 1 << 24 | 1 << 22 | 1 << 12 | 2 << 10, 1 << 23, IL),
    ):
        spsr = mode | nzcv << 28 | daif << 6 | others
        assert PState.from_spsr(spsr).to_spsr() == spsr


def test_illegal_state_is_raised_by_every_instruction_until_an_exception_clears_it() -> None:
    for source in ("nop", ".word 0", "svc #1", "brk #1", "ldr x1, [x9]"):
        cpu = inside(source, x9=HOLE)
        cpu.pstate.il = 1
        taken = cpu.step()
        assert taken
        assert (taken.target_el, taken.esr, taken.elr) == (1, esr(EC.ILLEGAL_STATE), CODE)
        assert taken.spsr & IL
        assert cpu.pstate.il == 0


def test_return_restores_il_from_spsr() -> None:
    cpu = inside("eret", spsr_el1=EL0 | IL, elr_el1=CODE)
    cpu.step()
    taken = cpu.step()
    assert taken
    assert (taken.ec, taken.vector) == (EC.ILLEGAL_STATE, 0x400)


def test_illegal_state_under_tge_goes_to_el2() -> None:
    cpu = inside("nop", spsr=EL0, hcr=TGE)
    cpu.pstate.il = 1
    taken = cpu.step()
    assert taken
    assert (taken.target_el, taken.esr) == (2, esr(EC.ILLEGAL_STATE))


def test_return_clears_the_monitor_and_sets_the_event_register() -> None:
    cpu = inside("eret", spsr_el1=EL0, elr_el1=CODE)
    cpu.monitor, cpu.event_register = (DATA, 8, 0), False
    cpu.step()
    assert (cpu.monitor, cpu.event_register) == (None, True)


def test_an_exception_alone_leaves_the_monitor() -> None:
    cpu = inside("svc #0")
    cpu.monitor = (DATA, 8, 0)
    cpu.step()
    assert cpu.monitor == (DATA, 8, 0)


# --- priorities (D1.4.5.6) ------------------------------------------------------------------------

BREAKPOINT = 0x1E7  # BAS=0xf, EL0 and EL1, enabled


def test_priority_of_what_one_fetch_can_meet() -> None:
    """Step, PC alignment, illegal state, instruction abort, breakpoint, BRK: take away the first, get the next."""
    expected = [
        EC.SOFTWARE_STEP, EC.PC_ALIGNMENT, EC.ILLEGAL_STATE, EC.INSTRUCTION_ABORT, EC.BREAKPOINT, EC.BRK,
    ]  # fmt: skip
    met = []
    for level in range(6):
        cpu = inside("nop", spsr=EL0, mdscr=MDE, tde=1)
        pc = DATA_NX if level < 4 else CODE
        pc |= 2 if level < 2 else 0
        load(cpu, assemble("brk #0", base=CODE))
        cpu.pc = pc
        cpu.pstate.il = int(level < 3)
        if level < 1:
            cpu.sys.mdscr_el1 |= 1
        if level < 5:
            cpu.sys.set("dbgbvr0_el1", pc & ~3)
            cpu.sys.set("dbgbcr0_el1", BREAKPOINT)
        taken = cpu.step()
        assert taken
        assert taken.elr == pc
        met.append(taken.ec)
    assert met == expected


def test_undefined_comes_before_traps_and_traps_to_el1_before_traps_to_el2() -> None:
    _, taken = take("msr sctlr_el1, x0", spsr=EL0, hcr=TVM)
    assert (taken.target_el, taken.ec) == (1, EC.UNKNOWN)
    _, taken = take("mrs x0, ctr_el0", spsr=EL0, hcr=sysregs.HCR_RW | 1 << 17, sctlr_el1=0)
    assert (taken.target_el, taken.ec) == (1, EC.SYSTEM)
    _, taken = take("mrs x0, ctr_el0", spsr=EL0, hcr=sysregs.HCR_RW | 1 << 17, sctlr_el1=1 << 15)
    assert (taken.target_el, taken.ec) == (2, EC.SYSTEM)


def test_fp_trap_comes_before_undefined_and_before_the_access() -> None:
    _, taken = take(".word 0x1e602800", cpacr_el1=0)  # fadd d0, d0, d0
    assert taken.ec == EC.FP_ACCESS
    _, taken = take(".word 0x1e602800", cpacr_el1=3 << 20)
    assert taken.ec == EC.UNKNOWN
    _, taken = take("ldr q0, [sp]", cpacr_el1=0, sp_el1=HOLE + 8)
    assert taken.ec == EC.FP_ACCESS


@pytest.mark.parametrize(("fpen", "el", "allowed"), [
    (0, 0, False), (0, 1, False), (1, 0, False), (1, 1, True), (2, 0, False), (2, 1, False), (3, 0, True), (3, 1, True),
])  # fmt: skip
def test_cpacr_fpen(fpen: int, el: int, allowed: bool) -> None:
    cpu = inside("ldr q0, [x8]", spsr=MODES[el], cpacr_el1=fpen << 20, x8=DATA)
    taken = cpu.step()
    assert (taken is None) == allowed


# --- interrupts -----------------------------------------------------------------------------------

HCR = {
    IRQ: (sysregs.HCR_VI, sysregs.HCR_IMO, MASK_I),
    FIQ: (sysregs.HCR_VF, sysregs.HCR_FMO, MASK_F),
    SERROR: (sysregs.HCR_VSE, sysregs.HCR_AMO, MASK_A),
}


@pytest.mark.parametrize("vector", HCR, ids=["IRQ", "FIQ", "SError"])
@pytest.mark.parametrize("el", [0, 1])
def test_virtual_interrupt_needs_its_routing_bit_and_an_open_mask(vector: int, el: int) -> None:
    pending, routed, mask = HCR[vector]
    for has_pending, has_routing, masked, tge in itertools.product((0, 1), repeat=4):
        if el and tge:
            continue
        hcr = has_pending * pending | has_routing * routed | tge * TGE
        spsr = MODES[el] | (DAIF if masked else DAIF & ~mask)
        cpu = inside("add x1, x1, #1", spsr=spsr, hcr=hcr, vsesr_el2=0x42)
        taken = cpu.step()
        if has_pending and has_routing and not masked and not tge:
            assert taken
            assert (taken.target_el, taken.vector) == (1, vector + (0x200 if el else 0x400))
            assert (taken.elr, taken.spsr, cpu.r[1]) == (CODE, spsr, 0)
            assert taken.esr == (esr(EC.SERROR, 0x42) if vector == SERROR else None)
        else:
            assert (taken, cpu.r[1]) == (None, 1)


def test_irq_and_fiq_stay_pending_and_serror_is_used_up() -> None:
    for vector, (pending, routed, _) in HCR.items():
        cpu = inside("nop", spsr=EL1, hcr=pending | routed)
        cpu.step()
        assert bool(cpu.sys.hcr_el2 & pending) == (vector != SERROR)


def test_interrupt_leaves_esr_alone() -> None:
    cpu = inside("nop", spsr=EL1, hcr=sysregs.HCR_VI | sysregs.HCR_IMO, esr_el1=0x77)
    cpu.step()
    assert cpu.sys.esr_el1 == 0x77


def test_isr_shows_what_is_pending() -> None:
    for bits in range(8):
        cpu = inside("mrs x1, isr_el1", hcr=bits << 6)
        assert cpu.step() is None
        assert cpu.r[1] == bits << 6


def test_unmasking_takes_the_interrupt_before_the_next_instruction() -> None:
    for source in ("msr daifclr, #2", "msr daif, xzr", "eret"):
        cpu = inside(
            source + "\n add x1, x1, #1",
            hcr=sysregs.HCR_VI | sysregs.HCR_IMO,
            spsr_el1=EL1,
            elr_el1=CODE + 4,
        )
        assert cpu.step() is None
        taken = cpu.step()
        assert taken
        assert (taken.vector, taken.elr, cpu.r[1]) == (0x280, CODE + 4, 0)


def test_illegal_state_and_interrupt_the_interrupt_is_taken_first() -> None:
    cpu = inside("nop", spsr=EL1, hcr=sysregs.HCR_VI | sysregs.HCR_IMO)
    cpu.pstate.il = 1
    taken = cpu.step()
    assert taken
    assert (taken.vector, taken.spsr & IL) == (0x280, IL)


# --- waiting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("el", [0, 1])
@pytest.mark.parametrize("pending", [sysregs.HCR_VI, sysregs.HCR_VF, sysregs.HCR_VSE])
def test_wfi_with_an_interrupt_pending_completes_even_if_masked(el: int, pending: int) -> None:
    cpu = inside("wfi\n nop", spsr=MODES[el] | DAIF, hcr=TWI | pending)
    assert cpu.step() is None
    assert cpu.pc == CODE + 4


def test_wfi_without_a_trap_completes_at_once() -> None:
    cpu = inside("wfi")
    assert cpu.step() is None


@pytest.mark.parametrize("event", ["sev", "sevl"])
def test_wfe_uses_the_event_register_up(event: str) -> None:
    cpu = inside(f"{event}\n wfe\n wfe", hcr=TWE)
    cpu.event_register = False
    assert cpu.step() is None
    assert cpu.step() is None
    taken = cpu.step()
    assert taken
    assert (taken.esr, taken.elr) == (esr(EC.WFX, WFX | 1), CODE + 8)


def test_choice_wfe_that_never_traps() -> None:
    cpu = inside("wfe", hcr=TWE, choices=Choices(wfe_traps=False))
    cpu.event_register = False
    assert cpu.step() is None


@pytest.mark.parametrize("traps", [True, False])
def test_choice_stepped_wfi(traps: bool) -> None:
    choices = Choices(stepped_wfi_traps=traps)
    cpu = inside("wfi\n nop", spsr=EL1 | 1 << 21, hcr=TWI, mdscr=1, tde=1, choices=choices)
    taken = cpu.step()
    assert taken
    assert taken.ec == (EC.WFX if traps else EC.SOFTWARE_STEP)
    assert taken.elr == (CODE if traps else CODE + 4)


def test_choice_fetch_before_step() -> None:
    for fetch_first in (False, True):
        cpu = boot(
            spsr=EL1, mdscr=1, tde=1, choices=Choices(fetch_before_step=fetch_first), elr_el2=HOLE
        )
        cpu.sys.elr_el2 = HOLE
        cpu.exception_return()
        taken = cpu.step()
        assert taken
        assert taken.ec == (EC.INSTRUCTION_ABORT if fetch_first else EC.SOFTWARE_STEP)


@pytest.mark.parametrize("step_first", [True, False])
def test_choice_completed_step_first(step_first: bool) -> None:
    """An interrupt that becomes possible by the stepped instruction itself, against that instruction's step."""
    cpu = inside(
        "msr daifclr, #2\n nop",
        spsr=EL1 | DAIF | 1 << 21,
        hcr=sysregs.HCR_VI | sysregs.HCR_IMO,
        mdscr=1,
        tde=1,
        choices=Choices(completed_step_first=step_first),
    )
    taken = cpu.run(10)
    assert taken
    assert taken.ec == EC.SOFTWARE_STEP
    assert (taken.elr, taken.esr) == (
        (CODE + 4, 0xCB00_0022) if step_first else (VECTORS + 0x280, 0xCA00_0022)
    )
