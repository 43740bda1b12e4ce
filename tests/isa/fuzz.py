"""`python -m tests.isa.fuzz N [SEED]`: N random instructions on our Cpu and on Unicorn; exit status 1 on a difference.

Invariant: the same N and SEED give the same instructions and states.
"""

from __future__ import annotations

import sys
import time

from tests.isa.oracle import differences

SLICE = 50_000


def main(count: int, seed: int) -> int:
    """Run in slices and print each difference as it is found."""
    found, done, start = 0, 0, time.monotonic()
    while done < count:
        part = min(SLICE, count - done)
        for difference in differences(part, seed + done):
            found += 1
            print(difference, flush=True)
        done += part
        print(
            f"{done} instructions, {found} differences, {time.monotonic() - start:.0f} s",
            flush=True,
        )
    return 1 if found else 0


if __name__ == "__main__":
    arguments = [int(a) for a in sys.argv[1:]]
    sys.exit(main(*(arguments + [100_000, 1][len(arguments) :])))
