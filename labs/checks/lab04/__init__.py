"""Tasks of lab 04, the skipped instruction.

Invariant: what is right is found by running the program in question, never by comparing with a stored answer.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aarch64sim import AssemblyError, Debugger
from aarch64sim.events import Event, Lane, What
from aarch64sim.kvm import Kernel
from aarch64sim.vmm import ExitDevice
from widgets.course import program
from widgets.models.timeline import timeline
from widgets.page.offered import Offer

from checks.lab04.mistakes import skip_instruction
from checks.lab04.scenarios import CODE
from checks.task import Lab, NotAnswered, Task, Wrong, call, describe, expect_type

MOST_STEPS = 50


def stops(source: str, kernel: str | Kernel = "v4.3") -> list[int]:
    """Where a debugger stops, in instructions from the start; the end of the guest does not count."""
    debugger = Debugger(source, kernel)
    found: list[int] = []
    while not debugger.ended and len(found) < MOST_STEPS:
        stop = debugger.step()
        if not debugger.ended:
            found.append((stop.pc - debugger.program.entry) // 4)
    return found


def steps(source: str, kernel: str | Kernel) -> list[tuple[Event, ...]]:
    """The events of each step."""
    debugger = Debugger(source, kernel)
    found: list[tuple[Event, ...]] = []
    while not debugger.ended and len(found) < MOST_STEPS:
        debugger.step()
        found.append(debugger.events_of(debugger.position))
    return found


def _is_skip(event: Event) -> bool:
    return event.lane is Lane.KVM and event.what is What.SKIP


def _is_retire(event: Event) -> bool:
    return event.lane is Lane.GUEST and event.what is What.RETIRE


# --- follow_the_bit ------------------------------------------------------------------------------

MOMENTS = (
    "the first ERET",
    "saved by the abort",
    "after the skip",
    "the second ERET",
    "after the add",
)
_WRONG_BITS = {
    "the first ERET": (
        "the debugger has asked for one instruction, and SS = 1 grants it. With SS = 0 the guest would stop before"
        " the store: 0 does not mean that nothing is stepped",
        "ss0-is-off",
    ),
    "saved by the abort": (
        "the store was aborted, so it has not run. The step is still owed, and the CPU saves SS = 1."
        " Only the calls SVC and HVC, which complete before their exception, save 0",
        "abort-saves-0",
    ),
    "after the skip": (
        "4.3 moves the PC over the store and does nothing else. That SS stays 1 is the bug",
        "",
    ),
    "the second ERET": (
        "ERET copies the bit that is saved in SPSR_EL2, and nobody has cleared it since the abort saved it",
        "",
    ),
    "after the add": (
        "the add has really run, and an instruction that retires makes PSTATE.SS 0. That is why the CPU stops now",
        "",
    ),
}


@cache
def bits(kernel: str) -> dict[str, int]:
    """SS at the moments of the step over the store of store.s."""
    events = steps(program("store"), kernel)[1]
    columns = timeline(kernel, [(2, events)], lambda pc: "").columns
    named = [(c.event.what, int(c.ss)) for c in columns if c.event and c.ss]
    enters = [ss for what, ss in named if what is What.ENTER]
    last = dict(named)
    return dict(
        zip(
            MOMENTS,
            (
                enters[0],
                last[What.EXCEPTION],
                last[What.SKIP],
                enters[-1],
                last.get(What.RETIRE, 0),
            ),
            strict=True,
        )
    )


def _follow_the_bit(answer: Any) -> str:
    expect_type(answer, dict, "a dictionary with a bit for each moment")
    missing = [moment for moment in MOMENTS if answer.get(moment) is None]
    if missing:
        raise NotAnswered(f"say the value of SS, 0 or 1: {', '.join(missing)}")
    for moment in MOMENTS:
        if answer[moment] not in (0, 1):
            raise Wrong(f"SS is one bit: {moment!r} is 0 or 1, not {answer[moment]!r}")
    right = bits("v4.3")
    count = sum(answer[moment] == right[moment] for moment in MOMENTS)
    first = f"{count} of {len(MOMENTS)} are right. Go through the moments in order: who writes the bit, and what?"
    if all(answer[moment] == bits("fixed")[moment] for moment in MOMENTS):
        raise Wrong(
            "this is the path through the diagram that a correct kernel takes. The question is about 4.3: which of the"
            " five moments is the first that differs?"
        )
    for moment in MOMENTS:
        if answer[moment] != right[moment]:
            text, misconception = _WRONG_BITS[moment]
            raise Wrong(f"{moment}: {text}.", misconception=misconception, first=first)
    return "right: one bit, and at one moment somebody should have cleared it."


# --- without_a_device ------------------------------------------------------------------------------


def _without_a_device(answer: Any) -> str:
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
        done = [e for e in step if _is_skip(e) or _is_retire(e)]
        if len(done) > 1 and _is_skip(done[0]):
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


def _stops_of(answer: Any) -> str:
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
    skipped = [e for step in steps(source, "fixed") for e in step if _is_skip(e)]
    return "kernel" if any(e.pc == CODE + 4 for e in skipped) else "CPU"


def _who(said: Any) -> str:
    """The word for who completes an instruction, in any spelling: "the CPU", " Kernel", "KVM"."""
    name = str(said).strip().lower().removeprefix("the ")
    return "kernel" if name == "kvm" else name


def _who_completes(answer: Any) -> str:
    expect_type(answer, dict, 'a dictionary: instruction -> "CPU" or "kernel"')
    missing = [case for case in CASES if answer.get(case) is None]
    if missing:
        raise NotAnswered(f'say "CPU" or "kernel" for: {"; ".join(missing)}')
    for case, why in CASES.items():
        said = answer[case]
        if _who(said) not in ("cpu", "kernel"):
            raise Wrong(f'{case}: say "CPU" or "kernel", not {describe(said)}')
        if _who(said) != completer(case).lower():
            count = sum(_who(answer[c]) == completer(c).lower() for c in CASES)
            first = (
                f"{count} of {len(CASES)} are right. Ask of each: has it run when the CPU leaves the guest, and does"
                " the CPU leave the guest at all?"
            )
            raise Wrong(f"{case}: {why}.", first=first)
    return (
        "right: who emulates must complete, and who completes must clear SS. The rest is the CPU's."
    )


LAB = Lab(
    "04",
    [
        Task(
            "follow_the_bit",
            "Say what SS is at each of the five moments.",
            _follow_the_bit,
            "fill in 0 or 1 for each moment",
            hints=(
                "Follow the numbers in the diagram of the step under v4.3.",
                "An abort saves the bit as it was; ERET copies it back. Who writes it in between?",
                "Only an instruction that really runs makes it 0.",
            ),
            explanation=(
                "The debugger's step sets SS before the first ERET. The store is aborted before it has"
                " run, so the abort saves 1: the step is still owed. The kernel moves the PC and leaves the bit, so the"
                " second ERET grants one more instruction. The add uses it up: only then is SS 0, and the CPU stops."
            ),
            misconceptions=("abort-saves-0", "ss0-is-off"),
            code="bit = dict(zip(bit, (1, 1, 1, 1, 0), strict=True))",
            numeric=True,
        ),
        Task(
            "without_a_device",
            "Write a program that loses a stop under v4.3 and touches no device except the one that ends it.",
            _without_a_device,
            "write a program",
            hints=(
                "You need an instruction that is trapped to EL2 and emulated in the kernel.",
                "KVM emulates firmware calls, and the debug registers of a guest.",
                "Try smc #0 with 0x84000000 in w0, or msr mdscr_el1, x0. Something must follow it.",
            ),
            explanation=(
                "The bug is not about devices. Whatever the kernel emulates and then skips leaves SS at 1: an SMC, an"
                " access to a trapped system register, a WFI. HVC and SVC are none of these, since the CPU completes"
                " them; nor is a first access to RAM, which the CPU runs again."
            ),
        ),
        Task(
            "stops_of",
            "Write stops_of(kinds): where 4.3 stops in a program of ordinary instructions (a) and accesses (m).",
            _stops_of,
            "write stops_of",
            hints=(
                "Measure first: stops(program_of('mma')).",
                "After which instructions does a stop come, and after which does it never come?",
                "A stop needs an instruction that retires. Does an access ever retire?",
            ),
            explanation=(
                "A step exception comes when the CPU has run an instruction with SS = 1. An access never retires: it"
                " is aborted, with the step owed before and, because of the bug, still owed after. So there is a stop"
                " after every a and after no m."
            ),
            code="return [n + 1 for n, kind in enumerate(kinds) if kind == 'a']",
            misconceptions=("reports-stepped", "skip-is-pc", "mmio-is-done"),
        ),
        Task(
            "who_completes",
            'Say for each instruction who completes it: "CPU" or "kernel".',
            _who_completes,
            "fill in who completes each",
            hints=(
                "Which of them leave the guest, and with which return address: their own, or the next one?",
                "An instruction that is trapped has not run. An instruction that is executed has.",
                "Put it into a StepLab under fixed, and look for 'PC += 4' in the timeline.",
            ),
            explanation=(
                "The kernel completes what it emulates: the store to the UART, the read of the ID register, the SMC"
                " (it is trapped before it runs). The CPU completes the HVC and the SVC, which are executed, and the"
                " store to RAM, which is run again after the page was filled in. A kernel that clears SS for one of"
                " these, or moves the PC, makes a new bug."
            ),
        ),
        Task(
            "skip_instruction",
            "Write skip_instruction(vcpu): complete the emulated instruction at vcpu.pc for the CPU.",
            skip_instruction,
            "write skip_instruction(vcpu)",
            hints=(
                "First make the plain case right: where does the guest go on?",
                "What does the CPU do to PSTATE when an instruction retires under stepping? See advance_ss above.",
                "PSTATE.SS is bit 21. There is one more field that every instruction but an indirect branch clears.",
                "BTYPE is bits 11:10 of PSTATE: vcpu.pstate &= ~(3 << 10).",
            ),
            explanation=(
                "PC += 4, SS := 0, BTYPE := 0. That is kvm_skip_instr in arch/arm64/kvm/hyp/include/hyp/adjust_pc.h."
                " Whoever completes an instruction on behalf of the CPU must do all that its completion does, and"
                " nothing else: the flags, the masks, the level and MDSCR_EL1 belong to others."
            ),
            misconceptions=("skip-is-pc", "ss0-is-off", "mdscr-alone"),
            code="vcpu.pc += 4\nvcpu.pstate &= ~(1 << 21)\nvcpu.pstate &= ~(3 << 10)",
        ),
    ],
    Offer(what_ifs=False, summaries=False),
)
