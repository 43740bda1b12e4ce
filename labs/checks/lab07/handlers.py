"""Tasks of lab 07 that ask for instructions: stop at the entry, step and let go, complete what is emulated.

Invariant: what is right is what the guest does when it runs with the learner's lines in it.
"""

from __future__ import annotations

from typing import Any

from checks.lab07.guest import USER
from checks.lab07.running import AFTER_STORE, SOFTWARE_STEP, notified, right_log, run_with
from checks.task import Wrong

# --- stopping at the entry -------------------------------------------------------------------------------------------


def check_entry(answer: Any) -> str:
    """The check of the task `entry`."""
    made = run_with("step-user", "grant", answer)
    shown, cpu = notified(made), made.vcpu.cpu
    if made.endless and not made.log and cpu.pstate.el:
        raise Wrong(
            "Your lines never get to the ERET: is there a loop without an end?", evidence=shown
        )
    foreign = [stop for stop in made.stops if stop.esr >> 26 != SOFTWARE_STEP]
    if foreign:
        raise Wrong(
            f"The handler was called for something else: the class in ESR_EL1 is {foreign[0].esr >> 26:#x}. Which bits"
            " of SPSR_EL1 have you set?",
            evidence=shown,
        )
    if made.log == [USER, *right_log("step-user")]:
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
    if made.log == right_log("step-user"):
        raise Wrong(
            "SPSR_EL1.SS = 1 grants an instruction, so the first one has run before the first stop. Grant none: with"
            " SS = 0 stepping is not off, the stop is due at once.",
            misconception="ss0-is-off",
            evidence=shown,
        )
    raise Wrong("The user is not stopped at its entry and stepped from there.", evidence=shown)


# --- stepping, and letting go ----------------------------------------------------------------------------------------


def check_finish(answer: Any) -> str:
    """The check of the task `finish`."""
    made = run_with("step-user", "resume", answer)
    shown, all_stops = notified(made), right_log("step-user")
    log, x1, x4 = made.log, made.vcpu.get_one_reg("x1"), made.vcpu.get_one_reg("x4")
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


# --- the same bug once more ------------------------------------------------------------------------------------------


def check_skip(answer: Any) -> str:
    """The check of the task `skip`."""
    made = run_with("step-and-emulate", "skip", answer)
    shown, log, right = notified(made), made.log, right_log("step-and-emulate")
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
