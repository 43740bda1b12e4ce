"""The front page for a reader with bad luck: no script, no storage, no network, an odd window."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.browser.static_files import reading
from tests.browser.test_site import LOST, opened, status
from tools import site, site_labs

ASKED = {"text": "Where?", "answers": [("here", "Yes."), ("there", "No: here.")]}
SLIDE = (
    '<!doctype html><title>a slide</title><iframe src="index.html?embed#step=2" width="300" height="600"'
    ' sandbox="allow-scripts"></iframe>'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("site")
    site.build(out, labs=False, python=False)
    (out / "asked.html").write_text(site.head("a") + site_labs.question_html("q1", ASKED))
    (out / "slide.html").write_text(SLIDE)
    return out


def shown(page: Page) -> tuple[str, str, str, str]:
    """The kernel, the step and the sentence that a page shows."""
    return (
        page.get_by_label("kernel").input_value(),
        page.get_by_role("slider").input_value(),
        page.locator("[data-slot=position]").inner_text(),
        status(page),
    )


def test_a_reload_and_the_way_back_show_what_the_controls_say(
    reader: BrowserContext, address: str
) -> None:
    page = opened(reader, address)
    begun = shown(page)
    page.get_by_role("slider").fill("3")
    page.get_by_label("kernel").select_option("fixed")
    moved = shown(page)
    page.goto(f"{address}asked.html")
    page.go_back()
    page.locator("[data-ready]").wait_for()
    assert shown(page) in (begun, moved)  # as the browser keeps pages, or not
    page.reload()
    page.locator("[data-ready]").wait_for()
    assert shown(page) == begun


def test_a_hash_that_is_changed_by_hand_leads_there_and_back(
    reader: BrowserContext, address: str
) -> None:
    page = opened(reader, f"{address}#step=1")
    page.evaluate("location.hash = '#step=2'")
    page.get_by_text(LOST).wait_for()
    page.go_back()
    page.locator(".sl-status").get_by_text("Stopped at 0x40000004").wait_for()
    page.evaluate("location.hash = '#the-labs'")
    assert status(page).startswith("Stopped at 0x40000004")


def test_a_script_that_does_not_come_or_meets_something_else_leaves_the_picture(
    reader: BrowserContext, address: str
) -> None:
    def damaged(route: Route) -> None:
        page = route.fetch().text().replace('"application/json">{', '"application/json">{{', 1)
        route.fulfill(body=page, content_type="text/html")

    page = reader.new_page()
    for what, action in [
        ("**/panel.js", lambda route: route.abort()),
        (address, damaged),
    ]:
        reader.route(what, action)
        page.goto(address)
        page.locator(".web-still svg").wait_for()
        assert not page.locator(".web-panel").is_visible()
        reader.unroute(what)


def test_an_answer_that_was_chosen_before_the_script_came_is_responded_to(
    reader: BrowserContext, address: str
) -> None:
    page = reader.new_page()
    waiting: list[Route] = []
    reader.route("**/panel.js", lambda route: waiting.append(route))
    page.goto(f"{address}asked.html", wait_until="commit")
    page.get_by_label("there").check()
    for route in waiting:
        route.continue_()
    page.get_by_text("No: here.").wait_for()


def test_two_tabs_and_no_storage_at_all_keep_what_they_can(
    reader: BrowserContext, address: str
) -> None:
    first, second = reader.new_page(), reader.new_page()
    first.goto(f"{address}asked.html")
    first.get_by_label("there").check()
    second.goto(f"{address}asked.html")
    assert second.get_by_label("there").is_checked()
    reader.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('off'); } });"
    )
    second.reload()
    second.get_by_label("here", exact=True).check()
    second.get_by_text("Yes.").wait_for()


def test_without_javascript_a_question_gives_its_responses(browser: Browser, address: str) -> None:
    with reading(browser, address, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{address}asked.html")
        page.get_by_text("Nothing answers without JavaScript").click()
        assert page.get_by_text("there: No: here.").is_visible()


def test_in_a_narrow_frame_that_trusts_nothing_the_panel_steps(
    reader: BrowserContext, address: str
) -> None:
    page = reader.new_page()
    page.goto(f"{address}slide.html")
    frame = page.frame_locator("iframe")
    frame.get_by_text(LOST).wait_for()
    frame.get_by_role("button", name="Back").click()
    frame.get_by_text("Stopped at 0x40000004 (str w0, [x19]).").wait_for()
    frame.get_by_role("button", name="Copy link").click()
    frame.get_by_text("link to this step").wait_for()
    assert frame.locator("html").evaluate("root => root.scrollWidth <= root.clientWidth")


def test_on_paper_it_is_dark_on_light_and_nothing_is_cut_off(
    browser: Browser, address: str
) -> None:
    with reading(browser, address, color_scheme="dark") as context:
        page = opened(context, f"{address}#step=2")
        page.emulate_media(media="print", color_scheme="dark")
        assert not page.get_by_role("button", name="Step", exact=True).is_visible()
        ink = "([name, element]) => getComputedStyle(document.querySelector(element))[name]"
        assert page.evaluate(ink, ["color", "body"]) == page.evaluate(ink, ["color", ".sl-status"])
        light = page.evaluate("getComputedStyle(document.body).getPropertyValue('--sl-page')")
        assert light.strip() == "#ffffff"
        assert page.evaluate(
            "[...document.querySelectorAll('.sl-scroll, .web-wide')]"
            ".every(each => each.scrollHeight <= each.clientHeight + 1)"
        )


def test_in_colours_of_the_readers_own_the_place_in_the_program_is_seen(
    browser: Browser, address: str
) -> None:
    with reading(browser, address, forced_colors="active") as context:
        page = opened(context, f"{address}#step=2")
        now, next_ = (
            page.locator(row).evaluate("row => getComputedStyle(row).backgroundColor")
            for row in ("tr.sl-now td >> nth=0", "tr.sl-now + tr td >> nth=0")
        )
        assert now != next_
        found = Axe().run(page).response["violations"]
        assert not [(v["id"], [n["target"] for n in v["nodes"]]) for v in found]


def test_with_the_keyboard_alone_every_control_is_reached_and_seen_to_be(
    reader: BrowserContext, address: str
) -> None:
    page = opened(reader, address)
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        name, outlined = page.evaluate(
            "[document.activeElement.dataset.do ?? document.activeElement.localName,"
            " getComputedStyle(document.activeElement).outlineStyle !== 'none']"
        )
        if name != "body":
            reached.append(name)
            assert outlined, name
    assert {"step", "run", "input", "select", "link", "summary", "div"} <= set(reached)
    page.get_by_role("button", name="Step", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    assert LOST in status(page)
    assert page.evaluate("document.getAnimations().length") == 0


def test_every_target_is_large_enough_for_a_finger(browser: Browser, address: str) -> None:
    with reading(
        browser, address, viewport={"width": 360, "height": 740}, has_touch=True
    ) as context:
        page = opened(context, f"{address}#step=2")
        small = page.evaluate(
            "[...document.querySelectorAll('button, select, summary, input')].filter(each => each.checkVisibility())"
            ".map(each => [each.textContent.slice(0, 20), each.getBoundingClientRect().height])"
            ".filter(([, height]) => height < 34)"
        )
        assert small == []


def test_a_page_that_was_opened_from_a_disk_steps_and_says_why_python_does_not_come(
    browser: Browser, folder: Path
) -> None:
    with reading(browser, "file:///") as context:
        page = context.new_page()
        page.goto(f"{(folder / 'index.html').as_uri()}#step=2")
        page.get_by_text(LOST).wait_for()
        page.locator(".web-python summary").click()
        page.get_by_role("button", name="Fetch Python").click()
        page.get_by_text("web server. The steps above go on.").wait_for()


def test_python_is_cancelled_and_what_does_not_come_is_said(
    reader: BrowserContext, address: str
) -> None:
    page = opened(reader, address)
    page.clock.install()
    reader.route("**/worker.js", lambda _: None)  # it never comes
    page.locator(".web-python summary").click()
    for _ in range(2):
        page.get_by_role("button", name="Fetch Python").click()
        assert page.get_by_role("progressbar").is_visible()
        page.clock.fast_forward(10_000)
        page.get_by_text("Nothing has come for ten seconds").wait_for()
        page.get_by_role("button", name="Cancel").click()
        assert not page.get_by_role("progressbar").is_visible()
        page.get_by_text("Python is not fetched any more. The steps above go on.").wait_for()
    reader.unroute("**/worker.js")
    page.get_by_role("button", name="Fetch Python").click()
    page.get_by_text(re.compile(r"(missing|did not come).*The steps above go on\.$")).wait_for()
    page.get_by_role("button", name="Step", exact=True).click()
    assert status(page).startswith("Stopped at 0x40000004")


@pytest.mark.parametrize(("width", "app"), [(360, "notebooks"), (1366, "lab")])
def test_a_lab_opens_in_the_front_end_that_there_is_room_for(
    browser: Browser, address: str, folder: Path, width: int, app: str
) -> None:
    page = site.lab_page([("00-a", "00 A")], 0, "", lite=True)
    (folder / "00-a.html").write_text(page, encoding="utf-8")
    with reading(browser, address, viewport={"width": width, "height": 700}) as context:
        opened = context.new_page()
        opened.goto(f"{address}00-a.html")
        link = opened.get_by_role("link", name="in this browser")
        assert link.get_attribute("href") == f"lite/{app}/index.html?path=labs/00-a.ipynb"
