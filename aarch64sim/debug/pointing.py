"""Setting breakpoints and watchpoints: at an address, a label, a source line; on memory, on devices.

Invariant: what is set is `points`, and takes effect with the next step; the past keeps what was set then.
"""

from __future__ import annotations

from dataclasses import replace

from aarch64sim.asm import Program
from aarch64sim.debug.locations import address_of
from aarch64sim.debug.points import KINDS, NOTHING, Kind, Watchpoint
from aarch64sim.debug.stepper import Stepper


class Pointing(Stepper):
    """The part of a debugger that sets points."""

    program: Program

    @property
    def breakpoints(self) -> frozenset[int]:
        """The addresses of all breakpoints."""
        return self.points.addresses

    def add_breakpoint(
        self, where: int | str | None = None, *, line: int | None = None, hardware: bool = False
    ) -> int:
        """A breakpoint at an address, label or source line; its address. ValueError where there is no instruction.

        It is a BRK word in guest memory while the guest runs, as KVM's debuggers plant it; with `hardware` a debug
        register (there are 6).
        """
        address = self.code_address(where, line)
        if hardware:
            self.points = self.points.with_hardware(address)
        else:
            self.points = replace(self.points, breakpoints=self.points.breakpoints | {address})
        return address

    def remove_breakpoint(self, where: int | str | None = None, *, line: int | None = None) -> None:
        """Remove the breakpoint there; ValueError if there is none."""
        address = address_of(self.program, where, line=line)
        if address not in self.points.addresses:
            raise ValueError(f"there is no breakpoint at {address:#x}")
        gone = frozenset({address})
        self.points = replace(
            self.points,
            breakpoints=self.points.breakpoints - gone,
            hardware=self.points.hardware - gone,
        )

    def toggle_breakpoint(self, where: int | str | None = None, *, line: int | None = None) -> bool:
        """Set the breakpoint there or remove it; whether it is set now."""
        if address_of(self.program, where, line=line) in self.points.addresses:
            self.remove_breakpoint(where, line=line)
            return False
        self.add_breakpoint(where, line=line)
        return True

    def watch(
        self, where: int | str, size: int = 8, kind: Kind = "write", *, mmio: bool = False
    ) -> Watchpoint:
        """Watch `size` bytes at an address or label for a "write", "read" or "access" of the guest's.

        On memory this takes the debug registers of the CPU (there are 4): the guest is stopped before the access is
        made; a run makes it, and says old and new value. With `mmio` it is about a device: the stop is at the end of
        the step that made the access.
        """
        address = address_of(self.program, where)
        if kind not in KINDS:
            raise ValueError(f"a watchpoint is for write, read or access, not {kind!r}")
        if size < 1 or address + size > 1 << 64:
            raise ValueError(f"{size} bytes at {address:#x} cannot be watched")
        in_memory = self.machine.vm.slot_at(address) is not None
        if in_memory == mmio:
            place = (
                "is memory: leave out mmio" if mmio else "is no memory: use mmio=True for a device"
            )
            raise ValueError(f"{address:#x} {place}")
        watchpoint = Watchpoint(address, size, kind, mmio)
        self.points = self.points.with_watchpoint(watchpoint)
        return watchpoint

    def unwatch(self, watchpoint: Watchpoint) -> None:
        """Remove it; ValueError if it is not set."""
        if watchpoint not in self.points.watchpoints:
            raise ValueError(f"there is no watchpoint on {watchpoint}")
        rest = tuple(w for w in self.points.watchpoints if w != watchpoint)
        self.points = replace(self.points, watchpoints=rest)

    def clear_points(self) -> None:
        """Remove all breakpoints and watchpoints."""
        self.points = NOTHING

    def code_address(self, where: int | str | None, line: int | None = None) -> int:
        """The address of a place where an instruction can be; ValueError if there is none."""
        address = address_of(self.program, where, line=line)
        if address % 4 or self.machine.vm.slot_at(address) is None:
            raise ValueError(f"no instruction can be at {address:#x}")
        return address
