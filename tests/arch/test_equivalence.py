"""One program, driven in every way: run, step, watched, stepped by a host. The guest must not notice.

Invariant: final registers, PSTATE, system registers and memory are the same, but for what stepping may show by the
architecture: the SS bit that an exception saves.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aarch64sim.arch import sysregs
from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.syndrome import EC
from tests.arch.bench import CODE, DAIF, DATA, EL0, EL1, HOLE, MASK_I, SS, boot, peek

# Counts exceptions in x28 and steps over what is no call.
HANDLER = """
mrs x27, esr_el1
lsr x27, x27, #26
add x28, x28, #1
cmp x27, #0x15
b.eq 1f
mrs x27, elr_el1
add x27, x27, #4
msr elr_el1, x27
1: eret
"""
ALU = """
add x{d}, x{n}, x{m}
subs w{d}, w{n}, w{m}
eor x{d}, x{n}, x{m}, ror #13
madd x{d}, x{n}, x{m}, x{d}
csel x{d}, x{n}, x{m}, lo
ubfx x{d}, x{n}, #7, #21
adds x{d}, x{n}, #0x123
ccmp x{n}, x{m}, #5, ne
movk x{d}, #0xbeef, lsl #32
clz x{d}, x{n}
""".strip().splitlines()
MEMORY = """
ldr x{d}, [x20, #{offset}]
str x{d}, [x20, #{offset}]
ldrsh w{d}, [x21, #{offset}]
stp x{d}, x{n}, [x20], #16
ldp w{d}, w{n2}, [x21, #-8]!
strb w{d}, [x21], #1
ldadd x{d}, x{n}, [x20]
swpb w{d}, w{n}, [x21]
ldr x{d}, [x22, #{offset}]
str w{d}, [x22]
dc zva, x20
""".strip().splitlines()
SYSTEM = """
svc #{imm}
hvc #{imm}
.word 0
brk #1
mrs x{d}, nzcv
msr nzcv, x{d}
mrs x{d}, cntvct_el0
msr tpidr_el0, x{d}
mrs x{d}, tpidr_el0
ldxr x{d}, [x23]
isb
wfi
yield
mrs x{d}, far_el1
""".strip().splitlines()
EL1_ONLY = """
msr daifset, #2
msr daifclr, #2
mrs x{d}, currentel
msr contextidr_el1, x{d}
mrs x{d}, mpidr_el1
ldr x{d}, [sp, #-16]!
msr spsel, #1
""".strip().splitlines()
BRANCHES = [
    "b.ne {label}",
    "cbz x{n}, {label}",
    "tbnz x{n}, #3, {label}",
    "b {label}",
    "bl {label}",
    "adr x{d}, {label}",
]


def program(rng: random.Random, el: int, length: int) -> str:
    """Random instructions with forward branches, ended by HVC (from EL0 the handler counts it as UNDEFINED)."""
    lines = []
    pool = ALU * 2 + MEMORY + SYSTEM + BRANCHES * 2 + (EL1_ONLY if el else [])
    for number in range(length):
        text = rng.choice(pool).format(
            d=rng.randrange(10), n=rng.randrange(10), n2=10 + rng.randrange(5), m=rng.randrange(10),
            offset=8 * rng.randrange(16), imm=rng.randrange(1, 100),
            label=f"l{min(length, number + rng.randrange(1, 6))}",
        )  # fmt: skip
        lines.append(f"l{number}: {text}")
    return "\n".join(lines) + f"\nl{length}: b .\n"


class Host:
    """A host at EL2 that lets a program go on whatever it meets, and steps it if asked."""

    def __init__(
        self, source: str, el: int, seed: int, *, stepping: bool, irq: bool = False
    ) -> None:
        rng = random.Random(seed)
        spsr = (EL1 if el else EL0) | DAIF & ~MASK_I
        self.stepping = stepping
        self.cpu = boot(
            source,
            spsr=spsr,
            vectors=HANDLER,
            mdscr=int(stepping),
            tde=1,
            hcr=sysregs.HCR_TWI | sysregs.HCR_IMO,
            cntkctl_el1=3,
        )
        cpu = self.cpu
        cpu.sys.mdcr_el2 = sysregs.MDCR_TDE
        for n in range(19):
            cpu.r[n] = rng.getrandbits(64)
        cpu.r[20], cpu.r[21], cpu.r[22], cpu.r[23] = (
            DATA + 0x800,
            DATA + 0x1804,
            HOLE,
            DATA + 0x2000,
        )
        self.exits: list[tuple[int | None, int]] = []
        self.enter()

    def enter(self) -> None:
        if self.stepping:
            self.cpu.sys.spsr_el2 |= SS
        self.cpu.exception_return()

    def handle(self, taken: Taken) -> None:
        """Step over what the guest cannot do by itself; nothing for the end of a step."""
        s = self.cpu.sys
        if taken.ec != EC.SOFTWARE_STEP:
            self.exits.append((taken.ec, taken.elr))
            if taken.ec != EC.HVC:
                s.elr_el2 += 4
                # Completed by the host, so the step is spent, too: enter with SS clear.
                s.spsr_el2 &= ~SS
                self.cpu.exception_return()
                return
            if self.stepping:
                self.cpu.exception_return()
                return
        self.enter()

    def state(self) -> dict[str, Any]:
        cpu = self.cpu
        values = cpu.sys.copy_values()
        for name in ("spsr_el2", "elr_el2", "esr_el2", "mdscr_el1"):
            del values[name]
        values["spsr_el1"] &= ~SS
        p = cpu.pstate.to_spsr() & ~SS
        sp = [cpu.get_sp(0), cpu.get_sp(1)]
        return {
            "r": cpu.r[:31], "pc": cpu.pc, "pstate": p, "sp": sp, "exits": self.exits, "retired": cpu.retired,
            "memory": peek(cpu, DATA, 0x4000), "code": peek(cpu, CODE, 0x400), **values,
        }  # fmt: skip


def at_end(cpu: Cpu) -> bool:
    """Whether the guest spins at the `b .` that ends every program."""
    page = cpu.memory.stage2.get(cpu.pc >> 12)
    return bool(page) and cpu.pstate.el < 2 and page.data[cpu.pc & 4095 :][:4] == b"\0\0\0\x14"


def run_free(source: str, el: int, seed: int, slices: int, *, watch: bool = False) -> Host:
    """Run in slices of so many instructions until the end."""
    host = Host(source, el, seed, stepping=False)
    host.cpu.watch(watch)
    for _ in range(5000):
        if at_end(host.cpu):
            host.cpu.watch(False)
            return host
        taken = host.cpu.run(slices)
        if taken:
            host.handle(taken)
    raise AssertionError("the program does not end")


def run_stepped(source: str, el: int, seed: int, *, api: bool = False) -> Host:
    """Run by single steps: of the host's making, or `Cpu.step()`."""
    host = Host(source, el, seed, stepping=not api)
    for _ in range(5000):
        if at_end(host.cpu) and (api or host.cpu.pstate.ss):
            return host
        taken = host.cpu.step()
        if taken and taken.target_el == 2:
            host.handle(taken)
    raise AssertionError("the program does not end")


PROGRAMS = (st.integers(0, 2**32), st.sampled_from([0, 1]), st.integers(3, 40))


def normal(host: Host) -> dict[str, Any]:
    """The state without `retired` overshoot: the final `b .` may have been executed some times more."""
    state = host.state()
    del state["retired"]
    return state


@settings(max_examples=25)
@given(*PROGRAMS)
def test_running_is_stepping_is_watching(seed: int, el: int, length: int) -> None:
    source = program(random.Random(seed), el, length)
    expected = normal(run_stepped(source, el, seed, api=True))
    assert normal(run_free(source, el, seed, 1)) == expected
    assert normal(run_free(source, el, seed, 7)) == expected
    assert normal(run_free(source, el, seed, 1000)) == expected
    assert normal(run_free(source, el, seed, 1, watch=True)) == expected
    assert normal(run_free(source, el, seed, 1000, watch=True)) == expected


@settings(max_examples=30)
@given(*PROGRAMS)
def test_a_stepped_guest_does_what_a_free_one_does(seed: int, el: int, length: int) -> None:
    source = program(random.Random(seed), el, length)
    assert normal(run_stepped(source, el, seed)) == normal(run_free(source, el, seed, 1000))


@settings(max_examples=30)
@given(*PROGRAMS, st.integers(1, 60))
def test_run_of_n_is_n_steps(seed: int, el: int, length: int, n: int) -> None:
    """Exactly n, wherever that is: in the middle of a burst, at an exception, in the handler."""
    source = program(random.Random(seed), el, length)
    by_run, by_step = (Host(source, el, seed, stepping=False) for _ in range(2))
    last = by_run.cpu.run(n)
    for _ in range(n):
        taken = by_step.cpu.step()
        if taken and taken.target_el == 2:
            break
    else:
        taken = None
    assert last == taken
    assert by_run.state() == by_step.state()


@settings(max_examples=30)
@given(*PROGRAMS, st.integers(0, 60))
def test_a_saved_cpu_goes_on_as_if_nothing_had_been(
    seed: int, el: int, length: int, n: int
) -> None:
    source = program(random.Random(seed), el, length)
    host = Host(source, el, seed, stepping=False)
    host.cpu.run(n)
    if host.cpu.pstate.el == 2:
        return
    saved = host.cpu.save()
    memory = {page: bytes(d.data) for page, d in host.cpu.memory.stage2.items()}
    first = host.cpu.run(50), host.state()
    for page, content in memory.items():
        host.cpu.memory.stage2[page].data[:] = content
    host.cpu.restore(saved)
    assert (host.cpu.run(50), host.state()) == first


@settings(max_examples=30)
@given(*PROGRAMS, st.integers(0, 40))
def test_an_interrupt_is_taken_at_the_same_place_however_driven(
    seed: int, el: int, length: int, n: int
) -> None:
    source = program(random.Random(seed), el, length)
    states = []
    for watch in (False, True):
        host = Host(source, el, seed, stepping=False)
        host.cpu.watch(watch)
        if host.cpu.run(n) is None:
            host.cpu.sys.hcr_el2 |= sysregs.HCR_VI
            host.cpu.run(1)
        states.append(host.state())
    assert states[0] == states[1]


def test_events_of_a_watched_run_tell_every_instruction() -> None:
    host = Host(
        "mov x1, #1\n svc #3\n add x1, x1, #1\n str x1, [x20]\n b .\n", 1, 0, stepping=False
    )
    host.cpu.watch(True)
    host.cpu.run(13)
    events = host.cpu.log.events
    assert [event.what for event in events[:3]] == ["retire", "exception", "retire"]
    assert [event.pc for event in events[:2]] == [CODE, CODE + 4]
    assert events[0].changes[0].name == "x1"
    assert sum(event.what == "retire" for event in events) == 12


@pytest.mark.parametrize("seed", range(3))
def test_long_programs(seed: int) -> None:
    source = program(random.Random(seed), seed % 2, 300)
    assert normal(run_stepped(source, seed % 2, seed)) == normal(
        run_free(source, seed % 2, seed, 10**6)
    )
