"""A real lldb on the server: it reads the target description, steps, and sees the same stops as gdb."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from aarch64sim import Debugger
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
