"""Checks of lab 02, the host steps the guest: KVM_SET_GUEST_DEBUG, the run loop, and who sees what.

Invariant: what is right is what the host model does when the answer is run; no check holds a table of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from aarch64sim import AssemblyError, ExitReason, GuestDebug
from aarch64sim.vmm import Machine
from widgets.page.offered import Offer

from checks.lab02.probe import ASKS, SETS_AND_ASKS, SETS_KDE, Probe, guest, views
from checks.task import Lab, NotAnswered, Task, Wrong, call, describe, expect_type

STEPPING = GuestDebug.ENABLE | GuestDebug.SINGLESTEP
PLAIN = "mov x0, #0x41\nadd x1, x1, #1\nadd x2, x2, #1\nloop: b loop"


# --- KVM_SET_GUEST_DEBUG ---------------------------------------------------------------------------------------------


def _check_control(answer: Any) -> str:
    expect_type(answer, int, "a number: the flags, or'ed together")
    value = int(answer)
    machine = guest(PLAIN)
    try:
        machine.vcpu.set_guest_debug(value)
    except OSError as error:
        raise Wrong(f"The ioctl refuses {value:#x} with EINVAL: {error.strerror}.") from None
    if not value & GuestDebug.ENABLE:
        raise Wrong(
            "Without KVM_GUESTDBG_ENABLE the call switches guest debug off, whatever else is set. The guest ran on."
        )
    if not value & GuestDebug.SINGLESTEP:
        raise Wrong(
            "Guest debug is on, but nobody asked for steps: the guest ran freely. (And the guest can no longer use the"
            " debug registers itself.)"
        )
    record = machine.run_once(20)
    assert record.reason == "DEBUG"
    if value != STEPPING:
        raise Wrong(
            f"{value:#x} steps, but it asks for breakpoints, too. Use the two flags that are needed."
        )
    return f"Right: KVM_RUN came back with KVM_EXIT_DEBUG and PC {record.pc:#x}."


# --- what is set before the entry ------------------------------------------------------------------------------------

_ENTRY_BITS = ("mdscr_el1", "tde", "tda", "spsr_ss")


def _check_entry(answer: Any) -> str:
    expect_type(answer, Mapping, f"a dictionary with the keys {', '.join(_ENTRY_BITS)}")
    for name in _ENTRY_BITS:
        if answer.get(name) is None:
            raise NotAnswered(f"entry[{name!r}] is still open.")
        if not isinstance(answer[name], int):
            raise Wrong(f"entry[{name!r}] is a number, not {describe(answer[name])}.")
        if name != "mdscr_el1" and answer[name] not in (0, 1):
            raise Wrong(f"entry[{name!r}] is a bit: 0 or 1, not {describe(answer[name])}.")
    machine = guest(SETS_KDE, STEPPING)
    probe = Probe(machine.vcpu)
    for _ in range(4):
        machine.run_once(20)
    real = probe.last
    given = {name: int(answer[name]) for name in _ENTRY_BITS}
    if given["mdscr_el1"] == 0x2001:
        raise Wrong(
            "So it was up to 6.13: the host's SS beside the guest's KDE. `fixed` does it as Linux does from 6.14 on: the"
            " guest's own value is put away as a whole while the host debugs, and only the host's bit is in the CPU."
        )
    if given["mdscr_el1"] == 0:
        raise Wrong("With MDSCR_EL1.SS = 0 the machine would be inactive: no step at all.")
    if given["mdscr_el1"] == 0x2000:
        raise Wrong(
            "That is the guest's own value. With it nobody would step: SS is 0. Who wants steps, and whose bit must be in"
            " the register?"
        )
    if given["tde"] != real.tde:
        raise Wrong(
            "Without TDE the debug target level is EL1: the guest's kernel would get the host's step exceptions."
            " MDSCR_EL1.SS alone does not step for the host.",
            misconception="mdscr-alone",
        )
    if given["tda"] != real.tda:
        raise Wrong(
            "Without TDA the guest's MRS would read the real register, and see the host's bit; its MSR would destroy"
            " it."
        )
    if given["spsr_ss"] != real.spsr_ss:
        raise Wrong(
            "With SPSR_EL2.SS = 0 the guest is active-pending right after the ERET: it stops without having run. It is"
            " not a way to leave stepping off.",
            misconception="ss0-is-off",
        )
    if given["mdscr_el1"] != real.mdscr_el1:
        raise Wrong(
            f"MDSCR_EL1 is not {given['mdscr_el1']:#x}: one bit of it is set, and it is bit 0."
        )
    return f"Right. The probe says: {real}."


# --- the run loop ----------------------------------------------------------------------------------------------------

_LOOP_PROGRAM = """
        mov   x0, #0x41
        str   w0, [x19]
        add   x1, x1, #1
        ldr   w2, [x19]
        add   x3, x3, #1
loop:   b     loop
"""
_TWO_STORES = "str w0, [x19]\nstr w0, [x19]\nadd x1, x1, #1\nloop: b loop"
_STOPS = (0x4, 0x8, 0xC, 0x10, 0x14)


def _served(machine: Machine, accesses: list[str]) -> Any:
    def serve(mmio: Any) -> None:
        if not hasattr(mmio, "is_write"):
            raise Wrong("give serve() the access, run.mmio, not the whole run")
        accesses.append("store" if mmio.is_write else "load")
        found = machine.bus.find(mmio.phys_addr, mmio.len)
        assert found
        device, offset = found
        if mmio.is_write:
            device.write(offset, mmio.len, mmio.data)
        else:
            mmio.data = device.read(offset, mmio.len)

    return serve


def _bound(function: Any, *arguments: Any) -> Any:
    """Call a learner's function with these very objects: a vCPU cannot be copied, and this one is thrown away."""
    if not callable(function):
        return call(function)  # says what it is

    @functools.wraps(function)
    def bound() -> Any:
        return function(*arguments)

    return call(bound, lines=60_000)


def _check_step(answer: Any) -> str:
    machine = guest(_LOOP_PROGRAM, STEPPING)
    machine.uart.input = b"h"
    vcpu = machine.vcpu
    accesses: list[Any] = []
    serve = _served(machine, accesses)
    for number, offset in enumerate(_STOPS, 1):
        before = vcpu.pc
        returned = _bound(answer, vcpu, serve)
        if returned is None and vcpu.pc == before and number == 1:
            raise NotAnswered(
                "step() does nothing yet: call vcpu.run(), and look at why it returned."
            )
        where, should = vcpu.pc & 0xFFF, offset
        if where != should and vcpu.kvm_run.exit_reason is ExitReason.MMIO:
            raise Wrong(
                "KVM_EXIT_MMIO is not the end of the step. The store has not been completed: PC still points to it."
                " Serve the access, and call KVM_RUN again.",
                misconception="mmio-is-done",
                evidence=f"step {number}: KVM_EXIT_MMIO with PC {vcpu.pc:#x}",
            )
        if where > should:
            raise Wrong(
                "After this step PC is one instruction too far. The kernel moves the PC itself when you call KVM_RUN"
                " again; nothing is left for you to move.",
                misconception="mmio-is-done",
                evidence=f"step {number} should stop at {before & ~0xFFF | should:#x}; PC is {vcpu.pc:#x}",
            )
        if where != should:
            raise Wrong(
                f"Step {number} should stop at {before & ~0xFFF | should:#x}; PC is {vcpu.pc:#x}."
            )
        if returned is None:
            raise Wrong("step() steps, but returns nothing. Let it return vcpu.get_one_reg('pc').")
        if returned != vcpu.pc:
            raise Wrong(f"step() returned {describe(returned)}; PC is {vcpu.pc:#x}.")
    if (vcpu.get_one_reg("x1"), vcpu.get_one_reg("x3")) != (1, 1):
        raise Wrong(
            "The stops look right, but an add never ran. At KVM_EXIT_MMIO the instruction is not done; the kernel"
            " completes it in the next KVM_RUN, and moves the PC itself. You moved it a second time.",
            misconception="mmio-is-done",
        )
    if accesses != ["store", "load"]:
        raise Wrong(
            f"Your loop served {len(accesses)} accesses; the guest made 2, one store and one load. Each KVM_EXIT_MMIO"
            " needs one serve(run.mmio), or the guest reads what happens to lie in the shared page."
        )
    machine = guest(_TWO_STORES, STEPPING, "v4.3")
    _bound(answer, machine.vcpu, _served(machine, []))
    if machine.vcpu.kvm_run.exit_reason is ExitReason.MMIO:
        raise Wrong(
            "One step may meet more than one KVM_EXIT_MMIO: under Linux 4.3 two stores in a row did. Go on until the"
            " reason is DEBUG, however often that is.",
            misconception="mmio-is-done",
        )
    return "Right: five steps, two accesses served, and no exit mistaken for a stop."


# --- who sees what ---------------------------------------------------------------------------------------------------

SITUATIONS = {
    "stepped": ("the host steps; the guest has never touched MDSCR_EL1", ASKS, 3),
    "both": ("the host steps; the guest has written 0x2000", SETS_KDE, 3),
    "enable": ("ENABLE without SINGLESTEP; the guest has written 0x2001", SETS_AND_ASKS, 1),
    "nobody": ("no guest debug; the guest has written 0x2001", SETS_AND_ASKS, 0),
}


def _check_views(answer: Any) -> str:
    expect_type(answer, Mapping, f"a dictionary with the keys {', '.join(SITUATIONS)}")
    for name, (words, _, _) in SITUATIONS.items():
        given = answer.get(name)
        if given is None or (isinstance(given, tuple | list) and None in given):
            raise NotAnswered(f"views[{name!r}] is still open: {words}.")
        numbers = isinstance(given, tuple | list) and all(isinstance(one, int) for one in given)
        if not numbers or len(given) != 3:
            raise Wrong(f"views[{name!r}] should be three numbers: MRS, GET_ONE_REG, the CPU.")
    for name, (words, source, control) in SITUATIONS.items():
        mrs, one_reg, cpu = answer[name]
        real = views(source, control)
        shown = f"the situation: {words}"
        if one_reg != real[1] and one_reg == real[2]:
            raise Wrong(
                f"{name}: GET_ONE_REG does not show the host's SS. It is made for saving and moving a guest, so it"
                " shows the guest's own value; the host's bit is in the register only while the guest runs.",
                misconception="shows-host-ss",
                evidence=shown,
            )
        if mrs != real[0] and mrs == real[2]:
            raise Wrong(
                f"{name}: the guest does not read the register. With TDA its MRS is trapped, and the kernel answers"
                " with the guest's own value.",
                evidence=shown,
            )
        if (mrs, one_reg) != real[:2]:
            raise Wrong(
                f"{name}: what did the guest write last? That is what MRS and GET_ONE_REG show."
            )
        if cpu & 0x2000 and control:
            raise Wrong(
                f"{name}: that was so up to 6.13. Under `fixed`, while the host debugs, the guest's KDE and SS are put away and"
                " not in the CPU.",
                evidence=shown,
            )
        if cpu != real[2] and control == GuestDebug.ENABLE:
            raise Wrong(
                f"{name}: nobody steps here. The host did not ask for it, and the guest is not allowed to.",
                evidence=shown,
            )
        if cpu != real[2]:
            raise Wrong(
                f"{name}: think of who steps. Its SS must be in the CPU's register, or there is no step.",
                evidence=shown,
            )
    return "Right, all twelve. The guest and GET_ONE_REG always agree, and the CPU need not agree with either."


# --- a guest that notices --------------------------------------------------------------------------------------------

MOST_STEPS = 3000


def _x0_at_the_end(source: str, control: int) -> int | None:
    """What a program leaves in x0; None if it does not end."""
    machine = guest(source, control)
    runs = 0
    while not machine.ended:
        machine.run_once(MOST_STEPS)
        runs += 1
        if runs > (MOST_STEPS if control else 3):
            return None
    if machine.exit_device.value is None:
        raise Wrong(f"The program should end with str w20, [x20]. It ended so: {machine.ended}.")
    return machine.vcpu.get_one_reg("x0")


def _check_notice(answer: Any) -> str:
    expect_type(answer, str, "the text of a program")
    if not answer.strip():
        raise NotAnswered("notice is empty: write the program.")
    try:
        free = _x0_at_the_end(answer, 0)
        stepped = _x0_at_the_end(answer, STEPPING)
    except AssemblyError as error:
        raise Wrong(f"The program does not assemble: {error}") from None
    if free is None:
        raise Wrong("Left alone, your program does not end.")
    if stepped is None:
        raise Wrong(
            f"Under the debugger your program has not ended after {MOST_STEPS} steps. You are on the right track: something"
            " never succeeds while it is stepped. Do not wait for it; look at it once."
        )
    if (free, stepped) == (0, 1):
        return "Right: x0 is 0 when the guest runs freely, and 1 when it is stepped. The guest has noticed."
    if free == stepped and "mdscr_el1" in answer.lower():
        raise Wrong(
            f"x0 is {free:#x} in both cases. MRS of MDSCR_EL1 is answered by the kernel, and it says nothing about"
            " the host. Neither does anything else that shows the guest's own state.",
            misconception="shows-host-ss",
        )
    if free == stepped:
        raise Wrong(
            f"x0 is {free:#x} in both cases: your program cannot tell. The guest's registers are put back as they were,"
            " and a counter counts only the guest's own instructions here. What does an exception between two"
            " instructions disturb?"
        )
    if (free, stepped) == (1, 0):
        raise Wrong(
            "The other way round: x0 should be 1 when the guest is stepped, and 0 when it is free."
        )
    raise Wrong(
        f"Your program can tell: x0 is {free:#x} when free and {stepped:#x} when stepped. Turn that into 0 and 1."
    )


LAB = Lab(
    "02",
    [
        Task(
            "control",
            "Give the value of `control` with which KVM_SET_GUEST_DEBUG asks for single-stepping.",
            _check_control,
            "control is None: give the flags.",
            (
                "There are two flags to set: one switches guest debug on, one says what is wanted.",
                "GuestDebug.ENABLE is 1, GuestDebug.SINGLESTEP is 2.",
            ),
            "KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, that is 3. ENABLE alone is worth knowing, too: it takes"
            " the debug registers away from the guest, and steps nothing. Flags that arm64 does not know are refused"
            " with EINVAL; x86 has one that holds interrupts back while stepping (BLOCKIRQ), arm64 has none.",
            numeric=True,
        ),
        Task(
            "entry",
            "Give the bits that are in the CPU at the ERET, while the host steps a guest that has written 0x2000, under fixed.",
            _check_entry,
            "entry is None: give the dictionary.",
            (
                "The host needs three things: the switch, the path to EL2, and a permission for one instruction.",
                "And a fourth, so that the guest does not notice.",
                "From 6.14 on the guest's own KDE and SS are not in the register while the host debugs.",
            ),
            "MDSCR_EL1 = 1: the host's SS, and nothing of the guest's (up to 6.13 the guest's KDE stayed). MDCR_EL2.TDE = 1: debug exceptions go to EL2,"
            " so the guest is below the debug target level and KDE and PSTATE.D do not count. SPSR_EL2.SS = 1: one"
            " instruction. MDCR_EL2.TDA = 1: the guest's accesses to its debug registers are trapped and answered"
            " from the saved copy.",
            ("mdscr-alone", "ss0-is-off"),
            numeric=True,
        ),
        Task(
            "step",
            "Write step(vcpu, serve): KVM_RUN until KVM_EXIT_DEBUG, serving MMIO on the way; return the PC.",
            _check_step,
            "step is None: write the function.",
            (
                "vcpu.run() returns the shared page: run.exit_reason is ExitReason.DEBUG, ExitReason.MMIO ...",
                "At KVM_EXIT_MMIO call serve(run.mmio), and call vcpu.run() again.",
                "Only KVM_EXIT_DEBUG ends the loop.",
            ),
            "A step is as many KVM_RUNs as it takes. The access is complete only after"
            " the next KVM_RUN; the documentation of KVM_RUN says so. So userspace never moves the PC: the kernel"
            " does, when it is asked to go on.",
            ("mmio-is-done",),
            "while True:\n    run = vcpu.run()\n    if run.exit_reason is ExitReason.DEBUG:\n"
            "        return vcpu.get_one_reg('pc')\n    if run.exit_reason is ExitReason.MMIO:\n"
            "        serve(run.mmio)",
        ),
        Task(
            "views",
            "Give MDSCR_EL1 as the guest's MRS, GET_ONE_REG and the CPU have it, in four situations, under fixed.",
            _check_views,
            "views is None: give the dictionary.",
            (
                "MRS and GET_ONE_REG show the guest's own value: what the guest wrote last.",
                "In the CPU, while the guest runs, is the value of whoever steps.",
                "With ENABLE alone nobody steps: the host does not want to, the guest may not.",
            ),
            "The first two columns are the guest's own value, always: 0, or what it wrote. The third is"
            " the host's while the host debugs: 1 with SINGLESTEP, 0 without. Only when nobody debugs the guest, all"
            " three are the same.",
            ("shows-host-ss",),
            numeric=True,
        ),
        Task(
            "notice",
            "Write a guest program that leaves 1 in x0 if it is being stepped, and 0 if not.",
            _check_notice,
            "notice is None: write the program.",
            (
                "Registers that KVM shows to the guest are no help. Look for an effect of stepping on other"
                " instructions.",
                "Every step is an exception and an ERET. What does an ERET do to an LDXR that waits for its STXR?",
                "Write ldxr w1, [x21], then stxr w0, w1, [x21]: W0 is 1 if the store has failed. Touch the memory"
                " before, so that no page fault comes between the two.",
            ),
            "A store-exclusive fails if an exception came after the load-exclusive, since the ERET clears the"
            " exclusive monitor. Stepped, there is always one. So a loop that waits for a store-exclusive never ends"
            " while it is stepped. Debuggers run such a sequence as one. A second way: take an undefined instruction"
            " and look at SPSR_EL1. The CPU saves the host's SS there.",
            ("shows-host-ss",),
            "str   w1, [x21]          // the page is there from now on\nldxr  w1, [x21]\n"
            "stxr  w0, w1, [x21]      // 0: stored. 1: the reservation was lost\nstr   w20, [x20]",
        ),
    ],
    Offer(what_ifs=False, summaries=False),
)
