"""Bad input: any word, any text, any bytes as ELF. Each gives a result or the one exception that its docstring names.

Invariant: no Python exception other than those ever comes out.
"""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.decode import bind, decode
from aarch64sim.arch.encodings import ENCODINGS
from aarch64sim.arch.exceptions import Synchronous
from aarch64sim.asm import AssemblyError, Program, ProgramError, assemble, disassemble, display_text
from aarch64sim.asm.syntax import spellings
from tests.isa import machine

BASE = 0x4000_0000


def check_word(word: int, address: int, cpu: Cpu) -> None:
    """The word decodes and binds; its text assembles back to it."""
    op = bind(cpu, word, address)
    before = cpu.r.copy()
    try:
        op()
    except Synchronous:
        assert cpu.r == before, f"{word:#010x} changed a register although it raised"
    text = disassemble(word, address)
    assert text.startswith(".word") or decode(word)
    ((_, again),) = assemble(text, address).words()
    assert again == word, (hex(word), text)
    assert display_text(word, address)


@given(st.integers(0, (1 << 32) - 1), st.sampled_from([0, BASE, 0xFFFF_FFFF_FFFF_FFFC]))
@example(0xD503201F, BASE)
def test_any_word_binds_runs_and_reads_back(word: int, address: int) -> None:
    check_word(word, address, machine.make_cpu())


@pytest.mark.parametrize("count", [10, pytest.param(1000, marks=pytest.mark.fuzz)])
def test_any_word_of_any_row_binds_runs_and_reads_back(count: int) -> None:
    rng = random.Random(7)
    for row in ENCODINGS:
        cpu = machine.make_cpu()
        for _ in range(count):
            check_word(machine.word_of(row, rng), BASE, cpu)


@given(st.integers(0, (1 << 32) - 1), st.frozensets(st.sampled_from(["LSE", "CRC32"])))
def test_any_word_decodes_with_fewer_features(word: int, features: frozenset[str]) -> None:
    decode(word, features)


def check_text(source: str) -> None:
    try:
        program = assemble(source, BASE)
    except AssemblyError as error:
        caught = error
    else:
        list(program.words())
        return
    assert caught.errors[0] is caught
    for each in caught.errors:
        assert 1 <= each.line <= source.count("\n") + 1
        assert each.column >= 1
        assert each.caret.endswith("^")
        assert each.message


@given(st.text())
@example("(" * 500)
@example("mov x0, #" + "-" * 5000 + "1")
@example(".word " + "1+" * 5000 + "1")
@example(".quad 1 << 63 << 63, 99999999999999999999999999999999999")
@example("mov x0, #" + "9" * 10000)
@example("x: .set x, x\n.set y, y\n.word y")
@example(".set a, b\n.set b, a\n.word a")
@example(".org -1\n.space -1\n.align -1\n.balign 0")
@example("\x00\x01\x7f\u2028\x85 mov")
@example("ldr x0, =")
@example("ldr x0, =1f\n1: ldr x0, =.")
@example("1" * 5000 + ": b 1b")
@example("b " + "1" * 5000 + "b")
@example(".inst")
@example("=5")
@example(".equ\n.equ 1\n= = =\n. = 5")
@example('.ascii "\\')
@example("'\\")
@example(".word '")
@example("wrong\n" * 100_000)
@example("ſvc #0")  # lower() of the long s is no ASCII letter
def test_any_text_assembles_or_says_why(source: str) -> None:
    check_text(source)


PIECES = [
    *sorted(spellings()),
    *list("[],!:#=+-*/().;~\n\t"),
    "x0", "w1", "sp", "xzr", "x30", "q0", "d1", "1b", "1f", "1:", "lab:", "lab", "lsl", "uxtw", "eq", "sy", "nzcv",
    "c7", "ivau", "vbar_el1", "daifset", "#1", "#-1", "4096", "0x7fff", "'a'", '"s"', "//", "/*", "*/", ":lo12:", "<<",
    ".word", ".org", ".align", ".equ", ".set", ".quad", ".ascii", ".space", ".ltorg",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join))
def test_any_soup_of_assembly_assembles_or_says_why(source: str) -> None:
    check_text(source)


def test_mutated_lines_assemble_or_say_why() -> None:
    rng = random.Random(3)
    for _, word in machine.words(rng, 1500):
        text = list(disassemble(word, BASE))
        for _ in range(rng.randrange(1, 4)):
            text[rng.randrange(len(text))] = rng.choice("xw0123456789,[]#!-+ spzrl=:'\"")
        check_text("".join(text))


def check_elf(data: bytes) -> None:
    try:
        program = Program.from_elf(data)
    except ProgramError as error:
        caught = error
    else:
        assert program.segments
        return
    assert str(caught)
    assert "\n" not in str(caught)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_elf_or_say_why(data: bytes) -> None:
    check_elf(data)
    check_elf(b"\x7fELF\x02\x01\x01" + data)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if shutil.which("aarch64-linux-gnu-ld") is None:
        pytest.skip("no aarch64-linux-gnu-ld here (Debian: binutils-aarch64-linux-gnu)")
    directory: Path = tmp_path_factory.mktemp("elf")
    source, output = directory / "a.s", directory / "a.elf"
    source.write_text(
        ".global _start\n_start: ldr x0, =value\n svc #0\n.data\nvalue: .quad 7\n.bss\nroom: .space 64\n"
    )
    subprocess.run(["aarch64-linux-gnu-as", "-o", directory / "a.o", source], check=True)
    subprocess.run(["aarch64-linux-gnu-ld", "-Ttext=0x40000000", "-Tdata=0x40001000", "-o", output, directory / "a.o"],
                   check=True)  # fmt: skip
    return output.read_bytes()


def test_an_elf_is_read_whole(elf: bytes) -> None:
    program = Program.from_elf(elf)
    assert program.entry == program.symbols["_start"] == BASE
    assert program.read(program.symbols["value"], 8) == (7).to_bytes(8, "little")
    assert program.read(program.symbols["room"], 64) == bytes(64)
    assert next(program.words()) == (BASE, 0x58000040)
    assert program.line_text(BASE) == "ldr x0, 0x40000008"
    assert program.label_at(BASE) == "_start"


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.fuzz)])
def test_any_damaged_elf_is_read_or_says_why(elf: bytes, count: int) -> None:
    rng = random.Random(count)
    for _ in range(count):
        data = bytearray(elf)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(64 + 56 * 3) if rng.random() < 0.7 else rng.randrange(len(data))
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        check_elf(bytes(data))


def patched(elf: bytes, at: int, value: int, size: int) -> bytes:
    return elf[:at] + value.to_bytes(size, "little") + elf[at + size :]


@pytest.mark.parametrize(
    ("at", "value", "size", "message"),
    [
        (4, 1, 1, "is 32-bit"),
        (5, 2, 1, "is big-endian"),
        (18, 62, 2, "is for machine 62"),
        (16, 1, 2, "is an object file"),
        (16, 3, 2, "is position-independent"),
        (24, 0x123, 8, "entry point 0x123 is not in its code"),
        (64 + 32, 1 << 40, 8, "reaches beyond its end"),
        (64 + 40, 1 << 40, 8, "too large"),
        (64 + 40, 1, 8, "larger in the file than in memory"),
        (0, 0, 4, "not an ELF file"),
    ],
)
def test_an_elf_that_is_not_ours_is_refused_in_one_sentence(
    elf: bytes, at: int, value: int, size: int, message: str
) -> None:
    with pytest.raises(ProgramError, match=message):
        Program.from_elf(patched(elf, at, value, size))


def small_elf(*segments: tuple[int, bytes]) -> bytes:
    """An executable by hand: a header, a program header for each segment, their bytes; entered at the first."""
    offset = 64 + 56 * len(segments)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 183, 1, segments[0][0], 64, 0, 0, 64, 56,
                         len(segments), 64, 0, 0)  # fmt: skip
    table, body = b"", b""
    for address, data in segments:
        at = offset + len(body)
        table += struct.pack("<IIQQQQQQ", 1, 5, at, address, address, len(data), len(data), 4)
        body += data
    return header + table + body


def test_an_elf_without_sections_is_read() -> None:
    nop = (0xD503201F).to_bytes(4, "little")
    program = Program.from_elf(small_elf((BASE, nop), (BASE + 64, nop)))
    assert [s.address for s in program.segments] == [BASE, BASE + 64]
    assert [word for _, word in program.words()] == [0xD503201F] * 2


def test_overlapping_segments_are_refused() -> None:
    with pytest.raises(ProgramError, match="the segments at 0x40000000 and 0x40000004 overlap"):
        Program.from_elf(small_elf((BASE, bytes(8)), (BASE + 4, bytes(8))))


def test_a_truncated_elf_is_refused(elf: bytes) -> None:
    with pytest.raises(ProgramError):
        Program.from_elf(elf[:100])
    with pytest.raises(ProgramError, match="truncated"):
        Program.from_elf(elf[:40])


def test_flat_binaries() -> None:
    program = Program.from_flat(bytes.fromhex("1f2003d5c0035fd6ff"), BASE)
    assert list(program.words()) == [(BASE, 0xD503201F), (BASE + 4, 0xD65F03C0)]
    assert program.line_text(BASE + 4) == "ret"
    for data, base in ((b"", BASE), (b"1234", 2), (b"1234", -4), (b"12345678", (1 << 64) - 4)):
        with pytest.raises(ProgramError):
            Program.from_flat(data, base)
