"""A history computed before: every step of one program under several kernels, as a page holds it.

Invariant: a text that stands in many steps is held once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aarch64sim.debug import Debugger
from aarch64sim.kvm.kernels import Kernel, kernel_of
from widgets.web.guest import PREFIX, Guest

MOST_STEPS = 60
FRONT_KERNELS = ("v4.3", "v4.15", "v5.0", "v5.11", "v6.14", "fixed")


def history(
    program: str,
    names: Sequence[str | Kernel] = FRONT_KERNELS,
    at: int = 0,
    most: int = MOST_STEPS,
) -> dict[str, Any]:
    """All frames of a program under these kernels, at most so many steps each; the first, and step `at`, are shown.

    Texts stand in "texts"; a frame is a list of their numbers, in the order of "slots".
    """
    numbers: dict[str, int] = {}
    chosen = [kernel_of(name) for name in names]
    first = Guest(Debugger(program, chosen[0]))
    slots = tuple(first.frame())
    told = [_of_kernel(program, kernel, slots, most, numbers) for kernel in chosen]
    return {
        "prefix": PREFIX,
        "slots": slots,
        "source": program,
        "listing": first.listing_html(),
        "start": {"kernel": chosen[0].name, "step": at},
        "kernels": told,
        "texts": list(numbers),
    }


def _of_kernel(
    program: str, kernel: Kernel, slots: Sequence[str], most: int, numbers: dict[str, int]
) -> dict[str, Any]:
    guest = Guest(Debugger(program, kernel))
    debugger, frames = guest.debugger, []
    while True:
        shown = guest.frame()
        frames.append([numbers.setdefault(shown[slot], len(numbers)) for slot in slots])
        if debugger.ended or debugger.position >= most:
            break
        debugger.step()
    return {
        "name": kernel.name,
        "title": kernel.title,
        "summary": kernel.summary,
        "ended": bool(debugger.ended),
        "frames": frames,
    }
