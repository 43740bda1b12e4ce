"""The assembler: a table of texts and words read both ways, directives, and what it says about mistakes.

Invariant: words and texts here were made by GNU as and objdump 2.40, or by hand from the manual.
"""

from __future__ import annotations

import contextlib
import cProfile

import pytest

from aarch64sim.asm import AssemblyError, assemble, disassemble

BASE = 0x4000_0000

# Text as we print it, and its word at BASE.
BOTH_WAYS = """
add x1, x2, #0x10              91004041
add x0, x1, #0x1, lsl #12      91400420
add sp, x0, x1                 8b21601f
add x0, sp, w1, uxtw #2        8b214be0
add x0, x1, x2, uxtx           8b226020
sub w3, w4, w5, asr #7         4b851c83
subs x0, x1, x2                eb020020
cmp x1, #0x14                  f100503f
cmn w1, w2, lsl #3             2b020c3f
cmp sp, x2                     eb2263ff
neg x1, x2                     cb0203e1
negs w1, w2, lsr #4            6b4213e1
adc x0, x1, x2                 9a020020
ngcs w0, w1                    7a0103e0
and x0, x1, #0xff              92401c20
orr w0, wzr, #0xffff           32003fe0
mov w0, #0x5555                528aaaa0
mov x0, #0xffffffffffffffff    92800000
mov w0, #0x12340000            52a24680
mov x0, #0x5555555555555555    b200f3e0
mov sp, x0                     9100001f
mov x0, x1                     aa0103e0
mvn w0, w1, ror #5             2ae117e0
tst x0, #0x1                   f240001f
bics x0, x1, x2                ea220020
movk x0, #0x1234, lsl #48      f2e24680
movz x0, #0x0, lsl #16         d2a00000
adr x0, 0x40000010             10000080
adrp x0, 0x40001000            b0000000
asr x0, x1, #3                 9343fc20
lsl w0, w1, #31                53010020
lsr w0, w1, #1                 53017c20
sxtb x0, w1                    93401c20
sxtw x0, w1                    93407c20
uxth w0, w1                    53003c20
ubfx x0, x1, #3, #4            d3431820
sbfiz x0, x1, #3, #4           937d0c20
bfi w0, w1, #3, #4             331d0c20
bfc x0, #3, #4                 b37d0fe0
bfxil x0, x1, #3, #4           b3431820
extr x0, x1, x2, #5            93c21420
ror x0, x1, #5                 93c11420
lsl x0, x1, x2                 9ac22020
csel x0, x1, x2, hi            9a828020
cset w0, eq                    1a9f17e0
cinc x0, x1, lt                9a81a420
cneg x0, x1, ge                da81b420
ccmp x0, #0x3, #0x4, ne        fa431804
ccmn w0, w1, #0x0, cs          3a412000
madd x0, x1, x2, x3            9b020c20
mul w0, w1, w2                 1b027c20
umulh x0, x1, x2               9bc27c20
smaddl x0, w1, w2, x3          9b220c20
umnegl x0, w1, w2              9ba2fc20
sdiv x0, x1, x2                9ac20c20
crc32b w0, w1, w2              1ac24020
crc32cx w0, w1, x2             9ac25c20
rbit x0, x1                    dac00020
rev x0, x1                     dac00c20
rev32 x0, x1                   dac00820
clz w0, w1                     5ac01020
b 0x40000008                   14000002
bl 0x3ffffffc                  97ffffff
b.ne 0x40000008                54000041
cbz w0, 0x40000008             34000040
tbnz x0, #33, 0x40000008       b7080040
tbz w0, #3, 0x40000008         36180040
br x1                          d61f0020
blr x1                         d63f0020
ret                            d65f03c0
ret x1                         d65f0020
eret                           d69f03e0
svc #0x7                       d40000e1
hvc #0x0                       d4000002
smc #0x0                       d4000003
brk #0x123                     d4202460
hlt #0x0                       d4400000
udf #0x0                       00000000
ldr x0, [x1]                   f9400020
ldr w0, [x1, #4]               b9400420
str x0, [x1, #32760]           f93ffc20
ldrb w0, [sp, #1]              394007e0
ldrsw x0, [x1, #4]             b9800420
ldrsb w0, [x1]                 39c00020
ldrsh x0, [x1]                 79800020
ldur x0, [x1, #-8]             f85f8020
sttrb w0, [x1, #-1]            381ff820
ldtrsw x0, [x1]                b8800820
ldr x0, [x1], #8               f8408420
str w0, [x1, #-4]!             b81fcc20
ldr x0, [x1, x2]               f8626820
ldr x0, [x1, x2, lsl #3]       f8627820
ldr x0, [x1, w2, uxtw]         f8624820
str w0, [x1, w2, sxtw #2]      b822d820
ldrb w0, [x1, x2, lsl #0]      38627820
ldr x0, 0x40000010             58000080
ldrsw x0, 0x40000010           98000080
prfm pldl1keep, [x1]           f9800020
prfm #0x0f, [x1]               f980002f
prfum pstl3strm, [x1, #-1]     f89ff035
ldp x0, x1, [x2]               a9400440
stp w0, w1, [sp, #-16]!        29be07e0
ldp x0, x1, [x2], #16          a8c10440
ldpsw x0, x1, [x2, #-256]      69600440
ldnp x0, x1, [x2, #8]          a8408440
ldr q0, [x1, #16]              3dc00420
str b0, [x1]                   3d000020
ldp d0, d1, [x2]               6d400440
ldr s0, 0x40000010             1c000080
ldxr w0, [x1]                  885f7c20
stlxrb w0, w1, [x2]            0800fc41
ldaxp x0, x1, [x2]             c87f8440
stxp w0, w1, w2, [x3]          88200861
ldar x0, [sp]                  c8dfffe0
stlrh w0, [x1]                 489ffc20
ldapr x0, [x1]                 f8bfc020
ldlar w0, [x1]                 88df7c20
cas w0, w1, [x2]               88a07c41
casal x0, x1, [x2]             c8e0fc41
casp x0, x1, x2, x3, [x4]      48207c82
ldaddal x0, x1, [x2]           f8e00041
stclrb w0, [x1]                3820103f
swpah w0, w1, [x2]             78a08041
nop                            d503201f
wfi                            d503207f
bti c                          d503245f
paciasp                        d503233f
hint #0x7f                     d5032fff
isb                            d5033fdf
dsb ish                        d5033b9f
dmb #0x00                      d50330bf
clrex                          d5033f5f
clrex #0x3                     d503335f
msr daifclr, #0x2              d50342ff
msr spsel, #0x1                d50041bf
mrs x0, sctlr_el1              d5381000
msr vbar_el1, x1               d518c001
mrs x0, s3_7_c15_c15_7         d53fffe0
dc zva, x0                     d50b7420
ic iallu                       d508751f
at s1e1r, x0                   d5087800
tlbi vmalle1is                 d508831f
tlbi vae1, x0                  d5088720
sys #3, c7, c4, #1             d50b743f
dc zva, xzr                    d50b743f
sysl x0, #3, c7, c4, #1        d52b7420
"""
TABLE = [(line[:31].strip(), int(line[31:], 16)) for line in BOTH_WAYS.strip().splitlines()]

# Other spellings of the same words.
ALSO_READ = [
    ("ADD X1, X2, 16", 0x91004041),
    ("add x0, x1, #4096", 0x91400420),
    ("add x0, x1, #-1", 0xD1000420),
    ("cmp x1, -1", 0xB100043F),
    ("add x0, x1, x2, lsl 0", 0x8B020020),
    ("mov x0, -1", 0x92800000),
    ("mov w0, #-1", 0x12800000),
    ("movz x0, #1", 0xD2800020),
    ("movn x0, #0", 0x92800000),
    ("orr x0, xzr, x1", 0xAA0103E0),
    ("and x0, x1, #~1", 0x927FF820),
    ("bic x0, x1, #1", 0x927FF820),
    ("ubfm x0, x1, #3, #6", 0xD3431820),
    ("lslv x0, x1, x2", 0x9AC22020),
    ("csinc w0, wzr, wzr, ne", 0x1A9F17E0),
    ("subs xzr, x1, #20", 0xF100503F),
    ("b.hs .+8", 0x54000042),
    ("bne .+8", 0x54000041),
    ("tbz x0, #3, .+8", 0x36180040),
    ("ret lr", 0xD65F03C0),
    ("ldr x0, [x1, #0]", 0xF9400020),
    ("ldr x0, [x1, #-8]", 0xF85F8020),
    ("ldr x0, [x1, #1]", 0xF8401020),
    ("ldr x0, [x1, x2, lsl #0]", 0xF8626820),
    ("str q0, [x1, #-16]", 0x3C9F0020),
    ("ldxr w0, [x1, #0]", 0x885F7C20),
    ("rev64 x0, x1", 0xDAC00C20),
    ("dmb sy", 0xD5033FBF),
    ("isb sy", 0xD5033FDF),
    ("hint #0", 0xD503201F),
    ("msr DAIFClr, #2", 0xD50342FF),
    ("mrs x0, S3_0_C1_C0_0", 0xD5381000),
    ("sys #3, C7, C4, #1, x0", 0xD50B7420),
    ("mov x29, ip0", 0xAA1003FD),
]


def word(text: str) -> int:
    ((_, value),) = assemble(text, BASE).words()
    return value


@pytest.mark.parametrize(("text", "value"), TABLE, ids=[text for text, _ in TABLE])
def test_text_and_word_are_each_others(text: str, value: int) -> None:
    assert f"{word(text):08x}" == f"{value:08x}"
    again = disassemble(value, BASE)
    assert word(again) == value
    aliases = {"orr w0, wzr, #0xffff": "mov w0, #0xffff", "sys #3, c7, c4, #1": "dc zva, xzr"}
    if text not in aliases:
        assert again == text


@pytest.mark.parametrize(("text", "value"), ALSO_READ, ids=[text for text, _ in ALSO_READ])
def test_other_spellings_are_read(text: str, value: int) -> None:
    assert f"{word(text):08x}" == f"{value:08x}"


MISTAKES = [
    ("addd x0, x1, x2", 1, "unknown mnemonic 'addd'; did you mean 'add'?"),
    (
        "add x0, x1, #5000",
        13,
        "immediate 5000 is out of range: expected 0 to 4095, or a multiple of 4096 up to 16773120",
    ),
    (
        "ldr x0, [x1, #40000]",
        14,
        "offset 40000 is out of range: expected 0 to 32760, a multiple of 8",
    ),
    ("ldp x0, x1, [x2, #12]", 18, "offset 12 is not a multiple of 8"),
    ("ldr w0, [w1]", 10, "expected a 64-bit register (x0-x30 or sp), found 'w1'"),
    ("str x0, [xzr]", 10, "'xzr' is not possible here: expected a 64-bit register (x0-x30 or sp)"),
    ("mul x0, sp, x1", 9, "'sp' is not possible here: expected a 64-bit register (x0-x30 or xzr)"),
    ("mov x31, x0", 5, "there is no register 'x31': 31 is written sp or xzr"),
    ("mul x0, x1, w2", 13, "expected a 64-bit register (x0-x30 or xzr), found 'w2'"),
    ("b nowhere", 3, "unknown symbol 'nowhere'"),
    ("loop: b lop", 9, "unknown symbol 'lop'; did you mean 'loop'?"),
    ("bl memcpy", 4, "the compiler calls it by itself, and there is no library here: define it"),
    ("bl __aarch64_ldadd4_acq_rel", 4, "give the compiler -mno-outline-atomics"),
    ("bl x1", 4, "'x1' is a register: br, blr and ret take one"),
    ("a: ldr x0, =a\nldr x0, =a $", 12, "expected the end of the line, found '$'"),
    ("a: ldr x0, =a\nldr x0, =a \\", 12, "unexpected character"),
    ("jmp there", 1, "'jmp': belongs to x86; this is A64"),
    ("SIZE EQU 5", 6, "'EQU': belongs to armasm; this reads the syntax of GNU as"),
    ("dsb", 4, "expected one of oshld, oshst,"),
    ("b.eq x1", 6, "expected a number or a symbol, found register 'x1'"),
    ("tbz x0, x1, .", 9, "expected a number or a symbol, found register 'x1'"),
    ("ldp x0, x1, [x2, x3]", 18, "expected a number or a symbol, found register 'x3'"),
    ("add x0, x1, w2", 15, "expected an extension of the 32-bit register, such as ', uxtw'"),
    ("ldr x0, [x1, w2]", 16, "expected ', uxtw' or ', sxtw' after a 32-bit index register"),
    ("ldr q0, [x1, w2, uxtw #16]", 23, "shift amount 16 is not possible: expected 0 or 4"),
    ("ldr b0, [x1, w2, uxtw #1]", 23, "shift amount 1 is not possible: expected 0"),
    (".equ a, 1\n.equiv a, 2", 1, "'a' already has a value"),
    ("b 1f", 3, "there is no label '1:' after this line"),
    ("mrs x0, vbar_el", 9, "did you mean 'vbar_el"),
    ("cbz x0, .+2", 9, "the target is not a multiple of 4 bytes away"),
    (
        "b . + 0x8000000",
        3,
        "the target is 134217728 bytes away: the reach is -134217728 to 134217724",
    ),
    ("tbz w0, #40, .", 9, "bit number 40 is out of range: expected 0 to 31"),
    ("lsl x0, x1, #64", 13, "shift amount 64 is out of range: expected 0 to 63"),
    ("mov x0, #0x12345", 9, "one mov cannot make 0x12345"),
    ("and x0, x1, #5", 13, "0x5 is not a bitmask immediate"),
    ("csel x0, x1, x2, foo", 18, "expected a condition (eq, ne, ... nv), found 'foo'"),
    ("svc #70000", 5, "immediate 70000 is out of range: expected 0 to 65535"),
    ("mov x0 x1", 8, "expected ',', found 'x1'"),
    ("ret x0 x1", 8, "expected the end of the line, found 'x1'"),
    ("casp x1, x2, x3, x4, [x5]", 6, "expected an even-numbered register, found 'x1'"),
    ("dc zvaa, x0", 4, "'zvaa' is not an operation of dc; did you mean 'zva'?"),
    ("dc zva", 7, "expected ',', found the end of the line"),
    (".wrod 1", 1, "unknown directive '.wrod'; did you mean '.word'?"),
    (".word 1 << 40", 7, "1099511627776 does not fit in 4 bytes"),
    (".byte 1; nop", 10, "instruction at address 0x40000001: expected a multiple of 4"),
    (".word 1/0", 8, "division by zero"),
    ("mov x0, #08", 10, "octal"),
    ('.ascii "abc', 8, "the string that starts here has no end"),
    ("/* never closed", 1, "the comment that starts here has no end"),
    ("prfm pldl1keep, =5", 19, "only ldr and ldrsw take =value"),
    (".org 8\n.org 4", 6, ".org goes back"),
    ("mov x0,\u00a0#1", 8, "U+00A0 (no-break space): put a plain space in its place"),
    ("mov x0, #1\u200b", 11, "unexpected character U+200B (zero width space)"),
    ("mov x0, \u20131", 9, "unexpected character U+2013 (en dash)"),
    ("st1 {v0.16b}, [x0]", 1, "'st1': SIMD and floating-point arithmetic is not modelled"),
    ("fmov x0, d1", 1, "'fmov': SIMD and floating-point arithmetic is not modelled"),
    ("add v0.4s, v1.4s, v2.4s", 5, "'v0.4s': SIMD and floating-point arithmetic is not modelled"),
    ("mov x0, v1.d", 9, "'v1.d': SIMD and floating-point arithmetic is not modelled"),
    ("retaa", 1, "'retaa': pointer authentication is not modelled"),
    ("push {r0}", 1, "'push': belongs to A32 (32-bit Arm); this is A64"),
    ("mov r0, #1", 5, "expected a register (x0-x30 or xzr, w0-w30 or wzr), found 'r0'"),
    (
        '.include "a.s"',
        1,
        "'.include' is left out: a program here is one text; assemble and link it",
    ),
    (
        "adrp x0, :got:x",
        10,
        "':got:' is left out: there is no dynamic linking (give the compiler -fno-pie, and define what is weak)",
    ),
    (
        ".section .tdata",
        9,
        "section '.tdata' is left out: thread-local storage needs an operating",
    ),
    (
        ".text 1",
        6,
        "numbered subsections are left out; assemble and link it with GNU as and ld, and take the ELF file",
    ),
    (".space end - .\nend:", 8, "unknown symbol 'end' (its value has to be known in this line)"),
    (".data\na: .text\n.space . - a", 1, "this depends on where the sections are put"),
    (".data\na: .text\n.org a + 8", 1, "this depends on where the sections are put"),
    (".popsection", 12, "there is no .pushsection before this"),
    (".section", 9, "expected a name"),
    (".if 1\nnop", 1, "this .if has no .endif"),
    (".endif", 1, "there is no .if before this .endif"),
    (".macro m\nnop", 1, "this .macro has no .endm"),
    (".endr", 1, "there is no .rept, .irp or .irpc before this .endr"),
    (".rept nowhere\n.endr", 7, "unknown symbol 'nowhere'"),
    (".rept -1\n.endr", 6, "-1 repetitions are out of range"),
    (".macro m a:req\n.endm\n  m", 3, "macro 'm' needs a value for 'a'"),
    (".macro m a\n.endm\nm 1, 2", 1, "macro 'm' takes 1 arguments, found '2' after them"),
    (
        ".macro m a\n nop\n add \\a\n.endm\n  m x1",
        3,
        "expected ',', found the end of the line (in macro 'm', line 3)",
    ),
    (".macro m\nm\n.endm\nm", 1, "macros and repetitions are nested too deeply: at most 100"),
    ("x .req y", 1, "expected a register after .req, found 'y'"),
    ("x1 .req x2", 1, "'x1' is another register already"),
    ("a .req x1\nA .req x2", 1, "'A' is another register already"),
    (
        ".weak w\nadrp x0, w",
        10,
        "'w' is weak and has no definition: only data can hold its value, 0",
    ),
    (".unreq a", 1, "'a' is not a name that .req gave to a register"),
    (
        ".macro m a\n m \\a\\a\n.endm\nm x",
        1,
        "a macro makes a statement of 65538 characters: at most 65536",
    ),
    (".org 1 << 40, 1", 6, "at most 16777216 bytes can be filled"),
    (".bss\n.byte 1", 1, "section .bss holds nothing but zeros"),
    ("movz x0, #:abs_g0:x\n.set x, 0x12345", 19, "74565 is out of range: expected 0 to 65535"),
    (".data\nx: .quad 0\n.text\n.if x > 0x50000000\n.endif", 1, "where the sections are put"),
    (".p2align 3,,-1", 13, "number of bytes -1 is out of range"),
    ("x" * 100000, 1, f"unknown mnemonic '{'x' * 40}...'"),
    ("mov x0, #(((1))", 16, "expected ')', found the end of the line"),
]


@pytest.mark.parametrize(("source", "column", "message"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_mistakes_are_told_where_and_what(source: str, column: int, message: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source, BASE)
    error = caught.value
    assert message in error.message
    if "08" not in source and "q0" not in source and "1/0" not in source:
        assert error.column == column
    assert str(error) == f"line {error.line}, column {error.column}: {error.message}"


def test_caret_stands_under_the_column() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("nop\n\tadd x0, x1, #5000 // too much\n", BASE)
    error = caught.value
    assert (error.line, error.column) == (2, 14)
    assert error.caret == "\tadd x0, x1, #5000 // too much\n\t            ^"


def test_all_mistakes_of_a_source_are_told() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("foo\nnop\na: a: bar x0\n.set a, 3\n", BASE)
    assert [e.line for e in caught.value.errors] == [1, 3, 3, 4]
    assert str(caught.value).count("\n") == 3


def test_lines_map_instructions_to_the_source() -> None:
    program = assemble("// one\nstart: nop; nop\n.quad 5\n  ret\n", BASE)
    assert program.lines == {BASE: 2, BASE + 4: 2, BASE + 16: 4}
    assert program.line_text(BASE + 16) == "ret"
    assert program.label_at(BASE) == "start"
    assert program.label_at(BASE + 4) is None
    assert list(program.words()) == [
        (BASE, 0xD503201F),
        (BASE + 4, 0xD503201F),
        (BASE + 16, 0xD65F03C0),
    ]


def data(source: str) -> bytes:
    (segment,) = assemble(source, BASE).segments
    return segment.data


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (".byte 1, -1, 'A', '\\n'", b"\x01\xff\x41\x0a"),
        (".hword 0x1234\n.short 1", b"\x34\x12\x01\x00"),
        (".word 1+2*3, (1+2)*3, 7/2, -7/2, 7%3, 1<<4|1, 6&3, 6^3, ~0", None),
        (".quad -1, 0xffffffffffffffff", b"\xff" * 16),
        ('.ascii "a\\tb", "\\x41\\101\\\\"', b"a\tbAA\\"),
        ('.asciz "é"; .string ""', b"\xc3\xa9\0\0"),
        (".byte 1; .align 2; .byte 2", b"\x01\0\0\0\x02"),
        (".byte 1; .balign 8, 0xff; .byte 2", b"\x01" + b"\xff" * 7 + b"\x02"),
        ("nop; .align 4; nop", bytes.fromhex("1f2003d5") * 5),
        (".space 3, 7; .zero 2; .skip 1", b"\x07\x07\x07\0\0\0"),
        (".equ a, 5; b = a + 1; .set c, b * 2; .byte a, b, c", b"\x05\x06\x0c"),
        (".byte end - start; start: .word 0; end:", b"\x04\0\0\0\0"),
        (".equ n, end - start; start: .byte n; end:", b"\x01"),
        (".set x, 1; .byte x; .set x, x + 1; .byte x", b"\x01\x02"),
        ("# a comment\n.byte 1 // another\n/* a\nblock */ .byte 2", b"\x01\x02"),
        ('.ascii "/* no // comment; */"', b"/* no // comment; */"),
        (".word label; label:", b"\x04\0\0\x40"),
        (".org 4\n.byte 1", b"\x01"),
        (".inst 0xd503201f", b"\x1f\x20\x03\xd5"),
        (".text\n.global x\n.type x, %function\nx: .byte 1", b"\x01"),
    ],
)
def test_directives(source: str, expected: bytes | None) -> None:
    if expected is None:
        numbers = [7, 9, 3, -3, 1, 17, 2, 5, -1]
        expected = b"".join((n & 0xFFFFFFFF).to_bytes(4, "little") for n in numbers)
    assert data(source) == expected


def test_numeric_labels_are_found_in_their_direction() -> None:
    program = assemble("1: nop\n1: b 1b\nb 1f\n2: b 2b\n1: nop", BASE)
    texts = [disassemble(value, address) for address, value in program.words()]
    assert texts == ["nop", "b 0x40000004", "b 0x40000010", "b 0x4000000c", "nop"]


def test_literal_pools_hold_each_value_once() -> None:
    program = assemble(
        "ldr x0, =0x123456789\nldr x1, =0x123456789\nldr w2, =7\nb .\n.ltorg\nldr x3, =start+1\nstart: nop",
        BASE,
    )
    words = dict(program.words())
    assert disassemble(words[BASE], BASE) == "ldr x0, 0x40000018"
    assert disassemble(words[BASE + 4], BASE + 4) == "ldr x1, 0x40000018"
    assert disassemble(words[BASE + 8], BASE + 8) == "ldr w2, 0x40000010"
    assert disassemble(words[BASE + 32], BASE + 32) == "ldr x3, 0x40000028"
    assert program.read(BASE + 24, 8) == (0x123456789).to_bytes(8, "little")
    assert program.read(BASE + 16, 4) == (7).to_bytes(4, "little")
    assert program.read(0x40000028, 8) == (BASE + 0x24 + 1).to_bytes(8, "little")


def test_a_literal_has_the_value_that_its_symbol_has_there() -> None:
    program = assemble(
        "a = 3\nldr w0, =a\nldr w1, =a\na = 0xab\nldr w2, =a\nldr w3, =0xab\nldr w4, =0xab", BASE
    )
    words = [int.from_bytes(program.read(BASE + at, 4) or b"", "little") for at in (20, 24)]
    assert words == [3, 0xAB]
    texts = [disassemble(word, address) for address, word in program.words()]
    assert [text[-8:] for text in texts] == [
        "40000014",
        "40000014",
        "40000018",
        "40000018",
        "40000018",
    ]


def test_a_fault_behind_an_equals_sign_is_told_once() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("ldr x0, =nowhere", BASE)
    assert str(caught.value) == "line 1, column 10: unknown symbol 'nowhere'"


def test_org_begins_a_segment_and_takes_offsets_or_addresses() -> None:
    program = assemble("nop\n.org 0x200\nnop\n.org 0x40000400\nret", BASE)
    assert [(s.address, len(s.data)) for s in program.segments] == [
        (BASE, 4),
        (BASE + 0x200, 4),
        (BASE + 0x400, 4),
    ]


def test_entry_is_start_or_main_or_the_first_byte_of_the_text() -> None:
    assert assemble("nop\nmain: nop\n_start: nop", BASE).entry == BASE + 8
    assert assemble("nop\nmain: nop", BASE).entry == BASE + 4
    assert assemble(".data\n.quad 5\n.text\nnop", BASE).entry == BASE
    assert assemble("main = 5\nnop", BASE).entry == BASE
    assert assemble("", BASE).segments == ()


def test_a_hint_is_at_most_two_edits_away() -> None:
    hints = {"strr": "str", "lsll": "lsl", "subss": "subs", "mvo": "mov", "xyzzy": "", "q": "", "ad": "",
             ".sectiom": ".section", ".rpet": ".rept", ".sectio_x": ".section", ".nothing": ""}  # fmt: skip
    for word, hint in hints.items():
        with pytest.raises(AssemblyError) as caught:
            assemble(word, BASE)
        assert caught.value.message.partition("; ")[2] == (
            f"did you mean '{hint}'?" if hint else ""
        )


def test_both_passes_tell_their_faults_at_once() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("mov r0, #1\nfoo\nadd x0, x1, #5000\n", BASE)
    assert [e.line for e in caught.value.errors] == [1, 2, 3]


def test_data_stands_after_the_code_on_a_page_of_its_own() -> None:
    program = assemble(".data\nx: .quad 1\n.text\nmain: adr x0, x\n.bss\ny: .skip 8", BASE)
    assert program.symbols == {"main": BASE, "x": BASE + 0x10004, "y": BASE + 0x1000C}
    assert program.read(BASE + 0x10004, 8) == (1).to_bytes(8, "little")
    assert program.lines == {BASE: 4}


def test_the_line_of_an_instruction_is_that_of_the_macros_call_or_the_repetitions_body() -> None:
    program = assemble(".macro m\nnop\nnop\n.endm\n.rept 2\nret\n.endr\nm", BASE)
    assert [*program.lines.values()] == [6, 6, 8, 8]


def test_a_name_that_is_defined_later_is_not_compared_with_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aarch64sim.asm.symbols.did_you_mean", None)
    assemble("".join(f".quad n{n}\n b n{n}\n adr x{n}, n{n}\nn{n}: nop\n" for n in range(9)))


@pytest.mark.parametrize(
    "line",
    [
        "1: b 1b\n",
        "n{}: b n{}\n",
        "n{}: adr x0, n{}\n .quad n{} + 8\n ldr x1, =n{}\n",
        "b n{}f\n .quad n{}f\n n{}f: nop\n",
        ".quad last{} - first{}\n first{}: last{}:\n",
        "n{}:\n",
        "\n",
        ";",
        ".byte 1\n",
        "mov x{}, #1\n",
        '"\\',
        "// x\n",
    ],
)
def test_twice_the_lines_take_twice_the_work(line: str) -> None:
    """Counted in calls of functions, which no other program on this machine changes."""

    def calls(lines: int) -> int:
        text = "".join(line.replace("{}", str(n % 20)) for n in range(20)) if "x{}" in line else ""
        source = text * (lines // 20) or "".join(line.replace("{}", str(n)) for n in range(lines))
        profile = cProfile.Profile()
        with contextlib.suppress(AssemblyError):
            profile.runcall(assemble, source, BASE)
        return sum(entry.callcount for entry in profile.getstats())

    calls(100)
    assert calls(4000) < 2.3 * calls(2000) + 1000


def test_lo12_and_adrp_make_an_address() -> None:
    words = [
        w
        for _, w in assemble(
            "adrp x0, x\nadd x0, x0, :lo12:x\n.org 0x1234\nx: .byte 0", BASE
        ).words()
    ]
    assert [disassemble(w, BASE) for w in words] == ["adrp x0, 0x40001000", "add x0, x0, #0x234"]


@pytest.mark.parametrize("base", [2, -4, 1 << 64])
def test_a_base_that_cannot_be_is_refused(base: int) -> None:
    with pytest.raises(ValueError, match="base"):
        assemble("nop", base)


@pytest.mark.parametrize(
    "source", [".space 1 << 40", ".space 16 << 20; .byte 1", ".org 1 << 63; nop; .align 70"]
)
def test_sizes_beyond_reason_are_refused(source: str) -> None:
    with pytest.raises(AssemblyError):
        assemble(source, BASE)
