"""Calls that userspace makes beside KVM_RUN: capabilities, events, ioeventfds, ID registers, kernels by name."""

from __future__ import annotations

import errno

import pytest

from aarch64sim import kernels
from aarch64sim.arch.syndrome import EC, esr
from aarch64sim.kvm.vm import VM
from aarch64sim.vmm.start import default_start
from tests.kvm.player import OFF, UART, Scenario, player

STORES = Scenario("str w22, [x19]\nstr w23, [x19]\nstrb w23, [x19]\nstr w20, [x20]", OFF)


def refused(number: int, call: object) -> str:
    with pytest.raises(OSError) as error:
        call()  # type: ignore[operator]
    assert error.value.errno == number
    return str(error.value)


@pytest.mark.parametrize(
    ("length", "datamatch", "exits"),
    [
        (4, None, "W@8 W@c"),
        (1, None, "W@0 W@4 W@c"),
        (0, None, "W@c"),
        (4, 3, "W@4 W@8 W@c"),
        (4, 2, "W@0 W@8 W@c"),
        (1, 2, "W@0 W@4 W@c"),
    ],
)
def test_an_ioeventfd_takes_the_stores_of_its_length_and_value(
    length: int, datamatch: int | None, exits: str
) -> None:
    machine = player(STORES, "fixed")
    machine.vm.ioeventfd(UART, length, datamatch)
    assert machine.play(exits) == exits


def test_two_ioeventfds_that_would_take_the_same_store_are_refused() -> None:
    vm = VM()
    vm.ioeventfd(UART, 4, 1)
    vm.ioeventfd(UART, 4, 2)
    vm.ioeventfd(UART, 2)
    for length, datamatch in ((4, 1), (4, None), (2, 7), (0, None)):
        refused(errno.EEXIST, lambda: vm.ioeventfd(UART, length, datamatch))  # noqa: B023
    assert "no store of 0 bytes" in refused(errno.EINVAL, lambda: vm.ioeventfd(UART, 0, 1))
    refused(errno.EINVAL, lambda: vm.ioeventfd(UART, 1, 256))


@pytest.mark.parametrize(
    ("kernel", "cap", "value"),
    [
        ("v4.15", "KVM_CAP_VCPU_EVENTS", 1),
        ("linux-4.18", "VCPU_EVENTS", 0),
        ("v5.3", "KVM_CAP_ARM_NISV_TO_USER", 0),
        ("v5.5", "KVM_CAP_ARM_NISV_TO_USER", 1),
        ("v5.5", "ARM_INJECT_EXT_DABT", 1),
        ("v4.3", "GUEST_DEBUG_HW_BPS", 6),
        ("v4.3", "GUEST_DEBUG_HW_WPS", 4),
        ("v7.2", "KVM_CAP_TELEPATHY", 0),
    ],
)
def test_check_extension_says_what_the_kernel_can(kernel: str, cap: str, value: int) -> None:
    assert VM(kernel).check_extension(cap) == value


def test_a_vm_takes_a_kernel_by_its_name() -> None:
    assert VM("v4.3").kernel is kernels["v4.3"]
    assert VM("6.6").kernel == kernels["linux-6.6"] == kernels["v6.6"]
    assert VM("v6.6.1").kernel.name == "linux-6.6.1"
    with pytest.raises(KeyError, match=r"no kernel 'v2\.6'"):
        VM("v2.6")


_TAKES_SERROR = ".org 0x1200\nb .\n.org 0x1380\nmrs x1, esr_el1\nstr w20, [x20]"
SERROR = Scenario(f"msr daifclr, #4\nnop\nb .\n{_TAKES_SERROR}", OFF)


@pytest.mark.parametrize(("iss", "syndrome"), [(None, 1 << 24), (0x123, 0x123)])
def test_an_injected_serror_is_taken_once_it_is_not_masked(iss: int | None, syndrome: int) -> None:
    machine = player(SERROR, "v7.2")
    machine.vcpu.set_vcpu_events(serror_pending=True, serror_esr=iss)
    events = machine.vcpu.get_vcpu_events()
    assert (events["serror_pending"], events["serror_esr"]) == (1, syndrome)
    machine.to_end()
    assert machine.x(1) == esr(EC.SERROR, syndrome)
    assert machine.vcpu.get_vcpu_events()["serror_pending"] == 0


def test_vcpu_events_came_with_4_19() -> None:
    machine = player(SERROR, "linux-4.18")
    assert "knows no vCPU events" in refused(errno.EINVAL, machine.vcpu.get_vcpu_events)
    refused(errno.EINVAL, lambda: machine.vcpu.set_vcpu_events(serror_pending=True))
    vcpu = player(SERROR, "v4.15").vcpu
    refused(errno.EINVAL, lambda: vcpu.set_vcpu_events(serror_pending=True, serror_esr=1 << 25))


def test_vcpu_events_before_5_5_inject_no_abort_and_nothing_beside_it() -> None:
    vcpu = player(SERROR, "v4.15").vcpu
    vcpu.set_vcpu_events()
    both = refused(
        errno.EINVAL, lambda: vcpu.set_vcpu_events(serror_pending=True, ext_dabt_pending=True)
    )
    assert "cannot inject an external abort" in both
    assert vcpu.get_vcpu_events()["serror_pending"] == 0
    assert vcpu.get_one_reg("esr_el1") == vcpu.get_one_reg("far_el1")  # both UNKNOWN, as at reset


@pytest.mark.parametrize("register", ["id_aa64pfr0_el1", "ctr_el0", "clidr_el1", "s3_0_c0_c4_7"])
def test_what_the_cpu_is_cannot_be_changed(register: str) -> None:
    vcpu = default_start().create(VM("v7.2"))
    value = vcpu.get_one_reg(register)
    vcpu.set_one_reg(register, value)
    assert "says what the CPU is" in refused(
        errno.EINVAL, lambda: vcpu.set_one_reg(register, value ^ 1)
    )


def test_the_implementation_s_id_registers_can_be_changed_from_6_15_on() -> None:
    for kernel, register in (("v6.14", "midr_el1"), ("v6.14", "revidr_el1")):
        vcpu = default_start().create(VM(kernel))
        refused(errno.EINVAL, lambda: vcpu.set_one_reg(register, 7))  # noqa: B023
    vcpu = default_start().create(VM("linux-6.15"))
    vcpu.set_one_reg("midr_el1", 7)
    assert vcpu.get_one_reg("midr_el1") == 7
