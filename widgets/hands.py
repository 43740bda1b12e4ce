"""What a learner changes by hand in a panel: breakpoints, registers, memory address, console input, session.

Invariant: whatever cannot be done is answered with a sentence, and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aarch64sim.debug import Debugger

_ASSIGNMENT = re.compile(r"\s*(\w+)\s*=\s*([-+]?\w+)\s*")


def number(text: str) -> int:
    """A number as assembly has it: 17, 0x11, 0b10001; ValueError says what is expected."""
    try:
        return int(text.strip().lstrip("#"), 0)
    except ValueError:
        raise ValueError(f"{text.strip()!r} is no number: write 17 or 0x11") from None


def set_register(debugger: Debugger, text: str) -> str:
    """Do "x1 = 0x10"; a sentence. ValueError says what is wrong."""
    match = _ASSIGNMENT.fullmatch(text)
    if match is None:
        raise ValueError("write a register and its value: x1 = 0x10")
    name, value = match[1].lower(), number(match[2])
    if not -(1 << 63) <= value < 1 << 64:
        raise ValueError(f"{match[2]} does not fit into 64 bits")
    if name not in debugger.registers:
        raise ValueError(f"there is no register {match[1]!r}: x0 to x30, sp, pc, pstate ...")
    try:
        debugger.set_register(name, value & 0xFFFF_FFFF_FFFF_FFFF)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    return f"{name} is {value & 0xFFFF_FFFF_FFFF_FFFF:#x} now. Later steps are forgotten."


def toggle_breakpoint(debugger: Debugger, address: int) -> str:
    """Set or remove; a sentence."""
    try:
        is_set = debugger.toggle_breakpoint(address)
    except ValueError as error:
        return f"No breakpoint: {error}."
    return f"Breakpoint at {address:#x} {'set' if is_set else 'removed'}. Run stops there."


def type_into(debugger: Debugger, text: str) -> str:
    """Give the UART these characters and a newline to read; a sentence."""
    debugger.type(text.encode("utf-8") + b"\n")
    return f"The UART has {len(text.encode('utf-8')) + 1} bytes more to read. Later steps are forgotten."


def value_of(message: Mapping[str, Any]) -> str:
    """What a field sent."""
    return str(message.get("value", ""))
