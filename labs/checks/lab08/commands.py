"""Tasks of lab 08 about what one asks gdb: to stop after the store, and what it shows then.

Invariant: what is right is what the guest has done, or what gdb prints, in a session that is run for the check.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from checks.gdb_in_batch import SessionTooLongError
from checks.lab08.session import AFTER, STORE, session_of
from checks.task import NotAnswered, Wrong, entries, expect_type, number

# --- after_the_store ----------------------------------------------------------------------------


def after_the_store(answer: Any) -> str:
    """The check of the task of that name."""
    commands = answer.splitlines() if isinstance(answer, str) else answer
    expect_type(commands, list | tuple, "a list of gdb commands")
    if not all(isinstance(command, str) for command in commands):
        raise Wrong("Each command is a text, as you would type it after (gdb).")
    commands = [one for one in (c.strip().removeprefix("(gdb)").strip() for c in commands) if one]
    if not commands:
        raise NotAnswered("Write the commands, each a text in the list.")
    try:
        talk = session_of(*commands)
    except SessionTooLongError as error:
        raise Wrong(f"{error}: does one of them wait for something?") from None
    debugger = talk.debugger
    pc, x1, printed = debugger.registers["pc"], debugger.registers["x1"], debugger.console
    if debugger.kernel.name != "v4.3":
        raise Wrong(
            f"this changes the kernel to {debugger.kernel.name}. It is the fix, but not everybody can reboot a server:"
            " stay with v4.3",
            evidence=talk.text,
        )
    if debugger.ended:
        watched = any(command.lstrip().startswith("watch") for command in commands)
        no_name = "No symbol table" in talk.text
        raise Wrong(
            "the guest has run to its end: nothing has stopped it after the store"
            + (". To watch the PC gdb steps, and the step over this very place is lost" * watched)
            + (". gdb took your address for a name: an address is written *0x40000008" * no_name),
            evidence=talk.text,
        )
    if pc == AFTER and x1 == 0 and printed == "A":
        return (
            "right: the store is done, the add has not run. A breakpoint needs no step: when the CPU meets the BRK it"
            " stops, whatever SS is."
        )
    if pc == AFTER and x1:
        raise Wrong(
            "the PC is right, but the add has run already: x1 is 1. You have moved the PC back; what the add did is not"
            " undone, and it will run again",
            evidence=talk.text,
        )
    if pc == AFTER:
        raise Wrong(
            "the PC is right, but the store has not run: the UART has sent nothing. Writing the PC skips the"
            " store instead of executing it",
            misconception="skip-is-pc",
            evidence=talk.text,
        )
    if pc == STORE:
        raise Wrong(
            "this stops before the store. reverse-stepi goes back to the stop before, and v4.3 has none between"
            if any(command.startswith("r") for command in commands)
            else "this stops before the store: an instruction at the PC has not run",
            misconception="reports-stepped",
            evidence=talk.text,
        )
    if pc == AFTER + 4 and any("break" in command for command in commands):
        raise Wrong(
            "The add has run: an instruction with a breakpoint is the first that has not run. Which one should that be?",
            misconception="reports-stepped",
            evidence=talk.text,
        )
    if pc == AFTER + 4:
        raise Wrong(
            "this is the late stop: the add has run. Stepping cannot stop after the store, under v4.3. What else stops"
            " a guest?",
            misconception="mmio-is-done",
            evidence=talk.text,
        )
    raise Wrong(f"the guest stands at {pc:#x}, and not at {AFTER:#x}", evidence=talk.text)


# --- what_gdb_shows ------------------------------------------------------------------------------

QUESTIONS = {
    "bit 0 of mdscr_el1, in `info registers`": (
        "this is the guest's register, and the guest does not step itself. The SS that is 1 is the host's, for the"
        " time that the guest runs",
        "shows-host-ss",
    ),
    "mdscr_el1.ss at the next ERET, in `monitor mdscr`": (
        "the host wants steps, so the kernel sets the bit before it enters the guest; in the column of now it is 0, as"
        " in `info registers`",
        "ss0-is-off",
    ),
    "x1": (
        "one stop was reported to gdb, but two instructions have run, and the second is the add",
        "mmio-is-done",
    ),
    "instructions that `reverse-stepi` takes back": (
        "a `reverse-stepi` undoes the whole step, just as it was taken. Compare the PC before and after it",
        "",
    ),
}


@cache
def shown() -> dict[str, int]:
    """What gdb answers to QUESTIONS, after `stepi 2` under v4.3."""
    text = session_of(
        "stepi 2", 'printf "=%d\\n", $mdscr_el1 & 1', "monitor mdscr", 'printf "=%d\\n", $x1',
        'printf "=%ld\\n", $pc', "reverse-stepi", 'printf "=%ld\\n", $pc',
    ).text  # fmt: skip
    guest, x1, before, after = map(int, re.findall(r"^=(\d+)$", text, re.MULTILINE))
    host = re.search(r"^mdscr_el1\.ss +\d +(\d)$", text, re.MULTILINE)
    assert host
    return dict(zip(QUESTIONS, (guest, int(host[1]), x1, (before - after) // 4), strict=True))


def what_gdb_shows(answer: Any) -> str:
    """The check of the task of that name."""
    given = entries(answer, QUESTIONS, "numbers")
    for question, right in shown().items():
        if number(given[question], f"numbers[{question!r}] is") != right:
            why, misconception = QUESTIONS[question]
            raise Wrong(
                f"{question}: gdb does not show {given[question]}. {why[0].upper()}{why[1:]}.",
                misconception=misconception,
            )
    return "right: gdb sees the guest's registers, and believes the stops that are reported to it."
