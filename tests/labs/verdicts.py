"""Tests that every lab has: what a check says to a wrong answer, and to one that is not there yet.

Invariant: a lab gives its answers and nothing else; what a verdict must hold is written here once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

Wrong = tuple[str, Any, str, str]  # task, answer, words of the verdict, misconception
Open = tuple[str, Any]  # task, answer


def told_their_mistakes(lab: Any, wrong: Sequence[Wrong]) -> Callable[..., None]:
    """The test that each of these answers to the tasks of `lab` is wrong, and why."""

    @pytest.mark.parametrize(
        ("task", "answer", "text", "misconception"), wrong, ids=[f"{w[0]}-{w[2]}" for w in wrong]
    )
    def test(task: str, answer: Any, text: str, misconception: str) -> None:
        verdict = lab.check(task, answer)
        assert verdict.state == "wrong", verdict.text
        assert text in verdict.text
        assert verdict.misconception == misconception, verdict.text

    return test


def told_what_is_missing(lab: Any, unanswered: Sequence[Open]) -> Callable[..., None]:
    """The test that each of these is no answer yet, and that something is said about it."""

    @pytest.mark.parametrize(("task", "answer"), unanswered)
    def test(task: str, answer: Any) -> None:
        verdict = lab.check(task, answer)
        assert verdict.state == "open", verdict.text
        assert verdict.text

    return test
