"""Devices behind MMIO, and the bus that finds them.

Invariant: ranges on the bus are disjoint, and an access reaches a device only if it lies wholly inside its range.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

from aarch64sim.kvm.vm import VM


class Device(Protocol):
    """What the bus asks of a device; offsets and sizes in bytes."""

    name: str
    size: int

    def read(self, offset: int, length: int) -> int:
        """The answer to a load of `length` (1, 2, 4, 8) bytes at `offset`."""

    def write(self, offset: int, length: int, value: int) -> None:
        """Take a store."""

    def save(self) -> Any:
        """The state, as an immutable value."""

    def restore(self, state: Any) -> None:
        """Put back what `save` gave."""


_ASKED_FOR = ("name", "size", "read", "write", "save", "restore")


@runtime_checkable
class Attached(Protocol):
    """A device that may raise the guest's interrupt: with this method, too, it is given the VM, and its `irq_line`."""

    def attach(self, vm: VM) -> None:
        """Called once for each machine that the device is part of, before the guest runs."""


class BusError(ValueError):
    """The range is empty or overlaps another; the text is a lower-case fact."""


def placed(devices: Iterable[tuple[int, Device]]) -> list[tuple[int, Device]]:
    """Base addresses and devices; TypeError for anything else, and for a device that lacks what the bus asks for."""
    try:
        pairs = [(base, device) for base, device in devices]
    except (TypeError, ValueError):
        raise TypeError(f"devices are (base address, device) pairs, not {devices!r}") from None
    for base, device in pairs:
        if not isinstance(base, int):
            raise TypeError(f"the base address of a device is an int, not {base!r}")
        lacking = [name for name in _ASKED_FOR if not hasattr(device, name)]
        if lacking:
            raise TypeError(f"{device!r} is no device: it has no {', '.join(lacking)}")
    return pairs


def printed(sent: bytes) -> str:
    """Bytes as text; those that are no printable ASCII or newline as escapes."""
    return "".join(
        chr(byte) if 32 <= byte < 127 or byte == 10 else f"\\x{byte:02x}" for byte in sent
    )


class Bus:
    """Disjoint ranges of addresses, each with its device."""

    def __init__(self) -> None:
        self._bases: list[int] = []
        self._devices: list[Device] = []

    def add(self, base: int, device: Device) -> None:
        """Put `device` at `base`; BusError if the range is empty or taken."""
        if device.size <= 0:
            raise BusError(f"the range of {device.name} is empty")
        if not 0 <= base <= (1 << 64) - device.size:
            raise BusError(f"the range of {device.name} leaves the 64-bit addresses")
        index = bisect_right(self._bases, base)
        before = index and self._bases[index - 1] + self._devices[index - 1].size > base
        after = index < len(self._bases) and base + device.size > self._bases[index]
        if before or after:
            other = self._devices[index - 1 if before else index]
            raise BusError(f"the range of {device.name} overlaps that of {other.name}")
        self._bases.insert(index, base)
        self._devices.insert(index, device)

    def find(self, address: int, length: int) -> tuple[Device, int] | None:
        """The device that holds all `length` bytes at `address`, and the offset in it; None if there is none."""
        index = bisect_right(self._bases, address) - 1
        if index < 0:
            return None
        offset = address - self._bases[index]
        device = self._devices[index]
        return (device, offset) if 0 < length <= device.size - offset else None

    def __iter__(self) -> Iterator[tuple[int, Device]]:
        return iter(zip(self._bases, self._devices, strict=True))


class Uart:
    """A serial port with registers of an Arm PL011, and a scripted input.

    DR (0x00): a store sends its low byte, a load takes the next byte of the input (0 if there is none). FR (0x18):
    bit 4 RXFE: no input waits; bit 5 TXFF is never set; bit 7 TXFE is always set. IMSC (0x38): with bit 4 RXIM set,
    the interrupt line is high while input waits. A store to 0x40 lowers the line.
    """

    name = "uart"
    size = 0x1000
    DR, FR, IMSC, INTERRUPT_CLEAR = 0x00, 0x18, 0x38, 0x40
    RXFE, TXFE, RXIM = 1 << 4, 1 << 7, 1 << 4

    def __init__(self, data: bytes = b"") -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"the input of a UART is bytes such as b'hello', not {data!r}")
        self.input = data
        self.output = b""
        self.mask = 0
        self._irq_line: Callable[[int], None] | None = None

    def attach(self, vm: VM) -> None:
        """Its interrupt line is the VM's."""
        self._irq_line = vm.irq_line

    def receive(self, data: bytes) -> None:
        """More input has come."""
        self.input += data
        self._drive_line()

    def _drive_line(self) -> None:
        """The line follows the input, if the guest has asked for that."""
        if self.mask & self.RXIM and self._irq_line is not None:
            self._irq_line(int(bool(self.input)))

    def read(self, offset: int, length: int) -> int:
        """DR takes a byte of input, FR shows the flags, IMSC the mask; the rest reads as zero."""
        if offset == self.DR and self.input:
            value, self.input = self.input[0], self.input[1:]
            self._drive_line()
            return value
        if offset == self.IMSC:
            return self.mask
        if offset == self.FR:
            return self.TXFE | (0 if self.input else self.RXFE)
        return 0

    def write(self, offset: int, length: int, value: int) -> None:
        """DR sends a byte, IMSC masks the interrupt; the rest is ignored."""
        if offset == self.DR:
            self.output += bytes([value & 0xFF])
        elif offset == self.IMSC:
            self.mask = value & 0xFFFF
            self._drive_line()
        elif offset == self.INTERRUPT_CLEAR and self._irq_line is not None:
            self._irq_line(0)

    @property
    def text(self) -> str:
        """What was sent, as `printed` gives it."""
        return printed(self.output)

    def save(self) -> Any:
        return self.input, self.output, self.mask

    def restore(self, state: Any) -> None:
        self.input, self.output, self.mask = state


class ExitDevice:
    """A store to it ends the guest; `value` is what was stored."""

    name = "exit"
    size = 0x1000

    def __init__(self) -> None:
        self.value: int | None = None

    def read(self, offset: int, length: int) -> int:
        """Reads as zero."""
        return 0

    def write(self, offset: int, length: int, value: int) -> None:
        """Ask for the end."""
        self.value = value

    def save(self) -> Any:
        return self.value

    def restore(self, state: Any) -> None:
        self.value = state


class Counter:
    """A device whose loads have an effect: offset 0 counts its loads, a store sets the count."""

    name = "counter"
    size = 0x1000

    def __init__(self) -> None:
        self.count = 0

    def read(self, offset: int, length: int) -> int:
        """The number of loads so far, this one included; other offsets read as zero."""
        if offset:
            return 0
        self.count += 1
        return self.count & (1 << 8 * length) - 1

    def write(self, offset: int, length: int, value: int) -> None:
        """Set the count at offset 0."""
        if offset == 0:
            self.count = value

    def save(self) -> Any:
        return self.count

    def restore(self, state: Any) -> None:
        self.count = state
