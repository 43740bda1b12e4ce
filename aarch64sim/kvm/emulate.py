"""What KVM emulates without leaving the kernel: system registers, WFI (arch/arm64/kvm/sys_regs.c, handle_exit.c).

Invariant: whatever is emulated is skipped by `VcpuState.skip_instruction` and nothing else.
"""

from __future__ import annotations

from aarch64sim.arch import sysregs
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.registers import destination, source
from aarch64sim.arch.syndrome import is_wfe, system_fields, trapped_system_access
from aarch64sim.events import Change, What
from aarch64sim.kvm import one_reg
from aarch64sim.kvm.adjust_pc import inject_undefined
from aarch64sim.kvm.guest_debug import debug_register_trapped
from aarch64sim.kvm.kernels import PmuAccess
from aarch64sim.kvm.vcpu_state import VcpuState
from aarch64sim.limits import LIMITS

_READ_AS_ZERO = frozenset(
    {
        "oslar_el1",
        "osdlr_el1",
        "mdrar_el1",
        "dbgauthstatus_el1",
        "dbgclaimset_el1",
        "dbgclaimclr_el1",
    }
    | {"lorsa_el1", "lorea_el1", "lorn_el1", "lorc_el1", "lorid_el1"}
)
_WRITE_IGNORED = _READ_AS_ZERO | {"actlr_el1"}
_RAS = ("erridr_", "errselr_", "erx")  # error records: none, so they read as zero
_CACHES = 14  # CSSELR_EL1 values that name a cache: seven levels, each with InD 0 and 1
_CACHE_ENABLED = 0b101  # SCTLR_EL1.C and .M


def handle_system_register(vcpu: VcpuState, taken: Taken) -> int:
    """A trapped MRS, MSR or SYS (kvm_handle_sys_reg)."""
    key, rt, read = trapped_system_access(taken.esr or 0)
    op0, _, crn, _, op2 = system_fields(key)
    name = sysregs.NAMES.get(key, "")
    sys, r = vcpu.cpu.sys, vcpu.cpu.r
    if op0 == 1 and crn == 7 and op2 == 2:
        vcpu.note(What.EMULATE, "cache maintenance by set/way is emulated")
    elif name.startswith("pm"):
        if vcpu.vm.kernel.pmu_access is PmuAccess.UNDEFINED:
            inject_undefined(vcpu)
            return 1
        if read:
            r[destination(rt)] = 0
    elif not name or name.startswith("icc_"):  # no interrupt controller in the kernel
        inject_undefined(vcpu)
        return 1
    elif read:
        value = _value_shown(vcpu, name, r[source(rt)])
        old, r[destination(rt)] = r[destination(rt)], value
        change = (Change(f"x{rt}", old, value),) if rt != 31 else ()
        vcpu.note(What.EMULATE, f"the read of {name} is emulated: {value:#x}", change, kind=name)
    else:
        value = r[source(rt)]
        mmu_on = name == "sctlr_el1" and value & sysregs.SCTLR_M
        said = f" ({LIMITS['stage 1']})" if mmu_on else ""
        vcpu.note(What.EMULATE, f"the write of {value:#x} to {name} is emulated{said}", kind=name)
        if name == "oslar_el1" and vcpu.vm.kernel.os_lock_emulated:
            vcpu.os_lock = value & 1
        elif name not in _WRITE_IGNORED and not name.startswith(_RAS):
            sys.set(name, value if _stays_in_memory(name) else sysregs.kept(name, value))
        if name == "sctlr_el1":
            vcpu.cpu.memory.forget_caches()
            if value & _CACHE_ENABLED == _CACHE_ENABLED:
                sys.hcr_el2 &= ~sysregs.HCR_TVM  # kvm_toggle_cache: no need to watch any longer
    debug_register_trapped(vcpu, name, read=read)
    vcpu.skip_instruction()
    return 1


def _stays_in_memory(name: str) -> bool:
    """The kernel's own copy is what the guest reads back, not what the CPU keeps of it (until it is loaded)."""
    return name.startswith("dbg") or name == "csselr_el1"


def _value_shown(vcpu: VcpuState, name: str, xt: int) -> int:
    """What a trapped read of a system register gives the guest; `xt` is what the register held before."""
    sys = vcpu.cpu.sys
    if name in _READ_AS_ZERO or name.startswith(_RAS):
        return 0
    if name == "oslsr_el1":
        return one_reg.get_one_reg(vcpu, name)
    if name == "ccsidr_el1":
        if sys.get("csselr_el1") & 15 >= _CACHES:
            return xt
        ctr, instruction = sys.get("ctr_el0"), sys.get("csselr_el1") & 1
        words = ctr & 15 if instruction else ctr >> 16 & 15  # log2 of the line's size in words
        return words - 2  # one set, one way; log2 of the line's size in bytes, less 4 (get_ccsidr)
    return sys.get(name)


def interrupt_line(vcpu: VcpuState, level: int) -> None:
    """The vCPU's IRQ input is at `level` now (vcpu_interrupt_line): a pending interrupt is HCR_EL2.VI."""
    vcpu.quick.drop()
    sys = vcpu.cpu.sys
    sys.hcr_el2 = sys.hcr_el2 & ~sysregs.HCR_VI | (sysregs.HCR_VI if level else 0)


def handle_wfx(vcpu: VcpuState, taken: Taken) -> int:
    """WFI waits for an interrupt or a signal, WFE only yields; then the instruction is skipped (kvm_handle_wfx)."""
    waits = not is_wfe(taken.esr or 0)
    vm = vcpu.vm
    if waits and not vcpu.cpu.sys.hcr_el2 & sysregs.HCR_VI:
        vcpu.note(What.WAIT, "WFI: the vCPU waits for an interrupt")
        if vm.irq_when_waiting is not None:
            level, vm.irq_when_waiting = vm.irq_when_waiting, None
            interrupt_line(vcpu, level)
        if not vcpu.cpu.sys.hcr_el2 & sysregs.HCR_VI:
            # Nothing can end the wait but a signal to this thread.
            vcpu.signal_pending = vcpu.waiting = True
    vcpu.skip_instruction()
    return 1
