"""What the tests of the views share: the little program of all labs, and debuggers at its steps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aarch64sim import Debugger
from widgets.page import offered

LABS = Path(__file__).resolve().parents[2] / "labs"
STORE = LABS / "programs" / "store.s"
sys.path.insert(0, str(LABS))  # the figures of the checks, found as in a notebook


@pytest.fixture
def store() -> str:
    return STORE.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _no_lab_is_open() -> None:
    offered.use(offered.EVERYTHING)  # the checks of a lab may have been imported by another test


def at_step(kernel: str, step: int, source: str | None = None) -> Debugger:
    """A debugger that has made so many steps."""
    debugger = Debugger(source or STORE.read_text(encoding="utf-8"), kernel)
    for _ in range(step):
        debugger.step()
    return debugger
