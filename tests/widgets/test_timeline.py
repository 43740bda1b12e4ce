"""The timeline: a column an event, ghosts where a stop is missing, the same in table, page and picture."""

from __future__ import annotations

import csv
import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from aarch64sim import Debugger
from aarch64sim.arch.step import StepState
from aarch64sim.events import Change, Event, Lane, What
from tests.widgets.conftest import at_step
from widgets import StepLab, TimelineFigure
from widgets.models.timeline import MISSED, Timeline, first_divergence, timeline
from widgets.page import timelinepage


def lines(debugger: Debugger, step: int) -> Timeline:
    return timeline("title", [(step, debugger.events_of(step))], lambda pc: "add")


def test_there_is_one_column_for_each_event_and_one_for_each_ghost() -> None:
    debugger = at_step("v4.3", 2)
    columns = lines(debugger, 2).columns
    assert [c.event for c in columns if c.event] == list(debugger.events_of(2))
    assert [c.ghost for c in columns if c.ghost] == ["stop", "ran"]


def test_the_ghost_stands_before_the_instruction_that_ran_unseen() -> None:
    columns = lines(at_step("v4.3", 2), 2).columns
    at = next(n for n, c in enumerate(columns) if c.ghost == "stop")
    assert columns[at].lane is Lane.DEBUGGER
    assert columns[at].text == MISSED
    assert columns[at + 1].ghost == "ran"
    assert columns[at + 1].pc == 0x4000_0008


@pytest.mark.parametrize("kernel", ["fixed", "v4.15", "v6.14"])
def test_a_right_step_has_no_ghost(kernel: str) -> None:
    assert not lines(at_step(kernel, 2), 2).ghosts


def test_ss_is_one_until_the_granted_instruction_has_run() -> None:
    columns = lines(at_step("v4.3", 3), 3).columns
    by_label = {c.label: c.ss for c in columns}
    assert by_label["ERET"] == "1"
    assert by_label["add"] == "0"


@pytest.mark.parametrize("level", [1, 2])
def test_a_step_exception_shows_the_ss_that_it_saved_at_either_level(level: int) -> None:
    saved = (Change(f"spsr_el{level}.ss", 1, 0),)
    off = StepState.INACTIVE
    event = Event(
        Lane.GUEST, What.STEP_EXCEPTION, 0x4000_0000, StepState.ACTIVE_PENDING, off, saved
    )
    handler = Event(Lane.GUEST, What.RETIRE, 0x4000_1000, off, off)
    line = timeline("title", [(1, (event, handler))], lambda pc: "add")
    assert [column.ss for column in line.columns] == ["0", "0"]


@pytest.mark.parametrize("kernel", ["v4.3", "v4.15", "fixed"])
def test_no_label_of_the_timeline_comes_from_a_sentence_of_the_log(kernel: str) -> None:
    debugger = Debugger("str w0, [x19]\nsvc #0\nudf #0", kernel)
    for number in (1, 2):
        debugger.step()
        events = debugger.events_of(number)
        mute = [replace(event, text="") for event in events]
        said, unsaid = (timeline("", [(number, e)], lambda pc: "") for e in (events, mute))
        assert [c.label for c in said.columns] == [c.label for c in unsaid.columns]
        assert [c.ghost for c in said.columns] == [c.ghost for c in unsaid.columns]


def test_the_sentence_counts_and_names_what_nobody_was_told() -> None:
    assert "should have stopped at 0x40000008, and" in lines(at_step("v4.3", 2), 2).sentence
    assert lines(at_step("fixed", 2), 2).sentence.count(MISSED) == 0


def test_first_divergence() -> None:
    assert first_divergence([0, 4, 12], [0, 4, 8]) == 2
    assert first_divergence([0, 4], [0, 4, 8]) is None


def test_the_page_shows_the_same_columns_in_the_same_lanes() -> None:
    line = lines(at_step("v4.3", 2), 2)
    page = timelinepage.html(line)
    assert page.count("<button") == len([c for c in line.columns if c.event])
    assert page.count("sl-ghost") == 1
    assert page.count('tabindex="0"') == 1
    assert page.index("guest</th>") < page.index("kernel</th>") < page.index("userspace</th>")


def test_a_long_step_is_cut_at_its_beginning_and_says_so() -> None:
    source = "str w0, [x19]\n" * 12 + "add x1, x1, #1"
    line = lines(at_step("v4.3", 1, source), 1)
    page = timelinepage.html(line)
    assert f"of {len(line.columns)} events" in page


@pytest.mark.parametrize(("kernel", "step"), [("v4.3", 2), ("fixed", 1), ("v5.3", 2)])
def test_no_text_of_the_drawing_touches_another_or_is_clipped(kernel: str, step: int) -> None:
    debugger = at_step(kernel, step)
    drawn = TimelineFigure((lines(debugger, step), lines(debugger, step))).draw()
    renderer = FigureCanvasAgg(drawn).get_renderer()
    boxes = [
        (t.get_text(), t.get_window_extent(renderer).padded(-0.5))
        for axes in drawn.axes
        for t in axes.texts
        if t.get_text()
    ]
    width, height = drawn.get_size_inches() * drawn.dpi
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), f"{one!r} touches {other!r}"


def test_export_writes_what_the_name_ends_in(tmp_path: Path, store: str) -> None:
    lab = StepLab(store)
    lab.step()
    lab.step()
    for figure in (lab.diagram(), lab.timeline()):
        for kind in ("svg", "png", "csv", "json"):
            path = figure.export(tmp_path / f"{figure.name}.{kind}")
            assert path.stat().st_size > 100
        assert "<title>" in (tmp_path / f"{figure.name}.svg").read_text(encoding="utf-8")
        with (tmp_path / f"{figure.name}.csv").open(encoding="utf-8") as file:
            assert len(list(csv.reader(file))) == len(figure.rows) + 1
        assert json.loads((tmp_path / f"{figure.name}.json").read_text())["rows"]
        with pytest.raises(ValueError, match=r"\.svg, \.png, \.csv, \.json"):
            figure.export(tmp_path / "figure.gif")


def test_what_is_said_of_many_unseen_instructions_is_as_long_as_of_three() -> None:
    def said(stores: int) -> tuple[str, str]:
        lab = StepLab("str w0, [x19]\n" * stores + "nop\nnop\nstr w20, [x20]", "v4.3")
        lab.step()
        return lab.status, lab.last_timeline.sentence

    for many, few in zip(said(40), said(3), strict=True):
        assert "38 more" in many
        assert len(many) < len(few) + 9
    assert said(3)[1].endswith("at 0x40000004, 0x40000008 and 0x4000000c, and did not.")


@pytest.mark.parametrize("kernel", ["v4.3", "v4.15", "v5.3", "v5.11", "v6.1", "fixed"])
@pytest.mark.parametrize(
    "first",
    ["str w0, [x19]\n" * 3, "ldr w1, [x19]", "hvc #0", "smc #0", "msr mdscr_el1, x0"],
)
def test_what_a_step_took_beyond_one_instruction_is_said_whoever_completed_it(
    kernel: str, first: str
) -> None:
    def stepped(name: str) -> Debugger:
        debugger = Debugger(f"{first}\nadd x1, x1, #1\nnop\nstr w20, [x20]", name)
        while not debugger.ended:
            debugger.step()
        return debugger

    due = [stop.pc for stop in stepped("fixed").stops]
    debugger = stepped(kernel)
    for n in range(1, debugger.position):
        before, here = (debugger.stops[at].pc for at in (n - 1, n))
        ghosts = [ghost.pc for ghost in lines(debugger, n).ghosts]
        assert ghosts == [pc for pc in due if before < pc < here]
