"""What a learner changes by hand in a panel: breakpoints, registers, memory address, console input, session.

Invariant: whatever cannot be done is answered with a sentence, and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aarch64sim.debug import Debugger
from aarch64sim.debug.places import address_of

_WATCHED = re.compile(
    r"\s*([^/\s]+(?:\s+\d+)?)\s*(?:/\s*(\w+))?(?:\s+(read|write|access))?\s*", re.IGNORECASE
)
_ASSIGNMENT = re.compile(r"\s*(\w+)\s*=\s*([-+]?\w+)\s*")


def number(text: str) -> int:
    """A number as assembly has it: 17, 0x11, 0b10001; ValueError says what is expected."""
    try:
        return int(text.strip().lstrip("#"), 0)
    except ValueError:
        raise ValueError(f"{text.strip()!r} is not a number: write 17 or 0x11") from None


def address(debugger: Debugger, text: str) -> int:
    """An address to look at: a number, a register's value or a label; ValueError says what is expected."""
    name = text.strip().lower()
    if name in debugger.registers:
        return debugger.registers[name]
    if text.strip() in debugger.program.symbols:
        return debugger.program.symbols[text.strip()]
    return number(text) & 0xFFFF_FFFF_FFFF_FFFF


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


def set_breakpoint(debugger: Debugger, where: str) -> str:
    """Set one at an address, label or line; a sentence. ValueError says what is wrong."""
    return f"Breakpoint at {debugger.add_breakpoint(where):#x} set. Run stops there."


def watch(debugger: Debugger, text: str) -> str:
    """Do "0x40004000", "table/16 read", "uart": watch memory or a device; a sentence. ValueError says what is wrong.

    Without a size it is 8 bytes of memory, or all of a device; without a kind, stores to memory, or any access to a
    device.
    """
    match = _WATCHED.fullmatch(text)
    if match is None:
        raise ValueError("write what to watch: 0x40004000, a label, uart; or 0x40004000/4 read")
    where, size, kind = match[1].strip("[] "), match[2], match[3]
    devices = {device.name: (base, device.size) for base, device in debugger.machine.bus}
    if where in devices and where not in debugger.program.symbols:
        address, most = devices[where]
    else:
        address, most = address_of(debugger.program, where), 8
    is_device = debugger.machine.vm.slot_at(address) is None
    kind = (kind or ("access" if is_device else "write")).lower()
    set_ = debugger.watch(address, number(size) if size else most, kind, mmio=is_device)  # type: ignore[arg-type]
    return f"Watching {set_}. Run stops there."


def remove(debugger: Debugger, what: str) -> str:
    """Remove "b ADDRESS" or "w NUMBER", as the list of points names them; a sentence."""
    kind, _, value = what.partition(" ")
    watchpoints = debugger.points.watchpoints
    if kind == "b":
        debugger.remove_breakpoint(int(value))
        return f"Breakpoint at {int(value):#x} removed."
    if int(value) >= len(watchpoints):
        raise ValueError("this watchpoint is gone already")
    gone = watchpoints[int(value)]
    debugger.unwatch(gone)
    return f"No longer watching {gone}."


def type_into(debugger: Debugger, text: str) -> str:
    """Give the UART these characters and a newline to read; a sentence."""
    debugger.type(text.encode("utf-8") + b"\n")
    return f"The UART has {len(text.encode('utf-8')) + 1} bytes more to read. Later steps are forgotten."


def value_of(message: Mapping[str, Any]) -> str:
    """What a field sent."""
    return str(message.get("value", ""))
