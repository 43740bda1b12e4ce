"""The bus, at every boundary.

Invariant: an access reaches a device only if it lies wholly inside its range.
"""

from __future__ import annotations

import pytest

from aarch64sim.vmm.devices import Bus, BusError, Counter, Device, ExitDevice, Uart

BASE, SIZE = 0x1000, 0x1000
LAST = BASE + SIZE - 1


@pytest.fixture
def bus() -> Bus:
    bus = Bus()
    bus.add(BASE, Uart())
    bus.add(0x4000, Counter())
    return bus


@pytest.mark.parametrize(
    ("address", "length", "offset"),
    [
        (BASE - 1, 1, None),
        (BASE - 1, 2, None),
        (BASE, 1, 0),
        (BASE, SIZE, 0),
        (BASE, SIZE + 1, None),
        (BASE + 5, 8, 5),
        (LAST, 1, SIZE - 1),
        (LAST, 2, None),
        (LAST - 7, 8, SIZE - 8),
        (LAST - 6, 8, None),
        (LAST + 1, 1, None),
        (BASE, 0, None),
        (LAST + 1, 0, None),
        (BASE, -1, None),
        (0, 8, None),
        (0x3FFF, 2, None),
        (1 << 63, 8, None),
    ],
)
def test_access_is_found_only_inside_one_range(
    bus: Bus, address: int, length: int, offset: int | None
) -> None:
    found = bus.find(address, length)
    assert (found[1] if found else None) == offset
    if found:
        assert found[0].name == "uart"


def test_second_range_is_found(bus: Bus) -> None:
    found = bus.find(0x4000, 4)
    assert found
    assert (found[0].name, found[1]) == ("counter", 0)


def test_empty_bus_finds_nothing() -> None:
    assert Bus().find(0, 1) is None


@pytest.mark.parametrize(
    "base", [BASE, BASE - SIZE + 1, BASE + SIZE - 1, 0x4000 - SIZE + 1, 0x4FFF]
)
def test_overlapping_range_is_refused(bus: Bus, base: int) -> None:
    with pytest.raises(BusError, match=r"the range of exit overlaps that of (uart|counter)"):
        bus.add(base, ExitDevice())
    assert [name for _, name in ((b, d.name) for b, d in bus)] == ["uart", "counter"]


@pytest.mark.parametrize("base", [BASE - SIZE, BASE + SIZE, 0x3000, 0x5000, (1 << 64) - SIZE])
def test_touching_range_is_taken_and_the_order_kept(bus: Bus, base: int) -> None:
    bus.add(base, ExitDevice())
    assert [b for b, _ in bus] == sorted(b for b, _ in bus)
    found = bus.find(base, 8)
    assert found
    assert found[0].name == "exit"


@pytest.mark.parametrize("base", [-1, (1 << 64) - SIZE + 1, 1 << 64])
def test_range_outside_the_addresses_is_refused(base: int) -> None:
    with pytest.raises(BusError, match="leaves the 64-bit addresses"):
        Bus().add(base, Counter())


@pytest.mark.parametrize("size", [0, -1])
def test_empty_range_is_refused(size: int) -> None:
    device = Counter()
    device.size = size
    with pytest.raises(BusError, match="the range of counter is empty"):
        Bus().add(0, device)


# --- devices --------------------------------------------------------------------------------


def test_uart_gives_its_input_byte_by_byte_and_then_zero() -> None:
    uart = Uart(b"ab")
    assert not uart.read(Uart.FR, 4) & Uart.RXFE
    assert [uart.read(Uart.DR, 4) for _ in range(3)] == [0x61, 0x62, 0]
    assert uart.read(Uart.FR, 4) == Uart.TXFE | Uart.RXFE


def test_uart_sends_low_bytes_and_shows_them_as_text() -> None:
    uart = Uart()
    for value in (0x141, 0x0A, 0x00, 0xFF):
        uart.write(Uart.DR, 8, value)
    uart.write(0x30, 4, 0x42)
    assert uart.output == b"A\n\x00\xff"
    assert uart.text == "A\n\\x00\\xff"


def test_uart_lowers_the_interrupt_line() -> None:
    uart, line = Uart(), Line()
    uart.write(Uart.INTERRUPT_CLEAR, 4, 0)  # with nobody to tell
    uart.attach(line)  # type: ignore[arg-type]
    uart.write(Uart.INTERRUPT_CLEAR, 4, 0)
    assert line.levels == [0]


def test_counter_counts_its_loads_and_cuts_to_the_width() -> None:
    counter = Counter()
    counter.write(0, 8, 0xFF)
    assert counter.read(0, 1) == 0
    assert counter.read(0, 8) == 0x101
    assert counter.read(8, 8) == 0
    counter.write(8, 8, 5)
    assert counter.read(0, 8) == 0x102


DEVICES = (Uart(b"xy"), Counter(), ExitDevice())


@pytest.mark.parametrize("device", DEVICES, ids=lambda d: d.name)
def test_saved_state_is_restored(device: Device) -> None:
    saved = device.save()
    device.write(0, 4, 0x33)
    device.read(0, 4)
    changed = device.save()
    device.restore(saved)
    assert device.save() == saved != changed


class Line:
    """A VM with nothing but an interrupt line."""

    def __init__(self) -> None:
        self.levels: list[int] = []

    def irq_line(self, level: int) -> None:
        self.levels.append(level)


def test_the_uart_raises_its_interrupt_while_input_waits_and_the_guest_wants_it() -> None:
    uart, line = Uart(b"a"), Line()
    uart.attach(line)  # type: ignore[arg-type]
    uart.receive(b"b")
    assert line.levels == []
    uart.write(Uart.IMSC, 4, Uart.RXIM)
    assert (line.levels, uart.read(Uart.IMSC, 4)) == ([1], Uart.RXIM)
    assert [uart.read(Uart.DR, 1) for _ in range(2)] == [0x61, 0x62]
    assert line.levels == [1, 1, 0]
    saved = uart.save()
    uart.write(Uart.IMSC, 4, 0)
    uart.receive(b"c")
    assert line.levels == [1, 1, 0]
    uart.restore(saved)
    assert uart.mask == Uart.RXIM
