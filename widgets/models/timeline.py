"""The four-lane timeline as data: one column per event, with the ghosts of stops that never came.

Invariant: a column exists because an event does; the only exceptions are ghosts, and they say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from aarch64sim.arch.step import StepState
from aarch64sim.events import Event, Lane, What

LANES = (Lane.GUEST, Lane.KVM, Lane.VMM, Lane.DEBUGGER)
LANE_TITLES = {
    Lane.GUEST: "guest",
    Lane.KVM: "kernel",
    Lane.VMM: "userspace",
    Lane.DEBUGGER: "debugger",
}
MISSED = "should have stopped here"
MOST_LISTED = 3  # words of a list in a sentence: a status has one line


def listed(words: Sequence[str]) -> str:
    """The words as part of a sentence; of many the first ones, and how many more there are."""
    more = len(words) - MOST_LISTED
    *first, last = [*words[: MOST_LISTED - 1], f"{more + 1} more"] if more > 0 else words
    return f"{', '.join(first)} and {last}" if first else last


# What an event is called where there is room for one word or two.
_LABELS = {
    What.STEP_EXCEPTION: "step exc.",
    What.INTERRUPT: "irq",
    What.ARM: "set SS",
    What.ENTER: "ERET",
    What.SKIP: "PC += 4",
    What.COMPLETE_MMIO: "load done",
    What.USERSPACE_EXIT: "exit",
    What.FAULT_IN: "map page",
    What.MMIO_READ: "answer",
    What.MMIO_WRITE: "device",
    What.FAKE_DEBUG_EXIT: "fake stop",
    What.EMULATE: "emulate",
    What.INJECT: "inject",
    What.IN_KERNEL_DEVICE: "in-kernel",
    What.NO_SYNDROME: "no ISS",
}
_ABORTS = ("DATA_ABORT", "DATA_ABORT_SAME", "INSTRUCTION_ABORT", "INSTRUCTION_ABORT_SAME")
_EXCEPTIONS = dict.fromkeys(_ABORTS, "abort") | {
    "SVC": "SVC",
    "HVC": "HVC",
    "SMC": "SMC",
    "BRK": "BRK",
    "SYSTEM": "trap",
    "WFX": "WFI",
}
_CALLS = ("SVC", "HVC")  # the CPU completes them; an SMC is trapped, and skipped


@dataclass(frozen=True, slots=True)
class Column:
    """One event: where it stands, one or two words for it, its sentence; `ss` is "1", "0" or "" (does not count).

    `ghost`: "" for what happened and was told; "ran" for an instruction that nobody was notified of; "stop" for a stop
    that never came.
    """

    step: int
    lane: Lane
    label: str
    text: str
    pc: int
    ss: str
    event: Event | None = None
    ghost: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """The columns of some consecutive steps under one kernel."""

    title: str
    columns: tuple[Column, ...]

    @property
    def ghosts(self) -> tuple[Column, ...]:
        """The stops that never came."""
        return tuple(column for column in self.columns if column.ghost == "stop")

    @property
    def sentence(self) -> str:
        """The timeline in words."""
        if not self.columns:
            return f"{self.title}: nothing has happened yet."
        lanes = ", ".join(
            f"{sum(c.lane is lane and c.event is not None for c in self.columns)} {LANE_TITLES[lane]}"
            for lane in LANES
        )
        ghosts = listed([f"{ghost.pc:#x}" for ghost in self.ghosts]) if self.ghosts else ""
        missed = f" The debugger should have stopped at {ghosts}, and did not." if ghosts else ""
        return (
            f"{self.title}: {len([c for c in self.columns if c.event])} events ({lanes}).{missed}"
        )

    def spans(self, of: Callable[[Column], object]) -> list[tuple[int, int]]:
        """Runs of columns for which `of` gives the same: (first, count)."""
        runs: list[tuple[int, int]] = []
        for index, column in enumerate(self.columns):
            if runs and of(self.columns[index - 1]) == of(column):
                runs[-1] = runs[-1][0], runs[-1][1] + 1
            else:
                runs.append((index, 1))
        return runs


def timeline(
    title: str, steps: Iterable[tuple[int, Sequence[Event]]], mnemonic: Callable[[int], str]
) -> Timeline:
    """The timeline of steps (number, events); `mnemonic` names the instruction at an address."""
    columns: list[Column] = []
    for number, events in steps:
        columns += _with_ghosts(list(_columns(number, events, mnemonic)))
    return Timeline(title, tuple(columns))


def _columns(
    number: int, events: Sequence[Event], mnemonic: Callable[[int], str]
) -> Iterable[Column]:
    saved = ""
    for event in events:
        saved = _saved_ss(event, saved)
        if event.after is StepState.INACTIVE:
            ss = saved if event.lane in (Lane.GUEST, Lane.KVM) else ""
        else:
            ss = "1" if event.after is StepState.ACTIVE_NOT_PENDING else "0"
        yield Column(number, event.lane, _label(event, mnemonic), event.text, event.pc, ss, event)


def _saved_ss(event: Event, saved: str) -> str:
    """SS in the SPSR of the level that took the last exception, EL1 or EL2, as far as the log says it."""
    for change in event.changes:
        if change.name in ("spsr_el1.ss", "spsr_el2.ss"):
            return str(change.new)
    return saved


def _label(event: Event, mnemonic: Callable[[int], str]) -> str:
    if event.what is What.RETIRE:
        return mnemonic(event.pc) or "retire"
    if event.what is What.EXCEPTION:
        kind = _EXCEPTIONS.get(event.kind, "exception")
        return f"{mnemonic(event.pc)}: {kind}" if kind == "abort" and mnemonic(event.pc) else kind
    if event.what is What.USERSPACE_EXIT:
        return f"exit {event.kind}"
    return _LABELS.get(event.what, event.what.replace("_", " "))


def _completes(column: Column) -> bool:
    """An instruction is done with: the CPU retired it or made a call, or the kernel skipped it after emulation."""
    event = column.event
    if event is None:
        return False
    if event.lane is Lane.GUEST:
        return event.what is What.RETIRE or (event.what is What.EXCEPTION and event.kind in _CALLS)
    return event.lane is Lane.KVM and event.what is What.SKIP


def _with_ghosts(columns: list[Column]) -> list[Column]:
    """Mark what ran beyond one instruction in a step, and put the missing stops where they should have been."""
    if not any(c.event and c.event.what is What.ARM for c in columns):
        return columns  # nobody stepped
    result: list[Column] = []
    done = 0
    for column in columns:
        result.append(column)
        if _completes(column):
            done += 1
            if done > 1:
                n = max(n for n, c in enumerate(result) if c.lane is Lane.GUEST)
                result[n:] = [*_unseen(result[n]), *result[n + 1 :]]
    return result


def _unseen(ran: Column) -> tuple[Column, Column]:
    """The stop that never came, and the instruction that ran without it: it retired, or was trapped and skipped."""
    ghost = Column(ran.step, Lane.DEBUGGER, "no stop", MISSED, ran.pc, "", None, "stop")
    return ghost, replace(ran, ghost="ran")


def first_divergence(left: Sequence[object], right: Sequence[object]) -> int | None:
    """The index of the first stop that differs; None where one list is the beginning of the other."""
    return next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
