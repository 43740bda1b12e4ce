"""The twelve checks of a front end: what a learner does in the first minute, and what a teacher builds of the parts.

Invariant: no check knows which front end it is in; each begins where the one before has left the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from playwright.sync_api import TimeoutError, expect

from tests.browser.frontends import Desk

CELLS = (
    "import ipywidgets\n"
    "from widgets import Question, StepLab\nfrom widgets.course import program\n"
    "store = program('store')",
    "first = StepLab(store, kernel='v4.3')\nfirst.add_class('the-first')\nfirst",
    "Question('Where does the step end?', {'here': 'Yes: one step.', 'there': 'PC moved.'}, 'here')",
    "stepped = StepLab(store, kernel='v4.3')\nstepped.step()\nstepped.diagram()",
    "left, right = StepLab(store, kernel='v4.3'), StepLab(store, kernel='fixed')\n"
    "left.add_class('the-left'); right.add_class('the-right')\n"
    "ipywidgets.link((left, 'position'), (right, 'position'))\n"
    "heard = ipywidgets.HTML('nothing yet')\n"
    "left.observe(lambda change: setattr(heard, 'value', f'pc is {change[\"new\"]:#x}'), 'pc')\n"
    "heard.add_class('what-is-heard')\n"
    "ipywidgets.VBox([heard, ipywidgets.HBox([left, right])])",
    "parts = StepLab(store, kernel='v4.3')\n"
    "laid_out = ipywidgets.AppLayout(header=parts.controls, left_sidebar=parts.program,\n"
    "                                center=parts.machine, footer=parts.timeline)\n"
    "laid_out.add_class('the-parts')\nlaid_out",
)
FIRST = ".the-first"
FIGURE = ".jp-RenderedHTMLCommon > .sl-board svg, .jp-RenderedImage img, .jp-RenderedSVG img"
START, STORE = "Not started", "Stopped at 0x40000004 (str w0, [x19])"
AFTER_TWO = "ran without a stop"
DANGEROUS = (*"xabddcvzmy1jkf0rs,.R", "Escape", "ArrowUp", "ArrowDown", "Delete", "Backspace")
COLOURS = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"


def status(panel: str = FIRST) -> str:
    return f"{panel} .sl-status"


def click(desk: Desk, selector: str, text: str | None = None) -> None:
    for _ in range(3):  # JupyterLab 4.4 may take a cell off the page between the look and the click
        with suppress(TimeoutError):
            desk.find(selector, text).click(timeout=6_000)
            return
        desk.page.mouse.move(640, 400)  # such a cell cannot be scrolled to but as a reader does
        desk.page.mouse.wheel(0, -20_000)
        desk.settle()
    desk.find(selector, text).click()


def do(desk: Desk, action: str, panel: str = FIRST) -> None:
    click(desk, f"{panel} .sl-do-{action}")


def says(desk: Desk, words: str, panel: str = FIRST) -> None:
    expect(desk.page.locator(status(panel))).to_contain_text(words)


def brightness(colour: str) -> int:
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def shows(desk: Desk) -> None:
    for part in (".sl-bar", ".sl-status", ".sl-listing", ".sl-diagram svg", ".sl-view-changes"):
        expect(desk.find(f"{FIRST} {part}")).to_be_visible()
    assert "rror displaying widget" not in desk.page.inner_text("body")
    assert "odel not found" not in desk.page.inner_text("body")


def step(desk: Desk) -> None:
    do(desk, "step")
    says(desk, STORE)
    do(desk, "step")
    says(desk, AFTER_TWO)
    expect(desk.page.locator(f"{FIRST} .sl-ghost")).to_contain_text("should have stopped here")
    expect(desk.page.locator(f"{FIRST} .sl-listing .sl-now")).to_contain_text("0x4000000c")


def back(desk: Desk) -> None:
    do(desk, "back")
    says(desk, STORE)


def slider(desk: Desk) -> None:
    handle = desk.find(f"{FIRST} [role=slider]")
    handle.focus()
    desk.page.keyboard.press("Home")
    says(desk, START)
    desk.page.keyboard.press("End")
    says(desk, AFTER_TWO)
    desk.find(f"{FIRST} .sl-history .noUi-base").click(position={"x": 1, "y": 2}, force=True)
    says(desk, START)


def keys_stay(desk: Desk) -> None:
    cells = desk.sources()
    for place in (".sl-listing .sl-now .sl-address", ".sl-diagram", ".sl-do-step"):
        desk.find(f"{FIRST} {place}").click(force=True)
        for key in DANGEROUS:
            desk.page.keyboard.press(key)
        desk.settle()
        assert desk.sources() == cells, f"a key after a click on {place} changed the notebook"
        expect(desk.page.locator(FIRST)).to_be_visible()
    desk.page.keyboard.press("Home")
    says(desk, START)
    desk.page.keyboard.press("n")
    says(desk, STORE)
    desk.page.keyboard.press("n")
    says(desk, AFTER_TWO)


def kernel_change(desk: Desk) -> None:
    desk.find(f"{FIRST} .sl-choose-kernel select").select_option(label="fixed")
    says(desk, "The same 2 steps under fixed")
    says(desk, "Stopped at 0x40000008")


def theme(desk: Desk) -> None:
    for dark in (True, False):
        desk.use_theme(dark=dark)
        for part in (FIRST, f"{FIRST} .sl-status", f"{FIRST} .sl-do-run"):
            ink, ground = desk.find(part).evaluate(COLOURS)
            assert (brightness(ink) > brightness(ground)) == dark, f"{part}: {ink} on {ground}"


def question(desk: Desk) -> None:
    asked = desk.find(".sl-question")
    asked.get_by_label("there", exact=True).click()
    expect(desk.page.locator(".sl-response")).to_contain_text("Not quite. PC moved.")
    asked.get_by_label("here", exact=True).click()
    expect(desk.page.locator(".sl-response")).to_contain_text("Right. Yes: one step.")


def figure(desk: Desk) -> None:
    picture = desk.find(FIGURE)
    box = picture.bounding_box()
    assert box, "there is no picture"
    assert box["width"] >= 400, f"the picture is {box['width']} pixels wide"
    assert picture.evaluate("e => e.tagName !== 'IMG' || e.naturalWidth > 0"), "it is not loaded"


def reload(desk: Desk) -> None:
    desk.reload()
    start = desk.find(f"{FIRST} .sl-do-start")
    if start.is_enabled():  # the place was kept
        start.click()
    says(desk, START)
    do(desk, "step")
    says(desk, "Stopped at 0x40000004")


def compose(desk: Desk) -> None:
    do(desk, "step", ".the-left")
    says(desk, STORE, ".the-right")
    expect(desk.find(".what-is-heard")).to_contain_text("pc is 0x40000004")
    do(desk, "step", ".the-right")
    says(desk, "Stopped at 0x40000008", ".the-right")
    says(desk, AFTER_TWO, ".the-left")
    do(desk, "step", ".the-parts")
    says(desk, STORE, ".the-parts")
    expect(desk.find(".the-parts .sl-listing .sl-now")).to_contain_text("0x40000004")
    expect(desk.find(".the-parts .sl-timeline button", "ERET")).to_be_visible()
    expect(desk.find(".the-parts .sl-diagram svg")).to_be_visible()


def error_sentence(desk: Desk) -> None:
    click(desk, f"{FIRST} .sl-drawers .lm-TabBar-tab", "Edit")
    desk.find(f"{FIRST} .sl-source textarea").fill("mov x0, #1\naddd x1, x1, #1\n")
    click(desk, f"{FIRST} button", "Assemble")
    said = desk.find(f"{FIRST} .sl-errors")
    expect(said).to_contain_text("line 2, column 1")
    expect(said).to_contain_text("did you mean")
    do(desk, "step")
    says(desk, "Stopped at")


Check = Callable[[Desk], None]
TWELVE: dict[str, Check] = {
    "shows": shows,
    "Step": step,
    "Back": back,
    "slider": slider,
    "keys stay": keys_stay,
    "kernel change": kernel_change,
    "theme": theme,
    "question": question,
    "figure": figure,
    "reload": reload,
    "compose": compose,
    "error sentence": error_sentence,
}


def outcome(check: Check, desk: Desk) -> str:
    """Empty if the front end passes, else one sentence that says what was seen."""
    try:
        check(desk)
    except (AssertionError, Exception) as error:  # noqa: BLE001  # playwright's own, too
        return first_line(str(error)) or type(error).__name__
    problems = [each for each in desk.take_problems() if not is_the_front_ends_own(each)]
    return f"the page says: {first_line(problems[0])}" if problems else ""


def is_the_front_ends_own(problem: str) -> bool:
    """Whether only the front end's bundle is in the stack: Notebook 7.6 raises in a notebook without a widget, too.

    >>> is_the_front_ends_own("TypeError: schema at http://127.0.0.1:8/static/notebook/core.js?v=1:501:207")
    True
    >>> is_the_front_ends_own("TypeError: x at http://127.0.0.1:8/static/lab/core.js:1:1 at blob:http://127.0.0.1:8/4c")
    False
    """
    places = re.findall(r"(?:blob:)?https?://\S+", problem)
    return bool(places) and all(re.match(r"http://[^/]+/static/", place) for place in places)


def first_line(text: str) -> str:
    return text.strip().split("\n")[0]
