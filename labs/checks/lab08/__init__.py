"""Tasks of lab 08, a real debugger.

Invariant: what is right is what gdb prints, or what the guest has done, in a session that is run for the check.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import Any

from aarch64sim import Debugger

from checks.gdb_in_batch import NO_GDB, SessionTooLongError, Talk, attach, gdb_there
from checks.lab04 import program_of
from checks.task import Lab, NotAnswered, Task, Wrong, call, describe, expect_type, numbers

START = 0x4000_0000
STORE, AFTER = START + 4, START + 8


def _session(*commands: str, kernel: str = "v4.3") -> Talk:
    if not gdb_there():
        raise NotAnswered(NO_GDB)
    return attach(*commands, kernel=kernel)


def _shown(pcs: Any) -> str:
    return ", ".join(f"{pc:#x}" for pc in pcs)


# --- where_stepi_stops ---------------------------------------------------------------------------

ERAS = ("v4.3", "v5.0", "fixed")


@cache
def stops_in_gdb(kernel: str, count: int = 3) -> tuple[int, ...]:
    """The PC that gdb prints after each `stepi`."""
    talk = _session(*["stepi", 'printf "=%#lx\\n", $pc'] * count, kernel=kernel)
    return tuple(int(pc, 16) for pc in re.findall(r"^=(0x[0-9a-f]+)$", talk.text, re.MULTILINE))


def _numbers(said: Any, kernel: str) -> tuple[int, ...]:
    expect_type(said, list | tuple, f"a list of three addresses for {kernel}")
    try:
        pcs = tuple(int(pc, 0) if isinstance(pc, str) else int(pc) for pc in said)
    except (TypeError, ValueError):
        raise Wrong(f"{kernel}: write the addresses as numbers, such as 0x40000004") from None
    if len(pcs) != 3:
        raise Wrong(
            f"{kernel}: three times `stepi` gives three addresses, and these are {len(pcs)}"
        )
    return pcs


def _where_stepi_stops(answer: Any) -> str:
    expect_type(answer, dict, "a dictionary: kernel -> three addresses")
    missing = [kernel for kernel in ERAS if answer.get(kernel) is None]
    if missing:
        raise NotAnswered(f"write three addresses for {', '.join(missing)}")
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
            f"{kernel}: {_shown(said)} is not what gdb prints. Only the store is emulated; every other `stepi` moves the"
            " PC by 4"
        )
    return "right: that is what gdb prints, with three kernels, in three sessions run just now."


# --- behind_the_store ----------------------------------------------------------------------------


def _behind_the_store(answer: Any) -> str:
    commands = answer.splitlines() if isinstance(answer, str) else answer
    expect_type(commands, list | tuple, "a list of gdb commands")
    if not all(isinstance(command, str) for command in commands):
        raise Wrong("each command is a text, as you would type it after (gdb)")
    commands = [one for one in (c.strip().removeprefix("(gdb)").strip() for c in commands) if one]
    if not commands:
        raise NotAnswered("write the commands, each a text in the list")
    try:
        talk = _session(*commands)
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
    if pc == AFTER + 4:
        raise Wrong(
            "this is the late stop: the add has run. Stepping cannot stop after the store, under v4.3. What else stops"
            " a guest?",
            misconception="mmio-is-done",
            evidence=talk.text,
        )
    raise Wrong(f"the guest stands at {pc:#x}, and not at {AFTER:#x}", evidence=talk.text)


# --- missing_stops -------------------------------------------------------------------------------


def visible(kinds: str, kernel: str) -> list[int]:
    """The start, and every stop of a program of a's and m's; the guest's end is no stop."""
    debugger, found = Debugger(program_of(kinds), kernel), [START]
    while not debugger.ended:
        stop = debugger.step()
        if not debugger.ended:
            found.append(stop.pc)
    return found


def _missing_stops(answer: Any) -> str:
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
        lost = f"[{_shown(right)}] are" if len(right) > 1 else f"{_shown(right) or 'nothing'} is"
        said = f"for {_shown(pcs)} you say [{_shown(got)}], and {lost} missing."
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
    text = _session(
        "stepi 2", 'printf "=%d\\n", $mdscr_el1 & 1', "monitor mdscr", 'printf "=%d\\n", $x1',
        'printf "=%ld\\n", $pc', "reverse-stepi", 'printf "=%ld\\n", $pc',
    ).text  # fmt: skip
    guest, x1, before, after = map(int, re.findall(r"^=(\d+)$", text, re.MULTILINE))
    host = re.search(r"^mdscr_el1\.ss +\d +(\d)$", text, re.MULTILINE)
    assert host
    return dict(zip(QUESTIONS, (guest, int(host[1]), x1, (before - after) // 4), strict=True))


def _what_gdb_shows(answer: Any) -> str:
    expect_type(answer, dict, "a dictionary with a number for each")
    missing = [question for question in QUESTIONS if answer.get(question) is None]
    if missing:
        raise NotAnswered(f"write a number for: {'; '.join(missing)}")
    for question, right in shown().items():
        if answer[question] != right:
            why, misconception = QUESTIONS[question]
            raise Wrong(
                f"{question}: gdb does not show {describe(answer[question])}. {why[0].upper()}{why[1:]}.",
                misconception=misconception,
            )
    return "right: gdb sees the guest's registers, and believes the stops that are reported to it."


LAB = Lab(
    "08",
    [
        Task(
            "where_stepi_stops",
            "Write the three addresses that gdb prints after three times `stepi`, for each kernel.",
            _where_stepi_stops,
            "fill in the addresses",
            hints=(
                "Attach gdb, or use attach(..., kernel=...) above, and type stepi three times.",
                "5.0 clears SS when it skips. Is that the last time that somebody writes SS before the ERET?",
                "The first third of lab 05 shows what 5.0 does just before it enters the guest.",
            ),
            explanation=(
                "4.3 leaves"
                " SS at 1 when it skips the store, and the add runs. 5.0 clears it, and sets it again on the way into the"
                " guest. What gdb prints is the same."
            ),
            misconceptions=("mmio-is-done", "reports-stepped", "clear-anywhere"),
            code="late = [0x40000004, 0x4000000c, 0x40000010]\n"
            'addresses = {"v4.3": late, "v5.0": late, "fixed": [0x40000004, 0x40000008, 0x4000000c]}',
        ),
        Task(
            "behind_the_store",
            "Write gdb commands after which, under v4.3, the store is done and the add has not run.",
            _behind_the_store,
            "write a list of gdb commands",
            hints=(
                "stepi will never stop there. What else does a debugger have?",
                "A breakpoint is an instruction, BRK, which causes an exception of its own.",
                "Set it at the instruction that must not run: break *ADDRESS. Then go on.",
            ),
            explanation=(
                "A stop of a step depends on SS, and on 4.3 SS is wrong after the store."
                " A breakpoint depends on nothing but the PC. It is what people did on such kernels: a breakpoint after"
                " the access, and `continue` instead of `stepi`."
            ),
            code='commands = ["break *0x40000008", "continue"]',
            misconceptions=("mmio-is-done", "reports-stepped", "skip-is-pc"),
        ),
        Task(
            "missing_stops",
            "Write missing_stops(pcs): from the PCs of a gdb session, the stops that were lost.",
            _missing_stops,
            "write missing_stops",
            hints=(
                "The program has no branches, and an instruction has 4 bytes.",
                "Look at each PC and the one after it.",
                "range(a + 4, b, 4) is every address between two stops a and b.",
            ),
            explanation=(
                "Nothing in gdb warns you: the stop that is missing was never reported. You can see it only because you know where it should have been. With a"
                " branch in the program you would have to know where it goes."
            ),
            misconceptions=("mmio-is-done", "reports-stepped", "skip-is-pc"),
        ),
        Task(
            "what_gdb_shows",
            "Say what gdb shows after `stepi 2` under v4.3.",
            _what_gdb_shows,
            "fill in a number for each",
            hints=(
                "Look at the transcript, or ask gdb: attach('stepi 2', 'info registers mdscr_el1').",
                "gdb reads registers as KVM_GET_ONE_REG gives them.",
                "reverse-stepi goes back to the last stop. How far is that?",
            ),
            explanation=(
                "`info registers` shows the guest's MDSCR_EL1, in which nobody steps; the host's SS is put"
                " into the CPU for the time that the guest runs. x1 is 1, since the add has run. And reverse-stepi undoes"
                " a step as it was made: the store and the add."
            ),
            misconceptions=("shows-host-ss", "ss0-is-off", "mmio-is-done"),
            code="numbers = dict(zip(numbers, (0, 1, 1, 2), strict=True))",
            numeric=True,
        ),
    ],
)
