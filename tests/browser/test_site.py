"""The front page of the site, as a plain web server gives it: it steps, it is linked to, and asks no other site."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.static_files import reading
from tools import site

LOST = "The instruction at 0x40000008 (add x1, x1, #0x1) ran without a stop."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("site")
    site.build(out, labs=False, python=False)
    return out


def opened(reader: BrowserContext, address: str) -> Page:
    page = reader.new_page()
    page.set_default_timeout(10_000)
    page.goto(address)
    page.locator("[data-ready]").wait_for()
    return page


def status(page: Page) -> str:
    return page.locator(".sl-status").inner_text()


def test_two_clicks_lose_an_instruction_and_back_gives_it_back(
    reader: BrowserContext, address: str
) -> None:
    page = opened(reader, address)
    step = page.get_by_role("button", name="Step", exact=True)
    step.click()
    step.click()
    assert LOST in status(page)
    assert "sl-unseen" in (page.locator("[data-slot='row-40000008']").get_attribute("class") or "")
    page.get_by_role("button", name="Back").click()
    assert status(page) == "Stopped at 0x40000004 (str w0, [x19])."


def test_another_kernel_keeps_the_place(reader: BrowserContext, address: str) -> None:
    page = opened(reader, address)
    page.get_by_role("slider").fill("2")
    page.get_by_label("kernel").select_option("fixed")
    assert status(page) == "Stopped at 0x40000008 (add x1, x1, #0x1)."


def test_keys_step_and_a_control_at_its_limit_says_so(reader: BrowserContext, address: str) -> None:
    page = opened(reader, address)
    back = page.get_by_role("button", name="Back")
    assert back.get_attribute("aria-disabled") == "true"
    page.get_by_role("button", name="Step", exact=True).focus()
    for key in "nnp":
        page.keyboard.press(key)
    assert page.locator("[data-slot=position]").inner_text() == "step 1 of 6"
    page.keyboard.press("r")
    assert page.locator("[data-do=step]").get_attribute("aria-disabled") == "true"
    assert back.get_attribute("aria-disabled") == "false"


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("#kernel=v4.3&step=2", LOST),
        ("#kernel=fixed&step=2", "Stopped at 0x40000008"),
        ("#kernel=v9.9&step=1", "This link names a kernel that is not in the list: v9.9."),
        ("#step=banana", "This link names a step that is not a number: banana."),
        ("#step=99", "This link names step 99; there are 6."),
        ("#%%%=&kernel", "This link names a kernel that is not in the list"),
        ("#kernel=v4%2E3&step=%32", LOST),
        ("#kernel%3Dv4.3%26step%3D2", LOST),
        ("#kernel=<script>alert(1)</script>", "not in the list: <script>alert(1)</script>."),
        (f"#kernel={'v' * 5000}&step={'9' * 5000}", f"not in the list: {'v' * 40}\u2026."),
        ("#panel=p9&step=1", "This link names a panel that is not on this page: p9."),
        ("#%E0%A4%A", "Not started."),
    ],
)
def test_a_link_leads_to_a_step_and_a_bad_one_says_what_is_wrong(
    reader: BrowserContext, address: str, link: str, says: str
) -> None:
    page = opened(reader, address + link)
    assert says in status(page)
    page.get_by_role("slider").fill("1")  # the page goes on
    assert status(page).startswith("Stopped at 0x40000004")


def test_the_copied_link_leads_back(reader: BrowserContext, address: str) -> None:
    reader.grant_permissions(["clipboard-read", "clipboard-write"])
    page = opened(reader, address + "#kernel=v5.0&step=3")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("on the clipboard").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == address + "#kernel=v5.0&step=3"


def test_embedded_only_the_panel_is_to_be_seen(reader: BrowserContext, address: str) -> None:
    page = opened(reader, address + "?embed#step=2")
    assert LOST in status(page)
    assert not page.get_by_role("heading", level=1).is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1366])
def test_nothing_scrolls_sideways_and_axe_finds_no_barrier(
    browser: Browser, address: str, width: int, theme: str
) -> None:
    looks = {"color_scheme": theme, "reduced_motion": "reduce"}
    with reading(browser, address, viewport={"width": width, "height": 768}, **looks) as context:
        page = opened(context, address + "#step=2")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        found = Axe().run(page).response["violations"]
        assert not [(v["id"], [n["target"] for n in v["nodes"]]) for v in found]


def test_without_javascript_there_is_a_picture_and_its_words(
    browser: Browser, address: str
) -> None:
    with reading(browser, address, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address)
        assert page.locator(".web-still svg[role=img]").is_visible()
        assert "without JavaScript nothing here steps" in page.locator(".web-still").inner_text()
        assert not page.locator(".web-panel").is_visible()


def test_with_storage_switched_off_and_no_webassembly_the_page_goes_on(
    reader: BrowserContext, address: str
) -> None:
    page = reader.new_page()
    page.add_init_script(
        "delete window.WebAssembly;"
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('off'); } });"
    )
    page.goto(address)
    page.locator("[data-ready]").wait_for()
    page.locator(".web-python summary").click()
    page.get_by_role("button", name="Fetch Python").click()
    assert "no WebAssembly" in page.locator("[data-slot=progress-words]").inner_text()
    page.get_by_role("button", name="Step", exact=True).click()
    assert status(page).startswith("Stopped at 0x40000004")
