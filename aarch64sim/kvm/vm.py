"""The VM: memory slots, interrupt line, in-kernel devices, capabilities: the ioctls of a KVM VM file descriptor.

Invariant: slots never overlap and are whole pages; stage 2 maps a page only after the guest touched it.
"""

from __future__ import annotations

import errno

from aarch64sim.arch.memory import PAGE, PAGE_BITS
from aarch64sim.kvm import emulate
from aarch64sim.kvm.capabilities import MOST_SLOTS, check_extension
from aarch64sim.kvm.vcpu import Vcpu
from aarch64sim.kvm.vm_state import IPA_BITS, IoEventFd, MemorySlot, VmState


class VM(VmState):
    """A virtual machine with one vCPU on a host kernel of the given era."""

    vcpu: Vcpu | None = None

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
        """KVM_SET_USER_MEMORY_REGION: `memory_size` bytes (0 deletes the slot); EINVAL, EEXIST, EFAULT as the ioctl.

        A slot that is there may be moved: its memory is userspace's, and keeps its contents. Its size and whether it is
        read-only cannot change (75d61fbcf563).
        """
        if guest_phys_addr % PAGE or memory_size % PAGE or min(guest_phys_addr, memory_size) < 0:
            raise OSError(errno.EINVAL, f"a slot starts and ends at a multiple of {PAGE:#x} bytes")
        if not 0 <= slot < MOST_SLOTS:
            raise OSError(errno.EINVAL, f"slots have the numbers 0 to {MOST_SLOTS - 1}, not {slot}")
        old = self.slots.get(slot)
        if memory_size == 0:
            if old is None:
                raise OSError(errno.EINVAL, f"there is no slot {slot} to delete")
            del self.slots[slot]
            self._unmap(old)
            return
        if old and (len(old.data), old.readonly) != (memory_size, readonly):
            what = "being read-only" if len(old.data) == memory_size else "size"
            raise OSError(errno.EINVAL, f"a slot's {what} cannot change; delete it first")
        if old and old.base == guest_phys_addr:
            return
        for number, other in self.slots.items():
            overlaps = guest_phys_addr < other.end and other.base < guest_phys_addr + memory_size
            if number != slot and overlaps:
                raise OSError(errno.EEXIST, f"the region overlaps slot {number}")
        if guest_phys_addr + memory_size > 1 << IPA_BITS:
            raise OSError(errno.EFAULT, f"guest-physical addresses have {IPA_BITS} bits")
        if old:
            self._unmap(old)
        data = old.data if old else bytearray(memory_size)
        self.slots[slot] = MemorySlot(guest_phys_addr, data, readonly)

    def _unmap(self, slot: MemorySlot) -> None:
        if self.vcpu:
            for page in range(slot.base >> PAGE_BITS, slot.end >> PAGE_BITS):
                self.vcpu.cpu.forget_page(page)

    def irq_line(self, level: int, *, when_waiting: bool = False) -> None:
        """KVM_IRQ_LINE of the vCPU's IRQ input; `when_waiting`: as soon as the vCPU waits in WFI."""
        if when_waiting:
            self.irq_when_waiting = level
            return
        if self.vcpu is None:
            raise OSError(errno.EINVAL, "there is no vCPU yet")
        emulate.interrupt_line(self.vcpu, level)

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

    check_extension = check_extension

    def enable_cap(self, cap: str) -> None:
        """KVM_ENABLE_CAP of the only capability, KVM_CAP_ARM_NISV_TO_USER (from 5.5). EINVAL for others."""
        if cap.removeprefix("KVM_CAP_") != "ARM_NISV_TO_USER" or not self.check_extension(cap):
            raise OSError(errno.EINVAL, f"{self.kernel.title} has no capability {cap}")
        self.nisv_to_user = True
