"""Random scenarios for fuzzing: a guest with handlers, and a VMM that does this and that while it runs.

Invariant: `scenario(seed, number)` is always the same scenario.
"""

from __future__ import annotations

from random import Random

from aarch64sim.evidence.random_code import CodeMaker
from aarch64sim.evidence.random_spaces import ODD_FLAGS, setting
from aarch64sim.evidence.scenario import Action, Rule, Scenario

FINAL = ((0x4000_4000, 32), (0x4000_5000, 32), (0x4000_FFC0, 16), (0x4001_7FC0, 16))
RUNS = 40  # KVM_RUNs of a scenario at most
CODE, USER, FUNCTION = 0x4000_0000, 0x4000_0300, 0x4000_2000
SYNC_SP0, SYNC_SPX, SYNC_LOWER, IRQ = 0x4000_1000, 0x4000_1200, 0x4000_1400, 0x80
END = ["str w20, [x20]", "b ."]
# What each kind of scenario is made of: weights of the kinds of lines.
PROFILES: dict[str, dict[str, float]] = {
    "alu": {"alu": 8, "branch": 2},
    "mmio": {"alu": 3, "mmio": 5, "branch": 1, "loop": 0.3},
    "memory": {"alu": 3, "memory": 6, "branch": 1, "loop": 0.3},
    "exception": {"alu": 3, "exception": 3, "mmio": 2, "branch": 1},
    "system": {"alu": 2, "system": 4, "mmio": 1, "branch": 0.5},
    "selfstep": {"alu": 3, "mmio": 2, "memory": 1, "system": 0.5, "exception": 0.5},
    "el0": {"alu": 3, "mmio": 2, "memory": 1, "branch": 1},
    "points": {"alu": 3, "memory": 3, "watched": 2, "mmio": 2, "exception": 0.5},
    "bigendian": {"alu": 2, "mmio": 3, "memory": 4},
    "irq": {"alu": 4, "mmio": 3, "exception": 0.5, "unmask": 1},
    "brk": {"alu": 4, "mmio": 2, "exception": 1},
    "snapshot": {"alu": 3, "mmio": 4, "exception": 1},
    "corners": {"alu": 3, "corner": 5, "mmio": 1},
    "mixed": {
        "alu": 2,
        "mmio": 2,
        "memory": 2,
        "system": 1,
        "exception": 1,
        "corner": 2,
        "branch": 1,
        "watched": 0.5,
    },
    "vmm": {"alu": 3, "mmio": 4, "exception": 1, "system": 0.6, "unmask": 0.5},
}
_SHARE = {
    "alu": 2,
    "vmm": 20,
    "irq": 12,
    "selfstep": 12,
    "points": 12,
    "mmio": 8,
    "corners": 20,
    "mixed": 20,
}  # others 10
STEPPING = "ENABLE|SINGLESTEP"


def scenario(seed: int, number: int) -> Scenario:
    """Number `number` of the seed."""
    random = Random(f"{seed}/{number}")
    profile = random.choices(list(PROFILES), [_SHARE.get(name, 10) for name in PROFILES])[0]
    return _Maker(random, profile).scenario(f"fuzz_{seed}_{number:05d}_{profile}")


class _Maker:
    def __init__(self, random: Random, profile: str) -> None:
        self.random, self.profile = random, profile
        self.code = CodeMaker(random)
        self.weights = PROFILES[profile]

    def scenario(self, name: str) -> Scenario:
        source = self._source()
        return Scenario(
            name,
            source,
            f"random: {self.profile}",
            self._start(),
            tuple(self._number() for _ in range(self.random.randrange(5))),
            self._rules(),
            RUNS,
            FINAL,
        )

    # --- the guest -------------------------------------------------------------------------------

    def _source(self) -> str:
        kinds = [self._handler() for _ in range(3)]
        irq = ["add x16, x16, #1", "strb wzr, [x19, #0x40]", "eret"]
        places = {
            CODE: [*self._opening(), *self.code.body(self.random.randrange(5, 20), self.weights), *END],
            USER: ["el0:", *self._user(), self.code.pick("svc #1", *END[:1]), *END],
            FUNCTION: ["func:", *self.code.body(2, {"alu": 2, "mmio": 1}), "ret"],
            SYNC_SP0: kinds[0], SYNC_SPX: kinds[1], SYNC_LOWER: kinds[2],
            **{vector + IRQ: irq for vector in (SYNC_SP0, SYNC_SPX, SYNC_LOWER)},
        }  # fmt: skip
        lines = []
        for address, code in sorted(places.items()):
            lines += [f".org {address:#x}"] if address != CODE else []
            lines += [line if line.endswith(":") else f"    {line}" for line in code]
        return "\n".join(lines) + "\n"

    def _opening(self) -> list[str]:
        """What comes before the random code, by profile."""
        if self.profile == "el0" or (
            self.profile in ("vmm", "irq", "exception") and self._chance(0.15)
        ):
            spsr = self.random.choice((0x3C0, 0x3C0, 0x340, 0x0, 0x20_03C0, 0x8000_0000))
            return self._eret("el0", spsr)
        if self.profile == "bigendian":
            bits = self.code.pick("0x2000000", "0x3000000")
            return ["mrs x0, sctlr_el1", f"orr x0, x0, #{bits}", "msr sctlr_el1, x0", "isb"]
        return self._self_hosted() if self.profile == "selfstep" else []

    def _eret(self, label: str, spsr: int) -> list[str]:
        return [
            f"adr x0, {label}", "msr elr_el1, x0", f"movz x0, #{spsr & 0xFFFF:#x}",
            f"movk x0, #{spsr >> 16:#x}, lsl #16", "msr spsr_el1, x0", "eret",
        ]  # fmt: skip

    def _self_hosted(self) -> list[str]:
        """The guest debugs itself: it steps, or has a breakpoint or watchpoint of its own."""
        kind = self.random.choice(("step", "step", "step el0", "breakpoint", "watchpoint"))
        ss = 0x20_0000 if self._chance(0.8) else 0
        if kind == "step":
            masked = 0x1C5 if self._chance(0.85) else 0x3C5
            return [
                "mov x0, #0x2001",
                "msr mdscr_el1, x0",
                *(["mov x0, #1", "msr oslar_el1, x0"] if self._chance(0.15) else []),
                *self._eret("target", ss | masked),
                "target:",
            ]
        if kind == "step el0":
            return ["mov x0, #1", "msr mdscr_el1, x0", *self._eret("el0", ss | 0x3C0)]
        on = ["mov x0, #0xa000", "msr mdscr_el1, x0", "msr daifclr, #8"]
        if kind == "breakpoint":
            point = [
                "adr x0, target",
                "msr dbgbvr0_el1, x0",
                "mov x0, #0x1e5",
                "msr dbgbcr0_el1, x0",
            ]
            return [*point, *on, *self.code.body(2, {"alu": 1, "mmio": 1}), "target:"]
        control = self.code.pick("0x1ffd", "0x1ff5", "0x1fed")
        base = self.code.pick("x21", "x19")
        return [f"add x0, {base}, #{self.random.choice((0, 8))}", "msr dbgwvr0_el1, x0",
                f"mov x0, #{control}", "msr dbgwcr0_el1, x0", *on]  # fmt: skip

    def _user(self) -> list[str]:
        weights = {kind: w for kind, w in self.weights.items() if kind != "unmask"}
        return self.code.body(self.random.randrange(4, 12), weights)

    def _handler(self) -> list[str]:
        """A handler that returns a few times, and ends the scenario then."""
        out, bit = self.code.label(), self.random.choice((2, 3))
        count, leave = ["add x10, x10, #1"], [f"{out}:", *END]
        look = ["mrs x11, esr_el1", "mrs x12, elr_el1", "mrs x13, spsr_el1", "mrs x14, far_el1"]
        skip = ["mrs x12, elr_el1", "add x12, x12, #4", "msr elr_el1, x12", "eret"]
        check = [f"tbnz x10, #{bit}, {out}"]
        if self.profile == "selfstep" and self._chance(0.8):
            again = ["mrs x13, spsr_el1", "orr x13, x13, #0x200000", "msr spsr_el1, x13", "eret"]
            return count + look[:1] + check + again + leave
        choices = (
            count + look + END, count + check + skip + leave, count + look + check + skip + leave,
            count + self.code.mmio() + check + skip + leave, count + look[:2] + check + ["eret"] + leave,
        )  # fmt: skip
        return self.random.choice(choices)

    # --- the VMM ---------------------------------------------------------------------------------

    def _start(self) -> tuple[Action, ...]:
        actions = [Action("cap", ("ARM_NISV_TO_USER",))] if self._chance(0.5) else []
        if self._chance(0.12):
            actions.append(Action("rom", ("0x60000000", "0x1000", "0xcafe")))
        if self._chance(0.12):
            address = 0x0900_0000 + self.random.choice((0, 4, 8, 16))
            actions.append(Action("ioeventfd", (hex(address), self.code.pick("1", "2", "4", "8"))))
        for n in self.random.sample(range(9), self.random.randrange(6)):
            actions.append(Action("set", (f"x{n}", hex(self._number()))))
        page = (
            0x4000_6000 + 0x1000 * self.random.randrange(0x1F0) + self.random.choice((0, 0, 0xFF8))
        )
        device = self.random.choice(
            (0x0A00_0000, 0x0900_0100, 0x3FFF_F000, 0x4020_0000, 0x8000_0000)
        )
        actions += [Action("set", ("x27", hex(page))), Action("set", ("x28", hex(device)))]
        if self._chance(0.1):
            actions += [setting(self.random) for _ in range(2)]
        if self._chance(0.2):
            flags = self.random.randrange(16) << 28 | self.random.choice(
                (0x3C5, 0x3C5, 0x3C4, 0x20_03C5)
            )
            actions.append(Action("set", ("pstate", hex(flags))))
        return (*actions, self._debug()) if self._chance(0.9) else tuple(actions)

    def _rules(self) -> tuple[Rule, ...]:
        rules = [Rule("store", (Action("irq", ("0",)),), place="0x9000040")]
        if policy := self.random.choice((("set pc pc+4",), ("set pc pc+4",), ("abort",), ())):
            rules.append(Rule("nisv", tuple(map(Action.parse, policy))))
        if policy := self.random.choice((("set pc pc+4",), ("write pc 0xd503201f",), ())):
            rules.append(Rule("brk", tuple(map(Action.parse, policy))))
        busy = self.profile in ("vmm", "irq", "snapshot")
        runs = sorted(
            self.random.sample(range(1, RUNS - 10), self.random.randrange(1 if busy else 0, 6))
        )
        if self.profile == "snapshot":
            rules.append(Rule("run", (Action("save"),), runs[0]))
            rules.append(Rule("run", (Action("restore"),), runs[0] + self.random.randrange(1, 6)))
            runs = runs[1:3]
        return (*rules, *(Rule("run", self._meanwhile(), number) for number in runs))

    def _meanwhile(self) -> tuple[Action, ...]:
        """Something that userspace does between two KVM_RUNs."""
        if self.profile == "irq" and self._chance(0.6):
            return (Action("irq", ("1",)),)
        word = self.code.pick("0xd503201f", "0xd4200000", "0xb9000260", "0xb9400262", "0x91000421")
        value = self.random.choice((0, 1, 0x4000_4000, 0x4000_0010, 0x3C5, 0x345, 0x20_03C5, 0x3C0))
        name = self.code.pick("x0", "x1", "x2", "x3", "x30", "elr_el1", "spsr_el1")
        pstate = self.random.choice(
            (0x3C5, 0x20_03C5, 0x8000_03C5, 0x345, 0x3C4, 0x3C0, 0x10_03C5, 0x1C5)
        )
        immediate = Action("run", ("immediate_exit",))
        choices: tuple[tuple[Action, ...], ...] = (
            (self._debug(),), (Action("debug", ("0",)), self._debug()),
            (Action("set", (name, hex(value))),), (Action("set", ("pc", self._place())),),
            (Action("set", ("pstate", hex(pstate))),), (Action("abort"),), (Action("abort"), immediate),
            (immediate,), (immediate, Action("abort")), (immediate, Action("set", ("pc", self._place()))),
            (immediate, self._debug()), (Action("run", ("signal",)),), (Action("irq", ("1",)),),
            (Action("write", (self._place(), word)),), (Action("reason", ("UNKNOWN",)),),
            (setting(self.random),), (setting(self.random),), (setting(self.random), immediate, Action("irq", ("1",))),
            (Action("data", (hex(self._number()),)), Action("abort")),
        )  # fmt: skip
        return self.random.choice(choices)

    def _debug(self) -> Action:
        if self.profile == "points" or self._chance(0.04):
            flags = self.code.pick("ENABLE|USE_HW", f"{STEPPING}|USE_HW", f"{STEPPING}|USE_HW")
            watched = self.code.pick(
                "0x40004000", "0x40004008", "0x40004004", "0x40004002", "0x9000000", "0x40005000"
            )
            points = ("hwbp", self._place()) if self._chance(0.6) else ()
            return Action(
                "debug", (flags, *points, *(("hwwp", watched) if self._chance(0.5) else ()))
            )
        if self.profile == "brk":
            return Action(
                "debug", (self.code.pick(f"{STEPPING}|USE_SW_BP", "ENABLE|USE_SW_BP", STEPPING),)
            )
        odd = self.code.pick(*ODD_FLAGS)
        return Action(
            "debug", (self.code.pick(*[STEPPING] * 7, "0", "ENABLE", odd, f"{STEPPING}|USE_SW_BP"),)
        )

    def _place(self) -> str:
        if self._chance(0.8):
            return hex(CODE + 4 * self.random.randrange(20))
        return hex(
            self.random.choice((SYNC_SPX, SYNC_SPX + 4, SYNC_SPX + IRQ, SYNC_LOWER, FUNCTION))
        )

    def _number(self) -> int:
        """A 64-bit number that is likely to be interesting."""
        near = self.random.choice(
            (0, 1, 0x7F, 0x80, 0xFF, 0x8000, 0x8000_0000, 1 << 63, (1 << 64) - 1)
        )
        return self.random.choice(
            (near, near, self.random.getrandbits(64), self.random.getrandbits(8))
        )

    def _chance(self, probability: float) -> bool:
        return self.code.chance(probability)
