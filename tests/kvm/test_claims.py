"""Claims 45 to 80 about MMIO, the host kernel and stepping over emulation; the numbers are in the names.

Invariant: a claim says what must hold; where only some kernels keep it, the test says which do and which do not.
"""

from __future__ import annotations

import errno

import pytest

from aarch64sim.arch import syndrome
from aarch64sim.kvm.kernels import ERAS, kernels
from tests.kvm.player import CODE, END_THERE, OFF, UART, player
from tests.kvm.programs import ABORT, LOAD, SCENARIOS, SELF_ALU, SELF_MMIO, STORE, TWO, call, system

OLD = ["v4.3", "v4.15"]
NEW = [*(era.name for era in ERAS if era.name.split(".")[0] not in ("v4",)), "fixed"]
END = "str w20, [x20]"
SS, BTYPE = 1 << 21, 3 << 10


def esr_of(instruction: str, answer: int = 0) -> int:
    """The syndrome of an MMIO access, as KVM keeps it while userspace answers."""
    machine = player(f"{instruction}\n{END}", control=OFF, answers=[answer])
    machine.run()
    return machine.vcpu.mmio_syndrome


def loaded(instruction: str, answer: int, kernel: str = "fixed") -> int:
    machine = player(
        f"mov x2, #-1\n{instruction}, [x19]\n{END}", kernel, control=OFF, answers=[answer]
    )
    machine.to_end()
    return machine.x(2)


def test_claim_45_stepped_exclusives_fail_and_as_a_block_they_succeed() -> None:
    stepped = player(SCENARIOS["l_ldxr"])
    for _ in range(40):
        stepped.run()
        assert stepped.reg("pc") < CODE + 0x14
    block = player(SCENARIOS["l_ldxr"], control=OFF)
    block.to_end()
    assert (block.x(3), block.x(4)) == (0, 1)


def test_claim_46_syndrome_of_a_word_load() -> None:
    esr = esr_of("ldr w3, [x19]")
    assert syndrome.has_valid_access(esr)
    assert syndrome.access_size(esr) == 4
    assert syndrome.transfer_register(esr) == 3
    assert not syndrome.is_sixty_four(esr)
    assert not syndrome.sign_extends(esr)
    assert not syndrome.is_write(esr)


@pytest.mark.parametrize(("register", "sixty_four"), [("x5", True), ("w5", False)])
def test_claim_47_syndrome_of_a_sign_extending_load(register: str, sixty_four: bool) -> None:
    esr = esr_of(f"ldrsb {register}, [x19]")
    assert syndrome.access_size(esr) == 1
    assert syndrome.sign_extends(esr)
    assert syndrome.is_sixty_four(esr) == sixty_four


def test_claim_48_the_zero_register() -> None:
    assert syndrome.transfer_register(esr_of("str xzr, [x19]")) == 31
    machine = player(f"str xzr, [x19]\nldr wzr, [x19]\n{END}", control=OFF, answers=[0x55])
    before = [machine.x(n) for n in range(31)]
    machine.to_end()
    assert machine.stores[0] == (UART, 0)
    assert machine.loads == [UART]
    assert [machine.x(n) for n in range(31)] == before


NO_SYNDROME = ["ldp w2, w3, [x19]", "ldr x2, [x19], #4", "ldxr w2, [x19]", "ldadd w0, w2, [x19]"]


@pytest.mark.parametrize("instruction", [*NO_SYNDROME, "ldr q0, [x19]"])
def test_claim_49_50_without_a_syndrome_the_run_fails_or_is_told(instruction: str) -> None:
    source = f"mov x0, #0x300000\nmsr cpacr_el1, x0\nisb\n{instruction}\n{END}"
    machine = player(source, control=OFF)
    for _ in range(2):
        with pytest.raises(OSError, match="no valid syndrome") as caught:
            machine.vcpu.run()
        assert caught.value.errno == errno.ENOSYS
        assert machine.reg("pc") == CODE + 12
    told = player(source, control=OFF, capability=True)
    assert told.run() == "ARM_NISV@c"


def test_claim_51_address_is_the_page_from_hpfar_and_the_rest_from_far() -> None:
    machine = player(f"add x1, x19, #0xabc\nldr w2, [x1]\n{END}", control=OFF)
    machine.to_end()
    assert machine.loads == [UART + 0xABC]


@pytest.mark.parametrize(
    ("instruction", "answer", "right", "before_2026"),
    [
        ("ldrsb x2", 0x80, 0xFFFF_FFFF_FFFF_FF80, 0x80),
        ("ldrsb w2", 0x80, 0xFFFF_FF80, 0x80),
        ("ldrb w2", 0x80, 0x80, 0x80),
        ("ldrsw x2", 0x8000_0000, 0xFFFF_FFFF_8000_0000, 0x8000_0000),
    ],
)
def test_claim_52_sign_extension(
    instruction: str, answer: int, right: int, before_2026: int
) -> None:
    assert loaded(instruction, answer) == right
    assert loaded(instruction, answer, "v6.18") == before_2026


@pytest.mark.parametrize(("ee", "value"), [(0, 0x1234), (1 << 25, 0x3412)])
def test_claim_53_byte_order(ee: int, value: int) -> None:
    machine = player(f"ldrh w2, [x19]\n{END}", control=OFF, answers=[0x1234])
    machine.vcpu.set_one_reg("sctlr_el1", machine.reg("sctlr_el1") | ee)
    machine.run()
    machine.run()
    assert machine.x(2) == value


def test_claim_54_strb() -> None:
    machine = player(f"mov w1, #0x1ff\nstrb w1, [x19]\n{END}", control=OFF)
    machine.run()
    mmio = machine.vcpu.kvm_run.mmio
    assert (mmio.len, mmio.data, mmio.is_write) == (1, 0xFF, True)


def test_claim_55_a_store_changes_no_register_and_completes_with_the_next_run() -> None:
    machine = player(STORE)
    machine.play("4 W@4")
    before = [machine.x(n) for n in range(31)]
    assert machine.vcpu.mmio_needed
    assert machine.run() == "8"
    assert [machine.x(n) for n in range(31)] == before
    assert not machine.vcpu.mmio_needed


@pytest.mark.parametrize("kernel", [*NEW, *OLD])
def test_claim_56_pc_at_the_mmio_exit(kernel: str) -> None:
    machine = player(LOAD, kernel, control=OFF)
    machine.run()
    assert machine.reg("pc") == CODE + (8 if kernel in OLD else 4)


def test_claim_57_a_device_in_the_kernel_needs_no_exit() -> None:
    inside, outside = player(SCENARIOS["o_ioeventfd"]), player(STORE)
    tokens = inside.to_end()
    outside.to_end()
    assert tokens == ["4", "8", "c", "10", "14", "18", "W@18"]
    assert [inside.x(n) for n in range(31)] == [outside.x(n) for n in range(31)]


RAM_FAULT = f"mov x9, #0x40100000\nstr x9, [x9]\nldr x1, [x9]\nadd x2, x2, #1\n{END}"


@pytest.mark.parametrize("kernel", ["v4.3", *NEW])
def test_claim_58_a_missing_page_is_filled_in_and_the_step_ends_once(kernel: str) -> None:
    machine = player(RAM_FAULT, kernel)
    tokens = machine.to_end()
    assert tokens[:-1] == ["4", "8", "c", "10"]
    assert machine.x(1) == 0x4010_0000
    assert set(machine.hsrs) == {0xCB00_0022}


@pytest.mark.parametrize("kernel", ["v4.3", "what-if-late-advance-ss-kept"])
def test_claim_59_ss_kept_the_stop_is_at_8(kernel: str) -> None:
    machine = player(f"str w0, [x19]\nadd x1, x1, #1\nadd x2, x2, #1\n{END}", kernel)
    machine.run()
    assert machine.run() == "8"
    assert machine.x(1) == 1


@pytest.mark.parametrize("kernel", ["v5.11", "v6.1", "v6.14", "fixed"])
def test_claim_60_ss_cleared_the_stop_is_at_4_with_nothing_executed_behind(kernel: str) -> None:
    machine = player(f"str w0, [x19]\nadd x1, x1, #1\nadd x2, x2, #1\n{END}", kernel)
    machine.run()
    assert machine.run() == "4"
    assert machine.x(1) == 0


@pytest.mark.parametrize(("kernel", "hsr"), [("fixed", 0xCA00_0022), ("v4.15", 0xC800_0000)])
def test_claim_61_the_syndrome_tells_the_design(kernel: str, hsr: int) -> None:
    machine = player(STORE, kernel)
    while machine.reg("pc") != CODE + 8 or machine.vcpu.kvm_run.exit_reason.name != "DEBUG":
        machine.run()
    assert machine.hsrs[-1] == hsr


@pytest.mark.parametrize(
    ("kernel", "script"),
    [
        ("fixed", "4 W@4 8 W@8 c"),
        ("what-if-late-advance-ss-kept", "4 W@4 W@8 10"),
        ("v4.3", "4 W@8 W@c 10"),
        ("v5.3", "4 W@4 W@8 10"),
    ],
)
def test_claim_62_two_in_a_row(kernel: str, script: str) -> None:
    assert player(TWO, kernel).play(script) == script


@pytest.mark.parametrize("kernel", [*NEW, *OLD])
def test_claim_63_a_skip_clears_btype(kernel: str) -> None:
    machine = player(system("mrs x1, oslsr_el1"), kernel)
    while machine.reg("pc") != CODE + 4:
        machine.run()
    machine.vcpu.set_one_reg("pstate", machine.reg("pstate") | BTYPE)
    machine.run()
    assert not machine.reg("pstate") & BTYPE


@pytest.mark.parametrize(
    ("kernel", "second"), [("v4.3", 0x3C), ("v4.15", 0x3C), ("v5.0", 0x38), ("fixed", 0x38)]
)
def test_claim_64_a_guest_that_steps_itself_sees_an_elr_4_too_far(kernel: str, second: int) -> None:
    machine = player(SELF_MMIO, kernel, control=OFF)
    machine.to_end()
    elr = machine.vm.read_memory(0x4000_5000 + 24 + 8, 8)
    assert int.from_bytes(elr, "little") == CODE + second


@pytest.mark.parametrize(("kernel", "stop"), [("v5.3", "c"), ("v5.11", "8")])
def test_claim_65_armed_after_the_skip_is_late_and_armed_before_it_is_right(
    kernel: str, stop: str
) -> None:
    assert player(STORE, kernel).play(f"4 W@4 {stop}") == f"4 W@4 {stop}"


@pytest.mark.parametrize(
    ("kernel", "stop"), [("v5.13", "1204"), ("v6.1", "1200"), ("fixed", "1200")]
)
def test_claim_66_an_exit_between_the_instruction_and_its_stop(kernel: str, stop: str) -> None:
    assert player(SCENARIOS["f_svc"], kernel).play(f"4 {stop}") == f"4 {stop}"


@pytest.mark.parametrize(("kernel", "stop"), [("v5.13", "c"), ("v6.1", "8"), ("fixed", "8")])
def test_claim_67_hvc(kernel: str, stop: str) -> None:
    assert player(call("hvc"), kernel).play(f"4 {stop}") == f"4 {stop}"


def test_claim_68_a_pretended_step_at_a_ram_fault() -> None:
    machine = player(RAM_FAULT, "v4.15")
    assert machine.run() == "0"
    assert machine.vcpu.kvm_run.debug.hsr == 0xC800_0000
    assert machine.x(9) == 0


@pytest.mark.parametrize("kernel", kernels)
def test_claim_69_after_immediate_exit_the_load_is_done_once_and_nothing_is_lost(
    kernel: str,
) -> None:
    machine = player(LOAD, kernel, control=OFF, answers=[0x30])
    machine.run()
    token = machine.run(interrupted=True)
    assert token.startswith("imm:E4:MMIO")
    machine.to_end()
    assert len(machine.loads) == 1
    lost = kernel in ("v5.0", "v4.19.48")
    assert machine.x(3) == (0 if lost else 0x31)
    assert machine.x(4) == 1


@pytest.mark.parametrize(
    ("kernel", "pc"),
    [("v5.3", 8), ("v5.11", 4), ("v5.13", 8), ("v6.1", 8), ("v6.14", 8), ("fixed", 8)],
)
def test_claim_70_pc_after_that_eintr(kernel: str, pc: int) -> None:
    machine = player(LOAD, kernel)
    machine.play("4 R@4 imm:")
    assert machine.reg("pc") == CODE + pc


@pytest.mark.parametrize(
    ("kernel", "stop"),
    [("v6.1", "c"), ("v6.3", "c"), ("v6.14", "8"), ("v6.18", "8"), ("fixed", "8")],
)
def test_claim_71_and_the_next_stop(kernel: str, stop: str) -> None:
    machine = player(LOAD, kernel)
    machine.play("4 R@4 imm:")
    assert machine.run() == stop


@pytest.mark.parametrize("kernel", ["v6.1", "v6.3", "v6.14", "v6.18", "v7.2", "fixed"])
def test_claim_72_an_abort_as_the_answer(kernel: str) -> None:
    machine = player(ABORT + END_THERE, kernel, control=OFF, answers=[0x99])
    machine.play("R@8 <abt>")
    machine.to_end()
    assert (machine.x(2), machine.x(10), machine.x(12)) == (0x77, 1, CODE + 8)


@pytest.mark.parametrize("kernel", ["v6.1", "v6.3", "v6.14", "fixed"])
def test_claim_73_an_abort_while_stepping_stops_at_the_vector(kernel: str) -> None:
    machine = player(ABORT + END_THERE, kernel, answers=[0x99])
    machine.play("4 8 R@8 <abt>")
    assert machine.run() == "1200"
    assert machine.x(10) == 0


@pytest.mark.parametrize("kernel", ["v6.1", "v6.14", "fixed"])
def test_claim_74_pstate_ss_is_the_guests(kernel: str) -> None:
    machine = player(STORE, kernel)
    assert machine.play("4 <pstate=0x2003c5> W@4 8 c") == "4 <pstate=0x2003c5> W@4 8 c"
    assert machine.reg("pstate") & SS


@pytest.mark.parametrize("kernel", kernels)
def test_claim_75_the_guest_reads_its_own_mdscr(kernel: str) -> None:
    machine = player(SELF_ALU, kernel)
    machine.to_end()
    assert machine.x(17) == 0x2001
    plain = player(f"mrs x1, mdscr_el1\n{END}", kernel)
    plain.to_end()
    assert plain.x(1) == 0


@pytest.mark.parametrize("kernel", kernels)
def test_claim_76_debugging_off_and_the_guest_runs_freely(kernel: str) -> None:
    machine = player(STORE, kernel)
    while not machine.mmio_exits:
        machine.run()
    machine.act("<dbg=0>")
    assert machine.run().startswith("W@")
    assert machine.ended


@pytest.mark.parametrize("flag", [1 << 20, 1 << 18, 1 << 2, 1 << 31])
def test_claim_77_unknown_control_flags_are_einval(flag: int) -> None:
    machine = player(STORE)
    with pytest.raises(OSError, match="no KVM_GUESTDBG flags") as caught:
        machine.vcpu.set_guest_debug(1 | flag)
    assert caught.value.errno == errno.EINVAL


def test_claim_78_an_interrupt_pending_at_a_step_stops_at_its_vector() -> None:
    machine = player(f"msr daifclr, #2\nadd x1, x1, #1\n{END}")
    machine.run()
    machine.act("<irq=1>")
    assert machine.run() == "1280"
    assert machine.reg("elr_el1") == CODE + 4
    assert machine.reg("spsr_el1") & SS
    assert machine.x(1) == 0


def test_claim_79_a_step_over_wfi_ends_after_the_wake_up() -> None:
    woken = player(SCENARIOS["o_wfi_irq"])
    assert woken.play("4 8") == "4 8"
    waiting = player(SCENARIOS["o_wfi_sig"])
    assert waiting.play("4 E4:INTR:8") == "4 E4:INTR:8"
    assert waiting.vcpu.waiting


MIX = f"""
    mov x0, #0x41
    str w0, [x19]
    mov w0, #0x84000000
    hvc #0
    ldr w2, [x19]
    mrs x3, id_aa64pfr0_el1
    str x2, [x21]
    add x4, x4, #1
    mrs x5, oslsr_el1
    ldr x6, [x21]
    {END}
"""


def test_claim_80_every_step_is_one_instruction_and_the_end_is_that_of_a_free_run() -> None:
    stepped, free = player(MIX, answers=[0x30]), player(MIX, control=OFF, answers=[0x30])
    stops = [token for token in stepped.to_end() if token[0] not in "WR"]
    free.to_end()
    assert stops == [f"{4 * n:x}" for n in range(1, 11)]
    assert [stepped.x(n) for n in range(31)] == [free.x(n) for n in range(31)]
    assert stepped.stores == free.stores
    assert stepped.loads == free.loads
