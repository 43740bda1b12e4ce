# %% [markdown]
# # Break the hypervisor: a test suite against 24 wrong ones
#
# *About 45 minutes for the text and tasks 1 to 5, and as long as you like for the suite. Before it:
# [lab 03](03-trapping-mmio.ipynb), [lab 04](04-the-skipped-instruction.ipynb) and [lab 05](05-when-does-the-pc-move.ipynb).
# New words are explained where they first appear, and in the [glossary](glossary.md). Run all cells first.*
#
# The bug of 2014 was seen by a reader, and not by a test. It was hidden in 2018, fixed in 2019, and it came back with the
# fix: no test noticed. Here are 24 hypervisors, each wrong in one small way. Half of these mistakes shipped in a Linux
# release. You write the tests that tell them from the correct one. A wrong hypervisor like these is called a *mutant*: the
# correct one, with one plausible mistake put in.
#
# **What you will be able to do**
#
# * write a scenario: a guest, what userspace does meanwhile, and the expected result;
# * say through which windows a hypervisor can be watched, and which mistake shows in which;
# * judge a test suite by the mistakes that it catches, rather than by the tests that pass.

# %% [markdown]
# ## Predict

# %%
from widgets import Question, RecordedRun, StepLab
from widgets.course import exercises, program
from widgets.figures.cheatsheet import cheat_sheet

from checks.lab09 import scoreboard
from checks.lab09.mutants import BY_NAME
from checks.lab09.scenario import Scenario, debugger_of, play

lab = exercises("09")
store = program("store")

# %% name="predict-result" jupyter={"source_hidden": true}
Question(
    "A test steps store.s to its end under Linux 4.3, and compares what the UART has got and all registers at the end"
    " with what should be. Does it find the bug of 2014?",
    {
        "yes: an instruction was skipped": "It was skipped by the debugger, not by the guest. The add has run.",
        "no: the guest computes the right result": "Only somebody who watches the stops can see the bug.",
        "sometimes": "Nothing here depends on chance.",
    },
    right="no: the guest computes the right result",
)

# %% name="predict-passes" jupyter={"source_hidden": true}
Question(
    "Your suite has 50 tests, and all of them pass on a hypervisor. What do you know?",
    {
        "it does right what the 50 tests do": "If they look at the result. A test may run a thing and check nothing of it.",
        "at least the common cases are right": "That depends on what the tests check, and not on how many there are.",
        "little, until one of them has failed on a wrong one": "A test that cannot fail says nothing.",
    },
    right="little, until one of them has failed on a wrong one",
)

# %% [markdown]
# ## Watch
#
# This hypervisor is wrong. Click **Step** twice, and find out how. Look at the PC, and at `x1`.

# %% name="panel"
panel = StepLab(store, debugger=debugger_of(store, BY_NAME["plus-8"]))
panel

# %% [markdown]
# The second click in the diagram, made by code. The path through the machine is the correct one: the skip clears SS, and
# the stop comes at once. And yet an instruction is lost.

# %%
suspect = StepLab(store, debugger=debugger_of(store, BY_NAME["plus-8"]))
suspect.step()
suspect.step()
suspect.diagram()

# %% [markdown]
# The skip moved the PC by 8 instead of 4. That is the one mistake of this mutant.
#
# ### A scenario
#
# A scenario is a program and what you expect of it. Here is the program of all labs, and the simplest expectation:
# what the UART gets, and two registers at the end.

# %%
first = Scenario("store.s", store, uart="A", registers={"x1": 1, "x4": 1})

# %% [markdown]
# `play` runs a scenario under a hypervisor and shows everything that can be observed. First the correct one, then the mutant:

# %%
play(first, "fixed")

# %%
play(first, BY_NAME["plus-8"])

# %% [markdown]
# `x1` is missing in the last list: the `add` has never run. So `first` fails on this mutant, as it should. It *catches*
# it. And the others?

# %% name="first-score"
scoreboard([first])

# %% [markdown]
# One of 24. Look at the first row: it is the bug that this course is about, and a test of the guest's results does not
# see it.
#
# Is it fair to ask for more? Here is a real kernel with the fourth mutant's mistake, Linux 5.0.1. Userspace calls
# KVM_RUN with [immediate_exit](glossary.md) at the store: the third row. PC is 0x40000008 then. The next stop is at
# 0x40000010. One of the two instructions between has run. The other, at 0x40000008, was never executed.

# %%
RecordedRun("linux-5.0.1", "n_imm_store")

# %% [markdown]
# ## Explain
#
# A hypervisor is a box. You can look at it through six windows. In a scenario you say what must be seen in some of
# them; what you leave out is not checked.
#
# | you write | it says |
# |---|---|
# | `stops=[0x4, 0x8]` | the PC at every stop, in order: offsets from the start of the program, or labels |
# | `accesses=[("store", 0x9000000, 4, 0x41)]` | what reaches the devices: address, bytes, value; not the exit device |
# | `at_exit={"pc": 0x4}` | registers as GET_ONE_REG shows them at the *first* KVM_EXIT_MMIO |
# | `uart="A"` | what was sent |
# | `registers={"x1": 1}` | registers at the end |
# | `end="ENOSYS"` | KVM_RUN must fail with this error, *function not implemented*. Without it: the guest must end with a store to the exit device |
#
# And userspace can do something at the first KVM_EXIT_MMIO, in the middle of an access:
#
# | `at_mmio=` | userspace |
# |---|---|
# | `"immediate_exit"` | calls KVM_RUN with immediate_exit, then goes on |
# | `"signal"` | the same, with a signal pending |
# | `"abort"` | answers with an [external abort](glossary.md); the guest's vector is at offset 0x1200 |
# | `"interrupt"` | asserts the guest's interrupt line (vector: 0x1280). A store to offset 0x40 of the UART deasserts it |
# | `"stop_stepping"` | switches guest debug off |
#
# With `steps=False` nobody steps. When the guest starts, x19 is the address of the UART, x20 that of the exit device,
# x21 that of a page of RAM. At 0x9020000 there is a counter: a store sets it, a load adds 1 and returns it. PSTATE is
# 0x3c5: EL1, everything masked.
#
# ### Where mistakes hide
#
# The mistakes in this lab are of three kinds, and each has its window.
#
# **The guest is right, and the debugger is misled.** Only `stops` shows it. In 2014 that was the whole bug.
#
# **Everything is right at the end, and wrong in between.** Christoffer Dall thought of it when he answered Peter
# Maydell, on 30 November 2014:
#
# > currently if you observe the PC though GET_ONE_REG, you'll see a PC pointing to the next instruction, not the one
# > you're emulating which is strange.
#
# Only `at_exit` shows it. Or something that happens in between: an abort needs the right PC.
#
# **A rarely used path is wrong.** A load of 4 bytes works; what about a signed byte, a big-endian guest, the zero register, an
# access that cannot be emulated? Linux returned wrong values from signed loads for twelve years. Nobody had looked.
#
# A good expectation follows from the architecture or from the KVM documentation. If you take it from what the program
# printed yesterday (a *golden* test), you only test that nothing changes, mistakes included.

# %% [markdown]
# ## Try
#
# Six tasks. For the first five write one scenario each: it must pass on the correct hypervisor and fail on the wrong one.
# `play(your_scenario)` shows what the correct one does; decide first, then look.
#
# **Task 1, `bug_of_2014`.** Catch the mutant that moves the PC and keeps SS. Use a program of your own, as short as you
# can.

# %% name="task-bug-of-2014"
bug_of_2014 = None
### BEGIN SOLUTION
bug_of_2014 = Scenario(
    "a store, then an add",
    """
        mov   w0, #0x41
        str   w0, [x19]
        add   x1, x1, #1
        str   w20, [x20]
    """,
    stops=[0x4, 0x8, 0xC],
    uart="A",
)
### END SOLUTION
lab.check("bug_of_2014", bug_of_2014)

# %% tags=["solution"]
print(lab.explain("bug_of_2014"))

# %% [markdown]
# **Task 2, `lost_instruction`.** Catch the mutant that completes an access twice, as Linux 5.0 did. You have seen it
# above. You do not need a debugger for it.

# %% name="task-lost-instruction"
lost_instruction = None
### BEGIN SOLUTION
lost_instruction = Scenario(
    "immediate_exit after a store",
    """
        str   w0, [x19]
        add   x1, x1, #1
        add   x2, x2, #1
        str   w20, [x20]
    """,
    stops=[0x4, 0x8, 0xC],
    registers={"x1": 1, "x2": 1},
    at_mmio="immediate_exit",
)
### END SOLUTION
lab.check("lost_instruction", lost_instruction)

# %% tags=["solution"]
print(lab.explain("lost_instruction"))

# %% [markdown]
# **Task 3, `ghost_stop`.** The opposite mistake: a stop at which nothing has run. Catch the mutant that counts a page
# fault **on data** as a step: a fault of a load or a store, not of the fetch of an instruction.

# %% name="task-ghost-stop"
ghost_stop = None
### BEGIN SOLUTION
ghost_stop = Scenario(
    "the first store to a page",
    """
        mov   x1, #7
        str   x1, [x21]
        ldr   x2, [x21]
        str   w20, [x20]
    """,
    stops=[0x4, 0x8, 0xC],
    registers={"x2": 7},
)
### END SOLUTION
lab.check("ghost_stop", ghost_stop)

# %% tags=["solution"]
print(lab.explain("ghost_stop"))

# %% [markdown]
# **Task 4, `userspace_view`.** Two mutants, one scenario: in one, the PC moves before userspace has answered; in the other,
# GET_ONE_REG shows the host's SS.

# %% name="task-userspace-view"
userspace_view = None
### BEGIN SOLUTION
userspace_view = Scenario(
    "what userspace sees",
    """
        mov   w0, #0x41
        str   w0, [x19]
        str   w20, [x20]
    """,
    at_exit={"pc": 0x4, "pstate": 0x3C5},
)
### END SOLUTION
lab.check("userspace_view", userspace_view)

# %% tags=["solution"]
print(lab.explain("userspace_view"))

# %% [markdown]
# **Task 5, `no_emulation`.** A mutant that emulates accesses it should refuse: it does not check [ISV](glossary.md), the bit
# of the syndrome that says whether its fields are valid. Write an access
# to a device that a correct hypervisor refuses.

# %% name="task-no-emulation"
no_emulation = None
### BEGIN SOLUTION
no_emulation = Scenario(
    "a pair from a device",
    """
        ldp   w1, w2, [x19]
        str   w20, [x20]
    """,
    accesses=[],
    end="ENOSYS",
)
### END SOLUTION
lab.check("no_emulation", no_emulation)

# %% tags=["solution"]
print(lab.explain("no_emulation"))

# %% [markdown]
# **Task 6, `suite`.** Now all of them. Put your scenarios into the list, look at the scoreboard, write the next one. A
# scenario that fails on the correct hypervisor is a false alarm, and catches nothing.
#
# Do not try to be complete at once. The five that you have may catch eight or nine; the rest are rarely used paths. From
# six scenarios on the scoreboard gives a hint for each mutant that survives. (`scoreboard(suite, hints=False)` keeps them
# to itself.) Two words of the hints: *EE* is a bit of SCTLR_EL1, with it the guest's loads and
# stores are big-endian; *PSCI* is the interface to the firmware that `hvc` and `smc` call.

# %% name="task-suite"
suite = [first]
### BEGIN SOLUTION
suite += [bug_of_2014, lost_instruction, ghost_stop, userspace_view, no_emulation]
suite += [
    Scenario(
        "a call of the hypervisor",
        """
        mov   w0, #0x84000000      // PSCI_VERSION
        hvc   #0
        add   x1, x1, #1
        str   w20, [x20]
        """,
        stops=[0x4, 0x8, 0xC],
        registers={"x1": 1},
    ),
    Scenario(
        "all kinds of accesses",
        """
        mov   x1, #0x9020000       // the counter
        mov   w0, #0x7f
        strb  w0, [x1]
        ldrsb x2, [x1]             // 0x80
        ldrsb w3, [x1]             // 0x81
        str   wzr, [x1]
        ldr   w4, [x19, #0x18]     // the UART's flags
        str   w20, [x20]
        """,
        accesses=[
            ("store", 0x902_0000, 1, 0x7F),
            ("load", 0x902_0000, 1, 0x80),
            ("load", 0x902_0000, 1, 0x81),
            ("store", 0x902_0000, 4, 0),
            ("load", 0x900_0018, 4, 0x90),
        ],
        registers={"x2": 0xFFFF_FFFF_FFFF_FF80, "x3": 0xFFFF_FF81, "x4": 0x90},
    ),
    Scenario(
        "an abort for an answer",
        """
        mov   x2, #0x77
        ldr   w2, [x19]
        add   x3, x3, #1
        str   w20, [x20]
        .org  0x1200
vector: mrs   x12, elr_el1
        str   w20, [x20]
        """,
        stops=[0x4, "vector", 0x1204],
        registers={"x2": 0x77, "x3": 0, "x12": 0x4000_0004},
        at_mmio="abort",
    ),
    Scenario(
        "a big-endian guest",
        """
        mrs   x1, sctlr_el1
        orr   x1, x1, #0x2000000   // EE
        msr   sctlr_el1, x1
        isb
        mov   w0, #0x41
        str   w0, [x19]
        str   w20, [x20]
        """,
        accesses=[("store", 0x900_0000, 4, 0x4100_0000)],
    ),
    Scenario(
        "the guest looks at MDSCR_EL1",
        """
        mrs   x1, mdscr_el1
        str   w20, [x20]
        """,
        registers={"x1": 0},
    ),
    Scenario("stepping ends", store, stops=[0x4], at_mmio="stop_stepping"),
    Scenario(
        "an interrupt at the exit",
        """
        msr   daifclr, #2          // interrupts may come
        str   w0, [x19]
        add   x1, x1, #1
        str   w20, [x20]
        .org  0x1280
irq:    str   w0, [x19, #0x40]     // lower the line
        eret
        """,
        stops=[0x4, "irq", 0x1284, 0x8, 0xC],
        at_mmio="interrupt",
    ),
]
### END SOLUTION
lab.check("suite", suite)

# %% name="scoreboard"
scoreboard(suite)

# %% tags=["solution"]
print(lab.explain("suite"))

# %% [markdown]
# ### How good is each window?
#
# Look at the columns of your scoreboard. A column with one mark is a test that catches only one mistake. A row with one
# mark is a mistake that only one test finds: if somebody deletes that test as "not needed", the mistake can slip through
# again.

# %% [markdown]
# ## Check yourself

# %% name="check-same" jupyter={"source_hidden": true}
Question(
    "A mutant survives your suite. Somebody proves that, for every guest and every userspace, it behaves exactly like the"
    " correct hypervisor. What now?",
    {
        "write a cleverer test": "There is none. If nobody can see a difference, there is no mistake.",
        "it is not wrong: leave it out": "An equivalent mutant. There is none of them in this lab.",
        "lower the number of mutants that is asked for": "The suite is as good as before. The list was wrong.",
    },
    right="it is not wrong: leave it out",
)

# %% name="check-golden" jupyter={"source_hidden": true}
Question(
    "To save time you run all programs once under the kernel that you have, and make what you see the expectation. What"
    " do these tests find?",
    {
        "every mistake": "Not those that the kernel has today. They became the expectation.",
        "nothing": "They find what changes.",
        "changes, and no mistake that is there already": "Including the changes that fix something.",
    },
    right="changes, and no mistake that is there already",
)

# %% name="check-both" jupyter={"source_hidden": true}
Question(
    "Linux 5.0 cleared SS when it skipped an instruction: the fix that Maydell had proposed. Which test would have"
    " shown that it did not work?",
    {
        "one that reads SS after the skip": "It was 0 there. It was set again before the guest was entered.",
        "your scenario of task 1": "It asks for the stop, and not how the kernel gets there.",
        "a test of the guest's registers at the end": "They were right all the time.",
    },
    right="your scenario of task 1",
)

# %%
print(lab.progress())

# %% [markdown]
# Binder does not keep your files. To take your answers with you, save this notebook, and run `from widgets.course.answers import download`
# and `download()` in a new cell. In a fresh one, `restore` puts them into a copy of each notebook.
#
# All labs on one page, to print: [cheat-sheet.pdf](cheat-sheet.pdf).

# %% name="cheat-sheet"
cheat_sheet()

# %% [markdown]
# ## Read on
#
# * The thread: *[PATCH 5/7] KVM: arm64: guest debug, add support for single-step*, November 2014.
# * Tests that came afterwards, in Linux: `tools/testing/selftests/kvm`, *debug-exceptions* (b18e4d4aebdd steps a guest
#   and asks that each PC is the one before plus 4), and 65a38ddeaeed for signed loads from a device.
# * The mistakes, in Linux: 337b99bf7edf, bd7d95cafb49, 2113c5f62b74, 370531d1e95b, b6ae256afd32, bc45a516fa90,
#   e735a5da6442, 85f56708a443.
# * The KVM documentation, `Documentation/virt/kvm/api.rst`, *KVM_RUN*: an access is complete after the next KVM_RUN.
# * R. DeMillo, R. Lipton, F. Sayward, *Hints on Test Data Selection: Help for the Practicing Programmer*, 1978: where
#   mutants come from.
# * In this project: `labs/checks/lab09/mutants.py` has all 24; `tests/kvm/test_properties.py` is the suite that the simulator
#   itself has to pass.
