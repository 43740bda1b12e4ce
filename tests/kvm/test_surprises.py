"""The surprises that real kernels had in store, 1 to 14 of the list of observations.

Invariant: each test says what a real kernel was seen to do beyond its stop list.
"""

from __future__ import annotations

import pytest

from aarch64sim.kvm.kernels import ERAS, kernels
from aarch64sim.kvm.run_page import ExitReason
from tests.kvm.player import CODE, OFF, UART, Player, player
from tests.kvm.programs import (
    ABORT,
    END_THERE,
    LOAD,
    SCENARIOS,
    SELF_ALU,
    SELF_MMIO,
    SHORT_LOAD,
    STORE,
    system,
)

EVERY = [name for name in kernels if name.startswith("v") and name != "v6.1.192"]
FAKED = ["v4.15", "v4.19.48"]
HOST_SS = 1 << 21


def log_of(machine: Player) -> list[tuple[int, ...]]:
    """ESR, ELR and SPSR as the guest's own step handler wrote them."""
    words = machine.vm.read_memory(0x4000_5000, 24 * 4)
    numbers = [int.from_bytes(words[i : i + 8], "little") for i in range(0, len(words), 8)]
    return [tuple(numbers[i : i + 3]) for i in range(0, 12, 3)]


@pytest.mark.parametrize("kernel", EVERY[9:])
def test_01_get_one_reg_shows_the_guests_own_ss(kernel: str) -> None:
    machine = player(SCENARIOS["b_str"], kernel)
    while not machine.ended:
        machine.run()
        assert not machine.reg("pstate") & HOST_SS


def test_01_ss_written_by_userspace_is_kept_and_changes_no_stop() -> None:
    machine = player(SCENARIOS["a_alu"], "v6.1.192")
    assert machine.play("4 <pstate=0x2003c5> 8 c") == "4 <pstate=0x2003c5> 8 c"
    assert machine.reg("pstate") == 0x2003C5


def test_02_clearing_ss_before_it_is_armed_repairs_the_guests_own_stepping_only() -> None:
    kernel = "what-if-early-advance-ss-cleared"
    assert player(SCENARIOS["b_str"], kernel).play("4 W@8 c") == "4 W@8 c"
    guest = player(SCENARIOS["k_selfstep_mmio_guestonly"], kernel)
    guest.to_end()
    assert [entry[1] - CODE for entry in log_of(guest)] == [0x34, 0x38, 0x3C, 0x40]


@pytest.mark.parametrize(
    ("scenario", "stop", "hsr"),
    [
        ("b_str", 1, 0xCA00_0022),
        ("a_alu", 1, 0xCB00_0022),
        ("o_smc", 1, 0xCA00_0022),
        ("o_hvc", 1, 0xCA00_0022),
        ("o_sys_idreg", 1, 0xCA00_0022),
        ("o_wfi_irq", 1, 0xCA00_0022),
        ("f_svc", 1, 0xCA00_0022),
        ("l_ldxr", 1, 0xCB00_0062),
        ("p_brk_ss", 2, 0xF200_0123),
        ("q_hwbp_ss", 2, 0xC200_0022),
    ],
)
def test_04_hsr_tells_how_a_stop_came_about(scenario: str, stop: int, hsr: int) -> None:
    machine = player(SCENARIOS[scenario], "v6.1.192")
    while len(machine.hsrs) <= stop:
        machine.run()
    assert machine.hsrs[stop] == hsr


def test_04_a_late_stop_looks_like_an_ordinary_one() -> None:
    machine = player(SCENARIOS["b_str"], "what-if-late-advance-ss-kept")
    machine.play("4 W@4 c")
    assert machine.hsrs == [0xCB00_0022] * 2


@pytest.mark.parametrize("kernel", FAKED)
def test_04_a_faked_stop_has_only_the_class_in_hsr(kernel: str) -> None:
    machine = player(SCENARIOS["b_str"], kernel)
    machine.to_end()
    assert machine.hsrs[:3] == [0xC800_0000, 0xCB00_0022, 0xC800_0000]


def test_05_debug_far_overlays_mmio_data_and_is_stale() -> None:
    machine = player(SCENARIOS["b_str"], "v6.1.192")
    machine.play("4 W@4 8")
    assert machine.vcpu.kvm_run.debug.far == 0x41
    nisv = player(SCENARIOS["h_ldp_cap"], "v6.1.192")
    nisv.play("4 ARM_NISV@4 <pc=0x40000008> c")
    assert nisv.vcpu.kvm_run.debug.far == UART


@pytest.mark.parametrize(
    ("instruction", "answer", "zero_extended", "right"),
    [
        ("ldrsb w2", 0x80, 0x80, 0xFFFF_FF80),
        ("ldrsb x2", 0x80, 0x80, 0xFFFF_FFFF_FFFF_FF80),
        ("ldrsh w2", 0x8001, 0x8001, 0xFFFF_8001),
        ("ldrsh x2", 0x8001, 0x8001, 0xFFFF_FFFF_FFFF_8001),
        ("ldrsw x2", 0x8000_0001, 0x8000_0001, 0xFFFF_FFFF_8000_0001),
    ],
)
def test_06_no_kernel_before_7_2_sign_extends_an_mmio_load(
    instruction: str, answer: int, zero_extended: int, right: int
) -> None:
    program = f"mov x2, #-1\n{instruction}, [x19]\nstr w20, [x20]"
    repaired = [name for name, kernel in kernels.items() if kernel.sign_extends_mmio]
    assert {"v7.2", "fixed"} <= set(repaired)
    assert not set(repaired) & {era.name for era in ERAS[: ERAS.index(kernels["v7.2"])]}
    for kernel in EVERY:
        if kernel not in repaired:
            machine = player(program, kernel, answers=[answer])
            machine.to_end()
            assert machine.x(2) == zero_extended
    for kernel in repaired:
        machine = player(program, kernel, answers=[answer])
        machine.to_end()
        assert machine.x(2) == right


def test_06_a_w_load_zeroes_the_upper_half_and_a_load_to_zr_changes_nothing() -> None:
    machine = player(
        "mov x2, #-1\nldr w2, [x19]\nldr xzr, [x19]\nldr wzr, [x19]\nstr wzr, [x19]\nstr xzr, [x19]\n"
        "str w20, [x20]",
        answers=[0xF000_0001],
    )
    machine.to_end()
    assert machine.x(2) == 0xF000_0001
    assert machine.loads == [UART] * 3
    assert machine.stores[:2] == [(UART, 0), (UART, 0)]


def test_07_mmio_data_above_len_is_stale() -> None:
    machine = player(
        "ldr x0, value\nstr x0, [x19]\nstrb wzr, [x19]\nb .\n.balign 8\nvalue: .quad 0x1122334455667788",
        control=OFF,
    )
    machine.run()
    machine.run()
    assert machine.vcpu.kvm_run.union[8:16].hex() == "0077665544332211"
    assert machine.vcpu.kvm_run.mmio.data == 0


@pytest.mark.parametrize("kernel", ["v6.1.192", "v6.14", "fixed"])
def test_08_completion_depends_on_exit_reason(kernel: str) -> None:
    machine = player(SCENARIOS["m_exitreason_step"], kernel)
    machine.play("4 R@4 <exit_reason=UNKNOWN> R@4 8 c 10 W@10")
    assert machine.ended
    assert machine.loads == [UART, UART]


def test_08_with_early_advance_the_destination_is_never_written() -> None:
    machine = player(SCENARIOS["m_exitreason_step"], "what-if-early-advance-ss-kept")
    machine.play("4 R@8 <exit_reason=UNKNOWN> c 10 W@14")
    assert machine.ended
    assert machine.x(2) == 0


def test_09_set_x2_at_a_load_exit_is_overwritten_and_set_x0_at_a_store_exit_comes_too_late() -> (
    None
):
    load = player(SHORT_LOAD, "v6.1.192", answers=[0x44])
    load.play("4 R@4 <x2=0xdead> 8")
    assert load.x(2) == 0x44
    store = player(STORE, "v6.1.192")
    store.play("4 W@4 <x0=0x99> 8")
    assert store.stores == [(UART, 0x41)]


@pytest.mark.parametrize(
    ("kernel", "script"),
    [
        ("v6.1.192", "4 R@4 imm:E4:MMIO:8 <pc=0x40000100> 104 108 10c W@10c"),
        ("v6.14", "4 R@4 imm:E4:MMIO:8 <pc=0x40000100> 100 104 108 10c W@10c"),
        ("v5.13", "4 R@4 imm:E4:MMIO:8 <pc=0x40000100> 104 108 10c W@10c"),
        ("v5.11", "4 R@4 imm:E4:MMIO:4 <pc=0x40000100> 104 108 10c W@10c"),
    ],
)
def test_09_pc_set_after_an_immediate_exit(kernel: str, script: str) -> None:
    machine = player(SHORT_LOAD, kernel, answers=[0x44])
    assert machine.play(script) == script
    # Only where the skip is still to come (5.11) does the instruction at the new PC not run.
    assert machine.x(5) == (0 if kernel == "v5.11" else 1)


def test_10_an_injected_abort_leaves_the_register_and_names_the_access() -> None:
    machine = player(ABORT + END_THERE, "v6.1.192", answers=[0x99])
    machine.play("4 8 R@8 <abt>")
    assert machine.reg("pc") == CODE + 8  # delivery is at the next entry
    machine.to_end()
    assert machine.x(2) == 0x77
    assert machine.x(11) == 0xFFFF_FFFF_9600_0010
    assert machine.x(12) == CODE + 8
    assert machine.x(14) == UART


def test_10_with_early_advance_a_retry_never_comes_and_a_skip_hits_the_innocent() -> None:
    retry = player(SCENARIOS["j_abort_retry_step"], "what-if-early-advance-ss-kept")
    retry.play("4 R@8 <abt> 1200")
    retry.to_end()
    assert (retry.x(2), retry.x(3), len(retry.loads)) == (0x77, 1, 1)
    skip = player(SCENARIOS["j_abort_skip_step"], "what-if-early-advance-ss-kept")
    skip.play("4 R@8 <abt> 1200")
    skip.to_end()
    assert (skip.x(3), skip.x(4)) == (0, 1)


def test_10_the_sign_of_the_syndrome_is_extended_for_instruction_aborts_too() -> None:
    machine = player(system("blr x19"), "v6.1.192")
    machine.to_end()
    assert machine.x(11) == 0xFFFF_FFFF_8600_0010
    assert (machine.x(12), machine.x(14)) == (UART, UART)
    other = player(system("blr x19"), "v6.3")
    other.to_end()
    assert other.x(11) == 0x8600_0010


@pytest.mark.parametrize("scenario", ["f_mmio_undef", "f_align_sctlr", "o_sys_pmcr"])
def test_11_host_ss_leaks_into_spsr_el1_but_not_for_svc(scenario: str) -> None:
    leaking = player(SCENARIOS[scenario], "v6.1.192")
    leaking.to_end()
    assert leaking.x(13) == 0x2003C5
    free = player(SCENARIOS[scenario], "v6.1.192", control=OFF)
    free.to_end()
    assert free.x(13) == 0x3C5
    svc = player(SCENARIOS["f_svc"], "v6.1.192")
    svc.to_end()
    assert svc.x(13) == 0x3C5


@pytest.mark.parametrize("kernel", ["v5.5", "v5.11", "v5.13", "v6.1", "v6.1.192", "v6.3", "v6.14"])
def test_12_an_abort_committed_by_an_immediate_exit_is_forgotten(kernel: str) -> None:
    machine = player(ABORT + END_THERE, kernel, answers=[0x99])
    machine.play("4 8 R@8 <abt> imm:")
    machine.to_end()
    assert (machine.x(10), machine.x(2)) == (0, 0x99)


@pytest.mark.parametrize("kernel", ["v6.18", "v7.2", "fixed"])
def test_12_right_kernels_keep_it(kernel: str) -> None:
    machine = player(ABORT + END_THERE, kernel, answers=[0x99])
    machine.play("4 8 R@8 <abt> imm:")
    machine.to_end()
    assert (machine.x(10), machine.x(2)) == (1, 0x77)


def test_13_after_immediate_exit_the_answer_is_in_its_register_and_a_second_one_changes_nothing() -> (
    None
):
    machine = player(LOAD, "v6.1.192", answers=[0x30])
    machine.play("4 R@4 imm:E4:MMIO:8 imm:E4:MMIO:8")
    assert (machine.x(2), machine.reg("pc")) == (0x30, CODE + 8)
    assert machine.vcpu.kvm_run.exit_reason is ExitReason.MMIO


def test_13_a_second_immediate_exit_in_5_0_skips_one_more() -> None:
    machine = player(STORE, "v5.0", control=OFF)
    assert machine.play("W@4 imm:E4:MMIO:8 imm:E4:MMIO:c") == "W@4 imm:E4:MMIO:8 imm:E4:MMIO:c"
    machine.to_end()
    assert (machine.x(1), machine.x(2), machine.x(3)) == (0, 0, 1)


def test_14_the_guest_sees_its_own_mdscr_and_never_its_own_step_while_the_host_steps() -> None:
    machine = player(SELF_ALU, "v6.1.192")
    machine.to_end()
    assert (machine.x(17), machine.reg("mdscr_el1"), machine.x(10)) == (0x2001, 0x2001, 0)
    enabled = player(SELF_ALU, "v6.1.192", control=1)
    enabled.to_end()
    assert enabled.x(10) == 0


def test_14_guest_alone() -> None:
    machine = player(SELF_ALU, "v6.1.192", control=OFF)
    machine.to_end()
    assert [entry[0] for entry in log_of(machine)] == [0xCF00_0022] * 4
    late = player(SELF_MMIO, "what-if-late-advance-ss-kept", control=OFF)
    late.to_end()
    assert [entry[1] - CODE for entry in log_of(late)] == [0x34, 0x3C, 0x40, 0x44]


def test_14_released_by_the_host_the_guest_steps_without_executing() -> None:
    machine = player(SELF_ALU, "v6.1.192")
    machine.play("4 8 c 10 14 18 1c 20 24 28 2c 30 <dbg=0>")
    machine.to_end()
    assert log_of(machine)[0][:2] == (0xCE00_0022, CODE + 0x30)
