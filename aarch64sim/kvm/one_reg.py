"""KVM_GET_ONE_REG and KVM_SET_ONE_REG: the guest's registers by name (arch/arm64/kvm/guest.c).

Invariant: what is read is what the guest would find if it ran on now; the host's own debug state never shows, but where
the era lets it.
"""

from __future__ import annotations

import errno

from aarch64sim.arch import sysregs
from aarch64sim.arch.syndrome import system_fields
from aarch64sim.kvm.vcpu_state import VcpuState

_IMPLEMENTATION = ("midr_el1", "revidr_el1", "aidr_el1")
_NUMBERED = frozenset([*(f"x{n}" for n in range(31)), *(f"v{n}" for n in range(32))])
_OSLSR_OSLM = 1 << 3  # the OS Lock is implemented (OSLM 0b10)


def get_one_reg(vcpu: VcpuState, name: str) -> int:
    """KVM_GET_ONE_REG: x0-x30, v0-v31, pc, pstate, sp_el0, sp_el1 or a system register; ENOENT for an unknown name."""
    kind, number = _register(name)
    if kind == "x":
        return vcpu.cpu.r[number]
    if kind == "v":
        return vcpu.cpu.v[number]
    if kind == "sp":
        return vcpu.cpu.get_sp(number)
    if kind in ("pc", "pstate"):
        return int(getattr(vcpu, kind))
    if kind == "oslsr_el1":
        return _OSLSR_OSLM | vcpu.os_lock << 1
    return vcpu.cpu.sys.get(kind)


def set_one_reg(vcpu: VcpuState, name: str, value: int) -> None:
    """KVM_SET_ONE_REG: 64 bits, 128 of a V register; ENOENT for an unknown name, EINVAL if it does not fit."""
    kind, number = _register(name)
    bits = 128 if kind == "v" else 64
    if not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise OSError(errno.EINVAL, f"{name} takes an unsigned {bits}-bit number, not {value!r}")
    vcpu.quick.drop()
    if kind == "x":
        vcpu.cpu.r[number] = value
    elif kind == "v":
        vcpu.cpu.v[number] = value
    elif kind == "sp":
        vcpu.cpu.set_sp(number, value)
    elif kind == "pc":
        vcpu.pc = value
    elif kind == "pstate":
        if value & 0x1F not in (0x0, 0x4, 0x5):
            raise OSError(errno.EINVAL, f"PSTATE {value:#x} is not of EL0t, EL1t or EL1h")
        vcpu.pstate = value
    elif kind == "oslsr_el1":
        if value & ~2 != _OSLSR_OSLM:
            raise OSError(errno.EINVAL, f"OSLSR_EL1 is 0x8, or 0xa when locked, not {value:#x}")
        if value & 2 and not vcpu.vm.kernel.os_lock_emulated:
            raise OSError(errno.EINVAL, f"{vcpu.vm.kernel.title} has no OS Lock to set")
        vcpu.os_lock = value >> 1 & 1
    else:
        _check_invariant(vcpu, kind, value)
        vcpu.cpu.sys.set(kind, value)
        vcpu.cpu.memory.forget_caches()


def _check_invariant(vcpu: VcpuState, name: str, value: int) -> None:
    """EINVAL for another value of a register that says what the CPU is (set_id_reg, set_invariant_sys_reg)."""
    op0, op1, crn, _, _ = system_fields(sysregs.KEYS[name])
    if (op0, crn) != (3, 0) or op1 == 2 or name == "mpidr_el1" or value == vcpu.cpu.sys.get(name):
        return
    if name in _IMPLEMENTATION and vcpu.vm.kernel.implementation_registers_trapped:
        return
    raise OSError(errno.EINVAL, f"{name} says what the CPU is; {vcpu.vm.kernel.title} keeps it")


def _register(name: str) -> tuple[str, int]:
    if name in ("pc", "pstate"):
        return name, 0
    if name in ("sp_el0", "sp_el1"):
        return "sp", int(name[-1])
    if name in _NUMBERED:
        return name[0], int(name[1:])
    if name in sysregs.KEYS and not name.endswith("_el2"):
        return name, 0
    raise OSError(
        errno.ENOENT,
        f"there is no register {name!r}: x0-x30, v0-v31, pc, pstate, sp_el0, mdscr_el1 ...",
    )
