"""The histories that a page holds: what they say at every step is what a live panel says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from aarch64sim.kvm import kernels
from tests.site.panels import rows_marked, shown_by
from tests.widgets.seen import StepLab
from tools import site
from widgets.course import program
from widgets.web.history import FRONT_KERNELS, history

FIRST_STEP = 60_000  # bytes, compressed


def frames(data: dict[str, Any]) -> list[dict[str, str]]:
    """What the page shows at each step under the first kernel, by slots."""
    return [
        {slot: data["texts"][number] for slot, number in zip(data["slots"], frame, strict=True)}
        for frame in data["kernels"][0]["frames"]
    ]


@pytest.mark.parametrize(
    ("name", "kernel"),
    [*(("store", kernel) for kernel in kernels), ("step-itself", "v4.3"), ("mailbox", "fixed")],
)
def test_a_page_shows_in_every_slot_what_a_live_panel_shows_at_every_step(
    name: str, kernel: str
) -> None:
    lab = StepLab(program(name), kernel)
    for step, frame in enumerate(frames(history(program(name), [kernel]))):
        live = shown_by(lab)
        marks = json.loads(frame.pop("marks"))
        assert frame == {slot: live[slot] for slot in frame}, step
        assert marks == rows_marked(live)
        lab.step()


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


def test_what_a_page_with_python_runs_needs_no_jupyter() -> None:
    """Pyodide has neither; `make site` would find out, and `make test` builds no Python."""
    absent = ("ipywidgets", "anywidget", "IPython", "traitlets", "matplotlib", "capstone")
    program = f"import sys; sys.modules.update(dict.fromkeys({absent})); import widgets.web.live"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
