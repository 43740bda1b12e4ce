"""The quick way of KVM_RUN is the long way, only sooner: both give the same after every step, in every era."""

from __future__ import annotations

import random

import pytest

from aarch64sim import GuestDebug, assemble, kernels
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


class LongWayVcpu(Vcpu):
    """A vCPU that never finds a step ordinary."""

    nothing_to_look_at = False  # type: ignore[assignment]


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
        vcpu.__class__ = LongWayVcpu
    return vcpu


def _state(vcpu: Vcpu) -> object:
    names = ("pc", "pstate", "sp_el0", "sp_el1", "elr_el1", "spsr_el1", "esr_el1", "mdscr_el1")
    cpu = vcpu.cpu
    return (
        [vcpu.get_one_reg(name) for name in names],
        cpu.r[:31],
        cpu.retired,
        cpu.sys.esr_el2,
        vcpu.kvm_run.exit_reason,
        bytes(vcpu.kvm_run.union),
        vcpu.step_pending,
        vcpu.vm.read_memory(0x4000_4000, 64),
    )


@pytest.mark.parametrize("kernel", kernels)
def test_quick_steps_give_what_the_long_way_gives(kernel: str) -> None:
    rng = random.Random(kernel)
    for _ in range(6):
        source = "\n".join(rng.choice(LINES) for _ in range(40)) + "\nb .\n"
        quick, long = (_vcpu(source, kernel, quick=way) for way in (True, False))
        quick_steps = 0
        for number in range(150):
            if number == 70:  # userspace meddles
                for vcpu in (quick, long):
                    vcpu.set_one_reg("pstate", 0x8020_03C5)
            elif number == 90:
                for vcpu in (quick, long):
                    vcpu.vm.irq_line(1)
            elif number == 100:
                for vcpu in (quick, long):
                    vcpu.set_guest_debug(
                        GuestDebug.ENABLE | GuestDebug.SINGLESTEP, hwwp=[0x4000_4000]
                    )
            quick_steps += bool(quick.quick)
            for vcpu in (quick, long):
                vcpu.run(limit=10_000)
            assert _state(quick) == _state(long), (number, source)
        assert quick_steps > 20
        assert not long.quick
