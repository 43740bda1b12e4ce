"""What the architecture leaves to the implementation, and where QEMU 7.2 departs from it, as named choices of the CPU.

Invariant: the defaults are what the manual says or allows; what a kernel does is never a choice of the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choices:
    """How one CPU does what others may do otherwise."""

    interrupt_before_step: bool = True
    """A pending, unmasked interrupt is taken before a pending step (Arm ARM D2.11.7 leaves the order open)."""
    completed_step_first: bool = False
    """A step that the last instruction completed is reported before anything else is looked at, also when that
    instruction has disabled debug exceptions. The manual allows that after a write of MDSCR_EL1, which takes effect at
    a context synchronization event, and not after one of PSTATE.D (Table D2-17); QEMU 7.2 does both."""
    fetch_before_step: bool = False
    """A step pending at a fetch yields to that fetch's instruction abort. The manual gives the step priority
    (D1.4.5.6); QEMU 7.2 does not."""
    stepped_wfi_traps: bool = True
    """HCR_EL2.TWI traps WFI also while it is stepped; else it completes at once."""
    wfe_traps: bool = True
    """HCR_EL2.TWE traps WFE; QEMU 7.2 completes it instead."""
    illegal_state_last: bool = False
    """The Illegal Execution state exception yields to an instruction abort and a breakpoint: D1.4.5.6 allows both
    places."""
    unaligned_device_faults: bool = False
    """While stage 1 is off, all data is Device memory, and unaligned accesses and DC ZVA fault (B2.8.2, D8.2.12). Off,
    memory is as a guest with its MMU on finds it; QEMU 7.2 does so, too."""
    entry_clears_flags: bool = False
    """An exception entry clears PSTATE.NZCV. The manual keeps them (AArch64.TakeException, D1.4.2); QEMU 7.2 does
    not."""
    illegal_return_keeps_fields: bool = False
    """An illegal exception return restores NZCV and DAIF only, and keeps PAN, SS, UAO, DIT, SSBS and BTYPE. The manual
    restores PAN and SS, too, and leaves the others UNKNOWN (SetPSTATEFromPSR, D1.4.4)."""
    fetch_before_alignment: bool = False
    """The instruction abort of a misaligned PC comes before its PC alignment fault (against D1.4.5.6)."""
    sp_alignment_checked: bool = True
    """SCTLR_EL1.SA and SA0 check SP before it is used as a base (D1.4.10.2); QEMU 7.2 has no such check."""
    ldapr_alignment_checked: bool = True
    """LDAPR asks for natural alignment as LDAR does (B2.7.2); QEMU 7.2 has no such check."""
    exclusive_by_value: bool = False
    """A store-exclusive succeeds where memory still holds what the load-exclusive read, of whatever size; else where
    the address and the size are the same. The manual leaves open what other sizes and the PE's own stores in between do
    (B2.12); QEMU 7.2 compares values."""
    implementation_defined_traps: bool = True
    """HCR_EL2.TIDCP takes the IMPLEMENTATION DEFINED registers to EL2 (D24.2.62); in QEMU 7.2 they are UNDEFINED, but
    for CBAR_EL1, which gives the address of the interrupt controller."""
    daif_fields_swapped: bool = False
    """Op1 and Op2 change places in the syndrome of MSR DAIFSet, DAIFClr from EL0 (against C5.2, D24.2.45)."""
    breakpoint_clears_far: bool = False
    """A Breakpoint exception to EL1 makes FAR_EL1 0; the manual leaves it UNKNOWN (D24.2.48)."""
    unaligned_watched_exactly: bool = True
    """Watchpoints see the bytes of an unaligned access and no others (D2.9.8). In QEMU 7.2 an unaligned load is two
    aligned ones, and an unaligned store begins where its page does."""
    all_context_breakpoints: bool = True
    """Breakpoints compare a context also by themselves, and a link may compare the VMID and CONTEXTIDR_EL2 (D2.8). In
    QEMU 7.2 only a link that compares CONTEXTIDR_EL1 counts (DBGBCR.BT 0b0011, 0b0111); all others never match."""
    breakpoint_before_fetch: bool = False
    """A breakpoint is taken before the instruction abort of a page that was not executed yet (against D1.4.5.6)."""
    all_debug_registers: bool = True
    """The DBGCLAIM registers, DBGAUTHSTATUS_EL1, OSECCR_EL1 and the OS Lock data transfer registers exist (D24.3), and
    MDCCINT_EL1 keeps what is written to it. In QEMU 7.2 an access to that one does nothing, so Xt stays as it is."""
    error_records: bool = True
    """ERRSELR_EL1 and the ERX registers exist although there is no error record (ERRIDR_EL1.NUM = 0). The manual leaves
    that open (D24.4); in QEMU 7.2 they are UNDEFINED."""
    granted_pmu_traps: bool = True
    """MDCR_EL2.TPM traps every PMU register from EL0 (D24.3.17). In QEMU 7.2 those escape to which PMUSERENR_EL0.SW,
    CR or ER grants access: PMSWINC, PMCCNTR, PMXEVCNTR, PMEVCNTR<n>, PMSELR."""


ARCHITECTURE = Choices()
QEMU = Choices(
    completed_step_first=True,
    fetch_before_step=True,
    wfe_traps=False,
    illegal_state_last=True,
    entry_clears_flags=True,
    illegal_return_keeps_fields=True,
    fetch_before_alignment=True,
    sp_alignment_checked=False,
    ldapr_alignment_checked=False,
    exclusive_by_value=True,
    implementation_defined_traps=False,
    daif_fields_swapped=True,
    breakpoint_clears_far=True,
    unaligned_watched_exactly=False,
    all_context_breakpoints=False,
    breakpoint_before_fetch=True,
    all_debug_registers=False,
    error_records=False,
    granted_pmu_traps=False,
)
"""QEMU 7.2, patched so that a stepped WFI traps: the CPU behind the recordings."""
