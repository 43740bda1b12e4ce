"""Lab 01: every wrong answer gets its own message, every right one passes, and so does the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aarch64sim.arch.step import StepState

from checks.lab01 import TRANSITIONS
from checks.lab01.bench import Bench, sweep

SOURCE = Path(__file__).resolve().parents[2] / "labs" / "source" / "01-one-step.py"
IN, ANP, AP = map(str, StepState)
RIGHT_TABLE = dict(zip(TRANSITIONS, [ANP, AP, IN, AP, IN, AP, AP, IN, AP], strict=True))
RIGHT_SAVED = {"abort": 1, "undefined": 1, "svc": 0, "hvc": 0, "irq": 1}
RIGHT_SELF = {"mdscr_ss": 1, "kde": 1, "d": 1, "spsr_d": 0, "spsr_ss": 1}
ERET_1, ERET_0 = (f"ERET to where stepping is possible, SPSR.SS = {ss}" for ss in (1, 0))
TO_IMPOSSIBLE, TO_POSSIBLE = (
    f"an exception to where stepping is {where}" for where in ("impossible", "possible")
)
IRQ, NEXT = "an interrupt to where stepping is possible", "the CPU goes for the next instruction"


def cell(state: str, event: str, after: str) -> dict[tuple[str, str], str]:
    assert (state, event) in RIGHT_TABLE
    return RIGHT_TABLE | {(state, event): after}


def possible(el: int, target_el: int, kde: int, d: int, os_lock: int) -> bool:
    return not os_lock and (el < target_el or (el == target_el and bool(kde and not d)))


def state(mdscr_ss: int, pstate_ss: int, enabled: bool) -> str:
    return (ANP if pstate_ss else AP) if mdscr_ss and enabled else IN


def loop(*_: Any) -> None:
    while True:
        pass


WRONG: list[tuple[str, Any, str, str]] = [
    ("possible", lambda el, t, kde, d, lock: kde and not d and not lock, "a guest cannot mask", ""),
    (
        "possible",
        lambda el, t, kde, d, lock: el == t and kde and not d and not lock,
        "cannot mask",
        "",
    ),
    (
        "possible",
        lambda el, t, kde, d, lock: not lock and (el != t or (kde and not d)),
        "lower",
        "",
    ),
    ("possible", lambda el, t, kde, d, lock: el < t or (el == t and kde and not d), "OS Lock", ""),
    ("possible", lambda el, t, kde, d, lock: not lock and el <= t, "KDE must be 1", "mdscr-alone"),
    (
        "possible",
        lambda el, t, kde, d, lock: not lock and (el < t or (el == t and kde)),
        "PSTATE.D = 1 masks",
        "",
    ),
    (
        "possible",
        lambda el, t, kde, d, lock: not lock and (el < t or (el == t and kde and d)),
        "PSTATE.D = 1 masks",
        "",
    ),
    ("possible", lambda el, t, kde, d, lock: not lock and el < t, "D masks, KDE permits", ""),
    ("possible", lambda el, t, kde, d, lock: "yes", "True or False", ""),
    ("possible", lambda el: True, "does not take them", ""),
    ("possible", loop, "did not end", ""),
    ("possible", True, "asks for a function", ""),
    ("state", lambda m, s, e: ANP if m and s and e else IN, "already been spent", "ss0-is-off"),
    ("state", lambda m, s, e: (AP if s else ANP) if m and e else IN, "exchanged", ""),
    ("state", lambda m, s, e: (ANP if s else AP) if m else IN, "starts nothing", "mdscr-alone"),
    ("state", lambda m, s, e: (ANP if s else AP) if e else IN, "how far a step is", ""),
    ("state", lambda m, s, e: AP if m and e else IN, "room for an instruction", ""),
    ("state", lambda m, s, e: ANP if m and e else IN, "what is due now", ""),
    ("state", lambda m, s, e: "active", "the states are inactive", ""),
    ("stops", {1: (1, 0x4000_0000), 0: (0, 0x4000_0000)}, "has not run", "reports-stepped"),
    ("stops", {1: (1, 0x4000_0010), 0: (3, 0x4000_000C)}, "not off", "ss0-is-off"),
    ("stops", {1: (0, 0x4000_0000), 0: (1, 0x4000_0004)}, "exactly one", ""),
    ("stops", {1: (2, 0x4000_0008), 0: (0, 0x4000_0000)}, "exactly one", ""),
    ("stops", {1: (1, 0x4000_0010), 0: (1, 0x4000_0004)}, "not even for one", ""),
    ("stops", {1: (1, 0x4000_0010), 0: (0, 0x4000_0004)}, "which instruction runs next", ""),
    ("stops", {1: (1, 0x4000_0004), 0: (0, 0x4000_0000)}, "was a branch", ""),
    ("stops", {1: (1, "there"), 0: (0, 0x4000_0000)}, "should be two numbers", ""),
    ("stops", {1: (1, 0x4000_0001), 0: (0, 0x4000_0000)}, "which instruction runs next", ""),
    ("stops", {1: 1, 0: 0}, "should be a pair", ""),
    ("stops", [1, 0], "a dictionary", ""),
    ("saved", RIGHT_SAVED | {"abort": 0}, "has not run", "abort-saves-0"),
    ("saved", dict.fromkeys(RIGHT_SAVED, 0), "has not run", "abort-saves-0"),
    ("saved", {k: 1 - v for k, v in RIGHT_SAVED.items()}, "other way round", ""),
    ("saved", RIGHT_SAVED | {"irq": 0}, "instead of the instruction", "interrupts-do-not-matter"),
    ("saved", RIGHT_SAVED | {"undefined": 0}, "has done nothing", ""),
    ("saved", dict.fromkeys(RIGHT_SAVED, 1), "SVC and HVC: a call completes first", ""),
    ("saved", RIGHT_SAVED | {"hvc": 1}, "HVC: a call completes first", ""),
    ("saved", RIGHT_SAVED | {"svc": "no"}, "0 or 1", ""),
    ("self_step", RIGHT_SELF | {"kde": 0}, "KDE must be 1", "mdscr-alone"),
    ("self_step", RIGHT_SELF | {"mdscr_ss": 0}, "is the switch", ""),
    ("self_step", RIGHT_SELF | {"d": 0}, "you are stepped yourself", ""),
    ("self_step", RIGHT_SELF | {"spsr_d": 1}, "masked", ""),
    ("self_step", RIGHT_SELF | {"spsr_ss": 0}, "grants no instruction", "ss0-is-off"),
    ("transitions", cell(IN, ERET_0, IN), "does not switch", "ss0-is-off"),
    ("transitions", cell(IN, ERET_1, AP), "every step begins", ""),
    ("transitions", cell(IN, "an instruction retires", AP), "come and go", ""),
    ("transitions", cell(ANP, "an instruction retires", IN), "Which state has SS = 0", ""),
    ("transitions", cell(ANP, "an instruction retires", ANP), "Which state has SS = 0", ""),
    ("transitions", cell(ANP, TO_IMPOSSIBLE, AP), "whatever SS says", ""),
    ("transitions", cell(ANP, TO_POSSIBLE, ANP), "first instruction of the handler", ""),
    ("transitions", cell(ANP, TO_POSSIBLE, IN), "first instruction of the handler", ""),
    ("transitions", cell(ANP, ERET_1, ANP), "a step like any other", ""),
    ("transitions", cell(AP, NEXT, AP), "its handler is not stepped", ""),
    ("transitions", cell(AP, NEXT, ANP), "its handler is not stepped", ""),
    ("transitions", cell(AP, IRQ, IN), "interrupt's vector", "interrupts-do-not-matter"),
    ("transitions", RIGHT_TABLE | {(IN, ERET_1): "on"}, "the states are", ""),
]


OPEN: list[tuple[str, Any]] = [
    ("possible", lambda *_: None),
    ("possible", None),
    ("state", lambda *_: None),
    ("stops", {1: (None, None), 0: (None, None)}),
    ("stops", {}),
    ("saved", dict.fromkeys(RIGHT_SAVED)),
    ("self_step", dict.fromkeys(RIGHT_SELF)),
    ("transitions", dict.fromkeys(RIGHT_TABLE)),
]


RIGHT: list[tuple[str, Any]] = [
    ("possible", possible),
    (
        "possible",
        lambda el, t, kde, d, lock: int(not lock and el + (el == t) * (1 - kde * (1 - d)) * 9 <= t),
    ),
    ("state", state),
    ("state", lambda m, s, e: list(StepState)[(2 - s) * (m and e)]),
    ("stops", {1: [1, 1073741840], 0: [0, 1073741824]}),
    ("saved", {k: bool(v) for k, v in RIGHT_SAVED.items()}),
    ("self_step", {k: bool(v) for k, v in RIGHT_SELF.items()}),
    ("transitions", {k: v.upper() for k, v in RIGHT_TABLE.items()}),
    ("transitions", RIGHT_TABLE | {("a row", "of one's own"): "anything"}),
]


def test_the_sweep_meets_every_row_of_the_table() -> None:
    assert {(before, event) for before, event, _, _ in sweep()} >= set(TRANSITIONS)


def test_the_bench_says_what_happened() -> None:
    assert repr(Bench("nop\nnop").enter(mdscr_ss=1, tde=1, spsr_ss=1)).startswith(
        "1 instruction ran, then: Software Step exception to EL2, ELR_EL2 = 0x40000004"
    )
