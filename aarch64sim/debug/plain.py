"""A row of steps in which nothing happens but one instruction each: the debugger's part of the quick way.

Invariant: leaving this out, and making each step with `Machine.run`, changes no result.
"""

from __future__ import annotations

from aarch64sim.arch.syndrome import EC, exception_class, stepped_exclusive
from aarch64sim.debug.stops import STEP_LIMIT
from aarch64sim.kvm.run_page import ExitReason
from aarch64sim.vmm.machine import ExitRecord, Machine


def plain_steps(machine: Machine, count: int) -> tuple[int, int, ExitRecord | None]:
    """Up to `count` KVM_RUNs, as long as each ends a step: KVM_EXIT_DEBUG of a Software Step exception.

    A step of a load-exclusive is the last one. Returns how many were made, how many of them took the long way through
    the kernel, and the exit that ended no step, if there was one (it is counted, and answered).
    """
    vcpu, debug, step = machine.vcpu, ExitReason.DEBUG, EC.SOFTWARE_STEP
    cpu, run = vcpu.cpu, vcpu.run
    made = slow = last_slow = 0
    retired = cpu.retired  # after the last slow one
    try:
        for made in range(1, count + 1):
            result = run(limit=STEP_LIMIT)
            if not vcpu.quick.steps:
                before = retired + made - 1 - last_slow
                slow, last_slow, retired = slow + 1, made, cpu.retired
                stepped = result.exit_reason is debug and exception_class(result.debug.hsr) == step
                if not stepped or (cpu.at_own_vector and retired == before):
                    return made, slow, machine.answer(result, before)
                if stepped_exclusive(result.debug.hsr):
                    break
    except OSError as error:
        return made, slow + 1, machine.failed(error, retired + made - 1 - last_slow)
    return made, slow, None
