"""A question keeps what was chosen: in its kernel, and in a file where a reload of the page ends Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from widgets import Question
from widgets.course import chosen
from widgets.course.question import PLAIN_WIDTH

ANSWERS = {"`here`": "Yes, here.", "there": "No: it is here."}


def asked() -> Question:
    return Question("Where?", ANSWERS, "`here`")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of a Python that ends with its page."""
    monkeypatch.setattr(chosen, "FORGETS", True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "00-lab.ipynb").touch()
    return tmp_path / chosen.NAME


def test_an_answer_is_there_again_where_a_reload_ends_python(kept: Path) -> None:
    asked().choose("there")
    again = asked()
    assert again.answer == "there"
    assert "No: it is here." in again._response.value
    assert "answered, not correctly" in repr(again)
    assert Question("Another?", ANSWERS, "there").answer is None
    again.choose("`here`")
    assert asked().answer == "`here`"
    assert json.loads(kept.read_text("utf-8")) == {"Where?": "`here`"}


def test_a_kernel_that_outlives_its_page_writes_no_file(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chosen, "FORGETS", False)
    asked().choose("there")
    assert asked().answer is None
    assert not kept.exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"x"', '{"Where?": 3}', '{"Where?": []}', '{"Where?": "nowhere"}', "\xff"],
)
def test_a_file_of_something_else_is_as_none(kept: Path, text: str) -> None:
    kept.parent.mkdir()
    kept.write_bytes(text.encode("latin-1"))
    assert asked().answer is None
    asked().choose("there")
    assert asked().answer == "there"


def test_a_place_that_cannot_be_written_costs_the_memory_alone(kept: Path) -> None:
    kept.parent.touch()  # a file, where the folder belongs
    question = asked()
    question.choose("there")
    assert question.answer == "there"
    assert asked().answer is None


def test_in_plain_text_no_line_is_longer_than_a_page_shows() -> None:
    said = repr(Question(" ".join(["KVM_GET_ONE_REG"] * 20), ANSWERS, "there"))
    assert max(map(len, said.splitlines())) <= PLAIN_WIDTH
