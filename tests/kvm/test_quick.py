"""Leaving out the room for speed of KVM_RUN changes no result: the same after every step, in every era."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from aarch64sim import GuestDebug, assemble, kernels
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vcpu import Vcpu
from aarch64sim.kvm.vm import VM
from aarch64sim.vmm.start import default_start

LINES = [
    *["add x1, x1, #1", "subs x2, x2, x1", "cset x3, lo", "mul x4, x1, x2", "ror x5, x4, #3"],
    *["str x1, [x21]", "ldr x6, [x21]", "ldrb w7, [x21, #1]!", "stp x1, x2, [sp, #-16]!"],
    *["str w1, [x19]", "ldr w8, [x19]", "mrs x9, mdscr_el1", "msr nzcv, x2", "hvc #0", "nop"],
    *["ldxr x10, [x24]", "stxr w11, x1, [x24]", "msr daifclr, #2", "isb", "svc #0", "b.ne .+8"],
    *["cbz x3, .+8", "ldr q0, [x21]", "csel x12, x1, x2, mi", "wfe", "msr daifset, #15"],
]
# Exception returns to what SPSR_EL1 says: flags, masks, levels, SS, IL, and returns that are illegal.
LINES += ["adr x17, .+8", "msr elr_el1, x17", "eret", "mrs x18, spsr_el1", "msr spsel, #0"]
LINES += [f"msr spsr_el1, x{n}" for n in (13, 14, 15, 16)]
SPSR = [0x3C5, 0x10_03C5, 0x20_03C5, 0x30_0004, 0xF000_03C5, 0x40_01C4, 0x3C0, 0x3C9, 0x3D0]


def _vcpu(source: str, kernel: str, *, quick: bool) -> Vcpu:
    vm = VM(kernels[kernel])
    vcpu = default_start().create(vm)
    program = assemble(source)
    for segment in program.segments:
        vm.write_memory(segment.address, segment.data)
    eret = 0xD69F_03E0
    for vector in (0x1200, 0x1280):
        vm.write_memory(0x4000_0000 + vector, eret.to_bytes(4, "little"))
    vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
    if not quick:
        del vcpu.run  # type: ignore[method-assign]  # what stands in front of KVM_RUN
    return vcpu


def _state(vcpu: Vcpu) -> object:
    cpu = vcpu.cpu
    system = cpu.sys.copy_values()
    del system["elr_el2"], system["spsr_el2"]  # the guest's PC and PSTATE are where they are
    return (
        vcpu.pc,
        vcpu.pstate,
        cpu.r[:31],
        [cpu.get_sp(level) for level in range(3)],
        system,
        cpu.retired,
        vcpu.kvm_run.exit_reason,
        bytes(vcpu.kvm_run.union),
        vcpu.step_pending,
        vcpu.vm.read_memory(0x4000_4000, 64),
    )


def _compare(rng: random.Random, kernel: str, steps: int) -> int:
    """Both ways through one random program, the same after each step; how many of the steps were quick."""
    source = "\n".join(rng.choice(LINES) for _ in range(40)) + "\nb .\n"
    quick, long = (_vcpu(source, kernel, quick=way) for way in (True, False))
    chosen = rng.choices(SPSR, k=4)
    for vcpu in (quick, long):
        vcpu.set_one_reg("elr_el1", 0x4000_0000)
        for n, value in enumerate(chosen, 13):
            vcpu.set_one_reg(f"x{n}", value)
    quick_steps = 0
    for number in range(steps):
        for vcpu in (quick, long):
            if number == 70:
                vcpu.set_one_reg("pstate", 0x8020_03C5)
            elif number == 80:
                vcpu.set_one_reg("pstate", 0x10_03C5)
            elif number == 90:
                vcpu.vm.irq_line(1)
            elif number == 100:
                control = GuestDebug.ENABLE | GuestDebug.SINGLESTEP
                vcpu.set_guest_debug(control, hwwp=[0x4000_4000])
        quick_steps += bool(quick.quick.steps)
        for vcpu in (quick, long):
            vcpu.run(limit=10_000)
        assert _state(quick) == _state(long), (number, kernel, chosen, source)
    return quick_steps


@pytest.mark.parametrize("kernel", kernels)
def test_quick_steps_give_what_the_long_way_gives(kernel: str) -> None:
    rng = random.Random(kernel)
    assert sum(_compare(rng, kernel, 130) for _ in range(6)) > 100


@pytest.mark.parametrize(
    "change",
    [
        lambda vcpu: setattr(vcpu.kvm_run, "exit_reason", ExitReason.UNKNOWN),
        lambda vcpu: setattr(vcpu.log, "watching", True),
        lambda vcpu: vcpu.set_one_reg("x1", 1),
        lambda vcpu: vcpu.set_guest_debug(GuestDebug.ENABLE),
    ],
)
def test_after_a_change_from_outside_kvm_run_looks_at_everything(
    change: Callable[[Vcpu], None],
) -> None:
    vcpu = _vcpu("1: add x1, x1, #1\n b 1b", "fixed", quick=True)
    for _ in range(4):
        vcpu.run()
    assert vcpu.quick.steps
    change(vcpu)
    assert not vcpu.quick.steps


@pytest.mark.fuzz
@pytest.mark.parametrize("kernel", kernels)
def test_a_million_steps_give_the_same_both_ways(kernel: str) -> None:
    rng = random.Random(kernel)
    steps = 0
    while steps < 1_000_000 // len(kernels):
        _compare(rng, kernel, 150)
        steps += 150
