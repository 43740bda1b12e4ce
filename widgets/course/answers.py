"""Keeping one's answers: a small text to download from one Binder and to paste into the next.

Invariant: a learner's notebook is only read. What is restored goes into a new file in labs/mine/, and bad input of
any kind is answered with one sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from widgets.course.files import NoSuchFileError, labs_folder, links_from_below, work_folder
from widgets.course.kept import CELL, Answers, RefusedError, Said, many, parse

MINE = "mine"  # the folder below labs/ for restored copies; git leaves it alone
_TASK = re.compile(r"\b\w+\.check\(\s*[\"'](\w+)[\"']")


def download(lab: str | int = "", *, folder: Path | None = None) -> Answers | Said:
    """The answers in the saved notebook of one lab ("04", 4), or of all labs; a sentence if there are none.

    Save the notebook first: what is on the page only is not in the file. Of a notebook and its restored copies the one
    that was saved last counts.
    """
    try:
        paths = _notebooks(lab, folder)
        found = {name: _answers_in(_read(path)) for name, path in paths.items()}
    except RefusedError as refused:
        return Said(refused)
    found = {name: cells for name, cells in found.items() if cells}
    if not found:
        return Said("There is no answer cell in these notebooks.")
    places = (paths[name] for name in found)
    return Answers(
        found, tuple(f"{MINE}/{p.name}" if p.parent.name == MINE else p.name for p in places)
    )


def restore(text: object, *, folder: Path | None = None) -> Said:
    """Put answers into fresh copies of their notebooks, labs/mine/NN-name.ipynb, and say which.

    `text` is what `download` gave: the text itself, or the path of the file that a browser has saved.
    """
    try:
        kept = parse(text)
        fresh, place = folder or labs_folder(), folder or work_folder()
        filled = {name: _filled(fresh / name, cells) for name, cells in kept.notebooks.items()}
        written = []
        for name, (notebook, left) in filled.items():
            target = _free_name(place / MINE, name.removesuffix(".ipynb"))
            _write(target, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
            gone = f" ({left} of them have no cell any more and stand at its end)" if left else ""
            count = many(len(kept.notebooks[name]))
            written.append(f"labs/{MINE}/{target.name} with {count}{gone}")
    except (RefusedError, NoSuchFileError) as refused:
        return Said(refused)
    except OSError as error:
        return Said(f"The restored notebook could not be written: {error.strerror}.")
    return Said(
        f"Restored: {'; '.join(written)}. Open it from the list of files, and run all cells."
    )


def _notebooks(lab: str | int, folder: Path | None) -> dict[str, Path]:
    """Name of a lab's notebook -> the file that holds the learner's latest work on it."""
    try:
        folder = folder or work_folder()
    except NoSuchFileError as error:
        raise RefusedError(f"{error}.") from None
    number = f"{lab:02}" if isinstance(lab, int) and not isinstance(lab, bool) else str(lab).strip()
    known = sorted(folder.glob("[0-9][0-9]-*.ipynb"))
    found = [
        path
        for path in known
        if not number or path.name == number or path.name.startswith(f"{number}-")
    ]
    if not found:
        numbers = ", ".join(path.name[:2] for path in known) or "none"
        raise RefusedError(
            f"There is no notebook of lab {number[:40]!r} here; there are {numbers}."
        )
    return {
        path.name: max([path, *_copies(folder, path.stem)], key=lambda p: p.stat().st_mtime_ns)
        for path in found
    }


def _copies(folder: Path, stem: str) -> list[Path]:
    """What was restored of a notebook: NAME.ipynb, NAME-2.ipynb, ..."""
    name = re.compile(rf"{re.escape(stem)}(-\d+)?\.ipynb")
    return [path for path in (folder / MINE).glob("*.ipynb") if name.fullmatch(path.name)]


def _read(path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RefusedError(f"{path.name} cannot be read as a notebook.") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise RefusedError(f"{path.name} cannot be read as a notebook.")
    return notebook


def _source(cell: Any) -> str:
    source = cell.get("source", "") if isinstance(cell, dict) else ""
    return "".join(source) if isinstance(source, list) else str(source)


def _key(cell: Any) -> str:
    """The name of an answer cell: its id, or that of the task that it checks; "" for any other cell."""
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return ""
    name = str(cell.get("id", ""))
    if CELL.fullmatch(name):
        return name
    task = _TASK.search(_source(cell))
    return f"task-{task[1].replace('_', '-')}" if task else ""


def _answers_in(notebook: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for cell in notebook["cells"]:
        if (key := _key(cell)) and key not in found:
            found[key] = _source(cell)
    return found


# --- writing ---------------------------------------------------------------------------------------------------------


def _put(notebook: dict[str, Any], cells: Mapping[str, str]) -> list[str]:
    """Replace the sources of answer cells, and clear their outputs; what has no cell any more goes to the end."""
    left = dict(cells)
    for cell in notebook["cells"]:
        source = left.pop(_key(cell), None)
        if source is not None:
            cell["source"] = source.splitlines(keepends=True)
        if cell.get("cell_type") == "markdown":
            cell["source"] = links_from_below(_source(cell)).splitlines(keepends=True)
        elif cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
    for key, source in left.items():
        cell = {"cell_type": "raw", "id": f"{key}-restored"[:64], "metadata": {}}
        notebook["cells"].append(cell | {"source": source.splitlines(keepends=True)})
    return list(left)


def _filled(path: Path, cells: Mapping[str, str]) -> tuple[dict[str, Any], int]:
    """A fresh notebook with these answers in it, and how many of them have no cell any more."""
    if not path.is_file():
        raise RefusedError(f"These labs have no notebook {path.name}: nothing was restored.")
    notebook = _read(path)
    return notebook, len(_put(notebook, cells))


def _write(path: Path, text: str) -> None:
    """Write a file, or none: never half of one."""
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(".part")
    try:
        half.write_text(text, encoding="utf-8")
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _free_name(folder: Path, stem: str) -> Path:
    path, number = folder / f"{stem}.ipynb", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.ipynb", number + 1
    return path
