"""Running a guest with a learner's lines in it, and saying what its handler was notified of."""

from __future__ import annotations

from typing import Any

from aarch64sim import AssemblyError

from checks.lab07.guest import USER, Guest, source, with_part
from checks.task import NotAnswered, Wrong, expect_type

SOFTWARE_STEP = 0x32  # EC from a lower Exception level
AFTER_STORE = USER + 8


def _lines(answer: str) -> list[str]:
    return [line for line in answer.splitlines() if line.split("//")[0].strip()]


def run_with(name: str, part: str, answer: Any) -> Guest:
    """The program with the learner's lines in it, run; Wrong if it does not assemble."""
    expect_type(answer, str, "a text with assembly instructions")
    if not _lines(answer):
        raise NotAnswered("The text is still empty: write instructions.")
    try:
        made = Guest(with_part(name, part, answer)).run()
    except AssemblyError as error:
        first = error.errors[0]
        raise Wrong(f"This does not assemble: {first.message}", evidence=first.caret) from None
    if "caught in exceptions" in made.machine.ended:
        raise Wrong(
            "Your lines run on into what follows them, and that is no code, or they raise an exception at EL1, which"
            " this kernel cannot handle. Is there an ERET on every path?",
            evidence=notified(made),
        )
    return made


def notified(made: Guest, most: int = 5) -> str:
    """What the handler was notified of, line by line, and how the guest ended."""
    stops = [str(one) for one in made.stops[:most]]
    more = ["..."] if len(made.stops) > most else []
    end = "it never ended" if made.endless else made.machine.ended
    return "\n".join([*(stops or ["the handler was never called"]), *more, f"and then: {end}"])


def right_log(name: str) -> list[int]:
    """What the handler of a complete program writes down."""
    return Guest(source(name)).run().log
