"""The panel without a browser: what it shows after each move, and what it sends."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from typing import Any

import ipywidgets
import pytest
from ipywidgets import Widget

from aarch64sim import AssemblyError
from aarch64sim.arch.pstate import PState
from aarch64sim.debug import HistoryError
from aarch64sim.kvm.vcpu import UNKNOWN
from tests.widgets.seen import StepLab, press
from widgets import CompareLab, Question
from widgets.figures import figure
from widgets.models import decoded
from widgets.page import bits, registerfile
from widgets.page.listing import Listing

LOOP = "loop: add x0, x0, #1\n b loop"


@pytest.fixture
def lab(store: str) -> StepLab:
    return StepLab(store, kernel="v4.3")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is sent to the page, by whatever widget, once it is ready."""
    messages: list[dict[str, Any]] = []

    def keep(self: Widget, message: dict[str, Any], buffers: object = None) -> None:
        messages.append(message["content"] if message["method"] == "custom" else message)

    monkeypatch.setattr(Widget, "_send", keep)
    return messages


def test_one_click_takes_two_instructions_under_v43(lab: StepLab) -> None:
    press(lab, "step")
    press(lab, "step")
    assert repr(lab) == "StepLab(v4.3, step 2, pc=0x4000000c, inactive)"
    assert "0x40000008 (add x1, x1, #0x1) ran without a stop" in lab._shown["status.text"]
    assert lab._shown["row-40000008@class"] == "sl-unseen"
    assert lab._shown["row-4000000c@class"] == "sl-now"
    assert lab._shown["row-4000000c@aria-current"] == "step"
    assert lab._shown["row-40000000@class"] is None
    assert "should have stopped here" in lab._shown["timeline"]
    assert lab._shown["console.text"] == "A"


def test_one_click_takes_one_instruction_under_fixed(store: str) -> None:
    lab = StepLab(store, kernel="fixed")
    lab.step()
    lab.step()
    assert lab.snapshot()["pc"] == 0x4000_0008
    assert "ran without" not in lab._shown["status.text"]
    assert "nothing was stepped" in lab._shown["exits"]


def test_registers_are_shown_old_and_new(lab: StepLab) -> None:
    lab.goto(0)
    lab.step()
    assert html.unescape(re.sub("<.*?>", "", lab._shown["v-x0"])) == "0 → 0x41"
    assert "sl-changed" in lab._shown["r-x0@class"]
    lab.step()
    assert lab._shown["v-x0"] == "0x41"
    assert "sl-changed" not in lab._shown["r-x0@class"]


def test_every_slot_that_is_filled_is_in_the_page(lab: StepLab) -> None:
    lab.step()
    for board in (lab._status_line, lab._stage, *lab._parts.values()):
        made = board.skeleton + "".join(str(v) for k, v in board.shown.items() if "@" not in k)
        slots = set(re.findall(r'data-slot="([^"]+)"', made))
        for key in board.shown:
            if key.startswith("#"):
                assert f'id="{key[1:]}"' in board.skeleton
            else:
                assert key.removesuffix(".text").partition("@")[0] in slots, key


@pytest.mark.parametrize("part", ["program", "machine", "timeline", "registers", "log"])
def test_a_step_is_one_message_with_only_the_differences(
    store: str, sent: list[dict[str, Any]], part: str
) -> None:
    lab = StepLab(store, kernel="v4.3", views=("program", "machine", "timeline"))
    lab.part(part)
    press(lab, "ready")
    press(lab, "step")
    sent.clear()
    press(lab, "step")
    assert len(sent) == 1
    shows = {key: value for show in sent[0]["shows"].values() for key, value in show.items()}
    assert lab.model_id in sent[0]["states"]
    assert "listing" not in shows
    assert "v-x19" not in shows
    assert len(str(sent)) < 20_000


def test_before_the_page_is_ready_everything_is_in_the_states(lab: StepLab) -> None:
    lab.step()
    assert lab._status_line.get_state("shown")["shown"]["position.text"] == "step 1"
    assert "row-40000004@class" in lab.part("program").get_state("shown")["shown"]


def test_back_and_the_slider_go_through_the_history(lab: StepLab) -> None:
    for _ in range(3):
        press(lab, "step")
    press(lab, "back")
    assert repr(lab) == "StepLab(v4.3, step 2 of 3, pc=0x4000000c, inactive)"
    press(lab, "goto", 1)
    assert lab.snapshot()["step"] == 1
    press(lab, "start")
    assert lab._shown["status.text"].startswith("Not started.")
    assert lab._shown["do-back@aria-disabled"] == "true"


def test_a_goto_beyond_the_history_says_so_and_moves_nothing(lab: StepLab) -> None:
    lab.step()
    press(lab, "goto", 17)
    assert "no step 17" in lab._shown["status.text"]
    assert lab.snapshot()["step"] == 1
    with pytest.raises(HistoryError):
        lab.goto(17)


def test_the_end_is_said_and_step_does_nothing_more(lab: StepLab) -> None:
    lab.run()
    assert repr(lab) == "StepLab(v4.3, step 7 of 7, pc=0x4000001c, ended: exit)"
    assert lab._shown["do-step@aria-disabled"] == "true"
    press(lab, "step")
    assert lab.snapshot()["step"] == 7


def test_a_run_by_steps_makes_the_steps_that_the_kernel_makes_and_says_why_it_stays(
    store: str,
) -> None:
    lab = StepLab(store, kernel="v4.3", by_steps=True)
    assert lab.run().number == 6
    atomic = StepLab("1: ldxr w0, [x21]\nstxr w3, w0, [x21]\ncbnz w3, 1b\nnop", by_steps=True)
    assert "clears the exclusive monitor" in atomic.run(limit=30).text
    atomic.goto(1)
    assert "clears the exclusive monitor" in atomic._shown["status.text"]
    free = StepLab("1: ldxr w0, [x21]\nstxr w3, w0, [x21]\ncbnz w3, 1b\nstr w20, [x20]")
    assert free.run().reason == "exit"


def test_another_kernel_keeps_the_place_and_says_so(lab: StepLab) -> None:
    lab.step()
    lab.step()
    press(lab, "kernel", "fixed")
    assert repr(lab) == "StepLab(fixed, step 2, pc=0x40000008, inactive)"
    assert lab._shown["kernel@value"] == "fixed"
    assert lab._shown["status.text"].startswith("The same 2 steps under")
    lab.run()
    press(lab, "kernel", "v4.3")
    assert lab._shown["status.text"].startswith("6 steps of 7 under Linux 4.3")


def test_the_marks_of_the_old_kernel_go_when_another_is_chosen(
    lab: StepLab, sent: list[dict[str, Any]]
) -> None:
    press(lab, "ready")
    lab.step()
    lab.step()
    sent.clear()
    press(lab, "kernel", "fixed")
    rows = sent[0]["shows"][lab._stage.model_id]
    assert rows["row-4000000c@class"] is False
    assert rows["row-40000008@class"] == "sl-now"


def test_an_unknown_kernel_lists_the_known_ones(store: str) -> None:
    with pytest.raises(KeyError, match=r"no kernel 'v9\.9'; known are v4\.3"):
        StepLab(store, kernel="v9.9")


# The editor


def test_the_status_names_the_first_of_many_faults_and_counts_the_others(lab: StepLab) -> None:
    press(lab, "assemble", "nop\nnopp\nnopp\nnopp\n")
    said = (
        "Not assembled: line 2, column 1: unknown mnemonic 'nopp'; did you mean 'nop'? (and 2 more)"
    )
    assert lab._shown["status.text"] == said


def test_a_typo_is_shown_with_place_word_and_a_proposal_and_the_old_program_stays(
    lab: StepLab,
) -> None:
    lab.step()
    press(lab, "assemble", "mov x0, #1\n  addd x1, x1, #1\n")
    errors = re.sub("<.*?>", "", html.unescape(lab._shown["errors"]))
    assert "line 2, column 3" in errors
    assert "addd" in errors
    assert "did you mean" in errors
    assert "Not assembled" in lab._shown["status.text"]
    assert lab.snapshot()["step"] == 1
    press(lab, "step")
    assert lab.snapshot()["step"] == 2
    assert lab._shown["errors"] == ""


def test_a_right_program_replaces_the_old_one(lab: StepLab) -> None:
    lab.step()
    press(lab, "assemble", "add x5, x5, #7\n")
    assert "add x5, x5, #7" in lab._shown["listing"]
    assert lab._shown["row-40000000@class"] == "sl-now"
    lab.step()
    assert lab.debugger.registers["x5"] == 7


def test_from_code_a_wrong_program_raises(lab: StepLab) -> None:
    with pytest.raises(AssemblyError):
        lab.load("nonsense x0")
    assert lab.snapshot()["step"] == 0


def test_markup_in_a_program_is_escaped() -> None:
    evil = '// <img src=x onerror="alert(1)"> <script>alert(2)</script> & \U0001f600\nnop\n'
    lab = StepLab(evil)
    press(lab, "assemble", evil + "<b>bold</b>")
    for key, value in lab._shown.items():
        if "@" not in key and not key.endswith(".text") and isinstance(value, str):
            assert "<img" not in value
            assert "<script" not in value
            assert "<b>bold" not in value


def test_a_program_of_ten_thousand_lines_is_shown_in_part() -> None:
    lab = StepLab("nop\n" * 10_000, kernel="fixed")
    assert lab._shown["listing"].count("<tr") < 500
    lab.debugger.run(1_000)
    lab._show()
    assert "row-40000fa0" in lab._shown["listing"]
    assert lab._shown["row-40000fa0@class"] == "sl-now"


# Runs


def test_a_run_goes_in_slices_and_stop_ends_it() -> None:
    lab = StepLab(LOOP, kernel="fixed")

    async def run_and_stop() -> None:
        press(lab, "run")
        await asyncio.sleep(0.05)
        assert lab.running
        assert "Running" in lab._shown["status.text"]
        press(lab, "stop")
        while lab.running:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run_and_stop(), 20))
    assert "Stopped by you after" in lab._shown["status.text"]
    assert lab._shown["do-stop@aria-disabled"] == "true"
    press(lab, "step")
    assert lab._shown["status.text"].startswith("Stopped at")


def test_a_run_ends_with_the_guest(lab: StepLab) -> None:
    async def run() -> None:
        press(lab, "run")
        while lab.running:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert repr(lab).endswith("ended: exit)")


def test_another_kernel_in_the_middle_of_a_run_ends_the_run() -> None:
    lab = StepLab(LOOP, kernel="fixed")

    async def run() -> None:
        press(lab, "run")
        await asyncio.sleep(0.02)
        press(lab, "kernel", "v4.3")
        while lab.running:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert repr(lab) == "StepLab(v4.3, step 0, pc=0x40000000, inactive)"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("mov x0, #0\nbr x0", ""),
        (".word 0x00000000", ""),
        ("udf #0", ""),
        ("wfi", "never comes"),
        ("ldr q0, [x19]", ""),
    ],
)
def test_a_guest_that_cannot_go_on_ends_in_a_state_that_is_said(source: str, says: str) -> None:
    lab = StepLab(source, kernel="fixed")
    lab.run(50)
    assert says in lab._shown["status.text"]
    assert lab._shown["status.text"]
    lab.png()


# Looking


def test_an_event_of_the_step_can_be_looked_at(lab: StepLab) -> None:
    lab.step()
    lab.step()
    press(lab, "event", 3)
    assert "skipped" in lab._shown["event"]
    assert "pc 0x40000004 → 0x40000008" in lab._shown["event"]
    assert [leg.edge for leg in lab.diagram().legs] == ["enter-granted", "exception", "skip"]
    press(lab, "event", 1)
    assert str(lab.diagram().state) == "active-not-pending"
    press(lab, "event", 1)
    assert lab.moment is None


def test_the_diagram_and_the_live_bit_say_the_same_at_every_event(lab: StepLab) -> None:
    assert lab.diagram().spsr_ss is None  # not set yet
    lab.step()
    lab.step()
    for n in range(len(lab.step_events)):
        press(lab, "event", n)
        found = bits.now(lab.debugger)
        assert found
        assert lab.diagram().spsr_ss == (found.ss if found.saved else None)


def test_the_bundle_has_widget_picture_and_one_line(
    lab: StepLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = lab._repr_mimebundle_()
    assert data["text/plain"] == "StepLab(v4.3, step 0, pc=0x40000000, inactive)"
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["image/png"] != lab.png()  # it says that it is a picture
    monkeypatch.setattr(figure, "a_page_looks", lambda: True)
    svg = lab._repr_mimebundle_()[0]["image/svg+xml"]
    assert svg.startswith("<svg")
    assert "This is a picture. Run the cell (Shift+Enter) to get the buttons." in svg
    assert "application/vnd.jupyter.widget-view+json" in data


@pytest.mark.parametrize("spsr", [0, 0x3C5, 0x2003C5, 0xF1F01FCD, 0x6000_0C00])
def test_the_fields_of_pstate_stand_where_the_machine_has_them(spsr: int) -> None:
    fields = {field.name.lower(): field.of(spsr) for field in decoded.PSTATE}
    assert PState(**fields) == PState.from_spsr(spsr)
    assert len(fields) == len(decoded.PSTATE)


def test_every_register_with_fields_says_all_of_them(lab: StepLab) -> None:
    lab.step()
    lab.step()
    for name in registerfile.BITS:
        word = lab.debugger.last.hsr if name == "hsr" else lab.debugger.registers[name]
        for field in decoded.layout(name, word) if word != UNKNOWN else ():
            assert html.escape(decoded.field_words(field, word)) in lab._shown[f"bits-{name}"]
    assert "software step" in lab._shown["bits-hsr"]
    assert "EL 1: Exception level: EL1" in lab._shown["w-pstate@data-tip"]
    assert "EL 1: Exception level: EL1" in lab._shown["w-pstate@aria-label"]


def test_the_listing_sets_source_beside_disassembly(lab: StepLab) -> None:
    rows = Listing(lab.debugger.program).rows
    row = next(row for row in rows if row.address == 0x4000_0004)
    assert row.text.split() == ["str", "w0,", "[x19]"]
    assert "str" in row.source


def test_a_register_that_nobody_has_written_says_so_in_place_of_what_kvm_fills_it_with(
    lab: StepLab,
) -> None:
    assert lab.debugger.registers["esr_el1"] == UNKNOWN
    assert lab._shown["v-esr_el1"] == lab._shown["v-far_el1"] == "not written yet"
    assert "not written yet" in lab._shown["bits-esr_el1"]
    assert "not written yet" in lab._shown["w-esr_el1@data-tip"]
    press(lab, "register", "far_el1 = 7")
    assert "<strong>7</strong>" in lab._shown["v-far_el1"] or lab._shown["v-far_el1"] == "7"


def test_no_stock_control_says_null() -> None:
    lab, both, asked = StepLab("nop"), CompareLab("nop"), Question("a", {"b": "c"}, "b")
    for panel in (lab, both):
        for number in range(len(panel._drawers._names)):
            panel._drawers.tab.selected_index = number

    def inside(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
        yield widget
        for child in getattr(widget, "children", ()):
            yield from inside(child)

    controls = [each for panel in (lab, both, asked) for each in inside(panel)]
    controls = [each for each in controls if each.has_trait("description")]
    assert len(controls) > 20
    assert [each for each in controls if each.tooltip is None] == []
