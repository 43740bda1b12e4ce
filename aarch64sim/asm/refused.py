"""What GNU as takes and this assembler does not, each with its reason.

Invariant: the assembler refuses by these tables alone, so that they are the list of what is left out.
"""

from __future__ import annotations

import re

from aarch64sim.asm.directives import ASSIGNMENTS, IGNORED, MAKERS, POOLS
from aarch64sim.asm.expansion import CONTROL
from aarch64sim.asm.sections import SECTION_DIRECTIVES
from aarch64sim.asm.syntax import spellings
from aarch64sim.asm.text import Problem, Token, did_you_mean, quoted

DIRECTIVES = {*MAKERS, *POOLS, *ASSIGNMENTS, *IGNORED, *SECTION_DIRECTIVES, *CONTROL,
              ".org", ".comm", ".lcomm", ".weak", ".unreq"}  # fmt: skip
ELF_ROUTE = "assemble and link it with GNU as and ld, and load the ELF file"

INSTRUCTIONS = {
    r"(push|pop|bx|blx|swi|ldm|stm|vmov|vldr|vstr|vadd|mcr|mrc|cps)(ia|ib|da|db|fd|ea|ed|id|ie|eq|ne)?|movw|movt|rsb":
        "an instruction of A32 (32-bit Arm); this is A64",
    r"(addg|subg|subps?|irg|gmi|stz?2?g[pm]?|ldgm?|cmpp)": "memory tagging (FEAT_MTE) is not modelled",
    r"(pac|aut)[di]\w*|pacga|xpac[di]|ldra[ab]|(br|blr|ret|eret)a[ab]z?":
        "pointer authentication (FEAT_PAuth) beyond the hints, which do nothing, is not modelled",
    r"stlur\w*|ldapur\w*": "FEAT_LRCPC2 is not modelled",
    r"rmif|setf8|setf16|cfinv|axflag|xaflag": "FEAT_FlagM is not modelled",
    r"umin|umax|smin|smax|cnt|ctz|abs": "FEAT_CSSC is not modelled",
    r"bc\.\w+": "FEAT_HBC is not modelled",
    r"tstart|tcommit|ttest|tcancel": "transactional memory is not modelled",
    r"(cpy|set)[fgmpe]\w*": "FEAT_MOPS is not modelled",
    r"ld64b|st64b\w*": "FEAT_LS64 is not modelled",
    r"sb|wfet|wfit": "FEAT_SB and FEAT_WFxT are not modelled",
    r"smstart|smstop": "SVE and SME are not modelled",
    r"drps|dcps[123]": "external debug state is not modelled",
}  # fmt: skip
SIMD = "SIMD and floating-point arithmetic is not modelled, only loads and stores of its registers"
DIRECTIVES_LEFT_OUT = {
    r"\.(float|double|single|half|bfloat16|dcb|dc|ds|tfloat)\w*": SIMD,
    r"\.include|\.incbin": "a program here is one text",
    r"\.(subsection|popsection)": "subsections are not supported",
    r"\.altmacro|\.noaltmacro": "the alternate macro syntax is not supported",
    r"\.(error|err|warning|print|abort|fail)": "messages of the source's own are not supported",
    r"\.equiv|\.eqv": "use .equ",
    r"\.(uleb128|sleb128)": "numbers of variable length are only for debuggers",
    r"\.(symver|tlsdesc\w*|dtprel\w*|reloc)": "there is no dynamic linking",
    r"\.arm|\.thumb\w*|\.code|\.syntax|\.fpu": "a directive for A32 (32-bit Arm); this is A64",
}  # fmt: skip
_SIMD_WORD = re.compile(r"[vz]\d\d?(\.\w+)?|p\d\d?\.\w+|[bhsdq]\d\d?")


def _is_simd(token: Token) -> bool:
    return token.kind == "name" and _SIMD_WORD.fullmatch(token.text.lower()) is not None


def explained(problem: Problem, tokens: list[Token]) -> Problem:
    """The fault in the operands of a known mnemonic, or that it is SIMD's."""
    found = next((t for t in tokens if t.column == problem.column), tokens[0])
    return Problem(found.column, f"{found}: {SIMD}", 3) if _is_simd(found) else problem


def unknown_instruction(tokens: list[Token]) -> Problem:
    """Why the first word is no mnemonic here."""
    first, name = tokens[0], tokens[0].text.lower()
    if first.kind != "name":
        what = "a label, a directive or an instruction"
        return Problem(first.column, f"expected {what}, found {first}")
    if any(map(_is_simd, tokens[1:])):
        return Problem(first.column, f"{first}: {SIMD}")
    for names, reason in INSTRUCTIONS.items():
        if re.fullmatch(names, name):
            return Problem(first.column, f"{first}: {reason}")
    return Problem(first.column, f"unknown mnemonic {first}{did_you_mean(name, spellings())}")


def unknown_directive(name: str) -> Problem:
    """Why this is no directive here."""
    for names, reason in DIRECTIVES_LEFT_OUT.items():
        if re.fullmatch(names, name):
            return Problem(0, f"'{name}' is left out: {reason}; {ELF_ROUTE}")
    hint = did_you_mean(name, sorted(DIRECTIVES))
    return Problem(0, f"unknown directive {quoted(name)}{hint}")
