"""Checks of lab 02, the host steps the guest: KVM_SET_GUEST_DEBUG, the run loop, and who sees what.

Invariant: what is right is what the host model does when the answer is run; no check holds a table of its own.
"""

from __future__ import annotations

from widgets.page.offered import Offer

from checks.lab02.seeing import check_notice, check_views
from checks.lab02.stepping import check_control, check_entry, check_step
from checks.task import Lab, Task

LAB = Lab(
    "02",
    [
        Task(
            "control",
            "Give the value of `control` with which KVM_SET_GUEST_DEBUG asks for single-stepping.",
            check_control,
            (
                "There are two flags to set: one switches guest debug on, one says what is wanted.",
                "GuestDebug.ENABLE is 1, GuestDebug.SINGLESTEP is 2.",
            ),
            "KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, that is 3. ENABLE alone is worth knowing, too: it takes"
            " the debug registers away from the guest, and steps nothing. Flags that arm64 does not know are refused"
            " with EINVAL; x86 has one that holds interrupts back while stepping (BLOCKIRQ), arm64 has none.",
            numeric=True,
        ),
        Task(
            "entry",
            "Give the bits that are in the CPU at the ERET, while the host steps a guest that has written 0x2000, under fixed.",
            check_entry,
            (
                "The host needs three things: the switch, the path to EL2, and a permission for one instruction.",
                "And a fourth, so that the guest does not notice.",
                "From 6.14 on the guest's own KDE and SS are not in the register while the host debugs.",
            ),
            "MDSCR_EL1 = 1: the host's SS, and nothing of the guest's (up to 6.13 the guest's KDE stayed). MDCR_EL2.TDE = 1: debug exceptions go to EL2,"
            " so the guest is below the debug target level and KDE and PSTATE.D do not count. SPSR_EL2.SS = 1: one"
            " instruction. MDCR_EL2.TDA = 1: the guest's accesses to its debug registers are trapped and answered"
            " from the saved copy.",
            ("mdscr-alone", "ss0-is-off"),
            numeric=True,
        ),
        Task(
            "step",
            "Write step(vcpu, serve): KVM_RUN until KVM_EXIT_DEBUG, serving MMIO on the way; return the PC.",
            check_step,
            (
                "vcpu.run() returns the shared page: run.exit_reason is ExitReason.DEBUG, ExitReason.MMIO ...",
                "At KVM_EXIT_MMIO call serve(run.mmio), and call vcpu.run() again.",
                "Only KVM_EXIT_DEBUG ends the loop.",
            ),
            "A step is as many KVM_RUNs as it takes. The access is complete only after"
            " the next KVM_RUN; the documentation of KVM_RUN says so. So userspace never moves the PC: the kernel"
            " does, when it is asked to go on.",
            ("mmio-is-done",),
            "while True:\n    run = vcpu.run()\n    if run.exit_reason is ExitReason.DEBUG:\n"
            "        return vcpu.get_one_reg('pc')\n    if run.exit_reason is ExitReason.MMIO:\n"
            "        serve(run.mmio)",
        ),
        Task(
            "views",
            "Give MDSCR_EL1 as the guest's MRS, GET_ONE_REG and the CPU have it, in four situations, under fixed.",
            check_views,
            (
                "MRS and GET_ONE_REG show the guest's own value: what the guest wrote last.",
                "In the CPU, while the guest runs, is the value of whoever steps.",
                "With ENABLE alone nobody steps: the host does not want to, the guest may not.",
            ),
            "The first two columns are the guest's own value, always: 0, or what it wrote. The third is"
            " the host's while the host debugs: 1 with SINGLESTEP, 0 without. Only when nobody debugs the guest, all"
            " three are the same.",
            ("shows-host-ss",),
            numeric=True,
        ),
        Task(
            "notice",
            "Write a guest program that leaves 1 in x0 if it is being stepped, and 0 if not.",
            check_notice,
            (
                "Registers that KVM shows to the guest are no help. Look for an effect of stepping on other"
                " instructions.",
                "Every step is an exception and an ERET. What does an ERET do to an LDXR that waits for its STXR?",
                "Write ldxr w1, [x21], then stxr w0, w1, [x21]: W0 is 1 if the store has failed. Touch the memory"
                " before, so that no page fault comes between the two.",
            ),
            "A store-exclusive fails if an exception came after the load-exclusive, since the ERET clears the"
            " exclusive monitor. Stepped, there is always one. So a loop that waits for a store-exclusive never ends"
            " while it is stepped. Debuggers run such a sequence as one. A second way: take an undefined instruction"
            " and look at SPSR_EL1. The CPU saves the host's SS there.",
            ("shows-host-ss",),
            "str   w1, [x21]          // the page is there from now on\nldxr  w1, [x21]\n"
            "stxr  w0, w1, [x21]      // 0: stored. 1: the reservation was lost\nstr   w20, [x20]",
        ),
    ],
    Offer(what_ifs=False, summaries=False),
)
