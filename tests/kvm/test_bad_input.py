"""What userspace may get wrong: each mistake has the errno of the real call, and one clear sentence.

Invariant: a refused call has changed nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from aarch64sim import VM, ExitReason, GuestDebug, kernels
from aarch64sim.kvm.run_page import KvmRun
from aarch64sim.kvm.vcpu import Vcpu
from tests.kvm.player import CODE, OFF, UART, player
from tests.kvm.programs import LOAD, STORE


def refused(number: int, call: Callable[[], object], sentence: str) -> None:
    """`call` fails with this errno and a sentence that has these words and is one line."""
    with pytest.raises(OSError, match=sentence) as caught:
        call()
    assert caught.value.errno == number
    assert "\n" not in str(caught.value)


def fresh() -> tuple[VM, Vcpu]:
    vm = VM()
    vm.set_user_memory_region(0, CODE, 0x1_0000)
    return vm, vm.create_vcpu()


@pytest.mark.parametrize("control", [4, 1 << 15, 1 << 18, 1 << 20 | 1, 1 << 40, -1])
def test_guest_debug_flags_that_arm64_has_not(control: int) -> None:
    _, vcpu = fresh()
    vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
    refused(errno.EINVAL, lambda: vcpu.set_guest_debug(control), "no KVM_GUESTDBG flags")
    assert vcpu.guest_debug == 3


def test_more_breakpoints_than_there_are() -> None:
    _, vcpu = fresh()
    refused(errno.EINVAL, lambda: vcpu.set_guest_debug(0x20001, hwbp=[0] * 17), "at most 16")
    refused(errno.EINVAL, lambda: vcpu.set_guest_debug(0x20001, hwwp=[0] * 17), "at most 16")
    vcpu.set_guest_debug(0x20001, hwbp=range(0, 64, 4), hwwp=range(0, 64, 4))


@pytest.mark.parametrize(
    ("slot", "base", "size", "number", "sentence"),
    [
        (1, 0x1001, 0x1000, errno.EINVAL, "multiple of 0x1000"),
        (1, 0x1000, 0x800, errno.EINVAL, "multiple of 0x1000"),
        (1, -0x1000, 0x1000, errno.EINVAL, "multiple of 0x1000"),
        (1, 0x1000, -0x1000, errno.EINVAL, "multiple of 0x1000"),
        (1, CODE, 0x1000, errno.EEXIST, "overlaps slot 0"),
        (1, CODE + 0xF000, 0x2000, errno.EEXIST, "overlaps slot 0"),
        (1, CODE - 0x1000, 0x2000, errno.EEXIST, "overlaps slot 0"),
        (1, CODE - 0x1000, 0x20000, errno.EEXIST, "overlaps slot 0"),
        (0, CODE, 0x2000, errno.EINVAL, "size cannot change"),
        (0, CODE + 0x1000, 0x2000, errno.EINVAL, "size cannot change"),
        (1, 0, 0, errno.EINVAL, "no slot 1 to delete"),
        (-1, 0, 0x1000, errno.EINVAL, "numbers 0 to"),
        (32767, 0, 0x1000, errno.EINVAL, "numbers 0 to"),
        (1, 1 << 40, 0x1000, errno.EFAULT, "40 bits"),
        (1, (1 << 40) - 0x1000, 0x2000, errno.EFAULT, "40 bits"),
    ],
)
def test_memory_regions(slot: int, base: int, size: int, number: int, sentence: str) -> None:
    vm, _ = fresh()
    refused(number, lambda: vm.set_user_memory_region(slot, base, size), sentence)
    assert list(vm.slots) == [0]


def test_regions_that_touch_and_the_last_page() -> None:
    vm, _ = fresh()
    vm.set_user_memory_region(1, CODE - 0x1000, 0x1000)
    vm.set_user_memory_region(2, CODE + 0x1_0000, 0x1000)
    vm.set_user_memory_region(3, (1 << 40) - 0x1000, 0x1000)
    vm.set_user_memory_region(1, 0, 0)
    assert sorted(vm.slots) == [0, 2, 3]


def test_a_slot_that_is_set_again_or_moved_keeps_its_memory() -> None:
    vm, _ = fresh()
    vm.write_memory(CODE, b"here")
    refused(
        errno.EINVAL,
        lambda: vm.set_user_memory_region(0, CODE, 0x1_0000, readonly=True),
        "being read-only cannot change",
    )
    vm.map_page(CODE >> 12, vm.slots[0])
    vm.set_user_memory_region(0, CODE, 0x1_0000)
    assert (vm.read_memory(CODE, 4), list(vm.memory.stage2)) == (b"here", [CODE >> 12])
    vm.set_user_memory_region(0, CODE + 0x1000, 0x1_0000)
    assert (vm.read_memory(CODE + 0x1000, 4), list(vm.memory.stage2)) == (b"here", [])
    assert vm.slot_at(CODE) is None


def test_a_deleted_slot_is_gone_for_the_guest_too() -> None:
    machine = player("ldr x0, [x26]\nldr x1, [x26]\nstr w20, [x20]", control=OFF, rom=0x6000_0000)
    machine.vcpu.set_guest_debug(3)
    assert machine.run() == "4"
    machine.vm.set_user_memory_region(1, 0, 0)
    assert machine.run() == "R@4"
    assert machine.x(0) == 0x1122_3344_5566_7788


@pytest.mark.parametrize(
    ("address", "size"),
    [(CODE - 1, 1), (CODE - 1, 2), (CODE + 0xFFFF, 2), (CODE + 0x1_0000, 1), (CODE, -1)],
)
def test_userspace_reads_and_writes_inside_one_slot(address: int, size: int) -> None:
    vm, _ = fresh()
    refused(errno.EFAULT, lambda: vm.read_memory(address, size), "not in one memory slot")
    if size > 0:
        refused(
            errno.EFAULT, lambda: vm.write_memory(address, bytes(size)), "not in one memory slot"
        )
    assert vm.read_memory(CODE + 0xFFFF, 1) == b"\0"
    assert vm.read_memory(CODE, 0) == b""


def test_run_before_init() -> None:
    vm = VM()
    vcpu = vm.create_vcpu(init=False)
    refused(errno.ENOEXEC, vcpu.run, r"call init\(\) first")


def test_a_second_vcpu() -> None:
    vm, vcpu = fresh()
    refused(errno.EEXIST, vm.create_vcpu, "has its one vCPU already")
    assert vm.vcpu is vcpu


@pytest.mark.parametrize(
    "name", ["x31", "x01", "w0", "", "X0", "x-1", "x1.5", "xzr", "hcr_el2", "pcc", "sp", "elr_el3"]
)
def test_one_reg_of_an_unknown_register(name: str) -> None:
    _, vcpu = fresh()
    refused(errno.ENOENT, lambda: vcpu.get_one_reg(name), "there is no register")
    refused(errno.ENOENT, lambda: vcpu.set_one_reg(name, 0), "there is no register")


@pytest.mark.parametrize("value", [-1, 1 << 64, "0", None, 1.0])
def test_one_reg_of_a_value_that_does_not_fit(value: object) -> None:
    _, vcpu = fresh()
    for name in ("x0", "pc", "sctlr_el1"):
        refused(errno.EINVAL, lambda name=name: vcpu.set_one_reg(name, value), "unsigned 64-bit")  # type: ignore[misc]


@pytest.mark.parametrize("value", [0x3C9, 0x3D0, 0x3CD, 0x1F, 1])
def test_pstate_of_another_level_or_state(value: int) -> None:
    _, vcpu = fresh()
    refused(errno.EINVAL, lambda: vcpu.set_one_reg("pstate", value), "not of EL0t, EL1t or EL1h")
    assert vcpu.get_one_reg("pstate") == 0x3C5


@pytest.mark.parametrize("kernel", ["v4.3", "v4.15", "v5.0", "v5.3"])
def test_capabilities_of_an_old_kernel(kernel: str) -> None:
    vm = VM(kernels[kernel])
    vcpu = vm.create_vcpu()
    refused(errno.EINVAL, lambda: vm.enable_cap("KVM_CAP_ARM_NISV_TO_USER"), "has no capability")
    refused(errno.EINVAL, lambda: vcpu.set_vcpu_events(ext_dabt_pending=True), "cannot inject")


def test_capability_that_does_not_exist() -> None:
    vm, _ = fresh()
    refused(
        errno.EINVAL, lambda: vm.enable_cap("KVM_CAP_TELEPATHY"), "no capability KVM_CAP_TELEPATHY"
    )
    vm.enable_cap("ARM_NISV_TO_USER")


@pytest.mark.parametrize("length", [3, 5, 16, -4])
def test_ioeventfd_of_an_odd_size(length: int) -> None:
    vm, _ = fresh()
    refused(errno.EINVAL, lambda: vm.ioeventfd(UART, length), "1, 2, 4 or 8 bytes")


def test_interrupt_line_without_a_vcpu() -> None:
    refused(errno.EINVAL, lambda: VM().irq_line(1), "no vCPU yet")


def test_access_without_a_syndrome_says_what_to_do() -> None:
    machine = player("ldp x0, x1, [x19]", control=OFF)
    refused(errno.ENOSYS, machine.vcpu.run, "KVM_CAP_ARM_NISV_TO_USER")


@pytest.mark.parametrize("how", [{"immediate_exit": True}, {"pending_signal": True}])
def test_interrupted_run_is_an_interrupted_error(how: dict[str, bool]) -> None:
    _, vcpu = fresh()
    with pytest.raises(InterruptedError, match="call it again"):
        vcpu.run(**how)
    reason = ExitReason.INTR if "pending_signal" in how else ExitReason.UNKNOWN
    assert vcpu.kvm_run.exit_reason is reason


# --- what userspace answers to a load -----------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (b"", 0x41),
        (b"\x12", 0x12),
        (b"\x12\x34", 0x3412),
        (b"\x12\x34\x56\x78\x9a\xbc\xde\xf0", 0x7856_3412),
        (bytearray(b"\x99"), 0x99),
        (0x1_0000_0099, 0x99),
    ],
)
def test_an_answer_of_too_few_bytes_leaves_stale_ones_and_too_many_are_cut(
    answer: bytes | int, value: int
) -> None:
    machine = player("mov w0, #0x41\nstr w0, [x19]\nldr w2, [x19]\nstr w20, [x20]", control=OFF)
    machine.run()
    machine.vcpu.run()
    machine.vcpu.kvm_run.mmio.data = answer  # type: ignore[assignment]
    machine.vcpu.run()
    assert machine.x(2) == value


@pytest.mark.parametrize("answer", [-1, 1 << 64, bytes(9), "41", None, 1.5])
def test_an_answer_that_mmio_data_cannot_hold(answer: object) -> None:
    machine = player(LOAD, control=OFF)
    machine.vcpu.run()
    before = bytes(machine.vcpu.kvm_run.union)
    with pytest.raises(ValueError, match=r"mmio\.data takes"):
        machine.vcpu.kvm_run.mmio.data = answer  # type: ignore[assignment]
    assert bytes(machine.vcpu.kvm_run.union) == before


def test_the_run_page_says_what_it_holds() -> None:
    machine = player(STORE)
    assert repr(KvmRun()) == "UNKNOWN"
    machine.run()
    assert repr(machine.vcpu.kvm_run) == "DEBUG(hsr=0xcb000022)"
    machine.run()
    assert repr(machine.vcpu.kvm_run) == "MMIO(write of 4 bytes at 0x9000000)"
    assert machine.vcpu.kvm_run.reason is ExitReason.MMIO
