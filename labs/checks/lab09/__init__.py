"""Checks of lab 09, break the hypervisor: a test must pass on the correct hypervisor, and fail on wrong ones.

Invariant: what is right is what `fixed` does, and what is caught is found by running the mutants; a false alarm is told
before anything else.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from widgets.course import program

from checks.lab09.catching import (
    Catch,
    advice_2014,
    advice_ghost,
    advice_isv,
    advice_lost,
    advice_view,
)
from checks.lab09.mistakes import passes
from checks.lab09.mutants import MUTANTS
from checks.lab09.reading import Scenario
from checks.lab09.scoreboard import Scoreboard, score, without_hints
from checks.task import Lab, NotAnswered, Task, Wrong, describe, expect_type

MOST_SCENARIOS = 30
FOR_HINTS = 6  # scenarios from which on the survivors come with hints


@cache
def sample() -> Scenario:
    """The scenario that the lab starts with: the program of all labs, and only what it prints and computes."""
    return Scenario("store.s", program("store"), uart="A", registers={"x1": 1, "x4": 1})


# --- the suite -------------------------------------------------------------------------------------------------------


def read_suite(answer: Any) -> list[Scenario]:
    """The scenarios of a suite; Wrong or NotAnswered if it is none."""
    if isinstance(answer, Scenario):
        raise Wrong("A suite is a list of scenarios, and this is one scenario: put it into [ ].")
    expect_type(answer, list | tuple, "a list of scenarios")
    if not answer:
        raise NotAnswered("The suite is empty: it passes everywhere, and catches nothing.")
    if len(answer) > MOST_SCENARIOS:
        raise Wrong(f"A suite has at most {MOST_SCENARIOS} scenarios, and this has {len(answer)}.")
    for entry in answer:
        if not isinstance(entry, Scenario):
            raise Wrong(
                f"A suite is a list of scenarios, and one of its entries is {describe(entry)}."
            )
    names = [str(scenario.name) for scenario in answer]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Wrong(
            f"Two scenarios have the name {twice[0]!r}: the scoreboard could not tell them apart."
        )
    return list(answer)


def _check_suite(answer: Any) -> str:
    suite = read_suite(answer)
    for scenario in suite:
        passes(scenario)
    board = score(suite)
    if suite == [sample()]:
        raise NotAnswered(f"Only the first scenario is there. {board.sentence}")
    survivors = board.survivors
    if survivors:
        caught = len(MUTANTS) - len(survivors)
        first = survivors[0]
        hint = f" Hint: {first.hint}." if len(suite) >= FOR_HINTS else ""
        raise Wrong(
            f"No false alarm, and {caught} of {len(MUTANTS)} mutants caught. This one survives: {first.title}.{hint}",
            first=f"No false alarm, and {caught} of {len(MUTANTS)} mutants caught. The scoreboard names the others.",
            evidence=board if hint else without_hints(board),
        )
    needed = _needed(board)
    spare = len(suite) - len(needed)
    praise = f" {len(needed)} of your {len(suite)} scenarios would do." if spare else ""
    return f"right: all {len(MUTANTS)} mutants are caught, and there is no false alarm.{praise}"


def _needed(board: Scoreboard) -> set[int]:
    """Few scenarios that catch all: those that alone catch a mutant, then the ones that catch most of the rest."""
    left, chosen = [set(by) for _, by in board.caught], set[int]()
    chosen |= {n for by in left if len(by) == 1 for n in by}
    while left := [by for by in left if not by & chosen]:
        counts = [sum(n in by for by in left) for n in range(len(board.names))]
        chosen.add(counts.index(max(counts)))
    return chosen


class Note(str):
    """A sentence in place of a figure."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def scoreboard(suite: Any, hints: bool = True) -> Scoreboard | Note:
    """The scoreboard of a suite; a sentence if it is none. Hints come with FOR_HINTS scenarios or more."""
    try:
        scenarios = read_suite(suite)
        found = score(scenarios)
        return found if hints and len(scenarios) >= FOR_HINTS else without_hints(found)
    except (Wrong, NotAnswered) as problem:
        return Note(f"No scoreboard yet: {problem.text}")


LAB = Lab(
    "09",
    [
        Task(
            "bug_of_2014",
            "Write a scenario that catches the bug of the thread.",
            Catch(("ss-kept",), advice_2014),
            (
                "The bug shows where the kernel completes an instruction in the CPU's place.",
                "A device access, something after it, and stops=[...]: one offset for each instruction that has run.",
                "A stop is at the instruction that has not run yet. After the first instruction that is 0x4.",
            ),
            "Any emulated instruction will do, if something follows it and if you expect the stops. Without stops the"
            " scenario cannot catch it: the bug changes nothing that the guest computes or sends. The guest is right;"
            " only the debugger is not notified.",
            ("mmio-is-done", "reports-stepped"),
        ),
        Task(
            "lost_instruction",
            "Write a scenario in which an instruction is lost if an access is completed twice.",
            Catch(("completed-twice",), advice_lost),
            (
                "Linux 5.0 asked exit_reason whether an access waits for its completion. Who else leaves it at MMIO?",
                "KVM_RUN with immediate_exit completes the access, enters nothing, and returns.",
                "Use that in at_mmio, and expect the effect of an add after the access in registers.",
            ),
            "KVM_RUN with immediate_exit completes the access and returns with EINTR. In Linux 5.0 exit_reason was"
            " still MMIO, so the next KVM_RUN completed the access once more, and moved the PC once more: over an"
            " instruction that nobody had run. A debugger is not needed for it; the registers tell. With a pending"
            " signal exit_reason becomes INTR, and nothing is lost.",
            ("mmio-is-done",),
        ),
        Task(
            "ghost_stop",
            "Write a scenario that catches a stop at which nothing has run.",
            Catch(("fault-is-a-step",), advice_ghost),
            (
                "The guest leaves to EL2 for more than emulation. When does the kernel only prepare something?",
                "The first access to a page of RAM faults. The page is filled in, and the instruction runs again.",
                "x21 points to a page that nobody has touched. Expect every stop once.",
            ),
            "A page fault is no step: nothing has run, so the step is still owed, and SS stays 1. Linux 4.15 to 4.20"
            " faked a stop after every exit that the kernel had handled, also after these. A list of stops that"
            " must match entry by entry catches a stop too many as well as one too few.",
        ),
        Task(
            "userspace_view",
            "Write one scenario that catches both: a PC that moves too early, and the host's SS in PSTATE.",
            Catch(("early-pc", "host-ss-shown"), advice_view),
            (
                "Christoffer Dall found the first one strange in 2014: what you see at the exit.",
                "At KVM_EXIT_MMIO the access is not done. And SS in PSTATE is the guest's own bit.",
                "at_exit takes both, pc and pstate. Which PSTATE did the guest start with?",
            ),
            "At KVM_EXIT_MMIO the instruction waits for its answer, so PC is its address. PSTATE is 0x3c5, as the guest"
            " set it: the SS with which the host steps is in SPSR_EL2 only while the guest runs. Both were wrong for"
            " years, and neither changes what the guest computes.",
            ("mmio-is-done", "shows-host-ss"),
        ),
        Task(
            "no_emulation",
            "Write a scenario whose access to a device must not be emulated.",
            Catch(("no-syndrome",), advice_isv),
            (
                "KVM decodes no instructions. It only knows what the syndrome says.",
                "ISV is 0 for pairs, for writeback, for exclusives, for atomics.",
                "Take one of those, and say how KVM_RUN must end. No access may reach a device.",
            ),
            "With ISV = 0 the syndrome gives neither size nor register. A kernel that uses those fields anyway"
            " makes an access that the guest has not asked for. The right answer is a KVM_RUN that fails, or, since"
            " 5.5, a question to userspace.",
            ("all-emulated",),
        ),
        Task(
            "suite",
            "Write a suite that passes on the correct hypervisor and catches all mutants.",
            _check_suite,
            (
                "Begin with the scenarios of your other tasks: [bug_of_2014, lost_instruction, ...].",
                "scoreboard(suite) gives a hint for each mutant that survives.",
                "One scenario with several loads and stores of different kinds, and accesses=[...], catches five.",
                'at_mmio has five actions. Each of "abort", "interrupt" and "stop_stepping" catches one that nothing'
                " else does.",
            ),
            "Eleven scenarios are enough, and many mutants need one of their own. Three habits find most. Expect"
            " everything that can be seen, not only the result. Let something happen in the middle of an access, not"
            " only before and after it. And for each bit that is shared by host and guest, ask both what they see.",
            (
                "interrupts-do-not-matter",
                "all-emulated",
                "ss0-is-off",
                "shows-host-ss",
                "mmio-is-done",
            ),
        ),
    ],
)
