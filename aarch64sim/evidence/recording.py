"""Recordings of real kernels: a folder of them, read and checked (the format: labs/recordings/README.md).

Invariant: a folder is self-contained, and a damaged recording is one that says so, never one that is missing.
"""

from __future__ import annotations

import errno
import json
import lzma
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aarch64sim.evidence.errors import EvidenceError
from aarch64sim.evidence.scenario import Scenario, scenarios_in
from aarch64sim.kvm.kernels import Kernel, UnknownKernelError, changed
from aarch64sim.kvm.vcpu import UNKNOWN
from aarch64sim.kvm.vm_state import Host, SmcCall
from aarch64sim.vmm.start import StartState

POISON = UNKNOWN

# What a guest can read of the recorded CPUs without a trap (their reference manuals, as QEMU 7.2 has them).
CPUS = {
    "neoverse-n1": {"midr_el1": 0x414F_D0C1, "ctr_el0": 0x8444_C004, "ccsidr_el1": 0x701F_E01A},
    "cortex-a57": {"midr_el1": 0x411F_D070, "ctr_el0": 0x8444_C004, "ccsidr_el1": 0x701F_E00A},
}


# Recordings hold the numbers of Linux on arm64; an OSError has those of the computer that runs us.
LINUX_ERRNO = {"EINTR": 4, "ENOEXEC": 8, "EFAULT": 14, "EINVAL": 22, "ENOSYS": 38}
_OURS = {getattr(errno, name): number for name, number in LINUX_ERRNO.items()}
_NAMES = {number: name for name, number in LINUX_ERRNO.items()}


def linux_errno(error: OSError) -> int:
    """The number that a recording has for this failure of KVM_RUN."""
    return _OURS.get(error.errno or 0, error.errno or 0)


def errno_name(number: int) -> str:
    """The name of a number in a recording, "" for 0, which is none."""
    return _NAMES.get(number, f"errno {number}") if number else ""


class RecordingError(EvidenceError):
    """The folder or a recording in it cannot be read; the text is one sentence."""


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Whatever is wrong inside with the data of `what` becomes a RecordingError."""
    try:
        yield
    except RecordingError as error:
        raise RecordingError(str(error) if what in str(error) else f"{what}: {error}") from None
    except json.JSONDecodeError:
        raise RecordingError(f"{what} is cut off or not JSON") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{what} is not text") from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RecordingError(f"{what} is not what it should be: {error}") from None


@dataclass(frozen=True, slots=True)
class Instruction:
    """One word of a recorded guest program."""

    address: int
    word: int
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """One scenario on one kernel: what the VMM did and what came back."""

    kernel: str
    scenario: str
    about: str
    events: tuple[dict[str, Any], ...]
    program: tuple[Instruction, ...]
    host: Host
    start: StartState
    what_if: Kernel | None = None
    """The kernel, where the folder says how it was made: a release with fields changed."""
    damage: str = ""
    """Why it cannot be read; it then has no events."""

    def __str__(self) -> str:
        return f"{self.kernel}/{self.scenario}"


@dataclass(slots=True)
class Folder:
    """A folder of recordings; self-contained."""

    path: Path
    start: StartState = field(init=False)
    kernels: dict[str, dict[str, Any]] = field(init=False)
    scenarios: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise RecordingError(f"{self.path} is not a folder of recordings")
        with _reading("machine.json"):
            self.start = StartState.from_json(json.loads(self._text("machine.json")))
        with _reading("kernels.json"):
            self.kernels = {
                entry["kernel"]: entry for entry in list(json.loads(self._text("kernels.json")))
            }
        texts = self.path / "scenarios"
        if texts.is_dir() and not any(self.path.glob("scenarios.jsonl*")):
            self.scenarios = {s.name: scenario_line(s) for s in scenarios_in(texts)}
            return
        for number, line in enumerate(self._text("scenarios.jsonl").splitlines(), 1):
            with _reading(f"scenarios.jsonl, line {number}"):
                entry = json.loads(line)
                self.scenarios[entry["scenario"]] = entry

    def _text(self, name: str) -> str:
        """The text of a file, which may be there in compressed form (`.xz`) only."""
        with _reading(name):
            path, packed = self.path / name, self.path / f"{name}.xz"
            try:
                if packed.exists() and not path.exists():
                    return lzma.decompress(packed.read_bytes()).decode("utf-8")
                return path.read_text("utf-8")
            except lzma.LZMAError:
                raise RecordingError(f"{packed.name} is cut off or not compressed by xz") from None
            except OSError:
                raise RecordingError(f"{self.path} has no {name}") from None

    @property
    def recorded(self) -> list[str]:
        """The kernels of which there are recordings, in order: `NAME.jsonl` or `NAME.jsonl.xz`."""
        files = [*self.path.glob("*.jsonl"), *self.path.glob("*.jsonl.xz")]
        return sorted({path.name.partition(".jsonl")[0] for path in files} - {"scenarios"})

    def recordings(
        self, kernel: str | None = None, scenario: str | None = None
    ) -> Iterator[Recording]:
        """All recordings, or those of one kernel or scenario, in the order of the files; damaged ones, too."""
        for name in self.recorded:
            if kernel in (None, name):
                yield from self._of_kernel(name, scenario)

    def _of_kernel(self, kernel: str, scenario: str | None) -> Iterator[Recording]:
        file = f"{kernel}.jsonl"
        try:
            lines = self._text(file).splitlines()
        except RecordingError as error:
            yield self._damaged(kernel, "all", str(error))
            return
        for number, line in enumerate(lines, 1):
            name = re.search(r'"scenario": *"([^"]*)"', line)
            if scenario and name and name[1] != scenario:
                continue
            try:
                with _reading(f"{file}, line {number}"):
                    yield self._recording(kernel, json.loads(line))
            except RecordingError as error:
                yield self._damaged(kernel, name[1] if name else f"line {number}", str(error))

    def _damaged(self, kernel: str, scenario: str, damage: str) -> Recording:
        return Recording(kernel, scenario, "", (), (), Host(), self.start, damage=damage)

    def _recording(self, kernel: str, entry: dict[str, Any]) -> Recording:
        known = self.scenarios.get(entry["scenario"], {})
        program = tuple(
            Instruction(int(i["address"], 16), int(i["word"], 16), i["text"])
            for i in known.get("program", entry.get("program", ()))
        )
        events = entry.get("events")
        if not events or not isinstance(events, list) or not program:
            raise RecordingError(f"{entry['scenario']} has no {'events' if program else 'program'}")
        return Recording(
            kernel,
            entry["scenario"],
            known.get("about", ""),
            tuple(events),
            program,
            host_of(self.kernels.get(kernel, {})),
            self.start,
            self._what_if(kernel),
        )

    def _what_if(self, kernel: str) -> Kernel | None:
        entry = self.kernels.get(kernel, {})
        if "changes" not in entry:
            return None
        with _reading("kernels.json"):
            try:
                return changed(entry)
            except UnknownKernelError as error:
                raise RecordingError(str(error)) from None


def scenario_line(scenario: Scenario) -> dict[str, Any]:
    """What scenarios.jsonl says of a scenario: the words in memory, and their text."""
    program = [
        {
            "address": hex(address),
            "word": f"{word:#010x}",
            "text": scenario.program.line_text(address).partition("//")[0].strip(),
        }
        for address, word in scenario.words
    ]
    return {"scenario": scenario.name, "about": scenario.about, "program": program}


def host_of(entry: dict[str, Any]) -> Host:
    """What a kernel is, from its entry in kernels.json."""
    default = Host()
    registers = dict(CPUS.get(entry.get("cpu", "").split(",")[0], {}))
    registers |= {name: int(value, 16) for name, value in entry.get("id_registers", {}).items()}
    return Host(
        int(entry.get("psci_version", hex(default.psci_version)), 16),
        SmcCall(entry["smc"]) if "smc" in entry else default.smc,
        registers,
    )


def load(path: str | Path) -> Folder:
    """The folder of recordings at `path`; RecordingError if it is none."""
    return Folder(Path(path))
