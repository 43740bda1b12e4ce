"""A run that nobody sees any more: a page that is closed, or a panel whose cell runs again, goes without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.widgets.seen import CompareLab, StepLab, press
from tests.widgets.test_panel import LOOP
from widgets.page import runner
from widgets.page.board import Board

Panel = StepLab | CompareLab


class Page:
    """What a browser shows: it answers a question about a panel as long as it has the panel."""

    def __init__(self) -> None:
        self.has: set[Board] = set()
        self.asked = 0

    def take(self, panel: Panel) -> None:
        self.has.add(panel._status_line)
        press(panel, "ready")

    def hear(self, board: Board, content: Mapping[str, Any]) -> None:
        if "ask" in content:
            self.asked += 1
            if board in self.has:
                asyncio.get_running_loop().call_soon(board._receive, board, {"do": "here"}, None)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    page = Page()
    monkeypatch.setattr(Board, "send", lambda self, content, buffers=None: page.hear(self, content))
    monkeypatch.setattr(runner, "ASK_SECONDS", 0.0)  # a question after every slice
    return page


@pytest.fixture(params=[StepLab, CompareLab], ids=lambda made: made.__name__)
def panel(request: pytest.FixtureRequest) -> Panel:
    return request.param(LOOP)


def runs(panel: Panel, until: Callable[[], bool]) -> None:
    """Run the panel on an event loop until its run is over, or until that is so; then stop it."""

    async def run() -> None:
        press(panel, "run")
        while panel.running and not until():
            await asyncio.sleep(0.001)
        over = not panel.running
        press(panel, "stop")
        while panel.running:
            await asyncio.sleep(0.001)
        assert over or until()

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_run_that_no_page_shows_any_more_ends_and_says_so(panel: Panel, page: Page) -> None:
    page.take(panel)
    page.has.clear()
    runs(panel, lambda: False)
    assert page.asked == runner.MOST_UNANSWERED + 1
    assert "Stopped, as no page showed it any more, after" in str(panel._shown["status.text"])
    assert panel._shown["do-stop@aria-disabled"] == "true"


def test_a_run_that_a_page_shows_goes_on(panel: Panel, page: Page) -> None:
    page.take(panel)
    runs(panel, lambda: page.asked > 3 * runner.MOST_UNANSWERED)
    assert "Stopped by you" in str(panel._shown["status.text"])


def test_a_run_that_was_never_on_a_page_goes_on_and_asks_nobody(page: Page) -> None:
    lab = StepLab(LOOP)
    runs(lab, lambda: lab.snapshot()["step"] > 5_000)
    assert page.asked == 0
    assert "Stopped by you" in str(lab._shown["status.text"])


def test_a_page_that_comes_back_can_run_again(panel: Panel, page: Page) -> None:
    page.take(panel)
    page.has.clear()
    runs(panel, lambda: False)
    page.has.add(panel._status_line)
    asked = page.asked
    runs(panel, lambda: page.asked > asked + 2 * runner.MOST_UNANSWERED)
    assert "Stopped by you" in str(panel._shown["status.text"])


def test_one_of_two_panels_on_a_page_keeps_their_run_going(page: Page) -> None:
    first = StepLab(LOOP)
    second = StepLab(debugger=first.debugger)
    page.take(first)
    page.take(second)
    page.has.remove(first._status_line)
    runs(first, lambda: page.asked > 6 * runner.MOST_UNANSWERED)
    assert "Stopped by you" in str(second._shown["status.text"])


def test_a_play_ends_too(page: Page) -> None:
    lab = StepLab(LOOP)
    page.take(lab)
    page.has.clear()
    press(lab, "speed", "fast")

    async def play() -> None:
        press(lab, "play")
        while lab.running:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(play(), 20))
    assert lab._shown["status.text"] == "Paused, as no page showed it any more."


def test_closing_a_comparison_ends_its_run() -> None:
    panel = CompareLab(LOOP)

    async def run() -> None:
        press(panel, "run")
        await asyncio.sleep(0.02)
        panel.close()
        assert not panel.running

    asyncio.run(asyncio.wait_for(run(), 20))
