"""Checks of lab 01, one step: the state from the bits, the path from state to state.

Invariant: what is right is what the CPU model does; no check holds a table of its own.
"""

from __future__ import annotations

from widgets.page.offered import Offer

from checks.lab01.bench import sweep
from checks.lab01.states import TRANSITIONS, check_possible, check_state, check_transitions
from checks.lab01.steps import check_saved, check_self_step, check_stops
from checks.task import Lab, Task

__all__ = ["LAB", "TRANSITIONS", "sweep"]

LAB = Lab(
    "01",
    [
        Task(
            "possible",
            "Write possible(el, target_el, kde, d, os_lock): whether debug exceptions are enabled at level el.",
            check_possible,
            (
                "Compare el with target_el first. There are three cases.",
                "Above the target: no. Below: yes. Only at the target itself do KDE and D count.",
                "The OS Lock comes before all of this.",
            ),
            "An exception is never taken to a lower level, so above the target the answer is no. Below it the answer is"
            " yes, and nothing that runs there can refuse: KDE and D are writable by the code that is being debugged."
            " Only at the target itself the debugger would step its own level, so two bits guard it: KDE permits it at"
            " all, PSTATE.D masks it for the moment. Every exception entry sets D, so a handler is safe from itself."
            " The OS Lock switches everything off.",
            ("mdscr-alone",),
            "return not os_lock and (el < target_el or (el == target_el and kde == 1 and d == 0))",
        ),
        Task(
            "state",
            "Write state(mdscr_ss, pstate_ss, possible_here): the name of the state.",
            check_state,
            (
                "Two of the three arguments only say whether there is stepping at all.",
                "If either MDSCR_EL1.SS is 0 or stepping is impossible here: inactive.",
                "What is left is PSTATE.SS. 1: the instruction is still to come. 0: it has been.",
            ),
            "The state is computed from the bits at every moment; the CPU stores it nowhere. MDSCR_EL1.SS and"
            ' "possible here" switch; PSTATE.SS only says how far the step is. This is Table D2-17 of the manual.',
            ("ss0-is-off", "mdscr-alone"),
            'if not (mdscr_ss and possible):\n    return "inactive"\n'
            'return "active-not-pending" if pstate_ss else "active-pending"',
        ),
        Task(
            "stops",
            "Give for SPSR_EL2.SS = 1 and = 0 how many instructions run, and ELR_EL2 at the stop.",
            check_stops,
            (
                "SS = 1: one instruction is granted. SS = 0: none.",
                "ELR_EL2 is where the guest will go on.",
            ),
            "SS = 1: the branch runs, and the exception is taken before the add at its target. SS = 0: nothing runs, and"
            " ELR_EL2 is where the guest was. A debugger that wants to show the instruction it has just stepped must remember where"
            " it was before: ELR_EL2 - 4 is wrong as soon as there is a branch.",
            ("reports-stepped", "ss0-is-off"),
            numeric=True,
        ),
        Task(
            "saved",
            "Give the bit SPSR_ELx.SS that each exception saves while one instruction is granted.",
            check_saved,
            (
                "Ask: when the handler returns, has the instruction still to run?",
                "A call returns to the instruction after it. An abort returns to the instruction that aborted.",
            ),
            "SS = 1 is saved where the step is still owed: after the abort and the undefined instruction (they return"
            " to the same instruction) and after the interrupt (it came first). SVC and HVC complete, spend the step,"
            " and then raise their exception: 0. A trapped instruction, one that the hypervisor refuses, belongs to"
            " the first group, also if it is an SMC.",
            ("abort-saves-0", "interrupts-do-not-matter"),
            numeric=True,
        ),
        Task(
            "self_step",
            "Give the five bits with which a kernel at EL1 steps its own code at EL1.",
            check_self_step,
            (
                "Stepping must be impossible where the ERET stands and possible where it goes to.",
                "The level is the same, so only D can make the difference: PSTATE.D before, SPSR_EL1.D after.",
                "And the ERET must grant one instruction.",
            ),
            "MDSCR_EL1.SS = 1 and KDE = 1 switch it on at the level itself. PSTATE.D = 1 where the ERET stands (the"
            " handler is not stepped), SPSR_EL1.D = 0 where it goes to, SPSR_EL1.SS = 1 for one instruction. Linux"
            " steps its own kernel code in this way under kgdb. Lab 07 does it in a guest.",
            ("mdscr-alone", "ss0-is-off"),
            numeric=True,
        ),
        Task(
            "transitions",
            "Fill the table: the state after each event.",
            check_transitions,
            (
                "Work out PSTATE.SS after the event, then use your function state().",
                "Completion sets SS to 0, and so does every exception entry. Only ERET can set it to 1.",
                "ERET copies SPSR.SS only from where stepping is impossible to where it is possible.",
            ),
            "Three rules make the whole table. An instruction that completes sets SS to 0. An exception entry sets SS"
            " to 0 (and D to 1). An ERET copies SPSR.SS if stepping is impossible where it stands and possible where"
            " it goes to, else it sets SS to 0. The state follows from the bits. So active-not-pending is entered by"
            " one edge only, and it grants exactly one instruction.",
            ("ss0-is-off", "interrupts-do-not-matter"),
        ),
    ],
    Offer(what_ifs=False, summaries=False),
)
