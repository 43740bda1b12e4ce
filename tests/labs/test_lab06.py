"""Lab 06: every wrong answer gets its own message, every right one passes, and so does the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checks import museum
from checks.lab06 import BORDERS, HISTORY
from checks.lab06.cases import ERAS, Case, case, case_of, suspect
from checks.lab06.figures import Lives, Matrix, code
from checks.strips import store_strips

SOURCE = Path(__file__).resolve().parents[2] / "labs" / "source" / "06-eleven-years-of-fixes.py"
SS = 1 << 21
RIGHT_HISTORY = {
    "userspace MMIO": ["linux-4.15.1", "linux-5.0.1", "linux-5.11"],
    "HVC": ["linux-4.15.1", "linux-5.0.1", "linux-6.1.192"],
    "MMIO then signal": ["linux-5.11", "linux-5.15", "linux-6.14"],
    "guest steps itself over MMIO": ["linux-5.0.1"],
}
RIGHT_BROUGHT = {
    "linux-4.15.1": "RAM stage-2 fault",
    "linux-5.0.1": "userspace MMIO",
    "linux-5.15": "MMIO then signal",
}
RIGHT_ERAS = {1: "A", 2: "C", 3: "E", 4: "B"}
Event = dict[str, Any]


def pc_of(event: Event, before: int) -> int:
    return int(event["registers"].get("pc", hex(before)), 16)


def reader(
    is_stop: Callable[[Event], bool],
    pc: Callable[[Event, int], int] = pc_of,
    result: Callable[[int, int], Any] = lambda pc, start: (pc - start) // 4,
    same: bool = True,
) -> Callable[[list[Event], int], Any]:
    def steps(events: list[Event], start: int) -> Any:
        now, there = 0x4000_0000, False
        for event in events:
            if event["op"] != "KVM_RUN":
                continue
            now = pc(event, now)
            if is_stop(event):
                if there and (same or now != start):
                    return result(now, start)
                there = there or now == start
        return -1

    return steps


def debug(event: Event) -> bool:
    return event["exit_reason"] == "DEBUG" and event["errno"] == 0


def first_stop_behind(events: list[Event], start: int) -> int:
    """Written in another way: the list of stops first."""
    stops, now = [], 0
    for event in events:
        if event["op"] == "KVM_RUN":
            now = pc_of(event, now)
            stops += [now] * debug(event)
    return (stops[stops.index(start) + 1] - start) // 4


def in_time(trace: tuple[Any, ...]) -> bool:
    return any(one.pc == 0x4000_0008 and one.reason == "DEBUG" for one in trace)


def faked(seen: Case) -> bool:
    return any(one.hsr == 0xC800_0000 for one in seen.store)


def era(seen: Case) -> str:
    if faked(seen):
        return "B"
    if not in_time(seen.store):
        return "C" if 0x4000_0038 in seen.guest else "A"
    if any(one.pstate & SS for one in seen.store):
        return "D"
    return "F" if in_time(seen.signal) else "E"


def but(condition: Callable[[Case, str], bool], letter: str) -> Callable[[Case], str]:
    def wrong(seen: Case) -> str:
        found = era(seen)
        return letter if condition(seen, found) else found

    return wrong


def early(seen: Case) -> bool:
    return any(one.reason == "MMIO" and one.pc == 0x4000_0008 for one in seen.store)


def history(title: str, *kernels: str) -> dict[str, list[str]]:
    return RIGHT_HISTORY | {title: [f"linux-{kernel}" for kernel in kernels]}


def endless(events: list[Event], start: int) -> int:
    while True:
        pass


WRONG: list[tuple[str, Any, str, str]] = [
    ("steps", reader(lambda e: e["errno"] == 0), "a question to userspace", "mmio-is-done"),
    ("steps", reader(debug, pc=lambda e, _: int(e["registers"]["pc"], 16)), "keep the last", ""),
    (
        "steps",
        reader(debug, pc=lambda e, _: int(e["registers"].get("pc", "0"), 16)),
        "goes backwards",
        "",
    ),
    ("steps", reader(debug, same=False), "A stop at the same place is a stop", ""),
    ("steps", reader(debug, result=lambda pc, start: pc - start), "bytes", ""),
    ("steps", reader(debug, result=lambda pc, start: pc), "an address", ""),
    ("steps", reader(debug, result=lambda pc, start: (pc - start) // 4 - 1), "Off by one", ""),
    ("steps", lambda events, start: 1, "Not what the recordings say", ""),
    ("steps", lambda events, start: len(events), "Not what the recordings say", ""),
    ("steps", reader(debug, result=lambda pc, start: (pc - start) / 4), "a whole number", ""),
    ("steps", endless, "did not end", ""),
    ("steps", 2, "asks for a function", ""),
    ("history", history("userspace MMIO", "5.0.1"), "does not last", "clear-anywhere"),
    ("history", history("userspace MMIO", "4.15.1"), "Somewhere the row becomes wrong again", ""),
    ("history", history("userspace MMIO", "4.15.1", "5.0.1"), "becomes right again", ""),
    (
        "history",
        history("userspace MMIO", "4.15.1", "5.0.1", "5.11", "6.1.192"),
        "in linux-6.1.192 the row is right, and in linux-5.15 it was right",
        "",
    ),
    ("history", history("userspace MMIO", "4.4.60", "4.15.1"), "the first recording", ""),
    (
        "history",
        history("HVC", "4.15.1", "5.0.1", "5.11"),
        "an HVC is not skipped",
        "interrupts-do-not-matter",
    ),
    ("history", history("HVC", "4.15.1", "5.0.1"), "becomes right again", ""),
    ("history", history("MMIO then signal", "4.15.1", "5.11"), "although a signal is", ""),
    ("history", history("MMIO then signal", "5.11"), "becomes wrong again", ""),
    (
        "history",
        history("guest steps itself over MMIO", "4.15.1", "5.0.1", "5.11"),
        "one change only",
        "",
    ),
    ("history", history("HVC", "4.2"), "not recorded", ""),
    ("history", ["linux-5.0.1"], "a dictionary", ""),
    ("brought", RIGHT_BROUGHT | {"linux-4.15.1": "userspace MMIO"}, "fixed. What did it break", ""),
    (
        "brought",
        RIGHT_BROUGHT | {"linux-5.0.1": "PC seen at KVM_EXIT_MMIO"},
        "fixed. What did it break",
        "",
    ),
    ("brought", RIGHT_BROUGHT | {"linux-5.15": "HVC"}, "did not break it", ""),
    ("brought", RIGHT_BROUGHT | {"linux-5.0.1": "ordinary instruction"}, "both sides", ""),
    (
        "brought",
        RIGHT_BROUGHT | {"linux-4.15.1": "ext. abort injected at MMIO exit"},
        "not recorded",
        "",
    ),
    ("brought", RIGHT_BROUGHT | {"linux-5.15": "skip_applied"}, "is no row", ""),
    ("detective", RIGHT_ERAS | {1: "C"}, "it was fixed in 5.0", ""),
    ("detective", RIGHT_ERAS | {2: "A"}, "it was fixed in 5.0", ""),
    ("detective", RIGHT_ERAS | {3: "D"}, "what you see is the host's", "shows-host-ss"),
    ("detective", RIGHT_ERAS | {3: "F"}, "survives", ""),
    ("detective", RIGHT_ERAS | {3: "A"}, "in time", ""),
    ("detective", RIGHT_ERAS | {1: "E"}, "the stop is late", ""),
    ("detective", RIGHT_ERAS | {4: "D"}, "no CPU writes that", ""),
    ("detective", RIGHT_ERAS | {2: "B"}, "a CPU has written", ""),
    ("detective", RIGHT_ERAS | {1: "4.14"}, "the eras are", ""),
    ("era", lambda seen: "B" if faked(seen) else "A" if early(seen) else "C", "stable", ""),
    ("era", but(lambda seen, found: found == "A" and not early(seen), "C"), "it was fixed", ""),
    ("era", but(lambda seen, found: found == "B", "D"), "no CPU writes that", ""),
    ("era", but(lambda seen, found: found == "D", "E"), "Bit 21", "shows-host-ss"),
    ("era", but(lambda seen, found: found in "EF", "D"), "Bit 21", "shows-host-ss"),
    ("era", but(lambda seen, found: found == "E", "F"), "survives", ""),
    ("era", but(lambda seen, found: found == "C", "F"), "the stop is late", ""),
    ("era", lambda seen: "5.0", "the eras are", ""),
    ("era", lambda seen: seen.nothing, "raised AttributeError", ""),
]


OPEN: list[tuple[str, Any]] = [
    ("steps", lambda events, start: None),
    ("steps", None),
    ("history", dict.fromkeys(HISTORY)),
    ("history", {title: [] for title in HISTORY}),
    ("brought", dict.fromkeys(BORDERS)),
    ("detective", dict.fromkeys(RIGHT_ERAS)),
    ("detective", {}),
    ("era", lambda seen: None),
]


RIGHT: list[tuple[str, Any]] = [
    ("steps", reader(debug)),
    ("steps", first_stop_behind),
    ("history", RIGHT_HISTORY),
    ("history", {title: museum.changes(title) for title in HISTORY}),
    ("history", RIGHT_HISTORY | {"guest steps itself over MMIO": "5.0.1"}),
    ("history", {t: {k.replace("linux-", "v") for k in ks} for t, ks in RIGHT_HISTORY.items()}),
    ("brought", RIGHT_BROUGHT),
    ("brought", RIGHT_BROUGHT | {"linux-5.0.1": "immediate_exit, no stepping: insn lost?"}),
    ("brought", RIGHT_BROUGHT | {"linux-5.15": "MMIO then immediate_exit"}),
    ("detective", {n: letter.lower() for n, letter in RIGHT_ERAS.items()}),
    ("era", era),
    (
        "era",
        lambda seen: (
            "B"
            if any("c8" in hex(one.hsr or 0) for one in seen.signal)
            else "AC"[0x4000_0038 in seen.guest]
            if seen.store[2].hsr == 0xCB00_0022
            else "D"
            if seen.store[1].pstate & SS
            else "EF"[len(seen.signal) > 4]
        ),
    ),
]


def test_a_learner_cannot_change_a_recording() -> None:
    museum.recorded("linux-5.4", "b_str").events[1]["registers"].clear()
    assert museum.recorded("linux-5.4", "b_str").events[1]["registers"]


def test_the_recorded_matrix_is_the_simulated_one() -> None:
    assert museum.recorded_cells() == museum.simulated_cells()


def test_the_first_sixteen_cases_are_all_kernels_once() -> None:
    assert sorted(map(suspect, range(1, 17))) == sorted(museum.real_kernels())
    assert case(1).rows == case(17).rows


def test_every_era_has_a_recorded_kernel() -> None:
    assert {museum.era_of(kernel) for kernel in museum.real_kernels()} == set(ERAS)


def test_a_case_does_not_say_its_kernel() -> None:
    assert "linux" not in repr(case(2)) + case(2)._repr_html_()
    assert "stops" in repr(case_of("linux-5.4"))


def test_the_strips_find_the_stops_that_are_missing() -> None:
    figure = store_strips(["linux-4.4.60", "linux-6.14"])
    assert [row[2] for row in figure.rows] == ["0x40000008", ""]


def test_the_matrix_says_so_when_a_cell_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    other = museum.recorded_cells() | {("HVC", "linux-5.4"): "7"}
    monkeypatch.setattr(museum, "simulated_cells", lambda folders: other)
    assert "In 283 of 284" in Matrix().sentence
    assert Matrix().rows[5][8] == "2; simulated 7"
    assert Matrix().png()


def test_a_code_is_short() -> None:
    cells = [museum.recorded_cells(folders) for folders in (museum.FIRST, museum.NEWER)]
    assert all(len(code(cell)) <= 3 for some in cells for cell in some.values())


def test_the_newer_kernels_and_the_what_ifs_have_a_matrix_of_their_own() -> None:
    assert museum.recorded_cells(museum.NEWER) == museum.simulated_cells(museum.NEWER)
    newer = Matrix(museum.NEWER)
    assert sum(name.startswith("linux-") for name in newer.header) == 6
    assert sum(name.startswith("what-if-7.3.4-") for name in newer.header) == 6
    assert "12 real kernels" in newer.sentence
    assert newer.svg()


def test_a_life_ends_after_it_began() -> None:
    assert all(life.came.year < life.went.year for life in museum.lives())
    assert "5 commits end one bar and begin another" in Lives().sentence
