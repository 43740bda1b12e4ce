"""What differed between kernels: each field of `Kernel` names one behaviour, and a kernel is a handful of them.

Invariant: a kernel's behaviour is what its fields say: any combination of them makes a kernel that runs. Which release
of Linux did what, and by which commit, is told in `kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any


class PcAdvance(Enum):
    """When the PC moves over an access that userspace emulates."""

    BEFORE_EXIT = "before the exit to userspace (early)"
    AFTER_ANSWER = "after userspace answered (late)"


class SkipApplied(Enum):
    """When a skipped instruction moves the PC, and an injected exception is entered."""

    AT_ONCE = "at once, in the host kernel"
    AT_NEXT_ENTRY = "at the next guest entry, after the step is armed"


class Leftover(Enum):
    """What becomes of a PC advance that is still to be applied when KVM_RUN returns."""

    KEPT = "kept for the next entry"
    AFTER_PUT_AWAY = "applied after the host's step state is put away"
    BEFORE_PUT_AWAY = "applied before the host's step state is put away"


class Arming(Enum):
    """When PSTATE.SS is set for the guest while the host single-steps."""

    EVERY_ENTRY = "at every guest entry"
    UNLESS_PENDING = "at a guest entry, unless a step is pending"


class Completion(Enum):
    """How KVM_RUN knows that an MMIO access waits for its completion."""

    BY_EXIT_REASON = "by kvm_run.exit_reason alone, which stays MMIO"
    BY_FLAG = "by a flag, cleared on completion"


class AbortInjection(Enum):
    """What becomes of an external abort that userspace injects at an MMIO exit (KVM_SET_VCPU_EVENTS)."""

    UNSUPPORTED = "there is no such call"
    TAKEN_THEN_RETIRED = "taken at once, then the access still retires"
    LOST = "lost"
    AT_NEXT_ENTRY = "taken at the next guest entry"
    AT_ONCE_STEP_FORGOTTEN = "taken at once, and the step forgotten"


class PmuAccess(Enum):
    """What a guest without a PMU finds in PMCR_EL0 and similar registers."""

    ZERO = "reads as zero"
    UNDEFINED = "UNDEFINED"


def _behaviour(default: Any, doc: str) -> Any:
    """A field with its story: symptom and cause."""
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class Kernel:
    """How one range of Linux releases steps. The defaults are `fixed`: what a kernel should do."""

    name: str = "fixed"
    title: str = "fixed"
    summary: str = "what a kernel should do"
    pc_advance: PcAdvance = _behaviour(
        PcAdvance.AFTER_ANSWER,
        "Early, userspace sees the PC of the next instruction at KVM_EXIT_MMIO, and an abort injected there returns"
        " to the wrong place. Cause: the instruction was skipped while the exit was prepared.",
    )
    skip_clears_ss: bool = _behaviour(
        True,
        "If not, the CPU believes that the step is still to be made: the instruction after the emulated one runs"
        " without a stop. This is the bug that Maydell saw in review in 2014. Cause: software that completes an"
        " instruction must do all that completion does (SSAdvance), not only move the PC.",
    )
    skip_applied: SkipApplied = _behaviour(
        SkipApplied.AT_NEXT_ENTRY,
        "If at once, SS is cleared before it is armed for the next entry, which sets it again. So the stop after every"
        " emulated instruction was late again from 5.0 to 5.10, and 5.11 fixed it by accident.",
    )
    leftover_advance: Leftover = _behaviour(
        Leftover.BEFORE_PUT_AWAY,
        "After an MMIO exit, KVM_RUN with immediate_exit or a pending signal completes the access but does not enter"
        " the guest. Kept: GET_ONE_REG still shows the old PC, and a PC set now is advanced, too. Applied after the"
        " host's step state is put away: the stop is lost, since the guest's SS is cleared instead of the host's.",
    )
    arming: Arming = _behaviour(
        Arming.UNLESS_PENDING,
        "At every entry: a step that is already spent is granted again, so an exit to the host between the"
        " instruction and its stop (an interrupt, an HVC, a fault on a cold vector) loses the stop.",
    )
    early_skip_remembers_step: bool = _behaviour(
        False,
        "Only for early advance, and only in a what-if: when the instruction is skipped before the exit, the kernel"
        " remembers that the step is spent. This makes the early advance step correctly.",
    )
    fake_debug_exit: bool = _behaviour(
        False,
        "Instead of repairing the step machine the kernel pretends a step after whatever it emulated: the stop is"
        " right after an emulation, hsr holds only the class (0xc8000000), and a fault on RAM, which emulates"
        " nothing, is a spurious stop at the same PC.",
    )
    completion: Completion = _behaviour(
        Completion.BY_FLAG,
        "By exit_reason alone, an access that a KVM_RUN with immediate_exit has completed is completed once more by"
        " the next: with the late advance an instruction is lost.",
    )
    sign_extends_mmio: bool = _behaviour(
        True,
        "If not, LDRSB, LDRSH and LDRSW from MMIO come back zero-extended. Cause: the value is cut to the width of"
        " the access after the sign extension.",
    )
    abort_injection: AbortInjection = _behaviour(
        AbortInjection.AT_NEXT_ENTRY,
        "Taken then retired: the first instruction of the guest's handler is skipped. Lost: the flag of the deferred"
        " skip falls into the field of the pending exception. At once, step forgotten: the entry to the vector"
        " happens while the host's step state is away, so the stop at the vector is lost.",
    )
    aborted_access_forgotten: bool = _behaviour(
        True,
        "If not, an aborted access stays marked as needed: after KVM_RUN with immediate_exit has entered the vector,"
        " the next KVM_RUN completes the access after all and skips the handler's first instruction.",
    )
    vcpu_events: bool = _behaviour(
        True,
        "Userspace may inject an SError and ask whether one is pending (KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS).",
    )
    injected_esr_sign_extended: bool = _behaviour(
        False,
        "The syndrome of an injected abort has an upper half of all ones. Cause: the exception class is an int, shifted"
        " into its sign bit, and since 5.19 the variable that takes it has 64 bits.",
    )
    injected_abort_reads_any_syndrome: bool = _behaviour(
        False,
        "Bit 7 of the last syndrome says that an abort hit a translation table walk, if it was an abort's. Read"
        " whatever the class was, it turns an abort injected at the exit of BRK #0x80 into one on a walk.",
    )
    injection_keeps_flags: bool = _behaviour(
        True,
        "If not, an injected exception clears NZCV, PAN and DIT, which no CPU does. Cause: PSTATE at the vector was a"
        " constant.",
    )
    guest_ss_preserved: bool = _behaviour(
        True,
        "If not, the SS that the host armed is what GET_ONE_REG shows in PSTATE at an MMIO exit, and the guest's own"
        " is lost.",
    )
    unstepped_ss_lost: bool = _behaviour(
        False,
        "Guest debug without SINGLESTEP loses the guest's own PSTATE.SS: MDSCR_EL1.SS is 0 while the guest runs, so the"
        " ERET into it clears PSTATE.SS, and only where the host steps is the guest's given back.",
    )
    guest_mdscr_cut: bool = _behaviour(
        False,
        "The upper half of the guest's MDSCR_EL1 is lost by an entry under guest debug. Cause: the variable that keeps"
        " it meanwhile has 32 bits.",
    )
    watchpoint_far_reported: bool = _behaviour(
        True,
        "If not, kvm_run.debug.arch.far of a watchpoint is where the last abort was. Cause: FAR_EL2 was read after"
        " aborts only.",
    )
    guest_breakpoints_put_away: bool = _behaviour(
        True,
        "If not, the guest's own breakpoints and watchpoints stay on the CPU while the host steps: one that is hit"
        " comes to userspace as a KVM_EXIT_DEBUG that it never asked for, again and again.",
    )
    debug_registers_owned: bool = _behaviour(
        True,
        "Once a guest uses its debug registers, it owns them until KVM_RUN returns: they are not trapped. If not, they"
        " are trapped after every exit until one is written. To a guest that steps itself a trapped access is a step in"
        " which no instruction was made (ISV = 0).",
    )
    id_registers_trapped: bool = _behaviour(
        True,
        "Reads of ID registers are emulated (HCR_EL2.TID3), so they count among the instructions that are skipped.",
    )
    cache_registers_trapped: bool = _behaviour(
        True,
        "Reads of CTR_EL0 and CCSIDR_EL1 are emulated (HCR_EL2.TID2), and CCSIDR_EL1 describes a cache of one line,"
        " so that a guest finds the same wherever it is migrated to.",
    )
    lor_registers_trapped: bool = _behaviour(
        True,
        "Accesses to the LORegion registers are emulated (HCR_EL2.TLOR): they read as zero, writes are ignored.",
    )
    implementation_registers_trapped: bool = _behaviour(
        True,
        "Reads of REVIDR_EL1 and AIDR_EL1 are emulated (HCR_EL2.TID1), so that userspace may choose their values.",
    )
    gic_registers_trapped: bool = _behaviour(
        True,
        "The registers of the GIC's CPU interface are UNDEFINED for a guest without an interrupt controller in the"
        " kernel. If not, it finds the CPU's own virtual interface.",
    )
    outside_ipa_space_aborts: bool = _behaviour(
        True,
        "An access beyond the 40 bits of the guest's address space is an external abort for the guest. If not, it is"
        " an MMIO exit as any other.",
    )
    psci_affinity_checked: bool = _behaviour(
        True,
        "If not, reserved bits in the affinity that CPU_ON and AFFINITY_INFO are given are ignored.",
    )
    vendor_calls_answered: bool = _behaviour(
        True,
        "A guest may ask by HVC whether its hypervisor is KVM, and for KVM's own services (SMCCC, vendor-specific"
        " hypervisor calls).",
    )
    entropy_calls_answered: bool = _behaviour(
        True,
        "A guest may ask by HVC for random numbers (the TRNG firmware interface, Arm DEN 0098).",
    )
    os_lock_emulated: bool = _behaviour(
        True,
        "If not, a guest's write to OSLAR_EL1 is ignored. Else its OS Lock silences its own breakpoints and steps, and"
        " not the host's: the lock is kept in software, and MDSCR_EL1 is changed at the entry instead.",
    )
    pmu_access: PmuAccess = _behaviour(
        PmuAccess.UNDEFINED,
        "Up to 5.10 the PMU registers of a guest without a PMU read as zero (and are skipped), then UNDEFINED.",
    )

    def __post_init__(self) -> None:
        for f in fields(self):
            if not isinstance(value := getattr(self, f.name), type(f.default)):
                raise TypeError(f"{f.name} of a kernel is {_values_of(f.default)}, not {value!r}")

    def differences(self, other: Kernel | None = None) -> dict[str, tuple[Any, Any]]:
        """What this kernel does not do as another, by default as it should: field -> (its value, the other's)."""
        pairs = {
            f.name: (getattr(self, f.name), getattr(other or FIXED, f.name)) for f in behaviours()
        }
        return {name: (own, others) for name, (own, others) in pairs.items() if own != others}


def _values_of(default: object) -> str:
    """The values that a field with this default may have, as words."""
    if isinstance(default, Enum):
        return " or ".join(map(str, type(default)))
    return "True or False" if isinstance(default, bool) else "a text"


def behaviours() -> list[Any]:
    """The fields that name a behaviour, with default, and metadata doc."""
    return [f for f in fields(Kernel) if "doc" in f.metadata]


def in_words(value: object) -> str:
    """The value of a field as a reader is told it."""
    return str(getattr(value, "value", value))


FIXED = Kernel()
