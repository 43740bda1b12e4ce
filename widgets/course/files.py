"""Where the labs keep their programs and checks, from any notebook of theirs.

Invariant: a name that is not there is answered with those that are.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from widgets.course.alone import notebooks
from widgets.course.mistyped import shorten

INSTALLED = Path(__file__).resolve().parents[1] / "labs"  # checks and programs in a wheel


class NoSuchFileError(LookupError):
    """The labs have no program or check of that name."""


@cache
def labs_folder() -> Path:
    """The folder labs/: the one that the notebook lies in, the one beside this package, or what the wheel brought."""
    here = Path.cwd()
    beside = Path(__file__).resolve().parents[2] / "labs"
    for folder in (here, *here.parents, here / "labs", beside, INSTALLED):
        if (folder / "programs").is_dir() and (folder / "checks").is_dir():
            return folder
    raise NoSuchFileError(f"there are no labs in {here} or above it")


def work_folder() -> Path:
    """The folder of the learner's notebooks: the one of the lab that is open, or labs/ itself."""
    if found := notebooks():
        return found[0].parent
    return Path.cwd() if labs_folder() == INSTALLED else labs_folder()


def program(name: str) -> str:
    """The source text of labs/programs/NAME.s."""
    return _find("programs", name, ".s").read_text(encoding="utf-8")


def checks(name: str) -> ModuleType:
    """The checks in labs/checks/NAME/."""
    _find("checks", name)
    _let_checks_be_found()
    shorten()
    return import_module(f"checks.{name}")


def _let_checks_be_found() -> None:
    """Put the labs' folder on sys.path: `from checks.lab01 import ...` then works in any folder."""
    folder = str(labs_folder())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def exercises(number: str) -> Any:
    """The tasks of lab `number` ("01"): the LAB of labs/checks/lab01. NoSuchFileError if there is none."""
    return checks(f"lab{number}").LAB


def links_from_below(markdown: str) -> str:
    """A notebook's text, for a copy one folder further down: its relative links and pictures still lead somewhere.

    >>> links_from_below("[a](glossary.md#a), [b](https://b.org), [c](#c), ![d](images/d.png)")
    '[a](../glossary.md#a), [b](https://b.org), [c](#c), ![d](../images/d.png)'
    """
    return re.sub(r"""(\]\(|src=["'])(?![a-z]+:|#|/)""", r"\1../", markdown)


def _find(kind: str, name: str, suffix: str = "") -> Path:
    folder = labs_folder() / kind
    path = folder / f"{name}{suffix}"
    if not path.exists():
        known = ", ".join(
            sorted(p.stem for p in folder.glob(f"[a-z]*{suffix}") if p.suffix == suffix)
        )
        raise NoSuchFileError(f"there is no {path.name} in labs/{kind}; there are {known}")
    return path


# A cell imports this package first and the checks after it.
with suppress(NoSuchFileError):
    _let_checks_be_found()
