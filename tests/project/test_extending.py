"""The pages on adding a lab, a device or an era: what they show runs, and the names they use are there."""

from __future__ import annotations

import doctest
import importlib
import json
import re
import shutil
from pathlib import Path

import pytest

from tools import build_labs

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
    assert named
    for name in named:
        assert "lab10" in name or "10-my-lab" in name or (ROOT / name).exists(), name


def test_the_names_that_the_page_on_eras_tells_to_edit_are_there() -> None:
    kernels = importlib.import_module("aarch64sim.kvm.kernels")
    history = importlib.import_module("aarch64sim.kvm.history")
    behaviours = importlib.import_module("aarch64sim.kvm.behaviours")
    page = (PAGES / "era.md").read_text("utf-8")
    places = {"_behaviour": behaviours, "HISTORY": history, "_commit": history}
    for name in ("FIXED", "HISTORY", "ERAS", "_commit", "_era", "_behaviour"):
        assert hasattr(places.get(name, kernels), name)
        assert name in page
    for line in re.findall(r"^ +(_(?:commit|era)\(.*\)),$", page, re.M):
        made = eval(line, vars(history) | vars(kernels))
        assert made in (*kernels.HISTORY, *kernels.ERAS)


def test_the_lab_of_the_page_builds_and_its_answer_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, checks = re.findall(
        r"^```python\n(.*?)^```", (PAGES / "lab.md").read_text("utf-8"), re.M | re.S
    )
    labs = tmp_path / "labs"
    (labs / "source").mkdir(parents=True)
    (labs / "source" / "10-my-lab.py").write_text(source)
    (labs / "programs").symlink_to(ROOT / "labs" / "programs")
    shutil.copytree(ROOT / "labs" / "checks", labs / "checks")
    (labs / "checks" / "lab10").mkdir()
    (labs / "checks" / "lab10" / "__init__.py").write_text(checks)
    assert build_labs.main(["--folder", str(labs)]) == 0
    for place, mark in (("solutions", "✓"), ("", "○")):
        cells = json.loads((labs / place / "10-my-lab.ipynb").read_text())["cells"]
        (task,) = [cell for cell in cells if cell["id"] == "task-changed"]
        (said,) = [text for output in task["outputs"] for text in output["data"]["text/plain"]]
        assert said.startswith(mark)
