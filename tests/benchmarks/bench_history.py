"""`python -m tests.benchmarks.bench_history`: what time travel costs on a million steps, and how soon one is reached.

Invariant: both runs make the same steps, each one KVM_RUN; they are compared at their ends.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
import tracemalloc

from aarch64sim import Debugger
from aarch64sim.debug.plain import plain_steps
from aarch64sim.debug.stops import STEP_LIMIT

PROGRAMS = {
    "sum": "1: add x0, x0, x1\n add x1, x1, #1\n cmp x1, x0\n b 1b",
    "stores on 32 pages": """
        movz    x10, #0x4008, lsl #16
1:      add     x9, x9, #1
        and     x11, x9, #31
        add     x12, x10, x11, lsl #12
        str     x9, [x12]
        ldr     x13, [x12, #8]
        add     x14, x14, x13
        b       1b""",
    "copy, with a call and a UART store in 1000": """
        movz    x10, #0x4008, lsl #16
2:      mov     x9, #250
        mov     x11, x10
1:      ldr     x12, [x11]
        str     x12, [x11, #0x800]
        add     x11, x11, #8
        subs    x9, x9, #1
        b.ne    1b
        str     w12, [x19]
        mrs     x13, id_aa64pfr0_el1
        b       2b""",
}
DEVICES = """
1:      ldr     w2, [x19, #0x18]
        add     x1, x1, #1
        add     x3, x3, x1
        b       1b"""


def plain(source: str, steps: int) -> tuple[float, list[int]]:
    """CPU seconds and registers of a run without a history."""
    machine = Debugger(source).machine
    start, left = time.process_time(), steps
    while left:
        made, _, exit_ = plain_steps(machine, left)
        if exit_ is not None:
            machine.run(STEP_LIMIT, after=exit_)
        left -= made
    return time.process_time() - start, machine.vcpu.cpu.r[:32]


def with_history(source: str, steps: int) -> tuple[float, list[int], Debugger]:
    """CPU seconds and registers of a run that can be travelled, and the debugger."""
    debugger = Debugger(source, by_steps=True)
    start = time.process_time()
    debugger.run(steps)
    return time.process_time() - start, debugger.machine.vcpu.cpu.r[:32], debugger


def reach(debugger: Debugger, tries: int) -> list[float]:
    """Milliseconds (of CPU: this computer has other things to do) to be at steps anywhere in the history."""
    way, times = random.Random(1), []
    for _ in range(tries):
        number = way.randint(0, debugger.length)
        start = time.process_time()
        debugger.travel(number)
        times.append(1000 * (time.process_time() - start))
    return times


def shown(debugger: Debugger, tries: int) -> list[float]:
    """Milliseconds for goto(), with the record of that step: events, changed registers."""
    way, times = random.Random(2), []
    for _ in range(tries):
        number = way.randint(0, debugger.length)
        start = time.process_time()
        debugger.goto(number)
        times.append(1000 * (time.process_time() - start))
    return times


def memory(source: str, steps: int) -> float:
    """MiB that the history of a run takes."""
    debugger = Debugger(source)
    tracemalloc.start()
    debugger.run(steps)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / (1 << 20)


def main(steps: int = 1_000_000, rounds: int = 3) -> int:
    """Print a line for each program; status 1 if a promise of time travel is broken."""
    broken = 0
    for name, source in PROGRAMS.items():
        ratios = []
        for _ in range(rounds):
            (bare, left), (full, right, debugger) = (
                plain(source, steps),
                with_history(source, steps),
            )
            assert left == right
            ratios.append(full / bare)
        times, views = reach(debugger, 400), shown(debugger, 200)
        ratio = statistics.median(ratios)
        print(
            f"{name}: {steps:,} steps in {bare:.2f} s without a history, x{ratio:.2f} with one"
            f" ({debugger.track.history.checkpoints} checkpoints); a step is reached in"
            f" {statistics.median(times):.2f} ms (median), {max(times):.2f} ms (max);"
            f" goto with its events {statistics.median(views):.2f} ms, {max(views):.2f} ms"
        )
        broken += ratio >= 1.3 or statistics.median(times) >= 2
    print(
        f"memory of the history of 200,000 steps: {memory(PROGRAMS['stores on 32 pages'], 200_000):.1f} MiB"
    )
    (bare, _), (full, _, debugger) = plain(DEVICES, steps // 10), with_history(DEVICES, steps // 10)
    times = reach(debugger, 200)
    print(
        f"device access in every fourth instruction: {steps // 10:,} steps in {bare:.2f} s, x{full / bare:.2f};"
        f" a step is reached in {statistics.median(times):.2f} ms (median), {max(times):.2f} ms (max)"
    )
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
