"""Two kernels beside each other, and a recording beside the simulation."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aarch64sim.debug import Stop
from aarch64sim.kvm import kernels
from tests.widgets.seen import CompareLab, StepLab, press
from widgets import Question, RecordedRun
from widgets.models.stop_rows import aligned
from widgets.page import ownkernel
from widgets.page.session_code import SessionError


def stops(*pcs: int) -> list[Stop]:
    return [Stop(n, pc, "step", "") for n, pc in enumerate(pcs)]


def test_a_stop_that_one_side_passed_is_missed() -> None:
    pairs = aligned(stops(0, 4, 12), stops(0, 4, 8, 12))
    assert [(p.pc, p.missed) for p in pairs] == [(0, ""), (4, ""), (8, "left"), (12, "")]


def test_a_stop_that_is_still_to_come_is_not_missed() -> None:
    pairs = aligned(stops(0, 4), stops(0, 4, 8))
    assert [p.missed for p in pairs] == ["", "", ""]


def test_a_spurious_stop_is_missed_by_nobody_and_is_never_beside_the_start() -> None:
    start = [Stop(0, 0, "start", "")]
    for left, right in (((0, 4), (4,)), ((4,), (0, 4))):
        pairs = aligned(start + stops(*left), start + stops(*right))
        assert [p.missed for p in pairs] == ["", "", ""]
        assert pairs[0].left is pairs[0].right is start[0]
        assert sum(p.left is None or p.right is None for p in pairs) == 1


def test_after_two_clicks_one_stop_is_missing(store: str) -> None:
    lab = CompareLab(store, left="v4.3", right="fixed")
    lab.step()
    lab.step()
    assert repr(lab) == (
        "CompareLab(v4.3 at 0x4000000c, fixed at 0x40000008, after 2 clicks, 1 stop missing)"
    )
    assert "no stop: should have stopped here" in lab._shown["stops"]
    assert "sl-ghostcell" in lab._shown["stops"]
    assert "should have stopped here" in lab._shown["time-left"]
    assert "should have stopped here" not in lab._shown["time-right"]


def test_both_can_go_back_and_run_to_the_end(store: str) -> None:
    lab = CompareLab(store)
    lab.run()
    assert all(debugger.ended for debugger in lab.debuggers)
    assert lab.stops().rows[-1] == ("the end", "ended, step 6", "ended, step 7")
    lab.goto(2)
    assert [debugger.position for debugger in lab.debuggers] == [2, 2]
    lab.back()
    assert lab.clicks == 1


def test_two_right_kernels_miss_nothing(store: str) -> None:
    lab = CompareLab(store, left="v6.14", right="fixed")
    lab.run()
    assert not lab.stops().missed


def test_the_picture_of_a_comparison_is_drawn_at_every_click(store: str) -> None:
    lab = CompareLab(store)
    for _ in range(3):
        assert lab.png().startswith(b"\x89PNG")
        lab.step()


@pytest.mark.parametrize("recorded", ["linux-4.4.60", "linux-6.14", "linux-7.1.5"])
def test_the_recording_of_store_agrees_with_the_simulation(recorded: str) -> None:
    run = RecordedRun(recorded, "b_str")
    assert run.agrees
    assert "every exit and register agrees" in run.sentence


def test_a_recording_beside_the_wrong_kernel_says_where_it_differs() -> None:
    run = RecordedRun("linux-4.4.60", "b_str", "fixed")
    assert not run.agrees
    assert run.rows[-1][3].startswith("differs: pc")
    data, _ = run._repr_mimebundle_()
    assert "differs" in data["text/html"]


def test_a_recording_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"there are those of .*linux-4\.4\.60"):
        _ = RecordedRun("linux-9.9", "b_str").rows


def test_a_wrong_answer_says_what_it_overlooks_and_can_be_fixed() -> None:
    question = Question("Which?", {"one": "No: it is two.", "two": "Yes."}, right="two")
    assert "not answered yet" in repr(question)
    assert question.choose("one") == "No: it is two."
    assert "Not quite. No: it is two." in question._response.value
    question._radio.index = 1
    assert "answered correctly" in repr(question)
    with pytest.raises(ValueError, match="not one of"):
        question.choose("three")


def test_code_in_a_question_is_set_as_code_and_markup_as_text() -> None:
    question = Question(
        "What does `stepi <b>` do?", {"`x1` is 1": "Yes: `x1`.", "else": "<i>"}, right="else"
    )
    asked, radio, response = question.children
    assert "What does <code>stepi &lt;b&gt;</code> do?" in asked.value
    assert radio.options[0] == ("x1 is 1", "`x1` is 1")
    question.choose("`x1` is 1")
    assert "\u2717 Not quite. Yes: <code>x1</code>." in response.value
    question.choose("else")
    assert "\u2713 Right. &lt;i&gt;" in response.value


# The panel


def test_each_side_has_its_own_step_machine(store: str) -> None:
    lab = CompareLab(store, "v4.3", "fixed")
    lab.step()
    lab.step()
    assert [leg.edge for leg in lab.diagram("left").legs][3:5] == ["skip-kept", "retire"]
    assert "skip-cleared" in [leg.edge for leg in lab.diagram("right").legs]
    assert lab._shown[f"#{lab._prefix}left-number-skip-kept"] == "4"
    assert lab._shown[f"#{lab._prefix}right-number-skip-kept"] == "0"


def test_a_click_is_one_message(store: str) -> None:
    lab = CompareLab(store)
    press(lab, "ready")
    for _ in range(3):
        sent = lab._together.sent
        press(lab, "step")
        assert lab._together.sent == sent + 1


def test_another_kernel_chosen_in_the_middle_of_a_run_says_that_the_run_has_ended() -> None:
    async def choose() -> CompareLab:
        lab = CompareLab("b .", "v4.3", "fixed")
        press(lab, "part")
        await asyncio.sleep(0.02)
        assert lab.running
        press(lab, "left", "v5.0")
        return lab

    lab = asyncio.run(choose())
    assert lab._shown["status.text"] == "The run has ended; both guests start over."
    assert not lab.running


def test_the_first_difference_is_found_and_marked(store: str) -> None:
    lab = CompareLab(store, "v4.3", "fixed")
    left, right = lab.run_to_difference()
    assert (lab.clicks, left.pc, right.pc) == (2, 0x4000_000C, 0x4000_0008)
    assert "They differ from click 2 on." in lab._shown["status.text"]
    assert "sl-parted" in lab._shown["time-left"]
    assert "2 registers differ here: x1, pc" in lab._shown["differing"]
    lab.run()
    assert lab.run_to_difference() == (left, right)


def test_two_that_agree_have_no_difference(store: str) -> None:
    lab = CompareLab(store, "v6.14", "fixed")
    lab.run_to_difference()
    assert lab.pair.ended
    assert lab.pair.parted is None
    assert lab._shown["do-part@aria-disabled"] == "true"


def test_a_run_can_be_stopped_and_says_how_far_it_came() -> None:
    async def run() -> CompareLab:
        lab = CompareLab("loop: add x0, x0, #1\n b loop", "v5.3", "v6.14")
        press(lab, "part")
        assert lab.running
        press(lab, "step")  # nothing else moves the guests meanwhile
        while not lab.clicks:
            await asyncio.sleep(0.01)
        assert "Running" in lab._shown["status.text"]
        press(lab, "stop")
        while lab.running:
            await asyncio.sleep(0.01)
        return lab

    lab = asyncio.run(run())
    assert "Stopped by you after" in lab._shown["status.text"]
    assert lab.debuggers[0].position == lab.debuggers[1].position == lab.clicks
    table = lab.stops()
    assert len(table.left) <= 201
    assert not table.missed


def test_a_program_is_assembled_for_both_or_refused_at_its_place(store: str) -> None:
    lab = CompareLab(store)
    press(lab, "assemble", "mov x0, #1\naddd x1, x1, #1")
    assert "line 2, column 1" in lab._shown["errors"]
    assert lab.pair.program.source == store
    press(lab, "assemble", "mov x0, #1\nnop")
    assert not lab._shown["errors"]
    assert {side.program.source for side in lab.debuggers} == {"mov x0, #1\nnop"}


def test_a_code_brings_back_program_kernels_and_click(store: str) -> None:
    lab = CompareLab(store, "v4.15", kernels["v5.0"])
    lab.step()
    lab.step()
    again = CompareLab.from_code(lab.code())
    assert again.snapshot() == lab.snapshot()
    with pytest.raises(SessionError, match="give it to StepLab"):
        CompareLab.from_code(StepLab(store).code())
    with pytest.raises(SessionError):
        StepLab.from_code(lab.code())


@pytest.mark.parametrize("value", ["99", "-1", "x"])
def test_a_click_that_there_is_not_is_refused_in_a_sentence(store: str, value: str) -> None:
    lab = CompareLab(store)
    press(lab, "goto", value)
    assert lab._shown["status.text"].startswith("Could not do that: ")
    assert lab.clicks == 0


def test_both_choosers_explain_their_kernel_in_a_line(store: str) -> None:
    lab = CompareLab(store)
    press(lab, "left", "v5.0")
    assert lab._shown["left@value"] == "v5.0"
    assert lab._shown["left-summary"] == kernels["v5.0"].summary
    assert lab._shown["right-summary"] == kernels["fixed"].summary


def test_the_status_of_both_fits_one_line(store: str) -> None:
    lab = CompareLab(store, "v4.3", "fixed")
    lab.run(2)
    assert lab.status == (
        "2 steps each. Linux 4.3 - 4.14 should have stopped at 0x40000008. They differ from click 2 on."
    )
    lab.load("str w0, [x19]\nnop\n" * 50 + "str w20, [x20]")
    lab.run()
    assert len(lab.status) < 160


def test_ones_own_kernel_stays_in_its_list_when_another_is_chosen(store: str) -> None:
    mine = replace(kernels["fixed"], name="mine", title="mine", skip_clears_ss=False)
    lab = CompareLab(store, mine, "fixed")
    press(lab, "left", "v4.3")
    assert lab._shown["left-own.text"] == "your kernel: mine"
    assert lab._shown["right-own.text"] == ""
    press(lab, "left", ownkernel.VALUE)
    assert lab.debuggers[0].kernel == mine
