"""How an exception travels: from the instruction that meets it, to the level that takes it (Arm ARM D1.4).

Invariant: an instruction that raises has changed no register; `entry` alone turns a raised `Synchronous` into an entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from aarch64sim.arch.syndrome import exception_class

SYNCHRONOUS, IRQ, FIQ, SERROR = 0x000, 0x080, 0x100, 0x180  # offsets in each vector group


class Synchronous(Exception):
    """A synchronous exception that an instruction or its fetch meets; Python-internal, never seen by callers.

    `ec` and `iss` make the syndrome. `target_el` is the lowest level it may go to. `far` and `hpfar` are given by
    aborts and watchpoints. `call`: SVC, HVC or SMC, which complete first, so the return address is the next
    instruction and a single step is spent.
    """

    def __init__(
        self,
        ec: int,
        iss: int = 0,
        *,
        target_el: int = 1,
        far: int | None = None,
        hpfar: int | None = None,
        call: bool = False,
    ) -> None:
        super().__init__(ec, iss)
        self.ec = ec
        self.iss = iss
        self.target_el = target_el
        self.far = far
        self.hpfar = hpfar
        self.call = call


class Uncounted(Exception):
    """No exception of the guest: the instruction reads the count of instructions, so it must be executed by itself."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An exception entry that happened: what the handler at `target_el` finds.

    `vector` is the offset from VBAR_ELx; `esr` (32 bits) is None for interrupts; `far` and `hpfar` only for aborts
    and watchpoints, else None. `elr` is the preferred return address, `spsr` the saved PSTATE.
    """

    target_el: int
    vector: int
    elr: int
    spsr: int
    esr: int | None = None
    far: int | None = None
    hpfar: int | None = None

    @property
    def ec(self) -> int | None:
        """Exception class, or None for an interrupt."""
        return None if self.esr is None else exception_class(self.esr)
