"""Checks of lab 06, eleven years of fixes: read recordings, tell the eras, date a trace.

Invariant: what is right is read from the recordings of real kernels; no check holds a table of its own.
"""

from __future__ import annotations

from checks.lab06.dating import check_detective, check_era
from checks.lab06.history import BORDERS, HISTORY, check_brought, check_history, check_steps
from checks.task import Lab, Task

__all__ = ["BORDERS", "HISTORY", "LAB"]


LAB = Lab(
    "06",
    [
        Task(
            "steps",
            "Write steps(events, start): how many instructions the debugger's step from `start` took.",
            check_steps,
            hints=(
                "A stop is an event with op KVM_RUN, errno 0 and exit_reason DEBUG. MMIO is not a stop.",
                "Keep the PC in a variable; change it when `registers` has a pc.",
                "Remember whether the last stop was at `start`. If it was, the next stop is the one you want.",
            ),
            explanation="The debugger sees only KVM_EXIT_DEBUG, and a recording says of the registers only what"
            " changed. So keep the PC, look at the stops, and take the one after the stop at `start`. "
            "1 is right, 2 is one late, 0 is a spurious stop. The matrix of this lab is made by a function like it.",
            code="pc = 0\nthere = False\nfor event in events:\n"
            '    if event["op"] != "KVM_RUN":\n        continue\n'
            '    pc = int(event["registers"].get("pc", hex(pc)), 16)\n'
            '    if event["exit_reason"] == "DEBUG" and event["errno"] == 0:\n'
            "        if there:\n            return (pc - start) // 4\n        there = pc == start",
            misconceptions=("mmio-is-done",),
        ),
        Task(
            "history",
            "Name for each row the recorded kernels in which it became right or wrong.",
            check_history,
            hints=(
                "Go along a row from the left. Whenever the shading begins or ends, write down the column.",
                "By program: compare museum.is_right(title, kernel) for neighbours.",
                "A row may become right, wrong and right again. One of the four changes only once.",
            ),
            explanation="userspace MMIO: wrong, right in 4.15 (faked), wrong in 5.0, right in 5.11. HVC: right in"
            " 4.15 (faked), wrong in 5.0, right in 6.1, when KVM began to remember a pending step. MMIO then"
            " signal: right in 5.11, wrong in 5.15 (since 5.13), right in 6.14. A guest that steps itself: right"
            " from 5.0 on, for good. Nobody arms anything at the entry for a guest that steps itself, so clearing SS"
            " is enough.",
            misconceptions=("clear-anywhere", "interrupts-do-not-matter"),
        ),
        Task(
            "brought",
            "Name for each of three kernels a row that was right just before it and is wrong in it.",
            check_brought,
            hints=(
                "Look for a row in which the shading begins at that column.",
                "4.15 fakes a stop after whatever the kernel has handled. What does it handle that is no"
                " instruction?",
                "5.15 stands for 5.13 here: what does 5.11 get right that 5.15 does not?",
            ),
            explanation="4.15 fakes a stop after everything that it handled, so also after a fault on RAM, which"
            " completes nothing. 5.0 took the fakes away and cleared SS instead, before the arming: seven rows of"
            " stepping are late again. And it moved the completion of an access without a note that it was done, so"
            " immediate_exit loses an instruction. 5.13 applies a skip that is left over when KVM_RUN returns, after"
            " the host's step state is put away: the stop is lost over a signal or immediate_exit.",
        ),
        Task(
            "detective",
            "Name the era, A to F, of each of the four cases.",
            check_detective,
            hints=(
                "First the syndromes: 0xc8000000 is faked. Then: is there a stop at 0x40000008 in `store`?",
                "Late: A or C. The guest's own log tells: 0x40000038 is the stop after its store.",
                "In time: D if PSTATE at the MMIO exit has bit 21 (0x200000). Else E or F: is there a stop at"
                " 0x40000008 in `signal`?",
            ),
            explanation="Four questions in this order date every kernel. Is an hsr faked (0xc8...)? B. Is the step"
            " over the store late? Then the guest's own log: late, too, is A; right is C. Does PSTATE at KVM_EXIT_MMIO"
            " show the host's SS? D. Is the stop lost over the signal? E, else F. The PC at KVM_EXIT_MMIO is the clue"
            " that everybody takes first, and it misleads: 4.14.177 and 4.19.48 took the late advance from 5.0.",
            misconceptions=("shows-host-ss",),
        ),
        Task(
            "era",
            "Write era(case): the letter of the era of any case.",
            check_era,
            hints=(
                "case.store and case.signal are tuples of returns with .reason, .pc, .pstate and .hsr (None if there is"
                " none); case.guest is a tuple of addresses.",
                "Start with the faked stops: their hsr >> 24 is 0xC8. (hsr may be None.)",
                "Then: is there a stop in time, with pc 0x40000008 and reason 'DEBUG', in case.store? In case.signal?",
            ),
            explanation="The order of the questions matters: the faked stops of B are in time, so ask for them"
            " first."
            " Then the late ones, then PSTATE, then the signal.",
            code="    def in_time(trace):\n"
            '        return any(one.pc == 0x40000008 and one.reason == "DEBUG" for one in trace)\n\n'
            "    if any(one.hsr is not None and one.hsr >> 24 == 0xC8 for one in case.store):\n"
            '        return "B"\n    if not in_time(case.store):\n'
            '        return "C" if 0x40000038 in case.guest else "A"\n'
            '    if any(one.reason == "MMIO" and one.pstate >> 21 & 1 for one in case.store):\n'
            '        return "D"\n    return "F" if in_time(case.signal) else "E"',
            misconceptions=("shows-host-ss",),
        ),
    ],
)
