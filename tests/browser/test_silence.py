"""Nothing is dead without saying so: a kernel that was restarted, a page that is slow."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.harness import NEXT_SCREEN, NOTEBOOK, LabPage, lab_page, write_notebook
from tests.browser.server import ROOT, Server
from tests.browser.workbench import STEP_LAB, Workbench, has

QUESTION = "from widgets import Question\nasked = Question('Where?', {'here': 'Yes.', 'there': 'No.'}, 'here')\nasked"


BOTH = f"{QUESTION[: -len('asked')]}{STEP_LAB[: -len('lab')]}from IPython.display import display\ndisplay(lab, asked)"
CONTROLS = (".sl-do-step", "input[type=radio]")
SILENT_SECONDS = 3.5  # guard.js speaks after 3


def test_after_a_restart_they_say_what_to_do_and_come_back(bench: Workbench) -> None:
    bench.show(BOTH)
    bench.lab.restart_kernel()
    note = bench.page.locator(".sl-silence")
    for control in CONTROLS:
        root = bench.page.locator(".sl-guard", has=bench.page.locator(control)).first
        root.locator(control).first.click(force=True)
        expect(root.locator(".sl-silence")).to_contain_text("run this cell again", timeout=6_000)
    bench.lab.screenshot("silence")
    bench.lab.take_problems()  # what JupyterLab itself says of a message that cannot be sent
    bench.show(BOTH)
    expect(note).to_have_count(0)
    for control in CONTROLS:
        bench.page.locator(f".sl-guard {control}").first.click()
    bench.page.wait_for_timeout(1000 * SILENT_SECONDS)
    expect(note).to_have_count(0)


BUSY = f"() => {{ {NOTEBOOK}.sessionContext.session.kernel.requestExecute({{ code: 'import time; time.sleep(6)' }}); }}"


def test_a_panel_says_that_its_kernel_is_busy_and_does_later_what_was_clicked(
    bench: Workbench,
) -> None:
    bench.show()
    bench.page.evaluate(BUSY)
    bench.button("Step").click()
    note = bench.page.locator(".sl-panel > .sl-silence")
    expect(note).to_contain_text("If it is busy, wait", timeout=6_000)
    expect(bench.status()).to_contain_text("Stopped at 0x40000004", timeout=9_000)
    expect(bench.page.locator(".sl-silence, .sl-silent")).to_have_count(0, timeout=6_000)


GIVE_UP_AT_ONCE = """() => {
    window.stepLabsTimeout = AbortSignal.timeout;
    AbortSignal.timeout = () => {
        const waiting = new AbortController(); // whoever listens is told right after this
        queueMicrotask(() => waiting.abort());
        return waiting.signal;
    };
}"""
WAIT_AGAIN = "() => { AbortSignal.timeout = window.stepLabsTimeout; }"

LABS = sorted(path.stem for path in (ROOT / "labs").glob("[0-9][0-9]-*.ipynb"))
SLOWER = 6
# Widgets are drawn in tasks of their own after the last cell: wait until the page has had nothing to do, ten times.
DRAWN = """async () => {
    for (let times = 0; times < 10; times++) await new Promise(requestIdleCallback);
}"""
# What front ends show in place of a widget that they have given up.
DEAD = "model not found|error displaying widget|error creating widget|loading widget"
# Of the panels and questions that are on the screen, those that nobody has looked at yet are marked.
NEW_ONES = """kind => {
    const fresh = [...document.querySelectorAll(kind)].filter(e => {
        const box = e.getBoundingClientRect();
        return !e.dataset.tried && box.height > 20 && box.bottom > 0 && box.top < innerHeight;
    });
    fresh.forEach(e => { e.dataset.tried = "now"; });
    return fresh.length;
}"""
# A slow JupyterLab may still scroll to the cell that ran last, and take back what it is told.
TO_THE_TOP = """async element => {
    for (let calm = 0; calm < 500; calm = element.scrollTop ? 0 : calm + 100) {
        element.scrollTop = 0;
        await new Promise(done => setTimeout(done, 100));
    }
}"""
# What a panel says, and the slider's words: one of them changes with a click that is answered.
WORDS = "e => [...e.querySelectorAll('.sl-status, .sl-position, .sl-silence')].map(p => p.innerText).join()"


def click_through(lab: LabPage) -> dict[str, int]:
    """Look at a notebook from its top, a screen at a time; click in each widget on the way. How many there were."""
    met = {".sl-panel": 0, ".sl-question": 0}
    lab.cells.evaluate(TO_THE_TOP)
    on = True
    while on:
        dead = re.findall(DEAD, lab.page.inner_text("body").lower())
        assert not dead, dead
        for kind in met:
            met[kind] += lab.page.evaluate(NEW_ONES, f"{kind}.jupyter-widgets")
            while (widget := lab.page.locator(f'{kind}[data-tried="now"]').first).count():
                try_it(lab, widget)
                widget.evaluate("e => { e.dataset.tried = 'yes'; }")
        on = bool(lab.cells.evaluate(NEXT_SCREEN))
    return met


def try_it(lab: LabPage, widget: Locator) -> None:
    """Click on Step, or choose an answer; it must do or say something."""
    control = widget.locator(".sl-do-step:enabled, .widget-radio-box label").first
    if control.count():
        before = widget.evaluate(WORDS)
        control.click()
        if widget.locator(".sl-status").count():
            expect(widget).to_be_visible()
            lab.page.wait_for_function(
                f"([e, before]) => ({WORDS})(e) !== before", arg=[widget.element_handle(), before]
            )
        else:
            expect(widget.get_by_role("status")).not_to_be_empty()
    elif widget.locator(".sl-status").count():
        expect(widget.locator(".sl-status").first).not_to_be_empty()


@pytest.mark.parametrize(
    "name", [LABS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in LABS[1:])]
)
def test_on_a_slow_machine_every_widget_of_a_lab_answers(
    browser: Browser, server: Server, name: str
) -> None:
    with lab_page(browser, server) as lab:
        lab.open_notebook(f"labs/{name}.ipynb")
        session = lab.page.context.new_cdp_session(lab.page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        lab.page.set_default_timeout(120_000)
        lab.run_all(400)
        lab.page.evaluate(DRAWN)
        session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        met = click_through(lab)
        assert sum(met.values()), met
        lab.screenshot(f"slow-{name}")
        lab.take_problems()


def test_a_notebook_of_yesterday_says_that_its_cell_must_be_run(lab: LabPage) -> None:
    write_notebook(lab.server.folder / "labs" / "yesterday.ipynb", STEP_LAB, QUESTION)
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
    lab.end_kernel()
    lab.take_problems()
    for _ in ("as on the next day: with a new kernel", "and on the day after, saved and not run"):
        lab.open_notebook("labs/yesterday.ipynb")
        expect(lab.page.locator(".sl-status")).to_contain_text("Stopped at")
        expect(lab.page.locator(".sl-panel > .sl-silence")).to_contain_text("run this cell")
        lab.page.locator(".sl-question input[type=radio]").first.click(force=True)
        expect(lab.page.locator(".sl-question > .sl-silence")).to_contain_text("run this cell")
        lab.command("docmanager:save")
    lab.screenshot("yesterday")
    lab.run_all()
    expect(lab.page.locator(".sl-silence")).to_have_count(0)
    lab.page.locator(".sl-do-step").click()
    expect(lab.page.locator(".sl-status")).to_contain_text("Stopped at")
    lab.restart_kernel()
    lab.command("docmanager:save")
    lab.open_notebook("labs/yesterday.ipynb")
    expect(lab.page.locator(".sl-panel > .sl-silence")).to_contain_text("run this cell")
    lab.take_problems()


def test_a_model_that_anywidget_gives_up_after_two_seconds_works(bench: Workbench) -> None:
    if not has("anywidget", "0.9.17"):
        pytest.skip("by design: before 0.9.17 anywidget waited for a model as long as it took")
    bench.page.evaluate(GIVE_UP_AT_ONCE)
    try:
        bench.show()
        for _ in range(2):
            bench.button("Step").click()
        expect(bench.status()).to_contain_text("ran without a stop")
        expect(bench.page.locator(".sl-machine, .sl-diagram svg").first).to_be_visible()
        assert "Failed to initialize model" in str(bench.lab.take_problems())  # as anywidget says
    finally:
        bench.page.evaluate(WAIT_AGAIN)
