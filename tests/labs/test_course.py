"""The course as a whole: enough exercises, every misconception met, every link leads somewhere, any order of cells."""

from __future__ import annotations

import importlib
import json
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tools.build_labs import environment
from tools.canonical import canonical_outputs
from tools.lab_sources import BEGIN, notebooks

from checks.task import MISCONCEPTIONS, Lab

ROOT = Path(__file__).resolve().parents[2]
LABS = ROOT / "labs"
SOURCES = sorted((LABS / "source").glob("[0-9][0-9]-*.py"))
NUMBERS = [source.name[:2] for source in SOURCES]
TEN = [f"{n:02}" for n in range(10)]
SECTIONS = ("Predict", "Watch", "Explain", "Try", "Check yourself", "Read on")

every_lab = pytest.mark.parametrize("source", SOURCES, ids=NUMBERS)
labs_with_tasks = pytest.mark.parametrize(
    "number", [n for n in NUMBERS if (LABS / "checks" / f"lab{n}").exists()]
)


def lab(number: str) -> Lab:
    found: Lab = importlib.import_module(f"checks.lab{number}").LAB
    return found


@cache
def notebook(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def of(number: str, folder: Path = LABS) -> Path:
    """The notebook of a lab."""
    (source,) = (LABS / "source").glob(f"{number}-*.py")
    return folder / f"{source.stem}.ipynb"


def text_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def verdicts(path: Path) -> list[tuple[str, str]]:
    """The mark and the task of every verdict in a notebook's outputs."""
    found = []
    for cell in notebook(path)["cells"]:
        for output in cell.get("outputs", []):
            text = "".join(output.get("text", output.get("data", {}).get("text/plain", "")))
            found += re.findall(r"^([\u2713\u2717\u25cb]) (\w+):", text, flags=re.MULTILINE)
    return found


# --- the table of the course ---------------------------------------------------------------------------------------


@every_lab
def test_a_lab_has_a_notebook_and_a_solution(source: Path) -> None:
    for folder in (LABS, LABS / "solutions"):
        assert (folder / f"{source.stem}.ipynb").exists(), "run make labs"


@every_lab
def test_a_lab_has_its_sections_in_the_same_order(source: Path) -> None:
    headings = re.findall(r"^# ## (.+)$", source.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)


@every_lab
def test_a_lab_has_a_panel_with_the_diagram_predictions_and_the_common_program(
    source: Path,
) -> None:
    text = source.read_text(encoding="utf-8")
    assert "StepLab" in text
    assert "store" in text
    assert text.index("## Predict") < text.index("StepLab(") < text.index("## Explain")
    assert "Question(" in text or "where_does_it_stop" in text
    assert "you will be able to do" in text or "will be able to" in text


@every_lab
def test_a_lab_has_three_exercises_or_more(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    asked = set(re.findall(r"\b(?:lab|tasks)\.check\(\s*\"(\w+)\"", text)) or set(
        re.findall(r"\bcheck\.(\w+)\(", text)
    )
    assert len(asked) >= 3
    assert text.count(BEGIN) >= len(asked)


def test_there_are_thirty_exercises_when_all_labs_are_there() -> None:
    count = sum(len(lab(n).tasks) for n in NUMBERS if (LABS / "checks" / f"lab{n}").exists())
    assert count >= (30 if NUMBERS == TEN else 3 * len(NUMBERS))


@labs_with_tasks
def test_every_task_of_the_checks_is_asked_in_the_notebook(number: str) -> None:
    (source,) = (LABS / "source").glob(f"{number}-*.py")
    asked = re.findall(r"\b(?:lab|tasks)\.check\(\s*\"(\w+)\"", source.read_text(encoding="utf-8"))
    assert set(asked) == {task.name for task in lab(number).tasks}


@labs_with_tasks
def test_a_task_has_hints_in_steps_and_an_explanation(number: str) -> None:
    assert lab(number).number == number
    for task in lab(number).tasks:
        assert len(task.hints) >= 2, task.name
        assert len(task.explanation) > 60, task.name
        assert task.asks, task.name
        assert set(task.misconceptions) <= set(MISCONCEPTIONS), task.name


def test_every_misconception_is_met_by_an_exercise() -> None:
    there = [n for n in NUMBERS if (LABS / "checks" / f"lab{n}").exists()]
    met = {name for n in there for task in lab(n).tasks for name in task.misconceptions}
    assert met <= set(MISCONCEPTIONS)
    if NUMBERS == TEN:
        assert met == set(MISCONCEPTIONS)


def rows_of(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading of the instructor's guide."""
    guide = (LABS / "instructors.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1]
    lines = re.search(r"(?:^\|.*\n)+", guide, flags=re.MULTILINE)
    assert lines
    return [
        [cell.strip() for cell in row.strip("|\n").split("|")] for row in lines[0].splitlines()[2:]
    ]


@labs_with_tasks
def test_the_instructors_guide_counts_minutes_and_tasks_rightly(number: str) -> None:
    (row,) = [row for row in rows_of("What each lab is for") if row[0].startswith(f"[{number} ")]
    minutes = re.search(r"About (\d+) minutes", of(number).read_text(encoding="utf-8"))
    assert minutes or number == "00"
    assert minutes is None or row[1].split()[0] == minutes[1]
    assert row[3] == str(len(lab(number).tasks))


def test_the_instructors_guide_says_where_each_misconception_is_met() -> None:
    rows = rows_of("Misconceptions, and what reveals them")
    assert len(rows) == len(MISCONCEPTIONS)
    met: dict[str, set[int]] = {name: set() for name in MISCONCEPTIONS}
    for number in NUMBERS:
        if (LABS / "checks" / f"lab{number}").exists():
            for task in lab(number).tasks:
                for name in task.misconceptions:
                    met[name].add(int(number))
    said = []
    for row in rows:
        numbers = {int(n) for n in re.findall(r"\d\d", row[2])}
        if spans := re.search(r"(\d\d) to (\d\d)", row[2]):
            numbers |= set(range(int(spans[1]), int(spans[2]) + 1))
        said.append(numbers)
    assert sorted(map(sorted, said)) == sorted(map(sorted, met.values()))


# --- with the reference solutions, and without ---------------------------------------------------------------------


@labs_with_tasks
def test_with_the_reference_solutions_all_checks_say_right(number: str) -> None:
    path = of(number, LABS / "solutions")
    said = verdicts(path)
    assert {mark for mark, _ in said} == {"\u2713"}
    assert {name for _, name in said} == {task.name for task in lab(number).tasks}


@labs_with_tasks
def test_without_an_answer_all_checks_say_what_is_missing(number: str) -> None:
    path = of(number)
    said = verdicts(path)
    assert {mark for mark, _ in said} == {"\u25cb"}
    assert {name for _, name in said} == {task.name for task in lab(number).tasks}


@every_lab
def test_no_committed_cell_raised(source: Path) -> None:
    for folder in (LABS, LABS / "solutions"):
        for cell in notebook(folder / f"{source.stem}.ipynb")["cells"]:
            assert all(output["output_type"] != "error" for output in cell.get("outputs", []))


# --- in any order ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS)
def test_after_a_shuffled_order_run_all_gives_the_committed_outputs(number: str) -> None:
    path = of(number)
    committed = nbformat.read(path, 4)
    again = nbformat.read(path, 4)
    client = NotebookClient(
        again,
        timeout=60,
        kernel_name="python3",
        allow_errors=True,
        store_widget_state=False,
        resources={"metadata": {"path": str(LABS)}},
    )
    code = [n for n, cell in enumerate(again.cells) if cell.cell_type == "code"]
    shuffled = random.Random(int(number)).sample(code, len(code))
    with client.setup_kernel(env=environment()):
        for n in [*shuffled, *code]:
            client.execute_cell(again.cells[n], n)
    for n in code:
        assert shown(again.cells[n]) == shown(committed.cells[n]), f"cell {n} of {path.name}"


def shown(cell: Any) -> list[Any]:
    """What a cell shows, in words; of a picture only that it is there (its sentence says what it shows)."""
    found = []
    for output in canonical_outputs(cell.outputs):
        if output.output_type in ("stream", "error"):
            found.append(output.get("text", output.get("evalue")))
        else:
            found.append((sorted(output.data), output.data.get("text/plain")))
    return found


# --- links -----------------------------------------------------------------------------------------------------------

TEXTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(LABS.glob("*.md")),
    *sorted((LABS / "extending").glob("*.md")),
    *notebooks(LABS),
]


@cache
def markdown(path: Path) -> str:
    if path.suffix == ".ipynb":
        cells = [c for c in notebook(path)["cells"] if c["cell_type"] == "markdown"]
        text = "\n\n".join(map(text_of, cells))
    else:
        text = path.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors that headings get: GitHub's of a .md, JupyterLab's of a notebook."""
    headings = re.findall(r"^#+ (.+?)\s*$", markdown(path), flags=re.MULTILINE)
    if path.suffix == ".ipynb":
        return {heading.replace(" ", "-") for heading in headings}
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", TEXTS, ids=[str(path.relative_to(ROOT)) for path in TEXTS])
def test_an_internal_link_leads_to_a_place_that_is_there(path: Path) -> None:
    for target in re.findall(r"\]\(<?([^)>\s]+)", markdown(path)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        assert ROOT in there.parents, target
        if anchor and there.suffix in (".md", ".ipynb"):
            assert anchor in anchors(there), target


def test_every_term_that_a_lab_sends_to_the_glossary_is_in_it() -> None:
    glossary = (LABS / "glossary.md").read_text(encoding="utf-8").lower()
    terms = " ".join(re.findall(r"^\*\*(.+?)\.\*\*", glossary, flags=re.MULTILINE))
    known = re.sub(r"[^\w\s-]", " ", terms)
    for source in SOURCES:
        prose = re.sub(r"\n# ?", " ", source.read_text(encoding="utf-8"))
        for term in re.findall(r"\[([^\]]+)\]\(glossary\.md\)", prose):
            first = re.sub(r"[^\w\s-]", "", term.lower()).split()[0]
            assert term == "glossary" or first.rstrip("s") in known, (source.name, term)
