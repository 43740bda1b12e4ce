"""Tasks of lab 02 about who sees the step: MRS, KVM_GET_ONE_REG and the CPU, and a guest that notices.

Invariant: what is right is what the guest reads, or leaves in its registers, when it is run.
"""

from __future__ import annotations

from typing import Any

from aarch64sim import AssemblyError, GuestDebug

from checks.lab02.probe import ASKS, SETS_AND_ASKS, SETS_KDE, guest, views
from checks.lab02.stepping import STEPPING
from checks.task import NotAnswered, Wrong, entries, expect_type

# --- who sees what ---------------------------------------------------------------------------------------------------

SITUATIONS = {
    "stepped": ("the host steps; the guest has never written MDSCR_EL1", ASKS, 3),
    "both": ("the host steps; the guest has written 0x2000", SETS_KDE, 3),
    "enable": ("ENABLE without SINGLESTEP; the guest has written 0x2001", SETS_AND_ASKS, 1),
    "nobody": ("no guest debug; the guest has written 0x2001", SETS_AND_ASKS, 0),
}


def check_views(answer: Any) -> str:
    """The check of the task `views`."""
    answer = entries(answer, SITUATIONS, "views")
    for name, given in answer.items():
        if isinstance(given, tuple | list) and None in given:
            raise NotAnswered(f"views[{name!r}] is still open: {SITUATIONS[name][0]}.")
        numbers = isinstance(given, tuple | list) and all(isinstance(one, int) for one in given)
        if not numbers or len(given) != 3:
            raise Wrong(f"views[{name!r}] should be three numbers: MRS, GET_ONE_REG, the CPU.")
    for name, (words, source, control) in SITUATIONS.items():
        mrs, one_reg, cpu = answer[name]
        real = views(source, control)
        shown = f"the situation: {words}"
        if one_reg != real[1] and one_reg == real[2]:
            raise Wrong(
                f"{name}: GET_ONE_REG does not show the host's SS. It is made for saving and moving a guest, so it"
                " shows the guest's own value; the host's bit is in the register only while the guest runs.",
                misconception="shows-host-ss",
                evidence=shown,
            )
        if mrs != real[0] and mrs == real[2]:
            raise Wrong(
                f"{name}: the guest does not read the register. With TDA its MRS is trapped, and the kernel answers"
                " with the guest's own value.",
                evidence=shown,
            )
        if (mrs, one_reg) != real[:2]:
            raise Wrong(
                f"{name}: what did the guest write last? That is what MRS and GET_ONE_REG show."
            )
        if cpu & 0x2000 and control:
            raise Wrong(
                f"{name}: that was so up to 6.13. Under `fixed`, while the host debugs, the guest's KDE and SS are put away and"
                " not in the CPU.",
                evidence=shown,
            )
        if cpu != real[2] and control == GuestDebug.ENABLE:
            raise Wrong(
                f"{name}: nobody steps here. The host did not ask for it, and the guest is not allowed to.",
                evidence=shown,
            )
        if cpu != real[2]:
            raise Wrong(
                f"{name}: think of who steps. Its SS must be in the CPU's register, or there is no step.",
                evidence=shown,
            )
    return "Right, all twelve. The guest and GET_ONE_REG always agree, and the CPU need not agree with either."


# --- a guest that notices --------------------------------------------------------------------------------------------

MOST_STEPS = 3000


def _x0_at_the_end(source: str, control: int) -> int | None:
    """What a program leaves in x0; None if it does not end."""
    machine = guest(source, control)
    runs = 0
    while not machine.ended:
        machine.run_once(MOST_STEPS)
        runs += 1
        if runs > (MOST_STEPS if control else 3):
            return None
    if machine.exit_device.value is None:
        raise Wrong(f"The program should end with str w20, [x20]. It ended so: {machine.ended}.")
    return machine.vcpu.get_one_reg("x0")


def check_notice(answer: Any) -> str:
    """The check of the task `notice`."""
    expect_type(answer, str, "the text of a program")
    if not answer.strip():
        raise NotAnswered("Write the program between the quotes.")
    try:
        free = _x0_at_the_end(answer, 0)
        stepped = _x0_at_the_end(answer, STEPPING)
    except AssemblyError as error:
        raise Wrong(f"The program does not assemble: {error}") from None
    if free is None:
        raise Wrong("Left alone, your program does not end.")
    if stepped is None:
        raise Wrong(
            f"Under the debugger your program has not ended after {MOST_STEPS} steps. You are on the right track: something"
            " never succeeds while it is stepped. Do not wait for it; look at it once."
        )
    if (free, stepped) == (0, 1):
        return "Right: x0 is 0 when the guest runs freely, and 1 when it is stepped. The guest has noticed."
    if free == stepped and "mdscr_el1" in answer.lower():
        raise Wrong(
            f"x0 is {free:#x} in both cases. MRS of MDSCR_EL1 is answered by the kernel, and it says nothing about"
            " the host. Neither does anything else that shows the guest's own state.",
            misconception="shows-host-ss",
        )
    if free == stepped:
        raise Wrong(
            f"x0 is {free:#x} in both cases: your program cannot tell. The guest's registers are put back as they were,"
            " and a counter counts only the guest's own instructions here. What does an exception between two"
            " instructions disturb?"
        )
    if (free, stepped) == (1, 0):
        raise Wrong(
            "The other way round: x0 should be 1 when the guest is stepped, and 0 when it is free."
        )
    raise Wrong(
        f"Your program can tell: x0 is {free:#x} when free and {stepped:#x} when stepped. Turn that into 0 and 1."
    )
