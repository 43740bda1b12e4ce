"""Tasks of lab 08, a real debugger.

Invariant: what is right is what gdb prints, or what the guest has done, in a session that is run for the check.
"""

from __future__ import annotations

from checks.lab08.commands import QUESTIONS, after_the_store, what_gdb_shows
from checks.lab08.stops import missing_stops, visible, where_stepi_stops
from checks.task import Lab, Task

__all__ = ["LAB", "QUESTIONS", "visible"]

LAB = Lab(
    "08",
    [
        Task(
            "where_stepi_stops",
            "Write the three addresses that gdb prints after three times `stepi`, for each kernel.",
            where_stepi_stops,
            hints=(
                "Attach gdb, or use attach(..., kernel=...) above, and type stepi three times.",
                "5.0 clears SS when it skips. Is that the last time that somebody writes SS before the ERET?",
                "The first part of lab 05 shows what 5.0 does just before it enters the guest.",
            ),
            explanation=(
                "4.3 leaves"
                " SS at 1 when it skips the store, and the add runs. 5.0 clears it, and sets it again on the way into the"
                " guest. What gdb prints is the same."
            ),
            misconceptions=("mmio-is-done", "reports-stepped", "clear-anywhere"),
            code="late = [0x40000004, 0x4000000c, 0x40000010]\n"
            'addresses = {"v4.3": late, "v5.0": late, "fixed": [0x40000004, 0x40000008, 0x4000000c]}',
            numeric=True,
        ),
        Task(
            "after_the_store",
            "Write gdb commands after which, under v4.3, the store is done and the add has not run.",
            after_the_store,
            hints=(
                "stepi will never stop there. What else does a debugger have?",
                "A breakpoint is an instruction, BRK, which causes an exception of its own.",
                "Set it at the instruction that must not run: break *ADDRESS. Then go on.",
            ),
            explanation=(
                "A stop of a step depends on SS, and on 4.3 SS is wrong after the store."
                " A breakpoint depends on nothing but the PC. It is what people did on such kernels: a breakpoint after"
                " the access, and `continue` instead of `stepi`."
            ),
            code='commands = ["break *0x40000008", "continue"]',
            misconceptions=("mmio-is-done", "reports-stepped", "skip-is-pc"),
        ),
        Task(
            "missing_stops",
            "Write missing_stops(pcs): from the PCs of a gdb session, the stops that were lost.",
            missing_stops,
            hints=(
                "The program has no branches, and an instruction has 4 bytes.",
                "Look at each PC and the one after it.",
                "range(a + 4, b, 4) is every address between two stops a and b.",
            ),
            explanation=(
                "Nothing in gdb warns you: the stop that is missing was never reported. You can see it only because you know where it should have been. With a"
                " branch in the program you would have to know where it goes."
            ),
            misconceptions=("mmio-is-done", "reports-stepped", "skip-is-pc"),
        ),
        Task(
            "what_gdb_shows",
            "Say what gdb shows after `stepi 2` under v4.3.",
            what_gdb_shows,
            hints=(
                "Look at the transcript, or ask gdb: attach('stepi 2', 'info registers mdscr_el1').",
                "gdb reads registers as KVM_GET_ONE_REG gives them.",
                "reverse-stepi goes back to the last stop. How far is that?",
            ),
            explanation=(
                "`info registers` shows the guest's MDSCR_EL1, in which nobody steps; the host's SS is put"
                " into the CPU for the time that the guest runs. x1 is 1, since the add has run. And reverse-stepi undoes"
                " a step as it was made: the store and the add."
            ),
            misconceptions=("shows-host-ss", "ss0-is-off", "mmio-is-done"),
            code="numbers = dict(zip(numbers, (0, 1, 1, 2), strict=True))",
            numeric=True,
        ),
    ],
)
