"""The VM: memory slots, interrupt line, in-kernel devices, capabilities: the ioctls of a KVM VM file descriptor.

Invariant: slots never overlap and are whole pages; stage 2 maps a page only after the guest touched it.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from enum import Enum

from aarch64sim.arch.cpu import Choices
from aarch64sim.arch.memory import PAGE, PAGE_BITS, Stage2Page
from aarch64sim.arch.sysregs import HCR_VI
from aarch64sim.events import EventLog
from aarch64sim.kvm.capabilities import MOST_SLOTS, check_extension
from aarch64sim.kvm.exits import IPA_BITS
from aarch64sim.kvm.kernels import FIXED, Kernel, kernels
from aarch64sim.kvm.vcpu import Vcpu


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


class VM:
    """A virtual machine with one vCPU on a host kernel of the given era."""

    kernel: Kernel
    host: Host

    def __init__(
        self,
        kernel: Kernel | str = FIXED,
        *,
        host: Host | None = None,
        choices: Choices | None = None,
        log: EventLog | None = None,
    ) -> None:
        self.kernel = kernels[kernel] if isinstance(kernel, str) else kernel
        self.host = host or Host()
        self.choices = choices or Choices()
        self.log = log or EventLog()
        self.slots: dict[int, MemorySlot] = {}
        self.ioeventfds: list[IoEventFd] = []
        self.nisv_to_user = False
        # The level that the interrupt line gets as soon as the vCPU waits in WFI.
        self.irq_when_waiting: int | None = None
        self.vcpu: Vcpu | None = None

    def create_vcpu(self, *, init: bool = True) -> Vcpu:
        """KVM_CREATE_VCPU, and KVM_ARM_VCPU_INIT unless `init` is false; EEXIST for a second one."""
        if self.vcpu:
            raise OSError(errno.EEXIST, "this VM has its one vCPU already")
        self.vcpu = Vcpu(self)
        if init:
            self.vcpu.init()
        return self.vcpu

    def set_user_memory_region(
        self, slot: int, guest_phys_addr: int, memory_size: int, *, readonly: bool = False
    ) -> None:
        """KVM_SET_USER_MEMORY_REGION: `memory_size` bytes (0 deletes the slot); EINVAL, EEXIST as the ioctl."""
        if guest_phys_addr % PAGE or memory_size % PAGE or min(guest_phys_addr, memory_size) < 0:
            raise OSError(errno.EINVAL, f"a slot starts and ends at a multiple of {PAGE:#x} bytes")
        if not 0 <= slot < MOST_SLOTS:
            raise OSError(errno.EINVAL, f"slots have the numbers 0 to {MOST_SLOTS - 1}, not {slot}")
        if guest_phys_addr + memory_size > 1 << IPA_BITS:
            raise OSError(errno.EFAULT, f"guest-physical addresses have {IPA_BITS} bits")
        old = self.slots.get(slot)
        if memory_size == 0:
            if old is None:
                raise OSError(errno.EINVAL, f"there is no slot {slot} to delete")
            del self.slots[slot]
            self._unmap(old)
            return
        for number, other in self.slots.items():
            overlaps = guest_phys_addr < other.end and other.base < guest_phys_addr + memory_size
            if number != slot and overlaps:
                raise OSError(errno.EEXIST, f"the region overlaps slot {number}")
        if old is not None:
            if len(old.data) != memory_size:
                raise OSError(errno.EINVAL, "a slot's size cannot change; delete it first")
            self._unmap(old)
        self.slots[slot] = MemorySlot(guest_phys_addr, bytearray(memory_size), readonly)

    def _unmap(self, slot: MemorySlot) -> None:
        if self.vcpu:
            for page in range(slot.base >> PAGE_BITS, slot.end >> PAGE_BITS):
                self.vcpu.cpu.forget_page(page)

    def slot_at(self, address: int) -> MemorySlot | None:
        """The slot that holds guest-physical `address`, or None."""
        for slot in self.slots.values():
            if slot.base <= address < slot.end:
                return slot
        return None

    def map_page(self, page: int, slot: MemorySlot) -> None:
        """Fill stage 2 for page number `page` (user_mem_abort)."""
        assert self.vcpu
        self.vcpu.cpu.memory.map(page, Stage2Page(slot.page(page), writable=not slot.readonly))

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes of guest memory as userspace sees its own mapping; EFAULT outside the slots."""
        slot = self._userspace_range(address, size)
        return bytes(slot.data[address - slot.base : address - slot.base + size])

    def write_memory(self, address: int, data: bytes) -> None:
        """Userspace writes into the guest's memory; EFAULT outside the slots."""
        slot = self._userspace_range(address, len(data))
        if self.vcpu and data:
            memory = self.vcpu.cpu.memory
            for page in range(address >> PAGE_BITS, (address + len(data) - 1 >> PAGE_BITS) + 1):
                memory.before_write(page, slot.page(page))
                if page in memory.code:
                    self.vcpu.cpu.forget_code(address, len(data))
        slot.data[address - slot.base : address - slot.base + len(data)] = data

    def _userspace_range(self, address: int, size: int) -> MemorySlot:
        slot = self.slot_at(address)
        if slot is None or size < 0 or address + size > slot.end:
            raise OSError(errno.EFAULT, f"{size} bytes at {address:#x} are not in one memory slot")
        return slot

    def irq_line(self, level: int, *, when_waiting: bool = False) -> None:
        """KVM_IRQ_LINE of the vCPU's IRQ input; `when_waiting`: as soon as the vCPU waits in WFI."""
        if when_waiting:
            self.irq_when_waiting = level
            return
        if self.vcpu is None:
            raise OSError(errno.EINVAL, "there is no vCPU yet")
        self.vcpu.look_again()
        sys = self.vcpu.cpu.sys
        sys.hcr_el2 = sys.hcr_el2 & ~HCR_VI | (HCR_VI if level else 0)

    def ioeventfd(self, addr: int, length: int, datamatch: int | None = None) -> None:
        """KVM_IOEVENTFD: stores of `length` bytes (1, 2, 4, 8; 0 for any) at `addr` are handled in the kernel, or only
        those of the value `datamatch`. EINVAL, and EEXIST for one that another would take, too.
        """
        if length not in (0, 1, 2, 4, 8):
            raise OSError(
                errno.EINVAL, "an ioeventfd is 1, 2, 4 or 8 bytes long, or 0 for any length"
            )
        if datamatch is not None and not (length and 0 <= datamatch < 1 << 8 * length):
            raise OSError(errno.EINVAL, f"no store of {length} bytes has the value {datamatch:#x}")
        new = IoEventFd(addr, length, datamatch)
        if any(new.collides(other) for other in self.ioeventfds):
            raise OSError(errno.EEXIST, f"there is an ioeventfd at {addr:#x} already")
        self.ioeventfds.append(new)

    def check_extension(self, cap: str) -> int:
        """KVM_CHECK_EXTENSION: the value of the capability, 0 where there is none of that name."""
        return check_extension(self, cap)

    def enable_cap(self, cap: str) -> None:
        """KVM_ENABLE_CAP of the only capability, KVM_CAP_ARM_NISV_TO_USER (from 5.5). EINVAL for others."""
        if cap.removeprefix("KVM_CAP_") != "ARM_NISV_TO_USER" or not self.check_extension(cap):
            raise OSError(errno.EINVAL, f"{self.kernel.title} has no capability {cap}")
        self.nisv_to_user = True
