"""The eras of Linux: which commit changed which behaviour, in which release, and the resulting kernels.

Invariant: a kernel is `FIXED`, broken and repaired by the commits of `HISTORY` that its release has. Nobody asks for a
version anywhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

from aarch64sim.files import recordings_folder
from aarch64sim.kvm.behaviours import (
    FIXED,
    AbortInjection,
    Arming,
    Completion,
    Kernel,
    Leftover,
    PcAdvance,
    PmuAccess,
    SkipApplied,
    behaviours,
    in_words,
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
        taken = map(_version, self.stable)
        return version[:2] >= _version(self.release)[:2] or any(
            first[:2] == version[:2] and first <= version for first in taken
        )

    def __str__(self) -> str:
        stable = f"; stable {', '.join(self.stable)}" if self.stable else ""
        return f"{self.id} ({self.release}{stable})"

    def repairs(self) -> list[str]:
        """The fields that it set to what is right."""
        return [name for name, value in self.to.items() if value == getattr(FIXED, name)]


def _version(text: str) -> Version:
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


def broken_by(field: str) -> list[Commit]:
    """The commits that set a field of `Kernel` to what is wrong, in their order; none for what is older than they."""
    return [c for c in HISTORY if c.id and field in c.to and field not in c.repairs()]


def fixed_by(field: str) -> list[Commit]:
    """The commits that set a field of `Kernel` to what is right, in their order."""
    return [c for c in HISTORY if c.id and field in c.repairs()]


def _fields(version: Version, also: str = "") -> dict[str, Any]:
    """What the commits that this release has made of the fields; `also` are ids of others, as if it had them."""
    made: dict[str, Any] = {}
    for commit in HISTORY:
        if commit.is_in(version) or commit.id in also.split():
            made |= commit.to
    return made


def _since(era: Kernel) -> Version:
    return _version(era.name.removeprefix("v"))


def _era(name: str, title: str, summary: str, also: str = "") -> Kernel:
    era = replace(FIXED, name=name, title=title, summary=summary)
    return replace(era, **_fields(_since(era), also))


# One kernel for each range of releases that step alike. Some have a later commit of their range all along, which is no
# matter of stepping: 6.1 to 6.12 broke injected aborts until stable releases repaired it. A release is exact.
_ABORTS_REPAIRED = "b6db3eb6c373 e735a5da6442"
ERAS = (
    _era("v4.3", "Linux 4.3 - 4.14", "the bug of 2014: one click on Step, two instructions gone"),
    _era("v4.14.177", "Linux 4.14.177 (stable)", "the bug of 2014, with the late PC advance"),
    _era(
        "v4.15",
        "Linux 4.15 - 4.20",
        "pretends a step after every emulation: right over MMIO, spurious stops on RAM faults",
        "cc33c4e20185 b7b27facc7b5",
    ),
    _era(
        "v4.19.48",
        "Linux 4.19.48 (stable)",
        "as v4.15, with the late PC advance of 5.0 and its lost instruction",
    ),
    _era("v5.0", "Linux 5.0 - 5.2", "as v5.3, and immediate_exit after MMIO loses an instruction"),
    _era(
        "v5.3",
        "Linux 5.3 - 5.4",
        "clears SS, and arms it again before the guest sees it: the bug of 2014 is back",
    ),
    _era(
        "v5.5",
        "Linux 5.5 - 5.10",
        "as v5.3, and an abort injected at an MMIO exit skips the handler's first instruction",
        "a425372e7331",
    ),
    _era(
        "v5.11",
        "Linux 5.11 - 5.12",
        "the skip moved after the arming: MMIO steps are right again, by accident",
    ),
    _era(
        "v5.13",
        "Linux 5.13 - 6.0",
        "right over MMIO by accident; an exit before the stop loses it",
        "e10ecb4d6c07",
    ),
    _era(
        "v6.1",
        "Linux 6.1 - 6.2",
        "steps as v6.3; cache ID registers are not emulated yet",
        f"{_ABORTS_REPAIRED} 811154e234db",
    ),
    _era(
        "v6.1.192",
        "Linux 6.1.192 (Debian)",
        "as v6.1, with a sign-extended syndrome of injected aborts",
    ),
    _era(
        "v6.3",
        "Linux 6.3 - 6.13",
        "remembers a pending step; loses one over immediate_exit",
        f"{_ABORTS_REPAIRED} 811154e234db 8d917e0a8651",
    ),
    _era("v6.14", "Linux 6.14 - 6.16", "steps correctly over everything that a guest can do alone"),
    _era(
        "v6.18",
        "Linux 6.17 - 7.1",
        "right, but the stop at the vector of an injected abort is lost",
    ),
    _era("v7.2", "Linux 7.2 and later", "as v6.18, and loads from devices are sign-extended"),
)


def _what_if(name: str, title: str, summary: str, **changes: Any) -> Kernel:
    base = next(era for era in ERAS if era.name == "v6.1.192")
    return replace(base, name=f"what-if-{name}", title=title, summary=summary, **changes)


WHAT_IFS = (
    _what_if(
        "late-advance-ss-kept",
        "What if: late advance, SS kept",
        "6.1.192 without the clearing of SS: the bug of 2014 in a new kernel",
        skip_clears_ss=False,
    ),
    _what_if(
        "early-advance-ss-kept",
        "What if: early advance, SS kept",
        "6.1.192 with the PC advance of 2014 and its bug",
        pc_advance=PcAdvance.BEFORE_EXIT,
        skip_clears_ss=False,
    ),
    _what_if(
        "early-advance-ss-cleared",
        "What if: early advance, SS cleared",
        "Maydell's first proposal alone: still late, since SS is armed again",
        pc_advance=PcAdvance.BEFORE_EXIT,
    ),
    _what_if(
        "early-advance-step-remembered",
        "What if: early advance, step remembered",
        "an early advance that steps correctly",
        pc_advance=PcAdvance.BEFORE_EXIT,
        early_skip_remembers_step=True,
    ),
    _what_if(
        "sign-extended-mmio",
        "What if: sign-extended MMIO loads",
        "6.1.192 with the sign extension of MMIO loads repaired",
        sign_extends_mmio=True,
    ),
)


class Kernels(Mapping[str, Kernel]):
    """The eras and what-ifs by name, oldest first; and any release from Linux 4.3 on, as "linux-5.10.89", "v5.10.89" or
    "5.10.89"; and the what-ifs that recordings tell of.

    A release is the era that does the same; where there is none, since a stable series took a commit or a range is not
    all alike, a kernel of its own name. UnknownKernelError for any other name.
    """

    def __init__(self, kernels: tuple[Kernel, ...]) -> None:
        self._kernels = {kernel.name: kernel for kernel in kernels}

    def __getitem__(self, name: str) -> Kernel:
        if name in self._kernels:
            return self._kernels[name]
        if release := _release_named(str(name)):
            return _of_release(release)
        if str(name).startswith("what-if-") and name in recorded_what_ifs():
            return recorded_what_ifs()[name]
        raise UnknownKernelError(name, list(self._kernels))

    def __iter__(self) -> Iterator[str]:
        return iter(self._kernels)

    def __len__(self) -> int:
        return len(self._kernels)


def _release_named(name: str) -> str:
    """The release, as "6.6.1", that the name is one for: "" for none, and before 4.3, where there was no single-step.

    A number alone is taken for one up to the last major number that is known: "v9.9" is a typing mistake.
    """
    match = re.fullmatch(r"(linux-|v?)(\d+\.\d+(?:\.\d+)?)", name)
    if not match or _version(match[2]) < (4, 3):
        return ""
    known = match[1] == "linux-" or _version(match[2])[0] <= _since(ERAS[-1])[0]
    return match[2] if known else ""


@cache
def recorded_what_ifs() -> Mapping[str, Kernel]:
    """The what-ifs of releases, by name, as the kernels.json of the recordings that come with the project say."""
    entries = [
        entry
        for path in sorted(recordings_folder().glob("*/kernels.json"))
        for entry in json.loads(path.read_text("utf-8"))
    ]
    return {entry["kernel"]: changed(entry) for entry in entries if "changes" in entry}


def changed(entry: Mapping[str, Any]) -> Kernel:
    """The what-if of an entry in kernels.json: the release `base`, but for the fields in `changes`.

    ValueError for a field or a value that there is not.
    """
    values = {}
    for name, told in entry["changes"].items():
        kind = next((type(f.default) for f in behaviours() if f.name == name), None)
        value = kind.__members__.get(told) if kind and issubclass(kind, Enum) else told
        if kind is None or not isinstance(value, kind):
            raise ValueError(f"{entry['kernel']}: no kernel has {name} = {told!r}")
        values[name] = value
    words = entry["kernel"].removeprefix("what-if-").replace("-", " ")
    about = {"name": entry["kernel"], "title": f"What if: {words}", "summary": entry["made"]}
    return replace(kernels[entry["base"]], **about, **values)


class UnknownKernelError(KeyError):
    """No kernel has that name."""

    def __init__(self, name: object, known: list[str]) -> None:
        super().__init__(
            f"no kernel {name!r}; known are {', '.join(known)}, and any release from 4.3 on"
        )

    def __str__(self) -> str:
        return str(self.args[0])


@cache
def _of_release(release: str) -> Kernel:
    version = _version(release)
    own = replace(FIXED, **_fields(version))
    nearest = min(
        reversed(ERAS), key=lambda era: (len(own.differences(era)), _since(era) > version)
    )
    unlike = own.differences(nearest)
    if not unlike:
        return nearest
    what = ", ".join(f"{field} ({in_words(value)})" for field, (value, _) in unlike.items())
    summary = f"as {nearest.name}, but for {what}"
    return replace(own, name=f"linux-{release}", title=f"Linux {release}", summary=summary)


kernels = Kernels((*ERAS, FIXED, *WHAT_IFS))


__all__ = [
    "ERAS",
    "FIXED",
    "HISTORY",
    "AbortInjection",
    "Arming",
    "Commit",
    "Completion",
    "Kernel",
    "Kernels",
    "Leftover",
    "PcAdvance",
    "PmuAccess",
    "SkipApplied",
    "UnknownKernelError",
    "behaviours",
    "broken_by",
    "changed",
    "fixed_by",
    "in_words",
    "kernels",
    "recorded_what_ifs",
]
