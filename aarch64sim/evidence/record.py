"""`python -m aarch64sim record`: scenarios on a real kernel, written as a folder of recordings.

Invariant: what has been recorded is written, whatever happens to the kernel afterwards; a scenario that is left out is
named with the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from aarch64sim.evidence.debian import kernel_image
from aarch64sim.evidence.probing import kernel_entry
from aarch64sim.evidence.recorder import GuestFailure, Recorder, RecorderError
from aarch64sim.evidence.recording import load, scenario_line
from aarch64sim.evidence.scenario import Scenario, scenarios_in
from aarch64sim.evidence.scenario_vmm import EndlessGuest, ScenarioVmm
from aarch64sim.evidence.simulated import Event
from aarch64sim.evidence.workshop import Workshop
from aarch64sim.kvm.behaviours import Arming
from aarch64sim.kvm.kernels import UnknownKernelError, kernels
from aarch64sim.vmm.start import default_start, recordings_folder

MOST_DEATHS = 5  # of the kernel in one run: then it is given up
Progress = Callable[[int, int, str], None]


@dataclass(slots=True)
class Session:
    """What was recorded of one kernel so far."""

    workshop: Workshop
    entry: Event = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    deaths: int = 0
    _recorder: Recorder | None = None

    @property
    def kernel(self) -> str:
        """The name of the recording, such as linux-6.12.118; "" before `connect`."""
        return str(self.entry.get("kernel", ""))

    def connect(self) -> Recorder:
        """The recorder; a new one if there is none any more. RecorderError if there can be none."""
        if self._recorder is None:
            self._recorder = self.workshop.recorder()
            if not self.entry:
                about, cpu = self._recorder.about, self.workshop.cpu
                self.entry = kernel_entry(self._recorder, about, cpu)
        return self._recorder

    def disconnect(self) -> None:
        """End the recorder and its kernel."""
        if self._recorder:
            self._recorder.close()
        self._recorder = None

    @property
    def forgetful(self) -> bool:
        """Whether any exit to the host, an interrupt's too, makes this kernel forget a pending step."""
        try:
            return kernels[self.kernel].arming is Arming.EVERY_ENTRY
        except UnknownKernelError:
            return True

    def record(self, scenario: Scenario) -> list[Event] | None:
        """Its transcript; None if it is left out. RecorderError if the kernel can't be had any more."""
        if self.workshop.image and any("wfi" in action.words for action in scenario.start):
            self.left_out[scenario.name] = "QEMU completes a stepped WFI instead of trapping it"
            return None
        try:
            return ScenarioVmm(scenario, self.connect()).record()
        except EndlessGuest:
            self.left_out[scenario.name] = "the guest runs forever"
        except GuestFailure as error:
            self.left_out[scenario.name] = str(error)
            self.disconnect()
            self.deaths += 1
            if self.deaths == MOST_DEATHS:
                raise RecorderError(
                    f"given up after {MOST_DEATHS} failures, the last: {error}"
                ) from None
        return None

    def record_all(self, scenarios: Sequence[Scenario], progress: Progress) -> None:
        """All of them; twice where the kernel forgets steps, and then only what is the same both times."""
        progress(0, len(scenarios), "starting the kernel")
        self.connect()
        for number, scenario in enumerate(scenarios):
            progress(number, len(scenarios), scenario.name)
            if (events := self.record(scenario)) is not None:
                self.events[scenario.name] = events
        if self.forgetful:
            self._record_again([s for s in reversed(scenarios) if s.name in self.events], progress)

    def _record_again(self, scenarios: Sequence[Scenario], progress: Progress) -> None:
        """In a fresh kernel and the other order, so that interrupts come at other places."""
        self.disconnect()
        for number, scenario in enumerate(scenarios):
            progress(number, len(scenarios), f"{scenario.name}, again")
            again = self.record(scenario)
            if again is not None and again != self.events[scenario.name]:
                self.left_out[scenario.name] = (
                    "twice recorded, it differs: a host interrupt took a step (this kernel forgets them)"
                )
            if scenario.name in self.left_out:
                del self.events[scenario.name]


# --- the folder -----------------------------------------------------------------------------------


def write_folder(
    folder: Path, scenarios: Iterable[Scenario], entry: Event, events: dict[str, list[Event]]
) -> Path:
    """Add a kernel's recordings to a folder; RecorderError if it holds other programs of these names."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = [scenario for scenario in scenarios if scenario.name in events]
    _write_lines(folder / "scenarios.jsonl", _with_those_there(folder, kept))
    if not (folder / "machine.json").exists():
        machine = (recordings_folder() / "machine.json").read_text("utf-8")
        (folder / "machine.json").write_text(machine, "utf-8")
    _write_entry(folder / "kernels.json", {**entry, "recordings": len(kept)})
    path = folder / f"{entry['kernel']}.jsonl"
    _write_lines(path, ({"scenario": s.name, "events": events[s.name]} for s in kept))
    return path


def check_folder(folder: Path, scenarios: Iterable[Scenario]) -> None:
    """Before anything is recorded: RecorderError if recordings of these scenarios can't be added to `folder`."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with TemporaryDirectory(dir=there):
            pass
    except OSError as error:
        raise RecorderError(
            f"nothing can be written to {folder} ({error.strerror}): name another folder (--out)"
        ) from None
    if (folder / "scenarios.jsonl").exists():
        _with_those_there(folder, scenarios)


def _with_those_there(folder: Path, scenarios: Iterable[Scenario]) -> Iterable[Event]:
    """The lines of the folder's scenarios and of these."""
    by_name = {line["scenario"]: line for line in _json_lines(folder / "scenarios.jsonl")}
    for scenario in scenarios:
        line = scenario_line(scenario)
        there = by_name.setdefault(scenario.name, line)
        if _words(there) != _words(line):
            raise RecorderError(
                f"{folder} has another program {scenario.name!r}: name another folder (--out)"
            )
    return by_name.values()


def _words(line: Event) -> set[tuple[int, int]]:
    return {(int(i["address"], 16), int(i["word"], 16)) for i in line["program"]}


def _json_lines(path: Path) -> list[Event]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _write_lines(path: Path, lines: Iterable[Event]) -> None:
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    path.with_suffix(".part").write_text(text, "utf-8")
    path.with_suffix(".part").replace(path)


def _write_entry(path: Path, entry: Event) -> None:
    entries: list[Event] = json.loads(path.read_text("utf-8")) if path.exists() else []
    entries = [e for e in entries if e["kernel"] != entry["kernel"]] + [entry]
    path.write_text(json.dumps(entries, indent=1) + "\n", "utf-8")


# --- the command ----------------------------------------------------------------------------------


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Which kernel: this computer's own, or one that QEMU boots."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--image", type=Path, help="boot this arm64 kernel image under QEMU")
    which.add_argument(
        "--debian",
        nargs="?",
        const="",
        metavar="SUITE|VERSION",
        help="boot Debian's kernel under QEMU, fetched with apt; default: that of stable",
    )
    parser.add_argument("--cpu", default="neoverse-n1", help="QEMU's CPU; default: neoverse-n1")


def workshop_for(options: argparse.Namespace) -> Workshop:
    """Where recorders for that kernel are started."""
    image = options.image if options.debian is None else kernel_image(options.debian)
    return Workshop(default_start(), image, options.cpu)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `record`."""
    add_target_arguments(parser)
    parser.add_argument(
        "--scenarios",
        type=Path,
        metavar="PATH",
        help="a folder of .s files, or one; default: all of ours",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("my-recordings"), help="the folder; default: my-recordings"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Record, write, say what was left out, and replay."""
    scenarios = scenarios_in(options.scenarios or recordings_folder() / "scenarios")
    check_folder(options.out, scenarios)
    started = time.monotonic()
    session = Session(workshop_for(options))
    failure = ""
    try:
        session.record_all(scenarios, progress_bar("recording", sys.stderr))
    except KeyboardInterrupt:
        failure = "interrupted"
    except RecorderError as error:
        if not session.events:
            raise
        failure = str(error)
    finally:
        session.disconnect()
        session.workshop.close()
        if session.events:
            path = write_folder(options.out, scenarios, session.entry, session.events)
    if not session.events:
        return 130
    seconds = time.monotonic() - started
    print(f"{path}: {len(session.events)} of {len(scenarios)} scenarios, {seconds:.0f} s")
    for name, why in session.left_out.items():
        print(f"  left out: {name}: {why}")
    print(*_beside_ours(session), sep="\n", end="")
    if failure:
        print(f"{failure}; what was recorded until then is kept", file=sys.stderr)
    return _replay(options.out, session.kernel) or int(bool(failure))


def _beside_ours(session: Session) -> Iterator[str]:
    """Whether the same kernel was recorded before, by us: then all must be the same."""
    known = {
        r.scenario: list(r.events) for r in load(recordings_folder()).recordings(session.kernel)
    }
    both = [name for name in session.events if name in known]
    if both:
        same = [name for name in both if session.events[name] == known[name]]
        yield f"  {len(same)} of {len(both)} are the same as in the repository's recordings of this kernel"
        yield from (f"    not the same: {name}" for name in both if name not in same)
        yield ""


def _replay(folder: Path, kernel: str) -> int:
    from aarch64sim.evidence.replaying import replay_folder

    return replay_folder(folder, kernel)


def progress_bar(what: str, stream: TextIO) -> Progress:
    """A bar on a terminal, nothing elsewhere."""

    def show(done: int, total: int, name: str) -> None:
        if stream.isatty():
            filled = 30 * (done + 1) // total
            bar = "#" * filled + "." * (30 - filled)
            end = "\n" if done + 1 == total else ""
            print(
                f"\r{what} [{bar}] {done + 1}/{total} {name:<32.32}",
                end=end,
                file=stream,
                flush=True,
            )

    return show
