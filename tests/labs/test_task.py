"""The exercise framework: any answer gets a sentence."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from typing import Any

import pytest

from checks import bounds, budget
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
        Task("double", "Write double(n).", _double, ("a", "b"), "n + n"),
        Task("number", "Say a number.", _number, ("c",), "any"),
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
        (lambda: 42, "wrong", "calls your function with 1 argument, and it does not take them"),
        (_loop, "wrong", "did not end"),
        (_raise, "wrong", "raised KeyError"),
        (7, "wrong", "asks for a function, and this is the int 7"),
        (None, "open", "Write double"),
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
    assert "not twice as much" in verdict.text


class Sly(int):
    """Says that it is equal to anything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


class Yes:
    """No number at all, and equal to anything."""

    __module__ = "checks.task"

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


class Liar(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return True


class Index(metaclass=Liar):
    def __index__(self) -> int:
        return Sly(3)


def _patched(n: int) -> int:
    global _double
    _double = lambda answer: "forged"  # noqa: E731
    for task in LAB.tasks:
        object.__setattr__(task, "check", lambda answer: "forged")
    return 0


FORGED: list[tuple[str, Any]] = [
    ("double", lambda n: Sly(0)),
    ("double", lambda n: Yes()),
    ("double", lambda n: Index()),
    ("double", _patched),
    ("double", lambda n: type("Text", (str,), {"__ne__": lambda *a: False})()),
    ("number", Yes()),
    ("number", type("Float", (float,), {"__instancecheck__": True})(1.5)),
]


@pytest.mark.parametrize(("task", "answer"), FORGED)
def test_an_answer_cannot_forge_its_verdict(task: str, answer: Any) -> None:
    assert LAB.check(task, answer).state == "wrong"


@pytest.mark.parametrize("task", ["double", "number"])
def test_what_one_answer_does_the_next_check_does_not_see(task: str) -> None:
    LAB.check("double", _patched)
    assert LAB.check("double", lambda n: 0).state == "wrong"
    assert LAB.check("double", lambda n: 2 * n).right


def _one_line(n: int) -> None:
    while True: pass  # noqa: E701  # fmt: skip


def _swallowing(n: int) -> None:
    while True:
        try:
            while True:
                pass
        except BaseException:  # noqa: BLE001
            pass


def _untraced(n: int) -> None:
    sys.settrace(None)
    while True:
        pass


def _with_a_thread(n: int) -> int:
    threading.Thread(target=time.sleep, args=(20,)).start()
    return 0


def _with_a_child(n: int) -> int:
    if os.fork() == 0:
        time.sleep(20)
    return 0


def _throw(error: BaseException) -> Any:
    def function(n: int) -> None:
        raise error

    return function


def _rude() -> BaseException:
    def says(self: object) -> str:
        raise SystemExit(1)

    rude: BaseException = type("Rude", (BaseException,), {"__str__": says})()
    return rude


HANGING: list[Any] = [
    _one_line,
    _swallowing,
    _untraced,
    _with_a_thread,
    _with_a_child,
    lambda n: sum(itertools.repeat(1)),
    lambda n: 7**10**9,
    lambda n: time.sleep(10**6),
    lambda n: [0] * 10**12,
    lambda n: list(range(10**10)),
    lambda n: os.kill(os.getpid(), 9),
    lambda n: os._exit(0),
    lambda n: sys.exit(),
    _throw(KeyboardInterrupt()),
    _throw(GeneratorExit()),
    _throw(_rude()),
    _throw(ValueError("x" * 10**7)),
    lambda n: "x" * 10**7,
    lambda n: bytearray(10**8),
    lambda n: [0] * 10**6,
    lambda n: 10**10**6,
]


@pytest.mark.parametrize("answer", HANGING)
def test_whatever_an_answer_does_a_short_verdict_comes(
    answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "SECONDS", 0.5)
    verdict = LAB.check("double", answer)
    assert verdict.state == "wrong"
    assert 10 < len(str(verdict)) < 1600


def _caught_again_and_again(n: int) -> None:
    while True:
        try:
            pass
        finally:
            continue  # noqa: B012


WITHOUT_A_FORK: list[Any] = [
    _loop,
    _one_line,
    lambda n: [0 for _ in iter(int, 1)],
    lambda n: sum(1 for _ in iter(int, 1)),
    lambda n: all(map(lambda _: True, iter(int, 1))),  # noqa: C417  # no loop of Python
    lambda n: (lambda again: again(again))(lambda again: again(again)),
    *([_swallowing, _caught_again_and_again] if hasattr(sys, "monitoring") else []),
]


@pytest.mark.parametrize("answer", WITHOUT_A_FORK)
def test_endless_python_ends_also_where_no_process_can_be_forked(
    answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (bounds, budget):
        monkeypatch.setattr(module, "can_fork", lambda: False)
    verdict = LAB.check("double", answer)
    assert verdict.state == "wrong"
    assert LAB.check("double", lambda n: 2 * n).right


def test_a_call_of_long_lines_ends_by_the_clock_where_no_process_can_be_forked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (bounds, budget):
        monkeypatch.setattr(module, "can_fork", lambda: False)
    monkeypatch.setattr(budget, "SECONDS", 0.1)
    verdict = LAB.check("double", lambda n: [time.sleep(0.01) for _ in range(10**6)])
    assert "is there a loop without an end" in verdict.text


def test_a_number_in_quotes_is_that_number_where_a_task_asks_for_numbers() -> None:
    lab = Lab("95", [Task("one", "", _number, ("a",), "Because.", numeric=True)])
    assert lab.check("one", "0x40000008").right
    assert not lab.check("one", "eight").right


def test_what_would_give_an_answer_away_is_shown_once_it_is_right() -> None:
    lab = Lab("94", LAB.tasks)
    assert "when number is right" in lab.once_right("number", lambda: "the recording")
    lab.check("number", 3)
    assert lab.once_right("number", lambda: "the recording") == "the recording"


def test_a_number_as_an_answer_may_be_of_any_kind_that_is_one() -> None:
    assert LAB.check("number", Index()).right
    assert LAB.check("number", Sly(7)).right


def test_the_first_wrong_try_at_a_table_gives_no_cell_away() -> None:
    def check(answer: Any) -> str:
        raise Wrong("the second cell is wrong", first="one of two is right")

    lab = Lab("98", [Task("table", "Fill it.", check, ("a", "b"), "reasons")])
    assert [lab.check("table", answer).text for answer in (None, 1, 1)] == [
        "Fill it.",
        "one of two is right",
        "the second cell is wrong",
    ]


def test_a_solution_is_given_to_those_who_ask_twice() -> None:
    lab = Lab("97", [Task("one", "", _number, ("a",), "Because.", code="x = 1")])
    assert "x = 1" not in lab.explain("one")
    assert lab.explain("one").endswith("x = 1")


def test_evidence_is_there_or_a_sentence_says_why_not() -> None:
    def check(answer: Any) -> str:
        raise Wrong("no", evidence="a program")

    lab = Lab("96", [Task("one", "", check, ("a",), "Because.")])
    assert "run the cell of the task one first" in lab.evidence("one")
    lab.check("one", 1)
    assert lab.evidence("one") == "a program"


def test_what_an_answer_prints_is_swallowed(capsys: pytest.CaptureFixture[str]) -> None:
    LAB.check("double", lambda n: print("noise") or 42)
    assert capsys.readouterr().out == ""


def test_arguments_are_copies() -> None:
    shared = [1]
    call(lambda items: items.append(2), shared)
    assert shared == [1]


def test_a_text_of_a_million_lines_is_not_assembled() -> None:
    assert "no task here needs more" in LAB.check("number", "nop\n" * 10**6).text


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
    lab = Lab("99", LAB.tasks)
    for answer in (lambda n: n * 2, lambda n: 0):
        lab.check("double", answer)
        assert lab.progress() == "Lab 99: 1 of 2 tasks are right.\nStill to do: number."


def test_there_are_ten_named_misconceptions() -> None:
    assert len(MISCONCEPTIONS) == 10
