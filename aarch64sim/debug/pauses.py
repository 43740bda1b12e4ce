"""Stops that are more than a step: before a watched access, after it, at the guest's own BRK.

Invariant: what is said and done follows from the machine's state at the stop, so that a replay does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aarch64sim.arch import syndrome, sysregs
from aarch64sim.arch.pstate import DAIF, EL1H, kept_at_a_vector, vector_offset
from aarch64sim.arch.registers import MASK64
from aarch64sim.debug.guest import word
from aarch64sim.debug.points import Points, Watchpoint
from aarch64sim.debug.stops import EXCLUSIVE
from aarch64sim.events import Change, Event, Lane, What
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.vmm.machine import ExitRecord, Machine

Note = tuple[str, str]  # the reason of a stop, and the sentence about it


def before_watched_access(machine: Machine, points: Points) -> Note:
    """KVM_EXIT_DEBUG came from a watchpoint: the access is still to be made."""
    watchpoint, is_write = hit(machine, points)
    what = "store to" if is_write else "load from"
    return (
        "watchpoint",
        f"Stopped at {machine.vcpu.pc:#x}, in front of a {what} {watchpoint.address:#x}.",
    )


def pass_watchpoint(machine: Machine, points: Points) -> Callable[[], Note | None]:
    """In front of a watched access: what says old and new value once it was made, if it is still watched."""
    watchpoint, is_write = hit(machine, points)
    if watchpoint not in points.watchpoints:
        return lambda: None
    old, pc = _value(machine, watchpoint), machine.vcpu.pc
    lost = f" {EXCLUSIVE}" if machine.vcpu.cpu.monitor is not None else ""

    def say() -> Note:
        new = _value(machine, watchpoint)
        if is_write:
            text = f"The instruction at {pc:#x} stored to {watchpoint.address:#x}: {old:#x} -> {new:#x}."
        else:
            text = f"The instruction at {pc:#x} loaded from {watchpoint.address:#x}: {new:#x}."
        return "watchpoint", text + lost

    return say


def hit(machine: Machine, points: Points) -> tuple[Watchpoint, bool]:
    """Which watchpoint KVM_EXIT_DEBUG is about, and whether the access is a store (ESR_EL2.WnR).

    FAR is a byte that is watched; of DC ZVA it may be another one of the block, and before 6.4 it is of another access.
    """
    debug = machine.vcpu.kvm_run.debug
    far, is_write = debug.far, syndrome.is_write(debug.hsr)
    watching = [
        w for w in points.watchpoints if not w.mmio and w.meets(w.address, 1, is_write=is_write)
    ]
    at_far = (w for w in watching if w.meets(far, 1, is_write=is_write))
    found = next(at_far, watching[0] if watching else Watchpoint(far, 1))
    return found, is_write


def _value(machine: Machine, watchpoint: Watchpoint) -> int:
    """What is in the watched range; of a long one the first 8 bytes."""
    return word(machine, watchpoint.address, min(8, watchpoint.size))


def watched_mmio(
    machine: Machine, watchpoints: Sequence[Watchpoint], exit_: ExitRecord
) -> Note | None:
    """After KVM_EXIT_MMIO was answered: what to say if the access is watched."""
    mmio = machine.vcpu.kvm_run.mmio
    if any(w.meets(mmio.phys_addr, mmio.len, is_write=mmio.is_write) for w in watchpoints):
        return "watchpoint", f"Watched device access: {exit_.text}."
    return None


def reinject_brk(machine: Machine) -> None:
    """The guest's own BRK: give it the exception that KVM took away, through KVM_SET_ONE_REG, as QEMU does."""
    vcpu = machine.vcpu
    pc, pstate = vcpu.pc, vcpu.get_one_reg("pstate")
    sctlr = vcpu.get_one_reg("sctlr_el1")
    span, dssbs = sctlr & sysregs.SCTLR_SPAN, sctlr & sysregs.SCTLR_DSSBS
    values = {
        "elr_el1": pc,
        "spsr_el1": pstate,
        "esr_el1": vcpu.kvm_run.debug.hsr,
        "pstate": kept_at_a_vector(pstate, span=span, dssbs=dssbs) | DAIF | EL1H,
        "pc": vcpu.get_one_reg("vbar_el1") + vector_offset(pstate) & MASK64,
    }
    changes = tuple(Change(name, vcpu.get_one_reg(name), value) for name, value in values.items())
    for name, value in values.items():
        vcpu.set_one_reg(name, value)
    vcpu.cpu.note_raised(vcpu.kvm_run.debug.hsr, pc)
    vcpu.kvm_run.exit_reason = ExitReason.UNKNOWN
    if machine.log.watching:
        state = vcpu.cpu.step_state()
        text = f"the BRK at {pc:#x} is the guest's own: the debugger puts the guest at its vector"
        machine.log.write(
            Event(Lane.DEBUGGER, What.INJECT, pc, state, state, changes, text, kind="BRK")
        )
