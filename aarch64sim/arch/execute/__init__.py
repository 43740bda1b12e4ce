"""What each row of the A64 table does: binders, found by the name that the row gives.

Invariant: a binder does all the deciding (widths, registers, constants); the operation that it returns executes the
instruction and returns the next PC, or raises the guest's exception with no register changed.
"""

from __future__ import annotations

from typing import Any

from aarch64sim.arch.execute import (
    branch,
    data_immediate,
    data_multiply,
    data_register,
    memory_atomic,
    memory_pair,
    memory_single,
    memory_structure,
    system,
)
from aarch64sim.arch.execute.common import Binder

_MODULES = (
    data_immediate,
    data_register,
    data_multiply,
    branch,
    system,
    memory_single,
    memory_pair,
    memory_atomic,
    memory_structure,
)


def binder(name: str) -> Binder:
    """The binder of that name; KeyError if no module has it."""
    for module in _MODULES:
        function: Any = vars(module).get(name)
        if function is not None and function.__module__ == module.__name__:
            return function  # type: ignore[no-any-return]
    raise KeyError(name)
