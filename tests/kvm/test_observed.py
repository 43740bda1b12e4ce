"""What real kernels were seen to do, scenario by scenario: stop lists and the facts beside them.

Invariant: nothing here was derived from the simulator; a row that fails means that the model is wrong.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kvm.player import player
from tests.kvm.programs import HIDDEN_ACTIONS, SCENARIOS

COLUMNS = (
    "v6.1.192",
    "what-if-late-advance-ss-kept",
    "what-if-early-advance-ss-kept",
    "what-if-early-advance-step-remembered",
)
SAME_AS = {"linux61": 0, "early-nofix": 2}


def observed() -> dict[tuple[str, str], str]:
    """(scenario, preset) -> stop list, from the table beside this file."""
    found = {}
    for line in (Path(__file__).parent / "observed_stops.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0] in SCENARIOS:
            lists = cells[1:]
            for index, cell in enumerate(lists):
                if cell.startswith("= "):
                    cell = lists[SAME_AS[cell[2:]]]
                found[cells[0], COLUMNS[index]] = cell.strip("`")
    return found


OBSERVED = observed()


def script(scenario: str, stops: str) -> str:
    """The list as the player wants it: with the actions that the list leaves out, after their first exit."""
    if scenario in HIDDEN_ACTIONS:
        after, action = HIDDEN_ACTIONS[scenario]
        tokens = stops.split()
        first = next(i for i, token in enumerate(tokens) if token.startswith(after))
        stops = " ".join([*tokens[: first + 1], action, *tokens[first + 1 :]])
    return stops


@pytest.mark.parametrize(("scenario", "kernel"), OBSERVED, ids=lambda value: value)
def test_stops_are_those_of_the_real_kernel(scenario: str, kernel: str) -> None:
    expected = script(scenario, OBSERVED[scenario, kernel])
    assert player(SCENARIOS[scenario], kernel).play(expected) == expected


def test_every_row_of_the_table_has_its_program() -> None:
    assert {scenario for scenario, _ in OBSERVED} == set(SCENARIOS)
    assert len(OBSERVED) == 4 * len(SCENARIOS)
