"""Lab 07: every wrong answer gets its own message, every right one passes, and so does the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aarch64sim import Debugger, assemble
from widgets.models.diagram import STEP_MACHINE

from checks.lab07 import LOGS, SITUATIONS
from checks.lab07.guest import (
    GUEST_MACHINE,
    STEPPING,
    USER,
    guest,
    part_of,
    recorded_log,
    source,
    stop_strips,
    with_part,
)
from checks.museum import real_kernels

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "labs" / "source" / "07-when-the-guest-steps-itself.py"

SWITCH = "mov x0, #1\nmsr mdscr_el1, x0\n"
NO_GRANT = "mov x0, #0x3c0\nmsr spsr_el1, x0\n"
GRANT = "mov x0, #0x3c0\norr x0, x0, #0x200000\nmsr spsr_el1, x0\n"
ONE_MORE = "mrs x13, spsr_el1\norr x13, x13, #0x200000\nmsr spsr_el1, x13\neret\n"
ON = "add x12, x12, #4\nmsr elr_el1, x12\n"
MOVE = "mrs x12, elr_el1\nadd x12, x12, #4\nmsr elr_el1, x12\n"
CLEAR = "mrs x13, spsr_el1\nand x13, x13, #0xffffffffffdfffff\nmsr spsr_el1, x13\n"
OFF = "msr mdscr_el1, xzr\n"


def twice(first: str, second: str) -> str:
    """`first` at the first stop, `second` at the second one."""
    return f"cmp x10, #2\nb.ge second\n{first}\nsecond:\n{second}\n"


ALL = [USER + n for n in range(4, 0x1C, 4)]
LATE = [ALL[0], *ALL[2:]]
RIGHT_LOGS = {"v4.3": LATE, "v5.3": ALL, "debugged": []}
RIGHT_SS = dict(zip(SITUATIONS, (1, 0, 1), strict=True))
RIGHT_RELEASE = {"ran": 0, "stop": USER, "isv": 0}

WRONG: list[tuple[str, Any, str, str]] = [
    ("entry", SWITCH + GRANT, "the first one has run", "ss0-is-off"),
    ("entry", GRANT, "switched off", ""),
    ("entry", NO_GRANT, "switched off", ""),
    ("entry", SWITCH + NO_GRANT.replace("0x3c0", "0x3c5"), "steps nothing", "mdscr-alone"),
    ("entry", SWITCH + GRANT.replace("0x3c0", "0x3c5"), "steps nothing", "mdscr-alone"),
    ("entry", SWITCH + GRANT.replace("0x200000", "0x100000"), "something else", ""),
    ("entry", SWITCH + GRANT.replace("spsr_el1", "spsr_el9"), "does not assemble", ""),
    ("entry", ["mov x0, #1"], "a text with assembly", ""),
    ("finish", twice(ONE_MORE, "eret"), "does not switch stepping off", "ss0-is-off"),
    ("finish", "eret", "does not switch stepping off", "ss0-is-off"),
    ("finish", ONE_MORE, "stepped to its end", ""),
    ("finish", OFF + "eret", "too early", ""),
    ("finish", twice(ON + ONE_MORE, OFF + "eret"), "jumped over", "reports-stepped"),
    ("finish", twice(ONE_MORE, ON + OFF + "eret"), "jumped over", "reports-stepped"),
    ("finish", twice(ONE_MORE, OFF + "stay: b stay"), "Is there an ERET", ""),
    ("finish", ONE_MORE.replace("orr", "or"), "does not assemble", ""),
    ("logs", RIGHT_LOGS | {"v4.3": ALL}, "needs no debugger", ""),
    ("logs", RIGHT_LOGS | {"v5.3": LATE}, "arms only while the host steps", ""),
    ("logs", RIGHT_LOGS | {"debugged": ALL}, "it is never called", ""),
    ("logs", RIGHT_LOGS | {"v5.3": [USER, *ALL[:-1]]}, "goes on", "reports-stepped"),
    ("logs", RIGHT_LOGS | {"v5.3": ALL[:-1]}, "before the last instruction is missing", ""),
    ("logs", RIGHT_LOGS | {"v4.3": ALL[:1]}, "there are more stops", ""),
    ("logs", RIGHT_LOGS | {"v4.3": [4, 12, 16]}, "four bytes each", ""),
    ("logs", RIGHT_LOGS | {"v4.3": "0x40000104"}, "a list of addresses", ""),
    ("whose_ss", RIGHT_SS | {"host steps, fixed": 1}, "is the host's", "shows-host-ss"),
    ("whose_ss", dict.fromkeys(RIGHT_SS, 1), "is the host's", "shows-host-ss"),
    ("whose_ss", RIGHT_SS | {"guest alone, fixed": 0}, "still owed", "abort-saves-0"),
    ("whose_ss", RIGHT_SS | {"host steps, v5.3": 0}, "leaked", ""),
    ("whose_ss", RIGHT_SS | {"host steps, v5.3": "one"}, "0 or 1", ""),
    ("release", {"ran": 7, "stop": "never", "isv": 0}, "not off", "ss0-is-off"),
    ("release", {"ran": 1, "stop": USER + 4, "isv": 1}, "had survived", ""),
    ("release", {"ran": 2, "stop": USER + 8, "isv": 1}, "stands at", ""),
    ("release", {"ran": 1, "stop": USER, "isv": 1}, "nothing can have run", ""),
    ("release", {"ran": 0, "stop": USER, "isv": 1}, "ISV says", ""),
    ("release", {"ran": 0, "stop": "later", "isv": 0}, "an address", ""),
    ("skip", MOVE + "eret", "moves the PC and nothing else", "skip-is-pc"),
    ("skip", MOVE + "b resume", "The one that comes last counts", "clear-anywhere"),
    ("skip", MOVE + CLEAR + "b resume", "The one that comes last counts", "clear-anywhere"),
    ("skip", MOVE + OFF + "eret", "That is the switch", "clear-anywhere"),
    ("skip", CLEAR + "eret", "again and again", ""),
    ("skip", MOVE.replace("#4", "#8") + CLEAR + "eret", "never ran", ""),
    ("skip", MOVE + CLEAR + "b back", "does not assemble", ""),
]


OPEN: list[tuple[str, Any]] = [
    ("entry", "\n"),
    ("entry", "// soon\n"),
    ("finish", None),
    ("logs", dict.fromkeys(LOGS)),
    ("whose_ss", dict.fromkeys(SITUATIONS)),
    ("release", dict.fromkeys(RIGHT_RELEASE)),
    ("skip", ""),
]


RIGHT: list[tuple[str, Any]] = [
    ("entry", SWITCH + NO_GRANT),
    ("entry", SWITCH),  # SPSR_EL1 is 0 at the start: EL0, nothing granted
    ("entry", "msr spsr_el1, xzr\nmov x0, #0x2001\nmsr mdscr_el1, x0\nisb"),
    ("finish", twice(ONE_MORE, OFF + "eret")),
    (
        "finish",
        "ldr x13, =0x40000108\ncmp x12, x13\nmov x13, #0x200000\nb.ne 1f\nmov x13, #0\n"
        "msr mdscr_el1, x13\n1: msr spsr_el1, x13\neret",
    ),
    ("logs", {name: tuple(log) for name, log in RIGHT_LOGS.items()}),
    ("whose_ss", {name: bool(bit) for name, bit in RIGHT_SS.items()}),
    ("release", RIGHT_RELEASE | {"isv": False}),
    ("skip", CLEAR + MOVE + "eret"),
    ("skip", MOVE + "mov x13, #0x3c0\nmsr spsr_el1, x13\neret"),
    # The stop is reported at once, instead of by the CPU: the log is the same but for the syndrome.
    ("skip", MOVE + "b stop"),
]


def test_the_user_is_store_s() -> None:
    store = assemble((ROOT / "labs" / "programs" / "store.s").read_text(encoding="utf-8"))
    user = {a: w for a, w in assemble(source("step-user")).words() if USER <= a < USER + 0x100}
    assert list(user.values()) == [word for _, word in store.words()]


@pytest.mark.parametrize("name", ["step-user", "step-and-emulate"])
def test_a_part_can_be_taken_out_and_put_back(name: str) -> None:
    for part in ("grant", "resume") if name == "step-user" else ("skip",):
        assert with_part(name, part, part_of(name, part)) == source(name)


@pytest.mark.parametrize("kernel", real_kernels())
def test_the_simulated_guest_is_late_exactly_where_the_recorded_one_is(kernel: str) -> None:
    from aarch64sim.kvm import kernels

    recorded = [stop.elr for stop in recorded_log(kernel, "k_selfstep_mmio_guestonly")]
    missing = 0x4000_0038 not in recorded
    assert missing is (USER + 8 not in guest(kernels[kernel]).log)


def test_the_hosts_debugger_silences_the_guest() -> None:
    assert guest("v4.3", STEPPING).log == []
    debugger = Debugger(source("step-user"), "fixed")
    while not debugger.ended:
        debugger.step()
    assert debugger.registers["x10"] == 0


def test_the_guests_diagram_has_the_places_of_the_hosts() -> None:
    for ours, theirs in zip(GUEST_MACHINE.edges, STEP_MACHINE.edges, strict=True):
        assert (ours.name, ours.start, ours.end) == (theirs.name, theirs.start, theirs.end)


def test_the_late_step_takes_the_edge_with_the_cross() -> None:
    assert [leg.edge for leg in guest("v4.3").diagram(2).legs][3] == "skip-kept"
    assert [leg.edge for leg in guest("v5.3").diagram(2).legs][3] == "skip-cleared"


def test_the_strips_show_what_the_guest_was_not_told() -> None:
    assert [row[2] for row in stop_strips(("v4.3", "v5.0")).rows] == ["0x40000108", ""]
