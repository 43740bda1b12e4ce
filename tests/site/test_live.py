"""Python in a reader's browser: it moves and shows a guest as a live panel does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.site.panels import rows_marked, shown_by
from tests.widgets.seen import StepLab, press
from widgets.course import program
from widgets.web import live

STORE = program("store")
LOOP = "mov x1, #0\nloop: add x1, x1, #1\nb loop"


class Page:
    """What a page is told."""

    def __init__(self, source: str = STORE, kernel: str = "v4.3", step: int = 0) -> None:
        self.told: list[dict[str, Any]] = []
        begun = {"do": "open", "source": source, "kernel": kernel, "step": step}
        live.receive(json.dumps(begun), self._hear)

    def send(self, verb: str, value: object = None) -> None:
        live.receive(json.dumps({"do": verb, "value": value}), self._hear)

    def _hear(self, text: str) -> None:
        self.told.append(json.loads(text))

    @property
    def view(self) -> dict[str, Any]:
        return next(each["view"] for each in reversed(self.told) if "view" in each)

    @property
    def status(self) -> str:
        return str(self.view["shown"]["status.text"])


def assert_same(page: Page, lab: StepLab) -> None:
    shown, panel = dict(page.view["shown"]), shown_by(lab)
    assert json.loads(shown.pop("marks")) == rows_marked(panel)
    assert shown == {slot: panel[slot] for slot in shown}
    assert (page.view["kernel"], page.view["step"]) == (lab.kernel, lab.position)
    assert (page.view["length"], page.view["stuck"]) == (lab.length, lab.ended)


@pytest.mark.parametrize(
    "clicks",
    [
        [("step", None), ("step", None), ("back", None)],
        [("step", None), ("step", None), ("kernel", "fixed"), ("step", None)],
        [("goto", "5"), ("goto", "1"), ("goto", "99"), ("back", None), ("start", None)],
        [("step", None), ("step", None), ("event", "3"), ("step", None)],
        [("breakpoint", str(0x4000000C)), ("step", None)],
        [("step", None), ("assemble", LOOP), ("step", None)],
        [("step", None), ("assemble", "bogus")],
        [("step", None), ("kernel", "v9.9")],
        [("goto", "banana")],
    ],
)
def test_the_same_clicks_lead_to_the_same_panel(clicks: list[tuple[str, str | None]]) -> None:
    page, lab = Page(), StepLab(STORE, "v4.3", by_steps=True)
    for verb, value in clicks:
        page.send(verb, value)
        press(lab, verb, value)
        assert_same(page, lab)


def test_it_goes_on_from_the_step_at_which_the_reader_stands() -> None:
    page, lab = Page(step=3), StepLab(STORE, "v4.3")
    lab.position = 3
    assert_same(page, lab)


async def _run(page: Page, seconds: float, *clicks: tuple[str, object]) -> None:
    for verb, value in clicks:
        page.send(verb, value)
        await asyncio.sleep(seconds)


def test_a_run_to_a_place_arrives_and_says_so() -> None:
    page = Page(LOOP, "fixed")
    asyncio.run(_run(page, 0.2, ("travel", "run x1 == 5")))
    assert page.status == "Stopped at 0x40000008 (b 0x40000004): x1 == 5."
    assert not page.view["running"]


def test_a_run_that_does_not_end_is_told_of_and_can_be_stopped() -> None:
    page = Page(LOOP, "fixed")
    asyncio.run(_run(page, 0.3, ("run", None), ("stop", None)))
    assert any(each.get("said", "").startswith("Running step by step") for each in page.told)
    assert page.status.startswith("Stopped by you after")


@pytest.mark.parametrize(
    ("verb", "value", "says"),
    [
        ("assemble", "bogus", "Not assembled: line 1"),
        ("assemble", "", "Not assembled: there is no instruction in it."),
        ("travel", "run nowhere", "Could not do that: 'nowhere' is no label"),
        ("kernel", "v9.9", "Could not do that: "),
        ("goto", "banana", "Could not do that: 'banana' is not a number"),
        ("breakpoint", "3", "No breakpoint: "),
    ],
)
def test_bad_input_is_one_sentence_and_everything_stays(verb: str, value: str, says: str) -> None:
    page = Page(step=2)
    before = page.view
    page.send(verb, value)
    assert page.status.startswith(says)
    assert "\n" not in page.status
    same = [key for key in before if key not in ("shown",)]
    assert {key: page.view[key] for key in same} == {key: before[key] for key in same}
    page.send("step")
    assert page.view["step"] == 3
