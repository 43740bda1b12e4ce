"""Breakpoints and watchpoints as KVM's debuggers make them: BRK words in guest memory, and debug registers.

Invariant: they are in the machine only while it steps (`Gear.arm` to `Gear.lift`); whoever looks at memory in between
finds the guest's own words.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from aarch64sim.arch.sysregs import BREAKPOINTS, WATCHPOINTS
from aarch64sim.kvm.vcpu_state import GuestDebug
from aarch64sim.vmm.machine import Machine

Kind = Literal["write", "read", "access"]
KINDS: dict[str, int] = {"read": 1, "write": 2, "access": 3}  # DBGWCR.LSC

BRK = (0xD420_0000).to_bytes(4, "little")  # BRK #0, as gdb and QEMU plant it
_EVERYWHERE = 3 << 1 | 1  # PAC: EL0 and EL1; E: enabled


def is_brk(word: int) -> bool:
    """Whether the 32-bit word is a BRK, with any immediate."""
    return word & 0xFFE0_001F == 0xD420_0000


@dataclass(frozen=True, slots=True)
class Watchpoint:
    """`size` bytes at `address`, watched for a kind of access: of the CPU to memory, or with `mmio` of devices."""

    address: int
    size: int
    kind: Kind = "write"
    mmio: bool = False

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

    def inside(self, places: Collection[int]) -> Points:
        """These, without the breakpoints that are at none of the addresses `places`."""
        return replace(
            self,
            breakpoints=self.breakpoints & frozenset(places),
            hardware=self.hardware & frozenset(places),
        )

    def with_hardware(self, address: int) -> Points:
        """These and one more hardware breakpoint; ValueError if there are as many as registers."""
        more = replace(self, hardware=self.hardware | {address})
        if len(more.hardware) > BREAKPOINTS:
            raise ValueError(f"the CPU has {BREAKPOINTS} breakpoint registers, and all are in use")
        return more


NOTHING = Points()


class Gear:
    """What of the points is in the machine now."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.points = NOTHING
        self.addresses: frozenset[int] = frozenset()
        self.mmio: tuple[Watchpoint, ...] = ()
        self._words: dict[int, bytes] = {}  # what stood where a BRK is now
        self._registers = False  # debug registers are in use

    def arm(self, points: Points) -> None:
        """Put `points` into the machine; what is there already stays."""
        if self.points is NOTHING and points == NOTHING:
            return
        self.points, self.addresses = points, points.addresses
        self.mmio = tuple(w for w in points.watchpoints if w.mmio)
        for address in points.breakpoints - self._words.keys():
            self._plant(address)
        self._set_registers(sorted(points.hardware), points.watch_registers())

    def lift(self) -> None:
        """Take everything out; the guest's memory is as the guest left it."""
        if self.points is NOTHING:
            return
        for address in list(self._words):
            self._take_out(address)
        self._set_registers([], [])
        self.points, self.addresses, self.mmio = NOTHING, frozenset(), ()

    def step_over(self, pc: int, *, watched: bool) -> None:
        """For one step, lift what stands at `pc`, and with `watched` all watchpoints; `arm` puts it back."""
        if pc in self._words:
            self._take_out(pc)
        if self._registers and (watched or pc in self.points.hardware):
            watch = [] if watched else self.points.watch_registers()
            self._set_registers(sorted(self.points.hardware - {pc}), watch)

    def _plant(self, address: int) -> None:
        vm = self._machine.vm
        try:
            self._words[address] = vm.read_memory(address, 4)
        except OSError:
            return  # the slot is gone
        vm.write_memory(address, BRK)

    def _take_out(self, address: int) -> None:
        word, vm = self._words.pop(address), self._machine.vm
        if vm.read_memory(address, 4) == BRK:  # else the guest has written there: its word stays
            vm.write_memory(address, word)

    def _set_registers(self, hwbp: list[int], hwwp: list[tuple[int, int]]) -> None:
        wanted = bool(hwbp or hwwp)
        if wanted or self._registers:
            control = GuestDebug.ENABLE | GuestDebug.SINGLESTEP
            control |= GuestDebug.USE_HW if wanted else GuestDebug(0)
            self._machine.vcpu.set_guest_debug(control, hwbp=hwbp, hwwp=hwwp)
            self._registers = wanted
