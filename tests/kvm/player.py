"""A VMM that a stop list drives: the notation of the tables of observed stops, played on the simulator.

Invariant: a row is a script and its own expectation: `<...>` is done, every other token is one KVM_RUN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aarch64sim import Program, assemble, kernels
from aarch64sim.arch.cpu import QEMU
from aarch64sim.kvm.kernels import Kernel
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vcpu import Vcpu
from aarch64sim.kvm.vm import VM
from aarch64sim.kvm.vm_state import Host
from aarch64sim.vmm.start import default_start

CODE = 0x4000_0000
UART, EXIT = 0x0900_0000, 0x0901_0000
IRQ_CLEAR = UART + 0x40
STEP, ENABLE, OFF = 3, 1, 0
HSR_NAMES = {0x32: "", 0x3C: "brk@", 0x30: "hwbp@", 0x34: "hwwp@"}

LOG = """
    .org 0x1200
    add x10, x10, #1
    mrs x11, esr_el1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    mrs x14, far_el1
"""
RETURN = LOG + "eret\n"
END_THERE = LOG + "str w20, [x20]\n"
SKIP_AND_RETURN = LOG + "add x12, x12, #4\n msr elr_el1, x12\n eret\n"


@dataclass(frozen=True)
class Scenario:
    """A guest program and what its VMM does besides answering loads."""

    source: str
    control: int = STEP
    answers: Sequence[int] = ()  # to the loads, in order; the last one is given again
    hwbp: Sequence[int] = ()
    hwwp: Sequence[int] = ()
    capability: bool = False  # KVM_CAP_ARM_NISV_TO_USER
    ioeventfd: bool = False  # 4 bytes at the UART
    signal: bool = False  # "imm:" runs have a signal pending instead of immediate_exit
    irq_at: int | None = None  # number of the MMIO exit at which the interrupt line rises
    irq_in_wfi: bool = False
    rom: int | None = None  # read-only slot of a page here


class Player:
    """One scenario on one kernel."""

    def __init__(self, scenario: Scenario, kernel: Kernel, host: Host | None = None) -> None:
        self.scenario = scenario
        self.vm = VM(kernel, host=host, choices=QEMU)
        self.vcpu: Vcpu = default_start().create(self.vm)
        self.program: Program = assemble(scenario.source, base=CODE)
        for segment in self.program.segments:
            self.vm.write_memory(segment.address, segment.data)
        if scenario.capability:
            self.vm.enable_cap("KVM_CAP_ARM_NISV_TO_USER")
        if scenario.ioeventfd:
            self.vm.ioeventfd(UART, 4)
        if scenario.rom is not None:
            self.vm.set_user_memory_region(1, scenario.rom, 0x1000, readonly=True)
            self.vm.write_memory(scenario.rom, (0x1122_3344_5566_7788).to_bytes(8, "little"))
        if scenario.irq_in_wfi:
            self.vm.irq_line(1, when_waiting=True)
        self._debug(scenario.control)
        self._answers = list(scenario.answers) or [0]
        self.mmio_exits = 0
        self.tokens: list[str] = []
        self.hsrs: list[int] = []
        self.stores: list[tuple[int, int]] = []
        self.loads: list[int] = []
        self.ended = False

    def _debug(self, control: int) -> None:
        hw = {"hwbp": self.scenario.hwbp, "hwwp": self.scenario.hwwp} if control & 1 << 17 else {}
        self.vcpu.set_guest_debug(control, **hw)

    def x(self, number: int) -> int:
        """X0-X30."""
        return self.vcpu.get_one_reg(f"x{number}")

    def reg(self, name: str) -> int:
        """KVM_GET_ONE_REG."""
        return self.vcpu.get_one_reg(name)

    def act(self, token: str) -> None:
        """Do a `<name=value>`: dbg, pc, a register, abt, irq, exit_reason, word (at PC)."""
        name, _, value = token.strip("<>").partition("=")
        if name == "dbg":
            self._debug(int(value, 0))
        elif name == "abt":
            self.vcpu.set_vcpu_events(ext_dabt_pending=True)
        elif name == "irq":
            self.vm.irq_line(int(value))
        elif name == "exit_reason":
            self.vcpu.kvm_run.exit_reason = ExitReason[value]
        elif name == "word":
            self.vm.write_memory(self.vcpu.pc, int(value, 0).to_bytes(4, "little"))
        else:
            self.vcpu.set_one_reg(name, int(value, 0))

    def run(self, interrupted: bool = False) -> str:
        """One KVM_RUN and the answer to its exit; its token."""
        how = {"pending_signal" if self.scenario.signal else "immediate_exit": interrupted}
        prefix = "imm:" if interrupted else ""
        run = self.vcpu.kvm_run
        try:
            self.vcpu.run(limit=100_000, **how)
        except OSError as error:
            where = f"{run.exit_reason.name}:" if error.errno == 4 else ""
            return f"{prefix}E{error.errno}:{where}{self._pc()}"
        if run.exit_reason is ExitReason.DEBUG:
            self.hsrs.append(run.debug.hsr)
            return f"{prefix}{HSR_NAMES[run.debug.hsr >> 26]}{self._pc()}"
        if run.exit_reason is not ExitReason.MMIO:
            return f"{prefix}{run.exit_reason.name}@{self._pc()}"
        return f"{prefix}{self._mmio()}@{self._pc()}"

    def _pc(self) -> str:
        return f"{self.vcpu.pc - CODE:x}"

    def _mmio(self) -> str:
        mmio = self.vcpu.kvm_run.mmio
        if self.mmio_exits == self.scenario.irq_at:
            self.vm.irq_line(1)
        self.mmio_exits += 1
        if not mmio.is_write:
            mmio.data = self._answers[0]
            if len(self._answers) > 1:
                del self._answers[0]
            self.loads.append(mmio.phys_addr)
            return "R"
        self.stores.append((mmio.phys_addr, mmio.data))
        if mmio.phys_addr == IRQ_CLEAR:
            self.vm.irq_line(0)
        self.ended = mmio.phys_addr == EXIT
        return "W"

    def play(self, script: str) -> str:
        """Follow `script` token by token; returns what came, in the same notation.

        `...` at the end of a script means that it was cut there.
        """
        for token in script.split():
            if token == "...":
                self.tokens.append(token)
            elif token.startswith("<"):
                self.act(token)
                self.tokens.append(token)
            elif not self.ended:
                self.tokens.append(self.run(token.startswith("imm:")))
        if not self.ended and script.split()[-1].startswith("W"):
            self.tokens += ["(not", "ended)"]
        return " ".join(self.tokens)

    def to_end(self, limit: int = 500) -> list[str]:
        """KVM_RUN until the store to the exit device; the tokens."""
        for _ in range(limit):
            if self.ended:
                return self.tokens
            self.tokens.append(self.run())
        raise AssertionError(f"not ended after {limit} exits: {self.tokens[-20:]}")


def player(scenario: Scenario | str, kernel: Kernel | str = "fixed", **changes: object) -> Player:
    """A player of `scenario` (or of a program's text) on a kernel or preset."""
    if isinstance(scenario, str):
        scenario = Scenario(scenario)
    scenario = replace(scenario, **changes) if changes else scenario  # type: ignore[arg-type]
    return Player(scenario, kernels[kernel] if isinstance(kernel, str) else kernel)
