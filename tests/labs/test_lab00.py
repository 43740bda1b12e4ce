"""The checks of lab 00: the reference passes, and each wrong answer is told what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from aarch64sim import kernels
from widgets import StepLab
from widgets.course import NoSuchFileError, exercises, program
from widgets.panel import controls

LAB = exercises("00")

OPEN: list[tuple[str, Any]] = [("three_in_one", "  \n")]

RIGHT: list[tuple[str, Any]] = [
    ("late_kernel", "v5.0"),
    ("late_kernel", "v5.3"),
    ("late_kernel", "5.3"),
    ("late_kernel", "v5.4"),
    ("late_kernel", "V5.10"),
    ("late_kernel", "Linux 5.3 - 5.4"),
    ("late_kernel", "linux-5.10.89"),
    ("late_kernel", kernels["v5.0"]),
    ("three_in_one", "mov x0, #0x41\nstr w0, [x19]\nstr w0, [x19]\nadd x1, x1, #1\nstr w20, [x20]"),
    ("three_in_one", "ldr w0, [x19]\nldr w1, [x19]\nnop\nstr w20, [x20]"),
    ("three_in_one", "strb w0, [x19]\nstrb w0, [x19]\nnop\nnop\nstr w20, [x20]"),
    ("nothing_stepped", 0x4000_0008),
    ("nothing_stepped", int("40000008", 16)),
]

WRONG: list[tuple[str, Any, str, str]] = [
    ("late_kernel", "v4.3", "not of the 5.x series", ""),
    ("late_kernel", "fixed", "'fixed' is not of the 5.x series", ""),
    ("late_kernel", "v5.11", "try an older one", ""),
    ("late_kernel", "5.99x", "Unknown kernel", ""),
    ("late_kernel", "linux-5.12", "try an older one", ""),
    ("late_kernel", 5.3, "write it in quotes", ""),
    ("three_in_one", "addd x0, x0, #1", "does not assemble", ""),
    (
        "three_in_one",
        "str w0, [x21]\nstr w0, [x21]\nadd x1, x1, #1\nb .",
        "RAM answers by itself",
        "",
    ),
    (
        "three_in_one",
        "str w0, [x19]\nadd x1, x1, #1\nadd x2, x2, #1\nstr w20, [x20]",
        "also emulated",
        "skip-is-pc",
    ),
    (
        "three_in_one",
        "str w0, [x19]\nstr w0, [x19]\nstr w0, [x19]\nadd x1, x1, #1\nstr w20, [x20]",
        "takes 4 instructions",
        "",
    ),
    ("three_in_one", 3, "asks for the text of a program", ""),
    (
        "nothing_stepped",
        0x4000_0004,
        "the CPU has stepped the instruction before",
        "reports-stepped",
    ),
    ("nothing_stepped", 0xCA00_0022, "is a syndrome", ""),
    ("nothing_stepped", 0x4000_0002, "never stops at", ""),
    ("nothing_stepped", "at 8", "asks for an address", ""),
]


def test_an_unknown_program_lists_the_known_ones() -> None:
    assert "str" in program("store")
    with pytest.raises(NoSuchFileError, match=r"there are .*store"):
        program("stoer")


def test_the_lab_names_every_key_of_the_panel() -> None:
    text = (Path(__file__).resolve().parents[2] / "labs/source/00-start-here.py").read_text("utf-8")
    table = [line for line in text.splitlines() if line.startswith("# |")]
    named = set(re.findall("`([^`]+)`", "\n".join(table)))
    assert set(controls.keys_of(*StepLab._keys)) <= named
