"""`python -m tests.benchmarks.bench_cpu`: instructions per second of ours, of Unicorn, and of CPython's own limits.

Invariant: all engines run the same programs in one process, in turns, in CPU time, best of several; the final
registers of ours and of Unicorn are compared, so nobody is fast by doing something else.
"""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable

from aarch64sim.arch.cpu import Cpu
from aarch64sim.asm import Program, assemble
from tests.benchmarks import figures
from tests.isa import machine

PROGRAMS = {
    "sum": """
        mov x0, #0
        mov x1, #0x4000
1:      add x0, x0, x1
        subs x1, x1, #1
        b.ne 1b
        b .""",
    "memcpy": """
        ldr x10, =0x40010000
        mov x9, #16
2:      mov x0, x10
        add x1, x10, #0x1000
        mov x2, #512
1:      ldr x3, [x0], #8
        str x3, [x1], #8
        subs x2, x2, #1
        b.ne 1b
        subs x9, x9, #1
        b.ne 2b
        b .""",
    "crc32": """
        ldr x1, =0x40010000
        mov x2, #256
        mov w0, #-1
        ldr w5, =0xedb88320
1:      ldrb w3, [x1], #1
        eor w0, w0, w3
        mov w4, #8
2:      and w6, w0, #1
        neg w6, w6
        and w6, w6, w5
        eor w0, w6, w0, lsr #1
        subs w4, w4, #1
        b.ne 2b
        subs x2, x2, #1
        b.ne 1b
        b .""",
    "sieve": """
        ldr x0, =0x40010000
        mov x1, #2
        mov x7, #1
1:      ldrb w2, [x0, x1]
        cbnz w2, 3f
        add x3, x1, x1
2:      cmp x3, #4000
        b.hs 3f
        strb w7, [x0, x3]
        add x3, x3, x1
        b 2b
3:      add x1, x1, #1
        cmp x1, #2000
        b.lo 1b
        b .""",
}

Measurement = Callable[[], tuple[int, float, list[int]]]  # instructions, CPU seconds, X0-X7


def _our_cpu(program: Program) -> Cpu:
    cpu = machine.make_cpu(el=1)
    machine.load_program(cpu, program)
    return cpu


def _timed(work: Callable[[], int]) -> tuple[int, float]:
    gc.collect()  # so that nobody pays for what another left behind
    start = time.process_time()
    count = work()
    return count, time.process_time() - start


def instructions(program: Program) -> int:
    """How many the program executes before it reaches its final `b .`."""
    cpu, count = _our_cpu(program), 0
    while True:
        pc = cpu.pc
        cpu.step()
        if cpu.pc == pc:
            return count
        count += 1


def ours_run(program: Program, count: int) -> Measurement:
    def measure() -> tuple[int, float, list[int]]:
        cpu = _our_cpu(program)
        _, seconds = _timed(lambda: cpu.run(count) or count)  # type: ignore[arg-type, return-value]
        return count, seconds, cpu.r[:8]

    return measure


def ours_step(program: Program, count: int) -> Measurement:
    def measure() -> tuple[int, float, list[int]]:
        cpu = _our_cpu(program)
        step = cpu.step

        def work() -> int:
            for _ in range(count):
                step()
            return count

        _, seconds = _timed(work)
        return count, seconds, cpu.r[:8]

    return measure


def ours_kvm_run(program: Program, count: int) -> Measurement:
    """One KVM_RUN for every instruction, as a debugger steps."""
    from aarch64sim import VM, GuestDebug, kernels

    def measure() -> tuple[int, float, list[int]]:
        vm = VM(kernel=kernels["fixed"])
        vm.set_user_memory_region(slot=0, guest_phys_addr=machine.CODE, memory_size=0x20000)
        vcpu = vm.create_vcpu()
        for segment in program.segments:
            vm.write_memory(segment.address, segment.data)
        vcpu.set_one_reg("pc", program.entry)
        vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
        run = vcpu.run

        def work() -> int:
            for _ in range(count):
                run()
            return count

        _, seconds = _timed(work)
        return count, seconds, [vcpu.get_one_reg(f"x{n}") for n in range(8)]

    return measure


def ours_step_and_look(program: Program, count: int) -> Measurement:
    """`step()` and a Python function for every instruction, which reads X0: what Unicorn's hook does."""

    def measure() -> tuple[int, float, list[int]]:
        cpu = _our_cpu(program)
        step, seen = cpu.step, [0, 0]

        def look(address: int) -> None:
            seen[0] += 1
            seen[1] = cpu.r[0]

        def work() -> int:
            for _ in range(count):
                look(cpu.pc)
                step()
            return count

        _, seconds = _timed(work)
        return count, seconds, cpu.r[:8]

    return measure


def unicorn_engine(program: Program, count: int, kind: str) -> Measurement:
    """`free`, `hook` (a Python function for every instruction), `hook+read` (which reads X0), `count=1`."""
    import unicorn
    from unicorn import arm64_const as c

    def measure() -> tuple[int, float, list[int]]:
        uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        uc.mem_map(machine.CODE, 0x20000)
        for segment in program.segments:
            uc.mem_write(segment.address, segment.data)
        seen = [0]

        def hook(engine: object, address: int, size: int, data: object) -> None:
            seen[0] += 1

        def hook_read(engine: object, address: int, size: int, data: object) -> None:
            seen[0] += 1
            uc.reg_read(c.UC_ARM64_REG_X0)

        if kind.startswith("hook"):
            uc.hook_add(unicorn.UC_HOOK_CODE, hook_read if kind == "hook+read" else hook)

        def work() -> int:
            if kind == "count=1":
                pc = program.entry
                for _ in range(count):
                    uc.emu_start(pc, 0, count=1)
                    pc = uc.reg_read(c.UC_ARM64_REG_PC)
            else:
                uc.emu_start(program.entry, program.entry + 4 * (len(program.lines) - 1))
            return count

        _, seconds = _timed(work)
        return count, seconds, [uc.reg_read(c.UC_ARM64_REG_X0 + n) for n in range(8)]

    return measure


def empty_dispatch(program: Program, count: int) -> Measurement:
    """CPython's limit: a list of closures that do nothing."""

    def measure() -> tuple[int, float, list[int]]:
        ops = [(lambda n=n: n) for n in range(64)] * (count // 64)  # type: ignore[misc]

        def work() -> int:
            for op in ops:
                op()
            return len(ops)

        return *_timed(work), []

    return measure


def table_dispatch(program: Program, count: int) -> Measurement:
    """CPython's limit: `pc = table[pc]()` where the closures do nothing but name the next PC."""

    def measure() -> tuple[int, float, list[int]]:
        def make(n: int) -> Callable[[], int]:
            return lambda: n

        base = machine.CODE
        table = {base + 4 * n: make(base + 4 * ((n + 1) % 64)) for n in range(64)}

        def work() -> int:
            pc = base
            for _ in range(count):
                pc = table[pc]()
            return count

        return *_timed(work), []

    return measure


def straight_line(program: Program, count: int) -> Measurement:
    """CPython's limit: one function of nothing but additions of local variables, cut to 64 bits."""
    body = "\n".join(f" x{n % 8} = x{n % 8} + x{(n + 1) % 8} & {2**64 - 1}" for n in range(512))
    names: dict[str, Callable[[], None]] = {}
    exec(f"def run():\n x0 = x1 = x2 = x3 = x4 = x5 = x6 = x7 = 1\n{body}\n", names)
    run = names["run"]

    def measure() -> tuple[int, float, list[int]]:
        def work() -> int:
            for _ in range(count // 512):
                run()
            return count // 512 * 512

        return *_timed(work), []

    return measure


Engine = Callable[[Program, int], Measurement]
ENGINES: dict[str, tuple[Engine, int]] = {  # and by how much to shorten a slow one's run
    "ours run": (ours_run, 1),
    "ours step()": (ours_step, 1),
    "ours step() + look": (ours_step_and_look, 1),
    "ours KVM_RUN per step": (ours_kvm_run, 1),
    "Unicorn free run": (lambda p, n: unicorn_engine(p, n, "free"), 1),
    "Unicorn hook": (lambda p, n: unicorn_engine(p, n, "hook"), 1),
    "Unicorn hook + reg_read": (lambda p, n: unicorn_engine(p, n, "hook+read"), 1),
    "Unicorn count=1": (lambda p, n: unicorn_engine(p, n, "count=1"), 8),
    "CPython empty closures": (empty_dispatch, 1),
    "CPython pc = table[pc]()": (table_dispatch, 1),
    "CPython straight line": (straight_line, 1),
}
RATIOS = [
    ("ours run", "Unicorn hook", 8.0),
    ("ours step() + look", "Unicorn hook + reg_read", 15.0),
    ("ours step()", "Unicorn count=1", 18.0),
    ("ours KVM_RUN per step", "Unicorn count=1", 15.0),
    ("ours run", "CPython pc = table[pc]()", None),
    ("ours run", "CPython empty closures", None),
    ("ours run", "CPython straight line", 0.5),
]


def measure_all(rounds: int) -> dict[str, dict[str, float]]:
    """Best instructions per second by engine and program."""
    best: dict[str, dict[str, float]] = {name: {} for name in ENGINES}
    for title, source in PROGRAMS.items():
        program = assemble(source, machine.CODE)
        count = instructions(program)
        measurements = {
            name: make(program, count // share) for name, (make, share) in ENGINES.items()
        }
        for _ in range(rounds):
            finals = []
            for name, measure in measurements.items():
                try:
                    done, seconds, registers = measure()
                except ImportError as error:
                    print(f"{name}: {error}", file=sys.stderr)
                    continue
                best[name][title] = max(best[name].get(title, 0), done / seconds)
                if registers and ENGINES[name][1] == 1:
                    finals.append(registers)
            assert all(final == finals[0] for final in finals), f"{title}: {finals}"
    return {name: speeds for name, speeds in best.items() if speeds}


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def main(rounds: int = 5, *, record: bool = False) -> None:
    """Print the table of speeds and the ratios; with `record`, keep the means for the README's chart."""
    best = measure_all(rounds)
    means = {name: geometric_mean(list(speeds.values())) for name, speeds in best.items()}
    print(
        f"{'M instructions/s':26}"
        + "".join(f"{title:>9}" for title in PROGRAMS)
        + f"{'geo-mean':>10}"
    )
    for name, speeds in best.items():
        cells = "".join(f"{speeds[title] / 1e6:9.2f}" for title in PROGRAMS)
        print(f"{name:26}{cells}{means[name] / 1e6:10.2f}")
    print()
    if record:
        figures.record("instructions", means)
    for ours, other, wanted in RATIOS:
        if ours in means and other in means:
            ratio = means[ours] / means[other]
            aim = f"  (aim: {wanted})" if wanted else ""
            print(f"{ours} / {other}: {ratio:.2f}{aim}")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:] if a != "--record"), record="--record" in sys.argv)
