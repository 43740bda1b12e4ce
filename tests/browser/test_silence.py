"""Nothing is dead without saying so: a kernel that was restarted, a page that is slow."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.harness import NOTEBOOK, lab_page, write_notebook
from tests.browser.server import Server, jupyter_server
from tests.browser.workbench import STEP_LAB, Workbench, open_workbench

QUESTION = "from widgets import Question\nasked = Question('Where?', {'here': 'Yes.', 'there': 'No.'}, 'here')\nasked"


@pytest.mark.parametrize(
    ("code", "control"), [(STEP_LAB, ".sl-do-step"), (QUESTION, "input[type=radio]")]
)
def test_after_a_restart_it_says_what_to_do_and_comes_back(
    browser: Browser, server: Server, code: str, control: str
) -> None:
    with lab_page(browser, server) as lab:
        bench = open_workbench(lab, "silence")
        bench.show(code)
        lab.page.wait_for_timeout(1200)
        lab.page.evaluate(f"() => {NOTEBOOK}.sessionContext.session.kernel.restart()")
        lab.wait_for_idle()
        note = lab.page.locator(".sl-silence")
        lab.page.locator(f".sl-guard {control}").first.click(force=True)
        expect(note.first).to_contain_text("run this cell again", timeout=6_000)
        lab.screenshot("silence")
        lab.take_problems()  # what JupyterLab itself says of a message that cannot be sent
        bench.show(code)
        expect(note).to_have_count(0)
        lab.page.locator(f".sl-guard {control}").first.click()
        lab.page.wait_for_timeout(1500)
        expect(note).to_have_count(0)


@pytest.mark.parametrize("slower", [6])
def test_on_a_slow_machine_every_widget_answers(
    browser: Browser, server: Server, slower: int
) -> None:
    with lab_page(browser, server) as lab:
        session = lab.page.context.new_cdp_session(lab.page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        lab.open_notebook("labs/00-start-here.ipynb")
        lab.run_all(240)
        lab.page.wait_for_timeout(3000)
        session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        step = lab.scroll_to(lab.page.locator(".sl-do-step").first)
        step.click()
        expect(lab.page.locator(".sl-panel .sl-status").first).to_contain_text("Stopped at")
        question = lab.scroll_to(lab.page.locator(".sl-question").first)
        question.locator(".widget-radio-box label").first.click()
        expect(question.get_by_role("status")).to_contain_text("Not quite.")
        expect(lab.page.locator(".sl-silence")).to_have_count(0)
        lab.take_problems()


def test_a_notebook_of_yesterday_says_that_its_cell_must_be_run(
    browser: Browser, tmp_path: Path
) -> None:
    with jupyter_server(tmp_path) as server, lab_page(browser, server) as lab:
        write_notebook(server.folder / "labs" / "yesterday.ipynb", STEP_LAB, QUESTION)
        lab.open_notebook("labs/yesterday.ipynb")
        lab.run_all()
        lab.page.locator(".sl-do-step").click()
        expect(lab.page.locator(".sl-status")).to_contain_text("Stopped at")
        lab.command("docmanager:save")
        lab.open_notebook("labs/yesterday.ipynb")  # reloaded: the kernel is still there
        lab.page.locator(".sl-do-step").click()
        expect(lab.page.locator(".sl-status")).to_contain_text("ran without a stop")
        expect(lab.page.locator(".sl-silence")).to_have_count(0)
        lab.command("docmanager:save")
        lab.take_problems()
    with jupyter_server(tmp_path) as server, lab_page(browser, server) as lab:
        lab.open_notebook("labs/yesterday.ipynb")
        expect(lab.page.locator(".sl-status")).to_contain_text("Stopped at")
        expect(lab.page.locator(".sl-panel > .sl-silence")).to_contain_text("run this cell")
        lab.screenshot("yesterday")
        lab.page.locator(".sl-question input[type=radio]").first.click(force=True)
        expect(lab.page.locator(".sl-question > .sl-silence")).to_contain_text("run this cell")
        lab.run_all()
        expect(lab.page.locator(".sl-silence")).to_have_count(0)
        lab.page.locator(".sl-do-step").click()
        expect(lab.page.locator(".sl-status")).to_contain_text("Stopped at")
        lab.take_problems()


def test_a_model_that_anywidget_gives_up_after_two_seconds_works(
    browser: Browser, server: Server
) -> None:
    with lab_page(browser, server) as lab:
        lab.page.add_init_script("AbortSignal.timeout = () => AbortSignal.abort();")
        bench = open_workbench(lab, "given-up")
        bench.show()
        for _ in range(2):
            bench.button("Step").click()
        expect(bench.status()).to_contain_text("ran without a stop")
        expect(bench.page.locator(".sl-machine, .sl-diagram svg").first).to_be_visible()
        lab.take_problems()  # anywidget says that it has given up


def test_a_click_that_is_answered_says_nothing(bench: Workbench) -> None:
    bench.show()
    bench.button("Step").click()
    bench.page.wait_for_timeout(3500)
    expect(bench.page.locator(".sl-silence")).to_have_count(0)
