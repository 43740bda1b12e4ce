"""What another implementation of the CPU logged on bare metal, replayed exception by exception.

Invariant: of the few logs that leave the architecture we replay what agrees, and then what the manual says.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aarch64sim.arch import sysregs
from aarch64sim.arch.cpu import Choices, Cpu
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.syndrome import EC, exception_class
from aarch64sim.asm import assemble
from tests.arch.bench import HOST_VECTORS, SS, map_page, poke, put_vectors

DATA = Path(__file__).parent / "data" / "step-logs"
LOGS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))
}
UNMARKED = {"el0_alu"}
ENDS = {(EC.SVC, 0xFF), (EC.HVC, 0xFF), (EC.SVC, 0xFE), (EC.HVC, 0xFE)}
RAM = 0x4060_0000  # where `retry` lets x4 and x6 point
DEVICE = 0x8000_0100

# Where the logging implementation leaves the architecture: how many of its events hold, then what the manual says
# (vector, ESR, ELR, SPSR of the debugger's level), with the section that overrules the log.
DEVIATIONS: dict[str, tuple[str, int, list[tuple[int, int, int, int]]]] = {
    # D2.3: debug exceptions are disabled while OSLSR_EL1.OSLK is 1, so it all runs in one go.
    "el1_alu_oslock": ("D2.3", 0, [(0x400, 0x5A0000FF, 0x40400014, 0x200001C5)]),
    "h1_el0_oslock": ("D2.3", 0, [(0x400, 0x560000FF, 0x40401610, 0x200001C0)]),
    # SMC is UNDEFINED without EL3 (C6.2, SMC); the logging machine serves PSCI there. The guest takes the exception,
    # and the step is reported at its vector.
    "el1_smc_nohcr_undef": (
        "C6.2",
        1,
        [
            (0x400, 0xCA000022, 0x40202A00, 0x3C5),
            (0x400, 0xCB000022, 0x40202A04, 0x3C5),
            (0x400, 0x5A0000FE, 0x40202A08, 0x3C5),
        ],
    ),
    # D1.7: nothing exempts a stepped WFI from HCR_EL2.TWI; it traps, and the step is still owed (D2.11.5, Table D2-22).
    "el1_wfi_trap_leave": (
        "D1.7",
        1,
        [
            (0x400, 0x07E00000, 0x40400704, 0x2001C5),
            (0x400, 0xCB000022, 0x4040070C, 0x1C5),
            (0x400, 0x5A0000FF, 0x40400710, 0x1C5),
        ],
    ),
    "el1_wfi_trap_ss0": (
        "D1.7",
        1,
        [
            (0x400, 0x07E00000, 0x40400704, 0x2001C5),
            (0x400, 0xCA000022, 0x40400708, 0x1C5),
            (0x400, 0xCB000022, 0x4040070C, 0x1C5),
            (0x400, 0x5A0000FF, 0x40400710, 0x1C5),
        ],
    ),
    # D2.11.5: an instruction that sets PSTATE.D at the debug target level leaves the machine inactive: no exception.
    "el2_self_KDE1_daif": (
        "D2.11.5",
        0,
        [
            (0x200, 0xCE000022, 0x4040120C, 0x1C9),
            (0x200, 0xCF000022, 0x40401210, 0x1C9),
            (0x200, 0x5A0000FF, 0x40401214, 0x1C9),
        ],
    ),
    # D1.4.2, AArch64.TakeException: exception entry leaves PSTATE.NZCV alone; here the C flag of SUBS was lost at the
    # vector. The README beside the logs does not mention this one.
    "el0_alu": (
        "D1.4.2",
        4,
        [
            (0x400, 0xCA000022, 0x40202C00, 0x200003C5),
            (0x400, 0xCB000022, 0x40202C04, 0x200003C5),
            (0x400, 0x5A0000FE, 0x40202C08, 0x200003C5),
        ],
    ),
    "h1_el1_KDE1_daifclr_inside": ("D2.11.5", 3, [(0x200, 0x560000FF, 0x40401C1C, 0x3C5)]),
}


class Session:
    """The debugger of one log, at its Exception level, and the snippet that it steps."""

    def __init__(
        self, log: dict[str, Any], choices: Choices | None = None, *, resident: bool = False
    ) -> None:
        self.log = log
        self.el = log["debugger_el"]
        self.resident = resident
        start = log["start"]
        cpu = self.cpu = Cpu(host_el=self.el, choices=choices, resident_guest=resident)
        vbar = int(start["vbar_el1"], 16)
        pages = {int(row["address"], 16) >> 12 for row in log["program"]}
        for page in pages | {vbar >> 12, vbar + 0x7FF >> 12, RAM >> 12}:
            map_page(cpu, page << 12)
        put_vectors(cpu, vbar, log["vectors"].removeprefix("every entry: ").replace(";", "\n"))
        for row in log["program"]:
            poke(cpu, int(row["address"], 16), int(row["word"], 16).to_bytes(4, "little"))
        if not resident:
            cpu.select_sp(self.el, 1)
        s = cpu.sys
        s.hcr_el2 = int(start["hcr_el2"], 16)
        s.mdcr_el2 = sysregs.MDCR_TDE if start["mdcr_el2_tde"] else 0
        s.mdscr_el1 = int(start["mdscr_el1"], 16)
        s.cptr_el2, s.cpacr_el1 = 0x33FF & ~(1 << 10), 3 << 20
        s.vbar_el1 = vbar if self.el == 2 else HOST_VECTORS
        s.vbar_el2 = HOST_VECTORS
        s.sctlr_el1 |= 1 << 14 | 1 << 26  # DZE, UCI
        cpu.set_os_lock(start["os_lock"])
        for name, value in start["x"].items():
            cpu.r[int(name[1:])] = int(value, 16)
        self.set("spsr", int(start["spsr"], 16))
        self.set("elr", int(start["pc"], 16))

    def get(self, name: str) -> int:
        if self.resident and name in ("spsr", "elr"):
            return self.cpu.pc if name == "elr" else self.cpu.pstate.to_spsr()
        return self.cpu.sys.get(f"{name}_el{self.el}")

    def set(self, name: str, value: int) -> None:
        if self.resident and name == "elr":
            self.cpu.pc = value
        elif self.resident and name == "spsr":
            self.cpu.set_pstate(value)
        else:
            self.cpu.sys.set(f"{name}_el{self.el}", value)

    def set_ss(self, value: int) -> None:
        self.set("spsr", self.get("spsr") & ~SS | (SS if value else 0))

    def run(self) -> Taken:
        self.cpu.exception_return()
        taken = self.cpu.run(10_000)
        assert taken, "the snippet did not come back"
        return taken

    def handle(self, taken: Taken) -> bool:
        """What the log says that the debugger does; False at the end."""
        assert taken.esr is not None
        ec = exception_class(taken.esr)
        if (ec, taken.esr & 0xFFFF) in ENDS:
            return False
        if ec in (EC.SOFTWARE_STEP, EC.SOFTWARE_STEP_SAME):
            if self.log["after_a_step"] == "set SPSR.SS":
                self.set_ss(1)
            return True
        action, _, ss = self.log["after_another_exception"].partition(",")
        if action == "stop":
            return False
        if action == "retry":
            self.cpu.r[4] = self.cpu.r[6] = RAM
        elif action == "skip" and ec not in (EC.SVC, EC.HVC):
            self.set("elr", self.get("elr") + 4)
        if ss.startswith("SS:="):
            self.set_ss(int(ss[-1]))
        if self.log["scenario"] == "mmio_syndromes":
            self.cpu.r[4] = DEVICE
        return True


def observed(session: Session, taken: Taken, keys: set[str]) -> dict[str, str]:
    """What happened, in the words of the log."""
    cpu = session.cpu
    values = {
        "vec": taken.vector,
        "ESR": session.get("esr"),
        "ELR": session.get("elr"),
        "SPSR": session.get("spsr"),
        "FAR": session.get("far"),
        "HPFAR": cpu.sys.hpfar_el2,
        "ESR_EL1": cpu.sys.esr_el1,
        "SPSR_EL1": cpu.sys.spsr_el1,
        "x1": cpu.r[1],
        "x2": cpu.r[2],
        "x3": cpu.r[3],
    }
    return {key: hex(values[key]) for key in sorted(keys)}


def replay(session: Session, events: list[dict[str, str]]) -> Taken | None:
    """Run until `events` are used up, comparing each; the last exception."""
    taken = None
    for number, event in enumerate(events):
        taken = session.run()
        expected = {key: hex(int(value, 16)) for key, value in sorted(event.items())}
        assert observed(session, taken, set(event)) == expected, f"event {number}"
        if not session.handle(taken):
            assert number == len(events) - 1, "the scenario ended before the log does"
    return taken


def sessions(names: list[str]) -> list[Any]:
    """Each log with the host at its level, and, where it can, with the host outside the CPU (`resident_guest`)."""
    plain = [pytest.param(name, False, id=name) for name in names]
    hosted = [n for n in names if n.startswith(("el0", "el1")) and "needs" not in LOGS[n]]
    return plain + [pytest.param(name, True, id=f"{name}-resident") for name in hosted]


@pytest.mark.parametrize(
    ("name", "resident"), sessions([n for n in LOGS if n not in {*DEVIATIONS, "mmio_syndromes"}])
)
def test_log(name: str, resident: bool) -> None:
    log = LOGS[name]
    if log.get("needs") == "stage 1 translation":
        pytest.skip("by design: this scenario needs stage 1 translation")
    replay(Session(log, resident=resident), log["events"])


def test_log_of_syndromes_of_every_kind_of_access() -> None:
    log = LOGS["mmio_syndromes"]
    replay(Session(log), log["events"])


@pytest.mark.parametrize(("name", "resident"), sessions(list(DEVIATIONS)))
def test_log_with_a_deviation_is_overruled_by_the_manual(name: str, resident: bool) -> None:
    log = LOGS[name]
    _, agreed, manual = DEVIATIONS[name]
    session = Session(log, resident=resident)
    replay(session, log["events"][:agreed])
    for vector, esr, elr, spsr in manual:
        taken = session.run()
        assert (taken.vector, hex(taken.esr or 0)) == (vector, hex(esr))
        assert (hex(taken.elr), hex(taken.spsr)) == (hex(elr), hex(spsr))
        session.handle(taken)


def test_the_deviations_are_those_that_the_logs_mark() -> None:
    marked = {name for name, log in LOGS.items() if "deviates" in log}
    assert set(DEVIATIONS) - UNMARKED == marked


def test_undefined_smc_is_taken_by_the_guest_with_the_step_still_owed() -> None:
    session = Session(LOGS["el1_smc_nohcr_undef"])
    replay(session, LOGS["el1_smc_nohcr_undef"]["events"][:1])
    session.run()
    assert hex(session.cpu.sys.esr_el1) == "0x2000000"
    assert hex(session.cpu.sys.spsr_el1) == "0x2001c5"


@pytest.mark.parametrize("name", ["el1_wfi_trap_leave", "el1_wfi_trap_ss0"])
def test_a_cpu_that_does_not_trap_a_stepped_wfi_gives_the_log_as_it_is(name: str) -> None:
    replay(Session(LOGS[name], Choices(stepped_wfi_traps=False)), LOGS[name]["events"])


def test_all_scenarios_are_here() -> None:
    assert len(LOGS) == 60
    assert sum("needs" in log for log in LOGS.values()) == 6


def test_the_words_of_the_logs_are_what_their_texts_assemble_to() -> None:
    for log in LOGS.values():
        for row in log["program"]:
            text = row["text"].split("//")[0].split("<")[0]
            if text.startswith(("ld1", "cbnz")):
                continue
            program = assemble(text, base=int(row["address"], 16))
            assert next(iter(program.words()))[1] == int(row["word"], 16), row
