"""The programs of the scenario matrix of lab 04: each tests one thing that completing an instruction must do.

Invariant: a scenario is data; what is right for it is found by playing it.
"""

from __future__ import annotations

from dataclasses import dataclass

CODE, VECTOR, LOG = 0x4000_0000, 0x4000_1200, 0x4000_5000
SS, BTYPE_CALL = 1 << 21, 1 << 10

HANDLER = """
        .org    0x1200              // the guest's own handler
        add     x10, x10, #1
"""
SELF_STEP = """
        mov     x0, #0x2001         // MDSCR_EL1: KDE and SS
        msr     mdscr_el1, x0
        isb
        adr     x0, start
        msr     elr_el1, x0
        mov     x0, #0x1c5          // EL1h with D = 0 ...
        orr     x0, x0, #0x200000   // ... and SS = 1
        msr     spsr_el1, x0
        eret
start:  add     x1, x1, #1
        str     w1, [x19]
        add     x3, x3, #1
        add     x4, x4, #1
        str     w20, [x20]
        .org    0x1200              // the guest's own step handler
        mrs     x12, elr_el1
        str     x12, [x24], #8      // log where it was stopped
        mrs     x13, spsr_el1
        orr     x13, x13, #0x200000
        msr     spsr_el1, x13       // and grant one more
        eret
"""


@dataclass(frozen=True)
class Scenario:
    """A minimal program that tests one thing, and what userspace does at the first MMIO exit."""

    name: str
    source: str
    at_mmio: str = ""  # "immediate_exit" or "abort"
    host_steps: bool = True
    pstate: int = 0x3C5


def _program(*lines: str, rest: str = "") -> str:
    return "".join(f"        {line}\n" for line in lines) + "        str     w20, [x20]\n" + rest


STORE = _program("str     w0, [x19]", "add     x1, x1, #1")
REACHED = "        // an indirect branch has led here: PSTATE.BTYPE is 1\n"
SCENARIOS = (
    Scenario("plain", _program("add     x1, x1, #1", "add     x2, x2, #1")),
    Scenario("store", STORE),
    Scenario("load", _program("ldr     w2, [x19, #0x18]", "add     x3, x2, #1")),
    Scenario("three in a row", _program(*["str     w0, [x19]"] * 3, "add     x1, x1, #1")),
    Scenario("trapped system register", _program("mrs     x1, id_aa64pfr0_el1", "add     x2, x2, #1")),
    Scenario("SMC", _program("mov     w0, #0x84000000", "smc     #0", "add     x1, x0, #1")),
    Scenario(
        "SVC after MMIO",
        _program("str     w0, [x19]", "svc     #7", "add     x1, x1, #1", rest=HANDLER + "        eret\n"),
    ),
    Scenario(
        "branch after MMIO",
        _program(
            "cmp     x0, x0", "str     w0, [x19]", "b.eq    there", "add     x1, x1, #1",
            "there:  add     x2, x2, #1",
        ).replace("        there:", "there:"),
    ),
    Scenario("guest steps itself", SELF_STEP, host_steps=False),
    Scenario("immediate_exit", STORE, at_mmio="immediate_exit"),
    Scenario(
        "abort",
        _program("ldr     w2, [x19]", "add     x3, x3, #1", rest=HANDLER + "        str     w20, [x20]\n"),
        at_mmio="abort",
    ),
    Scenario("target of an indirect branch", REACHED + STORE, pstate=0x3C5 | BTYPE_CALL),
)  # fmt: skip
