"""Debian's kernel under QEMU, as `record --debian` boots it: for `make fuzz`, where packages can be had."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from aarch64sim.__main__ import main
from aarch64sim.evidence.debian import DebianError, kernel_image
from aarch64sim.evidence.workshop import QEMU
from aarch64sim.vmm.start import recordings_folder

pytestmark = pytest.mark.fuzz
COMPILER = "aarch64-linux-gnu-gcc"
RELEASE = "6.12.117"


@pytest.fixture(scope="module")
def image() -> Path:
    """A kernel of Debian's that the repository has recordings of."""
    if not (shutil.which(QEMU) and shutil.which(COMPILER)):
        pytest.skip(f"{QEMU} or {COMPILER} is not installed")
    try:
        return kernel_image(RELEASE)
    except DebianError as error:
        pytest.skip(str(error))


def test_the_recorder_compiles_without_a_warning(tmp_path: Path) -> None:
    if not shutil.which(COMPILER):
        pytest.skip(f"{COMPILER} is not installed")
    sources = sorted((recordings_folder() / "recorder").glob("*.c"))
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-pthread"]
    subprocess.run([COMPILER, *flags, "-o", tmp_path / "recorder", *sources], check=True)


def test_a_kernel_recorded_now_does_what_it_was_recorded_to_do(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", "--image", str(image), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "70 of 70 are the same as in the repository's recordings" in said
    assert "70 of 70 recordings agree" in said


def test_random_scenarios_agree(image: Path) -> None:
    assert main(["fuzz", "--image", str(image), "--count", "300", "--seed", "20"]) == 0
