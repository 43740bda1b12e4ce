"""The exit loop: every exit of KVM_RUN has an answer, and a guest that can't go on says why.

Invariant: nothing that a guest does is a Python error.
"""

from __future__ import annotations

import errno
from typing import Any

import pytest

from aarch64sim import assemble, kernels
from aarch64sim.kvm.vcpu_state import GuestDebug
from aarch64sim.vmm import BusError, Counter, ExitRecord, Machine, StartState, default_start
from aarch64sim.vmm.machine import COUNTER_BASE

END = "\nstr w20, [x20]"


def machine(source: str, kernel: str = "fixed", **more: Any) -> Machine:
    return Machine(assemble(source), kernels[kernel], **more)


def run(target: Machine, limit: int = 10_000) -> list[ExitRecord]:
    records: list[ExitRecord] = []
    while not target.ended and len(records) < 50:
        records += target.run(limit)
    return records


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (END, "a store to the exit device"),
        ("mov w0, #8\nmovk w0, #0x8400, lsl #16\nhvc #0", "the guest asked to be shut down"),
        ("mov w0, #9\nmovk w0, #0x8400, lsl #16\nhvc #0", "the guest asked to be reset"),
        (
            "ldp x0, x1, [x19]",
            "KVM_RUN failed with ENOSYS at 0x40000000: the access outside memory",
        ),
        ("nop\nwfi", "the guest waits at 0x40000008 for an interrupt that never comes"),
        ("mov x0, #0x1000\nmsr vbar_el1, x0\nudf #0", "caught in exceptions at its vector"),
    ],
)
def test_a_guest_that_cannot_go_on_says_why(source: str, sentence: str) -> None:
    target = machine(source)
    run(target)
    assert sentence in target.ended


STORES = "mov w0, #0x41\nstrb w0, [x19]\nstrb w0, [x19]\n1: b 1b"


@pytest.mark.parametrize(
    ("control", "reasons"),
    [
        (GuestDebug(0), ["MMIO", "MMIO", "EINTR"]),
        (GuestDebug.ENABLE | GuestDebug.SINGLESTEP, ["DEBUG"]),
    ],
)
def test_the_exit_loop_goes_on_until_a_debug_exit_or_a_signal(
    control: GuestDebug, reasons: list[str]
) -> None:
    target = machine(STORES)
    target.vcpu.set_guest_debug(control)
    assert [record.reason for record in target.run(100)] == reasons


def test_who_watches_the_exits_may_end_the_loop_and_go_on_after_one() -> None:
    target = machine(STORES)
    first = target.run(100, on_exit=lambda exit_: exit_.reason == "MMIO")
    assert [record.reason for record in first] == ["MMIO"]
    assert target.uart.text == "A"
    assert [r.reason for r in target.run(100, after=first[-1])] == ["MMIO", "MMIO", "EINTR"]


def test_exits_are_told_as_facts() -> None:
    target = machine(
        "mov w0, #0x41\nstrb w0, [x19]\nldr w1, [x19, #0x18]\nldr w2, [x19, #0x1000]" + END
    )
    texts = [record.text for record in run(target)]
    assert texts[0] == "1-byte store of 0x41 to 0x9000000: uart"
    assert texts[1] == "4-byte load from 0x9000018: uart answers 0x90"
    assert target.uart.text == "A"


def test_access_that_no_device_has_is_answered_with_zero_and_not_fatal() -> None:
    target = machine("mov x0, #0x5000000\nmov x1, #-1\nldr x1, [x0]\nstr x1, [x0]" + END)
    records = run(target)
    assert [r.text.split(": ")[1] for r in records[:2]] == ["nobody answers 0x0", "nobody"]
    assert target.vcpu.get_one_reg("x1") == 0


def test_access_across_the_end_of_a_device_reaches_nobody() -> None:
    target = machine("add x0, x19, #0xfff\nldrh w1, [x0]" + END)
    assert run(target)[0].text.endswith("nobody answers 0x0")


def test_uart_input_reaches_the_guest() -> None:
    target = machine("ldrb w1, [x19]\nldrb w2, [x19]\nldrb w3, [x19]" + END, uart_input=b"hi")
    run(target)
    assert [target.vcpu.get_one_reg(f"x{n}") for n in (1, 2, 3)] == [0x68, 0x69, 0]


def test_loads_of_a_counter_are_made_once_each() -> None:
    source = f"movz x5, #{COUNTER_BASE >> 16:#x}, lsl #16\nldr w1, [x5]\nldr w2, [x5]" + END
    for kernel in kernels:
        target = machine(source, kernel)
        target.vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
        run(target)
        assert [target.vcpu.get_one_reg(f"x{n}") for n in (1, 2)] == [1, 2]


class Odd(Counter):
    """A device that answers with whatever it is told to."""

    name = "odd"

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def read(self, offset: int, length: int) -> int:
        return self.answer  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("answer", "value"), [(0x1FF, 0xFF), (-1, 0xFF), (1 << 70, 0), (0x12, 0x12)]
)
def test_an_answer_is_cut_to_the_width_of_the_access(answer: int, value: int) -> None:
    target = machine(
        "movz x5, #0x0a00, lsl #16\nldrb w1, [x5]" + END, devices=[(0x0A00_0000, Odd(answer))]
    )
    run(target)
    assert target.vcpu.get_one_reg("x1") == value


@pytest.mark.parametrize("answer", [None, b"\x01", "1", 1.5])
def test_an_answer_that_is_no_number_is_named_with_its_device(answer: object) -> None:
    target = machine(
        "movz x5, #0x0a00, lsl #16\nldrb w1, [x5]" + END, devices=[(0x0A00_0000, Odd(answer))]
    )
    with pytest.raises(TypeError, match="the device odd answers a load with"):
        run(target)


def test_a_device_on_top_of_another_is_refused() -> None:
    with pytest.raises(BusError, match="overlaps that of uart"):
        machine(END, devices=[(0x0900_0800, Counter())])


def test_a_program_outside_memory_is_refused() -> None:
    with pytest.raises(OSError, match="not in one memory slot") as caught:
        Machine(assemble("nop", base=0x1000), kernels["fixed"])
    assert caught.value.errno == errno.EFAULT


def test_an_endless_run_comes_back_after_its_limit_and_goes_on() -> None:
    target = machine("again: add x0, x0, #1\nb again")
    assert target.run_once(1000).reason == "EINTR"
    assert not target.ended
    first = target.vcpu.get_one_reg("x0")
    target.run_once(1000)
    assert target.vcpu.get_one_reg("x0") > first >= 499


def test_checkpoint_restores_everything_but_memory() -> None:
    target = machine(
        "mov w0, #0x41\nstrb w0, [x19]\nldrb w1, [x19]\nadd x2, x2, #1" + END, uart_input=b"q"
    )
    target.vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
    target.run_once(100)
    saved = target.save()
    first = run(target)
    end = target.ended
    target.restore(saved)
    assert (target.uart.text, target.ended) == ("", "")
    assert run(target) == first
    assert target.ended == end


def test_start_state_is_that_of_the_recordings() -> None:
    start = default_start()
    assert start.memory == ((0x4000_0000, 0x20_0000),)
    assert start.registers["x19"] == 0x0900_0000
    own = StartState(((0x8000_0000, 0x1000),), {"pc": 0x8000_0000, "x20": 0x0901_0000})
    target = Machine(assemble(END, base=0x8000_0000), kernels["fixed"], start=own)
    run(target)
    assert target.ended
