# %% [markdown]
# # When does the PC move? Two open questions, and the experiments that close them
#
# *About 90 minutes, in four parts; there are marks where to stop. Before it:
# [lab 04](04-the-skipped-instruction.ipynb). New words are explained where they first appear, and in the
# [glossary](glossary.md). Run all cells first.*
#
# Peter Maydell did not only propose to clear SS. His mail of 26 November 2014 goes on:
#
# > I think we should also be doing this PC advance on return from userspace's handling of the mmio rather than
# > before we drop back to userspace as we do now, but I can't remember why I think that.
#
# Christoffer Dall answered on 30 November 2014. He guessed that it had to do with what userspace sees:
#
# > [...] currently if you observe the PC though GET_ONE_REG, you'll see a PC pointing to the next instruction, not
# > the one you're emulating which is strange.
# >
# > Not sure what the relation to a guest single-stepping itself was.
#
# There the thread ends. *Why move the PC later?* And *what has the guest's own stepping to do with it?* Four years
# later both proposals were merged, without an answer, and the bug came back. You have what they did not have: eight
# kernels that differ in three switches, and recordings of the real ones.
#
# **What you will be able to do**
#
# * say what userspace sees at an MMIO exit, and what is still to be done there;
# * say why an injected abort needs the late advance;
# * say why clearing SS fixes the guest's own stepping at once, but the host's only after *arming*;
# * answer both questions of the thread, each with a pair of kernels that proves it.

# %% [markdown]
# ## Predict

# %%
from contextlib import suppress
from dataclasses import replace

from aarch64sim import assemble, kernels
from aarch64sim.vmm import Machine
from widgets import CompareLab, Question, RecordedRun, StepLab
from widgets.course import exercises, program

from checks.lab05.experiments import (
    ABORTED_LOAD,
    AFTER_ARMING,
    BEFORE_ARMING,
    EARLY,
    LATE,
    PC_WORDS,
    abort_at_load,
    board,
    guest_log,
    guest_right,
    host_right,
    recorded_stops,
    simulated,
    stepped_from_the_exit,
    switches,
    today,
)

lab = exercises("05")
store = program("store")

# %% name="predict-exit"
Question(
    "A guest loads from a device. KVM_RUN has just returned with KVM_EXIT_MMIO, and userspace has put its answer into"
    " kvm_run.mmio.data. Is the load done?",
    {
        "yes: userspace has answered": "Look at the register that is loaded, below.",
        "yes, but the PC must still be moved": "Look at the register that is loaded, below.",
        "no: the next KVM_RUN does it": "An MMIO exit is a question. The kernel has not read the answer yet.",
    },
    right="no: the next KVM_RUN does it",
)

# %% name="predict-both"
Question(
    "Linux 5.0 did both things that Maydell proposed: the skip clears SS, and it happens when userspace has answered. A"
    " debugger steps over the store of store.s, at 0x40000004. Where does it stop?",
    {
        "at 0x40000008, of course": "So everybody thought. Watch.",
        "at 0x4000000c, as before": "You suspect something. Find out what.",
        "at 0x40000004, since nothing has run": "A stop at the same place would be a step that did nothing.",
    },
    right="at 0x4000000c, as before",
)

# %% [markdown]
# ## Watch
#
# ### What userspace sees
#
# A guest with one load, run without a debugger. We stop the clock at the first return of `KVM_RUN` and look at the
# vCPU through `GET_ONE_REG`, then let the kernel go on once more. `Machine` answers each exit as soon as it comes.

# %%
LOAD = """
        ldr     w2, [x19]           // at 0x40000000
        str     w20, [x20]
"""
print("           at the exit                 one KVM_RUN later")
for name in ("v4.3", "v4.14.177", "v5.0", "v6.14"):
    machine = Machine(assemble(LOAD), kernels[name], uart_input=b"A")
    seen = []
    for _ in range(2):
        exit_ = machine.run_once(1000)
        seen.append(f"PC {exit_.pc:#x}, x2 = {machine.vcpu.get_one_reg('x2'):#4x}")
    print(f"{name:10} {seen[0]}    {seen[1]}")

# %% [markdown]
# At the exit x2 is still 0 under every kernel, although userspace has the answer ready. And the PC is where Dall
# found it strange under 4.3: at the *next* instruction. This is the **early advance**. From 5.0 on the PC is at the
# load: the **late advance**. The stable 4.14.177 has it, too.
#
# ### The kernel with both proposals
#
# Step 5.3 over the store, and compare the order of two events with that of 5.11:

# %% name="compare"
both = CompareLab(store, left="v5.3", right="v5.11")
both.step()
both.step()
both

# %% [markdown]
# The same boxes, and two of them have changed places. 5.3 skips, with SS := 0, and *then* sets SS for the entry. 5.11
# sets SS for the entry, and *then* skips. The last one to write wins.
#
# This is the path 5.3 takes through the diagram. It takes the edge with the cross, as 4.3 did: SS is 1 again at the
# second ERET. But here somebody cleared it, and somebody else set it again.

# %%
bug = StepLab(store, kernel="v5.3")
bug.step()
bug.step()
bug.diagram()

# %% [markdown]
# Is this true? It sounds like a bug that somebody would have seen. Here is Linux 5.4, recorded. The stop at
# 0x40000008 is missing:

# %%
RecordedRun("linux-5.4", "b_str")

# %% [markdown]
# ### A guest that steps itself
#
# Now nobody steps from outside. The guest is a kernel that steps its own code: it sets MDSCR_EL1.SS and KDE, and its
# handler grants one more instruction at each stop. Among the instructions is a store to the UART, at 0x40000028. The
# handler writes down where it was notified of each stop:

# %%
for name in ("v4.3", "v5.3", "v5.11"):
    print(f"{name:6}", *(f"{pc:#x}" for pc in guest_log(name)))

# %% [markdown]
# 4.3 loses the stop after the store, at 0x4000002c: the bug of 2014, without any debugger on the host. 5.3 reports
# it. So the same kernel, with the same line, is right for the guest and late for the host.

# %% [markdown]
# *This is the end of the first part. Next time, run all cells and go on here.*
#
# ## Explain
#
# This is what `KVM_RUN` does, in its order, from 5.0 to 5.10:
#
# 1. Complete a pending MMIO access: write the register, **skip** the instruction (PC += 4, SS := 0).
# 2. If immediate_exit is set or a signal is pending: return to userspace with EINTR.
# 3. **Arm**: if the host steps, set MDSCR_EL1.SS and SPSR_EL2.SS. If it does not step, leave both to the guest.
# 4. ERET into the guest. It runs, and takes an exception to EL2.
# 5. Put the host's step state away.
# 6. Handle the exception. Perhaps return to userspace, else go to 2.
#
# The word *arm* is the key. Arming is done at every entry, since userspace may have changed anything in between. It
# is right for an instruction that has not run. For one that the kernel has completed it grants a second step.
#
# Three switches make eight kernels of this. The base of all eight is **Linux 6.1.192**, `kernels["v6.1.192"]`:
#
# | switch | field of `Kernel` | its positions |
# |---|---|---|
# | when does the PC move? | `pc_advance` | `EARLY`: in 6, before the exit. `LATE`: in 1, after the answer |
# | who clears SS? | `skip_clears_ss` | `False`: nobody. `True`: the skip |
# | when is SS armed? | `skip_applied` | `BEFORE_ARMING`: after the skip. `AFTER_ARMING`: it is done between 3 and 4 |
#
# With `AFTER_ARMING` the skip is only noted at first. If `KVM_RUN` returns to userspace with a skip still noted, it
# must be done now, or userspace sees an old PC. Linux does this from 5.13 on, as the last thing before the return.
#
# A kernel is a value. You make another one by replacing fields:

# %%
mine = replace(
    kernels["v6.1.192"],
    name="mine",
    title="my kernel",
    summary="6.1.192 with the early advance",
    pc_advance=EARLY,
)
print("a debugger on the host stops in the right place:", host_right(mine))
print("a guest that steps itself stops in the right place:", guest_right(mine))

# %% name="panel"
panel = StepLab(store, kernel=mine)
panel

# %% [markdown]
# ### An answer that is no answer
#
# Userspace need not answer an access. It may say that there is no such device, and let the guest take an external
# *data abort*: `KVM_SET_VCPU_EVENTS` with `ext_dabt_pending` (from 5.5). The kernel then puts the guest at its
# exception vector by software. The return address, ELR_EL1, becomes the PC of that moment, because the PC is all
# that the kernel has.

# %% [markdown]
# ## Try
#
# Eight tasks.
#
# **Task 1, `jump`.** You write a debugger. At the MMIO exit of a load the user types `jump`: the guest should finish
# its load, and then go on at `target` instead of after the load. Userspace has put the answer into the run page
# already.
#
# | you have | it does |
# |---|---|
# | `vcpu.set_one_reg("pc", value)` | KVM_SET_ONE_REG; also "x0" to "x30", "pstate" ... |
# | `vcpu.get_one_reg("pc")` | KVM_GET_ONE_REG |
# | `vcpu.run()` | KVM_RUN: comes back with the next exit |
# | `vcpu.run(immediate_exit=True)` | KVM_RUN that does not enter the guest. It ends with EINTR: `InterruptedError` |
#
# The check lets your function jump under a kernel with the late advance and under one with the early advance.


# %% name="task-jump"
def jump(vcpu, target):
    ### BEGIN SOLUTION
    with suppress(InterruptedError):
        vcpu.run(immediate_exit=True)  # completes the load; KVM_RUN ends with EINTR
    vcpu.set_one_reg("pc", target)
    ### END SOLUTION


lab.check("jump", jump)

# %% tags=["solution"]
print(lab.explain("jump"))

# %% [markdown]
# **Task 2, `after_abort`.** Userspace answers the load of this guest with an abort, the first time. Its handler notes
# where it was called from, and simply returns.

# %%
print(ABORTED_LOAD)

# %% [markdown]
# What is ELR_EL1 in the handler, and how many times does userspace see the load? Decide for a kernel with the late advance
# and for one with the early advance. The program starts at 0x40000000.

# %% name="task-after-abort"
after_abort = {
    "late": (None, None),  # (ELR_EL1, loads that userspace sees)
    "early": (None, None),
}
### BEGIN SOLUTION
after_abort = {"late": (0x4000_0004, 2), "early": (0x4000_0008, 1)}
### END SOLUTION
lab.check("after_abort", after_abort)

# %% tags=["solution"]
print(lab.explain("after_abort"))

# %% [markdown]
# When you have it, look at Linux 6.1.192 with one line changed so that the PC moves early. Row 2 is the exit, row 9 is
# where the handler returns to:

# %%
lab.once_right(
    "after_abort", lambda: RecordedRun("what-if-early-advance-ss-kept", "j_abort_retry_step")
)

# %% [markdown]
# *This is the end of the second part. Next time, run all cells and go on here.*
#
# **Task 3, `guest_steps_right`.** Now the switches. For which of the eight kernels does a guest that steps *itself* over a store
# stop in the right place? Return True or False. `switches()` gives all eight to experiment with, and
# `guest_log(kernel)` is the experiment.


# %% name="task-guest-steps-right"
def guest_steps_right(kernel):
    ### BEGIN SOLUTION
    return kernel.skip_clears_ss
    ### END SOLUTION


lab.check("guest_steps_right", guest_steps_right)

# %% tags=["solution"]
print(lab.explain("guest_steps_right"))

# %% [markdown]
# **Task 4, `host_steps_right`.** And for which of the eight does a *debugger on the host* stop in the right place? The
# base is 6.1.192 again: experiment with `StepLab(store, kernel=replace(kernels["v6.1.192"], ...))`. Compare a field with
# `is`: `kernel.pc_advance is LATE`. (Of newer kernels something else is true. That is the last part of this lab, and the
# check also accepts a function that is right about them.)


# %% name="task-host-steps-right"
def host_steps_right(kernel):
    ### BEGIN SOLUTION
    return (
        kernel.skip_clears_ss and kernel.skip_applied is AFTER_ARMING and kernel.pc_advance is LATE
    )
    ### END SOLUTION


lab.check("host_steps_right", host_steps_right)

# %% tags=["solution"]
print(lab.explain("host_steps_right"))

# %% [markdown]
# The board of all eight. It fills where your two functions say something: what the model does, with a mark for your
# answer, and whether a recorded kernel did the same. Of the seven recorded ones four are unmodified; those called
# *what-if* are 6.1.192 with a line or two changed, built and recorded in the same way.

# %%
print(board(guest_steps_right, host_steps_right))

# %% [markdown]
# When it is full: in how many rows does the host stop in the right place? Look at the second-to-last row, which is Linux
# 5.0 to 5.10, and at *what-if-early-advance-ss-cleared*, which is Maydell's first proposal to the letter.
#
# **Task 5, `interrupted`.** 5.11 and 5.13 clear SS after arming, and all is well, as long as nothing happens between
# the ERET and the stop. Let a host interrupt hit exactly there: the guest has been entered with SS = 0,
# *active-pending*, and before it takes its step exception the CPU is taken to EL2 by the interrupt. The kernel
# serves it and enters the guest again. Where does the debugger get its stop, in `store.s`, after stepping the store at
# 0x40000004?
#
# The two kernels differ in one more field. This is what it says:

# %%
for name in ("v5.13", "v6.1"):
    print(f"{name:6} SS is armed {kernels[name].arming.value}")

# %% name="task-interrupted"
first_stop = {"v5.13": None, "v6.1": None}
### BEGIN SOLUTION
first_stop = {"v5.13": 0x4000_000C, "v6.1": 0x4000_0008}
### END SOLUTION
lab.check("interrupted", first_stop)

# %% tags=["solution"]
print(lab.explain("interrupted"))

# %% [markdown]
# When you have it: real kernels do this, too. In this recording a device raises the guest's interrupt while userspace answers the
# store at 0x4000000c. The guest goes to its vector, 0x40001280, with the step spent. The page of the vector is not
# mapped yet, so there is an exit to the host before the stop. These are the stops from the store to the handler:


# %%
def at_the_vector():
    for name in ("linux-5.11", "linux-5.15", "linux-6.1.192", "linux-6.14"):
        print(f"{name:14}", *(f"{pc:#x}" for pc in recorded_stops(name, "r_irq_at_mmio")[2:5]))
    return "5.11 and 5.15 lose the stop at the guest's interrupt vector. From 6.1 on it is there."


print(lab.once_right("interrupted", at_the_vector))

# %% [markdown]
# ### Dall's question
#
# *"Not sure what the relation to a guest single-stepping itself was."*
#
# **Task 6, `dall`.** Answer with an experiment. Give two kernels that differ in `skip_clears_ss` and in nothing else,
# such that this one line fixes the guest's own stepping, and leaves the debugger on the host as late as it was.

# %% name="task-dall"
dall = (None, None)
### BEGIN SOLUTION
dall = (replace(kernels["v5.3"], skip_clears_ss=False), kernels["v5.3"])
### END SOLUTION
lab.check("dall", dall)

# %% tags=["solution"]
print(lab.explain("dall"))

# %% [markdown]
# ### Maydell's question
#
# *"... but I can't remember why I think that."*
#
# **Task 7, `maydell`.** Is the late advance needed for stepping? Take **`kernels["v6.1.192"]`** as the base. The eight
# kernels above say so: no early one is right. But there is one more field, which no real kernel ever had, only a what-if.
# `early_skip_remembers_step` lets the kernel note, at an early skip, that the step is spent, so that the next entry does
# not arm it. Give two kernels, one with the early and one with the late advance, that **both** step correctly, host and
# guest. They may differ in these two fields only. The check then says what the late advance really gives.

# %% name="task-maydell"
maydell = (None, None)
### BEGIN SOLUTION
late_one = kernels["v6.1.192"]
maydell = (replace(late_one, pc_advance=EARLY, early_skip_remembers_step=True), late_one)
### END SOLUTION
lab.check("maydell", maydell)

# %% tags=["solution"]
print(lab.explain("maydell"))

# %% [markdown]
# The early one of such a pair exists. Row 2 is the exit, with the PC past the store; row 3 is the stop, in the
# right place:

# %%
lab.once_right("maydell", lambda: RecordedRun("what-if-early-advance-step-remembered", "b_str"))

# %% [markdown]
# ### Ten years later
#
# *This is the last part. Next time, run all cells and go on here.*
#
# All this was said of Linux 6.1, and it holds up to 6.13. Now make the same change, the early advance and nothing else,
# in kernels that step correctly over MMIO:

# %% name="early-everywhere"
for name in ("v5.13", "v6.1", "v6.3", "v6.14", "v6.18", "v7.2", "fixed"):
    early = replace(kernels[name], pc_advance=EARLY)
    print(
        f"{name:6} with the early advance: the host stops",
        "in time" if host_right(early) else "late",
    )

# %% [markdown]
# What was late for ten years is right today. No field for a memory was needed. Why? Look at one more field. It says when
# a skip is applied that is still waiting when `KVM_RUN` returns to userspace, as it is in an early advance. *Put away*
# means: the host's step state is taken off the vCPU, and the guest's own SS is put back.

# %% name="leftovers"
for name in ("v6.3", "v6.14"):
    print(f"{name:6} a skip that is left over is {kernels[name].leftover_advance.value}")

# %% [markdown]
# * Up to 6.13 the host's step state is put away first, then the skip clears SS. It clears the *guest's* SS. The kernel
#   has not seen that the step is spent, so the next entry arms it again: late.
# * From 6.14 on (2ca3f03bf524) load and put, which exchange the two, stand around the whole of `KVM_RUN`. The skip clears
#   the *host's* SS. Then the put sees SS = 0, and notes that a step is pending: the memory of 6.1 serves the early advance
#   as well.
#
# **Task 8, `one_line`.** Prove it. Take `kernels["v7.2"]` with the early advance, which is right, and move one line of it:
# change one field, so that it is late again, for the host only.

# %% name="task-one-line"
one_line = None
### BEGIN SOLUTION
one_line = replace(
    kernels["v7.2"], pc_advance=EARLY, leftover_advance=kernels["v6.3"].leftover_advance
)
### END SOLUTION
lab.check("one_line", one_line)

# %% tags=["solution"]
print(lab.explain("one_line"))

# %% [markdown]
# Real kernels say the same. A Linux 7.3.4 was built four times, once as it is and three times with a line or two changed,
# and recorded. *After put* is the change of task 8. Here are the stops over the store of `store.s`, and next to them those of the simulation:

# %% name="today"
print(lab.once_right("one_line", lambda: "\n".join(today("b_str"))))

# %% [markdown]
# "Right" has three limits here. Each is a place where the early advance still shows:
#
# 1. **Somebody starts to step at the exit.** When `KVM_RUN` returned nobody was stepping, so nothing was noted.
# 2. **An abort is the answer.** It returns to the next instruction, and the access is never tried again.
# 3. **Somebody looks.** The PC at the exit is that of the next instruction.

# %% name="limits"
for words, kernel in (
    ("late", kernels["v7.2"]),
    ("early", replace(kernels["v7.2"], pc_advance=EARLY)),
):
    pc = simulated("pc", kernel)
    stop, (elr, loads) = stepped_from_the_exit(kernel), abort_at_load(kernel)
    print(f"{words:6} stepping begins at the exit: first stop {stop:#x}")
    print(
        f"{'':6} an abort returns to {elr:#x}; userspace sees the load {loads} time{'s' * (loads > 1)}"
    )
    print(f"{'':6} the PC at the exit is that of the {PC_WORDS[pc]}")

# %% [markdown]
# ### What the thread did not know
#
# 1. **The late advance matters only to whoever inspects the vCPU.** Userspace sees the instruction that is being
#    emulated, and an injected abort returns to it. Dall's guess was right. For stepping alone it is not needed:
#    remembering that the step is spent works just as well.
# 2. **Clearing SS is not enough for the host.** It must be cleared *after* arming, or the kernel must remember that the
#    step is spent. 5.0 did neither. 5.11 moved the skip for another reason, and fixed it by accident. 6.1 remembers, and
#    from 6.14 on the memory also sees a skip that was made early.
# 3. **For a guest that steps itself it is enough**, early or late: nobody arms SS for it at an entry. That is the
#    relation.

# %% [markdown]
# ## Check yourself

# %% name="check-anywhere"
Question(
    "You clear SPSR_EL2.SS as soon as the guest exits with the MMIO abort, before anything else. The host steps, in a"
    " kernel that arms at every entry. What have you gained?",
    {
        "the bug is fixed": "The next entry writes the bit again. The last one to write wins.",
        "nothing for the host": "The next entry arms SS again. A guest that steps itself would gain.",
        "nothing at all": "For a guest that steps itself nobody arms SS, so it stays cleared.",
    },
    right="nothing for the host",
)

# %% name="check-saved"
Question(
    "A debugger steps a load that userspace is going to answer with an abort. Which SS did the CPU save when the load"
    " was trapped to EL2, and why?",
    {
        "0: the abort ends the step": "The exception ends it for now. But the load has not run, and may run again.",
        "1: the load has not run, the step is owed": "An abort saves the bit as it was. Only calls save 0.",
        "it depends on the answer of userspace": "The CPU saves the bit long before userspace hears of the load.",
    },
    right="1: the load has not run, the step is owed",
)

# %% name="check-set-pc"
Question(
    "At the MMIO exit of a load, under Linux 6.14, a debugger writes 0x40000100 into the PC and calls KVM_RUN. Which"
    " instruction runs first?",
    {
        "the one at 0x40000100": "The load is still to be completed, and its completion moves the PC.",
        "the one at 0x40000104": "The KVM_RUN completes the load first: register, and PC += 4.",
        "the one after the load": "The PC that you have set is the one that is moved.",
    },
    right="the one at 0x40000104",
)

# %%
print(lab.progress())

# %% [markdown]
# ## Read on
#
# * The thread: Christoffer Dall, 30 November 2014, *Re: [PATCH 5/7] KVM: arm64: guest debug, add support for
#   single-step*.
# * 0d640732dbeb (5.0) moved the advance after the answer of userspace, bd7d95cafb49 (5.0) cleared SS. Both were
#   committed in December 2018.
# * cdb5e02ed133 (5.11) deferred the skip to the next entry; 26778aaa134a and e3e880bb1518 (5.13) took care of a skip
#   that is left over.
# * 370531d1e95b (6.1) remembers a pending step. 2ca3f03bf524 (6.14) moved the step state to where the vCPU is loaded.
# * e735a5da6442 (6.13): an abort that is injected at an MMIO exit, and what was wrong with it for five years.
# * The KVM API documentation, `Documentation/virt/kvm/api.rst`, on `KVM_EXIT_MMIO`: the operation is complete only
#   after userspace has entered the kernel again.
# * In this project: `aarch64sim/kvm/vcpu.py` has the six points of *Explain* in one function;
#   `aarch64sim/kvm/kernels.py` has the switches.
# * A question to take along: from which release to which was stepping right? You can date it to the commit. That is
#   lab 06.
