"""Questions and checks of lab 00.

Invariant: a task is judged by running the answer, never by comparing it with a text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from aarch64sim import AssemblyError, Debugger, Kernel, kernels
from aarch64sim.events import Event, Lane, What
from aarch64sim.vmm import ExitDevice
from widgets import Question
from widgets.page.offered import Offer

from checks.task import Lab, NotAnswered, Task, Wrong, expect_type

STORE = Path(__file__).resolve().parents[2] / "programs" / "store.s"
MOST_CLICKS = 50


def completed(events: tuple[Event, ...]) -> int:
    """How many instructions were done with in a step: retired by the CPU, or skipped by the kernel."""
    return sum(
        (e.lane, e.what) in ((Lane.GUEST, What.RETIRE), (Lane.KVM, What.SKIP)) for e in events
    )


def most_in_one_click(source: str, kernel: Kernel | str) -> int:
    """The largest number of instructions that one click on Step takes."""
    debugger, most = Debugger(source, kernel), 0
    while not debugger.ended and debugger.position < MOST_CLICKS:
        debugger.step()
        most = max(most, completed(debugger.events_of(debugger.position)))
    return most


SERIES = tuple(name for name in kernels if name.startswith("v5."))


def _late_kernel(answer: Any) -> str:
    if isinstance(answer, Kernel):
        answer = answer.name
    if isinstance(answer, float | int) and not isinstance(answer, bool):
        raise Wrong(f"A name is a text: write it in quotes, as in 'v5.11', not {answer!r}.")
    expect_type(answer, str, "the name of a kernel, such as 'v5.11'")
    answer = answer.strip()
    if not answer:
        raise NotAnswered("Give late_kernel the name of a kernel, for example 'v5.11'.")
    if answer not in kernels:
        raise Wrong(
            f"Unknown kernel {answer[:40]!r}; the short names of the 5.x series are {', '.join(SERIES)}."
        )
    kernel = kernels[answer]
    if not re.match(r"(v|linux-)5\.", kernel.name):
        raise Wrong(
            f"{answer!r} is not of the 5.x series; kernels of that series are named v5.something."
        )
    most = most_in_one_click(STORE.read_text(encoding="utf-8"), kernel)
    if most < 2:
        raise Wrong(
            f"Under {answer} every click takes one instruction, as it should; try an older one of the series."
        )
    return f"Right: under {answer} one click takes {most} instructions. 5.0 fixed the bug, and the same release brought it back."


def _three_in_one(source: Any) -> str:
    expect_type(source, str, "the text of a program")
    if not source.strip():
        raise NotAnswered("Put your program into three_in_one.")
    try:
        most = most_in_one_click(source, "v4.3")
    except AssemblyError as error:
        raise Wrong(f"Your program does not assemble: {error}") from None
    if most == 3:
        return "Right: one click takes three instructions. Every emulated access leaves the step owed once more."
    if most > 3:
        raise Wrong(f"One click takes {most} instructions, and the task asks for three.")
    debugger = Debugger(source, "v4.3", by_steps=True)
    debugger.run(MOST_CLICKS)
    skipped = [e for e in debugger.events if e.lane is Lane.KVM and e.what is What.SKIP]
    ends = [e for e in debugger.events if e.what is What.MMIO_WRITE and e.kind == ExitDevice.name]
    if len(skipped) <= len(ends):
        raise Wrong(
            "Nothing in your program is emulated but its end: RAM answers by itself. Store to the UART, at [x19]."
        )
    clicks = [debugger.events_of(n) for n in range(1, debugger.position + 1)]
    if most == 2 and any(e.what is What.RETIRE for e in max(clicks, key=completed)):
        raise Wrong(
            "One click takes two instructions. What happens if the instruction that runs unseen is also emulated?",
            misconception="skip-is-pc",
        )
    raise Wrong(
        f"One click takes {('one instruction', 'two instructions')[most - 1]} at most, and the program ends there: let"
        " something follow that the click can take along."
    )


def _nothing_stepped(pc: Any) -> str:
    expect_type(pc, int, "an address, such as 0x40000004")
    debugger = Debugger(STORE.read_text(encoding="utf-8"), "fixed", by_steps=True)
    debugger.run(MOST_CLICKS)
    stops = {stop.pc: stop.hsr for stop in debugger.stops if stop.reason == "step" and stop.hsr}
    if pc in stops.values():
        raise Wrong(
            f"{pc:#x} is a syndrome; the task asks for the PC at which the guest stopped with it."
        )
    if pc not in stops:
        places = ", ".join(f"{stop:#x}" for stop in stops)
        raise Wrong(f"store.s never stops at {pc:#x} under fixed; it stops at {places}.")
    if stops[pc] >> 24 & 1:
        raise Wrong(
            f"store.s stops at {pc:#x} with the syndrome {stops[pc]:#x}: the CPU has stepped the instruction before.",
            misconception="reports-stepped",
        )
    return (
        f"Right: at {pc:#x} the syndrome is {stops[pc]:#x}. The kernel did the store, so the CPU stepped nothing:"
        " it stopped because a step was pending."
    )


LAB = Lab(
    "00",
    [
        Task(
            "late_kernel",
            "Name a kernel of the 5.x series that still loses an instruction.",
            _late_kernel,
            (
                "Choose one of the 5.x kernels in the panel, and step twice. Where does it stop?",
                "5.11 is correct. Try an older one.",
            ),
            "5.0 to 5.10 clear SS when they skip the instruction, and set it again before the guest is entered.",
        ),
        Task(
            "three_in_one",
            "Write a program in which one click on Step takes three instructions under v4.3.",
            _three_in_one,
            (
                "The instruction that runs unseen is granted one step of its own.",
                "What if that instruction is also emulated?",
            ),
            "Two stores to the UART in a row: each leaves the step owed, and a third instruction runs.",
            misconceptions=("skip-is-pc",),
        ),
        Task(
            "nothing_stepped",
            "Give the PC of the stop of store.s, under fixed, before which the CPU stepped nothing.",
            _nothing_stepped,
            (
                "Step store.s under fixed, and look at the syndrome (hsr) in the status line at each stop.",
                "Bit 24, ISV, says that the CPU has stepped an instruction.",
            ),
            "The stop after the store: the kernel did the store, so the CPU had stepped nothing, and the syndrome has ISV = 0.",
            misconceptions=("reports-stepped",),
            numeric=True,
        ),
    ],
    Offer(what_ifs=False, summaries=False),
)


def where_does_it_stop() -> Question:
    """The prediction before the panel."""
    return Question(
        "The debugger stands at 0x40000004, before the store. Where does it stop after one click on Step?",
        {
            "at 0x40000004 again": "The store is emulated, so it is done when the guest goes on. Step and see.",
            "at 0x40000008": "That is where it should stop: one click, one instruction. Step and see.",
            "at 0x4000000c": "You suspect something. Step and see.",
        },
        right="at 0x4000000c",
    )


def what_does_ss_0_mean() -> Question:
    """Check yourself, the first."""
    return Question(
        "MDSCR_EL1.SS is 1 and PSTATE.SS is 0 in the guest. What happens next?",
        {
            "the guest runs freely": "SS = 0 does not switch stepping off: it says that the step has already"
            " been spent.",
            "one instruction runs, then the CPU stops": "That is SS = 1. With SS = 0 the instruction has run"
            " already.",
            "the CPU stops before the next instruction": "SS = 0 means that a stop is pending: active-pending.",
        },
        right="the CPU stops before the next instruction",
    )


def what_does_a_skip_take() -> Question:
    """Check yourself, the second."""
    return Question(
        "A kernel has emulated an instruction for the guest. What must it do before the guest goes on?",
        {
            "PC += 4": "That alone is the bug. Completing an instruction is more than moving the PC.",
            "PC += 4, and SS := 0": "Whoever completes an instruction for the CPU must do all that its"
            " completion does.",
            "PC += 4, and SS := 1": "That grants another instruction, which is what the bug did.",
        },
        right="PC += 4, and SS := 0",
    )
