"""The task of lab 05 that moves the PC at an MMIO exit.

Invariant: what is right is found by calling the learner's function on a vCPU of each kind of kernel.
"""

from __future__ import annotations

from typing import Any

from aarch64sim import assemble, kernels
from aarch64sim.vmm import Machine

from checks.lab05.experiments import LATE
from checks.task import NotAnswered, Wrong, call

CODE, TARGET, ANSWER = 0x4000_0000, 0x4000_0100, 0x44
JUMP = """
        ldr     w2, [x19]
        add     x3, x3, #1
        str     w20, [x20]
        .org    0x100
        add     x5, x5, #1          // the target
        add     x6, x6, #1
        str     w20, [x20]
"""
JUMP_KERNELS = ("fixed", "what-if-early-advance-step-remembered")


def after_jump(jump: Any, kernel: str) -> dict[str, Any]:
    """What became of the guest when `jump` was called at the MMIO exit of its load."""
    machine = Machine(assemble(JUMP), kernels[kernel], uart_input=bytes([ANSWER]))
    machine.run_once(10_000)
    vcpu = machine.vcpu

    retired = vcpu.cpu.retired
    try:
        call(jump, vcpu, TARGET, copied=False)
    except Wrong as wrong:
        if "InterruptedError" not in wrong.text:
            raise
        raise Wrong(
            f"{wrong.text.partition(':')[0]}: that is how KVM_RUN with immediate_exit ends. Catch it, for example"
            " with suppress(InterruptedError)."
        ) from None
    ran = vcpu.cpu.retired - retired
    for _ in range(20):
        if machine.ended:
            break
        machine.run_once(10_000)
    found: dict[str, Any] = {f"x{n}": vcpu.get_one_reg(f"x{n}") for n in (2, 3, 5, 6)}
    return found | {"ended": "exit device" in machine.ended, "ran": ran}


def check_jump(answer: Any) -> str:
    """The check of the task `jump`."""
    for kernel in JUMP_KERNELS:
        found = after_jump(answer, kernel)
        late = kernels[kernel].pc_advance is LATE
        where = (
            "on a kernel with the late advance" if late else "on a kernel with the early advance"
        )
        right = {"x2": ANSWER, "x3": 0, "x5": 1, "x6": 1, "ended": True, "ran": 0}
        if found == right:
            continue
        if found["ran"]:
            raise Wrong(
                f"{where} your jump lets the guest run on before it moves the PC. KVM_RUN with immediate_exit completes"
                " the access and comes back without entering the guest"
            )
        if found["x3"] and not found["x5"]:
            if late and found["x3"] == 1:
                raise NotAnswered("the guest goes on after its load: jump moves nothing yet")
            raise Wrong(f"{where} the guest goes on after its load, and not at the target")
        if not late:
            raise Wrong(
                f"{where} the guest does not arrive at the target. You have built the + 4 of the late advance into"
                " your jump, and here nobody adds it. Find a way that does not depend on when the PC moves"
            )
        if found["x5"] == 0 and found["x6"]:
            raise Wrong(
                f"{where} the instruction at the target never runs: the guest goes on after it. You have set the PC"
                " while the access was still to be completed, and the next KVM_RUN completes it: PC += 4",
                misconception="mmio-is-done",
            )
        if found["x2"] != ANSWER:
            raise Wrong(
                f"{where} the load is lost: w2 should hold what userspace answered, {ANSWER:#x}, and x2 is"
                f" {found['x2']:#x}. It is completed by a KVM_RUN, and by nothing else",
                misconception="mmio-is-done",
            )
        raise Wrong(f"{where} the guest does not arrive at the target as it should: {found}")
    return "right, whenever the PC moves: first the access is completed, then the PC is yours."
