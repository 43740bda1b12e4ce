"""A lab's cell that is run alone, after a restart, answers with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from widgets.jupyter import alone


@pytest.fixture
def shell() -> Any:
    shell = InteractiveShell()
    alone.load_ipython_extension(shell)
    return shell


@pytest.mark.parametrize(
    "source",
    [
        'bit = {"the first ERET": None}\nlab.check("follow_the_bit", bit)',
        'lab.evidence("skip_instruction")',
        'StepLab(store, kernel="v4.3")',
        "panel.diagram()",
        "print(lab.progress())",
    ],
)
def test_a_cell_before_the_first_one_says_what_to_run(
    shell: Any, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell(source, store_history=True)
    said = capsys.readouterr().out
    assert "run the cells above first" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("source", ["nothing", "lab = 1\nlab + nothing", "1 / 0"])
def test_any_other_error_is_shown_as_ever(
    shell: Any, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell(source, store_history=True)
    assert "Error" in "".join(capsys.readouterr())
