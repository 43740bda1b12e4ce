"""Random lines drawn from whole spaces: any system register encoding, call, undefined word, edge of memory, setting.

Invariant: as in `random_code`, every line assembles; what reads the time, waits or starts a timer is left out.
"""

from __future__ import annotations

from random import Random

from aarch64sim.arch.decode import decode
from aarch64sim.evidence.scenario import Action

_COUNTERS = {f"s3_3_c14_c{crm}_{op2}" for crm in (0, 2, 3) for op2 in range(8)} - {"s3_3_c14_c0_0"}
# What the host's are: the counters, and MDCCINT_EL1, of which KVM under QEMU 7.2 shows whatever was there.
_HOSTS_OWN = _COUNTERS | {"s2_0_c0_c2_0"}
_NOT_WRITTEN = _HOSTS_OWN | {"s3_0_c1_c0_0", "s3_0_c12_c0_0"}  # SCTLR_EL1, VBAR_EL1
_VALUES = (0, 0, 1, 0xFF, 0x5A5A, 0x30_0000, 0x5A5A_5A5A_5A5A_5A5A, (1 << 64) - 1)
_CALLERS = (  # the first function of each owner: Arm, PSCI, vendors, KVM, nobody
    0x8000_0000, 0xC000_0000, 0x8400_0000, 0xC400_0000, 0x8200_0000, 0x8300_0000, 0x8500_0000, 0xC500_0000,
    0x8600_0000, 0xC600_0000, 0x9500_0000, 0x400_0000, 0,
)  # fmt: skip
_WAITING = (1, 2, 0xC, 0xE)  # CPU_SUSPEND, CPU_OFF, CPU_DEFAULT_SUSPEND, SYSTEM_SUSPEND
_RANDOM_BITS, _TIME = 0x53, 0x8600_0001
_EDGES = (  # of RAM, the read-only slot, the device, and what addresses can be
    0x4000_0000, 0x4020_0000, 0x6000_0000, 0x6000_1000, 0x900_0000, 0x4000_6000, 1 << 40, 1 << 39, 1 << 48, 0,
)  # fmt: skip
_ACCESSES = (
    "ldrb w{a}", "ldrsh x{a}", "ldr w{a}", "ldr x{a}", "ldrsw x{a}", "strh w{a}", "str x{a}", "ldur x{a}", "sttr w{a}",
    "ldtr x{a}", "ldp x{a}, x{b}", "stp w{a}, w{b}", "ldpsw x{a}, x{b}", "stnp w{a}, w{b}", "ldar x{a}", "stlr w{a}",
    "ldapr x{a}", "ldxp x{a}, x{b}", "stlxr w{a}, x{b}", "ldadd x{a}, x{b}", "swpal w{a}, w{b}", "cas x{a}, x{b}",
    "casp x0, x1, x2, x3", "ldr q{a}", "str d{a}", "ldp q{a}, q{b}",
)  # fmt: skip
_LOADS = (
    "ldxrb w1", "ldxrh w1", "ldxr w1", "ldaxr x1", "ldxr x1", "ldxp w1, w2", "ldxp x1, x2",
)  # fmt: skip
_STORES = (
    "stxrb w3, w5", "stxrh w3, w5", "stxr w3, w5", "stlxr w3, x5", "stxr w3, x5", "stxp w3, w5, w6", "stxp w3, x5, x6",
)  # fmt: skip
_BETWEEN = (
    "nop",
    "str x1, [x21]",
    "str x7, [x21]",
    "str w7, [x21, #8]",
    "clrex",
    "dc zva, x21",
    "cas x1, x7, [x21]",
)

ODD_FLAGS = (
    "2",
    "4",
    "0x10000",
    "0x10001",
    "0x20000",
    "0x20002",
    "0x30001",
    "0x30003",
    "0x40001",
    "0x80001",
)
# Registers that userspace sets, and values that mean something in them.
_SETTINGS: dict[str, tuple[int, ...]] = {
    "vbar_el1": (0x4000_1000, 0x4000_1800, 0x4000_0000),
    "sctlr_el1": tuple(0xC5_0838 | bit for bit in (0, 2, 8, 0x10, 0x200, 0x4000, 0x80_0000, 0x200_0000, 0x400_0000)),
    "cpacr_el1": (0, 0x10_0000, 0x30_0000),
    "mdscr_el1": (0, 1, 0x1000, 0x2001, 0x8000, 0x9000, 0xA000, 0xA001),
    "dbgbvr0_el1": (0x4000_0008, 0x4000_0010, 0x4000_1200, 0x4000_0002),
    "dbgbcr0_el1": (0, 0x61, 0xE5, 0x1E3, 0x1E5, 0x1E7),
    "dbgwvr0_el1": (0x900_0000, 0x4000_4000, 0x4000_4004, 0x4000_5000),
    "dbgwcr0_el1": (0x35, 0x1FD, 0x1FED, 0x1FF3, 0x1FF5, 0x1FFD),
    "sp_el1": (0x4001_0000, 0x4001_0008, 0x900_0000),
    "sp_el0": (0x4001_8000, 0x4001_8008, 0x4000_4001),
    "spsr_el1": (0x3C5, 0x3C0, 0x20_03C5, 0x10_03C5, 0x8000_03C5, 0x3C4, 0x345),
    "pstate": (0x3C5, 0x3C4, 0x20_03C5, 0x10_03C5, 0x6000_03C5, 0x1C5, 0x5, 0x3C0, 0x40_03C5, 0x80_03C5, 0x145),
    "contextidr_el1": (0, 0x77),
}  # fmt: skip


def number(x: str, value: int) -> list[str]:
    """Lines that put any 64-bit value into register `x`."""
    halves = [(value >> shift & 0xFFFF, shift) for shift in (0, 16, 32, 48)]
    return [f"mov{'k' if s else 'z'} {x}, #{h:#x}, lsl #{s}" for h, s in halves if h or not s]


def register(random: Random) -> list[str]:
    """A system register of any encoding, read or written."""
    op1, crn = random.choice((0, 0, 0, 3, 3, *range(8))), random.randrange(16)
    name = f"s{random.choice((2, 3, 3))}_{op1}_c{crn}_c{random.randrange(16)}_{random.randrange(8)}"
    x = f"x{random.randrange(9)}"
    if random.random() < 0.5 and name not in _HOSTS_OWN:
        return [f"mrs {x}, {name}"]
    if name in _NOT_WRITTEN:
        return []
    return [*number(x, random.choice(_VALUES)), f"msr {name}, {x}"]


def operation(random: Random) -> list[str]:
    """A system instruction (SYS, SYSL, MSR immediate) of any encoding, on a page of RAM."""
    fields = random.randrange(8) << 16 | random.randrange(1 << 11) << 5
    if random.random() < 0.25:
        return [
            f".inst {0xD500_401F | random.randrange(8) << 16 | random.randrange(1 << 7) << 5:#x}"
        ]
    return [
        "movz x3, #0x4000, lsl #16",
        "movk x3, #0x7000",
        f".inst {random.choice((0xD508_0003, 0xD528_0003)) | fields:#x}",
    ]


def call(random: Random) -> list[str]:
    """An HVC or SMC that calls a function of any owner."""
    owner, function = (
        random.choice(_CALLERS),
        random.choice((*range(0x60), 0x7FFF, 0x8000, 0xFF01, 0xFFFF)),
    )
    if owner | function == _TIME or (
        owner & 0xBF00_0000 == 0x8400_0000 and function in (*_WAITING, _RANDOM_BITS)
    ):
        return []
    lines = number("x0", owner | function)
    for x in ("x1", "x2", "x3"):
        lines += number(x, random.choice((0, 1, 0x8400_0003, 0x8000_0000, (1 << 64) - 1)))
    return [*lines, random.choice(("hvc #0", "smc #0"))]


def undefined(random: Random) -> list[str]:
    """A word that is no instruction."""
    while decode(word := random.getrandbits(32)):
        pass
    return [f".inst {word:#010x}"]


def should_be_one(random: Random) -> list[str]:
    """An exclusive, ordered or high multiply whose bits that should be one are anything."""
    base, loose = random.choice(
        ((0xC85F_7EA1, 0x1F_7C00), (0x88DF_FEA1, 0x1F_7C00), (0xC803_7EA1, 0x7C00), (0x889F_FEA1, 0x1F_7C00),
         (0x9B42_7CA3, 0x7C00), (0x9BC2_7CA3, 0x7C00))
    )  # fmt: skip
    return [f".inst {base & ~loose | random.getrandbits(32) & loose:#010x}"]


def edge(random: Random) -> list[str]:
    """An access at, or across, an edge of memory."""
    at = random.choice(_EDGES) + random.choice((0, -1, -2, -3, -4, -7, -8, -15, -16, 1, 4, 8))
    a, b = random.sample(range(6), 2)
    return [*number("x8", at & (1 << 64) - 1), f"{random.choice(_ACCESSES).format(a=a, b=b)}, [x8]"]


def exclusive(random: Random) -> list[str]:
    """A load-exclusive and a store-exclusive, of any sizes, with something in between."""
    between = random.choices(_BETWEEN, k=random.randrange(3))
    return [f"{random.choice(_LOADS)}, [x21]", *between, f"{random.choice(_STORES)}, [x21]"]


def watched(random: Random) -> list[str]:
    """An access beside a point that userspace watches, mostly an unaligned one."""
    access = random.choice(
        ("ldur x1", "ldur w1", "ldurh w1", "ldursw x1", "stur w1", "stur x1", "sturh w1")
    )
    return [f"{access}, [x21, #{random.randrange(-9, 17)}]"]


def setting(random: Random) -> Action:
    """A register set by userspace to a value that means something in it."""
    name = random.choice(list(_SETTINGS))
    return Action("set", (name, hex(random.choice(_SETTINGS[name]))))


SPACES = (register, register, operation, call, undefined, should_be_one, edge, exclusive)
