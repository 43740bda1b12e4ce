"""`python -m tests.benchmarks.bench_compiled`: a compiled C program, ours and Unicorn's: a hook in Python for each
instruction, as whoever watches a program has it.

Invariant: both run the same ELF to its end, whose table of results is compared. The first run pays for the translation
of what is hot; the best of the later ones does not.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aarch64sim.arch.cpu import Cpu
from aarch64sim.asm import Program
from tests.isa import machine
from tests.isa.test_compiled import CROSS, GUEST, RESULTS, SOURCE, STACK

STACK_SIZE = 0x4000


def compiled(options: str) -> Program:
    """The program, as the cross compiler makes it with these options."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "algorithms.elf"
        subprocess.run([CROSS, options, *GUEST, "-o", output, SOURCE], check=True)
        return Program.from_elf(output.read_bytes())


def pages(program: Program) -> list[int]:
    """The numbers of the pages that it needs."""
    found = {STACK - STACK_SIZE + offset >> 12 for offset in range(0, STACK_SIZE, 4096)}
    for segment in program.segments:
        found.update(range(segment.address >> 12, (segment.end - 1 >> 12) + 1))
    return sorted(found)


def ours(program: Program) -> tuple[int, float, bytes]:
    """Instructions, CPU seconds, the table of results."""
    cpu: Cpu = machine.make_cpu()
    cpu.sys.hcr_el2 |= 1 << 27
    for page in pages(program):
        if page not in cpu.memory.stage2:
            machine.map_ram(cpu, page << 12, 4096)
    machine.load_program(cpu, program)
    start = time.process_time()
    cpu.run(50_000_000)
    seconds = time.process_time() - start
    return cpu.retired, seconds, machine.read(cpu, program.symbols["results"], 8 * RESULTS)


def unicorns(program: Program) -> tuple[int, float, bytes]:
    """The same of Unicorn, with a hook that counts."""
    import unicorn
    from unicorn import arm64_const as c

    uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
    for page in pages(program):
        uc.mem_map(page << 12, 4096)
    for segment in program.segments:
        uc.mem_write(segment.address, segment.data)
    seen = [0]

    def hook(engine: object, address: int, size: int, data: object) -> None:
        seen[0] += 1

    uc.hook_add(unicorn.UC_HOOK_CODE, hook)
    end = program.entry + 12  # the `svc` of _start
    uc.reg_write(c.UC_ARM64_REG_SP, STACK)
    start = time.process_time()
    uc.emu_start(program.entry, end)
    seconds = time.process_time() - start
    return seen[0], seconds, bytes(uc.mem_read(program.symbols["results"], 8 * RESULTS))


def main(rounds: int = 3) -> int:
    """Print M instructions/s for two levels of optimization."""
    if shutil.which(CROSS) is None:
        print(f"no {CROSS} here (Debian: gcc-aarch64-linux-gnu): no compiled program")
        return 0
    for options in ("-O2", "-O0"):
        program = compiled(options)
        runs = [ours(program) for _ in range(rounds + 1)]
        others = [unicorns(program) for _ in range(rounds)]
        assert {results for _, _, results in runs} == {results for _, _, results in others}
        first, *later = (count / seconds / 1e6 for count, seconds, _ in runs)
        best, hook = max(later), max(count / seconds / 1e6 for count, seconds, _ in others)
        print(
            f"compiled C, {options}: {runs[0][0]:,} instructions; ours {first:.2f} M/s in the first run,"
            f" {best:.2f} M/s in later ones; Unicorn's hook {hook:.2f} M/s: x{best / hook:.1f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
