"""The tasks of a lab, as its notebook asks for them.

Invariant: nothing but labs/checks is imported, and only when a notebook asks for it.
"""

from __future__ import annotations

from typing import Any

from widgets.course import checks


def exercises(number: str) -> Any:
    """The tasks of lab `number` ("01"): the LAB of labs/checks/lab01.py. NoSuchFileError if there is none."""
    return checks(f"lab{number}").LAB
