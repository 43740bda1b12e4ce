"""The exceptions that instructions ask for: UNDEFINED, calls, BRK, and the checks of SP alignment and SIMD&FP access.

Invariant: each raises `Synchronous` or returns without any effect.
"""

from __future__ import annotations

from typing import NoReturn

from aarch64sim.arch import sysregs
from aarch64sim.arch.exceptions import Synchronous
from aarch64sim.arch.state import CpuState
from aarch64sim.arch.syndrome import CONDITION_ALWAYS, EC


def undefined() -> NoReturn:
    """UNDEFINED: the exception of class 0."""
    raise Synchronous(EC.UNKNOWN)


def supervisor_call(cpu: CpuState, imm16: int) -> NoReturn:
    """SVC: the exception of class 0x15 with the immediate."""
    raise Synchronous(EC.SVC, imm16, call=True)


def hypervisor_call(cpu: CpuState, imm16: int) -> NoReturn:
    """HVC: to EL2; UNDEFINED at EL0 and where HCR_EL2.HCD says so."""
    if cpu.pstate.el == 0 or cpu.sys.hcr_el2 & sysregs.HCR_HCD:
        undefined()
    raise Synchronous(EC.HVC, imm16, target_el=2, call=True)


def secure_monitor_call(cpu: CpuState, imm16: int) -> NoReturn:
    """SMC: there is no EL3, so it traps to EL2 with HCR_EL2.TSC (before it executes) or is UNDEFINED."""
    if cpu.pstate.el == 1 and cpu.sys.hcr_el2 & sysregs.HCR_TSC:
        raise Synchronous(EC.SMC, imm16, target_el=2)
    undefined()


def breakpoint_instruction(cpu: CpuState, imm16: int) -> NoReturn:
    """BRK: always enabled, routed like the other debug exceptions."""
    raise Synchronous(EC.BRK, imm16, target_el=cpu.debug_target_el())


def check_fp(cpu: CpuState) -> None:
    """Raise the trap of SIMD&FP accesses if CPACR_EL1.FPEN or CPTR_EL2.TFP asks for it."""
    fpen = cpu.sys.cpacr_el1 >> 20 & 3
    if cpu.pstate.el < 2 and fpen != 3 and not (fpen == 1 and cpu.pstate.el == 1):
        if cpu.sys.hcr_el2 & sysregs.HCR_TGE:
            undefined()  # what EL2 gets instead of this class (AArch64.AdvSIMDFPAccessTrap)
        raise Synchronous(EC.FP_ACCESS, CONDITION_ALWAYS)
    if cpu.sys.cptr_el2 & sysregs.CPTR_TFP:
        raise Synchronous(EC.FP_ACCESS, CONDITION_ALWAYS, target_el=2)


def check_sp_alignment(cpu: CpuState) -> None:
    """SP is not 16-byte aligned: raise the SP alignment fault if SCTLR_EL1.SA (SA0 at EL0) is set."""
    if cpu.pstate.el < 2 and cpu.choices.sp_alignment_checked:
        bit = sysregs.SCTLR_SA if cpu.pstate.el else sysregs.SCTLR_SA0
        if cpu.sys.sctlr_el1 & bit:
            raise Synchronous(EC.SP_ALIGNMENT)
