"""Where a run is to go, as a learner writes it: a place in the program, a kind of exit, or a condition.

Invariant: a destination is understood before anything moves, or a sentence says what can be written.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aarch64sim.debug.locations import address_of
from aarch64sim.kvm.run_page import ExitReason

if TYPE_CHECKING:
    from aarch64sim.debug.debugger import Debugger

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
_MASK = (1 << 64) - 1
Value = Callable[["Debugger"], int]


@dataclass(frozen=True, slots=True)
class Destination:
    """`words` say it; it is an `address`, or a kind of `exit`, or what `holds` after a step."""

    words: str
    address: int | None = None
    exit: str = ""
    holds: Callable[[Debugger], bool] | None = None

    def reached(self, debugger: Debugger) -> bool:
        """Whether the debugger stands there, after a run to it."""
        if self.holds is not None:
            return self.holds(debugger)
        if self.exit:
            return any(record.reason == self.exit for record in debugger.last.exits)
        return debugger.machine.vcpu.pc == self.address


def exit_kind(text: str) -> str:
    """The reason in "MMIO", "exit mmio" or "KVM_EXIT_MMIO"; ValueError if KVM_RUN has no such exit."""
    kind = text.strip().upper().removeprefix("EXIT").strip().removeprefix("KVM_EXIT_")
    if kind not in EXIT_KINDS and kind not in ExitReason.__members__:
        raise ValueError(f"KVM_RUN has no exit {kind!r}: it has {', '.join(EXIT_KINDS)}")
    return kind


def destination(debugger: Debugger, text: str) -> Destination:
    """What `text` says: "loop+8", "line 7", "0x40000010", "exit MMIO", "x2 == 5", "[0x40004000] != 0".

    A comparison has a register, a number or 8 bytes of memory, [PLACE] or [xN], on either side; values are
    unsigned, 64 bits. ValueError if it says nothing of the kind.

    >>> from aarch64sim import Debugger
    >>> debugger = Debugger("mov x0, #1\\nloop: add x0, x0, #1\\nb loop")
    >>> [destination(debugger, text).words for text in ("loop", "exit mmio", "x0 == 5")]
    ['0x40000004', 'KVM_EXIT_MMIO', 'x0 == 5']
    """
    text = text.strip()
    if not text:
        raise ValueError("write where to: a label, line 7, 0x40000010, exit MMIO, or x2 == 5")
    if match := _CONDITION.fullmatch(text):
        left, right = _value(debugger, match[1]), _value(debugger, match[3])
        compare = _COMPARE[match[2]]
        return Destination(text, holds=lambda d: compare(left(d), right(d)))
    if text not in debugger.program.symbols and _names_exit(text):
        kind = exit_kind(text)
        return Destination(
            f"KVM_EXIT_{kind}" if kind in ExitReason.__members__ else kind, exit=kind
        )
    try:
        address = debugger.code_address(text)
    except ValueError as error:
        raise ValueError(f"{error} (a condition is x2 == 5, an exit is exit MMIO)") from None
    return Destination(f"{address:#x}", address)


def _names_exit(text: str) -> bool:
    upper = text.upper()
    return upper.startswith(("EXIT ", "KVM_EXIT_")) or upper in EXIT_KINDS


def _value(debugger: Debugger, text: str) -> Value:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        inner = text[1:-1].strip()
        if inner.lower() in debugger.registers:
            name = inner.lower()
            return lambda d: _word(d, d.registers[name])
        address = address_of(debugger.program, inner)
        return lambda d: _word(d, address)
    name = text.lower()
    if name.startswith("x") and name[1:].isdigit() and int(name[1:]) < 31:
        number = int(name[1:])
        return lambda d: int(d.machine.vcpu.cpu.r[number])
    if name in debugger.registers:
        return lambda d: d.registers[name]
    try:
        value = int(text.lstrip("#"), 0) & _MASK
    except ValueError:
        if text in debugger.program.symbols:
            value = debugger.program.symbols[text]
        else:
            raise ValueError(
                f"{text!r} is no register, no number and no [address]: write x2 == 5"
            ) from None
    return lambda d: value


def _word(debugger: Debugger, address: int) -> int:
    """8 bytes of guest memory, little-endian; 0 where there is no memory."""
    try:
        return int.from_bytes(debugger.read_memory(address & _MASK, 8), "little")
    except OSError:
        return 0
