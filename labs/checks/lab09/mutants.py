"""Hypervisors that are wrong in one small point each: what the suites of lab 09 have to tell from the correct one.

Invariant: a mutant is the kernel `fixed` with fields changed, or with one method of one machine replaced; nothing that
others share is touched, and no two mutants behave alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from aarch64sim.kvm import Kernel, kernels
from aarch64sim.kvm.kernels import (
    AbortInjection,
    Arming,
    Completion,
    Leftover,
    PcAdvance,
    SkipApplied,
)
from aarch64sim.vmm import Machine

from checks.lab09 import patches

FIXED = kernels["fixed"]


@dataclass(frozen=True)
class Mutant:
    """A wrong hypervisor: `title` says the mistake, `where` who made it, `hint` how to make it show."""

    name: str
    title: str
    where: str
    hint: str
    kernel: Kernel = FIXED
    patch: Callable[[Machine], None] | None = None

    def apply(self, machine: Machine) -> None:
        """Make the mistake in a machine that was made with `kernel`."""
        if self.patch is not None:
            self.patch(machine)


def _era(name: str, **fields: object) -> Kernel:
    return replace(FIXED, name=name, title=name, summary="fixed, but for one mistake", **fields)  # type: ignore[arg-type]


_HISTORY = (
    Mutant(
        "ss-kept",
        "a skip moves the PC and keeps SS",
        "Linux 4.3 to 4.14",
        "step over an access to a device, and expect a stop right after it",
        _era("ss-kept", skip_clears_ss=False),
    ),
    Mutant(
        "cleared-too-early",
        "SS is cleared before it is armed",
        "Linux 5.0 to 5.10",
        "step over anything that the kernel emulates, and expect a stop right after it",
        _era("cleared-too-early", skip_applied=SkipApplied.AT_ONCE),
    ),
    Mutant(
        "armed-again",
        "SS is armed at every entry",
        "Linux 4.3 to 6.0",
        "step over an instruction that the CPU itself completes before it leaves the guest: HVC",
        _era("armed-again", arming=Arming.EVERY_ENTRY),
    ),
    Mutant(
        "completed-twice",
        "an access is completed twice",
        "Linux 5.0 to 5.2",
        "userspace may call KVM_RUN with immediate_exit before it goes on",
        _era("completed-twice", completion=Completion.BY_EXIT_REASON),
    ),
    Mutant(
        "put-away-first",
        "a late skip clears the guest's SS, not the host's",
        "Linux 5.13 to 6.13",
        "immediate_exit, while the debugger steps: expect the stop after the access",
        _era("put-away-first", leftover_advance=Leftover.AFTER_PUT_AWAY),
    ),
    Mutant(
        "early-pc",
        "the PC moves before userspace has answered",
        "Linux up to 4.20",
        "what does GET_ONE_REG show at KVM_EXIT_MMIO?",
        _era("early-pc", pc_advance=PcAdvance.BEFORE_EXIT, early_skip_remembers_step=True),
    ),
    Mutant(
        "host-ss-shown",
        "GET_ONE_REG shows the host's SS",
        "Linux 4.3 to 6.0",
        "which PSTATE does userspace read at KVM_EXIT_MMIO while it steps?",
        _era("host-ss-shown", guest_ss_preserved=False),
    ),
    Mutant(
        "zero-extended",
        "a signed load from a device loses its sign",
        "Linux 3.14 to 7.1",
        "LDRSB of a byte of 0x80 or more, into an X register",
        _era("zero-extended", sign_extends_mmio=False),
    ),
    Mutant(
        "sign-beyond-w",
        "a signed load fills X where W was asked for",
        "Linux up to 3.13",
        "LDRSB into a W register: what is in the upper half of X then?",
        patch=patches.syndromes(patches.sign_beyond_w),
    ),
    Mutant(
        "register-31",
        "register 31 of an access is SP",
        "Linux until the end of 2015",
        "store WZR to a device, and look at the value that arrives",
        patch=patches.register_31_is_sp,
    ),
    Mutant(
        "abort-lost",
        "an abort that userspace injects is lost",
        "Linux 5.11 to 6.12",
        "let userspace answer a load with an abort: the guest's handler must run",
        _era(
            "abort-lost", abort_injection=AbortInjection.LOST, aborted_access_forgotten=False
        ),
    ),
    Mutant(
        "abort-unstepped",
        "the stop at the vector of an injected abort is lost",
        "Linux 6.17 and later",
        "answer a load with an abort while the debugger steps: where is the next stop?",
        _era("abort-unstepped", abort_injection=AbortInjection.AT_ONCE_STEP_FORGOTTEN),
    ),
)  # fmt: skip
_INVENTED = (
    Mutant(
        "plus-8",
        "a skip moves the PC by 8",
        "invented",
        "expect the effect of the instruction after an emulated one",
        patch=patches.twice_four,
    ),
    Mutant(
        "hvc-skipped",
        "an HVC is skipped, too",
        "invented",
        "expect the effect of the instruction after an HVC",
        patch=patches.syndromes(patches.hvc_is_skipped),
    ),
    Mutant(
        "fault-is-a-step",
        "a page fault on data counts as a step",
        "Linux 4.15 to 4.20, nearly",
        "step over the first access to a page of RAM",
        patch=patches.syndromes(patches.page_fault_is_a_step),
    ),
    Mutant(
        "no-tde",
        "MDSCR_EL1.SS is set, but not MDCR_EL2.TDE",
        "invented",
        "step anything, and say where it stops",
        patch=patches.no_tde,
    ),
    Mutant(
        "off-is-ss-0",
        "stepping is switched off with SS = 0",
        "invented",
        "switch stepping off in the middle, and expect no further stop",
        patch=patches.off_is_ss_0,
    ),
    Mutant(
        "mdscr-shown",
        "the guest sees the host's MDSCR_EL1",
        "invented",
        "let the guest read MDSCR_EL1 while the host steps it",
        patch=patches.mdscr_stays,
    ),
    Mutant(
        "interrupts-wait",
        "interrupts wait while the host steps",
        "invented; x86 has it as a flag",
        "raise an interrupt at an exit: the next stop is at the guest's IRQ vector",
        patch=patches.interrupts_wait,
    ),
    Mutant(
        "abort-completes",
        "a load that was aborted is completed",
        "invented",
        "after an injected abort, what is in the register that the load was to fill?",
        patch=patches.abort_completes,
    ),
    Mutant(
        "four-bytes",
        "every access is four bytes wide",
        "invented",
        "STRB and STR look alike to a UART; say which size you expect",
        patch=patches.syndromes(patches.four_bytes),
    ),
    Mutant(
        "not-swapped",
        "a big-endian guest is taken for little-endian",
        "invented",
        "set SCTLR_EL1.EE in the guest, then store a word to a device",
        patch=patches.bytes_not_swapped,
    ),
    Mutant(
        "no-syndrome",
        "an access with ISV = 0 is emulated anyway",
        "invented",
        "some accesses cannot be emulated: a pair, a writeback. KVM_RUN must fail",
        patch=patches.syndromes(patches.no_syndrome_is_emulated),
    ),
    Mutant(
        "offset-lost",
        "the address of an access loses its low 12 bits",
        "invented",
        "a device has more than one register: use one that is not at offset 0",
        patch=patches.syndromes(patches.offset_lost),
    ),
)  # fmt: skip
MUTANTS = tuple(
    replace(mutant, kernel=_era(mutant.name)) if mutant.patch is not None else mutant
    for mutant in _HISTORY + _INVENTED
)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
