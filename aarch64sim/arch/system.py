"""MSR, MRS, SYS and the waits: who may do it, what traps where, and the registers that are views of something else.

Invariant: a check here happens in the architecture's order: UNDEFINED by level, traps to EL1, traps to EL2, access
(Arm ARM D1.4.5, D24).
"""

from __future__ import annotations

from collections.abc import Callable

from aarch64sim.arch import access, stack_pointers, sysregs
from aarch64sim.arch.exceptions import Synchronous, Uncounted
from aarch64sim.arch.pstate import DAIF, DIT, NZCV, PAN, SSBS, UAO
from aarch64sim.arch.requested import check_fp, undefined
from aarch64sim.arch.state import CpuState
from aarch64sim.arch.syndrome import EC, system_access, system_fields, system_key, waiting
from aarch64sim.step_state import StepState


def read_system(cpu: CpuState, key: int, rt: int) -> int:
    """MRS of the register `key` (see `syndrome.system_key`); `rt` (0-31) is for the syndrome of a trap."""
    register = _allowed(cpu, key, rt, read=True)
    if register.name in _PSTATE_BITS:
        return cpu.pstate.to_spsr() & _PSTATE_BITS[register.name]
    if _does_nothing(cpu, register):
        return cpu.r[rt] if rt != 31 else 0
    view = _READS.get(register.name)
    return view(cpu) if view else cpu.sys.get(register.name)


def write_system(cpu: CpuState, key: int, value: int, rt: int) -> None:
    """MSR (register); parameters as for `read_system`, `value` 64 bits."""
    register = _allowed(cpu, key, rt, read=False)
    view = _WRITES.get(register.name)
    if register.name in _PSTATE_BITS:
        _write_pstate(cpu, _PSTATE_BITS[register.name], value)
    elif view:
        view(cpu, value)
    elif not _does_nothing(cpu, register):
        cpu.sys.set(register.name, sysregs.kept(register.name, value))
    cpu.memory.forget_caches()  # SCTLR_EL1 or MDSCR_EL1 may have changed what accesses must look at


def _allowed(cpu: CpuState, key: int, rt: int, *, read: bool) -> sysregs.SystemRegister:
    """The register's row, if the current level may access it and nothing traps."""
    register = sysregs.BY_KEY.get(key)
    el = cpu.pstate.el
    if register is None or not _exists(cpu, register):
        _trap_implementation_defined(cpu, key, rt, read)
        undefined()
    if el < (register.read_el if read else register.write_el):
        undefined()
    iss = system_access(key, rt, read=read)
    for condition in register.conditions:
        if condition in sysregs.EL0_ENABLES:
            control, bits = sysregs.EL0_ENABLES[condition]
            if el == 0 and not cpu.sys.get(control) & bits:
                raise Synchronous(EC.SYSTEM, iss)
        elif condition in sysregs.EL0_TRAPS:
            control, bits = sysregs.EL0_TRAPS[condition]
            if el == 0 and cpu.sys.get(control) & bits:
                raise Synchronous(EC.SYSTEM, iss)
    for condition in register.conditions:
        if condition in sysregs.TRAPS and el < 2:
            control, bit, directions = sysregs.TRAPS[condition]
            # Debug exceptions that go to EL2 take the debug registers with them (D24, MDCR_EL2.TDE and HCR_EL2.TGE).
            forced = condition in ("tda", "tdosa", "tdra") and cpu.debug_target_el() == 2
            trapped = cpu.sys.get(control) & bit and ("r" if read else "w") in directions
            escapes = condition == "tpm" and el == 0 and _granted(cpu, register.name, read=read)
            if (forced or trapped) and not (escapes and not cpu.choices.granted_pmu_traps):
                raise Synchronous(EC.SYSTEM, iss, target_el=2)
    if register.name in ("fpcr", "fpsr"):
        check_fp(cpu)
    return register


# PMUSERENR_EL0 has a bit of its own for them: SW, CR, ER; and which accesses that bit grants.
_GRANTS = {
    "pmswinc_el0": (1 << 1, "w"),
    "pmccntr_el0": (1 << 2, "r"),
    "pmxevcntr_el0": (1 << 3, "r"),
    **{f"pmevcntr{n}_el0": (1 << 3, "r") for n in range(sysregs.COUNTERS)},
    "pmselr_el0": (1 << 3, "rw"),
}


def _granted(cpu: CpuState, name: str, *, read: bool) -> bool:
    """Whether PMUSERENR_EL0 grants EL0 this access by more than its EN bit."""
    bit, directions = _GRANTS.get(name, (0, ""))
    return bool(cpu.sys.get("pmuserenr_el0") & bit) and ("r" if read else "w") in directions


_SOME_DEBUG_REGISTERS = {
    *("dbgclaimset_el1", "dbgclaimclr_el1", "dbgauthstatus_el1"),
    *("osdtrrx_el1", "osdtrtx_el1", "oseccr_el1"),
}
_ERROR_RECORDS = ("errselr_", "erx")


def _exists(cpu: CpuState, register: sysregs.SystemRegister) -> bool:
    """Whether this CPU has the register: its ID registers promise the feature, and it was not left out."""
    if register.name in _SOME_DEBUG_REGISTERS and not cpu.choices.all_debug_registers:
        return False
    if register.name.startswith(_ERROR_RECORDS) and not cpu.choices.error_records:
        return False
    if register.name == "cbar_el1":  # the one register in the IMPLEMENTATION DEFINED space
        return not cpu.choices.implementation_defined_traps
    for condition in register.conditions:
        if condition in sysregs.PROMISES:
            name, lowest, least = sysregs.PROMISES[condition]
            if cpu.sys.get(name) >> lowest & 15 < least:
                return False
    return True


def _does_nothing(cpu: CpuState, register: sysregs.SystemRegister) -> bool:
    return register.name == "mdccint_el1" and not cpu.choices.all_debug_registers


def _trap_implementation_defined(cpu: CpuState, key: int, rt: int, read: bool) -> None:
    """HCR_EL2.TIDCP: accesses to the IMPLEMENTATION DEFINED space go to EL2."""
    if not cpu.choices.implementation_defined_traps:
        return
    op0, _, crn, _, _ = system_fields(key)
    implementation_defined = op0 in (1, 3) and crn in (11, 15)
    if implementation_defined and cpu.pstate.el == 1 and cpu.sys.hcr_el2 & sysregs.HCR_TIDCP:
        raise Synchronous(EC.SYSTEM, system_access(key, rt, read=read), target_el=2)


# --- registers that are views ---


def _read_sp_el0(cpu: CpuState) -> int:
    if cpu.pstate.sp == 0:
        undefined()  # SP_EL0 is not accessible by name while it is the current SP
    return stack_pointers.get_sp(cpu, 0)


def _write_sp_el0(cpu: CpuState, value: int) -> None:
    if cpu.pstate.sp == 0:
        undefined()
    stack_pointers.set_sp(cpu, 0, value)


def instruction_count(cpu: CpuState) -> int:
    """Instructions completed before this one. A run that counts only at its end breaks off for it (`Uncounted`)."""
    if not cpu.counted:
        raise Uncounted
    return cpu.retired


def set_os_lock(cpu: CpuState, locked: int) -> None:
    """OSLAR_EL1.OSLK: lock (1) or unlock (0); OSLSR_EL1.OSLK shows it."""
    lock = sysregs.OSLSR_OSLK
    cpu.sys.oslsr_el1 = cpu.sys.oslsr_el1 & ~lock | (lock if locked else 0)


def _read_dczid(cpu: CpuState) -> int:
    """DCZID_EL0; its DZP says that DC ZVA is prohibited here."""
    allowed = cpu.pstate.el or cpu.sys.sctlr_el1 & sysregs.SCTLR_DZE
    return cpu.sys.get("dczid_el0") | (0 if allowed else sysregs.DCZID_DZP)


def _read_ccsidr(cpu: CpuState) -> int:
    """What CSSELR_EL1 selects; 0 for a level at which CLIDR_EL1 names no cache (the manual: UNKNOWN)."""
    level = cpu.sys.get("csselr_el1") >> 1 & 7
    there = cpu.sys.get("clidr_el1") >> 3 * level & 7 if level < 7 else 0
    return cpu.sys.get("ccsidr_el1") if there else 0


_READS: dict[str, Callable[[CpuState], int]] = {
    "currentel": lambda cpu: cpu.pstate.el << 2,
    "spsel": lambda cpu: cpu.pstate.sp,
    "sp_el0": _read_sp_el0,
    "sp_el1": lambda cpu: stack_pointers.get_sp(cpu, 1),
    "isr_el1": lambda cpu: cpu.sys.hcr_el2 & sysregs.HCR_PENDING,  # the bits have the same places
    "ccsidr_el1": _read_ccsidr,
    "dczid_el0": _read_dczid,
    # Time is counted in instructions, so that runs repeat exactly.
    "cntvct_el0": instruction_count,
    "cntpct_el0": instruction_count,
}

_WRITES: dict[str, Callable[[CpuState, int], None]] = {
    "spsel": lambda cpu, value: stack_pointers.select_sp(cpu, cpu.pstate.el, value & 1),
    "sp_el0": _write_sp_el0,
    "sp_el1": lambda cpu, value: stack_pointers.set_sp(cpu, 1, value),
    "oslar_el1": lambda cpu, value: set_os_lock(cpu, value & 1),
}

# These show bits of PSTATE where SPSR_ELx has them.
_PSTATE_BITS = {"nzcv": NZCV, "daif": DAIF, "pan": PAN, "uao": UAO, "dit": DIT, "ssbs": SSBS}
# MSR (immediate), op1 and op2: the bit that gets bit 0 of the immediate.
_PSTATE_BIT = {(0, 3): UAO, (0, 4): PAN, (3, 1): SSBS, (3, 2): DIT}
_SPSEL, _DAIF_SET, _DAIF_CLEAR = (0, 5), (3, 6), (3, 7)


def _write_pstate(cpu: CpuState, mask: int, value: int) -> None:
    """The bits of PSTATE that `mask` names, at their places in SPSR_ELx, become those of `value`."""
    cpu.pstate.set_flags_and_masks(cpu.pstate.to_spsr() & ~mask | value & mask)


def write_pstate_field(cpu: CpuState, op1: int, op2: int, crm: int) -> None:
    """MSR (immediate): SPSel, DAIFSet, DAIFClr, PAN, UAO, DIT, SSBS; anything else is UNDEFINED."""
    el, field = cpu.pstate.el, (op1, op2)
    if el == 0 and field in (_DAIF_SET, _DAIF_CLEAR) and not cpu.sys.sctlr_el1 & sysregs.SCTLR_UMA:
        fields = (op2, op1) if cpu.choices.daif_fields_swapped else (op1, op2)
        key = system_key(0, fields[0], 4, crm, fields[1])
        raise Synchronous(EC.SYSTEM, system_access(key, 31, read=False))
    if el == 0 and op1 == 0:
        undefined()
    if field in (_DAIF_SET, _DAIF_CLEAR):
        _write_pstate(cpu, crm << 6, DAIF if field == _DAIF_SET else 0)
    elif field == _SPSEL:
        stack_pointers.select_sp(cpu, el, crm & 1)
    elif field in _PSTATE_BIT and cpu.implemented(_PSTATE_BIT[field]):
        _write_pstate(cpu, _PSTATE_BIT[field], -(crm & 1))
    else:
        undefined()


# --- SYS, WFI, WFE ---

_PAR_FIXED = (
    1 << 11 | 1 << 9
)  # RES1, and NS: what a translation that succeeds gives beside the address
_DC_BY_SET_WAY = {(0, 6, 2), (0, 10, 2), (0, 14, 2)}  # op1 CRm op2 of DC ISW, CSW, CISW
_EL0_CACHE_OPERATIONS = {(3, 10, 1), (3, 11, 1), (3, 12, 1), (3, 14, 1), (3, 5, 1)}


def _pan_translation(cpu: CpuState, crm: int, op2: int) -> bool:
    """Whether it is AT S1E1RP or AT S1E1WP, and this CPU has them (FEAT_PAN2)."""
    return crm == 9 and op2 < 2 and cpu.sys.get("id_aa64mmfr1_el1") >> 20 & 15 >= 2


def system_instruction(cpu: CpuState, key: int, value: int, rt: int) -> None:
    """SYS: cache, address-translation and TLB maintenance, as far as a CPU without caches and stage 1 needs it.

    DC ZVA writes. Maintenance by address does nothing, also for unbacked addresses (as in the recordings). AT gives
    the flat translation in PAR_EL1. Everything that is not allocated is UNDEFINED.
    """
    _, op1, crn, crm, op2 = system_fields(key)
    iss = system_access(key, rt, read=False)
    el = cpu.pstate.el
    if crn == 7 and (op1, crm, op2) == (3, 4, 1):
        if el == 0 and not cpu.sys.sctlr_el1 & sysregs.SCTLR_DZE:
            raise Synchronous(EC.SYSTEM, iss)
        access.zero_block(cpu, value)
    elif crn == 7 and (op1, crm, op2) in _EL0_CACHE_OPERATIONS:
        if el == 0 and not cpu.sys.sctlr_el1 & sysregs.SCTLR_UCI:
            raise Synchronous(EC.SYSTEM, iss)
    elif crn == 7 and (op1, crm, op2) in _DC_BY_SET_WAY and el:
        if el == 1 and cpu.sys.hcr_el2 & sysregs.HCR_TSW:
            raise Synchronous(EC.SYSTEM, iss, target_el=2)
    elif crn == 7 and (op1, crm, op2) in ((0, 1, 0), (0, 5, 0), (0, 6, 1)) and el:
        pass  # IC IALLUIS, IC IALLU, DC IVAC: what is decoded is always what memory holds
    elif (
        crn == 7 and el and op1 == 0 and (op2 < 4 if crm == 8 else _pan_translation(cpu, crm, op2))
    ):
        cpu.sys.set("par_el1", value & 0x000F_FFFF_FFFF_F000 | _PAR_FIXED)
    elif crn == 8 and op1 == 0 and crm in (3, 7) and op2 in (0, 1, 2, 3, 5, 7) and el:
        pass  # TLBI: there is no stage 1 to forget
    else:
        _trap_implementation_defined(cpu, key, rt, read=False)
        undefined()


def wait_for_interrupt(cpu: CpuState, next_pc: int) -> int:
    """WFI: traps if EL1 (from EL0) or the hypervisor asks for it and nothing is pending; otherwise completes."""
    stepped = cpu.step_state() is not StepState.INACTIVE and not cpu.choices.stepped_wfi_traps
    if not cpu.sys.hcr_el2 & sysregs.HCR_PENDING and not stepped:
        _trap_wait(cpu, False, sysregs.SCTLR_NTWI, sysregs.HCR_TWI)
    return cpu.leave(next_pc)


def wait_for_event(cpu: CpuState, next_pc: int) -> int:
    """WFE: completes when the event register is set, and clears it; else like WFI with the TWE controls."""
    if cpu.event_register:
        cpu.event_register = False
    elif cpu.choices.wfe_traps:
        _trap_wait(cpu, True, sysregs.SCTLR_NTWE, sysregs.HCR_TWE)
    return cpu.leave(next_pc)


def _trap_wait(cpu: CpuState, wfe: bool, el1_control: int, el2_control: int) -> None:
    if cpu.pstate.el == 0 and not cpu.sys.sctlr_el1 & el1_control:
        raise Synchronous(EC.WFX, waiting(wfe=wfe))
    if cpu.pstate.el < 2 and cpu.sys.hcr_el2 & el2_control:
        raise Synchronous(EC.WFX, waiting(wfe=wfe), target_el=2)
