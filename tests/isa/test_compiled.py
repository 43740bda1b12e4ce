"""A real compiler's code: one C source, run on our Cpu and on the machine under the tests.

Invariant: the same source, the same table of results; the ELF goes through Program.from_elf.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from aarch64sim import Debugger, kernels
from aarch64sim.arch.cpu import FEATURES
from aarch64sim.asm import Program
from tests.isa import machine

SOURCE = Path(__file__).parent / "programs" / "algorithms.c"
CROSS = "aarch64-linux-gnu-gcc"
GUEST = ["-ffreestanding", "-nostdlib", "-static", "-mgeneral-regs-only", "-fno-stack-protector",
         "-fno-asynchronous-unwind-tables", "-Wl,--build-id=none,-z,norelro,-Ttext=0x40000000"]  # fmt: skip
RESULTS = 24
STACK = 0x4003_0000  # its end, as _start sets it


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[int]:
    """What the host makes of the source."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for this machine here")
    program = tmp_path_factory.mktemp("host") / "algorithms"
    subprocess.run([compiler, "-O1", "-DHOST", "-o", program, SOURCE], check=True)
    out = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return [int(line, 16) for line in out.split()]


@pytest.mark.skipif(
    shutil.which(CROSS) is None, reason=f"no {CROSS} here (Debian: gcc-aarch64-linux-gnu)"
)
@pytest.mark.parametrize("options", ["-O2", "-O0", "-Os", "-O3 -march=armv8.1-a+crc"])
def test_compiled_program_gives_the_hosts_results(
    options: str, expected: list[int], tmp_path: Path
) -> None:
    output = tmp_path / "algorithms.elf"
    subprocess.run(
        [CROSS, *options.split(), *GUEST, "-o", output, SOURCE], check=True, capture_output=True
    )
    program = Program.from_elf(output.read_bytes())
    cpu = machine.make_cpu()
    cpu.features = FEATURES
    cpu.sys.hcr_el2 |= 1 << 27
    machine.map_ram(cpu, STACK - 0x4000, 0x4000)
    for segment in program.segments:
        first, last = segment.address >> 12, segment.end - 1 >> 12
        for page in range(first, last + 1):
            if page not in cpu.memory.stage2:
                machine.map_ram(cpu, page << 12, 4096)
    machine.load_program(cpu, program)
    taken = cpu.run(5_000_000)
    assert taken is not None
    assert taken.esr == 0x56000000, hex(taken.esr or 0)
    table = machine.read(cpu, program.symbols["results"], 8 * RESULTS)
    ours = [int.from_bytes(table[i : i + 8], "little") for i in range(0, len(table), 8)]
    assert ours == expected
    assert expected[1] == 0xCBF43926  # the check value of CRC-32
    assert expected[3] == 1
    assert expected[4] == 1597


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A C program with `__atomic_fetch_add`, compiled to LDAXR and STLXR."""
    if shutil.which(CROSS) is None:
        pytest.skip(f"no {CROSS} here (Debian: gcc-aarch64-linux-gnu)")
    output = tmp_path_factory.mktemp("counter") / "counter.elf"
    source = SOURCE.with_name("counter.c")
    options = ["-O1", "-mno-outline-atomics", "-ffixed-x20"]
    subprocess.run([CROSS, *options, *GUEST, "-o", output, source], check=True, capture_output=True)
    return Program.from_elf(output.read_bytes())


@pytest.mark.parametrize("kernel", list(kernels))
def test_a_run_goes_through_the_atomics_of_a_compiler_in_every_era(
    kernel: str, counter: Program
) -> None:
    debugger = Debugger(counter, kernel)
    assert debugger.run().reason == "exit"
    assert debugger.registers["x9"] == 30


def test_a_row_of_steps_does_not_and_says_why(counter: Program) -> None:
    stop = Debugger(counter, "fixed", by_steps=True).run(200)
    assert stop.reason == "limit"
    assert "clears the exclusive monitor" in stop.text
