"""Random instructions on our Cpu and on Unicorn, from the same random state; the differences.

Invariant: what is compared is everything that an EL0 program can see: X0-X30, SP, PC, NZCV, the memory window, and
the SIMD&FP registers that a load may have written.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from aarch64sim.arch.decode import decode
from aarch64sim.arch.pattern import POST, Encoding, Fields
from aarch64sim.arch.registers import MASK64
from aarch64sim.arch.vocabulary import extend_register, sign_extend
from aarch64sim.asm import disassemble
from tests.isa import machine

PC = machine.CODE + 0x8000  # literals lie on both sides
WINDOW = machine.DATA + 0x1000 - 0x80  # accesses cross a page boundary
WINDOW_SIZE = 0x100
LITERALS = PC - 0x100
NEAR = 0x40  # words on either side that a literal load may name

# Rows that Unicorn cannot answer for, with the reason.
LEFT_OUT = {
    "exception_return": "needs exception state that Unicorn does not have",
    "supervisor_call": "Unicorn has no exception entry",
    "hypervisor_call": "Unicorn has no exception entry",
    "secure_monitor_call": "Unicorn has no exception entry",
    "breakpoint": "Unicorn has no exception entry",
    "undefined": "Unicorn has no exception entry",
    "write_pstate_field": "Unicorn runs at EL1 whatever PSTATE says, so masks and traps differ",
    "write_system_register": "the register files differ; MSR NZCV is tested apart",
    "read_system_register": "the register files differ; MRS NZCV is tested apart",
    "system_instruction": "cache and TLB maintenance is a matter of the model",
    "system_instruction_with_result": "unallocated",
    "other_simd": "we have no SIMD&FP arithmetic",
}
HINTS_LEFT_OUT = {2, 3}  # WFE and WFI stop Unicorn
SIGNED_ATOMICS = {4, 5}  # LDSMAX, LDSMIN


@dataclass(frozen=True)
class State:
    """What an instruction starts from: X0-X30 and SP, NZCV, SIMD&FP registers that it names, the window's bytes."""

    r: list[int]
    nzcv: int
    v: dict[int, int]
    window: bytes


def interesting(rng: random.Random, bits: int = 64) -> int:
    """A random number that is often near an edge."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice((0, 1, 2, 3, 7, 31, 32, 63, 64, 255))
    if kind == 1:
        return (1 << rng.randrange(bits)) - rng.randrange(2)
    if kind == 2:
        return ~rng.randrange(256) & MASK64
    return rng.getrandbits(bits if kind < 5 else 32)


def usable(row: Encoding, word: int) -> bool:
    """Whether the architecture and Unicorn both say what the word does."""
    f = row.extract(word)
    if f is None or row.binder in LEFT_OUT:
        return False
    if row.binder == "hint":
        return f["imm"] not in HINTS_LEFT_OUT
    if row.binder == "atomic" and f["op"] in SIGNED_ATOMICS and f["size"] < 3:
        # QEMU 5.0, on which Unicorn 2.1 stands, compares the old value zero-extended (fixed in QEMU 6.0).
        return False
    # Both registers of a load pair the same: which value stays is CONSTRAINED UNPREDICTABLE.
    return not (f.get("L", 1) and "Rt2" in f and f["Rt"] == f["Rt2"])


def nearby(row: Encoding, word: int, rng: random.Random) -> int:
    """The word with a literal that lies in RAM."""
    if row.binder != "load_literal":
        return word
    fields = row.extract(word)
    assert fields is not None
    fields["imm"] = rng.choice([n for n in range(-NEAR + 2, NEAR - 6) if n not in (0, 1)]) & 0x7FFFF
    return row.build(fields)


ORDERED = {"store_exclusive", "load_exclusive", "store_exclusive_pair", "load_exclusive_pair", "store_release",
           "load_acquire", "compare_and_swap", "compare_and_swap_pair", "atomic", "swap"}  # fmt: skip


def offset(row: Encoding, f: Fields, r: list[int]) -> int:
    """What the instruction adds to its base register before the access."""
    if row.binder == "load_store_scaled":
        return f.imm << f.size
    if row.binder == "load_store_register":
        return extend_register(0 if f.Rm == 31 else r[f.Rm], f.option, f.size if f.S else 0)
    if row.binder in ("load_store", "load_store_pair") and f.mode != POST:
        return (
            sign_extend(f.imm, 9) if row.binder == "load_store" else sign_extend(f.imm, 7) << f.size
        )
    return 0


MEMORY = ("load_store", "store_", "load_", "compare_and_swap", "atomic", "swap")


def random_state(row: Encoding, f: Fields, rng: random.Random) -> State:
    """A state in which a load or store of this instruction stays inside the window."""
    r = [interesting(rng) for _ in range(32)]
    if row.binder.startswith(MEMORY) and hasattr(f, "Rn"):
        target = WINDOW + rng.randrange(0, WINDOW_SIZE - 48)
        if row.binder in ORDERED:
            target &= -16
        r[f.Rn] = (target - offset(row, f, r)) & MASK64
    names = ("Rt", "Rt2") if getattr(f, "simd", 0) else ()
    v = {getattr(f, name): rng.getrandbits(128) for name in names if hasattr(f, name)}
    return State(r, rng.getrandbits(4) << 28, v, rng.randbytes(WINDOW_SIZE))


def well_placed(row: Encoding, f: Fields) -> bool:
    """Whether `random_state` can aim the access (not where base and index are one register)."""
    return not (row.binder == "load_store_register" and f.Rn == f.Rm and f.Rn != 31)


Result = tuple[list[int], int, int, list[int], bytes]


class Ours:
    """Our Cpu as the one side of the comparison."""

    def __init__(self) -> None:
        self.cpu = machine.make_cpu()
        self.cpu.sys.hcr_el2 |= 1 << 27
        self.cpu.sys.sctlr_el1 &= ~0x1A  # no alignment checks: Unicorn has none
        self.cpu.memory.forget_caches()

    def run(self, word: int, state: State) -> Result:
        cpu = self.cpu
        machine.write(cpu, PC, word.to_bytes(4, "little"))
        machine.write(cpu, WINDOW, state.window)
        cpu.r[:32] = state.r
        for n, value in state.v.items():
            cpu.v[n] = value
        p = cpu.pstate
        p.n, p.z, p.c, p.v = (state.nzcv >> bit & 1 for bit in (31, 30, 29, 28))
        cpu.pc, cpu.monitor = PC, None
        taken = cpu.step()
        if taken is not None:
            cpu.pstate.el = cpu.pstate.sp = 0
            raise AssertionError(f"our Cpu took an exception: {taken}")
        flags = p.n << 31 | p.z << 30 | p.c << 29 | p.v << 28
        vectors = [cpu.v[n] for n in state.v]
        return cpu.r[:32], cpu.pc, flags, vectors, machine.read(cpu, WINDOW, WINDOW_SIZE)


class Theirs:
    """Unicorn as the other."""

    def __init__(self) -> None:
        import unicorn
        from unicorn import arm64_const as c

        self.uc = uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        uc.ctl_set_cpu_model(c.UC_CPU_ARM64_MAX)
        uc.mem_map(machine.CODE, 0x10000)
        uc.mem_map(machine.DATA, machine.DATA_SIZE)
        uc.reg_write(c.UC_ARM64_REG_CPACR_EL1, 3 << 20)
        self.registers = [c.UC_ARM64_REG_X0 + n for n in range(29)] + [
            c.UC_ARM64_REG_X29, c.UC_ARM64_REG_X30, c.UC_ARM64_REG_SP]  # fmt: skip
        # Raised for the instruction behind the one that we asked for, where a branch left the mapped memory.
        self.after_a_branch = (
            unicorn.UC_ERR_FETCH_UNMAPPED,
            unicorn.UC_ERR_FETCH_PROT,
            unicorn.UC_ERR_MAP,
        )
        self.error = unicorn.UcError
        self.reserved = False
        self.q0, self.pc, self.nzcv = c.UC_ARM64_REG_Q0, c.UC_ARM64_REG_PC, c.UC_ARM64_REG_NZCV

    def run(self, word: int, state: State) -> Result:
        uc = self.uc
        # A store-exclusive must not meet the reservation of an earlier word: ours starts without one.
        if word >> 22 & 0xFF == 0x20 and self.reserved:
            self._clear_reservation()
        self.reserved |= word >> 22 & 0xFF == 0x21
        uc.mem_write(PC, word.to_bytes(4, "little"))
        uc.ctl_remove_cache(PC, PC + 4)
        uc.mem_write(WINDOW, state.window)
        uc.reg_write_batch([*zip(self.registers, state.r, strict=True), (self.nzcv, state.nzcv)])
        for n, value in state.v.items():
            uc.reg_write(self.q0 + n, value)
        try:
            uc.emu_start(PC, 0xFFFF_FFFF_FFFF_FFFC, count=1)
        except self.error as error:
            if error.errno not in self.after_a_branch:
                raise AssertionError(f"Unicorn: {error}") from error
        r = list(uc.reg_read_batch(self.registers))
        vectors = [uc.reg_read(self.q0 + n) for n in state.v]
        flags = uc.reg_read(self.nzcv) & machine.NZCV
        return r, uc.reg_read(self.pc), flags, vectors, bytes(uc.mem_read(WINDOW, WINDOW_SIZE))

    def _clear_reservation(self) -> None:
        self.uc.mem_write(PC, (0xD503_3F5F).to_bytes(4, "little"))  # clrex
        self.uc.ctl_remove_cache(PC, PC + 4)
        self.uc.emu_start(PC, PC + 4, count=1)
        self.reserved = False

    def put_literals(self, ours: Ours, rng: random.Random) -> None:
        """The same random bytes around the instruction on both sides."""
        data = rng.randbytes(4 * NEAR)
        for address in (PC - 4 * NEAR, PC + 8):
            machine.write(ours.cpu, address, data)
            self.uc.mem_write(address, data)


def compare(ours: Ours, theirs: Theirs, row: Encoding, word: int, rng: random.Random) -> str | None:
    """One instruction on both sides; None, or a sentence that shows the difference."""
    decoded = decode(word)
    if decoded is None:
        return f"{word:#010x} does not decode"
    fields = decoded[1]
    if not well_placed(row, fields):
        return None
    state = random_state(row, fields, rng)
    text = f"{word:#010x} {disassemble(word, PC)}"
    try:
        mine, other = ours.run(word, state), theirs.run(word, state)
    except AssertionError as error:
        return f"{text}: {error}"
    for name, x, y in zip(
        ("registers", "pc", "nzcv", "vectors", "memory"), mine, other, strict=True
    ):
        if x != y:
            return f"{text}: {name}: {_shown(x, y)} from {_start(fields, state)}"
    return None


def _shown(ours: int | list[int] | bytes, theirs: int | list[int] | bytes) -> str:
    if isinstance(ours, int) or isinstance(theirs, int):
        return f"ours {ours:#x}, Unicorn {theirs:#x}"
    pairs = [
        f"[{n}] ours {x:#x}, Unicorn {y:#x}"
        for n, (x, y) in enumerate(zip(ours, theirs, strict=True))
        if x != y
    ]
    return "; ".join(pairs[:4])


def _start(f: Fields, state: State) -> str:
    names = [name for name in ("Rn", "Rm", "Ra", "Rs", "Rt", "Rd") if hasattr(f, name)]
    return (
        ", ".join(f"{name}={state.r[getattr(f, name)]:#x}" for name in names)
        + f", nzcv {state.nzcv:#x}"
    )


def differences(count: int, seed: int) -> list[str]:
    """Run `count` random instructions on both; every difference as a sentence."""
    rng = random.Random(seed)
    ours, theirs = Ours(), Theirs()
    theirs.put_literals(ours, rng)
    found = []
    for row, word in machine.words(rng, count, usable):
        difference = compare(ours, theirs, row, nearby(row, word, rng), rng)
        if difference:
            found.append(difference)
    return found
