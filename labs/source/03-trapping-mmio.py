# %% [markdown]
# # Trapping MMIO: an access to nothing, and who answers it
#
# *About 70 minutes; there is a mark where to stop after two thirds of them. Before it:
# [The host steps the guest](02-the-host-steps-the-guest.ipynb). New words are explained where they first appear, and in
# the [glossary](glossary.md). Run all cells first.*
#
# A driver stores to a device register. In a virtual machine there is no device, only a hole in memory. This lab
# follows the access through the hole: out of the guest, through the kernel to a Python class, and back.
#
# **What you will be able to do**
#
# * decode an [ESR_ELx](glossary.md) by hand;
# * follow an access from the guest to the kernel and on to userspace, and back the same way, and say when it is
#   done;
# * say which accesses cannot be emulated, and why;
# * write a device that answers a guest.

# %% [markdown]
# ## Predict

# %%
from IPython.display import display

from aarch64sim import ExitReason, assemble, kernels
from aarch64sim.evidence import recording
from aarch64sim.vmm import Machine, recordings_folder
from widgets import Question, RecordedRun, StepLab
from widgets.course import exercises, program
from widgets.figures.ruler import EsrLab, EsrRuler

from checks.lab03 import loaded
from checks.lab03.trap import trap

lab = exercises("03")
store = program("store")

# %% name="predict-pc" jupyter={"source_hidden": true}
Question(
    "A guest loads from a device. KVM_RUN returns with KVM_EXIT_MMIO. Where does the guest's PC point, on a"
    " current kernel?",
    {
        "to the load": "The load is not done: it has no value yet. But this was not always so. Watch.",
        "to the instruction after it": "The load is not done. But older kernels said so, too. Watch.",
        "to the vector of the exception": "The exception went to EL2, to the host. The guest knows nothing of it.",
    },
    right="to the load",
)

# %% name="predict-pair" jupyter={"source_hidden": true}
Question(
    "The guest loads two registers at once from the device: ldp w2, w3, [x19]. What does KVM do?",
    {
        "it returns KVM_EXIT_MMIO twice": "It would have to know which two registers. Watch what it is told.",
        "it returns KVM_EXIT_MMIO once, with 8 bytes": "It would have to know which two registers. Watch what it is told.",
        "it fails": "It is told nothing about the access, so it can do nothing.",
    },
    right="it fails",
)

# %% [markdown]
# ## Watch
#
# Click **Step** twice. The second step is the store to the UART. Read the timeline from left to right, lane by lane,
# and click an event to see what it is.

# %% name="panel"
panel = StepLab(store, kernel="fixed")
panel

# %%
second = StepLab(store, kernel="fixed")
second.step()
second.step()
second.timeline()

# %% [markdown]
# * **guest** - the `str` does not run. It ends in a *data abort* to EL2.
# * **kernel** - it returns to userspace with KVM_EXIT_MMIO.
# * **userspace** - the UART takes the byte. Userspace calls KVM_RUN again.
# * **kernel** - only now does it move the PC past the store, and SPSR_EL2.SS, the saved bit, goes from 1 to 0 at the same time.
# * **guest** - goes on after the store; here it stops at once, since it is being stepped.
#
# What the access means for the step is in the diagram:

# %%
second.diagram()

# %% [markdown]
# Edge 2: the abort saves SPSR_EL2.SS = **1**. The store has not run, so the step is still owed. Edge 4, that is, the
# kernel, spends it. (This kernel is correct. Lab 04 is about one that is not.)
#
# ### What the kernel knows
#
# `trap` runs one instruction as a guest, and shows what the data abort leaves for the hypervisor:

# %% name="trap"
trap("str w0, [x19]")

# %% [markdown]
# Three registers. FAR_EL2 is the address that the guest used, HPFAR_EL2 the page of the guest-physical address. And
# ESR_EL2, the *syndrome*, is a whole sentence in 32 bits:

# %% name="syndrome"
EsrRuler(trap("str w0, [x19]").esr)

# %% [markdown]
# Read it from the left: a *data abort* (EC), by an instruction whose details are *valid* (ISV), of *4 bytes* (SAS),
# register *0* (SRT), 32 bits wide (SF), a *write* (WnR), because [stage 2](glossary.md), the hypervisor's own table of the
# guest's memory, has *no translation* there (DFSC). That is `str w0` in all but name. The other fields are not needed
# here: IL says that the instruction has 32 bits, AR is acquire or release, SSE says that a load extends the sign, SET, FnV, EA, CM and S1PTW qualify the fault, VNCR belongs to nested
# hypervisors. Try a ruler yourself: write another word, or another value of a field.

# %% name="ruler"
EsrLab(trap("ldrsw x3, [x19]").esr)

# %% [markdown]
# ## Explain
#
# ### The path of an access
#
# Userspace gives the guest memory in [slots](glossary.md), ranges of guest-physical addresses. What is in no slot is a
# device.
#
# | who | what | in KVM |
# |---|---|---|
# | CPU | stage 2 has no page there: data abort to EL2, SPSR_EL2.SS as it was | |
# | kernel | no slot holds the address: read size, direction and register from ESR_EL2 | `io_mem_abort` |
# | kernel | fill in `kvm_run.mmio`, return KVM_EXIT_MMIO | |
# | userspace | find the device; a store hands it the data, a load is answered in `mmio.data` | |
# | userspace | KVM_RUN | |
# | kernel | a load: write the register. Then PC += 4, and SS := 0 | `kvm_handle_mmio_return`, `kvm_incr_pc` |
# | kernel | ERET | |
#
# The address is put together from two registers. HPFAR_EL2 has the page, shifted right by 8; FAR_EL2 has the offset
# within the page:

# %%
access = trap("ldrh w9, [x19, #0x18]")
print(access)
print(f"guest-physical address: {access.hpfar << 8 | access.far & 0xFFF:#x}")

# %% [markdown]
# ### When is it done?
#
# After the *next* KVM_RUN. Userspace that looks at the guest at KVM_EXIT_MMIO sees an instruction that has begun and
# not ended. What should PC be then? Ask some kernels:

# %% name="pc-at-exit"
load = """
    ldr   w2, [x19]          // at 0x40000000
    add   x3, x3, #1
"""
for name in ("v4.3", "v4.15", "v5.0", "v6.14", "fixed"):
    vcpu = Machine(assemble(load), kernels[name]).vcpu
    assert vcpu.run().exit_reason is ExitReason.MMIO
    pc, w2 = vcpu.get_one_reg("pc"), vcpu.get_one_reg("x2")
    print(f"{name:6} at KVM_EXIT_MMIO: PC = {pc:#x}, x2 = {w2:#x}")

# %% [markdown]
# Up to 4.20 the PC had moved on, though the load had no value yet. Christoffer Dall, who maintained KVM on
# Arm, wondered about it on 30 November 2014:
#
# > In any case, I think it was related to how userspace observes the state of the CPU, because when you do the MMIO
# > operation emulation in userspace, currently if you observe the PC though GET_ONE_REG, you'll see a PC pointing to
# > the next instruction, not the one you're emulating which is strange.
#
# Lab 05 takes that up. Here is a recent kernel, Linux 6.14, recorded, and this simulation next to it. Row 2 is the exit, row
# 3 the end of the step:

# %%
RecordedRun("linux-6.14", "c_ldr")

# %% [markdown]
# ### What is not in the syndrome cannot be emulated
#
# KVM does not look at the instruction. All it knows is the syndrome. And the syndrome has room for one register and
# one access:

# %%
for line in ("ldr w2, [x19]", "ldr w2, [x19], #4", "ldp w2, w3, [x19]", "ldadd w1, w2, [x19]"):
    print(trap(line))

# %% [markdown]
# The last three have the same syndrome, and it says nothing: ISV is 0. KVM_RUN fails with [ENOSYS](glossary.md), *function not implemented*. Userspace can ask
# for an exit instead, KVM_EXIT_ARM_NISV, and decode the instruction itself. A guest driver that uses such an
# instruction works on the real device and fails in a virtual machine.
#
# ### What a load brings back
#
# Userspace answers with bytes. The kernel turns them into the value of a register: it extends the sign if SSE says so, and clears
# the upper half for a W register. The device answers 0x80 to `ldrsb x5, [x19]`:

# %% name="sign"
for name in ("v4.3", "v6.14", "v6.18", "v7.2"):
    print(f"{name:6} x5 = {loaded('ldrsb x5, [x19]', 0x80, name):#x}")

# %% [markdown]
# 0x80 is -128, so `x5` should be 0xffffffffffffff80. From 2014 to 2026 no Linux did that, and nobody noticed; 7.2 is the
# first release that does. Here is what a real one left in `x5`, recorded:

# %% name="sign-recorded"
sizes = next(iter(recording.load(recordings_folder()).recordings("linux-6.14", "g_sizes")))
changes = [event["registers"] for event in sizes.events if event["op"] == "KVM_RUN"]
print("Linux 6.14, recorded: x5 =", next(seen["x5"] for seen in changes if "x5" in seen))

# %% [markdown]
# You will do better in task 4.

# %% [markdown]
# ## Try
#
# Six tasks.
#
# **Task 1, `by_hand`.** A guest was trapped with ESR_EL2 = `0x93670005`. Decode it with pencil and paper; then check
# with the ruler. EC is bits 31:26, ISV 24, SAS 23:22, SSE 21, SRT 20:16, SF 15, WnR 6. `bytes` is the size that SAS
# stands for.

# %% name="task-by-hand"
fields = {
    "ec": None,
    "isv": None,
    "bytes": None,
    "sign_extends": None,
    "register": None,
    "sixty_four": None,
    "write": None,
}
### BEGIN SOLUTION
fields = {
    "ec": 0x24,
    "isv": 1,
    "bytes": 2,
    "sign_extends": 1,
    "register": 7,
    "sixty_four": 0,
    "write": 0,
}
### END SOLUTION
lab.check("by_hand", fields)

# %% tags=["solution"]
print(lab.explain("by_hand"))

# %% [markdown]
# **Task 2, `decode`.** Now let a function do it. `decode(0x93820005)` is `"ldr w2"`, `decode(0x93a78005)` is
# `"ldrsw x7"`, `decode(0x93410045)` is `"strh w1"`. Return `None` if the syndrome
# does not say what the access was. Register 31 is `wzr` or `xzr`.


# %% name="task-decode"
def decode(esr):
    ### BEGIN SOLUTION
    if not esr >> 24 & 1:
        return None
    size, sign = esr >> 22 & 3, esr >> 21 & 1
    letter = ("b", "h", "w" if sign else "", "")[size]
    name = "str" if esr >> 6 & 1 else "ldrs" if sign else "ldr"
    number = esr >> 16 & 31
    register = "zr" if number == 31 else str(number)
    return f"{name}{letter} {'x' if esr >> 15 & 1 else 'w'}{register}"
    ### END SOLUTION


lab.check("decode", decode)

# %% tags=["solution"]
print(lab.explain("decode"))

# %% [markdown]
# **Task 3, `order`.** Eight events of one load, on a current kernel. Write their letters in the order in which they
# happen.
#
# | | |
# |---|---|
# | a | the device in userspace answers the load |
# | b | KVM_RUN returns with KVM_EXIT_MMIO |
# | c | the CPU takes a data abort to EL2 |
# | d | the kernel moves the PC past the load |
# | e | the kernel writes the answer to the register |
# | f | userspace calls KVM_RUN again |
# | g | the kernel reads ESR_EL2, FAR_EL2 and HPFAR_EL2 |
# | h | ERET: the guest goes on |

# %% name="task-order"
order = ""
### BEGIN SOLUTION
order = "c g b a f e d h"
### END SOLUTION
lab.check("order", order)

# %% tags=["solution"]
print(lab.explain("order"))

# %% [markdown]
# **Task 4, `extend`.** The last thing that the kernel does for a load: it turns the value that userspace gave into the 64
# bits of the register. `data` is that value, a number of `size` bytes without a sign; `size` is 1, 2, 4 or 8; `sign_extends` and `sixty_four` are the bits SSE and SF.


# %% name="task-extend"
def extend(data, size, sign_extends, sixty_four):
    ### BEGIN SOLUTION
    if sign_extends and data >> (8 * size - 1) & 1:
        data -= 1 << 8 * size
    return data & (0xFFFF_FFFF_FFFF_FFFF if sixty_four else 0xFFFF_FFFF)
    ### END SOLUTION


lab.check("extend", extend)

# %% tags=["solution"]
print(lab.explain("extend"))

# %% [markdown]
# **Task 5, `emulated`.** `x19` points to the UART. Which of these can KVM emulate? Decide first. `trap(...)` knows.

# %% name="task-emulated"
emulated = {
    "str w0, [x19]": None,
    "ldrsb x5, [x19]": None,
    "ldr w2, [x19, x22, lsl #2]": None,
    "str xzr, [x19]": None,
    "ldar w2, [x19]": None,
    "ldr w2, [x19], #4": None,
    "ldp w2, w3, [x19]": None,
    "ldxr w2, [x19]": None,
    "ldadd w1, w2, [x19]": None,
}
### BEGIN SOLUTION
emulated = {line: number < 5 for number, line in enumerate(emulated)}
### END SOLUTION
lab.check("emulated", emulated)

# %% tags=["solution"]
print(lab.explain("emulated"))

# %% [markdown]
# *This is the last third of the lab. Next time, run all cells and go on here.*
#
# **Task 6, `device`.** Write a device. It is a mailbox of 16 bytes:
#
# | offset | name | a store | a load |
# |---|---|---|---|
# | 0 | DATA | puts the value in | takes the oldest value out; 0 if there is none |
# | 8 | COUNT | is ignored | how many values are in |
#
# All other offsets ignore stores and load as 0. `read` and `write` get the offset and the length in bytes. `save`
# returns the state, and `restore` puts it back: the panel needs them to step back.


# %% name="task-device"
class Mailbox:
    name = "mailbox"
    size = 16

    def __init__(self):
        self.values = []

    def read(self, offset, length):
        ### BEGIN SOLUTION
        if offset == 0:
            return self.values.pop(0) if self.values else 0
        return len(self.values) if offset == 8 else 0
        ### END SOLUTION

    def write(self, offset, length, value):
        ### BEGIN SOLUTION
        if offset == 0:
            self.values.append(value)
        ### END SOLUTION

    def save(self):
        ### BEGIN SOLUTION
        return tuple(self.values)
        ### END SOLUTION

    def restore(self, state):
        ### BEGIN SOLUTION
        self.values = list(state)
        ### END SOLUTION


lab.check("device", Mailbox)

# %% tags=["solution"]
print(lab.explain("device"))

# %% [markdown]
# This guest puts two letters into the mailbox at 0x9030000, asks how many are in, takes them out, and prints them.
# When your device is right, the panel appears: step through it, and see your class answer in the lane of userspace.

# %% name="mailbox"
mailbox = program("mailbox")
print(mailbox)

# %% name="your-device"
if lab.check("device", Mailbox).right:
    yours = StepLab(mailbox, kernel="fixed", devices=[(0x0903_0000, Mailbox())])
    for _ in range(6):
        yours.step()
    display(yours)
else:
    print("The guest waits for your device.")

# %% [markdown]
# ## Check yourself

# %% name="check-saved" jupyter={"source_hidden": true}
Question(
    "A debugger steps a guest over a store to a device. Which SPSR_EL2.SS does the data abort save?",
    {
        "0: the step ends with the exception": "The store has not run. 0 would mean that it has.",
        "1: the step is still owed": "Nothing has run. Whoever completes the store must spend the step.",
        "it depends on the device": "The CPU does not know that there is a device.",
    },
    right="1: the step is still owed",
)

# %% name="check-ram" jupyter={"source_hidden": true}
Question(
    "The guest stores to its memory, to a page that it has never touched. Stage 2 has no page there. What does the"
    " kernel do?",
    {
        "KVM_EXIT_MMIO: there is no page": "The address lies in a memory slot. Devices are outside the slots.",
        "it fills the page in, and the store runs again": "Same PC, SS still 1: nothing is skipped.",
        "it does the store itself, and skips it": "It need not: with the page there, the CPU can.",
    },
    right="it fills the page in, and the store runs again",
)

# %% name="check-driver" jupyter={"source_hidden": true}
Question(
    "A driver reads device registers with ldr w2, [x1], #4. It works on hardware, and fails in a virtual machine."
    " What is the best fix?",
    {
        "let KVM read the instruction from memory": "Slow, and another vCPU may change the instruction meanwhile.",
        "use ldr w2, [x1] and add x1, x1, #4": "One register, no writeback: ISV is 1.",
        "map the device as memory": "Then nobody is asked, and the device does not answer.",
    },
    right="use ldr w2, [x1] and add x1, x1, #4",
)

# %%
print(lab.progress())

# %% [markdown]
# ## Read on
#
# * The thread: Dall's answer of 30 November 2014 to *[PATCH 5/7] KVM: arm64: guest debug, add support for
#   single-step*.
# * In Linux: `arch/arm64/kvm/mmio.c` is short, and you know it now. 0d640732dbeb (5.0) moved the advance of the
#   PC to after userspace's answer; 85f56708a443 (7.2, 2026) kept the sign.
# * In the KVM API documentation: KVM_EXIT_MMIO under KVM_RUN, and KVM_CAP_ARM_NISV_TO_USER.
# * In the Arm manual (DDI 0487): the description of ESR_EL2, *ISS encoding for an exception from a Data Abort*.
# * In this project: `aarch64sim/arch/syndrome.py`, `aarch64sim/kvm/mmio.py` (90 lines), `aarch64sim/vmm/devices.py`
#   for more devices.
