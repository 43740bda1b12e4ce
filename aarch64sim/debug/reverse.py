"""Looking back: which step of the history met a breakpoint, or changed a register or memory.

Invariant: the history is only replayed, silently, interval by interval from the last; nothing in it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from aarch64sim.asm import Program
from aarch64sim.debug.guest import GUEST_REGISTERS, register
from aarch64sim.debug.places import address_of
from aarch64sim.debug.points import Points, Watchpoint
from aarch64sim.debug.stops import HistoryError
from aarch64sim.debug.track import Track

WRITTEN = 8  # bytes at an address that a write is looked for in
REST_SECONDS = 0.05  # after so long a search says how far it is, so that others get their turn


@dataclass(frozen=True, slots=True)
class Write:
    """Step `step` changed `name` from `old` to `new`; `pc` is where the guest stood before that step."""

    step: int
    pc: int
    name: str
    old: int
    new: int

    def __str__(self) -> str:
        return f"step {self.step}, from {self.pc:#x}: {self.name} {self.old:#x} -> {self.new:#x}"


Found = TypeVar("Found")
# Yields how far back it has looked; the track stands at its position again then.
Search = Generator[int, None, Found]


def whole(search: Search[Found]) -> Found:
    """The end of a search, without a rest."""
    while True:
        try:
            next(search)
        except StopIteration as end:
            result: Found = end.value
            return result


def _last_step(
    track: Track,
    last: int,
    met: Callable[[int], bool],
    begin: Callable[[], None] = lambda: None,
    worth: Callable[[int, int], bool] = lambda first, end: True,
) -> Search[int]:
    """The last of the steps 1 to `last` for which `met(step)` holds right after it; 0 if none does.

    `begin()` is called where an interval starts; `worth(first, end)` says whether one may hold such a step at all.
    """
    here, end, found = track.position, last, 0
    while end > 0 and not found:
        try:
            until = monotonic() + REST_SECONDS
            while True:
                first = track.history.nearest(end - 1)
                if worth(first, end):
                    track.travel(first)
                    begin()
                    found = _last_met(track, first, end, met)
                end = first
                if end == 0 or found or monotonic() >= until:
                    break
        finally:
            track.travel(here)
        if end > 0 and not found:
            yield end
    return found


def _last_met(track: Track, first: int, end: int, met: Callable[[int], bool]) -> int:
    found = 0

    def look(step: int) -> None:
        nonlocal found
        if met(step):
            found = step

    track.each(first, end, look)
    return found


def find_stop(track: Track, points: Points) -> Search[int]:
    """The last step before `position` at whose end the guest stood at a breakpoint, or which changed a watched range or
    made a watched device access; 0, the start, if there is none.

    Where two instructions went by in one step, the second is seen only if its breakpoint was planted at that time.
    """
    ranges = [w for w in points.watchpoints if not w.mmio]
    seen: list[bytes] = []

    def look() -> list[bytes]:
        return [_bytes(track, w) for w in ranges]

    def begin() -> None:
        seen[:] = look()

    def met(step: int) -> bool:
        if ranges:
            before = list(seen)
            begin()
            if before != seen:
                return True
        return track.machine.vcpu.pc in points.addresses or track.met_watchpoint

    return (yield from _last_step(track, track.position - 1, met, begin))


def find_write(track: Track, program: Program, what: int | str, last: int) -> Search[Write]:
    """The last of the steps 1 to `last` that changed `what`; HistoryError if none did."""
    name, read, page = _thing(track, program, what)
    now = 0
    history: dict[int, tuple[int, int]] = {}

    def begin() -> None:
        nonlocal now
        now = read()

    def met(step: int) -> bool:
        nonlocal now
        old, now = now, read()
        if old != now:
            history[step] = old, now
            return True
        return False

    def worth(first: int, end: int) -> bool:
        return page is None or track.history.written_between(page, first, end)

    step = yield from _last_step(track, last, met, begin, worth)
    if not step:
        raise HistoryError(f"no step from 1 to {last} has changed {name}")
    old, new = history[step]
    return Write(step, track.record(step - 1).stop.pc, name, old, new)


def _thing(
    track: Track, program: Program, what: int | str
) -> tuple[str, Callable[[], int], int | None]:
    """Its name, how to read it, and the page that it is in if it is memory; ValueError if there is no such thing."""
    vcpu = track.machine.vcpu
    name = what.strip().lower() if isinstance(what, str) else ""
    if name.startswith("x") and name[1:].isdigit() and int(name[1:]) < 31:
        registers, number = vcpu.cpu.r, int(name[1:])
        return name, lambda: registers[number], None
    if name in GUEST_REGISTERS:
        return name, lambda: register(track.machine, name), None
    address = address_of(program, what)
    slot = track.machine.vm.slot_at(address)
    if slot is None:
        raise ValueError(f"{address:#x} is no memory")
    data, offset = slot.data, address - slot.base
    text = what if isinstance(what, str) else f"[{what:#x}]"
    return text, lambda: int.from_bytes(data[offset : offset + WRITTEN], "little"), address >> 12


def _bytes(track: Track, watchpoint: Watchpoint) -> bytes:
    try:
        return track.machine.vm.read_memory(watchpoint.address, watchpoint.size)
    except OSError:
        return b""
