"""More surprises that real kernels had in store: what is emulated (15 to 25), and what the eras add.

Invariant: each test says what a real kernel was seen to do beyond its stop list.
"""

from __future__ import annotations

import pytest

from aarch64sim.kvm.kernels import Arming, kernels
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.kvm.vm_state import Host
from tests.kvm.player import CODE, UART, Player, Scenario, player
from tests.kvm.programs import ABORT, END_THERE, SCENARIOS, STORE, call, system

EVERY = [name for name in kernels if name.startswith("v") and name != "v6.1.192"]
WITH_ABORTS = EVERY[EVERY.index("v5.5") :]
FAKED = [name for name in EVERY if kernels[name].fake_debug_exit]

TRAPPED = [
    "smc #0",
    "mrs x1, id_aa64pfr0_el1",
    "msr mdscr_el1, xzr",
    "msr oslar_el1, xzr",
    "mrs x1, oslsr_el1",
]
TRAPPED += ["mrs x1, dbgbvr0_el1", "mrs x1, actlr_el1", "dc cisw, xzr", "mrs x1, lorc_el1"]
NOT_TRAPPED = ["mrs x1, ctr_el0", "mrs x1, ccsidr_el1", "mrs x1, cntvct_el0", "mrs x1, icc_sre_el1"]
NOT_TRAPPED += ["mrs x1, vbar_el1", "wfe", "dc civac, x19", "dc ivac, x19", "prfm pldl1keep, [x19]"]
NOT_TRAPPED += ["stxr w1, w0, [x19]", "ldadd w0, w1, [x21]"]


@pytest.mark.parametrize("instruction", TRAPPED)
def test_15_in_kernel_emulation_shows_the_bug(instruction: str) -> None:
    late = player(system(instruction), "what-if-late-advance-ss-kept")
    assert late.play("4 c 10 W@10") == "4 c 10 W@10"
    right = player(system(instruction), "v6.1.192")
    assert right.play("4 8 c 10 W@10") == "4 8 c 10 W@10"
    assert right.hsrs[1] == 0xCA00_0022


@pytest.mark.parametrize("instruction", NOT_TRAPPED)
def test_15_16_what_does_not_trap_is_an_ordinary_step(instruction: str) -> None:
    machine = player(system(instruction), "what-if-late-advance-ss-kept")
    assert machine.play("4 8 c 10 W@10") == "4 8 c 10 W@10"
    assert machine.hsrs[1] == 0xCB00_0022


@pytest.mark.parametrize(("register", "value"), [("ctr_el0", 0x8444_C004), ("ccsidr_el1", 2)])
def test_15_from_6_3_the_cache_registers_are_emulated(register: str, value: int) -> None:
    machine = player(system(f"mrs x1, {register}"), "v6.3")
    machine.vcpu.set_one_reg("csselr_el1", 0)
    machine.play("4 8")
    assert machine.hsrs[1] == 0xCA00_0022
    assert machine.x(1) == value


NO_SYNDROME = ["ldp w2, w3, [x19]", "stp w2, w3, [x19]", "ldr w2, [x19], #4", "str w2, [x19, #4]!"]
NO_SYNDROME += [
    "ldxr w2, [x19]",
    "ldadd w0, w2, [x19]",
    "cas w0, w2, [x19]",
    "swp w0, w2, [x19]",
    "dc zva, x19",
]


@pytest.mark.parametrize("kernel", ["v4.3", "v5.0", "v5.5", "v6.1.192", "v6.18"])
@pytest.mark.parametrize("instruction", NO_SYNDROME)
def test_17_without_a_syndrome_kvm_gives_up_and_nothing_has_happened(
    kernel: str, instruction: str
) -> None:
    machine = player(system(instruction), kernel)
    before = machine.reg("x19")
    assert machine.play("4 E38:4 E38:4") == "4 E38:4 E38:4"
    assert machine.vcpu.kvm_run.exit_reason is ExitReason.UNKNOWN
    assert machine.reg("x19") == before


@pytest.mark.parametrize("kernel", WITH_ABORTS)
@pytest.mark.parametrize("instruction", NO_SYNDROME)
def test_17_with_the_capability_userspace_is_told(kernel: str, instruction: str) -> None:
    machine = player(system(instruction), kernel, capability=True)
    script = "4 ARM_NISV@4 <pc=0x40000008> c 10 W@10"
    writes = instruction.startswith(("st", "dc"))
    machine.play("4 ARM_NISV@4")
    nisv = machine.vcpu.kvm_run.arm_nisv
    assert (nisv.esr_iss, nisv.fault_ipa & ~7) == (0x45 if writes else 0x5, UART)
    machine.tokens = ["4", "ARM_NISV@4"]
    assert machine.play("<pc=0x40000008> c 10 W@10") == script


@pytest.mark.parametrize("instruction", ["ldr q0, [x19]", "str q0, [x19]", "ldp q0, q1, [x19]"])
def test_17_simd_accesses_have_no_syndrome(instruction: str) -> None:
    machine = player("mov x0, #0x300000\nmsr cpacr_el1, x0\nisb\n" + instruction)
    assert machine.play("4 8 c E38:c") == "4 8 c E38:c"


@pytest.mark.parametrize("instruction", ["ldar w2, [x19]", "stlr w0, [x19]", "ldtr w2, [x19]"])
def test_17_ordered_accesses_have_one(instruction: str) -> None:
    machine = player(system(instruction), "v6.1.192")
    mmio = "W@4" if instruction.startswith("st") else "R@4"
    assert machine.play(f"4 {mmio} 8 c 10 W@10") == f"4 {mmio} 8 c 10 W@10"


def test_18_turning_debugging_off_clears_a_remembered_step() -> None:
    machine = player(STORE, "what-if-early-advance-step-remembered")
    machine.play("4 W@8")
    assert machine.vcpu.step_pending
    machine.act("<dbg=0>")
    assert not machine.vcpu.step_pending


def test_20_a_stepped_ldxr_loop_never_ends_but_an_atomic_does() -> None:
    machine = player(SCENARIOS["l_ldxr"], "v6.1.192")
    for _ in range(40):
        machine.run()
    assert not machine.ended
    assert machine.x(3) == 1
    atomic = player(system("ldadd w0, w2, [x21]"), "v6.1.192")
    assert atomic.play("4 8 c 10 W@10") == "4 8 c 10 W@10"


@pytest.mark.parametrize("kernel", EVERY)
def test_21_an_interrupt_at_the_mmio_exit_comes_before_the_pending_stop(kernel: str) -> None:
    machine = player(SCENARIOS["r_irq_at_mmio"], kernel)
    tokens = machine.to_end()
    after = tokens[tokens.index(next(t for t in tokens if t.startswith("W@"))) + 1 :]
    if kernel in FAKED:  # the completion itself is faked to be a step
        assert after.pop(0) == "10"
    remembered = kernel in FAKED or kernels[kernel].arming is Arming.UNLESS_PENDING
    assert after[0] == ("1280" if remembered else "1284")
    assert machine.x(12) == CODE + 0x10


def test_23_a_big_endian_guest_finds_its_own_order() -> None:
    machine = player(
        "mrs x6, sctlr_el1\norr x6, x6, #0x2000000\nmsr sctlr_el1, x6\nisb\nmov w0, #0x1234\n"
        "strh w0, [x19]\nldrh w2, [x19]\nstr w20, [x20]",
        "v6.1.192",
        answers=[0x3412],
    )
    machine.to_end()
    assert machine.stores[0] == (UART, 0x3412)
    assert machine.x(2) == 0x1234


@pytest.mark.parametrize("kernel", FAKED)
def test_24_each_ram_fault_is_a_spurious_stop_where_steps_are_pretended(kernel: str) -> None:
    machine = player(
        "mov x0, #1\nadd x9, x21, #0xff8\nadd x1, x1, #1\nstp x0, x0, [x9]\nadd x2, x2, #1\nstr w20, [x20]",
        kernel,
    )
    tokens = machine.to_end()
    assert tokens[:7] == ["0", "4", "8", "c", "c", "c", "10"]


def test_25_an_unaligned_mmio_load_exits_as_any_other() -> None:
    machine = player("ldr w2, [x19, x22]\nstr w20, [x20]", answers=[0x11223344])
    machine.to_end()
    assert machine.loads == [UART + 3]
    assert machine.x(2) == 0x1122_3344


# --- what the eras add --------------------------------------------------------------------------


def test_6_18_takes_an_abort_at_once_and_loses_the_stop_at_its_vector() -> None:
    machine = player(ABORT + END_THERE, "v6.18", answers=[0x99])
    machine.play("4 8 R@8 <abt>")
    assert machine.reg("pc") == CODE + 0x1200
    assert machine.run() == "1204"
    assert machine.x(10) == 1


def test_5_10_enters_the_vector_at_once_and_then_retires_the_load() -> None:
    machine = player(ABORT + END_THERE, "v5.5", answers=[0x99])
    machine.play("4 8 R@8 <abt>")
    assert machine.reg("pc") == CODE + 0x1200
    machine.to_end()
    assert (machine.x(10), machine.x(2)) == (0, 0x99)


@pytest.mark.parametrize("kernel", ["v5.11", "v5.13"])
def test_5_11_to_6_0_lose_the_abort_and_make_the_access_again(kernel: str) -> None:
    machine = player(ABORT + END_THERE, kernel, answers=[0x99])
    machine.play("4 8 R@8 <abt> R@8 c")
    assert (machine.x(2), machine.x(10), len(machine.loads)) == (0x99, 0, 2)
    assert machine.reg("esr_el1") == 0x9600_0010


def test_5_11_loses_an_abort_injected_after_an_immediate_exit() -> None:
    machine = player(ABORT + END_THERE, "v5.11", answers=[0x99])
    script = "4 8 R@8 imm:E4:MMIO:8 <abt> R@8 c 10 14 W@14"
    assert machine.play(script) == script


@pytest.mark.parametrize("kernel", ["v5.13", "v6.1", "v6.14", "v6.18", "fixed"])
def test_an_abort_injected_after_an_immediate_exit_returns_behind_the_completed_access(
    kernel: str,
) -> None:
    machine = player(ABORT + END_THERE, kernel, answers=[0x99])
    machine.play("4 8 R@8 imm:E4:MMIO:c <abt>")
    machine.to_end()
    assert (machine.x(2), machine.x(10), machine.x(12)) == (0x99, 1, CODE + 0xC)


@pytest.mark.parametrize(("kernel", "stop"), [("v4.3", "c"), ("v6.3", "8"), ("fixed", "8")])
def test_psci_version_is_the_hosts_configuration(kernel: str, stop: str) -> None:
    machine = player(call("hvc"), kernel)
    assert machine.play(f"4 {stop}") == f"4 {stop}"
    assert machine.x(0) == machine.vm.host.psci_version


def test_lor_registers_are_not_trapped_in_the_oldest_kernels() -> None:
    machine = player(Scenario(system("mrs x1, lorc_el1")), "v4.3")
    assert machine.play("4 8 c 10 W@14") == "4 8 c 10 W@14"


@pytest.mark.parametrize(("address", "level"), [(1 << 40, 0), (0x0A00_0000, 1), (0x4020_0000, 2)])
def test_a_fault_names_the_level_at_which_the_walk_ends(address: int, level: int) -> None:
    """Beyond 40 bits stage 2 translates nothing, so the walk does not begin."""
    host = Host(id_registers={"id_aa64mmfr0_el1": 0x10_1125})  # its addresses have 48 bits
    machine = Player(Scenario("stp w0, w1, [x28]", capability=True), kernels["v5.5"], host)
    machine.vcpu.set_one_reg("x28", address)
    machine.vcpu.run()
    assert machine.vcpu.kvm_run.exit_reason is ExitReason.ARM_NISV
    assert machine.vcpu.kvm_run.arm_nisv.esr_iss & 0x3F == 0x04 | level
