"""What the project promises about itself: its package, its pins, its README."""

from __future__ import annotations

import lzma
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from tests.browser.frontends import FRONT_ENDS, Desk
from tests.browser.twelve import TWELVE, outcome
from tools import frontends, speed
from tools.badges import BEGIN, addresses, definitions
from tools.lab_sources import notebooks
from tools.lines import counts

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LEARNER = [path for path in notebooks(ROOT / "labs") if path.parent.name == "labs"]
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[A-Za-z0-9.+!]+( ; [a-z_ ]+.*)?")


def test_the_installed_version_is_the_one_in_pyproject() -> None:
    assert metadata.version("aarch64-step-labs") == PROJECT["version"]


def test_the_readme_counts_the_recordings_that_are_here() -> None:
    folder = ROOT / "labs" / "recordings"
    plain = [path.read_bytes() for path in folder.glob("*-*.jsonl")]
    packed = [lzma.decompress(path.read_bytes()) for path in folder.glob("*/*-*.jsonl.xz")]
    said = " ".join(README.split())
    assert f"{sum(len(text.splitlines()) for text in plain):,} recordings" in said
    assert f"{sum(len(text.splitlines()) for text in packed):,} more" in said


def test_the_changelog_begins_with_this_version() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest
    assert newest[1] == PROJECT["version"]


def test_the_path_of_one_step_is_as_long_as_the_readme_says() -> None:
    for page in (README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        (said,) = re.findall(r"about (\d),(\d{3})\s+lines", page)
        counted = sum(counts()["the path of one Step"])
        assert counted == pytest.approx(int("".join(said)), rel=0.08)


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
    assert linked == [f"labs/{path.name}" for path in LEARNER]


def test_every_lab_in_the_readme_has_its_minutes_and_its_badge() -> None:
    for path in LEARNER:
        (row,) = [
            line for line in README.splitlines() if f"]({path.parent.name}/{path.name})" in line
        ]
        said = re.search(r"About (\d+) minutes", path.read_text(encoding="utf-8"))
        assert said
        assert row.split("|")[2].split()[0] == said[1]
        assert f"[![Open lab {path.name[:2]}][badge]][open-{path.name[:2]}]" in row


def test_the_badges_are_built_from_the_projects_own_addresses() -> None:
    assert README.endswith(definitions()), "run make labs"
    assert README.count("mybinder.org/v2/") == definitions().count("mybinder.org/v2/")
    defined = set(re.findall(r"^\[([^\]]+)\]: ", README, flags=re.MULTILINE))
    assert set(re.findall(r"\]\[([^\]]+)\]", README)) == defined


def test_the_table_of_front_ends_is_what_was_found_in_each_of_them() -> None:
    found = frontends.rows()
    tried = [row for row in found if "checks" in row]
    assert [row["label"] for row in tried] == [each.label for each in FRONT_ENDS]
    assert all(list(row["checks"]) == list(TWELVE) for row in tried), "run make frontends"
    assert frontends.BEGIN + frontends.table(found) + frontends.END in README


def test_a_check_that_fails_in_a_front_end_says_why_in_the_table() -> None:
    class Quiet:
        problems = ("TypeError: lost at blob:http://127.0.0.1:8/4c",)

        def take_problems(self) -> list[str]:
            return list(self.problems)

    def fail(desk: object) -> None:
        raise AssertionError("there is no Step\nCall log: ...")

    desk = cast(Desk, Quiet())
    assert outcome(fail, desk) == "there is no Step"
    assert outcome(lambda _: None, desk).startswith("the page says: TypeError: lost")
    row = {"front end": "One", "date": "today", "checks": {"Step": "no: there is no Step"}}
    assert "| 0 of 1; Step: there is no Step |" in frontends.table([row])


def test_one_value_moves_every_badge(tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    homepage = 'Homepage = "https://github.com/someone/fork"'
    moved = text.replace(f'Homepage = "{PROJECT["urls"]["Homepage"]}"', homepage)
    (tmp_path / "pyproject.toml").write_text(moved)
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "source").symlink_to(ROOT / "labs" / "source")
    made = definitions(tmp_path)
    opened = "https://mybinder.org/v2/gh/someone/fork/main?urlpath=lab/tree/labs/"
    assert made.count(opened) == 1 + len(LEARNER)
    assert "https://someone.github.io/fork/" in made
    assert "aarch64-step-labs" not in made.replace(BEGIN, "")


def test_the_addresses_of_the_package_are_made_of_its_homepage() -> None:
    assert PROJECT["urls"] | addresses() == PROJECT["urls"]


def test_the_readme_has_a_small_moving_picture() -> None:
    (name,) = re.findall(r'<img [^>]*src="(labs/images/[^"]+\.gif)" alt="[^"]{100,}">', README)
    assert (ROOT / name).stat().st_size < 700_000
    with Image.open(ROOT / name) as picture:
        assert picture.n_frames >= 4
        assert picture.width <= 1000


def test_the_readmes_chart_of_speeds_is_drawn_from_the_figures() -> None:
    assert speed.main(["--check"]) == 0
    assert f'src="{speed.CHART.relative_to(ROOT).as_posix()}"' in README


def test_every_file_that_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", README):
        if not target.startswith("https://"):
            assert (ROOT / target.split("#")[0]).exists(), target


def pip(*arguments: str | Path, cwd: Path = ROOT) -> None:
    """Run pip; the test is skipped where there is no network to fetch the build backend from."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and re.search(r"Connection|No matching distribution", done.stderr):
        pytest.skip("no network here to fetch the build backend from")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "-q", "--no-deps", "-w", folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_the_wheel_carries_what_an_installation_needs(wheel: Path) -> None:
    names = contents(wheel)
    folder = ROOT / "labs" / "recordings"
    recordings = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    data = f"aarch64_step_labs-{PROJECT['version']}.data/data"
    for name in [
        "aarch64sim/py.typed",
        "widgets/jupyter/nodelay.py",
        *(f"aarch64sim/recordings/{recording}" for recording in recordings),
        f"{data}/etc/jupyter/jupyter_server_config.d/aarch64-step-labs.json",
        f"{data}/share/jupyter/lab/settings/overrides.d/aarch64-step-labs.json",
    ]:
        assert name in names


def test_the_first_cell_of_a_lab_works_where_only_the_wheel_is(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        assert not [name for name in file.namelist() if name.endswith(".pyc")]
        file.extractall(tmp_path / "site")
    code = (
        "from widgets.course import checks, program; import widgets.course.files as files;"
        "assert files.labs_folder() == files.INSTALLED; assert checks('lab00').LAB; print(program('store'))"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=environment, capture_output=True, text=True
    )
    assert "str" in made.stdout, made.stderr


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    # pip builds no source distribution: its build backend does, in an environment with nothing else in it.
    backend = tmp_path / "backend"
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pip("install", "-q", "--target", backend, *requirements)
    code = "import sys; from hatchling.build import build_sdist; print(build_sdist(sys.argv[1]))"
    command = [sys.executable, "-S", "-c", code, tmp_path]
    environment = {"PYTHONPATH": str(backend), "PATH": os.environ["PATH"]}
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    (source,) = tmp_path.glob("*.tar.gz")
    pip("wheel", "-q", "--no-deps", "-w", tmp_path / "again", source)
    (again,) = (tmp_path / "again").glob("*.whl")
    ours, theirs = contents(wheel), contents(again)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_the_weekly_run_tests_every_python_that_is_declared() -> None:
    weekly = (ROOT / ".github" / "workflows" / "weekly.yml").read_text()
    (matrix,) = re.findall(r"python: \[(.*)\]", weekly)
    declared = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if "Python :: 3." in c]
    assert re.findall(r'"([\d.]+)"', matrix) == declared
    assert PROJECT["requires-python"] == f">={declared[0]}"
    makefile = (ROOT / "Makefile").read_text()
    assert re.findall(r"python([\d.]+)", re.findall(r"^PYTHONS .*", makefile, re.M)[0]) == declared


def test_every_make_target_that_a_workflow_or_a_page_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+(?: [a-z-]+)*):", (ROOT / "Makefile").read_text(), re.M))
    known = {name for group in targets for name in group.split()}
    pages = [*ROOT.glob("*.md"), *ROOT.glob("labs/**/*.md"), *ROOT.glob(".github/**/*.*")]
    for page in [*pages, ROOT / ".ci" / "run"]:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"(?:`|run: |step )make ([a-z][a-z-]*)", text):
            assert name in known, f"make {name} in {page.name}"
