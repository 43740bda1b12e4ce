"""The pages on adding a lab, a device or an era: what they show runs, and the files that they name are there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "labs" / "extending"


@pytest.mark.parametrize("name", ["device", "era"])
def test_what_a_page_shows_is_what_happens(name: str) -> None:
    failed, tried = doctest.testfile(str(PAGES / f"{name}.md"), module_relative=False)
    assert tried >= 4
    assert failed == 0


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_a_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(
        r"`((?:aarch64sim|labs|tests|tools|binder)/[\w./-]*)`", page.read_text("utf-8")
    )
    assert named or page.stem == "panel"  # a page for a notebook: it names no file
    for name in named:
        assert "lab10" in name or "10-my-lab" in name or (ROOT / name).exists(), name
