"""The commits that made the eras: what a release does when a stable series took one of them, or has not yet.

Invariant: which release has a commit is said in `HISTORY` alone; here is what a guest or userspace sees of it.
"""

from __future__ import annotations

import re

import pytest

from aarch64sim.kvm.kernels import (
    ERAS,
    HISTORY,
    behaviours,
    broken_by,
    fixed_by,
    kernels,
)
from aarch64sim.kvm.vm_state import Host, SmcCall
from tests.kvm.player import OFF, Player, Scenario
from tests.kvm.programs import ABORT, END_THERE, SELF_ALU

FLAGS = Scenario(
    "cmp xzr, xzr\nsmc #0\nstr w20, [x20]\n.org 0x1200\nmrs x15, nzcv\nstr w20, [x20]", OFF
)


def numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def test_commits_stand_in_the_order_of_their_releases() -> None:
    releases = [numbers(commit.release) for commit in HISTORY]
    assert releases == sorted(releases)
    assert [commit for commit in HISTORY if not commit.id] == [HISTORY[0]]
    assert all(re.fullmatch("[0-9a-f]{12}", commit.id) for commit in HISTORY[1:])


@pytest.mark.parametrize("commit", HISTORY[1:], ids=lambda commit: commit.id)
def test_a_stable_release_is_of_a_series_before_the_mainline_release(commit: object) -> None:
    for first in commit.stable:  # type: ignore[attr-defined]
        assert len(numbers(first)) == 3
        assert numbers(first)[:2] < numbers(commit.release)  # type: ignore[attr-defined]


def test_every_wrong_behaviour_of_an_era_has_come_from_somewhere() -> None:
    for era in ERAS:
        for field in era.differences():
            assert any(field in commit.to for commit in HISTORY), field


def test_a_commit_that_fixes_and_one_that_spoils_are_told_apart() -> None:
    assert [c.id for c in broken_by("abort_injection")] == [
        "da345174ceca",
        "cdb5e02ed133",
        "efa1368ba9f4",
    ]
    assert [c.id for c in fixed_by("abort_injection")] == ["e735a5da6442"]
    assert str(*fixed_by("injection_keeps_flags")) == ("a425372e7331 (5.6; stable 5.4.19, 5.5.3)")
    only_in_a_what_if = {"early_skip_remembers_step"}
    wrong_to_this_day = {"unstepped_ss_lost", "injected_abort_reads_any_syndrome"}
    never_fixed = only_in_a_what_if | wrong_to_this_day
    assert {f.name for f in behaviours() if not fixed_by(f.name)} == never_fixed


@pytest.mark.parametrize(
    ("release", "taken", "syndrome"),
    [
        ("linux-5.15", False, 0x9600_0010),
        ("linux-6.0.8", False, 0xFFFF_FFFF_9600_0010),
        ("linux-6.1.4", False, 0xFFFF_FFFF_9600_0010),
        ("linux-6.1.120", True, 0xFFFF_FFFF_9600_0010),
        ("linux-6.6.54", False, 0x9600_0010),
        ("linux-6.6.66", True, 0x9600_0010),
        ("linux-6.11", False, 0xFFFF_FFFF_9600_0010),
        ("linux-6.12", False, 0x9600_0010),
        ("linux-6.12.2", True, 0x9600_0010),
        ("linux-6.13.7", True, 0x9600_0010),
    ],
)
def test_an_abort_injected_at_an_mmio_exit(release: str, taken: bool, syndrome: int) -> None:
    machine = Player(Scenario(ABORT + END_THERE, OFF, answers=[0x99]), kernels[release])
    machine.play("R@8 <abt>")
    assert machine.reg("esr_el1") == syndrome
    machine.to_end()
    assert (machine.x(10), machine.x(2)) == ((1, 0x77) if taken else (0, 0x99))


@pytest.mark.parametrize(
    ("release", "flags"),
    [("4.4.60", 0), ("5.4.18", 0), ("5.4.19", 6), ("5.5", 0), ("5.5.3", 6), ("5.6", 6), ("7.1", 6)],
)
def test_an_injected_exception_keeps_the_flags_or_not(release: str, flags: int) -> None:
    machine = Player(FLAGS, kernels[f"linux-{release}"], Host(0x2, SmcCall.UNDEFINED))
    machine.to_end()
    assert machine.x(15) >> 28 == flags


def test_stable_series_lost_an_instruction_for_half_a_year() -> None:
    """From 4.19.21 to 4.19.71: the late advance without its flag (n_imm_nostep)."""
    source = "mov w2, #1\nldr w2, [x19]\nadd x3, x3, #1\nadd x4, x4, #1\nstr w20, [x20]"
    done = {}
    for patch in (20, 21, 71, 72):
        machine = Player(Scenario(source, OFF, answers=[7]), kernels[f"linux-4.19.{patch}"])
        machine.play("R@4 imm:" if patch > 20 else "R@8 imm:")
        machine.to_end()
        done[patch] = machine.x(3)
    assert done == {20: 1, 21: 0, 71: 0, 72: 1}


def test_a_kernel_that_is_no_era_says_how_it_differs_from_the_nearest() -> None:
    assert kernels["linux-4.19.100"].summary == (
        "as v4.19.48, but for completion (by a flag, cleared on completion)"
    )
    assert kernels["linux-4.19.100"].title == "Linux 4.19.100"
    assert "linux-4.19.100" not in list(kernels)


LOCKED = SELF_ALU.replace("mov x0, #0\n    msr oslar_el1, x0", "mov x0, #1\n    msr oslar_el1, x0")


@pytest.mark.parametrize(("release", "steps"), [("5.17", 4), ("5.18", 0), ("7.1", 0)])
def test_the_guests_os_lock_silences_its_own_steps(release: str, steps: int) -> None:
    machine = Player(Scenario(LOCKED, OFF), kernels[f"linux-{release}"])
    machine.to_end()
    assert machine.x(10) == steps
    assert machine.reg("oslsr_el1") == (0x8 if steps else 0xA)
    assert machine.x(17) == 0x2001  # what it reads of its own MDSCR_EL1


KEEPS_SS = "mov x0, #1\n msr oslar_el1, x0\n ldr w1, [x19]\n str w20, [x20]"


@pytest.mark.parametrize(
    ("release", "ss"), [("6.0.8", 0), ("6.1.192", 1), ("6.13", 1), ("6.14", 0)]
)
def test_the_guests_os_lock_keeps_its_step_bit_as_guest_debug_does(release: str, ss: int) -> None:
    """PSTATE.SS at the exit, which the ERET into a guest with MDSCR_EL1.SS = 0 had cleared on the CPU."""
    machine = Player(Scenario(KEEPS_SS, OFF), kernels[f"linux-{release}"])
    machine.vcpu.set_one_reg("mdscr_el1", 0x2001)
    machine.vcpu.set_one_reg("oslsr_el1", 0xA)
    machine.vcpu.set_one_reg("pstate", 0x20_03C5)
    machine.run()
    assert machine.reg("pstate") >> 21 & 1 == ss


@pytest.mark.parametrize("release", ["5.17", "6.0.8", "6.1.192", "7.1"])
def test_the_guests_os_lock_is_nothing_to_the_host(release: str) -> None:
    free, locked = (
        Player(Scenario(source), kernels[f"linux-{release}"]) for source in (SELF_ALU, LOCKED)
    )
    assert locked.to_end() == free.to_end()


def test_userspace_locks_and_unlocks_by_oslsr_el1() -> None:
    machine = Player(Scenario(SELF_ALU, OFF), kernels["linux-6.1.192"])
    machine.vcpu.set_one_reg("oslsr_el1", 0xA)
    assert machine.reg("oslsr_el1") == 0xA
    machine.to_end()  # the guest unlocks it
    assert (machine.reg("oslsr_el1"), machine.x(10)) == (0x8, 4)
    with pytest.raises(OSError, match="OSLSR_EL1 is 0x8, or 0xa when locked, not 0x0"):
        machine.vcpu.set_one_reg("oslsr_el1", 0)
    old = Player(Scenario(SELF_ALU, OFF), kernels["linux-4.4.60"])
    with pytest.raises(OSError, match=r"Linux 4\.3 - 4\.14 has no OS Lock to set"):
        old.vcpu.set_one_reg("oslsr_el1", 0xA)


OWN_BREAKPOINT = """
    adr x1, here
    msr dbgbvr0_el1, x1
    mov x1, #0x1e7  // BAS, EL1 and EL0, enabled
    msr dbgbcr0_el1, x1
    mov x1, #0xa000  // MDE, KDE
    msr mdscr_el1, x1
    msr oslar_el1, xzr
    msr daifclr, #8
    isb
here: add x2, x2, #1
    str w20, [x20]
    .org 0x1200
    mrs x11, esr_el1
    str w20, [x20]
"""


@pytest.mark.parametrize(
    ("release", "stops"), [("6.13", ["hwbp@24"] * 2), ("6.14", ["28", "W@28"])]
)
def test_a_breakpoint_of_the_guest_while_the_host_steps(release: str, stops: list[str]) -> None:
    machine = Player(Scenario(OWN_BREAKPOINT), kernels[f"linux-{release}"])
    machine.play("4 8 c 10 14 18 1c 20 24")
    assert [machine.run(), machine.run()] == stops


@pytest.mark.parametrize(
    ("release", "debug", "held"),
    [("6.12", 0x20003, 0xFF), ("6.12", OFF, 0x1FF), ("7.2", 0x20003, 0xFF), ("7.2", OFF, 0x1FF)],
)
def test_the_kernels_copy_of_a_debug_register_keeps_all_bits(
    release: str, debug: int, held: int
) -> None:
    """The host's breakpoints are on the CPU, so the guest's value is not loaded into it."""
    source = "mov x1, #0xff\n msr dbgbcr1_el1, x1\n mrs x2, dbgbcr1_el1\n str w20, [x20]"
    machine = Player(Scenario(source, debug, hwbp=[0x4000_0800]), kernels[f"linux-{release}"])
    machine.to_end()
    assert machine.x(2) == held


@pytest.mark.parametrize(
    ("release", "debug", "held"),
    [("5.10", OFF, 4), ("6.12", OFF, 4), ("7.2", OFF, 4), ("7.2", 1, 7)],
)
def test_the_cpu_keeps_what_it_can_of_a_debug_register(release: str, debug: int, held: int) -> None:
    """The write is trapped. The read finds the CPU's register, or the kernel's copy while the host debugs."""
    source = "mov x1, #7\n msr dbgwvr0_el1, x1\n mrs x2, dbgwvr0_el1\n str w20, [x20]"
    machine = Player(Scenario(source, debug), kernels[f"linux-{release}"])
    machine.to_end()
    assert machine.x(2) == held


def test_a_breakpoint_of_the_guest_is_its_own_when_nobody_steps() -> None:
    for release in ("6.13", "6.14"):
        machine = Player(Scenario(OWN_BREAKPOINT, OFF), kernels[f"linux-{release}"])
        machine.to_end()
        assert machine.x(11) >> 26 == 0x31
        assert machine.x(2) == 0


def test_a_hardware_breakpoint_of_the_host_takes_the_place_of_the_guests() -> None:
    for release in ("6.13", "6.14"):
        scenario = Scenario(OWN_BREAKPOINT, 0x20001, hwbp=[0x4000_0028])
        assert Player(scenario, kernels[f"linux-{release}"]).run() == "hwbp@28"
