"""Everything there is to see of a guest, its machine and its history.

Invariant: looking changes nothing; what is shown is read from the track each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aarch64sim.arch import sysregs
from aarch64sim.arch.step import StepState
from aarch64sim.asm import Program
from aarch64sim.debug import guest
from aarch64sim.debug.landmarks import Landmarks
from aarch64sim.debug.open_track import OpenTrack
from aarch64sim.debug.setup import Setup
from aarch64sim.debug.stops import StepRecord, Stop
from aarch64sim.events import Event
from aarch64sim.kvm.guest_debug import armed_ss
from aarch64sim.kvm.kernels import Kernel
from aarch64sim.vmm.machine import ExitRecord, Machine


class View:
    """What a debugger shows of its `track`, and of the setup that the machine was made of."""

    def __init__(self, setup: Setup) -> None:
        self.track = OpenTrack(setup.make())
        self._setup = setup

    # --- what the guest is made of, and where it stands --------------------------------------------------------------

    @property
    def machine(self) -> Machine:
        """The guest, its kernel and its devices."""
        return self.track.machine

    @property
    def program(self) -> Program:
        """What runs."""
        return self._setup.program

    @property
    def kernel(self) -> Kernel:
        """Under which kernel."""
        return self._setup.kernel

    @property
    def patched(self) -> bool:
        """The machine has the patch."""
        return self._setup.patched

    @property
    def position(self) -> int:
        """How many steps led here."""
        return self.track.position

    @property
    def length(self) -> int:
        """How many steps are known: `goto` reaches all of them."""
        return self.track.length

    @property
    def marks(self) -> Landmarks:
        """Where in the history a step was more than a plain one."""
        return self.track.marks

    @property
    def exclusives(self) -> int:
        """After how many load-exclusives the guest was stopped, so that their stores failed (`stops.EXCLUSIVE`)."""
        return self.track.exclusives

    @property
    def pc(self) -> int:
        """The guest's PC."""
        return self.machine.vcpu.pc

    @property
    def registers(self) -> dict[str, int]:
        """The guest's registers as GET_ONE_REG gives them, 64 bits each; `sp` is the current one."""
        return guest.registers(self.machine)

    def register(self, name: str) -> int:
        """One of `registers`."""
        return guest.register(self.machine, name)

    def read_memory(self, address: int, size: int) -> bytes:
        """`size` bytes of guest memory, without anything of the debugger's in it; OSError (EFAULT) outside."""
        return self.track.read_memory(address, size)

    @property
    def ended(self) -> str:
        """Why the guest can't go on; "" while it can."""
        return self.machine.ended

    @property
    def console(self) -> str:
        """What the UART has sent."""
        return self.machine.uart.text

    @property
    def hardware(self) -> dict[str, int]:
        """The bits that decide about the next step, as they stand now, while the host runs.

        But "mdscr_el1.ss", which is what the host asks for: the entry into the guest sets it.
        """
        vcpu, sys = self.machine.vcpu, self.machine.vcpu.cpu.sys
        pstate = vcpu.cpu.pstate  # what the guest will be entered with: SPSR_EL2 of a real kernel
        return {
            "mdscr_el1.ss": int(vcpu.single_stepping),
            "mdscr_el1.ss.guest": sys.mdscr_el1 & sysregs.MDSCR_SS,
            "mdcr_el2.tde": int(bool(sys.mdcr_el2 & sysregs.MDCR_TDE)),
            "spsr_el2.ss": pstate.ss,
            "pstate.d": pstate.d,
            "el": vcpu.el,
            "step_pending": int(vcpu.step_pending),
        }

    @property
    def at_next_eret(self) -> dict[str, int]:
        """The bits of `hardware` that the kernel sets for the guest, as they will be at the next entry."""
        vcpu, sys = self.machine.vcpu, self.machine.vcpu.cpu.sys
        stepped = vcpu.single_stepping
        own_ss = not vcpu.guest_debug and sys.mdscr_el1 & sysregs.MDSCR_SS
        return {
            "mdscr_el1.ss": int(stepped or own_ss),
            "mdcr_el2.tde": int(bool(vcpu.guest_debug)),
            "spsr_el2.ss": armed_ss(vcpu) if stepped else vcpu.cpu.pstate.ss,
        }

    # --- what has happened -------------------------------------------------------------------------------------------

    @property
    def last(self) -> Stop:
        """The stop at `position`; its `pc` is the current one, also after it was written."""
        stop = self.track.stop()
        return replace(stop, pc=self.pc) if self.position in self.track.history.inputs else stop

    @property
    def exits(self) -> Sequence[ExitRecord]:
        """Every return of KVM_RUN in the last step."""
        return self.last.exits

    def stop_at(self, number: int) -> Stop:
        """The stop of step `number` (0 to `length`)."""
        return self.record(number).stop

    @property
    def stops(self) -> list[Stop]:
        """All stops up to `position`, the start included; a run stops only at its end."""
        track, here = self.track, self.position
        stops = [self.record(0).stop]

        def look(number: int) -> None:
            if number == here or not track.inside_run(number):
                stop = track.stop()
                if number == here or track.was_told(stop):
                    stops.append(stop)

        track.each(0, here, look)
        return stops

    @property
    def events(self) -> list[Event]:
        """Everything that happened up to `position`."""
        return [event for n in range(1, self.position + 1) for event in self.events_of(n)]

    def events_of(self, number: int) -> tuple[Event, ...]:
        """What happened in step `number` (1 to `length`)."""
        return self.record(number).events

    def record(self, number: int) -> StepRecord:
        """All about step `number` (0 to `length`); replayed if it is no longer kept."""
        return self.track.record(number)

    def records(self, first: int, last: int) -> list[StepRecord]:
        """All about steps `first` to `last`; what is no longer kept is replayed in one go."""
        return self.track.records(first, last)

    @property
    def changes(self) -> dict[str, tuple[int, int]]:
        """Registers that the last step changed: name -> (old, new)."""
        return self.record(self.position).changes

    @property
    def state(self) -> StepState:
        """The state of the software-step machine after the last event."""
        events = self.record(self.position).events
        return events[-1].after if events else self.machine.vcpu.cpu.step_state()
