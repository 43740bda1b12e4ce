"""What later readers tried: true answers in other spellings pass, and a verdict is true of the answer given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aarch64sim import kernels
from aarch64sim.kvm.kernels import PcAdvance
from widgets.course import exercises

from checks.lab01 import TRANSITIONS, sweep
from checks.lab09.reading import Scenario

STATES = {
    (before, event): after for before, event, after, _ in sweep() if (before, event) in TRANSITIONS
}
EARLY_7_2 = replace(kernels["v7.2"], pc_advance=PcAdvance.BEFORE_EXIT)
ALL = [hex(0x4000_0104 + 4 * n) for n in range(6)]
STORE = "str w0, [x19]\nadd x1, x1, #1\nstr w20, [x20]"
HISTORY = {
    "userspace MMIO": ["4.15", "5.0", "5.11"],
    "HVC": {"Linux 4.15.1", "Linux 5.0.1", "Linux 6.1.192"},
    "MMIO then signal": ["v5.11", "v5.15", "v6.14"],
    "guest steps itself over MMIO": "linux-5.0.1",
}
WHO = ("the kernel", " CPU", "KVM", "Kernel", "cpu", "the CPU")
CASES = (
    *("str w0, [x19]", "str x0, [x21]", "mrs x1, id_aa64pfr0_el1", "smc #0", "hvc #0", "svc #0"),
)


def _decode(esr: int, more: str = "") -> Any:
    if not esr >> 24 & 1:
        return None
    size, sign, number = esr >> 22 & 3, esr >> 21 & 1, esr >> 16 & 31
    name = "str" if esr >> 6 & 1 else "ldrs" if sign else "ldr"
    letter = ("b", "h", "w" if sign else "", "")[size]
    register = f"{'x' if esr >> 15 & 1 else 'w'}{'zr' if number == 31 else number}"
    return f"{name}{letter} {register}{more}"


RIGHT: list[tuple[str, str, Any]] = [
    ("00", "late_kernel", "Linux 5.0 - 5.2 (v5.0)"),
    ("00", "late_kernel", " V5.4 "),
    ("00", "late_kernel", "5.0 - 5.2"),
    ("00", "nothing_stepped", "0x40000008"),
    ("00", "late_kernel", "Linux 5.3 - 5.4"),
    ("01", "saved", {"Abort": 1, "UNDEFINED": 1, "svc": False, "hvc": "0", "irq": 1}),
    ("01", "stops", {"1": (1, "0x40000010"), "0": (0, "0x40000000")}),
    ("04", "who_completes", dict(zip(CASES, ("the hypervisor", "CPU", "KVM", "KVM", "cpu", "CPU"), strict=True))),
    ("05", "dall", ("Linux 5.3 - 5.4 (v5.3)", replace(kernels["v5.3"], skip_clears_ss=False))),
    ("06", "brought", {"linux-4.15.1": {"RAM stage-2 fault"}, "linux-5.0.1": ["HVC"],
                       "linux-5.15": "MMIO then signal"}),
    ("06", "detective", {"1": "Era A", "2": "C", "3": "era e", "4": "B"}),
    ("09", "lost_instruction", Scenario("b", "str wzr, [x19]\nadd x1, x1, #1\nstr w20, [x20]", uart="\0",
                                        registers={"x1": 1}, at_mmio="immediate_exit")),
    ("01", "stops", {1: (1, "0x40000010"), 0: (0, "0x40000000")}),
    ("01", "transitions", {cell: after.replace("-", " ") for cell, after in STATES.items()}),
    ("02", "control", "3"),
    ("02", "entry", {"mdscr_el1": "0x1", "tde": 1, "tda": 1, "spsr_ss": 1}),
    ("03", "by_hand", dict(zip(("ec", "isv", "bytes", "sign_extends", "register", "sixty_four", "write"),
                               ("0x24", 1, 2, 1, 7, 0, 0), strict=True))),
    ("03", "order", "c -> g -> b -> a -> f -> e -> d -> h"),
    ("04", "who_completes", dict(zip(CASES, WHO, strict=True))),
    ("04", "stops_of", lambda kinds: {n + 1 for n, kind in enumerate(kinds) if kind == "a"}),
    ("05", "after_abort", {"late": ("0x40000004", 2), "early": ["0x40000008", "1"]}),
    ("05", "interrupted", {"v5.13": "0x4000000c", "v6.1": "0x40000008"}),
    ("06", "history", HISTORY),
    ("06", "brought", {"linux-4.15.1": "ram stage-2 fault", "linux-5.0.1": ["HVC"], "linux-5.15": "MMIO then signal "}),
    ("06", "detective", {1: "4.3 - 4.14", 2: "c", 3: " E", 4: "B"}),
    ("07", "logs", {"v4.3": [ALL[0], *ALL[2:]], "v5.3": set(ALL), "debugged": ()}),
    ("07", "release", {"ran": "0", "stop": "0x40000100", "isv": False}),
    ("09", "bug_of_2014", Scenario("a", STORE, stops=["0x4", "0x8"], registers={"X1": "1"})),
    ("09", "no_emulation", Scenario("b", "ldp w1, w2, [x19]", end="enosys")),
]  # fmt: skip

WRONG: list[tuple[str, str, Any, str]] = [
    ("00", "late_kernel", "v5.99", "Unknown kernel 'v5.99'"),
    ("00", "late_kernel", 5.3, "write it in quotes"),
    ("00", "nothing_stepped", 40000008, "Write 0x40000008"),
    ("00", "three_in_one", "str w0, [x19]\nstr w0, [x19]", "the program ends there"),
    ("00", "three_in_one", "str w0, [x19]\nstr w20, [x20]", "the program ends there"),
    ("01", "stops", {1: (1, 40000010), 0: (0, 40000000)}, "Write 0x40000010"),
    ("02", "step", lambda vcpu, serve: serve(vcpu.run().mmio), "when run.exit_reason was ExitReason.DEBUG"),
    ("02", "views", {"stepped": (0, 0, 1), "both": (2000, 2000, 1), "enable": (2001, 2001, 0),
                      "nobody": (2001, 2001, 2001)}, "Write 0x2000"),
    ("03", "by_hand", dict(zip(("ec", "isv", "bytes", "sign_extends", "register", "sixty_four", "write"),
                               (100100, 1, 2, 1, 7, 0, 0), strict=True)), "Write 0b100100"),
    ("04", "stops_of", lambda kinds: [4 * n + 4 for n, kind in enumerate(kinds) if kind == "a"], "not bytes"),
    ("05", "after_abort", {"late": (0x4000_0004, "twice"), "early": (0x4000_0008, "once")}, "takes two numbers"),
    ("05", "dall", ("v5.99", "v5.3"), "this is the str 'v5.99'"),
    ("05", "jump", lambda vcpu, target: vcpu.run(immediate_exit=True), "Catch it"),
    ("06", "era", lambda case: [], "gives the list []"),
    ("00", "three_in_one", "add x1, x1, #1\nstr w20, [x20]", "Nothing in your program is emulated but its end"),
    ("00", "three_in_one", "foo", "unknown mnemonic 'foo'"),
    ("01", "stops", {1: (1, 0x4000_0010), 0: (20, None)}, "SS = 0 is not off"),
    ("01", "stops", {1: (0x4000_0010, 1), 0: (0x4000_0000, 0)}, "first how many instructions run"),
    ("02", "entry", {"mdscr_el1": 1, "tde": 5, "tda": 1, "spsr_ss": 1}, "is a bit: 0 or 1, not the int 5"),
    ("02", "views", dict.fromkeys(("stepped", "both", "enable", "nobody"), ("a", "b", "c")), "three numbers"),
    ("03", "decode", lambda esr: _decode(esr, ", [x19]"), "Only the name and the register"),
    ("03", "order", "cgbafedhz", "there is no event z"),
    ("04", "follow_the_bit", dict(zip(("the first ERET", "saved by the abort", "after the skip", "the second ERET",
                                       "after the add"), (1, 0, 1, 1, 0), strict=True)), "Only the calls SVC and HVC"),
    ("04", "without_a_device", "str x0, [x21]\nnop\nstr w20, [x20]", "A first access to RAM"),
    ("05", "one_line", replace(EARLY_7_2, arming=kernels["v5.3"].arming), "no longer remembers that a step is spent"),
    ("05", "one_line", replace(EARLY_7_2, skip_applied=kernels["v5.3"].skip_applied), "also under the late advance"),
    ("07", "entry", "b .", "never get to the ERET"),
    ("07", "finish", "nop", "Is there an ERET on every path?"),
    ("07", "skip", "nop", "Is there an ERET on every path?"),
    ("07", "skip", "b resum", "did you mean 'resume'?\n"),
    ("07", "whose_ss", {"guest alone": 1, "host steps, fixed": 0, "host steps, v5.3": 1}, "There is no ss['guest"),
    ("08", "after_the_store", ["break *0x4000000c", "continue"], "the first that has not run"),
    ("08", "where_stepi_stops", {"v4.3": [40000004] * 3, "v5.0": [0] * 3, "fixed": [0] * 3}, "Write 0x40000004"),
    ("08", "missing_stops", lambda pcs: pcs, "and nothing is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("lab", "task", "answer"), RIGHT)
def test_a_true_answer_passes_in_another_spelling(lab: str, task: str, answer: Any) -> None:
    verdict = exercises(lab).judge(task, answer)
    assert verdict.right, verdict


@pytest.mark.parametrize(("lab", "task", "answer", "text"), WRONG)
def test_a_verdict_is_true_of_the_answer_given(lab: str, task: str, answer: Any, text: str) -> None:
    verdict = exercises(lab).judge(task, answer)
    assert verdict.state == "wrong"
    assert text in str(verdict)


@pytest.mark.parametrize("number", [f"{n:02}" for n in range(10)])
def test_no_explanation_begins_with_the_answer(number: str) -> None:
    for task in exercises(number).tasks:
        assert not task.explanation.startswith(("0,", "1,", "v4.3 and", "c g b"))
        assert "\n    " not in task.explanation, f"{task.name}: code belongs into `code`"
