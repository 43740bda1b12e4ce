"""The histories that a page holds: what they say at every step is what a live panel says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aarch64sim.kvm import kernels
from tools import site
from widgets import StepLab
from widgets.course import program
from widgets.web.history import FRONT_KERNELS, history

FIRST_STEP = 60_000  # bytes, compressed


def said(data: dict[str, Any], kernel: int, step: int) -> dict[str, str]:
    """The texts of one frame by their fields."""
    frame = data["kernels"][kernel]["frames"][step]
    return {
        field: data["texts"][number] for field, number in zip(data["fields"], frame, strict=True)
    }


def status_of(lab: StepLab) -> str:
    return str(lab.status if hasattr(lab, "status") else lab.shown["status.text"])


@pytest.mark.parametrize("kernel", list(kernels))
def test_a_page_says_what_a_live_panel_says_at_every_step(kernel: str) -> None:
    data = history(program("store"), [kernel])
    lab = StepLab(program("store"), kernel)
    for step in range(len(data["kernels"][0]["frames"])):
        shown = said(data, 0, step)
        assert shown["status"] == status_of(lab)
        assert shown["caption"] == lab.diagram().sentence
        assert shown["console"] == lab.debugger.console
        if step:
            assert lab.timeline().sentence.split("(")[0] in shown["timeline"]
        lab.step()
    assert lab.debugger.ended
    assert step == lab.debugger.position


def test_a_program_that_does_not_end_is_followed_for_a_while_and_known_not_to_have_ended() -> None:
    data = history("loop: b loop", ["fixed"], most=5)
    assert len(data["kernels"][0]["frames"]) == 6
    assert not data["kernels"][0]["ended"]


def test_a_text_is_held_once() -> None:
    data = history(program("store"))
    assert len(set(data["texts"])) == len(data["texts"])
    assert [kernel["name"] for kernel in data["kernels"]] == list(FRONT_KERNELS)


def test_a_program_cannot_close_the_script_that_holds_it() -> None:
    html = site.panel("x", history("nop // </script><script>alert(1)</script>", ["fixed"]))
    held = html.partition('<script type="application/json">')[2].partition("</script>")[0]
    assert json.loads(held)["source"].startswith("nop // </script>")
    assert "<script>alert" not in html.replace(held, "")


def test_the_first_step_needs_few_bytes(tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("site")
    site.build(out, labs=False, python=False)
    assert site.first_step_size(out) <= FIRST_STEP
