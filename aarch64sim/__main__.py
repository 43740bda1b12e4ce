"""The command line: step a program, replay recordings, list the kernels.

Invariant: bad input gets one sentence on standard error and exit status 2; a difference found gets status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import textwrap
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aarch64sim.asm import AssemblyError, ProgramError, assemble
from aarch64sim.asm.program import Program
from aarch64sim.debug import Debugger
from aarch64sim.evidence import fuzz, record, replaying
from aarch64sim.evidence.errors import EvidenceError
from aarch64sim.gdb.server import serve_forever
from aarch64sim.kvm.kernels import (
    UnknownKernelError,
    behaviours,
    broken_by,
    fixed_by,
    in_words,
    kernels,
)

EXAMPLES = """\
examples:
  Lose an instruction as Linux 4.3 did, then keep it:
    python -m aarch64sim step labs/programs/store.s --kernel v4.3
    python -m aarch64sim step labs/programs/store.s --kernel fixed
  Ask what a kernel does not do as it should, and for the story and the commits behind each field:
    python -m aarch64sim kernels v5.0
    python -m aarch64sim kernels linux-4.19.100
    python -m aarch64sim kernels
  Compare the simulator with the recordings of all real kernels (some seconds), or of one:
    python -m aarch64sim replay labs/recordings
    python -m aarch64sim replay labs/recordings --kernel linux-5.10.89 -v
  Record the kernel of this arm64 computer, or Debian's under QEMU:
    python -m aarch64sim record
    python -m aarch64sim record --debian 6.12.118
  Attach a debugger from another terminal:
    python -m aarch64sim gdb labs/programs/store.s --kernel v4.3
    gdb-multiarch -ex "target remote :1234"

Each command explains its options: python -m aarch64sim step --help.
"""

EVIDENCE = (
    ("replay", replaying, "compare recordings of real kernels with the simulator"),
    ("record", record, "record scenarios on a real kernel, and replay them"),
    ("fuzz", fuzz, "compare random scenarios with a real kernel, and shrink what differs"),
)


def _version() -> str:
    try:
        return version("aarch64-step-labs")
    except PackageNotFoundError:
        return "(not installed)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m aarch64sim",
        description="Single-step an AArch64 guest under a small, faithful model of Linux KVM.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"aarch64-step-labs {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    step = commands.add_parser("step", help="step a program to its end and print every stop")
    step.add_argument("file", type=Path, metavar="FILE.s", help="assembly source, or an ELF file")
    step.add_argument(
        "--kernel", default="fixed", help="which kernel (see `kernels`); default: fixed"
    )
    step.add_argument("--limit", type=int, default=1000, help="steps at most; default: 1000")
    step.set_defaults(run=_step)

    for name, module, what in EVIDENCE:
        module.add_arguments(commands.add_parser(name, help=what))

    gdb = commands.add_parser("gdb", help="serve a gdb on this computer (target remote :PORT)")
    gdb.add_argument("file", type=Path, metavar="FILE.s", help="assembly source, or an ELF file")
    gdb.add_argument("--kernel", default="fixed", help="which kernel; default: fixed")
    gdb.add_argument("--port", type=int, default=1234, help="0: any free one; default: 1234")
    gdb.set_defaults(run=_gdb)

    eras = commands.add_parser("kernels", help="the kernels there are, and what each field means")
    eras.add_argument("name", nargs="?", help="only this kernel: what it does not do as it should")
    eras.set_defaults(run=_kernels)

    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except (AssemblyError, ProgramError) as error:
        caret = getattr(error, "caret", "")
        print(f"{options.file}: {error}" + (f"\n{caret}" if caret else ""), file=sys.stderr)
    except (EvidenceError, UnknownKernelError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or options.command}: {error.strerror or error}", file=sys.stderr)
    except UnicodeDecodeError:
        print(f"{options.file}: this is not text", file=sys.stderr)
    return 2


def read_program(path: Path) -> Program:
    """The program in `path`: an ELF file, or assembly source."""
    data = path.read_bytes()
    if data.startswith(b"\x7fELF"):
        return Program.from_elf(data)
    return assemble(data.decode("utf-8"))


def _step(options: argparse.Namespace) -> int:
    debugger = Debugger(read_program(options.file), options.kernel)
    print(f"{options.file} under {debugger.kernel.title}: {debugger.kernel.summary}\n")
    print(f"{'step':>4}  {'KVM_RUN returned':<17} {'PC':<12} {'hsr':<12} what")
    entry = debugger.program.entry
    while not debugger.ended and debugger.position < options.limit:
        stop = debugger.step()
        for exit_ in stop.exits:
            number = str(stop.number) if exit_ is stop.exits[-1] else ""
            hsr = "" if exit_.hsr is None else f"{exit_.hsr:#x}"
            place = f"+{exit_.pc - entry:x}" if 0 <= exit_.pc - entry < 0x1_0000 else ""
            text = stop.text if exit_ is stop.exits[-1] and exit_.reason == "DEBUG" else exit_.text
            print(
                f"{number:>4}  {exit_.reason:<17} {exit_.pc:#x} {place:<5} {hsr:<12} {text}".rstrip()
            )
    print(f"\n{debugger.last.text}")
    stops = [f"+{s.pc - entry:x}" for s in debugger.stops if s.reason == "step"]
    print(f"Stops: {' '.join(stops)}.  UART: {debugger.console!r}")
    return 0


def _gdb(options: argparse.Namespace) -> int:
    debugger = Debugger(read_program(options.file), options.kernel)
    try:
        asyncio.run(serve_forever(debugger, options.port, lambda text: print(text, flush=True)))
    except KeyboardInterrupt:
        return 0
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _kernels(options: argparse.Namespace) -> int:
    if options.name:
        kernel = kernels[options.name]
        print(f"{kernel.name}: {kernel.title}; {kernel.summary}")
        for name, (value, right) in kernel.differences().items():
            print(f"  {name} = {in_words(value)}   (right: {in_words(right)})")
        return 0
    for kernel in kernels.values():
        print(f"{kernel.name:<38} {kernel.title}: {kernel.summary}")
    print("\nEach is a handful of these fields; the default is what a kernel should do:\n")
    for behaviour in behaviours():
        print(f"{behaviour.name} = {in_words(behaviour.default)}")
        print(
            textwrap.fill(
                behaviour.metadata["doc"], 96, initial_indent="    ", subsequent_indent="    "
            )
        )
        for label, commits in (("came with", broken_by), ("fixed by", fixed_by)):
            if made := "; ".join(map(str, commits(behaviour.name))):
                print(f"    {label}: {made}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
