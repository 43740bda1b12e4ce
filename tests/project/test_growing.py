"""Each page on growing the simulator, followed literally in a copy of the project.

Invariant: nothing is done that the page does not say. A change is a block of code after a line such as "In `file`,
below `line`:", "in place of `line`:", "take out:" or "at the end:".
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "labs" / "extending"
CHANGE = re.compile(
    r"^In `(?P<file>[^`]+)`, (?P<where>below|in place of|take out|at the end)(?: `(?P<line>[^\n]+)`)?:\n\n"
    r"```\w*\n(?P<block>.*?)^```$",
    re.M | re.S,
)
ISA = [f"tests/isa/test_{name}.py" for name in ("table", "assembler", "execute", "gnu")]
PYTEST = ("pytest", "-q", "-n0", "-p", "no:cacheprovider")
RELEASES = ("tests/kvm/test_history.py", "tests/evidence/test_recordings.py")
# The page, and what it says to run, or of it what the change can break: the whole takes minutes.
FOLLOWED = {
    "device": ((*PYTEST, "tests/vmm"),),
    "era": (
        (*PYTEST, *RELEASES, "-k", "not recording or 7.4"),
        (*PYTEST, "tests/kvm/test_properties.py"),
        ("tools.build_labs", "06"),
    ),
    "instruction": ((*PYTEST, *ISA),),
    "lab": (
        ("tools.build_labs", "09", "10"),
        ("tools.badges",),
        (*PYTEST, "tests/labs/test_course.py", "-k", "10 or guide or links"),
        (*PYTEST, "tests/project/test_package.py", "-k", "readme or lab"),
    ),
}
LINT = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
)


def copy_of_the_project(to: Path) -> Path:
    """What git knows of, and what is new."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    if (ROOT / ".mypy_cache").is_dir():
        shutil.copytree(ROOT / ".mypy_cache", to / ".mypy_cache")
    return to


def make(change: re.Match[str], project: Path) -> None:
    """One change of a page, in the copy."""
    path, block, line = project / change["file"], change["block"], change["line"]
    text = path.read_text("utf-8") if path.exists() else ""
    if change["where"] == "at the end":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + block, "utf-8")
        return
    old = block if change["where"] == "take out" else f"{line}\n"
    found = re.findall(rf"^{re.escape(old)}", text, re.M)
    assert len(found) == 1, f"{change['file']} has {len(found)} lines {old!r}"
    new = {"below": old + block, "in place of": block, "take out": ""}[change["where"]]
    path.write_text(re.sub(rf"^{re.escape(old)}", lambda _: new, text, flags=re.M), "utf-8")


def run(project: Path, *module: str) -> None:
    command = [sys.executable, "-m", *module]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(module)}\n{(done.stdout + done.stderr)[-3000:]}"


@pytest.mark.parametrize("page", FOLLOWED)
def test_who_follows_the_page_ends_green(page: str, tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path)
    changes = list(CHANGE.finditer((PAGES / f"{page}.md").read_text("utf-8")))
    assert changes
    for change in changes:
        make(change, project)
    for module in FOLLOWED[page]:
        run(project, *module)
    for module in LINT:
        if find_spec(module[0]):  # they come with `make lint`
            run(project, *module)
