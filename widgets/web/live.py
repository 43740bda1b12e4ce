"""A guest in the reader's own browser: Python answers every click with what the page shows.

Invariant: what cannot be done is answered with one sentence, and all stays as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aarch64sim.asm import AssemblyError
from aarch64sim.debug import Debugger
from aarch64sim.kvm import UnknownKernelError, kernels
from widgets.page import editor, edits
from widgets.page.listing import Listing
from widgets.page.runner import broken_off, could_not
from widgets.web.guest import Guest

Post = Callable[[str], object]  # a message for the page, in JSON


class Live(Guest):
    """One guest, from where a reader stands. A run goes on in slices, as in a notebook, so that Stop works."""

    # Questions to the page: there are none, a page that is closed takes Python with it.
    unanswered = 0

    def __init__(self, source: str, kernel: str, step: int, post: Post) -> None:
        super().__init__(Debugger(source, kernel, by_steps=True))
        self._post = post
        self._runner.panels.add(self)
        self._actions = self._make_actions() | {
            "assemble": lambda m: self._assemble(edits.value_of(m)),
            "reach": lambda m: self._go_or_step(edits.number(edits.value_of(m))),
        }
        if step:
            self._go_or_step(step)
        else:
            self._show()

    def ask(self) -> bool:
        """Nobody has to be asked."""
        return False

    def do(self, message: Mapping[str, Any]) -> None:
        """What a click asks for: {"do": what, "value": a text}."""
        try:
            self._actions[message["do"]](message)
        except (ValueError, UnknownKernelError) as error:
            self._say(could_not(error))
        except Exception as error:  # noqa: BLE001  # the page goes on, whatever happened
            self._say(broken_off(error))

    def _assemble(self, source: str) -> None:
        try:
            self.load(editor.read(source))
        except (AssemblyError, ValueError) as error:
            self._say(editor.refusal(error)["status.text"])

    def _show(self) -> None:
        if self._listing.program is not self.debugger.program:
            self._listing = Listing(self.debugger.program)
        self._post(json.dumps({"view": self.view()}))

    def _show_progress(self, words: str) -> None:
        self._post(json.dumps({"said": words}))

    def view(self) -> dict[str, Any]:
        """Everything that the page shows."""
        debugger = self.debugger
        points = {
            f"bp-{address:x}@aria-pressed": str(address in debugger.breakpoints).lower()
            for address, _ in debugger.program.words()
        }
        return {
            "shown": self.frame() | points,
            "kernel": debugger.kernel.name,
            "summary": debugger.kernel.summary,
            "step": debugger.position,
            "length": debugger.length,
            "stuck": bool(debugger.ended),
            "running": self._runner.running,
            "listing": self.listing_html(points=True),
        }


_live: list[Live] = []


def receive(message: str, post: Post) -> None:
    """A message of the page, in JSON; what it leads to is posted: {"view": ...}, {"said": a sentence}."""
    said: Mapping[str, Any] = json.loads(message)
    if said["do"] == "open":
        post(json.dumps({"kernels": [(kernel.name, kernel.title) for kernel in kernels.values()]}))
        _live[:] = [Live(said["source"], said["kernel"], said["step"], post)]
    else:
        _live[0].do(said)
