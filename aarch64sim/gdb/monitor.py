"""gdb's `monitor` commands: what the protocol has no packet for - the kernel, the events, the step bits.

Invariant: a command answers with text and never fails; what it does to the guest, a method of the debugger does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aarch64sim.debug.stops import HistoryError
from aarch64sim.kvm.kernels import UnknownKernelError, kernels

if TYPE_CHECKING:
    from aarch64sim.debug.debugger import Debugger

HELP = """\
monitor kernel          the kernel, and the others that there are
monitor kernel NAME     start over under another kernel
monitor restart         start over
monitor events [N]      what happened in the last step, or in step N
monitor mdscr           the bits that decide about the next step: now, and at the next ERET
monitor stops           the last stops
monitor goto N          go to step N of the history
monitor console         what the UART has sent
monitor run             what `continue` does
monitor run steps       make it a row of single steps, which go wrong as the kernel's do
monitor run freely      let it enter the guest freely again
"""
STALE = "gdb still shows the old registers: type `maintenance flush register-cache`, or stepi.\n"


def monitor(debugger: Debugger, line: str) -> tuple[str, bool]:
    """The answer to a command line, and whether the guest was moved."""
    name, _, argument = line.strip().partition(" ")
    command = _COMMANDS.get(name)
    if command is None:
        return (f"there is no command {name!r}\n" if name not in ("", "help") else "") + HELP, False
    try:
        return command(debugger, argument.strip())
    except (ValueError, HistoryError) as error:
        return f"{error}\n", False
    except UnknownKernelError as error:
        return f"{error}\n", False


def _kernel(debugger: Debugger, name: str) -> tuple[str, bool]:
    if name:
        debugger.restart(name)
        return f"The guest starts over under {debugger.kernel.title}.\n{STALE}", True
    now = f"{debugger.kernel.name}: {debugger.kernel.title}; {debugger.kernel.summary}\n"
    return now + f"There are {', '.join(kernels)}.\n", False


def _restart(debugger: Debugger, _: str) -> tuple[str, bool]:
    debugger.restart()
    return f"The guest starts over.\n{STALE}", True


def _events(debugger: Debugger, number: str) -> tuple[str, bool]:
    step = int(number) if number else debugger.position
    lines = [f"step {step}: {debugger.stop_at(step).text}"]
    lines += [
        f"  {event.lane.value:<8} {event.what:<15} {event.pc:#x}  {event.text}"
        for event in debugger.events_of(step)
    ]
    return "\n".join(lines) + "\n", False


def _mdscr(debugger: Debugger, _: str) -> tuple[str, bool]:
    now, then = debugger.hardware, debugger.at_next_eret
    # The host's is in the CPU while the guest runs.
    now["mdscr_el1.ss"] = now.pop("mdscr_el1.ss.guest")
    lines = [f"{'':<16} now   at the next ERET\n"]
    for name, value in now.items():
        lines.append(f"{name:<16} {value:<5} {then.get(name, value)}\n")
    return "".join(lines), False


def _stops(debugger: Debugger, _: str) -> tuple[str, bool]:
    first = max(0, debugger.position - 15)
    stops = [debugger.stop_at(n) for n in range(first, debugger.position + 1)]
    return "".join(f"{s.number:>6}  {s.pc:#x}  {s.text}\n" for s in stops), False


def _goto(debugger: Debugger, number: str) -> tuple[str, bool]:
    stop = debugger.goto(int(number))
    return f"step {stop.number}: {stop.text}\n{STALE}", True


def _console(debugger: Debugger, _: str) -> tuple[str, bool]:
    return debugger.console + "\n", False


def _run(debugger: Debugger, how: str) -> tuple[str, bool]:
    if how not in ("", *_RUNS):
        raise ValueError(f"there is no run {how!r}: expected steps or freely")
    if how:
        debugger.by_steps = how == "steps"
    return _RUNS["steps" if debugger.by_steps else "freely"] + "\n", False


_RUNS = {
    "freely": "`continue` enters the guest freely, as a debugger's does.",
    "steps": "`continue` is a row of single steps: each goes wrong as the kernel's do, and a loop of load- and"
    " store-exclusive is never left.",
}
_COMMANDS: dict[str, Callable[[Debugger, str], tuple[str, bool]]] = {
    "kernel": _kernel,
    "restart": _restart,
    "events": _events,
    "mdscr": _mdscr,
    "stops": _stops,
    "goto": _goto,
    "console": _console,
    "run": _run,
}
