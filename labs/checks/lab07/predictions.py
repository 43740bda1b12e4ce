"""Tasks of lab 07 that ask for a prediction: the guest's log, whose SS is shown, and what a host leaves.

Invariant: what is right is found by running the guest; no check holds a table of its own.
"""

from __future__ import annotations

from typing import Any

from checks.lab07.guest import STEPPING, USER, guest, released, whose_ss
from checks.lab07.running import notified
from checks.task import Wrong, bits, describe, entries, number

# --- predicting the log ----------------------------------------------------------------------------------------------

LOGS = ("v4.3", "v5.3", "debugged")


def _logs() -> dict[str, list[int]]:
    return {
        "v4.3": guest("v4.3").log,
        "v5.3": guest("v5.3").log,
        "debugged": guest("fixed", STEPPING).log,
    }


def check_logs(answer: Any) -> str:
    """The check of the task `logs`."""
    given: dict[str, list[int]] = {}
    words = "a list of addresses, perhaps an empty one"
    for name, value in entries(answer, LOGS, "logs", words).items():
        if not isinstance(value, list | tuple | set) or not all(
            isinstance(pc, int) for pc in value
        ):
            raise Wrong(f"logs[{name!r}] is a list of addresses, not {describe(value)}.")
        given[name] = sorted(value) if isinstance(value, set) else list(value)
    right = _logs()
    if given["debugged"]:
        raise Wrong(
            "With guest debug on, MDCR_EL2.TDE sends every Software Step exception to EL2. The guest's handler is at"
            " EL1: it is never called.",
        )
    for name in ("v4.3", "v5.3"):
        mine, theirs = given[name], right[name]
        if mine == theirs:
            continue
        if USER in mine:
            raise Wrong(
                f"{name}: the handler is notified of where the user goes on. The first instruction, at {USER:#x}, has run by"
                " then.",
                misconception="reports-stepped",
            )
        if name == "v4.3" and mine == right["v5.3"]:
            text = (
                "Under 4.3 nobody clears SS when the store is skipped, and this SS is the guest's. The bug needs no"
                " debugger on the host: whoever steps over an emulated instruction meets it."
            )
            raise Wrong(text, evidence=notified(guest("v4.3"), 3), first=text)
        if name == "v5.3" and mine == right["v4.3"]:
            text = (
                "5.3 is late for a debugger on the host: it arms SS at every entry, after the skip has cleared it. It"
                " arms only while the host steps. Here nobody does, and the cleared SS stays cleared."
            )
            raise Wrong(text, evidence=notified(guest("v5.3"), 3), first=text)
        if set(theirs) - set(mine) == {theirs[-1]}:
            raise Wrong(
                f"{name}: the stop before the last instruction is missing, {theirs[-1]:#x}. The guest ends with the"
                " instruction after that stop."
            )
        if len(mine) < 2:
            raise Wrong(
                f"{name}: the handler grants one more at each stop, so there are more stops."
            )
        raise Wrong(
            f"{name}: not what the handler writes down. The user's instructions are at {USER:#x} to {USER + 0x18:#x},"
            " four bytes each, and each stop is before the next one."
        )
    return "Right, all three. A guest that steps itself meets the bug of 2014 and the fix of 5.0 directly, with no debugger between."


# --- whose SS --------------------------------------------------------------------------------------------------------

SITUATIONS = {
    "guest alone, fixed": ("fixed", 0),
    "host steps, fixed": ("fixed", STEPPING),
    "host steps, v5.3": ("v5.3", STEPPING),
}


def check_whose_ss(answer: Any) -> str:
    """The check of the task `whose_ss`."""
    given = bits(answer, SITUATIONS, "ss")
    right = {name: whose_ss(*situation) for name, situation in SITUATIONS.items()}
    count = sum(given[name] == right[name] for name in SITUATIONS)
    first = f"{count} of 3 are right. Ask of each: whose SS is it that GET_ONE_REG shows, and who has set or cleared it?"
    if given["host steps, fixed"] != right["host steps, fixed"]:
        raise Wrong(
            "While the host steps, SS is 1 in the CPU, but that 1 is the host's. GET_ONE_REG shows the guest's own, and"
            " the guest's own is 0: its ERET could not set it, since stepping was enabled at EL1 already, by TDE.",
            misconception="shows-host-ss",
            first=first,
        )
    if given["guest alone, fixed"] != right["guest alone, fixed"]:
        raise Wrong(
            "Nobody steps but the guest, so what you see is its own bit. It has granted one instruction, and the store"
            " has not run: the abort saves SS = 1, the step is still owed.",
            misconception="abort-saves-0",
            first=first,
        )
    if given["host steps, v5.3"] != right["host steps, v5.3"]:
        raise Wrong(
            "A correct kernel would show 0, and 5.3 is not that. Up to 6.0 the host's SS leaked into what GET_ONE_REG"
            " shows at KVM_EXIT_MMIO: the leak of lab 02.",
            first=first,
        )
    return "Right. The same bit, and three owners: the guest, nobody, and the host by mistake."


# --- letting go ------------------------------------------------------------------------------------------------------


def check_release(answer: Any) -> str:
    """The check of the task `release`."""
    answer = entries(answer, ("ran", "stop", "isv"), "release")
    made = released()
    first, stop = made.stops[0], answer["stop"]
    ran, isv = (number(answer[key], f"release[{key!r}] is") for key in ("ran", "isv"))
    text = misconception = ""
    if str(stop).strip(" .").lower() == "never":
        text, misconception = (
            "The guest's MDSCR_EL1.SS is 1, and the host is gone: stepping is on. Its PSTATE.SS is 0, and that is not"
            " off. It means that a stop is due.",
            "ss0-is-off",
        )
    elif not isinstance(stop, int):
        raise Wrong(f"release['stop'] is an address, or \"never\", not {describe(stop)}.")
    elif stop == first.elr + 4 and ran == 1:
        text = (
            "So it would be if the guest's SPSR_EL1.SS = 1 had survived. But the guest executed its ERET while the host"
            " stepped it. With TDE stepping is enabled at EL1, where the ERET stands, so the ERET sets PSTATE.SS to 0."
        )
    elif stop != first.elr:
        text = f"The user stands at {USER:#x} when the host lets go, and its PSTATE.SS is 0."
    elif ran != 0:
        text = (
            "The handler is notified of the very instruction at which the host let go, so nothing can have run in"
            " between."
        )
    elif isv != first.isv:
        text = "ISV says whether the CPU has stepped an instruction since the ERET. Has it?"
    if text:  # the guest's log, which is the whole answer, is shown from the second time on
        raise Wrong(text, misconception=misconception, evidence=notified(made, 3), first=text)
    return "Right: a spurious stop in the guest, caused by a host that meant to leave no trace."
