# %% [markdown]
# # Start here: one click on Step, two instructions gone
#
# *About 15 minutes. All terms are in the [glossary](glossary.md).*
#
# In two minutes you will see a debugger lose an instruction. You need to read a little assembly;
# you need to know nothing about hypervisors.
#
# **What you will be able to do**
#
# * step a guest with mouse and keyboard, forwards and backwards;
# * read the diagram of the software-step machine;
# * point at the moment at which a hypervisor makes a debugger lose an instruction.

# %% [markdown]
# ## Predict
#
# A guest runs under Linux KVM, and a debugger steps it. This is the guest:

# %%
from widgets import CompareLab, RecordedRun, StepLab
from widgets.course import checks, program

check = checks("lab00")
tasks = check.LAB
store = program("store")
print(store)

# %% [markdown]
# The second instruction stores to a UART. There is no memory at that address. The access is
# *trapped*: the CPU leaves the guest, the kernel asks userspace to act as the UART, and the guest
# goes on after the store. That is how most emulated devices work.

# %% name="predict"
check.where_does_it_stop()

# %% [markdown]
# ## Watch
#
# Click **Step** once: the guest stops at 0x40000004. Click **Step** again, and look at the line
# with the exclamation mark.
#
# | key | while the focus is in the panel |
# |---|---|
# | `n`, `p` | Step, Back |
# | `r`, `s` | Run, Stop; `R`: Run back |
# | `,` `.` | one event back, one event on |
# | `Home` | back to the start |
# | arrow keys | on the slider: through the history; in the timeline: from event to event |

# %% name="panel"
lab = StepLab(store, kernel="v4.3")
lab

# %% [markdown]
# One click, two instructions: the store, and the `add` after it. `x1` has changed, and nobody was
# told.
#
# Click **Back** and **Step** as often as you like. Then choose *fixed* as the kernel and step
# again: now the guest stops at 0x40000008.

# %% [markdown]
# ## Explain
#
# A hypervisor does not count instructions. It asks the CPU to stop after one, with two bits:
#
# * `MDSCR_EL1.SS` switches stepping on.
# * `PSTATE.SS` says whether the one instruction is still to come. 1: it may run. 0: it has run,
#   *stop before the next*.
#
# These bits make a machine of three states. Here is the way that it took in your second click,
# numbered:

# %%
bug = StepLab(store, kernel="v4.3")
bug.step()
bug.step()
bug.diagram()

# %% [markdown]
# 1. The kernel enters the guest with SS = 1: one instruction is granted.
# 2. The store is trapped. It has not run, so the CPU saves SS = 1: the step is still owed.
# 3. Userspace acts as the UART. The kernel moves the PC over the store.
# 4. The store is done now, so the step is spent, and SS should be 0. **Nobody cleared it.** The
#    guest is entered with SS = 1 once more.
# 5. The `add` runs: that was the instruction granted by mistake.
# 6. Now the CPU stops, one instruction late.
#
# The dashed edge with the cross is the bug. A correct kernel takes the edge beside it: SS := 0, and
# the CPU stops before the `add`.
#
# Your *first* click has numbers like "1, 3" at an edge. The page of the program was not mapped
# yet: the guest faulted, the kernel filled the page in and entered again. The step was owed, and
# correctly, since nothing had run.
#
# The same click, event by event. *SS* is the bit in the guest, and the saved one while the kernel
# runs.

# %%
bug.timeline()

# %% [markdown]
# Now a kernel with the bug beside one without:

# %% name="compare"
both = CompareLab(store, left="v4.3", right="fixed")
both.step()
both.step()
both

# %% [markdown]
# ### Is this true?
#
# Yes. Here is Linux 4.4.60, unmodified, recorded at its `/dev/kvm`, and beside it this simulation,
# run just now. Each row is one return of `KVM_RUN`:

# %%
RecordedRun("linux-4.4.60", "b_str")

# %% [markdown]
# The stop at 0x40000008 is missing in both. And this is Linux 6.14:

# %%
RecordedRun("linux-6.14", "b_str")

# %% [markdown]
# Row 3 is the stop that 4.4.60 lost. Its syndrome, `hsr`, is another one, too: 0xca000022 says
# that the CPU has stepped nothing since it was entered.

# %% [markdown]
# ## Try
#
# **Task 1.** The bug was fixed in Linux 5.0. Was it? Use the list of kernels in the panel, and
# find one of the 5.x series that still loses an instruction. Its name is what `lab` prints, for
# example `v5.11`.

# %% name="task-late-kernel"
late_kernel = None
### BEGIN SOLUTION
late_kernel = "v5.3"
### END SOLUTION
tasks.check("late_kernel", late_kernel)

# %% [markdown] tags=["solution"]
# *Explanation.* 5.0 to 5.10 clear SS when they skip the instruction. But they set it again before
# the guest is entered, as at every entry, so the guest never sees the 0. Lab 05 is about the order
# of these two lines.

# %% [markdown]
# **Task 2.** Write a program of which *one* click on Step takes *three* instructions under `v4.3`.
# `x19` holds the address of the UART, `x20` that of the device that ends the program. You can try
# it in the panel first: *Edit the program*, then *Assemble*.

# %% name="task-three-in-one"
three_in_one = ""
### BEGIN SOLUTION
three_in_one = """
    mov   x0, #0x41
    str   w0, [x19]
    str   w0, [x19]
    add   x1, x1, #1
    str   w20, [x20]
"""
### END SOLUTION
tasks.check("three_in_one", three_in_one)

# %% [markdown] tags=["solution"]
# *Explanation.* The instruction granted by mistake is a store to the UART. It is trapped, so it
# leaves the step owed, and is emulated, so it should spend it; nobody does, and a third
# instruction runs. With n accesses in a row, one click takes n + 1 instructions.

# %% [markdown]
# **Task 3.** Under `fixed` the same program stops at every instruction. At one of these stops the
# CPU had stepped nothing: it stopped because a step was pending. Give its PC. *hsr*, the syndrome
# of the stop, tells; `tasks.hint("nothing_stepped")` helps.

# %% name="task-nothing-stepped"
nothing_stepped = None
### BEGIN SOLUTION
nothing_stepped = 0x40000008
### END SOLUTION
tasks.check("nothing_stepped", nothing_stepped)

# %% [markdown] tags=["solution"]
# *Explanation.* The kernel did the store in the CPU's place, cleared SS and entered the guest:
# active-pending. So the CPU stopped at once, with ISV = 0 in the syndrome (0xca000022). At every
# other stop an instruction was stepped, and ISV is 1 (0xcb000022).

# %% [markdown]
# ## Check yourself

# %% name="check-ss"
check.what_does_ss_0_mean()

# %% name="check-skip"
check.what_does_a_skip_take()

# %% [markdown]
# ## Read on
#
# * Keep your work: `from widgets.course.answers import download; download()` saves your answers of all
#   labs, also on Binder, which forgets. The [cheat sheet](cheat-sheet.pdf) is one page.
# * The bug was seen before it was merged. Peter Maydell wrote on 26 November 2014 about the patch
#   that brought stepping to KVM: "if the debugger tries to single step an insn which is emulated
#   by the hypervisor [...] then we won't correctly update the single-step state machine (and so
#   we'll end up incorrectly stopping after the following insn rather than before, I think)."
#   Subject: *[PATCH 5/7] KVM: arm64: guest debug, add support for single-step*.
# * In Linux: 337b99bf7edf (4.3) brought stepping, bd7d95cafb49 (5.0) cleared SS, cdb5e02ed133
#   (5.11) moved the skip after the arming, 370531d1e95b (6.1) remembers a pending step.
# * In the Arm Architecture Reference Manual (DDI 0487): D2.11, *Software Step exceptions*.
# * In this project: `aarch64sim/arch/step.py` is the machine of the diagram, 100 lines;
#   `aarch64sim/kvm/behaviours.py` names what a kernel does.
