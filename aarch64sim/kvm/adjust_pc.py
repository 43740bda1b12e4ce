"""Moving the guest's PC in software: the skip of an emulated instruction, and injected exceptions
(arch/arm64/kvm/hyp/include/hyp/adjust_pc.h, hyp/exception.c).

Invariant: KVM moves the guest's PC nowhere else (userspace may set it). A skip does all that completing an instruction
does, as far as the era knows it.
"""

from __future__ import annotations

from aarch64sim.arch import pstate, syndrome, sysregs
from aarch64sim.arch.registers import MASK64
from aarch64sim.arch.syndrome import EC, FSC
from aarch64sim.events import Change, What
from aarch64sim.kvm.guest_debug import ss_change
from aarch64sim.kvm.kernels import AbortInjection, SkipApplied
from aarch64sim.kvm.vcpu_state import VcpuState

# Clear PSTATE.SS wherever an instruction is skipped: Maydell's proposal of 2014.
SKIP_COMMIT = "bd7d95cafb49"
STEP_COMMIT = "337b99bf7edf"  # brought single-stepping, and did not clear SS


def adjust_pc(vcpu: VcpuState) -> None:
    """Enter an injected exception, or apply a deferred skip (__kvm_adjust_pc)."""
    if vcpu.pending_exception:
        _enter_exception(vcpu)
    elif vcpu.increment_pc:
        _advance_pc(vcpu)
    vcpu.pending_exception = vcpu.increment_pc = False


def skip_instruction(vcpu: VcpuState) -> None:
    """The instruction at PC has been emulated: move on (kvm_skip_instr, from 5.11 kvm_incr_pc)."""
    if vcpu.vm.kernel.skip_applied is SkipApplied.AT_ONCE:
        _advance_pc(vcpu)
    elif vcpu.pending_exception:
        # The flag of the skip falls into the field of the pending exception, and breaks it (5.11 to 6.12).
        vcpu.pending_exception = False
    else:
        vcpu.increment_pc = True


def _advance_pc(vcpu: VcpuState) -> None:
    """Complete the emulated instruction: the PC moves over it, and PSTATE changes as if it had retired."""
    state, old_pc = vcpu.cpu.pstate, vcpu.pc
    old_ss = state.ss
    vcpu.pc = old_pc + 4 & MASK64
    vcpu.cpu.emulated += 1
    # The CPU would have cleared BTYPE and SS when the instruction retired. We retired it, so we must: PSTATE.SS is the
    # permission for one more instruction, and this was the one (SSAdvance, Arm ARM D2.11.11). A kernel that only moves
    # the PC leaves the permission behind: the guest runs the next instruction, too, before the debugger sees it.
    # Maydell said so in review in 2014; Linux cleared SS four years later (bd7d95cafb49).
    state.btype = 0
    if vcpu.vm.kernel.skip_clears_ss:
        state.ss = 0
    if vcpu.vm.log.watching:
        kept = " and SS is kept" if state.ss else ""
        changes = (Change("pc", old_pc, vcpu.pc), *ss_change(old_ss, state.ss))
        vcpu.note(
            What.SKIP,
            f"the emulated instruction is skipped{kept}",
            changes,
            commit=STEP_COMMIT if kept else SKIP_COMMIT,
            at=old_pc,
        )


def loses_exceptions(vcpu: VcpuState) -> bool:
    """A skip wipes out a pending exception instead of giving way to it (5.11 to 6.12)."""
    return vcpu.vm.kernel.abort_injection is AbortInjection.LOST


def inject_undefined(vcpu: VcpuState) -> None:
    """Make the guest take the UNDEFINED exception at PC (kvm_inject_undefined)."""
    inject(vcpu, syndrome.esr(EC.UNKNOWN, 0), None)


def inject_abort(vcpu: VcpuState, far: int, *, fetch: bool = False) -> None:
    """Make the guest take an external abort at PC, of a data access or of the fetch (inject_abt64)."""
    status = FSC.EXTERNAL
    if vcpu.vm.kernel.injected_abort_reads_any_syndrome and syndrome.on_walk(vcpu.cpu.sys.esr_el2):
        # S1PTW of the last syndrome, if that was an abort's; the walk, repeated, ends at level 0 with stage 1 off.
        status = FSC.EXTERNAL_ON_WALK
    ec = EC.INSTRUCTION_ABORT if fetch else EC.DATA_ABORT
    inject(vcpu, syndrome.esr(ec + (vcpu.el == 1), status), far)


def inject(vcpu: VcpuState, esr: int, far: int | None) -> None:
    """Make the guest take an exception to EL1 at PC: ESR_EL1 and an abort's FAR_EL1 at once, the rest as the era."""
    sys, kernel = vcpu.cpu.sys, vcpu.vm.kernel
    if kernel.injected_esr_sign_extended and esr >> 31 & 1:
        esr |= 0xFFFF_FFFF << 32
    sys.esr_el1 = esr
    if far is not None:
        sys.far_el1 = far
    if kernel.skip_applied is SkipApplied.AT_ONCE:
        _enter_exception(vcpu)
    elif vcpu.increment_pc and loses_exceptions(vcpu):
        vcpu.increment_pc = False  # the other way round as in `skip_instruction`: both are lost
    else:
        vcpu.pending_exception = True


def _enter_exception(vcpu: VcpuState) -> None:
    """What the CPU would do on an exception to EL1, done in software (enter_exception64)."""
    sys, old, pc = vcpu.cpu.sys, vcpu.pstate, vcpu.pc
    sys.spsr_el1, sys.elr_el1 = old, pc
    vcpu.pstate = pstate.DAIF | pstate.EL1H
    if vcpu.vm.kernel.injection_keeps_flags:
        span, dssbs = sys.sctlr_el1 & sysregs.SCTLR_SPAN, sys.sctlr_el1 & sysregs.SCTLR_DSSBS
        vcpu.pstate |= pstate.kept_at_a_vector(old, span=span, dssbs=dssbs)
    vcpu.pc = (sys.vbar_el1 & ~0x7FF) + pstate.vector_offset(old) & MASK64
    vcpu.cpu.count_exception(sys.esr_el1, pc)
    changes = (Change("pc", pc, vcpu.pc), *ss_change(pstate.ss_of(old), 0))
    vcpu.note(What.INJECT, "the guest is put at its exception vector", changes)
