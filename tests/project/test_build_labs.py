"""tools/build_labs.py: what it cuts, links, drops; building twice gives the same bytes."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path

import jupytext
import pytest

from tools import build_labs, canonical, lab_sources

FIRST = '''# %% [markdown]
# # First lab
# ![a dot](images/dot.png), and [more](../README.md)

# %% name="task-increment" tags=["task"]
def increment(x):
    """One more than x."""
    ### BEGIN SOLUTION
    return x + 1
    ### END SOLUTION


print("answered" if increment(1) == 2 else "increment() gives no answer yet")

# %% [markdown] tags=["solution"]
# Adding one is adding one.

# %%
import sys

import ipywidgets as widgets
import matplotlib.pyplot as plt

print("out")
print("err", file=sys.stderr)
plt.plot([1, 2])
plt.show()


class Panel(widgets.VBox):
    def __repr__(self):
        return "Panel: at the start"


Panel([widgets.Button(description="Step")])

# %% tags=["raises-exception"]
1 / 0
'''
SECOND = "# %% [markdown]\n# # Second lab\n\n# %%\n6 * 7\n"


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "labs"
    (folder / "source").mkdir(parents=True)
    (folder / "source" / "00-first.py").write_text(FIRST)
    (folder / "source" / "01-second.py").write_text(SECOND)
    assert build_labs.main(["--folder", str(folder)]) == 0
    return folder


def cells(path: Path) -> dict[str, dict]:
    return {cell["id"]: cell for cell in json.loads(path.read_text())["cells"]}


def outputs(path: Path) -> list[dict]:
    return [output for cell in cells(path).values() for output in cell.get("outputs", [])]


def test_building_again_gives_the_same_bytes(labs: Path) -> None:
    before = {path: path.read_bytes() for path in labs.rglob("*.ipynb")}
    assert len(before) == 3
    for path in before:
        path.unlink()
    assert build_labs.main(["--folder", str(labs)]) == 0
    assert {path: path.read_bytes() for path in labs.rglob("*.ipynb")} == before


def test_check_accepts_a_build_and_names_the_cell_that_differs(
    labs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = labs / "01-second.ipynb"
    built = path.read_text()
    assert build_labs.main(["--folder", str(labs), "--check", "01"]) == 0
    path.write_text(built.replace('"42"', '"43"'))
    assert build_labs.main(["--folder", str(labs), "--check", "01"]) == 1
    assert "cell 2: outputs differs" in capsys.readouterr().out
    path.write_text(built)


def test_check_reports_a_notebook_without_a_source(
    labs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = labs / "07-stale.ipynb"
    stale.write_text("{}")
    assert build_labs.main(["--folder", str(labs), "--check"]) == 1
    assert "07-stale.ipynb: no source builds it" in capsys.readouterr().out
    stale.unlink()


def test_the_learner_gets_a_stub_that_runs_and_the_teacher_the_answer(labs: Path) -> None:
    learner = cells(labs / "00-first.ipynb")["task-increment"]
    teacher = cells(labs / "solutions" / "00-first.ipynb")["task-increment"]
    assert "    pass  # your code here\n" in learner["source"]
    assert not any("SOLUTION" in line for line in learner["source"])
    assert learner["outputs"][0]["text"] == ["increment() gives no answer yet\n"]
    assert "    ### BEGIN SOLUTION\n" in teacher["source"]
    assert teacher["outputs"][0]["text"] == ["answered\n"]


def test_a_worked_explanation_is_for_the_teacher_only(labs: Path) -> None:
    explanation = "Adding one is adding one."
    assert explanation not in (labs / "00-first.ipynb").read_text()
    assert explanation in (labs / "solutions" / "00-first.ipynb").read_text()


def test_only_a_source_with_solutions_has_a_solution_notebook(labs: Path) -> None:
    assert [path.name for path in (labs / "solutions").iterdir()] == ["00-first.ipynb"]


def test_tags_stay(labs: Path) -> None:
    assert cells(labs / "00-first.ipynb")["task-increment"]["metadata"]["tags"] == ["task"]


def test_each_lab_links_to_the_one_before_and_after(labs: Path) -> None:
    first = cells(labs / "00-first.ipynb")["navigation"]["source"]
    second = cells(labs / "01-second.ipynb")["navigation"]["source"]
    assert first == ["[All labs](../README.md#the-labs) · [Second lab →](01-second.ipynb)"]
    assert second == ["[← First lab](00-first.ipynb) · [All labs](../README.md#the-labs)"]


def test_links_and_pictures_work_from_the_solutions_folder(labs: Path) -> None:
    text = (labs / "solutions" / "00-first.ipynb").read_text()
    assert "# First lab (solutions)" in text
    assert "![a dot](../images/dot.png), and [more](../../README.md)" in text
    assert "[Second lab →](../01-second.ipynb)" in text


def test_no_widget_view_or_frame_of_a_traceback_is_kept(labs: Path) -> None:
    *_, picture, panel, error = outputs(labs / "00-first.ipynb")
    assert set(picture["data"]) == {"image/png", "text/plain"}
    assert panel["data"] == {"text/plain": ["Panel: at the start"]}
    assert error["traceback"] == ["ZeroDivisionError: division by zero"]


def test_a_picture_names_no_library_version(labs: Path) -> None:
    (picture,) = [o for o in outputs(labs / "00-first.ipynb") if "image/png" in o.get("data", {})]
    assert b"Matplotlib" not in b64decode(picture["data"]["image/png"])


def test_editing_one_cell_changes_no_other_id() -> None:
    def ids(source: str) -> list[str]:
        notebook = jupytext.reads(source, fmt="py:percent")
        canonical.fix_ids(notebook)
        return [cell.id for cell in notebook.cells]

    source = "# %%\na = 1\n\n# %%\nb = 1\n\n# %%\nb = 1\n"
    before, after = ids(source), ids(source.replace("a = 1", "a = 2"))
    assert before[1:] == after[1:]
    assert before[2] == before[1] + "-2"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("### BEGIN SOLUTION", "here: ### BEGIN SOLUTION without its ### END SOLUTION"),
        ("### END SOLUTION", "here: ### END SOLUTION without its ### BEGIN SOLUTION"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION", "here: ### BEGIN SOLUTION inside a solution"),
    ],
)
def test_unbalanced_markers_are_refused(source: str, message: str) -> None:
    with pytest.raises(lab_sources.LabError, match=message):
        lab_sources.cut_solution(source, "here")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("# %%\n1\n", "00-lab.py: 0 first-level headings; a lab has one"),
        ("# %% [markdown]\n# # A\n# # B\n", "00-lab.py: 2 first-level headings; a lab has one"),
        ("# %% [markdown]\n# # A\n\n# %%\nnowhere\n", "NameError: name 'nowhere' is not defined"),
    ],
)
def test_a_bad_source_ends_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, message: str
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "00-lab.py").write_text(source)
    assert build_labs.main(["--folder", str(tmp_path)]) == 1
    assert message in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err)


def test_asking_for_no_lab_there_is_ends_in_a_sentence(
    labs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_labs.main(["--folder", str(labs), "44"]) == 1
    assert "no lab starts with 44" in capsys.readouterr().err


def test_a_lab_whose_program_is_not_here_is_left_out_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "labs"
    (folder / "source").mkdir(parents=True)
    (folder / "source" / "08-gdb.py").write_text(SECOND)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("NO_SKIPS", raising=False)
    assert build_labs.main(["--folder", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said == (
        "08-gdb.ipynb: left out, there is no gdb-multiarch here (apt install gdb-multiarch)\n"
    )
    monkeypatch.setenv("NO_SKIPS", "1")
    assert build_labs.missing_program("08-gdb.ipynb") == ""


def test_a_copy_that_a_learner_made_is_not_among_the_notebooks(
    labs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = [
        labs / "00-first-Copy1.ipynb",
        labs / "Untitled.ipynb",
        labs / "mine" / "00-first.ipynb",
    ]
    for copy in copies:
        copy.parent.mkdir(exist_ok=True)
        copy.write_text("{}")
    assert build_labs.main(["--folder", str(labs), "--list"]) == 0
    listed = [Path(line).relative_to(labs.resolve()) for line in capsys.readouterr().out.split()]
    for copy in copies:
        copy.unlink()
    built = ["00-first.ipynb", "01-second.ipynb", "solutions/00-first.ipynb"]
    assert [str(path) for path in listed] == built
