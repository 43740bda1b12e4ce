"""Tasks of lab 02 about asking for a step: KVM_SET_GUEST_DEBUG, what is set before the entry, the run loop.

Invariant: what is right is what the host model does when the answer is run.
"""

from __future__ import annotations

from typing import Any

from aarch64sim import ExitReason, GuestDebug
from aarch64sim.vmm import Machine

from checks.lab02.probe import SETS_KDE, Probe, guest
from checks.task import NotAnswered, Wrong, bits, call, entries, expect_type, number

STEPPING = GuestDebug.ENABLE | GuestDebug.SINGLESTEP
PLAIN = "mov x0, #0x41\nadd x1, x1, #1\nadd x2, x2, #1\nloop: b loop"


# --- KVM_SET_GUEST_DEBUG ---------------------------------------------------------------------------------------------


def check_control(answer: Any) -> str:
    """The check of the task `control`."""
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

_ENTRY_BITS = ("tde", "tda", "spsr_ss")


def check_entry(answer: Any) -> str:
    """The check of the task `entry`."""
    given = entries(answer, ("mdscr_el1", *_ENTRY_BITS), "entry")
    given |= bits({name: given[name] for name in _ENTRY_BITS}, _ENTRY_BITS, "entry")
    given["mdscr_el1"] = number(given["mdscr_el1"], "entry['mdscr_el1'] is")
    machine = guest(SETS_KDE, STEPPING)
    probe = Probe(machine.vcpu)
    for _ in range(4):
        machine.run_once(20)
    real = probe.last
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
            raise Wrong("Give serve() the access, run.mmio, not the whole run.")
        reason = machine.vcpu.kvm_run.exit_reason
        if reason is not ExitReason.MMIO:
            raise Wrong(
                f"serve() was called when run.exit_reason was ExitReason.{ExitReason(reason).name}: only at"
                " ExitReason.MMIO there is an access to serve."
            )
        accesses.append("store" if mmio.is_write else "load")
        found = machine.bus.find(mmio.phys_addr, mmio.len)
        assert found
        device, offset = found
        if mmio.is_write:
            device.write(offset, mmio.len, mmio.data)
        else:
            mmio.data = device.read(offset, mmio.len)

    return serve


def check_step(answer: Any) -> str:
    """The check of the task `step`."""
    machine = guest(_LOOP_PROGRAM, STEPPING)
    machine.uart.input = b"h"
    vcpu = machine.vcpu
    accesses: list[Any] = []
    serve = _served(machine, accesses)
    for nth, offset in enumerate(_STOPS, 1):
        before = vcpu.pc
        returned = call(answer, vcpu, serve, lines=60_000, copied=False)
        if returned is None and vcpu.pc == before and nth == 1:
            raise NotAnswered(
                "step() does nothing yet: call vcpu.run(), and look at why it returned."
            )
        where, should = vcpu.pc & 0xFFF, offset
        if where != should and vcpu.kvm_run.exit_reason is ExitReason.MMIO:
            raise Wrong(
                "KVM_EXIT_MMIO is not the end of the step. The store has not been completed: PC still points to it."
                " Serve the access, and call KVM_RUN again.",
                misconception="mmio-is-done",
                evidence=f"step {nth}: KVM_EXIT_MMIO with PC {vcpu.pc:#x}",
            )
        if where > should:
            raise Wrong(
                "After this step PC is one instruction too far. The kernel moves the PC itself when you call KVM_RUN"
                " again; nothing is left for you to move.",
                misconception="mmio-is-done",
                evidence=f"step {nth} should stop at {before & ~0xFFF | should:#x}; PC is {vcpu.pc:#x}",
            )
        if where != should:
            raise Wrong(
                f"Step {nth} should stop at {before & ~0xFFF | should:#x}; PC is {vcpu.pc:#x}."
            )
        if returned is None:
            raise Wrong("step() steps, but returns nothing. Let it return vcpu.get_one_reg('pc').")
        if number(returned, "step() should return") != vcpu.pc:
            raise Wrong(f"step() returned {returned:#x}; PC is {vcpu.pc:#x}.")
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
    call(answer, machine.vcpu, _served(machine, []), lines=60_000, copied=False)
    if machine.vcpu.kvm_run.exit_reason is ExitReason.MMIO:
        raise Wrong(
            "One step may meet more than one KVM_EXIT_MMIO: under Linux 4.3 two stores in a row did. Go on until the"
            " reason is DEBUG, however often that is.",
            misconception="mmio-is-done",
        )
    return "Right: five steps, two accesses served, and no exit mistaken for a stop."
