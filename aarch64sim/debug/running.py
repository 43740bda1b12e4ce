"""Moving on: a step, a run, a run to somewhere.

Invariant: a run is made of single steps, and ends with a step that is a reason to stop, or after as many as were asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from aarch64sim.debug.destinations import Destination, destination, exit_kind
from aarch64sim.debug.phase import PhaseCursor
from aarch64sim.debug.pointing import Pointing
from aarch64sim.debug.stops import Stop

if TYPE_CHECKING:
    from aarch64sim.debug.debugger import Debugger

RUN_LIMIT = 100_000  # steps after which a run comes back


class Running(Pointing, PhaseCursor):
    """The part of a debugger that makes new steps."""

    @property
    def last(self) -> Stop:
        """The stop at `position`."""
        raise NotImplementedError

    def step(self) -> Stop:
        """Step once, as a debugger does: KVM_RUN until KVM_EXIT_DEBUG, answering whatever else comes back.

        When the guest has ended nothing happens, and the last stop is returned.
        """
        self.look_at_end()
        self._step_once()
        return self.last

    def continue_(self, limit: int = RUN_LIMIT) -> Stop:
        """Step until a breakpoint, a watchpoint or a BRK of the guest's own is met, or the guest ends.

        At most `limit` times.
        """
        self.run_slice(limit)
        return self.last

    run = continue_

    def run_slice(
        self, count: int, *, to: Destination | None = None, finish: bool = True
    ) -> Stop | None:
        """Up to `count` steps; the stop if there was a reason to stop, else None. For a run on an event loop.

        `to` is one more reason. Without `finish` it may be the stop in front of a watched access, which is where gdb
        wants it.
        """
        self.look_at_end()
        stopped = self._go_to(count, to) if to else self._go(count, self.points, finish=finish)
        return self.last if stopped else None

    def _go_to(self, count: int, to: Destination) -> bool:
        points, kind = self.points, to.exit
        if to.address is not None:
            there = points.breakpoints | {to.address}
            return self._go(count, replace(points, breakpoints=there))
        if kind:
            return self._go(
                count,
                points,
                lambda: kind == "DEBUG" or any(e.reason == kind for e in self._exits or ()),
            )
        # After each step nothing may be in the machine: a condition looks at memory as the guest has it.
        return any(self._go(1, points) or to.reached(cast("Debugger", self)) for _ in range(count))

    def destination(self, text: str) -> Destination:
        """What a text says about where to run, for `run_slice`; ValueError says what can be written."""
        return destination(cast("Debugger", self), text)

    def run_to(
        self, where: int | str | None = None, *, line: int | None = None, limit: int = RUN_LIMIT
    ) -> Stop:
        """Continue to an address, a label or a source line, as if a breakpoint were there.

        ValueError if there is no such place.
        """
        address = self.code_address(where, line)
        self.run_slice(limit, to=Destination(f"{address:#x}", address))
        return self.last

    def run_until(self, condition: Callable[[Debugger], bool], limit: int = RUN_LIMIT) -> Stop:
        """Continue until `condition(debugger)` holds after a step."""
        self.run_slice(limit, to=Destination("the condition", holds=condition))
        return self.last

    def run_to_exit(self, kind: str, limit: int = RUN_LIMIT) -> Stop:
        """Continue to the end of the next step in which KVM_RUN returned for `kind`: "MMIO", "SYSTEM_EVENT" ...

        ValueError if there is no such kind.
        """
        kind = exit_kind(kind)
        self.run_slice(limit, to=Destination(kind, exit=kind))
        return self.last
