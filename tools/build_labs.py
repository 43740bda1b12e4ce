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
import hashlib
import os
import re
import shutil
import struct
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from widgets.course import links_from_below

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB, LINE_STUB = "pass  # your code here", "# your code here"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
CELL_TIMEOUT_SECONDS = 120
NEEDED_PROGRAMS = {"08": "gdb-multiarch"}  # what a lab runs, by its number


class LabError(Exception):
    """A source or its execution is not as it must be; the text says where and what to do."""


@dataclass(frozen=True)
class Lab:
    """One source: its file, and the title that links to it carry."""

    source: Path
    title: str

    @property
    def name(self) -> str:
        return f"{self.source.stem}.ipynb"


def find_labs(folder: Path) -> list[Lab]:
    """All labs in the order of their numbers; the title is the source's only H1."""
    labs = []
    for source in sorted(folder.glob("[0-9][0-9]-*.py")):
        headings = _headings(read(source))
        if len(headings) != 1:
            raise LabError(f"{source.name}: {len(headings)} first-level headings; a lab has one")
        labs.append(Lab(source, headings[0]))
    return labs


def choose(labs: list[Lab], wanted: list[str]) -> list[Lab]:
    """The labs whose names start as asked, in their order; all if nothing is asked for."""
    if unknown := [
        start for start in wanted if not any(lab.name.startswith(start) for lab in labs)
    ]:
        there = ", ".join(lab.name[:2] for lab in labs)
        raise LabError(f"no lab starts with {' or '.join(unknown)}; there are {there}")
    return [lab for lab in labs if lab.name.startswith(tuple(wanted) or "")]


def read(source: Path) -> NotebookNode:
    """A source as a notebook; LabError if it is none."""
    try:
        notebook: NotebookNode = jupytext.read(source, fmt="py:percent")
    except nbformat.ValidationError as error:
        raise LabError(f"{source.name}: not a percent source ({error.message})") from None
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    return notebook


def _headings(notebook: NotebookNode) -> list[str]:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    outside_code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^# (.+?)\s*$", outside_code, flags=re.MULTILINE)


def notebooks(folder: Path) -> list[Path]:
    """What is built and is there: the learner's notebooks, then the teacher's. A copy of somebody's is none of them."""
    names = [
        f"{source.stem}.ipynb" for source in sorted((folder / "source").glob("[0-9][0-9]-*.py"))
    ]
    paths = [place / name for place in (folder, folder / "solutions") for name in names]
    return [path for path in paths if path.is_file()]


# Learner's and teacher's version of one source


def cut_solution(source: str, where: str) -> str:
    """The text with each marked solution replaced by a stub that runs.

    >>> print(cut_solution("if x:\\n    ### BEGIN SOLUTION\\n    go()\\n    ### END SOLUTION", ""))
    if x:
        pass  # your code here
    """
    kept: list[str] = []
    inside = False
    for line in source.split("\n"):
        marker = line.strip()
        if marker == BEGIN:
            if inside:
                raise LabError(f"{where}: {BEGIN} inside a solution")
            inside = True
            indent = line[: len(line) - len(line.lstrip())]
            kept.append(indent + STUB if indent else LINE_STUB)  # only a body needs a statement
        elif marker == END:
            if not inside:
                raise LabError(f"{where}: {END} without its {BEGIN}")
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise LabError(f"{where}: {BEGIN} without its {END}")
    return "\n".join(kept)


def has_solution(notebook: NotebookNode) -> bool:
    """Whether anything in it is for the teacher only: marked lines, or a cell tagged `solution`."""
    return any(BEGIN in cell.source or _is_solution(cell) for cell in notebook.cells)


def _is_solution(cell: NotebookNode) -> bool:
    return "solution" in cell.metadata.get("tags", [])


def for_learner(notebook: NotebookNode, name: str) -> None:
    """Cut marked solutions and drop the cells tagged `solution`."""
    drop_explanations(notebook)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.source = cut_solution(cell.source, f"{name}, cell {number}")


def drop_explanations(notebook: NotebookNode) -> None:
    """Drop the cells tagged `solution`, and fold those of the questions: they name the right answer."""
    notebook.cells = [cell for cell in notebook.cells if not _is_solution(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code" and "Question(" in cell.source:
            cell.metadata["jupyter"] = {"source_hidden": True}


def for_teacher(notebook: NotebookNode) -> None:
    """Make relative links and pictures work from labs/solutions/, and say what the notebook is."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = links_from_below(cell.source)
            cell.source = re.sub(
                r"^# (.+)$", r"# \1 (solutions)", text, count=1, flags=re.MULTILINE
            )


def add_navigation(notebook: NotebookNode, lab: Lab, labs: list[Lab]) -> None:
    """A last cell that links to the lab before, the list of labs and the lab after."""
    at = labs.index(lab)
    links = []
    if at > 0:
        links.append(f"[← {labs[at - 1].title}]({labs[at - 1].name})")
    links.append("[All labs](../README.md#the-labs)")
    if at + 1 < len(labs):
        links.append(f"[{labs[at + 1].title} →]({labs[at + 1].name})")
    metadata = {"name": "navigation", "tags": ["navigation"]}
    notebook.cells.append(new_markdown_cell(" · ".join(links), metadata=metadata))


# Canonical form


def fix_ids(notebook: NotebookNode) -> None:
    """A cell's id is its name, or made from its text: editing one leaves the other ids alone."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        text = f"{cell.cell_type}\n{cell.source}".encode()
        base = cell.metadata.get("name") or f"c{hashlib.sha256(text).hexdigest()[:10]}"
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", base)[:56]
        seen[base] = seen.get(base, 0) + 1
        cell.id = base if seen[base] == 1 else f"{base}-{seen[base]}"


def plain_png(data: bytes) -> bytes:
    """The picture without its text chunks (they name the version of the library that drew it)."""
    kept, at = [data[:8]], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunk = data[at : at + 12 + length]
        if chunk[4:8] not in (b"tEXt", b"zTXt", b"iTXt", b"tIME"):
            kept.append(chunk)
        at += len(chunk)
    return b"".join(kept)


def canonical_outputs(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Streams joined, widget views and other people's traceback frames dropped, pictures plain."""
    result: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if result and result[-1].output_type == "stream" and result[-1].name == output.name:
                result[-1].text += output.text
                continue
        elif output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}"]
        else:
            data = output.data
            data.pop(WIDGET_VIEW, None)
            output.metadata = NotebookNode()
            if "image/png" in data:
                data["image/png"] = b64encode(plain_png(b64decode(data["image/png"]))).decode()
                if is_sentence(data.get("text/plain", "")):
                    output.metadata["image/png"] = NotebookNode(alt=data["text/plain"])
        result.append(output)
    return result


def is_sentence(text: str) -> bool:
    """Whether a text stands for a picture: `<Figure size 640x480 with 1 Axes>` does not.

    >>> is_sentence("Panel: stopped at 0x4000000c"), is_sentence("<Figure size 640x480>")
    (True, False)
    """
    return bool(text) and not text.startswith("<")


def canonicalise(notebook: NotebookNode) -> str:
    """The notebook as text, with nothing in it that changes from build to build."""
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        cell.metadata.pop("lines_to_next_cell", None)
        if cell.cell_type == "code":
            cell.outputs = canonical_outputs(cell.outputs)
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"


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
