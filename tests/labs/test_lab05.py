"""Lab 05: every wrong answer gets its own message, every right one passes, and so does the reference."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aarch64sim import ExitReason, Kernel, kernels
from aarch64sim.kvm import Vcpu
from aarch64sim.kvm.kernels import ERAS

from checks.lab05 import experiments
from checks.lab05.experiments import AFTER_ARMING, BEFORE_ARMING, EARLY, LATE

SOURCE = Path(__file__).resolve().parents[2] / "labs" / "source" / "05-when-does-the-pc-move.py"
LOAD, BEHIND = 0x4000_0004, 0x4000_0008
LATE_ABORT, EARLY_ABORT = (LOAD, 2), (BEHIND, 1)
STOP, MISSED = 0x4000_0008, 0x4000_000C
BASE = kernels["v6.1.192"]
EARLY_TODAY = replace(kernels["v7.2"], pc_advance=EARLY)
NAMED = ("what-if-early-advance-ss-kept", "what-if-late-advance-ss-kept")


def complete(vcpu: Vcpu) -> None:
    with suppress(InterruptedError):
        vcpu.run(immediate_exit=True)


def jump(vcpu: Vcpu, target: int) -> None:
    complete(vcpu)
    vcpu.set_one_reg("pc", target)


def jump_at_once(vcpu: Vcpu, target: int) -> None:
    vcpu.set_one_reg("pc", target)


def jump_then_complete(vcpu: Vcpu, target: int) -> None:
    jump_at_once(vcpu, target)
    complete(vcpu)


def jump_uncaught(vcpu: Vcpu, target: int) -> None:
    vcpu.run(immediate_exit=True)


def jump_after_a_run(vcpu: Vcpu, target: int) -> None:
    vcpu.run()
    vcpu.set_one_reg("pc", target)


def jump_and_forget(vcpu: Vcpu, target: int) -> None:
    vcpu.mmio_needed = False
    vcpu.set_one_reg("pc", target)


def jump_with_another_reason(vcpu: Vcpu, target: int) -> None:
    vcpu.kvm_run.exit_reason = ExitReason.UNKNOWN
    vcpu.set_one_reg("pc", target)


def only_completes(vcpu: Vcpu, target: int) -> None:
    complete(vcpu)
    vcpu.set_one_reg("x9", target)


def aborts(late: Any, early: Any) -> dict[str, Any]:
    return {"late": late, "early": early}


def stops(old: Any, new: Any) -> dict[str, Any]:
    return {"v5.13": old, "v6.1": new}


def cleared_after_arming(kernel: Kernel) -> bool:
    return kernel.skip_clears_ss and kernel.skip_applied is AFTER_ARMING


def right_about_today(kernel: Kernel) -> bool:
    remembered = kernel.leftover_advance is kernels["v7.2"].leftover_advance
    return cleared_after_arming(kernel) and (kernel.pc_advance is LATE or remembered)


WRONG: list[tuple[str, Any, str, str]] = [
    ("jump", jump_at_once, "the next KVM_RUN completes it: PC += 4", "mmio-is-done"),
    ("jump", jump_then_complete, "the next KVM_RUN completes it: PC += 4", "mmio-is-done"),
    ("jump", lambda v, t: v.set_one_reg("pc", t - 4), "the + 4 of the late advance", ""),
    ("jump", jump_uncaught, "raised InterruptedError", ""),
    ("jump", jump_after_a_run, "lets the guest run on", ""),
    ("jump", jump_and_forget, "the load is lost", "mmio-is-done"),
    ("jump", jump_with_another_reason, "the load is lost", "mmio-is-done"),
    ("jump", lambda vcpu: None, "does not take them", ""),
    ("jump", 0x4000_0100, "asks for a function", ""),
    (
        "after_abort",
        aborts((LOAD, 1), EARLY_ABORT),
        "The aborted load was not done",
        "mmio-is-done",
    ),
    ("after_abort", aborts(LATE_ABORT, (BEHIND, 2)), "nobody makes the load again", ""),
    ("after_abort", aborts(LATE_ABORT, LATE_ABORT), "no longer the load", ""),
    ("after_abort", aborts(EARLY_ABORT, EARLY_ABORT), "nothing was skipped", "mmio-is-done"),
    ("after_abort", aborts(EARLY_ABORT, LATE_ABORT), "the other way round", ""),
    ("after_abort", aborts((0x40001200, 2), (0x40001200, 2)), "is an address of the program", ""),
    ("after_abort", aborts(LOAD, BEHIND), "takes two numbers", ""),
    ("after_abort", [LATE_ABORT, EARLY_ABORT], "asks for a dictionary", ""),
    ("guest_steps_right", lambda kernel: True, "still owed after the skip", "skip-is-pc"),
    ("guest_steps_right", cleared_after_arming, "Only the guest's ERET", ""),
    (
        "guest_steps_right",
        lambda kernel: kernel.skip_clears_ss and kernel.pc_advance is LATE,
        "Only the guest's ERET",
        "",
    ),
    ("guest_steps_right", lambda kernel: kernel.name, "should return True or False", ""),
    ("guest_steps_right", lambda kernel: kernel.ss, "raised AttributeError", ""),
    ("host_steps_right", lambda kernel: kernel.skip_clears_ss, "sets it again", "clear-anywhere"),
    ("host_steps_right", cleared_after_arming, "done with, SS and all", "clear-anywhere"),
    (
        "host_steps_right",
        lambda kernel: kernel.skip_clears_ss and kernel.pc_advance is LATE,
        "sets it again",
        "clear-anywhere",
    ),
    (
        "host_steps_right",
        lambda kernel: kernel.pc_advance is LATE and kernel.skip_applied is AFTER_ARMING,
        "nobody clears SS",
        "skip-is-pc",
    ),
    ("host_steps_right", lambda kernel: False, "nothing sets it between", ""),
    ("host_steps_right", True, "asks for a function", ""),
    ("interrupted", stops(STOP, STOP), "arms SS again", "interrupts-do-not-matter"),
    ("interrupted", stops(MISSED, MISSED), "notes that a step is pending", ""),
    ("interrupted", stops(STOP, MISSED), "the other way round", ""),
    ("interrupted", stops(LOAD, STOP), "the store is done", ""),
    ("interrupted", stops(MISSED, 0x4000_1280), "addresses in store.s", ""),
    ("interrupted", (MISSED, STOP), "asks for a dictionary", ""),
    ("dall", ("v4.3", "v5.3"), "also in pc_advance", ""),
    ("dall", ("v5.3", "v5.3"), "the same kernel twice", ""),
    ("dall", (NAMED[1], BASE), "fixes both", "clear-anywhere"),
    ("dall", (NAMED[0], NAMED[1]), "do not differ in skip_clears_ss", ""),
    ("dall", ("v5.4", "v5.3"), "this is the same kernel twice", ""),  # 5.4 steps as 5.3 does
    ("dall", ("v9.9", "v5.3"), "this is the str 'v9.9'", ""),
    ("dall", BASE, "asks for a pair of kernels", ""),
    ("maydell", ("v4.3", "fixed"), "nobody knows which of them", ""),
    ("maydell", ("fixed", "fixed"), "the same kernel twice", ""),
    ("maydell", (replace(BASE, pc_advance=EARLY), BASE), "a memory of the step", "clear-anywhere"),
    ("maydell", NAMED, "let the skip clear SS", "skip-is-pc"),
    (
        "maydell",
        (replace(kernels["v5.3"], pc_advance=EARLY), "v5.3"),
        "late under both",
        "clear-anywhere",
    ),
    ("maydell", (BASE, replace(BASE, skip_clears_ss=False)), "do not differ in pc_advance", ""),
    ("maydell", (kernels["fixed"], replace(kernels["fixed"], pc_advance=EARLY)), "as the base", ""),
    ("one_line", 7, "asks for a kernel", ""),
    ("one_line", "v7.2", "has the late advance", ""),
    ("one_line", EARLY_TODAY, "change one more field", ""),
    ("one_line", replace(kernels["v6.3"], pc_advance=EARLY), "change one field only", ""),
    ("one_line", replace(EARLY_TODAY, sign_extends_mmio=False), "in the right place", ""),
    ("one_line", replace(EARLY_TODAY, skip_clears_ss=False), "bug of 2014 again", "skip-is-pc"),
    (
        "one_line",
        replace(EARLY_TODAY, arming=kernels["v5.13"].arming),
        "not for the reason of 6.13",
        "clear-anywhere",
    ),
]


OPEN: list[tuple[str, Any]] = [
    ("jump", lambda vcpu, target: None),
    ("jump", only_completes),
    ("after_abort", aborts((None, None), (None, None))),
    ("guest_steps_right", lambda kernel: None),
    ("host_steps_right", lambda kernel: None),
    ("interrupted", stops(None, None)),
    ("dall", (None, None)),
    ("maydell", [BASE, None]),
]


def jump_by_signal(vcpu: Vcpu, target: int) -> None:
    with suppress(OSError):
        vcpu.run(pending_signal=True)
    vcpu.pc = target


def host_by_experiment(kernel: Kernel) -> bool:
    return experiments.host_right(kernel)


RIGHT: list[tuple[str, Any]] = [
    ("jump", jump),
    ("jump", jump_by_signal),
    ("after_abort", aborts([LOAD, 2], [BEHIND, 1])),
    ("guest_steps_right", lambda kernel: int(kernel.skip_clears_ss)),
    ("guest_steps_right", lambda k: 0x4000_002C in experiments.guest_log(k)),
    ("host_steps_right", host_by_experiment),
    (
        "host_steps_right",
        lambda k: (
            not (not k.skip_clears_ss or EARLY is k.pc_advance or BEFORE_ARMING is k.skip_applied)
        ),
    ),
    ("interrupted", stops(MISSED, STOP)),
    ("dall", ("what-if-early-advance-ss-kept", "what-if-early-advance-ss-cleared")),
    ("dall", [kernels["v5.3"], replace(kernels["v5.3"], skip_clears_ss=False)]),
    ("maydell", ("what-if-early-advance-step-remembered", "v6.1.192")),
    ("host_steps_right", right_about_today),
    ("one_line", replace(EARLY_TODAY, leftover_advance=kernels["v6.3"].leftover_advance)),
]


@pytest.mark.parametrize("kernel", list(experiments.switches()), ids=lambda kernel: kernel.name)
def test_the_switches_do_what_the_recorded_kernel_in_their_position_did(kernel: Kernel) -> None:
    name = experiments.REAL.get(experiments.position(kernel))
    if name is None:
        assert experiments.position(kernel) == (EARLY, True, BEFORE_ARMING)
        return
    for what in ("host", "guest", "pc"):
        assert experiments.simulated(what, kernel) == experiments.recorded(what, name)


def test_the_board_shows_nothing_that_nobody_has_said() -> None:
    empty = experiments.board(lambda kernel: None, lambda kernel: None).splitlines()
    assert len(empty) == 9
    assert all(line.count("?") == 2 and "the same" not in line for line in empty[1:])
    full = experiments.board()
    assert full.count("the same") == 7
    marked = experiments.board(lambda k: k.skip_clears_ss, lambda k: True)
    assert marked.count(experiments.RIGHT) == 9
    assert marked.count(experiments.WRONG) == 7


def test_the_early_advance_is_right_from_6_14_on() -> None:
    names = [era.name for era in ERAS[ERAS.index(kernels["v5.13"]) :]]
    early = {n: replace(kernels[n], pc_advance=EARLY) for n in names}
    right = {name for name, kernel in early.items() if experiments.host_right(kernel)}
    assert right == {"v6.14", "v6.18", "v7.2"}


def test_stepping_that_begins_at_the_exit_is_late_with_the_early_advance() -> None:
    assert experiments.stepped_from_the_exit("v7.2") == STOP
    assert experiments.stepped_from_the_exit(EARLY_TODAY) == MISSED


def test_the_board_bears_any_function() -> None:
    assert "?" in experiments.board(lambda: True, lambda kernel: kernel.nothing)


def test_an_interrupt_before_the_stop_is_survived_from_6_1_on() -> None:
    late = {name for name in kernels if experiments.interrupted_step(name) == MISSED}
    assert {"v5.0", "v5.11", "v5.13"} <= late
    assert not {"v6.1", "v6.3", "v6.14", "v6.18", "fixed"} & late


def test_recorded_kernels_lost_the_stop_at_a_cold_vector_until_6_1() -> None:
    for name, first in (("linux-5.15", 0x4000_1284), ("linux-6.1.192", 0x4000_1280)):
        assert experiments.recorded_stops(name, "r_irq_at_mmio")[3] == first
