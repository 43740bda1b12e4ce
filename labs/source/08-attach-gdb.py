# %% [markdown]
# # Attach gdb: a debugger that everyone trusts
#
# *About 45 minutes. Before it: [lab 02](02-the-host-steps-the-guest.ipynb), [lab 04](04-the-skipped-instruction.ipynb)
# and the first part of [lab 05](05-when-does-the-pc-move.ipynb). New words are explained where they first appear, and in
# the [glossary](glossary.md). Run all cells first.*
#
# So far you have only our word for it: our panel, our diagram, our debugger. In this lab an unmodified gdb, as your
# distribution ships it, steps the guest. It knows nothing of this project. It uses the same protocol as with QEMU and
# prints what it is told.
#
# It is the kind of debugger with which the story began. Peter Maydell wrote on 26 November 2014: "if the
# debugger tries to single step an insn which is emulated by the hypervisor [...] we'll end up incorrectly stopping after
# the following insn rather than before, I think".
#
# **What you will be able to do**
#
# * attach gdb to a guest, step it forwards and backwards, and change the kernel beneath it;
# * see `stepi` take two instructions, and say why gdb cannot notice;
# * still stop in the right place;
# * say whose registers gdb shows.
#
# You need `gdb-multiarch`. [Binder](https://mybinder.org) has it; on Debian and Ubuntu it is
# `apt install gdb-multiarch`. Without it the cells below say so, and [a transcript](08-attach-gdb.md) shows what you
# would see.

# %% [markdown]
# ## Predict
#
# The guest program is the same as in the other labs:

# %%
from itertools import pairwise

from widgets import Question, StepLab
from widgets.course import exercises, program

from checks.gdb_in_batch import attach, beside

lab = exercises("08")
store = program("store")
print(store)

# %% name="predict-stepi"
Question(
    "gdb is attached, and the kernel is Linux 4.3. The PC is at the `str`, 0x40000004. You type `stepi`. What does gdb"
    " print?",
    {
        "0x40000008, since gdb counts for itself": "It counts nothing. It asks for a step, and waits for the stop.",
        "0x4000000c, and a warning": "What is there to warn about? It asked for one step and got one stop.",
        "0x4000000c": "gdb got one stop, so for gdb one instruction was stepped. See for yourself.",
    },
    right="0x4000000c",
)

# %% name="predict-breakpoint"
Question(
    "The same, but with a breakpoint at 0x40000008, right after the store. Where does `stepi` stop now?",
    {
        "0x4000000c: a step is a step": "The instruction granted by mistake is now another one. Which?",
        "0x40000008": "A breakpoint is an instruction in the guest's memory, and does not ask SS. See below.",
        "nowhere: the two disturb each other": "A step and a breakpoint can be armed together. One of them is first.",
    },
    right="0x40000008",
)

# %% name="predict-mdscr"
Question(
    "While you step, you ask gdb for `info registers mdscr_el1`. What is bit 0, SS?",
    {
        "1, for the guest is being stepped": "It is, by the host. Whose register does gdb show?",
        "0": "That is the guest's own register. Look below where the 1 is.",
        "gdb does not know that register": "Our server describes it, as a feature of its own.",
    },
    right="0",
)

# %% [markdown]
# ## Watch
#
# `attach` starts a guest and a server for gdb, starts gdb, types the commands, and returns what gdb has printed. `x/i $pc`
# prints the instruction at the PC; `stepi` steps one instruction; `p $x1` prints a register.

# %% name="stepi-late"
print(attach("x/3i $pc", "stepi", "stepi", "x/i $pc", "p $x1", kernel="v4.3"))

# %% [markdown]
# The second `stepi` began at the `str` and ended two instructions later. gdb has not warned, and `x1` is 1. Now a kernel
# that steps correctly:

# %% name="stepi-right"
print(attach("stepi", "stepi", "x/i $pc", "p $x1", kernel="fixed"))

# %% [markdown]
# You do not have to reattach to change the kernel. `monitor` sends a command to the server, and gdb does not look at it;
# `monitor help` lists the commands. `stepi 2` is two steps:

# %% name="monitor-kernel"
print(attach("stepi 2", "x/i $pc", "monitor kernel fixed", "stepi 2", "x/i $pc", kernel="v4.3"))

# %% [markdown]
# A breakpoint right after the store, under v4.3. Was your prediction right?

# %% name="breakpoint"
print(attach("break *0x40000008", "stepi", "stepi", "p $x1", kernel="v4.3"))

# %% [markdown]
# gdb also steps backwards:

# %% name="reverse"
print(attach("stepi 2", "reverse-stepi", "x/i $pc", "p $x1", kernel="v4.3"))

# %% [markdown]
# ### The panel and gdb, together
#
# A panel can accept a connection from gdb: `panel.serve_gdb()`. Then both drive the same guest. Here gdb attaches to a
# panel and steps twice, and the panel follows:

# %% name="panel"
panel = StepLab(store, kernel="v4.3")
door = panel.serve_gdb()
said = await beside(door.port, "stepi", "stepi")
door.close()
print(said)
panel

# %% [markdown]
# ### By hand
#
# It is much more fun to do this yourself. Click **|◂** (to the start) in the panel above, so that the guest is at
# its first instruction again. Then type this in a new cell, and run it:
#
# ```python
# panel.serve_gdb(1234)
# ```
#
# Then open a terminal (in JupyterLab: *File*, *New*, *Terminal*), put it beside the panel, and start gdb:
#
# ```text
# gdb-multiarch -ex 'target remote :1234'
# ```
#
# gdb warns that no executable has been specified: it has none, and needs none. Type `stepi` twice and watch the panel: the
# second one goes two instructions. Click **Back** in the panel; then type `maintenance flush register-cache` and `x/i $pc`,
# because gdb does not know that someone else has moved the guest. Choose another kernel in the panel, or with
# `monitor kernel v5.0`. Try `monitor events`. `display/i $pc` shows the instruction after every step, and `detach` ends
# the session. `continue` enters the guest freely; after `monitor run steps` it is a row of single steps, which go wrong as
# `stepi` does and never leave a loop of LDXR and STXR.
#
# If port 1234 is in use, or another panel's gdb is attached there, the cell says so: take another, or 0 for any free one. Nobody but this computer can attach.
# Without a notebook it is `python -m aarch64sim gdb labs/programs/store.s --kernel v4.3`. lldb can attach, too:
# `gdb-remote 1234`.

# %% [markdown]
# ## Explain
#
# Why can gdb not notice? Follow one `stepi` from the terminal to the CPU.
#
# 1. gdb sends `vCont;s`: step the thread. It does not send how far, and it reads no code.
# 2. The server calls `KVM_RUN` with `KVM_GUESTDBG_SINGLESTEP`, and handles each exit until `KVM_RUN` returns
#    KVM_EXIT_DEBUG. It acts as the UART in between, as QEMU does.
# 3. The kernel's job is to make the CPU stop after one instruction. Here the step gets lost.
# 4. The server answers `T05`: stopped, signal 5, SIGTRAP, with the PC. gdb prints it.
#
# Each of them does its job, except the kernel. This is point 3 of the list, under v4.3:

# %%
panel.diagram()

# %% [markdown]
# And in words, from within gdb. `monitor events` lists what happened in the last step:

# %% name="events"
print(attach("stepi", "stepi", "monitor events", kernel="v4.3"))

# %% [markdown]
# The bug is in the line *the emulated instruction is skipped and SS is kept*. The next ERET enters the guest with SS = 1,
# *active-not-pending*, and the `add` retires.
#
# Now the same with the breakpoint:

# %% name="events-breakpoint"
print(attach("break *0x40000008", "stepi", "stepi", "monitor events", kernel="v4.3"))

# %% [markdown]
# SS is wrong here, too: the guest is entered with SS = 1 at 0x40000008. But the instruction that is granted by mistake is
# a BRK now: the breakpoint instruction, which the server has put there. It does not retire, it causes an exception at once, and the debugger is notified of the right address. **A
# breakpoint does not depend on SS.** So you can find out in gdb whether a step was lost: step over the same place twice,
# with a breakpoint and without.
#
# ### Whose registers?
#
# gdb's `info registers` shows what KVM_GET_ONE_REG gives: the guest's registers. `monitor mdscr` shows the bits that decide about
# a step twice: as they stand now, while the host runs, and as the kernel will have set them at the next ERET:

# %% name="two-views"
print(attach("stepi", "info registers mdscr_el1", "monitor mdscr", kernel="v4.3"))

# %% [markdown]
# Now `mdscr_el1.ss` is the guest's own bit, 0: the guest does not step itself. At the next ERET it is the host's, 1: the
# kernel puts it into the CPU before the ERET, and takes it out again when the guest has left. `spsr_el2.ss` is what the
# last exception has saved, 0 after a step; the next entry arms it to 1 (lab 02, task 2). To judge by what
# `info registers` shows, nobody is stepping at all.

# %% [markdown]
# ## Try
#
# Use `attach`, or your own terminal.
#
# **Task 1, `where_stepi_stops`.** Type `stepi` three times, from the start: which three addresses does gdb print? Predict them
# for 4.3, for 5.0, and for a kernel that steps correctly. Then ask gdb.

# %% name="task-where-stepi-stops"
addresses = {"v4.3": None, "v5.0": None, "fixed": None}
### BEGIN SOLUTION
addresses = {
    "v4.3": [0x40000004, 0x4000000C, 0x40000010],
    "v5.0": [0x40000004, 0x4000000C, 0x40000010],
    "fixed": [0x40000004, 0x40000008, 0x4000000C],
}
### END SOLUTION
lab.check("where_stepi_stops", addresses)

# %% tags=["solution"]
print(lab.explain("where_stepi_stops"))

# %% [markdown]
# **Task 2, `after_the_store`.** You have a server with Linux 4.3 and you are not allowed to reboot it. Write the gdb commands after
# which the guest stands at 0x40000008: the store is done, the `add` has not run. The check attaches gdb to a new guest
# and types them.

# %% name="task-after-the-store"
commands = []
### BEGIN SOLUTION
commands = ["break *0x40000008", "continue"]
### END SOLUTION
lab.check("after_the_store", commands)

# %% tags=["solution"]
print(lab.explain("after_the_store"))

# %% [markdown]
# **Task 3, `missing_stops`.** Somebody sends you a list of PCs, from a gdb session on an old kernel. The first is the
# start, and each further one was printed by a `stepi`. The program has no branches. Write `missing_stops(pcs)`, which
# returns the stops that were lost: addresses at which a correct kernel would have stopped. The check uses sessions with
# several stores in a row, too.


# %% name="task-missing-stops"
def missing_stops(pcs):
    ### BEGIN SOLUTION
    return [pc for a, b in pairwise(pcs) for pc in range(a + 4, b, 4)]
    ### END SOLUTION


lab.check("missing_stops", missing_stops)

# %% tags=["solution"]
print(lab.explain("missing_stops"))

# %% [markdown]
# **Task 4, `what_gdb_shows`.** Under v4.3 you have typed `stepi 2`. What does gdb show now? `x1` is 0 at the start.

# %% name="task-what-gdb-shows"
numbers = {
    "bit 0 of mdscr_el1, in `info registers`": None,
    "mdscr_el1.ss at the next ERET, in `monitor mdscr`": None,
    "x1": None,
    "instructions that `reverse-stepi` takes back": None,
}
### BEGIN SOLUTION
numbers = dict(zip(numbers, (0, 1, 1, 2), strict=True))
### END SOLUTION
lab.check("what_gdb_shows", numbers)

# %% tags=["solution"]
print(lab.explain("what_gdb_shows"))

# %% [markdown]
# ## Check yourself

# %% name="check-notice"
Question(
    "A colleague says: then gdb should simply check that the PC has moved by 4. What do you answer?",
    {
        "right, that would do": "After a branch or an exception the PC has correctly moved by something else.",
        "gdb cannot know how far one instruction moves the PC, unless it decodes it": "And an exception may come as"
        " well. That is why it asks the CPU, by way of the kernel.",
        "gdb does that already": "You have seen that it does not.",
    },
    right="gdb cannot know how far one instruction moves the PC, unless it decodes it",
)

# %% name="check-range-step"
Question(
    "Under v4.3, you set breakpoints at all instructions and type `continue` again and again. How many stops are lost in"
    " `store.s`?",
    {
        "one, as with `stepi`": "A breakpoint does not depend on SS. What runs after the store?",
        "none": "Every instruction is a BRK, and a BRK stops by itself. Slow, but right.",
        "all: there is no step any longer": "You do not step, but you stop at every BRK.",
    },
    right="none",
)

# %% name="check-whose-bug"
Question(
    "With QEMU under a Linux 4.3 with KVM, gdb loses the stop, as it does here. With QEMU and without KVM it does"
    " not. Why?",
    {
        "QEMU's own CPU steps each instruction itself, and emulates the device in the same moment": "Nobody has to skip"
        " anything: the store completes as an instruction of that CPU.",
        "gdb uses another protocol there": "The same, packet for packet.",
        "QEMU without KVM has no UART": "It has the same one.",
    },
    right="QEMU's own CPU steps each instruction itself, and emulates the device in the same moment",
)

# %%
print(lab.progress())

# %% [markdown]
# ## Read on
#
# * [A gdb session](08-attach-gdb.md): all the sessions of this lab as text. A test compares it with what gdb prints.
# * *Debugging with GDB*, appendix *GDB Remote Serial Protocol*: `vCont`, `Z0`, `bs`, `qRcmd`.
# * The thread: *[PATCH 5/7] KVM: arm64: guest debug, add support for single-step*, November 2014.
# * The KVM documentation, `Documentation/virt/kvm/api.rst`, *KVM_SET_GUEST_DEBUG*.
# * In this project: `aarch64sim/gdb/session.py` answers gdb's packets; `aarch64sim/gdb/monitor.py` has the
#   `monitor` commands; `tests/gdb/test_gdb.py` compares gdb's stops with the recordings of real kernels.
