"""`python -m aarch64sim fuzz`: random scenarios on a real kernel and on ours; what differs is shrunk and sorted.

Invariant: every difference that is shown was seen on the kernel that it names.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aarch64sim.evidence.beyond import judged
from aarch64sim.evidence.errors import EvidenceError
from aarch64sim.evidence.random_scenarios import scenario as random_scenario
from aarch64sim.evidence.record import (
    Progress,
    Session,
    add_target_arguments,
    check_folder,
    progress_bar,
    workshop_for,
    write_folder,
)
from aarch64sim.evidence.recorder import RecorderError
from aarch64sim.evidence.recording import Instruction, Recording, host_of, load, scenario_line
from aarch64sim.evidence.replay import Difference, Result, replay
from aarch64sim.evidence.scenario import Scenario
from aarch64sim.evidence.scenario_vmm import EndlessGuest, ScenarioVmm
from aarch64sim.evidence.shrink import shrink
from aarch64sim.evidence.simulated import Event, Simulated
from aarch64sim.kvm.kernels import kernels
from aarch64sim.limits import LIMITS
from aarch64sim.vmm.start import default_start

MOST_SHRUNK = 20  # kinds
QUICK = 20_000  # instructions in one KVM_RUN: more than any scenario here needs


@dataclass(frozen=True)
class Kind:
    """What differs (`registers`, `errno` ...), in which registers, and at which instruction."""

    what: str
    names: tuple[str, ...]
    mnemonic: str

    def __str__(self) -> str:
        names = f" {', '.join(self.names)}" if self.names else ""
        return f"{self.what}{names} at {self.mnemonic or '(no instruction)'}"


@dataclass(frozen=True)
class Found:
    """A recording that differs, its scenario if it is one of ours."""

    recording: Recording
    difference: Difference
    kind: Kind
    scenario: Scenario | None = None


def kind_of(recording: Recording, difference: Difference) -> Kind:
    """To which kind a difference belongs: what an eye would sort by."""
    names = tuple(difference.recorded) if isinstance(difference.recorded, dict) else ()
    if difference.what == "registers" and len(names) > 3:
        names = (*names[:3], "...")
    pc = recording.start.registers.get("pc", 0)
    for event in recording.events[: difference.event]:
        pc = int(event.get("registers", {}).get("pc", hex(pc)), 16)
        if event["op"] == "KVM_SET_ONE_REG" and event["register"] == "pc":
            pc = int(event["value"], 16)
    text = next((i.text for i in recording.program if i.address == pc), "")
    return Kind(difference.what, tuple(map(str, names)), text.split(" ")[0])


def recording_of(entry: Event, scenario: Scenario, events: Iterable[Event]) -> Recording:
    """What the scenario's run on that kernel is as a recording."""
    program = tuple(
        Instruction(int(i["address"], 16), int(i["word"], 16), i["text"])
        for i in scenario_line(scenario)["program"]
    )
    return Recording(
        entry["kernel"], scenario.name, scenario.about, tuple(events), program, host_of(entry), default_start()
    )  # fmt: skip


class Fuzzer:
    """Random scenarios on one real kernel."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.found: list[Found] = []
        self.recorded: list[Scenario] = []
        self.beyond: dict[
            str, str
        ] = {}  # the name of a scenario -> the limit of the model that it meets

    def compare(self, scenario: Scenario) -> Found | None:
        """Record it and replay it; None if they agree, or nothing could be recorded."""
        events = self.session.record(scenario)
        if events is None:
            return None
        self.session.events[scenario.name] = events
        recording = recording_of(self.session.entry, scenario, events)
        result = judged(replay(recording))
        difference = _difference(result)
        if difference is None:
            if result.limit:
                self.beyond[scenario.name] = result.limit
            return None
        return Found(recording, difference, kind_of(recording, difference), scenario)

    def run(self, seed: int, count: int, progress: Progress) -> None:
        """Numbers 0 to `count` of the seed."""
        for number in range(count):
            scenario = random_scenario(seed, number)
            progress(number, count, f"{scenario.name}, {len(self.found)} differ")
            found = self.compare(scenario)
            if found and self.session.forgetful and self.compare(scenario) is None:
                found = None  # a host interrupt took a step; it does not come again
            if scenario.name in self.session.events:
                self.recorded.append(scenario)
            self.found += [found] if found else []

    def shrunk(self, progress: Progress) -> tuple[dict[Kind, list[Found]], dict[Kind, Found]]:
        """What was found, sorted by what the smallest scenario of each kind shows; and those."""
        kinds: dict[Kind, list[Found]] = {}
        smallest: dict[Kind, Found] = {}
        first = by_kind(self.found)
        for number, (kind, several) in enumerate(first.items()):
            progress(number, len(first), str(kind))
            small = self.smallest(several[0]) if number < MOST_SHRUNK else several[0]
            smallest.setdefault(small.kind, small)
            kinds.setdefault(small.kind, []).extend(several)
        return kinds, smallest

    def smallest(self, found: Found) -> Found:
        """The scenario shrunk, as long as the same thing differs."""
        assert found.scenario
        kept = [found]
        kernel = kernels[self.session.kernel]
        quick = Simulated(kernel, default_start(), host_of(self.session.entry), limit=QUICK)

        def same(candidate: Scenario) -> bool:
            try:
                ScenarioVmm(candidate, quick).record()
            except EndlessGuest:
                return False  # a real kernel would cost seconds to find that out
            again = self.compare(candidate)
            if again is None or (again.kind.what, again.kind.names) != (
                found.kind.what,
                found.kind.names,
            ):
                return False
            kept[0] = again
            return True

        events = dict(self.session.events)
        left_out, beyond = dict(self.session.left_out), dict(self.beyond)
        shrink(found.scenario, same)
        self.session.events, self.session.left_out, self.beyond = events, left_out, beyond
        return kept[0]


def _difference(result: Result) -> Difference | None:
    """What is to be explained: nothing where the model has a stated limit."""
    if result.limit:
        return None
    if result.unreplayable:
        return Difference(0, "not replayed", "", result.unreplayable)
    return result.difference


def by_kind(found: Iterable[Found]) -> dict[Kind, list[Found]]:
    """Sorted: the most frequent kind first, in it the shortest program first."""
    kinds: dict[Kind, list[Found]] = {}
    for one in found:
        kinds.setdefault(one.kind, []).append(one)
    for several in kinds.values():
        several.sort(key=lambda one: (len(one.recording.program), one.recording.scenario))
    return dict(sorted(kinds.items(), key=lambda item: -len(item[1])))


# --- the issue text -------------------------------------------------------------------------------


def issue_text(title: str, kinds: dict[Kind, list[Found]], smallest: dict[Kind, Found]) -> str:
    """What can be filed as it stands: a section for each kind with its smallest program."""
    total = sum(map(len, kinds.values()))
    lines = [f"# {title}: {total} differences of {len(kinds)} kinds", ""]
    for kind, several in kinds.items():
        lines += [f"## {kind}: {len(several)}", "", *_section(smallest.get(kind, several[0])), ""]
        names = [one.recording.scenario for one in several]
        lines += [f"Seen in {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}.", ""]
    return "\n".join(lines)


def _section(found: Found) -> Iterator[str]:
    difference = found.difference
    yield f"Event {difference.event}, {difference.what}:"
    yield f"* {found.recording.kernel}: `{difference.recorded}`"
    yield f"* simulated: `{difference.simulated}`"
    yield ""
    yield "```asm"
    if found.scenario:
        yield found.scenario.text.rstrip()
    else:
        yield from _listing(found.recording)
    yield "```"


def _listing(recording: Recording) -> Iterator[str]:
    previous = 0
    for i in sorted(recording.program, key=lambda i: i.address):
        if i.address != previous + 4:
            yield f".org {i.address:#x}"
        yield f"    {i.text}"
        previous = i.address


# --- the command ----------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `fuzz`."""
    add_target_arguments(parser)
    parser.add_argument(
        "--recordings", type=Path, metavar="DIR", help="sort the differences of these"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the scenarios; default: 1")
    parser.add_argument("--count", type=int, default=100, help="scenarios; default: 100")
    parser.add_argument("--out", type=Path, help="keep the recordings and issue.md in this folder")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare, shrink, sort, and print the issue text; exit status 1 if anything differs."""
    if options.recordings:
        if options.image or options.debian is not None:
            raise EvidenceError("--recordings needs no kernel: leave out --image and --debian")
        title, kinds, smallest = _from_recordings(options.recordings)
    else:
        title, kinds, smallest = _from_kernel(options)
    text = issue_text(title, kinds, smallest)
    if options.out and kinds:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "issue.md").write_text(text, "utf-8")
        print(f"{options.out / 'issue.md'}: {text.splitlines()[0].lstrip('# ')}")
    else:
        print(text)
    return int(bool(kinds))


Sorted = tuple[str, dict[Kind, list[Found]], dict[Kind, Found]]


def _from_recordings(folder: Path) -> Sorted:
    results = [judged(replay(recording)) for recording in load(folder).recordings()]
    differing = [(r.recording, d) for r in results if (d := _difference(r))]
    kinds = by_kind(Found(r, d, kind_of(r, d)) for r, d in differing)
    return f"{folder}, {len(results)} recordings", kinds, {}


def _from_kernel(options: argparse.Namespace) -> Sorted:
    if options.out:
        check_folder(options.out, (random_scenario(options.seed, n) for n in range(options.count)))
    fuzzer = Fuzzer(Session(workshop_for(options)))
    session, progress = fuzzer.session, progress_bar("fuzzing", sys.stderr)
    try:
        progress(0, options.count, "starting the kernel")
        session.connect()
        try:
            fuzzer.run(options.seed, options.count, progress)
        except KeyboardInterrupt:
            print("interrupted; what was found until then:", file=sys.stderr)
        except RecorderError as error:
            print(f"{error}; what was found until then:", file=sys.stderr)
        kinds, smallest = fuzzer.shrunk(progress_bar("shrinking", sys.stderr))
    finally:
        session.disconnect()
        session.workshop.close()
    if options.out:
        write_folder(options.out, fuzzer.recorded, session.entry, session.events)
    for name, why in session.left_out.items():
        print(f"left out: {name}: {why}")
    done = len(fuzzer.recorded)
    beyond = {s.name: fuzzer.beyond[s.name] for s in fuzzer.recorded if s.name in fuzzer.beyond}
    for name, limit in beyond.items():
        print(f"outside the model: {name}: {LIMITS[limit].what}")
    agree = done - len(fuzzer.found) - len(beyond)
    print(f"{agree} of {done} random scenarios agree with {session.kernel}")
    return f"{session.kernel}, seed {options.seed}, {done} random scenarios", kinds, smallest
