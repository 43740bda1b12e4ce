"""Scenarios as text: a guest program in assembly, and in its header what userspace does when.

The header is the `//` lines at the top of the file, each `// KEY: TEXT` (any other comment is only a comment):

    // about: a sentence
    // start: ACTION; ACTION ...       before the first KVM_RUN
    // answer: 0x30 0x31               what loads from MMIO are answered, in turn and again; none: they are not answered
    // on EVENT: ACTION; ACTION ...    after a KVM_RUN that returned with this event
    // limit: 24                       KVM_RUNs, then the scenario is cut off; else 80
    // final: 0x40004000 2             an area of memory that is read at the end: address, 8-byte words; one or more

EVENT is `load`, `store` (KVM_EXIT_MMIO), `debug`, `brk` (KVM_EXIT_DEBUG, `brk` for a BRK), `nisv`, `system_event` or
`run` (any), then, if wanted, which one of its kind (`load 2`), and where (`debug at 0x40000030`: the PC; for a load or
store the address that it accesses). A place may be a label. ACTION is one of

    debug FLAGS [hwbp PLACE] [hwwp PLACE]   KVM_SET_GUEST_DEBUG: ENABLE|SINGLESTEP|USE_SW_BP|USE_HW, or a number
    set REGISTER VALUE                      KVM_SET_ONE_REG; VALUE may be a label, or pc+4
    abort                                   KVM_SET_VCPU_EVENTS with ext_dabt_pending
    irq LEVEL [in wfi]                      KVM_IRQ_LINE; `in wfi`: as soon as a KVM_RUN waits in WFI
    run [immediate_exit | signal]           one more KVM_RUN, with immediate_exit or a pending signal
    write PLACE WORD                        userspace writes a 32-bit word into guest memory
    data VALUE                              userspace writes kvm_run.mmio.data
    reason UNKNOWN                          userspace writes kvm_run.exit_reason
    cap ARM_NISV_TO_USER                    KVM_ENABLE_CAP
    ioeventfd ADDRESS LENGTH                KVM_IOEVENTFD
    rom ADDRESS SIZE VALUE                  a read-only slot that starts with this 8-byte VALUE
    save, restore                           keep the registers; set those that have changed since
    end                                     the scenario is over

Invariant: `Scenario.parse(scenario.text)` is the scenario.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from aarch64sim.asm import AssemblyError, Program, assemble
from aarch64sim.asm.text import did_you_mean
from aarch64sim.evidence.errors import EvidenceError
from aarch64sim.kvm.vcpu_state import GuestDebug

EVENTS = ("load", "store", "debug", "brk", "nisv", "system_event", "run")
KEYS = ("about", "start", "answer", "on", "limit", "final")
LIMIT = 80  # KVM_RUNs
FINAL = ((0x4000_4000, 2), (0x4000_5000, 15))  # what is read at the end: address, 8-byte words
_HEADER = re.compile(r"\s*//\s*(?P<key>[a-z_]+)(?P<event>(?:\s[^:]*)?):(?:\s+(?P<text>.*))?$")
_SHAPES = {  # how many words each action takes
    "debug": (1, 3, 5), "set": (2,), "abort": (0,), "irq": (1, 3), "run": (0, 1), "write": (2,), "data": (1,),
    "reason": (1,), "cap": (1,), "ioeventfd": (2,), "rom": (3,), "save": (0,), "restore": (0,), "end": (0,),
}  # fmt: skip


class ScenarioError(EvidenceError):
    """The text is no scenario; the message is one sentence that names the line."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that userspace does: its name and the words that follow it."""

    name: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.name, *self.words))

    @classmethod
    def parse(cls, text: str) -> Action:
        """From its words; ScenarioError if there is no such action, or it takes other words."""
        name, *words = text.split()
        if name not in _SHAPES:
            raise ScenarioError(
                f"there is no action {name!r}{did_you_mean(name, _SHAPES)}: expected one of {', '.join(_SHAPES)}"
            )
        if len(words) not in _SHAPES[name]:
            wanted = " or ".join(map(str, _SHAPES[name]))
            raise ScenarioError(f"{name!r} takes {wanted} words, not {len(words)}: {text!r}")
        return cls(name, tuple(words))


@dataclass(frozen=True, slots=True)
class Rule:
    """After a KVM_RUN that returned with `event` (the `number`th, or any; at `place`, or anywhere), do the actions."""

    event: str
    actions: tuple[Action, ...]
    number: int | None = None
    place: str = ""

    def __str__(self) -> str:
        number = f" {self.number}" if self.number else ""
        place = f" at {self.place}" if self.place else ""
        return f"on {self.event}{number}{place}: {_write(self.actions)}"

    @classmethod
    def parse(cls, when: str, actions: str) -> Rule:
        """From the words after `on`, and the actions."""
        found = re.fullmatch(r"([a-z_]+)(?: +(\d+))?(?: +at +(\S+))?", when.strip())
        if not found or found[1] not in EVENTS:
            raise ScenarioError(
                f"there is no event {when.strip()!r}: expected one of {', '.join(EVENTS)},"
                " then maybe a number, and `at` a place"
            )
        return cls(found[1], _actions(actions), int(found[2]) if found[2] else None, found[3] or "")


@dataclass(frozen=True)
class Scenario:
    """A guest program and what its VMM does."""

    name: str
    source: str
    """The assembly, without the header."""
    about: str = ""
    start: tuple[Action, ...] = ()
    answers: tuple[int, ...] = ()
    rules: tuple[Rule, ...] = ()
    limit: int = LIMIT
    final: tuple[tuple[int, int], ...] = field(default=FINAL)

    @classmethod
    def parse(cls, name: str, text: str) -> Scenario:
        """From the text of a file; ScenarioError names the line of the header that is wrong."""
        lines = text.splitlines()
        end = next(
            (n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("//")),
            len(lines),
        )  # fmt: skip
        scenario = cls(name, "\n".join(lines[end:]).rstrip() + "\n")
        for number, line in enumerate(lines[:end], 1):
            if found := _HEADER.fullmatch(line):
                try:
                    scenario = scenario._with(found["key"], found["event"], found["text"] or "")
                except ScenarioError as error:
                    raise ScenarioError(f"{name}, line {number}: {error}") from None
        return scenario

    @classmethod
    def read(cls, path: Path) -> Scenario:
        """From a file, whose name it takes; ScenarioError if that is not text."""
        try:
            return cls.parse(path.stem, path.read_text("utf-8"))
        except UnicodeDecodeError:
            raise ScenarioError(f"{path} is not text") from None

    def _with(self, key: str, event: str, text: str) -> Scenario:
        if key == "on":
            return replace(self, rules=(*self.rules, Rule.parse(event, text)))
        if event.strip() or key not in KEYS:
            known = did_you_mean(key, KEYS)
            raise ScenarioError(f"there is no header line {key + event!r}{known}")
        if key == "about":
            return replace(self, about=text)
        if key == "start":
            return replace(self, start=(*self.start, *_actions(text)))
        numbers = tuple(_number(word) for word in text.split())
        if key == "answer":
            return replace(self, answers=numbers)
        if key == "limit" and len(numbers) == 1:
            return replace(self, limit=numbers[0])
        if key == "final" and len(numbers) % 2 == 0:
            return replace(self, final=tuple(zip(numbers[::2], numbers[1::2], strict=True)))
        raise ScenarioError(f"{key!r} cannot have {len(numbers)} numbers")

    @cached_property
    def text(self) -> str:
        """The file that says all this."""
        head = [f"about: {self.about}"] if self.about else []
        head += [f"start: {_write(self.start)}"] if self.start else []
        head += [f"answer: {' '.join(map(hex, self.answers))}"] if self.answers else []
        head += map(str, self.rules)
        head += [f"limit: {self.limit}"] if self.limit != LIMIT else []
        if self.final != FINAL:
            head.append("final: " + " ".join(f"{address:#x} {n}" for address, n in self.final))
        return "\n".join([*(f"// {line}" for line in head), "", self.source])

    @cached_property
    def program(self) -> Program:
        """The assembled guest; ScenarioError with the assembler's words if it is none."""
        try:
            return assemble(self.source)
        except AssemblyError as error:
            raise ScenarioError(f"{self.name}: {error}") from None

    @cached_property
    def words(self) -> tuple[tuple[int, int], ...]:
        """Address and 32-bit word of all that the program puts into memory."""
        return tuple(
            (segment.address + at, int.from_bytes(segment.data[at : at + 4], "little"))
            for segment in self.program.segments
            for at in range(0, len(segment.data), 4)
        )

    def value(self, word: str, pc: int = 0) -> int:
        """A number, a label of the program, or `pc` with something added."""
        if word in self.program.symbols:
            return self.program.symbols[word]
        if word.startswith("pc"):
            return pc + (_number(word[2:]) if word[2:] else 0)
        return _number(word)


def debug_flags(word: str) -> int:
    """The control bits of KVM_SET_GUEST_DEBUG: `ENABLE|SINGLESTEP`, or a number."""
    if word[:1].isdigit():
        return _number(word)
    unknown = [name for name in word.split("|") if name not in GuestDebug.__members__]
    if unknown:
        raise ScenarioError(
            f"there is no flag {unknown[0]!r}: expected {', '.join(GuestDebug.__members__)}"
        )
    return int(sum(GuestDebug[name] for name in word.split("|")))


def scenarios_in(path: Path) -> list[Scenario]:
    """The scenarios of a folder of `.s` files, or of one such file; ScenarioError if there is none."""
    paths = sorted(path.glob("*.s")) if path.is_dir() else [path] if path.is_file() else []
    if not paths:
        raise ScenarioError(f"{path}: there is no scenario (a .s file)")
    return [Scenario.read(path) for path in paths]


def _actions(text: str) -> tuple[Action, ...]:
    return tuple(Action.parse(part) for part in text.split(";") if part.strip())


def _write(actions: Iterable[Action]) -> str:
    return "; ".join(map(str, actions))


def _number(word: str) -> int:
    try:
        return int(word, 0)
    except ValueError:
        raise ScenarioError(f"{word!r} is not a number") from None
