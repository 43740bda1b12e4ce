"""A bare machine for the tests of `arch/`: RAM, vectors, and a host in Python that returns into the guest.

Invariant: the host only uses what a hypervisor has: it writes SPSR and ELR of its level and executes an ERET.
"""

from __future__ import annotations

from aarch64sim.arch import pstate, sysregs
from aarch64sim.arch.cpu import ARCHITECTURE, FEATURES, Choices, Cpu
from aarch64sim.arch.exceptions import Taken
from aarch64sim.arch.memory import Stage2Page
from aarch64sim.asm import Program, assemble

CODE, VECTORS, DATA, ROM, DATA_NX, HOLE = (
    0x4000_0000,  # 8 KiB
    0x4001_0000,  # the vectors of EL1
    0x4002_0000,  # 16 KiB
    0x4003_0000,
    0x4004_0000,
    0x9000_0000,  # nothing there
)
HOST_VECTORS = 0x5000_0000
EL0, EL1, EL2 = 0x0, 0x5, 0x9  # SPSR.M of EL0t, EL1h, EL2h
EL1T = 0x4
DAIF = 0x3C0
MASK_D, MASK_A, MASK_I, MASK_F = 0x200, 0x100, 0x80, 0x40
SS, IL = pstate.SS, pstate.IL
STEPPED_ESR, NOTHING_STEPPED_ESR, EXCLUSIVE_ESR = 0xCB00_0022, 0xCA00_0022, 0xCB00_0062

MODES = {0: EL0, 1: EL1, 2: EL2}
MDE, KDE = sysregs.MDSCR_MDE, sysregs.MDSCR_KDE

VECTOR_CODE = "nop\nhvc #0xfe\neret\n"


def map_page(
    cpu: Cpu, address: int, *, writable: bool = True, executable: bool = True
) -> bytearray:
    """Map the zeroed page that holds `address`; its bytes."""
    data = bytearray(4096)
    cpu.memory.map(address >> 12, Stage2Page(memoryview(data), writable, executable))
    return data


def poke(cpu: Cpu, address: int, data: bytes) -> None:
    """Put bytes into memory behind the CPU's back."""
    for at, byte in enumerate(data, address):
        cpu.memory.stage2[at >> 12].data[at & 4095] = byte
    cpu.forget_code(address, len(data))


def peek(cpu: Cpu, address: int, size: int) -> bytes:
    """Bytes of memory."""
    return bytes(
        cpu.memory.stage2[at >> 12].data[at & 4095] for at in range(address, address + size)
    )


def put_vectors(cpu: Cpu, base: int, source: str = VECTOR_CODE) -> None:
    """The same few instructions at every entry of a vector table."""
    for offset in range(0, 0x800, 0x80):
        load(cpu, assemble(source, base=base + offset))


def load(cpu: Cpu, program: Program) -> None:
    """Copy a program into mapped memory."""
    for segment in program.segments:
        poke(cpu, segment.address, segment.data)


def boot(
    source: str = "nop\n" * 8,
    *,
    spsr: int = EL1 | DAIF,
    mdscr: int = 0,
    tde: int = 0,
    hcr: int = 0,
    host_el: int = 2,
    resident: bool = False,
    choices: Choices = ARCHITECTURE,
    features: frozenset[str] = FEATURES,
    vectors: str = VECTOR_CODE,
    **values: int,
) -> Cpu:
    """A CPU whose host stands at `host_el` before the ERET into `source`, at CODE with SPSR `spsr`.

    `values`: x0=..., sp_el0=... or a system register by name.
    """
    cpu = Cpu(host_el=host_el, resident_guest=resident, choices=choices, features=features)
    for page in (CODE, CODE + 0x1000, VECTORS, *range(DATA, DATA + 0x4000, 0x1000)):
        map_page(cpu, page)
    map_page(cpu, ROM, writable=False)
    map_page(cpu, DATA_NX, executable=False)
    load(cpu, assemble(source, base=CODE))
    put_vectors(cpu, VECTORS, vectors)
    if not resident:
        cpu.select_sp(host_el, 1)
    s = cpu.sys
    s.hcr_el2 = sysregs.HCR_RW | hcr
    s.cptr_el2 = 0x33FF & ~(1 << 10)
    s.vbar_el1, s.vbar_el2 = VECTORS, HOST_VECTORS
    s.mdscr_el1, s.mdcr_el2 = mdscr, sysregs.MDCR_TDE if tde else 0
    cpu.set_sp(0, DATA + 0x3000)
    cpu.set_sp(1, DATA + 0x3800)
    for name, value in values.items():
        if name[:1] == "x":
            cpu.r[int(name[1:])] = value
        elif name in ("sp_el0", "sp_el1"):
            cpu.set_sp(int(name[-1]), value)
        else:
            s.set(name, value)
    if resident:
        cpu.set_pstate(spsr)
        cpu.pc = CODE
    s.set(f"spsr_el{host_el}", spsr)
    s.set(f"elr_el{host_el}", CODE)
    return cpu


def enter(cpu: Cpu, limit: int = 1000) -> Taken:
    """ERET into the guest and run it until it comes back to the host."""
    cpu.exception_return()
    return go(cpu, limit)


def go(cpu: Cpu, limit: int = 1000) -> Taken:
    """Run the guest until it comes back to the host."""
    taken = cpu.run(limit)
    assert taken, f"the guest did not come back within {limit} instructions, PC = {cpu.pc:#x}"
    return taken


def again(cpu: Cpu, *, ss: int | None = None, skip: int = 0) -> Taken:
    """Return to the guest once more, with SPSR.SS as given and `skip` bytes further on."""
    name = f"spsr_el{cpu.host_el}"
    if ss is not None:
        cpu.sys.set(name, cpu.sys.get(name) & ~SS | (SS if ss else 0))
    elr = f"elr_el{cpu.host_el}"
    cpu.sys.set(elr, cpu.sys.get(elr) + skip)
    return enter(cpu)


def host_step(source: str = "nop\n" * 8, *, spsr: int = EL1 | DAIF | SS, **values: object) -> Cpu:
    """As `boot`, with a host at EL2 that steps: MDCR_EL2.TDE and MDSCR_EL1.SS set, and SPSR_EL2.SS."""
    return boot(source, spsr=spsr, mdscr=sysregs.MDSCR_SS, tde=1, **values)  # type: ignore[arg-type]


def self_step(source: str = "nop\n" * 8, *, spsr: int = EL0 | DAIF | SS, **values: object) -> Cpu:
    """As `boot`, with a debugger at EL1 that steps: MDSCR_EL1.SS set and SPSR_EL1.SS, no TDE."""
    values.setdefault("mdscr", sysregs.MDSCR_SS)
    return boot(source, spsr=spsr, host_el=1, **values)  # type: ignore[arg-type]


def inside(source: str, *, spsr: int = EL1 | DAIF, **values: object) -> Cpu:
    """A CPU about to execute `source`, by default at EL1."""
    cpu = boot(source, spsr=spsr, **values)  # type: ignore[arg-type]
    cpu.exception_return()
    return cpu


def take(source: str, *, spsr: int = EL1 | DAIF, **values: object) -> tuple[Cpu, Taken]:
    """Execute one instruction, which takes an exception."""
    cpu = inside(source, spsr=spsr, **values)
    cpu.event_register = False  # the ERET set it
    registers = cpu.r[:31]
    taken = cpu.step()
    assert taken, f"{source} took no exception"
    assert cpu.r[:31] == registers, "an instruction that takes an exception changes no register"
    return cpu, taken


def esr(ec: int, iss: int = 0) -> int:
    return ec << 26 | 1 << 25 | iss
