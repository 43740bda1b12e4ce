"""What GNU as takes and this assembler does not, each with its reason.

Invariant: names are refused by these tables alone; OTHERS lists what other files refuse, for the reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from aarch64sim.asm.directives import ASSIGNMENTS, IGNORED, MAKERS, POOLS
from aarch64sim.asm.expansion import CONTROL
from aarch64sim.asm.operands import register_of
from aarch64sim.asm.reader import QUOTED
from aarch64sim.asm.sections import SECTION_DIRECTIVES
from aarch64sim.asm.syntax import spellings
from aarch64sim.asm.text import ELF_ROUTE, Problem, Token, did_you_mean, quoted
from aarch64sim.limits import LIMITS

DIRECTIVES = {*MAKERS, *POOLS, *ASSIGNMENTS, *IGNORED, *SECTION_DIRECTIVES, *CONTROL,
              ".org", ".comm", ".lcomm", ".weak", ".unreq"}  # fmt: skip

SIMD = f"{LIMITS['simd'].what} is not modelled: {LIMITS['simd'].instead}".rstrip(".")
_A32 = "belongs to A32 (32-bit Arm); this is A64"
_ARMASM = "belongs to armasm; this reads the syntax of GNU as"
INSTRUCTIONS = {  # mnemonics, `*` for any ending
    "push pop bx* blx* swi ldm* stm* mcr mrc cps* movw movt rsb vmov* vldr vstr": _A32,
    "fabd fabs fac* fadd* fccmp* fcm* fcsel fcvt* fdiv fjcvtzs fmadd fmax* fmin* fmla* fmls* fmov fmsub fmul*": SIMD,
    "fneg fnmadd fnmsub fnmul frec* frint* frsq* fsqrt fsub vabs vadd* vcmp* vcvt* vdiv vmul* vneg vsqrt vsub*": SIMD,
    "smstart smstop": "SVE and SME are not modelled",
    "call int j[abeglmnosz]* lea leave movb movl movq movsx movzx popq pushq syscall": "belongs to x86; this is A64",
    "area end endp entry export extern import": _ARMASM,
    "addg subg subp subps irg gmi stg stg* st2g stzg stzg* stz2g ldg ldgm cmpp": "memory tagging is not modelled",
    "pacd* pacia pacib paciz* pacga autd* autia autib autiz* xpacd xpaci ldra* bra* blra* reta* ereta*":
        "pointer authentication is not modelled, but for its hints, which do nothing",
    "stlur* ldapur*": "FEAT_LRCPC2 is not modelled",
    "rmif setf8 setf16 cfinv axflag xaflag": "FEAT_FlagM is not modelled",
    "umin umax smin smax cnt ctz abs": "FEAT_CSSC is not modelled",
    "bc.*": "FEAT_HBC is not modelled",
    "cpy* setp* setm* sete* setg*": "FEAT_MOPS is not modelled",
    "tstart tcommit ttest tcancel": "transactional memory is not modelled",
    "ld64b st64b*": "FEAT_LS64 is not modelled",
    "sb wfet wfit": "FEAT_SB and FEAT_WFxT are not modelled",
    "drps dcps1 dcps2 dcps3": "nothing enters debug state",
}  # fmt: skip
DIRECTIVES_LEFT_OUT = {
    ".float* .double* .single* .half .bfloat16": SIMD,
    ".dc* .ds*": "use .byte, .hword, .word, .quad or .space",
    ".even .balignw .balignl .p2alignw .p2alignl": "use .balign or .p2align",
    ".struct .offset": "use .equ",
    ".include .incbin": "a program here is one text",
    ".subsection": "sections have no numbered parts",
    ".altmacro .noaltmacro": "macros have one syntax",
    ".error .err .warning .print .abort .fail": "a source has no messages of its own",
    ".eqv": "use .equ",
    ".string16 .string32 .string64": "strings are of bytes: use .hword, .word or .quad",
    ".uleb128 .sleb128": "only debuggers read numbers of variable length",
    ".weakref": "use .weak, and the name itself",
    ".symver .tls* .dtprel* .reloc": "there is no dynamic linking",
    ".arm .thumb* .code .syntax .fpu": _A32,
}
OTHERS = {
    "sections .tdata .tbss .init .fini": "an operating system's loader would have to set them up",
    ":got: :tlsgd: and kin": "there is no dynamic linking: give the compiler -fno-pie",
    "a symbol's name in quotes": "write it without them",
    "an instruction not at a multiple of 4": "GNU as moves it, and leaves its label behind",
    "a number too large for its directive": "GNU as cuts it, with a warning",
    "unwind tables (.cfi_*), notes": "they are read, and put nowhere",
}
_NO_LIBRARY = "the compiler calls it by itself, and there is no library here: define it"
NAMES = {  # that a source asks for and does not define
    "memcpy memmove memset memcmp abort": _NO_LIBRARY,
    "__*[sdt][if][0-9]": f"it is in libgcc: {_NO_LIBRARY}, or link with libgcc and take the ELF file",
    "__stack_chk_*": "define it, or give the compiler -fno-stack-protector",
    "__aarch64_*": "it is in libgcc: give the compiler -mno-outline-atomics",
    "_mcount __cyg_profile_func_*": "there is no profiler: leave out -pg and -finstrument-functions",
    "_GLOBAL_OFFSET_TABLE_": "there is no dynamic linking: give the compiler -fno-pie",
    "printf puts putchar malloc free exit": "there is no C library here: define it",
}
_SIMD_WORD = re.compile(r"[vz]\d\d?(\.\w+)?|p\d\d?\.\w+|[bhsdq]\d\d?")


def _is_simd(token: Token) -> bool:
    return token.kind == "name" and _SIMD_WORD.fullmatch(token.text.lower()) is not None


def _reason(name: str, table: dict[str, str]) -> str:
    return next(
        (r for words, r in table.items() if any(fnmatchcase(name, w) for w in words.split())), ""
    )


def undefined(name: str) -> str:
    """Why a program asks for this name, and what to do; "" for most."""
    return _reason(name, NAMES)


def in_words() -> Iterator[tuple[str, str]]:
    """All that is left out, each with its reason."""
    for table in (INSTRUCTIONS, DIRECTIVES_LEFT_OUT, OTHERS):
        yield from table.items()


def explained(problem: Problem, tokens: list[Token]) -> Problem:
    """The fault in the operands of a known mnemonic; or that it is SIMD's, or that it branches to no register."""
    found = next((t for t in tokens if t.column == problem.column), tokens[0])
    if (
        found is tokens[1]
        and tokens[0].text.lower() in ("b", "bl")
        and register_of(found.text.lower())
    ):
        return Problem(found.column, f"{found} is a register: br, blr and ret take one")
    return Problem(found.column, f"{found}: {SIMD}", 3) if _is_simd(found) else problem


def unknown_instruction(tokens: list[Token]) -> Problem:
    """Why the first word is not a mnemonic here."""
    first, name = tokens[0], tokens[0].text.lower()
    if first.kind == "string":
        return Problem(first.column, f"{first}: {QUOTED}")
    if first.kind != "name":
        what = "a label, a directive or an instruction"
        return Problem(first.column, f"expected {what}, found {first}")
    if tokens[1].text.lower() in ("dcb", "dcd", "dcq", "dcw", "equ", "proc"):
        return Problem(tokens[1].column, f"{tokens[1]}: {_ARMASM}")
    if any(map(_is_simd, tokens[1:])):
        return Problem(first.column, f"{first}: {SIMD}")
    if reason := _reason(name, INSTRUCTIONS):
        return Problem(first.column, f"{first}: {reason}")
    return Problem(first.column, f"unknown mnemonic {first}{did_you_mean(name, spellings())}")


def unknown_directive(name: str) -> Problem:
    """Why this is not a directive here."""
    if reason := _reason(name, DIRECTIVES_LEFT_OUT):
        return Problem(0, f"'{name}' is left out: {reason}; {ELF_ROUTE}")
    hint = did_you_mean(name, sorted(DIRECTIVES))
    return Problem(0, f"unknown directive {quoted(name)}{hint}")
