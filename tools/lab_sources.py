"""The sources of the labs: find and read them, cut solutions, link one lab to the next.

Invariant: a learner's notebook and a teacher's are two ways to cut the same source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from widgets.course import links_from_below

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB, LINE_STUB = "pass  # your code here", "# your code here"


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
