"""Python for the site: Pyodide from npm, pinned by hash, and the simulator as a zip.

Invariant: nothing is taken that is not the file whose hash stands here.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "npm"
PYODIDE = "pyodide@314.0.7"
SHA256 = "66b7949e5a0cba2250b586d7e368bf12fb482800748d182c4618254b685ffaa0"
FILES = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
)
MEMORY = "memory.gz"
LEFT_OUT = ("__pycache__", "widgets/jupyter", "mpl_writer")


class NotThePinnedFileError(Exception):
    """What npm gave is not the file that was pinned."""


def need(*programs: str) -> None:
    """End with one sentence if one of these programs is not here."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        sys.exit(
            f"Python in the browser needs {' and '.join(missing)}, which are not here: install Node.js."
        )


def pyodide() -> bytes:
    """The package as npm packs it; fetched once, kept in build/npm."""
    kept = CACHE / f"{PYODIDE.replace('@', '-')}.tgz"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                ["npm", "pack", PYODIDE, "--pack-destination", folder],
                check=True,
                capture_output=True,
                cwd=folder,
            )
            kept.write_bytes(next(Path(folder).glob("*.tgz")).read_bytes())
    data = kept.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        kept.unlink()
        raise NotThePinnedFileError(f"{PYODIDE} is not the file that tools/site_python.py pins")
    return data


def simulator() -> bytes:
    """aarch64sim and the widgets that a page needs, as a zip that is the same every time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for package in ("aarch64sim", "widgets"):
            for path in sorted((ROOT / package).rglob("*.py")):
                name = path.relative_to(ROOT).as_posix()
                if not any(part in name for part in LEFT_OUT):
                    archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
        machine = ROOT / "labs" / "recordings" / "machine.json"
        name = machine.relative_to(ROOT).as_posix()
        archive.writestr(zipfile.ZipInfo(name), machine.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def write(out: Path) -> None:
    """Pyodide and the simulator, into the site."""
    folder = out / "pyodide"
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(pyodide())) as package:
        for name in FILES:
            member = package.extractfile(f"package/{name}")
            assert member is not None
            (folder / name).write_bytes(member.read())
    (out / "labs.zip").write_bytes(simulator())
    (folder / MEMORY).write_bytes(memory(folder, out / "labs.zip"))


def memory(pyodide: Path, labs: Path) -> bytes:
    """Python's memory after the simulator was imported, packed: a page starts from it in a fifth of the time."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "memory"
        script = ROOT / "tools" / "snapshot.mjs"
        subprocess.run(["node", script, pyodide, labs, whole], check=True)
        return gzip.compress(whole.read_bytes(), 9, mtime=0)
