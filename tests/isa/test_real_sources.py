"""What gcc and people write, against GNU as and ld: the same bytes at the same addresses, or a refusal with its reason.

Invariant: unwind tables (.eh_frame) and notes are the only things that ld puts into memory and we do not.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aarch64sim.asm import Program, assemble
from tests.isa import gnu

CROSS = "aarch64-linux-gnu-gcc"
pytestmark = [
    gnu.needs_binutils,
    pytest.mark.skipif(
        shutil.which(CROSS) is None, reason=f"no {CROSS} here (Debian: gcc-aarch64-linux-gnu)"
    ),
]
FOLDER = Path(__file__).parent / "programs"
KINDS = {
    part.partition("\n")[0].strip(): part.partition("\n")[2]
    for part in (FOLDER / "kinds.c").read_text("utf-8").split("//: ")[1:]
} | {"algorithms": (FOLDER / "algorithms.c").read_text("utf-8")}
COMMON = ["-S", "-o", "-", "-x", "c", "-", "-ffreestanding", "-mgeneral-regs-only", "-mno-outline-atomics"]  # fmt: skip
LEVELS = ["-O0", "-O1", "-O2", "-Os", "-O3"]
VARIANTS = ["", "-fno-pie", "-fno-pie -fno-asynchronous-unwind-tables", "-fno-pie -g", "-fno-pie -fcommon",
            "-fno-pie -ffunction-sections -fdata-sections", "-fno-pie -march=armv8.1-a",
            "-fno-pie -mcmodel=tiny", "-mbranch-protection=standard", "-fno-pie -mcmodel=large"]  # fmt: skip


def compiled(source: str, options: str) -> str:
    command = [CROSS, *COMMON, *options.split()]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


def memory(program: Program, address: int, size: int) -> bytes:
    """The bytes there, with zeros where the program puts none."""
    image = bytearray(size)
    for segment in program.segments:
        low, high = max(address, segment.address), min(address + size, segment.end)
        if low < high:
            data = segment.data[low - segment.address : high - segment.address]
            image[low - address : high - address] = data
    return bytes(image)


def assert_same(source: str) -> None:
    """Both make the same memory, and give the names the same values."""
    ours, theirs = assemble(source, gnu.BASE), gnu.link(source)
    for one, other in ((ours, theirs), (theirs, ours)):
        for segment in one.segments:
            assert memory(other, segment.address, len(segment.data)) == segment.data
    for name, value in theirs.symbols.items():
        assert ours.symbols.get(name, value) % (1 << 64) == value, name
    assert ours.entry == theirs.symbols.get("_start") or ours.entry == theirs.symbols.get(
        "main", theirs.entry
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_gcc_writes_gives_the_same_bytes(kind: str) -> None:
    rng = random.Random(kind)
    assert_same(compiled(KINDS[kind], f"{rng.choice(LEVELS)} {rng.choice(VARIANTS)}"))


def everything() -> Iterator[tuple[str, str]]:
    """Each kind at each level and in each variant, and random programs: over 200."""
    rng = random.Random(1)
    for source in KINDS.values():
        yield from ((source, f"{level} {rng.choice(VARIANTS)}") for level in LEVELS)
        yield from ((source, f"{rng.choice(LEVELS)} {variant}") for variant in VARIANTS)
    for seed in range(60):
        yield RandomC(seed).program(), f"{rng.choice(LEVELS)} {rng.choice(VARIANTS)}"


@pytest.mark.fuzz
def test_all_that_gcc_writes_gives_the_same_bytes() -> None:
    different = []
    sources = [*everything()]
    for source, options in sources:
        text = compiled(source, options)
        try:
            assert_same(text)
        except (AssertionError, ValueError) as error:
            different.append((options, source, str(error)[:500]))
    assert len(sources) > 200
    assert not different


class RandomC:
    """A random C program of globals, functions, loops and branches. It is compiled, never run."""

    TYPES = ("int", "unsigned", "long", "unsigned long", "short", "unsigned char", "signed char")
    NUMBERS = (0, 1, 3, 7, 255, 4096, 65536, 0x12345, -1, -77, 0x7FFFFFFF)

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.readable: list[str] = []
        self.writable: list[str] = ["x", "y", "z"]
        self.functions: list[str] = []

    def program(self) -> str:
        rng = self.rng
        lines = [self.variable(n) for n in range(rng.randrange(2, 7))]
        for n in range(rng.randrange(1, 5)):
            how = rng.choice(
                ["", "static ", "__attribute__((noinline)) ", "__attribute__((cold)) "]
            )
            a, b, c = rng.choices(self.TYPES, k=3)
            lines.append(f"{how}{a} f{n}({b} x, {c} y) {{ {c} z = y; {self.body()} }}")
            self.functions.append(f"f{n}")
        return "\n".join([*lines, f"int main(void) {{ int x = 3, y = 4, z = 5; {self.body()} }}"])

    def variable(self, n: int) -> str:
        rng, kind = self.rng, self.rng.choice(self.TYPES)
        how = rng.choice(["", "static ", "volatile ", "static volatile "])
        size = rng.choice([4, 8, 16, 64])
        values = ", ".join(str(rng.randrange(200)) for _ in range(rng.randrange(1, size)))
        text, use = rng.choice([
            (f"{how}{kind} g{n} = {rng.randrange(-5, 100)};", f"g{n}"),
            (f"{how}{kind} g{n};", f"g{n}"),
            (f"{how}{kind} g{n}[{size}] = {{{values}}};", f"g{n}[(unsigned)(x + y) % {size}]"),
            (f"{how}{kind} g{n}[{size}];", f"g{n}[(unsigned)x % {size}]"),
            (f"const {kind} g{n}[{size}] = {{{values}}};", f"g{n}[(unsigned)y % {size}]"),
        ])  # fmt: skip
        self.readable.append(use)
        if not text.startswith("const"):
            self.writable.append(use)
        return text

    def body(self) -> str:
        return "".join(self.statement(2) for _ in range(3)) + f"return {self.value(3)};"

    def statement(self, depth: int) -> str:
        rng, more = self.rng, depth - 1
        kind = rng.randrange(6) if depth else 0
        if kind < 2:
            return f"{rng.choice(self.writable)} {rng.choice(['=', '+=', '^='])} {self.value(2)};"
        if kind == 2:
            return f"if ({self.value(2)}) {{ {self.statement(more)} }} else {{ {self.statement(more)} }}"
        if kind == 3:
            return f"for (int i = 0; i < {rng.randrange(2, 9)}; i++) {{ {self.statement(more)} }}"
        if kind == 4:
            cases = (
                f"case {n}: {self.statement(0)} {rng.choice(['break;', ''])}" for n in range(6)
            )
            return f"switch (x) {{ {' '.join(cases)} default: {self.statement(0)} }}"
        return (
            f"while ({self.value(1)} > {rng.randrange(50)} && z-- > 0) {{ {self.statement(more)} }}"
        )

    def value(self, depth: int) -> str:
        rng, more = self.rng, depth - 1
        kind = rng.randrange(9) if depth else rng.randrange(3)
        if kind < 3:
            return str(
                rng.choice([rng.choice("xyz"), rng.choice(self.readable), rng.choice(self.NUMBERS)])
            )
        if kind < 6:
            return f"({self.value(more)} {rng.choice('+-*&|^')} {self.value(more)})"
        if kind == 6:
            return f"({self.value(more)} {rng.choice(['<<', '>>'])} {rng.randrange(1, 15)})"
        if kind == 7:
            sign = rng.choice(["<", ">", "==", "!=", "<=", "&&", "||"])
            return f"({self.value(more)} {sign} {self.value(more)} ? {self.value(more)} : {self.value(more)})"
        if self.functions:
            return f"{rng.choice(self.functions)}({self.value(more)}, {self.value(more)})"
        return f"({self.value(more)} / {rng.randrange(2, 20)})"


BY_HAND = {
    "sections that are zeros by their names": """
        .section .noinit, "aw"
        .space 4
        .section custom, "aw"
        .word 1
        .section .persistent.bss
        .space 8
        .section .persistent
        .word 2
        .bss
        .balign 32
        .space 4
        .text
        ret
    """,
    "data first, entered at main": """
        .data
        msg:    .asciz "hi!"
        .text
        .global main
        helper: ret
        main:   adr x0, helper
                adrp x1, msg
                add x1, x1, :lo12:msg
                ldr x2, =msg + 2
                ret
    """,
    "macros": r"""
        .equ UART, 0x9000000
        .macro push2 a, b=xzr
                stp \a, \b, [sp, #-16]!
        .endm
        .macro pop2 a, b=xzr
                ldp \a, \b, [sp], #16
        .endm
        .macro print text:req, times=1
                .pushsection .rodata
        str\@:  .asciz "\text"
                .popsection
                mov w9, #\times
        loop\@: adr x0, str\@
                bl puts
                subs w9, w9, #1
                b.ne loop\@
        .endm
        .macro each op, regs:vararg
                .irp r, \regs
                \op \r, \r, #1
                .endr
        .endm
        _start: push2 x29, x30
                print "hello", 3
                print times=2, text="a, b"
                each add, x1, x2, x3
                pop2 a=x29, b=x30
                push2 x1
                ret
        puts:   ret
    """,
    "a macro that calls itself, and leaves early": r"""
        .macro count from, to
                .byte \from
                .if \to - \from
                count (\from+1), \to
                .endif
        .endm
        .macro stop_at n
                nop
                .if \n == 2
                .exitm
                .endif
                ret
        .endm
        _start: stop_at 1
                stop_at 2
                stop_at 3
                count 0, 5
    """,
    "repetitions": r"""
        vectors:
                .rept 4
                .balign 128
                b vectors
                .endr
                .irpc c, 0123
                mov x\c, #\c
                .endr
                .irp r, x19, x20
                .irp s, x1, x2
                add \r, \r, \s
                .endr
                .endr
                .rept 0
                wrong
                .endr
    """,
    "conditions": r"""
        .set DEBUG, 1
        .set LEVEL, 3
        _start:
                .if DEBUG && LEVEL > 2
                brk #1
                .elseif LEVEL
                brk #2
                .else
                brk #3
                .endif
                .ifdef DEBUG
                .ifndef RELEASE
                brk #4
                .endif
                .endif
                .ifeq LEVEL - 3
                brk #5
                .endif
                .ifc abc, abc
                brk #6
                .endif
                .ifb
                brk #7
                .endif
                .if . - _start == 20
                nop
                .else
                wrong
                .endif
    """,
    "names for registers": """
        count   .req x9
        lr      .req x30
        sum     .req w10
                mov count, #5
                add sum, sum, w9
                ldr sum, =0x12345678
                .unreq sum
        sum     .req x11
                add sum, sum, count
    """,
    "parts of addresses": """
        _start: movz x0, #:abs_g3:there
                movk x0, #:abs_g2_nc:there
                movk x0, #:abs_g1_nc:there
                movk x0, #:abs_g0_nc:there
                movz x1, #:abs_g0_s:small
                movn x1, #:abs_g1_s:small
                adrp x2, there
                ldr x3, [x2, #:lo12:there]
                ldrb w4, [x2, :lo12:there + 1]
        .set small, -35
        .bss
        .balign 8
        there:  .skip 16
    """,
    "alignment and gaps": """
                nop
                .p2align 4,,11
                nop
                .p2align 5,,3
                .byte 1
                .p2align 3
                .byte 2
                .balign 16, 0xaa
                .fill 3, 2, 0x1234
                .fill 2, 8, 0xffffffffff
                .fill 4
                .org 0x80, 0x55
                .space 3, 9
                .data
                .byte 1
                .p2align 3
                .byte 1
    """,
    "sections of all kinds": """
                .section .init_array, "aw"
                .quad _start
                .section .rodata.one, "a"
                .byte 1
                .section .data.rel.ro.local, "aw"
                .balign 8
                .quad 2
                .bss
                .skip 5
                .data
                .word 3
                .section mine, "aw", @progbits
                .balign 16
                .word 4
                .section code, "ax"
                ret
                .section .text.startup, "ax"
        _start: b _start
                .text
                .balign 32
                nop
                .section .comment
                .ascii "not in memory"
                .previous
                ret
                .local l
                .comm l, 24, 16
                .comm c, 8, 8
                .section .bss.more, "aw", %nobits
                .skip 12
                .text
                ldr x0, =__bss_start
                ldr x1, =_end
                ldr x2, =_edata
    """,
    "what the compiler tells the debugger": """
                .arch armv8-a+crc
                .arch_extension lse
                .cpu cortex-a72
                .file "a.c"
                .file 1 "a.c"
                .ident "by hand"
                .type _start, @function
                .type _start, %function
        _start:
                .cfi_startproc
                .loc 1 1 0
                .hidden _start
                .weak _start
                .inst 0xd503201f, 0xd65f03c0
                uxtw x0, w1
                .cfi_endproc
                .size _start, .-_start
                .end
                anything
    """,
    "data that saves a page": """
                .text
                .skip 0xf00
                .data
                .skip 0x180
                .bss
                .skip 0x200
    """,
    "literal pools by section": """
                ldr x0, =0x123456789abcdef0
                ldr w1, =0x12345678
                .section .text.b, "ax"
                ldr x0, =0x123456789abcdef0
                .ltorg
                ldr x1, =x
                ldr x2, =1f
        1:      ldr x3, =1b
                ldr x4, =1f
        1:      nop
                .data
        x:      .quad x - 8
                .weak nowhere, x
                .quad nowhere
                .ascii "a" "b", "c"
                .lcomm d, 12
                .lcomm e, 3
                .comm f, 100
    """,
    "sections as the kernel names them": """
                .section .init.text, "ax"
        start:  ret
                .section ".head.text", "ax"
        head:   b start
                .text
        _start: bl start
                .section .init.data, "aw"
                .quad head
                .section .data..percpu, "aw"
                .word 3
                .section .altinstructions, "a"
                .word 1f - ., start - .
                .section patched, "awx"
        1:      nop
    """,
    "the point in a list, distances, wide numbers": """
                nop
        here:   .word here - _start, . - _start, _start - .
                .quad ., .
                .inst 0xd503201f, 0xd503201f + here - here
                .octa 0x0123456789abcdef0123456789abcdef, -1
                .equiv size, . - here
                mov x0, #size
        _start: ret
    """,
    "macros with commas in quotes": r"""
        .macro  both a="x1, x2", b = 5
                add x0, \a
                mov x3, #\b
        .endm
        .macro  pair, a, b
                stp \a, \b, [sp]
        .endm
        both
        both "x4, x5"
        both b=7
        both , 9
        pair x1, x2
        .irp both, "x1, #1", "x2, x3"
                mov x0, x1
                add x0, \both
        .endr
    """,
    "characters in macros": r"""
                .macro  put n, c
                .byte   '\n', '\n, \n, \c
                .endm
                put     1, 'x'
                .irpc   n, 12
                .byte   '\n', \n
                .endr
    """,
    "equal numbers share a literal": """
                .set    a, 3
                ldr     w0, =a
                ldr     w1, =(1 << 1) + 1
                .set    a, 0xab
                ldr     w2, =a
                ldr     w3, =171
                ldr     w4, =-1
                ldr     w5, =~0
                ldr     w6, =0 - 1
                ldr     w7, =-1 + 0
                ldr     w8, =0xffffffff
                ldr     x9, =ahead
                ldr     x10, =here
                ldr     x11, =here
                ldr     x12, =0xab
        here:   ret
                .set    ahead, 0xab
                .ltorg
                ldr     x9, =-1
                ldr     x10, =1 - 2
    """,
    "instructions that differ in an expression": """
                .set    SIZE, 24
                adrp    x0, table + 8
                adrp    x0, table + 4096
                adrp    x0, other
                add     x0, x0, :lo12:table
                add     x0, x0, :lo12:table + 8
                add     x0, x0, :lo12:other
                add     x0, x0, SIZE
                add     x0, x0, x1
                add     x0, x0, (later - 1)
                add     x0, x0, 4096
                ldr     x1, [x0, :lo12:table]
                ldr     x1, [x0, :lo12:table + 8]
                ldr     x1, [x0, #:lo12:other]
                ldr     x1, [x0, x2]
                ldr     x1, [x0, #SIZE]
                ldr     x1, [x0, #SIZE]!
                ldr     x1, [x0, #SIZE * 2]!
                ldr     x1, [x0], #SIZE
                mov     x2, #SIZE
                mov     x2, #SIZE - 25
                mov     x2, #SIZE << 16
                mov     x2, #later
                and     x2, x2, #SIZE
                and     x2, x2, #later
                b       1f + 4
                b       1f + 8
                tbz     x3, #3, 1f + 4
                tbz     x3, #3, 1f
                tbz     x3, #SIZE, 1f
                tbz     x3, #SIZE, 2f
                .set    SIZE, 16
                mov     x2, #SIZE
                b.eq    1f
        1:      nop
        2:      b       1b
                tbz     x3, #SIZE, 2b
                tbz     x3, #SIZE, 1b
                b       . - 4
                ret
                .set    later, 7
                .data
                .balign 8
        table:  .quad   1, 2, 3
        other:  .quad   SIZE
    """,
    "literals of all sizes": """
                ldrsw x0, =0x12345678
                ldr d0, =0x1122334455667788
                ldr s1, =0x11223344
                ldr q2, =0x112233445566778811223344556677ff
                ldr w3, =0x11223344
                ldr x4, =here
        here:   ret
    """,
}  # fmt: skip


@pytest.mark.parametrize("source", BY_HAND.values(), ids=[*BY_HAND])
def test_what_people_write_gives_the_same_bytes(source: str) -> None:
    assert_same(source)
