"""Answers leave a JupyterLab by its download link, and come back into a fresh copy of the notebook."""

from __future__ import annotations

from pathlib import Path

from tests.browser.harness import LabPage, write_notebook

ANSWER = 'answer = 42\nlab = type("Lab", (), {"check": print})\nlab.check("mine", answer)'
NAME = "labs/99-mine.ipynb"


def test_answers_are_downloaded_and_restored(lab: LabPage, tmp_path: Path) -> None:
    folder = lab.server.folder / "labs"
    collect = "from widgets.course.answers import download\ndownload('99')"
    write_notebook(lab.server.folder / NAME, ANSWER, collect)
    lab.open_notebook(NAME)
    lab.run_all()
    with lab.page.expect_download() as waiting:
        lab.page.get_by_text("download 99-mine-answers.json").click()
    saved = tmp_path / "answers.json"
    waiting.value.save_as(saved)
    assert "answer = 42" in saved.read_text()
    assert lab.screenshot("answers").exists()

    (folder / "99-mine.ipynb").unlink()
    write_notebook(
        lab.server.folder / NAME,
        'lab = 1 # lab.check("mine", None)',
        f"from widgets.course.answers import restore\nrestore({str(saved)!r})",
    )
    lab.open_notebook(NAME)
    lab.run_all()
    lab.page.get_by_text("Restored: labs/mine/99-mine.ipynb with 1 answer.").wait_for()
    lab.open_page("labs/mine/99-mine.ipynb")
    assert lab.cell_sources()[0] == ANSWER
