"""Devices of a debugger's guest: they may raise its interrupt, and belong to one guest."""

from __future__ import annotations

from typing import Any

import pytest

from aarch64sim import VM, Debugger, kernels
from aarch64sim.vmm import Counter
from widgets import CompareLab

BASE = 0x0903_0000
# Counts interrupts in x10 at the IRQ vector; acknowledges them at the device.
GUEST = """
        movz    x9, #0x0903, lsl #16
        msr     daifclr, #2
        mov     x1, #3
loop:   str     w1, [x9]
        nop
        subs    x1, x1, #1
        b.ne    loop
        str     w20, [x20]
        .org    0x40001280
        add     x10, x10, #1
        str     w1, [x9, #4]
        eret
"""


class Bell:
    """A store to offset 0 raises the interrupt, one to offset 4 lowers it."""

    name, size = "bell", 0x1000

    def attach(self, vm: VM) -> None:
        self.vm = vm

    def read(self, offset: int, length: int) -> int:
        return 0

    def write(self, offset: int, length: int, value: int) -> None:
        self.vm.irq_line(int(offset == 0))

    def save(self) -> Any:
        return None

    def restore(self, state: Any) -> None: ...


@pytest.mark.parametrize("by_steps", [False, True])
@pytest.mark.parametrize("kernel", list(kernels))
def test_a_device_raises_the_interrupt_of_its_guest(kernel: str, by_steps: bool) -> None:
    debugger = Debugger(GUEST, kernel, devices=[(BASE, Bell())], by_steps=by_steps)
    assert debugger.run(limit=200).reason == "exit"
    assert debugger.registers["x10"] == 3
    end = debugger.length
    debugger.goto(5)
    debugger.goto(end)
    assert debugger.registers["x10"] == 3
    debugger.restart()
    debugger.run(limit=200)
    assert debugger.registers["x10"] == 3


def test_typing_raises_the_interrupt_of_the_uart() -> None:
    guest = "mov w1, #0x10\nstr w1, [x19, #0x38]\nmsr daifclr, #2\nb .\n.org 0x40001280\nldr w2, [x19]\nstr w20, [x20]"
    debugger = Debugger(guest)
    debugger.run(limit=20)
    assert debugger.pc == 0x4000_000C
    debugger.type(b"k")
    assert debugger.run(limit=20).reason == "exit"
    assert debugger.registers["x2"] == ord("k")


def test_a_device_belongs_to_one_debugger() -> None:
    counter = Counter()
    debugger = Debugger("nop", devices=[(BASE, counter)])
    with pytest.raises(ValueError, match="counter belongs to another Debugger"):
        Debugger("nop", devices=[(BASE, counter)])
    debugger.restart("v4.3")
    del debugger
    Debugger("nop", devices=[(BASE, counter)])


def test_a_comparison_gives_each_side_devices_of_its_own() -> None:
    counts = "movz x9, #0x0903, lsl #16\nldr w1, [x9]\nldr w2, [x9]\nnop\nstr w20, [x20]"
    lab = CompareLab(counts, "v6.14", "fixed", devices=[(BASE, Counter())])
    lab.run()
    for side in lab.debuggers:
        assert [side.registers[name] for name in ("x1", "x2")] == [1, 2]
    lab.use_kernel("left", "v4.3")
    lab.run()
    assert lab.debuggers[0].registers["x2"] == 2
