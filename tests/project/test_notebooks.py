"""What holds for every committed notebook: canonical, one title, good links, alternative texts."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from tools.canonical import canonicalise, is_sentence
from tools.lab_sources import BEGIN, notebooks

LABS = Path(__file__).resolve().parents[2] / "labs"
NOTEBOOKS = notebooks(LABS)
LEARNER = [path for path in NOTEBOOKS if path.parent == LABS]

every_notebook = pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=[str(path.relative_to(LABS)) for path in NOTEBOOKS]
)


def markdown(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def outputs(path: Path) -> list[dict]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [output for cell in cells for output in cell.get("outputs", [])]


@every_notebook
def test_a_notebook_is_in_canonical_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert canonicalise(nbformat.reads(text, 4)) == text


@every_notebook
def test_a_notebook_has_one_title_and_it_comes_first(path: Path) -> None:
    headings = re.findall(r"^(#+) ", markdown(path), flags=re.MULTILINE)
    assert headings[0] == "#"
    assert headings.count("#") == 1


@every_notebook
def test_headings_skip_no_level(path: Path) -> None:
    levels = [len(marks) for marks in re.findall(r"^(#+) ", markdown(path), flags=re.MULTILINE)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


@every_notebook
def test_every_picture_in_the_text_has_an_alternative_text(path: Path) -> None:
    text = markdown(path)
    assert not re.findall(r"!\[\s*\]\([^)]*\)", text)
    for tag in re.findall(r"<img\b[^>]*>", text):
        assert re.search(r"""\balt=["'][^"']+["']""", tag), tag


@every_notebook
def test_every_drawn_picture_has_an_alternative_text(path: Path) -> None:
    for output in outputs(path):
        for kind in {"image/png", "image/jpeg"} & set(output.get("data", {})):
            alt = output["metadata"].get(kind, {}).get("alt", "")
            assert is_sentence(alt), "display an object whose __repr__ says what it shows"


@every_notebook
def test_no_output_depends_on_a_version_of_a_library(path: Path) -> None:
    kinds = {kind for output in outputs(path) for kind in output.get("data", {})}
    assert not kinds & {"image/svg+xml", "application/javascript"}, "show a PNG and a sentence"


@every_notebook
def test_a_link_to_a_file_leads_to_a_file(path: Path) -> None:
    targets = re.findall(r"""(?:\]\(|src=["'])([^)"'\s]+)""", markdown(path))
    for target in targets:
        file = target.split("#")[0]
        if file and not re.match(r"[a-z]+:", file):
            assert (path.parent / file).exists(), target


@pytest.mark.parametrize("path", LEARNER, ids=[path.name for path in LEARNER])
def test_a_learner_sees_no_solution(path: Path) -> None:
    assert BEGIN not in path.read_text(encoding="utf-8")
