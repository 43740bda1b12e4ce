"""Guest debug: whose step bits and breakpoints are in the registers, and when (arch/arm64/kvm/debug.c).

Invariant: `arm_step` and `disarm_step` stand around every guest entry; between them the guest runs with the host's
debug state, outside them everybody sees the guest's own, as far as the era gives it back.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence

from aarch64sim.arch import sysregs
from aarch64sim.arch.registers import MASK32
from aarch64sim.events import Change, What
from aarch64sim.kvm.kernels import Arming
from aarch64sim.kvm.vcpu_state import GuestDebug, VcpuState

# Traps that KVM always sets in MDCR_EL2.
MDCR_OF_KVM = sysregs.MDCR_TPM | sysregs.MDCR_TDOSA | sysregs.MDCR_TDRA
_WATCHPOINT_CONTROL = 0xF << 5 | 3 << 3 | 3 << 1 | 1  # BAS=0xf, load and store, EL0 and EL1
_DEBUG_REGISTERS = [name for name in sysregs.KEYS if re.fullmatch(r"dbg[bw][vc]r\d+_el1", name)]
_OWNED = frozenset([*_DEBUG_REGISTERS, "mdscr_el1", "mdccint_el1"])
_BREAKPOINT_CONTROL = 0xF << 5 | 3 << 1 | 1


def set_guest_debug(
    vcpu: VcpuState,
    control: int,
    *,
    hwbp: Sequence[int] = (),
    hwwp: Sequence[int | tuple[int, int]] = (),
) -> None:
    """KVM_SET_GUEST_DEBUG: `control` is GuestDebug bits (EINVAL for others), with addresses of hardware
    breakpoints and watchpoints for USE_HW (at most 16 each, EINVAL). Without ENABLE debugging is off.

    A watchpoint is an address (four bytes there, loads and stores), or the values of DBGWVR and DBGWCR.
    """
    known = GuestDebug.ENABLE | GuestDebug.SINGLESTEP | GuestDebug.USE_SW_BP | GuestDebug.USE_HW
    if unknown := control & ~int(known):  # the complement of an IntFlag is not that of its number
        raise OSError(errno.EINVAL, f"arm64 has no KVM_GUESTDBG flags {unknown:#x}")
    if len(hwbp) > 16 or len(hwwp) > 16:
        raise OSError(errno.EINVAL, "there are at most 16 hardware breakpoints and watchpoints")
    vcpu.quick.drop()
    vcpu.cpu.memory.forget_caches()  # whose watchpoints are on the CPU may change
    vcpu.guest_debug = GuestDebug(control) if control & GuestDebug.ENABLE else GuestDebug(0)
    if not vcpu.guest_debug:
        vcpu.step_pending = False
    vcpu.hw_registers = {}
    for n, address in enumerate(hwbp):
        vcpu.hw_registers[f"dbgbvr{n}_el1"] = address
        vcpu.hw_registers[f"dbgbcr{n}_el1"] = _BREAKPOINT_CONTROL
    for n, entry in enumerate(hwwp):
        address, wcr = entry if isinstance(entry, tuple) else (entry, _WATCHPOINT_CONTROL)
        vcpu.hw_registers[f"dbgwvr{n}_el1"] = address
        vcpu.hw_registers[f"dbgwcr{n}_el1"] = wcr


def arm_step(vcpu: VcpuState) -> None:
    """Put the host's debug state in place of the guest's (kvm_arm_setup_debug, kvm_vcpu_load_debug)."""
    sys = vcpu.cpu.sys
    if not vcpu.guest_debug:
        vcpu.guest_registers = {"mdscr_el1": _guest_mdscr(vcpu)} if vcpu.os_lock else {}
        vcpu.guest_ss = vcpu.cpu.pstate.ss
        enabled = sys.mdscr_el1 & (sysregs.MDSCR_KDE | sysregs.MDSCR_MDE)
        if enabled and vcpu.vm.kernel.debug_registers_owned:
            vcpu.debug_registers_used = True
        own = vcpu.debug_registers_used and not vcpu.os_lock
        if own and sys.mdcr_el2 & sysregs.MDCR_TDA:
            _load_debug_registers(vcpu)
        sys.mdcr_el2 = MDCR_OF_KVM | (0 if own else sysregs.MDCR_TDA)
        if vcpu.os_lock:
            sys.mdscr_el1 &= ~(sysregs.MDSCR_SS | sysregs.MDSCR_MDE)
        return
    state = vcpu.cpu.pstate
    old = state.ss
    vcpu.guest_registers = {"mdscr_el1": _guest_mdscr(vcpu)}
    vcpu.guest_ss = old
    sys.mdcr_el2 = MDCR_OF_KVM | sysregs.MDCR_TDA | sysregs.MDCR_TDE
    mdscr = sys.mdscr_el1 & ~sysregs.MDSCR_SS
    if vcpu.vm.kernel.guest_breakpoints_put_away or vcpu.os_lock:
        mdscr &= ~(sysregs.MDSCR_KDE | sysregs.MDSCR_MDE)
    if vcpu.single_stepping:
        mdscr |= sysregs.MDSCR_SS
        state.ss = armed_ss(vcpu)
    if vcpu.guest_debug & GuestDebug.USE_HW:
        mdscr |= sysregs.MDSCR_MDE
        for name in _DEBUG_REGISTERS:
            vcpu.guest_registers[name] = sys.get(name)
            sys.set(name, vcpu.hw_registers.get(name, 0))
        vcpu.cpu.memory.forget_caches()
    elif vcpu.debug_registers_used and not vcpu.vm.kernel.guest_breakpoints_put_away:
        _load_debug_registers(vcpu)
    sys.mdscr_el1 = mdscr
    if vcpu.vm.log.watching and vcpu.single_stepping:
        spent = "" if state.ss else ", but not SPSR_EL2.SS: a step is pending"
        vcpu.note(
            What.ARM,
            f"MDSCR_EL1.SS is set{spent}",
            ss_change(old, state.ss),
            commit="370531d1e95b" if spent else "337b99bf7edf",
        )


def _load_debug_registers(vcpu: VcpuState) -> None:
    """From the kernel's memory into the CPU, which keeps what it can of them."""
    sys = vcpu.cpu.sys
    for name in _DEBUG_REGISTERS:
        sys.set(name, sysregs.kept(name, sys.get(name)))


def armed_ss(vcpu: VcpuState) -> int:
    """SPSR_EL2.SS with which the next entry of a stepped guest is armed: 0 if the kernel remembers a pending step."""
    return int(not vcpu.step_pending or vcpu.vm.kernel.arming is not Arming.UNLESS_PENDING)


def _guest_mdscr(vcpu: VcpuState) -> int:
    """The guest's MDSCR_EL1, as it is put aside (save_guest_debug_regs)."""
    value = vcpu.cpu.sys.mdscr_el1
    return value & MASK32 if vcpu.vm.kernel.guest_mdscr_cut else value


def disarm_step(vcpu: VcpuState) -> None:
    """Put the guest's debug state back (kvm_arm_clear_debug, kvm_vcpu_put_debug)."""
    sys = vcpu.cpu.sys
    if not vcpu.vm.kernel.debug_registers_owned:
        vcpu.debug_registers_used = False
    for name, value in vcpu.guest_registers.items():
        sys.set(name, value)
    if not (vcpu.guest_debug or vcpu.os_lock):
        return
    if vcpu.guest_debug & GuestDebug.USE_HW:
        vcpu.cpu.memory.forget_caches()
    if not vcpu.cpu.pstate.ss and vcpu.vm.kernel.arming is Arming.UNLESS_PENDING:
        remember_step(vcpu)
    unstepped = not vcpu.single_stepping
    if vcpu.vm.kernel.guest_ss_preserved and not (unstepped and vcpu.vm.kernel.unstepped_ss_lost):
        vcpu.cpu.pstate.ss = vcpu.guest_ss


def debug_register_trapped(vcpu: VcpuState, name: str, *, read: bool) -> None:
    """The guest has used one of its debug registers (kvm_debug_set_guest_ownership, and DEBUG_DIRTY before)."""
    if name in _OWNED and (vcpu.vm.kernel.debug_registers_owned or not read):
        vcpu.debug_registers_used = True


def remember_step(vcpu: VcpuState) -> None:
    """The host's step is spent: do not arm it again."""
    if vcpu.single_stepping:
        vcpu.step_pending = True


def ss_change(old: int, new: int) -> tuple[Change, ...]:
    """The change of SPSR_EL2.SS, for an event."""
    return (Change("spsr_el2.ss", old, new),) if old != new else ()
