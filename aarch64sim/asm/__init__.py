"""Text to words and back: the assembler and disassembler on the A64 table.

Invariant: nothing here executes anything; what a word means is the business of `arch`.
"""

from aarch64sim.asm.assembler import as_program, assemble
from aarch64sim.asm.disassembler import disassemble, display_text
from aarch64sim.asm.program import Program, ProgramError, Segment
from aarch64sim.asm.source import AssemblyError

__all__ = [
    "AssemblyError",
    "Program",
    "ProgramError",
    "Segment",
    "as_program",
    "assemble",
    "disassemble",
    "display_text",
]
