"""What a learner changes by hand: breakpoints, registers, memory, console, speed, session; and views left out."""

from __future__ import annotations

import asyncio
import base64
import zlib

import pytest
from traitlets import TraitError

import widgets
from aarch64sim.debug.stops import EXCLUSIVE
from tests.widgets.seen import StepLab, press
from widgets.page import memory, sourcelink
from widgets.page.runner import PLAY_SECONDS
from widgets.page.session_code import MARK, Session, SessionError, decode, encode
from widgets.panel.views import VIEWS


@pytest.fixture
def lab(store: str) -> StepLab:
    return StepLab(store, kernel="fixed")


# Breakpoints


def test_run_stops_at_a_breakpoint_that_was_clicked(lab: StepLab) -> None:
    press(lab, "breakpoint", str(0x4000_0010))
    assert lab._shown["bp-40000010@aria-pressed"] == "true"
    assert "Breakpoint at 0x40000010 set" in lab._shown["status.text"]
    lab.run()
    assert lab.snapshot()["pc"] == 0x4000_0010
    assert lab.snapshot()["stop"] == "breakpoint"
    press(lab, "breakpoint", str(0x4000_0010))
    assert lab._shown["bp-40000010@aria-pressed"] == "false"
    lab.run()
    assert lab.debugger.ended


def test_a_breakpoint_where_there_is_no_instruction_is_refused(lab: StepLab) -> None:
    press(lab, "breakpoint", "3")
    assert lab._shown["status.text"].startswith("No breakpoint:")


def test_breakpoints_stay_under_another_kernel(lab: StepLab) -> None:
    press(lab, "breakpoint", str(0x4000_0010))
    lab.use_kernel("v4.3")
    assert lab.debugger.breakpoints == {0x4000_0010}


# Registers, memory, console


def test_a_register_is_changed_and_the_guest_goes_on_with_it(lab: StepLab) -> None:
    lab.step()
    press(lab, "register", "x0 = 0x42")
    assert lab._shown["v-x0"].endswith("0x42") or "0x42" in lab._shown["v-x0"]
    lab.step()
    assert lab.snapshot()["console"] == "B"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write a register and its value"),
        ("x1", "write a register and its value"),
        ("x1 = seven", "is not a number"),
        ("x77 = 1", "there is no register 'x77'"),
        ("x1 = 0x10000000000000000", "does not fit into 64 bits"),
        ("pstate = 0x1f", ""),
        ("<b>x</b> = 1", "write a register and its value"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(lab: StepLab, text: str, says: str) -> None:
    before = lab.debugger.registers
    press(lab, "register", text)
    assert lab._shown["status.text"].startswith("Could not do that:")
    assert says in lab._shown["status.text"]
    assert lab.debugger.registers == before


def test_memory_is_shown_where_asked_and_what_a_step_wrote_is_marked() -> None:
    lab = StepLab("mov w0, #0x41\nstrb w0, [x21]\nnop", kernel="fixed")
    lab.step()
    lab.step()
    assert "<b>41</b>" in lab._shown["memory"]
    assert lab._shown["memory"].count("<b>") == 1
    press(lab, "address", "0x10000000")
    assert "no memory" in lab._shown["memory"]
    press(lab, "address", "here")
    assert "is not a number" in lab._shown["status.text"]
    assert memory.html(lab.debugger, (1 << 64) - 8)


def test_the_uart_takes_input() -> None:
    lab = StepLab("ldr w0, [x19]\nnop", kernel="fixed")
    press(lab, "type", "<h>")
    lab.step()
    assert lab.debugger.registers["x0"] == ord("<")


# Play


def test_a_run_can_be_made_a_row_of_single_steps_and_says_why_it_stays_in_an_exclusive_loop() -> (
    None
):
    lab = StepLab("1: ldxr w0, [x21]\nstxr w3, w0, [x21]\ncbnz w3, 1b\nstr w20, [x20]", "fixed")
    press(lab, "runs", "steps")
    assert lab.status == "From now on a run is a row of single steps."
    lab.run(limit=60)
    assert EXCLUSIVE in lab.status
    press(lab, "runs", "freely")
    lab.run(limit=60)
    assert lab.debugger.ended


def test_the_choice_of_a_run_shows_what_is_so() -> None:
    lab = widgets.StepLab("b .", "fixed", by_steps=True)
    lab._drawers.tab.selected_index = lab._drawers._names.index("points")
    runs = lab._drawers._runs
    assert runs.value == "steps"
    lab.debugger.by_steps = False
    lab.step()
    assert runs.value == "freely"
    runs.value = "steps"
    assert lab.debugger.by_steps


def test_play_steps_at_its_speed_and_can_be_paused(
    lab: StepLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLAY_SECONDS, "fast", 0.01)
    press(lab, "speed", "fast")

    async def play() -> None:
        press(lab, "play")
        while lab.debugger.position < 3:
            await asyncio.sleep(0.005)
        press(lab, "stop")
        while lab.running:
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(play(), 20))
    assert 3 <= lab.debugger.position <= 5
    assert lab._shown["status.text"] == "Paused by you."
    assert "step 3" in lab._shown["position.text"] or lab.debugger.position > 3


def test_moving_while_a_run_is_under_way_does_not_disturb_it() -> None:
    lab = StepLab("loop: b loop", kernel="fixed")

    async def run() -> None:
        press(lab, "run")
        await asyncio.sleep(0.01)
        press(lab, "back")
        press(lab, "goto", "0")
        press(lab, "run")
        press(lab, "play")
        assert lab.running
        press(lab, "stop")
        while lab.running:
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert lab.debugger.position > 10


# Events


def test_one_goes_from_event_to_event_and_into_the_next_step(lab: StepLab) -> None:
    lab.step()
    press(lab, "later")
    assert (lab.debugger.position, lab.moment) == (2, 0)
    assert lab._shown["status.text"].startswith("Step 2, event 1 of")
    press(lab, "later")
    assert lab.moment == 1
    press(lab, "earlier")
    press(lab, "earlier")
    assert (lab.debugger.position, lab.moment) == (1, None)
    press(lab, "earlier")
    assert lab.moment == len(lab.step_events) - 2


def test_in_the_middle_of_a_step_registers_and_listing_show_that_moment(lab: StepLab) -> None:
    lab.step()
    press(lab, "later")
    assert lab._shown["v-pc"] == "0x40000004"
    assert lab._shown["row-40000004@class"].endswith("sl-now")
    for _ in range(len(lab.step_events) - 1):
        press(lab, "later")
    assert lab.moment is None
    assert "0x40000008" in lab._shown["v-pc"]


def test_an_event_of_the_kernel_opens_the_line_that_made_it(lab: StepLab) -> None:
    lab.step()
    at = next(n for n, e in enumerate(lab.step_events) if e.what == "enter")
    press(lab, "event", str(at))
    assert "aarch64sim/kvm/" in lab._shown["event"]
    assert "ERET into the guest" in lab._shown["event"]
    place = sourcelink.find(lab.step_events[at].source)
    assert place is not None
    assert "ERET into the guest" in "".join(place.lines)


@pytest.mark.parametrize("source", ["", "os:path:1", "aarch64sim.kvm.vcpu:f:999999", "nonsense"])
def test_a_source_that_is_none_opens_nothing(source: str) -> None:
    assert sourcelink.html(source) == ""


# Sessions


def test_a_session_is_taken_up_again_from_its_code(store: str) -> None:
    lab = StepLab(store, kernel="v4.3")
    lab.step()
    lab.step()
    again = StepLab.from_code(lab.code())
    assert repr(again) == repr(lab)
    assert again.snapshot() == lab.snapshot()


def test_a_code_that_is_damaged_is_refused(store: str) -> None:
    code = encode(Session(store, "v4.3", 2))
    for wrong in ("", "hello", code[:-9], code.replace("step1.", "step1.!!"), "step1.AAAA"):
        with pytest.raises(SessionError):
            decode(wrong)
    assert decode(f" {code[:20]}\n{code[20:]} ").step == 2


def coded(text: str) -> str:
    """Any text as a code, whole and undamaged."""
    return MARK + base64.urlsafe_b64encode(zlib.compress(text.encode())).decode()


STEP = '{"program": "nop", "kernel": "v4.3", "step": %s}'


@pytest.mark.parametrize(
    "text",
    [
        *(STEP % step for step in ("Infinity", "1e308", "-1", "true", "1.9", "null", '"1"', "[]")),
        "[" * 5000,
        '{"a":' * 5000,
        "[]",
        "7",
        '{"program": 7, "kernel": "v4.3", "step": 1}',
        '{"program": "nop", "kernel": 7, "step": 1}',
        '{"program": "nop", "kernel": {"base": []}, "step": 1}',
        '{"program": "nop", "kernel": {"base": {}}, "step": 1}',
        '{"program": "addd x0", "kernel": "v4.3", "step": 1}',
        '{"program": ".org 0x90000000\\nnop", "kernel": "v4.3", "step": 1}',
        '{"program": "// \\ud800", "kernel": "v4.3", "step": 1}',
        " " * 2_000_000,
    ],
    ids=lambda text: text[:40],
)
def test_a_code_of_what_is_no_session_is_refused_with_one_sentence(text: str) -> None:
    with pytest.raises(SessionError) as refused:
        StepLab.from_code(coded(text))
    assert 20 < len(str(refused.value)) < 300


# Views


def used(store: str, views: list[str]) -> StepLab:
    """A panel with these views after steps, a change by hand, an event on and a click on an event."""
    lab = StepLab(store, kernel="v4.3", views=views)
    press(lab, "step")
    press(lab, "step")
    press(lab, "register", "x5 = 7")
    press(lab, "travel", "break line 8")
    press(lab, "later")
    press(lab, "event", "3")
    return lab


@pytest.mark.parametrize("left_out", list(VIEWS))
def test_without_any_one_view_the_others_show_the_same(store: str, left_out: str) -> None:
    rest = [name for name in VIEWS if name != left_out]
    lab, whole = used(store, rest), used(store, list(VIEWS))
    whole._prefix = lab._prefix
    assert f"sl-view-{left_out}" not in lab._stage.skeleton
    for name in rest:
        assert f"sl-view-{name}" in lab._stage.skeleton
        for slot, value in VIEWS[name].values(whole).items():
            if not slot.startswith(("#", "step-style", "row-", "listing")):
                assert lab._shown[slot] == value, slot
    press(lab, "back")
    lab.run()
    assert lab._shown["status.text"]


def test_an_unknown_view_lists_the_known_ones(store: str) -> None:
    with pytest.raises(TraitError, match="there is no view 'diagram'; there are program"):
        StepLab(store, views=["diagram"])


def test_two_panels_on_one_debugger_show_the_same(store: str) -> None:
    first = StepLab(store)
    second = StepLab(debugger=first.debugger)
    first.step()
    second.step()
    assert repr(first) == repr(second)
