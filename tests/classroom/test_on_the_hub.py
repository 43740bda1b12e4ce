"""An assignment through a running hub, as its pages do it: seen, fetched, handed in, collected."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import assignment, hub
from tools.class_check import running_hub
from tools.learner import Learner

pytestmark = pytest.mark.classroom
NAME = "01-one-step"


def test_a_learner_of_the_hub_hands_in_under_their_own_name(tmp_path: Path) -> None:
    course = tmp_path / "course"
    assert assignment.main(["01", "--course", str(course)]) == 0

    def teacher(*words: str) -> None:
        command = [sys.executable, "-m", "nbgrader", *words]
        env = hub.environment(tmp_path) | {"HOME": str(tmp_path)}
        done = subprocess.run(
            command, cwd=course, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    with running_hub(tmp_path, "a password of a class") as (_, url):
        teacher("generate_assignment", NAME)
        teacher("release_assignment", NAME)
        ada = Learner("ada", url)
        ada.log_in("a password of a class")
        ada.get("/user/ada/lab")

        def press(button: str) -> Any:
            answer = ada.web.post(
                f"{ada.base}/assignments/{button}",
                data={"course_id": "step-labs", "assignment_id": NAME},
                headers={"X-XSRFToken": ada.xsrf("/user/ada/")},
                timeout=60,
            )
            return answer.json()

        (seen,) = ada.get("/user/ada/assignments?course_id=step-labs").json()["value"]
        assert (seen["assignment_id"], seen["status"]) == (NAME, "released")
        assert press("fetch")["success"]
        assert (tmp_path / "learners" / "ada" / NAME / f"{NAME}.ipynb").is_file()
        assert press("submit")["success"]
        teacher("collect", NAME)
    assert [path.name for path in (course / "submitted").iterdir()] == ["ada"]
    shutil.rmtree(tmp_path / "learners")
