"""Each choice of the CPU shows where the manual and QEMU 7.2, or two CPUs, do something else.

Invariant: a choice is off in one run and on in the other, and nothing else differs between them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from aarch64sim.arch import sysregs
from aarch64sim.arch.choices import ARCHITECTURE, QEMU, Choices
from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.pstate import PAN
from aarch64sim.arch.syndrome import EC, FSC
from tests.arch.bench import CODE, DAIF, DATA, EL0, EL1, HOLE, IL, MDE, SS, boot, esr, inside

BREAKPOINT = {"dbgbcr0_el1": 0xF << 5 | 3 << 1 | 1}
Scene = Callable[[Choices], Any]


def _first(cpu: Cpu) -> Any:
    """The class of the exception that the next instruction takes; None if it completes."""
    taken = cpu.step()
    return taken.ec if taken else None


def _after_svc(choices: Choices) -> int:
    cpu = inside("svc #0", spsr=EL1 | DAIF | 0xF << 28, choices=choices)
    cpu.step()
    return cpu.pstate.to_spsr() >> 28


def _at(pc: int, choices: Choices, **values: Any) -> Any:
    cpu = boot(choices=choices, **values)
    cpu.sys.elr_el2 = pc
    cpu.exception_return()
    return _first(cpu)


def _illegal_at_breakpoint(choices: Choices) -> Any:
    values = BREAKPOINT | {"dbgbvr0_el1": CODE}
    return _at(CODE, choices, spsr=EL1 | DAIF | IL, tde=1, mdscr=MDE, **values)


def _breakpoint_at_el0(choices: Choices) -> int:
    values = BREAKPOINT | {"dbgbvr0_el1": CODE, "far_el1": 0x111}
    cpu = inside("nop", spsr=EL0, mdscr=MDE, choices=choices, **values)
    assert _first(cpu) == EC.BREAKPOINT
    return cpu.sys.far_el1


def _breakpoint_in_a_hole(choices: Choices) -> Any:
    return _at(HOLE, choices, tde=1, mdscr=MDE, **BREAKPOINT, dbgbvr0_el1=HOLE)


def _daif_at_el0(choices: Choices) -> int | None:
    taken = inside("msr daifset, #2", spsr=EL0, choices=choices).step()
    return taken.esr if taken else None


def _one(source: str, **values: Any) -> Scene:
    return lambda choices: _first(inside(source, choices=choices, **values))


def _pan_after_an_illegal_return(choices: Choices) -> int:
    """PSTATE.PAN is 0, SPSR_EL1.PAN is 1, and its mode is no mode."""
    cpu = inside("eret", spsr=EL1 | DAIF, spsr_el1=PAN | DAIF | 0b0111, choices=choices)
    cpu.step()
    assert cpu.pstate.il
    return cpu.pstate.pan


def _masking_step(choices: Choices) -> Any:
    """A guest that steps itself masks debug exceptions with the instruction that is stepped."""
    own = {"mdscr": sysregs.MDSCR_SS | sysregs.MDSCR_KDE, "spsr": EL1 | SS}
    return _first(inside("msr daifset, #8", choices=choices, **own))


def _pmselr(choices: Choices) -> Any:
    return _one("mrs x0, pmselr_el0", spsr=EL0, mdcr_el2=sysregs.MDCR_TPM, pmuserenr_el0=0xF)(
        choices
    )


def _beside_a_watchpoint(choices: Choices) -> Any:
    """Loads of three bytes beside the watched ones, whose aligned word holds a watched one."""
    own = {"mdscr": sysregs.MDSCR_MDE | sysregs.MDSCR_KDE, "spsr": EL1}
    point = {"dbgwvr0_el1": DATA + 8, "dbgwcr0_el1": 0x1 << 5 | 0x1F}  # the byte at DATA + 8
    return _first(inside("ldr w1, [x8]", x8=DATA + 9, choices=choices, **own, **point))


def _in_a_context(choices: Choices) -> Any:
    """A breakpoint that matches the context alone, whatever the PC (DBGBCR.BT 0b0010)."""
    point = {"dbgbcr5_el1": 2 << 20 | BREAKPOINT["dbgbcr0_el1"], "dbgbvr5_el1": 0x77}
    return _first(inside("nop", spsr=EL0, mdscr=MDE, choices=choices, contextidr_el1=0x77, **point))


def _exclusive_over_a_store(choices: Choices) -> int:
    source = "ldxr x1, [x8]\n add x1, x1, #1\n str x1, [x8]\n stxr w3, x1, [x8]"
    cpu = inside(source, choices=choices, x8=DATA)
    for _ in range(4):
        cpu.step()
    return cpu.r[3]


ALIGNMENT = esr(EC.DATA_ABORT_SAME, FSC.ALIGNMENT)

SCENES: dict[str, tuple[Scene, Any, Any]] = {  # what it shows when off, and when on
    "illegal_state_last": (_illegal_at_breakpoint, EC.ILLEGAL_STATE, EC.BREAKPOINT),
    "unaligned_device_faults": (_one("ldr x1, [x8]", x8=DATA + 1), None, EC.DATA_ABORT_SAME),
    "entry_clears_flags": (_after_svc, 0xF, 0),
    "fetch_before_alignment": (
        lambda choices: _at(HOLE + 2, choices),
        EC.PC_ALIGNMENT,
        EC.INSTRUCTION_ABORT,
    ),
    "sp_alignment_checked": (_one("ldr x1, [sp]", sp_el1=DATA + 8), None, EC.SP_ALIGNMENT),
    "ldapr_alignment_checked": (_one("ldapr x1, [x8]", x8=DATA + 1), None, EC.DATA_ABORT_SAME),
    "implementation_defined_traps": (
        _one("mrs x0, s3_0_c15_c2_0", hcr=sysregs.HCR_TIDCP),
        EC.UNKNOWN,
        EC.SYSTEM,
    ),
    "illegal_return_keeps_fields": (_pan_after_an_illegal_return, 1, 0),
    "completed_step_first": (_masking_step, None, EC.SOFTWARE_STEP_SAME),
    "daif_fields_swapped": (_daif_at_el0, 0x620C_D3E4, 0x6207_93E4),
    "breakpoint_clears_far": (_breakpoint_at_el0, 0x111, 0),
    "breakpoint_before_fetch": (_breakpoint_in_a_hole, EC.INSTRUCTION_ABORT, EC.BREAKPOINT),
    "unaligned_watched_exactly": (_beside_a_watchpoint, EC.WATCHPOINT + 1, None),
    "all_context_breakpoints": (_in_a_context, None, EC.BREAKPOINT),
    "all_debug_registers": (_one("mrs x0, dbgauthstatus_el1"), EC.UNKNOWN, None),
    "exclusive_by_value": (_exclusive_over_a_store, 0, 1),
    "error_records": (_one("mrs x0, erxfr_el1"), EC.UNKNOWN, None),
    "granted_pmu_traps": (_pmselr, None, EC.SYSTEM),
}
ELSEWHERE = {  # test_exceptions and test_claims
    "interrupt_before_step",
    "fetch_before_step",
    "stepped_wfi_traps",
    "wfe_traps",
}


@pytest.mark.parametrize("name", SCENES)
def test_a_choice_shows_in_its_scene(name: str) -> None:
    scene, off, on = SCENES[name]
    assert scene(dataclasses.replace(ARCHITECTURE, **{name: False})) == off
    assert scene(dataclasses.replace(ARCHITECTURE, **{name: True})) == on


def test_every_choice_has_a_scene() -> None:
    assert {field.name for field in dataclasses.fields(Choices)} == SCENES.keys() | ELSEWHERE


def test_mdccint_does_nothing_in_qemu() -> None:
    for choices, kept in ((ARCHITECTURE, 0x80), (QEMU, 5)):
        cpu = inside("msr mdccint_el1, x1\n mrs x0, mdccint_el1", x0=5, x1=0x80, choices=choices)
        assert (cpu.step(), cpu.step(), cpu.r[0]) == (None, None, kept)


def test_the_cpu_of_qemu_has_one_implementation_defined_register() -> None:
    for choices, expected in ((ARCHITECTURE, EC.SYSTEM), (QEMU, None)):
        assert _one("mrs x0, s3_1_c15_c3_0", hcr=sysregs.HCR_TIDCP)(choices) == expected
        assert _one("msr s3_1_c15_c3_0, x0", hcr=sysregs.HCR_TIDCP)(choices) is not None


def test_zeroing_a_block_of_device_memory_faults_however_it_is_aligned() -> None:
    for choices, expected in ((ARCHITECTURE, None), (Choices(unaligned_device_faults=True), True)):
        taken = inside("dc zva, x8", x8=DATA, choices=choices).step()
        assert (taken and taken.esr == ALIGNMENT | 1 << 6) == expected


def test_a_step_that_is_pending_comes_before_the_alignment_of_pc_in_qemu_too() -> None:
    assert _at(CODE + 2, QEMU, spsr=EL1 | DAIF, tde=1, mdscr=1) == EC.SOFTWARE_STEP
    assert _at(HOLE + 2, QEMU, spsr=EL1 | DAIF, tde=1, mdscr=1) == EC.INSTRUCTION_ABORT
    assert _at(CODE + 2, QEMU, spsr=EL1 | DAIF | SS, tde=1, mdscr=1) == EC.PC_ALIGNMENT
