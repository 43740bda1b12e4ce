"""What a debugger sees of the guest: registers as KVM_GET_ONE_REG gives them, and memory.

Invariant: nothing here changes the guest.
"""

from __future__ import annotations

from aarch64sim.vmm.machine import Machine

GUEST_REGISTERS = (
    *(f"x{n}" for n in range(31)),
    *("sp", "pc", "pstate", "elr_el1", "spsr_el1", "esr_el1", "far_el1", "vbar_el1", "mdscr_el1"),
)


def current_sp(machine: Machine) -> str:
    """The stack pointer that the guest uses now, by the name KVM knows it under: sp_el0 or sp_el1."""
    return "sp_el1" if machine.vcpu.pstate & 1 else "sp_el0"


def register(machine: Machine, name: str) -> int:
    """One of `GUEST_REGISTERS`, 64 bits; `sp` is the current one."""
    return machine.vcpu.get_one_reg(current_sp(machine) if name == "sp" else name)


def registers(machine: Machine) -> dict[str, int]:
    """All of them."""
    return {name: register(machine, name) for name in GUEST_REGISTERS}


def word(machine: Machine, address: int, size: int) -> int:
    """`size` bytes of guest memory, little-endian; 0 where there is no memory."""
    try:
        return int.from_bytes(machine.vm.read_memory(address, size), "little")
    except OSError:
        return 0
