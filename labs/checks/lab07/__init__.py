"""Checks of lab 07, the guest steps itself: grant a step, answer it, and see whose SS is whose.

Invariant: what is right is what a guest does when it runs; no check holds a table of its own.
"""

from __future__ import annotations

from checks.lab07.handlers import check_entry, check_finish, check_skip
from checks.lab07.predictions import LOGS, SITUATIONS, check_logs, check_release, check_whose_ss
from checks.task import Lab, Task

__all__ = ["LAB", "LOGS", "SITUATIONS"]


LAB = Lab(
    "07",
    [
        Task(
            "entry",
            "Write the lines with which a guest kernel stops its user before the first instruction, and steps it.",
            check_entry,
            hints=(
                "Two registers: MDSCR_EL1 for the switch, SPSR_EL1 for what the ERET makes of PSTATE.",
                "SPSR_EL1 for a user: EL0 is 0 in bits 3:0, 0x3c0 masks D, A, I and F, SS is bit 21 (0x200000).",
                "In which state is the machine when stepping is on and PSTATE.SS is 0?",
            ),
            explanation="MDSCR_EL1.SS = 1 is the switch. SPSR_EL1 = 0x3c0 sends the user to EL0 with SS = 0: no"
            " instruction is granted, so the machine is active-pending, and the handler is called with 0x40000100 and ISV"
            " = 0. From then on it grants one at a time. A debugger does so to show a program at its entry. KDE is not"
            " needed: the user is below the debug target level. Nor is an ISB, since the ERET synchronises.",
            code="    mov   x0, #1\n    msr   mdscr_el1, x0\n    mov   x0, #0x3c0\n    msr   spsr_el1, x0",
            misconceptions=("mdscr-alone", "ss0-is-off"),
        ),
        Task(
            "finish",
            "Write the end of the stop handler: step until the store is done, then let the user run.",
            check_finish,
            hints=(
                "x10 counts the stops, this one included; x12 is ELR_EL1.",
                "To step: set SPSR_EL1.SS and ERET. What is it, if you leave it as it was saved?",
                "To let go, use the switch: msr mdscr_el1, xzr.",
            ),
            explanation="The stop came from active-pending, so SPSR_EL1.SS is 0. To grant one more, set it. To let go,"
            " clear the switch, MDSCR_EL1.SS; an ERET with SS = 0 and the switch on stops at the same place forever."
            " ELR_EL1 stays as it is: the instruction at it has not run.",
            code="    cmp   x10, #2\n    b.ge  free\n    mrs   x13, spsr_el1\n    orr   x13, x13, #0x200000\n"
            "    msr   spsr_el1, x13\n    eret\nfree:\n    msr   mdscr_el1, xzr\n    eret",
            misconceptions=("ss0-is-off", "reports-stepped"),
        ),
        Task(
            "logs",
            "Give the addresses in the handler's log under v4.3, under v5.3, and while the host steps.",
            check_logs,
            hints=(
                "The first stop is before the second instruction, at 0x40000104.",
                "Who clears SS under 4.3 when the store is skipped? Who sets it again under 5.3, and for whom?",
                "With MDCR_EL2.TDE = 1, where do Software Step exceptions go?",
            ),
            explanation="Under 4.3 the store's skip leaves SS = 1, and the guest is entered with it: the add runs"
            " along, and 0x40000108 is missing. Under 5.3 the skip clears SS, nobody arms (nobody steps on the host),"
            " and the stop is there. While the host steps, TDE sends every stop to EL2: the log is empty, whatever the"
            " kernel.",
            numeric=True,
            misconceptions=("reports-stepped",),
        ),
        Task(
            "whose_ss",
            "Give PSTATE.SS as GET_ONE_REG shows it at KVM_EXIT_MMIO, in three situations.",
            check_whose_ss,
            hints=(
                "The abort of a store saves SS as it is: the store has not run.",
                "While the host steps, what does the guest's ERET do to its own SS? See lab 01: where stepping is"
                " enabled already, an ERET cannot set it.",
                "34fbdee086cf (6.1) keeps the guest's SS apart. What did older kernels show?",
            ),
            explanation="Guest alone: 1, its own step is owed. Host steps, fixed: 0. The guest's ERET could not set SS,"
            " because TDE enables stepping at EL1 already, and the host's 1 is put away before userspace looks. Host"
            " steps, 5.3: 1, and it is the host's, left in the guest's PSTATE by mistake until 6.1.",
            numeric=True,
            misconceptions=("shows-host-ss", "abort-saves-0"),
        ),
        Task(
            "release",
            "The host lets go of a guest that has just granted its user an instruction: what does its handler get?",
            check_release,
            hints=(
                "What did the guest's ERET make of SPSR_EL1.SS = 1, while TDE was set?",
                "So PSTATE.SS is 0, MDSCR_EL1.SS is the guest's 1, and TDE is gone. Which state is that?",
                "active-pending: before any instruction.",
            ),
            explanation="The ERET from EL1 to EL0 was executed under TDE, so stepping was enabled where it stood, and"
            " it set PSTATE.SS to 0. When the host lets go, the guest's own MDSCR_EL1.SS = 1 counts again:"
            " active-pending."
            " The handler is called with 0x40000100 and ISV = 0, and nothing has run. The guest's step was lost. KVM does"
            " not try to give it back, and real kernels do the same.",
            numeric=True,
            misconceptions=("ss0-is-off",),
        ),
        Task(
            "skip",
            "Write the end of the guest's emulation of UDF, so that its own stepping stays right.",
            check_skip,
            hints=(
                "The kernel completes an instruction for the CPU. What does the CPU do at that moment?",
                "ELR_EL1 += 4, and the step of this instruction is spent.",
                "`resume` sets SS again. Return to the user yourself, with SS = 0 in SPSR_EL1.",
            ),
            explanation="The undefined instruction has not run, so SPSR_EL1.SS is 1: the step is owed. The kernel"
            " completes the instruction, so it must move ELR_EL1 and clear SPSR_EL1.SS, and nobody may set the"
            " bit after that. Linux had this bug in its own emulation of user instructions until 2017 (6436beeee572).",
            code="    mrs   x12, elr_el1\n    add   x12, x12, #4\n    msr   elr_el1, x12\n    mrs   x13, spsr_el1\n"
            "    and   x13, x13, #0xffffffffffdfffff\n    msr   spsr_el1, x13\n    eret",
            misconceptions=("clear-anywhere", "skip-is-pc"),
        ),
    ],
)
