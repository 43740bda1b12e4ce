"""Exception entry and exception return (Arm ARM D1.4).

Invariant: no instruction changes the Exception level but by these two (a host may set PSTATE as a whole); what they do
to PSTATE.SS is `step`'s to say.
"""

from __future__ import annotations

from aarch64sim.arch import guest_lane, requested, step, sysregs
from aarch64sim.arch.exceptions import FIQ, IRQ, SERROR, SYNCHRONOUS, Synchronous, Taken
from aarch64sim.arch.pstate import (
    AARCH32,
    DAIF,
    NZCV,
    SSBS,
    d_of,
    il_of,
    level_of,
    sp_of,
    ss_of,
    vector_offset,
)
from aarch64sim.arch.registers import MASK64
from aarch64sim.arch.stack_pointers import select_sp
from aarch64sim.arch.state import CpuState
from aarch64sim.arch.syndrome import EC, SAME_LEVEL_TWIN, esr, software_step
from aarch64sim.events import What
from aarch64sim.step_state import StepState

_RESERVED_MODE = 1 << 1  # M[1] of an SPSR image
_ALWAYS_RESTORED = NZCV | DAIF  # by QEMU's exception return, illegal or not


def take_synchronous(cpu: CpuState, exception: Synchronous) -> Taken:
    """Route what an instruction or its fetch met to the level that takes it, and enter it."""
    target = max(exception.target_el, cpu.pstate.el)
    if target == 1 and cpu.sys.hcr_el2 & sysregs.HCR_TGE:
        target = 2
    ec = exception.ec
    if target == cpu.pstate.el and ec in SAME_LEVEL_TWIN:
        ec += 1
    return enter_exception(
        cpu,
        target,
        SYNCHRONOUS,
        esr(ec, exception.iss),
        far=exception.far,
        hpfar=exception.hpfar,
        call=exception.call,
    )


def take_step_exception(cpu: CpuState) -> Taken:
    """The Software Step exception (Arm ARM D2.11.9): reported before the instruction at PC."""
    target = cpu.debug_target_el()
    ec = EC.SOFTWARE_STEP_SAME if target == cpu.pstate.el else EC.SOFTWARE_STEP
    iss = software_step(stepped=cpu.stepped, exclusive=cpu.stepped_exclusive)
    return enter_exception(cpu, target, SYNCHRONOUS, esr(ec, iss), what=What.STEP_EXCEPTION)


def pending_interrupt(cpu: CpuState) -> int | None:
    """The vector offset of a virtual interrupt that can be taken now, or None."""
    hcr, p = cpu.sys.hcr_el2, cpu.pstate
    if p.el >= 2 or hcr & sysregs.HCR_TGE:
        return None
    if hcr & sysregs.HCR_VF and hcr & sysregs.HCR_FMO and not p.f:
        return FIQ
    if hcr & sysregs.HCR_VI and hcr & sysregs.HCR_IMO and not p.i:
        return IRQ
    if hcr & sysregs.HCR_VSE and hcr & sysregs.HCR_AMO and not p.a:
        return SERROR
    return None


def take_interrupt(cpu: CpuState, vector: int) -> Taken:
    """Enter the virtual interrupt of this vector offset at EL1."""
    syndrome = None
    if vector == SERROR:
        syndrome = esr(EC.SERROR, cpu.sys.vsesr_el2 & 0x1FF_FFFF)
        cpu.sys.hcr_el2 &= ~sysregs.HCR_VSE
    return enter_exception(cpu, 1, vector, syndrome, what=What.INTERRUPT)


def enter_exception(
    cpu: CpuState,
    target_el: int,
    vector: int,
    syndrome: int | None,
    *,
    far: int | None = None,
    hpfar: int | None = None,
    call: bool = False,
    what: What = What.EXCEPTION,
) -> Taken:
    """Take an exception to `target_el`: save, mask, switch to its SP, go to its vector.

    `vector` is the offset within the group (0x000 synchronous, 0x080 IRQ, 0x100 FIQ, 0x180 SError); `call` as in
    `Synchronous`.
    """
    p, s = cpu.pstate, cpu.sys
    pc, old_ss = cpu.pc, p.ss
    before = cpu.step_state() if cpu.log.watching else StepState.INACTIVE
    mdscr_ss = s.mdscr_el1 & sysregs.MDSCR_SS
    p.ss = step.exception_entry_spsr_ss(mdscr_ss=mdscr_ss, pstate_ss=p.ss, call=call)
    spsr = p.to_spsr()
    elr = pc + 4 & MASK64 if call else pc
    offset = vector + vector_offset(spsr, target_el)
    if target_el == 2:
        s.spsr_el2, s.elr_el2 = spsr, elr
        s.esr_el2 = s.esr_el2 if syndrome is None else syndrome
        s.far_el2 = s.far_el2 if far is None else far
        s.hpfar_el2 = s.hpfar_el2 if hpfar is None else hpfar
        base, sctlr = s.vbar_el2, s.get("sctlr_el2")
    else:
        s.spsr_el1, s.elr_el1 = spsr, elr
        s.esr_el1 = s.esr_el1 if syndrome is None else syndrome
        s.far_el1 = s.far_el1 if far is None else far
        base, sctlr = s.vbar_el1, s.sctlr_el1
        if not s.sctlr_el1 & sysregs.SCTLR_SPAN:
            p.pan = 1
    if cpu.resident_guest and target_el == 2:
        cpu.at_host = True
        cpu.pc = elr
    else:
        select_sp(cpu, target_el, 1)
        p.d = p.a = p.i = p.f = 1
        p.ss = p.il = p.btype = p.uao = 0
        p.ssbs = 1 if sctlr & sysregs.SCTLR_DSSBS and cpu.implemented(SSBS) else 0
        if cpu.choices.entry_clears_flags:
            p.n = p.z = p.c = p.v = 0
        cpu.pc = (base & ~0x7FF) + offset & MASK64
    cpu.stepped = cpu.stepped_exclusive = False
    if target_el < cpu.host_el:
        cpu.count_exception(syndrome, elr)
    taken = Taken(target_el, offset, elr, spsr, syndrome, far, hpfar)
    if cpu.log.watching:
        guest_lane.log_taken(cpu, taken, what, pc, before, old_ss)
    return taken


def exception_return(cpu: CpuState) -> int:
    """ERET: UNDEFINED at EL0; an illegal return keeps the level and sets PSTATE.IL."""
    el = cpu.pstate.el
    if cpu.at_host:
        spsr, elr = cpu.pstate.to_spsr(), cpu.pc
    elif el == 0:
        requested.undefined()
    elif el == 2:
        spsr, elr = cpu.sys.spsr_el2, cpu.sys.elr_el2
    else:
        spsr, elr = cpu.sys.spsr_el1, cpu.sys.elr_el1
    p = cpu.pstate
    legal = _legal_return(cpu, spsr)
    if not legal and cpu.choices.illegal_return_keeps_fields:
        spsr = spsr & _ALWAYS_RESTORED | p.to_spsr() & ~_ALWAYS_RESTORED
    target_el, sp = (level_of(spsr), sp_of(spsr)) if legal else (p.el, p.sp)
    p.ss = step.exception_return_ss(
        spsr_ss=ss_of(spsr),
        mdscr_ss=cpu.sys.mdscr_el1 & sysregs.MDSCR_SS,
        enabled_at_source=cpu.debug_exceptions_enabled(),
        enabled_at_target=cpu.debug_exceptions_enabled(target_el, d_of(spsr)),
    )
    p.set_flags_and_masks(cpu.implemented(spsr))
    p.il = il_of(spsr) if legal else 1
    cpu.at_host = False
    select_sp(cpu, target_el, sp)
    cpu.monitor = None
    cpu.event_register = True
    cpu.returned = True
    cpu.stepped = cpu.stepped_exclusive = False
    return cpu.leave(elr)


def _legal_return(cpu: CpuState, spsr: int) -> bool:
    """Whether SPSR names a level and SP that this level may return to; AArch32 does not exist here."""
    target_el, sp = level_of(spsr), sp_of(spsr)
    return not (
        spsr & (AARCH32 | _RESERVED_MODE)
        or target_el > (2 if cpu.at_host else cpu.pstate.el)
        or (target_el == 0 and sp)
        or (target_el == 1 and cpu.sys.hcr_el2 & sysregs.HCR_TGE)
    )
