"""Every position of a history can be reached again exactly, whatever the way there."""

from __future__ import annotations

import hashlib
import random

import pytest

from aarch64sim import Debugger
from aarch64sim.debug import HistoryError
from aarch64sim.debug.history import History

from .programs import ERAS, MIXTURE, STORE


def fingerprint(debugger: Debugger) -> tuple[object, ...]:
    """All that a guest and its devices are, in short."""
    machine = debugger.machine
    cpu = machine.vcpu.cpu
    pages = {*cpu.memory.stage2, 0x40000, 0x40005}
    memory = hashlib.sha256(b"".join(debugger.read_memory(p << 12, 4096) for p in sorted(pages)))
    return (
        tuple(cpu.r[:32]),
        tuple(debugger.registers.items()),
        tuple(sorted(cpu.memory.stage2)),
        memory.hexdigest(),
        machine.uart.save(),
        machine.exit_device.value,
        machine.ended,
        cpu.retired,
        machine.vcpu.step_pending,
    )


def small(debugger: Debugger, distance: int = 7, most: int = 9) -> Debugger:
    """The debugger with a history that makes and drops checkpoints all the time."""
    debugger.track.history = History(debugger.machine, distance=distance, most=most)
    return debugger


@pytest.mark.parametrize("kernel", ERAS)
def test_every_step_is_reached_again_exactly(kernel: str) -> None:
    debugger = small(
        Debugger(
            MIXTURE.replace("cmp     x9, x22", "cmp x9, #24"),
            kernel,
            uart_input=b"hello",
            by_steps=True,
        )
    )
    seen = [fingerprint(debugger)]
    while not debugger.ended and debugger.position < 450:
        debugger.run(1)
        seen.append(fingerprint(debugger))
    stops = debugger.stops
    assert debugger.position == len(seen) - 1 > 300
    way = random.Random(5)
    for number in [way.randrange(len(seen)) for _ in range(120)]:
        stop = debugger.goto(number)
        assert fingerprint(debugger) == seen[number]
        assert stop == stops[number]


def test_a_watched_step_and_an_unwatched_one_end_the_same() -> None:
    watched, silent = (Debugger(MIXTURE, "v5.0", by_steps=True) for _ in range(2))
    for _ in range(150):
        stop = watched.step()
        silent.run(1)
        assert fingerprint(watched) == fingerprint(silent)
        assert stop == silent.last


@pytest.mark.parametrize("by_steps", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_any_mixture_of_moves_and_inputs_replays_exactly(seed: int, by_steps: bool) -> None:
    way = random.Random(seed)
    debugger = small(Debugger(MIXTURE, way.choice(ERAS), uart_input=b"abc", by_steps=by_steps))
    places = [0x4000_0008, 0x4000_0014, 0x4000_0020, 0x4000_002C, 0x4000_0040, 0x4000_1204]
    known: dict[int, tuple[object, ...]] = {0: fingerprint(debugger)}
    forget = debugger.track._forget_future

    def forget_future() -> None:
        for number in [n for n in known if n > debugger.position]:
            del known[number]
        forget()

    debugger.track._forget_future = forget_future  # type: ignore[method-assign]
    for _ in range(150):
        move = way.randrange(9)
        before = debugger.position
        if move == 0:
            debugger.goto(way.randint(0, debugger.length))
        elif move == 1:
            debugger.step()
        elif move == 2:
            debugger.run(way.randint(1, 40))
        elif move == 3:
            debugger.toggle_breakpoint(way.choice(places))
        elif move == 4:
            debugger.set_register(f"x{way.randrange(9)}", way.getrandbits(64))
            known[before] = fingerprint(debugger)
        elif move == 5:
            debugger.write_memory(0x4000_5000 + 8 * way.randrange(4), way.randbytes(8))
            known[before] = fingerprint(debugger)
        elif move == 6:
            debugger.type(way.randbytes(2))
            known[before] = fingerprint(debugger)
        elif move == 7:
            debugger.phase_forward()
        elif not debugger.points.watchpoints:
            debugger.watch("loop", 8, "read")
            debugger.watch(0x4008_2000, 24, "access")
        else:
            debugger.clear_points()
        now = fingerprint(debugger)
        assert known.setdefault(debugger.position, now) == now, f"move {move} from {before}"
    for number, expected in known.items():
        debugger.goto(number)
        assert fingerprint(debugger) == expected


def test_checkpoints_stay_bounded_and_travel_stays_exact() -> None:
    debugger = small(Debugger(MIXTURE, "fixed"), distance=3, most=16)
    debugger.set_register("x22", 1000)
    debugger.run(3000)
    expected = fingerprint(debugger)
    assert debugger.track.history.checkpoints <= 16
    debugger.goto(17)
    debugger.goto(3000)
    assert fingerprint(debugger) == expected


def test_page_contents_are_bounded() -> None:
    debugger = Debugger(MIXTURE, "fixed")
    debugger.track.history = history = History(debugger.machine, distance=20, most_pages=60)
    debugger.set_register("x22", 2000)
    debugger.run(4000)
    expected = fingerprint(debugger)
    assert history._pages <= 60 + 40
    debugger.goto(1234)
    debugger.goto(4000)
    assert fingerprint(debugger) == expected


def test_goto_beyond_the_end_is_refused_in_one_sentence() -> None:
    debugger = Debugger(STORE)
    debugger.run(3)
    with pytest.raises(HistoryError, match="there is no step 4: they go from 0 to 3"):
        debugger.goto(4)
    with pytest.raises(HistoryError, match="no step -1"):
        debugger.goto(-1)
    assert debugger.position == 3


def test_the_past_can_be_walked_with_the_guest_at_its_end() -> None:
    debugger = Debugger(STORE)
    end = debugger.run()
    assert end.reason == "exit"
    assert debugger.ended
    assert debugger.back().number == debugger.length - 1
    assert not debugger.ended
    assert debugger.step() == end
    assert debugger.step() == end


def test_a_write_in_the_past_forgets_the_future() -> None:
    debugger = Debugger(STORE)
    debugger.run()
    debugger.goto(3)
    debugger.set_register("x3", 77)
    assert debugger.length == 3
    debugger.run(2)
    assert debugger.registers["x3"] == 78
    debugger.goto(2)
    assert debugger.registers["x3"] == 0
    debugger.goto(5)
    assert debugger.registers["x3"] == 78


def test_a_refused_write_forgets_nothing() -> None:
    debugger = Debugger(STORE)
    debugger.run()
    debugger.goto(3)
    for write in (
        lambda: debugger.write_memory(0x1000, b"x"),
        lambda: debugger.set_register("x31", 1),
        lambda: debugger.set_register("x1", 1 << 64),
    ):
        with pytest.raises(OSError):
            write()
    assert debugger.length == 7


def test_the_last_stop_has_the_pc_that_was_written() -> None:
    debugger = Debugger(STORE)
    debugger.step()
    debugger.set_register("pc", 0x4000_0010)
    assert debugger.last.pc == 0x4000_0010
    assert debugger.step().pc == 0x4000_0014


def test_an_error_in_the_middle_of_a_step_leaves_the_debugger_where_it_was() -> None:
    class Broken:
        name, size, armed = "broken", 8, True

        def read(self, offset: int, length: int) -> int:
            if self.armed:
                raise ZeroDivisionError
            return 5

        def write(self, offset: int, length: int, value: int) -> None: ...

        def save(self) -> None: ...

        def restore(self, state: object) -> None: ...

    device = Broken()
    debugger = Debugger(
        "mov x1, #1\nldr w2, [x19, x3]\nadd x1, x1, #1\nstr w20, [x20]", "v4.3", [(0x1000, device)]
    )
    debugger.set_register("x19", 0x1000)
    for move in (debugger.run, debugger.step):
        with pytest.raises(ZeroDivisionError):
            move()
        assert debugger.position == 1
        assert debugger.registers["pc"] == 0x4000_0004
    device.armed = False
    debugger.run()
    assert debugger.registers["x2"] == 5
    assert debugger.registers["x1"] == 2
