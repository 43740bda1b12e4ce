"""What a learner asks a StepLab for by hand: the actions behind its buttons, keys, fields and marks.

Invariant: an action moves nothing itself: it calls what `Driving` does, or `edits`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aarch64sim.debug import Debugger
from widgets.page import edits, wording
from widgets.page.runner import PLAY_SECONDS
from widgets.panel import verbs
from widgets.panel.driving import MOST_KEPT, Driving

if TYPE_CHECKING:
    from widgets.page.board import Action


class Hands(Driving):
    """Mixed into a panel of one guest."""

    _memory_address: int

    def _make_actions(self) -> dict[str, Action]:
        return {
            "start": lambda _: self.goto(0),
            "end": lambda _: self.goto(self.debugger.length),
            "back": lambda _: self.back(),
            "step": lambda _: self.step(),
            "run": lambda _: self.start_run(),
            "play": lambda _: self.play(),
            "stop": lambda _: self.stop(),
            "goto": lambda m: self.goto(edits.number(edits.value_of(m))),
            "kernel": lambda m: self.use_kernel(edits.value_of(m)),
            "event": lambda m: self.look_at(int(edits.value_of(m))),
            "log": lambda m: self._go_to_event(edits.value_of(m)),
            "earlier": lambda _: self.event(-1),
            "later": lambda _: self.event(1),
            "reverse": lambda _: self.start_back(),
            "travel": lambda m: self._travel(*verbs.travel(edits.value_of(m))),
            "remove": lambda m: self._try(edits.remove, edits.value_of(m)),
            "speed": lambda m: self._set_speed(edits.value_of(m)),
            "runs": lambda m: self._set_runs(edits.value_of(m)),
            "breakpoint": lambda m: self._say(
                edits.toggle_breakpoint(self.debugger, int(edits.value_of(m)))
            ),
            "register": lambda m: self._try(edits.set_register, edits.value_of(m)),
            "type": lambda m: self._try(edits.type_into, edits.value_of(m)),
            "address": lambda m: self._set_address(edits.value_of(m)),
        }

    def _go_to_event(self, value: str) -> None:
        step, _, event = value.partition(":")
        self.goto(int(step))
        if not self.running:
            self.look_at(int(event))

    def _go_or_step(self, wanted: int) -> int:
        debugger = self.debugger

        def move() -> None:
            debugger.goto(min(wanted, debugger.length))
            most = min(wanted, debugger.length + MOST_KEPT)
            while debugger.position < most and not debugger.ended:
                debugger.step()

        if wanted != debugger.position:
            self._moved(move)
            if debugger.position < wanted and not self._runner.running:
                self._say(wording.kept_place(debugger, wanted, self._status()))
        return debugger.position

    def _travel(self, verb: str, where: str) -> None:
        """What the field beside Go says."""
        if verb == "run":
            self.start_run(self.debugger.destination(where))
        elif verb == "break":
            self._try(edits.set_breakpoint, where)
        elif verb == "watch":
            self._try(edits.watch, where)
        else:
            self.start_last_write(where.strip())

    def _try(self, act: Callable[[Debugger, str], str], text: str) -> None:
        self._say(act(self.debugger, text))

    def _set_address(self, text: str) -> None:
        self._memory_address = edits.address(self.debugger, text)
        self._say("")

    def _set_runs(self, value: str) -> None:
        if value not in verbs.RUNS:
            return
        self.debugger.by_steps = value == "steps"
        self._say(f"From now on a run {verbs.RUNS[value]}.")

    def _set_speed(self, value: str) -> None:
        self._speed = value if value in PLAY_SECONDS else "medium"
