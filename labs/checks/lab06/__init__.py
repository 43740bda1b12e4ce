"""Checks of lab 06, eleven years of fixes: read recordings, tell the eras, date a trace.

Invariant: what is right is read from the recordings of real kernels; no check holds a table of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from aarch64sim.evidence.eras_table import ROWS, transcript_of

from checks import museum
from checks.lab06.cases import ERAS, Case, case, case_of, suspect
from checks.task import Lab, NotAnswered, Task, Wrong, call, describe, expect_type

CODE = 0x4000_0000
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


def _check_steps(answer: Any) -> str:
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
        if isinstance(given, bool) or not isinstance(given, int):
            raise Wrong(f"steps() should return a whole number, not {describe(given)}.")
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


def _check_history(answer: Any) -> str:
    expect_type(answer, Mapping, "a dictionary from a row to a list of kernels")
    given: dict[str, set[str]] = {}
    for title in HISTORY:
        value = answer.get(title)
        if value is None or (not isinstance(value, str) and not list(value)):
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
    if isinstance(said, list | tuple) and len(said) == 1:
        (said,) = said
    names = {title.lower(): title for title in TITLES}
    return names.get(said.strip().lower(), said) if isinstance(said, str) else said


def _check_brought(answer: Any) -> str:
    expect_type(answer, Mapping, "a dictionary from a kernel to a row of the matrix")
    for after, before in BORDERS.items():
        title = answer.get(after)
        if title is None:
            raise NotAnswered(f"brought[{after!r}] is still open: which row got worse?")
        title = _title(title)
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


# --- dating a trace --------------------------------------------------------------------------------------------------


def _letter(value: Any, where: str) -> str:
    letter = {releases: era for era, releases in ERAS.items()}.get(
        value, str(value).strip().upper()
    )
    if letter not in ERAS:
        raise Wrong(f"{where} gives {describe(value)}; the eras are {', '.join(ERAS)}.")
    return letter


def _mistake(given: str, right: str, seen: Case) -> Wrong:
    """What somebody overlooks who takes the one era for the other."""
    pair = frozenset((given, right))
    if right == "B":
        text = (
            "Look at the syndromes. There is an hsr of 0xc8000000, with nothing but a class in it: no CPU writes that."
            " One era fakes its stops."
        )
        return Wrong(text)
    if given == "B":
        return Wrong("No hsr here is faked: a CPU has written each of them, so this is not B.")
    if pair <= {"A", "B", "C"}:
        return Wrong(
            "Late over the store: A or C. The PC at KVM_EXIT_MMIO does not tell them apart: the late advance went into"
            " stable releases of A, too. The guest's own stepping does: it was fixed in 5.0."
        )
    late = seen.store[-1].pc in {one.pc for one in seen.store} and not any(
        one.pc == CODE + 8 and one.reason == "DEBUG" for one in seen.store
    )
    if late:
        return Wrong(
            "There is no stop at 0x40000008 in the trace `store`: the stop is late. Which eras are late?"
        )
    if given in "AC":
        return Wrong(
            "The stop at 0x40000008 is there in the trace `store`. So the step was in time."
        )
    if "D" in pair:
        return Wrong(
            "Look at PSTATE at KVM_EXIT_MMIO. Bit 21 is SS. The guest does not step itself, so its own SS is 0; if the"
            " bit is set, what you see is the host's. From 6.1 on, E and F, GET_ONE_REG shows the guest's.",
            misconception="shows-host-ss",
        )
    return Wrong(
        "Compare the trace `signal`: KVM_RUN comes back with EINTR in between, and the stop at 0x40000008 either"
        " survives that or not."
    )


def _check_detective(answer: Any) -> str:
    expect_type(answer, Mapping, "a dictionary from the number of a case to a letter")
    numbers = (1, 2, 3, 4)
    for number in numbers:
        if answer.get(number) is None:
            raise NotAnswered(f"eras[{number}] is still open.")
    names = {number: _letter(answer[number], f"eras[{number}]") for number in numbers}
    for number in numbers:
        kernel = suspect(number)
        if names[number] != museum.era_of(kernel):
            found = _mistake(names[number], museum.era_of(kernel), case(number))
            raise Wrong(
                f"Case {number} is not {names[number]}. {found.text}",
                misconception=found.misconception,
                evidence=repr(case(number)),
            )
    solved = ", ".join(f"case {n} is {suspect(n)} ({names[n]})" for n in numbers)
    return f"Solved: {solved}."


def _check_era(answer: Any) -> str:
    for kernel in museum.real_kernels():
        seen = case_of(kernel, "this case")
        given = call(answer, seen)
        if given is None:
            raise NotAnswered("era() returns nothing yet: let it return a letter.")
        letter, right = _letter(given, "era()"), museum.era_of(kernel)
        if letter != right:
            found = _mistake(letter, right, seen)
            raise Wrong(
                f"Your function takes {kernel} for {letter}. {found.text}",
                misconception=found.misconception,
                evidence=repr(seen),
            )
    return (
        f"Your function dates all {len(museum.real_kernels())} real kernels, stable ones included."
    )


def _task(name: str, asks: str, check: Callable[[Any], str], **more: Any) -> Task:
    return Task(name, asks, check, f"{name} is None: the task is still open.", **more)


LAB = Lab(
    "06",
    [
        _task(
            "steps",
            "Write steps(events, start): how many instructions the debugger's step from `start` took.",
            _check_steps,
            hints=(
                "A stop is an event with op KVM_RUN, errno 0 and exit_reason DEBUG. MMIO is not a stop.",
                "Keep the PC in a variable; change it when `registers` has a pc.",
                "Remember whether the last stop was at `start`. If it was, the next stop is the one you want.",
            ),
            explanation="The debugger sees only KVM_EXIT_DEBUG, and a recording says of the registers only what"
            " changed. So keep the PC, look at the stops, and take the one after the stop at `start`. "
            "1 is right, 2 is one late, 0 is a spurious stop. The matrix of this lab is made by a function like it.",
            code="pc = 0\nthere = False\nfor event in events:\n"
            '    if event["op"] != "KVM_RUN":\n        continue\n'
            '    pc = int(event["registers"].get("pc", hex(pc)), 16)\n'
            '    if event["exit_reason"] == "DEBUG" and event["errno"] == 0:\n'
            "        if there:\n            return (pc - start) // 4\n        there = pc == start",
            misconceptions=("mmio-is-done",),
        ),
        _task(
            "history",
            "Name for each row the recorded kernels in which it became right or wrong.",
            _check_history,
            hints=(
                "Go along a row from the left. Whenever the shading begins or ends, write down the column.",
                "By program: compare museum.is_right(title, kernel) for neighbours.",
                "A row may become right, wrong and right again. One of the four changes only once.",
            ),
            explanation="userspace MMIO: wrong, right in 4.15 (faked), wrong in 5.0, right in 5.11. HVC: right in"
            " 4.15 (faked), wrong in 5.0, right in 6.1, when KVM began to remember a pending step. MMIO then"
            " signal: right in 5.11, wrong in 5.15 (since 5.13), right in 6.14. A guest that steps itself: right"
            " from 5.0 on, for good. Nobody arms anything at the entry for a guest that steps itself, so clearing SS"
            " is enough.",
            misconceptions=("clear-anywhere", "interrupts-do-not-matter"),
        ),
        _task(
            "brought",
            "Name for each of three kernels a row that was right just before it and is wrong in it.",
            _check_brought,
            hints=(
                "Look for a row in which the shading begins at that column.",
                "4.15 fakes a stop after whatever the kernel has handled. What does it handle that is no"
                " instruction?",
                "5.15 stands for 5.13 here: what does 5.11 get right that 5.15 does not?",
            ),
            explanation="4.15 fakes a stop after everything that it handled, so also after a fault on RAM, which"
            " completes nothing. 5.0 took the fakes away and cleared SS instead, before the arming: seven rows of"
            " stepping are late again. And it moved the completion of an access without a note that it was done, so"
            " immediate_exit loses an instruction. 5.13 applies a skip that is left over when KVM_RUN returns, after"
            " the host's step state is put away: the stop is lost over a signal or immediate_exit.",
        ),
        _task(
            "detective",
            "Name the era, A to F, of each of the four cases.",
            _check_detective,
            hints=(
                "First the syndromes: 0xc8000000 is faked. Then: is there a stop at 0x40000008 in `store`?",
                "Late: A or C. The guest's own log tells: 0x40000038 is the stop after its store.",
                "In time: D if PSTATE at the MMIO exit has bit 21 (0x200000). Else E or F: is there a stop at"
                " 0x40000008 in `signal`?",
            ),
            explanation="Four questions in this order date every kernel. Is an hsr faked (0xc8...)? B. Is the step"
            " over the store late? Then the guest's own log: late, too, is A; right is C. Does PSTATE at KVM_EXIT_MMIO"
            " show the host's SS? D. Is the stop lost over the signal? E, else F. The PC at KVM_EXIT_MMIO is the clue"
            " that everybody takes first, and it misleads: 4.14.177 and 4.19.48 took the late advance from 5.0.",
            misconceptions=("shows-host-ss",),
        ),
        _task(
            "era",
            "Write era(case): the letter of the era of any case.",
            _check_era,
            hints=(
                "case.store and case.signal are tuples of returns with .reason, .pc, .pstate and .hsr (None if there is"
                " none); case.guest is a tuple of addresses.",
                "Start with the faked stops: their hsr >> 24 is 0xC8. (hsr may be None.)",
                "Then: is there a stop in time, with pc 0x40000008 and reason 'DEBUG', in case.store? In case.signal?",
            ),
            explanation="The order of the questions matters: the faked stops of B are in time, so ask for them"
            " first."
            " Then the late ones, then PSTATE, then the signal.",
            code="    def in_time(trace):\n"
            '        return any(one.pc == 0x40000008 and one.reason == "DEBUG" for one in trace)\n\n'
            "    if any(one.hsr is not None and one.hsr >> 24 == 0xC8 for one in case.store):\n"
            '        return "B"\n    if not in_time(case.store):\n'
            '        return "C" if 0x40000038 in case.guest else "A"\n'
            '    if any(one.reason == "MMIO" and one.pstate >> 21 & 1 for one in case.store):\n'
            '        return "D"\n    return "F" if in_time(case.signal) else "E"',
            misconceptions=("shows-host-ss",),
        ),
    ],
)
