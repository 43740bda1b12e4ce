"""Exercises: a task, its check, its hints and its explanation; what a check can say is in `outcome`.

Invariant: whatever a learner hands in, `Lab.check` answers with a Verdict of a few sentences; it never raises, never
hangs (`bounds`), never believes what an answer says of itself (`plain`), and no answer changes what the next check sees.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from widgets.page import offered

from checks.bounds import call, in_bounds, timed
from checks.outcome import MARKS, MISCONCEPTIONS, NotAnswered, Text, Verdict, Wrong, cut
from checks.plain import (
    Foreign,
    bits,
    describe,
    entries,
    expect_type,
    number,
    numbers,
    plain,
    rebased,
)

MOST_CHARACTERS = 20_000  # of an answer that is a text
RAM = range(0x4000_0000, 0x4020_0000)  # of every guest


class NotRightError(Exception):
    """Raised by `Lab.grade`: the task is wrong or open. A notebook shows the verdict, and nothing of a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Task:
    """One exercise: what is asked, how an answer is checked, hints in steps, and the worked explanation.

    `check` gets the answer, raises Wrong or NotAnswered, or returns the sentence of praise. `asks` is said while the
    answer is None. `explanation` gives the reasons; `code` a solution, which is only given to those who ask again.
    """

    name: str
    asks: str
    check: Callable[[Any], str]
    hints: tuple[str, ...]
    explanation: str
    misconceptions: tuple[str, ...] = ()
    code: str = ""
    numeric: bool = False  # a number in quotes counts as that number: "0x40000008"

    def judge(self, answer: Any) -> Verdict:
        """What the check says of an answer, in this very process."""
        found = self._judged(lambda: self._plain(answer))
        return (self.numeric and found.state == "wrong" and self._misread(answer)) or found

    def _plain(self, answer: Any) -> Any:
        """The answer as the check gets it."""
        with timed():
            answer = numbers(plain(answer)) if self.numeric else plain(answer)
        if answer is None:
            raise NotAnswered(self.asks)
        if isinstance(answer, str) and len(answer) > MOST_CHARACTERS:
            raise Wrong(
                f"This is a text of {len(answer):,} characters; no task here needs more than {MOST_CHARACTERS:,}."
            )
        return answer

    def _misread(self, answer: Any) -> Verdict | None:
        """What is said of a number without its prefix, as 40000008 for 0x40000008, or 100100 for 0b100100; else None."""
        for base, prefix, kind in ((16, "0x", "hexadecimal"), (2, "0b", "binary")):
            changed: list[str] = []
            read = partial(rebased, self._plain(answer), base, changed)
            if self._judged(read).right or (changed and int(changed[0], 16) in RAM):
                text = f"Write {prefix}{changed[0]}: without {prefix} it is not {kind}."
                return Verdict(self.name, "wrong", text)
        return None

    def _judged(self, read: Callable[[], Any]) -> Verdict:
        try:
            return Verdict(self.name, "right", self.check(read()))
        except NotAnswered as open_:
            return Verdict(self.name, "open", open_.text)
        except Wrong as wrong:
            return Verdict(
                self.name, "wrong", wrong.text, wrong.misconception, wrong.evidence, wrong.first
            )
        except Exception as error:  # noqa: BLE001  # an answer may be anything, and break the check in any way
            said = cut(f"{type(error).__name__}: {error}", 200)
            text = f"The check could not read this answer ({said}). {self.asks}"
            return Verdict(self.name, "wrong", text)


@dataclass
class Lab:
    """The tasks of one lab, by name, and what its lists of kernels offer: the lab that was imported last is open."""

    number: str
    tasks: Sequence[Task]
    offer: offered.Offer = offered.EVERYTHING
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    _solved: set[str] = field(default_factory=set)
    _hints_given: dict[str, int] = field(default_factory=dict)
    _explained: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        offered.use(self.offer)

    def task(self, name: str) -> Task:
        """The task `name`; ValueError names those there are."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise ValueError(
            f"there is no task {name!r}; there are {', '.join(t.name for t in self.tasks)}"
        )

    def judge(self, name: str, answer: Any) -> Verdict:
        """What the check says, in this process and without the bounds of `check`."""
        return self.task(name).judge(answer)

    def check(self, name: str, answer: Any) -> Verdict:
        """Check an answer and say what it shows. An answer of None is a task that is still open."""
        task = self.task(name)
        verdict = in_bounds(name, lambda: task.judge(answer))
        before = self.verdicts.get(name)
        self.verdicts[name] = verdict
        if verdict.right:
            self._solved.add(name)
        if verdict.first and (before is None or before.state == "open"):
            return replace(verdict, text=verdict.first, misconception="", evidence=None)
        return verdict

    def grade(self, name: str, answer: Any) -> None:
        """`check` for a graded cell: prints the verdict if it is right, and raises NotRightError if not."""
        verdict = self.check(name, answer)
        if not verdict.right:
            raise NotRightError(str(verdict))
        sys.stdout.write(f"{verdict}\n")  # a value would be taken for points

    def evidence(self, name: str) -> Any:
        """What the last verdict on a task has to show; a sentence if there is nothing."""
        self.task(name)
        verdict = self.verdicts.get(name)
        if verdict is None:
            return Text(f"Nothing to show yet: run the cell of the task {name} first.")
        if verdict.evidence is None:
            return Text(f"Nothing to show: {name} is {verdict.state}.")
        return verdict.evidence

    def once_right(self, name: str, show: Callable[[], Any]) -> Any:
        """What `show` gives, as soon as the task has been right: before, it would give the answer away."""
        self.task(name)
        if name in self._solved:
            return show()
        return Text(f"This is shown when {name} is right: run this cell again then.")

    def hint(self, name: str) -> Text:
        """The next hint; after the last one it stays."""
        task = self.task(name)
        given = min(self._hints_given.get(name, 0), len(task.hints) - 1)
        self._hints_given[name] = given + 1
        return Text(f"Hint {given + 1} of {len(task.hints)}: {task.hints[given]}")

    def explain(self, name: str) -> Text:
        """The reasons behind a task's answer, and a solution when asked again; read it after you have tried."""
        task = self.task(name)
        if not task.code:
            return Text(task.explanation)
        if name in self._explained:
            return Text(f"{task.explanation}\n\nA solution:\n\n{task.code}")
        self._explained.add(name)
        return Text(f"{task.explanation} (Ask again for a solution.)")

    def progress(self) -> Text:
        """Which tasks have been answered correctly, at any time since the lab was opened."""
        text = f"Lab {self.number}: {len(self._solved)} of {len(self.tasks)} tasks are right."
        left = [task.name for task in self.tasks if task.name not in self._solved]
        return Text(f"{text}\nStill to do: {', '.join(left)}." if left else text)


__all__ = [
    "MARKS",
    "MISCONCEPTIONS",
    "Foreign",
    "Lab",
    "NotAnswered",
    "NotRightError",
    "Task",
    "Text",
    "Verdict",
    "Wrong",
    "bits",
    "call",
    "cut",
    "describe",
    "entries",
    "expect_type",
    "number",
    "numbers",
    "plain",
]
