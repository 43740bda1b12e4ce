"""Tasks of lab 01 about the states of the step machine: where it steps, the state from the bits, the transitions.

Invariant: what is right is what the CPU model does, in every combination of the bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from typing import Any

from aarch64sim.arch import step
from aarch64sim.arch.step import StepState

from checks.lab01.bench import sweep
from checks.lab01.steps import _stepped
from checks.task import NotAnswered, Wrong, call, describe, entries

INACTIVE, NOT_PENDING, PENDING = STATES = tuple(map(str, StepState))


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


def check_possible(answer: Any) -> str:
    """The check of the task `possible`."""
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


def check_state(answer: Any) -> str:
    """The check of the task `state`."""
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


def check_transitions(answer: Any) -> str:
    """The check of the task `transitions`."""
    given = {
        (before, event): _state_name(value, f"The cell ({before}, {event})")
        for (before, event), value in entries(answer, TRANSITIONS, "table").items()
    }
    runs = 0
    for before, event, after, bits in sweep():
        if (before, event) not in given:
            continue
        runs += 1
        if given[before, event] != after:
            text, misconception = _WRONG_CELLS[before, event]
            shown = ", ".join(f"{name}={value}" for name, value in bits.items())
            raise Wrong(
                f"({before}, {event}): {text}",
                misconception=misconception,
                first=f"Your table and the CPU differ in {_cells_that_differ(given)}. Work out PSTATE.SS after each event.",
                evidence=f"case {runs} ({shown}): the CPU went from {before} to {after}",
            )
    return f"All {runs} cases, over every combination of the bits, went as your table says."
