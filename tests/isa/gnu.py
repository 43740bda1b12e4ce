"""GNU as and objdump as oracles: many lines or words in one run each.

Invariant: results come back in the order of the input, one for each.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from aarch64sim.asm import Program

PREFIX = "aarch64-linux-gnu-"
MARCH = "armv8.5-a"
BASE = 0x4000_0000

needs_binutils = pytest.mark.skipif(
    shutil.which(f"{PREFIX}as") is None,
    reason="no aarch64-linux-gnu-as here (Debian: binutils-aarch64-linux-gnu)",
)


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


def assemble_each(lines: list[str]) -> list[int | None]:
    """The word that GNU as makes of each line (at BASE, `.` being that line), None where it refuses."""
    refused: set[int] = set()
    with tempfile.TemporaryDirectory() as directory:
        source, output, flat = (Path(directory, name) for name in ("a.s", "a.o", "a.bin"))
        while True:
            text = [".inst 0" if n in refused else line for n, line in enumerate(lines)]
            source.write_text("\n".join(text) + "\n")
            done = _run(f"{PREFIX}as", f"-march={MARCH}", "-o", output, source)
            bad = {int(m) - 1 for m in re.findall(r"a\.s:(\d+): Error", done.stderr)} - refused
            if done.returncode == 0 or not bad:
                break
            refused |= bad
        assert done.returncode == 0, done.stderr[:2000]
        _run(f"{PREFIX}objcopy", "-O", "binary", "-j", ".text", output, flat)
        data = flat.read_bytes()
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    assert len(words) == len(lines)
    return [None if n in refused else word for n, word in enumerate(words)]


def assemble_program(source: str, march: str = MARCH) -> bytes:
    """The bytes of .text that GNU as makes of a program."""
    with tempfile.TemporaryDirectory() as directory:
        path, output, flat = (Path(directory, name) for name in ("a.s", "a.o", "a.bin"))
        path.write_text(source)
        done = _run(f"{PREFIX}as", f"-march={march}", "-o", output, path)
        assert done.returncode == 0, done.stderr
        linked = Path(directory, "a.elf")
        done = _run(f"{PREFIX}ld", f"-Ttext={BASE:#x}", "-e", hex(BASE), "-o", linked, output)
        assert done.returncode == 0, done.stderr
        _run(f"{PREFIX}objcopy", "-O", "binary", "-j", ".text", linked, flat)
        return flat.read_bytes()


def link(source: str, march: str = MARCH) -> Program:
    """What GNU as and ld make of a source, without unwind tables and notes."""
    with tempfile.TemporaryDirectory() as directory:
        path, output, linked = (Path(directory, name) for name in ("a.s", "a.o", "a.elf"))
        path.write_text(source)
        for command in (
            ("as", f"-march={march}", "-o", output, path),
            ("objcopy", "-R", ".eh_frame", "-R", ".note*", output),
            ("ld", "-z", "norelro", f"-Ttext={BASE:#x}", "-o", linked, output),
        ):
            done = _run(f"{PREFIX}{command[0]}", *command[1:])
            assert done.returncode == 0, done.stderr
        return Program.from_elf(linked.read_bytes())


def disassemble_each(words: list[int]) -> list[str]:
    """objdump's text of each word at BASE + 4 * its index, in our spelling of addresses; "" for undefined words."""
    with tempfile.TemporaryDirectory() as directory:
        flat = Path(directory, "a.bin")
        flat.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
        options = ["-D", "-z", "-b", "binary", "-m", "aarch64", f"--adjust-vma={BASE:#x}"]
        done = _run(f"{PREFIX}objdump", *options, flat)
    texts = [""] * len(words)
    for address, text in re.findall(
        r"^\s*([0-9a-f]+):\t[0-9a-f]{8} \t(.*)$", done.stdout, re.MULTILINE
    ):
        texts[(int(address, 16) - BASE) // 4] = _cleaned(text)
    return texts


_TARGETS = re.compile(
    r"^(b|bl|b\.\w+|cbn?z|tbn?z|adrp?|ldr|ldrsw|prfm)\t(.*?)\b([0-9a-f]+)(?: <.*>)?$"
)


def _cleaned(text: str) -> str:
    text = re.sub(r"\s*//.*", "", text).strip()
    if text.startswith((".inst", ".word", "udf")):
        return text if text.startswith("udf") else ""
    match = _TARGETS.match(text)
    if match and "[" not in text:
        text = f"{match[1]}\t{match[2]}0x{match[3]}"
    return text.replace("\t", " ")
