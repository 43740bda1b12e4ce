"""Tasks of lab 05, when does the PC move?

Invariant: what is right is found by running the kernel in question, never by comparing with a stored answer.
"""

from __future__ import annotations

from typing import Any

from widgets.page.offered import Offer

from checks.lab05.by_kernel import dall, guest_steps_right, host_steps_right, maydell, one_line
from checks.lab05.experiments import BASE, abort_at_load, interrupted_step
from checks.lab05.jump import CODE, check_jump
from checks.task import Lab, NotAnswered, Task, Wrong, describe, entries, number

ABORT_KERNELS = {"late": BASE.name, "early": "what-if-early-advance-ss-kept"}


# --- after_abort -------------------------------------------------------------------------------------------


def _after_abort(answer: Any) -> str:
    pairs = {}
    for key, pair in entries(answer, ABORT_KERNELS, "after_abort", "(ELR_EL1, loads)").items():
        if isinstance(pair, list | tuple) and None in pair:
            raise NotAnswered(f"Fill in (ELR_EL1, loads) for the {key} advance.")
        right_kind = isinstance(pair, list | tuple) and all(isinstance(n, int) for n in pair)
        if not right_kind or len(pair) != 2:
            raise Wrong(f"{key} takes two numbers, (ELR_EL1, loads), and not {describe(pair)}.")
        pairs[key] = tuple(pair)
    right = {key: abort_at_load(kernel) for key, kernel in ABORT_KERNELS.items()}
    if pairs == right:
        return "right: only with the late advance does the abort return to the load, so that it can be tried again."
    if pairs["late"] == right["early"] and pairs["early"] == right["late"]:
        raise Wrong(
            "it is the other way round: early means that the PC has moved before userspace hears of the load"
        )
    for key in ("late", "early"):
        elr, loads = pairs[key]
        if elr == right[key][0] and loads != right[key][1]:
            if key == "late":
                raise Wrong(
                    f"late: userspace sees the load {right[key][1]} times, not {loads}. The aborted load was not done."
                    " The handler returns to it, and it is trapped again",
                    misconception="mmio-is-done",
                )
            raise Wrong(
                f"early: userspace sees the load {right[key][1]} time, not {loads}. The handler returns to the"
                " instruction after the load, and nobody makes the load again"
            )
    if pairs["early"][0] == right["late"][0]:
        raise Wrong(
            "early: an injected abort is entered in software, and ELR_EL1 becomes the PC of that moment. With the early"
            " advance that is no longer the load"
        )
    if pairs["late"][0] == right["early"][0]:
        raise Wrong(
            "late: the PC is still at the load when the abort is injected. Nothing has been completed, so nothing was"
            " skipped",
            misconception="mmio-is-done",
        )
    raise Wrong(
        "ELR_EL1 is an address of the program, which starts at 0x40000000: that of the load or of the instruction"
        " after it"
    )


# --- interrupted --------------------------------------------------------------------------------------------


def _interrupted(answer: Any) -> str:
    names = ("v5.13", "v6.1")
    got = {
        name: number(value, f"first_stop[{name!r}] is")
        for name, value in entries(answer, names, "first_stop", "an address").items()
    }
    right = {name: interrupted_step(name) for name in names}
    after, late = right["v6.1"], right["v5.13"]
    if got == right:
        return "right: 5.13 was right as long as nothing came in between. 6.1 remembers that the step is spent."
    if got == {"v5.13": after, "v6.1": after}:
        raise Wrong(
            "v5.13: the interrupt takes the CPU to EL2 before the stop is taken, and the next entry arms SS again. The"
            " spent step is granted once more",
            misconception="interrupts-do-not-matter",
        )
    if got == {"v5.13": late, "v6.1": late}:
        raise Wrong(
            "v6.1: on the way out it sees SS = 0 without a step exception, and notes that a step is pending. The next"
            " entry leaves SS at 0"
        )
    if got == {"v5.13": after, "v6.1": late}:
        raise Wrong(
            "it is the other way round: which of the two has a memory for the step that is spent?"
        )
    for name in names:
        if got[name] == CODE + 4:
            raise Wrong(
                f"{name}: the store is done. The access was completed and the PC had moved before the ERET, so the"
                " interrupt leaves nothing to do again"
            )
    raise Wrong(
        "both answers are addresses in store.s, which starts at 0x40000000: where the guest stands at the next"
        " KVM_EXIT_DEBUG"
    )


LAB = Lab(
    "05",
    [
        Task(
            "jump",
            "Write jump(vcpu, target): at an MMIO exit, let the guest finish its access and go on at target.",
            check_jump,
            hints=(
                "Set the PC, run the guest, and look where it goes on. How far off is it, and who did that?",
                "The access must be completed first. Only a KVM_RUN completes it.",
                "KVM_RUN with immediate_exit completes the access and does not enter the guest. It fails with EINTR:"
                " vcpu.run(immediate_exit=True) raises InterruptedError.",
            ),
            explanation=(
                "An MMIO exit is a question, not an end. The load is completed, and with the late advance"
                " the PC is moved, by the next KVM_RUN. The KVM documentation says so: the operation is complete, and"
                " the guest state consistent, only after userspace has entered the kernel again."
                " So complete the access first, without entering the guest, and then set the PC."
            ),
            misconceptions=("mmio-is-done",),
            code="with suppress(InterruptedError):\n    vcpu.run(immediate_exit=True)\nvcpu.set_one_reg('pc', target)",
        ),
        Task(
            "after_abort",
            "Say for the late and the early advance what ELR_EL1 the handler finds, and how often the load is seen.",
            _after_abort,
            hints=(
                "An injected abort is entered in software: ELR_EL1 := PC. Where is the PC at that moment?",
                "The handler returns with ERET to ELR_EL1. Is that the load, or the instruction after it?",
                "The load is at 0x40000004.",
            ),
            explanation=(
                "Late: the PC is the load, 0x40000004, so the handler returns to it, and userspace sees it twice."
                " Early: the PC has moved already, ELR_EL1 is 0x40000008, and nobody repeats the load: x2 keeps"
                " its old value, and the guest goes on as if it had been read. A handler that skips the faulting"
                " instruction with ELR += 4 would even skip an innocent one."
            ),
            misconceptions=("mmio-is-done",),
            numeric=True,
        ),
        Task(
            "guest_steps_right",
            "Write guest_steps_right(kernel): does a guest that steps itself over a store stop in the right place?",
            guest_steps_right,
            hints=(
                "Print guest_log for some kernels of switches().",
                "Which of the three switches changes anything?",
                "Nobody arms SS at an entry when the host does not step.",
            ),
            explanation=(
                "One of the three switches decides alone. The guest's SS is set by the guest's own ERET, and the host kernel does"
                " not touch it at an entry. Whoever clears it at the skip, early or late, has cleared it for good."
            ),
            misconceptions=("skip-is-pc",),
            code="return kernel.skip_clears_ss",
        ),
        Task(
            "host_steps_right",
            "Write host_steps_right(kernel): does a debugger stop in the right place when it steps over a store?",
            host_steps_right,
            hints=(
                "Print host_right for the kernels of switches(). How many are right?",
                "SS must be 0 at the ERET. Who wrote it last, the skip or the arming?",
                "Early means that the skip is over when KVM_RUN returns. What does the next KVM_RUN begin with?",
            ),
            explanation=(
                "One position of eight: skip_clears_ss, and skip_applied at the next entry (after arming), and the late"
                " advance. Before arming, the clearing is undone by the arming. With the early advance the skip is"
                " committed when KVM_RUN returns, so the next entry arms SS again. What counts is which of two"
                " lines comes last."
            ),
            misconceptions=("skip-is-pc", "clear-anywhere"),
        ),
        Task(
            "interrupted",
            "Say where the debugger stops if a host interrupt comes right after the ERET that follows the access.",
            _interrupted,
            hints=(
                "The ERET has just made the guest active-pending. The interrupt is taken to EL2 first: no stop yet.",
                "What does the kernel do with SS at the next entry?",
                "Look at the field arming of kernels['v5.13'] and kernels['v6.1'].",
            ),
            explanation=(
                "Under 5.13 the next entry sets SS again, so the add runs: 0x4000000c. 6.1 has seen SS = 0 at an exit"
                " that was no step exception, remembers that a step is pending, and leaves SS at 0: 0x40000008. On real"
                " machines this lost a few stops in a thousand, and up to a fifth of them under a fast timer."
            ),
            misconceptions=("interrupts-do-not-matter",),
            numeric=True,
        ),
        Task(
            "dall",
            "Give two kernels that differ in skip_clears_ss only, and of which the clearing fixes the guest's own"
            " stepping, but not the host's.",
            dall,
            hints=(
                "Take any position from your table in which the guest is right and the host late.",
                "Then make its twin: replace(kernel, skip_clears_ss=False).",
                "kernels['v5.3'] is such a kernel. So is what-if-early-advance-ss-cleared.",
            ),
            explanation=(
                "When the host steps, SS is set at"
                " every entry, so a clearing before that is lost. When the guest steps itself nobody sets SS at an"
                " entry, and Maydell's one line is the whole fix. That is the relation to a guest single-stepping"
                " itself."
            ),
            misconceptions=("clear-anywhere",),
            code="dall = (replace(kernels['v5.3'], skip_clears_ss=False), kernels['v5.3'])",
        ),
        Task(
            "maydell",
            "Give two kernels that both step correctly, one with the early and one with the late advance.",
            maydell,
            hints=(
                "kernels['v6.1.192'] is the late one. What does its early twin lack?",
                "The next entry must not arm SS again. There is a field for a memory.",
                "The field is early_skip_remembers_step, and its value True.",
            ),
            explanation=(
                "Stepping alone does not need the late advance: an early one with a memory steps correctly, too. What"
                " needs it is everything that looks at the vCPU while userspace answers: GET_ONE_REG shows the"
                " instruction that is being emulated, and an injected abort returns to it. That is what Maydell could"
                " not remember, and Dall's guess was right."
            ),
            misconceptions=("clear-anywhere", "skip-is-pc"),
            code="late = kernels['v6.1.192']\n"
            "maydell = (replace(late, pc_advance=EARLY, early_skip_remembers_step=True), late)",
        ),
        Task(
            "one_line",
            "Give 7.2 with the early advance and one more field changed, so that the host's stop is late again.",
            one_line,
            hints=(
                "6.14 is the first release in which the early advance is right. What did it change?",
                "Whose SS does the skip clear when KVM_RUN is about to return? Look at leftover_advance.",
                "kernels['v6.3'].leftover_advance is the value that 6.13 still had.",
            ),
            explanation=(
                "The line that applies a waiting skip stands at the end of KVM_RUN. Before the host's step state is put"
                " away it clears the host's SS, and the put notes that a step is pending. After it, it clears the"
                " guest's SS, and nobody notes anything. A real 7.3.4 with this one line moved is late, stop for stop"
                " as 6.1 with the early advance was."
            ),
            misconceptions=("skip-is-pc", "clear-anywhere"),
            code="one_line = replace(kernels['v7.2'], pc_advance=EARLY,\n"
            "                   leftover_advance=kernels['v6.3'].leftover_advance)",
        ),
    ],
    Offer(summaries=False),
)
