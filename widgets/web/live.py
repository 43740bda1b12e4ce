"""A guest in the reader's own browser: Python answers every click with what the page shows.

Invariant: what cannot be done is answered with one sentence, and all stays as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aarch64sim.asm import AssemblyError
from aarch64sim.debug import Debugger
from aarch64sim.kvm import kernels
from widgets.page import wording
from widgets.page.listing import Listing
from widgets.web.view import frame, last_timeline, listing_html

RUN_LIMIT = 100_000  # steps of one Run


class Live:
    """One guest. `do` is what the page calls for a click."""

    def __init__(self, source: str, kernel: str, step: int = 0) -> None:
        self._start(Debugger(source, kernel))
        self._go_on_to(step)

    def _start(self, debugger: Debugger) -> None:
        self.debugger, self.listing = debugger, Listing(debugger.program)

    def do(self, verb: str, value: Any = None) -> dict[str, Any]:
        """Act, and say everything that the page shows; `words` is a sentence that stands for the status."""
        try:
            words = self._act(verb, value)
        except AssemblyError as error:
            words = (
                f"The program does not assemble, so the old one stays: {str(error).splitlines()[0]}"
            )
        except ValueError as error:
            words = f"Not done: {error}."
        return self.view(words)

    def _act(self, verb: str, value: Any) -> str:
        debugger = self.debugger
        if verb == "start":
            debugger.goto(0)
        elif verb == "back":
            debugger.back()
        elif verb == "step":
            debugger.step()
        elif verb == "run":
            return self._run(None)
        elif verb == "run-to":
            return self._run(str(value))
        elif verb == "goto":
            debugger.goto(max(0, min(int(value), debugger.length)))
        elif verb == "kernel":
            at = debugger.position
            self._start(Debugger(debugger.program, str(value)))
            self._go_on_to(at)
        elif verb == "assemble":
            self._start(Debugger(str(value), debugger.kernel))
        return ""

    def _go_on_to(self, step: int) -> None:
        debugger = self.debugger
        while debugger.position < step and not debugger.ended:
            debugger.run_slice(step - debugger.position)

    def _run(self, where: str | None) -> str:
        debugger = self.debugger
        to = debugger.destination(where) if where else None
        stop = debugger.run_slice(RUN_LIMIT, to=to)
        if stop is None:
            return f"The run was stopped after {RUN_LIMIT} steps; the guest has not ended."
        line = last_timeline(debugger, self.listing)
        return wording.arrival(to, debugger, self.listing, line) if to else ""

    def view(self, words: str = "") -> dict[str, Any]:
        """Everything that the page shows."""
        debugger = self.debugger
        return {
            "frame": frame(debugger, self.listing),
            "kernel": debugger.kernel.name,
            "summary": debugger.kernel.summary,
            "step": debugger.position,
            "length": debugger.length,
            "ended": bool(debugger.ended),
            "stuck": bool(debugger.ended),
            "listing": listing_html(self.listing, debugger.last.pc),
            "words": words,
        }


_live: list[Live] = []


def answer(message: str) -> str:
    """A message of the page, in JSON, and its answer: {"view": ...} or {"error": a sentence}."""
    said: Mapping[str, Any] = json.loads(message)
    verb: str = said["verb"]
    value: Any = said.get("value")
    if verb == "open":
        _live[:] = [Live(value["source"], value["kernel"], int(value["step"]))]
        names = [(kernel.name, kernel.title) for kernel in kernels.values()]
        return json.dumps({"view": _live[0].view() | {"kernels": names}})
    return json.dumps({"view": _live[0].do(verb, value)})
