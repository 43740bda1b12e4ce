"""Print how fast the machine is: instructions a second running free, steps a second stepping."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

LOOP = """
        mov     x0, #0
again:  add     x0, x0, #1
        eor     x1, x0, x2
        str     x1, [sp, #-16]
        ldr     x2, [sp, #-16]
        cmp     x0, #4000
        b.ne    again
        b       .
"""
STEPS = 500


def seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """The best of a few tries: the others were disturbed."""
    times = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> int:
    try:
        from aarch64sim import Debugger, assemble
    except ImportError as error:
        print(f"nothing to measure yet: {error}", file=sys.stderr)
        return 1
    program = assemble(LOOP)
    instructions = 24_000
    free = seconds(lambda: Debugger(program).run(limit=instructions))

    def step() -> None:
        debugger = Debugger(program)
        for _ in range(STEPS):
            debugger.step()

    print(f"free run: {instructions / free:,.0f} instructions a second")
    print(f"stepping: {STEPS / seconds(step):,.0f} steps a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
