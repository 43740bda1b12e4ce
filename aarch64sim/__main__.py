"""The command line: step a program, replay recordings, list the kernels.

Invariant: bad input gets one sentence on standard error and exit status 2; a difference found, and a guest that meets
no end of its own, get status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import textwrap
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from aarch64sim.asm import AssemblyError, ProgramError, assemble, refused
from aarch64sim.asm.program import Program
from aarch64sim.debug import Debugger, Stop
from aarch64sim.debug.stops import EXCLUSIVE
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
    recorded_what_ifs,
)
from aarch64sim.limits import LIMITS
from aarch64sim.vmm.machine import ExitRecord, Machine

EXAMPLES = """\
examples:
  Lose an instruction as Linux 4.3 did, then keep it:
    python -m aarch64sim step labs/programs/store.s --kernel v4.3
    python -m aarch64sim step labs/programs/store.s --kernel fixed
  Get accesses that KVM cannot emulate to userspace:
    python -m aarch64sim step labs/programs/store.s --enable-cap KVM_CAP_ARM_NISV_TO_USER
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
# For a step without KVM_RUN: the guest's own BRK, which KVM took from it to give it to the debugger.
STOPS_IN_A_LINE = 40  # what a reader still compares with a list from elsewhere
NOT_RUN = "No KVM_RUN"
REINJECTED = "Userspace gave the guest its BRK back: it wrote the exception into the registers."


def _indented(text: str) -> str:
    return textwrap.fill(text, 96, initial_indent="    ", subsequent_indent="    ")


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
    options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    not_modelled = "; ".join(limit.what for limit in LIMITS.values())
    parser = argparse.ArgumentParser(
        prog="python -m aarch64sim",
        description="Single-step an AArch64 guest under a small, faithful model of Linux KVM.",
        epilog=EXAMPLES + "\n" + _indented(f"Not modelled (see `limits`): {not_modelled}."),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"aarch64-step-labs {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    step = commands.add_parser("step", help="step a program to its end and print every stop")
    _add_guest(step)
    step.add_argument("--limit", type=_limit, default=1000, help="steps at most; default: 1000")
    step.set_defaults(run=_step)

    for name, module, what in EVIDENCE:
        module.add_arguments(commands.add_parser(name, help=what))

    gdb = commands.add_parser("gdb", help="serve a gdb on this computer (target remote :PORT)")
    _add_guest(gdb)
    gdb.add_argument("--port", type=int, default=1234, help="0: any free one; default: 1234")
    gdb.set_defaults(run=_gdb)

    eras = commands.add_parser("kernels", help="the kernels there are, and what each field means")
    eras.add_argument("name", nargs="?", help="only this kernel: what it does not do as it should")
    eras.set_defaults(run=_kernels)

    limits = commands.add_parser("limits", help="what is not modelled, and what happens instead")
    limits.set_defaults(run=_limits)
    return parser


def _add_guest(command: argparse.ArgumentParser) -> None:
    """The program, the kernel, and what userspace sets up for the guest."""
    add = command.add_argument
    add(
        "file",
        type=Path,
        metavar="FILE.s",
        help="assembly source, or an ELF file; -: standard input",
    )
    add("--kernel", default="fixed", help="which kernel (see `kernels`); default: fixed")
    add("--enable-cap", action="append", default=[], metavar="CAP",
        help="KVM_ENABLE_CAP before the start; KVM_CAP_ARM_NISV_TO_USER is the only one")  # fmt: skip
    add("--irq", type=_irq, metavar="STEP",
        help="raise the IRQ line before this step, from 1 on, or (`wait`) as soon as the guest waits")  # fmt: skip
    add("--input", default="", metavar="TEXT", help="what the guest finds in the UART")


def _limit(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a number of steps from 1 on, found {text!r}")
    return int(text)


def _irq(text: str) -> int:
    """The number of a step; 0 for `wait`."""
    if text != "wait" and not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a step from 1 on, or 'wait', found {text!r}")
    return 0 if text == "wait" else int(text)


def read_program(path: Path) -> Program:
    """The program in `path` (`-`: on standard input): an ELF file, or assembly; a byte order mark is no fault."""
    data = sys.stdin.buffer.read() if path == Path("-") else path.read_bytes()
    if data.startswith(b"\x7fELF"):
        return Program.from_elf(data)
    return assemble(data.decode("utf-8-sig"))


def _debugger(options: argparse.Namespace) -> Debugger:
    def prepare(machine: Machine) -> None:
        for cap in options.enable_cap:
            machine.vm.enable_cap(cap)
        if options.irq == 0:
            machine.vm.irq_line(1, when_waiting=True)

    program = read_program(options.file)
    patch = prepare if options.enable_cap or options.irq == 0 else None
    return Debugger(program, options.kernel, uart_input=options.input.encode(), patch=patch)


def _step(options: argparse.Namespace) -> int:
    debugger = _debugger(options)
    print(f"{options.file} under {debugger.kernel.title}: {debugger.kernel.summary}\n")
    print(f"{'step':>4}  {'KVM_RUN returned':<17} {'PC':<12} {'hsr':<12} what")
    entry = debugger.program.entry
    while not debugger.ended and debugger.position < options.limit:
        if options.irq == debugger.position + 1:
            debugger.irq_line(1)
        _print_stop(debugger.step(), entry)
    last = debugger.last
    print(f"\n{last.text}")
    if not debugger.ended:
        print(f"This is the limit of {options.limit} steps (--limit); the guest has not ended.")
        if debugger.exclusives:
            print(EXCLUSIVE)
    stops = [f"+{s.pc - entry:x}" for s in debugger.stops if s.reason == "step"]
    if (more := len(stops) - STOPS_IN_A_LINE) > 0:
        stops[STOPS_IN_A_LINE:] = [f"and {more} more"]
    print(f"Stops: {' '.join(stops)}.  UART: {debugger.console!r}")
    return int(last.reason == "error")


def _print_stop(stop: Stop, entry: int) -> None:
    """A row for every return of KVM_RUN, the last of them with the step's number."""
    for exit_ in stop.exits or (ExitRecord(NOT_RUN, stop.pc, f"{stop.text} {REINJECTED}"),):
        number = str(stop.number) if not stop.exits or exit_ is stop.exits[-1] else ""
        hsr = "" if exit_.hsr is None else f"{exit_.hsr:#x}"
        place = f"+{exit_.pc - entry:x}" if 0 <= exit_.pc - entry < 0x1_0000 else ""
        text = stop.text if number and exit_.reason == "DEBUG" else exit_.text
        print(f"{number:>4}  {exit_.reason:<17} {exit_.pc:#x} {place:<5} {hsr:<12} {text}".rstrip())


def _gdb(options: argparse.Namespace) -> int:
    debugger = _debugger(options)
    if options.irq:
        for _ in range(1, options.irq):
            debugger.step()
        debugger.irq_line(1)
    try:
        asyncio.run(serve_forever(debugger, options.port, lambda text: print(text, flush=True)))
    except KeyboardInterrupt:
        return 0
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _limits(options: argparse.Namespace) -> int:
    print("Not modelled:\n")
    for limit in LIMITS.values():
        print(textwrap.fill(str(limit), 96, initial_indent="  ", subsequent_indent="    "))
    print("\nNot assembled (assemble and link it with GNU as and ld, and step the ELF file):\n")
    for names, reason in refused.in_words():
        print(
            textwrap.fill(f"{names}: {reason}", 96, initial_indent="  ", subsequent_indent="    ")
        )
    return 0


def _kernels(options: argparse.Namespace) -> int:
    if options.name:
        kernel = kernels[options.name]
        print(f"{kernel.name}: {kernel.title}; {kernel.summary}")
        for name, (value, right) in kernel.differences().items():
            print(f"  {name} = {in_words(value)}   (right: {in_words(right)})")
        return 0
    for kernel in (*kernels.values(), *recorded_what_ifs().values()):
        print(f"{kernel.name:<38} {kernel.title}: {kernel.summary}")
    print("\nEach is a handful of these fields; the default is what a kernel should do:\n")
    for behaviour in behaviours():
        print(f"{behaviour.name} = {in_words(behaviour.default)}")
        print(_indented(behaviour.metadata["doc"]))
        for label, commits in (("came with", broken_by), ("fixed by", fixed_by)):
            if made := "; ".join(map(str, commits(behaviour.name))):
                print(f"    {label}: {made}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
