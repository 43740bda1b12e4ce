"""Build the notebooks in labs/ from labs/source/: cut solutions, link, execute, write canonically.

Invariant: the same sources and packages give the same bytes, so a committed notebook can be
compared with its build.

    python -m tools.build_labs              build every notebook
    python -m tools.build_labs 00 03        build these
    python -m tools.build_labs --check      build, compare with what is there, write nothing
    python -m tools.build_labs --list       the notebooks that can run on this computer
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tools.canonical import canonicalise, fix_ids
from tools.lab_sources import (
    Lab,
    LabError,
    add_navigation,
    choose,
    find_labs,
    for_learner,
    for_teacher,
    has_solution,
    notebooks,
    read,
)

ROOT = Path(__file__).resolve().parent.parent
CELL_TIMEOUT_SECONDS = 120
NEEDED_PROGRAMS = {"08": "gdb-multiarch"}  # what a lab runs, by its number


# Execution


def environment() -> dict[str, str]:
    """What a lab runs under: this interpreter's kernel, drawings that come out the same twice."""
    return os.environ | {
        "JUPYTER_PREFER_ENV_PATH": "1",
        "MATPLOTLIBRC": str(ROOT / "tools" / "matplotlibrc"),
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "0",
    }


def execute(notebook: NotebookNode, folder: Path, name: str) -> None:
    """Run all cells in order, in the folder that the notebook is going to lie in."""
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_SECONDS,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        record_timing=False,
    )
    try:
        client.execute(env=environment())
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise LabError(f"{name} does not run to its end:\n{error}") from None


def build(lab: Lab, labs: list[Lab], folder: Path) -> Iterator[tuple[Path, str]]:
    """Every notebook that one source gives: its path and its text."""
    learner = read(lab.source)
    add_navigation(learner, lab, labs)
    teacher = read(lab.source)
    add_navigation(teacher, lab, labs)
    variants = [(folder / lab.name, learner)]
    for_learner(learner, lab.source.name)
    if has_solution(teacher):
        for_teacher(teacher)
        variants.append((folder / "solutions" / lab.name, teacher))
    for path, notebook in variants:
        fix_ids(notebook)
        path.parent.mkdir(parents=True, exist_ok=True)
        execute(notebook, path.parent, str(path.relative_to(folder.parent)))
        yield path, canonicalise(notebook)


# Comparing


def difference(committed: str, built: str) -> str:
    """Where two notebooks differ first, in words."""
    try:
        old, new = nbformat.reads(committed, 4).cells, nbformat.reads(built, 4).cells
    except Exception as error:  # noqa: BLE001  # whatever is wrong with it, it is not the notebook we built
        return f"the committed file is not a notebook ({error})"
    for number, (before, after) in enumerate(zip(old, new, strict=False), start=1):
        for part in ("cell_type", "source", "outputs", "execution_count", "metadata", "id"):
            if before.get(part) != after.get(part):
                was, becomes = _short(before.get(part)), _short(after.get(part))
                return f"cell {number}: {part} differs\n  committed: {was}\n  built:     {becomes}"
    if len(old) != len(new):
        return f"{len(old)} cells are committed, {len(new)} are built"
    return "the notebook's metadata or layout differs"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 600 else text[:600] + " ..."


def missing_program(name: str) -> str:
    """The program that a lab runs and that is not on this computer; "" with NO_SKIPS=1, where that is an error."""
    needed = NEEDED_PROGRAMS.get(name[:2], "")
    return needed if needed and not os.environ.get("NO_SKIPS") and not shutil.which(needed) else ""


def left_out(name: str, program: str) -> str:
    return f"{name}: left out, there is no {program} here (apt install {program})"


def list_runnable(folder: Path) -> None:
    """Print the notebooks that can run here, one a line; what cannot is said on the other stream."""
    for path in notebooks(folder):
        if missing := missing_program(path.name):
            print(left_out(f"{path.parent.name}/{path.name}", missing), file=sys.stderr)
        else:
            print(path)


def main(arguments: list[str] | None = None) -> int:
    """Build or check; the exit status is 1 on any difference, or when a lab does not run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("labs", nargs="*", help="numbers or names to build (default: all)")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--list", action="store_true", help="list what can run here, build nothing")
    parser.add_argument("--folder", type=Path, default=ROOT / "labs", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    if options.list:
        list_runnable(folder)
        return 0
    status = 0
    try:
        labs = find_labs(folder / "source")
        built: set[Path] = set()
        for lab in choose(labs, options.labs):
            if missing := missing_program(lab.name):
                print(left_out(lab.name, missing))
                built |= {folder / lab.name, folder / "solutions" / lab.name}
                continue
            for path, text in build(lab, labs, folder):
                built.add(path)
                status |= _settle(path, text, check=options.check)
        if not options.labs:
            for path in [*folder.glob("[0-9][0-9]-*.ipynb"), *folder.glob("solutions/*.ipynb")]:
                if path not in built:
                    print(f"{path.relative_to(folder)}: no source builds it; remove it")
                    status = 1
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return status


def _settle(path: Path, text: str, *, check: bool) -> int:
    """Write a built notebook, or compare it with the file that is there."""
    before = path.read_text(encoding="utf-8") if path.exists() else None
    name = f"{path.parent.name}/{path.name}"
    if before == text:
        print(f"{name}: unchanged" if not check else f"{name}: is its build")
        return 0
    if not check:
        path.write_text(text, encoding="utf-8")
        print(f"{name}: written")
        return 0
    if before is None:
        print(f"{name}: not there; run make labs")
    else:
        print(f"{name}: differs from its build (run make labs): {difference(before, text)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
