"""The aliases: other spellings of rows of the A64 table, each with a pattern that picks its part of the base row.

Invariant: a word that the table allocates has the text of the first row here that its fields can be written in;
NEVER_PREFERRED is only read. No binder: what a word does, and whether it is UNDEFINED, is the base row's alone.
"""

from __future__ import annotations

from aarch64sim.arch.encodings import CONDITIONS
from aarch64sim.arch.pattern import Encoding
from aarch64sim.arch.vocabulary import bitmask_immediate, mask_of
from aarch64sim.asm.names import SYSTEM_OPERATIONS

_A = Encoding


def _moves_bitmask(f: dict[str, int]) -> bool:
    """Not what MOVZ or MOVN would make (MoveWidePreferred())."""
    value = bitmask_immediate(f["N"], f["imms"], f["immr"], f["sf"]) or 0
    halves = [0xFFFF << 16 * n for n in range(2 << f["sf"])]
    return all(v & ~half for v in (value, value ^ mask_of(f["sf"])) for half in halves)


HINTS = {
    0: "nop", 1: "yield", 2: "wfe", 3: "wfi", 4: "sev", 5: "sevl", 6: "dgh", 7: "xpaclri", 8: "pacia1716",
    10: "pacib1716", 12: "autia1716", 14: "autib1716", 16: "esb", 17: "psb csync", 18: "tsb csync", 20: "csdb",
    22: "clearbhb", 24: "paciaz", 25: "paciasp", 26: "pacibz", 27: "pacibsp", 28: "autiaz", 29: "autiasp", 30: "autibz",
    31: "autibsp", 32: "bti", 34: "bti c", 36: "bti j", 38: "bti jc",
}  # fmt: skip
_LOGICAL = "f {} 01010 hh {} mmmmm iiiiii {} {}"
_RELEASE = "zz 111000 0 R 1 sssss 0 ooo 00 nnnnn 11111"

PREFERRED = (
    _A("mov Rd, Rm", "f 01 01010 00 0 mmmmm 000000 11111 ddddd"),
    _A("mov Rd|SP, Rn|SP", "f 0 0 100010 0 000000000000 nnnnn ddddd", where=lambda f: 31 in (f["Rd"], f["Rn"])),
    _A("cm(o:n|p) Rn|SP, add12", "f o 1 100010 h iiiiiiiiiiii nnnnn 11111"),
    _A("tst Rn, bitmask", "f 11 100100 N rrrrrr kkkkkk nnnnn 11111"),
    _A("mov Rd, wide", "f 10 100101 hh iiiiiiiiiiiiiiii ddddd"),
    _A("mov Rd, wide.not", "f 00 100101 hh iiiiiiiiiiiiiiii ddddd"),
    _A("mov Rd|SP, bitmask", "f 01 100100 N rrrrrr kkkkkk 11111 ddddd", where=_moves_bitmask),
    _A("asr Rd, Rn, bit.immr", "f 00 100110 f rrrrrr f11111 nnnnn ddddd"),
    _A("sxtb Rd, Wn", "f 00 100110 f 000000 000111 nnnnn ddddd"),
    _A("sxth Rd, Wn", "f 00 100110 f 000000 001111 nnnnn ddddd"),
    _A("sxtw Xd, Wn", "1 00 100110 1 000000 011111 nnnnn ddddd"),
    _A("sbfx Rd, Rn, bit.immr, end", "f 00 100110 f rrrrrr kkkkkk nnnnn ddddd"),
    _A("sbfiz Rd, Rn, insert, width", "f 00 100110 f rrrrrr kkkkkk nnnnn ddddd"),
    _A("bfxil Rd, Rn, bit.immr, end", "f 01 100110 f rrrrrr kkkkkk nnnnn ddddd"),
    _A("bfc Rd, insert, width", "f 01 100110 f rrrrrr kkkkkk 11111 ddddd"),
    _A("bfi Rd, Rn, insert, width", "f 01 100110 f rrrrrr kkkkkk nnnnn ddddd"),
    _A("lsr Rd, Rn, bit.immr", "f 10 100110 f rrrrrr f11111 nnnnn ddddd"),
    _A("lsl Rd, Rn, left", "f 10 100110 f rrrrrr kkkkkk nnnnn ddddd"),
    _A("uxtb Wd, Wn", "0 10 100110 0 000000 000111 nnnnn ddddd"),
    _A("uxth Wd, Wn", "0 10 100110 0 000000 001111 nnnnn ddddd"),
    _A("ubfx Rd, Rn, bit.immr, end", "f 10 100110 f rrrrrr kkkkkk nnnnn ddddd"),
    _A("ubfiz Rd, Rn, insert, width", "f 10 100110 f rrrrrr kkkkkk nnnnn ddddd"),
    _A("ror Rd, Rn&Rm, bit.imm", "f 00 100111 f 0 mmmmm iiiiii nnnnn ddddd"),
    _A("cm(o:n|p) Rn, Rm{, shift3 amount}", "f o 1 01011 hh 0 mmmmm iiiiii nnnnn 11111"),
    _A("neg(S:|s) Rd, Rm{, shift3 amount}", "f 1 S 01011 hh 0 mmmmm iiiiii 11111 ddddd"),
    _A("cm(o:n|p) Rn|SP, extended", "f o 1 01011 001 mmmmm eee iii nnnnn 11111"),
    _A("mvn Rd, Rm{, shift4 amount}", _LOGICAL.format("01", "1", "11111", "ddddd")),
    _A("tst Rn, Rm{, shift4 amount}", _LOGICAL.format("11", "0", "nnnnn", "11111")),
    _A("ngc(S:|s) Rd, Rm", "f 1 S 11010000 mmmmm 000000 11111 ddddd"),
    _A("cset Rd, notcond", "f 0 0 11010100 11111 cccc 01 11111 ddddd"),
    _A("csetm Rd, notcond", "f 1 0 11010100 11111 cccc 00 11111 ddddd"),
    _A("cinc Rd, Rn&Rm, notcond", "f 0 0 11010100 mmmmm cccc 01 nnnnn ddddd"),
    _A("cinv Rd, Rn&Rm, notcond", "f 1 0 11010100 mmmmm cccc 00 nnnnn ddddd"),
    _A("cneg Rd, Rn&Rm, notcond", "f 1 0 11010100 mmmmm cccc 01 nnnnn ddddd"),
    _A("m(o:ul|neg) Rd, Rn, Rm", "f 00 11011000 mmmmm o 11111 nnnnn ddddd"),
    _A("(U:s|u)m(o:ull|negl) Xd, Wn, Wm", "1 00 11011 U 01 mmmmm o 11111 nnnnn ddddd"),
    _A("(h:lsl|lsr|asr|ror) Rd, Rn, Rm", "f 00 11010110 mmmmm 0010 hh nnnnn ddddd"),
    _A("ssbb", "1101010100 0 00 011 0011 0000 100 11111"),
    _A("pssbb", "1101010100 0 00 011 0011 0100 100 11111"),
    *(_A(name, f"1101010100 0 00 011 0010 {n:07b} 11111") for n, name in HINTS.items()),
    *(_A(f"{kind} operation.{kind}, Xt", "1101010100 0 01 yyyyyyyyyyyyyy ttttt") for kind in SYSTEM_OPERATIONS),
    *(_A(f"{kind} operation.{kind}", "1101010100 0 01 yyyyyyyyyyyyyy 11111") for kind in ("ic", "tlbi")),
    _A("st(o:add|clr|eor|set|smax|smin|umax|umin)(R:|l)(z:b|h||) Zs, [Xn|SP]", _RELEASE),
)  # fmt: skip

_BRANCHES = {".hs": 2, ".lo": 3, "hs": 2, "lo": 3} | {name: n for n, name in enumerate(CONDITIONS)}
NEVER_PREFERRED = (
    _A("(L:st|ld)r(z:b|h||) Zt, [Xn|SP, s9]", "zz 111 0 00 0L 0 iiiiiiiii 00 nnnnn ttttt"),
    _A("ldrs(z:b|h|w|-) Rt, [Xn|SP, s9]", "zz 111 0 00 1F 0 iiiiiiiii 00 nnnnn ttttt"),
    _A("(L:st|ld)r Vt, [Xn|SP, s9]", "zz 111 1 00 0L 0 iiiiiiiii 00 nnnnn ttttt"),
    _A("(L:st|ld)r Vt, [Xn|SP, s9]", "00 111 1 00 1L 0 iiiiiiiii 00 nnnnn ttttt",
       constants={"size": 4}),
    *(_A(f"b{name} rel19", f"01010100 iiiiiiiiiiiiiiiiiii 0 {n:04b}") for name, n in _BRANCHES.items()),
    _A("uxtb Xd, Wn", "0 10 100110 0 000000 000111 nnnnn ddddd"),
    _A("uxth Xd, Wn", "0 10 100110 0 000000 001111 nnnnn ddddd"),
    _A("uxtw Wd, Wm", "0 01 01010 00 0 mmmmm 000000 11111 ddddd"),
    _A("uxtw Xd, Wm", "0 01 01010 00 0 mmmmm 000000 11111 ddddd"),
    _A("rev64 Xd, Xn", "1 10 11010110 00000 000011 nnnnn ddddd"),
    _A("mov Rd|SP, bitmask", "f 01 100100 N rrrrrr kkkkkk 11111 ddddd"),
    _A("bic Rd|SP, Rn, bitmask.not", "f 00 100100 N rrrrrr kkkkkk nnnnn ddddd"),
    _A("(o:add|sub) Rd|SP, Rn|SP, negative", "f o 0 100010 h iiiiiiiiiiii nnnnn ddddd"),
    _A("(o:adds|subs) Rd, Rn|SP, negative", "f o 1 100010 h iiiiiiiiiiii nnnnn ddddd"),
    _A("cm(o:n|p) Rn|SP, negative", "f o 1 100010 h iiiiiiiiiiii nnnnn 11111"),
)  # fmt: skip
