"""Build JupyterLite with the labs: JupyterLab and Python in the reader's browser, from static files.

Invariant: everything that comes from a registry is pinned by hash, and the site asks no other site for anything.

    python -m tools.lite                  into build/lite/site
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path
from typing import Any

import nbformat

from tools.lab_sources import find_labs
from tools.site_python import ROOT, need, pyodide

WORK = ROOT / "build" / "lite"
OUT = WORK / "site"
PAGE = ROOT / "tools" / "lite-page.js"
SETTINGS = ROOT / "widgets" / "jupyter" / "settings.json"  # JupyterLab's, too
WATCH = ROOT / "tools" / "lite-worker.js"
WHEELS = ROOT / "tools" / "lite-wheels.txt"
CORE = (
    "package.json",
    "pyodide.js",
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
)
PLATFORM = "pyemscripten_2026_0_wasm32"
KERNELSPEC = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
PLUGIN = "@jupyterlite/pyodide-kernel-extension:kernel"
BOOT = [
    "micropip",
    "piplite",
    "ipykernel",
    "comm",
    "pyodide-kernel",
    "jedi",
    "ipython",
    "aarch64-step-labs",
]
LEFT_OUT = (
    "recordings",
    "source",
    "solutions",
    "extending",
    "instructors.md",
    "__pycache__",
)  # of labs/


def run(*command: str | Path) -> None:
    """Run a program of this environment; CalledProcessError with its output."""
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout[-3000:], done.stderr[-3000:], file=sys.stderr)
        done.check_returncode()


def fetched(folder: Path) -> list[Path]:
    """The wheels that a kernel in the browser needs, pinned by hash; and the project's own."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    where = ("--platform", "any", "--platform", PLATFORM, "--python-version", "3.14")
    kind = ("--implementation", "cp", "--abi", "cp314", "--abi", "none", "--only-binary=:all:")
    run(
        *pip, "download", *where, *kind, "--no-deps", "--require-hashes", "-r", WHEELS, "-d", folder
    )
    own = folder / "own"
    shutil.rmtree(own, ignore_errors=True)
    run(*pip, "wheel", "--no-deps", "-w", own, ROOT)
    return [*sorted(folder.glob("*.whl")), *sorted(own.glob("*.whl"))]


def shipped() -> list[Path]:
    """The wheels that the kernel itself brings."""
    extension = "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension/static/pypi"
    found = sorted((Path(sys.prefix) / extension).glob("*.whl"))
    return [wheel for wheel in found if "3.6.999" not in wheel.name]


def normal(name: str) -> str:
    """A package's name as a lock spells it.

    >>> normal("prompt_toolkit")
    'prompt-toolkit'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def entry(wheel: Path) -> dict[str, Any]:
    """What a lock says of a wheel: what it needs, and what it is imported as."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        about = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(about).decode())
    needs = metadata.get_all("Requires-Dist") or []
    # Of the extras only ours, `lab`: what a notebook needs.
    plain = [need for need in needs if "extra ==" not in need or re.search("extra == .lab.", need)]
    tops = {name.split("/")[0].removesuffix(".py") for name in names if name.endswith(".py")}
    return {
        "name": normal(metadata["Name"]),
        "version": metadata["Version"],
        "file_name": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "depends": [normal(re.split(r"[ ;<>=!~\[(]", need, maxsplit=1)[0]) for need in plain],
        "imports": sorted(top for top in tops if ".dist-info" not in top and ".data" not in top),
        "install_dir": "site",
        "package_type": "package",
        "unvendored_tests": False,
    }


def distribution(folder: Path, wheels: Iterable[Path]) -> Path:
    """Pyodide with these wheels in its lock, as an archive for `jupyter lite build`."""
    shutil.rmtree(folder, ignore_errors=True)
    inner = folder / "pyodide"
    inner.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(pyodide())) as package:
        for name in (*CORE, "pyodide-lock.json"):
            member = package.extractfile(f"package/{name}")
            assert member is not None
            (inner / name).write_bytes(member.read())
    entries = {}
    for wheel in wheels:
        shutil.copy(wheel, inner)
        made = entry(wheel)
        entries[made["name"]] = made
    for made in entries.values():
        made["depends"] = [need for need in made["depends"] if need in entries]
    lock = json.loads((inner / "pyodide-lock.json").read_text(encoding="utf-8"))
    lock["packages"] = entries
    (inner / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
    archive = folder / "pyodide.tar.bz2"
    with tarfile.open(archive, "w:bz2", compresslevel=1) as whole:
        whole.add(inner, "pyodide")
    return archive


def contents(folder: Path) -> Path:
    """The learner's labs, their kernel chosen."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "labs", folder / "labs", ignore=shutil.ignore_patterns(*LEFT_OUT))
    for path in (folder / "labs").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata["kernelspec"] = KERNELSPEC
        nbformat.write(notebook, path)
    labs = [
        f"* [{lab.name[:2]} {lab.title}](labs/{lab.source.stem}.ipynb)\n"
        for lab in find_labs(ROOT / "labs" / "source")
    ]
    # What the labs call "All labs"; the project's own README.md shows pictures of other sites.
    (folder / "README.md").write_text(f"# The labs\n\n{''.join(labs)}", encoding="utf-8")
    return folder


def configure(out: Path, dist: Path) -> None:
    """Say where Python is: the build's own merge does not keep all of it."""
    file = out / "jupyter-lite.json"
    whole = json.loads(file.read_text(encoding="utf-8"))
    config = whole["jupyter-config-data"]
    config |= {
        "appName": "AArch64 step labs",
        "defaultKernelName": "python",
        "exposeAppInBrowser": True,
    }
    plugin = config.setdefault("litePluginSettings", {}).setdefault(PLUGIN, {})
    plugin |= {
        "pyodideUrl": "./static/pyodide/pyodide.mjs",
        "disablePyPIFallback": True,
        "loadPyodideOptions": {"packages": BOOT},
    }
    file.write_text(json.dumps(whole, indent=1), encoding="utf-8")
    if not (out / "static" / "pyodide").exists():
        shutil.copytree(dist / "pyodide", out / "static" / "pyodide")


def add_scripts(out: Path) -> None:
    """Have every page and every worker of JupyterLite say what keeps it from working."""
    shutil.copy(PAGE, out / "page.js")
    for page in out.glob("*/index.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(
            text.replace("<head>", '<head><script src="../page.js"></script>', 1),
            encoding="utf-8",
        )
    watch = WATCH.read_text(encoding="utf-8")
    for worker in out.glob(f"extensions/{PLUGIN.partition(':')[0]}/static/*.worker.*.js"):
        worker.write_text(watch + worker.read_text(encoding="utf-8"), encoding="utf-8")


def build(out: Path) -> None:
    """The whole site, into a folder that is made anew."""
    dist = WORK / "dist"
    archive = distribution(dist, [*fetched(WORK / "wheels"), *shipped()])
    lite = WORK / "config"
    shutil.rmtree(lite, ignore_errors=True)
    lite.mkdir(parents=True)
    (lite / "jupyter-lite.json").write_text(
        json.dumps({"jupyter-lite-schema-version": 0, "jupyter-config-data": {}}), encoding="utf-8"
    )
    shutil.copy(SETTINGS, lite / "overrides.json")
    shutil.rmtree(out, ignore_errors=True)
    run(
        *(sys.executable, "-m", "jupyterlite_core", "build", "--force", "--lite-dir", lite),
        *("--output-dir", out, "--contents", contents(WORK / "contents"), "--pyodide", archive),
        *("--no-sourcemaps", "--no-unused-shared-packages"),
    )
    configure(out, dist)
    add_scripts(out)


def main(arguments: list[str] | None = None) -> int:
    """Build, and say how large it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help="the folder, made anew")
    options = parser.parse_args(arguments)
    need("npm")
    build(options.out)
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"{options.out}: {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
