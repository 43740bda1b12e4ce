"""The exercise framework: any answer gets a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from checks.task import MISCONCEPTIONS, Lab, NotAnswered, Task, Wrong, call, expect_type


def _double(answer: Any) -> str:
    if call(answer, 21) != 42:
        raise Wrong("that is not twice as much", misconception="skip-is-pc")
    return "twice as much"


def _number(answer: Any) -> str:
    expect_type(answer, int, "a number")
    if answer == 0:
        raise NotAnswered("0 is what the stub says")
    return "a number"


LAB = Lab(
    "99",
    [
        Task("double", "Write double(n).", _double, "write double(n)", ("a", "b"), "n + n"),
        Task("number", "Say a number.", _number, "say a number", ("c",), "any"),
    ],
)


def _loop(n: int) -> int:
    while True:
        n += 1


def _raise(n: int) -> int:
    raise KeyError(n)


@pytest.mark.parametrize(
    ("answer", "state", "text"),
    [
        (lambda n: n * 2, "right", "twice"),
        (lambda n: n + n, "right", "twice"),
        (lambda n: n, "wrong", "not twice"),
        (lambda: 42, "wrong", "raised TypeError"),
        (_loop, "wrong", "did not end"),
        (_raise, "wrong", "raised KeyError"),
        (7, "wrong", "asks for a function, and this is the int 7"),
        (None, "open", "write double"),
    ],
)
def test_any_answer_gets_a_sentence(answer: Any, state: str, text: str) -> None:
    verdict = LAB.check("double", answer)
    assert verdict.state == state
    assert text in verdict.text


def test_an_answer_that_breaks_the_check_is_wrong_in_a_sentence() -> None:
    class Hostile:
        def __call__(self, n: int) -> Any:
            return self

        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError("no")

        def __ne__(self, other: object) -> bool:
            raise ZeroDivisionError("no")

        __hash__ = None  # type: ignore[assignment]

    verdict = LAB.check("double", Hostile())
    assert verdict.state == "wrong"
    assert "could not read this answer" in verdict.text


def test_what_an_answer_prints_is_swallowed(capsys: pytest.CaptureFixture[str]) -> None:
    LAB.check("double", lambda n: print("noise") or 42)
    assert capsys.readouterr().out == ""


def test_arguments_are_copies() -> None:
    shared = [1]
    call(lambda items: items.append(2), shared)
    assert shared == [1]


def test_a_bool_is_no_number() -> None:
    assert "asks for a number, and this is the bool True" in LAB.check("number", True).text
    assert LAB.check("number", 0).state == "open"


def test_hints_come_one_by_one_and_the_last_stays() -> None:
    assert [LAB.hint("double")[:11] for _ in range(3)] == [
        "Hint 1 of 2",
        "Hint 2 of 2",
        "Hint 2 of 2",
    ]


def test_an_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="there are double, number"):
        LAB.check("triple", None)


def test_a_verdict_escapes_the_learner_s_text() -> None:
    verdict = LAB.check("double", "<script>")
    assert "<script>" not in verdict._repr_html_()


def test_progress_counts_the_right_ones() -> None:
    LAB.check("double", lambda n: n * 2)
    LAB.check("number", None)
    assert LAB.progress() == "Lab 99: 1 of 2 tasks are right."


def test_there_are_ten_named_misconceptions() -> None:
    assert len(MISCONCEPTIONS) == 10
