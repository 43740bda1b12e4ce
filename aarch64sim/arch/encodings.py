"""The A64 table: one row per encoding, its assembly syntax beside its 32-character bit pattern (0, 1, + or a field letter).

Invariant: everything that knows a bit position (decoder, assembler, disassembler) is derived from these rows; no semantics.
A table, so longer than other files: every load and store of the labs can be seen here as a row.
"""

from __future__ import annotations

from aarch64sim.arch.pattern import OFFSET, POST, PRE, REGISTER, UNPRIVILEGED
from aarch64sim.arch.pattern import Encoding as _E
from aarch64sim.arch.vocabulary import bitmask_immediate

# All features that rows name, about what a Neoverse N1 has, each with the field of an ID register that tells of it:
# register, lowest bit, least value (Arm ARM D24.2). Which of them a CPU has is its own choice (`Cpu.features`), without
# one the row is UNDEFINED. "Deliberately not here" marks where a row would stand that the table leaves out; SVE and SME
# are left out as a whole.
ID_FIELDS = {
    "CRC32": ("id_aa64isar0_el1", 16, 1),
    "LSE": ("id_aa64isar0_el1", 20, 2),
    "LOR": ("id_aa64mmfr1_el1", 16, 1),
    "LRCPC": ("id_aa64isar1_el1", 20, 1),
}
FEATURES = frozenset(ID_FIELDS)

CONDITIONS = "eq ne cs cc mi pl vs vc hi ls ge lt gt le al nv".split()  # noqa: SIM905


# --- reserved values ---
def _amount_fits(f: dict[str, int]) -> bool:
    return f["sf"] == 1 or f["imm"] < 32


def _add_shift(f: dict[str, int]) -> bool:
    return f["shift"] != 3 and _amount_fits(f)


def _extend_amount(f: dict[str, int]) -> bool:
    return f["imm"] <= 4


def _bitmask(f: dict[str, int]) -> bool:
    return bitmask_immediate(f["N"], f["imms"], f["immr"], f["sf"]) is not None


def _halfword(f: dict[str, int]) -> bool:
    return f["sf"] == 1 or f["shift"] < 2


def _bit_positions(f: dict[str, int]) -> bool:
    return f["sf"] == 1 or (f["immr"] < 32 and f["imms"] < 32)


def _sign_extends(f: dict[str, int]) -> bool:
    return f["size"] < 2 + f["sf"]


def _index_extend(f: dict[str, int]) -> bool:
    return f["option"] & 2 != 0


def _index_sign_extends(f: dict[str, int]) -> bool:
    return _index_extend(f) and _sign_extends(f)


def _even_pairs(f: dict[str, int]) -> bool:
    return f["Rs"] % 2 == 0 and f["Rt"] % 2 == 0


def _pstate_field(f: dict[str, int]) -> bool:
    return (f["op1"], f["op2"]) in PSTATE_FIELDS.values()


PSTATE_FIELDS = {
    "spsel": (0, 5), "daifset": (3, 6), "daifclr": (3, 7), "uao": (0, 3), "pan": (0, 4),
    "dit": (3, 2), "ssbs": (3, 1),
}  # fmt: skip

# (0) and (1) of the manual are fixed bits here: the word with another value is CONSTRAINED UNPREDICTABLE, and UNDEFINED is
# among what the architecture allows.

DATA_IMMEDIATE = (
    _E("adr Xd, rel21", "0 jj 10000 iiiiiiiiiiiiiiiiiii ddddd", "address"),
    _E("adrp Xd, page", "1 jj 10000 iiiiiiiiiiiiiiiiiii ddddd", "address_of_page"),
    _E("(o:add|sub) Rd|SP, Rn|SP, add12", "f o 0 100010 h iiiiiiiiiiii nnnnn ddddd",
       "add_immediate"),
    _E("(o:adds|subs) Rd, Rn|SP, add12", "f o 1 100010 h iiiiiiiiiiii nnnnn ddddd",
       "adds_immediate"),
    _E("(o:and|orr|eor|-) Rd|SP, Rn, bitmask", "f oo 100100 N rrrrrr kkkkkk nnnnn ddddd",
       "logical_immediate", where=_bitmask),
    _E("ands Rd, Rn, bitmask", "f 11 100100 N rrrrrr kkkkkk nnnnn ddddd", "ands_immediate",
       where=_bitmask),
    _E("(o:movn|-|movz|movk) Rd, half", "f oo 100101 hh iiiiiiiiiiiiiiii ddddd",
       "move_wide", where=_halfword),
    _E("(o:sbfm|bfm|ubfm|-) Rd, Rn, bit.immr, bit.imms", "f oo 100110 f rrrrrr kkkkkk nnnnn ddddd",
       "bitfield", where=_bit_positions),
    _E("extr Rd, Rn, Rm, bit.imm", "f 00 100111 f 0 mmmmm iiiiii nnnnn ddddd", "extract",
       where=_amount_fits),
    # Deliberately not here: ADDG, SUBG (MTE), SMAX, SMIN, UMAX, UMIN with a constant, and ABS, CNT, CTZ below (CSSC).
)  # fmt: skip

DATA_REGISTER = (
    _E("(o:add|sub) Rd, Rn, Rm{, shift3 amount}", "f o 0 01011 hh 0 mmmmm iiiiii nnnnn ddddd",
       "add_shifted", where=_add_shift),
    _E("(o:adds|subs) Rd, Rn, Rm{, shift3 amount}", "f o 1 01011 hh 0 mmmmm iiiiii nnnnn ddddd",
       "adds_shifted", where=_add_shift),
    _E("(o:add|sub) Rd|SP, Rn|SP, extended", "f o 0 01011 001 mmmmm eee iii nnnnn ddddd",
       "add_extended", where=_extend_amount),
    _E("(o:adds|subs) Rd, Rn|SP, extended", "f o 1 01011 001 mmmmm eee iii nnnnn ddddd",
       "adds_extended", where=_extend_amount),
    _E("(oN:and|bic|orr|orn|eor|eon|ands|bics) Rd, Rn, Rm{, shift4 amount}",
       "f oo 01010 hh N mmmmm iiiiii nnnnn ddddd", "logical_shifted", where=_amount_fits),
    _E("(oS:adc|adcs|sbc|sbcs) Rd, Rn, Rm", "f o S 11010000 mmmmm 000000 nnnnn ddddd", "add_carry"),
    _E("(o:ccmn|ccmp) Rn, Rm, u4.nzcv, cond", "f o 1 11010010 mmmmm cccc 00 nnnnn 0 vvvv",
       "compare_register"),
    _E("(o:ccmn|ccmp) Rn, u5, u4.nzcv, cond", "f o 1 11010010 iiiii cccc 10 nnnnn 0 vvvv",
       "compare_immediate"),
    _E("(oN:csel|csinc|csinv|csneg) Rd, Rn, Rm, cond", "f o 0 11010100 mmmmm cccc 0 N nnnnn ddddd",
       "conditional_select"),
    _E("(o:madd|msub) Rd, Rn, Rm, Ra", "f 00 11011000 mmmmm o aaaaa nnnnn ddddd", "multiply_add"),
    _E("(U:s|u)m(o:add|sub)l Xd, Wn, Wm, Xa", "1 00 11011 U 01 mmmmm o aaaaa nnnnn ddddd",
       "multiply_add_long"),
    _E("(U:s|u)mulh Xd, Xn, Xm", "1 00 11011 U 10 mmmmm 0 +++++ nnnnn ddddd", "multiply_high",
       constants={"sf": 1}),
    _E("(o:udiv|sdiv) Rd, Rn, Rm", "f 00 11010110 mmmmm 00001 o nnnnn ddddd", "divide"),
    _E("(h:lsl|lsr|asr|ror)v Rd, Rn, Rm", "f 00 11010110 mmmmm 0010 hh nnnnn ddddd",
       "shift_variable"),
    _E("crc32(o:|c)(z:b|h|w|-) Wd, Wn, Wm", "0 00 11010110 mmmmm 010 o zz nnnnn ddddd", "crc32",
       "CRC32"),
    _E("crc32(o:|c)x Wd, Wn, Xm", "1 00 11010110 mmmmm 010 o 11 nnnnn ddddd", "crc32", "CRC32",
       constants={"size": 3}),
    _E("rbit Rd, Rn", "f 10 11010110 00000 000000 nnnnn ddddd", "reverse_bits"),
    _E("rev16 Rd, Rn", "f 10 11010110 00000 000001 nnnnn ddddd", "reverse_bytes",
       constants={"size": 1}),
    _E("rev Wd, Wn", "0 10 11010110 00000 000010 nnnnn ddddd", "reverse_bytes",
       constants={"size": 2, "sf": 0}),
    _E("rev32 Xd, Xn", "1 10 11010110 00000 000010 nnnnn ddddd", "reverse_bytes",
       constants={"size": 2, "sf": 1}),
    _E("rev Xd, Xn", "1 10 11010110 00000 000011 nnnnn ddddd", "reverse_bytes",
       constants={"size": 3, "sf": 1}),
    _E("cl(o:z|s) Rd, Rn", "f 10 11010110 00000 00010 o nnnnn ddddd", "count_leading"),
    # Deliberately not here: RMIF, SETF8, SETF16 (FlagM), PACIA and the like (PAC), SUBP, IRG, GMI (MTE).
)  # fmt: skip

BRANCHES = (
    _E("b(L:|l) rel26", "L 00101 iiiiiiiiiiiiiiiiiiiiiiiiii", "branch"),
    _E(f"b.(c:{'|'.join(CONDITIONS)}) rel19", "01010100 iiiiiiiiiiiiiiiiiii 0 cccc", "branch_conditional"),
    _E("cb(o:z|nz) Rt, rel19", "f 011010 o iiiiiiiiiiiiiiiiiii ttttt", "compare_and_branch"),
    _E("tb(o:z|nz) Tt, tested.bit, rel14", "b 011011 o bbbbb iiiiiiiiiiiiii ttttt", "test_and_branch"),
    _E("b(L:|l)r Xn", "1101011 000 L 11111 000000 nnnnn 00000", "branch_register"),
    _E("ret {Xn=30}", "1101011 0010 11111 000000 nnnnn 00000", "branch_register",
       constants={"L": 0}),
    # Deliberately not here: BRAA, BLRAA, RETAA, ERETAA and the like (PAC), and BC.cond (HBC).
    _E("eret", "1101011 0100 11111 000000 11111 00000", "exception_return"),
    # Deliberately not here: DRPS, and DCPS1 to DCPS3 below (no external debugger ever halts us).
    _E("svc u16", "11010100 000 iiiiiiiiiiiiiiii 00001", "supervisor_call"),
    _E("hvc u16", "11010100 000 iiiiiiiiiiiiiiii 00010", "hypervisor_call"),
    _E("smc u16", "11010100 000 iiiiiiiiiiiiiiii 00011", "secure_monitor_call"),
    _E("brk u16", "11010100 001 iiiiiiiiiiiiiiii 00000", "breakpoint"),
    _E("hlt u16", "11010100 010 iiiiiiiiiiiiiiii 00000", "undefined"),  # halting debug is off
    _E("udf u16", "0000000000000000 iiiiiiiiiiiiiiii", "undefined"),
)  # fmt: skip

SYSTEM = (
    _E("hint u7", "1101010100 0 00 011 0010 iiiiiii 11111", "hint"),
    _E("clrex {u4.CRm=15}", "1101010100 0 00 011 0011 CCCC 010 11111", "clear_exclusive"),
    _E("dsb barrier", "1101010100 0 00 011 0011 CCCC 100 11111", "barrier"),
    _E("dmb barrier", "1101010100 0 00 011 0011 CCCC 101 11111", "barrier"),
    _E("isb {isb=15}", "1101010100 0 00 011 0011 CCCC 110 11111", "instruction_barrier"),
    # Deliberately not here: SB, TCOMMIT, and CFINV, AXFLAG, XAFLAG (FlagM, FlagM2).
    _E("msr pstate, u4.CRm", "1101010100 0 00 ppp 0100 CCCC qqq 11111", "write_pstate_field",
       where=_pstate_field),
    _E("sys system{, Xt=31}", "1101010100 0 01 yyyyyyyyyyyyyy ttttt", "system_instruction"),
    _E("sysl Xt, system", "1101010100 1 01 yyyyyyyyyyyyyy ttttt", "system_instruction_with_result"),
    _E("msr sysreg, Xt", "1101010100 0 1 yyyyyyyyyyyyyyy ttttt", "write_system_register"),
    _E("mrs Xt, sysreg", "1101010100 1 1 yyyyyyyyyyyyyyy ttttt", "read_system_register"),
)  # fmt: skip


# What the load and store rows fix beside their bits: how the address is made, and what is transferred.
_OFFSET, _POST, _PRE = {"mode": OFFSET}, {"mode": POST}, {"mode": PRE}
_REGISTER, _UNPRIVILEGED = {"mode": REGISTER}, {"mode": UNPRIVILEGED}
_PLAIN = {"sign": 0, "simd": 0}
_SIGNED = {"sign": 1, "simd": 0, "L": 1}
_SIMD = {"sign": 0, "simd": 1}
_QUAD = _SIMD | {"size": 4}

# Loads and stores of one register, mode by mode.
SINGLE = (
    # unsigned offset, scaled by the access size
    _E("(L:st|ld)r(z:b|h||) Zt, [Xn|SP{, u12<<size}]", "zz 111 0 01 0L iiiiiiiiiiii nnnnn ttttt",     "load_store_scaled",   constants=_OFFSET | _PLAIN),
    _E("ldrs(z:b|h|w|-) Rt, [Xn|SP{, u12<<size}]",     "zz 111 0 01 1F iiiiiiiiiiii nnnnn ttttt",     "load_store_scaled",   where=_sign_extends, constants=_OFFSET | _SIGNED),
    _E("prfm prefetch, [Xn|SP{, u12<<size}]",          "11 111 0 01 10 iiiiiiiiiiii nnnnn ttttt",     "prefetch",            constants={"size": 3}),
    _E("(L:st|ld)r Vt, [Xn|SP{, u12<<size}]",          "zz 111 1 01 0L iiiiiiiiiiii nnnnn ttttt",     "load_store_scaled",   constants=_OFFSET | _SIMD),
    _E("(L:st|ld)r Vt, [Xn|SP{, u12<<size}]",          "00 111 1 01 1L iiiiiiiiiiii nnnnn ttttt",     "load_store_scaled",   constants=_OFFSET | _QUAD),
    # unscaled offset
    _E("(L:st|ld)ur(z:b|h||) Zt, [Xn|SP{, s9}]",       "zz 111 0 00 0L 0 iiiiiiiii 00 nnnnn ttttt",   "load_store",          constants=_OFFSET | _PLAIN),
    _E("ldurs(z:b|h|w|-) Rt, [Xn|SP{, s9}]",           "zz 111 0 00 1F 0 iiiiiiiii 00 nnnnn ttttt",   "load_store",          where=_sign_extends, constants=_OFFSET | _SIGNED),
    _E("prfum prefetch, [Xn|SP{, s9}]",                "11 111 0 00 10 0 iiiiiiiii 00 nnnnn ttttt",   "prefetch",            constants={"size": 3}),
    _E("(L:st|ld)ur Vt, [Xn|SP{, s9}]",                "zz 111 1 00 0L 0 iiiiiiiii 00 nnnnn ttttt",   "load_store",          constants=_OFFSET | _SIMD),
    _E("(L:st|ld)ur Vt, [Xn|SP{, s9}]",                "00 111 1 00 1L 0 iiiiiiiii 00 nnnnn ttttt",   "load_store",          constants=_OFFSET | _QUAD),
    # post-index
    _E("(L:st|ld)r(z:b|h||) Zt, [Xn|SP], s9",          "zz 111 0 00 0L 0 iiiiiiiii 01 nnnnn ttttt",   "load_store",          constants=_POST | _PLAIN),
    _E("ldrs(z:b|h|w|-) Rt, [Xn|SP], s9",              "zz 111 0 00 1F 0 iiiiiiiii 01 nnnnn ttttt",   "load_store",          where=_sign_extends, constants=_POST | _SIGNED),
    _E("(L:st|ld)r Vt, [Xn|SP], s9",                   "zz 111 1 00 0L 0 iiiiiiiii 01 nnnnn ttttt",   "load_store",          constants=_POST | _SIMD),
    _E("(L:st|ld)r Vt, [Xn|SP], s9",                   "00 111 1 00 1L 0 iiiiiiiii 01 nnnnn ttttt",   "load_store",          constants=_POST | _QUAD),
    # unprivileged: as EL0 would access
    _E("(L:st|ld)tr(z:b|h||) Zt, [Xn|SP{, s9}]",       "zz 111 0 00 0L 0 iiiiiiiii 10 nnnnn ttttt",   "load_store",          constants=_UNPRIVILEGED | _PLAIN),
    _E("ldtrs(z:b|h|w|-) Rt, [Xn|SP{, s9}]",           "zz 111 0 00 1F 0 iiiiiiiii 10 nnnnn ttttt",   "load_store",          where=_sign_extends, constants=_UNPRIVILEGED | _SIGNED),
    # pre-index
    _E("(L:st|ld)r(z:b|h||) Zt, [Xn|SP, s9]!",         "zz 111 0 00 0L 0 iiiiiiiii 11 nnnnn ttttt",   "load_store",          constants=_PRE | _PLAIN),
    _E("ldrs(z:b|h|w|-) Rt, [Xn|SP, s9]!",             "zz 111 0 00 1F 0 iiiiiiiii 11 nnnnn ttttt",   "load_store",          where=_sign_extends, constants=_PRE | _SIGNED),
    _E("(L:st|ld)r Vt, [Xn|SP, s9]!",                  "zz 111 1 00 0L 0 iiiiiiiii 11 nnnnn ttttt",   "load_store",          constants=_PRE | _SIMD),
    _E("(L:st|ld)r Vt, [Xn|SP, s9]!",                  "00 111 1 00 1L 0 iiiiiiiii 11 nnnnn ttttt",   "load_store",          constants=_PRE | _QUAD),
    # register offset
    _E("(L:st|ld)r(z:b|h||) Zt, [Xn|SP, index]",       "zz 111 0 00 0L 1 mmmmm eee S 10 nnnnn ttttt", "load_store_register", where=_index_extend, constants=_REGISTER | _PLAIN),
    _E("ldrs(z:b|h|w|-) Rt, [Xn|SP, index]",           "zz 111 0 00 1F 1 mmmmm eee S 10 nnnnn ttttt", "load_store_register", where=_index_sign_extends, constants=_REGISTER | _SIGNED),
    _E("prfm prefetch, [Xn|SP, index]",                "11 111 0 00 10 1 mmmmm eee S 10 nnnnn ttttt", "prefetch",            where=_index_extend, constants={"size": 3}),
    _E("(L:st|ld)r Vt, [Xn|SP, index]",                "zz 111 1 00 0L 1 mmmmm eee S 10 nnnnn ttttt", "load_store_register", where=_index_extend, constants=_REGISTER | _SIMD),
    _E("(L:st|ld)r Vt, [Xn|SP, index]",                "00 111 1 00 1L 1 mmmmm eee S 10 nnnnn ttttt", "load_store_register", where=_index_extend, constants=_REGISTER | _QUAD),
    # Deliberately not here (so UNDEFINED): LDRAA, LDRAB (PAC), LDAPUR, STLUR (LRCPC2), LD64B, ST64B (LS64).
)  # fmt: skip

# Loads and stores of two registers, mode by mode.
PAIRS = (
    # no allocate, signed offset: no cache, so a plain pair
    _E("(L:st|ld)np Wt, Wt2, [Xn|SP{, s7<<size}]", "00 101 0 000 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _PLAIN | {"size": 2}),
    _E("(L:st|ld)np Xt, Xt2, [Xn|SP{, s7<<size}]", "10 101 0 000 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _PLAIN | {"size": 3}),
    _E("(L:st|ld)np Vt, Vt2, [Xn|SP{, s7<<size}]", "00 101 1 000 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _SIMD | {"size": 2}),
    _E("(L:st|ld)np Vt, Vt2, [Xn|SP{, s7<<size}]", "01 101 1 000 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _SIMD | {"size": 3}),
    _E("(L:st|ld)np Vt, Vt2, [Xn|SP{, s7<<size}]", "10 101 1 000 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _SIMD | {"size": 4}),
    # post-index
    _E("(L:st|ld)p Wt, Wt2, [Xn|SP], s7<<size",    "00 101 0 001 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_POST | _PLAIN | {"size": 2}),
    _E("(L:st|ld)p Xt, Xt2, [Xn|SP], s7<<size",    "10 101 0 001 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_POST | _PLAIN | {"size": 3}),
    _E("(L:st|ld)p Vt, Vt2, [Xn|SP], s7<<size",    "00 101 1 001 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_POST | _SIMD | {"size": 2}),
    _E("(L:st|ld)p Vt, Vt2, [Xn|SP], s7<<size",    "01 101 1 001 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_POST | _SIMD | {"size": 3}),
    _E("(L:st|ld)p Vt, Vt2, [Xn|SP], s7<<size",    "10 101 1 001 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_POST | _SIMD | {"size": 4}),
    _E("ldpsw Xt, Xt2, [Xn|SP], s7<<size",         "01 101 0 001 1 iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_POST | _SIGNED | {"size": 2}),
    # signed offset
    _E("(L:st|ld)p Wt, Wt2, [Xn|SP{, s7<<size}]",  "00 101 0 010 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _PLAIN | {"size": 2}),
    _E("(L:st|ld)p Xt, Xt2, [Xn|SP{, s7<<size}]",  "10 101 0 010 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _PLAIN | {"size": 3}),
    _E("(L:st|ld)p Vt, Vt2, [Xn|SP{, s7<<size}]",  "00 101 1 010 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _SIMD | {"size": 2}),
    _E("(L:st|ld)p Vt, Vt2, [Xn|SP{, s7<<size}]",  "01 101 1 010 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _SIMD | {"size": 3}),
    _E("(L:st|ld)p Vt, Vt2, [Xn|SP{, s7<<size}]",  "10 101 1 010 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _SIMD | {"size": 4}),
    _E("ldpsw Xt, Xt2, [Xn|SP{, s7<<size}]",       "01 101 0 010 1 iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_OFFSET | _SIGNED | {"size": 2}),
    # pre-index
    _E("(L:st|ld)p Wt, Wt2, [Xn|SP, s7<<size]!",   "00 101 0 011 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_PRE | _PLAIN | {"size": 2}),
    _E("(L:st|ld)p Xt, Xt2, [Xn|SP, s7<<size]!",   "10 101 0 011 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_PRE | _PLAIN | {"size": 3}),
    _E("(L:st|ld)p Vt, Vt2, [Xn|SP, s7<<size]!",   "00 101 1 011 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_PRE | _SIMD | {"size": 2}),
    _E("(L:st|ld)p Vt, Vt2, [Xn|SP, s7<<size]!",   "01 101 1 011 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_PRE | _SIMD | {"size": 3}),
    _E("(L:st|ld)p Vt, Vt2, [Xn|SP, s7<<size]!",   "10 101 1 011 L iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_PRE | _SIMD | {"size": 4}),
    _E("ldpsw Xt, Xt2, [Xn|SP, s7<<size]!",        "01 101 0 011 1 iiiiiii uuuuu nnnnn ttttt", "load_store_pair", constants=_PRE | _SIGNED | {"size": 2}),
    # Deliberately not here: STGP (MTE).
)  # fmt: skip

MEMORY = (
    _E("ldr Rt, rel19", "0f 011 0 00 iiiiiiiiiiiiiiiiiii ttttt", "load_literal",
       constants=_PLAIN),
    _E("ldrsw Xt, rel19", "10 011 0 00 iiiiiiiiiiiiiiiiiii ttttt", "load_literal",
       constants=_PLAIN | {"sign": 1, "sf": 0}),
    _E("prfm prefetch, rel19", "11 011 0 00 iiiiiiiiiiiiiiiiiii ttttt", "prefetch"),
    _E("ldr Vt, rel19", "00 011 1 00 iiiiiiiiiiiiiiiiiii ttttt", "load_literal", constants=_SIMD | {"size": 2}),
    _E("ldr Vt, rel19", "01 011 1 00 iiiiiiiiiiiiiiiiiii ttttt", "load_literal", constants=_SIMD | {"size": 3}),
    _E("ldr Vt, rel19", "10 011 1 00 iiiiiiiiiiiiiiiiiii ttttt", "load_literal", constants=_SIMD | {"size": 4}),
    *SINGLE,
    *PAIRS,
    _E("st(R:|l)xr(z:b|h||) Ws, Zt, [Xn|SP{, zero}]", "zz 001000 000 sssss R +++++ nnnnn ttttt",
       "store_exclusive"),
    _E("ld(R:|a)xr(z:b|h||) Zt, [Xn|SP{, zero}]", "zz 001000 010 +++++ R +++++ nnnnn ttttt",
       "load_exclusive"),
    _E("st(R:|l)xp Ws, Rt, Rt2, [Xn|SP{, zero}]", "1f 001000 001 sssss R uuuuu nnnnn ttttt",
       "store_exclusive_pair"),
    _E("ld(R:|a)xp Rt, Rt2, [Xn|SP{, zero}]", "1f 001000 011 +++++ R uuuuu nnnnn ttttt",
       "load_exclusive_pair"),
    _E("stllr(z:b|h||) Zt, [Xn|SP{, zero}]", "zz 001000 100 +++++ 0 +++++ nnnnn ttttt",
       "store_release", "LOR"),
    _E("stlr(z:b|h||) Zt, [Xn|SP{, zero}]", "zz 001000 100 +++++ 1 +++++ nnnnn ttttt",
       "store_release"),
    _E("ldlar(z:b|h||) Zt, [Xn|SP{, zero}]", "zz 001000 110 +++++ 0 +++++ nnnnn ttttt",
       "load_acquire", "LOR", constants={"rcpc": 0}),
    _E("ldar(z:b|h||) Zt, [Xn|SP{, zero}]", "zz 001000 110 +++++ 1 +++++ nnnnn ttttt",
       "load_acquire", constants={"rcpc": 0}),
    _E("ldapr(z:b|h||) Zt, [Xn|SP{, zero}]", "zz 111000 10 1 11111 1 100 00 nnnnn ttttt",
       "load_acquire", "LRCPC", constants={"rcpc": 1}),
    _E("cas(A:|a)(R:|l)(z:b|h||) Zs, Zt, [Xn|SP{, zero}]",
       "zz 0010001 A 1 sssss R 11111 nnnnn ttttt", "compare_and_swap", "LSE"),
    _E("casp(A:|a)(R:|l) pair.Rs, pair.Rt, [Xn|SP{, zero}]",
       "0f 0010000 A 1 sssss R 11111 nnnnn ttttt", "compare_and_swap_pair", "LSE",
       where=_even_pairs),
    _E("ld(o:add|clr|eor|set|smax|smin|umax|umin)(A:|a)(R:|l)(z:b|h||) Zs, Zt, [Xn|SP]",
       "zz 111000 A R 1 sssss 0 ooo 00 nnnnn ttttt", "atomic", "LSE"),
    _E("swp(A:|a)(R:|l)(z:b|h||) Zs, Zt, [Xn|SP]", "zz 111000 A R 1 sssss 1 000 00 nnnnn ttttt",
       "swap", "LSE"),
)  # fmt: skip


def _structures(f: dict[str, int]) -> bool:
    interleaved = f["op"] in (0, 4, 8)
    known = f["op"] in (0, 2, 4, 6, 7, 8, 10)
    return known and not (interleaved and f["size"] == 3 and not f["Q"])


def _lane(f: dict[str, int]) -> bool:
    scale, size = f["op"] >> 1, f["size"]
    if scale == 3:
        return f["L"] == 1 and not f["S"]
    return not size & (1 << scale) - 1 or (scale == 2 and size == 1 and not f["S"])


# Structures of SIMD registers: without text, since our assembler knows no lists of registers.
STRUCTURES = (
    _E("", "0 Q 001100 0 L 000000 oooo zz nnnnn ttttt", "load_store_structures", where=_structures,
       constants={"mode": OFFSET}),
    _E("", "0 Q 001100 1 L 0 mmmmm oooo zz nnnnn ttttt", "load_store_structures", where=_structures,
       constants={"mode": POST}),
    _E("", "0 Q 001101 0 L R 00000 ooo S zz nnnnn ttttt", "load_store_lane", where=_lane,
       constants={"mode": OFFSET}),
    _E("", "0 Q 001101 1 L R mmmmm ooo S zz nnnnn ttttt", "load_store_lane", where=_lane,
       constants={"mode": POST}),
)  # fmt: skip

# SIMD and floating point that is not a plain load or store: trapped if CPACR_EL1/CPTR_EL2 say so, else UNDEFINED (we have no
# arithmetic on V registers). The least specific rows of the table; they have no text.
OTHER_SIMD = (
    _E("", "0 zz 0 111 iiiiiiiiiiiiiiiiiiiiiiiii", "other_simd"),    # Advanced SIMD, vectors
    _E("", "01 z 1 111 iiiiiiiiiiiiiiiiiiiiiiiii", "other_simd"),    # Advanced SIMD, scalars
    _E("", "z 00 1 111 iiiiiiiiiiiiiiiiiiiiiiiii", "other_simd"),    # floating point
    _E("", "0 z 00 110 iiiiiiiiiiiiiiiiiiiiiiiii", "other_simd"),    # structures
    _E("", "zz 01 110 iiiiiiiiiiiiiiiiiiiiiiiii", "other_simd"),     # literals
    _E("", "zz 1 z 110 iiiiiiiiiiiiiiiiiiiiiiiii", "other_simd"),    # pairs, single registers
)  # fmt: skip

ENCODINGS = (*DATA_IMMEDIATE, *DATA_REGISTER, *BRANCHES, *SYSTEM, *MEMORY, *STRUCTURES, *OTHER_SIMD)
