# %% [markdown]
# # Eleven years of fixes: a museum of real kernels
#
# *About 80 minutes; there is a mark where to stop after half of them. Before it:
# [lab 04](04-the-skipped-instruction.ipynb) and [lab 05](05-when-does-the-pc-move.ipynb). New words are explained where
# they first appear, and in the [glossary](glossary.md). Run all cells first.*
#
# Single-stepping came into KVM on arm64 with Linux 4.3, in November 2015. Peter Maydell had seen the bug a year
# before, in review. It has been fixed again and again since then, and almost every fix broke something else.
#
# Sixteen released kernels were booted, on an emulated CPU that has an EL2, and a program using `/dev/kvm` logged every
# return of `KVM_RUN`. In this lab you read these recordings.
#
# **What you will be able to do**
#
# * read a recording of a real kernel, and say from it where a step ended;
# * name the six eras of stepping, and what marks each;
# * for each fix, name the bug that it introduced;
# * date a trace that has no label.

# %% [markdown]
# ## Predict

# %%
import textwrap

from aarch64sim import kernels
from widgets import CompareLab, Question, RecordedRun, StepLab
from widgets.course import exercises, program

from checks import museum
from checks.lab06.cases import case
from checks.lab06.figures import Lives, Matrix
from checks.strips import store_strips

lab = exercises("06")
store = program("store")

# %% name="predict-how-many" jupyter={"source_hidden": true}
Question(
    "Linux 5.0 did what Maydell had proposed: whoever skips an instruction clears SS. Ten of the sixteen recorded"
    " kernels are 5.0 or newer. How many of these ten still stop late after a store to the UART?",
    {
        "none": "That is what the commit says. The recordings say something else.",
        "one": "There is more than one. You will see them all at once.",
        "four": "From 5.0 to 5.10: the skip clears SS, and the next entry sets it again. Watch.",
    },
    right="four",
)

# %% name="predict-today" jupyter={"source_hidden": true}
Question(
    "The newest recorded kernel is 7.1.5, of 2026. The matrix below asks it nineteen questions about stepping and MMIO."
    " How many of these nineteen does it answer wrongly?",
    {
        "none: it has had eleven years": "So had the bug that is left. It is as old as 2014.",
        "one": "A signed load, which has nothing to do with stepping. (Lab 09 asks a twentieth question, and 7.1.5 fails it.)",
        "about half": "It was about half once. Look at the left side of the matrix below.",
    },
    right="one",
)

# %% [markdown]
# ## Watch
#
# ### One program, sixteen kernels
#
# The program is `store.s`, as in every lab. A recording is a list of events: what userspace did, and what came back.
# These are the first returns of `KVM_RUN` from Linux 4.4.60. The first is the stop after the `mov`:

# %%
made = museum.recorded("linux-4.4.60", "b_str")
for event in made.events[1:4]:
    registers = {name: event["registers"].get(name, "") for name in ("pc", "x0", "x1")}
    print(event["errno"], event["exit_reason"], event.get("debug", ""), registers)

# %% [markdown]
# `errno` is 0 if the call came back with an exit; 4 is EINTR, *interrupted*. [`hsr`](glossary.md) is the syndrome, and it tells stops apart, as in
# lab 00:
#
# | hsr | who wrote it, and why |
# |---|---|
# | 0xc**b**000022 | the CPU: an instruction was stepped |
# | 0xc**a**000022 | the CPU: nothing was stepped, the guest was entered with its step already spent |
# | 0xc**8**000000 | the kernel. No CPU writes a class and nothing else: the stop is *faked* |
#
# `registers` holds **only what changed** since the last return. A register that is not there has its old value.
#
# Now all sixteen. Each strip is one kernel, each mark one return of `KVM_RUN`; of two marks at one address the left one
# came first. A dot is a stop after an instruction, a diamond a stop after a spent step, a triangle a faked stop, a square
# KVM_EXIT_MMIO, a cross a stop that did not come:

# %% name="strips"
store_strips(museum.real_kernels())

# %% [markdown]
# Read the third column from top to bottom. It is the whole story of this course:
#
# * 4.4 and 4.14 do not stop at 0x40000008. This is the bug of 2014.
# * 4.15 to 4.20 stop there, but with a triangle: no CPU made that stop. And they have one more triangle, at
#   0x40000000, **before the first instruction**.
# * 5.0 has the real fix, in the wrong place. **The bug is back**, and it stays for two years.
# * From 5.11 on the stop is there, made by the CPU, with the mark of a spent step.
#
# ### The spurious stop
#
# Here is 4.15 in a panel, after one click. It has not moved: PC is where it was.

# %% name="panel"
panel = StepLab(store, kernel="v4.15")
panel.step()
panel

# %% [markdown]
# This is the path of that click. The machine went from *inactive* to *active-not-pending* and back by an exception.
# No edge leads to *active-pending*, so there was no step to report. 4.15 reported one.

# %%
panel.diagram()

# %% [markdown]
# The exception was a fault on RAM: the page of the program was not mapped yet. The kernel filled it in. Since it had
# *handled* something, it thought that an instruction was done, and faked the stop.
#
# ### The fix that brought the bug back
#
# Both eras next to each other, up to the end. 5.0 needs two fewer steps. One of them was the spurious stop, and we are
# glad that it is gone. The other one should have stayed:

# %% name="compare"
both = CompareLab(store, left="v4.15", right="v5.0")
both.run()
both.stops()

# %% [markdown]
# Is it true? This is Linux 5.0.1, recorded, and beside it the simulation:

# %%
RecordedRun("linux-5.0.1", "b_str")

# %% [markdown]
# ## Explain
#
# ### Which kernels step correctly?
#
# `store.s` asks one question. The matrix asks nineteen. A row is a recorded scenario and a way to read its answer; a
# column is a kernel. Every cell is read twice, in the same way, just now: from the recording, and from this project's
# simulator, which runs the scenario on its own version of that kernel. The words in the rows: *warm* and *cold* say whether
# the page of the guest's vector is mapped yet, since a fault comes between the step and its stop if it is not; an
# *ioeventfd* is a device in the kernel, without an exit to userspace; *WFI* waits for an interrupt; *external abort* is the
# answer "no such device" of lab 05. A cell shows how many instructions one step took; a letter stands for what else was
# seen (explained below the figure). 1=1 is one instruction, recorded and simulated; a shaded cell is wrong, 2 is one late,
# 0 is spurious; an empty cell was not recorded. The letters at the bottom are the eras.

# %% name="matrix"
Matrix()

# %% [markdown]
# The vertical lines separate the **eras**. They are only as fine as task 5 needs: within an era details differ. Each has a
# mark:
#
# | era | releases | mark |
# |---|---|---|
# | A | 4.3 - 4.14 | one late over everything that the kernel emulates |
# | B | 4.15 - 4.20 | faked stops: in time, and also where nothing was stepped |
# | C | 5.0 - 5.10 | late again over the same things, but a guest that steps *itself* is right |
# | D | 5.11 - 6.0 | right over MMIO; late when an exit to the host comes between the step and its stop. It shows the host's SS at KVM_EXIT_MMIO |
# | E | 6.1 - 6.13 | remembers a pending step; loses it over a signal or immediate_exit |
# | F | 6.14 and later | right in the rows of stepping over MMIO |
#
# Inside an era, look at 4.14.177 and 4.19.48. They are [stable releases](glossary.md): they took the late advance of 5.0
# (row *PC seen at KVM_EXIT_MMIO*), and 4.19.48 also took the instruction that it loses. From 4.19.21 to 4.19.71 the
# stable kernel lost it, for seven months; then it took that fix as well. (Before, with the early advance, an access that
# was completed twice moved the PC only once.) It never took the fix for the late stop. A version number does not say what
# a kernel does; ask `kernels` for the release that you mean:

# %% name="stable"
for patch in (20, 21, 71, 72):
    kernel = kernels[f"linux-4.19.{patch}"]
    print(f"4.19.{patch}: the PC moves {kernel.pc_advance.value};")
    print(f"{'':9}an access is completed {kernel.completion.value}")

# %% [markdown]
# ### Why 5.11 is an accident
#
# The commit that fixed MMIO in 5.11, cdb5e02ed133, is not about stepping. Marc Zyngier moved all changes of the PC to
# one place, just before the guest is entered. That place is after the line that arms SS. So the skip clears SS last,
# and the 0 survives. Compare the rows *userspace MMIO* and *HVC*: an HVC is not skipped, nothing clears SS after the
# arming, so 5.11 still stops late. The step was remembered on purpose only in 6.1 (370531d1e95b, Reiji Watanabe).
#
# ### What each fix introduced
#
# In the simulator each wrong behaviour is one field of `Kernel`, and the field knows its commits. Here they are, by
# release. *fixes*, *breaks* and *changes* (from one wrong behaviour to another) are names of fields:

# %% name="commits"
print(f"{'release':17}{'commit':14}fixes                          breaks")
for commit in museum.commits():
    when = f"{commit.moment.release:5}{commit.moment.when}"
    for n in range(max(len(commit.fixed), len(commit.broke))):
        head = f"{when:17}{commit.moment.commit:14}" if n == 0 else " " * 31
        fixes, breaks = ("".join(side[n : n + 1]) for side in (commit.fixed, commit.broke))
        print(f"{head}{fixes:31}{breaks}".rstrip())
print("\nchanges, from one wrong behaviour to another:")
for commit, field, value in museum.changes_between_wrongs():
    print(f"{commit.release:17}{commit.id:14}{field}: {value}")

# %% [markdown]
# The same as bars. A dashed line is a commit that ends one bar and begins another:

# %% name="lives"
Lives()

# %% [markdown]
# 4.3 did not invent the early advance (`pc_advance`): it is as old as the MMIO code, and the first stepping met it. In 2018,
# at 4.15, a bar begins and none ends. The faked stop did not fix `skip_clears_ss`; it hid it from the
# host.
#
# What a field means, in words. Ask for any of them:

# %%
stories = {life.field: life.story for life in museum.lives()}
print(*textwrap.wrap(stories["skip_applied"], 100), sep="\n")

# %% [markdown]
# The longest bar is not about stepping: a sign-extending load from a device came back zero-extended for twelve years.
# The shortest ones were found soon, since they *lost* an instruction. A late stop loses nothing. It only misleads a
# debugger, and who debugs a debugger?
#
# Maydell had written the fix of 5.0 four years before, on 26 November 2014:
#
# > You should be able to achieve this effect by simply always clearing the guest's PSTATE.SS when you advance the PC to
# > skip the emulated instruction [...]
#
# "Simply" is right for the rule, and was wrong for the code.

# %% [markdown]
# ## Try
#
# *This is the middle of the lab. Next time, run all cells and go on here.*
#
# Five tasks.
#
# **Task 1, `steps`.** Read a recording yourself. `events` is the list of its events, as above; only those with
# `event["op"] == "KVM_RUN"` matter. The debugger was notified of a stop at the address `start`. It stepped. How many
# instructions further was the next stop? 1 is right, 2 is one late, 0 is a spurious stop. Try it with
# `steps(list(made.events), 0x4000_0004)`.


# %% name="task-steps"
def steps(events, start):
    ### BEGIN SOLUTION
    pc = 0
    there = False
    for event in events:
        if event["op"] != "KVM_RUN":
            continue
        pc = int(event["registers"].get("pc", hex(pc)), 16)
        if event["exit_reason"] == "DEBUG" and event["errno"] == 0:
            if there:
                return (pc - start) // 4
            there = pc == start
    return None
    ### END SOLUTION


lab.check("steps", steps)

# %% tags=["solution"]
print(lab.explain("steps"))

# %% [markdown]
# With this you have made the second row of the matrix. Here it is, as your function computes it:

# %% name="your-row"
print(" ".join(f"{name.removeprefix('linux-'):>7}" for name in museum.real_kernels()[:8]))
print(
    " ".join(
        f"{steps(list(museum.recorded(name, 'b_str').events), 0x4000_0004)!s:>7}"
        for name in museum.real_kernels()[:8]
    )
)

# %% [markdown]
# **Task 2, `history`.** For each of these rows: in which recorded kernels did it become right, or wrong? Give the
# first column after each change: if a row were right up to linux-5.11 and wrong in linux-5.15, that would be
# "linux-5.15". You may read the figure, or ask `museum.is_right("HVC", "linux-5.4")`.

# %% name="task-history"
history = {
    "userspace MMIO": [],
    "HVC": [],
    "MMIO then signal": [],
    "guest steps itself over MMIO": [],
}
### BEGIN SOLUTION
from itertools import pairwise

for title in history:
    for before, after in pairwise(museum.real_kernels()):
        if museum.is_right(title, before) != museum.is_right(title, after):
            history[title].append(after)
### END SOLUTION
lab.check("history", history)

# %% tags=["solution"]
print(lab.explain("history"))

# %% [markdown]
# **Task 3, `brought`.** Three releases came with a fix, two of stepping and one of the PC (26778aaa134a, in 5.13), and
# each broke something that had worked until then. Give for each the title of *one* row that was right in the column
# before it and is wrong in it. (5.15 stands for 5.13, which was not recorded.)

# %% name="task-brought"
brought = {"linux-4.15.1": None, "linux-5.0.1": None, "linux-5.15": None}
### BEGIN SOLUTION
brought = {
    "linux-4.15.1": "RAM stage-2 fault",
    "linux-5.0.1": "userspace MMIO",
    "linux-5.15": "MMIO then signal",
}
### END SOLUTION
lab.check("brought", brought)

# %% tags=["solution"]
print(lab.explain("brought"))

# %% [markdown]
# **Task 4, `detective`.** Four traces have lost their labels. Each case has three traces of one real kernel:
#
# * *store*: `store.s`, stepped;
# * *signal*: the same, but after KVM_EXIT_MMIO a signal is pending, so KVM_RUN completes the store and comes back
#   with EINTR before the guest runs;
# * *guest*: nobody steps from outside. A guest steps itself, with a store to the UART at 0x40000034. Its handler got
#   stops at these addresses.
#
# You have five clues: the PC at the MMIO exit, the syndromes, late stops, spurious stops, and PSTATE. The traces
# end where they are all alike. Which era is each, A to F?

# %%
case(1)

# %%
case(2)

# %%
case(3)

# %%
case(4)

# %% name="task-detective"
eras = {1: None, 2: None, 3: None, 4: None}
### BEGIN SOLUTION
eras = {1: "A", 2: "C", 3: "E", 4: "B"}
### END SOLUTION
lab.check("detective", eras)

# %% tags=["solution"]
print(lab.explain("detective"))

# %% [markdown]
# **Task 5, `era`.** Now for all of them. `case.store` and `case.signal` are tuples of returns, each with `.reason`
# ("DEBUG", "MMIO", "EINTR"), `.pc`, `.pstate` and `.hsr` (a number, or None if there is none). `case.guest` is a tuple
# of addresses. Return the letter. The check asks about all sixteen kernels.


# %% name="task-era"
def era(case):
    ### BEGIN SOLUTION
    def in_time(trace):
        return any(one.reason == "DEBUG" and one.pc == 0x4000_0008 for one in trace)

    if any(one.hsr == 0xC800_0000 for one in case.store):
        return "B"
    if not in_time(case.store):
        return "C" if 0x4000_0038 in case.guest else "A"
    if any(one.reason == "MMIO" and one.pstate >> 21 & 1 for one in case.store):
        return "D"
    return "F" if in_time(case.signal) else "E"
    ### END SOLUTION


lab.check("era", era)

# %% tags=["solution"]
print(lab.explain("era"))

# %% [markdown]
# ## A kernel that nobody had seen
#
# The sixteen kernels were recorded once, long before this lab was written. You can record another one yourself:
# `python -m aarch64sim record` runs the same guests on the kernel of an arm64 computer, or boots one of Debian's under
# QEMU, and writes down what it did. Linux 7.3.4 was recorded that way. Does it do what its era says?

# %%
from aarch64sim.evidence import recording, replay
from aarch64sim.vmm import recordings_folder

fresh = recording.load(recordings_folder() / "debian")  # or recording.load("my-recordings")
results = [replay.replay(one) for one in fresh.recordings("linux-7.3.4")]
agree = sum(result.agrees for result in results)
print(f"{agree} of {len(results)} recordings of Linux 7.3.4 agree with {results[0].kernel.title}.")

# %% [markdown]
# A recording that differs is worth an issue: print its `difference`, which names the first event where the two part.
#
# Here is the matrix once more, for six kernels of Debian that were recorded that way, and for six that were built from
# 7.3.4 with one or two lines changed: those are the *what-ifs* of lab 05. Linux 7.3.4 is the first kernel whose column has
# no shading at all.

# %% name="newer-matrix"
Matrix(museum.NEWER)

# %% [markdown]
# ## Check yourself

# %% name="check-accident" jupyter={"source_hidden": true}
Question(
    "In 5.11 a step over a store to the UART stops in time. What happens if a host interrupt hits after the skip, when"
    " the guest has been entered with SS = 0 and before it takes its step exception?",
    {
        "nothing: SS is 0, the stop is pending": "It is. But the guest has left, and must be entered again.",
        "the stop is lost": "The next entry arms SS again. (5.13 and 6.1 of lab 05, task 5.)",
        "the guest stops twice": "No: the exception to EL2 reports the interrupt, not the step.",
    },
    right="the stop is lost",
)

# %% name="check-version" jupyter={"source_hidden": true}
Question(
    "A colleague has a kernel 4.14.x, and says: KVM_EXIT_MMIO shows the PC of the instruction itself, so this must be"
    " 5.0 or newer inside. What do you say?",
    {
        "right: the early advance is the mark of all 4.x": "Look at 4.14.177 and 4.19.48 in the matrix.",
        "stable releases took that change, and not the other": "They took the late advance, and SS is still kept.",
        "the PC at the exit depends on the device": "It is the kernel that moves it, for every device.",
    },
    right="stable releases took that change, and not the other",
)

# %% name="check-hsr" jupyter={"source_hidden": true}
Question(
    "You step a store to the UART, on a kernel that you do not know. The stop has hsr = 0xcb000022. What follows?",
    {
        "the store was stepped, all is well": "The CPU cannot have stepped the store: it aborted.",
        "the stop is late": "The CPU has stepped an instruction. It was not the store, so it was the next one.",
        "nothing: it is the usual value": "Usual for an instruction that the CPU completes. Is this one?",
    },
    right="the stop is late",
)

# %%
print(lab.progress())

# %% [markdown]
# ## Read on
#
# * The thread: *[PATCH 5/7] KVM: arm64: guest debug, add support for single-step*, November 2014.
# * In Linux, in the order of the bars: 337b99bf7edf (stepping), 1eb591288b95 (the faked stop), 0d640732dbeb (skip
#   after emulation), bd7d95cafb49 (clear SS), 2113c5f62b74 (complete once), cdb5e02ed133 (skip at the entry),
#   26778aaa134a (commit a skip on the way out), 370531d1e95b (remember a pending step), 2ca3f03bf524 (step state in
#   load and put), efa1368ba9f4 (take an injected abort at once), 85f56708a443 (sign extension). Read their messages
#   with `git show`: each tells its bug.
# * In the Arm manual (DDI 0487): D2.11.9, the syndrome of a Software Step exception, for the bits in `hsr`.
# * In this project: `labs/recordings/README.md` says how the recordings were made, and what in them is the CPU's
#   choice; `aarch64sim/kvm/behaviours.py` has the fields, `kernels.py` the commits,
#   `aarch64sim/evidence/eras_table.py` the nineteen questions.
# * `python -m aarch64sim replay labs/recordings` compares every exit and every register of every recording.
