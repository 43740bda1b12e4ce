# %% [markdown]
# # The skipped instruction: find it, measure it, fix it
#
# *About 60 minutes; there is a mark where to stop after half of them. Before it: [lab 01](01-one-step.ipynb),
# [lab 02](02-the-host-steps-the-guest.ipynb) and [lab 03](03-trapping-mmio.ipynb). New words are explained where they
# first appear, and in the [glossary](glossary.md). Run all cells first.*
#
# On 26 November 2014 Peter Maydell, who maintains QEMU's Arm emulation, reviewed the patch that was to bring single-step
# to KVM on arm64. He read it, ran nothing, and wrote:
#
# > A corner case I don't think this patch handles: if the debugger tries to single step an insn which is emulated by
# > the hypervisor (because it's a load/store which is trapped and handled as emulated mmio in userspace) then we won't
# > correctly update the single-step state machine (and so we'll end up incorrectly stopping after the following insn
# > rather than before, I think).
#
# The patch was merged eight months later, with the corner case. You know all that he knew: the machine of lab 01, the
# entry of lab 02, the trap of lab 03. In this lab you put them together, and then you write the missing line.
#
# **What you will be able to do**
#
# * reproduce the bug, with a device and without one;
# * explain it with the diagram, bit by bit;
# * say how late a stop is after n emulated instructions in a row;
# * write `skip_instruction`, and test it in everything that a guest can do around it.

# %% [markdown]
# ## Predict

# %%
import inspect

from aarch64sim.arch.step import advance_ss
from widgets import CompareLab, Question, RecordedRun, StepLab
from widgets.course import exercises, program

from checks.lab04 import program_of, stops
from checks.lab04.scenarios import debugger_with, scoreboard

lab = exercises("04")
store = program("store")
print(store)

# %% name="predict-three"
Question(
    "Linux 4.3 takes two instructions in one click where the first is a store to a device. Now three such stores"
    " stand in a row, and ordinary instructions follow. How many instructions does one click take?",
    {
        "two: a store, and the store after it": "So you expect a stop before the third. Measure it below.",
        "four: three stores, and one ordinary instruction": "You suspect that the mistake repeats itself. Measure it.",
        "six: each store brings one of its own": "The debt would add up then. A bit cannot count. Measure it.",
    },
    right="four: three stores, and one ordinary instruction",
)

# %% name="predict-repair"
Question(
    "You may change one bit when the kernel moves the PC over the store, to make the guest stop in the right place."
    " Which one?",
    {
        "MDSCR_EL1.SS := 0": "Then nobody steps any longer. Look at the diagram once more.",
        "SPSR_EL2.SS := 1": "It is 1. That is the trouble.",
        "SPSR_EL2.SS := 0": "You will try it, and whether it is enough.",
    },
    right="SPSR_EL2.SS := 0",
)

# %% [markdown]
# ## Watch
#
# Click **Step** twice. Then click the events of the timeline, one by one, from the left: each says what changed, and
# which line of the kernel model did it.

# %% name="panel"
panel = StepLab(store, kernel="v4.3", by_steps=True)
panel

# %% [markdown]
# This is the second click, the one over the store:

# %%
late = StepLab(store, kernel="v4.3")
late.step()
late.step()
late.diagram()

# %% [markdown]
# And this is the same click under a kernel that steps correctly. Find the first edge that differs.

# %%
right = StepLab(store, kernel="fixed")
right.step()
right.step()
right.diagram()

# %% [markdown]
# Both at once, event by event. Look at the row *SS*, and at the `add` that went unreported:

# %%
both = CompareLab(store, left="v4.3", right="fixed")
both.step()
both.step()
both.timeline()

# %% [markdown]
# ### How late?
#
# `program_of("mma")` is a program of two accesses to the UART (m) and an ordinary instruction (a). `stops` steps
# through a program and returns where the debugger stopped, in instructions from the start. The end of the guest does not
# count as a stop.

# %%
print(program_of("mma"))
print("stops under v4.3: ", stops(program_of("mma"), "v4.3"))
print("stops under fixed:", stops(program_of("mma"), "fixed"))

# %% [markdown]
# So you can measure. Here are n accesses in a row, and how many instructions the *first* click takes:

# %% name="measure"
print(" n   v4.3   fixed")
for n in range(7):
    kinds = "m" * n + "aa"
    print(f"{n:2}{stops(program_of(kinds), 'v4.3')[0]:6}{stops(program_of(kinds), 'fixed')[0]:7}")

# %% [markdown]
# n + 1 instructions in one click. Was your prediction right? Here are three accesses in a row under a real kernel, a
# Linux 4.4.60 as it was released, recorded. Each row is one return of `KVM_RUN`:

# %%
RecordedRun("linux-4.4.60", "d_three")

# %% [markdown]
# ## Explain
#
# Follow the bit through the late click.
#
# 1. The debugger wants one step. The kernel sets MDSCR_EL1.SS, sets SPSR_EL2.SS to 1 and executes the ERET. One
#    instruction is granted.
# 2. The store has no memory at this address: *data abort* to EL2. The store has not run, so the CPU saves SS = 1. This is
#    right. If the kernel had filled in a missing page now, the store would run again, and the step would still be owed.
# 3. But the kernel does not let the store run again. Userspace acts as the device, and the kernel **completes the
#    instruction in the CPU's place**. It moves the PC.
# 4. The completion of an instruction is more than a new PC. The CPU would also have run `SSAdvance`. Nobody has. SS is
#    still 1.
# 5. The next ERET grants an instruction, as SS = 1 says. The `add` runs, and *retires*. The CPU clears SS itself.
# 6. SS = 0: Software Step exception, one instruction late.
#
# This is the whole of `SSAdvance`, as this project has it:

# %%
print(inspect.getsource(advance_ss))

# %% [markdown]
# Maydell knew the fix, too. The same mail goes on:
#
# > You should be able to achieve this effect by simply always clearing the guest's PSTATE.SS when you advance the PC to
# > skip the emulated instruction (cf the comment in the pseudocode SSAdvance() function).
#
# Step 3 is a general mistake, and not this kernel's alone: *software completes an instruction for the CPU, and moves
# only the PC.* Whatever else the CPU does at that moment is forgotten. KVM on x86
# forgot the trap flag in this way, and Linux on arm64 forgot SS when it emulated an instruction for a user program.
#
# On arm64 there is a second thing that is easily forgotten. `PSTATE.BTYPE` (bits 11:10) says that the instruction at
# the PC was reached by an indirect branch, one whose target is in a register. BTI, *branch target identification*, guards
# pages of code: there an indirect branch may only lead to a *landing pad*, an instruction made for that, or it faults.
# Every instruction except an indirect branch sets BTYPE to 0 when it completes.

# %% [markdown]
# ## Try
#
# *This is the middle of the lab. Next time, run all cells and go on here.*
#
# Five tasks.
#
# **Task 1, `follow_the_bit`.** The click over the store of `store.s`, under **v4.3**. What is SS at these five moments?
# While the guest runs SS is PSTATE.SS; while the kernel runs it is the saved bit, SPSR_EL2.SS.

# %% name="task-follow-the-bit"
bit = {
    "the first ERET": None,
    "saved by the abort": None,
    "after the skip": None,
    "the second ERET": None,
    "after the add": None,
}
### BEGIN SOLUTION
bit = dict(zip(bit, (1, 1, 1, 1, 0), strict=True))
### END SOLUTION
lab.check("follow_the_bit", bit)

# %% tags=["solution"]
print(lab.explain("follow_the_bit"))

# %% [markdown]
# **Task 2, `without_a_device`.** Maydell speaks of MMIO, since that is how he met it. Write a program that loses a stop
# under **v4.3** and touches no device, except the store that ends it: `str w20, [x20]`. Which other instructions did that
# hypervisor emulate? You have seen one kind in lab 02. Another is `smc #0`, a call to the firmware: KVM traps it, and
# acts as the firmware.

# %% name="task-without-a-device"
without_a_device = """
"""
### BEGIN SOLUTION
without_a_device = """
    mov   w0, #0x84000000      // PSCI_VERSION
    smc   #0
    add   x1, x1, #1
    str   w20, [x20]
"""
### END SOLUTION
lab.check("without_a_device", without_a_device)

# %% tags=["solution"]
print(lab.explain("without_a_device"))

# %% [markdown]
# **Task 3, `stops_of`.** You have measured n accesses in a row. Now predict any program: `kinds` is a string of a's and
# m's, as above. Return the list of stops under v4.3. The rule is shorter than you may think.


# %% name="task-stops-of"
def stops_of(kinds):
    ### BEGIN SOLUTION
    return [n + 1 for n, kind in enumerate(kinds) if kind == "a"]
    ### END SOLUTION


lab.check("stops_of", stops_of)

# %% tags=["solution"]
print(lab.explain("stops_of"))

# %% [markdown]
# **Task 4, `who_completes`.** Before you fix anything: which instructions need it? Somebody must complete each of
# these, and it is either the CPU or the kernel. Decide for `fixed`, that is, for a current kernel. (4.3 did not trap the
# ID registers yet.) x21 holds an address in RAM that nobody has touched yet.

# %% name="task-who-completes"
who = {
    "str w0, [x19]": None,
    "str x0, [x21]": None,
    "mrs x1, id_aa64pfr0_el1": None,
    "smc #0": None,
    "hvc #0": None,
    "svc #0": None,
}
### BEGIN SOLUTION
who = dict(zip(who, ("kernel", "CPU", "kernel", "kernel", "CPU", "CPU"), strict=True))
### END SOLUTION
lab.check("who_completes", who)

# %% tags=["solution"]
print(lab.explain("who_completes"))

# %% [markdown]
# **Task 5, `skip_instruction`.** Now the fix. Your function is plugged into the host model: whenever the kernel has
# emulated an instruction, it calls `skip_instruction(vcpu)` on its way into the guest, just before the ERET. Nobody
# else moves the PC.
#
# | you have | it is |
# |---|---|
# | `vcpu.pc` | where the guest will go on: the address of the emulated instruction |
# | `vcpu.pstate` | SPSR_EL2, a number. SS is bit 21, BTYPE is bits 11:10 |
# | `vcpu.cpu.pstate` | the same, field by field: `.ss`, `.btype`, `.n` ... |
# | `vcpu.cpu.sys` | the system registers: `.mdscr_el1` ... |
#
# This is what Linux 4.3 did, and how it does. Each line is a minimal program that tests one thing. (In *immediate_exit*
# userspace calls `KVM_RUN` at the exit so that the kernel completes the access and comes back without entering the guest.)


# %% name="scoreboard"
def skip_of_4_3(vcpu):
    vcpu.pc += 4


print(scoreboard(skip_of_4_3))


# %% [markdown]
# Write a better one. The check plays all the scenarios and stops at the first that goes wrong.


# %% name="task-skip-instruction"
def skip_instruction(vcpu):
    ### BEGIN SOLUTION
    vcpu.pc += 4
    vcpu.pstate &= ~(1 << 21)
    vcpu.pstate &= ~(3 << 10)
    ### END SOLUTION


lab.check("skip_instruction", skip_instruction)

# %% [markdown]
# If it said that a scenario went wrong, this cell draws the step in question, as it should be and as it was with your
# function. Otherwise it says so.

# %%
lab.evidence("skip_instruction")

# %% [markdown]
# And this is `store.s` in a kernel that skips with *your* function. Step it:

# %% name="your-kernel"
StepLab(debugger=debugger_with(skip_instruction, store))

# %% tags=["solution"]
print(lab.explain("skip_instruction"))
print(scoreboard(skip_instruction))

# %% [markdown]
# ### Is this what Linux does?
#
# Yes. This is Linux 6.14, recorded, over the three accesses that cost 4.4.60 three stops:

# %%
RecordedRun("linux-6.14", "d_three")

# %% [markdown]
# Compare the syndromes, `hsr`, with those of 4.4.60. A stop with 0xcb000022 comes after an instruction that the CPU has
# run. 0xca000022 has ISV = 0: the CPU was entered with SS = 0 and has stepped nothing. So the syndrome shows that the
# kernel, and not the CPU, has spent this step.

# %% [markdown]
# ## Check yourself

# %% name="check-fault"
Question(
    "A store to RAM faults, since its page is not mapped yet. The kernel maps the page. What does it do with SS?",
    {
        "nothing: SS stays 1": "The store has not run and nobody has completed it. The step is still owed.",
        "SS := 0, since the kernel did the work": "It mapped a page. The CPU still has to perform the store itself.",
        "SS := 0, and PC += 4": "Then the store is lost: it was never made.",
    },
    right="nothing: SS stays 1",
)

# %% name="check-hvc"
Question(
    "The guest executes HVC, and the kernel answers the call. Does the kernel skip the HVC?",
    {
        "yes: PC += 4 and SS := 0": "Then the instruction after the HVC is lost. An HVC is executed, not trapped.",
        "no: the CPU has completed it": "ELR_EL2 points past the HVC, and SPSR_EL2.SS is 0 already.",
        "only SS := 0": "It is 0: a call completes before it raises its exception.",
    },
    right="no: the CPU has completed it",
)

# %% name="check-only-pc"
Question(
    "A colleague fixes the bug in the debugger: after an MMIO exit it sets a breakpoint on the next instruction. What"
    " is wrong with that?",
    {
        "nothing, if it is done well": "Try it with a branch, with an SMC, and with a guest that steps itself.",
        "it fixes what the debugger sees, and SS is still wrong": "The guest still runs with a step that is owed.",
        "breakpoints do not work while stepping": "They do. The trouble is that the cause is still there.",
    },
    right="it fixes what the debugger sees, and SS is still wrong",
)

# %%
print(lab.progress())

# %% [markdown]
# ## Read on
#
# * The thread: Peter Maydell, 26 November 2014, *Re: [PATCH 5/7] KVM: arm64: guest debug, add support for single-step*.
# * In Linux: 337b99bf7edf (4.3) brought stepping with the bug. 7226bc2e126d and 1eb591288b95 (4.15) made up stops in
#   place of the lost ones. bd7d95cafb49 (5.0) is the line that you wrote, four years after the mail.
# * The line today: `kvm_skip_instr` in `arch/arm64/kvm/hyp/include/hyp/adjust_pc.h`.
# * The same mistake elsewhere: 6436beeee572, a process that is stepped over an instruction that the kernel emulates;
#   6affcbedcac7, KVM on x86, stepping over CPUID.
# * Arm Architecture Reference Manual (DDI 0487): D2.11.5 and D2.11.11 for `SSAdvance`; *Branch
#   Target Identification* for BTYPE and guarded pages.
# * In this project: `aarch64sim/kvm/adjust_pc.py`.
# * A question to take along: your function runs just before the ERET, *after* the kernel has set SS for the step. Linux
#   5.0 had your line as well, but ran it *before*. What happens then? That is lab 05.
