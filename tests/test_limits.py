"""What is said not to be modelled: each sentence about what happens instead is true."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable

import pytest

from aarch64sim import assemble
from aarch64sim.arch.choices import Choices
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vcpu import Vcpu
from aarch64sim.kvm.vm import VM
from aarch64sim.limits import LIMITS, in_words
from aarch64sim.vmm.start import default_start

END = "\nstr w20, [x20]\n.org 0x1200\nmrs x11, esr_el1\nstr w20, [x20]\n"


def ran(source: str, **registers: int) -> Vcpu:
    """A vCPU of Linux 7.2 after the program."""
    vcpu = default_start().create(VM("v7.2"))
    vcpu.load(assemble(source + END))
    for name, value in registers.items():
        vcpu.set_one_reg(name, value)
    assert vcpu.run(limit=100).exit_reason is ExitReason.MMIO
    return vcpu


def x(vcpu: Vcpu, number: int) -> int:
    return vcpu.get_one_reg(f"x{number}")


def refused(number: int, call: Callable[[], object]) -> bool:
    with pytest.raises(OSError) as error:
        call()
    return error.value.errno == number


def stage_1() -> bool:
    mmu_on = "mrs x1, sctlr_el1\norr x1, x1, #1\nmsr sctlr_el1, x1\nisb\nmrs x2, sctlr_el1\nldr x3, [x21]"
    vcpu = ran(mmu_on)
    return x(vcpu, 2) & 1 == 1 and x(vcpu, 11) == 0


def device_alignment() -> bool:
    choice = "unaligned_device_faults"
    named = f"`{choice}`" in LIMITS["device alignment"].instead
    return named and hasattr(Choices(), choice) and x(ran("ldr x1, [x21, #1]"), 11) == 0


def aarch32() -> bool:
    vcpu = ran("mov x0, #0x1d0\nmsr spsr_el1, x0\nadr x0, .+12\nmsr elr_el1, x0\neret\nnop")
    return x(vcpu, 11) == 0x3A00_0000


def simd() -> bool:
    fp_on = "mov x0, #0x300000\nmsr cpacr_el1, x0\nisb\nldr q0, [x21]\nstr q0, [x21]\n"
    return x(ran(fp_on), 11) == 0 and x(ran(fp_on + ".inst 0x4e208400"), 11) == 0x0200_0000


def extensions() -> bool:
    return x(ran(".inst 0x04000000"), 11) == 0x0200_0000 and x(ran("paciasp\nbti c"), 11) == 0


def gic() -> bool:
    return x(ran("mrs x0, icc_pmr_el1"), 11) == 0x0200_0000 and hasattr(VM, "irq_line")


def vcpus() -> bool:
    vm = VM("v7.2")
    vm.create_vcpu()
    other_cpu = ran("hvc #0", x0=0x8400_0003, x1=1)
    return refused(errno.EEXIST, vm.create_vcpu) and x(other_cpu, 0) == (1 << 64) - 2


def time() -> bool:
    counts = ran("mrs x1, cntvct_el0\nnop\nmrs x2, cntvct_el0")
    ptp = ran("hvc #0", x0=0x8600_0001)
    return x(counts, 2) - x(counts, 1) == 2 and x(ptp, 0) == (1 << 64) - 1


def pmu() -> bool:
    return x(ran("mrs x0, pmccntr_el0"), 11) == 0x0200_0000


def caches() -> bool:
    word = int.from_bytes(assemble("mov x5, #7").segments[0].data, "little")
    patch = f"ldr w1, =0x{word:x}\nadr x2, 1f\nstr w1, [x2]\n1: nop\nb 2f\n.ltorg\n2:"
    return x(ran(patch), 5) == 7


def id_registers() -> bool:
    vcpu = default_start().create(VM("v7.2"))
    return refused(errno.EINVAL, lambda: vcpu.set_one_reg("id_aa64pfr0_el1", 0))


def ipa_size() -> bool:
    return refused(errno.EFAULT, lambda: VM().set_user_memory_region(1, 1 << 40, 0x1000))


SHOWN: dict[str, Callable[[], bool]] = {
    "stage 1": stage_1,
    "device alignment": device_alignment,
    "aarch32": aarch32,
    "simd": simd,
    "extensions": extensions,
    "gic": gic,
    "vcpus": vcpus,
    "time": time,
    "pmu": pmu,
    "caches": caches,
    "id registers": id_registers,
    "ipa size": ipa_size,
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_said_to_happen_instead_happens(name: str) -> None:
    assert SHOWN[name]()


def test_every_limit_that_can_be_shown_is_shown() -> None:
    assert LIMITS.keys() - SHOWN.keys() == {"interrupted host"}  # there is no host to interrupt
    assert in_words().splitlines() == [
        f"{limit.what}: {limit.instead}" for limit in LIMITS.values()
    ]
    assert all(dataclasses.astuple(limit) for limit in LIMITS.values())
