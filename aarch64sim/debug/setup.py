"""What a debugger makes its machines of, over and over: program, kernel, devices, input, a patch.

Invariant: a machine that cannot be made leaves everything as it was, the devices included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from aarch64sim.asm import Program, as_program
from aarch64sim.kvm.kernels import Kernel, kernel_of
from aarch64sim.vmm.devices import Device
from aarch64sim.vmm.machine import Machine

Patch = Callable[[Machine], None]


@dataclass(frozen=True)
class Setup:
    """`devices` are (base address, device, its state at the start); `options` are those of `Machine`."""

    program: Program
    kernel: Kernel
    devices: tuple[tuple[int, Device, Any], ...]
    options: dict[str, Any]
    patch: Patch | None
    patched: bool  # the machine gets the patch

    def with_changes(
        self, program: Program | str | None, kernel: Kernel | str | None, *, patched: bool
    ) -> Setup:
        """This, with another program or kernel if one is given; AssemblyError, UnknownKernelError."""
        return replace(
            self,
            program=self.program if program is None else as_program(program),
            kernel=self.kernel if kernel is None else kernel_of(kernel),
            patched=patched and self.patch is not None,
        )

    def make(self) -> Machine:
        """A machine at its start."""
        states = [device.save() for _, device, _ in self.devices]
        try:
            for _, device, state in self.devices:
                device.restore(state)
            places = [(base, device) for base, device, _ in self.devices]
            machine = Machine(self.program, self.kernel, devices=places, **self.options)
            if self.patch is not None and self.patched:
                self.patch(machine)
        except BaseException:
            for (_, device, _), state in zip(self.devices, states, strict=True):
                device.restore(state)
            raise
        return machine
