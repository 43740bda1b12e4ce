"""Lab 00 as a learner meets it, and its panel: mouse, keyboard, bad input."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.harness import LabPage
from tests.browser.latency import lag_after_thirty_clicks
from tests.browser.workbench import LOOP, Workbench

ENDLESS = "loop: add x0, x0, #1\\n b loop"


@pytest.fixture
def panel(bench: Workbench) -> Workbench:
    """A panel of store.s under v4.3."""
    bench.show()
    return bench


def lit_state(bench: Workbench) -> list[str]:
    """The states of the diagram whose border is heavy."""
    return list(
        bench.page.evaluate(
            """() => [...document.querySelectorAll(".sl-diagram [id*='-state-']")]
                .filter(g => parseFloat(getComputedStyle(g.querySelector('path, rect')).strokeWidth) > 2)
                .map(g => g.id.split('-state-')[1])"""
        )
    )


# The first lab


def test_in_lab_00_one_click_on_step_takes_two_instructions(lab: LabPage) -> None:
    lab.open_notebook("labs/00-start-here.ipynb")
    lab.run_all()
    panel = lab.page.locator(".sl-panel", has=lab.page.locator(".sl-diagram")).first
    step = lab.scroll_to(panel.locator(".sl-do-step"))
    step.click()
    expect(panel.get_by_role("status")).to_contain_text("Stopped at 0x40000004 (str w0, [x19])")
    step.click()
    expect(panel.get_by_role("status")).to_contain_text(
        "The instruction at 0x40000008 (add x1, x1, #0x1) ran without a stop."
    )
    expect(panel.locator("[data-slot='changed']")).to_contain_text("x1 0 → 1")
    expect(panel.locator("[data-slot='changed']")).to_contain_text("0x40000004 → 0x4000000c")
    expect(panel.locator(".sl-ghost")).to_contain_text("should have stopped here")
    expect(panel.locator("[aria-current=step]")).to_contain_text("0x4000000c")
    lab.scroll_to(step)
    lab.screenshot("lab-00-panel")
    panel.locator(".sl-choose-kernel select").select_option(label="fixed")
    expect(panel.get_by_role("status")).to_contain_text("The same 2 steps under fixed")
    expect(panel.get_by_role("status")).to_contain_text("Stopped at 0x40000008")
    lab.scroll_to(lab.page.locator(".sl-stops"))
    lab.screenshot("lab-00-compare")

    # The prediction above it answers at once.
    question = lab.scroll_to(lab.page.locator(".sl-question").first)
    question.get_by_label("at 0x40000008", exact=True).click()
    expect(question.get_by_role("status")).to_contain_text("Not quite.")
    question.get_by_label("at 0x4000000c", exact=True).click()
    expect(question.get_by_role("status")).to_contain_text("Right.")


def test_the_diagram_shows_state_and_way(panel: Workbench) -> None:
    panel.button("Step").click()
    panel.button("Step").click()
    expect(panel.status()).to_contain_text("ran without a stop")
    assert lit_state(panel) == ["inactive", "skip"]
    numbers = panel.page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".sl-diagram [id*='-number-']")]
            .filter(g => getComputedStyle(g).visibility !== 'hidden')
            .map(g => [g.id.split('-number-')[1], g.textContent.trim()]))"""
    )
    assert numbers == {
        "enter-granted": "1",
        "exception": "2",
        "skip": "3",
        "skip-kept": "4",
        "retire": "5",
        "step-exception": "6",
    }
    panel.page.locator(".sl-timeline button", has_text="ERET").first.click()
    expect(panel.text("event")).to_contain_text("event 2 of 12, kernel")
    assert lit_state(panel) == ["active-not-pending"]


# Keyboard


PLACES = {
    "the status": ".sl-status",
    "the listing": ".sl-listing .sl-now .sl-address",
    "the diagram": ".sl-diagram",
    "the timeline": ".sl-view-timeline h3",
    "the live bits": ".sl-changes",
    "a button": ".sl-do-step",
    "a disabled button": ".sl-do-stop",
    "the slider": ".sl-history .noUi-base",
    "the folded part": ".sl-drawers .lm-TabBar-tab",
    "the edge": ".sl-stage",
}
DANGEROUS = (
    *"xabddcvzmy1jkf0rns,.R",
    *("Home", "Escape", "ArrowUp", "ArrowDown", "Delete"),
)


@pytest.mark.parametrize("place", PLACES)
def test_no_key_after_a_click_in_the_panel_reaches_the_notebook(
    panel: Workbench, place: str
) -> None:
    cells = panel.lab.cell_sources()
    panel.page.locator(f".sl-panel {PLACES[place]}").first.click(force=True)
    for key in DANGEROUS:
        panel.page.keyboard.press(key)
    panel.page.wait_for_timeout(150)
    assert panel.lab.cell_sources() == cells
    kinds = panel.page.locator(".jp-Notebook .jp-CodeCell").count()
    assert kinds == len(cells)
    expect(panel.page.locator(".sl-panel")).to_be_visible()


def test_keys_step_after_a_click_on_the_listing(panel: Workbench) -> None:
    panel.page.locator(".sl-listing .sl-now .sl-address").click()
    panel.page.keyboard.press("n")
    expect(panel.status()).to_contain_text("Stopped at 0x40000004")
    panel.page.keyboard.press("r")
    expect(panel.status()).to_contain_text("The guest has ended")
    panel.page.keyboard.press("Home")
    expect(panel.status()).to_contain_text("Not started")
    panel.page.keyboard.press("?")
    expect(panel.page.locator(".sl-keytable")).to_be_visible()


@pytest.mark.parametrize("key", ["Enter", "Space", "n", "Shift+Enter"])
def test_a_key_steps_once_and_keeps_the_focus(panel: Workbench, key: str) -> None:
    cells = panel.lab.cell_sources()
    panel.button("Step").focus()
    panel.page.keyboard.press(key)
    expect(panel.status()).to_contain_text("Stopped at 0x40000004")
    panel.page.keyboard.press(key)
    expect(panel.status()).to_contain_text("Stopped at 0x4000000c")
    assert "Step" in panel.page.evaluate("() => document.activeElement.textContent")
    assert panel.lab.cell_sources() == cells


def test_everything_is_reached_with_tab_in_reading_order(panel: Workbench) -> None:
    panel.button("Step").click()
    expect(panel.status()).to_contain_text("Stopped at 0x40000004")
    panel.page.locator(".sl-choose-kernel select").focus()
    seen = []
    for _ in range(13):
        seen.append(
            panel.page.evaluate(
                "() => { const e = document.activeElement;"
                " return e.getAttribute('aria-label') || e.title || e.textContent.trim(); }"
            )
        )
        panel.page.keyboard.press("Tab")
    words = " / ".join(seen)
    order = [
        "undo the last step",
        "as a debugger does it",
        "position in the history",
        "one event back",
    ]
    order += ["the keys", "The diagram in words"]
    places = [words.index(each) for each in order]
    assert places == sorted(places)


def test_the_slider_moves_through_the_history_by_keyboard(panel: Workbench) -> None:
    for _ in range(3):
        panel.button("Step").click()
    expect(panel.status()).to_contain_text("0x40000010")
    panel.page.get_by_role("slider", name="position in the history").focus()
    panel.page.keyboard.press("ArrowLeft")
    expect(panel.status()).to_contain_text("0x4000000c")
    panel.page.keyboard.press("Home")
    expect(panel.status()).to_contain_text("Not started")
    panel.page.keyboard.press("End")
    expect(panel.status()).to_contain_text("0x40000010")


def test_the_events_of_the_timeline_are_one_stop_and_arrows_move(panel: Workbench) -> None:
    panel.button("Step").click()
    expect(panel.status()).to_contain_text("Stopped at")
    panel.page.locator(".sl-timeline button[tabindex='0']").focus()
    panel.page.keyboard.press("ArrowRight")
    panel.page.keyboard.press("Enter")
    expect(panel.text("event")).not_to_be_empty()


def test_a_breakpoint_is_set_by_mouse_and_by_keyboard(panel: Workbench) -> None:
    first = panel.page.get_by_role("button", name="breakpoint at 0x40000010")
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    panel.page.keyboard.press("ArrowDown")
    panel.page.keyboard.press("Enter")
    second = panel.page.get_by_role("button", name="breakpoint at 0x40000014")
    expect(second).to_have_attribute("aria-pressed", "true")
    panel.button("Run").click()
    expect(panel.status()).to_contain_text("Stopped at 0x40000010")
    panel.button("Run").click()
    expect(panel.status()).to_contain_text("Stopped at 0x40000014")


def test_a_register_is_changed_with_enter(panel: Workbench) -> None:
    panel.button("Step").click()
    panel.open("Registers")
    field = panel.page.get_by_label("register = value")
    field.fill("x0 = 0x42")
    field.press("Enter")
    expect(panel.status()).to_contain_text("x0 is 0x42 now")
    expect(panel.page.locator(".sl-answer")).to_contain_text("x0 is 0x42 now")
    panel.button("Step").click()
    panel.open("UART")
    expect(panel.text("console")).to_have_text("B")


def test_play_steps_until_stop(panel: Workbench) -> None:
    panel.open("Run to")
    panel.page.get_by_label("speed of Play").select_option("fast")
    panel.button("Play").click()
    expect(panel.status()).to_contain_text("The guest has ended")
    expect(panel.button("Stop")).to_be_disabled()


def test_an_event_opens_the_line_of_ours_that_made_it(panel: Workbench) -> None:
    panel.button("Step").click()
    panel.page.locator(".sl-timeline button", has_text="ERET").first.click()
    panel.page.get_by_text("Made by").click()
    expect(panel.page.locator(".sl-codenow")).to_contain_text("ERET into the guest")


# Bad input


def edit(panel: Workbench, text: str) -> None:
    """Write a program and assemble it."""
    if not panel.page.locator(".sl-source textarea").is_visible():
        panel.open("Edit")
    panel.page.locator(".sl-source textarea").fill(text)
    panel.button("Assemble").click()


def test_a_typo_is_shown_at_its_place_and_the_panel_stays_usable(panel: Workbench) -> None:
    edit(panel, "mov x0, #1\naddd x1, x1, #1\n")
    alert = panel.page.locator(".sl-errors")
    expect(alert).to_contain_text("line 2, column 1")
    expect(alert).to_contain_text("did you mean")
    panel.button("Step").click()
    expect(panel.status()).to_contain_text("Stopped at 0x40000004 (str w0, [x19])")
    edit(panel, "mov x0, #1\nadd x1, x1, #1\n")
    expect(panel.page.locator(".sl-listing")).to_contain_text("add x1, x1, #1")
    expect(panel.page.locator(".sl-listing")).not_to_contain_text("[x19]")
    panel.button("Step").click()
    expect(panel.text("changed")).to_contain_text("x0 0 → 1")


def test_markup_in_a_program_is_text(panel: Workbench) -> None:
    evil = "nop // <img src=x onerror='window.pwned=1'><script>window.pwned=2</script> \U0001f600\n"
    edit(panel, evil)
    expect(panel.page.locator(".sl-listing tr")).to_have_count(2)  # its head, and the nop
    edit(panel, evil + "<b>bold</b>\n")
    expect(panel.page.locator(".sl-errors")).to_contain_text("<b>bold</b>")
    assert panel.page.evaluate("() => window.pwned") is None


def test_an_endless_loop_is_stopped_by_stop(bench: Workbench) -> None:
    bench.show(f"from widgets import StepLab\nlab = StepLab('{ENDLESS}')\nlab")
    bench.button("Run").click()
    expect(bench.status()).to_contain_text("Running")
    bench.page.wait_for_timeout(300)
    bench.button("Stop").click()
    expect(bench.status()).to_contain_text("Stopped by you after")
    bench.button("Step").click()
    expect(bench.status()).to_contain_text("Stopped at")


@pytest.mark.parametrize(("source", "clicks"), [("mov x0, #0\\n br x0", 3), (".word 0\\n", 2)])
def test_a_guest_that_goes_nowhere_ends_in_a_state_that_is_said(
    bench: Workbench, source: str, clicks: int
) -> None:
    bench.show(f"from widgets import StepLab\nlab = StepLab('{source}')\nlab")
    for _ in range(clicks):
        bench.button("Step").click()
        bench.lab.ask_kernel()
    expect(bench.status()).to_contain_text("no handler there")
    expect(bench.button("Step")).to_be_disabled()
    assert not bench.lab.cell_errors()


# Speed: no limits here, a shared machine is no place for them; tests/benchmarks/bench_seeing.py says the figures.


def test_thirty_rapid_clicks_end_in_the_right_state(bench: Workbench) -> None:
    panel = bench.show(f"from widgets import StepLab\nlab = StepLab('{LOOP}', 'fixed')\nlab")
    lag_after_thirty_clicks(panel, "step 30")
    bench.lab.run_cell(0, "lab.snapshot()['step'], lab.debugger.position")
    expect(bench.page.locator(".jp-OutputArea-output").first).to_have_text("(30, 30)")
