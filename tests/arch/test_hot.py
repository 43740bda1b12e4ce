"""Leaving the room for speed out changes no result: blocks from the first execution on, or no blocks at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from aarch64sim.arch import decode, sysregs
from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.encodings import ENCODINGS
from aarch64sim.arch.hot.inline import Inliner
from aarch64sim.arch.hot.source import Unsupported, source_of
from tests.arch.bench import CODE, DATA, boot, peek
from tests.arch.test_equivalence import PROGRAMS, Host, at_end, program
from tests.isa import machine


def run(source: str, el: int, seed: int, slices: int, hot_after: int) -> dict[str, Any]:
    """The end of a program that is run in slices of so many instructions."""
    host = Host(source, el, seed, stepping=False)
    host.cpu.hot_after = hot_after
    for _ in range(20_000):
        if at_end(host.cpu):
            state = host.state()
            del state["retired"]  # the final `b .` may have been executed some times more
            return state
        taken = host.cpu.run(slices)
        if taken:
            host.handle(taken)
    raise AssertionError("the program does not end")


def looped(source: str, times: int) -> str:
    """The program some times over, so that its code gets hot; x29 counts."""
    body, _, end = source.rpartition("\nl")
    return f"mov x29, #{times}\nagain:\n{body}\nl{end.split(':')[0]}: sub x29, x29, #1\ncbnz x29, again\nb .\n"


@settings(max_examples=12)
@given(*PROGRAMS)
def test_blocks_change_no_result(seed: int, el: int, length: int) -> None:
    source = looped(program(random.Random(seed), el, length), 5)
    manual = run(source, el, seed, 1000, 0)
    for hot_after, slices in ((1, 1000), (2, 13), (3, 1000)):
        assert run(source, el, seed, slices, hot_after) == manual, (hot_after, slices)


@pytest.mark.fuzz
@settings(max_examples=3000, deadline=None)
@given(*PROGRAMS)
def test_blocks_change_no_result_of_many_programs(seed: int, el: int, length: int) -> None:
    source = looped(program(random.Random(seed), el, length), 5)
    assert run(source, el, seed, 1000, 1) == run(source, el, seed, 1000, 0)


FLAGS_IN_A_LOOP = """
        mov     x0, #0
        mov     x9, #{times}
        cmp     x0, #1
again:  {first}
        ldr     x3, [x20]
        {second}
        str     x0, [x20, #8]
        subs    x9, x9, #1
        {third}
        b.ne    again
        b       .
"""
FLAG_LINES = [
    *["nop", "adds x0, x0, x9", "subs w1, w0, #77", "ccmp x0, x9, #5, hi", "adcs x1, x1, x0"],
    *["cset x2, lo", "csinc x2, x2, x0, ge", "ands x1, x0, #0xff", "tst x9, #1", "cmn x0, #1"],
    *["sbcs w2, w2, w0", "mrs x4, nzcv", "csel x5, x1, x2, vs", "negs x6, x9", "ror x1, x1, #3"],
]


def trail(
    source: str, seed: int, hot_after: int, slices: int, runs: int, fault: int
) -> list[tuple[object, ...]]:
    """What is seen after each of so many runs of `slices` instructions; before run `fault` the data's page goes."""
    cpu = Host(source, 1, seed, stepping=False).cpu
    cpu.hot_after = hot_after
    seen: list[tuple[object, ...]] = []
    for number in range(runs):
        if number == fault:  # the next access faults, in the middle of the loop
            cpu.forget_page(DATA >> 12)
        taken = cpu.run(slices)
        seen.append((taken, cpu.retired, cpu.pc, cpu.pstate.to_spsr(), *cpu.r[:31]))
        if taken:
            break
    return seen


@pytest.mark.parametrize("seed", range(25))
def test_flags_are_right_wherever_a_loop_is_left(seed: int) -> None:
    """Left by its end, by a count that is used up anywhere, and by a fault of either access."""
    rng = random.Random(seed)
    first, second, third = (rng.choice(FLAG_LINES) for _ in range(3))
    third = third if "s " not in third and third not in ("tst x9, #1", "cmn x0, #1") else "nop"
    third = "nop" if third.startswith(("ccmp", "and")) else third
    source = FLAGS_IN_A_LOOP.format(times=20, first=first, second=second, third=third)
    for slices in (rng.randrange(1, 40), 1000):
        runs = 3 * 20 * 9 // slices + 2
        cold, *others = (trail(source, seed, heat, slices, runs, fault=2) for heat in (0, 1, 4))
        assert [cold, cold] == others, (source, slices)


NESTED = """
        mov     x9, #9
1:      mov     w8, #5
        {a}
2:      ldr     x3, [x20]
        {b}
3:      sub     w8, w8, #1
        str     w8, [x20, #8]
        {c}
        tbnz    x0, #{bit}, 4f
        cbnz    w8, 2b
        {d}
4:      bl      6f
        adds    w10, w10, w0
        b.{condition} 5f
        cbnz    w8, 3b
5:      subs    x9, x9, #1
        b.ne    1b
        b       .
6:      add     w0, w0, #0x45
        eor     x0, x0, x9, lsl #3
        cbz     w0, 7f
        ret
7:      mov     x0, #1
        ret
"""


@pytest.mark.parametrize("seed", range(40))
def test_loops_in_loops_with_calls_are_right_wherever_they_are_left(seed: int) -> None:
    rng = random.Random(seed)
    lines = {name: rng.choice(FLAG_LINES) for name in "abcd"}
    condition = rng.choice(["cs", "mi", "vs", "hi", "ge", "lt", "eq"])
    source = NESTED.format(bit=rng.randrange(8), condition=condition, **lines)
    for slices in (rng.randrange(1, 60), 1000):
        runs = 900 // slices + 2
        cold, *others = (trail(source, seed, heat, slices, runs, fault=7) for heat in (0, 1, 3))
        assert [cold, cold] == others, (source, slices)


def test_loops_in_a_loop_are_one_block() -> None:
    cpu = boot(NESTED.format(a="nop", b="nop", c="nop", d="nop", bit=3, condition="eq"))
    cpu.exception_return()
    cpu.hot_after, cpu.r[20] = 1, DATA
    cpu.run(400)
    block = max((b for b in cpu.blocks.values() if b), key=lambda b: len(b.covers))
    assert len(block.covers) > 15


@pytest.mark.parametrize(
    "close",
    [
        lambda cpu: cpu.memory.forget_caches(),
        lambda cpu: cpu.forget_page(DATA >> 12),
        lambda cpu: cpu.memory.start_journal(),
        lambda cpu: cpu.watch(True),
    ],
)
def test_a_window_is_closed_when_its_page_leaves_the_cache(close: Callable[[Cpu], None]) -> None:
    cpu = boot("again: str x1, [x20]\n ldr x2, [x20]\n add x1, x1, #1\n b again\n")
    cpu.exception_return()
    cpu.r[20] = DATA
    cpu.run(100)
    assert [window[0] for window in cpu.memory.windows].count(DATA) >= 2
    windows = list(cpu.memory.windows)
    close(cpu)
    assert not cpu.memory.windows
    assert all(window[0] > 1 << 64 for window in windows)


def test_a_block_that_changes_its_own_code_ends_there() -> None:
    """A loop stores an `add x1, x1, #2` over its `add x1, x1, #1` in its tenth round."""
    source = """
        mov     x9, #20
again:  cmp     x9, #10
        csel    x4, x20, x21, ne
        str     w5, [x4]
target: add     x1, x1, #1
        sub     x9, x9, #1
        cbnz    x9, again
        b       .
    """
    results = []
    for hot_after in (0, 1, 5):
        cpu = boot(source, spsr=0x3C5)
        cpu.exception_return()
        cpu.hot_after = hot_after
        cpu.r[20], cpu.r[21], cpu.r[5] = DATA, CODE + 0x10, 0x9100_0821
        cpu.r[1] = 0
        cpu.run(200)
        results.append((cpu.r[1], cpu.r[9], cpu.retired, peek(cpu, CODE, 0x40)))
    assert results[0] == results[1] == results[2]
    assert results[0][0] == 10 + 2 * 10


def test_an_interrupt_between_two_runs_is_taken_before_the_next_instruction_of_a_hot_loop() -> None:
    states = []
    for hot_after in (0, 1):
        cpu = boot("again: add x1, x1, #1\n b again\n", spsr=0x345, hcr=sysregs.HCR_IMO)
        cpu.exception_return()
        cpu.hot_after = hot_after
        cpu.run(101)
        cpu.sys.hcr_el2 |= sysregs.HCR_VI
        cpu.run(1)
        states.append((cpu.r[1], cpu.pc, cpu.sys.elr_el1, cpu.retired))
    assert states[0] == states[1]


def test_every_plain_instruction_goes_in_line() -> None:
    """So no program has one in a loop that keeps the loop from being a block."""
    cpu, rng = machine.make_cpu(el=1), random.Random(1)
    words = [w for row in ENCODINGS for w in machine.some(row, rng, 30) if decode.is_plain(w)]
    assert len(words) > 2000
    for word in words:
        inliner = Inliner(cpu, in_locals=True)
        assert inliner.statements(decode.bind(cpu, word, CODE))
        assert not inliner.private, hex(word)


def test_a_hot_loop_is_a_block_and_a_cold_one_is_not() -> None:
    cpu = boot("again: add x1, x1, #1\n ldr x2, [x20]\n b again\n")
    cpu.exception_return()
    cpu.r[20] = DATA
    cpu.run(3 * cpu.hot_after - 3)
    assert not cpu.blocks
    cpu.run(3 * cpu.hot_after)
    assert [cpu.blocks[CODE].length] == [3]  # type: ignore[union-attr]


def test_a_function_whose_source_has_changed_is_not_put_in_line(tmp_path: Path) -> None:
    path = tmp_path / "edited.py"
    path.write_text("def make(n):\n    return lambda: n + 1\n", encoding="utf-8")
    names: dict[str, Any] = {"__name__": "edited"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    path.write_text("def make(n):\n    return lambda: n + 2\n", encoding="utf-8")
    with pytest.raises(Unsupported):
        source_of(names["make"](1).__code__)


def test_data_beside_code_on_its_page_leaves_the_blocks_alone() -> None:
    cpu = boot("again: add x1, x1, #1\n str x1, [x20]\n b again\n")
    cpu.exception_return()
    cpu.r[20] = CODE + 0x800
    cpu.run(3 * cpu.hot_after + 3)
    block = cpu.blocks[CODE]
    assert block
    cpu.run(300)
    assert cpu.blocks[CODE] is block
    assert int.from_bytes(peek(cpu, CODE + 0x800, 8), "little") == cpu.r[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda cpu: setattr(cpu.sys, "mdscr_el1", sysregs.MDSCR_SS),
        lambda cpu: cpu.sys.set("hcr_el2", sysregs.HCR_VI),
        lambda cpu: cpu.sys.restore_values(cpu.sys.copy_values()),
        lambda cpu: cpu.watch(True),
        lambda cpu: setattr(cpu.log, "watching", True),
    ],
)
def test_a_step_looks_again_after_what_it_looks_at_has_changed(
    change: Callable[[Cpu], None],
) -> None:
    cpu = boot("again: add x1, x1, #1\n b again\n")
    cpu.exception_return()
    for _ in range(4):
        cpu.step()
    assert cpu.ready is cpu.plain
    change(cpu)
    assert not cpu.ready
