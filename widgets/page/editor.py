"""The program editor of a panel: text in, a program out, or the places where the text is wrong.

Invariant: a text with a fault never replaces the program that runs.
"""

from __future__ import annotations

from html import escape

from aarch64sim.asm import AssemblyError, Program, assemble


def read(source: str) -> Program:
    """The program that was typed; AssemblyError, or ValueError where there is nothing to run."""
    program = assemble(source)
    if not any(True for _ in program.words()):
        raise ValueError("there is no instruction in it")
    return program


def refusal(error: Exception) -> dict[str, str]:
    """Why a text did not become the program that runs: what it says where errors are shown, and as the status."""
    if isinstance(error, AssemblyError):
        first, more = error.errors[0], len(error.errors) - 1
        rest = f" (and {more} more)" if more else ""
        words = f"Not assembled: {_place(first)}: {first.message}{rest}"
        return {"errors": _faults(error), "status.text": words}
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    words = f"Not assembled: {said}."
    return {"errors": _HEAD + f"<ul><li>{escape(said)}</li></ul>", "status.text": words}


_HEAD = "<p><strong>Not assembled.</strong> The old program is still there.</p>"


def _place(fault: AssemblyError) -> str:
    return f"line {fault.line}, column {fault.column}"


def _faults(error: AssemblyError, most: int = 8) -> str:
    """Every fault with line, column, word and a mark below it."""
    items = "".join(
        f"<li>{_place(e)}: {escape(e.message)}<pre>{escape(e.caret)}</pre></li>"
        for e in error.errors[:most]
    )
    more = len(error.errors) - most
    rest = f"<p>And {more} more.</p>" if more > 0 else ""
    return f"{_HEAD}<ul>{items}</ul>{rest}"
