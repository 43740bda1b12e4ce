"""Tasks of lab 08 about stops: where `stepi` stops, and which stops were lost.

Invariant: what is right is what gdb prints, or where a debugger stops, in a session that is run for the check.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import Any

from aarch64sim import Debugger

from checks.lab04 import program_of
from checks.lab08.session import START, in_hex, session_of
from checks.task import NotAnswered, Wrong, call, describe, entries, expect_type, number, numbers

# --- where_stepi_stops ---------------------------------------------------------------------------

ERAS = ("v4.3", "v5.0", "fixed")


@cache
def stops_in_gdb(kernel: str, count: int = 3) -> tuple[int, ...]:
    """The PC that gdb prints after each `stepi`."""
    talk = session_of(*["stepi", 'printf "=%#lx\\n", $pc'] * count, kernel=kernel)
    return tuple(int(pc, 16) for pc in re.findall(r"^=(0x[0-9a-f]+)$", talk.text, re.MULTILINE))


def _numbers(said: Any, kernel: str) -> tuple[int, ...]:
    said = sorted(said, key=str) if isinstance(said, set) else said
    expect_type(said, list | tuple, f"a list of three addresses for {kernel}")
    pcs = tuple(number(pc, f"{kernel}: an address is") for pc in said)
    if len(pcs) != 3:
        raise Wrong(
            f"{kernel}: three times `stepi` gives three addresses, and these are {len(pcs)}."
        )
    return pcs


def where_stepi_stops(answer: Any) -> str:
    """The check of the task of that name."""
    answer = entries(answer, ERAS, "addresses", "three addresses")
    late, right = stops_in_gdb("v4.3"), stops_in_gdb("fixed")
    for kernel in ERAS:
        if _numbers(answer[kernel], kernel)[0] == START:
            raise Wrong(
                f"{kernel}: these are the instructions that were stepped, or the start is among them. The start is not a"
                " stop: give the three addresses that gdb prints after it, one for each `stepi`",
                misconception="reports-stepped",
            )
        said, true = _numbers(answer[kernel], kernel), stops_in_gdb(kernel)
        if said == true:
            continue
        if max(said) < START:
            raise Wrong(
                f"{kernel}: gdb prints addresses, and the program begins at {START:#x}; these are offsets"
            )
        if all(pc + 4 == stop for pc, stop in zip(said, true, strict=True)):
            raise Wrong(
                f"{kernel}: these are the instructions that were stepped. gdb prints the PC: the address of the next"
                " instruction, which has not run",
                misconception="reports-stepped",
            )
        if said == right and kernel == "v4.3":
            raise Wrong(
                "v4.3: this kernel moves the PC over the store and forgets that a step is over. Nobody stops before the"
                " add",
                misconception="mmio-is-done",
            )
        if said == right and kernel == "v5.0":
            raise Wrong(
                "v5.0: this kernel clears SS when it skips the store, but it sets SS again before it enters the guest."
                " gdb sees no difference to v4.3",
                misconception="clear-anywhere",
            )
        if said == late:
            raise Wrong(
                f"{kernel}: these are the stops of v4.3. A correct kernel stops before every instruction"
            )
        raise Wrong(
            f"{kernel}: {in_hex(said)} is not what gdb prints. Only the store is emulated; every other `stepi` moves the"
            " PC by 4"
        )
    return "right: that is what gdb prints, with three kernels, in three sessions run just now."


# --- missing_stops -------------------------------------------------------------------------------


def visible(kinds: str, kernel: str) -> list[int]:
    """The start, and every stop of a program of a's and m's; the guest's end is no stop."""
    debugger, found = Debugger(program_of(kinds), kernel), [START]
    while not debugger.ended:
        stop = debugger.step()
        if not debugger.ended:
            found.append(stop.pc)
    return found


def missing_stops(answer: Any) -> str:
    """The check of the task of that name."""
    for kinds in ("aaa", "ama", "mma", "amaamma", "mmmama"):
        pcs = visible(kinds, "v4.3")
        right = [pc for pc in visible(kinds, "fixed") if pc not in pcs and pc < pcs[-1]]
        got = numbers(call(answer, pcs))
        name = "missing_stops"
        if got is None:
            raise NotAnswered(f"let {name} return a list of addresses")
        if isinstance(got, set):
            got = sorted(got, key=str)
        if not isinstance(got, list | tuple) or not all(type(pc) is int for pc in got):
            raise Wrong(f"{name} should return a list of addresses, and returned {describe(got)}")
        if list(got) == right:
            continue
        lost = f"[{in_hex(right)}] are" if len(right) > 1 else f"{in_hex(right) or 'nothing'} is"
        said = f"for {in_hex(pcs)} you say [{in_hex(got)}], and {lost} missing."
        gaps = [(a, b) for a, b in pairwise(pcs) if b - a > 4]
        if not right:
            raise Wrong(f"{said} Where the PC moves by 4 nothing is missing")
        if list(got) == [a for a, _ in gaps]:
            raise Wrong(
                f"{said} You name the instruction that was stepped last. Its stop would have been reported with the"
                " address after it",
                misconception="reports-stepped",
            )
        if list(got) == [b for _, b in gaps]:
            raise Wrong(f"{said} You name the stop that came, late. Which one did not come?")
        if list(got) == [a + 4 for a, _ in gaps]:
            raise Wrong(
                f"{said} You find one in each gap. Several accesses in a row lose several stops",
                misconception="skip-is-pc",
            )
        if not got:
            raise Wrong(
                f"{said} The PC moves by more than 4 in one stepi, and there is no branch",
                misconception="mmio-is-done",
            )
        raise Wrong(f"{said} An instruction has 4 bytes, and each has a stop before it")
    return "right: in code without branches, a PC that moves by more than 4 has passed a stop."
