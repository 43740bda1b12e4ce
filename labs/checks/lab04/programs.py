"""Tasks of lab 04 about programs: one that loses a stop, where a program stops, and who completes what.

Invariant: what is right is found by running the program in question, never by comparing with a stored answer.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aarch64sim import AssemblyError, Debugger
from aarch64sim.events import What
from aarch64sim.vmm import ExitDevice

from checks.lab04.matrix import CODE
from checks.lab04.runs import is_retire, is_skip, steps, stops
from checks.task import NotAnswered, Wrong, call, describe, entries, expect_type

# --- without_a_device ------------------------------------------------------------------------------


def without_a_device(answer: Any) -> str:
    """The check of the task of that name."""
    expect_type(answer, str, "the text of a program")
    if not answer.strip():
        raise NotAnswered("write the program between the quotes")
    try:
        all_steps = steps(answer, "v4.3")
    except AssemblyError as error:
        raise Wrong(f"your program does not assemble: {error}") from None
    events = [event for step in all_steps for event in step]
    accesses = [
        e
        for e in events
        if e.what in (What.MMIO_READ, What.MMIO_WRITE) and e.kind != ExitDevice.name
    ]
    if accesses:
        raise Wrong(
            f"your program touches a device ({accesses[0].text}). Find an instruction that is trapped without any"
            " access to a device; only the store to the exit device may stay"
        )
    for step in all_steps:
        done = [e for e in step if is_skip(e) or is_retire(e)]
        if len(done) > 1 and is_skip(done[0]):
            name = " ".join(_text(answer, done[0].pc).split())
            return f"right: {name} is emulated by the kernel, and one click took {len(done)} instructions."
    if any(e.what is What.EXCEPTION and e.kind == "HVC" for e in events):
        raise Wrong(
            "HVC is not an instruction that the kernel skips: the CPU completes it, and clears SS itself. It is late"
            " here for another reason, which is a subject of lab 05"
        )
    if any(e.what is What.EXCEPTION and e.kind == "SVC" for e in events):
        raise Wrong(
            "an SVC goes to the guest's own EL1: the hypervisor does not notice it, and the CPU completes it"
        )
    if not any(e.what is What.MMIO_WRITE for e in events):
        raise Wrong(
            "your program does not come to its end, so nobody can say which stops it missed: let it run into the store"
            " to the exit device, str w20, [x20]"
        )
    if sum(e.what is What.FAULT_IN for e in events) > 1:  # the first is the page of the program
        raise Wrong(
            "a first access to RAM leaves the guest, too, but nothing is emulated: the kernel fills the page in, and"
            " the CPU runs the instruction again. The step was still owed, and correctly: nothing had run"
        )
    raise Wrong(
        "no instruction of your program but its end is emulated under 4.3: the CPU runs them all by itself. (4.3 did not trap ID"
        " registers yet.) Which ones did it trap? Think of calls to the firmware, and of the guest's debug registers"
    )


def _text(source: str, pc: int) -> str:
    found = Debugger(source).program
    return found.line_text(pc).partition("//")[0]


# --- stops_of ------------------------------------------------------------------------------------------


def program_of(kinds: str) -> str:
    """A program with an ordinary instruction for each "a" and an access to the UART for each "m"."""
    lines = {"a": "add x1, x1, #1", "m": "str w0, [x19]"}
    return "\n".join([lines[kind] for kind in kinds] + ["str w20, [x20]"])


def _one_swallowed(kinds: str) -> list[int]:
    """Where the stops would be if each late step swallowed exactly one more instruction."""
    found, n = [], 0
    while n < len(kinds):
        n += 2 if kinds[n] == "m" else 1
        found.append(n)
    return [n for n in found if n <= len(kinds)]


def stops_of(answer: Any) -> str:
    """The check of the task of that name."""
    for kinds in ("a", "aaa", "ma", "ama", "mma", "am", "mmma", "amaamma", "m", ""):
        right = stops(program_of(kinds))
        got = call(answer, kinds)
        if got is None:
            raise NotAnswered("let stops_of return a list of numbers")
        name = "stops_of"
        if isinstance(got, set):
            got = sorted(got, key=str)
        if not isinstance(got, list | tuple) or not all(isinstance(n, int) for n in got):
            raise Wrong(
                f"{name}({kinds!r}) should return a list of numbers, and returned {describe(got)}"
            )
        if list(got) == right:
            continue
        said = f"{name}({kinds!r}) is {list(got)}, and 4.3 stops at {right}."
        shown = f"The smallest program that shows it:\n{program_of(kinds)}"
        if list(got) == list(range(1, len(kinds) + 1)):
            raise Wrong(
                f"{said} Those are the stops of a correct kernel: after an access, 4.3 stays silent",
                misconception="mmio-is-done",
                evidence=shown,
            )
        if [n + 1 for n in got] == right:
            raise Wrong(
                f"{said} You count the instruction that was stepped. A stop is reported with the address of the"
                " next instruction, the one that has not run",
                misconception="reports-stepped",
                evidence=shown,
            )
        if list(got) == _one_swallowed(kinds):
            raise Wrong(
                f"{said} You let every access swallow one instruction. But the one that is granted by mistake is an"
                " access again: it is trapped, so it leaves the step owed once more",
                misconception="skip-is-pc",
                evidence=shown,
            )
        if got and list(got) in ([4 * n for n in right], [CODE + 4 * n for n in right]):
            raise Wrong(f"{said} Count instructions, not bytes or addresses.", evidence=shown)
        if list(got) == [*right, len(kinds) + 1] or list(got) == [*right, len(kinds)]:
            raise Wrong(f"{said} The end of the guest does not count as a stop", evidence=shown)
        raise Wrong(
            f"{said} What must happen for the CPU to raise a step exception?", evidence=shown
        )
    return (
        "right: under 4.3 a stop comes after an instruction that the CPU has really run, and after nothing else. n"
        " accesses in a row cost n stops."
    )


# --- who_completes ---------------------------------------------------------------------------------------

CASES = {
    "str w0, [x19]": "there is no memory at this address: the kernel must have the store emulated, and then skip it",
    "str x0, [x21]": "this is RAM. The first access faults, the kernel fills the page in and moves nothing; then the"
    " CPU runs the store itself",
    "mrs x1, id_aa64pfr0_el1": "the read of an ID register is trapped, so that every guest sees the CPU that KVM wants"
    " it to see. The kernel writes x1 and skips the instruction",
    "smc #0": "with HCR_EL2.TSC the SMC is trapped before it runs, with its own address as the return address: the"
    " kernel must skip it",
    "hvc #0": "an HVC is executed. The CPU itself has moved the PC and cleared SS before it enters EL2; a kernel that"
    " skipped it would lose the instruction after it",
    "svc #0": "an SVC goes to the guest's own EL1. The hypervisor does not notice it",
}


@cache
def completer(instruction: str) -> str:
    """Who completes the instruction under `fixed`: "kernel" if it is skipped, else "CPU"."""
    source = (
        f"mov w0, #0x84000000\n{instruction}\nadd x3, x3, #1\nstr w20, [x20]\n.org 0x1200\neret"
    )
    skipped = [e for step in steps(source, "fixed") for e in step if is_skip(e)]
    return "kernel" if any(e.pc == CODE + 4 for e in skipped) else "CPU"


def _who(said: Any) -> str:
    """The word for who completes an instruction, in any spelling: "the CPU", " Kernel", "KVM", "the hypervisor"."""
    name = str(said).strip().lower().removeprefix("the ")
    return "kernel" if name in ("kvm", "hypervisor") else name


def who_completes(answer: Any) -> str:
    """The check of the task of that name."""
    answer = entries(answer, CASES, "who", '"CPU" or "kernel"')
    for case, why in CASES.items():
        said = answer[case]
        if _who(said) not in ("cpu", "kernel"):
            raise Wrong(f'`{case}`: say "CPU" or "kernel", not {describe(said)}.')
        if _who(said) != completer(case).lower():
            count = sum(_who(answer[c]) == completer(c).lower() for c in CASES)
            first = (
                f"{count} of {len(CASES)} are right. Ask of each: has it run when the CPU leaves the guest, and does"
                " the CPU leave the guest at all?"
            )
            raise Wrong(f"`{case}`: {why}.", first=first)
    return (
        "right: who emulates must complete, and who completes must clear SS. The rest is the CPU's."
    )
