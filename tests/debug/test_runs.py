"""A run enters the guest freely, is one move, and every instruction of it can be reached again."""

from __future__ import annotations

import pytest

from aarch64sim import Debugger, kernels
from aarch64sim.debug import HistoryError
from aarch64sim.debug.open_track import SLICE
from aarch64sim.debug.stops import EXCLUSIVE
from aarch64sim.limits import LIMITS

from .programs import ERAS, MIXTURE, STORE

ATOMIC = """
        mov     x5, #3
1:      ldaxr   w0, [x21]
        add     w0, w0, #1
        stlxr   w3, w0, [x21]
        cbnz    w3, 1b
        subs    x5, x5, #1
        b.ne    1b
done:   str     w20, [x20]
"""
COUNT = "mov x0, #0\nloop: add x0, x0, #1\nstr x0, [x21]\nb loop"
NO_HANDLER = "mov x0, #1\nudf #0"


@pytest.mark.parametrize("kernel", list(kernels))
def test_a_load_and_a_store_exclusive_go_through_in_every_era(kernel: str) -> None:
    moves = [
        lambda d: d.continue_(),
        lambda d: d.run_to("done"),
        lambda d: d.run_until(lambda d: d.registers["x5"] == 0),
        lambda d: d.run_to_exit("MMIO"),
    ]
    for move in moves:
        debugger = Debugger(ATOMIC, kernel)
        move(debugger)
        assert debugger.read_memory(0x4000_4000, 4) == b"\3\0\0\0"
        assert debugger.position < 25


def test_a_row_of_steps_never_leaves_the_loop_and_says_why() -> None:
    stop = Debugger(ATOMIC, by_steps=True).continue_(limit=400)
    assert stop.reason == "limit"
    assert "clears the exclusive monitor" in stop.text
    debugger = Debugger(ATOMIC)
    assert [debugger.step().after_exclusive for _ in range(3)] == [False, True, False]


@pytest.mark.parametrize("kernel", ERAS)
def test_a_stop_between_a_load_and_a_store_exclusive_says_that_the_monitor_is_lost(
    kernel: str,
) -> None:
    debugger = Debugger(ATOMIC, kernel)
    debugger.add_breakpoint(0x4000_0008)
    assert [debugger.run().after_exclusive for _ in range(3)] == [True] * 3
    assert debugger.exclusives == 3
    for kind in ("write", "access"):
        debugger = Debugger(ATOMIC, kernel)
        debugger.watch(0x4000_4000, 4, kind)
        for _ in range(3):
            stop = debugger.run()
            assert (EXCLUSIVE in stop.text) == (kind == "write")
            assert stop.after_exclusive == (kind == "access")
            debugger.goto(0)
            debugger.goto(debugger.length)
            assert debugger.last == stop


@pytest.mark.parametrize(("mode", "said"), [(0x10, True), (0x3, False)])
def test_a_return_to_aarch32_names_the_limit(mode: int, said: bool) -> None:
    source = f"mov x0, #{mode}\nmsr spsr_el1, x0\nadr x0, 1f\nmsr elr_el1, x0\neret\n1: nop"
    debugger = Debugger(source)
    texts = [debugger.step().text for _ in range(5)]
    assert (str(LIMITS["aarch32"]) in texts[-1]) == said
    assert not any("AArch32" in text for text in texts[:-1])
    assert "AArch32" not in debugger.step().text


def test_a_run_that_comes_to_its_limit_says_so() -> None:
    for by_steps in (False, True):
        stop = Debugger("b .", by_steps=by_steps).continue_(limit=50)
        assert stop.reason == "limit"
        assert "limit of 50" in stop.text


@pytest.mark.parametrize("source", [STORE, COUNT, MIXTURE])
def test_inside_a_run_the_guest_is_as_it_is_after_so_many_steps(source: str) -> None:
    ran, stepped = Debugger(source, uart_input=b"ab"), Debugger(source, uart_input=b"ab")
    ran.run(150)
    for number in range(1, ran.length + 1):
        stepped.step()
        ran.goto(number)
        assert ran.registers["pc"] == stepped.registers["pc"], number
        assert ran.registers == stepped.registers, number
        assert ran.read_memory(0x4000_4000, 64) == stepped.read_memory(0x4000_4000, 64)


def test_a_run_is_one_move() -> None:
    debugger = Debugger(COUNT)
    debugger.step()
    debugger.add_breakpoint("loop+8")
    debugger.run()
    debugger.run()
    assert [stop.pc for stop in debugger.stops] == [0x4000_0000, 0x4000_0004] + [0x4000_000C] * 2
    assert [stop.reason for stop in debugger.stops][2:] == ["breakpoint", "breakpoint"]


def test_inside_a_run_each_instruction_has_its_events_and_changes() -> None:
    debugger = Debugger(COUNT)
    debugger.run(9)
    assert [record.changes.get("x0") for record in debugger.records(1, 8)] == [
        None, (0, 1), None, None, (1, 2), None, None, (2, 3)
    ]  # fmt: skip
    assert [event.what for event in debugger.events_of(5)] == ["retire"]
    assert debugger.stop_at(5).reason == "run"
    assert debugger.position == 9


def test_a_step_from_inside_a_run_ends_the_run_there() -> None:
    debugger = Debugger(COUNT)
    debugger.run(30)
    debugger.goto(11)
    assert debugger.step().pc == 0x4000_000C
    assert debugger.length == 12
    for number in (12, 3, 11, 12, 0, 12):
        debugger.goto(number)
        assert debugger.registers["x0"] == (number + 1) // 3
    debugger.goto(7)
    debugger.set_register("x0", 100)
    debugger.run(3)
    assert debugger.registers["x0"] == 101
    debugger.goto(9)
    assert debugger.registers["x0"] == 101


def test_a_long_run_is_reached_anywhere() -> None:
    debugger = Debugger(COUNT)
    debugger.run(3 * SLICE + 500)
    for number in (SLICE - 1, SLICE, SLICE + 1, 2 * SLICE + 3, 7, 3 * SLICE + 500):
        debugger.goto(number)
        assert debugger.registers["x0"] == (number + 1) // 3
    assert [stop.number for stop in debugger.stops] == [0, 3 * SLICE + 500]
    assert debugger.last_write("x0").step == 3 * SLICE + 500
    assert debugger.last_write("x0").new == SLICE + 500 // 3 + 1


@pytest.mark.parametrize("kernel", ERAS)
def test_who_changed_this_is_found_inside_a_run(kernel: str) -> None:
    debugger = Debugger(ATOMIC, kernel)
    debugger.run()
    write = debugger.last_write(0x4000_4000)
    assert (write.pc, write.old, write.new) == (0x4000_000C, 2, 3)
    assert debugger.position == write.step
    assert debugger.last_write(0x4000_4000, before=write.step).old == 1
    debugger.add_breakpoint("done")
    debugger.goto(debugger.length)
    debugger.watch(0x4000_4000)
    assert debugger.reverse_continue().pc == debugger.program.symbols["done"]
    assert debugger.reverse_continue().number == write.step


def test_a_run_stops_at_both_kinds_of_breakpoints_and_at_watched_accesses() -> None:
    debugger = Debugger(COUNT)
    debugger.add_breakpoint("loop", hardware=True)
    debugger.add_breakpoint("loop+8")
    watchpoint = debugger.watch(0x4000_4000)
    stops = [debugger.run() for _ in range(6)]
    assert [(s.pc & 0xFF, s.reason) for s in stops] == [
        (4, "breakpoint"), (12, "watchpoint"), (4, "breakpoint"),
        (12, "watchpoint"), (4, "breakpoint"), (12, "watchpoint"),
    ]  # fmt: skip
    assert "0x2 -> 0x3" in stops[-1].text
    debugger.unwatch(watchpoint)
    assert debugger.run().pc & 0xFF == 4


def test_a_condition_may_ask_where_the_guest_is_but_not_what_has_happened() -> None:
    debugger = Debugger(COUNT)
    assert debugger.run_until(lambda d: d.position == 7).number == 7
    assert debugger.run_until(lambda d: d.last.pc == 0x4000_0004).pc == 0x4000_0004
    with pytest.raises(HistoryError, match="the guest runs"):
        debugger.run_until(lambda d: bool(d.changes))


@pytest.mark.parametrize("by_steps", [False, True])
@pytest.mark.parametrize(
    ("source", "what"),
    [
        (NO_HANDLER, "UNDEFINED was raised at 0x40000004"),
        ("svc #0", "SVC was raised at 0x40000000"),
        ("mov x0, #1", "UNDEFINED was raised at 0x40000004"),
        ("mov x1, #1\nmsr vbar_el1, x1\nmov x2, #7\nlsl x2, x2, #60\nblr x2", "was raised at"),
    ],
)
def test_without_a_handler_one_sentence_says_what_was_raised_where(
    source: str, what: str, by_steps: bool
) -> None:
    debugger = Debugger(source, by_steps=by_steps)
    stop = debugger.continue_(limit=50_000)
    assert stop.reason == "error"
    assert what in stop.text
    assert "no handler there" in stop.text
    if by_steps:
        assert stop.number < 10
