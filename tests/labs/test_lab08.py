"""Lab 08: every wrong answer gets its own message, every right one passes; the transcript is what gdb prints."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from checks import gdb_in_batch
from checks.gdb_in_batch import attach, clean, transcript
from checks.lab08 import LAB, QUESTIONS, visible
from checks.task import Lab

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "labs" / "08-attach-gdb.ipynb"
needs_gdb = pytest.mark.skipif(
    not gdb_in_batch.gdb_there(), reason="no gdb-multiarch here (apt install gdb-multiarch)"
)

LATE, RIGHT_STOPS = [0x40000004, 0x4000000C, 0x40000010], [0x40000004, 0x40000008, 0x4000000C]
STOPS = {"v4.3": LATE, "v5.0": LATE, "fixed": RIGHT_STOPS}
NUMBERS = dict(zip(QUESTIONS, (0, 1, 1, 2), strict=True))
GUEST, HOST, X1, BACK = QUESTIONS


def gaps(pcs: list[int]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in pairwise(pcs) if b - a > 4]


def by_a_loop(pcs: list[int]) -> tuple[int, ...]:
    found, pc = [], pcs[0]
    while pc < pcs[-1]:
        pc += 4
        if pc not in pcs:
            found.append(pc)
    return tuple(found)


WRONG: list[tuple[str, Any, str, str]] = [
    (
        "after_the_store",
        ["watch $pc==0x40000008", "continue"],
        "this very place is lost",
        "",
    ),
    ("where_stepi_stops", STOPS | {"v4.3": RIGHT_STOPS}, "forgets that a step is", "mmio-is-done"),
    ("where_stepi_stops", STOPS | {"v5.0": RIGHT_STOPS}, "sets SS again", "clear-anywhere"),
    ("where_stepi_stops", STOPS | {"fixed": LATE}, "the stops of v4.3", ""),
    (
        "where_stepi_stops",
        STOPS | {"fixed": [0x40000000, 0x40000004, 0x40000008]},
        "instructions that were stepped",
        "reports-stepped",
    ),
    (
        "where_stepi_stops",
        STOPS | {"v4.3": [0x40000004, 0x4000000C, 0x40000014]},
        "Only the store is emulated",
        "",
    ),
    ("where_stepi_stops", STOPS | {"v4.3": [4, 12, 16]}, "these are offsets", ""),
    ("where_stepi_stops", STOPS | {"v4.3": LATE[:2]}, "gives three addresses", ""),
    ("where_stepi_stops", STOPS | {"v4.3": ["4000000c"] * 3}, "Write 0x4000000c", ""),
    ("where_stepi_stops", STOPS | {"v4.3": 0x4000000C}, "a list of three", ""),
    ("where_stepi_stops", LATE, "asks for a dictionary", ""),
    ("after_the_store", ["stepi", "stepi"], "this is the late stop", "mmio-is-done"),
    (
        "after_the_store",
        ["stepi 2", "reverse-stepi"],
        "v4.3 has none between",
        "reports-stepped",
    ),
    (
        "after_the_store",
        ["break *0x40000004", "continue"],
        "an instruction at the PC has not run",
        "reports-stepped",
    ),
    ("after_the_store", ["set $pc = 0x40000008"], "skips the store", "skip-is-pc"),
    ("after_the_store", ["stepi 2", "set $pc = 0x40000008"], "the add has run already", ""),
    ("after_the_store", ["monitor kernel fixed", "stepi 2"], "changes the kernel to fixed", ""),
    ("after_the_store", ["continue"], "has run to its end", ""),
    ("after_the_store", ["stepi 3"], "stands at 0x40000010", ""),
    ("after_the_store", ["brake *0x40000008"], "stands at 0x40000000", ""),
    ("after_the_store", 0x40000008, "a list of gdb commands", ""),
    ("after_the_store", [0x40000008], "Each command is a text", ""),
    ("missing_stops", lambda pcs: [a for a, _ in gaps(pcs)], "stepped last", "reports-stepped"),
    ("missing_stops", lambda pcs: [b for _, b in gaps(pcs)], "the stop that came, late", ""),
    ("missing_stops", lambda pcs: [a + 4 for a, _ in gaps(pcs)], "one in each gap", "skip-is-pc"),
    ("missing_stops", lambda pcs: [], "there is no branch", "mmio-is-done"),
    ("missing_stops", lambda pcs: pcs[1:], "nothing is missing", ""),
    ("missing_stops", lambda pcs: list(range(pcs[0], pcs[-1], 2)), "nothing is missing", ""),
    (
        "missing_stops",
        lambda pcs: [pc for a, b in gaps(pcs) for pc in range(a + 2, b, 2)],
        "An instruction has 4 bytes",
        "",
    ),
    ("missing_stops", lambda pcs: len(pcs), "should return a list", ""),
    ("missing_stops", [0x40000008], "asks for a function", ""),
    ("what_gdb_shows", NUMBERS | {GUEST: 1}, "This is the guest's register", "shows-host-ss"),
    ("what_gdb_shows", NUMBERS | {HOST: 0}, "host wants steps", "ss0-is-off"),
    ("what_gdb_shows", NUMBERS | {X1: 0}, "the second is the add", "mmio-is-done"),
    ("what_gdb_shows", NUMBERS | {BACK: 1}, "undoes the whole step", ""),
    ("what_gdb_shows", [0, 1, 1, 2], "a dictionary", ""),
]


RIGHT: list[tuple[str, Any]] = [
    ("where_stepi_stops", STOPS),
    ("where_stepi_stops", {name: tuple(map(hex, pcs)) for name, pcs in STOPS.items()}),
    ("after_the_store", ["break *0x40000008", "continue"]),
    ("after_the_store", ("hbreak *0x40000008", "stepi", "stepi")),
    ("after_the_store", ["advance *0x40000008"]),
    ("after_the_store", "tbreak *0x40000008\ncontinue\n"),
    ("missing_stops", by_a_loop),
    ("missing_stops", lambda pcs: sorted(set(range(pcs[0], pcs[-1], 4)) - set(pcs))),
    ("what_gdb_shows", NUMBERS),
    ("what_gdb_shows", {name: NUMBERS[name] for name in reversed(NUMBERS)} | {GUEST: False}),
]


OPEN: list[tuple[str, Any]] = [
    ("where_stepi_stops", None),
    ("where_stepi_stops", dict.fromkeys(STOPS)),
    ("where_stepi_stops", STOPS | {"v5.0": None}),
    ("after_the_store", []),
    ("after_the_store", ""),
    ("missing_stops", lambda pcs: None),
    ("what_gdb_shows", dict.fromkeys(QUESTIONS)),
]


def test_the_visible_stops_are_those_of_the_recorded_kernel() -> None:
    assert visible("mma", "v4.3") == [0x40000000, 0x4000000C]
    assert visible("mma", "fixed") == [0x40000000, 0x40000004, 0x40000008, 0x4000000C]


# --- the session and its transcript ----------------------------------------------------------------------------------


@needs_gdb
def test_the_transcript_is_what_gdb_prints() -> None:
    committed = (ROOT / "labs" / "08-attach-gdb.md").read_text(encoding="utf-8")
    assert committed == transcript(), "run python labs/checks/gdb_in_batch.py"


@needs_gdb
def test_stepi_over_the_store_ends_two_instructions_later_under_v4_3_only() -> None:
    late, right = (attach("stepi", "stepi", kernel=kernel).text for kernel in ("v4.3", "fixed"))
    assert late.endswith("0x000000004000000c in ?? ()")
    assert right.endswith("0x0000000040000008 in ?? ()")


@needs_gdb
def test_a_session_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gdb_in_batch, "SECONDS", 0.5)
    monkeypatch.setattr(gdb_in_batch, "program", lambda name: "again: b again\n")
    verdict = LAB.judge("after_the_store", ["continue"])
    assert verdict.state == "wrong"
    assert "did not come to the end of its commands" in verdict.text


def test_without_gdb_a_session_and_a_check_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert attach("stepi").text == gdb_in_batch.NO_GDB
    assert asyncio.run(gdb_in_batch.beside(1, "stepi")) == gdb_in_batch.NO_GDB
    fresh = Lab("08", LAB.tasks)
    verdict = fresh.check("after_the_store", ["continue"])
    assert (verdict.state, verdict.text) == ("open", gdb_in_batch.NO_GDB)


def test_what_differs_between_two_gdbs_is_left_out() -> None:
    text = "warning: No executable has been specified and target does not support\n=> 0x4:\tmov\tx0, #0x41   \t// #65\n"
    assert clean(text) == "=> 0x4: mov     x0, #0x41"


@needs_gdb
def test_with_breakpoints_at_all_instructions_no_stop_is_lost() -> None:
    places = range(0x40000004, 0x4000001C, 4)
    breaks = [f"break *{place:#x}" for place in places]
    text = attach(*breaks, *["continue"] * len(places), kernel="v4.3").text
    assert [int(pc, 16) for pc in re.findall(r"^Breakpoint \d+, (0x\w+)", text, re.M)] == [*places]
