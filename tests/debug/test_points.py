"""Breakpoints and watchpoints are met in every era, and are not to be seen."""

from __future__ import annotations

import pytest

from aarch64sim import Debugger
from aarch64sim.debug import HistoryError
from aarch64sim.debug.points import Watchpoint

from .programs import ENDLESS, ERAS, MIXTURE, STORE

WATCHED = """
start:  mov     x0, #7
        str     w0, [x21, #4]
        ldr     x1, [x21]
        str     w20, [x20]
"""
OWN_BRK = """
start:  mov     x0, #1
        brk     #5
        add     x0, x0, #1
        str     w20, [x20]
        .org    0x1200
        mrs     x1, esr_el1
        mrs     x2, elr_el1
        add     x2, x2, #4
        msr     elr_el1, x2
        eret
"""


@pytest.mark.parametrize("kernel", ERAS)
@pytest.mark.parametrize("hardware", [False, True])
def test_a_breakpoint_behind_an_mmio_store_is_met(kernel: str, hardware: bool) -> None:
    debugger = Debugger(STORE, kernel)
    address = debugger.add_breakpoint(line=4, hardware=hardware)
    stop = debugger.continue_()
    assert (stop.pc, stop.reason) == (address, "breakpoint")
    assert debugger.registers["x1"] == 0
    end = debugger.continue_()
    assert end.reason == "exit"
    assert [debugger.registers[f"x{n}"] for n in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_without_the_breakpoint_the_old_kernel_steps_over_that_place() -> None:
    debugger = Debugger(STORE, "v4.3")
    debugger.run()
    assert 0x4000_0008 not in [stop.pc for stop in debugger.stops]


def test_planted_words_are_not_to_be_seen() -> None:
    debugger = Debugger(STORE, "v4.3")
    words = debugger.read_memory(0x4000_0000, 28)
    seen = []
    debugger.add_breakpoint("start+8")
    debugger.add_breakpoint("start+16")
    debugger.run_until(lambda d: seen.append(d.read_memory(0x4000_0000, 28)) is not None)
    debugger.run()
    assert set(seen) == {words}
    assert debugger.read_memory(0x4000_0000, 28) == words


def test_the_guest_that_reads_its_own_code_finds_the_planted_word_as_under_real_kvm() -> None:
    source = "start: ldr w1, there\nthere: nop\nstr w20, [x20]\n"
    debugger = Debugger(source)
    debugger.add_breakpoint("there")
    debugger.run()
    assert debugger.registers["x1"] == 0xD420_0000


def test_a_hardware_breakpoint_leaves_the_guests_code_alone() -> None:
    debugger = Debugger("start: ldr w1, there\nthere: nop\nstr w20, [x20]\n")
    debugger.add_breakpoint("there", hardware=True)
    assert debugger.run().reason == "breakpoint"
    assert debugger.registers["x1"] == 0xD503_201F


def test_code_that_the_guest_writes_over_a_breakpoint_stays() -> None:
    source = "start: ldr w1, word\nadr x2, there\nstr w1, [x2]\nb there\n there: brk #1\nstr w20, [x20]\nword: nop\n"
    debugger = Debugger(source)
    debugger.add_breakpoint("there")
    debugger.run(3)
    assert debugger.read_memory(debugger.program.symbols["there"], 4) == (0xD503_201F).to_bytes(
        4, "little"
    )


def test_a_loop_meets_its_breakpoint_each_time() -> None:
    debugger = Debugger(ENDLESS)
    debugger.add_breakpoint("start+4")
    for round_ in range(1, 5):
        assert debugger.continue_().reason == "breakpoint"
        assert debugger.registers["x0"] == round_


def test_stepping_on_with_other_breakpoints_forgets_the_future() -> None:
    debugger = Debugger(STORE, "v4.3", by_steps=True)
    debugger.run()
    debugger.goto(1)
    assert debugger.step().pc == 0x4000_000C
    assert debugger.length == 6
    debugger.goto(1)
    debugger.add_breakpoint(0x4000_0008)
    assert debugger.length == 6
    assert debugger.step().pc == 0x4000_0008
    assert debugger.length == 2


def test_a_known_step_keeps_the_breakpoints_it_was_made_with() -> None:
    debugger = Debugger(STORE, "v4.3")
    debugger.add_breakpoint(0x4000_0008)
    debugger.run()
    debugger.clear_points()
    debugger.goto(0)
    assert debugger.goto(2).pc == 0x4000_0008


@pytest.mark.parametrize("kernel", ERAS)
def test_a_watched_store_says_old_and_new_value(kernel: str) -> None:
    debugger = Debugger(WATCHED, kernel)
    debugger.write_memory(0x4000_4004, b"\x03")
    debugger.watch(0x4000_4004, 4)
    stop = debugger.continue_()
    assert stop.reason == "watchpoint"
    assert stop.text == "The instruction at 0x40000004 stored to 0x40004004: 0x3 -> 0x7."
    assert stop.pc == 0x4000_0008
    assert debugger.goto(stop.number) == stop
    assert debugger.continue_().reason == "exit"


@pytest.mark.parametrize("kernel", ERAS)
def test_the_watched_place_is_named_although_an_old_kernel_gives_the_address_of_the_last_abort(
    kernel: str,
) -> None:
    debugger = Debugger("str w1, [x21]\nstr w1, [x24]\nstr w22, [x21]\nstr w20, [x20]", kernel)
    debugger.run_to(0x4000_0008)
    debugger.watch(0x4000_4000, 4)
    stop = debugger.continue_()
    assert stop.text == "The instruction at 0x40000008 stored to 0x40004000: 0x0 -> 0x3."


def test_a_step_stops_in_front_of_the_watched_access_and_the_next_makes_it() -> None:
    debugger = Debugger(WATCHED)
    debugger.watch(0x4000_4000, 8, "read")
    stops = [debugger.step() for _ in range(4)]
    assert [stop.reason for stop in stops] == ["step", "step", "watchpoint", "watchpoint"]
    assert stops[2].text == "Stopped at 0x40000008, in front of a load from 0x40004000."
    assert stops[3].text == "The instruction at 0x40000008 loaded from 0x40004000: 0x700000000."


def test_a_watchpoint_that_was_removed_in_front_of_its_access_says_nothing_more() -> None:
    debugger = Debugger(WATCHED)
    watchpoint = debugger.watch(0x4000_4000)
    debugger.step()
    assert debugger.step().reason == "watchpoint"
    debugger.unwatch(watchpoint)
    assert debugger.continue_().reason == "exit"


def test_an_access_beside_the_watched_range_goes_by() -> None:
    debugger = Debugger(WATCHED)
    debugger.watch(0x4000_4000, 4)
    debugger.watch(0x4000_4008, 8, "access")
    assert debugger.continue_().reason == "exit"


@pytest.mark.parametrize("kernel", ["v4.3", "fixed"])
def test_a_device_access_is_watched_at_the_end_of_its_step(kernel: str) -> None:
    debugger = Debugger(STORE, kernel)
    debugger.watch(0x0900_0000, 4, mmio=True)
    stop = debugger.continue_()
    assert stop.reason == "watchpoint"
    assert stop.text == "Watched device access: 4-byte store of 0x41 to 0x9000000: uart."
    assert debugger.continue_().reason == "exit"


@pytest.mark.parametrize(
    ("address", "size", "pairs"),
    [
        (0x1000, 8, [(0x1000, 0, 0xFF)]),
        (0x1004, 4, [(0x1000, 0, 0xF0)]),
        (0x1003, 1, [(0x1000, 0, 0x08)]),
        (0x1006, 4, [(0x1000, 0, 0xC0), (0x1008, 0, 0x03)]),
        (0x1000, 4096, [(0x1000, 12, 0xFF)]),
        (0x1008, 24, [(0x1008, 0, 0xFF), (0x1010, 4, 0xFF)]),
    ],
)
def test_a_range_is_covered_by_watchpoint_registers(
    address: int, size: int, pairs: list[tuple[int, int, int]]
) -> None:
    found = Watchpoint(address, size).registers()
    assert [(value, control >> 24 & 31, control >> 5 & 0xFF) for value, control in found] == pairs


@pytest.mark.parametrize("kernel", ERAS)
def test_the_guests_own_brk_is_reported_and_then_given_back(kernel: str) -> None:
    debugger = Debugger(OWN_BRK, kernel)
    stop = debugger.continue_()
    assert (stop.pc, stop.reason) == (0x4000_0004, "breakpoint")
    assert "own BRK #0x5" in stop.text
    vector = debugger.step()
    assert vector.pc == 0x4000_1200
    assert [event.what for event in debugger.events_of(vector.number)] == ["inject", "stop"]
    assert debugger.registers["elr_el1"] == 0x4000_0004
    assert debugger.registers["esr_el1"] == 0xF200_0005
    end = debugger.continue_()
    assert end.reason == "exit"
    assert debugger.registers["x0"] == 2
    assert debugger.goto(vector.number) == vector
    assert debugger.goto(vector.number - 1) == stop


def test_a_breakpoint_on_the_guests_own_brk_does_not_swallow_it() -> None:
    debugger = Debugger(OWN_BRK)
    debugger.add_breakpoint("start+4")
    assert debugger.continue_().pc == 0x4000_0004
    assert debugger.step().pc in (0x4000_0004, 0x4000_1200)
    assert debugger.continue_().reason == "exit"
    assert debugger.registers["x0"] == 2


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ({"line": 99}, "line 99 has no instruction; the nearest line that has one is 8"),
        ({"where": "line 1"}, "line 1 has no instruction; the nearest line that has one is 2"),
        ({"where": "strat"}, "'strat' is no label, no line and no address; did you mean 'start'?"),
        ({"where": ""}, "'' is no label, no line and no address"),
        ({"where": 0x4000_0002}, "no instruction can be at 0x40000002"),
        ({"where": 0x10}, "no instruction can be at 0x10"),
        ({"where": -4}, "-4 is no address"),
        ({}, "say either where"),
    ],
)
def test_a_breakpoint_on_nothing_is_refused_in_one_sentence(
    place: dict[str, object], sentence: str
) -> None:
    debugger = Debugger(STORE)
    with pytest.raises(ValueError, match=sentence.replace("?", r"\?")):
        debugger.add_breakpoint(**place)  # type: ignore[arg-type]
    assert not debugger.breakpoints


def test_other_wrong_points_are_refused_in_one_sentence() -> None:
    debugger = Debugger(STORE)
    with pytest.raises(ValueError, match="there is no breakpoint at 0x40000000"):
        debugger.remove_breakpoint("start")
    with pytest.raises(ValueError, match="0x9000000 is no memory: use mmio=True for a device"):
        debugger.watch(0x0900_0000)
    with pytest.raises(ValueError, match="is memory: leave out mmio"):
        debugger.watch("start", mmio=True)
    with pytest.raises(ValueError, match="for write, read or access, not 'look'"):
        debugger.watch("start", kind="look")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 bytes"):
        debugger.watch("start", 0)
    with pytest.raises(ValueError, match="4 watchpoint registers"):
        debugger.watch(0x4000_4001, 0x1FFFE)
    for n in range(6):
        debugger.add_breakpoint(0x4000_0000 + 4 * n, hardware=True)
    with pytest.raises(ValueError, match="6 breakpoint registers"):
        debugger.add_breakpoint(0x4000_0100, hardware=True)


@pytest.mark.parametrize("kernel", ERAS)
def test_run_to_gets_there_in_every_era(kernel: str) -> None:
    for place in ({"where": 0x4000_0008}, {"line": 4}, {"where": "start+8"}):
        debugger = Debugger(STORE, kernel)
        assert debugger.run_to(**place).pc == 0x4000_0008  # type: ignore[arg-type]
        assert not debugger.breakpoints


def test_run_to_exit_stops_behind_the_next_exit_of_its_kind() -> None:
    debugger = Debugger(MIXTURE)
    debugger.set_register("x22", 100)
    stop = debugger.run_to_exit("KVM_EXIT_MMIO")
    assert [exit_.reason for exit_ in stop.exits] == ["MMIO", "DEBUG"]
    assert debugger.run_to_exit("debug").number == stop.number + 1
    with pytest.raises(ValueError, match="KVM_RUN has no exit 'COFFEE': it has DEBUG, MMIO"):
        debugger.run_to_exit("coffee")


def test_run_until_stops_when_the_condition_holds() -> None:
    debugger = Debugger(ENDLESS)
    stop = debugger.run_until(lambda d: d.registers["x0"] == 9)
    assert stop.number == 17
    assert debugger.run_until(lambda d: False, limit=10).number == 27


def test_a_slice_reports_a_stop_only_if_there_was_a_reason() -> None:
    debugger = Debugger(ENDLESS)
    assert debugger.run_slice(10) is None
    debugger.add_breakpoint("start")
    stop = debugger.run_slice(10)
    assert stop is not None
    assert stop.reason == "breakpoint"


def test_reverse_continue_goes_back_to_breakpoints_and_changes() -> None:
    debugger = Debugger(ENDLESS)
    debugger.run(3000)
    debugger.add_breakpoint("start+4")
    assert debugger.reverse_continue().number == 2999
    assert debugger.reverse_continue().number == 2997
    debugger.clear_points()
    assert debugger.reverse_continue().number == 0
    mixture = Debugger(MIXTURE)
    mixture.set_register("x22", 100)
    mixture.run(2000)
    mixture.watch(0x4008_3000)
    step = mixture.reverse_continue().number
    assert mixture.stop_at(step - 1).pc == 0x4000_0014
    assert mixture.read_memory(0x4008_3000, 8)[0] % 32 == 3


def test_last_write_finds_the_step_that_changed_a_register_or_memory() -> None:
    debugger = Debugger(MIXTURE)
    debugger.set_register("x22", 500)
    debugger.run(6000)
    write = debugger.last_write("x9")
    assert debugger.position == write.step <= 6000
    assert debugger.changes["x9"] == (write.old, write.new) == (write.new - 1, write.new)
    assert write.pc == debugger.program.symbols["loop"]
    earlier = debugger.last_write("x9", before=write.step)
    assert earlier.new == write.old
    stored = debugger.last_write(0x4008_5000)
    assert stored.pc == 0x4000_0014
    assert stored.new % 32 == 5
    assert str(stored).startswith(f"step {stored.step}, from 0x40000014: [0x40085000]")
    with pytest.raises(HistoryError, match="has changed x8"):
        debugger.last_write("x8")
    with pytest.raises(ValueError, match="no label"):
        debugger.last_write("x99")
    with pytest.raises(ValueError, match="is no memory"):
        debugger.last_write(0x10)
    assert debugger.position == stored.step


def test_a_restart_under_another_kernel_keeps_the_breakpoints() -> None:
    debugger = Debugger(STORE, "v4.3")
    debugger.add_breakpoint(line=6)
    debugger.run(4)
    assert debugger.restart("fixed").reason == "start"
    assert (debugger.position, debugger.length, debugger.kernel.name) == (0, 0, "fixed")
    assert debugger.continue_().pc == 0x4000_0010
    with pytest.raises(KeyError):
        debugger.restart("v9.9")
    assert debugger.position == 4
