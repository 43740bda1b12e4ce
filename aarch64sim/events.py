"""The one log that every floor writes and every view reads.

Invariant: an event is never changed after it was written, and nothing but the log says what happened.
Events are built only while somebody watches (`EventLog.watching`); a free run writes none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from weakref import WeakSet

from aarch64sim.step_state import StepState


class Lane(StrEnum):
    """Who did it: the four parties of the mail thread, one lane of the timeline each."""

    GUEST = "guest"
    KVM = "kvm"
    VMM = "vmm"
    DEBUGGER = "debugger"


class What(StrEnum):
    """What an event is; a lane has those that stand under its name, and `INJECT` is the kernel's or the debugger's."""

    # guest
    RETIRE = "retire"
    EXCEPTION = "exception"
    STEP_EXCEPTION = "step_exception"
    INTERRUPT = "interrupt"
    # kvm
    ARM = "arm"
    ENTER = "enter"
    SKIP = "skip"
    INJECT = "inject"
    FAULT_IN = "fault_in"
    EMULATE = "emulate"
    WAIT = "wait"
    CALL = "call"
    COMPLETE_MMIO = "complete_mmio"
    IN_KERNEL_DEVICE = "in_kernel_device"
    NO_SYNDROME = "no_syndrome"
    FAKE_DEBUG_EXIT = "fake_debug_exit"
    USERSPACE_EXIT = "userspace_exit"
    # vmm
    MMIO_READ = "mmio_read"
    MMIO_WRITE = "mmio_write"
    # debugger
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Change:
    """A register or memory word that got a new value; `name` as in "x1", "pc", "[0x40004000]"."""

    name: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: data for whoever wants to know, and `text`, one sentence of it for people.

    `kind` says more of `what`: the class of an exception (a name of `EC`), the reason of an exit without KVM_EXIT_,
    the register that was emulated, the name of the device ("" if nobody answered), the reason of a stop. `pc` is the
    address it is about. `before` and `after` are the states of the software-step machine around it. `source` is
    "module:qualified name:line" of the call that wrote it, `commit` the Linux commit that function mirrors. All three
    are "" where there is none.
    """

    lane: Lane
    what: What
    pc: int
    before: StepState
    after: StepState
    changes: tuple[Change, ...] = ()
    text: str = ""
    source: str = ""
    commit: str = ""
    kind: str = ""


class Listener(Protocol):
    """Whoever would do things more quickly if nobody watched."""

    def look_again(self) -> None:
        """Somebody began or ceased to watch."""


@dataclass(slots=True)
class EventLog:
    """The list of events, and whether anybody watches; `listeners` are told when that changes."""

    listeners: WeakSet[Listener] = field(default_factory=WeakSet, init=False, repr=False)
    watching: bool = False
    events: list[Event] = field(default_factory=list)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "watching":
            for listener in self.listeners:
                listener.look_again()

    def write(self, event: Event) -> None:
        """Append one event. Callers ask `watching` first, so that a free run builds none."""
        self.events.append(event)
