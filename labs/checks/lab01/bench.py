"""A bare CPU on a bench, for lab 01: you play the software at EL2, set the bits and execute the ERET.

Invariant: nothing here knows a rule of the step machine; every outcome is what `aarch64sim.arch` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aarch64sim.arch import sysregs
from aarch64sim.arch.cpu import Cpu
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.memory import Stage2Page
from aarch64sim.arch.pstate import PState
from aarch64sim.arch.step import StepState
from aarch64sim.arch.syndrome import EC
from aarch64sim.asm import assemble
from aarch64sim.events import What

CODE, VECTORS = 0x4000_0000, 0x4000_1000
LIMIT = 20  # instructions after which a run counts as free
INACTIVE, NOT_PENDING, PENDING = map(str, StepState)

_INSTRUCTIONS = {
    "retire": "nop",
    "svc": "svc #0",
    "hvc": "hvc #0",
    "undefined": "udf #0",
    "abort": "ldr x0, [x2]",
    "irq": "nop",
    "eret": "eret",
}


@dataclass(frozen=True, repr=False)
class Outcome:
    """What happened after the ERET: how many instructions ran, and the exception that ended it, if any."""

    ran: int
    taken: Taken | None

    @property
    def stopped(self) -> bool:
        """It ended with a Software Step exception."""
        return self.taken is not None and self.taken.ec in (
            EC.SOFTWARE_STEP,
            EC.SOFTWARE_STEP_SAME,
        )

    def __repr__(self) -> str:
        ran = f"{self.ran} instruction{'s' if self.ran != 1 else ''} ran"
        if self.taken is None:
            return f"{ran}, and nothing stopped it."
        name = EC(self.taken.ec or 0).name.replace("_SAME", "").replace("_", " ").title()
        el = self.taken.target_el
        return (
            f"{ran}, then: {name} exception to EL{el},"
            f" ELR_EL{el} = {self.taken.elr:#x}, ESR_EL{el} = {self.taken.esr or 0:#x}."
        )


class Bench:
    """A CPU with one page of code at 0x40000000 and its vectors after it; it stands at EL2, or where `host` says.

    >>> Bench("mov x0, #1\\nadd x0, x0, #1").enter(mdscr_ss=1, tde=1, spsr_ss=1)
    1 instruction ran, then: Software Step exception to EL2, ELR_EL2 = 0x40000004, ESR_EL2 = 0xcb000022.
    """

    def __init__(self, source: str = "nop", *, host: int = 2) -> None:
        self.host = host
        self.cpu = cpu = Cpu(host_el=3)
        for base in (CODE, VECTORS):
            cpu.memory.map(base >> 12, Stage2Page(memoryview(bytearray(4096))))
        self._load(CODE, source + "\nend: b end\n")
        for offset in range(0, 0x800, 0x80):
            self._load(VECTORS + offset, "b .\n")
        cpu.sys.vbar_el1 = VECTORS
        cpu.select_sp(host, 1)
        cpu.pc = CODE + 0x800

    def _load(self, base: int, source: str) -> None:
        for segment in assemble(source, base=base).segments:
            at = segment.address & 0xFFF
            page = self.cpu.memory.stage2[segment.address >> 12]
            page.data[at : at + len(segment.data)] = segment.data

    def enter(
        self,
        *,
        el: int = 1,
        mdscr_ss: int = 0,
        kde: int = 0,
        tde: int = 0,
        spsr_ss: int = 0,
        spsr_d: int = 0,
        d: int = 1,
        os_lock: int = 0,
    ) -> Outcome:
        """Set the bits, ERET to Exception level `el`, and run until the first exception, or LIMIT instructions.

        `d` is PSTATE.D where the ERET stands, `spsr_d` becomes PSTATE.D where it goes to.
        """
        cpu, sys = self.cpu, self.cpu.sys
        sys.mdscr_el1 = mdscr_ss * sysregs.MDSCR_SS | kde * sysregs.MDSCR_KDE
        sys.mdcr_el2 = tde * sysregs.MDCR_TDE
        cpu.set_os_lock(os_lock)
        cpu.pstate.d = d
        spsr = PState(ss=spsr_ss, d=spsr_d, a=1, i=1, f=1, el=el, sp=int(el > 0)).to_spsr()
        sys.set(f"spsr_el{self.host}", spsr)
        sys.set(f"elr_el{self.host}", CODE)
        if cpu.step_state() is StepState.ACTIVE_PENDING:
            return Outcome(0, cpu.step())  # stopped where the ERET stands: it never runs
        cpu.exception_return()
        return self.go()

    def go(self) -> Outcome:
        """Run until the first exception, or LIMIT instructions."""
        before = self.cpu.retired
        taken = None
        while taken is None and self.cpu.retired - before < LIMIT:
            taken = self.cpu.step()
        return Outcome(self.cpu.retired - before, taken)


def saved_ss(kind: str) -> int:
    """SPSR_ELx.SS that the exception `kind` saves while one instruction is granted and the host steps from EL2."""
    granted = {"el": 1, "tde": 1, "kde": 0, "d": 0, "os_lock": 0, "ss": 1}
    _, taken = _one_event(Bench(), kind, granted, {})
    assert taken is not None
    return taken.spsr >> 21 & 1


def sweep() -> Iterator[tuple[str, str, str, dict[str, int]]]:
    """All combinations of the bits, each with every kind of event: state before, event, state after, the bits.

    MDSCR_EL1.SS is 1 throughout (with 0 the machine is inactive, whatever happens). Events that no row of the
    transition table speaks of are left out.
    """
    bench = Bench()
    for n in range(96):
        bits = {name: n >> k & 1 for k, name in enumerate(("tde", "kde", "d", "os_lock", "ss"))} | {
            "el": n >> 5
        }
        for kind in _INSTRUCTIONS:
            for returns in _returns(kind, bits["el"]):
                row = _run(bench, kind, bits, returns)
                if row:
                    before, event, after = row
                    yield before, event, after, bits | returns


def _returns(kind: str, el: int) -> list[dict[str, int]]:
    """What an ERET may find in SPSR; one empty choice for everything else."""
    if kind != "eret":
        return [{}]
    return [
        {"spsr_ss": n & 1, "spsr_d": n >> 1 & 1, "to_el": n >> 2}
        for n in range(4 * (el + 1))
        if el > 0
    ]


def _run(
    bench: Bench, kind: str, bits: dict[str, int], returns: dict[str, int]
) -> tuple[str, str, str] | None:
    """State before, event, state after; None where no row of the table speaks of it."""
    cpu = bench.cpu
    cpu.watch(True)
    before, taken = _one_event(bench, kind, bits, returns)
    after = cpu.step_state()
    retired = next((e for e in cpu.log.events if e.what is What.RETIRE), None)
    cpu.log.events.clear()
    if retired is not None:  # a step exception may have followed at once: it is another transition
        if kind != "eret":
            return str(before), "an instruction retires", str(retired.after)
        if not cpu.debug_exceptions_enabled(returns["to_el"], returns["spsr_d"]):
            return None
        return str(before), _eret(returns["spsr_ss"]), str(retired.after)
    if taken is None or before is StepState.INACTIVE:
        return None
    possible = cpu.debug_exceptions_enabled()
    if before is StepState.ACTIVE_NOT_PENDING:
        where = "possible" if possible else "impossible"
        return str(before), f"an exception to where stepping is {where}", str(after)
    if taken.ec in (EC.SOFTWARE_STEP, EC.SOFTWARE_STEP_SAME):
        return str(before), "the CPU goes for the next instruction", str(after)
    return (
        (str(before), "an interrupt to where stepping is possible", str(after))
        if possible
        else None
    )


def _eret(ss: int) -> str:
    return f"ERET to where stepping is possible, SPSR.SS = {ss}"


def _one_event(
    bench: Bench, kind: str, bits: dict[str, int], returns: dict[str, int]
) -> tuple[StepState, Taken | None]:
    """Put the CPU into a state by its bits, let one thing happen; the state before, and the exception taken."""
    cpu, sys = bench.cpu, bench.cpu.sys
    bench._load(CODE, _INSTRUCTIONS[kind] + "\n")
    cpu.forget_code(CODE, 4)
    sys.mdscr_el1 = sysregs.MDSCR_SS | bits["kde"] * sysregs.MDSCR_KDE
    sys.mdcr_el2 = bits["tde"] * sysregs.MDCR_TDE
    cpu.set_os_lock(bits["os_lock"])
    sys.hcr_el2 = sysregs.HCR_RW | (sysregs.HCR_IMO | sysregs.HCR_VI if kind == "irq" else 0)
    cpu.pc, cpu.r[2] = CODE, 0x0900_0000
    el = bits["el"]
    state = PState(ss=bits["ss"], d=bits["d"], a=1, i=0, f=1, el=el, sp=int(el > 0))
    cpu.set_pstate(state.to_spsr())
    if returns:
        to = returns["to_el"]
        spsr = PState(
            ss=returns["spsr_ss"], d=returns["spsr_d"], a=1, i=1, f=1, el=to, sp=int(to > 0)
        )
        sys.set(f"spsr_el{el}", spsr.to_spsr())
        sys.set(f"elr_el{el}", CODE + 0x100)
    before = cpu.step_state()
    return before, cpu.step()
