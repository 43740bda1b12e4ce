# %% [markdown]
# # The host steps the guest: four bits, and nobody is allowed to notice
#
# *About 65 minutes; there is a mark where to stop after half of them. Before it: [One step](01-one-step.ipynb). New
# words are explained where they first appear, and in the [glossary](glossary.md). Run all cells first.*
#
# In lab 01 you set the bits yourself. Here [KVM](glossary.md) does it, because a debugger in userspace has asked for
# it. It has to be careful, because the guest uses the same registers and may want to debug itself.
#
# **What you will be able to do**
#
# * drive a step through `KVM_SET_GUEST_DEBUG`, `KVM_RUN` and `KVM_GET_ONE_REG`;
# * name the bits that KVM sets just before it enters the guest, and say what each is for;
# * say who sees which MDSCR_EL1;
# * explain why the guest's own stepping is switched off meanwhile (*squashed*, in the words of the patch's author).

# %% [markdown]
# ## Predict

# %%
from aarch64sim import ExitReason, GuestDebug, assemble, kernels
from aarch64sim.evidence import recording
from aarch64sim.vmm import Machine, recordings_folder
from widgets import Question, RecordedRun, StepLab
from widgets.course import exercises, program

from checks.lab02.probe import Probe, guest

lab = exercises("02")
store = program("store")

# %% name="predict-one-reg" jupyter={"source_hidden": true}
Question(
    "A debugger steps a guest, so MDSCR_EL1.SS must be 1. At a stop it reads the guest's MDSCR_EL1 with"
    " KVM_GET_ONE_REG. Is SS set?",
    {
        "yes: stepping is on": "Stepping is on, but this is not where you see the bit. This lab shows where it is.",
        "no": "KVM hides its own bit. This lab is about how well.",
        "only after the first step": "It is never there. This lab shows where it is.",
    },
    right="no",
)

# %% name="predict-both" jupyter={"source_hidden": true}
Question(
    "A guest kernel steps its own code, and its handler counts the stops. Now a debugger on the host steps the same"
    " guest. What does the guest's handler count?",
    {
        "its own stops, as before": "There is only one MDSCR_EL1.SS and one PSTATE.SS. Two cannot use them.",
        "twice as many stops": "Each stop goes to one level only, EL1 or EL2.",
        "nothing": "The host takes the machine away from the guest, without a word.",
    },
    right="nothing",
)

# %% [markdown]
# ## Watch
#
# Step the program three times. Then click *set SS* in the lane of the kernel: below the timeline you can see which
# line of this project did it, and which Linux commit it mirrors.

# %% name="panel"
panel = StepLab(store, kernel="fixed")
panel

# %% [markdown]
# Here is the third step, over an `add`:

# %%
third = StepLab(store, kernel="fixed")
for _ in range(3):
    third.step()
third.timeline()

# %% [markdown]
# The kernel acts before the ERET (*set SS*) and after the exception (*exit DEBUG*). The diagram knows only the bits,
# and sees the same three edges as in lab 01:

# %%
third.diagram()

# %% [markdown]
# ### The same, by hand
#
# The panel makes three calls for this. In C they are ioctls on the file descriptor of a
# [vCPU](glossary.md), a virtual CPU; here they are methods with the same names. `Machine` gives you a VM with memory, a vCPU, and devices.

# %% name="by-hand"
machine = Machine(assemble(store), kernels["fixed"])
vcpu = machine.vcpu
vcpu.set_guest_debug(GuestDebug.ENABLE | GuestDebug.SINGLESTEP)  # KVM_SET_GUEST_DEBUG
run = vcpu.run()  # KVM_RUN: comes back when userspace is needed
print(run, "with PC", hex(vcpu.get_one_reg("pc")))  # KVM_GET_ONE_REG

# %% [markdown]
# One step is done. The next instruction is the store to the UART:

# %%
run = vcpu.run()
print(run, "with PC", hex(vcpu.get_one_reg("pc")))
run = vcpu.run()
print(run, "with PC", hex(vcpu.get_one_reg("pc")))

# %% [markdown]
# Two calls for one step. At the first return PC still points to the store: the kernel asks userspace to act as the
# device, and *the instruction has not completed yet*. The kernel finishes it in the second call.
#
# (A guest that never leaves keeps KVM_RUN from returning, as on a real machine. The notebook's button with the square,
# *Interrupt the kernel*, ends the cell.)
#
# ### The probe
#
# What was in the CPU while the guest ran? Userspace cannot see it: KVM changes the registers before the entry and
# changes them back after the exit. (Inside the kernel, KVM's own tracepoints can.) So attach a probe to the CPU. It
# reads the real registers right before each ERET.

# %% name="probe"
probe = Probe(vcpu)
vcpu.run()
probe.last

# %% [markdown]
# ## Explain
#
# ### What is set before the entry
#
# | bit | what it is for |
# |---|---|
# | `MDSCR_EL1.SS` = 1 | the switch |
# | `MDCR_EL2.TDE` = 1 | *trap debug exceptions*: the target level is EL2, and the guest can mask nothing |
# | `SPSR_EL2.SS` = 1 | one instruction is granted |
# | `MDCR_EL2.TDA` = 1 | *trap debug access*: the guest's MRS and MSR of debug registers come to the kernel |
#
# Alex Bennée wrote the patch that brought stepping to KVM. On 25 November 2014 he said when it must happen:
#
# > As userspace can and will manipulate guest registers before restarting any tweaking of the registers has to occur
# > just before control is passed back to the guest.
#
# So inside KVM_RUN there is a loop, and each turn is: *put the host's bits in place - ERET - the guest runs - an
# exception to EL2 - put the guest's bits back - look at why the guest was left*. Userspace, which only ever looks between two KVM_RUNs,
# finds the guest's own bits. Keep the first of these in mind: in Bennée's version, the kernel sets SS **at every
# entry**, again and again. Labs 04 and 05 show what this does to a step that has already been used up.
#
# ### MDSCR_EL1 lies
#
# This guest reads the register, sets KDE and SS, and reads it again, while the host steps it. `KDE` is the bit of lab 01
# that permits stepping at the target level itself. At every stop we ask three witnesses: the guest (what its MRS found), GET_ONE_REG, and the probe. `guest(program, control)` makes
# a machine as above, and calls KVM_SET_GUEST_DEBUG.

# %% name="lie"
asks = """
    mrs   x0, mdscr_el1
    mov   x1, #0x2001        // KDE and SS
    msr   mdscr_el1, x1
    mrs   x2, mdscr_el1
    nop
    str   w20, [x20]
"""
witness = guest(asks, GuestDebug.ENABLE | GuestDebug.SINGLESTEP).vcpu
probe = Probe(witness)
print("done                  MRS found   GET_ONE_REG   the CPU, at the ERET")
for line, register in (
    ("mrs x0, mdscr_el1", "x0"),
    ("mov x1, #0x2001", ""),
    ("msr mdscr_el1, x1", ""),
    ("mrs x2, mdscr_el1", "x2"),
    ("nop", ""),
):
    witness.run()
    found = hex(witness.get_one_reg(register)) if register else ""
    print(
        f"{line:20}  {found:9}   {witness.get_one_reg('mdscr_el1'):#11x}   {probe.last.mdscr_el1:#x}"
    )

# %% [markdown]
# Read the columns. The guest is being stepped from the first instruction to the last, so SS *must* be 1 in the CPU,
# and the probe says so. The guest finds 0. Then it writes 0x2001, and reads 0x2001 back, as if its write had gone to
# the register. It has gone to a copy in the kernel.
#
# This is `fixed`, which does it as Linux does from 6.14 on: the CPU has never seen KDE. Older kernels put the host's SS
# into the guest's own value, so the CPU had 0x2001. With TDE set that did no harm, because KDE does not count below
# the target level:

# %% name="kde"
for name in ("v4.3", "v6.3", "v6.14", "fixed"):
    stepped = guest(asks, GuestDebug.ENABLE | GuestDebug.SINGLESTEP, kernel=name).vcpu
    probe = Probe(stepped)
    for _ in range(5):
        stepped.run()
    print(f"{name:6} MDSCR_EL1 in the CPU, at the last ERET: {probe.last.mdscr_el1:#x}")

# %% [markdown]
# Does a real kernel lie as well? This is Linux 6.1.192, recorded while it stepped a guest that does the same:

# %% name="recorded"
recorded = next(
    iter(recording.load(recordings_folder()).recordings("linux-6.1.192", "k_selfstep_alu_both"))
)
for event, text in zip(
    recorded.events[1:4], ("mov", "msr mdscr_el1, x0", "mrs x17, mdscr_el1"), strict=True
):
    registers = event["registers"]
    shown = {name: registers[name] for name in ("mdscr_el1", "x17") if name in registers}
    print(f"{event['exit_reason']} after {text:19} {shown}")

# %% [markdown]
# `mdscr_el1` is what GET_ONE_REG said, `x17` what the guest's MRS found. Neither shows that the host steps. And the
# whole recording beside this simulation:

# %%
RecordedRun("linux-6.1.192", "k_selfstep_alu_both")

# %% [markdown]
# Look at the syndromes of rows 2, 3 and 5. 0xca000022: the MSR and the MRS of MDSCR_EL1, and an MSR of the OS Lock, were
# *not* stepped by the CPU. They were trapped and emulated, like the store to the UART. A bug in skipping emulated instructions shows up here, too.
#
# *This is the middle of the lab. Next time, run all cells and go on here.*
#
# ### The guest's own stepping is squashed
#
# *Squashed* means put out of action; it is the word of the patch's author. Here is how one sees it.
#
# `step-itself.s` is a guest kernel that steps its own code, as you did in task 5 of lab 01. Its handler counts the
# stops in `x10`.

# %%
step_itself = program("step-itself")
for words, control in (
    ("no guest debug", 0),
    ("ENABLE alone", GuestDebug.ENABLE),
    ("ENABLE and SINGLESTEP", GuestDebug.ENABLE | GuestDebug.SINGLESTEP),
):
    machine = guest(step_itself, control)
    exits = 0
    while not machine.ended:
        machine.run_once(1000)
        exits += 1
    count = machine.vcpu.get_one_reg("x10")
    print(f"{words:22} stops counted by the guest: {count}; returns of KVM_RUN: {exits}")

# %% [markdown]
# With guest debug on, the handler never runs. It is enough that the host is debugging at all; it need not be stepping. Bennée gave
# the reason in the same mail:
#
# > Furthermore while guest debugging is in effect we need to squash the ability of the guest to single-step itself as
# > we have no easy way of re-entering the guest after the exception has been delivered to the hypervisor.
#
# There is one MDSCR_EL1.SS and one PSTATE.SS. With TDE every step exception goes to EL2. If it were the guest's, KVM
# would have to hand it on to EL1, in software, with the guest's step machine in the right state. It does not try.
#
# ### A leak
#
# PSTATE has an SS, too, and KVM sets it for the entry. Does GET_ONE_REG show *that*? Ask at KVM_EXIT_MMIO of the same
# store, under several kernels:

# %% name="leak"
for name in ("v4.3", "v5.0", "v5.13", "v6.1", "v6.14", "fixed"):
    stopped = guest(store, GuestDebug.ENABLE | GuestDebug.SINGLESTEP, kernel=name).vcpu
    while stopped.run().exit_reason is not ExitReason.MMIO:
        pass
    pstate = stopped.get_one_reg("pstate")
    print(f"{name:6} PSTATE = {pstate:#8x}, SS = {pstate >> 21 & 1}")

# %% [markdown]
# Up to 6.0 the host's bit leaked into what userspace saw. Commit 34fbdee086cf (6.1) keeps the guest's own SS apart. So
# "GET_ONE_REG shows the guest's own value" is a rule that had to be restored by a fix.

# %% [markdown]
# ## Try
#
# Five tasks. All of them are about `fixed`, that is, about Linux from 6.14 on.
#
# **Task 1, `control`.** The value with which KVM_SET_GUEST_DEBUG asks for single-stepping. `GuestDebug` has the flags;
# or use a plain number.

# %% name="task-control"
control = None
### BEGIN SOLUTION
control = GuestDebug.ENABLE | GuestDebug.SINGLESTEP
### END SOLUTION
lab.check("control", control)

# %% tags=["solution"]
print(lab.explain("control"))

# %% [markdown]
# **Task 2, `entry`.** A guest kernel has set `MDSCR_EL1.KDE` and nothing else: it has written 0x2000. Now the host steps
# it, under `fixed`. What is in the CPU at the ERET? `mdscr_el1` is the whole register, the others are bits.

# %% name="task-entry"
entry = {"mdscr_el1": None, "tde": None, "tda": None, "spsr_ss": None}
### BEGIN SOLUTION
entry = {"mdscr_el1": 0x1, "tde": 1, "tda": 1, "spsr_ss": 1}
### END SOLUTION
lab.check("entry", entry)

# %% tags=["solution"]
print(lab.explain("entry"))

# %% [markdown]
# **Task 3, `step`.** Every debugger on KVM has this function. Step the guest once, and return the PC.
# `serve(run.mmio)` acts as the device when the guest wants one. You can try it: `step(vcpu, print)`.


# %% name="task-step"
def step(vcpu, serve):
    ### BEGIN SOLUTION
    while True:
        run = vcpu.run()
        if run.exit_reason is ExitReason.DEBUG:
            return vcpu.get_one_reg("pc")
        if run.exit_reason is ExitReason.MMIO:
            serve(run.mmio)
    ### END SOLUTION


lab.check("step", step)

# %% tags=["solution"]
print(lab.explain("step"))

# %% [markdown]
# **Task 4, `views`.** Who sees what, under `fixed`? In each situation give MDSCR_EL1 as the guest's MRS finds it, as GET_ONE_REG
# shows it, and as it is in the CPU while the guest runs. The values are among 0x0, 0x1, 0x2000 and 0x2001.

# %% name="task-views"
views = {
    "stepped": (None, None, None),  # the host steps; the guest has never written MDSCR_EL1
    "both": (None, None, None),  # the host steps; the guest has written 0x2000
    "enable": (None, None, None),  # ENABLE without SINGLESTEP; the guest has written 0x2001
    "nobody": (None, None, None),  # no guest debug; the guest has written 0x2001
}
### BEGIN SOLUTION
views = {
    "stepped": (0x0, 0x0, 0x1),
    "both": (0x2000, 0x2000, 0x1),
    "enable": (0x2001, 0x2001, 0x0),
    "nobody": (0x2001, 0x2001, 0x2001),
}
### END SOLUTION
lab.check("views", views)

# %% tags=["solution"]
print(lab.explain("views"))

# %% [markdown]
# **Task 5, `notice`.** MDSCR_EL1 lies well. But is stepping invisible? Write a guest program that leaves 1 in `x0` if
# it is being stepped, and 0 if it runs freely. It ends with `str w20, [x20]`. `x21` points to memory that you may use.
# There is more than one way; the hints lead to one. What the guest can read of its own debug registers is no help, as
# you have seen. Look for two instructions that notice an exception between them: exclusive loads and stores
# (`ldxr`, `stxr`), for example. A store-exclusive fails if the *reservation* of its load has been lost.

# %% name="task-notice"
notice = """
"""
### BEGIN SOLUTION
notice = """
    str   w1, [x21]          // the page is there from now on
    ldxr  w1, [x21]
    stxr  w0, w1, [x21]      // 0: stored. 1: the reservation was lost
    str   w20, [x20]
"""
### END SOLUTION
lab.check("notice", notice)

# %% tags=["solution"]
print(lab.explain("notice"))

# %% [markdown]
# ## Check yourself

# %% name="check-tde" jupyter={"source_hidden": true}
Question(
    "A hypervisor sets MDSCR_EL1.SS and SPSR_EL2.SS, but forgets MDCR_EL2.TDE. The guest runs at EL0, a program under"
    " a guest kernel. What happens?",
    {
        "nothing is stepped": "EL0 is below EL1, so stepping is possible there, with EL1 as the target.",
        "the guest kernel gets the step exception": "The target level is EL1 now, so the guest is notified of a step.",
        "the hypervisor gets it anyway": "Only TDE (or TGE) makes EL2 the target.",
    },
    right="the guest kernel gets the step exception",
)

# %% name="check-when" jupyter={"source_hidden": true}
Question(
    "Why does KVM set SS before every entry, and not once, in KVM_SET_GUEST_DEBUG?",
    {
        "userspace could write the registers in between": "So Bennée said: just before control is passed back.",
        "the bit is lost when the CPU is switched off": "Registers are saved and restored. That is not the reason.",
        "the ioctl is called in another process": "The vCPU's registers are in a structure that both can reach.",
    },
    right="userspace could write the registers in between",
)

# %% name="check-exit" jupyter={"source_hidden": true}
Question(
    "A debugger has called KVM_RUN for a step, and it returns KVM_EXIT_MMIO. Has the step been made?",
    {
        "yes: the access was the instruction": "The access is known, but not complete: a load has no value yet.",
        "no: go on until KVM_EXIT_DEBUG": "Serve the access, call KVM_RUN again.",
        "only if it was a store": "A store is not complete before the next KVM_RUN.",
    },
    right="no: go on until KVM_EXIT_DEBUG",
)

# %%
print(lab.progress())

# %% [markdown]
# ## Read on
#
# * The thread: *[PATCH 5/7] KVM: arm64: guest debug, add support for single-step*; Bennée's text of 25 November 2014
#   is quoted in it.
# * In Linux: 337b99bf7edf (4.3) is that patch as it was merged. 34fbdee086cf (6.1) keeps the guest's PSTATE.SS,
#   2ca3f03bf524 (6.14) moves the exchange of the bits to where a vCPU is put on a CPU. `arch/arm64/kvm/debug.c` is
#   the file.
# * In the KVM API documentation: KVM_SET_GUEST_DEBUG, KVM_RUN, KVM_GET_ONE_REG.
# * In the Arm manual (DDI 0487): D2.11 for the step, and the descriptions of MDCR_EL2.TDE and TDA.
# * In this project: `aarch64sim/kvm/guest_debug.py`; `arm_step` and `disarm_step` are the two halves of the lie.
