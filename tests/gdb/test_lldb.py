"""A real lldb on the server: it reads the target description, steps, and sees the same stops as gdb."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from aarch64sim import Debugger
from aarch64sim.debug.stops import EXCLUSIVE
from tests.debug.programs import STORE

from .gdbtools import served

LLDB = shutil.which("lldb")
pytestmark = pytest.mark.skipif(
    LLDB is None, reason="by design: lldb is an extra, half a gigabyte (apt install lldb)"
)


def lldb(port: int, *commands: str) -> str:
    """What lldb prints on these commands, once attached."""
    assert LLDB
    line = [LLDB, "--no-lldbinit", "--batch", "-o", f"gdb-remote {port}"]
    for command in commands:
        line += ["-o", command]
    done = subprocess.run(
        line, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    return done.stdout


def register(output: str, name: str) -> list[int]:
    """Every value that `register read` printed for `name`."""
    return [int(value, 16) for value in re.findall(rf"^ *{name} = (0x\w+)", output, re.MULTILINE)]


@pytest.mark.parametrize(("kernel", "behind"), [("v4.3", 0x4000_000C), ("fixed", 0x4000_0008)])
def test_it_steps_and_stops_where_the_kernel_says(kernel: str, behind: int) -> None:
    with served(Debugger(STORE, kernel)) as server:
        output = lldb(server.port, "si", "register read pc", "si", "register read pc x1")
    assert register(output, "pc") == [0x4000_0004, behind]
    assert register(output, "x1") == [int(kernel == "v4.3")]


def test_it_reads_and_writes_registers_and_memory() -> None:
    debugger = Debugger(STORE)
    with served(debugger) as server:
        output = lldb(
            server.port,
            "register read x19 sp cpsr mdscr_el1",
            "register write x7 0x1122",
            "memory write -s 4 0x40005000 0x5566",
            "memory read -s 4 -f x -c 1 0x40005000",
            "process detach",
        )
    assert register(output, "x19") == [0x0900_0000]
    assert register(output, "sp") == [0x4001_0000]
    assert register(output, "cpsr") == [0x3C5]
    assert register(output, "mdscr_el1") == [0]
    assert "0x40005000: 0x00005566" in output
    assert debugger.registers["x7"] == 0x1122


def test_it_stops_at_a_breakpoint_and_detaches() -> None:
    debugger = Debugger(STORE, "v4.3")
    with served(debugger) as server:
        output = lldb(
            server.port,
            "breakpoint set -a 0x40000008",
            "continue",
            "register read pc x1",
            "process detach",
        )
    assert "breakpoint 1.1" in output
    assert register(output, "pc") == [0x4000_0008]
    assert register(output, "x1") == [0]
    assert not debugger.breakpoints


LOCK = """
    1: ldaxr w0, [x21]
    add w0, w0, #1
    stlxr w3, w0, [x21]
    cbnz w3, 1b
    str w20, [x20]
"""


def test_a_step_over_an_exclusive_pair_goes_wrong_and_says_why_and_a_run_does_not() -> None:
    with served(Debugger(LOCK)) as server:
        output = lldb(
            server.port,
            *["si"] * 4,
            "register read pc x3",
            "breakpoint set -a 0x40000010",
            "continue",
            "register read pc x3",
        )
    assert EXCLUSIVE in output
    assert register(output, "pc") == [0x4000_0000, 0x4000_0010]
    assert register(output, "x3") == [1, 0]


@pytest.mark.parametrize(("kind", "stops"), [("write", 1), ("read_write", 2)])
def test_a_watchpoint_is_reported_with_the_old_and_the_new_value(kind: str, stops: int) -> None:
    source = "mov x0, #-1\nnop\nstr x0, [x21]\nnop\nldr x1, [x21]\nnop\nstr w20, [x20]"
    with served(Debugger(source)) as server:
        output = lldb(
            server.port,
            f"watchpoint set expression -w {kind} -s 4 -- 0x40004004",
            *["continue", "register read pc"] * stops,
            "continue",
        )
    assert output.count("Watchpoint 1 hit") == stops
    assert "old value: 0\nnew value: -1" in output
    assert register(output, "pc") == [0x4000_000C, 0x4000_0014][:stops]
    assert "The guest has ended" in output


def test_v_registers_are_read_and_written() -> None:
    debugger = Debugger("mov x0, #0x300000\nmsr cpacr_el1, x0\nisb\nstr q2, [x21]\nldr q1, [x21]")
    numbers = range(1, 17)
    with served(debugger) as server:
        output = lldb(
            server.port,
            f"register write v2 '{{{' '.join(map(str, numbers))}}}'",
            *["si"] * 5,
            "register read v1",
        )
    assert "v1 = {" + " ".join(f"0x{n:02x}" for n in numbers) + "}" in output


def test_stepping_a_guest_that_has_ended_comes_back() -> None:
    with served(Debugger("udf #0")) as server:
        output = lldb(server.port, "si", "si", "si", "register read pc")
    assert "no handler there" in output
    assert register(output, "pc") == [0x4000_1200]
