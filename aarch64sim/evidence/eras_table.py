"""Which kernels step correctly? The table of `eras`, from recordings of real kernels or from the simulator.

Invariant: a cell is read from a transcript by the same function, whether a real kernel made it or ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from aarch64sim.arch.cpu import QEMU
from aarch64sim.evidence.recording import Folder, Recording, linux_errno, load
from aarch64sim.kvm.kernels import Kernel
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vm import VM
from aarch64sim.kvm.vm_state import Host
from aarch64sim.vmm.machine import EXIT_BASE, UART_BASE
from aarch64sim.vmm.start import recordings_folder

CODE, VECTOR = 0x4000_0000, 0x4000_1200
MOST_EXITS = 60  # where a transcript that does not end is cut
NOT_RECORDED = "-"


@dataclass(frozen=True, slots=True)
class Exit:
    """One return of KVM_RUN: errno, exit reason without KVM_EXIT_, PC and PSTATE."""

    errno: int
    reason: str
    pc: int
    pstate: int


@dataclass(frozen=True, slots=True)
class Transcript:
    """What came of one scenario on one kernel: its exits, and X0-X30 at the end."""

    exits: tuple[Exit, ...]
    x: tuple[int, ...]

    def stops(self) -> list[int]:
        """Where the debugger was told that a step has ended."""
        return [e.pc for e in self.exits if e.reason == "DEBUG" and not e.errno]

    def mmio(self) -> Exit:
        """The first exit to userspace for a device."""
        return next(e for e in self.exits if e.reason == "MMIO")


@dataclass(frozen=True, slots=True)
class Row:
    """One question: the recorded scenario that answers it, how to read the answer, what the VMM does at the first
    MMIO exit ("immediate_exit", "pending_signal", "abort" and then one of them), and how it is set up.
    """

    title: str
    scenario: str
    read: Callable[[Transcript], str]
    at_mmio: tuple[str, ...] = ()
    control: int = 3
    answer: int = 0x99
    ioeventfd: bool = False
    irq_in_wfi: bool = False

    def __str__(self) -> str:
        return self.title


# --- how to read a transcript --------------------------------------------------------------------------------------


def _steps(offset: int, none: str = "0") -> Callable[[Transcript], str]:
    """Where the step over the instruction at `offset` stopped, in instructions: 1 is right."""

    def read(transcript: Transcript) -> str:
        start, stops = CODE + offset, transcript.stops()
        stop = stops[stops.index(start) + 1]
        if stop >= VECTOR:
            return "UNDEF injected"
        return none if stop == start else str((stop - start) // 4)

    return read


def _vector(offset: int) -> Callable[[Transcript], str]:
    """The same, where the instruction takes an exception: 1 is the vector itself."""

    def read(transcript: Transcript) -> str:
        stops = transcript.stops()
        return str((stops[stops.index(CODE + offset) + 1] - VECTOR) // 4 + 1)

    return read


def _interrupted(transcript: Transcript) -> str:
    """The step over a store at +4 after which KVM_RUN is called with immediate_exit or a signal."""
    steps, lost = int(_steps(4)(transcript)), transcript.x[1] == 0
    after = transcript.exits[transcript.exits.index(transcript.mmio()) + 1]
    if after.reason == "DEBUG" and not after.errno:
        return f"{steps} (run returns 0/DEBUG, not EINTR)"
    return f"{steps - 1} and one insn lost" if lost else str(steps)


def _abort(transcript: Transcript) -> str:
    """What became of an external abort injected at the load at +8 of its program."""
    reads = [e for e in transcript.exits if e.reason == "MMIO" and not e.errno]
    if len(reads) > 2:  # the load, the load again, the end
        return "lost, MMIO re-executed"
    if not transcript.x[10]:
        return "taken, but 1st handler insn skipped"
    return "taken"


def _pc_at_exit(transcript: Transcript) -> str:
    return "insn" if transcript.mmio().pc == CODE + 4 else f"insn+{transcript.mmio().pc - CODE - 4}"


_LOST = {True: "lost", False: "no"}
_LATE = {True: "late", False: "right"}

ROWS = (
    Row("ordinary instruction", "a_alu", _steps(4)),
    Row("userspace MMIO", "b_str", _steps(4)),
    Row("PC seen at KVM_EXIT_MMIO", "b_str", _pc_at_exit),
    Row("trapped sysreg", "o_sys_mdscr_w", _steps(4)),
    Row("in-kernel MMIO (ioeventfd)", "o_ioeventfd", _steps(4), ioeventfd=True),
    Row("HVC", "o_hvc", _steps(4)),
    Row("SMC", "o_smc", _steps(4)),
    Row("WFI", "o_wfi_irq", _steps(4), irq_in_wfi=True),
    Row("RAM stage-2 fault", "t_ramfault_st", _steps(12, "0 (spurious)")),
    Row("exit while a step is pending (cold vector)", "f_svc", _vector(4)),
    Row("exception vector, warm", "w_svc_warm", _vector(8)),
    Row("MMIO then immediate_exit", "n_imm_store", _interrupted, ("immediate_exit",)),
    Row("MMIO then signal", "n_sig_store", _interrupted, ("pending_signal",)),
    Row(
        "immediate_exit, no stepping: insn lost?",
        "n_imm_nostep",
        lambda transcript: _LOST[transcript.x[3] == 0],
        ("immediate_exit",),
        control=0,
    ),
    Row(
        "guest steps itself over MMIO",
        "k_selfstep_mmio_guestonly",
        lambda transcript: _LATE[transcript.x[12] != CODE + 0x40],
        control=0,
    ),
    Row(
        "pstate read at the MMIO exit (stepping)",
        "b_str",
        lambda transcript: hex(transcript.mmio().pstate),
    ),
    Row(
        "MMIO ldrsb x of 0x80 gives",
        "g_sizes",
        lambda transcript: hex(transcript.x[5]),
        answer=0x80,
    ),
    Row("ext. abort injected at MMIO exit", "j_abort_load_step", _abort, ("abort",)),
    Row(
        "abort + immediate_exit",
        "n_imm_abort",
        lambda transcript: f"x10={transcript.x[10]:#x} x2={transcript.x[2]:#x}",
        ("abort", "immediate_exit"),
    ),
)


# --- where transcripts come from -------------------------------------------------------------------------------------


def transcript_of(recording: Recording) -> Transcript:
    """The transcript that a real kernel made."""
    exits: list[Exit] = []
    now = {"pc": 0, "pstate": 0}
    x: tuple[int, ...] = (0,) * 31
    for event in recording.events:
        if event["op"] == "KVM_RUN":
            now |= {name: int(value, 16) for name, value in event["registers"].items()}
            reason = event.get("exit_reason") or "UNKNOWN"
            exits.append(Exit(event["errno"], reason, now["pc"], now["pstate"]))
        elif event["op"] == "final":
            x = tuple(int(value, 16) for value in event["x"])
    return Transcript(tuple(exits), x)


@cache
def _folder() -> Folder:
    return load(recordings_folder())


def transcript(row: Row, kernel: Kernel, host: Host | None = None) -> Transcript:
    """The transcript that the simulator makes of the row's scenario; OSError where the kernel lacks a call."""
    vm = VM(kernel, host=host, choices=QEMU)
    vcpu = _folder().start.create(vm)
    for entry in _folder().scenarios[row.scenario]["program"]:
        vm.write_memory(int(entry["address"], 16), int(entry["word"], 16).to_bytes(4, "little"))
    if row.ioeventfd:
        vm.ioeventfd(UART_BASE, 4)
    if row.irq_in_wfi:
        vm.irq_line(1, when_waiting=True)
    vcpu.set_guest_debug(row.control)
    todo, exits = list(row.at_mmio), []

    def run(**how: bool) -> Exit:
        number = 0
        try:
            vcpu.run(limit=100_000, **how)
        except OSError as error:
            number = linux_errno(error)
        exits.append(Exit(number, vcpu.kvm_run.exit_reason.name, vcpu.pc, vcpu.pstate))
        return exits[-1]

    while len(exits) < MOST_EXITS:
        last = run()
        if last.reason != ExitReason.MMIO.name or last.errno:
            continue
        mmio = vcpu.kvm_run.mmio
        if mmio.is_write and mmio.phys_addr == EXIT_BASE:
            break
        if not mmio.is_write:
            mmio.data = row.answer
        while todo:
            action = todo.pop(0)
            if action == "abort":
                vcpu.set_vcpu_events(ext_dabt_pending=True)
            else:
                run(**{action: True})
    return Transcript(tuple(exits), tuple(vcpu.get_one_reg(f"x{n}") for n in range(31)))


def simulated_cell(row: Row, kernel: Kernel, host: Host | None = None) -> str:
    """The row's answer for any kernel of ours; "n/a (no cap)" where it lacks the call."""
    try:
        return row.read(transcript(row, kernel, host))
    except OSError:
        return "n/a (no cap)"


def recorded_cells(recordings: Iterable[Recording]) -> dict[tuple[str, str], str]:
    """(row's title, recorded kernel) -> the row's answer, for all rows that the recordings can answer."""
    by_scenario: dict[str, list[Row]] = {}
    for row in ROWS:
        by_scenario.setdefault(row.scenario, []).append(row)
    cells: dict[tuple[str, str], str] = {}
    for recording in recordings:
        for row in by_scenario.get(recording.scenario, ()):
            cells[row.title, recording.kernel] = row.read(transcript_of(recording))
    return cells


def table(kernels: Iterable[Kernel]) -> list[dict[str, Any]]:
    """One dict a row: "case" and a cell per kernel name, as the simulator answers."""
    kernels = list(kernels)
    return [{"case": row.title} | {k.name: simulated_cell(row, k) for k in kernels} for row in ROWS]
