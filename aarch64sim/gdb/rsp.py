"""Packets of the GDB remote serial protocol: framing, checksums, escapes, run lengths.

Invariant: whatever bytes come in, about `MAX_PACKET` of them are kept, and a packet that is handed on was complete
and had the right checksum.
"""

from __future__ import annotations

import re
from enum import Enum

# Bytes between $ and #, as qSupported says; also after run lengths were expanded.
MAX_PACKET = 0x4000

_START, _END, _ESCAPE, _RUN = b"$", b"#", 0x7D, 0x2A
_SPECIAL = frozenset(b"#$}*")


class Signal(Enum):
    """What comes between packets."""

    ACK = "+"
    NAK = "-"
    INTERRUPT = "\x03"
    BROKEN = "broken"  # a packet that is too long, or has a wrong checksum or run length


def frame(payload: bytes) -> bytes:
    """The packet that carries `payload`, which must be escaped already where it is binary.

    >>> frame(b"OK")
    b'$OK#9a'
    """
    return b"$%b#%02x" % (payload, sum(payload) & 0xFF)


def escape(data: bytes) -> bytes:
    """Binary data for a reply: the characters with a meaning of their own as } and the character xor 0x20.

    >>> escape(b"a#b}")
    b'a}\\x03b}]'
    """
    if _SPECIAL.isdisjoint(data):
        return data
    out = bytearray()
    for byte in data:
        out += bytes((_ESCAPE, byte ^ 0x20)) if byte in _SPECIAL else bytes((byte,))
    return bytes(out)


def unescape(data: bytes) -> bytes:
    """The inverse of `escape`; a } with nothing after it stands for nothing."""
    first, *rest = data.split(b"}")
    if not rest:
        return data
    out = bytearray(first)
    for part in rest:
        if part:
            out.append(part[0] ^ 0x20)
            out += part[1:]
    return bytes(out)


def expand(payload: bytes) -> bytes | None:
    """Run lengths written out: "0* " is "0000". None if they make no sense or the result is too long.

    >>> expand(b"0* x"), expand(b"*!")
    (b'0000x', None)
    """
    if _RUN not in payload:
        return payload
    out, index = bytearray(), 0
    while index < len(payload):
        byte = payload[index]
        index += 1
        if byte != _RUN:
            out.append(byte)
            continue
        count = payload[index] - 29 if index < len(payload) else 0
        if not out or not 3 <= count <= 97 or len(out) + count > MAX_PACKET:
            return None
        out += bytes((out[-1],)) * count
        index += 1
    return bytes(out)


class Reader:
    """Bytes in, packets and signals out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipping = False  # the rest of a packet that is too long

    def feed(self, data: bytes) -> list[bytes | Signal]:
        """What `data` completes, in order: payloads (unescaped only where not binary) and signals."""
        buffer = self._buffer
        buffer += data
        found: list[bytes | Signal] = []
        while buffer:
            if self._skipping:
                self._skip()
            elif buffer[0] != _START[0]:
                self._between(found)
            elif not self._packet(found):
                break
        return found

    def _skip(self) -> None:
        end = self._buffer.find(_END)
        self._skipping = end < 0
        del self._buffer[: end + 1 if end >= 0 else len(self._buffer)]

    def _between(self, found: list[bytes | Signal]) -> None:
        """Everything before the next $: acknowledgements, interrupts, garbage."""
        start = self._buffer.find(_START)
        between = self._buffer[: start if start >= 0 else len(self._buffer)]
        del self._buffer[: len(between)]
        for byte in between:
            if byte in b"+-\x03":
                found.append(Signal(chr(byte)))

    def _packet(self, found: list[bytes | Signal]) -> bool:
        """The packet at the start of the buffer; False if more bytes are needed."""
        buffer = self._buffer
        end = buffer.find(_END)
        again = buffer.rfind(_START, 1, end if end >= 0 else len(buffer))
        if again > 0:
            del buffer[:again]  # a $ inside starts anew: the first was cut off
            return True
        if (end if end >= 0 else len(buffer)) > MAX_PACKET + 1:
            self._skipping = True
            found.append(Signal.BROKEN)
            return True
        if end < 0 or len(buffer) < end + 3:
            return False
        payload, check = bytes(buffer[1:end]), bytes(buffer[end + 1 : end + 3])
        del buffer[: end + 3]
        try:
            right = int(check, 16) == sum(payload) & 0xFF
        except ValueError:
            right = False
        # Data of X may hold any byte but $ # }, so that a * in it is no run length.
        whole = payload if payload.startswith(b"X") else expand(payload)
        found.append(whole if right and whole is not None else Signal.BROKEN)
        return True


def hexadecimal(text: bytes) -> int:
    """A hexadecimal number of the protocol, up to 64 bits; ValueError for anything else."""
    if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", text):
        raise ValueError(f"{text!r} is no hexadecimal number")
    return int(text, 16)


def pair(text: bytes) -> tuple[int, int]:
    """ "address,length", both hexadecimal."""
    first, _, second = text.partition(b",")
    return hexadecimal(first), hexadecimal(second)
