"""The history of Linux as far as a guest or its debugger sees it: which commit changed which behaviour.

Invariant: what a release does follows from the commits that it has, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aarch64sim.kvm.behaviours import (
    FIXED,
    AbortInjection,
    Arming,
    Completion,
    Leftover,
    PcAdvance,
    PmuAccess,
    SkipApplied,
)

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit changed, for better or worse.

    `id` has 12 digits, "" for what is older than single-stepping; `release` is the mainline release that it came with,
    `stable` are the first releases of those stable series that took it, too.
    """

    release: str
    id: str
    to: Mapping[str, Any]
    stable: tuple[str, ...] = ()

    def is_in(self, version: Version) -> bool:
        """Whether the release has it: `version` is of three numbers."""
        taken = map(version_of, self.stable)
        return version[:2] >= version_of(self.release)[:2] or any(
            first[:2] == version[:2] and first <= version for first in taken
        )

    def __str__(self) -> str:
        stable = f"; stable {', '.join(self.stable)}" if self.stable else ""
        return f"{self.id} ({self.release}{stable})"

    def repairs(self) -> list[str]:
        """The fields that it set to what is right."""
        return [name for name, value in self.to.items() if value == getattr(FIXED, name)]


def version_of(text: str) -> Version:
    """A release as three numbers, so that releases can be compared."""
    numbers = tuple(map(int, text.split(".")))
    return numbers + (0,) * (3 - len(numbers))


def _commit(release: str, id: str, stable: str = "", **to: Any) -> Commit:
    return Commit(release, id, to, tuple(stable.split()))


# The stable releases are those whose changelog, announcement or incremental patch names the commit. Of 0d640732dbeb
# that was seen for 4.4 and 4.19; the other three came in the same batch. 6.1.4 and 7.2.8, not recorded, were read.
HISTORY = (
    _commit(
        "3.11",
        "",
        completion=Completion.BY_EXIT_REASON,  # harmless while the advance is early
        leftover_advance=Leftover.AFTER_PUT_AWAY,  # nothing is left over while a skip is applied at once
        skip_applied=SkipApplied.AT_ONCE,
        abort_injection=AbortInjection.UNSUPPORTED,
        vcpu_events=False,
        aborted_access_forgotten=False,
        injection_keeps_flags=False,
        id_registers_trapped=False,
        cache_registers_trapped=False,
        lor_registers_trapped=False,
        implementation_registers_trapped=False,
        gic_registers_trapped=False,
        outside_ipa_space_aborts=False,
        psci_affinity_checked=False,
        vendor_calls_answered=False,
        entropy_calls_answered=False,
        os_lock_emulated=False,
        pmu_access=PmuAccess.ZERO,
    ),
    _commit("3.14", "b30070862edb", sign_extends_mmio=False),
    _commit(
        "4.3",
        "337b99bf7edf",  # single-stepping, which meets an early advance as old as the MMIO code
        pc_advance=PcAdvance.BEFORE_EXIT,
        skip_clears_ss=False,
        arming=Arming.EVERY_ENTRY,
        guest_ss_preserved=False,
        guest_breakpoints_put_away=False,
        debug_registers_owned=False,
        guest_mdscr_cut=True,
        watchpoint_far_reported=False,
    ),
    _commit("4.6", "ab9468340d2b", pmu_access=PmuAccess.ZERO),
    _commit("4.15", "1eb591288b95", fake_debug_exit=True),  # and 7226bc2e126d
    _commit("4.15", "93390c0a1b20", id_registers_trapped=True),
    _commit("4.16", "cc33c4e20185", lor_registers_trapped=True),
    _commit("4.19", "b7b27facc7b5", vcpu_events=True),
    _commit(
        "5.0",
        "0d640732dbeb",
        "4.4.175 4.9.156 4.14.99 4.19.21 4.20.8",
        pc_advance=PcAdvance.AFTER_ANSWER,
        completion=Completion.BY_EXIT_REASON,  # now it loses an instruction
    ),
    _commit(
        "5.0",
        "bd7d95cafb49",
        skip_clears_ss=True,
        skip_applied=SkipApplied.AT_ONCE,  # so SS is cleared too early
        fake_debug_exit=False,
    ),
    _commit(
        "5.3",
        "2113c5f62b74",
        "4.4.192 4.9.192 4.14.143 4.19.72 5.2.14",
        completion=Completion.BY_FLAG,
    ),
    _commit("5.5", "da345174ceca", abort_injection=AbortInjection.TAKEN_THEN_RETIRED),
    _commit("5.6", "a425372e7331", "5.4.19 5.5.3", injection_keeps_flags=True),
    _commit(
        "5.11",
        "cdb5e02ed133",
        skip_applied=SkipApplied.AT_NEXT_ENTRY,
        leftover_advance=Leftover.KEPT,
        abort_injection=AbortInjection.LOST,
    ),
    _commit("5.11", "11663111cd49", pmu_access=PmuAccess.UNDEFINED),
    _commit("5.12", "a8e190cdae1b", entropy_calls_answered=True),
    _commit("5.13", "26778aaa134a", leftover_advance=Leftover.AFTER_PUT_AWAY),
    _commit("5.13", "923961a7ff2e", vendor_calls_answered=True),
    _commit("5.15", "e10ecb4d6c07", psci_affinity_checked=True),
    _commit("5.18", "7dabf02f43a1", os_lock_emulated=True),
    _commit("5.18", "85ea6b1ec915", outside_ipa_space_aborts=True),
    _commit("5.19", "0b12620fddb8", injected_esr_sign_extended=True),
    _commit("6.1", "370531d1e95b", arming=Arming.UNLESS_PENDING),
    _commit("6.1", "34fbdee086cf", guest_ss_preserved=True),
    _commit("6.3", "7af0c2534f4c", cache_registers_trapped=True),
    _commit("6.4", "811154e234db", "6.1.33", watchpoint_far_reported=True),
    _commit("6.12", "8d917e0a8651", gic_registers_trapped=True),
    _commit("6.12", "b6db3eb6c373", "6.6.54 6.10.13", injected_esr_sign_extended=False),
    _commit(
        "6.13",
        "e735a5da6442",
        "6.1.120 6.6.66 6.12.2",
        abort_injection=AbortInjection.AT_NEXT_ENTRY,
        aborted_access_forgotten=False,
    ),
    _commit("6.14", "4ad3a0b87f2e", guest_breakpoints_put_away=True, guest_mdscr_cut=False),
    _commit("6.14", "beb470d96cec", debug_registers_owned=True),
    _commit(
        "6.14",
        "2ca3f03bf524",
        leftover_advance=Leftover.BEFORE_PUT_AWAY,
        unstepped_ss_lost=True,
    ),
    _commit("6.15", "3adaee783061", implementation_registers_trapped=True),
    _commit(
        "6.17",
        "efa1368ba9f4",
        abort_injection=AbortInjection.AT_ONCE_STEP_FORGOTTEN,
        aborted_access_forgotten=True,
    ),
    _commit("6.18", "50f77dc87f13", injected_abort_reads_any_syndrome=True),
    _commit("7.2", "85f56708a443", sign_extends_mmio=True),
)


# When Linus Torvalds released them: year and month. A release that is missing here is drawn after all others.
_RELEASED = {
    "3.11": (2013, 9),
    "3.14": (2014, 3),
    "4.3": (2015, 11),
    "4.6": (2016, 5),
    "4.15": (2018, 1),
    "4.16": (2018, 4),
    "4.19": (2018, 10),
    "5.0": (2019, 3),
    "5.3": (2019, 9),
    "5.5": (2020, 1),
    "5.6": (2020, 3),
    "5.11": (2021, 2),
    "5.13": (2021, 6),
    "5.15": (2021, 10),
    "5.18": (2022, 5),
    "5.19": (2022, 7),
    "6.1": (2022, 12),
    "6.3": (2023, 4),
    "6.4": (2023, 6),
    "6.12": (2024, 11),
    "6.13": (2025, 1),
    "6.14": (2025, 3),
    "6.15": (2025, 5),
    "6.17": (2025, 9),
    "6.18": (2025, 11),
    "7.2": (2026, 8),
}


def released(release: str) -> tuple[int, int] | None:
    """Year and month of a mainline release; None if it is not known here."""
    return _RELEASED.get(release)


def broken_by(field: str) -> list[Commit]:
    """The commits that set a field of `Kernel` to what is wrong, in their order; none for what is older than they."""
    return [c for c in HISTORY if c.id and field in c.to and field not in c.repairs()]


def fixed_by(field: str) -> list[Commit]:
    """The commits that set a field of `Kernel` to what is right, in their order."""
    return [c for c in HISTORY if c.id and field in c.repairs()]


def fields_of(version: Version, also: str = "") -> dict[str, Any]:
    """What the commits that this release has made of the fields; `also` are ids of others, as if it had them."""
    made: dict[str, Any] = {}
    for commit in HISTORY:
        if commit.is_in(version) or commit.id in also.split():
            made |= commit.to
    return made
