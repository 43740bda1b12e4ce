"""Learners' code within bounds: it may loop, raise, sleep, print or fill memory, and the check still gets its turn.

Invariant: `in_bounds` comes back. Where the system can fork, the work is done in a child of its own, which is ended
when one call of an answer takes longer than SECONDS, whatever it does; elsewhere `budget` alone ends endless Python.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import os
import pickle
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from checks.budget import LINES_AT_MOST, SECONDS, EndlessError, budget, can_fork
from checks.outcome import NotAnswered, Text, Verdict, Wrong, cut
from checks.plain import describe, plain

SECONDS_IN_ALL = 120.0  # that a whole check may take
MEMORY = 2 << 30  # bytes that a child may take in addition

_ENTER, _LEAVE = b"(", b")"
_told: int | None = None  # in a child: the pipe to its parent


def call(
    function: Callable[..., Any], *arguments: Any, lines: int = LINES_AT_MOST, copied: bool = True
) -> Any:
    """Call a learner's function with copies of the arguments, within bounds, and return what it returns, made plain.

    Raises Wrong with one sentence when it is no function, takes other arguments, raises anything, or does not end;
    what it prints is swallowed. Not `copied`, it gets the very objects: a vCPU, which is thrown away after it.
    """
    if not callable(function):
        raise Wrong(f"this task asks for a function, and this is {describe(plain(function))}")
    name = _name_of(function)
    try:
        with contextlib.redirect_stdout(io.StringIO()), timed():
            _expect_arguments(function, name, arguments)
            with budget(lines):
                given = copy.deepcopy(arguments) if copied else arguments
                return plain(function(*given), callables=False)
    except EndlessError:
        raise Wrong(
            f"{name} did not end after {lines:,} lines or {SECONDS:g} seconds: is there a loop without an end?"
        ) from None
    except (Wrong, NotAnswered):
        raise
    except BaseException as error:  # learners' code may raise anything
        if isinstance(error, KeyboardInterrupt) and _told is None:
            raise  # somebody has pressed the button
        raise Wrong(f"{name} raised {_named(error)}") from None


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "<lambda>")
    return f"{cut(str(name), 40)}()" if name != "<lambda>" else "your function"


def _expect_arguments(function: Callable[..., Any], name: str, arguments: tuple[Any, ...]) -> None:
    """Wrong if the function takes other arguments than the task gives it."""
    if not inspect.isfunction(function):
        return  # an object's own call is found out by calling it
    try:
        inspect.signature(function, follow_wrapped=False).bind(*arguments)
    except TypeError as error:
        many = f"{len(arguments)} argument{'s' * (len(arguments) != 1)}"
        raise Wrong(
            f"the task calls {name} with {many}, and it does not take them: {error}"
        ) from None


def _named(error: BaseException) -> str:
    """The error's type and what it says, which may itself be a learner's code."""
    kind = cut(type(error).__name__, 40)
    try:
        said = cut(str(error), 300)
    except BaseException:  # noqa: BLE001
        said = ""
    return f"{kind}: {said}" if said else kind


@contextlib.contextmanager
def timed() -> Iterator[None]:
    """Tell the parent, if this is a child, that a learner's code runs from here to there."""
    _tell(_ENTER)
    try:
        yield
    finally:
        _tell(_LEAVE)


def _tell(word: bytes) -> None:
    if _told is not None:
        os.write(_told, word)


# --- in a process of its own -----------------------------------------------------------------------------------------


def in_bounds(task: str, work: Callable[[], Verdict]) -> Verdict:
    """Do the work in a child of this process; a Verdict in any case."""
    if not can_fork():
        return work()
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a kernel has threads; the child uses none of theirs
        child = os.fork()
    if child == 0:
        os.close(read)
        _be_the_child(write, task, work)
    os.close(write)
    try:
        sentence, answer = _wait(read)
    finally:
        os.close(read)
        for kill in (os.killpg, os.kill):  # what an answer has started, and the child itself
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if answer:
        verdict: Verdict = pickle.loads(answer)  # what our own child has made
        return verdict
    return Verdict(task, "wrong", sentence)


def _wait(pipe: int) -> tuple[str, bytes]:
    """What the child says: a sentence if it says nothing in time, or the pickled verdict."""
    end = time.monotonic() + SECONDS_IN_ALL
    until, said = end, b""
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return (
                f"this did not end after {SECONDS:g} seconds: is there a loop without an end?",
                b"",
            )
        part = os.read(pipe, 1 << 16)
        if not part:
            return "this ended the process that ran it, instead of answering", b""
        said += part
        words, _, rest = said.partition(b"\n")
        length, _, answer = rest.partition(b"\n")
        if b"\n" in rest and len(answer) >= int(length):
            return "", answer
        inside = not rest and words.count(_ENTER) > words.count(_LEAVE)
        until = min(end, time.monotonic() + SECONDS) if inside else end


def _be_the_child(pipe: int, task: str, work: Callable[[], Verdict]) -> NoReturn:
    global _told
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        sys.stdout = sys.stderr = io.StringIO()
        _limit_memory()
        _told = pipe
        try:
            answer = _pickled(work())
        except BaseException as error:  # noqa: BLE001  # nothing may go on in the child
            answer = pickle.dumps(Verdict(task, "wrong", f"this raised {_named(error)}"))
        answer = b"\n%d\n%b" % (len(answer), answer)
        while answer:
            answer = answer[os.write(pipe, answer) :]
    finally:
        os._exit(0)


def _pickled(verdict: Verdict) -> bytes:
    try:
        return pickle.dumps(verdict)
    except Exception:  # noqa: BLE001  # evidence may hold anything; its text is enough
        shown = Text(verdict.evidence)
        return pickle.dumps(
            Verdict(
                verdict.task,
                verdict.state,
                verdict.text,
                verdict.misconception,
                shown,
                verdict.first,
            )
        )


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
