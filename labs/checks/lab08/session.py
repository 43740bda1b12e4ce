"""A session of gdb over the program of all labs, and how addresses are shown."""

from __future__ import annotations

from typing import Any

from checks.gdb_in_batch import NO_GDB, Talk, attach, gdb_there
from checks.task import NotAnswered

START = 0x4000_0000
STORE, AFTER = START + 4, START + 8


def session_of(*commands: str, kernel: str = "v4.3") -> Talk:
    """What gdb prints when these commands are typed; NotAnswered without a gdb."""
    if not gdb_there():
        raise NotAnswered(NO_GDB)
    return attach(*commands, kernel=kernel)


def in_hex(pcs: Any) -> str:
    """Addresses as gdb prints them."""
    return ", ".join(f"{pc:#x}" for pc in pcs)
