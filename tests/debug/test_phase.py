"""The phase cursor is a view over the log of a step."""

from __future__ import annotations

import pytest

from aarch64sim import Debugger

from .programs import STORE


@pytest.mark.parametrize("kernel", ["v4.3", "v5.0", "fixed"])
def test_forward_and_back_pass_every_event(kernel: str) -> None:
    debugger = Debugger(STORE, kernel)
    there, places = [], []
    for _ in range(30):
        phase = debugger.phase_forward()
        there.append((debugger.position, None if phase is None else phase.index))
    for position, index in there:
        events = len(debugger.events_of(position))
        assert index is None or index < events - 1
    back = []
    while debugger.position:
        back.append((debugger.position, debugger.phase.index if debugger.phase else None))
        debugger.phase_back()
    assert back[::-1] == there
    assert not places


def test_the_machine_stands_at_the_end_of_the_step() -> None:
    debugger = Debugger(STORE)
    debugger.step()
    phase = debugger.phase_forward()
    assert phase is not None
    assert (phase.step, phase.index, debugger.position) == (2, 0, 2)
    assert debugger.registers["pc"] == 0x4000_0008
    assert debugger.phase_registers()["pc"] == 0x4000_0004
    assert "event 1 of" in str(phase)


def test_any_move_puts_the_cursor_to_the_end_of_the_step() -> None:
    debugger = Debugger(STORE)
    for move in (debugger.step, debugger.back, lambda: debugger.goto(1), debugger.run):
        debugger.goto(min(2, debugger.length))
        debugger.phase_back() if debugger.position else debugger.phase_forward()
        assert debugger.phase is not None
        move()
        assert debugger.phase is None


def test_phases_of_a_load_show_the_register_only_after_its_completion() -> None:
    debugger = Debugger("mov x2, #1\nldr w2, [x19]\nstr w20, [x20]", "fixed", uart_input=b"Z")
    debugger.step()
    values = []
    while (phase := debugger.phase_forward()) is not None:
        values.append((phase.event.what, debugger.phase_registers()["x2"]))
    before = [value for what, value in values if what in ("mmio_read", "exception")]
    assert before == [1, 1]
    assert values[-1][1] == ord("Z")


def test_nothing_comes_after_the_end() -> None:
    debugger = Debugger(STORE)
    debugger.run()
    assert debugger.phase_forward() is None
    assert debugger.position == debugger.length
