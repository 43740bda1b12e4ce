"""Tasks of lab 09 that ask for one scenario against one mutant: what it overlooks when the mutant gets away.

Invariant: what is caught is found by running the mutant; a false alarm is reported before anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checks.lab09.mistakes import passes
from checks.lab09.mutants import BY_NAME, MUTANTS, Mutant
from checks.lab09.reading import EXPECTED, Scenario
from checks.lab09.scenario import Observed, differences, play
from checks.lab09.scoreboard import score
from checks.task import Wrong


def _escapes(scenario: Scenario, wanted: Mapping[str, Any], seen: Observed, mutant: Mutant) -> str:
    """Why a scenario does not catch a mutant: what differs and is not looked at; "" if nothing differs."""
    other = play(scenario, mutant)
    unseen = [kind for kind in EXPECTED if getattr(seen, kind) != getattr(other, kind)]
    if seen.end != other.end:
        unseen.append("end")
    if not unseen:
        return ""
    kind = unseen[0]
    looks = "looks at other registers" if kind in wanted else f"says nothing about {kind}"
    differs = (
        " and ".join(unseen) if len(unseen) < 3 else f"{', '.join(unseen[:-1])} and {unseen[-1]}"
    )
    return f"Something differs under the wrong hypervisor ({differs}), but your scenario {looks}."


@dataclass(frozen=True)
class Catch:
    """The check of a task that asks for one scenario against one mutant (or two)."""

    mutants: tuple[str, ...]
    advice: Any  # (scenario, what came of it on the correct hypervisor) -> (text, misconception)

    def __call__(self, answer: Any) -> str:
        if isinstance(answer, list | tuple) and len(answer) == 1:
            (answer,) = answer
        wanted, seen = passes(answer)
        for name in self.mutants:
            mutant = BY_NAME[name]
            if differences(wanted, play(answer, mutant)):
                continue
            text, misconception = self.advice(answer, seen)
            text = _escapes(answer, wanted, seen, mutant) or text
            raise Wrong(
                f"{answer.name!r} passes on the correct hypervisor, and on the wrong one, too ({mutant.title})."
                f" {text}",
                misconception=misconception,
            )
        others = len(MUTANTS) - len(score([answer]).survivors) - len(self.mutants)
        more = f" It catches {others} other mutants as well." if others > 1 else ""
        return f"right: it passes where it should, and fails where it should.{more}"


def advice_2014(scenario: Scenario, seen: Observed) -> tuple[str, str]:
    """Why no step can be late in this scenario."""
    if not scenario.steps:
        return "With steps=False nobody steps, and so nobody can be late.", ""
    if not seen.accesses:
        return (
            "No instruction of your program is emulated and skipped. An HVC, an SVC, an access to RAM are completed by"
            " the CPU itself.",
            "",
        )
    return "Something must be left to run after the access.", ""


def advice_lost(scenario: Scenario, seen: Observed) -> tuple[str, str]:
    """Why no access is completed twice in this scenario."""
    if scenario.at_mmio == "signal":
        return (
            "A pending signal makes exit_reason INTR, and what is no longer MMIO is not completed again. immediate_exit"
            " leaves it at MMIO.",
            "",
        )
    if scenario.at_mmio != "immediate_exit":
        return (
            "Nothing happens between KVM_EXIT_MMIO and the next entry. What can userspace do there that makes KVM_RUN"
            " complete an access and come back? See the table of at_mmio.",
            "mmio-is-done",
        )
    return "Which instruction is lost? Expect its effect.", ""


def advice_ghost(scenario: Scenario, seen: Observed) -> tuple[str, str]:
    """Why no page is filled in while this scenario is stepped."""
    if not scenario.steps:
        return "With steps=False nobody steps, and there are no stops to be spurious.", ""
    if len(seen.pages) <= 1 and seen.accesses:
        return (
            "A device is no memory: its access is emulated, and no page is filled in. You need RAM, for example at"
            " x21.",
            "",
        )
    if len(seen.pages) <= 1:
        return (
            "Your program touches no page but its own, and that one was filled in when the first instruction was"
            " fetched. x21 points to another.",
            "",
        )
    return "The page must be touched by a load or a store.", ""


def advice_isv(scenario: Scenario, seen: Observed) -> tuple[str, str]:
    """Why every access of this scenario can be emulated."""
    if len(seen.pages) > 1 and not seen.accesses:
        return (
            "Your access is to RAM. There the kernel fills a page in, and the CPU makes the access itself: nobody needs"
            " a syndrome. Use an address where there is no memory.",
            "",
        )
    return (
        "Each access of your program has a valid syndrome: one general register, no writeback. Think of LDP, of"
        " a post-index, of LDXR.",
        "all-emulated",
    )


def advice_view(scenario: Scenario, seen: Observed) -> tuple[str, str]:
    """Why this scenario does not show what userspace sees."""
    if not scenario.steps:
        return (
            "With steps=False the host sets no SS, so there is none to be shown.",
            "shows-host-ss",
        )
    if not seen.accesses:
        return "There is no KVM_EXIT_MMIO, so userspace has no occasion to look.", ""
    return "Look at pc and at pstate in at_exit.", ""
