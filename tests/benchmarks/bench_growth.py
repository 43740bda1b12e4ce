"""`python -m tests.benchmarks.bench_growth`: what an instruction costs in a run of 1e3, 1e5 and 1e7, and the memory.

Invariant: one program, one process; the longer run differs from the shorter in nothing but its length, so a cost that
grows with it is a leak or a list that somebody searches.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

from aarch64sim import VM, GuestDebug, assemble, kernels
from aarch64sim.kvm import Vcpu
from tests.isa import machine

SOURCE = """
1:      ldr     x3, [x10, x12]
        add     x0, x0, x3
        str     x0, [x11]
        add     x12, x12, #8
        and     x12, x12, #0xffff
        subs    x2, x2, #1
        b       1b
"""
LENGTHS = (1_000, 100_000, 10_000_000)


def _vcpu() -> Vcpu:
    vm = VM(kernel=kernels["fixed"])
    vm.set_user_memory_region(slot=0, guest_phys_addr=machine.CODE, memory_size=0x40000)
    vcpu = vm.create_vcpu()
    vcpu.load(assemble(SOURCE, machine.CODE))
    vcpu.set_one_reg("x10", machine.CODE + 0x10000)
    vcpu.set_one_reg("x11", machine.CODE + 0x30000)
    return vcpu


def free(count: int) -> None:
    """One KVM_RUN of so many instructions."""
    vcpu = _vcpu()
    while vcpu.cpu.retired < count:
        try:
            vcpu.run(limit=count - vcpu.cpu.retired)
        except InterruptedError:
            continue


def stepped(count: int) -> None:
    """One KVM_RUN for every instruction."""
    vcpu = _vcpu()
    vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
    run = vcpu.run
    for _ in range(count):
        run()


def main() -> None:
    """Print nanoseconds of CPU time for an instruction, and the most memory that the process has had by then."""
    drives: dict[str, Callable[[int], None]] = {
        "KVM_RUN, free": free,
        "KVM_RUN, a step each": stepped,
    }
    print(
        f"{'ns per instruction':24}"
        + "".join(f"{count:>14,}" for count in LENGTHS)
        + f"{'peak MiB':>12}"
    )
    for title, drive in drives.items():
        drive(LENGTHS[0])  # what is made once
        cells = []
        for count in LENGTHS:
            start = time.process_time()
            drive(count)
            cells.append((time.process_time() - start) / count * 1e9)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{title:24}" + "".join(f"{cell:14.1f}" for cell in cells) + f"{peak:12.1f}")


if __name__ == "__main__":
    main()
