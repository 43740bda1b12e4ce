"""Tasks of lab 04, the skipped instruction.

Invariant: what is right is found by running the program in question, never by comparing with a stored answer.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aarch64sim.events import What
from widgets.course import program
from widgets.models.timeline import timeline
from widgets.page.offered import Offer

from checks.lab04.mistakes import skip_instruction
from checks.lab04.programs import CASES, program_of, stops_of, who_completes, without_a_device
from checks.lab04.runs import steps, stops
from checks.task import Lab, Task, Wrong, bits

__all__ = ["CASES", "LAB", "MOMENTS", "program_of", "stops"]

# --- follow_the_bit ------------------------------------------------------------------------------

MOMENTS = (
    "the first ERET",
    "saved by the abort",
    "after the skip",
    "the second ERET",
    "after the add",
)
_WRONG_BITS = {
    "the first ERET": (
        "the debugger has asked for one instruction, and SS = 1 grants it. With SS = 0 the guest would stop before"
        " the store: 0 does not mean that nothing is stepped",
        "ss0-is-off",
    ),
    "saved by the abort": (
        "the store was aborted, so it has not run. The step is still owed, and the CPU saves SS = 1."
        " Only the calls SVC and HVC, which complete before their exception, save 0",
        "abort-saves-0",
    ),
    "after the skip": (
        "4.3 moves the PC over the store and does nothing else. That SS stays 1 is the bug",
        "",
    ),
    "the second ERET": (
        "ERET copies the bit that is saved in SPSR_EL2, and nobody has cleared it since the abort saved it",
        "",
    ),
    "after the add": (
        "the add has really run, and an instruction that retires makes PSTATE.SS 0. That is why the CPU stops now",
        "",
    ),
}


@cache
def bits_under(kernel: str) -> dict[str, int]:
    """SS at the moments of the step over the store of store.s."""
    events = steps(program("store"), kernel)[1]
    columns = timeline(kernel, [(2, events)], lambda pc: "").columns
    named = [(c.event.what, int(c.ss)) for c in columns if c.event and c.ss]
    enters = [ss for what, ss in named if what is What.ENTER]
    last = dict(named)
    return dict(
        zip(
            MOMENTS,
            (
                enters[0],
                last[What.EXCEPTION],
                last[What.SKIP],
                enters[-1],
                last.get(What.RETIRE, 0),
            ),
            strict=True,
        )
    )


def _follow_the_bit(answer: Any) -> str:
    answer = bits(answer, MOMENTS, "bit")
    right = bits_under("v4.3")
    count = sum(answer[moment] == right[moment] for moment in MOMENTS)
    first = f"{count} of {len(MOMENTS)} are right. Go through the moments in order: who writes the bit, and what?"
    if answer == bits_under("fixed"):
        raise Wrong(
            "this is the path through the diagram that a correct kernel takes. The question is about 4.3: which of the"
            " five moments is the first that differs?"
        )
    for moment in MOMENTS:
        if answer[moment] != right[moment]:
            text, misconception = _WRONG_BITS[moment]
            raise Wrong(f"{moment}: {text}.", misconception=misconception, first=first)
    return "right: one bit, and at one moment somebody should have cleared it."


LAB = Lab(
    "04",
    [
        Task(
            "follow_the_bit",
            "Say what SS is at each of the five moments.",
            _follow_the_bit,
            hints=(
                "Follow the numbers in the diagram of the step under v4.3.",
                "An abort saves the bit as it was; ERET copies it back. Who writes it in between?",
                "Only an instruction that really runs makes it 0.",
            ),
            explanation=(
                "The debugger's step sets SS before the first ERET. The store is aborted before it has"
                " run, so the abort saves 1: the step is still owed. The kernel moves the PC and leaves the bit, so the"
                " second ERET grants one more instruction. The add uses it up: only then is SS 0, and the CPU stops."
            ),
            misconceptions=("abort-saves-0", "ss0-is-off"),
            code="bit = dict(zip(bit, (1, 1, 1, 1, 0), strict=True))",
            numeric=True,
        ),
        Task(
            "without_a_device",
            "Write a program that loses a stop under v4.3 and touches no device except the one that ends it.",
            without_a_device,
            hints=(
                "You need an instruction that is trapped to EL2 and emulated in the kernel.",
                "KVM emulates firmware calls, and the debug registers of a guest.",
                "Try smc #0 with 0x84000000 in w0, or msr mdscr_el1, x0. Something must follow it.",
            ),
            explanation=(
                "The bug is not about devices. Whatever the kernel emulates and then skips leaves SS at 1: an SMC, an"
                " access to a trapped system register, a WFI. HVC and SVC are none of these, since the CPU completes"
                " them; nor is a first access to RAM, which the CPU runs again."
            ),
        ),
        Task(
            "stops_of",
            "Write stops_of(kinds): where 4.3 stops in a program of ordinary instructions (a) and accesses (m).",
            stops_of,
            hints=(
                "Measure first: stops(program_of('mma')).",
                "After which instructions does a stop come, and after which does it never come?",
                "A stop needs an instruction that retires. Does an access ever retire?",
            ),
            explanation=(
                "A step exception comes when the CPU has run an instruction with SS = 1. An access never retires: it"
                " is aborted, with the step owed before and, because of the bug, still owed after. So there is a stop"
                " after every a and after no m."
            ),
            code="return [n + 1 for n, kind in enumerate(kinds) if kind == 'a']",
            misconceptions=("reports-stepped", "skip-is-pc", "mmio-is-done"),
        ),
        Task(
            "who_completes",
            'Say for each instruction who completes it: "CPU" or "kernel".',
            who_completes,
            hints=(
                "Which of them leave the guest, and with which return address: their own, or the next one?",
                "An instruction that is trapped has not run. An instruction that is executed has.",
                "Put it into a StepLab under fixed, and look for 'PC += 4' in the timeline.",
            ),
            explanation=(
                "The kernel completes what it emulates: the store to the UART, the read of the ID register, the SMC"
                " (it is trapped before it runs). The CPU completes the HVC and the SVC, which are executed, and the"
                " store to RAM, which is run again after the page was filled in. A kernel that clears SS for one of"
                " these, or moves the PC, makes a new bug."
            ),
        ),
        Task(
            "skip_instruction",
            "Write skip_instruction(vcpu): complete the emulated instruction at vcpu.pc for the CPU.",
            skip_instruction,
            hints=(
                "First make the plain case right: where does the guest go on?",
                "What does the CPU do to PSTATE when an instruction retires under stepping? See advance_ss above.",
                "PSTATE.SS is bit 21. There is one more field that every instruction but an indirect branch clears.",
                "BTYPE is bits 11:10 of PSTATE: vcpu.pstate &= ~(3 << 10).",
            ),
            explanation=(
                "PC += 4, SS := 0, BTYPE := 0. That is kvm_skip_instr in arch/arm64/kvm/hyp/include/hyp/adjust_pc.h."
                " Whoever completes an instruction on behalf of the CPU must do all that its completion does, and"
                " nothing else: the flags, the masks, the level and MDSCR_EL1 belong to others."
            ),
            misconceptions=("skip-is-pc", "ss0-is-off", "mdscr-alone"),
            code="vcpu.pc += 4\nvcpu.pstate &= ~(1 << 21)\nvcpu.pstate &= ~(3 << 10)",
        ),
    ],
    Offer(what_ifs=False, summaries=False),
)
