"""Where a run is to go, as a learner writes it: a place in the program, a kind of exit, or a condition.

Invariant: a destination is understood before anything moves, or a sentence says what can be written.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aarch64sim.arch.registers import MASK64
from aarch64sim.asm import Program
from aarch64sim.debug.guest import GUEST_REGISTERS
from aarch64sim.debug.places import address_of, code_address
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.vmm.machine import ExitRecord

EXIT_KINDS = ("DEBUG", "MMIO", "EINTR", "SYSTEM_EVENT", "ARM_NISV", "ENOSYS")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+)")


class Seen(Protocol):
    """What a destination asks of the guest, and of the step that it has just made."""

    @property
    def pc(self) -> int: ...
    @property
    def exits(self) -> Sequence[ExitRecord]: ...
    def register(self, name: str) -> int: ...
    def read_memory(self, address: int, size: int) -> bytes: ...


Value = Callable[[Seen], int]


@dataclass(frozen=True, slots=True)
class Destination:
    """`words` say it; it is an `address`, or a kind of `exit`, or what `holds` after a step."""

    words: str
    address: int | None = None
    exit: str = ""
    holds: Callable[[Seen], bool] | None = None

    def is_exit(self, record: ExitRecord) -> bool:
        """Whether this is the return of KVM_RUN that the run is to."""
        return record.reason == self.exit

    def reached(self, seen: Seen) -> bool:
        """Whether the guest stands there, after a run to it."""
        if self.holds is not None:
            return self.holds(seen)
        if self.exit:
            return any(map(self.is_exit, seen.exits))
        return seen.pc == self.address


def exit_kind(text: str) -> str:
    """The reason in "MMIO", "exit mmio" or "KVM_EXIT_MMIO"; ValueError if KVM_RUN has no such exit."""
    kind = str(text).strip().upper().removeprefix("EXIT").strip().removeprefix("KVM_EXIT_")
    if kind not in EXIT_KINDS and kind not in ExitReason.__members__:
        raise ValueError(f"KVM_RUN has no exit {kind!r}: it has {', '.join(EXIT_KINDS)}")
    return kind


def destination(text: str, program: Program, is_memory: Callable[[int], bool]) -> Destination:
    """What `text` says: "loop+8", "line 7", "0x40000010", "exit MMIO", "x2 == 5", "[0x40004000] != 0".

    A comparison has a register, a number or 8 bytes of memory, [PLACE] or [xN], on either side; values are
    unsigned, 64 bits. ValueError if it says nothing of the kind. `is_memory` tells where instructions can be.

    >>> from aarch64sim.asm import assemble
    >>> program = assemble("mov x0, #1\\nloop: add x0, x0, #1\\nb loop")
    >>> [destination(text, program, lambda _: True).words for text in ("loop", "exit mmio", "x0 == 5")]
    ['0x40000004', 'KVM_EXIT_MMIO', 'x0 == 5']
    """
    text = str(text).strip()
    if not text:
        raise ValueError("write where to: a label, line 7, 0x40000010, exit MMIO, or x2 == 5")
    if match := _CONDITION.fullmatch(text):
        left, right = _value(match[1], program), _value(match[3], program)
        compare = _COMPARE[match[2]]
        return Destination(text, holds=lambda seen: compare(left(seen), right(seen)))
    if text not in program.symbols and _names_exit(text):
        kind = exit_kind(text)
        return Destination(
            f"KVM_EXIT_{kind}" if kind in ExitReason.__members__ else kind, exit=kind
        )
    try:
        address = code_address(program, text, None, is_memory)
    except ValueError as error:
        raise ValueError(f"{error} (a condition is x2 == 5, an exit is exit MMIO)") from None
    return Destination(f"{address:#x}", address)


def _names_exit(text: str) -> bool:
    upper = text.upper()
    return upper.startswith(("EXIT ", "KVM_EXIT_")) or upper in EXIT_KINDS


def _value(text: str, program: Program) -> Value:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        inner = text[1:-1].strip()
        if (name := inner.lower()) in GUEST_REGISTERS:
            return lambda seen: _word(seen, seen.register(name))
        address = address_of(program, inner)
        return lambda seen: _word(seen, address)
    if (name := text.lower()) in GUEST_REGISTERS:
        return lambda seen: seen.register(name)
    try:
        value = int(text.lstrip("#"), 0) & MASK64
    except ValueError:
        if text not in program.symbols:
            raise ValueError(
                f"{text!r} is no register, no number and no [address]: write x2 == 5"
            ) from None
        value = program.symbols[text]
    return lambda _: value


def _word(seen: Seen, address: int) -> int:
    """8 bytes of guest memory, little-endian; 0 where there is no memory."""
    try:
        return int.from_bytes(seen.read_memory(address & MASK64, 8), "little")
    except OSError:
        return 0
