"""Tasks of lab 01 about one step: where it stops, what an exception saves, and a kernel that steps itself.

Invariant: what is right is what the CPU model does when it is entered; no check holds a table of its own.
"""

from __future__ import annotations

from typing import Any

from checks.lab01.bench import CODE, Bench, saved_ss
from checks.task import NotAnswered, Wrong, bits, entries

BRANCH = "b there\nnop\nnop\nnop\nthere: add x1, x1, #1"
PROGRAM = "mov x0, #0x41\nadd x1, x1, #1\nadd x2, x2, #1"


def _stepped(spsr_ss: int, tde: int = 1) -> str:
    return repr(Bench(PROGRAM).enter(mdscr_ss=1, tde=tde, spsr_ss=spsr_ss))


# --- where it stops --------------------------------------------------------------------------------------------------


def check_stops(answer: Any) -> str:
    """The check of the task `stops`."""
    answer = entries(answer, (1, 0), "stops")
    wanted = {ss: Bench(BRANCH).enter(mdscr_ss=1, tde=1, spsr_ss=ss) for ss in (1, 0)}
    for ss, pair in answer.items():
        if isinstance(pair, tuple | list) and None in pair[:1]:
            raise NotAnswered(f"stops[{ss}] is still open: how many instructions run, and ELR_EL2?")
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong(f"stops[{ss}] should be a pair (instructions, address).")
        if pair[1] is None and pair[0] > 1 and ss == 0:
            raise Wrong(
                "The guest does stop. SS = 0 is not off: the CPU is active-pending right after the ERET.",
                misconception="ss0-is-off",
            )
        if pair[1] is None:
            raise NotAnswered(f"stops[{ss}] is still open: what is ELR_EL2 at the stop?")
        if not all(isinstance(part, int) for part in pair):
            raise Wrong(f"stops[{ss}] should be two numbers, such as (1, 0x40000000).")
    for ss in (1, 0):
        ran, elr = answer[ss]
        right = wanted[ss]
        if ran >= CODE:
            raise Wrong(
                f"stops[{ss}]: first how many instructions run, then the address in ELR_EL2."
            )
        shown = f"on the bench, SPSR_EL2.SS = {ss}: {'1 instruction' if right.ran else 'no instruction'} ran"
        if ran != right.ran and ss == 1:
            raise Wrong(
                "SS = 1 grants exactly one instruction: not none, and not two.", evidence=shown
            )
        if ran != right.ran and ran == 1:
            raise Wrong("With SS = 0 there is no permission left, not even for one.")
        if ran != right.ran:
            raise Wrong(
                "SS = 0 is not off. The CPU is active-pending right after the ERET, and stops before it runs anything.",
                misconception="ss0-is-off",
                evidence=shown,
            )
        assert right.taken
        if elr != right.taken.elr and ss == 1 and elr == CODE:
            raise Wrong(
                "The step exception does not report the instruction that was stepped. ELR_EL2 is the address to go on"
                " at: the instruction that has not run.",
                misconception="reports-stepped",
                evidence=shown,
            )
        if elr == CODE + 4 and ss == 1:
            raise Wrong(
                "The instruction that ran was a branch. ELR_EL2 is where the guest goes on, and that is not the next"
                " instruction in memory."
            )
        if elr != right.taken.elr:
            raise Wrong(
                f"stops[{ss}]: which instruction runs next, when the guest is entered again? ELR_EL2 is its address."
            )
    return "Right. ELR_EL2 is always the instruction that has not run yet, wherever it is."


# --- what an exception saves -----------------------------------------------------------------------------------------

_SAVED = ("abort", "undefined", "svc", "hvc", "irq")


def check_saved(answer: Any) -> str:
    """The check of the task `saved`."""
    answer = bits(answer, _SAVED, "saved")
    right = {kind: saved_ss(kind) for kind in _SAVED}
    wrong = [kind for kind in _SAVED if answer[kind] != right[kind]]
    first = (
        f"{len(_SAVED) - len(wrong)} of {len(_SAVED)} are right. Ask of each: when the handler returns, has the"
        " instruction yet to run?"
    )
    if not wrong:
        return "Right: 0 where the instruction has completed, 1 where it has still to run."
    if len(wrong) == len(_SAVED):
        raise Wrong(
            "All five the other way round. SS = 1 means that the one instruction is still owed."
        )
    if "abort" in wrong:
        raise Wrong(
            "An instruction that aborts has not run. The CPU saves SS = 1, so that the step is still owed when the"
            " guest comes back. (Whoever emulates the instruction must take the 1 away: that is the bug of 2014.)",
            misconception="abort-saves-0",
            first=first,
        )
    if "irq" in wrong:
        raise Wrong(
            "The interrupt came instead of the instruction, so nothing has run: the step is still owed.",
            misconception="interrupts-do-not-matter",
            first=first,
        )
    if "undefined" in wrong:
        raise Wrong(
            "An undefined instruction has done nothing and will be returned to: the step is owed.",
            first=first,
        )
    raise Wrong(
        f"{' and '.join(kind.upper() for kind in wrong)}: a call completes first, and then raises its exception; it"
        " returns to the next instruction. So its step is spent.",
        first=first,
    )


# --- a kernel that steps itself --------------------------------------------------------------------------------------

_SELF_BITS = ("mdscr_ss", "kde", "d", "spsr_d", "spsr_ss")


def check_self_step(answer: Any) -> str:
    """The check of the task `self_step`."""
    given = bits(answer, _SELF_BITS, "bits")
    outcome = Bench(PROGRAM, host=1).enter(**given)
    if outcome.stopped and outcome.ran == 1:
        return f"Right, and the CPU says so, too: {outcome}"
    if not given["mdscr_ss"]:
        text, misconception = (
            "MDSCR_EL1.SS is the switch. Without it the other bits mean nothing.",
            "",
        )
    elif not given["kde"]:
        text, misconception = (
            "MDSCR_EL1.SS alone does not step a kernel. At the debug target level itself KDE must be 1.",
            "mdscr-alone",
        )
    elif not given["d"]:
        text, misconception = (
            "With D = 0 stepping is possible where you stand, so you are stepped yourself: the exception comes before"
            " the ERET runs.",
            "",
        )
    elif given["spsr_d"]:
        text, misconception = (
            "SPSR_EL1.D becomes PSTATE.D at the ERET. With 1 the code to be stepped has debug exceptions masked.",
            "",
        )
    else:
        text, misconception = (
            "With SPSR_EL1.SS = 0 the ERET grants no instruction: you are back at once, forever.",
            "ss0-is-off",
        )
    raise Wrong(
        text,
        misconception=misconception,
        evidence=f"the bench says: {outcome}",
        first=f"Not exactly one instruction runs. The bench says: {outcome}",
    )
