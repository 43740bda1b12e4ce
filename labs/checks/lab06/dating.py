"""Tasks of lab 06 that date a trace: four cases by hand, and every real kernel by a function.

Invariant: what is right is the era of the kernel from which the trace was recorded.
"""

from __future__ import annotations

from typing import Any

from checks import museum
from checks.lab06.cases import CODE, ERAS, Case, case, case_of, suspect
from checks.task import NotAnswered, Wrong, call, describe, entries


def _letter(value: Any, where: str) -> str:
    said = str(value).strip().upper().removeprefix("ERA ")
    letter = {releases.upper(): era for era, releases in ERAS.items()}.get(said, said)
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


def check_detective(answer: Any) -> str:
    """The check of the task `detective`."""
    numbers = (1, 2, 3, 4)
    names = {
        number: _letter(value, f"eras[{number}]")
        for number, value in entries(answer, numbers, "eras").items()
    }
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


def check_era(answer: Any) -> str:
    """The check of the task `era`."""
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
