"""`make lines`: what a reader of the simulator has before them, the path of one Step first; code and words apart.

Invariant: every line of aarch64sim is counted in one place. Words are comments, docstrings and blank lines; code is the
rest.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "aarch64sim"

# Whatever runs when a debugger steps over a store to a device, from KVM_RUN down to the CPU and back up to the exit.
PATH_OF_ONE_STEP = (
    *("vmm/machine.py", "kvm/vcpu.py", "kvm/vcpu_state.py", "kvm/guest_debug.py"),
    *("kvm/adjust_pc.py", "kvm/exits.py", "kvm/mmio.py"),
    *("arch/cpu.py", "arch/state.py", "arch/step.py", "arch/entry.py", "arch/exceptions.py"),
    "arch/access.py",
)
ROOMS = {
    "the path of one Step": PATH_OF_ONE_STEP,
    "the instructions": (
        "arch/execute",
        "arch/encodings.py",
        "arch/pattern.py",
        "arch/vocabulary.py",
    ),
    "speed": ("arch/hot", "kvm/quick.py"),
    "the rest of the CPU": ("arch",),
    "the rest of KVM and the VMM": ("kvm", "vmm"),
    "the assembler": ("asm",),
    "debugger, gdb, evidence": ("",),
}


def room_of(path: Path) -> str:
    """The first room that names the file, or a folder that it is in."""
    name = path.relative_to(ROOT).as_posix()
    return next(
        room
        for room, places in ROOMS.items()
        if any(not p or name == p or name.startswith(p + "/") for p in places)
    )


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code: more than a comment, a docstring or nothing."""
    skipped = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            held.update(range(token.start[0], token.end[0] + 1))
    for string in _docstrings(ast.parse(source)):
        held -= set(range(string.lineno, (string.end_lineno or string.lineno) + 1))
    return held


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Every string that stands alone as a statement."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str()) as string):
                yield string


def counts() -> dict[str, tuple[int, int]]:
    """Lines of code and lines of words, by room."""
    table = dict.fromkeys(ROOMS, (0, 0))
    for path in sorted(ROOT.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        code, words = table[room_of(path)]
        new = len(code_lines(source))
        table[room_of(path)] = code + new, words + source.count("\n") - new
    return table


def main() -> int:
    """Print the table."""
    table = counts()
    all_code, all_words = (sum(column) for column in zip(*table.values(), strict=True))
    print(f"{'':30}{'lines':>8}{'code':>8}{'words':>8}")
    for room, (code, words) in [*table.items(), ("all of aarch64sim", (all_code, all_words))]:
        print(f"{room:30}{code + words:8,}{code:8,}{words:8,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
