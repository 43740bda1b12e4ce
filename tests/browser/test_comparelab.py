"""Two kernels, a syndrome and figures by themselves: mouse, keyboard, dark theme, narrow windows."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.test_seeing import brightness
from tests.browser.workbench import Workbench

IMPORTS = "from widgets import *\nfrom widgets.course import program\n"
FIGURES = """
display(LifeCycle.of('v5.0'), EsrRuler(0x93c08047))
both = CompareLab(program('store')); both.run()
display(both.stops())
display(both.timeline(2))
lab = StepLab(program('store')); lab.step(); lab.step()
display(lab.diagram())
"""
# Texts of a drawing that overlap as the browser draws them, with its own fonts.
TOUCHING = """svg => {
    const boxes = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim())
        .map(t => [t.textContent, t.getBoundingClientRect()]);
    const found = [];
    boxes.forEach(([one, a], n) => boxes.slice(n + 1).forEach(([other, b]) => {
        const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (x > 1 && y > Math.min(a.height, b.height) / 3) found.push(`${one} / ${other}`);
    }));
    return found;
}"""


@pytest.fixture
def both(bench: Workbench) -> Workbench:
    bench.show(f"{IMPORTS}both = CompareLab(program('store'))\nboth")
    return bench


def test_a_click_steps_both_and_lights_both_machines(both: Workbench) -> None:
    both.button("Step").click()
    both.button("Step").click()
    expect(both.status()).to_contain_text("They differ from click 2 on.")
    expect(both.page.locator(".sl-ghostcell")).to_contain_text("should have stopped here")
    numbers = both.page.evaluate(
        """() => [...document.querySelectorAll(".sl-diagram [id*='-number-skip-kept']")]
            .map(g => getComputedStyle(g).visibility)"""
    )
    assert numbers == ["visible", "hidden"]
    assert both.page.locator("td.sl-parted").count() > 0
    both.lab.screenshot("compare-two-clicks")
    assert not both.lab.problems


def test_the_first_difference_is_reached_by_key_and_by_slider_left_again(both: Workbench) -> None:
    both.button("Step").focus()
    both.page.keyboard.press("d")
    expect(both.status()).to_contain_text("They differ from click 2 on.")
    both.page.get_by_role("slider", name="position in the history").focus()
    both.page.keyboard.press("Home")
    expect(both.status()).to_contain_text("Not started")


def test_a_search_without_end_shows_progress_and_is_stopped(bench: Workbench) -> None:
    source = "loop: add x0, x0, #1\\n b loop"
    bench.show(f"{IMPORTS}CompareLab('{source}', 'v5.3', 'v6.14')")
    bench.button("First difference").click()
    expect(bench.status()).to_contain_text("Running:")
    bench.button("Stop").click()
    expect(bench.status()).to_contain_text("Stopped by you after")


def test_a_fault_in_the_program_is_shown_at_its_place(both: Workbench) -> None:
    both.open("Edit")
    both.page.locator(".sl-source textarea").fill("mov x0, #1\naddd x1, x1, #1\n")
    both.button("Assemble").click()
    expect(both.page.locator(".sl-errors")).to_contain_text("line 2, column 1")


# A syndrome


@pytest.fixture
def esr(bench: Workbench) -> Workbench:
    bench.show(f"{IMPORTS}esr = EsrLab(0x93800047)\nesr")
    return bench


def write(field: Locator, text: str) -> None:
    """As by hand: the browser tells of a change only if keys made it."""
    field.press("Control+a")
    field.press_sequentially(text)
    field.press("Enter")


def word_field(esr: Workbench) -> Locator:
    return esr.page.get_by_role("textbox", name="ESR_EL2", exact=True)


def test_the_picture_follows_a_field_that_keeps_the_focus(esr: Workbench) -> None:
    field = esr.page.get_by_label("SAS, bits 23:22")
    write(field, "3")
    expect(esr.status()).to_contain_text("0x93c00047")
    picture = esr.page.locator(".sl-ruler svg")
    expect(picture).to_have_attribute("aria-label", re.compile("ESR_EL2 0x93c00047"))
    expect(field).to_be_focused()


def test_bits_are_one_stop_for_tab_and_toggle_by_keyboard(esr: Workbench) -> None:
    word_field(esr).focus()
    esr.page.keyboard.press("Tab")
    expect(esr.page.get_by_label("bit 31, EC: 1")).to_be_focused()
    esr.page.keyboard.press("ArrowRight")
    esr.page.keyboard.press("Enter")
    expect(word_field(esr)).to_have_value("0xd3800047")
    expect(esr.page.get_by_label("bit 30, EC: 1")).to_be_focused()


def test_a_word_that_is_none_is_answered_in_a_sentence_and_can_be_fixed(esr: Workbench) -> None:
    word = word_field(esr)
    write(word, "zzz")
    expect(esr.status()).to_have_text(
        "'zzz' is no syndrome: write 32 bits in hexadecimal, 0x93800047 for example."
    )
    expect(word).to_have_attribute("aria-invalid", "true")
    write(word, "cb000022")
    expect(esr.status()).to_contain_text("software step")
    expect(word).to_have_value("0xcb000022")


# Figures by themselves


@pytest.mark.parametrize("width", [1280, 900])
def test_figures_follow_the_theme_and_no_text_touches_another(bench: Workbench, width: int) -> None:
    bench.look(width, 1900)
    bench.show(f"{IMPORTS}from IPython.display import display\n{FIGURES}")
    drawings = bench.page.locator(".sl-drawing svg")
    expect(drawings).to_have_count(5)
    for theme in ("light", "dark"):
        bench.look(width, 1900, dark=theme == "dark")
        bench.lab.screenshot(f"figures-{width}-{theme}")
        for drawing in drawings.all():
            assert drawing.evaluate(TOUCHING) == []
            board = drawing.locator("xpath=ancestor::*[contains(@class, 'sl-board')]")
            assert board.evaluate("e => e.scrollWidth <= e.clientWidth")
            ink = drawing.locator("text").first.evaluate("e => getComputedStyle(e).fill")
            assert (brightness(ink) > 3 * 128) == (theme == "dark")
    assert not bench.lab.problems
