"""struct kvm_run: the page that the kernel and userspace share, with its union laid out as it really is.

Invariant: the exit records overlap as in include/uapi/linux/kvm.h, so what a new exit does not write is stale.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from struct import pack_into, unpack_from
from typing import Any

from aarch64sim.arch.registers import MASK64


class ExitReason(IntEnum):
    """KVM_EXIT_*, with the numbers of the real interface."""

    UNKNOWN = 0
    DEBUG = 4
    MMIO = 6
    INTR = 10
    SYSTEM_EVENT = 24
    ARM_NISV = 28


class _View:
    def __init__(self, union: bytearray) -> None:
        self._union = union


class Mmio(_View):
    """kvm_run.mmio: u64 phys_addr; u8 data[8]; u32 len; u8 is_write."""

    @property
    def phys_addr(self) -> int:
        """Guest-physical address, 64 bits."""
        return int(unpack_from("<Q", self._union, 0)[0])

    @property
    def len(self) -> int:
        """Bytes accessed: 1, 2, 4 or 8."""
        return int(unpack_from("<I", self._union, 16)[0])

    @property
    def is_write(self) -> bool:
        """The guest stores; otherwise userspace answers in `data`."""
        return bool(self._union[20])

    @property
    def data(self) -> int:
        """The first `len` bytes, as a little-endian number. The bytes are in the guest's memory order."""
        return int.from_bytes(self._union[8 : 8 + self.len], "little")

    @data.setter
    def data(self, value: int | bytes) -> None:
        """Answer a load: all eight bytes from a number of up to 64 bits, or just the bytes given (at most 8)."""
        if isinstance(value, int):
            if not 0 <= value <= MASK64:
                raise ValueError(f"mmio.data takes an unsigned 64-bit number, not {value:#x}")
            pack_into("<Q", self._union, 8, value)
        elif isinstance(value, bytes | bytearray) and len(value) <= 8:
            self._union[8 : 8 + len(value)] = value
        else:
            raise ValueError("mmio.data takes a number of up to 64 bits or up to 8 bytes")

    def fill(self, phys_addr: int, length: int, is_write: bool, data: bytes = b"") -> None:
        """What the kernel writes at the exit; for a store `length` bytes of data, the rest stays stale."""
        pack_into("<Q", self._union, 0, phys_addr)
        pack_into("<IB", self._union, 16, length, is_write)
        self._union[8 : 8 + len(data)] = data


class Debug(_View):
    """kvm_run.debug.arch: u32 hsr; u32 hsr_high; u64 far (which overlaps mmio.data)."""

    @property
    def hsr(self) -> int:
        """The syndrome, ESR_EL2[31:0]."""
        return int(unpack_from("<I", self._union, 0)[0])

    @hsr.setter
    def hsr(self, value: int) -> None:
        pack_into("<I", self._union, 0, value)

    @property
    def far(self) -> int:
        """The watched address, 64 bits; stale unless the exit is a watchpoint."""
        return int(unpack_from("<Q", self._union, 8)[0])

    @far.setter
    def far(self, value: int) -> None:
        pack_into("<Q", self._union, 8, value)


class ArmNisv(_View):
    """kvm_run.arm_nisv: u64 esr_iss; u64 fault_ipa: an access that the kernel cannot decode (no valid syndrome)."""

    @property
    def esr_iss(self) -> int:
        """CM, WnR and fault status of the syndrome."""
        return int(unpack_from("<Q", self._union, 0)[0])

    @property
    def fault_ipa(self) -> int:
        """Guest-physical address, 64 bits."""
        return int(unpack_from("<Q", self._union, 8)[0])

    def fill(self, esr_iss: int, fault_ipa: int) -> None:
        """What the kernel writes at the exit."""
        pack_into("<QQ", self._union, 0, esr_iss, fault_ipa)


class SystemEvent(_View):
    """kvm_run.system_event: u32 type (1 shutdown, 2 reset)."""

    @property
    def type(self) -> int:
        """KVM_SYSTEM_EVENT_*."""
        return int(unpack_from("<I", self._union, 0)[0])

    @type.setter
    def type(self, value: int) -> None:
        pack_into("<I", self._union, 0, value)


class KvmRun:
    """The shared page. `run()` returns it; it stays readable and writable after success and after an error.

    Whenever the exit reason is written, by anyone, it calls `exit_written`.
    """

    exit_reason: ExitReason

    def __init__(self, exit_written: Callable[[], None] = lambda: None) -> None:
        self._exit_written = exit_written
        self.exit_reason = ExitReason.UNKNOWN
        self.union = bytearray(24)
        self.mmio = Mmio(self.union)
        self.debug = Debug(self.union)
        self.arm_nisv = ArmNisv(self.union)
        self.system_event = SystemEvent(self.union)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "exit_reason":
            self._exit_written()

    @property
    def reason(self) -> ExitReason:
        """Why KVM_RUN returned: another name of `exit_reason`."""
        return self.exit_reason

    def __repr__(self) -> str:
        if self.exit_reason is ExitReason.MMIO:
            way = "write" if self.mmio.is_write else "read"
            return f"MMIO({way} of {self.mmio.len} bytes at {self.mmio.phys_addr:#x})"
        if self.exit_reason is ExitReason.DEBUG:
            return f"DEBUG(hsr={self.debug.hsr:#x})"
        return self.exit_reason.name
