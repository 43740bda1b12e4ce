"""Export the labs to an nbgrader course: `make assignment ARGS="01 04"`, the default is all labs.

Invariant: every task of a source becomes an answer cell and a locked cell worth a point, which fails exactly if the
lab's own check does not say "right". No check and no answer goes along: a learner's notebook finds the checks where the
project is installed. Nothing that learners handed in, and no gradebook, is ever touched.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from tools.build_labs import ROOT
from tools.canonical import canonicalise, fix_ids
from tools.lab_sources import (
    BEGIN,
    Lab,
    LabError,
    choose,
    cut_solution,
    drop_explanations,
    find_labs,
    read,
)

CONFIG = ROOT / "binder" / "hub" / "nbgrader_config.py"
POINTS = 1


@dataclass(frozen=True)
class Exercise:
    """A task's cell, taken apart: what a learner writes, and what is checked of it."""

    work: str
    name: str
    answer: str


def take_apart(source: str, where: str) -> Exercise:
    """A task's cell as answer and check.

    >>> take_apart('### BEGIN SOLUTION\\nx = 1\\n### END SOLUTION\\nlab.check("one", x)', "")
    Exercise(work='### BEGIN SOLUTION\\nx = 1\\n### END SOLUTION', name='one', answer='x')
    """
    cut_solution(source, where)  # balanced markers, or a LabError
    try:
        last = ast.parse(source).body[-1]
    except SyntaxError as error:
        raise LabError(f"{where}: {error.msg} in line {error.lineno}") from None
    match last:
        case ast.Expr(
            ast.Call(ast.Attribute(attr="check"), [ast.Constant(str(name)), answer], keywords=[])
        ):
            work = "\n".join(source.split("\n")[: last.lineno - 1]).rstrip()
            return Exercise(work, name, ast.get_source_segment(source, answer) or "")
    raise LabError(f'{where}: a cell with a solution ends in its check, lab.check("name", answer)')


def graded(lab: Lab) -> NotebookNode:
    """The notebook that nbgrader releases: answers still in it, graded cells marked."""
    notebook = read(lab.source)
    drop_explanations(notebook)
    cells, names = [], set()
    for number, cell in enumerate(notebook.cells, start=1):
        cells.append(cell)
        if BEGIN not in cell.source:
            continue
        exercise = take_apart(cell.source, f"{lab.source.name}, cell {number}")
        if exercise.name in names:
            raise LabError(f"{lab.source.name}: two cells answer the task {exercise.name}")
        names.add(exercise.name)
        cell.source = exercise.work
        _mark(cell, f"task-{exercise.name}", solution=True)
        check = new_code_cell(_check(lab, exercise))
        # Run All goes on behind a task that is still open, as it does in the lab.
        check.metadata |= {"name": f"grade-{exercise.name}", "tags": ["raises-exception"]}
        _mark(check, f"grade-{exercise.name}", grade=True, locked=True, points=POINTS)
        cells.append(check)
    notebook.cells = cells
    fix_ids(notebook)
    return notebook


def _check(lab: Lab, exercise: Exercise) -> str:
    """The graded cell: what a learner sees of the check. Points come from `widgets.course.grading`."""
    return (
        f"# The check of this task: {POINTS} point. Points are given for the answer above, graded in a fresh process.\n"
        "from widgets.course import exercises\n\n"
        f'exercises("{lab.name[:2]}").grade("{exercise.name}", {exercise.answer})'
    )


def _mark(cell: NotebookNode, grade_id: str, **more: bool | int) -> None:
    grade_id = grade_id.replace("_", "-")
    cell.metadata["nbgrader"] = {
        "schema_version": 3,
        "grade_id": grade_id,
        "cell_type": cell.cell_type,
        "grade": False,
        "solution": False,
        "locked": False,
        "task": False,
    } | more


# Links: a learner's folder holds one lab


def settle_links(notebook: NotebookNode, folder: Path, blob: str) -> set[str]:
    """Files that are linked to go along and are returned; links to other notebooks lead to the project's page."""
    along: set[str] = set()

    def settle(found: re.Match[str]) -> str:
        before, target = found.groups()
        file = target.split("#")[0]
        if file.endswith(".ipynb") or ".." in file or not (folder / file).is_file():
            return f"{before}{blob}/labs/{target}"
        along.add(file)
        return before + target

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                r"""(\]\(|src=["'])(?![a-z]+:|#|/)([^)\s"']+)""", settle, cell.source
            )
    return along


def export(lab: Lab, course: Path, blob: str) -> int:
    """Write one lab's assignment, source/NN-name/, anew; returns how many points it has."""
    notebook = graded(lab)
    labs = lab.source.parents[1]
    along = settle_links(notebook, labs, blob)
    folder = course / "source" / lab.source.stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / lab.name).write_text(canonicalise(notebook), encoding="utf-8")
    for name in along:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(labs / name, folder / name)
    return sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in notebook.cells)


def page() -> str:
    """Where the project's files can be read, from pyproject.toml."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    return f"{urls['Homepage']}/blob/main"


def main(arguments: list[str] | None = None) -> int:
    """Export; the exit status is 1, with one sentence, if a lab or the folder is not as it must be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("labs", nargs="*", help="numbers or names of labs (default: all)")
    parser.add_argument(
        "--course", type=Path, default=Path("class/course"), help="the course's folder"
    )
    options = parser.parse_args(arguments)
    course = options.course.resolve()
    try:
        chosen = choose(find_labs(ROOT / "labs" / "source"), options.labs)
        course.mkdir(parents=True, exist_ok=True)
        course.chmod(0o700)  # the gradebook and all hand-ins will lie here
        for lab in chosen:
            points = export(lab, course, page())
            print(f"{options.course}/source/{lab.source.stem}: {points} points")
        if not (course / CONFIG.name).exists():
            shutil.copy2(CONFIG, course / CONFIG.name)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"Cannot write {error.filename} ({error.strerror});"
            " choose another folder: make assignment CLASS=/srv/class.",
            file=sys.stderr,
        )
        return 1
    print(f"Now, in {options.course}: nbgrader generate_assignment {chosen[0].source.stem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
