"""A bare Cpu with some RAM for instruction tests, and words drawn at random from the A64 table.

Invariant: everything random comes from the generator that is passed in, so a failing case can be run again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.encodings import ENCODINGS, FEATURES
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.memory import Stage2Page
from aarch64sim.arch.pattern import Encoding
from aarch64sim.asm import Program

CODE = 0x4000_0000
DATA = 0x4001_0000
DATA_SIZE = 0x4000  # four pages, the base registers point into the middle
NZCV = 0xF000_0000


def make_cpu(el: int = 0) -> Cpu:
    """A Cpu at `el` with 64 KiB of RAM for code and 16 KiB for data; SIMD&FP is not trapped."""
    cpu = Cpu(features=FEATURES)
    map_ram(cpu, CODE, 0x10000)
    map_ram(cpu, DATA, DATA_SIZE)
    cpu.pstate.el, cpu.pstate.sp = el, int(el > 0)
    cpu.sys.cpacr_el1 = 3 << 20
    cpu.sys.cptr_el2 = 0x33FF & ~(1 << 10)
    return cpu


def map_ram(cpu: Cpu, address: int, size: int) -> None:
    """Map `size` bytes (whole pages) of zeroed RAM."""
    for page in range(address >> 12, (address + size) >> 12):
        cpu.memory.map(page, Stage2Page(memoryview(bytearray(4096))))


def write(cpu: Cpu, address: int, data: bytes) -> None:
    """Put bytes into RAM behind the Cpu's back, and let it forget what it decoded there."""
    for i in range(0, len(data), 64):
        part = data[i : i + 64]
        for j, byte in enumerate(part):
            at = address + i + j
            cpu.memory.stage2[at >> 12].data[at & 4095] = byte
        cpu.forget_code(address + i, len(part))


def read(cpu: Cpu, address: int, size: int) -> bytes:
    """`size` bytes of RAM, which may span pages."""
    out = bytearray()
    while size:
        offset = address & 4095
        part = min(size, 4096 - offset)
        out += cpu.memory.stage2[address >> 12].data[offset : offset + part]
        address, size = address + part, size - part
    return bytes(out)


def load_program(cpu: Cpu, program: Program) -> None:
    """Copy the program's bytes to mapped RAM and set PC."""
    for segment in program.segments:
        write(cpu, segment.address, segment.data)
    cpu.pc = program.entry


def run_source(source: str, **registers: int) -> tuple[Cpu, Taken | None]:
    """Assemble at CODE, set registers (x0=...), run until an exception goes to the host or 100,000 instructions."""
    from aarch64sim.asm import assemble

    cpu = make_cpu()
    cpu.sys.hcr_el2 |= 1 << 27  # TGE: every exception goes to the host
    load_program(cpu, assemble(source, base=CODE))
    for name, value in registers.items():
        cpu.r[31 if name == "sp" else int(name[1:])] = value
    return cpu, cpu.run(100_000)


def word_of(row: Encoding, rng: random.Random) -> int:
    """A random word that has the row's fixed bits, those that should be one, too."""
    return row.value | row.should_be_one | rng.getrandbits(32) & ~row.mask


def some(row: Encoding, rng: random.Random, count: int) -> list[int]:
    """Some random words with the row's fixed bits, its sf bits equal."""
    sf = [low for name, low, *_ in row.parts if name == "sf"]
    made = []
    for _ in range(count):
        word = word_of(row, rng)
        if len(sf) > 1:
            ones = sum(1 << low for low in sf)
            word = word & ~ones | (ones if rng.getrandbits(1) else 0)
        made.append(word)
    return made


def words(
    rng: random.Random, count: int, wanted: Callable[[Encoding, int], bool] = lambda row, word: True
) -> Iterator[tuple[Encoding, int]]:
    """`count` random rows with a random allocated word of each."""
    rows = [row for row in ENCODINGS if row.syntax]
    while count:
        row = rng.choice(rows)
        (word,) = some(row, rng, 1)
        if row.extract(word) is not None and wanted(row, word):
            yield row, word
            count -= 1
