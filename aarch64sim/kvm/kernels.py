"""The eras: each field names one behaviour that differed between Linux releases; a kernel is a handful of them.

Invariant: a kernel's behaviour is what its fields say. Nobody asks for a version anywhere else, and any combination
of fields makes a kernel that runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
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
    """What a guest without a PMU finds in PMCR_EL0 and its kin."""

    ZERO = "reads as zero"
    UNDEFINED = "UNDEFINED"


def _behaviour(default: Any, doc: str, *, wrong_in: str = "", fixed_by: str = "") -> Any:
    """A field with its story: `doc` gives symptom and cause, the others the commits (12 digits and release)."""
    return field(default=default, metadata={"doc": doc, "wrong_in": wrong_in, "fixed_by": fixed_by})


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
        wrong_in="337b99bf7edf (4.3) met it; the early skip is as old as the MMIO code",
        fixed_by="0d640732dbeb (5.0; stable 4.14 and 4.19 took it later)",
    )
    skip_clears_ss: bool = _behaviour(
        True,
        "If not, the CPU believes that the step is still to be made: the instruction after the emulated one runs"
        " without a stop. This is the bug that Maydell saw in review in 2014. Cause: software that completes an"
        " instruction must do all that completion does (SSAdvance), not only move the PC.",
        wrong_in="337b99bf7edf (4.3)",
        fixed_by="bd7d95cafb49 (5.0)",
    )
    skip_applied: SkipApplied = _behaviour(
        SkipApplied.AT_NEXT_ENTRY,
        "At once means: before SS is armed for the next entry, which undoes the clearing of SS. So every emulated"
        " instruction was one stop late again from 5.0 to 5.10, and 5.11 repaired it by accident.",
        wrong_in="bd7d95cafb49 (5.0), by clearing SS too early",
        fixed_by="cdb5e02ed133 (5.11)",
    )
    leftover_advance: Leftover = _behaviour(
        Leftover.BEFORE_PUT_AWAY,
        "After an MMIO exit, KVM_RUN with immediate_exit or a pending signal completes the access but does not enter"
        " the guest. Kept: GET_ONE_REG still shows the old PC, and a PC set now is advanced, too. Applied after the"
        " host's step state is put away: the stop is lost, since the guest's SS is cleared instead of the host's.",
        wrong_in="cdb5e02ed133 (5.11, kept), 26778aaa134a (5.13, after)",
        fixed_by="2ca3f03bf524 (6.14)",
    )
    arming: Arming = _behaviour(
        Arming.UNLESS_PENDING,
        "At every entry: a step that is already spent is granted again, so an exit to the host between the"
        " instruction and its stop (an interrupt, an HVC, a fault on a cold vector) loses the stop.",
        wrong_in="337b99bf7edf (4.3)",
        fixed_by="370531d1e95b (6.1)",
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
        wrong_in="7226bc2e126d, 1eb591288b95 (4.15)",
        fixed_by="bd7d95cafb49 (5.0)",
    )
    completion: Completion = _behaviour(
        Completion.BY_FLAG,
        "By exit_reason alone, an access that a KVM_RUN with immediate_exit has completed is completed once more by"
        " the next: with the late advance an instruction is lost.",
        wrong_in="0d640732dbeb (5.0)",
        fixed_by="2113c5f62b74 (5.3)",
    )
    sign_extends_mmio: bool = _behaviour(
        True,
        "If not, LDRSB, LDRSH and LDRSW from MMIO come back zero-extended. Cause: the value is cut to the width of"
        " the access after the sign extension.",
        wrong_in="b30070862edb (3.14)",
        fixed_by="85f56708a443 (2026)",
    )
    abort_injection: AbortInjection = _behaviour(
        AbortInjection.AT_NEXT_ENTRY,
        "Taken then retired: the first instruction of the guest's handler is skipped. Lost: the flag of the deferred"
        " skip falls into the field of the pending exception. At once, step forgotten: the entry to the vector"
        " happens while the host's step state is away, so the stop at the vector is lost.",
        wrong_in="da345174ceca (5.5), cdb5e02ed133 (5.11), 6.18",
        fixed_by="e735a5da6442 (6.13, and stable)",
    )
    aborted_access_forgotten: bool = _behaviour(
        True,
        "If not, an aborted access stays marked as needed: after KVM_RUN with immediate_exit has entered the vector,"
        " the next KVM_RUN completes the access after all and skips the handler's first instruction.",
        wrong_in="e735a5da6442 (6.13, and stable)",
        fixed_by="6.18",
    )
    injected_esr_sign_extended: bool = _behaviour(
        False,
        "The syndrome of an injected abort is computed as a signed int: the upper half of ESR_EL1 is all ones.",
        wrong_in="seen in stable 6.1.192",
    )
    guest_ss_preserved: bool = _behaviour(
        True,
        "If not, the SS that the host armed is what GET_ONE_REG shows in PSTATE at an MMIO exit, and the guest's own"
        " is lost.",
        wrong_in="337b99bf7edf (4.3)",
        fixed_by="34fbdee086cf (6.1)",
    )
    id_registers_trapped: bool = _behaviour(
        True,
        "Reads of ID registers are emulated (HCR_EL2.TID3), so they count among the instructions that are skipped.",
        wrong_in="not trapped before",
        fixed_by="93390c0a1b20 (4.15)",
    )
    cache_registers_trapped: bool = _behaviour(
        True,
        "Reads of CTR_EL0 and CCSIDR_EL1 are emulated (HCR_EL2.TID2), and CCSIDR_EL1 describes a cache of one line,"
        " so that a guest finds the same wherever it is migrated to.",
        wrong_in="not trapped before",
        fixed_by="7af0c2534f4c (6.3)",
    )
    lor_registers_trapped: bool = _behaviour(
        True,
        "Accesses to the LORegion registers are emulated (HCR_EL2.TLOR): they read as zero, writes are ignored.",
        wrong_in="not trapped before",
        fixed_by="cc33c4e20185 (4.16)",
    )
    pmu_access: PmuAccess = _behaviour(
        PmuAccess.UNDEFINED,
        "Up to 5.10 the PMU registers of a guest without a PMU read as zero (and are skipped), then UNDEFINED.",
        wrong_in="ab9468340d2b (4.6)",
        fixed_by="11663111cd49 (5.11)",
    )

    def differences(self) -> dict[str, tuple[Any, Any]]:
        """What this kernel does not do as it should: field -> (its value, the right value)."""
        return {
            f.name: (getattr(self, f.name), f.default)
            for f in behaviours()
            if getattr(self, f.name) != f.default
        }


def behaviours() -> list[Any]:
    """The fields that name a behaviour, with default, and metadata doc, wrong_in, fixed_by."""
    return [f for f in fields(Kernel) if "doc" in f.metadata and f.default is not MISSING]


FIXED = Kernel()


def _era(base: Kernel, name: str, title: str, summary: str, **changes: Any) -> Kernel:
    return replace(base, name=name, title=title, summary=summary, **changes)


# Read from the bottom: each era is the next one without its fix.
_V6_18 = _era(
    FIXED,
    "v6.18",
    "Linux 6.18 and later",
    "right, but the stop at the vector of an injected abort is lost",
    sign_extends_mmio=False,
    abort_injection=AbortInjection.AT_ONCE_STEP_FORGOTTEN,
)
_V6_14 = _era(
    _V6_18,
    "v6.14",
    "Linux 6.14 - 6.17",
    "steps correctly over everything that a guest can do alone",
    abort_injection=AbortInjection.AT_NEXT_ENTRY,
    aborted_access_forgotten=False,
)
_V6_3 = _era(
    _V6_14,
    "v6.3",
    "Linux 6.3 - 6.13",
    "remembers a pending step; loses one over immediate_exit",
    leftover_advance=Leftover.AFTER_PUT_AWAY,
)
_V6_1 = _era(
    _V6_3,
    "v6.1",
    "Linux 6.1 - 6.2",
    "steps as v6.3; cache ID registers are not emulated yet",
    cache_registers_trapped=False,
)
_V6_1_192 = _era(
    _V6_1,
    "v6.1.192",
    "Linux 6.1.192 (Debian)",
    "as v6.1, with a sign-extended syndrome of injected aborts",
    injected_esr_sign_extended=True,
)
_V5_13 = _era(
    _V6_1,
    "v5.13",
    "Linux 5.13 - 6.0",
    "right over MMIO by accident; an exit before the stop loses it",
    arming=Arming.EVERY_ENTRY,
    guest_ss_preserved=False,
    abort_injection=AbortInjection.LOST,
)
_V5_11 = _era(
    _V5_13,
    "v5.11",
    "Linux 5.11 - 5.12",
    "the skip moved behind the arming: MMIO steps are right again, by accident",
    leftover_advance=Leftover.KEPT,
)
_V5_5 = _era(
    _V5_13,
    "v5.5",
    "Linux 5.5 - 5.10",
    "as v5.3, and an abort injected at an MMIO exit skips the handler's first instruction",
    skip_applied=SkipApplied.AT_ONCE,
    abort_injection=AbortInjection.TAKEN_THEN_RETIRED,
    pmu_access=PmuAccess.ZERO,
)
_V5_3 = _era(
    _V5_5,
    "v5.3",
    "Linux 5.3 - 5.4",
    "clears SS, and arms it again before the guest sees it: the bug of 2014 is back",
    abort_injection=AbortInjection.UNSUPPORTED,
)
_V5_0 = _era(
    _V5_3,
    "v5.0",
    "Linux 5.0 - 5.2",
    "as v5.3, and immediate_exit after MMIO loses an instruction",
    completion=Completion.BY_EXIT_REASON,
)
_V4_19_48 = _era(
    _V5_0,
    "v4.19.48",
    "Linux 4.19.48 (stable)",
    "as v4.15, with the late PC advance of 5.0 and its lost instruction",
    skip_clears_ss=False,
    fake_debug_exit=True,
)
_V4_15 = _era(
    _V4_19_48,
    "v4.15",
    "Linux 4.15 - 4.20",
    "pretends a step after every emulation: right over MMIO, spurious stops on RAM faults",
    pc_advance=PcAdvance.BEFORE_EXIT,
)
_V4_3 = _era(
    _V4_15,
    "v4.3",
    "Linux 4.3 - 4.14",
    "the bug of 2014: one click on Step, two instructions gone",
    fake_debug_exit=False,
    id_registers_trapped=False,
    lor_registers_trapped=False,
)
_V4_14_177 = _era(
    _V4_3,
    "v4.14.177",
    "Linux 4.14.177 (stable)",
    "the bug of 2014, with the late PC advance",
    pc_advance=PcAdvance.AFTER_ANSWER,
    completion=Completion.BY_FLAG,
)

_WHAT_IFS = (
    _era(
        _V6_1_192,
        "what-if-late-advance-ss-kept",
        "What if: late advance, SS kept",
        "6.1.192 without the clearing of SS: the bug of 2014 in a new kernel",
        skip_clears_ss=False,
    ),
    _era(
        _V6_1_192,
        "what-if-early-advance-ss-kept",
        "What if: early advance, SS kept",
        "6.1.192 with the PC advance of 2014 and its bug",
        pc_advance=PcAdvance.BEFORE_EXIT,
        skip_clears_ss=False,
    ),
    _era(
        _V6_1_192,
        "what-if-early-advance-ss-cleared",
        "What if: early advance, SS cleared",
        "Maydell's first proposal alone: still late, since SS is armed again",
        pc_advance=PcAdvance.BEFORE_EXIT,
    ),
    _era(
        _V6_1_192,
        "what-if-early-advance-step-remembered",
        "What if: early advance, step remembered",
        "an early advance that steps correctly",
        pc_advance=PcAdvance.BEFORE_EXIT,
        early_skip_remembers_step=True,
    ),
    _era(
        _V6_1_192,
        "what-if-sign-extended-mmio",
        "What if: sign-extended MMIO loads",
        "6.1.192 with the sign extension of MMIO loads repaired",
        sign_extends_mmio=True,
    ),
)


class Kernels(Mapping[str, Kernel]):
    """The presets by name, oldest first; an unknown name is answered with the known ones."""

    def __init__(self, kernels: tuple[Kernel, ...]) -> None:
        self._kernels = {kernel.name: kernel for kernel in kernels}

    def __getitem__(self, name: str) -> Kernel:
        try:
            return self._kernels[name]
        except KeyError:
            raise UnknownKernelError(name, list(self._kernels)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._kernels)

    def __len__(self) -> int:
        return len(self._kernels)


class UnknownKernelError(KeyError):
    """No preset has that name."""

    def __init__(self, name: object, known: list[str]) -> None:
        super().__init__(f"no kernel {name!r}; known are {', '.join(known)}")

    def __str__(self) -> str:
        return str(self.args[0])


kernels = Kernels(
    (
        *(_V4_3, _V4_14_177, _V4_15, _V4_19_48, _V5_0, _V5_3, _V5_5, _V5_11, _V5_13),
        *(_V6_1, _V6_1_192, _V6_3, _V6_14, _V6_18, FIXED, *_WHAT_IFS),
    )
)

# First release that behaves so, newest first; then the first patch level of a stable series that was seen to differ.
_MAINLINE = (
    ((6, 18), _V6_18),
    ((6, 14), _V6_14),
    ((6, 3), _V6_3),
    ((6, 1), _V6_1),
    ((5, 13), _V5_13),
    ((5, 11), _V5_11),
    ((5, 5), _V5_5),
    ((5, 3), _V5_3),
    ((5, 0), _V5_0),
    ((4, 15), _V4_15),
    ((4, 3), _V4_3),
)
_STABLE = {(4, 14): (177, _V4_14_177), (4, 19): (48, _V4_19_48), (6, 1): (192, _V6_1_192)}


def preset_for(release: str) -> Kernel:
    """The preset of a kernel named as the recordings name it: "linux-5.10.89", or the name of a what-if.

    A stable release takes the preset with the backports from the first patch level on that was seen to have them.
    UnknownKernelError for anything else, and for releases before 4.3, which had no single-step.
    """
    if release in kernels:
        return kernels[release]
    match = re.fullmatch(r"linux-(\d+)\.(\d+)(?:\.(\d+))?", release)
    if match:
        version = int(match[1]), int(match[2])
        first, backported = _STABLE.get(version, (None, None))
        if first is not None and backported is not None and int(match[3] or 0) >= first:
            return backported
        for start, kernel in _MAINLINE:
            if version >= start:
                return kernel
    raise UnknownKernelError(release, ["linux-4.3 and later", *kernels])
