"""A scenario made as small as it can be while something about it stays true.

Invariant: what comes out still has the property, and loses it with any one piece less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from aarch64sim.evidence.scenario import FINAL, LIMIT, Rule, Scenario, ScenarioError

MOST_TRIES = 400
Holds = Callable[[Scenario], bool]
Piece = TypeVar("Piece")


def shrink(scenario: Scenario, holds: Holds, tries: int = MOST_TRIES) -> Scenario:
    """The smallest found in this many tries; pieces are lines of the program, rules, actions and answers."""
    left = [tries]

    def still(candidate: Scenario) -> bool:
        if left[0] <= 0:
            return False
        left[0] -= 1
        try:
            return bool(candidate.words) and holds(candidate)
        except ScenarioError:  # a branch without its label, say
            return False

    while True:
        smaller = _once(scenario, still)
        if smaller == scenario:
            return scenario
        scenario = smaller


def _once(scenario: Scenario, holds: Holds) -> Scenario:
    """One round over every kind of piece."""
    plain = replace(scenario, limit=LIMIT, final=FINAL)
    scenario = plain if plain != scenario and holds(plain) else scenario
    for rebuild, pieces in (
        (lambda s, p: replace(s, rules=tuple(p)), scenario.rules),
        (lambda s, p: replace(s, start=tuple(p)), scenario.start),
        (lambda s, p: replace(s, source="".join(p)), scenario.source.splitlines(keepends=True)),
        (lambda s, p: replace(s, rules=_regrouped(p)), _single(scenario.rules)),
        (lambda s, p: replace(s, answers=tuple(p)), scenario.answers),
    ):  # fmt: skip
        build: Callable[[Scenario, Sequence[object]], Scenario] = rebuild
        current = scenario
        kept = without(pieces, lambda p, b=build, s=current: holds(b(s, p)))  # type: ignore[misc]
        if len(kept) < len(pieces):
            scenario = build(scenario, kept)
    return scenario


def without(pieces: Sequence[Piece], holds: Callable[[Sequence[Piece]], bool]) -> Sequence[Piece]:
    """As few of the pieces, in order, as it takes for `holds`: chunks go first, single ones last."""
    size = len(pieces)
    while size:
        at = 0
        while at < len(pieces):
            fewer = [*pieces[:at], *pieces[at + size :]]
            if holds(fewer):
                pieces = fewer
            else:
                at += size
        size //= 2
    return pieces


def _single(rules: Sequence[Rule]) -> list[Rule]:
    """One rule for each action."""
    return [replace(rule, actions=(action,)) for rule in rules for action in rule.actions]


def _regrouped(rules: Sequence[object]) -> tuple[Rule, ...]:
    """Neighbours with the same event, together again."""
    grouped: list[Rule] = []
    for rule in rules:
        assert isinstance(rule, Rule)
        if grouped and replace(grouped[-1], actions=()) == replace(rule, actions=()):
            grouped[-1] = replace(rule, actions=grouped[-1].actions + rule.actions)
        else:
            grouped.append(rule)
    return tuple(grouped)
