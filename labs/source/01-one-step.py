# %% [markdown]
# # One step: two bits, three states
#
# *About 55 minutes; there is a mark where to stop after half of them. Before it: [Start here](00-start-here.ipynb).
# New words are explained where they first appear, and in the [glossary](glossary.md). Run all cells first.*
#
# In lab 00 you followed a machine of three states. Nothing in the CPU stores these states. They are *computed*, before
# every instruction, from a few bits. In this lab you compute them yourself, until your table and the CPU agree on
# every combination.
#
# **What you will be able to do**
#
# * predict the state from `MDSCR_EL1.SS`, `PSTATE.SS`, the [Exception level](glossary.md), `PSTATE.D` and
#   `MDSCR_EL1.KDE`;
# * say why SS = 0 means *pending*, and not *off*;
# * say what each instruction, exception and ERET does to a step, and which address the stop reports.

# %% [markdown]
# ## Predict

# %%
from itertools import product

from aarch64sim.arch.step import step_state
from widgets import Question, StepLab
from widgets.course import exercises, program

from checks.lab01.bench import Bench

lab = exercises("01")
store = program("store")

# %% name="predict-off" jupyter={"source_hidden": true}
Question(
    "A debugger has stepped a guest and now wants it to run freely. Before the ERET into the guest it clears"
    " SPSR_EL2.SS, and nothing else. What does the guest do?",
    {
        "it runs freely": "Many people think so, and that is exactly what does not happen. Watch.",
        "it runs one instruction and stops": "That would be SS = 1: one instruction granted.",
        "it stops at once, before any instruction": "Nothing is granted, and the stop is still wanted.",
    },
    right="it stops at once, before any instruction",
)

# %% name="predict-alone" jupyter={"source_hidden": true}
Question(
    "There is no hypervisor. A kernel at EL1 wants to step itself. It sets MDSCR_EL1.SS, and nothing else. What"
    " happens?",
    {
        "a stop after the next instruction": "MDSCR_EL1.SS is a switch, but not the only switch in the circuit.",
        "a stop after every instruction": "MDSCR_EL1.SS is a switch, but not the only switch in the circuit.",
        "nothing": "A kernel that could stop itself anywhere would stop in its own stop handler. More is needed.",
    },
    right="nothing",
)

# %% [markdown]
# ## Watch
#
# Here is the guest of lab 00 again, this time under a kernel that steps correctly. Click **Step** three times. The
# third step is the simplest one possible: an `add`.

# %% name="panel"
panel = StepLab(store, kernel="fixed")
panel

# %% [markdown]
# This is the path of that third step, reproduced in code:

# %%
third = StepLab(store, kernel="fixed")
for _ in range(3):
    third.step()
third.diagram()

# %% [markdown]
# Three edges, and they are always the same three:
#
# 1. **ERET with SPSR_EL2.SS = 1.** The hypervisor grants one instruction. The machine is
#    [active-not-pending](glossary.md).
# 2. **The instruction retires.** The CPU sets PSTATE.SS to 0. The machine is [active-pending](glossary.md).
# 3. **Software Step exception.** The CPU wants to fetch the next instruction, and takes an exception instead.
#
# The step before it was the store. It has no second edge, since the CPU never completes it:

# %%
third.back()
third.diagram()

# %% [markdown]
# That was one instruction, done by a kernel in software. It ends in the same state as an instruction that the CPU has
# done: *active-pending*, with SS = 0. Keep this picture for lab 04.
#
# ### Without the hypervisor
#
# Now remove all the software. `Bench` is a bare CPU: *you* are the software at EL2, you set the bits and execute the
# ERET. `tde` is one of the hypervisor's bits, `MDCR_EL2.TDE`. It means: debug exceptions go to me, at EL2. After the
# three instructions of `little` comes a branch to itself; the bench gives up after 20 instructions.

# %%
little = """
    mov   x0, #0x41
    add   x1, x1, #1
    add   x2, x2, #1
"""
Bench(little).enter(el=1, tde=1, mdscr_ss=1, spsr_ss=1)

# %% [markdown]
# One instruction ran. Look at ELR_EL2: it is the address of the *second* instruction. Now the debugger of your
# prediction. The only difference is SPSR_EL2.SS:

# %% name="bench-pending"
Bench(little).enter(el=1, tde=1, mdscr_ss=1, spsr_ss=0)

# %% [markdown]
# No instruction ran, and the guest has stopped. The syndrome in ESR_EL2 tells the two stops apart. 0xc**b**000022 has
# the bit ISV set: an instruction was stepped. 0xc**a**000022 says that the CPU has stepped nothing since the ERET.
#
# To let the guest run freely you clear the other bit:

# %% name="bench-free"
Bench(little).enter(el=1, tde=1, mdscr_ss=0, spsr_ss=0)

# %% [markdown]
# And the kernel of the second prediction, at EL1, with MDSCR_EL1.SS and nothing else. `host=1` takes the hypervisor
# away: the software that sets the bits is at EL1 itself.

# %% name="bench-alone"
Bench(little, host=1).enter(el=1, mdscr_ss=1, spsr_ss=1)

# %% [markdown]
# ## Explain
#
# Before every instruction the CPU answers three questions.
#
# **1. Where would the exception go?** The [debug target level](glossary.md) is EL2 if the hypervisor asks for it
# (`MDCR_EL2.TDE` is 1, or `HCR_EL2.TGE`, which sends all of a program's exceptions there), else EL1.
#
# **2. Is stepping possible here?** The manual says: are [debug exceptions enabled](glossary.md) from the current
# level. It compares where you are with the target:
#
# | the current level is | possible? |
# |---|---|
# | above the target | no: an exception never goes down |
# | the target itself | only if `MDSCR_EL1.KDE` = 1 **and** `PSTATE.D` = 0 |
# | below the target | yes. KDE and D do not count |
#
# And if the [OS Lock](glossary.md) is set, nowhere. The last row is the hypervisor's case: a guest cannot hide from it
# by masking. The middle row is the kernel that debugs itself: KDE permits it, and D masks it for a while, as
# `PSTATE.I` masks interrupts. Every exception entry sets D.
#
# **3. How far has the step got?** If MDSCR_EL1.SS is 0, or stepping is not possible here, the machine is *inactive*.
# PSTATE.SS plays no part in that. It is a permission for one instruction:
#
# > **PSTATE.SS = 1: one instruction may run. PSTATE.SS = 0: it has run; stop.**
#
# So SS = 0 is not "off". It is "done".
#
# ### From state to state
#
# No transition is stored, either. It is enough to know what happens to PSTATE.SS. Three rules:
#
# * An instruction that **completes** sets PSTATE.SS to 0. The manual's function for it is called `SSAdvance`.
# * An **exception entry** saves PSTATE.SS in SPSR_ELx.SS, then sets PSTATE.SS to 0 and PSTATE.D to 1. A call completes
#   *before* it raises its exception, so it saves 0: SVC calls a kernel, HVC a hypervisor, SMC the firmware. (A call
#   that is trapped, as KVM traps SMC, has not run.) In every other case the instruction has not run, so the bit is saved unchanged.
# * An **ERET** is the only instruction that can set PSTATE.SS to 1. It copies SPSR_ELx.SS, but only if stepping is
#   impossible where it stands and possible where it goes to. Otherwise it sets PSTATE.SS to 0.
#
# Peter Maydell, who maintains QEMU's Arm emulation, appealed to the first rule when he reviewed the patch that brought
# stepping to KVM, on 26 November 2014:
#
# > You should be able to achieve this effect by simply always clearing the guest's PSTATE.SS when you advance the PC
# > to skip the emulated instruction (cf the comment in the pseudocode SSAdvance() function).

# %% [markdown]
# *This is the middle of the lab. Next time, run all cells and go on here.*
#
# ## Try
#
# Six tasks. Write your answer in place of `pass` or `None`, and run the cell.
#
# **Task 1, `possible`.** Question 2 as a function. `el` and `target_el` are 0, 1 or 2; the others are bits.


# %% name="task-possible"
def possible(el, target_el, kde, d, os_lock):
    ### BEGIN SOLUTION
    if os_lock or el > target_el:
        return False
    if el < target_el:
        return True
    return kde == 1 and d == 0
    ### END SOLUTION


lab.check("possible", possible)

# %% tags=["solution"]
print(lab.explain("possible"))

# %% [markdown]
# **Task 2, `state`.** Question 3 as a function: return "inactive", "active-not-pending" or "active-pending".
# `possible_here` is what your first function would return. The check compares your function with the CPU.


# %% name="task-state"
def state(mdscr_ss, pstate_ss, possible_here):
    ### BEGIN SOLUTION
    if not mdscr_ss or not possible_here:
        return "inactive"
    if pstate_ss:
        return "active-not-pending"
    return "active-pending"
    ### END SOLUTION


lab.check("state", state)

# %% tags=["solution"]
print(lab.explain("state"))

# %% [markdown]
# Here is the CPU's own answer for all combinations, with yours next to it:

# %% name="state-table"
print("MDSCR_EL1.SS   possible here   PSTATE.SS   state                yours")
for mdscr_ss, possible_here, pstate_ss in product((0, 1), (False, True), (0, 1)):
    yours = state(mdscr_ss, pstate_ss, possible_here)
    reached = step_state(mdscr_ss=mdscr_ss, pstate_ss=pstate_ss, enabled=possible_here)
    shown = str(reached) if yours else "?"
    print(
        f"{mdscr_ss:^12}   {'yes' if possible_here else 'no':^13}   {pstate_ss:^9}   {shown:20} {yours or ''}".rstrip()
    )

# %% [markdown]
# **Task 3, `stops`.** The hypervisor steps `b there` at 0x40000000; `there` is at 0x40000010 (`tde=1, mdscr_ss=1`). How
# many instructions run after one ERET, and what is ELR_EL2 at the stop, as a number? Give both for SPSR_EL2.SS = 1 and
# for 0. Decide before you ask the bench.

# %% name="task-stops"
stops = {1: (None, None), 0: (None, None)}  # SPSR_EL2.SS: (instructions, ELR_EL2)
### BEGIN SOLUTION
stops = {1: (1, 0x4000_0010), 0: (0, 0x4000_0000)}
### END SOLUTION
lab.check("stops", stops)

# %% tags=["solution"]
print(lab.explain("stops"))

# %% [markdown]
# **Task 4, `saved`.** One instruction is granted: PSTATE.SS is 1. Instead of retiring, the CPU takes an exception.
# Which bit does it save in SPSR_ELx.SS? 1 means that the step is still owed when the handler returns.

# %% name="task-saved"
saved = {
    "abort": None,  # a load from an address where there is nothing (a store does the same)
    "undefined": None,  # an undefined instruction
    "svc": None,  # a system call
    "hvc": None,  # a call of the hypervisor
    "irq": None,  # an interrupt, taken before the instruction
}
### BEGIN SOLUTION
saved = {"abort": 1, "undefined": 1, "svc": 0, "hvc": 0, "irq": 1}
### END SOLUTION
lab.check("saved", saved)

# %% tags=["solution"]
print(lab.explain("saved"))

# %% [markdown]
# **Task 5, `self_step`.** No hypervisor. A kernel is in its stop handler, at EL1, and is about to ERET to its own
# code, also at EL1. Exactly one instruction of that code should run. Give the bits: `d` is PSTATE.D in the handler,
# `spsr_d` and `spsr_ss` are what SPSR_EL1 holds. Try them: `Bench(little, host=1).enter(el=1, **bits)`.

# %% name="task-self-step"
bits = {"mdscr_ss": None, "kde": None, "d": None, "spsr_d": None, "spsr_ss": None}
### BEGIN SOLUTION
bits = {"mdscr_ss": 1, "kde": 1, "d": 1, "spsr_d": 0, "spsr_ss": 1}
### END SOLUTION
lab.check("self_step", bits)

# %% tags=["solution"]
print(lab.explain("self_step"))

# %% [markdown]
# **Task 6, `transitions`.** The whole machine. MDSCR_EL1.SS is 1. Fill in the state *after* each event. The check then
# puts the CPU into every combination of the bits, lets every event happen, and compares with your table. It catches a
# cell that is wrong in even one case.

# %% name="task-transitions"
IN, NOT_PENDING, PENDING = "inactive", "active-not-pending", "active-pending"

table = {
    (IN, "ERET to where stepping is possible, SPSR.SS = 1"): None,
    (IN, "ERET to where stepping is possible, SPSR.SS = 0"): None,
    (IN, "an instruction retires"): None,
    (NOT_PENDING, "an instruction retires"): None,
    (NOT_PENDING, "an exception to where stepping is impossible"): None,
    (NOT_PENDING, "an exception to where stepping is possible"): None,
    (NOT_PENDING, "ERET to where stepping is possible, SPSR.SS = 1"): None,
    (PENDING, "the CPU goes for the next instruction"): None,
    (PENDING, "an interrupt to where stepping is possible"): None,
}
### BEGIN SOLUTION
after = [NOT_PENDING, PENDING, IN, PENDING, IN, PENDING, PENDING, IN, PENDING]
table = dict(zip(table, after, strict=True))
### END SOLUTION
lab.check("transitions", table)

# %% tags=["solution"]
print(lab.explain("transitions"))

# %% [markdown]
# When the CPU agrees with your table, count the cells in which you wrote *active-not-pending*. There are not many ways into the
# state in which an instruction may run, and each of them was set up deliberately. If one instruction too many
# runs, ask who granted it.

# %% [markdown]
# ## Check yourself

# %% name="check-mask" jupyter={"source_hidden": true}
Question(
    "A hypervisor steps a guest. The guest sets PSTATE.D, to mask debug exceptions. Is it still stepped?",
    {
        "yes": "The guest is below the debug target level, and there D does not count.",
        "no, D masks debug exceptions": "Only at the debug target level itself, and that is EL2 here.",
        "only if KDE is 1": "KDE counts at the debug target level only, as D does.",
    },
    right="yes",
)

# %% name="check-vector" jupyter={"source_hidden": true}
Question(
    "A hypervisor steps a guest over an SVC. Where does the guest stop?",
    {
        "after the SVC": "The handler runs first, and it is also stepped.",
        "at the first instruction of the guest's handler": "The exception entry sets SS to 0: a stop is pending.",
        "nowhere: exceptions end the step": "They do, and the end of a step is a stop.",
    },
    right="at the first instruction of the guest's handler",
)

# %% name="check-reports" jupyter={"source_hidden": true}
Question(
    "A debugger is notified of a Software Step exception with ELR_EL2 = 0x40000010. Which instruction was stepped?",
    {
        "the one at 0x40000010": "That one has not run. ELR_EL2 is where the guest goes on.",
        "the one at 0x4000000c": "Only if it was not a branch. The exception does not say.",
        "the exception does not say": "A debugger must remember where the guest was before the step.",
    },
    right="the exception does not say",
)

# %%
print(lab.progress())

# %% [markdown]
# ## Read on
#
# * The thread: *[PATCH 5/7] KVM: arm64: guest debug, add support for single-step*, November 2014.
# * Arm Architecture Reference Manual (DDI 0487), section D2.11: Table D2-17 is your function `state`, D2-18 to D2-20
#   are the rule for ERET, D2-21 and D2-22 are your task `saved`. D2.3 is `possible`.
# * In Linux: `arch/arm64/kernel/debug-monitors.c` steps user programs, and the kernel itself for kgdb.
# * In this project: `aarch64sim/arch/step.py` is this lab in 100 lines; `tests/arch/test_claims.py` holds the CPU to
#   44 statements of the manual.
# * A question to take along: in task 4 the abort saved SS = 1, which is correct. Who takes that 1 away when the instruction is
#   emulated?
