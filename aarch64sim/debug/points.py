"""Breakpoints and watchpoints that are set: values, and how many debug registers they take.

Invariant: a set of points never needs more debug registers than the CPU has; nothing here touches a machine.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from typing import Literal

from aarch64sim.arch.sysregs import BREAKPOINTS, WATCHPOINTS

Kind = Literal["write", "read", "access"]
KINDS: dict[str, int] = {"read": 1, "write": 2, "access": 3}  # DBGWCR.LSC

_EVERYWHERE = 3 << 1 | 1  # PAC: EL0 and EL1; E: enabled


@dataclass(frozen=True, slots=True)
class Watchpoint:
    """`size` bytes at `address`, watched for a kind of access: of the CPU to memory, or with `mmio` of devices."""

    address: int
    size: int
    kind: Kind = "write"
    mmio: bool = False

    @classmethod
    def checked(cls, address: int, size: int, kind: Kind, *, mmio: bool) -> Watchpoint:
        """One that can be set; ValueError says why not."""
        if kind not in KINDS:
            raise ValueError(f"a watchpoint is for write, read or access, not {kind!r}")
        if not isinstance(size, int) or size < 1 or address + size > 1 << 64:
            raise ValueError(f"{size!r} bytes at {address:#x} cannot be watched")
        return cls(address, size, kind, mmio)

    def meets(self, address: int, size: int, *, is_write: bool) -> bool:
        """Whether this access of `size` bytes is watched."""
        inside = address < self.address + self.size and self.address < address + size
        return inside and bool(KINDS[self.kind] & (2 if is_write else 1))

    def registers(self) -> list[tuple[int, int]]:
        """Values of DBGWVR and DBGWCR that watch the range (Arm ARM D2.9): whole blocks by MASK, odd bytes by BAS."""
        pairs, address, end = [], self.address, self.address + self.size
        load_store = KINDS[self.kind] << 3
        while address < end:
            if address % 8 or end - address < 8:
                stop = min(end, (address | 7) + 1)
                select = (1 << stop - address) - 1 << address % 8
                pairs.append((address & ~7, select << 5 | load_store | _EVERYWHERE))
            else:
                size = 1 << (end - address).bit_length() - 1
                size = min(size, address & -address, 1 << 31) if address else size
                mask = size.bit_length() - 1 if size > 8 else 0
                pairs.append((address, mask << 24 | 0xFF << 5 | load_store | _EVERYWHERE))
                stop = address + size
            address = stop
        return pairs

    def __str__(self) -> str:
        what = {"write": "stores to", "read": "loads from", "access": "accesses to"}[self.kind]
        last = f" to {self.address + self.size - 1:#x}" if self.size > 1 else ""
        return f"{what} {self.address:#x}{last}"


@dataclass(frozen=True, slots=True)
class Points:
    """All that is set at one moment. `breakpoints` become BRK words, `hardware` ones debug registers."""

    breakpoints: frozenset[int] = frozenset()
    hardware: frozenset[int] = frozenset()
    watchpoints: tuple[Watchpoint, ...] = ()

    @property
    def addresses(self) -> frozenset[int]:
        """Where execution is to stop."""
        return self.breakpoints | self.hardware

    def watch_registers(self) -> list[tuple[int, int]]:
        """DBGWVR and DBGWCR of all watchpoints on memory."""
        return [pair for w in self.watchpoints if not w.mmio for pair in w.registers()]

    def with_breakpoint(self, address: int, *, hardware: bool = False) -> Points:
        """These and one more breakpoint; ValueError if it needs a debug register and all are in use."""
        if not hardware:
            return replace(self, breakpoints=self.breakpoints | {address})
        more = replace(self, hardware=self.hardware | {address})
        if len(more.hardware) > BREAKPOINTS:
            raise ValueError(f"the CPU has {BREAKPOINTS} breakpoint registers, and all are in use")
        return more

    def without_breakpoint(self, address: int) -> Points:
        """These without the breakpoint there; ValueError if there is none."""
        if address not in self.addresses:
            raise ValueError(f"there is no breakpoint at {address:#x}")
        gone = frozenset({address})
        return replace(self, breakpoints=self.breakpoints - gone, hardware=self.hardware - gone)

    def with_watchpoint(self, watchpoint: Watchpoint) -> Points:
        """These and one more; ValueError if the debug registers don't suffice."""
        if watchpoint in self.watchpoints:
            return self
        more = replace(self, watchpoints=(*self.watchpoints, watchpoint))
        if len(more.watch_registers()) > WATCHPOINTS:
            raise ValueError(
                f"the CPU has {WATCHPOINTS} watchpoint registers, and {watchpoint} needs more of them than are free"
            )
        return more

    def without_watchpoint(self, watchpoint: Watchpoint) -> Points:
        """These without it; ValueError if it is not set."""
        if watchpoint not in self.watchpoints:
            raise ValueError(f"there is no watchpoint on {watchpoint}")
        return replace(self, watchpoints=tuple(w for w in self.watchpoints if w != watchpoint))

    def inside(self, places: Set[int]) -> Points:
        """These, without the breakpoints that are at none of the addresses `places`."""
        return replace(self, breakpoints=self.breakpoints & places, hardware=self.hardware & places)


NOTHING = Points()
