"""The simulator against Arm's text: every combination of what a rule in `rules` asks for.

Invariant: `make test` walks through one of so many combinations, `make fuzz` through all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from aarch64sim.arch.choices import QEMU, Choices
from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.exceptions import Synchronous, Taken
from aarch64sim.arch.pstate import PState
from aarch64sim.arch.syndrome import EC
from aarch64sim.asm import assemble
from tests.arch import rules
from tests.arch.bench import CODE, DATA, HOLE, HOST_VECTORS, ROM, VECTORS, boot, poke
from tests.arch.rules import DAIF, EL0T, EL1H, EL1T, EL2H, IL, LEVEL, OPEN, SS

B = (0, 1)
WORDS = {
    text: assemble(text).segments[0].data
    for text in (
        *("nop", "svc #5", "hvc #5", "smc #5", "brk #5", "udf #0", "ldr x1, [x8]", "str x1, [x8]"),
        *("ldtr x1, [x8]", "sttr x1, [x8]", "ldxr x1, [x8]", "ldp x1, x2, [x8]", "stp x1, x2, [x8]"),
        *("ldadd x2, x1, [x8]", "swp x2, x1, [x8]", "cas x2, x1, [x8]", "prfm pldl1keep, [x8]"),
    )
}  # fmt: skip

# A slice for `make test`, of so many combinations one; and all of them.
slices = pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.fuzz)])


def walk(whole: bool, one_of: int, *domains: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """All combinations, or one of so many: a prime, so that every domain goes through its values."""
    return itertools.islice(itertools.product(*domains), 0, None, 1 if whole else one_of)


def machine(**options: Any) -> Cpu:
    return boot(**options)


def put(cpu: Cpu, text: str) -> None:
    poke(cpu, CODE, WORDS[text])


def control(
    cpu: Cpu, *, tde: int = 0, tge: int = 0, mdscr: int = 0, oslk: int = 0, hcr: int = 0
) -> None:
    cpu.sys.mdcr_el2, cpu.sys.hcr_el2 = tde << 8, 1 << 31 | tge << 27 | hcr
    cpu.sys.mdscr_el1 = mdscr
    cpu.set_os_lock(oslk)
    cpu.memory.forget_caches()


def stand(cpu: Cpu, pstate: int, pc: int = CODE) -> None:
    cpu.set_pstate(pstate)
    cpu.pc, cpu.stepped = pc, False


def execute(cpu: Cpu, text: str, pstate: int, address: int = DATA) -> Taken | None:
    put(cpu, text)
    stand(cpu, pstate)
    cpu.r[8] = address
    return cpu.step()


# --- software step ---


@slices
def test_one_instruction_in_every_state_of_the_step_machine(whole: bool) -> None:
    cpu = machine()
    modes = (EL0T, EL1H, EL2H)
    for mode, tde, tge, kde, oslk, dlk, ss, pss, d in walk(whole, 1, modes, *[B] * 8):
        if LEVEL[mode] == 1 and tge:
            continue
        control(cpu, tde=tde, tge=tge, mdscr=ss | kde << 13, oslk=oslk)
        cpu.sys.osdlr_el1 = dlk
        pstate = mode | pss << 21 | d << 9
        stand(cpu, pstate)
        target = rules.debug_target(tde, tge)
        enabled = rules.debug_enabled(LEVEL[mode], d, target=target, kde=kde, locks=oslk | dlk)
        state = rules.step(ss, pstate, enabled)
        where = (hex(pstate), tde, tge, kde, oslk, dlk, ss)
        assert str(cpu.step_state()) == state, where
        taken = cpu.step()
        if state == "inactive":
            assert (taken, cpu.pc) == (None, CODE + 4), where
            assert cpu.pstate.to_spsr() == rules.after_instruction(ss, pstate), where
            continue
        assert taken, where
        stepped = state == "active-not-pending"
        same = target == LEVEL[mode]
        syndrome = (0x33 if same else 0x32) << 26 | 1 << 25 | stepped << 24 | 0x22
        saved = pstate & ~SS
        assert (taken.target_el, taken.esr) == (target, syndrome), where
        assert (taken.elr, taken.spsr) == (CODE + 4 * stepped, saved), where


@slices
def test_exception_return_from_every_state_to_every_mode(whole: bool) -> None:
    cpu = machine()
    domains = ((EL1H, EL2H), range(32), *[B] * 6, range(8), *[B] * 4)
    for mode, m, tde, tge, kde, d, oslk, ss, bits, sil, sss, sd, pan in walk(whole, 37, *domains):
        if mode == EL1H and tge:
            continue
        control(cpu, tde=tde, tge=tge, mdscr=ss | kde << 13, oslk=oslk)
        spare = (bits & 1) << 31 | (bits >> 1 & 1) * (rules.UAO | rules.DIT)
        spare |= (bits >> 2) * (rules.SSBS | rules.BTYPE | rules.FIQ)
        spsr = m | sil << 20 | sss << 21 | sd << 9 | pan << 22 | spare
        pstate = mode | d << 9
        stand(cpu, pstate)
        cpu.sys.set(f"spsr_el{LEVEL[mode]}", spsr)
        cpu.sys.set(f"elr_el{LEVEL[mode]}", DATA)
        cpu.monitor = (1, 8, 0)
        cpu.exception_return()
        want, known = rules.after_return(
            pstate,
            spsr,
            tge=tge,
            mdscr_ss=ss,
            target=rules.debug_target(tde, tge),
            kde=kde,
            locks=oslk,
        )
        where = (hex(spsr), hex(pstate), tde, tge, kde, oslk, ss)
        assert cpu.pstate.to_spsr() & known == want & known, where
        assert (cpu.pc, cpu.monitor) == (DATA, None), where


# --- exception entry ---

ENTRIES = {  # instruction: modes, level at least, EC, ISS, completes before, HCR_EL2
    "svc #5": ((EL0T, EL1T, EL1H), 1, 0x15, 5, 1, 0),
    "hvc #5": ((EL1T, EL1H), 2, 0x16, 5, 1, 0),
    "smc #5": ((EL1T, EL1H), 2, 0x17, 5, 0, 1 << 19),
    "brk #5": ((EL0T, EL1T, EL1H), 1, 0x3C, 5, 0, 0),
    "udf #0": ((EL0T, EL1T, EL1H), 1, 0x00, 0, 0, 0),
    "str x1, [x8]": ((EL0T, EL1T, EL1H), 2, 0x24, 0x1C1_804F, 0, 0),
    "nop": ((EL0T, EL1T, EL1H), 1, None, 0, 0, 1 << 7 | 1 << 4),  # a virtual IRQ
}


@slices
@pytest.mark.parametrize("text", ENTRIES)
def test_exception_entry_with_every_bit_of_pstate(text: str, whole: bool) -> None:
    modes, least, ec, iss, call, hcr = ENTRIES[text]
    cpu = machine()
    put(cpu, text)
    domains = (modes, B, B, B, B, B, range(16), range(4), *[B] * 6)
    for mode, tde, tge, ss, span, dssbs, daif, btype, n, dit, uao, pan, pss, ssbs in walk(
        whole, 173, *domains
    ):
        if tge and (LEVEL[mode] == 1 or ec is None):
            continue
        control(cpu, tde=tde, tge=tge, mdscr=ss, hcr=hcr)
        cpu.sys.sctlr_el1 = 0xC5_0078 & ~(1 << 23) | span << 23 | dssbs << 44
        cpu.sys.set("sctlr_el2", dssbs << 44)
        pstate = mode | n * 0xA << 28 | dit << 24 | uao << 23 | pan << 22 | pss << 21
        pstate |= ssbs << 12 | btype << 10 | daif << 6
        if ec is None and pstate & rules.IRQ:
            continue
        debug = rules.debug_target(tde, tge)
        enabled = rules.debug_enabled(LEVEL[mode], pstate & rules.D, target=debug, kde=0, locks=0)
        if rules.step(ss, pstate, enabled) == "active-pending" and ec is not None:
            continue
        stand(cpu, pstate)
        cpu.r[8] = ROM + 8
        taken = cpu.step()
        where = (text, hex(pstate), (tde, tge, ss, span, dssbs))
        target = max(least, 2 if ec == EC.BRK and debug == 2 else 1, 2 if tge else 1)
        saved, new = rules.after_entry(
            pstate, target, span=span, dssbs=dssbs, call=call, mdscr_ss=ss
        )
        assert taken, where
        offset = rules.vector(pstate, target) + (0x80 if ec is None else 0)
        assert (taken.target_el, taken.spsr, taken.vector) == (target, saved, offset), where
        assert taken.elr == CODE + 4 * call, where
        assert taken.esr == (None if ec is None else ec << 26 | 1 << 25 | iss), where
        assert cpu.pstate.to_spsr() == new, where
        assert cpu.pc == (HOST_VECTORS if target == 2 else VECTORS) + offset, where


@pytest.mark.parametrize("low", [1, 0x80, 0x400, 0x7FF])
def test_the_low_bits_of_vbar_are_no_part_of_the_vector(low: int) -> None:
    cpu = machine()
    control(cpu)
    cpu.sys.vbar_el1 = VECTORS | low
    execute(cpu, "svc #5", EL0T)
    assert cpu.pc == VECTORS + 0x400


@slices
def test_which_virtual_interrupt_is_taken(whole: bool) -> None:
    cpu = machine()
    for vf, vi, vse, masks, mode, tge in walk(whole, 1, B, B, B, range(16), (EL0T, EL1H), B):
        if tge and mode == EL1H:
            continue
        control(cpu, tge=tge, hcr=vf << 6 | vi << 7 | vse << 8 | 0b111 << 3)
        taken = execute(cpu, "nop", mode | masks << 6)
        want = rules.virtual_interrupt(mode | masks << 6, tge=tge, vf=vf, vi=vi, vse=vse)
        assert (taken.vector & 0x180 if taken else None) == want, (vf, vi, vse, masks, mode, tge)


# --- the order before an instruction ---

CLASSES = {
    None: "interrupt", EC.SOFTWARE_STEP: "step", EC.PC_ALIGNMENT: "alignment", EC.UNKNOWN: "undefined",
    EC.INSTRUCTION_ABORT: "abort", EC.BREAKPOINT: "breakpoint", EC.ILLEGAL_STATE: "illegal", EC.BRK: "brk",
}  # fmt: skip


@pytest.mark.parametrize("choices", [Choices(), Choices(illegal_state_last=True)])
def test_what_comes_first_before_an_instruction(choices: Choices) -> None:
    names = ("interrupt", "step", "alignment", "abort", "breakpoint", "illegal", "brk", "undefined")
    for bits, mode in itertools.product(itertools.product(B, repeat=8), (EL0T, EL1H)):
        present = {name for name, bit in zip(names, bits, strict=True) if bit}
        if present >= {"brk", "undefined"} or present >= {"abort", "breakpoint", "alignment"}:
            continue
        cpu = machine(choices=choices)
        put(cpu, "brk #5" if "brk" in present else "udf #0" if "undefined" in present else "nop")
        pc = (HOLE if "abort" in present else CODE) + 2 * ("alignment" in present)
        mdscr = ("step" in present) | ("breakpoint" in present) << 15
        control(cpu, tde=1, mdscr=mdscr, hcr=1 << 4 | ("interrupt" in present) << 7)
        cpu.sys.set("dbgbvr0_el1", pc & ~3)
        cpu.sys.set("dbgbcr0_el1", 0x1E7)
        stand(cpu, mode | ("illegal" in present) * IL, pc)
        taken = cpu.step()
        there = present - ({"brk", "undefined"} if present & {"abort", "alignment"} else set())
        want = rules.first(there, illegal_last=choices.illegal_state_last)
        got = CLASSES[EC(taken.ec) if taken.ec is not None else None] if taken else None
        assert got == want, (present, mode)


def test_qemu_differs_from_the_order_only_by_its_choices() -> None:
    for step, alignment, abort in itertools.product(B, repeat=3):
        cpu = machine(choices=QEMU)
        control(cpu, tde=1, mdscr=step)
        stand(cpu, EL1H, (HOLE if abort else CODE) + 2 * alignment)
        taken = cpu.step()
        want = "abort" if abort else "step" if step else "alignment" if alignment else None
        assert (CLASSES[EC(taken.ec)] if taken else None) == want  # type: ignore[arg-type]


# --- watchpoints ---


def _access(cpu: Cpu, address: int, size: int, store: int) -> Synchronous | None:
    try:
        cpu.store(address, size, 0, 0) if store else cpu.load(address, size, 0)
    except Synchronous as exception:
        return exception
    return None


@slices
def test_a_watchpoint_watches_its_bytes_and_no_other(whole: bool) -> None:
    cpu = machine()
    control(cpu, tde=1, mdscr=1 << 15)
    stand(cpu, EL1H)
    base, sizes = DATA + 0x40, (1, 2, 4, 8, 16)
    for bas, low, lsc, offset, size, store in walk(
        whole, 61, range(256), (0, 4), (1, 2, 3), range(-16, 25), sizes, B
    ):
        value, wcr, address = base + low, bas << 5 | lsc << 3 | 3 << 1 | 1, base + offset
        cpu.sys.set("dbgwvr1_el1", value)
        cpu.sys.set("dbgwcr1_el1", wcr)
        hit = _access(cpu, address, size, store)
        want = rules.watchpoint(value, wcr, address, size, load=not store, store=bool(store), el=1)
        where = (hex(value), hex(wcr), hex(address), size, store)
        assert want is OPEN or (hit is not None) == want, where
        if hit and want:
            meeting = [
                b for b in range(address, address + size) if b in (rules.watched(value, wcr) or ())
            ]
            assert (hit.ec, hit.iss) == (EC.WATCHPOINT, 0x22 | store << 6), where
            assert rules.in_its_block(hit.far or 0, address, meeting), where


@slices
def test_a_watchpoint_of_a_range_watches_it_all(whole: bool) -> None:
    cpu = machine()
    control(cpu, tde=1, mdscr=1 << 15)
    stand(cpu, EL1H)
    for mask, bas, size, store, distance in walk(
        whole, 5, range(14), (0xFF, 0x0F), (1, 8), B, range(-9, 26)
    ):
        value = DATA >> mask << mask
        wcr = mask << 24 | bas << 5 | 3 << 3 | 3 << 1 | 1
        cpu.sys.set("dbgwvr1_el1", value)
        cpu.sys.set("dbgwcr1_el1", wcr)
        for address in (value + distance, value + (1 << mask) + distance):
            if not DATA <= address < DATA + 0x3F00:
                continue
            hit = _access(cpu, address, size, store)
            want = rules.watchpoint(
                value, wcr, address, size, load=not store, store=bool(store), el=1
            )
            where = (hex(value), hex(wcr), hex(address), size)
            assert want is OPEN or (hit is not None) == want, where
            if hit and want:
                bytes_ = rules.watched(value, wcr) or ()
                meeting = [b for b in range(address, address + size) if b in bytes_]
                assert rules.in_its_block(hit.far or 0, address, meeting), where


@slices
def test_a_watchpoint_sees_the_levels_that_its_fields_name(whole: bool) -> None:
    cpu = machine()
    control(cpu, tde=1, mdscr=1 << 15)
    accesses = ("ldr x1, [x8]", "str x1, [x8]", "ldtr x1, [x8]", "sttr x1, [x8]")
    for e, lsc, pac, hmc, ssc, el, uao, text in walk(
        whole, 3, B, range(4), range(4), B, range(4), B, B, accesses
    ):
        wcr = ssc << 14 | hmc << 13 | 0xFF << 5 | lsc << 3 | pac << 1 | e
        cpu.sys.set("dbgwvr1_el1", DATA)
        cpu.sys.set("dbgwcr1_el1", wcr)
        taken = execute(cpu, text, (EL1H if el else EL0T) | uao << 23)
        level = 0 if "t" in text[2:4] and not uao else el
        load = text.startswith("ld")
        want = rules.watchpoint(DATA, wcr, DATA, 8, load=load, store=not load, el=level)
        assert want is OPEN or (taken is not None) == want, (text, hex(wcr), el, uao)


SEEN_AS = {  # load, store, bytes
    "ldxr x1, [x8]": (1, 0, 8), "ldp x1, x2, [x8]": (1, 0, 16), "stp x1, x2, [x8]": (0, 1, 16),
    "ldadd x2, x1, [x8]": (1, 1, 8), "swp x2, x1, [x8]": (1, 1, 8), "cas x2, x1, [x8]": (1, 1, 8),
    "prfm pldl1keep, [x8]": (0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("text", SEEN_AS)
def test_which_accesses_an_instruction_makes(text: str) -> None:
    load, store, size = SEEN_AS[text]
    cpu = machine()
    control(cpu, tde=1, mdscr=1 << 15)
    for lsc, offset, compares in itertools.product((1, 2, 3), (-8, 0, 8, 16), B):
        wcr = 0xFF << 5 | lsc << 3 | 3 << 1 | 1
        cpu.sys.set("dbgwvr1_el1", DATA + 0x40 + offset)
        cpu.sys.set("dbgwcr1_el1", wcr)
        poke(cpu, DATA + 0x40, bytes(16))
        cpu.r[2] = 1 - compares  # the comparison of CAS succeeds, or not
        taken = execute(cpu, text, EL1H, DATA + 0x40)
        want = rules.watchpoint(
            DATA + 0x40 + offset, wcr, DATA + 0x40, size, load=bool(load), store=bool(store), el=1
        )
        assert (taken is not None) == want, (hex(wcr), offset, compares)
        if taken and taken.esr is not None:  # a load that matches comes first
            assert taken.esr >> 6 & 1 == (0 if lsc & 1 and load else 1)


@pytest.mark.parametrize("text", ["ldadd x2, x1, [x8]", "swp x2, x1, [x8]", "cas x2, x1, [x8]"])
@pytest.mark.parametrize("held", [0, 1])
def test_an_atomic_needs_a_page_that_may_be_written(text: str, held: int) -> None:
    cpu = machine()
    control(cpu)
    cpu.r[2] = held
    taken = execute(cpu, text, EL1H, ROM)
    assert taken
    assert (taken.ec, (taken.esr or 0) & 0x7F) == (EC.DATA_ABORT, 0x4F)


# --- breakpoints ---


@slices
def test_breakpoints_by_address_context_and_link(whole: bool) -> None:
    cpu = machine()
    control(cpu, tde=1, mdscr=1 << 15)
    now = {rules.CONTEXT1: 7, rules.CONTEXT2: 9, rules.VMID: 3}
    cpu.sys.set("contextidr_el1", 7)
    cpu.sys.set("contextidr_el2", 9)
    cpu.sys.set("vttbr_el2", 3 << 48)
    put(cpu, "nop")
    values = (7, 7 | 9 << 32, 7 | 3 << 32, 8, CODE, CODE + 4)
    for n, kind, lbn, linked, on, value, other, pmc, el in walk(
        whole, 1009, (0, 4, 5), range(16), range(6), range(16), B, values, values[:4], (1, 2, 3), B
    ):
        registers = [(0, 0)] * 6
        registers[lbn] = (linked << 20 | 0x1E6 | on, other)
        registers[n] = (kind << 20 | lbn << 16 | 0xF << 5 | pmc << 1 | 1, value)
        for k, (bcr, bvr) in enumerate(registers):
            cpu.sys.set(f"dbgbcr{k}_el1", bcr)
            cpu.sys.set(f"dbgbvr{k}_el1", bvr)
        stand(cpu, EL1H if el else EL0T)
        taken = cpu.step()
        answers = [rules.breakpoint(k, registers, CODE, el, now) for k in range(6)]
        want = True if True in answers else OPEN if OPEN in answers else False
        assert want is OPEN or (taken is not None) == want, (
            [(hex(a), hex(b)) for a, b in registers],
            el,
        )


@slices
def test_a_linked_watchpoint_needs_its_context(whole: bool) -> None:
    cpu = machine()
    control(cpu, tde=1, mdscr=1 << 15)
    now = {rules.CONTEXT1: 7, rules.CONTEXT2: 0, rules.VMID: 0}
    cpu.sys.set("contextidr_el1", 7)
    cpu.sys.set("dbgwvr1_el1", DATA)
    for lbn, kind, value, on in walk(whole, 1, range(6), range(16), (7, 8, 7 | 1 << 32), B):
        registers = [(0, 0)] * 6
        registers[lbn] = (kind << 20 | 0x1E6 | on, value)
        for k, (bcr, bvr) in enumerate(registers):
            cpu.sys.set(f"dbgbcr{k}_el1", bcr)
            cpu.sys.set(f"dbgbvr{k}_el1", bvr)
        cpu.sys.set("dbgwcr1_el1", 1 << 20 | lbn << 16 | 0xFF << 5 | 3 << 3 | 3 << 1 | 1)
        if any(rules.breakpoint(k, registers, CODE, 1, now) is not False for k in range(6)):
            continue  # it fires by itself
        want = rules.linked(lbn, registers, now)
        taken = execute(cpu, "ldr x1, [x8]", EL1H)
        assert want is OPEN or (taken is not None) == want, (lbn, kind, hex(value), on)


def test_an_spsr_image_keeps_every_field_that_the_rules_know() -> None:
    for bit in (1 << n for n in range(32)):
        image = EL1H | bit if bit & rules.FIELDS & ~0b1101 else EL1H
        assert PState.from_spsr(image).to_spsr() == image
    assert DAIF == 0x3C0
