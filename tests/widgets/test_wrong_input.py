"""What is wrong in an editor: every panel with one gives the same one sentence, and keeps what it had."""

from __future__ import annotations

import html
import re

import pytest

from tests.widgets.seen import CompareLab, StepLab, press

EVIL = "<script>alert(1)</script>"
Panel = StepLab | CompareLab

# Text, and what the sentence says.
WRONG = {
    "a syntax error": ("mov x0, #1\n  addd x1, x1, #1\n", "line 2, column 3: unknown mnemonic"),
    "nothing": ("", "there is no instruction in it"),
    "only a comment": ("// nothing\n", "there is no instruction in it"),
    "outside memory": (".org 0x90000000\nnop\n", "0x90000000 are not in one memory slot"),
    "larger than memory": (".skip 0xffff00\nnop\n", "are not in one memory slot"),
    "too large to be assembled": ("nop\n.skip 0x8000000\n", "line 2, column 7: 134217728 bytes"),
    "a letter that is no ASCII": ("mov x0, #1\nädd x1, x1, #1\n", "line 2, column 1"),
    "markup as a label": (f"{EVIL}: nop\n", "line 1"),
    "markup as an operand": (f"mov x0, {EVIL}\n", "line 1"),
}


@pytest.fixture(params=[StepLab, CompareLab], ids=lambda made: made.__name__)
def panel(request: pytest.FixtureRequest, store: str) -> Panel:
    made = request.param(store)
    made.step()
    return made


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_program_is_answered_with_one_sentence_and_nothing_is_lost(
    panel: Panel, text: str, says: str
) -> None:
    before, program = panel.snapshot(), panel._shown["editor@value"]
    press(panel, "assemble", text)
    assert panel._shown["status.text"].startswith("Not assembled: ")
    assert says in panel._shown["status.text"]
    assert "Not assembled." in panel._shown["errors"]
    assert says in re.sub("<.*?>", "", html.unescape(panel._shown["errors"]))
    assert "<script" not in panel._shown["errors"]
    assert panel.snapshot() == before
    assert panel._shown["editor@value"] == program


def test_markup_in_a_comment_is_shown_as_text(panel: Panel) -> None:
    press(panel, "assemble", f"nop // {EVIL}\n")
    assert panel.snapshot()["program"].startswith("nop")
    for key, value in panel._shown.items():
        if "@" not in key and not key.endswith(".text"):
            assert "<script" not in str(value), key
