"""What one gdb asks and what it is told: the packets of the remote protocol, on a debugger.

Invariant: every packet has an answer, and none raises; a packet that is not known is answered with nothing, as the
protocol wants it. Runs are only begun here (`Session.running`): whoever owns the session makes them, slice by slice.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from struct import Struct

from aarch64sim.arch.registers import SP
from aarch64sim.arch.syndrome import EC
from aarch64sim.debug.debugger import Debugger
from aarch64sim.debug.points import Kind, Watchpoint
from aarch64sim.debug.stops import Stop
from aarch64sim.gdb.monitor import monitor
from aarch64sim.gdb.rsp import MAX_PACKET, escape, unescape
from aarch64sim.gdb.target_xml import FRAME, IN_G, PC, REGISTERS, STACK, target_xml

SUPPORTED = (
    f"PacketSize={MAX_PACKET:x};QStartNoAckMode+;qXfer:features:read+;swbreak+;hwbreak+;"
    "vContSupported+;ReverseStep+;ReverseContinue+"
).encode()

OK, NOTHING_KNOWN, BAD_MEMORY, BAD_PACKET = b"OK", b"", b"E14", b"E16"
_WATCH: dict[bytes, tuple[Kind, bytes]] = {
    b"2": ("write", b"watch"),
    b"3": ("read", b"rwatch"),
    b"4": ("access", b"awatch"),
}
_STOP_NAMES = dict(_WATCH.values())
_G = Struct("<33QI")
_FIRST = Struct("<3Q")
_MOST_MEMORY = MAX_PACKET // 2 - 16  # bytes in one m reply or M packet


class Session:
    """One gdb, from its first packet to its last. `answer` takes a payload and gives the reply, None for none yet."""

    def __init__(self, debugger: Debugger) -> None:
        self.debugger = debugger
        self.no_ack = False
        self.running = False  # a c was asked for, and its stop reply is owed
        self.over = False  # gdb has said goodbye
        self.changed = False  # the guest was moved or written to since somebody looked
        self.messages: list[bytes] = []  # O packets to be sent before the reply
        self._inserted: set[int | Watchpoint] = set()
        self._packets: dict[bytes, Callable[[bytes], bytes | None]] = {
            b"?": lambda _: self.stop_reply(),
            b"g": self._read_registers, b"G": self._write_registers,
            b"p": self._read_register, b"P": self._write_register,
            b"m": self._read_memory, b"M": self._write_memory, b"X": self._write_binary,
            b"c": self._continue, b"C": self._continue_signal, b"s": self._step, b"S": self._step_signal,
            b"b": self._backwards, b"v": self._verbose, b"q": self._query, b"Q": self._set,
            b"Z": lambda rest: self._point(rest, insert=True), b"z": lambda rest: self._point(rest, insert=False),
            b"H": lambda rest: OK if rest[:1] in (b"g", b"c") else NOTHING_KNOWN,
            b"T": lambda _: OK,
            b"D": self._goodbye, b"k": self._kill,
        }  # fmt: skip

    def answer(self, payload: bytes) -> bytes | None:
        """The reply to one packet; None if there is none, or none yet."""
        handler = self._packets.get(payload[:1])
        if handler is None:
            return NOTHING_KNOWN
        try:
            return handler(payload[1:])
        except OSError as error:
            return BAD_MEMORY if error.errno == errno.EFAULT else b"E%02x" % (error.errno or 0)
        except (ValueError, IndexError):
            return BAD_PACKET

    # --- registers ---------------------------------------------------------------------------------------------------

    def _value(self, number: int) -> bytes:
        register = REGISTERS[number]
        vcpu, source = self.debugger.machine.vcpu, register.source
        if source == "sp":
            source = "sp_el1" if vcpu.pstate & 1 else "sp_el0"
        return vcpu.get_one_reg(source).to_bytes(8, "little")[: register.size]

    def _put(self, number: int, data: bytes) -> None:
        register = REGISTERS[number]
        if len(data) != register.size:
            raise ValueError(f"{register.name} has {register.size} bytes")
        self.debugger.set_register(register.source, int.from_bytes(data, "little"))
        self.changed = True

    def _read_registers(self, _: bytes) -> bytes:
        vcpu = self.debugger.machine.vcpu
        # X0-X30 and the current SP; one by one through KVM_GET_ONE_REG would take ten times as long.
        current = vcpu.cpu.r[: SP + 1]
        return _G.pack(*current, vcpu.pc, vcpu.get_one_reg("pstate")).hex().encode()

    def _write_registers(self, rest: bytes) -> bytes:
        data = bytes.fromhex(rest.decode("ascii"))
        at = 0
        for number in range(IN_G):
            size = REGISTERS[number].size
            if at + size > len(data):
                return BAD_PACKET
            if self._value(number) != data[at : at + size]:
                self._put(number, data[at : at + size])
            at += size
        return OK

    def _read_register(self, rest: bytes) -> bytes:
        return self._value(_hex(rest)).hex().encode()

    def _write_register(self, rest: bytes) -> bytes:
        number, _, value = rest.partition(b"=")
        self._put(_hex(number), bytes.fromhex(value.decode("ascii")))
        return OK

    # --- memory ------------------------------------------------------------------------------------------------------

    def _read_memory(self, rest: bytes) -> bytes:
        address, size = _pair(rest)
        slot = self.debugger.machine.vm.slot_at(address)
        if slot is None:
            return BAD_MEMORY
        size = min(
            size, slot.end - address, _MOST_MEMORY
        )  # fewer bytes than asked for are a right answer
        return self.debugger.read_memory(address, size).hex().encode()

    def _write_memory(self, rest: bytes) -> bytes:
        place, _, data = rest.partition(b":")
        return self._write(place, bytes.fromhex(data.decode("ascii")))

    def _write_binary(self, rest: bytes) -> bytes:
        place, _, data = rest.partition(b":")
        return self._write(place, unescape(data))

    def _write(self, place: bytes, data: bytes) -> bytes:
        address, size = _pair(place)
        if size != len(data):
            return BAD_PACKET
        if data:
            self.debugger.write_memory(address, data)
            self.changed = True
        return OK

    # --- points ------------------------------------------------------------------------------------------------------

    def _point(self, rest: bytes, *, insert: bool) -> bytes:
        kind, place = rest[:1], rest[1:].lstrip(b",").partition(b";")[0]
        address, size = _pair(place)
        debugger = self.debugger
        point: int | Watchpoint
        if kind in (b"0", b"1"):
            point, there = address, address in debugger.points.addresses
        elif kind in _WATCH:
            mmio = debugger.machine.vm.slot_at(address) is None
            point = Watchpoint(address, size, _WATCH[kind][0], mmio=mmio)
            there = point in debugger.points.watchpoints
        else:
            return NOTHING_KNOWN
        if not insert:
            self._remove(point)
        elif not there:
            if isinstance(point, Watchpoint):
                debugger.watch(address, size, point.kind, mmio=point.mmio)
            else:
                debugger.add_breakpoint(address, hardware=kind == b"1")
            self._inserted.add(point)
        return OK

    def _remove(self, point: int | Watchpoint) -> None:
        """Remove a point that gdb has set; one that was set elsewhere stays."""
        if point not in self._inserted:
            return
        self._inserted.discard(point)
        points = self.debugger.points
        if isinstance(point, Watchpoint):
            if point in points.watchpoints:
                self.debugger.unwatch(point)
        elif point in points.addresses:
            self.debugger.remove_breakpoint(point)

    def leave(self) -> None:
        """gdb is gone: so are its points."""
        self.running = False
        for point in list(self._inserted):
            self._remove(point)

    # --- moving ------------------------------------------------------------------------------------------------------

    def _continue(self, rest: bytes) -> bytes | None:
        self._resume_at(rest)
        if self.debugger.ended:
            return self._end_of_history()
        self.running = True
        return None

    def _continue_signal(self, rest: bytes) -> bytes | None:
        return self._continue(rest.partition(b";")[2])

    def _step(self, rest: bytes) -> bytes:
        self._resume_at(rest)
        debugger = self.debugger
        if debugger.ended:
            return self._end_of_history()
        debugger.run_slice(1, finish=False, by_steps=True)
        self.changed = True
        return self.stop_reply(debugger.last)

    def _step_signal(self, rest: bytes) -> bytes:
        return self._step(rest.partition(b";")[2])

    def _resume_at(self, address: bytes) -> None:
        if address:
            self._put(PC, _hex(address).to_bytes(8, "little"))

    def _backwards(self, rest: bytes) -> bytes:
        debugger = self.debugger
        if rest not in (b"s", b"c"):
            return NOTHING_KNOWN
        if debugger.position == 0:
            return self.stop_reply(extra=b"replaylog:begin;")
        self.changed = True
        if rest == b"s":
            debugger.back()
            return self.stop_reply()
        stop = debugger.reverse_continue()
        if debugger.position == 0:
            return self.stop_reply(extra=b"replaylog:begin;")
        if stop.pc not in debugger.breakpoints and (changed := self._changed_watchpoint()):
            # gdb steps back once more by itself, and then sees the value change.
            return self.stop_reply(extra=b"%b:%x;" % (_STOP_NAMES[changed.kind], changed.address))
        return self.stop_reply(extra=self._reason(stop))

    def _changed_watchpoint(self) -> Watchpoint | None:
        """The watchpoint whose bytes the last step has changed."""
        debugger, here = self.debugger, self.debugger.position
        watched = [w for w in debugger.points.watchpoints if not w.mmio]
        now = [debugger.read_memory(w.address, w.size) for w in watched]
        debugger.travel(here - 1)
        before = [debugger.read_memory(w.address, w.size) for w in watched]
        debugger.travel(here)
        return next(
            (w for w, old, new in zip(watched, before, now, strict=True) if old != new), None
        )

    def _end_of_history(self) -> bytes:
        return self.stop_reply(extra=b"replaylog:end;")

    def stop_reply(self, stop: Stop | None = None, *, signal: int = 5, extra: bytes = b"") -> bytes:
        """T: the signal, why, and the registers that gdb asks for first. `stop` is one that was just made."""
        why = extra
        if stop is not None:
            why += self._reason(stop)
            if stop.reason in ("exit", "error", "limit") or (
                stop.reason == "watchpoint" and not why
            ):
                self.messages.append(b"O" + (stop.text + "\n").encode().hex().encode())
        vcpu = self.debugger.machine.vcpu
        first = _FIRST.pack(vcpu.cpu.r[FRAME], vcpu.cpu.r[SP], vcpu.pc).hex().encode()
        numbers = FRAME, first[:16], STACK, first[16:32], PC, first[32:]
        return b"T%02x%bthread:1;%x:%b;%x:%b;%x:%b;" % (signal, why, *numbers)

    def _reason(self, stop: Stop) -> bytes:
        debugger = self.debugger
        watchpoint = debugger.watchpoint_in_front
        if watchpoint is not None:
            return b"%b:%x;" % (_STOP_NAMES[watchpoint.kind], watchpoint.address)
        if stop.reason == "breakpoint" and stop.pc in debugger.points.hardware:
            return b"hwbreak:;"
        if stop.reason == "breakpoint" and (
            stop.pc in debugger.points.breakpoints
            or (stop.hsr is not None and stop.hsr >> 26 == EC.BRK)
        ):
            return b"swbreak:;"
        return b""

    # --- the rest ----------------------------------------------------------------------------------------------------

    def _verbose(self, rest: bytes) -> bytes | None:
        if rest == b"Cont?":
            return b"vCont;c;C;s;S"
        if rest.startswith(b"Cont;"):
            action = rest[5:].partition(b";")[0].partition(b":")[0]
            if action[:1] in (b"c", b"C"):
                return self._continue(b"")
            return self._step(b"") if action[:1] in (b"s", b"S") else BAD_PACKET
        if rest.startswith(b"Kill"):
            self.leave()
            return OK
        return NOTHING_KNOWN

    def _query(self, rest: bytes) -> bytes:
        name, _, arguments = rest.partition(b":")
        if name == b"Supported":
            return SUPPORTED
        if name == b"Xfer" and arguments.startswith(b"features:read:"):
            annex, _, window = arguments[len(b"features:read:") :].partition(b":")
            if annex != b"target.xml":
                return b"E00"
            offset, size = _pair(window)
            size = min(size, _MOST_MEMORY)
            part = target_xml()[offset : offset + size]
            return (b"m" if offset + size < len(target_xml()) else b"l") + escape(part)
        if name.startswith(b"Rcmd,"):
            command = bytes.fromhex(name[5:].decode("ascii")).decode("utf-8", "replace")
            text, moved = monitor(self.debugger, command)
            self.changed |= moved
            return text.encode()[:_MOST_MEMORY].hex().encode() or OK
        fixed = {b"Attached": b"1", b"C": b"QC1", b"fThreadInfo": b"m1", b"sThreadInfo": b"l"}
        return fixed.get(name, NOTHING_KNOWN)

    def _set(self, rest: bytes) -> bytes:
        if rest == b"StartNoAckMode":
            self.no_ack = True
            return OK
        return NOTHING_KNOWN

    def _goodbye(self, _: bytes) -> bytes:
        self.leave()
        self.over = True
        return OK

    def _kill(self, _: bytes) -> None:
        self.leave()
        self.over = True


def _hex(text: bytes) -> int:
    """A hexadecimal number of the protocol, up to 64 bits; ValueError for anything else."""
    if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", text):
        raise ValueError(f"{text!r} is no hexadecimal number")
    return int(text, 16)


def _pair(text: bytes) -> tuple[int, int]:
    """ "address,length", both hexadecimal."""
    first, _, second = text.partition(b",")
    return _hex(first), _hex(second)
