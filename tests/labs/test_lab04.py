"""Lab 04: every wrong answer gets its own message, every right one passes, and so does the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aarch64sim.arch.step import advance_ss
from aarch64sim.kvm import Vcpu

from checks.lab04 import CASES, LAB, MOMENTS, matrix, program_of, scenarios, stops
from checks.task import Wrong

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "labs" / "source" / "04-the-skipped-instruction.py"
SS, BTYPE = 1 << 21, 3 << 10
RIGHT_BITS = dict(zip(MOMENTS, (1, 1, 1, 1, 0), strict=True))
RIGHT_WHO = dict(zip(CASES, ("kernel", "CPU", "kernel", "kernel", "CPU", "CPU"), strict=True))


def after_smc(*lines: str) -> str:
    return "\n".join(["mov w0, #0x84000000", *lines, "add x1, x1, #1", "str w20, [x20]"])


def skip(change: Callable[[Vcpu], Any], moved: int = 4) -> Callable[[Vcpu], None]:
    def skip_instruction(vcpu: Vcpu) -> None:
        vcpu.pc += moved
        change(vcpu)

    return skip_instruction


def pstate(change: Callable[[int], int], moved: int = 4) -> Callable[[Vcpu], None]:
    return skip(lambda vcpu: setattr(vcpu, "pstate", change(vcpu.pstate)), moved)


def right_but_x1(vcpu: Vcpu) -> None:
    vcpu.pstate &= ~(SS | BTYPE)
    vcpu.cpu.r[1] = 0


def only_while_the_host_steps(vcpu: Vcpu) -> None:
    vcpu.pstate &= ~BTYPE
    if vcpu.single_stepping:
        vcpu.pstate &= ~SS


def no_mdscr(vcpu: Vcpu) -> None:
    vcpu.cpu.sys.mdscr_el1 &= ~1


def endless(vcpu: Vcpu) -> None:
    while True:
        vcpu.pc += 4


def one_swallowed(kinds: str) -> list[int]:
    found, n = [], 0
    while n < len(kinds):
        n += 2 if kinds[n] == "m" else 1
        found.append(n)
    return found


def debts_add_up(kinds: str) -> list[int]:
    found, n, debt = [], 0, 0
    while n < len(kinds):
        debt += kinds[n] == "m"
        n += 1
        if kinds[n - 1] == "a":
            debt, n = 0, n + max(0, debt - 1)
            found.append(n)
    return found


WRONG: list[tuple[str, Any, str, str]] = [
    ("follow_the_bit", RIGHT_BITS | {MOMENTS[0]: 0}, "grants it", "ss0-is-off"),
    ("follow_the_bit", RIGHT_BITS | {MOMENTS[1]: 0}, "still owed", "abort-saves-0"),
    ("follow_the_bit", RIGHT_BITS | {MOMENTS[2]: 0}, "SS stays 1 is the bug", ""),
    ("follow_the_bit", RIGHT_BITS | {MOMENTS[3]: 0}, "ERET copies the bit", ""),
    ("follow_the_bit", RIGHT_BITS | {MOMENTS[4]: 1}, "retires makes PSTATE.SS 0", ""),
    (
        "follow_the_bit",
        dict(zip(MOMENTS, (1, 1, 0, 0, 0), strict=True)),
        "a correct kernel takes",
        "",
    ),
    ("follow_the_bit", RIGHT_BITS | {MOMENTS[4]: 2}, "is a bit: 0 or 1", ""),
    ("follow_the_bit", [1, 1, 1, 1, 0], "asks for a dictionary", ""),
    ("without_a_device", after_smc("nop"), "the CPU runs them all by itself", ""),
    ("without_a_device", after_smc("mrs x1, id_aa64pfr0_el1"), "no instruction of your", ""),
    ("without_a_device", after_smc("str w0, [x19]"), "touches a device", ""),
    ("without_a_device", after_smc("str x0, [x21]"), "fills the page in", ""),
    (
        "without_a_device",
        after_smc("hvc #0"),
        "HVC is not an instruction that the kernel skips",
        "",
    ),
    ("without_a_device", after_smc("svc #0"), "guest's own EL1", ""),
    ("without_a_device", after_smc("wfi"), "does not come to its end", ""),
    ("without_a_device", "smc", "does not assemble", ""),
    ("without_a_device", ["smc #0"], "asks for the text of a program", ""),
    ("stops_of", lambda kinds: list(range(1, len(kinds) + 1)), "correct kernel", "mmio-is-done"),
    (
        "stops_of",
        lambda kinds: [n for n, kind in enumerate(kinds) if kind == "a"],
        "You count the instruction that was stepped",
        "reports-stepped",
    ),
    ("stops_of", one_swallowed, "leaves the step owed once more", "skip-is-pc"),
    (
        "stops_of",
        lambda kinds: [n + 1 for n, k in enumerate(kinds) if k == "a"] + [len(kinds) + 1],
        "The end of the guest does not count",
        "",
    ),
    ("stops_of", lambda kinds: [len(kinds)], "What must happen for the CPU", ""),
    ("stops_of", debts_add_up, "4.3 stops at", ""),
    ("stops_of", lambda kinds: kinds.count("m") + 1, "should return a list", ""),
    ("stops_of", [1], "asks for a function", ""),
    ("who_completes", RIGHT_WHO | {"hvc #0": "kernel"}, "an HVC is executed", ""),
    ("who_completes", RIGHT_WHO | {"smc #0": "CPU"}, "trapped before it runs", ""),
    ("who_completes", RIGHT_WHO | {"str x0, [x21]": "kernel"}, "this is RAM", ""),
    ("who_completes", RIGHT_WHO | {"svc #0": "kernel"}, "The hypervisor does not notice", ""),
    ("who_completes", RIGHT_WHO | {"str w0, [x19]": "CPU"}, "no memory at this address", ""),
    (
        "who_completes",
        RIGHT_WHO | {"mrs x1, id_aa64pfr0_el1": "CPU"},
        "the read of an ID register",
        "",
    ),
    ("who_completes", RIGHT_WHO | {"svc #0": "guest"}, 'say "CPU" or "kernel"', ""),
    ("skip_instruction", skip(lambda vcpu: None), "as Linux 4.3 did", "skip-is-pc"),
    ("skip_instruction", pstate(lambda p: p & ~SS), "leaves PSTATE.BTYPE", "skip-is-pc"),
    ("skip_instruction", pstate(lambda p: p & ~BTYPE), "as Linux 4.3 did", "skip-is-pc"),
    ("skip_instruction", pstate(lambda p: p | SS), "grants one more", "ss0-is-off"),
    ("skip_instruction", pstate(lambda p: p & ~(SS | BTYPE), 8), "by 8 bytes", ""),
    ("skip_instruction", pstate(lambda p: p & ~(SS | BTYPE), 2), "by 2 bytes", ""),
    ("skip_instruction", pstate(lambda p: p & ~(SS | BTYPE), 0), "meets the same instruction", ""),
    ("skip_instruction", pstate(lambda p: p, 0), "changes nothing yet", ""),
    ("skip_instruction", pstate(lambda p: p & ~BTYPE, 0), "does not move the PC", ""),
    ("skip_instruction", skip(no_mdscr), "the guest runs freely", "mdscr-alone"),
    ("skip_instruction", pstate(lambda p: 0), "the Exception level", ""),
    ("skip_instruction", pstate(lambda p: p & 0x3FF & ~SS), "the condition flags", ""),
    ("skip_instruction", pstate(lambda p: (p ^ SS) & ~BTYPE), "turns SS around", ""),
    ("skip_instruction", skip(right_but_x1), "changes x1", ""),
    ("skip_instruction", skip(only_while_the_host_steps), "whoever steps", ""),
    ("skip_instruction", skip(lambda vcpu: vcpu.program_counter), "raised AttributeError", ""),
    ("skip_instruction", lambda: None, "does not take them", ""),
    ("skip_instruction", endless, "did not end", ""),
    ("skip_instruction", skip(lambda vcpu: setattr(vcpu, "pc", "0x4")), "address of 64", ""),
    ("skip_instruction", "PC += 4", "asks for a function", ""),
]


def with_advance_ss(vcpu: Vcpu) -> None:
    vcpu.set_one_reg("pc", vcpu.get_one_reg("pc") + 4)
    state = vcpu.cpu.pstate
    state.btype = 0
    state.ss = advance_ss(mdscr_ss=vcpu.cpu.sys.mdscr_el1 & 1, pstate_ss=state.ss)


def field_by_field(vcpu: Vcpu) -> None:
    vcpu.cpu.pstate.ss = vcpu.cpu.pstate.btype = 0
    vcpu.pc = vcpu.pc + 4
    print("noise")


def by_a_loop(kinds: str) -> tuple[int, ...]:
    found: tuple[int, ...] = ()
    for n in range(len(kinds)):
        if kinds[n] != "m":
            found += (n + 1,)
    return found


OPEN: list[tuple[str, Any]] = []

RIGHT: list[tuple[str, Any]] = [
    ("follow_the_bit", RIGHT_BITS),
    ("follow_the_bit", {m: bool(b) for m, b in reversed(RIGHT_BITS.items())}),
    ("without_a_device", after_smc("smc #0")),
    ("without_a_device", after_smc("msr mdscr_el1, xzr")),
    ("without_a_device", "msr oslar_el1, xzr\nnop\nadd x1, x1, #1\nstr w20, [x20]"),
    ("without_a_device", "smc #0\nstr w20, [x20]"),
    ("stops_of", by_a_loop),
    ("who_completes", {case: who.upper() for case, who in RIGHT_WHO.items()}),
    ("skip_instruction", pstate(lambda p: p & ~(SS | BTYPE))),
    ("skip_instruction", with_advance_ss),
    ("skip_instruction", field_by_field),
]


@pytest.mark.parametrize("scenario", matrix.SCENARIOS, ids=lambda s: s.name)
def test_the_right_skip_goes_through_every_scenario_to_its_end(
    scenario: matrix.Scenario,
) -> None:
    play = scenarios.play(scenario)
    assert "store to the exit device" in play.ended
    assert scenarios.failure(scenario, field_by_field) is None


def test_the_scenarios_that_only_pc_gets_wrong_are_those_with_a_skip() -> None:
    def only_pc(vcpu: Vcpu) -> None:
        vcpu.pc += 4

    marks = dict(line.split(" ", 1)[::-1] for line in scenarios.scoreboard(only_pc).splitlines())
    assert {name for name, mark in marks.items() if mark == "\u2713"} == {"plain", "abort"}
    assert len(marks) == 12


def test_a_failure_is_a_program_a_sentence_and_a_timeline() -> None:
    failure = scenarios.first_failure(skip(lambda vcpu: None))
    assert failure is not None
    assert failure.scenario.name == "store"
    assert "smallest program" in str(failure)
    assert "should have stopped at" in failure.figure.sentence
    data, metadata = failure._repr_mimebundle_()
    assert data["image/png"][1:4] == b"PNG"
    assert metadata["image/png"]["alt"]


def test_a_missing_stop_of_the_guest_is_told_as_such() -> None:
    failure = scenarios.first_failure(skip(only_while_the_host_steps))
    assert failure is not None
    assert "the guest's own handler is notified of" in failure.sentence


def test_what_one_function_does_is_not_seen_by_the_next() -> None:
    with pytest.raises(Wrong):
        scenarios.play(matrix.SCENARIOS[1], endless)
    assert LAB.judge("skip_instruction", field_by_field).right


@pytest.mark.parametrize(("kinds", "found"), [("", []), ("mma", [3]), ("ama", [1, 3]), ("m", [])])
def test_the_measure(kinds: str, found: list[int]) -> None:
    assert stops(program_of(kinds), "v4.3") == found


def test_a_panel_bears_any_skip() -> None:
    debugger = scenarios.debugger_with(
        lambda: None, "str w0, [x19]\nadd x1, x1, #1\nstr w20, [x20]"
    )
    assert "again and again" in debugger.step().text
    debugger = scenarios.debugger_with(
        field_by_field, "str w0, [x19]\nadd x1, x1, #1\nstr w20, [x20]"
    )
    assert [debugger.step().pc - matrix.CODE for _ in range(2)] == [4, 8]
