"""The checks are found as in a notebook, from the folder labs/; which lab is open is forgotten after each test."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from widgets.page import offered

LABS = Path(__file__).resolve().parents[2] / "labs"
sys.path.insert(0, str(LABS))


@pytest.fixture
def store() -> str:
    return (LABS / "programs" / "store.s").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _no_lab_is_open() -> Iterator[None]:
    yield
    offered.use(offered.EVERYTHING)
