"""Random instructions for fuzzing: lines of assembly that a guest of the recordings' machine may meet.

Invariant: every line assembles; what it does to the guest is left to the guest.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from aarch64sim.evidence.random_corners import corner
from aarch64sim.evidence.random_spaces import watched

GENERAL = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    17,
    18,
    29,
)  # the others have a job: addresses, counters, handlers
CONDITIONS = "eq ne cs cc mi pl vs vc hi ls ge lt gt le".split()  # noqa: SIM905
# Where accesses go: device, RAM twice, a page that was never touched, x28's choice, the stack, a read-only slot.
BASES = ("x19", "x19", "x19", "x19", "x21", "x21", "x24", "x27", "x28", "sp", "x26")
DEVICES = ("x19", "x19", "x28")
LOADS_AND_STORES = (
    ("ldrb", "w", 0), ("ldrh", "w", 1), ("ldr", "w", 2), ("ldr", "x", 3), ("ldrsb", "w", 0), ("ldrsb", "x", 0),
    ("ldrsh", "w", 1), ("ldrsh", "x", 1), ("ldrsw", "x", 2), ("strb", "w", 0), ("strh", "w", 1), ("str", "w", 2),
    ("str", "x", 3),
)  # fmt: skip
SYSTEM_READS = (
    "midr_el1", "mpidr_el1", "id_aa64pfr0_el1", "id_aa64pfr1_el1", "id_aa64dfr0_el1", "id_aa64isar0_el1",
    "id_aa64mmfr0_el1", "id_aa64mmfr1_el1", "ctr_el0", "dczid_el0", "clidr_el1", "vbar_el1", "elr_el1", "spsr_el1",
    "sp_el0", "sctlr_el1", "cpacr_el1", "mdscr_el1", "currentel", "spsel", "nzcv", "daif", "isr_el1", "oslsr_el1",
    "esr_el1", "far_el1", "dbgbvr1_el1", "dbgwcr1_el1", "pmcr_el0",
)  # fmt: skip
SYSTEM_BOTH = (
    "ttbr0_el1", "tcr_el1", "mair_el1", "contextidr_el1", "tpidr_el0", "tpidr_el1", "par_el1", "esr_el1", "far_el1",
    "elr_el1", "spsr_el1", "nzcv",
)  # fmt: skip
OPERATIONS = (
    "dc isw, x0", "dc cisw, x0", "tlbi vmalle1", "ic iallu", "dc civac, x21", "dc cvau, x21", "dc zva, x24",
    "at s1e1r, x21", "isb", "dsb sy", "dmb ish",
)  # fmt: skip


class CodeMaker:
    """Random lines from one generator, which decides alone: the same seed gives the same lines."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.labels = 0

    def label(self) -> str:
        """A label that was not used before."""
        self.labels += 1
        return f"l{self.labels}"

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random.random() < probability

    def pick(self, *choices: str) -> str:
        """One of them."""
        return self.random.choice(choices)

    def register(self, letter: str = "", zero: float = 0.08) -> str:
        """A general register, now and then the zero register."""
        letter = letter or self.pick("w", "x")
        return letter + ("zr" if self.chance(zero) else str(self.random.choice(GENERAL)))

    # --- kinds of lines --------------------------------------------------------------------------

    def alu(self) -> list[str]:
        """Something that only changes registers and flags."""
        w = self.pick("w", "x")
        a, b, c, d = (self.register(w) for _ in range(4))
        bits = 32 if w == "w" else 64
        shift = f"{self.pick('lsl', 'lsr', 'asr')} #{self.random.randrange(bits)}"
        condition = self.random.choice(CONDITIONS)
        low, high = self.random.randrange(bits), self.random.randrange(bits)
        return [self.pick(
            f"{self.pick('movz', 'movn', 'movk')} {a}, #{self.random.randrange(65536):#x}",
            f"{self.pick('add', 'sub')} {self.register(w, 0)}, {self.register(w, 0)}, #{self.random.randrange(4096)}",
            f"{self.pick('adds', 'subs')} {a}, {self.register(w, 0)}, #{self.random.randrange(4096)}",
            f"{self.pick('and', 'bic', 'orr', 'orn', 'eor', 'eon', 'ands', 'bics')} {a}, {b}, {c}, {shift}",
            f"{self.pick('add', 'sub', 'adds', 'subs')} {a}, {b}, {c}, {shift}",
            f"{self.pick('adc', 'adcs', 'sbc', 'sbcs')} {a}, {b}, {c}",
            f"{self.pick('csel', 'csinc', 'csinv', 'csneg')} {a}, {b}, {c}, {condition}",
            f"{self.pick('ccmp', 'ccmn')} {a}, {b}, #{self.random.randrange(16)}, {condition}",
            f"{self.pick('madd', 'msub')} {a}, {b}, {c}, {d}",
            f"{self.pick('udiv', 'sdiv', 'lslv', 'lsrv', 'asrv', 'rorv')} {a}, {b}, {c}",
            f"{self.pick('sbfm', 'ubfm', 'bfm')} {a}, {b}, #{low}, #{high}",
            f"extr {a}, {b}, {c}, #{self.random.randrange(bits)}",
            f"{self.pick('rbit', 'rev16', 'rev', 'clz', 'cls')} {a}, {b}",
            f"{self.pick('smulh', 'umulh')} {self.register('x')}, {self.register('x')}, {self.register('x')}",
            f"{self.pick('and', 'orr', 'eor')} {self.register(w, 0)}, {a}, #{self.pick('0xff', '0x7', '0x80000000')}",
            "nop", "clrex",
        )]  # fmt: skip

    def mmio(self) -> list[str]:
        """An access to unbacked memory that has a syndrome."""
        name, w, size = self.random.choice(LOADS_AND_STORES)
        base, offset = self.pick(*DEVICES), self.random.randrange(12) << size
        return [f"{name} {self.register(w, 0.1)}, [{base}, #{offset}]"]

    def memory(self) -> list[str]:
        """Any access, anywhere."""
        name, w, size = self.random.choice(LOADS_AND_STORES)
        t, base = self.register(w, 0.1), self.pick(*BASES)
        scale = 1 << size if self.chance(0.93) else 1
        step = self.random.randrange(-2, 8) * scale
        first, second, third = self.random.sample(GENERAL, 3)
        w2 = self.pick("w", "x")
        pair = self.random.randrange(-2, 4) * (4 if w2 == "w" else 8)
        atomic = self.pick("ldadd", "ldclr", "ldeor", "ldset", "swp", "cas") + self.pick(
            "", "a", "l", "al"
        )
        unscaled = name.replace("ldr", "ldur").replace("str", "stur")
        return [self.pick(
            f"{name} {t}, [{base}, #{self.random.randrange(16) << size}]",
            f"{name} {t}, [{base}, #{self.random.randrange(16) << size}]",
            f"{name} {t}, [{base}], #{step}",
            f"{name} {t}, [{base}, #{step}]!",
            f"{unscaled} {t}, [{base}, #{step}]",
            f"{name} {t}, [{base}, {self.pick('x22', 'x23', 'xzr')}, lsl #{self.random.choice((0, size))}]",
            f"{name.replace('ldr', 'ldtr').replace('str', 'sttr')} {t}, [{base}, #{abs(step)}]",
            f"{self.pick('ldp', 'stp')} {w2}{first}, {w2}{second}, [{base}, #{pair}]",
            f"{self.pick('ldp', 'stp')} {w2}{first}, {w2}{second}, [{base}], #{pair}",
            f"{self.pick('ldxr', 'ldaxr', 'ldar')} {w2}{first}, [{base}]",
            f"{self.pick('stxr', 'stlxr')} w{first}, {w2}{second}, [{base}]",
            f"stlr {w2}{third}, [{base}]",
            f"{atomic} {w2}{first}, {w2}{second}, [{base}]",
            f"prfm pldl1keep, [{base}]",
        )]  # fmt: skip

    def system(self) -> list[str]:
        """System registers and operations."""
        x, name = self.register("x", 0), self.random.choice(SYSTEM_BOTH)
        mdscr = self.pick("0x0", "0x1", "0x2001", "0x8000", "0x2000", "0xa000")
        sctlr = self.pick("0x2", "0x8", "0x2000000", "0x1000000", "0x800000", "0x4")
        choices = (
            [f"mrs {x}, {self.random.choice(SYSTEM_READS)}"],
            [f"msr {name}, {x}", f"mrs {self.register('x', 0)}, {name}"],
            [self.random.choice(OPERATIONS)],
            [f"mov {x}, #{self.random.randrange(2)}", f"msr oslar_el1, {x}"],
            [f"msr {self.pick('daifset', 'daifclr')}, #{self.random.randrange(16)}"],
            [self.pick("msr spsel, #0", "msr spsel, #1", "msr pan, #1", "msr pan, #0")],
            ["mrs x0, sctlr_el1", f"eor x0, x0, #{sctlr}", "msr sctlr_el1, x0"],
            [f"mov x0, #{mdscr}", "msr mdscr_el1, x0", "mrs x1, mdscr_el1"],
        )
        return self.random.choice(choices)

    def exception(self) -> list[str]:
        """Something that raises an exception, here or in the hypervisor."""
        number = self.random.randrange(99)
        function = self.random.choice((0x84000000, 0x84000006, 0x8400000A, 0x95C1BA5F))
        call = [f"movz w0, #{function & 0xFFFF:#x}", f"movk w0, #{function >> 16:#x}, lsl #16"]
        choices = (
            [f"svc #{number}"], [f"svc #{number}"], [*call, "hvc #0"], [*call, "smc #0"],
            [f"brk #{number}"], [f"udf #{number}"], [f"hlt #{number}"], ["eret"],
            [f"br x{self.random.choice((19, 21, 26))}"], ["bl func"], ["ret"],
        )  # fmt: skip
        return self.random.choice(choices)

    def unmask(self) -> list[str]:
        """IRQs may come."""
        return ["msr daifclr, #2"]

    def branch(self) -> tuple[str, str]:
        """A branch and the label that it goes to."""
        label, x = self.label(), self.register("", 0.05)
        return self.pick(
            f"b {label}", f"b.{self.random.choice(CONDITIONS)} {label}", f"cbz {x}, {label}",
            f"cbnz {x}, {label}", f"tbz {x}, #{self.random.randrange(32)}, {label}",
            f"tbnz {x}, #{self.random.randrange(32)}, {label}",
        ), label  # fmt: skip

    def loop(self) -> list[str]:
        """A few rounds with an access in each."""
        label = self.label()
        return [
            f"mov x9, #{self.random.choice((2, 3))}", f"{label}:", *self.mmio(), "subs x9, x9, #1", f"b.ne {label}",
        ]  # fmt: skip

    def body(self, length: int, weights: dict[str, float]) -> list[str]:
        """About `length` lines of the kinds that have a weight."""
        makers: dict[str, Callable[[], list[str]]] = {
            "alu": self.alu, "mmio": self.mmio, "memory": self.memory, "system": self.system,
            "exception": self.exception, "loop": self.loop, "unmask": self.unmask,
            "corner": lambda: corner(self.random), "watched": lambda: watched(self.random),
        }  # fmt: skip
        lines: list[str] = []
        open_labels: list[tuple[int, str]] = []
        while len(lines) < length:
            lines += [f"{name}:" for at, name in open_labels if at <= len(lines)]
            open_labels = [(at, name) for at, name in open_labels if f"{name}:" not in lines]
            kind = self.random.choices(list(weights), list(weights.values()))[0]
            if kind == "branch":
                line, name = self.branch()
                lines.append(line)
                open_labels.append((len(lines) + self.random.randrange(1, 4), name))
            else:
                lines += makers[kind]()
        return lines + [f"{name}:" for _, name in open_labels]
