"""Exercises: a task, its check with named misconceptions, its hints - and learner code run within bounds.

Invariant: whatever a learner hands in, `Lab.check` answers with a Verdict of a few sentences; it never raises, never
hangs, and never lets an answer change what the next check sees.
"""

from __future__ import annotations

import contextlib
import copy
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from types import FrameType
from typing import Any

LINES_AT_MOST = 200_000  # lines of Python that one call of an answer may execute

MISCONCEPTIONS = {
    "ss0-is-off": "SS=0 means that stepping is off",
    "mdscr-alone": "MDSCR_EL1.SS alone starts stepping",
    "reports-stepped": "the step exception reports the stepped instruction",
    "mmio-is-done": "an MMIO exit means that the instruction is done",
    "skip-is-pc": "skipping is only PC += 4",
    "clear-anywhere": "SS may be cleared anywhere",
    "shows-host-ss": "GET_ONE_REG shows the host's SS",
    "abort-saves-0": "an abort saves SS=0",
    "all-emulated": "every access outside RAM can be emulated",
    "interrupts-do-not-matter": "interrupts do not matter",
}


class Wrong(Exception):
    """Raised by a check: the answer is wrong, and `text` says which mistake it shows.

    `misconception` is a key of MISCONCEPTIONS, if the mistake is one of those; `evidence` a smallest program or a
    figure that shows it, displayed under the text.
    """

    def __init__(self, text: str, *, misconception: str = "", evidence: Any = None) -> None:
        super().__init__(text)
        self.text = text
        self.misconception = misconception
        self.evidence = evidence
        assert not misconception or misconception in MISCONCEPTIONS, misconception


class NotAnswered(Exception):
    """Raised by a check, or for it: the stub is still there; `text` says what is missing."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True)
class Verdict:
    """What a check says: "right", "wrong" or "open", and why."""

    task: str
    state: str
    text: str
    misconception: str = ""
    evidence: Any = None

    @property
    def right(self) -> bool:
        """The answer is accepted."""
        return self.state == "right"

    def __str__(self) -> str:
        mark = {"right": "\u2713", "wrong": "\u2717", "open": "\u25cb"}[self.state]
        shown = f"\n{self.evidence}" if self.evidence is not None else ""
        return f"{mark} {self.task}: {self.text}{shown}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f'<pre role="status" style="white-space: pre-wrap; word-break: normal">{escape(str(self))}</pre>'


class NotRightError(Exception):
    """Raised by `Lab.grade`: the task is wrong or open. A notebook shows the verdict, and nothing of a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Task:
    """One exercise: what is asked, how an answer is checked, hints in steps, and the worked explanation.

    `check` gets the answer, raises Wrong or NotAnswered, or returns the sentence of praise. `missing` is said while the
    answer is None.
    """

    name: str
    asks: str
    check: Callable[[Any], str]
    missing: str
    hints: tuple[str, ...]
    explanation: str
    misconceptions: tuple[str, ...] = ()


@dataclass
class Lab:
    """The tasks of one lab, by name."""

    number: str
    tasks: Sequence[Task]
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    _hints_given: dict[str, int] = field(default_factory=dict)

    def task(self, name: str) -> Task:
        """The task `name`; ValueError names those there are."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise ValueError(
            f"there is no task {name!r}; there are {', '.join(t.name for t in self.tasks)}"
        )

    def check(self, name: str, answer: Any) -> Verdict:
        """Check an answer and say what it shows. An answer of None is a task that is still open."""
        task = self.task(name)
        try:
            if answer is None:
                raise NotAnswered(task.missing)
            verdict = Verdict(name, "right", task.check(answer))
        except NotAnswered as open_:
            verdict = Verdict(name, "open", open_.text or task.missing)
        except Wrong as wrong:
            verdict = Verdict(name, "wrong", wrong.text, wrong.misconception, wrong.evidence)
        except Exception as error:  # noqa: BLE001  # an answer may be anything, and break the check in any way
            text = f"the check could not read this answer ({type(error).__name__}: {error}). {task.asks}"
            verdict = Verdict(name, "wrong", text)
        self.verdicts[name] = verdict
        return verdict

    def grade(self, name: str, answer: Any) -> Verdict:
        """`check` for a graded cell: raises NotRightError unless the answer is right.

        A grader takes points for an error, and for any text on stderr, too: what an answer writes there is swallowed.
        """
        with contextlib.redirect_stderr(io.StringIO()):
            verdict = self.check(name, answer)
        if not verdict.right:
            raise NotRightError(str(verdict))
        return verdict

    def hint(self, name: str) -> str:
        """The next hint; after the last one it stays."""
        task = self.task(name)
        given = min(self._hints_given.get(name, 0), len(task.hints) - 1)
        self._hints_given[name] = given + 1
        return f"Hint {given + 1} of {len(task.hints)}: {task.hints[given]}"

    def explain(self, name: str) -> str:
        """The worked explanation of a task; read it after you have tried."""
        return self.task(name).explanation

    def progress(self) -> str:
        """How many tasks are answered rightly."""
        right = sum(verdict.right for verdict in self.verdicts.values())
        return f"Lab {self.number}: {right} of {len(self.tasks)} tasks are right."


def call(function: Callable[..., Any], *arguments: Any, lines: int = LINES_AT_MOST) -> Any:
    """Call a learner's function with copies of the arguments, within bounds, and return what it returns.

    Raises Wrong with one sentence when it is no function, takes other arguments, raises, or does not end; what it
    prints is swallowed.
    """
    if not callable(function):
        raise Wrong(f"this task asks for a function, and this is {describe(function)}")
    name = getattr(function, "__name__", "your function")
    left = lines

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        left -= event == "line"
        if left < 0:
            raise _EndlessError
        return count

    before = sys.gettrace()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            sys.settrace(count)
            try:
                return function(*copy.deepcopy(arguments))
            finally:
                sys.settrace(before)
    except _EndlessError:
        raise Wrong(
            f"{name} did not end after {lines:,} lines: is there a loop without an end?"
        ) from None
    except (Wrong, NotAnswered):
        raise
    except Exception as error:  # noqa: BLE001  # learners' code may raise anything
        place = f" in {name}" if isinstance(error, TypeError) else ""
        raise Wrong(f"{name} raised {type(error).__name__}{place}: {error}") from None


class _EndlessError(BaseException):
    """A call was not over after its lines; not an Exception, so that an answer cannot catch it by accident."""


def describe(value: Any) -> str:
    """A value as a sentence names it: its type, and itself if it is short.

    >>> describe(3), describe([1] * 100)
    ('the int 3', 'a list of 100')
    """
    text = repr(value)
    if len(text) <= 40:
        return f"the {type(value).__name__} {text}"
    size = f" of {len(value)}" if hasattr(value, "__len__") else ""
    return f"a {type(value).__name__}{size}"


def expect_type(answer: Any, kind: type | tuple[type, ...], asked: str) -> None:
    """Raise Wrong unless the answer has the type; `asked` names it for people, as in "a number"."""
    if not isinstance(answer, kind) or (isinstance(answer, bool) and kind is int):
        raise Wrong(f"this task asks for {asked}, and this is {describe(answer)}")
