"""What one gdb asks and what it is told: the packets of the remote protocol, on a debugger.

Invariant: every packet has an answer, and none raises; a packet that is not known is answered with nothing, as the
protocol wants it. Runs and searches are only begun here (`Session.work`): whoever owns the session takes their next
slice, over and over.
Longer than other files: the packets that move the guest, write it and set points share the state of one gdb.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from struct import Struct

from aarch64sim.arch.registers import SP
from aarch64sim.arch.syndrome import EC, exception_class
from aarch64sim.debug.debugger import Debugger
from aarch64sim.debug.points import Kind, Watchpoint
from aarch64sim.debug.stops import EXCLUSIVE, Stop
from aarch64sim.gdb.queries import MOST_MEMORY, query
from aarch64sim.gdb.rsp import hexadecimal, pair, unescape
from aarch64sim.gdb.target_xml import IN_G, PC, REGISTERS

Work = Iterator[bytes | None]  # None after a slice, at the end the reply
SLICE = 5000  # instructions of a run between two looks at the connection: some milliseconds

SIGINT = 2
OK, NOTHING_KNOWN, BAD_MEMORY, BAD_PACKET = b"OK", b"", b"E14", b"E16"
_WATCH: dict[bytes, tuple[Kind, bytes]] = {
    b"2": ("write", b"watch"),
    b"3": ("read", b"rwatch"),
    b"4": ("access", b"awatch"),
}
_STOP_NAMES = dict(_WATCH.values())
_G = Struct("<33QI")
_EXPEDITED = tuple(
    (16 * n, (b";" if n else b"") + b"%x:" % n) for n in range(IN_G)
)  # where it stands in the reply to g, and its number


class Session:
    """One gdb, from its first packet to its last. `answer` takes a payload and gives the reply, None for none yet."""

    def __init__(self, debugger: Debugger) -> None:
        self.debugger = debugger
        self.no_ack = False
        self.work: Work | None = None  # what was asked for and goes on; its stop reply is owed
        # Where gdb was notified of a write that is about to be undone.
        self._told_at: int | None = None
        self._exclusives = 0  # how many were stepped before the run
        self.over = False  # gdb has said goodbye
        self.extended = False  # target extended-remote: it stays when it lets go of the guest
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
            b"D": self._goodbye, b"k": self._kill, b"!": self._extend, b"R": self._restart,
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
        return vcpu.get_one_reg(source).to_bytes(16, "little")[: register.size]

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
        return self._value(hexadecimal(rest)).hex().encode()

    def _write_register(self, rest: bytes) -> bytes:
        number, _, value = rest.partition(b"=")
        self._put(hexadecimal(number), bytes.fromhex(value.decode("ascii")))
        return OK

    # --- memory ------------------------------------------------------------------------------------------------------

    def _read_memory(self, rest: bytes) -> bytes:
        address, size = pair(rest)
        slot = self.debugger.machine.vm.slot_at(address)
        if slot is None:
            return BAD_MEMORY
        # Fewer bytes than asked for are a correct answer.
        size = min(size, slot.end - address, MOST_MEMORY)
        return self.debugger.read_memory(address, size).hex().encode()

    def _write_memory(self, rest: bytes) -> bytes:
        place, _, data = rest.partition(b":")
        return self._write(place, bytes.fromhex(data.decode("ascii")))

    def _write_binary(self, rest: bytes) -> bytes:
        place, _, data = rest.partition(b":")
        return self._write(place, unescape(data))

    def _write(self, place: bytes, data: bytes) -> bytes:
        address, size = pair(place)
        if size != len(data):
            return BAD_PACKET
        if data:
            self.debugger.write_memory(address, data)
            self.changed = True
        return OK

    # --- points ------------------------------------------------------------------------------------------------------

    def _point(self, rest: bytes, *, insert: bool) -> bytes:
        kind, place = rest[:1], rest[1:].lstrip(b",").partition(b";")[0]
        address, size = pair(place)
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
        self.work = None
        for point in list(self._inserted):
            self._remove(point)

    # --- moving ------------------------------------------------------------------------------------------------------

    def _continue(self, rest: bytes) -> bytes | None:
        self._resume_at(rest)
        debugger = self.debugger
        if debugger.ended:
            return self._end_of_history()
        if debugger.pc in self._inserted and debugger.pc in debugger.breakpoints:
            # gdb steps over a breakpoint by itself when it wants to: this one is to be met.
            kind = b"hwbreak" if debugger.pc in debugger.points.hardware else b"swbreak"
            return self.stop_reply(extra=kind + b":;")
        self.work = self._run()
        return None

    def _run(self) -> Work:
        self._exclusives = self.debugger.exclusives
        while (stop := self.debugger.run_slice(SLICE, finish=False)) is None:
            yield None
        self.changed = True
        yield self.stop_reply(stop)

    def interrupt(self) -> bytes:
        """Ctrl-C: end the run or the search, and say why a row of steps did not get further."""
        self.work, self.changed = None, True
        if self.debugger.exclusives > self._exclusives:
            self._tell(EXCLUSIVE)
        return self.stop_reply(signal=SIGINT)

    def _tell(self, text: str) -> None:
        self.messages.append(b"O" + (text + "\n").encode().hex().encode())

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
            self._put(PC, hexadecimal(address).to_bytes(8, "little"))

    def _backwards(self, rest: bytes) -> bytes | None:
        debugger = self.debugger
        if rest not in (b"s", b"c"):
            return NOTHING_KNOWN
        if debugger.position == 0:
            return self.stop_reply(extra=b"replaylog:begin;")
        if self._told_at != debugger.position and (changed := self._changed_watchpoint()):
            return self._undoing(changed)
        self._told_at = None
        self.changed = True
        if rest == b"s":
            debugger.back()
            return self.stop_reply()
        self.work = self._run_back()
        return None

    def _run_back(self) -> Work:
        debugger, search = self.debugger, self.debugger.search_stop()
        here = debugger.position
        while True:
            try:
                next(search)
            except StopIteration as found:
                stop = debugger.goto(found.value)
                break
            yield None
            if self.debugger is not debugger or debugger.position != here:
                stop = self.debugger.last  # somebody else has moved it
                break
        self.changed = True
        if self.debugger.position == 0:
            yield self.stop_reply(extra=b"replaylog:begin;")
        elif stop.pc not in debugger.breakpoints and (changed := self._changed_watchpoint()):
            yield self._undoing(changed)
        else:
            yield self.stop_reply(extra=self._reason(stop))

    def _undoing(self, watchpoint: Watchpoint) -> bytes:
        """The next step back undoes a watched write: gdb makes it by itself, and then sees the value change."""
        self._told_at = self.debugger.position
        return self.stop_reply(extra=b"%b:%x;" % (_STOP_NAMES[watchpoint.kind], watchpoint.address))

    def _changed_watchpoint(self) -> Watchpoint | None:
        """The watchpoint whose bytes the last step has changed."""
        debugger, here = self.debugger, self.debugger.position
        watched = [w for w in debugger.points.watchpoints if not w.mmio]
        if not watched:
            return None
        now = [debugger.read_memory(w.address, w.size) for w in watched]
        debugger.travel(here - 1)
        before = [debugger.read_memory(w.address, w.size) for w in watched]
        debugger.travel(here)
        return next(
            (w for w, old, new in zip(watched, before, now, strict=True) if old != new), None
        )

    def _end_of_history(self) -> bytes:
        """What gdb calls the end of its history, forwards: the guest has ended."""
        self._tell("The guest has ended: it goes no further.")
        # With SIGTRAP at the same PC lldb would take its step for one that is not over, and ask again without end.
        return self.stop_reply(signal=SIGINT, extra=b"replaylog:end;")

    def stop_reply(self, stop: Stop | None = None, *, signal: int = 5, extra: bytes = b"") -> bytes:
        """T: the signal, why, and the core registers. `stop` is one that was just made."""
        why = extra
        if stop is not None:
            why += self._reason(stop)
            text = EXCLUSIVE if stop.after_exclusive else stop.text
            if (
                stop.after_exclusive
                or stop.reason in ("exit", "error", "limit")
                or (stop.reason == "watchpoint" and not why)
            ):
                self._tell(text)
        return b"T%02x%bthread:1;%b" % (signal, why, self._core_registers())

    def _core_registers(self) -> bytes:
        """All that `g` would give, as a stop reply has it: gdb needs no other packet after a step."""
        values = self._read_registers(b"")
        return b"".join([name + values[at : at + 16] for at, name in _EXPEDITED]) + b";"

    def _reason(self, stop: Stop) -> bytes:
        debugger = self.debugger
        watchpoint = debugger.watchpoint_in_front
        if watchpoint is not None:
            return b"%b:%x;" % (_STOP_NAMES[watchpoint.kind], watchpoint.address)
        if stop.reason == "breakpoint" and stop.pc in debugger.points.hardware:
            return b"hwbreak:;"
        if stop.reason == "breakpoint" and (
            stop.pc in debugger.points.breakpoints
            or (stop.hsr is not None and exception_class(stop.hsr) == EC.BRK)
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
        if self.extended and rest.startswith(b"Run"):
            self._restart(b"")
            return self.stop_reply()
        if self.extended and rest.startswith(b"Attach;"):
            return self.stop_reply()
        return NOTHING_KNOWN

    def _query(self, rest: bytes) -> bytes:
        answer, moved = query(self.debugger, rest)
        self.changed |= moved
        return answer

    def _set(self, rest: bytes) -> bytes:
        if rest == b"StartNoAckMode":
            self.no_ack = True
            return OK
        return NOTHING_KNOWN

    def _extend(self, _: bytes) -> bytes:
        self.extended = True
        return OK

    def _restart(self, _: bytes) -> None:
        self.debugger.restart()
        self.changed = True

    def _goodbye(self, _: bytes) -> bytes:
        self.leave()
        self.over = not self.extended
        return OK

    def _kill(self, _: bytes) -> None:
        self.leave()
        self.over = not self.extended
