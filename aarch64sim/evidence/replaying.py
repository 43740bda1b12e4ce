"""`python -m aarch64sim replay`: a folder of recordings against the simulator, in several processes.

Invariant: the output is the same for any number of processes.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, zip_longest
from pathlib import Path

from aarch64sim.arch.choices import ARCHITECTURE, QEMU, Choices
from aarch64sim.evidence.beyond import judged
from aarch64sim.evidence.errors import EvidenceError
from aarch64sim.evidence.recording import load
from aarch64sim.evidence.replay import Result, replay
from aarch64sim.limits import LIMITS

CHOICES = {"qemu": QEMU, "architecture": ARCHITECTURE}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `replay`."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder like labs/recordings")
    parser.add_argument("--kernel", help="only this recorded kernel, such as linux-5.10.89")
    parser.add_argument("--scenario", help="only this scenario, such as b_str")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes; default: 1")
    parser.add_argument(
        "--choices",
        choices=CHOICES,
        default="qemu",
        help="what the CPU does where the manual leaves it open; default: as the CPU that was recorded",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for every recording")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The command; exit status 1 if anything differs."""
    if options.jobs < 1:
        raise EvidenceError(f"--jobs {options.jobs}: at least one process is needed")
    return replay_folder(
        options.folder,
        options.kernel,
        options.scenario,
        options.jobs,
        options.verbose,
        CHOICES[options.choices],
    )


def replay_folder(
    folder: Path,
    kernel: str | None = None,
    scenario: str | None = None,
    jobs: int = 1,
    verbose: bool = False,
    choices: Choices = QEMU,
) -> int:
    """Replay and print what differs, then a table."""
    results = [
        result
        for some in _replayed(folder, kernel, scenario, jobs, choices)
        for result in _said(some, verbose)
    ]
    if not results:
        print(f"{folder}: no recording of that kernel and scenario", file=sys.stderr)
        return 2
    _matrix(results)
    return 0 if all(result.agrees or result.limit for result in results) else 1


def _replay_part(
    folder: Path, kernel: str, scenario: str | None, choices: Choices, part: int, parts: int
) -> list[Result]:
    """Every `parts`-th recording of one kernel, from number `part` on."""
    recordings = load(folder).recordings(kernel, scenario)
    return [
        judged(replay(recording, choices=choices), choices)
        for recording in islice(recordings, part, None, parts)
    ]


def _replayed(
    folder: Path, kernel: str | None, scenario: str | None, jobs: int, choices: Choices
) -> Iterator[list[Result]]:
    """Kernel by kernel, in the order of the files."""
    names = [name for name in load(folder).recorded if kernel in (None, name)]
    if jobs <= 1:
        yield from (_replay_part(folder, name, scenario, choices, 0, 1) for name in names)
        return
    with ProcessPoolExecutor(jobs) as pool:
        work = [
            [
                pool.submit(_replay_part, folder, name, scenario, choices, n, jobs)
                for n in range(jobs)
            ]
            for name in names
        ]
        for parts in work:
            results = [part.result() for part in parts]
            yield [r for some in zip_longest(*results) for r in some if r is not None]


def _said(results: Sequence[Result], verbose: bool) -> Sequence[Result]:
    for result in results:
        if result.limit:
            print(f"{result.recording}: outside the model: {LIMITS[result.limit]}")
            if not verbose:
                continue
        if result.difference:
            print(f"{result.recording}: {result.difference}")
        elif result.unreplayable:
            print(f"{result.recording}: cannot be replayed: {result.unreplayable}")
        elif verbose:
            preset = result.kernel.name if result.kernel else "?"
            print(f"{result.recording}: {result.exits} exits agree with {preset}")
    return results


def _matrix(results: Sequence[Result]) -> None:
    """Per recorded kernel: its preset, and how many recordings agree."""
    width = max(len(result.recording.kernel) for result in results)
    print(
        f"\n{'recorded kernel':<{width}}  {'preset':<38} agree  differ  not replayed  outside the model"
    )
    for kernel in dict.fromkeys(result.recording.kernel for result in results):
        own = [result for result in results if result.recording.kernel == kernel]
        preset = next((result.kernel.name for result in own if result.kernel), "-")
        agree = sum(result.agrees for result in own)
        outside = sum(bool(result.limit) for result in own)
        differ = sum(result.difference is not None and not result.limit for result in own)
        lost = len(own) - agree - outside - differ
        print(f"{kernel:<{width}}  {preset:<38} {agree:>5}  {differ:>6}  {lost:>12}  {outside:>17}")
    agree = sum(result.agrees for result in results)
    exits = sum(result.exits for result in results)
    print(f"\n{agree} of {len(results)} recordings agree; {exits} exits compared.")
    for limit, count in Counter(result.limit for result in results if result.limit).items():
        print(f"{count} outside the model: {LIMITS[limit].what}.")
