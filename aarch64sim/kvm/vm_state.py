"""What one VM is made of: its kernel and host, memory slots, stage 2, in-kernel devices.

Invariant: stage 2 maps only pages of slots; a page's contents are journalled before userspace changes them.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from enum import Enum

from aarch64sim.arch.choices import Choices
from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.memory import PAGE, PAGE_BITS, Memory, Stage2Page
from aarch64sim.events import EventLog
from aarch64sim.kvm.kernels import FIXED, Kernel, kernel_of

IPA_BITS = 40  # KVM_PHYS_SHIFT: the size of the guest's address space


class SmcCall(Enum):
    """What an SMC of the guest does."""

    UNDEFINED = "undefined"
    NEVER_SKIPPED = "never skipped"
    REFUSED = "refused, -1"
    PSCI = "served as PSCI"


@dataclass(frozen=True, slots=True)
class Host:
    """What a kernel and its CPU *are*, apart from how they step; `recordings/kernels.json` says it per recording."""

    psci_version: int = 0x1_0003
    smc: SmcCall = SmcCall.PSCI
    id_registers: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class MemorySlot:
    """A slot of guest-physical memory: `data` at `base` (bytes, page-aligned)."""

    base: int
    data: bytearray
    readonly: bool

    @property
    def end(self) -> int:
        """The first address after the slot."""
        return self.base + len(self.data)

    def page(self, number: int) -> memoryview:
        """The bytes of page number `number` (address >> 12), which must lie in the slot."""
        start = (number << PAGE_BITS) - self.base
        return memoryview(self.data)[start : start + PAGE]


@dataclass(frozen=True, slots=True)
class IoEventFd:
    """A store that the kernel takes: at `addr`, of `length` bytes (0: any), of the value `datamatch` (None: any)."""

    addr: int
    length: int
    datamatch: int | None = None

    def takes(self, addr: int, data: bytes) -> bool:
        """Whether a store of `data` at `addr` is its (ioeventfd_in_range)."""
        if addr != self.addr or self.length not in (0, len(data)):
            return False
        return self.datamatch in (None, int.from_bytes(data, "little"))

    def collides(self, other: IoEventFd) -> bool:
        """Whether there are stores that both would take (ioeventfd_check_collision)."""
        lengths = not self.length or not other.length or self.length == other.length
        values = None in (self.datamatch, other.datamatch) or self.datamatch == other.datamatch
        return self.addr == other.addr and lengths and values


class VmState:
    """Everything that Linux keeps per VM, as far as the vCPU asks for it."""

    def __init__(
        self,
        kernel: Kernel | str = FIXED,
        *,
        host: Host | None = None,
        choices: Choices | None = None,
        log: EventLog | None = None,
    ) -> None:
        self.kernel = kernel_of(kernel)
        self.host = host or Host()
        self.choices = choices or Choices()
        self.log = log or EventLog()
        self.slots: dict[int, MemorySlot] = {}
        self.memory = Memory()
        self.cpu: Cpu | None = None  # the one of the vCPU, once there is one
        self.ioeventfds: list[IoEventFd] = []
        self.nisv_to_user = False
        # The level that the interrupt line gets as soon as the vCPU waits in WFI.
        self.irq_when_waiting: int | None = None

    def slot_at(self, address: int) -> MemorySlot | None:
        """The slot that holds guest-physical `address`, or None."""
        for slot in self.slots.values():
            if slot.base <= address < slot.end:
                return slot
        return None

    def map_page(self, page: int, slot: MemorySlot) -> None:
        """Fill stage 2 for page number `page` (user_mem_abort)."""
        self.memory.map(page, Stage2Page(slot.page(page), writable=not slot.readonly))

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes of guest memory as userspace sees its own mapping; EFAULT outside the slots."""
        slot = self._userspace_range(address, size)
        return bytes(slot.data[address - slot.base : address - slot.base + size])

    def write_memory(self, address: int, data: bytes) -> None:
        """Userspace writes into the guest's memory; EFAULT outside the slots."""
        slot = self._userspace_range(address, len(data))
        pages = range(address >> PAGE_BITS, (address + len(data) - 1 >> PAGE_BITS) + 1)
        for page in pages:
            self.memory.before_write(page, slot.page(page))
        if self.cpu and not self.memory.code.isdisjoint(pages):
            self.cpu.forget_code(address, len(data))
        slot.data[address - slot.base : address - slot.base + len(data)] = data

    def _userspace_range(self, address: int, size: int) -> MemorySlot:
        slot = self.slot_at(address)
        if slot is None or size < 0 or address + size > slot.end:
            raise OSError(errno.EFAULT, f"{size} bytes at {address:#x} are not in one memory slot")
        return slot
