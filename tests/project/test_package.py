"""What the project promises about itself: its package, its pins, its README."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[A-Za-z0-9.+!]+( ; [a-z_ ]+.*)?")


def test_the_installed_version_is_the_one_in_pyproject() -> None:
    assert metadata.version("aarch64-step-labs") == PROJECT["version"]


def test_the_changelog_begins_with_this_version() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest
    assert newest[1] == PROJECT["version"]


@pytest.mark.parametrize("name", ["constraints.txt", "binder/requirements.txt"])
def test_pins_are_names_and_versions_only(name: str) -> None:
    for line in (ROOT / name).read_text().splitlines():
        assert PIN.fullmatch(line), line


def test_binder_installs_the_versions_that_are_tested() -> None:
    # The first of several lines for a package is the one for the oldest Python.
    lines = reversed((ROOT / "constraints.txt").read_text().splitlines())
    tested = dict(line.split(" ;")[0].split("==") for line in lines)
    for line in (ROOT / "binder" / "requirements.txt").read_text().splitlines():
        name, version = line.split("==")
        assert tested[name] == version


def test_every_lab_in_the_readme_is_there_and_every_lab_is_in_the_readme() -> None:
    linked = re.findall(r"\]\((labs/[^)]+\.ipynb)\)", README)
    assert sorted(linked) == sorted(f"labs/{path.name}" for path in (ROOT / "labs").glob("*.ipynb"))


def test_every_binder_link_is_built_from_the_projects_own() -> None:
    base = PROJECT["urls"]["Binder"]
    links = re.findall(r"https://mybinder\.org/v2/[^)\s]+", README)
    assert links
    for link in links:
        notebook = link.removeprefix(f"{base}?urlpath=lab/tree/")
        assert re.fullmatch(r"labs/\d\d-[a-z0-9-]+\.ipynb", notebook), link


def test_every_file_that_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", README):
        if not target.startswith("https://"):
            assert (ROOT / target.split("#")[0]).exists(), target


def test_the_wheel_carries_what_an_installation_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and re.search(r"Connection|No matching distribution", done.stderr):
        pytest.skip("no network here to fetch the build backend from")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    recordings = sorted(path.name for path in (ROOT / "labs" / "recordings").iterdir())
    data = f"aarch64_step_labs-{PROJECT['version']}.data/data"
    for name in [
        "aarch64sim/py.typed",
        "widgets/nodelay.py",
        *(f"aarch64sim/recordings/{recording}" for recording in recordings),
        f"{data}/etc/jupyter/jupyter_server_config.d/aarch64-step-labs.json",
        f"{data}/share/jupyter/lab/settings/overrides.d/aarch64-step-labs.json",
    ]:
        assert name in names
