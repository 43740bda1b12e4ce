"""Calls of the guest by HVC: PSCI (Arm DEN 0022), the TRNG interface (Arm DEN 0098), and what they leave behind.

Invariant: the answers are what Debian's 7.3.4 and 5.10.218 gave.
"""

from __future__ import annotations

import pytest

from aarch64sim.kvm.kernels import kernels
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vm_state import Host
from tests.kvm.player import OFF, Player, Scenario

NEW, OLD = "linux-7.3.4", "linux-5.10.218"
MINUS_1, MINUS_2, MINUS_3, MINUS_6 = (-n & (1 << 64) - 1 for n in (1, 2, 3, 6))
SHUTDOWN, RESET = 1, 2


def called(release: str, function: int, *arguments: int) -> Player:
    """A guest that has made one call."""
    host = Host(psci_version=0x1_0003 if release == NEW else 0x1_0000)
    machine = Player(Scenario("hvc #0\n str w20, [x20]", OFF), kernels[release], host)
    for n, value in enumerate((function, *arguments)):
        machine.vcpu.set_one_reg(f"x{n}", value)
    machine.vcpu.run()
    return machine


@pytest.mark.parametrize(
    ("function", "argument", "answer"),
    [
        (0x8400_0050, 0, 0x1_0000),  # TRNG_VERSION
        (0x8400_0051, 0x8400_0053, 0),  # TRNG_FEATURES
        (0x8400_0051, 0xC400_0053, 0),
        (0x8400_0051, 0xC400_0050, MINUS_1),
        (0x8400_0053, 97, MINUS_2),  # TRNG_RND32 has at most 96 bits
        (0xC400_0053, 193, MINUS_2),  # TRNG_RND64 has at most 192
        (0xC400_0053, 1 << 32, 0),  # no bits
        (0x8400_0053, 96, MINUS_3),
        (0x8400_000A, 0x8400_0015, 1),  # PSCI_FEATURES of SYSTEM_OFF2: a mask of its kinds
        (0x8400_0015, 2, MINUS_2),
        (0xC400_0015, 1 << 31, MINUS_2),
        (0x8400_0012, 1, MINUS_2),
    ],
)
def test_calls_that_a_new_kernel_answers_and_an_old_one_does_not(
    function: int, argument: int, answer: int
) -> None:
    assert called(NEW, function, argument).x(0) == answer
    assert called(OLD, function, argument).x(0) == MINUS_1


def test_the_uid_of_the_random_number_generator_fills_four_registers() -> None:
    machine = called(NEW, 0x8400_0052)
    uid = [0x00E0_210D, 0xEB11_8443, 0x4452_7080, 0x4C5A_4E55]
    assert [machine.x(n) for n in range(4)] == uid


@pytest.mark.parametrize("kind", [0, 1, 1 << 32])
def test_system_off2_shuts_down(kind: int) -> None:
    machine = called(NEW, 0xC400_0015, kind)
    assert machine.vcpu.kvm_run.exit_reason is ExitReason.SYSTEM_EVENT
    assert machine.vcpu.kvm_run.system_event.type == SHUTDOWN
    assert called(NEW, 0xC400_0015, kind, 5).x(0) == MINUS_2  # its second argument is reserved


def test_system_reset2_cuts_its_arguments_to_its_own_width() -> None:
    for function, kept in ((0x8400_0012, 0), (0xC400_0012, 1 << 63)):
        machine = called(NEW, function, 1 << 63, 2, 3)
        assert machine.vcpu.kvm_run.system_event.type == RESET
        assert [machine.x(n) for n in range(4)] == [MINUS_6, kept, 2, 3]


@pytest.mark.parametrize("function", [0x8400_0002, 0x8400_0008, 0x8400_0009])
def test_a_vcpu_that_is_off_only_waits(function: int) -> None:
    """CPU_OFF, SYSTEM_OFF, SYSTEM_RESET: KVM_RUN waits for a signal, until KVM_ARM_VCPU_INIT starts the vCPU again."""
    host = Host(psci_version=0x1_0003)
    source = f"movz w0, #{function & 0xFFFF}\n movk w0, #0x8400, lsl #16\n hvc #0\n str w20, [x20]"
    machine = Player(Scenario(source, OFF), kernels[NEW], host)
    if function != 0x8400_0002:
        machine.vcpu.run()
    for _ in range(2):
        with pytest.raises(InterruptedError):
            machine.vcpu.run()
        assert machine.vcpu.waiting
    machine.vcpu.init()
    assert machine.vcpu.run().exit_reason is ExitReason.MMIO
