"""Points in a machine, as KVM's debuggers put them there: BRK words in guest memory, and debug registers.

Invariant: they are in the machine only while it moves (`arm` to `lift`); whoever looks at memory in between finds the
guest's own words.
"""

from __future__ import annotations

from aarch64sim.debug.points import NOTHING, Points, Watchpoint
from aarch64sim.kvm.vcpu_state import GuestDebug
from aarch64sim.vmm.machine import Machine

BRK = (0xD420_0000).to_bytes(4, "little")  # BRK #0, as gdb and QEMU plant it


def is_brk(word: int) -> bool:
    """Whether the 32-bit word is a BRK, with any immediate."""
    return word & 0xFFE0_001F == 0xD420_0000


class Planted:
    """What of the points is in the machine now."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.points = NOTHING
        self.addresses: frozenset[int] = frozenset()
        self.mmio: tuple[Watchpoint, ...] = ()
        self._words: dict[int, bytes] = {}  # what stood where a BRK is now
        self._running = False  # nothing steps the guest
        self._registers = False  # debug registers are in use

    def arm(self, points: Points, *, run: bool = False) -> None:
        """Put `points` into the machine, for single steps or for a run; what is there already stays."""
        if self.points is NOTHING and points == NOTHING and run == self._running:
            return
        self._running = run
        self.points, self.addresses = points, points.addresses
        self.mmio = tuple(w for w in points.watchpoints if w.mmio)
        for address in points.breakpoints - self._words.keys():
            self._plant(address)
        self._set_registers(sorted(points.hardware), points.watch_registers())

    def lift(self) -> None:
        """Take everything out; the guest's memory is as the guest left it."""
        if self.points is NOTHING and not self._running:
            return
        self._running = False
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

    def original(self, address: int, data: bytes) -> bytes:
        """`data`, read from guest memory at `address`, as it is without what is planted there."""
        for planted, word in self._words.items():
            if planted < address + len(data) and address < planted + 4:
                low = max(planted, address)
                part = word[low - planted : address + len(data) - planted]
                data = data[: low - address] + part + data[low - address + len(part) :]
        return data

    def _set_registers(self, hwbp: list[int], hwwp: list[tuple[int, int]]) -> None:
        """KVM_SET_GUEST_DEBUG, if it may be another."""
        vcpu, wanted = self._machine.vcpu, bool(hwbp or hwwp)
        control = GuestDebug.ENABLE
        control |= GuestDebug.USE_SW_BP if self._running else GuestDebug.SINGLESTEP
        control |= GuestDebug.USE_HW if wanted else GuestDebug(0)
        if wanted or control != vcpu.guest_debug:
            vcpu.set_guest_debug(control, hwbp=hwbp, hwwp=hwwp)
        self._registers = wanted
