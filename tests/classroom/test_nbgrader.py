"""The way of two labs through nbgrader: released, fetched, handed in, graded, given back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from tools import assignment
from tools.build_labs import environment
from tools.lab_sources import choose, cut_solution, find_labs, read

ROOT = Path(__file__).resolve().parents[2]
LABS = choose(find_labs(ROOT / "labs" / "source"), ["01", "04"])
COURSE = "step-labs"

pytestmark = pytest.mark.classroom

# What bob answers, by lab and task; he leaves open what is not here. Some of it is right.
BOB = {
    "01": {
        "possible": "def possible(el, target_el, kde, d, os_lock):\n    return el < target_el",
        "state": (
            "import sys\n\n\ndef state(mdscr_ss, pstate_ss, possible_here):\n"
            "    print('here', file=sys.stderr)  # a grader takes points for this, a check does not\n"
            "    if not (mdscr_ss and possible_here):\n        return 'inactive'\n"
            "    return 'active-not-pending' if pstate_ss else 'active-pending'"
        ),
        "saved": "saved = 1 / 0",
        "stops": "stops = {1: (1, 0x4000_0004), 0: (0, 0x4000_0000)}",
    },
    "04": {
        "stops_of": "def stops_of(kinds):\n    while True:\n        pass",
        "follow_the_bit": "bit = ' \\u2713 '",
        "who_completes": "from widgets.course import exercises\n"
        "type(exercises('04')).grade = lambda *a: None",
        "skip_instruction": "lab = None\n\n\ndef skip_instruction(vcpu):\n    vcpu.pc += 4\n"
        "    vcpu.pstate &= ~(1 << 21) & ~(3 << 10)",
    },
}


def right_answers(lab: Any) -> dict[str, str]:
    """The sources' own solutions, by task."""
    cells = [cell.source for cell in read(lab.source).cells if "### BEGIN SOLUTION" in cell.source]
    return {e.name: e.work for e in (assignment.take_apart(cell, "") for cell in cells)}


ANSWERS = {
    "ada": {lab.name[:2]: right_answers(lab) for lab in LABS},
    "bob": BOB,
}


def verdicts_of_the_lab(lab: Any, answers: dict[str, str]) -> dict[str, bool]:
    """Run the lab as it is in labs/, with these answers in it, and read what its checks print."""
    notebook = read(lab.source)
    tasks = []
    for cell in notebook.cells:
        if "### BEGIN SOLUTION" in cell.source:
            exercise = assignment.take_apart(cell.source, "")
            tasks.append(exercise.name)
            work = answers.get(exercise.name) or cut_solution(exercise.work, "")
            cell.source = (
                f'{work}\nexercises("{lab.name[:2]}").check("{exercise.name}", {exercise.answer})'
            )
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(ROOT / "labs")}},
    )
    client.execute(env=environment())
    said = [
        "".join(output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    ]
    right = {name for text in said for name in re.findall(r"^\u2713 (\w+):", text)}
    return {name: name in right for name in tasks}


def answer(path: Path, answers: dict[str, str]) -> NotebookNode:
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        for task, work in answers.items():
            if grade_id == f"task-{task.replace('_', '-')}":
                cell.source = work
    return notebook


class Classroom:
    """A course, an exchange and two learners, all in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.course = folder / "course"
        self.exchange = folder / "exchange"
        self.exchange.mkdir()
        self.exchange.chmod(0o1777)

    def nbgrader(self, *words: str, cwd: Path, learner: str = "") -> str:
        env = (
            os.environ
            | {
                "HOME": str(self.folder / "home"),
                "JUPYTER_PREFER_ENV_PATH": "1",
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # it runs alembic
            }
        )
        if learner:
            config = str(ROOT / "binder" / "hub" / "learner")
            env |= {"JUPYTERHUB_USER": learner, "JUPYTER_CONFIG_PATH": config}
            env["STEP_LABS_EXCHANGE"] = str(self.exchange)
        command = [sys.executable, "-m", "nbgrader", *words]
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def autograded(self, learner: str, lab: Any) -> NotebookNode:
        return nbformat.read(
            self.course / "autograded" / learner / lab.source.stem / lab.name, as_version=4
        )

    def scores(self, learner: str, lab: Any) -> dict[str, float]:
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.course / 'gradebook.db'}") as book:
            found = book.find_submission_notebook(lab.source.stem, lab.source.stem, learner)
            return {grade.name: grade.score for grade in found.grades}


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Classroom:
    room = Classroom(tmp_path_factory.mktemp("classroom"))
    numbers = [lab.name[:2] for lab in LABS]
    assert assignment.main([*numbers, "--course", str(room.course)]) == 0
    for lab in LABS:
        name = lab.source.stem
        room.nbgrader("generate_assignment", name, cwd=room.course)
        room.nbgrader("release_assignment", name, cwd=room.course)
        for learner in ANSWERS:
            home = room.folder / "learners" / learner
            home.mkdir(parents=True, exist_ok=True)
            room.nbgrader("fetch_assignment", name, cwd=home, learner=learner)
            path = home / name / lab.name
            notebook = answer(path, ANSWERS[learner][lab.name[:2]])
            if learner == "bob":
                cheat(notebook, home / name)
            nbformat.write(notebook, path)
            room.nbgrader("submit", name, cwd=home, learner=learner)
        room.nbgrader("collect", name, cwd=room.course)
        room.nbgrader("autograde", name, cwd=room.course)
        room.nbgrader("generate_feedback", name, cwd=room.course)
        room.nbgrader("release_feedback", name, cwd=room.course)
    return room


def cheat(notebook: NotebookNode, folder: Path) -> None:
    """Bend the first graded cell, delete the last one, and hand in checks of one's own."""
    grades = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    grades[0].source = "1 + 1"
    notebook.cells.remove(grades[-1])
    (folder / "checks").mkdir()
    (folder / "checks" / "task.py").write_text("raise SystemExit  # checks of my own")


each_lab = pytest.mark.parametrize("lab", LABS, ids=[lab.name[:2] for lab in LABS])
each_learner = pytest.mark.parametrize("learner", ANSWERS)


@each_lab
@each_learner
def test_nbgrader_gives_a_point_exactly_where_the_labs_check_says_right(
    classroom: Classroom, lab: Any, learner: str
) -> None:
    expected = verdicts_of_the_lab(lab, ANSWERS[learner][lab.name[:2]])
    points = classroom.scores(learner, lab)
    assert points == {
        f"grade-{name.replace('_', '-')}": float(right) for name, right in expected.items()
    }


@each_lab
def test_right_answers_give_all_points_and_some_wrong_ones_some(
    classroom: Classroom, lab: Any
) -> None:
    right, partly = classroom.scores("ada", lab), classroom.scores("bob", lab)
    assert set(right.values()) == {1.0}
    assert 0 < sum(partly.values()) < len(partly)


@each_lab
def test_a_bent_or_deleted_graded_cell_and_bent_checks_are_restored(
    classroom: Classroom, lab: Any
) -> None:
    def grades(notebook: NotebookNode) -> list[str]:
        return [
            cell.source.split("\n")[-1]
            for cell in notebook.cells
            if cell.metadata.get("nbgrader", {}).get("grade")
        ]

    folder = classroom.course / "submitted" / "bob" / lab.source.stem
    assert not (classroom.course / "release" / lab.source.stem / "checks").exists()
    handed_in, graded = (
        grades(nbformat.read(folder / lab.name, 4)),
        classroom.autograded("bob", lab),
    )
    source = grades(nbformat.read(classroom.course / "source" / lab.source.stem / lab.name, 4))
    assert handed_in[0] == "1 + 1"
    assert len(handed_in) == len(source) - 1
    assert grades(graded) == source


@each_lab
def test_what_is_released_has_the_stubs_of_the_lab_and_no_solution(
    classroom: Classroom, lab: Any
) -> None:
    path = classroom.course / "release" / lab.source.stem / lab.name
    released = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in nbformat.read(path, 4).cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    assert released == {
        f"task-{name.replace('_', '-')}": re.sub(  # nbgrader has one stub, with a statement
            r"(?m)^# your code here", "pass  # your code here", cut_solution(work, "")
        )
        for name, work in right_answers(lab).items()
    }


@each_lab
@each_learner
def test_the_feedback_is_a_page_that_says_the_verdicts(
    classroom: Classroom, lab: Any, learner: str
) -> None:
    page = classroom.course / "feedback" / learner / lab.source.stem / f"{lab.source.stem}.html"
    text = page.read_text(encoding="utf-8")
    points = classroom.scores(learner, lab)
    assert f"Score: {sum(points.values())} / {float(len(points))}" in text
    assert len(re.findall("\u2713 \\w+:", text)) >= sum(points.values())
    assert "could not be converted" not in text
    home = classroom.folder / "learners" / learner
    shutil.rmtree(home / lab.source.stem / "feedback", ignore_errors=True)
    classroom.nbgrader("fetch_feedback", lab.source.stem, cwd=home, learner=learner)
    assert list((home / lab.source.stem / "feedback").rglob("*.html"))


def test_run_all_reaches_the_end_of_an_unanswered_assignment(classroom: Classroom) -> None:
    lab = LABS[0]
    folder = classroom.course / "release" / lab.source.stem
    notebook = nbformat.read(folder / lab.name, 4)
    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=environment())  # raises at the first error that no tag permits
    said = [
        output
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
        for output in cell.outputs
    ]
    assert [output.output_type for output in said] == ["error"] * len(right_answers(lab))
    for output in said:
        assert "Traceback" not in "\n".join(output.traceback)
