"""An extension of the kernel: a lab's cell that is run before the cells above it says so, in place of a traceback.

Invariant: any other error is shown as ever. `ipython_kernel_config.py` loads this in every kernel of the environment.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any


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
    """Answer a NameError: in a sentence, if a cell of a lab should have bound the name."""
    from widgets.course.alone import (
        missing,  # not before it is needed: this is loaded in every kernel
    )

    if text := missing(error):
        error._render_traceback_ = lambda: [text]  # type: ignore[attr-defined]
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
