"""Random lines about what a guest rarely does: registers that it has no business with, calls that nobody answers, words
that are no instructions.

Invariant: as in `random_code`, every line assembles, and what it does to the guest is left to the guest.
"""

from __future__ import annotations

from random import Random

from aarch64sim.evidence.random_spaces import SPACES

_FEATURES = (
    "revidr_el1", "aidr_el1", "id_aa64dfr1_el1", "id_aa64afr0_el1", "id_aa64afr1_el1", "id_aa64isar1_el1",
    "id_aa64mmfr2_el1", "id_aa64zfr0_el1", "ccsidr_el1", "csselr_el1",
    *(f"s3_0_c0_c{crm}_{op2}" for crm in range(1, 8) for op2 in range(8)),
)  # fmt: skip
_DEBUG = (
    "oslar_el1", "osdlr_el1", "mdrar_el1", "dbgbvr1_el1", "dbgbcr1_el1", "dbgwvr1_el1", "dbgwcr1_el1", "dbgbvr5_el1",
    "dbgbcr2_el1", "mdccsr_el0", "mdscr_el1", "s2_0_c0_c9_4", "s2_0_c0_c7_7", "oslsr_el1",
)  # fmt: skip
_PMU = (
    "pmcr_el0", "pmcntenset_el0", "pmuserenr_el0", "pmselr_el0", "pmxevtyper_el0", "pmintenset_el1", "pmovsclr_el0",
    "pmccfiltr_el0", "pmccntr_el0",
)  # fmt: skip
_LOR = tuple(f"s3_0_c10_c4_{op2}" for op2 in (0, 1, 2, 3, 7))
_ODD = (
    "actlr_el1", "s3_0_c4_c6_0", "s3_0_c12_c12_0", "s3_0_c12_c11_5", "s3_0_c15_c2_0", "s3_1_c15_c2_0",
    "s3_0_c11_c0_0", "s3_4_c1_c1_0", "s3_4_c1_c0_0", "s3_4_c4_c1_0", "s3_0_c2_c1_0", "s3_0_c12_c1_1", "s3_0_c14_c2_1",
    "s3_3_c14_c4_0", "s3_0_c5_c3_0", "s3_0_c5_c4_0", "s3_0_c12_c8_0", "s3_3_c4_c2_5", "s3_3_c13_c0_5",
    "s3_3_c13_c0_7", "s3_0_c1_c0_5", "s3_0_c1_c2_0", "s3_3_c4_c2_6", "s3_3_c4_c2_7", "s3_0_c5_c1_0", "s3_0_c10_c3_0",
)  # fmt: skip
_OPERATIONS = (
    "dc csw, x0", "ic ialluis", "tlbi vae1, x21", "at s1e0w, x21", "dc cvac, x21", "dc ivac, x21", "tlbi vmalle1is",
    "tlbi aside1, x0", "sys #0, c15, c0, #0, x0", "sys #3, c7, c13, #1, x21", "sys #4, c7, c8, #4, x21",
    "sys #4, c8, c7, #4, x0", "ic ivau, x21", "sys #3, c7, c10, #1, x26",
)  # fmt: skip
_WORDS = (
    0xD4A0_0001, 0xD6BF_03E0, 0xD400_0061, 0xFFFF_FFFF, 0x0400_0000, 0x1E2E_1000, 0x1E62_2820, 0xD503_237F,
    0xDAC1_0000, 0xD500_401F, 0x0C00_0000, 0xF820_06A0, 0x4E08_3C00, 0xD503_403F, 0xD503_24DF, 0xD503_305F, 0x0000_0009,
    0xBD40_02A0, 0xFD00_02A1, 0x3DC0_02A0, 0x3D80_02A0, 0x6D40_06A0, 0x3C00_16A0, 0x7C40_2EA1, 0x38BF_C2A0, 0xC8DF_7EA1,
    0xC89F_7EA1, 0x287F_06A0, 0xC87F_06A0, 0x4820_7EA2, 0x9AC0_0820, 0x1AC1_4800, 0x9B21_0C40, 0x8B21_8C40, 0xD503_203F,
)  # fmt: skip
# Functions of PSCI, the Arm architecture, KVM and nobody.
_CALLS = (
    0x8400_0000, 0x8400_000A, 0xC400_0004, 0x8400_0006, 0x8000_0000, 0x8000_0001, 0xC400_0003, 0x8400_0003, 0x1,
    0x8400_0005, 0x8400_0007, 0x8600_0000, 0x8400_000B, 0x8400_0004, 0xC400_000E, 0xC500_0020, 0x8000_8000, 0x8000_7FFF,
    0x8000_3FFF, 0x8600_FF01, 0xC400_0000,
)  # fmt: skip
_SPSR = (
    0x3C0, 0x340, 0x0, 0x8000_0000, 0x20_03C0, 0x40_03C0, 0x3C4, 0x3C5, 0x3C9, 0x3CD, 0x10_03C5, 0x80_03C5, 0x3C1,
    0x3C7, 0x1C5, 0x1_03C5,
)  # fmt: skip


def corner(random: Random) -> list[str]:
    """A few lines of one kind."""
    return random.choice(
        (_read, _read, _write_and_read, _operation, _word, _call, _state, _return, *SPACES)
    )(random)


def _x(random: Random) -> str:
    return f"x{random.randrange(9)}"


def _number(random: Random, x: str, value: int) -> list[str]:
    return [f"movz {x}, #{value & 0xFFFF:#x}", f"movk {x}, #{value >> 16 & 0xFFFF:#x}, lsl #16"]


def _read(random: Random) -> list[str]:
    return [
        f"mrs {_x(random)}, {random.choice(random.choice((_FEATURES, _DEBUG, _PMU, _LOR, _ODD)))}"
    ]


def _write_and_read(random: Random) -> list[str]:
    name, x = random.choice(random.choice((_DEBUG, _PMU, _LOR, _ODD, ("csselr_el1",)))), _x(random)
    value = random.choice((0, 1, 2, 0xFF, 0x1E5, 0x1FFD, 0xA000))
    return [f"mov {x}, #{value:#x}", f"msr {name}, {x}", f"mrs {_x(random)}, {name}"]


def _operation(random: Random) -> list[str]:
    return [random.choice(_OPERATIONS)]


def _word(random: Random) -> list[str]:
    return [f".inst {random.choice(_WORDS):#010x}"]


def _call(random: Random) -> list[str]:
    arguments = _number(random, "x1", random.choice(_CALLS)) if random.random() < 0.6 else []
    comment = 0 if random.random() < 0.85 else random.randrange(9)
    instruction = random.choice(("hvc", "hvc", "smc"))
    return [*_number(random, "x0", random.choice(_CALLS)), *arguments, f"{instruction} #{comment}"]


def _state(random: Random) -> list[str]:
    sctlr = random.choice(
        (0x2, 0x8, 0x10, 0x1000, 0x8000, 0x4000, 0x200, 0x4, 0x400_0000, 0x80_0000)
    )
    fields = (
        "spsel, #0",
        "spsel, #1",
        "pan, #1",
        "uao, #1",
        "pan, #0",
        "daifset, #15",
        "daifclr, #8",
        "daifset, #8",
    )
    return random.choice(
        (
            [f"msr {random.choice(fields)}"],
            [
                *_number(random, "x0", sctlr),
                "mrs x1, sctlr_el1",
                "eor x1, x1, x0",
                "msr sctlr_el1, x1",
            ],
            [*_number(random, "x0", random.choice((0, 0x30_0000, 0x10_0000))), "msr cpacr_el1, x0"],
            [f"add sp, sp, #{random.choice((8, 16, 4))}", "ldr x1, [sp]"],
        )
    )


def _return(random: Random) -> list[str]:
    """ERET to the next instruction, in some state."""
    away = random.choice((12, 12, 12, 16, 10))
    lines = [*_number(random, "x0", random.choice(_SPSR)), "msr spsr_el1, x0"]
    return [*lines, f"adr x1, .+{away}", "msr elr_el1, x1", "eret"]
