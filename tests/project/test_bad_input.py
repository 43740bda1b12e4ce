"""What a machine lacks: no make, no network, an old Python, no Chromium, no space, a folder or a port that is taken.

Invariant: each ends in one sentence that says what to do, and in no traceback.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the scripts are written in; there is no make among it, and no Python.
TOOLS = (
    "sh",
    "dirname",
    "cat",
    "cksum",
    "id",
    "sed",
    "head",
    "mkdir",
    "rm",
    "tr",
    "grep",
    "df",
    "awk",
    "uname",
)
CLOSED = "http://127.0.0.1:9/simple"  # the discard port: nobody listens there
SETTINGS = ("PIP_", "UV_", "CONSTRAINTS", "PYTHON", "NO_", "VENV", "MAKE")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine that has a shell and nothing else; programs can be put into its PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS:
        for folder in os.environ["PATH"].split(os.pathsep):
            if (Path(folder) / name).exists():
                (programs / name).symlink_to(Path(folder) / name)
                break
    kept = {n: v for n, v in os.environ.items() if not n.startswith(SETTINGS)}
    return kept | {"PATH": str(programs), "PIP_CONFIG_FILE": os.devnull, "NO_APT": "1"}


def put(environment: dict[str, str], name: str, text: str) -> Path:
    path = Path(environment["PATH"]) / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def this_python(environment: dict[str, str]) -> None:
    put(environment, "python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')


def said(environment: dict[str, str], *command: str | Path) -> str:
    """The one sentence that a failing script ends in."""
    done = subprocess.run(
        ["sh", *map(str, command)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


OLD = """#!/bin/sh
[ "$1" = --version ] && { echo "Python 3.9.2"; exit; }
exit 1
"""


def test_without_make_the_readme_names_the_two_scripts(bare: dict[str, str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Without make:\n`sh tools/setup lab && sh tools/lab .venv`" in readme
    # They come as far as there is a Python: no make is asked for.
    assert said(bare, "tools/setup", "lab", "/nonexistent").startswith("These labs need Python")


def test_an_old_python_is_named_with_what_is_needed(bare: dict[str, str], tmp_path: Path) -> None:
    put(bare, "python3", OLD)
    line = said(bare, "tools/setup", "lab", tmp_path / "venv")
    assert "need Python 3.11 or newer and there is Python 3.9.2 here" in line
    assert "make lab PYTHON=/path/to/python3" in line


def test_a_chosen_python_that_is_too_old_is_refused(bare: dict[str, str], tmp_path: Path) -> None:
    line = said(
        bare | {"PYTHON": str(put(bare, "python3.9", OLD))}, "tools/setup", "lab", tmp_path / "v"
    )
    assert "python3.9 is not a Python 3.11 or newer" in line


def test_no_python_at_all_is_said(bare: dict[str, str], tmp_path: Path) -> None:
    assert "there is no python3 here" in said(bare, "tools/setup", "lab", tmp_path / "venv")


def test_without_a_network_the_packages_are_said_to_be_missing(
    bare: dict[str, str], tmp_path: Path
) -> None:
    this_python(bare)
    nowhere = {"PIP_INDEX_URL": CLOSED, "PIP_NO_CACHE_DIR": "1"}
    line = said(bare | nowhere, "tools/setup", "lab", tmp_path / "venv")
    assert "could not be downloaded: no network" in line
    assert str(tmp_path / "venv" / "install.log") in line


def test_without_a_network_pins_cannot_be_renewed(bare: dict[str, str]) -> None:
    for name in ("mktemp", "sh"):
        with suppress(FileExistsError):
            (Path(bare["PATH"]) / name).symlink_to(f"/usr/bin/{name}")
    uv = put(bare, "uv", "#!/bin/sh\necho 'dns error' >&2\nexit 2\n")
    done = subprocess.run(
        ["sh", "tools/pins", "oldest", str(uv)],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "it needs a network and a package index" in done.stderr
    assert "needs uv" in said(bare, "tools/pins", "oldest", "/nonexistent/uv")


def test_a_folder_that_cannot_be_written_to_is_named_with_a_way_out(bare: dict[str, str]) -> None:
    this_python(bare)
    line = said(bare, "tools/setup", "test", "/proc/step-labs")  # not even root writes there
    assert line.startswith("Cannot write to /proc/step-labs; copy the project")
    assert "make test VENV=" in line


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small disk at `folder` for a while."""
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("by design: only a user who may mount can have a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_to_be_full(bare: dict[str, str], tmp_path: Path) -> None:
    this_python(bare)
    with mounted(tmp_path / "disk", "size=8m") as disk:
        line = said(bare, "tools/setup", "lab", disk / "venv")
    assert line.startswith("The disk is full; the Python packages need about 500 MB under")


def test_a_project_that_cannot_be_written_to_opens_with_a_warning(
    bare: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "lab"
    script.write_text((ROOT / "tools" / "lab").read_text())
    put(bare, "jupyter", "#!/bin/sh\nexit 1\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "bin").symlink_to(bare["PATH"])
    with mounted(tmp_path / "labs", "ro"):
        line = said(bare, script, tmp_path / "venv")
    assert line.startswith(f"Nothing can be saved in {tmp_path}/labs")


def test_without_chromium_the_browser_tests_are_skipped_in_a_sentence(bare: dict[str, str]) -> None:
    tests = "tests/browser/test_panel.py"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rs",
        "-m",
        "browser",
        tests,
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=bare | {"CHROMIUM": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "no Chromium here to open the labs with (Debian: apt install chromium)" in done.stdout
    assert "Traceback" not in done.stdout


def test_what_the_tests_lack_is_listed_with_its_packages(
    bare: dict[str, str], tmp_path: Path
) -> None:
    this_python(bare)
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    recipe = subprocess.run(
        ["sh", "-c", "cat pyproject.toml widgets/jupyter/*.* constraints.txt | cksum"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (venv / ".ready-test").write_text(recipe.stdout)  # as after a first setup
    done = subprocess.run(
        ["sh", "tools/setup", "test", str(venv)],
        cwd=ROOT,
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Not here: chromium gdb-multiarch binutils-aarch64-linux-gnu")
    assert "the tests that need them are skipped (on Debian: apt install" in done.stdout


def test_a_lab_that_is_not_set_up_says_how(bare: dict[str, str], tmp_path: Path) -> None:
    assert "sh tools/setup lab" in said(bare, "tools/lab", tmp_path)


def test_port_8888_in_use_is_said_and_another_one_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        with suppress(OSError):  # somebody else has it already: as good
            taken.bind(("127.0.0.1", 8888))
            taken.listen()
        environment = os.environ | {
            "JUPYTER_RUNTIME_DIR": str(tmp_path),
            "JUPYTER_CONFIG_DIR": str(tmp_path),
        }
        command = ["sh", "tools/lab", sys.prefix, "--no-browser"]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as lab:
            assert lab.stderr
            lines = []
            for line in lab.stderr:
                lines.append(line)
                if "/lab/tree/labs/00-start-here.ipynb?token=" in line:
                    break
            lab.kill()  # a SIGTERM that meets Jupyter before its loop runs is lost
    log = "".join(lines)
    assert "The port 8888 is already in use, trying another port." in log
    assert "http://127.0.0.1:8888/" not in lines[-1]
    assert "Traceback" not in log
