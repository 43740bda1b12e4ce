# %% [markdown]
# # When the guest steps itself: the same bug, and no debugger
#
# *About 75 minutes; there is a mark where to stop after half of them. Before it:
# [lab 05](05-when-does-the-pc-move.ipynb). ([Lab 06](06-eleven-years-of-fixes.ipynb) is not needed.) New words are
# explained where they first appear, and in the [glossary](glossary.md). Run all cells first.*
#
# The thread of 2014 ends with a sentence by Christoffer Dall, who maintained KVM on Arm, of 30 November:
#
# > Not sure what the relation to a guest single-stepping itself was.
#
# Software step was not made for hypervisors. It was made for kernels: to step a program for `ptrace`, as gdb on any
# arm64 Linux does. A guest is a kernel, too. In this lab you are the guest. You step your own user, with the two bits
# that you know, and you meet everybody else who uses them.
#
# **What you will be able to do**
#
# * write a kernel that steps its user: the switch, the grant, the handler;
# * say what becomes of it when the host steps at the same time, and when the host lets go;
# * show the bug of 2014 without any debugger on the host, and say why 5.0 fixed it there;
# * find the same bug in a kernel's own emulation, with no hypervisor in it at all.

# %% [markdown]
# ## Predict

# %%
from widgets import CompareLab, Question, RecordedRun, StepLab
from widgets.course import exercises, program

from checks.lab07.guest import guest, recorded_log, stop_strips

lab = exercises("07")
store = program("store")

# %% name="predict-late" jupyter={"source_hidden": true}
Question(
    "The host is Linux 4.3, and nobody debugs anything there. A guest kernel steps its user, one instruction at a time."
    " The user stores to the UART at 0x40000104. Where is the next stop that the guest's handler sees?",
    {
        "at 0x40000108": "So it should be. But who clears the guest's SS?",
        "at 0x4000010c": "You suspect that the bug needs no debugger. Watch.",
        "nowhere: the store leaves the guest": "It comes back after the store, and its step goes on.",
    },
    right="at 0x4000010c",
)

# %% name="predict-both" jupyter={"source_hidden": true}
Question(
    "You see this bug in a guest, and start a debugger on the host to look at it: KVM_SET_GUEST_DEBUG, step by step."
    " What does the guest's handler log now?",
    {
        "the same: I only watch": "There is one MDSCR_EL1.SS. Whoever watches, takes it.",
        "nothing at all": "The bug is gone, and so is everything that it was a bug of.",
        "each stop twice": "An exception goes to one level, EL1 or EL2.",
    },
    right="nothing at all",
)

# %% [markdown]
# ## Watch
#
# ### A kernel and its user
#
# This is the guest. Its user is `store.s`, moved to 0x40000100 and run at EL0. Its kernel is the rest.

# %%
step_user = program("step-user")
print(step_user)

# %% [markdown]
# Three places matter. The *grant*: MDSCR_EL1.SS switches stepping on, SPSR_EL1.SS = 1 goes with the ERET. The *user*
# runs one instruction. The *handler* at VBAR_EL1 + 0x400 is called by the Software Step exception, writes down
# ELR_EL1 and ESR_EL1, and grants one more.
#
# `guest(kernel)` runs it to its end, under a kernel of your choice, with nobody stepping on the host:

# %% name="log"
made = guest("fixed")
print(*made.stops, sep="\n")

# %% [markdown]
# Six stops for seven instructions: the last one ends the guest. Look at the syndromes. 0xc**b**000022, a real step.
# And one 0xc**a**000022, after the store: nothing was stepped *since the guest was entered*. The guest can see that
# its store was emulated.
#
# This is the guest's second step, over the store. The machine is the one of lab 01. Only the ends of the edges differ:
# EL1 grants the step, and EL1 gets the stop.

# %%
made.diagram(2)

# %% [markdown]
# ### The bug, without a debugger
#
# The same guest under Linux 4.3. Nothing else is different:

# %% name="bug"
late = guest("v4.3")
print(*late.stops, sep="\n")

# %%
late.diagram(2)

# %% [markdown]
# The stop at 0x40000108 is missing. You know this path through the diagram. Here it is event by event; the lane of the
# debugger is empty:

# %%
late.timeline(2)

# %% [markdown]
# So this is the relation that Dall was not sure of. The hypervisor emulates an instruction, moves the PC, and leaves SS
# as it is. It does not even know whose step that SS belongs to.
#
# ### Eight kernels
#
# The guest's own log, under eight kernels:

# %% name="strips"
stop_strips(("v4.3", "v4.15", "v5.0", "v5.3", "v5.11", "v6.1", "v6.14", "fixed"))

# %% [markdown]
# Each line is a kernel, each mark a stop. 4.15 to 4.20, which look right from the host, are late here: they fake their
# stops for the host's debugger, and the guest gets none. And 5.0 to 5.10, which are late for the host, are
# **right** here.
#
# Real kernels say the same. In these recordings a guest steps itself at EL1, over a store at 0x40000034. This is what
# its handler wrote down under each:

# %% name="recorded"
for kernel in ("linux-4.4.60", "linux-4.20.1", "linux-5.0.1", "linux-5.10.89", "linux-6.14"):
    log = recorded_log(kernel, "k_selfstep_mmio_guestonly")
    print(f"{kernel:14}", *(f"{stop.elr:#x}" for stop in log))

# %% [markdown]
# ### Both at once
#
# Now look at it with the panel. The panel is a debugger on the host. Click **Step** until the user has passed its
# store, and keep an eye on `x10`, the handler's count (page *Registers*):

# %% name="panel"
panel = StepLab(step_user, kernel="v5.3")
panel

# %% [markdown]
# `x10` stays 0. The panel stops in the user, in the kernel, everywhere; but never at the handler. And under 5.3 the
# *panel* now loses stops: among them the one after the store, which the guest itself did not lose.

# %%
watched = StepLab(step_user, kernel="v5.3", by_steps=True)
watched.run()
steps = [stop for stop in watched.debugger.stops if stop.reason == "step"]
stops = [stop.pc for stop in steps if stop.pc >= 0x4000_0100]
print("the panel stopped at:       ", *(f"{pc:#x}" for pc in stops))
print("the guest alone stopped at: ", *(f"{pc:#x}" for pc in guest("v5.3").log))
print("the guest's handler was called", watched.debugger.registers["x10"], "times")

# %% [markdown]
# In the plain `store.s`, without a kernel of its own, only the host steps. There 5.3 is late:

# %%
both = CompareLab(store, left="v5.3", right="fixed")
both.run()
both.stops()

# %% [markdown]
# *This is the middle of the lab. Next time, run all cells and go on here.*
#
# ## Explain
#
# ### What a kernel needs to step its user
#
# | it sets | since |
# |---|---|
# | MDSCR_EL1.SS = 1 | the switch |
# | SPSR_EL1.SS = 1 | the ERET makes it PSTATE.SS: one instruction is granted |
# | SPSR_EL1 = EL0 | the user is *below* the debug target level, so KDE and D do not count |
#
# The ERET stands at EL1, where stepping is impossible (KDE = 0), and goes to EL0, where it is possible. This is the
# only case in which an ERET copies SPSR.SS. In the handler, at EL1, the machine is inactive: the handler cannot stop
# in itself.
#
# A kernel that steps *itself* (kgdb) needs KDE, and D as a mask. You did that in lab 01, task 5.
#
# ### Why 5.0 is right for the guest
#
# Take the run loop of lab 05. The skip clears SS. Then, **if the host steps**, SS is armed for the entry. For a guest
# that steps itself nobody arms anything at the entry: SS is a bit of the guest's PSTATE, and it goes in as it came
# out, with the skip's change in it. So Maydell's line of 2014 is the whole fix:
#
# > You should be able to achieve this effect by simply always clearing the guest's PSTATE.SS when you advance the PC to
# > skip the emulated instruction [...]
#
# He speaks of *the guest's* PSTATE.SS. For the guest's own stepping it is exact, to the letter.
#
# ### Squashed
#
# Alex Bennée's patch did not hide what the host takes away:
#
# > Furthermore while guest debugging is in effect we need to squash the ability of the guest to single-step itself as
# > we have no easy way of re-entering the guest after the exception has been delivered to the hypervisor.
#
# Two things squash it. MDCR_EL2.TDE sends every step exception to EL2. And TDE makes stepping *possible at EL1*, so
# that the guest's ERET no longer goes from "impossible" to "possible": it sets PSTATE.SS to 0. The guest's grant is
# lost in the very instruction that was to make it.
#
# One era went further. On CPUs with VHE (*virtualization host extensions*: the whole host kernel runs at EL2), Linux 4.9 to
# 4.15 *panicked* when host and guest stepped at once: the
# hypervisor loaded the guest's KDE and SS while it ran with debug exceptions enabled, and stepped itself. (Seen when
# the recordings were made; it is not in this simulator.)

# %% [markdown]
# ## Try
#
# Six tasks.
#
# **Task 1, `entry`.** Be the kernel. Your lines stand between `msr elr_el1, x0` and `eret` in `step-user.s`. They replace
# the lines between the comments `// {grant` and `// }`. This time the handler should be notified *before* the user's first
# instruction, at 0x40000100, like a debugger that stops at a program's entry point. After that it goes on as above, stop
# by stop.

# %% name="task-entry"
entry = """
"""
### BEGIN SOLUTION
entry = """
    mov   x0, #1
    msr   mdscr_el1, x0
    mov   x0, #0x3c0
    msr   spsr_el1, x0
"""
### END SOLUTION
lab.check("entry", entry)

# %% tags=["solution"]
print(lab.explain("entry"))

# %% [markdown]
# **Task 2, `finish`.** The end of the handler, in place of the lines between `// {resume` and `// }`; the grant is that of
# `step-user.s` again. Step the user until its store is done, and then let it run freely to its end. The log should have
# two entries, 0x40000104 and 0x40000108. `x10` counts the stops, this one included. Use `x13`.

# %% name="task-finish"
finish = """
"""
### BEGIN SOLUTION
finish = """
    cmp   x10, #2
    b.ge  free
    mrs   x13, spsr_el1
    orr   x13, x13, #0x200000
    msr   spsr_el1, x13
    eret
free:
    msr   mdscr_el1, xzr
    eret
"""
### END SOLUTION
lab.check("finish", finish)

# %% tags=["solution"]
print(lab.explain("finish"))

# %% [markdown]
# **Task 3, `logs`.** Without looking up: the addresses in the handler's log, under v4.3, under v5.3, and under any
# kernel while the host steps. The user's seven instructions are at 0x40000100 to 0x40000118; the second is the store.

# %% name="task-logs"
logs = {"v4.3": None, "v5.3": None, "debugged": None}
### BEGIN SOLUTION
places = [0x4000_0104, 0x4000_0108, 0x4000_010C, 0x4000_0110, 0x4000_0114, 0x4000_0118]
logs = {"v4.3": [places[0], *places[2:]], "v5.3": places, "debugged": []}
### END SOLUTION
lab.check("logs", logs)

# %% tags=["solution"]
print(lab.explain("logs"))

# %% [markdown]
# **Task 4, `whose_ss`.** Userspace looks at the guest at KVM_EXIT_MMIO of the user's store, with GET_ONE_REG. What is
# bit 21 of PSTATE? In all three situations the guest's kernel steps its user as in `step-user.s`. In the first nobody steps
# on the host, in the others the host does.

# %% name="task-whose-ss"
ss = {"guest alone, fixed": None, "host steps, fixed": None, "host steps, v5.3": None}
### BEGIN SOLUTION
ss = {"guest alone, fixed": 1, "host steps, fixed": 0, "host steps, v5.3": 1}
### END SOLUTION
lab.check("whose_ss", ss)

# %% tags=["solution"]
print(lab.explain("whose_ss"))

# %% [markdown]
# **Task 5, `release`.** The host steps the guest. The guest's kernel executes its ERET, with SPSR_EL1.SS = 1, and the
# host stops at 0x40000100. Now the host has seen enough: KVM_SET_GUEST_DEBUG(0), and the guest runs on alone, under
# *fixed*. How many of the user's instructions run until the guest's handler gets its first stop? Where is that (an address,
# or "never")? And what is ISV in ESR_EL1?

# %% name="task-release"
release = {"ran": None, "stop": None, "isv": None}
### BEGIN SOLUTION
release = {"ran": 0, "stop": 0x4000_0100, "isv": 0}
### END SOLUTION
lab.check("release", release)

# %% tags=["solution"]
print(lab.explain("release"))

# %% [markdown]
# When you have your answer: real kernels do this to their guests. In this recording of 6.14 the guest steps itself at
# EL1, from 0x40000030 on.
# The host let go there. This is how the guest's log begins. (The syndromes are 0xc**e**000022 and 0xc**f**000022 here: the
# exception comes from EL1 itself, and that is another class.)

# %%
first_two = recorded_log("linux-6.14", "k_selfstep_alu_release")[:2]
print(lab.once_right("release", lambda: "\n".join(f"{one}, ISV = {one.isv}" for one in first_two)))

# %% [markdown]
# And the whole recording next to the simulation:

# %%
lab.once_right("release", lambda: RecordedRun("linux-6.14", "k_selfstep_alu_release"))

# %% [markdown]
# ### No hypervisor at all
#
# Kernels emulate instructions, too. Linux does it for its users: old atomics, reads of ID registers, instructions that
# a CPU gets wrong. In `step-and-emulate.s` the guest's kernel emulates UDF for the user that it steps. Here is its
# handler:

# %%
print(program("step-and-emulate").split("exceptions from EL0\n")[1].split("        // {skip")[0])

# %% [markdown]
# **Task 6, `skip`.** `x5` has its 7: the work is done. Write the rest, so that the user goes on after the UDF and is
# stopped in the right place. The UDF is at 0x40000104. Use `x12` and `x13`, and decide
# whether to branch to `resume`.

# %% name="task-skip"
skip = """
"""
### BEGIN SOLUTION
skip = """
    mrs   x12, elr_el1
    add   x12, x12, #4
    msr   elr_el1, x12
    mrs   x13, spsr_el1
    and   x13, x13, #0xffffffffffdfffff
    msr   spsr_el1, x13
    eret
"""
### END SOLUTION
lab.check("skip", skip)

# %% tags=["solution"]
print(lab.explain("skip"))

# %% [markdown]
# This is the bug of the thread once more, one level down: *software completes an instruction for the CPU, and moves
# only the PC.* Linux's own emulation of instructions for its users had it until 2017 (6436beeee572).

# %% [markdown]
# ## Check yourself

# %% name="check-arms" jupyter={"source_hidden": true}
Question(
    "Linux 5.3 clears SS at the skip and is late for a debugger on the host. Why is it right for a guest that steps"
    " itself?",
    {
        "the guest's SS is another bit": "It is the same bit, PSTATE.SS. There is only one.",
        "nobody arms SS at the entry for the guest": "So the 0 that the skip has written reaches the CPU.",
        "the guest's step goes to EL1": "It does, but the question is what SS is at the entry.",
    },
    right="nobody arms SS at the entry for the guest",
)

# %% name="check-kde" jupyter={"source_hidden": true}
Question(
    "Your guest kernel sets KDE as well, and it runs with PSTATE.D = 0. It wants to ERET to its user, with"
    " SPSR_EL1.SS = 1. What happens to the user's first instruction?",
    {
        "it is stepped as before": "Where does the ERET stand? Is stepping possible there now?",
        "it is not reached: a stop comes first": "Stepping is possible at EL1 now, and the kernel stops in itself.",
        "it runs, and so do all others": "Stepping is not off. It has come too early.",
    },
    right="it is not reached: a stop comes first",
)

# %% name="check-irq" jupyter={"source_hidden": true}
Question(
    "The user is granted one instruction. Before it runs, an interrupt is taken to EL1. The interrupt handler knows"
    " nothing of stepping: it saves and restores registers, and returns with ERET. Is the step lost?",
    {
        "yes: the exception has set SS to 0": "In PSTATE, yes. What did it save in SPSR_EL1?",
        "no: SPSR_EL1.SS = 1 was saved, and the ERET restores it": "The step is owed, and stays owed.",
        "no: interrupts are masked while a user is stepped": "They are, if the kernel masks them. It need not.",
    },
    right="no: SPSR_EL1.SS = 1 was saved, and the ERET restores it",
)

# %%
print(lab.progress())

# %% [markdown]
# ## Read on
#
# * The thread: *[PATCH 5/7] KVM: arm64: guest debug, add support for single-step*, November 2014. All three quotations
#   of this lab are in Dall's mail of 30 November.
# * In Linux: `user_enable_single_step`, `user_rewind_single_step` and `user_fastforward_single_step` in
#   `arch/arm64/kernel/debug-monitors.c` are the switch, *one more*, and your task 6. 6436beeee572 is task 6, for real;
#   9478f1927e6e (2018) fixes what it broke: it advanced the *user's* step when the *kernel* had skipped an instruction.
# * In the Arm manual (DDI 0487): D2.11.4 for the ERET, D2.11.5 for exceptions on the way.
# * In this project: `tests/evidence/test_recordings.py` replays every guest that steps itself, on every recorded kernel.
