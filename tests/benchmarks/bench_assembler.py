"""`python -m tests.benchmarks.bench_assembler [lines]`: CPU time of a million lines, one row for each shape of line.

Invariant: no two lines of a shape are alike, but for the first row's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from aarch64sim.asm import assemble

# Line n of so many.
SHAPES: dict[str, Callable[[int, int], str]] = {
    "equal lines": lambda n, count: "add x0, x0, #1",
    "labels": lambda n, count: f"l{n}:",
    "a label, .quad of another": lambda n, count: f"l{n}: .quad l{(n * 7 + count // 2) % count}",
    "a label, b to another": lambda n, count: f"l{n}: b l{n ^ 63 if n ^ 63 < count else n}",
    "a label, cbz to another": lambda n, count: f"l{n}: cbz x{n % 31}, l{n // 1000 * 1000}",
    "numeric labels": lambda n, count: f"{n}: b {n}b",
    "movz": lambda n, count: f"movz x{n % 31}, #{n % 65536}, lsl #{n // 65536 % 4 * 16}",
    "add of registers": lambda n, count: (
        f"add x{n % 31}, x{n // 31 % 31}, x{n // 961 % 31}, lsl #{n // 29791}"
    ),
    "ldr with an offset": lambda n, count: f"ldr x{n % 31}, [x{n // 31 % 31}, #{n // 961 * 8}]",
    "ldr of a literal": lambda n, count: (
        f"ldr x{n % 31}, ={n << 20:#x}" if n % 8 else f".ltorg // {n}"
    ),
    ":lo12:": lambda n, count: f"l{n}: add x0, x0, :lo12:l{n // 2}",
    ".word": lambda n, count: f".word {n}",
    ".byte, four": lambda n, count: f".byte {n & 255}, {n >> 8 & 255}, {n >> 16}, 7",
    "a label, .word of a distance": lambda n, count: f"l{n}: .word (l{n} - l{n // 2}) / 4",
    ".asciz": lambda n, count: f'.asciz "{n}"',
    ".equ": lambda n, count: f".equ n{n}, {n}",
}


def main() -> None:
    """Print the seconds, and microseconds a line."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"{f'{count:,} lines':32}{'CPU s':>8}{'us/line':>9}")
    for title, line in SHAPES.items():
        source = "\n".join(line(n, count) for n in range(count)) + "\n"
        start = time.process_time()
        assemble(source)
        took = time.process_time() - start
        print(f"{title:32}{took:8.2f}{took / count * 1e6:9.2f}", flush=True)


if __name__ == "__main__":
    main()
