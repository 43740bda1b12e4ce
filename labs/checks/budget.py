"""How much Python one call of an answer may run: so many lines, and so many seconds.

Invariant: an endless loop of Python ends here. `sys.monitoring` (Python 3.12) ends it also where the loop catches every
exception or stands on one line. What it cannot end is a single call into C, `sum(itertools.repeat(1))` or
`time.sleep(10**6)`: where the system can fork, `bounds` does that; in a browser the page must be loaded again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

LINES_AT_MOST = 200_000  # lines of Python that one call of an answer may execute
SECONDS = 4.0  # that one call of an answer may take
_TOOL = 4  # of sys.monitoring: none of those that are named in its documentation
_UNCOUNTED = {__file__, contextlib.__file__, __file__.replace("budget", "bounds")}


class EndlessError(BaseException):
    """A call was not over in its bounds; not an Exception, so that an answer cannot catch it by accident."""


class _Budget:
    def __init__(self, lines: int) -> None:
        self.left, self.end = lines, time.monotonic() + SECONDS

    def spend(self) -> None:
        """Pay for a line; EndlessError if there is nothing left."""
        self.left -= 1
        if self.left < 0 or time.monotonic() > self.end:
            raise EndlessError


def can_fork() -> bool:
    """Whether a process of its own can be had: Python in a browser has the name of the call, and no processes."""
    return hasattr(os, "fork") and sys.platform != "emscripten"


@contextlib.contextmanager
def budget(lines: int) -> Iterator[None]:
    """Let the block run so many lines, for SECONDS at most; EndlessError is raised in it when they are used up."""
    count = _monitored if hasattr(sys, "monitoring") and not can_fork() else _traced
    with count(_Budget(lines)):
        yield


@contextlib.contextmanager
def _traced(left: _Budget) -> Iterator[None]:
    """By a trace function. Its first exception switches it off: then the process is ended from outside."""
    within_a_line = not can_fork()  # a loop on one line is no new line in 3.11

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes = within_a_line
        if event in ("line", "opcode"):
            left.spend()
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)


@contextlib.contextmanager
def _monitored(left: _Budget) -> Iterator[None]:
    """By sys.monitoring, which goes on after it has raised."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    if monitoring.get_tool(_TOOL):  # a call within a call: the outer one counts
        yield
        return

    def count(code: CodeType, *where: int) -> None:
        if code.co_filename not in _UNCOUNTED:
            left.spend()

    kinds = monitoring.events.LINE, monitoring.events.JUMP, monitoring.events.PY_START
    monitoring.use_tool_id(_TOOL, "budget")
    for kind in kinds:
        monitoring.register_callback(_TOOL, kind, count)
    monitoring.set_events(_TOOL, sum(kinds))
    try:
        yield
    finally:
        monitoring.set_events(_TOOL, 0)
        monitoring.free_tool_id(_TOOL)
