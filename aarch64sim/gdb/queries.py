"""What gdb and lldb ask about the target: features, registers, memory, commands; `q` packets and their answers.

Invariant: an answer changes nothing but what a `monitor` command does through the debugger.
"""

from __future__ import annotations

from aarch64sim.arch.sysregs import WATCHPOINTS
from aarch64sim.debug.debugger import Debugger
from aarch64sim.gdb.monitor import monitor
from aarch64sim.gdb.rsp import MAX_PACKET, escape, hexadecimal, pair
from aarch64sim.gdb.target_xml import target_xml

MOST_MEMORY = MAX_PACKET // 2 - 16  # bytes in one reply
SUPPORTED = (
    f"PacketSize={MAX_PACKET:x};QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;"
    "vContSupported+;ReverseStep+;ReverseContinue+"
).encode()
# lldb takes a watchpoint for one that comes after the access, unless it is told.
_HOST = b"triple:%b;ptrsize:8;endian:little;watchpoint_exceptions_received:before;" % (
    b"aarch64-unknown-none".hex().encode()
)
_FIXED = {
    b"Supported": SUPPORTED,
    b"Attached": b"1",
    b"C": b"QC1",
    b"fThreadInfo": b"m1",
    b"sThreadInfo": b"l",
    b"HostInfo": _HOST,
    b"WatchpointSupportInfo": b"num:%d;" % WATCHPOINTS,
}


def query(debugger: Debugger, rest: bytes) -> tuple[bytes, bool]:
    """The answer to the packet `q` with this after it, and whether the guest was moved or written to."""
    name, _, arguments = rest.partition(b":")
    if name == b"Xfer" and arguments.startswith(b"features:read:"):
        return _features(arguments.removeprefix(b"features:read:")), False
    if name == b"MemoryRegionInfo":
        return _region(debugger, hexadecimal(arguments)), False
    if name.startswith(b"Rcmd,"):
        command = bytes.fromhex(name[5:].decode("ascii")).decode("utf-8", "replace")
        text, moved = monitor(debugger, command)
        return text.encode()[:MOST_MEMORY].hex().encode() or b"OK", moved
    return _FIXED.get(name, b""), False


def _features(asked: bytes) -> bytes:
    """A part of the target description."""
    annex, _, window = asked.partition(b":")
    if annex != b"target.xml":
        return b"E00"
    offset, size = pair(window)
    size = min(size, MOST_MEMORY)
    part = target_xml()[offset : offset + size]
    return (b"m" if offset + size < len(target_xml()) else b"l") + escape(part)


def _region(debugger: Debugger, address: int) -> bytes:
    """The slot there and what a guest may do to it, or the gap between slots."""
    vm = debugger.machine.vm
    if slot := vm.slot_at(address):
        permissions = b"rx" if slot.readonly else b"rwx"
        return b"start:%x;size:%x;permissions:%b;" % (
            slot.base,
            slot.end - slot.base,
            permissions,
        )
    slots = vm.slots.values()
    first = max((slot.end for slot in slots if slot.end <= address), default=0)
    after = min((slot.base for slot in slots if slot.base > address), default=1 << 64)
    return b"start:%x;size:%x;" % (first, after - first)
