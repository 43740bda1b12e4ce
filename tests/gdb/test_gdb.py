"""A real gdb on the server: it sees what the recordings hold, and what every gdb does works."""

from __future__ import annotations

import re
import signal
import subprocess
import time

import pytest

from aarch64sim import Debugger
from aarch64sim.evidence.recording import load
from aarch64sim.evidence.walk_recording import Recorded, debugger_for
from aarch64sim.vmm.start import recordings_folder
from tests.debug.programs import ENDLESS, MIXTURE, STORE

from .gdbtools import GDB, PATIENCE, Client, gdb, needs_gdb, served, wait_for

pytestmark = needs_gdb
FOLDER = load(recordings_folder())
WATCHED = "start: mov x0, #7\nstr w0, [x21, #4]\nldr x1, [x21]\nnop\nnop\nstr w20, [x20]\n"


def printed(output: str) -> list[int]:
    """What the session printed with printf "=%#lx"."""
    return [int(value, 16) for value in re.findall(r"^=(0x[0-9a-f]+|0)$", output, re.MULTILINE)]


@pytest.mark.parametrize("scenario", ["a_alu", "b_str", "d_three", "f_mmio_svc", "o_sys_hvc"])
@pytest.mark.parametrize(
    "kernel",
    [
        "linux-4.4.60",
        "linux-4.15.1",
        "linux-5.0.1",
        "linux-5.4",
        "linux-5.15",
        "linux-6.12.117",
        "linux-7.1.5",
    ],
)
def test_stepi_stops_where_the_recorded_kernel_stopped(kernel: str, scenario: str) -> None:
    recording = next(FOLDER.recordings(kernel, scenario))
    recorded = Recorded(recording)
    stops = [recorded.goto(n).pc for n in range(1, recorded.length + 1)]
    with served(debugger_for(recording)) as server:
        commands = ["stepi", 'printf "=%#lx\\n", $pc'] * min(20, len(stops))
        output = gdb(server.port, *commands)
    assert printed(output) == stops[:20]


def test_breakpoints_watchpoints_and_reverse_steps() -> None:
    with served(Debugger(STORE, "v4.3")) as server:
        output = gdb(
            server.port,
            "break *0x40000008",
            "continue",
            'printf "=%#lx\\n", $pc',
            "hbreak *0x40000010",
            "continue",
            'printf "=%#lx\\n", $pc',
            "reverse-stepi",
            'printf "=%#lx\\n", $pc',
            "reverse-continue",
            'printf "=%#lx\\n", $pc',
            "reverse-continue",
            'printf "=%#lx\\n", $pc',
        )
    assert printed(output) == [0x4000_0008, 0x4000_0010, 0x4000_000C, 0x4000_0008, 0x4000_0000]
    assert "No more reverse-execution history" in output


def test_a_watchpoint_shows_old_and_new_value_both_ways() -> None:
    with served(Debugger(WATCHED, "v5.0")) as server:
        output = gdb(
            server.port,
            "watch *(int*)0x40004004",
            "continue",
            'printf "=%#lx\\n", $pc',
            "stepi",
            "stepi",
            "reverse-continue",
            'printf "=%#lx\\n", $pc',
            "delete",
            "rwatch *(long*)0x40004000",
            "continue",
            'printf "=%#lx\\n", $pc',
        )
    assert re.search(r"Old value = 0\s+New value = 7", output)
    assert re.search(r"Old value = 7\s+New value = 0", output)
    assert "Value = " in output
    assert printed(output)[:2] == [0x4000_0008, 0x4000_0004]
    assert printed(output)[2] == 0x4000_000C


def test_registers_and_memory_are_read_and_written() -> None:
    debugger = Debugger(STORE)
    with served(debugger) as server:
        output = gdb(
            server.port,
            "info registers mdscr_el1",
            "info registers cpsr",
            "p $x7 = 0x1122",
            "p $vbar_el1 = 0x40003000",
            "set *(int*)0x40005000 = 0x5566",
            "x/2i $pc",
            "p/x *(int*)0x40005000",
            "set *(int*)0x10 = 1",
        )
    assert re.search(r"mdscr_el1 +0x0 +\[ \]", output)
    assert re.search(r"cpsr +0x3c5 +\[ SP EL=1 F I A D", output)
    assert "mov\tx0, #0x41" in output
    assert "0x5566" in output
    assert "Cannot access memory at address 0x10" in output
    assert debugger.registers["x7"] == 0x1122
    assert debugger.registers["vbar_el1"] == 0x4000_3000


def test_monitor_changes_the_kernel_and_the_bug_is_gone() -> None:
    with served(Debugger(STORE, "v4.3")) as server:
        steps = ["stepi", "stepi", 'printf "=%#lx\\n", $pc']
        output = gdb(server.port, *steps, "monitor kernel fixed", *steps, "monitor events")
    assert printed(output) == [0x4000_000C, 0x4000_0008]
    assert "emulated instruction is skipped" in output


def test_gdb_detaches_and_comes_back_to_where_it_was() -> None:
    debugger = Debugger(STORE)
    with served(debugger) as server:
        gdb(server.port, "break *0x40000010", "stepi", "stepi", "detach")
        assert not debugger.breakpoints
        assert printed(gdb(server.port, 'printf "=%#lx\\n", $pc', "stepi")) == [0x4000_0008]
    assert debugger.position == 3


def test_a_second_gdb_is_told_why_it_is_refused() -> None:
    with served(Debugger(STORE)) as server, Client(server.port) as client:
        output = gdb(server.port, "info registers pc")
        assert "another gdb is attached to this guest" in output
        assert client.pc() == 0x4000_0000


def test_ctrl_c_interrupts_an_endless_loop() -> None:
    debugger = Debugger(ENDLESS)
    with served(debugger) as server:
        assert GDB
        line = [
            GDB,
            "-nx",
            "-batch",
            "-ex",
            "set architecture aarch64",
            "-ex",
            f"target remote 127.0.0.1:{server.port}",
        ]
        line += ["-ex", "continue", "-ex", 'printf "=%#lx\\n", $pc']
        with subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            wait_for(lambda: debugger.position >= 3000)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=PATIENCE)
    assert "SIGINT" in output
    assert printed(output)[0] in (0x4000_0000, 0x4000_0004)


def test_a_gdb_that_is_killed_in_mid_run_leaves_a_guest_that_stands() -> None:
    debugger = Debugger(ENDLESS)
    with served(debugger) as server:
        assert GDB
        line = [
            GDB,
            "-nx",
            "-batch",
            "-ex",
            f"target remote 127.0.0.1:{server.port}",
            "-ex",
            "continue",
        ]
        with subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            wait_for(lambda: debugger.position >= 3000)
            process.kill()
        wait_for(lambda: server.client is None)
        position = debugger.position
        time.sleep(0.05)
        assert debugger.position == position
        assert printed(gdb(server.port, 'printf "=%#lx\\n", $pc'))


def test_finish_of_a_long_program_and_a_walk_back_through_it() -> None:
    debugger = Debugger(MIXTURE)
    debugger.set_register("x22", 400)
    with served(debugger) as server:
        output = gdb(
            server.port,
            "continue",
            "reverse-stepi",
            "break *0x40001208",
            "reverse-continue",
            "p $x18",
        )
    assert "The guest has ended" in output
    assert "= 400" in output
