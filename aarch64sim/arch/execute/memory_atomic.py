"""Exclusive and atomic accesses (Arm ARM C4.1, B2.12 for the monitor).

Invariant: an atomic reads, then writes, then changes registers, so a fault of either access leaves all as it was; the
local monitor is set by a load-exclusive only and is gone after any store-exclusive.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch.access import byte_order, check_read_write
from aarch64sim.arch.execute.common import following, with_sp_check
from aarch64sim.arch.execute.transfer import reader, writer
from aarch64sim.arch.pattern import Fields
from aarch64sim.arch.registers import destination, source
from aarch64sim.arch.state import CpuState, Op
from aarch64sim.arch.vocabulary import ones, sign_extend


def _halves(cpu: CpuState, value: int, size: int) -> tuple[int, int]:
    """The elements of `size` bytes at the lower and the higher address of a double-size value."""
    low, high = value & ones(8 * size), value >> 8 * size
    return (low, high) if byte_order(cpu) == "little" else (high, low)


def _joined(cpu: CpuState, first: int, second: int, size: int) -> int:
    """The double-size value with these elements: inverse of `_halves`."""
    first, second = first & ones(8 * size), second & ones(8 * size)
    low, high = (first, second) if byte_order(cpu) == "little" else (second, first)
    return high << 8 * size | low


def load_exclusive(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LDXR, LDAXR."""
    r, n, t, size, next_pc = cpu.r, f.Rn, destination(f.Rt), 1 << f.size, following(pc)
    read = reader(cpu, size, ordered=True)

    def op() -> int:
        a = r[n]
        value = r[t] = read(a)
        cpu.monitor = (a, size, value)
        return next_pc

    return with_sp_check(cpu, n, op)


def load_exclusive_pair(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LDXP, LDAXP: one access of twice the register width."""
    r, n, size, next_pc = cpu.r, f.Rn, 4 << f.sf, following(pc)
    t, t2 = destination(f.Rt), destination(f.Rt2)
    read = reader(cpu, 2 * size, ordered=True)

    def op() -> int:
        a = r[n]
        value = read(a)
        r[t], r[t2] = _halves(cpu, value, size)
        cpu.monitor = (a, 2 * size, value)
        return next_pc

    return with_sp_check(cpu, n, op)


def _store_exclusive(cpu: CpuState, f: Fields, pc: int, size: int, value: Callable[[], int]) -> Op:
    r, n, s, next_pc = cpu.r, f.Rn, destination(f.Rs), following(pc)
    store = (_store_if_same if cpu.choices.exclusive_by_value else _store_if_reserved)(cpu, size)

    def op() -> int:
        stored = store(r[n], value())
        cpu.monitor = None
        r[s] = 0 if stored else 1
        return next_pc

    return with_sp_check(cpu, n, op)


def _store_if_reserved(cpu: CpuState, size: int) -> Callable[[int, int], bool]:
    """A function that stores where the monitor is set for this address and size, and says whether it was."""
    write = writer(cpu, size, ordered=True)

    def store(a: int, value: int) -> bool:
        reserved = cpu.monitor is not None and cpu.monitor[:2] == (a, size)
        if reserved:
            write(a, value)
        return reserved

    return store


def _store_if_same(cpu: CpuState, size: int) -> Callable[[int, int], bool]:
    """The same as a compare-and-swap with what the load-exclusive read, of whatever size that was.

    16 bytes are compared with 16 only: after a shorter load, QEMU's upper half is one of long ago.
    """
    read, write = reader(cpu, size, ordered=True), writer(cpu, size, ordered=True)
    check, mask = _checker(cpu, size), ones(8 * size)

    def store(a: int, value: int) -> bool:
        if cpu.monitor is None or cpu.monitor[0] != a or cpu.monitor[1] < size == 16:
            return False
        check(a)
        old, wanted = read(a), cpu.monitor[2]
        if old == wanted & mask:
            write(a, value)
        return old == wanted

    return store


def store_exclusive(cpu: CpuState, f: Fields, pc: int) -> Op:
    """STXR, STLXR: no access at all without the reservation (its faults are then an implementation's choice)."""
    r, t = cpu.r, source(f.Rt)
    return _store_exclusive(cpu, f, pc, 1 << f.size, lambda: r[t])


def store_exclusive_pair(cpu: CpuState, f: Fields, pc: int) -> Op:
    """STXP, STLXP."""
    r, t, t2, size = cpu.r, source(f.Rt), source(f.Rt2), 4 << f.sf
    return _store_exclusive(cpu, f, pc, 2 * size, lambda: _joined(cpu, r[t], r[t2], size))


def _checker(cpu: CpuState, size: int) -> Callable[[int], None]:
    """A function that meets, before an atomic does anything, what its load and its store would."""
    writable, low = cpu.memory.writable, size - 1

    def check(a: int) -> None:
        if a & low or a >> 12 not in writable:
            check_read_write(cpu, a, size)

    return check


def _signed_choice(choose: Callable[[int, int], int], bits: int) -> Callable[[int, int], int]:
    return lambda x, y: choose(sign_extend(x, bits), sign_extend(y, bits))


def atomic(cpu: CpuState, f: Fields, pc: int) -> Op:
    """LDADD, LDCLR, LDEOR, LDSET, LDSMAX, LDSMIN, LDUMAX, LDUMIN, so also STADD and similar."""
    bits = 8 << f.size
    functions: tuple[Callable[[int, int], int], ...] = (
        lambda x, y: x + y,
        lambda x, y: x & ~y,
        lambda x, y: x ^ y,
        lambda x, y: x | y,
        _signed_choice(max, bits),
        _signed_choice(min, bits),
        max,
        min,
    )
    return _read_modify_write(cpu, f, pc, functions[f.op])


def swap(cpu: CpuState, f: Fields, pc: int) -> Op:
    """SWP."""
    return _read_modify_write(cpu, f, pc, lambda x, y: y)


def _read_modify_write(
    cpu: CpuState, f: Fields, pc: int, function: Callable[[int, int], int]
) -> Op:
    r, n, s, t, next_pc = cpu.r, f.Rn, source(f.Rs), destination(f.Rt), following(pc)
    size = 1 << f.size
    mask = ones(8 * size)
    read, write = reader(cpu, size, ordered=True), writer(cpu, size, ordered=True)
    check = _checker(cpu, size)

    def op() -> int:
        a = r[n]
        check(a)
        old = read(a)
        write(a, function(old, r[s] & mask))
        r[t] = old
        return next_pc

    return with_sp_check(cpu, n, op)


def compare_and_swap(cpu: CpuState, f: Fields, pc: int) -> Op:
    """CAS: writes Rt if memory holds Rs; Rs gets what memory held.

    A failing compare writes nothing, but needs and meets what a store does.
    """
    r, n, next_pc = cpu.r, f.Rn, following(pc)
    s, t, d, size = source(f.Rs), source(f.Rt), destination(f.Rs), 1 << f.size
    mask = ones(8 * size)
    read, write = reader(cpu, size, ordered=True), writer(cpu, size, ordered=True)
    check = _checker(cpu, size)

    def op() -> int:
        a = r[n]
        check(a)
        old = read(a)
        if old == r[s] & mask:
            write(a, r[t])
        r[d] = old
        return next_pc

    return with_sp_check(cpu, n, op)


def compare_and_swap_pair(cpu: CpuState, f: Fields, pc: int) -> Op:
    """CASP: the same with two consecutive registers of each."""
    r, n, next_pc, size = cpu.r, f.Rn, following(pc), 4 << f.sf
    s, s2, t, t2 = source(f.Rs), source(f.Rs + 1), source(f.Rt), source(f.Rt + 1)
    d, d2 = destination(f.Rs), destination(f.Rs + 1)
    read, write = reader(cpu, 2 * size, ordered=True), writer(cpu, 2 * size, ordered=True)
    check = _checker(cpu, 2 * size)

    def op() -> int:
        a = r[n]
        check(a)
        old = read(a)
        if old == _joined(cpu, r[s], r[s2], size):
            write(a, _joined(cpu, r[t], r[t2], size))
        r[d], r[d2] = _halves(cpu, old, size)
        return next_pc

    return with_sp_check(cpu, n, op)
