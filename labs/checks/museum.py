"""The museum of lab 06: what sixteen real kernels did, as data for its figures and checks.

Invariant: whatever is said of a real kernel is read from its recording, whatever is said of a preset is run now.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

from aarch64sim.evidence import eras_table, recording
from aarch64sim.evidence.eras_table import ROWS, Row
from aarch64sim.evidence.recording import Folder, Recording
from aarch64sim.kvm import kernels
from aarch64sim.kvm.kernels import HISTORY, behaviours, broken_by, fixed_by, in_words, released
from aarch64sim.vmm import recordings_folder
from aarch64sim.vmm.machine import EXIT_BASE

NOT_RECORDED = eras_table.NOT_RECORDED
NOT_YET = (2027, 1)  # of a release whose date is in no table: after all that are
FIRST = ("",)  # folders of recordings: the sixteen kernels that the lab's tasks are about
NEWER = ("debian", "today")  # kernels recorded since, and what-ifs of one of them


@cache
def _folder(name: str = "") -> Folder:
    return recording.load(recordings_folder() / name)


@cache
def real_kernels() -> tuple[str, ...]:
    """The recorded kernels that nobody has changed, oldest first."""
    return tuple(name for name in _folder().kernels if name.startswith("linux-"))


def era_of(kernel: str) -> str:
    """The era of one of the sixteen, "A" to "F": the first letter of what kernels.json says; "" for others."""
    return str(_folder().kernels.get(kernel, {}).get("era", ""))[:1]


@cache
def _recorded(kernel: str, scenario: str) -> Recording:
    found = next(iter(_folder().recordings(kernel, scenario)), None)
    if found is None:
        raise ValueError(f"there is no recording of {scenario!r} on {kernel!r}")
    return found


def recorded(kernel: str, scenario: str) -> Recording:
    """One recording, the caller's to change; ValueError if there is none."""
    found = _recorded(kernel, scenario)
    return replace(found, events=copy.deepcopy(found.events))


@dataclass(frozen=True, slots=True)
class Return:
    """One return of KVM_RUN. `pc` and `pstate` are what GET_ONE_REG gives then, also where they did not change."""

    reason: str  # "DEBUG", "MMIO" ... or the errno's name: "EINTR", "ENOSYS"
    pc: int
    pstate: int
    hsr: int | None = None  # the syndrome that comes with KVM_EXIT_DEBUG
    last: bool = False  # the store to the exit device


def returns(made: Recording) -> list[Return]:
    """The returns of KVM_RUN in a recording, in order."""
    found: list[Return] = []
    now = {"pc": made.start.registers["pc"], "pstate": made.start.registers["pstate"]}
    for event in made.events:
        if event["op"] != "KVM_RUN":
            continue
        now |= {name: int(value, 16) for name, value in event["registers"].items()}
        reason = recording.errno_name(event["errno"]) or event["exit_reason"]
        hsr = int(event["debug"]["hsr"], 16) if reason == "DEBUG" else None
        last = reason == "MMIO" and int(event["mmio"]["phys_addr"], 16) == EXIT_BASE
        found.append(Return(reason, now["pc"], now["pstate"], hsr, last))
    return found


def guest_log(made: Recording) -> list[int]:
    """Where a guest that steps itself was notified of a stop: the log that its handler has written.

    Each entry is three doublewords: ESR_EL1, ELR_EL1, SPSR_EL1.
    """
    final = next(event for event in made.events if event["op"] == "final")
    words = [int(word, 16) for word in final["memory"]["0x40005000"]]
    return [words[n + 1] for n in range(0, len(words) - 2, 3) if words[n]]


# --- the matrix ------------------------------------------------------------------------------------------------------


@cache
def columns(folders: tuple[str, ...] = FIRST) -> tuple[str, ...]:
    """The kernels that a matrix of these folders shows; of the first folder, those that nobody has changed."""
    if folders == FIRST:
        return real_kernels()
    return tuple(dict.fromkeys(name for folder in folders for name in _folder(folder).kernels))


@cache
def recorded_cells(folders: tuple[str, ...] = FIRST) -> dict[tuple[str, str], str]:
    """(row's title, recorded kernel) -> the answer, from the recordings alone."""
    return {
        key: cell
        for folder in folders
        for key, cell in eras_table.recorded_cells(_folder(folder).recordings()).items()
        if key[1] in columns(folders)
    }


@cache
def simulated_cells(folders: tuple[str, ...] = FIRST) -> dict[tuple[str, str], str]:
    """The same from the simulator: each preset runs each scenario now. Cells that were not recorded are left out."""
    entries = {name: entry for f in folders for name, entry in _folder(f).kernels.items()}
    return {
        (row.title, name): eras_table.simulated_cell(
            row, kernels[name], recording.host_of(entries[name])
        )
        for row in ROWS
        for name in columns(folders)
        if (row.title, name) in recorded_cells(folders)
    }


@cache
def right_cell(row: Row) -> str:
    """What a kernel should do: the answer of the preset "fixed"."""
    return eras_table.simulated_cell(row, kernels["fixed"])


def is_right(title: str, kernel: str, folders: tuple[str, ...] = FIRST) -> bool | None:
    """Whether a recorded kernel does what it should in a row; None where it was not recorded."""
    cell = recorded_cells(folders).get((title, kernel))
    return None if cell is None else cell == right_cell(row_named(title))


def row_named(title: str) -> Row:
    """The row of that title; KeyError if there is none."""
    return {row.title: row for row in ROWS}[title]


def changes(title: str) -> list[str]:
    """The recorded kernels in which a row became right or wrong: each is the first after a change."""
    known = [(name, is_right(title, name)) for name in real_kernels()]
    seen = [(name, right) for name, right in known if right is not None]
    return [name for (_, before), (name, right) in pairwise(seen) if before is not right]


# --- the fields of Kernel, as history --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    """A commit, and the release that brought it."""

    commit: str
    release: str

    @property
    def year(self) -> float:
        """Of the release, with its month as a fraction."""
        year, month = released(self.release) or NOT_YET
        return year + (month - 1) / 12

    @property
    def when(self) -> str:
        """Year and month of the release."""
        year, month = released(self.release) or NOT_YET
        return f"{year}-{month:02}"


@dataclass(frozen=True, slots=True)
class Life:
    """A wrong behaviour: the field of Kernel that names it, when it came and went, and came again, if it did."""

    field: str
    story: str
    came: Moment
    went: Moment
    again: Moment | None = None


@cache
def lives() -> tuple[Life, ...]:
    """The fields of Kernel that have a beginning and an end in history and show in the matrix, in order of coming."""
    found = []
    for field in behaviours():
        came, went = (
            [Moment(commit.id, commit.release) for commit in commits(field.name)]
            for commits in (broken_by, fixed_by)
        )
        if came and went and _shows(field):
            again = next((m for m in came if m.year > went[0].year), None)
            found.append(Life(field.name, field.metadata["doc"], came[0], went[0], again))
    return tuple(sorted(found, key=lambda life: (life.came.year, life.went.year, life.field)))


def _shows(field: Any) -> bool:
    """Some row of the matrix notices when only this field is not as it should be."""
    kind = type(field.default)
    others = [not field.default] if kind is bool else [v for v in kind if v is not field.default]
    changes: list[dict[str, Any]] = [{field.name: value} for value in others]
    return any(
        eras_table.simulated_cell(row, replace(kernels["fixed"], **change)) != right_cell(row)
        for change in changes
        for row in ROWS
    )


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: the fields that it set right, and those that it made wrong."""

    moment: Moment
    fixed: tuple[str, ...]
    broke: tuple[str, ...]


def commits() -> list[Commit]:
    """Those that begin or end a life, oldest first."""
    table: dict[Moment, tuple[list[str], list[str]]] = {}
    for life in lives():
        for when, column in ((life.went, 0), (life.came, 1), (life.again, 1)):
            if when:
                table.setdefault(when, ([], []))[column].append(life.field)
    rows = sorted(table.items(), key=lambda entry: (entry[0].year, entry[0].commit))
    return [Commit(when, tuple(fixed), tuple(broke)) for when, (fixed, broke) in rows]


def changes_between_wrongs() -> list[tuple[Any, str, str]]:
    """(commit, field, what it did from then on) where a commit set a field from one wrong behaviour to another."""
    fields = {life.field for life in lives()}
    found: list[tuple[Any, str, str]] = []
    wrong: dict[str, Any] = {}
    for commit in HISTORY:
        for name, value in commit.to.items():
            if name in fields and value != getattr(kernels["fixed"], name):
                if commit.id and wrong.get(name, value) != value:
                    found.append((commit, name, in_words(value)))
                wrong[name] = value
    return found
