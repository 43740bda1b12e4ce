"""tools/assignment.py: what becomes of a lab's cells, files and links on the way to nbgrader."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tools import assignment
from tools.lab_sources import LabError, find_labs

from checks.task import Lab, NotRightError, Task, Wrong

ROOT = Path(__file__).resolve().parents[2]
LABS = find_labs(ROOT / "labs" / "source")

each_lab = pytest.mark.parametrize("lab", LABS, ids=[lab.name[:2] for lab in LABS])


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    assert assignment.main(["--course", str(folder)]) == 0
    return folder


def marks(course: Path, lab: Any) -> list[dict[str, Any]]:
    path = course / "source" / lab.source.stem / lab.name
    cells = nbformat.read(path, 4).cells
    return [
        cell.metadata.nbgrader | {"source": cell.source}
        for cell in cells
        if "nbgrader" in cell.metadata
    ]


@each_lab
def test_every_task_is_an_answer_and_behind_it_a_locked_check_worth_a_point(
    course: Path, lab: Any
) -> None:
    asked = re.findall(r'^\w+\.check\("(\w+)"', lab.source.read_text(encoding="utf-8"), re.M)
    found = marks(course, lab)
    answers, checks = found[::2], found[1::2]
    assert [mark["grade_id"] for mark in answers] == [f"task-{n.replace('_', '-')}" for n in asked]
    for mark in answers:
        assert (mark["solution"], mark["grade"], mark["locked"]) == (True, False, False)
        assert "### BEGIN SOLUTION" in mark["source"]
    assert [mark["grade_id"] for mark in checks] == [f"grade-{n.replace('_', '-')}" for n in asked]
    for name, mark in zip(asked, checks, strict=True):
        assert (mark["solution"], mark["grade"], mark["locked"]) == (False, True, True)
        assert mark["points"] == 1
        assert f'.grade("{name}", ' in mark["source"]


@each_lab
def test_an_assignments_links_lead_into_its_folder_or_to_the_projects_page(
    course: Path, lab: Any
) -> None:
    folder = course / "source" / lab.source.stem
    cells = nbformat.read(folder / lab.name, 4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    targets = re.findall(r"""(?:\]\(|src=["'])([^)"'\s#]+)""", text)
    assert targets
    for target in targets:
        if target.startswith(assignment.page()):
            assert (ROOT / target.removeprefix(assignment.page() + "/")).exists(), target
        elif not re.match(r"[a-z]+:", target):
            assert (folder / target).is_file(), target


def test_exporting_again_gives_the_same_files_and_touches_nothing_of_the_class(
    course: Path,
) -> None:
    def everything() -> dict[str, bytes]:
        paths = (path for path in course.rglob("*") if path.is_file())
        return {str(path.relative_to(course)): path.read_bytes() for path in paths}

    handed_in = course / "submitted" / "ada" / "01-one-step" / "01-one-step.ipynb"
    handed_in.parent.mkdir(parents=True)
    handed_in.write_text("hers")
    (course / "gradebook.db").write_text("grades")
    (course / "nbgrader_config.py").write_text("# the teacher's own\n")
    before = everything()
    assert assignment.main(["--course", str(course)]) == 0
    assert everything() == before


def test_a_lab_that_is_not_there_is_said_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert assignment.main(["01", "77", "--course", str(tmp_path / "course")]) == 1
    assert capsys.readouterr().err.startswith("no lab starts with 77; there are 00, 01, ")
    assert not (tmp_path / "course").exists()


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "course").touch()
    assert assignment.main(["01", "--course", str(tmp_path / "course")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "a cell with a solution ends in its check"),
        ("### BEGIN SOLUTION\nx = 1\nlab.check('x', x)", "without its ### END SOLUTION"),
        ("### BEGIN SOLUTION\nx =\n### END SOLUTION", "here: invalid syntax in line 2"),
    ],
)
def test_a_task_that_cannot_be_taken_apart_is_refused(source: str, message: str) -> None:
    with pytest.raises(LabError, match=message):
        assignment.take_apart(source, "here")


# --- a graded cell fails exactly if the check does ------------------------------------------------------------------


def is_three(answer: Any) -> str:
    print("looking", file=sys.stderr)
    if answer != 3:
        raise Wrong(f"{answer} is not three")
    return "three"


def test_grading_prints_the_verdict_if_it_is_right_and_raises_it_if_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lab = Lab("00", [Task("three", "Give a number.", is_three, ("", ""), "")])
    lab.grade("three", 3)
    assert capsys.readouterr().out == "\u2713 three: three.\n"
    for answer, said in (
        (4, "\u2717 three: 4 is not three."),
        (None, "\u25cb three: Give a number."),
    ):
        with pytest.raises(NotRightError) as raised:
            lab.grade("three", answer)
        assert raised.value._render_traceback_() == [said]
        assert str(lab.check("three", answer)) == said
        capsys.readouterr()
    lab.grade("three", 3)
    assert capsys.readouterr().err == ""
