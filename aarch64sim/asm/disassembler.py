"""Words to text: ours, which assembles back to the same word, and capstone's for display.

Invariant: every 32-bit word has a text; what our decoder calls UNDEFINED is shown as `.word`, whatever capstone thinks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from aarch64sim.asm.syntax import write_instruction


@lru_cache(maxsize=1 << 14)
def disassemble(word: int, address: int = 0) -> str:
    """The text of a 32-bit instruction word at `address`, in the syntax of GNU as.

    >>> disassemble(0x91004041), disassemble(0x14000004, 0x4000_0000), disassemble(0xFFFF_FFFF)
    ('add x1, x2, #0x10', 'b 0x40000010', '.word 0xffffffff')
    """
    return write_instruction(word, address) or f".word {word:#010x}"


@lru_cache(maxsize=1)
def _capstone() -> Any:
    """Capstone's disassembler, version 5 or 6, or None where it is not installed."""
    try:
        import capstone
    except ImportError:
        return None
    arch = getattr(capstone, "CS_ARCH_AARCH64", None)
    if arch is None:
        arch = capstone.CS_ARCH_ARM64
    return capstone.Cs(arch, capstone.CS_MODE_ARM)


@lru_cache(maxsize=1 << 14)
def display_text(word: int, address: int = 0) -> str:
    """The text to show a reader: capstone's where it is installed and knows the word, else ours. Not for storing."""
    ours, engine = disassemble(word, address), _capstone()
    if engine is not None and not ours.startswith(".word"):
        for _, _, mnemonic, operands in engine.disasm_lite(word.to_bytes(4, "little"), address, 1):
            return f"{mnemonic} {operands}".rstrip()
    return ours
