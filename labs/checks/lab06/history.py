"""Tasks of lab 06 about the matrix: read a recording, say when rows changed, and what each fix broke.

Invariant: what is right is read from the recordings of real kernels.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from aarch64sim.evidence.eras_table import ROWS, transcript_of

from checks import museum
from checks.lab06.cases import CODE
from checks.task import NotAnswered, Wrong, call, describe, entries, number

TITLES = tuple(row.title for row in ROWS)

# (what is stepped, scenario, offset of the instruction)
WITH_EXIT = "a store to the UART"  # the only one of them with a KVM_EXIT_MMIO in it
_STEPS = (
    ("an ordinary add", "a_alu", 4),
    (WITH_EXIT, "b_str", 4),
    ("a store to a fresh page of RAM", "t_ramfault_st", 12),
    ("an HVC", "o_hvc", 4),
    ("a trapped MSR", "o_sys_mdscr_w", 4),
)


# --- reading a recording ---------------------------------------------------------------------------------------------


@cache
def _right_steps() -> list[tuple[str, str, str, int, int]]:
    found = []
    for what, scenario, offset in _STEPS:
        for kernel in museum.real_kernels():
            stops = transcript_of(museum.recorded(kernel, scenario)).stops()
            start = CODE + offset
            after = stops[stops.index(start) + 1]
            found.append((kernel, what, scenario, start, (after - start) // 4))
    return found


def check_steps(answer: Any) -> str:
    """The check of the task `steps`."""
    wrong = []
    for kernel, what, scenario, start, right in _right_steps():
        events = list(museum.recorded(kernel, scenario).events)
        try:
            given = call(answer, events, start)
        except Wrong as error:
            if "KeyError" in error.text and "pc" in error.text:
                raise Wrong(
                    f"{error.text}. `registers` holds only what changed since the last return. Where the PC is the"
                    " same as before it is not there: keep the last one."
                ) from None
            raise
        if given is None:
            raise NotAnswered("steps() returns nothing yet: let it return a number.")
        given = number(given, "steps() should return")
        if given != right:
            shown = f"{kernel}, {what} at {start:#x}: right is {right}, yours is {given}"
            wrong.append((what, shown, given, right))
    if not wrong:
        return f"Your function reads all {len(_right_steps())} recordings as they should be read."
    _, shown, given, right = wrong[0]
    if all(given == 4 * right for _, _, given, right in wrong):
        raise Wrong("These are bytes. Every instruction has four of them.", evidence=shown)
    if given >= CODE:
        raise Wrong("This is an address. How many instructions is it from `start`?", evidence=shown)
    if given < 0:
        raise Wrong(
            "A step that goes backwards: where the PC did not change it is not in `registers`, and 0 is not what it"
            " was. Keep the last one.",
            evidence=shown,
        )
    if {what for what, _, _, _ in wrong} == {WITH_EXIT}:
        raise Wrong(
            "You have taken the first return of KVM_RUN for the stop. KVM_EXIT_MMIO is a question to userspace: the"
            " instruction is not done, and the debugger is notified of nothing. Only KVM_EXIT_DEBUG is a stop.",
            misconception="mmio-is-done",
            evidence=shown,
        )
    if all(right == 0 for _, _, _, right in wrong):
        raise Wrong(
            "Wrong only where the answer is 0. A stop at the same place is a stop, too: the debugger was notified that a"
            " step is over, and nothing had run.",
            evidence=shown,
        )
    if len(wrong) == len(_right_steps()) and abs(given - right) == 1:
        raise Wrong(
            "Off by one: a stop at `start` + 4 is one instruction, and the stop that counts is the one after the stop"
            " at `start`.",
            evidence=shown,
        )
    raise Wrong(
        "Not what the recordings say. Find the KVM_EXIT_DEBUG with PC = `start`, then the next KVM_EXIT_DEBUG.",
        evidence=shown,
    )


# --- when rows changed -----------------------------------------------------------------------------------------------

HISTORY = ("userspace MMIO", "HVC", "MMIO then signal", "guest steps itself over MMIO")


def _kernel_name(value: Any, where: str) -> str:
    """The recorded kernel that is meant: "linux-5.0.1", "v5.0.1", "Linux 5.0.1", or "5.0", the only one of a series."""
    release = re.sub(r"^linux[- ]|^v", "", str(value).strip().lower())
    name = f"linux-{release}"
    of_series = [one for one in museum.real_kernels() if one.startswith(f"{name}.")]
    if name not in museum.real_kernels() and len(of_series) == 1:
        return of_series[0]
    if name not in museum.real_kernels():
        raise Wrong(
            f"{where} names {describe(value)}, which was not recorded. Use the names of the columns:"
            f" {', '.join(museum.real_kernels())}."
        )
    return name


def check_history(answer: Any) -> str:
    """The check of the task `history`."""
    given: dict[str, set[str]] = {}
    for title, value in entries(answer, HISTORY, "history").items():
        if not value:
            raise NotAnswered(f"history[{title!r}] is still open.")
        if isinstance(value, str):
            value = [value]
        given[title] = {_kernel_name(name, f"history[{title!r}]") for name in value}
    for title in HISTORY:
        right = museum.changes(title)
        if given[title] == set(right):
            continue
        _history_mistake(title, given[title], right)
    return (
        "Right. Stepping over MMIO was hidden by faked stops in 4.15, broken again by the real fix in 5.0, and fixed by"
        " accident in 5.11."
    )


def _history_mistake(title: str, given: set[str], right: list[str]) -> None:
    shown = f"the row {title!r} of the matrix: look for where its shading begins and ends"
    steady = sorted(given - set(right), key=list(museum.real_kernels()).index)
    first = museum.real_kernels()[0]
    if title == "userspace MMIO" and given == {"linux-5.0.1"}:
        raise Wrong(
            "So it says in the commit: 5.0 clears SS when it skips, and that was to be the fix. But SS was cleared"
            " where it does not last: the next entry arms it again. Read the row, not the commit.",
            misconception="clear-anywhere",
            evidence=shown,
        )
    if title == "HVC" and "linux-5.11" in given:
        raise Wrong(
            "5.11 moved the skip after the arming. But an HVC is not skipped: the CPU completes it, and leaves the"
            " guest with the stop still to come, as an interrupt between an instruction and its stop does. The entry"
            " after it arms SS anew. Look at the row HVC in 5.11 and 5.15.",
            misconception="interrupts-do-not-matter",
            evidence=shown,
        )
    if title == "guest steps itself over MMIO" and len(given) > 1:
        raise Wrong(
            "For a guest that steps itself there is one change only. Nobody arms anything at the entry for it, so the"
            " fix of 5.0 is all it needs, and the faked stops of 4.15, which only the host sees, do not help it.",
            evidence=shown,
        )
    if title == "MMIO then signal" and "linux-4.15.1" in given:
        raise Wrong(
            "In 4.15 the stop is in the right place, but KVM_RUN returns 0 with KVM_EXIT_DEBUG although a signal is"
            " pending. The row counts that as wrong.",
            evidence=shown,
        )
    if first in given:
        raise Wrong(f"{first} is the first recording: nothing changes there.", evidence=shown)
    if steady:
        name = steady[0]
        before = museum.real_kernels()[museum.real_kernels().index(name) - 1]
        how = "right" if museum.is_right(title, name) else "wrong"
        raise Wrong(
            f"{title}: in {name} the row is {how}, and in {before} it was {how}, too. So nothing changed there.",
            evidence=shown,
        )
    missing = next(name for name in right if name not in given)
    became = "right" if museum.is_right(title, missing) else "wrong"
    raise Wrong(
        f"{title}: there is at least one more change. Somewhere the row becomes {became}"
        f"{' again' if missing != right[0] else ''}.",
        evidence=shown,
    )


# --- what each fix brought -------------------------------------------------------------------------------------------

BORDERS = {
    "linux-4.15.1": "linux-4.14.67",
    "linux-5.0.1": "linux-4.20.1",
    "linux-5.15": "linux-5.11",
}


def _title(said: Any) -> Any:
    """The row that is meant, also in other capitals, or alone in a list."""
    if isinstance(said, list | tuple | set) and len(said) == 1:
        (said,) = said
    names = {title.lower(): title for title in TITLES}
    return names.get(said.strip().lower(), said) if isinstance(said, str) else said


def check_brought(answer: Any) -> str:
    """The check of the task `brought`."""
    answer = entries(answer, BORDERS, "brought", "which row got worse?")
    for after, before in BORDERS.items():
        title = _title(answer[after])
        if title not in TITLES:
            raise Wrong(
                f"brought[{after!r}]: {describe(title)} is no row. They are: {'; '.join(TITLES)}."
            )
        was, now = (museum.is_right(title, name) for name in (before, after))
        cells = [museum.recorded_cells().get((title, name), "-") for name in (before, after)]
        shown = f"{title}: {before} {cells[0]}, {after} {cells[1]}"
        if was is None or now is None:
            raise Wrong(f"{title} was not recorded on both sides of this border.", evidence=shown)
        if now and not was:
            raise Wrong(
                f"That is what {after} fixed. What did it break at the same time?",
                evidence=shown,
            )
        if now:
            raise Wrong(f"This row is right on both sides of {after}.", evidence=shown)
        if not was:
            raise Wrong(
                f"This row was already wrong before {after}, so {after} did not break it.",
                evidence=shown,
            )
    return "Right: three releases, each with a fix, and each with something that worked before it."
