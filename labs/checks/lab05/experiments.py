"""The experiments of lab 05: kernels with switches, and what host, guest and userspace see of them.

Invariant: an experiment takes any Kernel and runs it; a recorded answer is read from a recording of a real kernel by
the same function that reads the simulated one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

from aarch64sim import Debugger, Kernel, assemble, kernels
from aarch64sim.evidence import eras_table
from aarch64sim.evidence.recording import load
from aarch64sim.kvm import GuestDebug
from aarch64sim.kvm.kernels import PcAdvance, SkipApplied, kernel_of
from aarch64sim.vmm import Machine, recordings_folder
from widgets.course import program

from checks.lab04.matrix import LOG, SELF_STEP
from checks.task import Wrong, call

RIGHT, WRONG = "\u2713", "\u2717"
BASE = kernels["v6.1.192"]
EARLY, LATE = PcAdvance.BEFORE_EXIT, PcAdvance.AFTER_ANSWER
BEFORE_ARMING, AFTER_ARMING = SkipApplied.AT_ONCE, SkipApplied.AT_NEXT_ENTRY
MOST_RUNS = 100

PC_WORDS = {"insn": "access", "insn+4": "next instruction"}  # what userspace sees at the exit

Predicate = Callable[[Kernel], Any]

ABORTED_LOAD = """
        mov     x2, #0x77
        ldr     w2, [x19]           // userspace answers this with an abort, the first time
        add     x3, x3, #1
        str     w20, [x20]
        .org    0x1200              // the guest's handler: note where, and try again
        mrs     x12, elr_el1
        eret
"""

# A real kernel, or one with one line changed, for seven of the eight positions of the switches.
REAL = {
    (EARLY, False, BEFORE_ARMING): "linux-4.4.60",
    (LATE, False, BEFORE_ARMING): "linux-4.14.177",
    (LATE, True, BEFORE_ARMING): "linux-5.4",
    (EARLY, False, AFTER_ARMING): "what-if-early-advance-ss-kept",
    (LATE, False, AFTER_ARMING): "what-if-late-advance-ss-kept",
    (EARLY, True, AFTER_ARMING): "what-if-early-advance-ss-cleared",
    (LATE, True, AFTER_ARMING): "linux-6.1.192",
}
_ROWS = {
    "host": "userspace MMIO",
    "guest": "guest steps itself over MMIO",
    "pc": "PC seen at KVM_EXIT_MMIO",
}


def switches() -> Iterator[Kernel]:
    """Linux 6.1 with every position of the three switches."""
    for advance, clears, applied in product((EARLY, LATE), (False, True), SkipApplied):
        words = (
            f"{advance.name.lower()}, SS {'cleared' if clears else 'kept'}, {applied.name.lower()}"
        )
        yield replace(
            BASE,
            name=words,
            title=words,
            pc_advance=advance,
            skip_clears_ss=clears,
            skip_applied=applied,
        )


def position(kernel: Kernel) -> tuple[PcAdvance, bool, SkipApplied]:
    """The position of a kernel's three switches."""
    return kernel.pc_advance, kernel.skip_clears_ss, kernel.skip_applied


def differing(one: Kernel, other: Kernel) -> list[str]:
    """The names of the fields in which two kernels behave differently."""
    return list(one.differences(other))


@cache
def _row(name: str) -> eras_table.Row:
    return next(row for row in eras_table.ROWS if row.title == _ROWS[name])


@cache
def simulated(what: str, kernel: Kernel) -> str:
    """The answer of our model to "host", "guest" or "pc"."""
    return eras_table.simulated_cell(_row(what), kernel)


@cache
def recorded(what: str, name: str) -> str:
    """The answer of a recorded kernel."""
    row = _row(what)
    found = next(load(recordings_folder()).recordings(name, row.scenario))
    return row.read(eras_table.transcript_of(found))


def recorded_stops(name: str, scenario: str) -> list[int]:
    """Where a recorded kernel told the debugger of a stop."""
    found = next(load(recordings_folder()).recordings(name, scenario))
    return eras_table.transcript_of(found).stops()


def host_right(kernel: Kernel | str) -> bool:
    """A debugger that steps the guest over a store to the UART is stopped after it, and not later."""
    return simulated("host", kernel_of(kernel)) == "1"


def guest_right(kernel: Kernel | str) -> bool:
    """A guest that steps itself over a store to the UART is stopped after it, and not later."""
    return simulated("guest", kernel_of(kernel)) == "right"


def board(guest: Predicate | None = None, host: Predicate | None = None) -> str:
    """All positions of the switches: your answer, what our model does, what a kernel in this position was seen to do.

    What happens is shown where your predicates say something; without predicates it is shown everywhere.
    """
    lines = ["PC moves  SS at the skip  the skip runs   host      guest     recorded"]
    for kernel in switches():
        advance, clears, applied = position(kernel)
        ours = "right" if host_right(kernel) else "late", simulated("guest", kernel)
        shown = [
            _shown(kernel, said, found) for said, found in zip((host, guest), ours, strict=True)
        ]
        name = REAL.get((advance, clears, applied))
        words = f"by {name}" if name else "nobody has built this one"
        if name and "?" not in shown:
            theirs = "right" if recorded("host", name) == "1" else "late", recorded("guest", name)
            words += ": the same" if theirs == ours else f": {theirs[0]}, {theirs[1]}"
        lines.append(
            f"{'late' if advance is LATE else 'early':10}{'cleared' if clears else 'kept':16}"
            f"{'after arming' if applied is AFTER_ARMING else 'before arming':16}{shown[0]:10}{shown[1]:10}{words}"
        )
    return "\n".join(lines)


def _shown(kernel: Kernel, predicate: Predicate | None, found: str) -> str:
    """What is found, with a mark if the predicate said so; "?" while it says nothing."""
    if predicate is None:
        return found
    try:
        said = call(predicate, kernel)
    except Wrong:
        said = None
    if said is None:
        return "?"
    return f"{found} {RIGHT if bool(said) == (found == 'right') else WRONG}"


def guest_log(kernel: Kernel | str) -> list[int]:
    """A guest steps itself over a store to the UART, and nobody else does: where its own handler saw it stopped."""
    machine = Machine(assemble(SELF_STEP), kernel_of(kernel))
    _to_end(machine)
    data = machine.vm.read_memory(LOG, 8 * MOST_RUNS)
    words = [int.from_bytes(data[n : n + 8], "little") for n in range(0, len(data), 8)]
    return [word for word in words if word]


def _to_end(machine: Machine) -> None:
    for _ in range(MOST_RUNS):
        if machine.ended:
            break
        machine.run_once(10_000)


def abort_at_load(kernel: Kernel | str) -> tuple[int, int]:
    """Answer a load with an abort, once: ELR_EL1 in the guest's handler, and how often userspace saw the load."""
    machine = Machine(assemble(ABORTED_LOAD), kernel_of(kernel), uart_input=b"\x99\x99")
    loads = 0
    for _ in range(MOST_RUNS):
        if machine.ended:
            break
        exit_ = machine.run_once(10_000)
        if exit_.reason == "MMIO" and not machine.vcpu.kvm_run.mmio.is_write:
            loads += 1
            if loads == 1:
                machine.vcpu.set_vcpu_events(ext_dabt_pending=True)
    return machine.vcpu.get_one_reg("x12"), loads


def stepped_from_the_exit(kernel: Kernel | str) -> int:
    """Where the first stop is if a debugger switches stepping on at the MMIO exit of the store of store.s."""
    machine = Machine(assemble(program("store")), kernel_of(kernel))
    while machine.run_once(10_000).reason != "MMIO":
        pass
    machine.vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
    return machine.run_once(10_000).pc


# What was built of 7.3.4 for the end of the lab; what its kernels are stands in kernels.json beside the recordings.
TODAY = (
    "linux-7.3.4",
    "what-if-7.3.4-early-advance-ss-cleared",
    "what-if-7.3.4-early-advance-ss-kept",
    "what-if-7.3.4-early-advance-adjusted-after-put",
)


def today(scenario: str) -> Iterator[str]:
    """A line for each kernel of TODAY: the stops of the recording, and whether the simulation has the same."""
    folder = load(recordings_folder() / "today")
    for name in TODAY:
        (made,) = folder.recordings(name, scenario)
        theirs = eras_table.transcript_of(made).stops()
        ours = _stops(kernels[name], len(theirs))
        same = "the same" if ours == theirs else f"not the same: {ours}"
        yield f"{name:47}{' '.join(f'{pc:#x}' for pc in theirs[:3])} ...  simulated: {same}"


def _stops(kernel: Kernel, count: int) -> list[int]:
    debugger = Debugger(program("store"), kernel)
    return [debugger.step().pc for _ in range(count)]


def interrupted_step(kernel: Kernel | str) -> int:
    """Where the step over the store stops if a host interrupt comes right after the ERET that follows the access."""
    machine = Machine(assemble(program("store")), kernel_of(kernel))
    machine.vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)
    while machine.run_once(10_000).reason != "MMIO":
        pass
    with contextlib.suppress(InterruptedError):
        machine.vcpu.run(limit=0)  # the interrupt is taken to EL2 before the guest does anything
    return machine.run_once(10_000).pc
