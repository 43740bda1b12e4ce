"""Skips: fine on a machine that lacks something, failures where everything must be there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
TESTS = """
import pytest

def test_lacking(): pytest.skip("no browser here")
def test_by_design(): pytest.skip("by design: one of the six that need stage 1")
@pytest.mark.xfail
def test_expected_failure(): assert False
"""
MODULE = """
import pytest

pytest.importorskip("nowhere", reason="no such library here")
"""


@pytest.mark.parametrize(
    ("no_skips", "closing"),
    [("", "3 skipped, 1 xfailed"), ("1", "1 failed, 1 skipped, 1 xfailed, 1 error")],
)
def test_no_skips_turns_a_skip_into_a_failure(tmp_path: Path, no_skips: str, closing: str) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_module.py").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors"],
        cwd=tmp_path,
        env=os.environ | {"NO_SKIPS": no_skips, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert closing in done.stdout
