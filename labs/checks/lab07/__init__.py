"""Checks of lab 07, the guest steps itself: grant a step, answer it, and see whose SS is whose.

Invariant: what is right is what a guest does when it runs; no check holds a table of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aarch64sim import AssemblyError

from checks.lab07.guest import (
    STEPPING,
    USER,
    Guest,
    guest,
    released,
    source,
    whose_ss,
    with_part,
)
from checks.task import Lab, NotAnswered, Task, Wrong, describe, expect_type

SOFTWARE_STEP = 0x32  # EC from a lower Exception level
AFTER_STORE = USER + 8


def _lines(answer: str) -> list[str]:
    return [line for line in answer.splitlines() if line.split("//")[0].strip()]


def _run(name: str, part: str, answer: Any) -> Guest:
    """The program with the learner's lines in it, run; Wrong if it does not assemble."""
    expect_type(answer, str, "a text with assembly instructions")
    if not _lines(answer):
        raise NotAnswered("The text is still empty: write instructions.")
    try:
        return Guest(with_part(name, part, answer)).run()
    except AssemblyError as error:
        first = error.errors[0]
        raise Wrong(f"This does not assemble: {first.message}.", evidence=first.caret) from None


def _shown(made: Guest, most: int = 5) -> str:
    told = [str(one) for one in made.told[:most]]
    more = ["..."] if len(made.told) > most else []
    end = "it never ended" if made.endless else made.machine.ended
    return "\n".join([*(told or ["the handler was never called"]), *more, f"and then: {end}"])


def _right_log(name: str) -> list[int]:
    return Guest(source(name)).run().log


# --- stopping at the entry -------------------------------------------------------------------------------------------


def _check_entry(answer: Any) -> str:
    made = _run("step-user", "grant", answer)
    shown, cpu = _shown(made), made.vcpu.cpu
    if made.endless and not made.log and cpu.pstate.el:
        raise Wrong(
            "Your lines never get to the ERET: is there a loop without an end?", evidence=shown
        )
    foreign = [told for told in made.told if told.esr >> 26 != SOFTWARE_STEP]
    if foreign:
        raise Wrong(
            f"The handler was called for something else: the class in ESR_EL1 is {foreign[0].esr >> 26:#x}. Which bits"
            " of SPSR_EL1 have you set?",
            evidence=shown,
        )
    if made.log == [USER, *_right_log("step-user")]:
        return f"Right: {len(made.log)} stops, and the first one before the user has run anything."
    if not made.log and cpu.pstate.el:
        raise Wrong(
            "Your ERET has gone to EL1, and there MDSCR_EL1.SS alone steps nothing: at the debug target level itself"
            " KDE is needed, too. A user runs at EL0: bits 3:0 of SPSR_EL1 are 0.",
            misconception="mdscr-alone",
            evidence=shown,
        )
    if not made.log and not cpu.sys.mdscr_el1 & 1:
        raise Wrong(
            "MDSCR_EL1.SS is 0, so the machine is switched off: the user ran freely, whatever is in SPSR_EL1.",
            evidence=shown,
        )
    if made.log == _right_log("step-user"):
        raise Wrong(
            "SPSR_EL1.SS = 1 grants an instruction, so the first one has run before the first stop. Grant none: with"
            " SS = 0 stepping is not off, the stop is due at once.",
            misconception="ss0-is-off",
            evidence=shown,
        )
    raise Wrong("The user is not stopped at its entry and stepped from there.", evidence=shown)


# --- stepping, and letting go ----------------------------------------------------------------------------------------


def _check_finish(answer: Any) -> str:
    made = _run("step-user", "resume", answer)
    shown, all_stops = _shown(made), _right_log("step-user")
    log, x1, x4 = made.log, made.vcpu.get_one_reg("x1"), made.vcpu.get_one_reg("x4")
    if "caught in exceptions" in made.machine.ended:
        raise Wrong(
            "Your lines run on into what follows them, and that is no code. Is there an ERET on every path?",
            evidence=shown,
        )
    if log == all_stops[:2] and (x1, x4) == (1, 1) and not made.endless:
        return "Right: two stops, and then the user runs to its end."
    if made.endless and len(log) > 2 and len(set(log)) < 3:
        raise Wrong(
            f"The user never gets away from {log[-1]:#x}. The stop has saved SPSR_EL1.SS = 0, and your ERET gives it"
            " back. SS = 0 does not switch stepping off: it says that the step is spent, so the CPU stops at once, and"
            " again, and again.",
            misconception="ss0-is-off",
            evidence=shown,
        )
    if log == all_stops:
        raise Wrong(
            "The user is stepped to its end. After the store, at 0x40000108, it should be let go.",
            evidence=shown,
        )
    if made.endless:
        raise Wrong(
            "The guest did not come back to its user. Is there an ERET on every path?",
            evidence=shown,
        )
    if log == all_stops[:1] and x1 == 1:
        raise Wrong(
            "One stop, and then the user runs freely: you have let it go too early. The store is to be stepped, too.",
            evidence=shown,
        )
    if x1 == 0 or made.machine.uart.text == "":
        raise Wrong(
            "An instruction was jumped over. ELR_EL1 is not the instruction that was stepped: it is the one that has"
            " not run yet. Leave it as it is.",
            misconception="reports-stepped",
            evidence=shown,
        )
    raise Wrong("The log should have two entries, 0x40000104 and 0x40000108.", evidence=shown)


# --- predicting the log ----------------------------------------------------------------------------------------------

LOGS = ("v4.3", "v5.3", "debugged")


def _logs() -> dict[str, list[int]]:
    return {
        "v4.3": guest("v4.3").log,
        "v5.3": guest("v5.3").log,
        "debugged": guest("fixed", STEPPING).log,
    }


def _check_logs(answer: Any) -> str:
    expect_type(answer, Mapping, f"a dictionary with the keys {', '.join(LOGS)}")
    given: dict[str, list[int]] = {}
    for name in LOGS:
        value = answer.get(name)
        if value is None:
            raise NotAnswered(
                f"logs[{name!r}] is still open: a list of addresses, perhaps an empty one."
            )
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
            raise Wrong(
                "Under 4.3 nobody clears SS when the store is skipped, and this SS is the guest's. The bug needs no"
                " debugger on the host: whoever steps over an emulated instruction meets it.",
                evidence=_shown(guest("v4.3"), 3),
            )
        if name == "v5.3" and mine == right["v4.3"]:
            raise Wrong(
                "5.3 is late for a debugger on the host: it arms SS at every entry, after the skip has cleared it. It"
                " arms only while the host steps. Here nobody does, and the cleared SS stays cleared.",
                evidence=_shown(guest("v5.3"), 3),
            )
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


def _check_whose_ss(answer: Any) -> str:
    expect_type(answer, Mapping, f"a dictionary with the keys {', '.join(SITUATIONS)}")
    for name in SITUATIONS:
        if answer.get(name) is None:
            raise NotAnswered(f"ss[{name!r}] is still open: 0 or 1?")
        if answer[name] not in (0, 1):
            raise Wrong(f"ss[{name!r}] is a bit, 0 or 1, not {describe(answer[name])}.")
    right = {name: whose_ss(*situation) for name, situation in SITUATIONS.items()}
    given = {name: int(answer[name]) for name in SITUATIONS}
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


def _check_release(answer: Any) -> str:
    keys = ("ran", "told", "isv")
    expect_type(answer, Mapping, f"a dictionary with the keys {', '.join(keys)}")
    for key in keys:
        if answer.get(key) is None:
            raise NotAnswered(f"release[{key!r}] is still open.")
    made = released()
    first = made.told[0]
    shown = _shown(made, 3)
    told, ran = answer["told"], answer["ran"]
    for key in ("ran", "isv"):
        if not isinstance(answer[key], int):
            raise Wrong(f'release["{key}"] is a number, not {describe(answer[key])}.')
    if isinstance(told, str):
        told = told.strip().lower()
    if told == "never":
        raise Wrong(
            "The guest's MDSCR_EL1.SS is 1, and the host is gone: stepping is on. Its PSTATE.SS is 0, and that is not"
            " off. It means that a stop is due.",
            misconception="ss0-is-off",
            evidence=shown,
        )
    if not isinstance(told, int):
        raise Wrong(f'release["told"] is an address, or "never", not {describe(told)}.')
    if told == first.elr + 4 and ran == 1:
        raise Wrong(
            "So it would be if the guest's SPSR_EL1.SS = 1 had survived. But the guest executed its ERET while the host"
            " stepped it. With TDE stepping is enabled at EL1, where the ERET stands, so the ERET sets PSTATE.SS to 0.",
            evidence=shown,
        )
    if told != first.elr:
        raise Wrong(
            f"The user stands at {USER:#x} when the host lets go, and its PSTATE.SS is 0.",
            evidence=shown,
        )
    if ran != 0:
        raise Wrong(
            "The handler is notified of the very instruction at which the host let go, so nothing can have run in between.",
            evidence=shown,
        )
    if answer["isv"] != first.isv:
        raise Wrong(
            "ISV says whether the CPU has stepped an instruction since the ERET. Has it?",
            evidence=shown,
        )
    return "Right: a spurious stop in the guest, caused by a host that meant to leave no trace."


# --- the same bug once more ------------------------------------------------------------------------------------------


def _check_skip(answer: Any) -> str:
    made = _run("step-and-emulate", "skip", answer)
    shown, log, right = _shown(made), made.log, _right_log("step-and-emulate")
    x1, x2, x5 = (made.vcpu.get_one_reg(name) for name in ("x1", "x2", "x5"))
    if log == right and (x1, x2, x5) == (1, 1, 7):
        return "Right: your kernel completes the instruction as a CPU would, PC and step."
    if x5 == 0:
        raise Wrong("The user never reached its UDF.", evidence=shown)
    if made.endless and set(log) <= {right[0]}:
        raise Wrong(
            "The UDF is executed again and again: its address is still in ELR_EL1 at the ERET.",
            evidence=shown,
        )
    if not log or log == right[:1]:
        if not made.vcpu.cpu.sys.mdscr_el1 & 1:
            raise Wrong(
                "You have cleared the SS of MDSCR_EL1. That is the switch: the user runs freely from here on. The bit"
                " of this one step is SS in SPSR_EL1.",
                misconception="clear-anywhere",
                evidence=shown,
            )
        raise Wrong("After the UDF the user is no longer stepped.", evidence=shown)
    if x1 == 0:
        raise Wrong("ELR_EL1 has moved too far: the `add` after the UDF never ran.", evidence=shown)
    if AFTER_STORE not in log and "resume" in answer:
        raise Wrong(
            "You jump to `resume`, and there SS is set again, whatever you have done to it before. This is Linux 5.0 in"
            " five lines: cleared in one place, armed in a later one. The one that comes last counts.",
            misconception="clear-anywhere",
            evidence=shown,
        )
    if AFTER_STORE not in log:
        raise Wrong(
            "The stop after the UDF is missing: the `add` ran with it. ELR_EL1 += 4 moves the PC and nothing else. You"
            " have completed an instruction for the CPU, so its step is spent: clear SS in SPSR_EL1, too.",
            misconception="skip-is-pc",
            evidence=shown,
        )
    raise Wrong("The log is not what it should be.", evidence=shown)


def _task(name: str, asks: str, check: Callable[[Any], str], **more: Any) -> Task:
    return Task(name, asks, check, f"{name} is None: the task is still open.", **more)


LAB = Lab(
    "07",
    [
        _task(
            "entry",
            "Write the lines with which a guest kernel stops its user before the first instruction, and steps it.",
            _check_entry,
            hints=(
                "Two registers: MDSCR_EL1 for the switch, SPSR_EL1 for what the ERET makes of PSTATE.",
                "SPSR_EL1 for a user: EL0 is 0 in bits 3:0, 0x3c0 masks D, A, I and F, SS is bit 21 (0x200000).",
                "In which state is the machine when stepping is on and PSTATE.SS is 0?",
            ),
            explanation="MDSCR_EL1.SS = 1 is the switch. SPSR_EL1 = 0x3c0 sends the user to EL0 with SS = 0: no"
            " instruction is granted, so the machine is active-pending, and the handler is called with 0x40000100 and ISV"
            " = 0. From then on it grants one at a time. A debugger does so to show a program at its entry. KDE is not"
            " needed: the user is below the debug target level. Nor is an ISB, since the ERET synchronises.",
            code="    mov   x0, #1\n    msr   mdscr_el1, x0\n    mov   x0, #0x3c0\n    msr   spsr_el1, x0",
            misconceptions=("mdscr-alone", "ss0-is-off"),
        ),
        _task(
            "finish",
            "Write the end of the stop handler: step until the store is done, then let the user run.",
            _check_finish,
            hints=(
                "x10 counts the stops, this one included; x12 is ELR_EL1.",
                "To step: set SPSR_EL1.SS and ERET. What is it, if you leave it as it was saved?",
                "To let go, use the switch: msr mdscr_el1, xzr.",
            ),
            explanation="The stop came from active-pending, so SPSR_EL1.SS is 0. To grant one more, set it. To let go,"
            " clear the switch, MDSCR_EL1.SS; an ERET with SS = 0 and the switch on stops at the same place forever."
            " ELR_EL1 stays as it is: the instruction at it has not run.",
            code="    cmp   x10, #2\n    b.ge  free\n    mrs   x13, spsr_el1\n    orr   x13, x13, #0x200000\n"
            "    msr   spsr_el1, x13\n    eret\nfree:\n    msr   mdscr_el1, xzr\n    eret",
            misconceptions=("ss0-is-off", "reports-stepped"),
        ),
        _task(
            "logs",
            "Give the addresses in the handler's log under v4.3, under v5.3, and while the host steps.",
            _check_logs,
            hints=(
                "The first stop is before the second instruction, at 0x40000104.",
                "Who clears SS under 4.3 when the store is skipped? Who sets it again under 5.3, and for whom?",
                "With MDCR_EL2.TDE = 1, where do Software Step exceptions go?",
            ),
            explanation="Under 4.3 the store's skip leaves SS = 1, and the guest is entered with it: the add runs"
            " along, and 0x40000108 is missing. Under 5.3 the skip clears SS, nobody arms (nobody steps on the host),"
            " and the stop is there. While the host steps, TDE sends every stop to EL2: the log is empty, whatever the"
            " kernel.",
            numeric=True,
            misconceptions=("reports-stepped",),
        ),
        _task(
            "whose_ss",
            "Give PSTATE.SS as GET_ONE_REG shows it at KVM_EXIT_MMIO, in three situations.",
            _check_whose_ss,
            hints=(
                "The abort of a store saves SS as it is: the store has not run.",
                "While the host steps, what does the guest's ERET do to its own SS? See lab 01: where stepping is"
                " enabled already, an ERET cannot set it.",
                "34fbdee086cf (6.1) keeps the guest's SS apart. What did older kernels show?",
            ),
            explanation="Guest alone: 1, its own step is owed. Host steps, fixed: 0. The guest's ERET could not set SS,"
            " because TDE enables stepping at EL1 already, and the host's 1 is put away before userspace looks. Host"
            " steps, 5.3: 1, and it is the host's, left in the guest's PSTATE by mistake until 6.1.",
            numeric=True,
            misconceptions=("shows-host-ss", "abort-saves-0"),
        ),
        _task(
            "release",
            "The host lets go of a guest that has just granted its user an instruction: what does its handler get?",
            _check_release,
            hints=(
                "What did the guest's ERET make of SPSR_EL1.SS = 1, while TDE was set?",
                "So PSTATE.SS is 0, MDSCR_EL1.SS is the guest's 1, and TDE is gone. Which state is that?",
                "active-pending: before any instruction.",
            ),
            explanation="The ERET from EL1 to EL0 was executed under TDE, so stepping was enabled where it stood, and"
            " it set PSTATE.SS to 0. When the host lets go, the guest's own MDSCR_EL1.SS = 1 counts again:"
            " active-pending."
            " The handler is called with 0x40000100 and ISV = 0, and nothing has run. The guest's step was lost. KVM does"
            " not try to give it back, and real kernels do the same.",
            numeric=True,
            misconceptions=("ss0-is-off",),
        ),
        _task(
            "skip",
            "Write the end of the guest's emulation of UDF, so that its own stepping stays right.",
            _check_skip,
            hints=(
                "The kernel completes an instruction for the CPU. What does the CPU do at that moment?",
                "ELR_EL1 += 4, and the step of this instruction is spent.",
                "`resume` sets SS again. Return to the user yourself, with SS = 0 in SPSR_EL1.",
            ),
            explanation="The undefined instruction has not run, so SPSR_EL1.SS is 1: the step is owed. The kernel"
            " completes the instruction, so it must move ELR_EL1 and clear SPSR_EL1.SS, and nobody may set the"
            " bit after that. Linux had this bug in its own emulation of user instructions until 2017 (6436beeee572).",
            code="    mrs   x12, elr_el1\n    add   x12, x12, #4\n    msr   elr_el1, x12\n    mrs   x13, spsr_el1\n"
            "    and   x13, x13, #0xffffffffffdfffff\n    msr   spsr_el1, x13\n    eret",
            misconceptions=("clear-anywhere", "skip-is-pc"),
        ),
    ],
)
