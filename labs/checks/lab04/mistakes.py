"""The check of `skip_instruction` in lab 04: which mistake a learner's function makes, in a sentence.

Invariant: the verdict comes from the scenario matrix; the sentence from what one call of the function changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from aarch64sim import assemble, kernels
from aarch64sim.kvm import GuestDebug, Vcpu
from aarch64sim.vmm import Machine

from checks.lab04.matrix import BTYPE_CALL, SCENARIOS, SS, STORE
from checks.lab04.scenarios import COMPARED, Skip, call_skip, first_failure
from checks.task import NotAnswered, Wrong, call


@dataclass(frozen=True)
class Effect:
    """What one call of a skip function does to a vCPU, besides the bits that were there."""

    moved: int  # bytes that the PC moved
    ss_from_1: int
    ss_from_0: int
    btype: int
    mdscr_ss: int
    pstate_lost: int  # other bits of PSTATE that changed
    others: tuple[str, ...]  # other registers that changed


def effect(skip: Skip) -> Effect:
    """Call `skip` on two vCPUs about to enter the guest, with SS = 1 and SS = 0, and see what it did."""
    found = []
    for ss in (1, 0):
        vcpu = Machine(assemble(STORE), kernels["fixed"]).vcpu
        vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
        vcpu.set_one_reg("pstate", 0x6000_03C5 | BTYPE_CALL)
        vcpu.set_one_reg("x1", 0x1234)
        vcpu.arm_step()
        vcpu.cpu.pstate.ss = ss
        before, pstate, pc = _seen(vcpu), vcpu.pstate, vcpu.pc
        call_skip(skip, vcpu)
        after = _seen(vcpu)
        found.append((vcpu, pstate, pc, [n for n, value in before.items() if after[n] != value]))
    vcpu, pstate, pc, others = found[0]
    kept = ~(SS | 3 << 10)
    return Effect(
        vcpu.pc - pc,
        vcpu.cpu.pstate.ss,
        found[1][0].cpu.pstate.ss,
        vcpu.cpu.pstate.btype,
        vcpu.cpu.sys.mdscr_el1 & 1,
        (vcpu.pstate ^ pstate) & kept,
        tuple(name for name in others if name != "mdscr_el1"),
    )


def _seen(vcpu: Vcpu) -> dict[str, int]:
    return {n: vcpu.get_one_reg(n) for n in COMPARED if n != "pstate"}


_PSTATE_NAMES = (
    ((0xF << 28), "the condition flags"),
    ((0xF << 6), "the interrupt masks"),
    (0x1F, "the Exception level"),
)


def _mistake(e: Effect) -> tuple[str, str]:
    """What the function does that it should not, or the other way round; and the misconception behind it."""
    if e.pstate_lost:
        lost = [name for bits_, name in _PSTATE_NAMES if e.pstate_lost & bits_]
        return (
            "Your function changes bits of PSTATE that belong to the guest"
            f" ({', '.join(lost) or hex(e.pstate_lost)}). Change only the bits that the end of an instruction changes.",
            "",
        )
    if not e.mdscr_ss:
        return (
            "Your function clears MDSCR_EL1.SS. That bit says whether anybody steps at all: without it the guest runs"
            " freely. That one step is spent is said by PSTATE.SS.",
            "mdscr-alone",
        )
    if e.moved == 0 and e.ss_from_1 == 0:
        return (
            "Your function clears SS, but does not move the PC: the debugger is notified of a stop, and the guest meets"
            " the same instruction again, and again.",
            "",
        )
    if e.moved == 0:
        return (
            "Your function does not move the PC: the guest meets the same instruction again, and again.",
            "",
        )
    if e.moved != 4:
        return (
            f"Your function moves the PC by {e.moved} bytes. An A64 instruction has 4, so"
            + (
                " an instruction is lost."
                if e.moved > 4
                else " the guest lands in the wrong place."
            ),
            "",
        )
    if e.ss_from_1 and e.ss_from_0:
        return (
            "Your function sets SS to 1. That grants one more instruction, which is what the bug did."
            " 0 does not mean that stepping is off: it says that the step is spent, stop before the next one.",
            "ss0-is-off",
        )
    if e.ss_from_1:
        return (
            "Your function moves the PC and leaves SS at 1, as Linux 4.3 did: the CPU believes that the step is still"
            " to be made. The end of an instruction is more than a new PC.",
            "skip-is-pc",
        )
    if e.btype:
        return (
            "Your function leaves PSTATE.BTYPE as it was. BTYPE says that the instruction at PC was reached by an"
            " indirect branch. After any instruction except such a branch it is 0; left over, it makes the next"
            " instruction fault in a page that is guarded by BTI.",
            "skip-is-pc",
        )
    if e.ss_from_0:
        return (
            "Your function turns SS around: where it was 0, it is 1 now, and grants an instruction that nobody asked"
            " for. Clear the bit, whatever it was.",
            "",
        )
    if e.others:
        return (
            f"Your function also changes {', '.join(e.others)}, which belongs to the guest.",
            "",
        )
    return "", ""


def skip_instruction(answer: Any) -> str:
    """The check of the task of that name."""
    if not callable(answer):
        call(answer)
    found = effect(answer)
    if found == _untouched():
        raise NotAnswered("skip_instruction changes nothing yet: move the PC, to begin with")
    failure = first_failure(answer)
    text, misconception = _mistake(found)
    if failure is not None and not text and not failure.scenario.host_steps:
        text = (
            "Your function looks at whether the host steps. SS counts for the guest's own stepping, too: clear it"
            " whoever steps."
        )
    if failure is not None:
        raise Wrong(
            f"{failure.sentence} {text}".strip(), misconception=misconception, evidence=failure
        )
    if text:
        raise Wrong(f"All scenarios are right, and yet: {text}", misconception=misconception)
    return (
        f"right: all {len(SCENARIOS)} scenarios step as they should. This is what Linux has done since 5.0, and"
        " in the place where it has done it since 5.11."
    )


@cache
def _untouched() -> Effect:
    return effect(lambda vcpu: None)
