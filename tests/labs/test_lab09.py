"""Lab 09: every mutant is caught by the reference and is like no other; every wrong answer gets its own message."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from widgets import StepLab

from checks.lab04.matrix import SELF_STEP
from checks.lab09 import LAB, read_suite, sample, score, scoreboard
from checks.lab09.mutants import BY_NAME, FIXED, MUTANTS, Mutant
from checks.lab09.reading import ACTIONS, CODE, Scenario, read
from checks.lab09.scenario import differences, play

SOURCE = Path(__file__).resolve().parents[2] / "labs" / "source" / "09-break-the-hypervisor.py"
END = "\n        str   w20, [x20]\n"
STORE = "mov w0, #0x41\nstr w0, [x19]\nadd x1, x1, #1" + END
TWO = "str w0, [x19]\nadd x1, x1, #1\nadd x2, x2, #1" + END
RAM = "mov x1, #7\nstr x1, [x21]\nldr x2, [x21]" + END
VECTOR = "mov x2, #0x77\nldr w2, [x19]\nadd x3, x3, #1" + END
ABORT = VECTOR + "        .org 0x1200\nvector: mrs x12, elr_el1" + END
IRQ = "msr daifclr, #2\nstr w0, [x19]\nadd x1, x1, #1" + END
IRQ += "        .org 0x1280\nirq: str w0, [x19, #0x40]\neret\n"
PAIR = "ldp w1, w2, [x19]" + END
HVC = "mov w0, #0x84000000\nhvc #0\nadd x1, x1, #1" + END


def reference() -> dict[str, Any]:
    names: dict[str, Any] = {"lab": LAB, "scoreboard": scoreboard, "play": play}
    wanted = ("### BEGIN SOLUTION", "import Scenario", "store = program", "first = ", "first-score")
    for block in SOURCE.read_text(encoding="utf-8").split("\n# %%"):
        code = block.split("\n", 1)[1] if "\n" in block else ""
        if not block.lstrip().startswith("[markdown]") and any(word in block for word in wanted):
            exec(code, names)
    return names


@pytest.fixture(scope="module")
def suite() -> list[Scenario]:
    return reference()["suite"]


# --- the mutants ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_is_caught_by_the_reference(mutant: Mutant, suite: list[Scenario]) -> None:
    assert any(differences(read(scenario), play(scenario, mutant)) for scenario in suite)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_has_one_mistake_only(mutant: Mutant, suite: list[Scenario]) -> None:
    """Most of the reference still passes on it, so that a suite has to look for it."""
    caught = [s.name for s in suite if differences(read(s), play(s, mutant))]
    assert 1 <= len(caught) <= (9 if mutant.name in ("no-tde", "plus-8") else 5)


def test_no_two_mutants_behave_alike(suite: list[Scenario]) -> None:
    more = [*suite, Scenario("the guest steps itself", SELF_STEP, registers={}, steps=False)]
    behaviour = {m.name: [repr(vars(play(s, m))) for s in more] for m in (*MUTANTS,)}
    behaviour["fixed"] = [repr(vars(play(s, FIXED))) for s in more]
    for one, other in combinations(behaviour, 2):
        assert behaviour[one] != behaviour[other], (one, other)


def test_there_are_enough_mutants_and_half_of_them_were_released() -> None:
    assert len(MUTANTS) == len(BY_NAME) == 24
    assert sum(mutant.where.startswith("Linux") for mutant in MUTANTS) >= 12


def test_a_mutant_leaves_the_next_machine_alone(suite: list[Scenario]) -> None:
    before = repr(play(suite[0], FIXED))
    for mutant in MUTANTS:
        play(suite[0], mutant)
    assert repr(play(suite[0], FIXED)) == before


def test_the_historical_mutants_do_what_the_released_kernels_did(suite: list[Scenario]) -> None:
    task = {scenario.name: scenario for scenario in suite}
    store, twice = task["a store, then an add"], task["immediate_exit after a store"]
    pairs = [
        ("ss-kept", "v4.3", store),
        ("cleared-too-early", "v5.3", store),
        ("completed-twice", "v5.0", twice),
    ]
    pairs.append(("abort-unstepped", "v6.18", task["an abort for an answer"]))
    for mutant, kernel, scenario in pairs[:2] + pairs[3:]:
        assert play(scenario, BY_NAME[mutant]).stops == play(scenario, kernel).stops
    assert play(twice, BY_NAME["completed-twice"]).registers["x1"] == 0
    assert play(twice, "v5.0").registers["x1"] == 0


# --- wrong answers -------------------------------------------------------------------------------------------------


def one(program: Any, name: Any = "mine", **expected: Any) -> Scenario:
    return Scenario(name, program, **expected)


def good() -> Scenario:
    return one(STORE, stops=[4, 8, 12])


WRONG: list[tuple[str, Any, str, str]] = [
    # of the wrong kind
    ("bug_of_2014", STORE, "asks for a scenario", ""),
    ("bug_of_2014", lambda: None, "asks for a scenario", ""),
    ("bug_of_2014", one(7, stops=[4]), "the program is a text", ""),
    ("bug_of_2014", one("mov w0, 0x41x", stops=[4]), "does not assemble", ""),
    ("bug_of_2014", one("nop\n" * 9999, stops=[4]), "too long for a test", ""),
    ("bug_of_2014", one(".org 0x300000\nnop", stops=[4]), "there is no memory at", ""),
    ("bug_of_2014", one(STORE), "expects nothing", ""),
    ("bug_of_2014", one(STORE, stops=4), "a list of addresses", ""),
    ("bug_of_2014", one(STORE, stops=[1, 2, 3]), "an offset in bytes", ""),
    ("bug_of_2014", one(STORE, stops=["nowhere"]), "has no label", ""),
    ("bug_of_2014", one(STORE, stops=[4.0]), "a stop is an offset", ""),
    ("bug_of_2014", one(STORE, stops=[4], steps=False), "with steps=False nobody steps", ""),
    ("bug_of_2014", one(STORE, uart=0x41), "uart is a text", ""),
    ("bug_of_2014", one(STORE, registers=["x1"]), "is a dictionary", ""),
    ("bug_of_2014", one(STORE, registers={"w1": 1}), "not 'w1'", ""),
    ("bug_of_2014", one(STORE, registers={"x1": "one"}), "is a number", ""),
    ("bug_of_2014", one(STORE, accesses=["store"]), "an access is", ""),
    ("bug_of_2014", one(STORE, accesses=0x41), "accesses is a list", ""),
    ("bug_of_2014", one(STORE, stops=[4, 8, 12], at_mmio="reset"), "at_mmio is one of", ""),
    ("bug_of_2014", one(STORE, stops=[4, 8, 12], end="halt"), "end is one of", ""),
    # false alarms
    ("bug_of_2014", one("loop: b loop", stops=[0]), "does not come to an end", ""),
    ("bug_of_2014", one("l: str w0, [x19]\nb l", registers={}, steps=False), "come to an end", ""),
    ("bug_of_2014", one("add x1, x1, #1\nwfi" + END, stops=[4]), "It ends otherwise", ""),
    ("bug_of_2014", one(STORE, stops=[4, 4, 8, 12]), "each KVM_EXIT_MMIO as a stop", "mmio-is-done"),
    ("bug_of_2014", one(STORE, stops=[0, 4, 8]), "that were stepped", "reports-stepped"),
    ("bug_of_2014", one(STORE, stops=[0, 4, 8, 12]), "The start is no stop", ""),
    ("bug_of_2014", one(STORE, stops=[4, 12]), "the stops of Linux 4.3", ""),
    ("bug_of_2014", one(STORE, stops=[4, 8, 12, 16]), "The end of the guest does not count", ""),
    ("bug_of_2014", one(STORE, stops=[4, 8]), "stops once after every instruction", ""),
    ("bug_of_2014", one(STORE, stops=[4, 8, 12], uart="B"), "the low byte", ""),
    ("bug_of_2014", one(STORE, registers={"x1": 2}), "and you expect 0x2", ""),
    # no alarm where there should be one
    ("bug_of_2014", one(STORE, uart="A", registers={"x1": 1}), "says nothing about stops", ""),
    ("bug_of_2014", one("add x1, x1, #1\nadd x2, x2, #1" + END, stops=[4, 8]), "is emulated", ""),
    ("bug_of_2014", one(HVC, stops=[4, 8, 12]), "completed by the CPU itself", ""),
    ("bug_of_2014", one(STORE, uart="A", steps=False), "nobody can be late", ""),
    ("lost_instruction", one(TWO, registers={"x1": 1}), "the table of at_mmio", "mmio-is-done"),
    (
        "lost_instruction",
        one(TWO, registers={"x1": 1}, at_mmio="signal"),
        "makes exit_reason INTR",
        "",
    ),
    (
        "lost_instruction",
        one(TWO, uart="\\x00", at_mmio="immediate_exit"),
        "says nothing about stops",
        "",
    ),
    (
        "lost_instruction",
        one(TWO, registers={"x2": 1}, at_mmio="immediate_exit", steps=False),
        "looks at other registers",
        "",
    ),
    (
        "lost_instruction",
        one("add x1, x1, #1" + END, registers={"x1": 1}, at_mmio="immediate_exit"),
        "never happens",
        "",
    ),
    (
        "lost_instruction",
        one(TWO, registers={"x1": 0}, at_mmio="immediate_exit"),
        "x1 is 0x1 at the end",
        "",
    ),
    ("ghost_stop", one(STORE, stops=[4, 8, 12]), "A device is no memory", ""),
    ("ghost_stop", one("add x1, x1, #1" + END, stops=[4]), "no page but its own", ""),
    ("ghost_stop", one("adr x1, end\nldr w2, [x1]\nend: " + END, stops=[4, 8]), "but its own", ""),
    ("ghost_stop", one(RAM, registers={"x2": 7}), "says nothing about stops", ""),
    ("ghost_stop", one(RAM, stops=[4, 4, 8, 12]), "the step is still owed", ""),
    ("ghost_stop", one(RAM, registers={"x2": 7}, steps=False), "to be spurious", ""),
    ("userspace_view", one(STORE, at_exit={"pc": 8, "pstate": 0x3C5}), "not done", "mmio-is-done"),
    ("userspace_view", one(STORE, at_exit={"pc": 4, "pstate": 0x2003C5}), "own", "shows-host-ss"),
    ("userspace_view", one(STORE, at_exit={"pc": 4}), "the host's SS", ""),
    ("userspace_view", one(STORE, at_exit={"pstate": 0x3C5}), "before userspace has answered", ""),
    (
        "userspace_view",
        one(STORE, at_exit={"pc": 4, "pstate": 0x3C5}, steps=False),
        "none to be shown",
        "shows-host-ss",
    ),
    ("userspace_view", one(STORE, at_exit={"pc": 0}), "before userspace answers", ""),
    ("userspace_view", one(RAM, at_exit={"pc": 4}), "There is no KVM_EXIT_MMIO", ""),
    ("userspace_view", good(), "says nothing about at_exit", ""),
    ("no_emulation", one(PAIR, accesses=[]), "no valid syndrome", "all-emulated"),
    ("no_emulation", one(STORE, stops=[4, 8, 12]), "valid syndrome: one general", "all-emulated"),
    ("no_emulation", one(STORE, end="ENOSYS"), "does not end with an error", ""),
    ("no_emulation", one("ldp x1, x2, [x21]" + END, registers={"x1": 0}), "is to RAM", ""),
    # suites
    ("suite", good(), "put it into [ ]", ""),
    ("suite", "a suite", "a list of scenarios", ""),
    ("suite", [good(), "another"], "one of its entries", ""),
    ("suite", [good(), good()], "could not tell them apart", ""),
    ("suite", [one(STORE, str(n), uart="A") for n in range(31)], "at most 30", ""),
    ("suite", [good(), sample()], "This one survives", ""),
    ("suite", [one(STORE, accesses=[("store", 0x900_0000, 1, 0x41)])], "The size is that", ""),
    ("suite", [one(STORE, accesses=[("store", 0x900_0000, 4, 0x42)])], "as many bytes", ""),
    (
        "suite",
        [one(STORE, accesses=[("store", 0x900_0000, 4, 0x41), ("store", 0x901_0000, 4, 0x901_0000)])],
        "not among the accesses",
        "",
    ),
    ("suite", [one(STORE, accesses=[])], "in which order", ""),
    ("suite", [one(IRQ, stops=[4, 8, 12], at_mmio="interrupt")], "IRQ vector", "interrupts-do-not-matter"),
    ("suite", [one(ABORT, stops=[4, 8, 12], at_mmio="abort")], "It is not completed", "mmio-is-done"),
    ("suite", [one(ABORT, registers={"x12": CODE + 8}, at_mmio="abort")], "points to it", "mmio-is-done"),
    ("suite", [one(TWO, stops=[4, 8], at_mmio="stop_stepping")], "There is no stop any more", "ss0-is-off"),
    ("suite", [one(PAIR, registers={"x1": 0})], "no valid syndrome", "all-emulated"),
    ("suite", [one("mrs x1, mdscr_el1" + END, registers={"mdscr_el1": 1})], "own bits", "shows-host-ss"),
    ("suite", [one(HVC, stops=[4, 12])], "its step is spent", ""),
    (
        "suite",
        [one("mov w0, #0x7f\nmov x1, #0x9020000\nstr w0, [x1]\nldrsb x2, [x1]" + END, registers={"x2": 0x80})],
        "extend the sign",
        "",
    ),
    (
        "suite",
        [one("mov w0, #0x7f\nmov x1, #0x9020000\nstr w0, [x1]\nldrsb x2, [x1]" + END, registers={"x2": 0xFFFF_FF80})],
        "fills all 64 bits",
        "",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("scenario", "hypervisor", "why"),
    [
        (Scenario("a", "foo"), "fixed", "unknown mnemonic 'foo'"),
        (Scenario("a"), "fixed", "has no program yet"),
        (Scenario("a", "nop", at_mmio="irq"), "fixed", "at_mmio is one of"),
        (Scenario("a", "nop"), "v99.9x", "there is no kernel 'v99.9x'"),
        ("a", "fixed", "This is no scenario, but the str 'a'"),
    ],
)
def test_what_cannot_be_played_says_why(scenario: Any, hypervisor: str, why: str) -> None:
    assert why in repr(play(scenario, hypervisor))


def test_a_teacher_counts_mutants_of_their_own_as_the_guide_says() -> None:
    guide = (SOURCE.parents[1] / "instructors.md").read_text(encoding="utf-8")
    (code,) = (part for part in re.findall(r"```python\n(.*?)```", guide, re.S) if "Mutant" in part)
    lock = "mov x0, #1\nmsr oslar_el1, x0\nmrs x1, oslsr_el1\nstr w20, [x20]"
    names: dict[str, Any] = {"suite": [Scenario("lock", lock, registers={"x1": 0xA})]}
    exec(code.replace("score(suite", "board = score(suite"), names)
    assert len(names["board"].caught) == len(MUTANTS) + 1
    assert "held-out" not in {mutant.name for mutant in names["board"].survivors}


def test_the_suite_of_the_stub_is_still_open_and_says_how_far_it_gets() -> None:
    verdict = LAB.judge("suite", [sample()])
    assert verdict.state == "open"
    assert "1 of 24" in verdict.text


OPEN: list[tuple[str, Any]] = [
    ("bug_of_2014", None),
    ("bug_of_2014", one("")),
    ("bug_of_2014", one("  \n")),
    ("suite", None),
    ("suite", []),
    ("suite", [one("")]),
]

RIGHT: list[tuple[str, Any]] = [
    ("bug_of_2014", one("smc #0\nadd x1, x1, #1" + END, stops=[4, 8])),
    ("bug_of_2014", one("ldr w1, [x19]\nthere: nop" + END, stops=["there", CODE + 8])),
    ("bug_of_2014", [good()]),
    ("lost_instruction", one("ldr w1, [x19]\nb there\nadd x5, x5, #1\nthere: nop" + END, registers={"x5": 0},
                             at_mmio="immediate_exit", steps=False)),
    ("lost_instruction", one(TWO, stops=(4, 8, 12), at_mmio="immediate_exit")),
    ("ghost_stop", one("stp x0, x1, [sp, #-16]!" + END, stops=[4])),
    ("userspace_view", one("ldr w2, [x19]" + END, at_exit={"pc": CODE, "pstate": 965})),
    ("no_emulation", one("str w0, [x19], #4" + END, end="ENOSYS")),
    ("no_emulation", one("ldxr w0, [x19]" + END, stops=[], end="ENOSYS")),
]  # fmt: skip


# --- the scoreboard ------------------------------------------------------------------------------------------------


def test_a_false_alarm_catches_nothing(suite: list[Scenario]) -> None:
    board = score([one(STORE, "shouts always", stops=[])])
    assert len(board.survivors) == len(MUTANTS)
    assert "False alarm on the correct hypervisor: shouts always" in board.sentence
    assert board.rows[0][2] == "false alarm: shouts always"


def test_the_scoreboard_has_a_hint_for_each_survivor(suite: list[Scenario]) -> None:
    board = score([sample()])
    hints = {row[0]: row[3] for row in board.rows[1:]}
    assert all(hints[mutant.title] for mutant in board.survivors)
    assert repr(board) == board.sentence
    assert board.png()[:4] == b"\x89PNG"


def test_the_scoreboard_of_what_is_no_suite_is_a_sentence() -> None:
    for nonsense in (None, [], 7, [7], [one("")]):
        assert repr(scoreboard(nonsense)).startswith("No scoreboard yet")


def test_names_of_any_kind_can_be_drawn() -> None:
    names = ["<b>$x^2$</b>", "", "n" * 200, 7]
    board = score([one(STORE, name, uart="A") for name in names], MUTANTS[:2])
    assert board.png()[:4] == b"\x89PNG"
    assert read_suite([one(STORE, 7, uart="A")])


def test_every_action_is_needed_by_the_reference(suite: list[Scenario]) -> None:
    assert {scenario.at_mmio for scenario in suite} == set(ACTIONS) - {"signal"}


def test_a_mutant_can_be_stepped_in_a_panel() -> None:
    from checks.lab09.scenario import debugger_of

    for mutant in MUTANTS:
        panel = StepLab(debugger=debugger_of(STORE, mutant))
        panel.step()
        panel.step()
        panel.back()
        assert mutant.name in repr(panel)
