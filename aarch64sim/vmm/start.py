"""The state in which guests start: memory slots and registers, from the recordings' machine.json.

Invariant: recordings, the command line, the debugger and the labs all start here, so a recorded program runs as it
stands.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from aarch64sim.files import recordings_folder
from aarch64sim.kvm.vcpu import Vcpu
from aarch64sim.kvm.vm import VM


@dataclass(frozen=True, slots=True)
class StartState:
    """Memory slots (base, size in bytes) and registers at the start; registers that are not named are 0."""

    memory: tuple[tuple[int, int], ...]
    registers: dict[str, int]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> StartState:
        """From the contents of a machine.json."""
        slots = tuple(
            (int(m["guest_phys_addr"], 16), int(m["memory_size"], 16)) for m in data["memory"]
        )
        return cls(slots, {name: int(value, 16) for name, value in data["registers"].items()})

    def create(self, vm: VM) -> Vcpu:
        """Give `vm` this memory and a vCPU with these registers."""
        for slot, (base, size) in enumerate(self.memory):
            vm.set_user_memory_region(slot, base, size)
        vcpu = vm.create_vcpu()
        for name, value in self.registers.items():
            vcpu.set_one_reg(name, value)
        return vcpu


@cache
def default_start() -> StartState:
    """The start state of the recordings that come with the project."""
    return StartState.from_json(
        json.loads((recordings_folder() / "machine.json").read_text("utf-8"))
    )


__all__ = ["StartState", "default_start", "recordings_folder"]
