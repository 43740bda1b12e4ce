"""The room for speed of KVM_RUN: a step in which nothing but one plain instruction happens is that instruction.

Invariant: leaving this room out changes no result (`del vcpu.run` does: `Vcpu.run` is KVM_RUN itself). Whether an
instruction needs a look around is the CPU's to say; of its reasons only the step is the host's. Whoever changes
anything from outside says `drop`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from aarch64sim.arch import sysregs
from aarch64sim.arch.cpu import Cpu, Op
from aarch64sim.arch.exceptions import Synchronous, Taken
from aarch64sim.arch.syndrome import EC, esr, software_step
from aarch64sim.kvm.run_page import ExitReason, KvmRun

# Instructions after which a KVM_RUN comes back as if a signal had arrived.
DEFAULT_LIMIT = 100_000_000
# A step exception from a lower level after one instruction that was no load-exclusive.
ORDINARY_STEP = esr(EC.SOFTWARE_STEP, software_step(stepped=True, exclusive=False))
_DEBUG = ExitReason.DEBUG  # an attribute of an Enum is slow to look up


class Quick:
    """What the next KVM_RUN of one vCPU may execute as it stands: by address, or nothing."""

    __slots__ = ("__weakref__", "_offered", "steps")

    def __init__(self) -> None:
        self.steps: dict[int, Op] = {}
        self._offered: dict[int, Op] = {}  # the same, once userspace has the exit

    def offer(self, cpu: Cpu, taken: Taken | None, *, plainly: bool) -> None:
        """The guest was left by `taken`: what follows of that for the next step.

        Asked while the host's debug state is still on the CPU; `plainly`: the host steps, with no breakpoints.
        """
        ordinary = taken is not None and taken.esr == ORDINARY_STEP
        looks = not (plainly and ordinary) or cpu.must_look(sysregs.MDSCR_MDE)
        self._offered = {} if looks else cpu.plain

    def look_again(self) -> None:
        """The exit reason was written, or somebody began to watch: no step goes without a look."""
        self.steps = {}

    def drop(self) -> None:
        """Something changed from outside: the next KVM_RUN looks at everything."""
        self.steps = self._offered = {}

    def in_front_of(
        self, kvm_run: Callable[..., KvmRun], cpu: Cpu, page: KvmRun
    ) -> Callable[..., KvmRun]:
        """KVM_RUN with the short cut in front of it. What is offered is on offer once it has returned with a step."""

        @wraps(kvm_run)
        def run(
            immediate_exit: bool = False, pending_signal: bool = False, limit: int = DEFAULT_LIMIT
        ) -> KvmRun:
            if not immediate_exit and not pending_signal:
                try:
                    cpu.pc = self.steps[cpu.pc]()
                except (KeyError, Synchronous):
                    pass  # nothing has happened: KVM_RUN will see why
                else:
                    cpu.retired += 1
                    return page
            self.drop()
            kvm_run(immediate_exit, pending_signal, limit)
            if page.exit_reason is _DEBUG:
                self.steps = self._offered
            return page

        return run
