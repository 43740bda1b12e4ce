"""Where a run is to go, as it is written; what the history is marked with; starting over with a patch."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aarch64sim import AssemblyError, Debugger
from aarch64sim.debug.landmarks import MOST, STOP, Landmarks
from aarch64sim.vmm import Machine
from aarch64sim.vmm.machine import ExitRecord

from .programs import STORE

COUNT = "mov x0, #0\nloop: add x0, x0, #1\nstr x0, [x21]\nldr w2, [x19, #0x18]\nb loop"


def go(debugger: Debugger, text: str, limit: int = 200) -> bool:
    to = debugger.destination(text)
    debugger.run_slice(limit, to=to)
    return to.reached(debugger)


@pytest.mark.parametrize(
    ("text", "pc"),
    [
        ("loop", 0x4000_0004),
        ("loop+4", 0x4000_0008),
        ("line 4", 0x4000_000C),
        ("0x40000010", 0x4000_0010),
        ("exit mmio", 0x4000_0010),
        ("MMIO", 0x4000_0010),
        ("KVM_EXIT_MMIO", 0x4000_0010),
        ("DEBUG", 0x4000_0004),
        ("x0 == 3", 0x4000_0008),
        ("x0 >= 3", 0x4000_0008),
        ("[0x40004000] != 0", 0x4000_000C),
        ("[x21] == 2", 0x4000_000C),
        ("pc == loop", 0x4000_0004),
        ("2 < x0", 0x4000_0008),
    ],
)
@pytest.mark.parametrize("kernel", ["v5.11", "fixed"])
def test_a_run_goes_where_it_is_sent(kernel: str, text: str, pc: int) -> None:
    debugger = Debugger(COUNT, kernel)
    assert go(debugger, text)
    assert debugger.last.pc == pc


def test_a_condition_that_never_holds_is_not_reached() -> None:
    debugger = Debugger(STORE)
    assert not go(debugger, "x7 == 1")
    assert debugger.ended


def test_a_condition_sees_memory_without_breakpoints() -> None:
    debugger = Debugger(COUNT)
    debugger.add_breakpoint("loop")
    word = int.from_bytes(debugger.read_memory(0x4000_0004, 8), "little")
    assert go(debugger, f"[loop] == {word}", 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write where to"),
        ("nowhere", "no label, no line and no address"),
        ("line 99", "line 99 has no instruction"),
        ("0x3", "no instruction can be at 0x3"),
        ("exit tea", "KVM_RUN has no exit 'TEA'"),
        ("x2 ==", "no label"),
        ("x99 == 1", "is no register, no number"),
        ("[tea] == 1", "no label"),
        ("x2 == <b>", "is no register"),
    ],
)
def test_what_is_no_destination_says_what_one_is(text: str, says: str) -> None:
    debugger = Debugger(STORE)
    with pytest.raises(ValueError, match=says):
        debugger.destination(text)
    assert debugger.position == 0


# Marks


def test_device_accesses_and_stops_are_marked_whether_watched_or_not() -> None:
    stepped, ran = Debugger(STORE, "fixed"), Debugger(STORE, "fixed")
    for debugger in (stepped, ran):
        debugger.add_breakpoint(0x4000_0010)
    while not stepped.ended:
        stepped.step()
    while not ran.ended:
        ran.run()
    exits = [n for n in range(1, stepped.length + 1) if "MMIO" in map_reasons(stepped, n)]
    for debugger in (stepped, ran):
        assert debugger.marks.steps("MMIO") == exits
        assert debugger.marks.steps(STOP) == [4, stepped.length]
        assert debugger.marks.at(stepped.length) == ("MMIO", STOP)
        assert debugger.marks.at(3) == ()


def map_reasons(debugger: Debugger, number: int) -> list[str]:
    return [record.reason for record in debugger.stop_at(number).exits]


def test_marks_of_a_forgotten_future_are_forgotten() -> None:
    debugger = Debugger(STORE, "fixed")
    debugger.run()
    debugger.goto(1)
    debugger.set_register("x1", 7)
    assert debugger.marks.steps("MMIO") == []
    assert debugger.marks.steps(STOP) == []


def test_marks_are_bounded_and_spread_over_the_whole_history() -> None:
    marks = Landmarks()
    for step in range(1, 50_001):
        marks.note(step, [ExitRecord("MMIO", 0, "")], stopped=False)
    steps = marks.steps("MMIO")
    assert MOST / 2 <= len(steps) <= MOST
    assert steps[0] == 1
    assert steps[-1] > 49_500
    assert max(b - a for a, b in pairwise(steps)) < 50_000 / (MOST / 4)


# Many records at once, and any event


def test_records_of_a_stretch_are_those_of_its_steps() -> None:
    debugger = Debugger(COUNT)
    debugger.run(50)
    assert debugger.records(11, 20) == [debugger.record(n) for n in range(11, 21)]
    assert debugger.position == 50


def test_the_cursor_can_be_put_to_any_event_and_goes_on_from_there() -> None:
    debugger = Debugger(STORE, "fixed")
    debugger.step()
    last = len(debugger.events_of(1)) - 1
    assert debugger.look_at(last).index == last
    following = debugger.phase_forward()
    assert following is not None
    assert (following.step, following.index) == (2, 0)
    with pytest.raises(IndexError, match="there is no event 99"):
        debugger.look_at(99)


# Starting over


def test_a_restart_keeps_the_patch_unless_told_otherwise() -> None:
    made: list[Machine] = []
    debugger = Debugger(STORE, "v4.3", patch=made.append)
    assert made == [debugger.machine]
    debugger.restart("fixed")
    assert made[-1] is debugger.machine
    debugger.restart("v5.0", patched=False)
    assert len(made) == 2
    assert not debugger.patched
    debugger.restart(patched=True)
    assert made[-1] is debugger.machine


def test_a_restart_with_another_program_keeps_the_breakpoints_that_it_has() -> None:
    debugger = Debugger(STORE, "fixed")
    debugger.add_breakpoint(0x4000_0004)
    debugger.add_breakpoint(0x4000_0010)
    debugger.restart(program="nop\nnop\nb .")
    assert debugger.breakpoints == {0x4000_0004}
    assert debugger.run().pc == 0x4000_0004


@pytest.mark.parametrize(
    ("program", "error"), [("bogus", AssemblyError), (".org 0x3000000\nnop", OSError)]
)
def test_a_program_that_is_none_leaves_everything_as_it_was(
    program: str, error: type[Exception]
) -> None:
    debugger = Debugger(STORE, "v4.3", uart_input=b"a")
    debugger.run(2)
    before = debugger.program, debugger.kernel, debugger.position, debugger.registers
    with pytest.raises(error):
        debugger.restart("fixed", program=program)
    assert (debugger.program, debugger.kernel, debugger.position, debugger.registers) == before
