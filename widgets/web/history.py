"""A history computed before: every step of one program under several kernels, as a page holds it.

Invariant: a text that stands in many steps is held once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aarch64sim.debug import Debugger
from aarch64sim.kvm import Kernel, kernels
from widgets.page.listing import Listing
from widgets.web.view import FIELDS, PREFIX, frame, listing_html, machine_svg

MOST_STEPS = 60
FRONT_KERNELS = ("v4.3", "v4.15", "v5.0", "v5.11", "v6.14", "fixed")


def history(
    program: str,
    names: Sequence[str | Kernel] = FRONT_KERNELS,
    at: int = 0,
    most: int = MOST_STEPS,
) -> dict[str, Any]:
    """All frames of a program under these kernels, at most so many steps each; the first, and step `at`, are shown.

    Texts stand in "texts"; a frame is a list of their numbers, in the order of "fields".
    """
    numbers: dict[str, int] = {}
    chosen = [kernels[name] if isinstance(name, str) else name for name in names]
    told = [_of_kernel(program, kernel, most, numbers) for kernel in chosen]
    first = Debugger(program, chosen[0])
    return {
        "prefix": PREFIX,
        "fields": FIELDS,
        "source": program,
        "listing": listing_html(Listing(first.program), first.last.pc),
        "machine": machine_svg(),
        "start": {"kernel": chosen[0].name, "step": at},
        "kernels": told,
        "texts": list(numbers),
    }


def _of_kernel(program: str, kernel: Kernel, most: int, numbers: dict[str, int]) -> dict[str, Any]:
    debugger = Debugger(program, kernel)
    listing, frames = Listing(debugger.program), []
    while True:
        shown = frame(debugger, listing)
        frames.append([numbers.setdefault(shown[name], len(numbers)) for name in FIELDS])
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
