# %% [markdown]
# # Start here: single-step a program, and count
#
# *About 30 minutes. Words that are new are explained where they first appear, and again in the
# [glossary](glossary.md).*
#
# **Run all cells now**: menu *Run*, *Run All Cells*. What you see before that is a picture, without
# buttons. (Later you run a single cell with Shift+Enter.)
#
# In five minutes you will see a debugger lose an instruction. You should be able to read a little
# assembly; you need no knowledge of virtual machines.
#
# **What you will be able to do**
#
# * step a program with mouse and keyboard, forwards and backwards;
# * read the diagram of the software-step machine;
# * point to the moment when the hypervisor makes the debugger miss an instruction.

# %% [markdown]
# ## Predict
#
# A *[guest](glossary.md)* is a program that runs in a virtual machine: here a few lines of assembly.
# The *[hypervisor](glossary.md)* runs the virtual machine: here *[KVM](glossary.md)*, a part of the
# Linux kernel. A debugger single-steps the guest, one instruction at a time. This is the guest:

# %%
from widgets import CompareLab, RecordedRun, StepLab
from widgets.course import checks, program

check = checks("lab00")
lab = check.LAB
store = program("store")
print(store)

# %% [markdown]
# The second instruction stores to a *[UART](glossary.md)*, a serial port. There is no memory at that
# address. The access is *[trapped](glossary.md)*: the CPU leaves the guest, and the kernel asks
# *[userspace](glossary.md)*, an ordinary program such as QEMU, to act as the UART. Then the guest
# goes on after the store. That is how most emulated devices work. The last instruction stores to the
# *exit device*, which ends the program.

# %% name="predict"
check.where_does_it_stop()

# %% [markdown]
# ## Watch
#
# The panel below is a debugger on a simulated machine: program, registers and log. Click **Step**
# once: the guest stops at 0x40000004. Click **Step** again, and look at the line with the exclamation
# mark.
#
# | key | while the focus is in the panel |
# |---|---|
# | `n`, `p` | Step, Back |
# | `r`, `s` | Run, Stop; `R`: Run back. Here, Run is a row of single steps (`by_steps=True`) |
# | `,` `.` | one event back, one event forward |
# | `g` | Play: one step after another, slowly |
# | `Home`, `End` | to the start, to the end of the history |
# | `?` | all keys of the panel |
# | arrow keys | on the slider: through the history; in the timeline: from event to event |

# %% name="panel"
panel = StepLab(store, kernel="v4.3", by_steps=True)
panel

# %% [markdown]
# One click, two instructions: the store, and the `add` after it. `x1` has changed, but the debugger
# was never notified.
#
# Click **Back** and **Step** as often as you like. Then choose *fixed* as the kernel and step
# again: now the guest stops at 0x40000008.

# %% [markdown]
# ## Explain
#
# A hypervisor does not count instructions. It asks the CPU to stop after one, with two bits:
#
# * `MDSCR_EL1.SS` switches stepping on. (In the register table it reads as 0. KVM hides its own bit
#   from everybody who asks: lab 02.)
# * `PSTATE.SS` says whether that one instruction has yet to run. 1: it may run. 0: it has run,
#   *stop before the next*.
#
# Three more words appear in the diagram. *[EL2](glossary.md)* is the privilege level of the
# hypervisor, above EL1, where the guest runs. *[ERET](glossary.md)* is the instruction with which the
# hypervisor enters the guest. *[SPSR_EL2](glossary.md)* holds the guest's PSTATE while the hypervisor
# runs.
#
# The two bits make a machine of three states. Here is the path it took on your second click, numbered:

# %%
bug = StepLab(store, kernel="v4.3")
bug.step()
bug.step()
bug.diagram()

# %% [markdown]
# 1. The kernel enters the guest with SS = 1: one instruction is granted.
# 2. The store is trapped. It has not run, so the CPU saves SS = 1: the step is still owed.
# 3. Userspace acts as the UART. The kernel moves the PC past the store.
# 4. The store is done now, so the step is spent, and SS should be 0. **Nobody cleared it.** The
#    guest is entered with SS = 1 once more.
# 5. The `add` runs: that was the instruction granted by mistake.
# 6. Now the CPU stops, one instruction late.
#
# The dashed edge with the cross is the bug. A correct kernel takes the edge next to it: SS := 0, and
# the CPU stops before the `add`.
#
# The diagram of your *first* click has numbers like "1, 3" at an edge. The page of the program was not mapped
# yet: the guest faulted, the kernel mapped the page and entered the guest again. The step was still
# owed, and correctly: nothing had run.
#
# The same click, event by event. *SS* is the bit in the guest, and the saved one while the kernel
# runs.

# %%
bug.timeline()

# %% [markdown]
# Now the buggy kernel next to a correct one:

# %% name="compare"
both = CompareLab(store, left="v4.3", right="fixed")
both.step()
both.step()
both

# %% [markdown]
# ### Is this true?
#
# Yes. Here is Linux 4.4.60, unmodified, recorded at its `/dev/kvm`, next to this simulation, run just
# now. `KVM_RUN` is the call with which userspace lets the guest run; each row is one return of it:

# %%
RecordedRun("linux-4.4.60", "b_str")

# %% [markdown]
# The stop at 0x40000008 is missing in both. And this is Linux 6.14:

# %%
RecordedRun("linux-6.14", "b_str")

# %% [markdown]
# Row 3 is the stop that 4.4.60 lost. `hsr` is the *[syndrome](glossary.md)*: the number with which the
# CPU says why it stopped. In row 3 it is different: 0xca000022 means that the CPU has stepped nothing
# since the guest was entered. All the other stops have 0xcb000022.

# %% [markdown]
# ## Try
#
# In every lab a task is a cell to fill in: write your answer in place of `None`, `""` or `pass`. Running the
# cell checks the answer, as often as you like. Every lab has a checker, `lab`; in a new cell you can ask it for help. `lab.hint("late_kernel")` gives a
# hint, and the next one when you run it again. `lab.explain("late_kernel")` gives the reasons for
# the answer; where a task asks for code, run it again for a solution. `lab.progress()` says what is still to do.
#
# **Task 1, `late_kernel`.** Linux 5.0 fixed the bug. Or did it? Use the list of kernels in the panel,
# and find one of the 5.x series that still loses an instruction. Give its short name, for example
# `"v5.11"`.

# %% name="task-late-kernel"
late_kernel = None
### BEGIN SOLUTION
late_kernel = "v5.3"
### END SOLUTION
lab.check("late_kernel", late_kernel)

# %% [markdown] tags=["solution"]
# *Explanation.* Linux 5.0 to 5.10 clear SS when they skip the instruction. But they set it again before
# the guest is entered, as at every entry, so the guest never sees the 0. Lab 05 is about the order
# of these two lines.

# %% [markdown]
# **Task 2, `three_in_one`.** Write a program in which a single click on Step executes exactly *three*
# instructions under `v4.3`. `x19` holds the address of the UART, `x20` the address of the exit device,
# which ends the program. You can try it in the panel first: page *Edit*, then *Assemble*.

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
lab.check("three_in_one", three_in_one)

# %% [markdown] tags=["solution"]
# *Explanation.* The instruction granted by mistake is a store to the UART. It is trapped, so it
# leaves the step owed, and is emulated, so it should spend it; nobody does, and a third
# instruction runs. With n accesses in a row, one click takes n + 1 instructions.

# %% [markdown]
# **Task 3, `nothing_stepped`.** Under `fixed` the guest `store.s`, the program printed at the top, stops
# after every instruction. At exactly one of these stops the CPU had stepped nothing: it stopped
# because a step was pending. Give the PC of that stop as a number. The syndrome shown for each stop
# (*hsr*, in the status line) tells you which.

# %% name="task-nothing-stepped"
nothing_stepped = None
### BEGIN SOLUTION
nothing_stepped = 0x40000008
### END SOLUTION
lab.check("nothing_stepped", nothing_stepped)

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
#   labs, also on Binder, which does not keep files. The [cheat sheet](cheat-sheet.pdf) is one page.
# * The bug was seen before it was merged. Peter Maydell wrote on 26 November 2014 about the patch
#   that brought stepping to KVM: "if the debugger tries to single step an insn which is emulated
#   by the hypervisor [...] then we won't correctly update the single-step state machine (and so
#   we'll end up incorrectly stopping after the following insn rather than before, I think)."
#   Subject: *[PATCH 5/7] KVM: arm64: guest debug, add support for single-step*.
# * In Linux: 337b99bf7edf (4.3) brought stepping, bd7d95cafb49 (5.0) cleared SS, cdb5e02ed133
#   (5.11) moved the advance of the PC after the setting of SS, 370531d1e95b (6.1) remembers a pending
#   step.
# * In the Arm Architecture Reference Manual (DDI 0487): D2.11, *Software Step exceptions*.
# * In this project: `aarch64sim/arch/step.py` is the machine of the diagram, 100 lines;
#   `aarch64sim/kvm/behaviours.py` names what a kernel does.
