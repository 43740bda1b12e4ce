"""All that one CPU is made of, and what follows from it: no verbs, so that every verb can stand above it.

Invariant: the state of the step machine is computed from the bits here each time; nothing stores it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aarch64sim.arch import step, sysregs
from aarch64sim.arch.choices import Choices
from aarch64sim.arch.encodings import FEATURES
from aarch64sim.arch.memory import Memory
from aarch64sim.arch.pstate import BTYPE, DIT, SSBS, PState, level_of, sp_of
from aarch64sim.events import EventLog
from aarch64sim.step_state import StepState

Op = Callable[[], int]
"""An instruction bound to a CPU and an address: executes it, and returns the next PC, or LEAVE."""
LEAVE = -1  # instead of a PC: look around before the next instruction; the PC is in `CpuState.pc`
HOT_AFTER = 24


class CpuState:
    """One AArch64 processing element with EL0, EL1 and EL2; exceptions taken to `host_el` go to the caller.

    With `resident_guest`, the software at EL2 is the caller itself. It uses no register of the CPU, so an exception
    taken there leaves the guest's PC, PSTATE and SP where they are (`at_host` says that EL2 runs): that is what the
    caller sees of ELR_EL2 and SPSR_EL2, and what its `exception_return()` returns to.

    `r` holds X0-X30, then the current SP, a zero (never written) and a sink (never read), each unsigned 64 bits.
    """

    # Those that every step touches are quicker to find in slots.
    __slots__ = ("__dict__", "__weakref__", "pc", "pstate", "ready", "retired")

    warming: Callable[[int, Op], Op]  # what to keep of an op until it is hot (`hot.warming`)

    def __init__(
        self,
        *,
        host_el: int = 2,
        resident_guest: bool = False,
        choices: Choices | None = None,
        features: frozenset[str] = FEATURES,
        memory: Memory | None = None,
        log: EventLog | None = None,
    ) -> None:
        self.r: list[int] = [0] * 34
        self.v: list[int] = [0] * 32
        self.sp_el = [0, 0, 0]  # SP_EL0 to SP_EL2, but for the current one, which is in r[SP]
        self.pc = 0
        self.pstate = PState()
        self.sys = sysregs.SystemRegisters(self.look_again)
        self.memory = memory or Memory()
        self.host_el = host_el
        self.resident_guest = resident_guest
        self.at_host = resident_guest
        self.choices = choices or Choices()
        self.features = features
        self.log = log or EventLog()
        self.log.listeners.add(self)
        self.monitor: tuple[int, int, int] | None = None  # exclusive: address, size, what was read
        self.event_register = False
        # Since reset: instructions completed, exceptions taken below the host's level, instructions the host emulated.
        self.retired = self.exceptions = self.emulated = 0
        # The last such exception was raised at its own vector. Of the first one after which nothing was completed any
        # more: its syndrome (None: an interrupt), where it was raised, and how much was completed until then.
        self.at_own_vector = False
        self.raised: tuple[int | None, int] = (None, 0)
        self.completed = -1
        self.ops: dict[int, Op] = {}  # instructions bound so far, by address
        self.plain: dict[int, Op] = {}  # those of them that are plain (`decode.is_plain`)
        self.manual: dict[int, Op] = {}  # the plain ones as `execute` has made them
        # Of `hot`: how often code is entered before it is made a block (0: never), and the blocks.
        self.hot_after = HOT_AFTER
        self.heat: dict[int, int] = {}
        self.ready: dict[int, Op] = {}  # what `step` may execute as it stands: `plain`, or nothing
        self.objects_in_line: dict[str, Any] = {}
        self.blocks: dict[
            int, Any
        ] = {}  # by the address where it begins: a `hot.block.Block`, or None
        self.blocks_at: dict[int, set[int]] = {}  # by address: where those begin that hold it
        self.changed_code: list[int] = []  # addresses whose block is gone since the last one began
        # About the instruction that executes now: stores made while watched (address, size, value before); whether it
        # was ERET, which sets PSTATE.SS itself; whether `retired` is exact meanwhile.
        self.written: list[tuple[int, int, int]] = []
        self.returned = self.counted = False
        # For the syndrome of the next step exception only (ISV, EX): was an instruction stepped, a load-exclusive?
        self.stepped = self.stepped_exclusive = False

    @property
    def ticks(self) -> int:
        """How far the guest has come since reset, one instruction or exception after another."""
        return self.retired + self.exceptions + self.emulated

    def implemented(self, spsr: int) -> int:
        """An SPSR image without the bits of PSTATE that the ID registers do not promise: DIT, BTYPE, SSBS."""
        if not spsr & (DIT | BTYPE | SSBS):
            return spsr  # the usual case, without a closer look
        s = self.sys
        dit, btype = s.get("id_aa64pfr0_el1") >> 48 & 15, s.get("id_aa64pfr1_el1") & 15
        ssbs = s.get("id_aa64pfr1_el1") >> 4 & 15
        absent = (0 if dit else DIT) | (0 if btype else BTYPE) | (0 if ssbs else SSBS)
        return spsr & ~absent

    def debug_target_el(self) -> int:
        """Where debug exceptions go now."""
        tde = self.sys.mdcr_el2 & sysregs.MDCR_TDE
        return step.debug_target_el(tde=tde, tge=self.sys.hcr_el2 & sysregs.HCR_TGE)

    def debug_exceptions_enabled(self, el: int | None = None, d: int | None = None) -> bool:
        """Whether they are enabled from here, or from level `el` with PSTATE.D = `d`."""
        if el is None:
            el, d = (2, 1) if self.at_host else (self.pstate.el, self.pstate.d)
        return step.debug_exceptions_enabled(
            el=el,
            target_el=self.debug_target_el(),
            kde=self.sys.mdscr_el1 & sysregs.MDSCR_KDE,
            d=self.pstate.d if d is None else d,
            os_lock=self.sys.oslsr_el1 & sysregs.OSLSR_OSLK
            | self.sys.osdlr_el1 & sysregs.OSDLR_DLK,
        )

    def step_state(self) -> StepState:
        """The state of the software-step machine."""
        if not self.sys.mdscr_el1 & sysregs.MDSCR_SS:
            return StepState.INACTIVE  # the usual case, without a closer look
        return step.step_state(
            mdscr_ss=self.sys.mdscr_el1 & sysregs.MDSCR_SS,
            pstate_ss=self.pstate.ss,
            enabled=self.debug_exceptions_enabled(),
        )

    def leave(self, next_pc: int) -> int:
        """For an op that may have changed what must be looked at: makes the loop look before `next_pc`."""
        self.pc = next_pc
        return LEAVE

    def look_again(self) -> None:
        """MDSCR_EL1 or HCR_EL2 was written, or somebody watches: whether `step` must look is to be asked anew."""
        self.ready = {}

    def count_exception(self, syndrome: int | None, elr: int) -> None:
        """An exception was taken below the host's level, and the guest stands at its vector."""
        self.exceptions += 1
        self.at_own_vector = elr == self.pc
        self.note_raised(syndrome, elr)

    def note_raised(self, syndrome: int | None, elr: int) -> None:
        """Keep what put the guest at a vector, unless it has completed nothing since another one did."""
        completed = self.retired + self.emulated
        if completed != self.completed:
            self.raised, self.completed = (syndrome, elr), completed

    def watch(self, watching: bool) -> None:
        """Write events from now on, or stop."""
        self.log.watching = watching
        self.memory.forget_caches()

    def save(self) -> tuple[object, ...]:
        """Everything but memory, as plain values for `restore`."""
        return (
            self.r.copy(),
            self.v.copy(),
            self.pc,
            self.pstate.to_spsr(),
            self.sys.copy_values(),
            self.sp_el.copy(),
            self.monitor,
            self.event_register,
            self.retired,
            (self.stepped, self.stepped_exclusive, self.at_host),
            (self.exceptions, self.emulated, self.at_own_vector, self.raised, self.completed),
        )

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Put back what `save` gave."""
        self.r[:], self.v[:], self.pc, spsr, values, self.sp_el[:], *rest = saved
        self.monitor, self.event_register, self.retired, stepped, taken = rest
        self.stepped, self.stepped_exclusive, self.at_host = stepped
        self.exceptions, self.emulated, self.at_own_vector, self.raised, self.completed = taken
        self.pstate.set_all_but_stack(spsr)
        self.pstate.el, self.pstate.sp = level_of(spsr), sp_of(spsr)
        self.sys.restore_values(values)
        self.memory.forget_caches()
