"""`python -m tests.benchmarks.bench_stops`: the step machine swept, and a debugger's stops, each looked at.

Invariant: the sweep makes every configuration anew and checks its outcome against `arch.step`, so none is skipped.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator

from aarch64sim import Debugger, Stop
from aarch64sim.arch import step, sysregs
from aarch64sim.arch.syndrome import EC
from aarch64sim.step_state import StepState
from tests.arch.bench import CODE, boot

STEPPED = (int(EC.SOFTWARE_STEP), int(EC.SOFTWARE_STEP_SAME))
LOOP = "1: add x0, x0, #1\n str x0, [x21]\n ldr x2, [x21]\n eor x1, x0, x2\n b 1b\n"


def expected(ss: int, kde: int, tde: int, lock: int, d: int, pstate_ss: int, el: int) -> StepState:
    """The state of the machine by its pure functions."""
    target = step.debug_target_el(tde=tde, tge=0)
    enabled = step.debug_exceptions_enabled(el=el, target_el=target, kde=kde, d=d, os_lock=lock)
    return step.step_state(mdscr_ss=ss, pstate_ss=pstate_ss, enabled=enabled)


def sweep() -> tuple[int, float]:
    """Every setting of what the step machine looks at, one step in each: how many, and CPU seconds."""
    cpu = boot("again: add x1, x1, #1\n b again\n")
    settings = list(itertools.product((0, 1), repeat=7)) * 20
    found = []
    start = time.process_time()
    for ss, kde, tde, lock, d, pstate_ss, el in settings:
        cpu.sys.mdscr_el1 = ss * sysregs.MDSCR_SS | kde * sysregs.MDSCR_KDE
        cpu.sys.mdcr_el2 = tde * sysregs.MDCR_TDE
        cpu.sys.oslsr_el1 = 0x8 | lock * sysregs.OSLSR_OSLK
        cpu.select_sp(el, el)
        cpu.pstate.d, cpu.pstate.ss, cpu.pc = d, pstate_ss, CODE
        taken = cpu.step()
        found.append(taken is not None and taken.ec in STEPPED)
    seconds = time.process_time() - start
    assert found == [expected(*setting) is not StepState.INACTIVE for setting in settings]
    return len(settings), seconds


def stops(debugger: Debugger) -> Iterator[Stop]:
    """One step after another."""
    while True:
        yield debugger.step()


def generated(count: int) -> tuple[int, float]:
    """The stops of a debugger, with its time travel and its log; a function reads a register at each."""
    debugger = Debugger(LOOP)
    seen = [0]

    def look(stop: Stop) -> None:
        seen[0] += debugger.machine.vcpu.get_one_reg("x0")

    start = time.process_time()
    for stop in itertools.islice(stops(debugger), count):
        look(stop)
    assert seen[0]
    return count, time.process_time() - start


def main(rounds: int = 3) -> int:
    """Print how many a second."""
    measured: dict[str, Callable[[], tuple[int, float]]] = {
        "configurations of the step machine, swept": sweep,
        "stops of a debugger, each looked at": lambda: generated(3000),
    }
    for title, measure in measured.items():
        best = max(count / seconds for count, seconds in (measure() for _ in range(rounds)))
        print(f"{title}: {best:,.0f} a second")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
