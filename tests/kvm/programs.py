"""The guest programs behind the observed stop lists.

Invariant: offsets are what the lists name; registers are those of the recordings' machine.json (x19 = UART,
x20 = exit device, x21 = RAM, x22 = 3, x24 = RAM for a log, x26 = 0x60000000).
"""

from __future__ import annotations

from tests.kvm.player import END_THERE, OFF, RETURN, SKIP_AND_RETURN, STEP, Scenario

STORE = """
    mov x0, #0x41
    str w0, [x19]
    add x1, x1, #1
    add x2, x2, #1
    add x3, x3, #1
    add x4, x4, #1
    str w20, [x20]
"""
LOAD = """
    mov x0, #1
    ldr w2, [x19]
    add x3, x2, #1
    add x4, x4, #1
    add x5, x5, #1
    str w20, [x20]
"""
TWO = """
    mov x0, #0x41
    str w0, [x19]
    str w0, [x19, #4]
    add x1, x1, #1
    add x2, x2, #1
    str w20, [x20]
"""
LONG = """
    mov x0, #0x41
    str w0, [x19]
    add x1, x1, #1
    add x2, x2, #1
    str w0, [x19, #4]
    add x3, x3, #1
    ldr w4, [x19]
    add x5, x5, #1
    str w20, [x20]
"""
SHORT_LOAD = """
    mov x0, #1
    ldr w2, [x19]
    add x3, x3, #1
    add x4, x4, #1
    str w20, [x20]
    .org 0x100
    add x5, x5, #1
    add x6, x6, #1
    add x7, x7, #1
    str w20, [x20]
"""
ABORT = """
    mov x2, #0x77
    mov x0, #1
    ldr w2, [x19]
    add x3, x3, #1
    add x4, x4, #1
    str w20, [x20]
"""
ABORT_FIRST = """
    mov x2, #0x77
    ldr w2, [x19]
    add x3, x3, #1
    add x4, x4, #1
    str w20, [x20]
"""
BREAK = """
    mov x0, #1
    add x1, x1, #1
    brk #0x123
    add x2, x2, #1
    add x3, x3, #1
    str w20, [x20]
"""
SELF_STEP = """
    mov x0, #0x2001
    msr mdscr_el1, x0
    mrs x17, mdscr_el1
    mov x0, #0
    msr oslar_el1, x0
    isb
    adr x0, start
    msr elr_el1, x0
    mov x0, #0x1c5
    orr x0, x0, #0x200000
    msr spsr_el1, x0
    eret
start:
    add x1, x1, #1
    {second}
    add x3, x3, #1
    add x4, x4, #1
    add x5, x5, #1
    add x6, x6, #1
    str w20, [x20]
"""
SELF_STEP_EL0 = """
    mov x0, #1
    msr mdscr_el1, x0
    mrs x17, mdscr_el1
    isb
    adr x0, el0
    msr elr_el1, x0
    mov x0, #0x3c0
    orr x0, x0, #0x200000
    msr spsr_el1, x0
    eret
    .org 0x100
el0:
    add x1, x1, #1
    str w1, [x19]
    add x3, x3, #1
    add x4, x4, #1
    str w20, [x20]
"""
STEP_HANDLER = """
    .org {vector}
    add x10, x10, #1
    mrs x11, esr_el1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    stp x11, x12, [x24], #16
    str x13, [x24], #8
    cmp x10, #4
    b.ge stop
    orr x13, x13, #0x200000
    msr spsr_el1, x13
    eret
stop:
    mrs x15, mdscr_el1
    mov x16, #0
    msr mdscr_el1, x16
    and x13, x13, #0xffffffffffdfffff
    msr spsr_el1, x13
    eret
"""
SELF_ALU = SELF_STEP.format(second="add x2, x2, #1") + STEP_HANDLER.format(vector="0x1200")
SELF_MMIO = SELF_STEP.format(second="str w1, [x19]") + STEP_HANDLER.format(vector="0x1200")
SELF_EL0 = SELF_STEP_EL0 + STEP_HANDLER.format(vector="0x1400")
SVC = """
    mov x0, #1
    svc #7
    add x1, x1, #1
    add x2, x2, #1
    str w20, [x20]
"""
LDP, LDAR, DCCIVAC = "ldp w2, w3, [x19]", "ldar w2, [x19]", "dc civac, x19"


def system(*instructions: str) -> str:
    """A program around one or two instructions at offset 4."""
    middle = "\n".join(instructions)
    return f"mov x0, #1\n{middle}\nadd x2, x2, #1\nadd x3, x3, #1\nstr w20, [x20]\n" + END_THERE


def call(instruction: str) -> str:
    """PSCI_VERSION by HVC or SMC."""
    return (
        f"mov w0, #0x84000000\n{instruction} #0\nadd x1, x0, #1\nadd x2, x2, #1\nstr w20, [x20]\n"
        + END_THERE
    )


SCENARIOS = {
    "a_alu": Scenario(
        "mov x0, #1\nadd x1, x0, #2\nsub x2, x1, #1\neor x3, x1, x2\nmov x4, #5\nstr w20, [x20]"
    ),
    "b_str": Scenario(STORE),
    "b_str_first": Scenario("str w0, [x19]\nadd x1, x1, #1\nadd x2, x2, #1\nstr w20, [x20]"),
    "b_long": Scenario(LONG, answers=[0x30]),
    "c_ldr": Scenario(LOAD, answers=[0x30]),
    "d_two": Scenario(TWO),
    "d_three": Scenario(
        "mov x0, #0x41\nstr w0, [x19]\nldr w2, [x19, #4]\nstr w2, [x19, #8]\nadd x1, x1, #1\n"
        "add x3, x3, #1\nstr w20, [x20]",
        answers=[0x31],
    ),
    "d_four": Scenario(
        "str w0, [x19]\nstr w0, [x19, #4]\nstr w0, [x19, #8]\nstr w0, [x19, #12]\nadd x1, x1, #1\n"
        "str w20, [x20]"
    ),
    "e_branch": Scenario(
        "mov x0, #0x41\nstr w0, [x19]\nb there\nadd x1, x1, #1\nadd x2, x2, #1\n"
        "there: add x3, x3, #1\nadd x4, x4, #1\nstr w20, [x20]"
    ),
    "e_call": Scenario(
        "mov x0, #0x41\nstr w0, [x19]\nbl function\nadd x1, x1, #1\nstr w20, [x20]\n"
        "function: ldr w2, [x19]\nret"
    ),
    "e_poll": Scenario(
        "again: ldr w2, [x19, #24]\ntst w2, #0x20\nb.eq again\nldr w3, [x19]\nadd x4, x3, #1\n"
        "str w20, [x20]",
        answers=[0, 0, 0x20, 0x5A],
    ),
    "f_svc": Scenario(SVC + RETURN),
    "f_mmio_svc": Scenario(
        "mov x0, #1\nstr w0, [x19]\nsvc #7\nadd x1, x1, #1\nadd x2, x2, #1\nstr w20, [x20]\n"
        + RETURN
    ),
    "f_svc_handler_mmio": Scenario(SVC + RETURN.replace("eret", "str w0, [x19]\n eret")),
    "f_mmio_undef": Scenario(
        "mov x0, #1\nstr w0, [x19]\n.word 0\nadd x1, x1, #1\nstr w20, [x20]\n" + END_THERE
    ),
    "f_el0": Scenario(
        "adr x0, el0\nmsr elr_el1, x0\nmov x0, #0x3c0\nmsr spsr_el1, x0\neret\n.org 0x100\n"
        "el0: mov x0, #0x42\nstr w0, [x19]\nadd x1, x1, #1\nsvc #9\nadd x2, x2, #1\nstr w20, [x20]\n"
        + RETURN.replace("0x1200", "0x1400")
    ),
    "f_align_sctlr": Scenario(
        "mrs x0, sctlr_el1\norr x0, x0, #2\nmsr sctlr_el1, x0\nisb\nadd x1, x21, #1\n"
        "str x0, [x1]\nadd x2, x2, #1\nstr w20, [x20]\n" + END_THERE
    ),
    "g_basedest": Scenario(
        "mov x1, x19\nmov x2, x19\nstr x1, [x1]\nldr x1, [x1]\nldr w2, [x2]\nadd x3, x3, #1\n"
        "str w20, [x20]",
        answers=[0x1234],
    ),
    "h_ldp": Scenario(system(LDP)),
    "h_ldp_cap": Scenario(system(LDP), capability=True),
    "h_ldar": Scenario(system(LDAR), answers=[0x33]),
    "h_dccivac": Scenario(system(DCCIVAC)),
    "i_on_store": Scenario(STORE, OFF),
    "i_on_load": Scenario(LOAD, OFF),
    "i_on_two": Scenario(TWO, OFF),
    "i_off_store": Scenario(STORE),
    "i_off_on_store": Scenario(STORE),
    "i_rearm_store": Scenario(STORE),
    "i_off_next": Scenario(LONG),
    "j_abort_load_step": Scenario(ABORT + END_THERE, answers=[0x99]),
    "j_abort_load_nostep": Scenario(ABORT + END_THERE, OFF, answers=[0x99]),
    "j_abort_skip_step": Scenario(ABORT_FIRST + SKIP_AND_RETURN, answers=[0x99]),
    "j_abort_retry_step": Scenario(ABORT_FIRST + RETURN, answers=[0x99]),
    "j_abort_retry_nostep": Scenario(ABORT_FIRST + RETURN, OFF, answers=[0x99]),
    "k_selfstep_alu_guestonly": Scenario(SELF_ALU, OFF),
    "k_selfstep_alu_both": Scenario(SELF_ALU),
    "k_selfstep_alu_release": Scenario(SELF_ALU),
    "k_selfstep_mmio_guestonly": Scenario(SELF_MMIO, OFF),
    "k_selfstep_mmio_both": Scenario(SELF_MMIO),
    "k_selfstep_el0_both": Scenario(SELF_EL0),
    "l_ldxr": Scenario(
        "mov x0, #5\nagain: ldxr w2, [x21]\nadd w2, w2, #1\nstxr w3, w2, [x21]\ncbnz w3, again\n"
        "ldr w4, [x21]\nstr w20, [x20]"
    ),
    "m_setpc_step": Scenario(SHORT_LOAD, answers=[0x44]),
    "m_setpc_nostep": Scenario(SHORT_LOAD, OFF, answers=[0x44]),
    "m_setpc_same_nostep": Scenario(SHORT_LOAD, OFF, answers=[0x44]),
    "m_exitreason_step": Scenario(SHORT_LOAD, answers=[0x44]),
    "n_imm_store": Scenario(STORE),
    "n_imm_load": Scenario(LOAD, answers=[0x30]),
    "n_imm2_store": Scenario(STORE),
    "n_imm_stepon": Scenario(STORE, OFF),
    "n_sig_store": Scenario(STORE, signal=True),
    "n_imm_abort": Scenario(ABORT + END_THERE, answers=[0x99]),
    "n_imm_dbg": Scenario(
        "mov x0, #1\nadd x1, x0, #2\nadd x2, x2, #1\nadd x3, x3, #1\nadd x4, x4, #1\nstr w20, [x20]"
    ),
    "o_wfi_irq": Scenario(
        "mov x0, #1\nwfi\nadd x1, x1, #1\nadd x2, x2, #1\nadd x3, x3, #1\nstr w20, [x20]",
        irq_in_wfi=True,
    ),
    "o_wfi_sig": Scenario(
        "mov x0, #1\nwfi\nadd x1, x1, #1\nadd x2, x2, #1\nadd x3, x3, #1\nstr w20, [x20]"
    ),
    "o_hvc": Scenario(call("hvc")),
    "o_smc": Scenario(call("smc")),
    "o_sys_idreg": Scenario(system("mrs x1, id_aa64pfr0_el1")),
    "o_sys_mdscr_w": Scenario(system("msr mdscr_el1, xzr")),
    "o_sys_sctlr": Scenario(system("msr sctlr_el1, x1").replace("mov x0, #1", "mrs x1, sctlr_el1")),
    "o_sys_two": Scenario(system("mrs x1, id_aa64pfr0_el1", "mrs x2, id_aa64pfr1_el1")),
    "o_sys_mmio": Scenario(system("mrs x1, id_aa64pfr0_el1", "str w0, [x19]")),
    "o_sys_pmcr": Scenario(system("mrs x1, pmcr_el0")),
    "o_ioeventfd": Scenario(STORE, ioeventfd=True),
    "p_brk_swbp": Scenario(BREAK + SKIP_AND_RETURN, 0x10001),
    "p_brk_swbp_ss": Scenario(BREAK + SKIP_AND_RETURN, 0x10003),
    "p_brk_ss": Scenario(BREAK + SKIP_AND_RETURN, STEP),
    "p_brk_patch": Scenario(BREAK + SKIP_AND_RETURN, 0x10003),
    "p_mmio_brk": Scenario(BREAK.replace("add x1, x1, #1", "str w0, [x19]") + END_THERE, 0x10003),
    "q_hwbp_ss": Scenario(STORE, 0x20003, hwbp=[0x4000_0008]),
    "r_irq_at_mmio": Scenario(
        "mov x0, #1\nmsr daifclr, #2\nadd x1, x1, #1\nstr w0, [x19]\nadd x2, x2, #1\nadd x3, x3, #1\n"
        "str w20, [x20]\n.org 0x1280\nadd x10, x10, #1\nmrs x12, elr_el1\nmrs x13, spsr_el1\n"
        "str w0, [x19, #64]\neret",
        irq_at=0,
    ),
    "s_romwrite": Scenario(
        "mov x0, #0x55\nstr w0, [x26]\nldr w2, [x26]\nadd x1, x1, #1\nadd x3, x3, #1\nstr w20, [x20]",
        rom=0x6000_0000,
    ),
}

# What the VMM did without a token of its own in the lists.
HIDDEN_ACTIONS = {
    "m_exitreason_step": ("R@", "<exit_reason=UNKNOWN>"),
    "p_brk_patch": ("brk@", "<word=0xd503201f>"),
}
