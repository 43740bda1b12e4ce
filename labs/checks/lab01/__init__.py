"""Checks of lab 01, one step: the state from the bits, the path from state to state.

Invariant: what is right is what the CPU model does; no check holds a table of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from aarch64sim.arch import step
from aarch64sim.arch.step import StepState
from widgets.page.offered import Offer

from checks.lab01.bench import CODE, Bench, saved_ss, sweep
from checks.task import Lab, NotAnswered, Task, Wrong, call, describe, expect_type

INACTIVE, NOT_PENDING, PENDING = STATES = tuple(map(str, StepState))
BRANCH = "b there\nnop\nnop\nnop\nthere: add x1, x1, #1"
PROGRAM = "mov x0, #0x41\nadd x1, x1, #1\nadd x2, x2, #1"


# --- where stepping is possible --------------------------------------------------------------------------------------

# The first of these rows on which an answer fails says what was overlooked: (rows, wrong answer there) -> text.
_ENABLED_ROWS: tuple[tuple[Callable[[dict[str, int]], object], str, str], ...] = (
    (
        lambda b: b["el"] < b["target_el"] and not b["os_lock"] and (b["d"] or not b["kde"]),
        "Below the debug target level KDE and D do not count, so stepping is possible: a guest cannot mask its host's"
        " debugger.",
        "",
    ),
    (
        lambda b: b["el"] < b["target_el"] and not b["os_lock"],
        "Below the debug target level stepping is possible, whatever KDE and D say.",
        "",
    ),
    (
        lambda b: b["el"] > b["target_el"],
        "No exception is ever taken to a lower level, so above the debug target level stepping is impossible.",
        "",
    ),
    (
        lambda b: b["os_lock"],
        "The OS Lock switches debug exceptions off everywhere, at every level.",
        "",
    ),
    (
        lambda b: not b["kde"],
        "At the debug target level itself KDE must be 1: without it a kernel cannot step itself, whatever else is set.",
        "mdscr-alone",
    ),
    (
        lambda b: b["d"],
        "At the debug target level itself PSTATE.D = 1 masks debug exceptions, as PSTATE.I masks interrupts.",
        "",
    ),
    (
        lambda b: True,
        "At the debug target level itself stepping is possible with KDE = 1 and PSTATE.D = 0. D masks, KDE permits.",
        "",
    ),
)


def _check_possible(answer: Any) -> str:
    cases: list[tuple[dict[str, int], bool]] = []
    for el, target_el, kde, d, os_lock in product((0, 1, 2), (1, 2), (0, 1), (0, 1), (0, 1)):
        bits = {"el": el, "target_el": target_el, "kde": kde, "d": d, "os_lock": os_lock}
        given = call(answer, *bits.values())
        if given is None:
            raise NotAnswered("possible() returns nothing yet: let it return True or False.")
        if given not in (True, False):
            raise Wrong(f"possible() should return True or False, not {describe(given)}.")
        if bool(given) != step.debug_exceptions_enabled(**bits):
            cases.append((bits, bool(given)))
    for rows, text, misconception in _ENABLED_ROWS:
        for bits, given in cases:
            if rows(bits):
                shown = ", ".join(f"{name}={value}" for name, value in bits.items())
                evidence = f"possible({shown}) returned {given}"
                raise Wrong(text, misconception=misconception, evidence=evidence)
    return "Your function agrees with the CPU on all 48 combinations."


# --- the state -------------------------------------------------------------------------------------------------------


def _state_name(value: Any, where: str) -> str:
    name = re.sub(r"[ _]+", "-", str(value).strip().lower())
    if name not in STATES:
        raise Wrong(f"{where} gives {describe(value)}; the states are {', '.join(STATES)}.")
    return name


def _check_state(answer: Any) -> str:
    given = {}
    for bits in product((0, 1), (0, 1), (True, False)):
        value = call(answer, *bits)
        if value is None:
            raise NotAnswered("state() returns nothing yet: let it return the name of a state.")
        given[bits] = _state_name(value, f"state({', '.join(map(str, bits))})")
    pending, granted = given[1, 0, True], given[1, 1, True]
    if (pending, granted) == (NOT_PENDING, PENDING):
        raise Wrong(
            "The two active states are exchanged. SS = 1 is the permission for one instruction, so no stop is pending"
            " yet; SS = 0 says that the permission is used up."
        )
    if pending == INACTIVE:
        raise Wrong(
            "SS = 0 does not switch stepping off: it says that the step has already been spent, so the CPU stops"
            " before the next instruction. Only MDSCR_EL1.SS switches off.",
            misconception="ss0-is-off",
            evidence=f"MDSCR_EL1.SS = 1, SPSR_EL2.SS = 0: {_stepped(spsr_ss=0)}",
        )
    if pending != PENDING:
        raise Wrong("With PSTATE.SS = 0 the one instruction has been spent: what is due now?")
    if granted != NOT_PENDING:
        raise Wrong(
            "With PSTATE.SS = 1 one instruction may still run. Which state has room for an instruction?",
            evidence=f"MDSCR_EL1.SS = 1, SPSR_EL2.SS = 1: {_stepped(spsr_ss=1)}",
        )
    if any(given[1, ss, False] != INACTIVE for ss in (0, 1)):
        raise Wrong(
            "MDSCR_EL1.SS alone starts nothing. Where debug exceptions are disabled the machine is inactive.",
            misconception="mdscr-alone",
            evidence=f"MDSCR_EL1.SS = 1 at EL1, target EL1, KDE = 0: {_stepped(spsr_ss=1, tde=0)}",
        )
    if any(given[0, ss, possible] != INACTIVE for ss in (0, 1) for possible in (True, False)):
        raise Wrong(
            "PSTATE.SS says how far a step is, not whether there is one. Without MDSCR_EL1.SS the machine is inactive."
        )
    return "Your function agrees with the CPU on all 8 combinations. There is nothing else that it depends on."


def _stepped(spsr_ss: int, tde: int = 1) -> str:
    return repr(Bench(PROGRAM).enter(mdscr_ss=1, tde=tde, spsr_ss=spsr_ss))


# --- where it stops --------------------------------------------------------------------------------------------------


def _check_stops(answer: Any) -> str:
    expect_type(answer, Mapping, "a dictionary with the keys 1 and 0")
    wanted = {ss: Bench(BRANCH).enter(mdscr_ss=1, tde=1, spsr_ss=ss) for ss in (1, 0)}
    for ss in (1, 0):
        pair = answer.get(ss)
        if pair is None or (isinstance(pair, tuple | list) and None in pair[:1]):
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

_SAVED = {
    "abort": "a load that aborts",
    "undefined": "an undefined instruction",
    "svc": "SVC",
    "hvc": "HVC",
    "irq": "an interrupt before the instruction",
}


def _check_saved(answer: Any) -> str:
    expect_type(answer, Mapping, f"a dictionary with the keys {', '.join(_SAVED)}")
    for kind, words in _SAVED.items():
        if answer.get(kind) is None:
            raise NotAnswered(f"saved[{kind!r}] is still open: what does {words} save?")
        if answer[kind] not in (0, 1):
            raise Wrong(f"saved[{kind!r}] is a bit: 0 or 1, not {describe(answer[kind])}.")
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


def _check_self_step(answer: Any) -> str:
    expect_type(answer, Mapping, f"a dictionary with the keys {', '.join(_SELF_BITS)}")
    for name in _SELF_BITS:
        if answer.get(name) is None:
            raise NotAnswered(f"bits[{name!r}] is still open: 0 or 1.")
        if answer[name] not in (0, 1):
            raise Wrong(f"bits[{name!r}] is a bit: 0 or 1, not {describe(answer[name])}.")
    unknown = sorted(set(answer) - set(_SELF_BITS))
    if unknown:
        raise Wrong(f"This task has no bit {unknown[0]!r}; it has {', '.join(_SELF_BITS)}.")
    bits = {name: int(answer[name]) for name in _SELF_BITS}
    bench = Bench(PROGRAM, host=1)
    outcome = bench.enter(**bits)
    if outcome.stopped and outcome.ran == 1:
        return f"Right, and the CPU says so, too: {outcome}"
    if not bits["mdscr_ss"]:
        text, misconception = (
            "MDSCR_EL1.SS is the switch. Without it the other bits mean nothing.",
            "",
        )
    elif not bits["kde"]:
        text, misconception = (
            "MDSCR_EL1.SS alone does not step a kernel. At the debug target level itself KDE must be 1.",
            "mdscr-alone",
        )
    elif not bits["d"]:
        text, misconception = (
            "With D = 0 stepping is possible where you stand, so you are stepped yourself: the exception comes before"
            " the ERET runs.",
            "",
        )
    elif bits["spsr_d"]:
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
        first=f"not exactly one instruction runs. The bench says: {outcome}",
    )


# --- the transition table --------------------------------------------------------------------------------------------

_WRONG_CELLS = {
    (
        INACTIVE,
        "ERET to where stepping is possible, SPSR.SS = 1",
    ): ("SPSR.SS = 1 grants one instruction: that is how every step begins.", ""),
    (
        INACTIVE,
        "ERET to where stepping is possible, SPSR.SS = 0",
    ): (
        "An ERET with SPSR.SS = 0 leads to active-pending: the CPU stops before it runs anything. It does not switch"
        " stepping off.",
        "ss0-is-off",
    ),
    (
        INACTIVE,
        "an instruction retires",
    ): ("Where the machine is inactive, instructions come and go and nothing changes.", ""),
    (
        NOT_PENDING,
        "an instruction retires",
    ): ("The one instruction has retired: PSTATE.SS becomes 0. Which state has SS = 0?", ""),
    (
        NOT_PENDING,
        "an exception to where stepping is impossible",
    ): ("Where stepping is impossible the machine is inactive, whatever SS says.", ""),
    (
        NOT_PENDING,
        "an exception to where stepping is possible",
    ): (
        "Every exception entry sets PSTATE.SS to 0. Where stepping is possible that is active-pending: the debugger"
        " stops at the first instruction of the handler.",
        "",
    ),
    (
        NOT_PENDING,
        "ERET to where stepping is possible, SPSR.SS = 1",
    ): (
        "An ERET copies SPSR.SS only if stepping is impossible where it stands. Here it was possible, so SS becomes 0:"
        " a stepped ERET is a step like any other.",
        "",
    ),
    (
        PENDING,
        "the CPU goes for the next instruction",
    ): (
        "The Software Step exception comes instead of the instruction, and leads to where stepping is impossible:"
        " its handler is not stepped.",
        "",
    ),
    (
        PENDING,
        "an interrupt to where stepping is possible",
    ): (
        "An interrupt may be taken before the pending stop. PSTATE.SS is 0 before and after: the stop is still"
        " pending, now at the interrupt's vector.",
        "interrupts-do-not-matter",
    ),
}
TRANSITIONS = tuple(_WRONG_CELLS)


def _cells_that_differ(given: dict[tuple[str, str], str]) -> str:
    differ = {(b, e) for b, e, after, _ in sweep() if (b, e) in given and given[b, e] != after}
    return f"{len(differ)} of {len(TRANSITIONS)} cells"


def _check_transitions(answer: Any) -> str:
    expect_type(answer, Mapping, "a dictionary from (state, event) to a state")
    given = {}
    for before, event in TRANSITIONS:
        value = answer.get((before, event))
        if value is None:
            raise NotAnswered(f"the cell ({before}, {event}) is still empty.")
        given[before, event] = _state_name(value, f"the cell ({before}, {event})")
    runs = 0
    for before, event, after, bits in sweep():
        if (before, event) not in given:
            continue
        runs += 1
        if given[before, event] != after:
            text, misconception = _WRONG_CELLS[before, event]
            shown = ", ".join(f"{name}={value}" for name, value in bits.items())
            raise Wrong(
                f"{before}, {event}: {text}",
                misconception=misconception,
                first=f"your table and the CPU differ in {_cells_that_differ(given)}. Work out PSTATE.SS after each event.",
                evidence=f"case {runs} ({shown}): the CPU went from {before} to {after}",
            )
    return f"All {runs} cases, over every combination of the bits, went as your table says."


LAB = Lab(
    "01",
    [
        Task(
            "possible",
            "Write possible(el, target_el, kde, d, os_lock): whether debug exceptions are enabled at level el.",
            _check_possible,
            "possible is None: write the function.",
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
            _check_state,
            "state is None: write the function.",
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
            _check_stops,
            "stops is None: give the dictionary.",
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
            _check_saved,
            "saved is None: give the dictionary.",
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
            _check_self_step,
            "bits is None: give the dictionary.",
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
            _check_transitions,
            "the table is None: fill its cells.",
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
