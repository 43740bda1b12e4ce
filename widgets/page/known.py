"""Programs and sides that a learner names: taken if they exist, refused with one sentence that says which do.

Invariant: what is refused has changed nothing.
"""

from __future__ import annotations

from pathlib import Path

from aarch64sim.asm import Program
from aarch64sim.asm.text import did_you_mean

PROGRAM = "source text, a Program, or the path of a .s file"


def read_program(program: object) -> Program | str:
    """A program, its text, or the text of the file that it is the path of; a str is a path if it ends in .s.

    TypeError for anything else, OSError for a file that is not there or cannot be read, ValueError for one of no text.
    """
    if isinstance(program, Program):
        return program
    if isinstance(program, str) and ("\n" in program or not program.endswith(".s")):
        return program
    if not isinstance(program, str | Path):
        raise TypeError(f"a program is {PROGRAM}, not {program!r}")
    path = Path(program)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8") from None
    except FileNotFoundError:
        near = did_you_mean(path.name, [file.name for file in path.parent.glob("*.s")])
        raise FileNotFoundError(f"there is no file {path} in {Path.cwd()}{near}") from None
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror}") from None


def side_of(name: object, sides: tuple[str, ...]) -> int:
    """Which of the sides it is, counted from 0; ValueError with the names that exist for any other."""
    if name not in sides:
        raise ValueError(f"there is no side {name!r}: there are {' and '.join(sides)}")
    return sides.index(str(name))
