"""The eras of Linux, its releases and what-ifs: the kernels that the commits of `history` make.

Invariant: a kernel is `FIXED`, broken and repaired by the commits of `HISTORY` that its release has. Nobody asks for a
version anywhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
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
from aarch64sim.kvm.history import (
    HISTORY,
    Version,
    broken_by,
    fields_of,
    fixed_by,
    released,
    version_of,
)


def _since(era: Kernel) -> Version:
    return version_of(era.name.removeprefix("v"))


def _era(name: str, title: str, summary: str, also: str = "") -> Kernel:
    era = replace(FIXED, name=name, title=title, summary=summary)
    return replace(era, **fields_of(_since(era), also))


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


_IN_A_LIST = re.compile(r"^.*\((\S+)\)$")  # a line of the panel's list: "Linux 5.3 - 5.4 (v5.3)"
_LAST = {4: 20, 5: 19, 6: 19}  # the last minor number of each major one that another has followed


class Kernels(Mapping[str, Kernel]):
    """The eras and what-ifs by name, oldest first; and any release from Linux 4.3 on, as "linux-5.10.89", "v5.10.89" or
    "5.10.89"; and the what-ifs that recordings tell of. A title, with its name after it or not, does as well.

    A release is the era that does the same; where there is none, since a stable series took a commit or a range is not
    all alike, a kernel of its own name. UnknownKernelError for any other name.
    """

    def __init__(self, kernels: tuple[Kernel, ...]) -> None:
        self._kernels = {kernel.name: kernel for kernel in kernels}
        self._names = {k.title.lower().removeprefix("linux "): k.name for k in kernels}

    def __getitem__(self, name: str) -> Kernel:
        said = str(name).strip().lower().removeprefix("linux ")
        said = self._names.get(said) or _IN_A_LIST.sub(r"\1", said)
        if said in self._kernels:
            return self._kernels[said]
        if release := _release_named(said):
            return _of_release(release)
        if said.startswith("what-if-") and said in recorded_what_ifs():
            return recorded_what_ifs()[said]
        raise UnknownKernelError(name, list(self._kernels))

    def __iter__(self) -> Iterator[str]:
        return iter(self._kernels)

    def __len__(self) -> int:
        return len(self._kernels)


def _release_named(name: str) -> str:
    """The release, as "6.6.1", that the name is one for: "" for none, and before 4.3, where there was no single-step.

    A number alone is taken for one up to the last major number that is known: "v9.9" is a typing mistake, and so is
    "5.99", since 6.0 came after 5.19.
    """
    match = re.fullmatch(r"(linux-|v?)(\d+\.\d+(?:\.\d+)?)", name)
    if not match or version_of(match[2]) < (4, 3):
        return ""
    major, minor, _ = version_of(match[2])
    known = match[1] == "linux-" or major <= _since(ERAS[-1])[0]
    return match[2] if known and minor <= _LAST.get(major, minor) else ""


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
    title = entry.get("title", entry["kernel"])
    about = {"name": entry["kernel"], "title": f"What if: {title}", "summary": entry["made"]}
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
    version = version_of(release)
    own = replace(FIXED, **fields_of(version))
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


def kernel_of(kernel: Kernel | str) -> Kernel:
    """A kernel, or the one of that name. UnknownKernelError lists the names; TypeError for what is neither."""
    if isinstance(kernel, Kernel):
        return kernel
    if not isinstance(kernel, str):
        raise TypeError(f"a kernel is a Kernel or a name such as 'v4.3', not {kernel!r}")
    return kernels[kernel]


__all__ = [
    "ERAS",
    "FIXED",
    "HISTORY",
    "AbortInjection",
    "Arming",
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
    "kernel_of",
    "kernels",
    "recorded_what_ifs",
    "released",
]
