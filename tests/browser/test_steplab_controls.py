"""The controls of a StepLab by mouse and keyboard: run to, events, event log, decoded registers, own kernel."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.workbench import Workbench

OWN = """
from dataclasses import replace
from aarch64sim import kernels
from widgets import StepLab
from widgets.course import program
mine = replace(kernels["fixed"], name="mine", title="my kernel", summary="mine alone")
lab = StepLab(program("store"), kernel=mine)
lab
"""
LONG = "from widgets import StepLab\nlab = StepLab('nop\\n' * 300 + 'last: b last', 'fixed')\nlab"
# Each change of a field takes the kernel a while: the page holds back what is typed meanwhile.
SLOW_FIELDS = """
import time
from ipywidgets import Text
quick = Text.set_state
def slow(self, state):
    time.sleep(0.7)
    quick(self, state)
Text.set_state = slow
"""
TIP = "e => getComputedStyle(e, '::after').content"


@pytest.fixture
def panel(bench: Workbench) -> Workbench:
    bench.show(OWN)
    return bench


def go(bench: Workbench, verb: str, where: str) -> None:
    """Choose a verb, write where, press Enter."""
    if not bench.page.locator(".sl-where input").is_visible():
        bench.open("Run to")
    bench.choose("verb", verb)
    field = bench.page.locator(".sl-where input")
    field.fill(where)
    field.press("Enter")


def test_one_field_runs_to_places_exits_and_conditions(panel: Workbench) -> None:
    panel.button("Step").click()  # a run enters the guest freely: only a step sets SS
    go(panel, "Run to", "line 6")
    expect(panel.status()).to_contain_text("Arrived at 0x4000000c")
    expect(panel.page.locator(".sl-where input")).to_be_focused()
    expect(panel.page.locator(".sl-answer")).to_contain_text("Arrived at 0x4000000c")
    go(panel, "Run to", "x3 == 1")
    expect(panel.status()).to_contain_text("x3 == 1")
    go(panel, "Last write to", "x1")
    expect(panel.status()).to_contain_text("x1 0x0 -> 0x1")
    expect(panel.text("changed")).to_contain_text("x1 0 → 1")
    go(panel, "Last write to", "ss")
    expect(panel.status()).to_contain_text("SS was written last here")
    go(panel, "Break at", "line 1")
    expect(panel.status()).to_contain_text("line 1 has no instruction")
    go(panel, "Break at", "line 5")
    go(panel, "Watch", "uart")
    expect(panel.text("points")).to_contain_text("watching accesses to 0x9000000")
    panel.page.get_by_role("button", name="remove accesses to").click()
    expect(panel.text("points")).not_to_contain_text("watching")
    panel.button("Run").click()
    expect(panel.status()).to_contain_text("Stopped at 0x40000008 by a breakpoint")
    panel.button("Run").click()
    expect(panel.status()).to_contain_text("The guest has ended")
    panel.button("Run back").click()
    expect(panel.status()).to_contain_text("0x40000008")
    expect(panel.page.locator(".sl-history .sl-position")).to_have_text(re.compile("step [23] of"))
    assert panel.text("ticks-MMIO").get_attribute("d")
    assert panel.page.locator(".sl-history .sl-ticks").count() == 1
    panel.button("Step").focus()
    panel.page.keyboard.press(".")
    expect(panel.status()).to_contain_text("event 1 of")
    panel.page.keyboard.press(",")
    expect(panel.status()).not_to_contain_text("event 1 of")
    panel.lab.screenshot("steplab-points")
    assert not panel.lab.problems


def test_a_click_acts_on_what_is_written_when_the_kernel_lags_behind(bench: Workbench) -> None:
    bench.show(LONG)
    bench.open("Run to")
    bench.lab.execute(SLOW_FIELDS)
    try:
        for where in ("line 3", "line 5"):
            go(bench, "Break at", where)
        bench.page.locator(".sl-where input").fill("line 9")
        bench.button("Go").click()
        expect(bench.text("points").locator("li")).to_have_count(3)
        bench.open("Registers")
        field = bench.page.get_by_label("register = value", exact=True)
        for value in ("x1 = 1", "x2 = 2", "x3 = 3"):
            field.fill(value)
            bench.page.get_by_role("button", name="Set", exact=True).click()
        expect(bench.status()).to_contain_text("x3 is 0x3 now")
        assert not bench.lab.problems
    finally:
        bench.lab.execute("Text.set_state = quick")


def test_the_event_log_follows_goes_and_opens_the_line(panel: Workbench) -> None:
    panel.open("Events")
    for number in range(4):
        panel.button("Step").click()
        expect(panel.page.locator(".sl-history .sl-position")).to_have_text(f"step {number + 1}")
    now = panel.page.locator(".sl-log tbody.sl-now")
    expect(now).to_contain_text("4")
    box = panel.page.locator(".sl-view-log .sl-scroll")
    assert box.evaluate("e => e.scrollTop") > 0
    panel.page.locator(".sl-log button", has_text="skipped").first.click()
    expect(panel.page.locator(".sl-history .sl-position")).to_have_text("step 2 of 4")
    expect(panel.text("event")).to_contain_text("Mirrors Linux commit")
    expect(panel.text("event")).to_contain_text("aarch64sim/kvm/")
    panel.page.keyboard.press("ArrowDown")
    panel.page.keyboard.press("Enter")
    expect(panel.text("event")).not_to_contain_text("skipped over")
    expect(panel.page.locator(".sl-log tr[aria-current]")).to_have_count(1)
    assert panel.page.evaluate("() => document.activeElement.dataset.do") == "log"
    panel.page.get_by_label("kernel lane").uncheck()
    expect(panel.page.locator(".sl-log-kvm").first).to_be_hidden()
    expect(panel.page.locator(".sl-log-debugger").first).to_be_visible()
    assert not panel.lab.problems


def test_registers_say_their_fields_on_hover_and_by_keyboard(panel: Workbench) -> None:
    panel.open("Registers")
    word = panel.text("w-pstate")
    word.hover()
    assert "Exception level: EL1" in word.evaluate(TIP)
    panel.open("Bits")
    bits = panel.text("bits-pstate").get_by_role("button")
    bits.first.focus()
    for _ in range(7):
        panel.page.keyboard.press("ArrowRight")
    focused = panel.page.locator(":focus")
    expect(focused).to_have_attribute("aria-label", re.compile("^SS, bit 21, is 0"))
    assert "no step is granted" in focused.evaluate(TIP)
    panel.button("Step").click()
    panel.button("Step").click()
    expect(panel.page.locator(".sl-history .sl-position")).to_have_text("step 2")
    hsr = panel.text("bits-hsr").get_by_role("button", name=re.compile("^ISV"))
    hsr.hover()
    assert "nothing was stepped" in hsr.evaluate(TIP)
    panel.lab.screenshot("steplab-decoded")


def test_ones_own_kernel_stays_in_the_list(panel: Workbench) -> None:
    chooser = panel.page.locator(".sl-choose-kernel select")
    expect(chooser.locator("option:checked")).to_have_text("your kernel: my kernel")
    expect(chooser).to_have_attribute("title", "mine alone")
    panel.choose("kernel", "Linux 4.3 - 4.14 (v4.3)")
    expect(chooser).to_have_attribute("title", re.compile("bug of 2014"))
    panel.choose("kernel", "your kernel: my kernel")
    expect(chooser).to_have_attribute("title", "mine alone")


def test_the_listing_scrolls_with_the_guest(bench: Workbench) -> None:
    bench.show(LONG)
    go(bench, "Run to", "last")
    expect(bench.status()).to_contain_text("Arrived at")
    line = bench.page.locator(".sl-listing .sl-now")
    inside = """e => { const box = e.closest('.sl-scroll').getBoundingClientRect(), r = e.getBoundingClientRect();
                      return r.top >= box.top && r.bottom <= box.bottom + 1; }"""
    assert line.evaluate(inside)
    bench.button("Start").click()
    expect(bench.status()).to_contain_text("Not started")
    assert line.evaluate(inside)


def test_input_memory_and_session_code_by_keyboard(panel: Workbench) -> None:
    page = panel.page
    for title, field, text, says in (
        ("UART", "input for the UART", "hello", "6 bytes"),
        ("Registers", "register = value", "x5 = 7", "x5 is 0x7 now"),
        ("Memory", "from", "start", ""),
        ("Memory", "from", "<b>tea</b>", "'<b>tea</b>' is not a number"),
    ):
        panel.open(title)
        page.get_by_label(field, exact=True).fill(text)
        page.keyboard.press("Enter")
        expect(panel.status()).to_contain_text(says)
        if says:
            expect(page.locator(".sl-answer:visible")).to_contain_text(says)
    expect(panel.text("memory")).to_contain_text("0x40000000")
    panel.open("Share")
    assert page.get_by_label("session code").input_value().startswith("step1.")
    assert not panel.lab.problems
