"""An extension of the kernel: a lab's cell that is run before the cells above it says so, in place of a traceback.

Invariant: any other error is shown as ever. `ipython_kernel_config.py` loads this in every kernel of the environment.
"""

from __future__ import annotations

import re
import sys
from types import TracebackType
from typing import Any

_CELL = re.compile(
    r"\b(?:lab|exercises)\b|\b(?:StepLab|CompareLab|Question|RecordedRun)\(|\bpanel\b"
)


def load_ipython_extension(shell: Any) -> None:
    """Called by IPython."""
    shell.set_custom_exc((NameError,), _say)


def _say(
    shell: Any,
    kind: type[NameError],
    error: NameError,
    trace: TracebackType,
    tb_offset: int | None = None,
) -> None:
    """Answer a NameError: in a sentence if the cell is a lab's and the lab's first cell has not run."""
    if "lab" in shell.user_ns or not _CELL.search(shell.user_ns["In"][-1]):
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return
    sys.stdout.write(
        f"There is no {error.name} yet: run the cells above first"
        " (menu Run, Run All Above Selected Cell), then this one.\n"
    )
