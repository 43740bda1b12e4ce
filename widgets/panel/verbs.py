"""The verbs of the fields beside Go, and the two kinds of runs: words that a page without ipywidgets knows, too."""

from __future__ import annotations

VERBS = {"run": "Run to", "break": "Break at", "watch": "Watch", "write": "Last write to"}
# What Run and Run to do.
RUNS = {"freely": "enters the guest freely", "steps": "is a row of single steps"}


def travel(said: str) -> tuple[str, str]:
    """The verb and the place of what the fields beside Go say; ValueError for another verb.

    >>> travel("Last write to x1"), travel("break line 7")
    (('write', 'x1'), ('break', 'line 7'))
    """
    for verb, words in VERBS.items():
        for start in (f"{words} ", f"{verb} "):
            if said.startswith(start):
                return verb, said.removeprefix(start)
    raise ValueError(f"{said!r} begins with none of {', '.join(VERBS.values())}")
