"""What KVM emulates without leaving the kernel: system registers, PSCI, WFI (arch/arm64/kvm/sys_regs.c, psci.c).

Invariant: what is emulated is skipped by `Vcpu.skip_instruction` and nothing else, or (an SMC of some hosts) not at
all; HVC is never skipped, since the CPU has moved the PC already.
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch import sysregs
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.registers import MASK32, MASK64, destination, source
from aarch64sim.arch.syndrome import immediate, is_wfe, system_fields, trapped_system_access
from aarch64sim.events import Change, What
from aarch64sim.kvm import one_reg
from aarch64sim.kvm.adjust_pc import inject_undefined
from aarch64sim.kvm.kernels import PmuAccess
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vcpu_state import VcpuState

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
    elif not name:
        inject_undefined(vcpu)
        return 1
    elif read:
        value = _value_shown(vcpu, name)
        old, r[destination(rt)] = r[destination(rt)], value
        change = (Change(f"x{rt}", old, value),) if rt != 31 else ()
        vcpu.note(What.EMULATE, f"the read of {name} is emulated: {value:#x}", change, kind=name)
    else:
        value = r[source(rt)]
        vcpu.note(What.EMULATE, f"the write of {value:#x} to {name} is emulated", kind=name)
        if name == "oslar_el1" and vcpu.vm.kernel.os_lock_emulated:
            vcpu.os_lock = value & 1
        elif name not in _WRITE_IGNORED:
            sys.set(name, value)
        if name == "sctlr_el1":
            vcpu.cpu.memory.forget_caches()
            if value & _CACHE_ENABLED == _CACHE_ENABLED:
                sys.hcr_el2 &= ~sysregs.HCR_TVM  # kvm_toggle_cache: no need to watch any longer
    vcpu.skip_instruction()
    return 1


def _value_shown(vcpu: VcpuState, name: str) -> int:
    """What a trapped read of a system register gives the guest."""
    sys = vcpu.cpu.sys
    if name in _READ_AS_ZERO:
        return 0
    if name == "oslsr_el1":
        return one_reg.get_one_reg(vcpu, name)
    if name == "ccsidr_el1":
        ctr, instruction = sys.get("ctr_el0"), sys.get("csselr_el1") & 1
        words = ctr & 15 if instruction else ctr >> 16 & 15  # log2 of the line's size in words
        return words - 2  # one set, one way; log2 of the line's size in bytes, less 4 (get_ccsidr)
    return sys.get(name)


def interrupt_line(vcpu: VcpuState, level: int) -> None:
    """The vCPU's IRQ input is at `level` now (kvm_vcpu_set_irq_line): a pending interrupt is HCR_EL2.VI."""
    vcpu.look_again()
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


# --- PSCI (Arm DEN 0022) ---

_NOT_SUPPORTED, _INTERNAL_FAILURE, _ALREADY_ON = -1, -6, -4
_SHUTDOWN, _RESET = 1, 2
_VERSION, _CPU_OFF, _CPU_ON, _AFFINITY_INFO = 0x8400_0000, 0x8400_0002, 0x8400_0003, 0x8400_0004
_MIGRATE_INFO_TYPE, _SYSTEM_OFF, _SYSTEM_RESET = 0x8400_0006, 0x8400_0008, 0x8400_0009
_FEATURES, _SUSPEND = 0x8400_000A, 0x8400_0001
_SIXTY_FOUR = 0x4000_0000


def handle_hvc(vcpu: VcpuState, taken: Taken) -> int:
    """HVC: a PSCI call. The CPU has advanced PC and SS; nothing to skip."""
    return psci_call(vcpu)


def handle_smc(vcpu: VcpuState, taken: Taken) -> int:
    """SMC: trapped before it executes, so it must be skipped; what it does is the host's configuration."""
    kind = vcpu.vm.host.smc.name
    if kind == "UNDEFINED":
        inject_undefined(vcpu)
        return 1
    if kind != "NEVER_SKIPPED":
        vcpu.skip_instruction()
    if kind == "PSCI" and not immediate(taken.esr or 0):  # a call's immediate is 0 (Arm DEN 0028)
        return psci_call(vcpu)
    _result(vcpu, _NOT_SUPPORTED)
    return 1


def psci_call(vcpu: VcpuState) -> int:
    """The call whose function number is in W0; the answer goes to X0 (kvm_psci_call)."""
    function = vcpu.cpu.r[0] & MASK32
    if function in (_SYSTEM_OFF, _SYSTEM_RESET):
        # Should userspace run the vCPU again, it finds an error.
        _answer(vcpu, _INTERNAL_FAILURE)
        vcpu.kvm_run.exit_reason = ExitReason.SYSTEM_EVENT
        vcpu.kvm_run.system_event.type = _SHUTDOWN if function == _SYSTEM_OFF else _RESET
        return 0
    answer = _ANSWERS.get(function & ~_SIXTY_FOUR)
    _answer(vcpu, answer(vcpu) if answer else _NOT_SUPPORTED)
    return 1


def _features(vcpu: VcpuState) -> int:
    asked = vcpu.cpu.r[1] & MASK32 & ~_SIXTY_FOUR
    known = asked in _ANSWERS or asked in (_SYSTEM_OFF, _SYSTEM_RESET)
    return 0 if known and vcpu.vm.host.psci_version >= 0x1_0000 else _NOT_SUPPORTED


def _cpu_off(vcpu: VcpuState) -> int:
    vcpu.signal_pending = vcpu.waiting = True  # the only vCPU is off: only a signal ends the wait
    return 0


_ANSWERS: dict[int, Callable[[VcpuState], int]] = {
    _VERSION: lambda vcpu: vcpu.vm.host.psci_version,
    _SUSPEND: lambda vcpu: 0,
    _CPU_OFF: _cpu_off,
    _CPU_ON: lambda vcpu: _ALREADY_ON,
    _AFFINITY_INFO: lambda vcpu: 0,
    _MIGRATE_INFO_TYPE: lambda vcpu: 2,
    _FEATURES: _features,
}


def _answer(vcpu: VcpuState, value: int) -> None:
    """The answer in X0; with PSCI 1.0 came the SMC Calling Convention 1.1, which fills X0-X3 (smccc_set_retval)."""
    _result(vcpu, value)
    if vcpu.vm.host.psci_version >= 0x1_0000:
        vcpu.cpu.r[1:4] = [0, 0, 0]


def _result(vcpu: VcpuState, value: int) -> None:
    old, vcpu.cpu.r[0] = vcpu.cpu.r[0], value & MASK64
    vcpu.note(What.CALL, f"the call is answered: {value}", (Change("x0", old, vcpu.cpu.r[0]),))
