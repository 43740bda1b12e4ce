"""JupyterLite: every lab runs in a browser with no server, and gives the outputs that the committed notebook has.

For `make lite-check`, which builds it: Python comes from npm, wheels from PyPI, all pinned by hash.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from tools import lite
from tools.site import ROOT

pytestmark = pytest.mark.lite
LABS = [source.stem for source in sorted((ROOT / "labs" / "source").glob("[0-9][0-9]-*.py"))]
(GDB,) = (name for name in LABS if name.startswith("08"))
BOOT, RUN = 240_000, 420_000  # milliseconds, on a busy machine
PANEL = """
from widgets import StepLab
from widgets.course import program
lab = StepLab(program('store'), 'v4.3')
"""
QUESTION = """
from widgets import Question
Question('Where?', {'here': 'Yes.', 'there': 'It is here.'}, 'here')
"""
NOTEBOOK = "window.jupyterapp.shell.currentWidget"
STATUS = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"


@pytest.fixture(scope="module")
def folder() -> Path:
    if not (lite.OUT / "index.html").exists():
        pytest.skip(f"JupyterLite is not in {lite.OUT}: make lite-check builds it")
    return lite.OUT


def opened(reader: BrowserContext, address: str, name: str) -> Page:
    """A lab in JupyterLab; its kernel starts by itself, and nothing asks for one."""
    page = reader.new_page()
    page.set_default_timeout(BOOT)
    page.goto(f"{address}lab/index.html?path=labs/{name}.ipynb")
    page.wait_for_function(f"{STATUS} === 'idle'")
    assert not page.locator(".jp-Dialog").count()
    return page


def command(page: Page, name: str) -> None:
    """Execute a command of JupyterLab and wait for its end."""
    page.evaluate(
        "name => { window.done = false;"
        " window.jupyterapp.commands.execute(name).finally(() => { window.done = true; }); }",
        name,
    )
    page.wait_for_function("window.done", timeout=RUN)


def notebook(page: Page) -> dict[str, Any]:
    """The notebook as the page has it."""
    found: dict[str, Any] = page.evaluate(f"{NOTEBOOK}.content.model.toJSON()")
    return found


def run_cell(page: Page, number: int, source: str) -> str:
    """Give a cell of code this text and run it; what it prints."""
    page.evaluate(
        f"""([number, source]) => {{
            const cell = {NOTEBOOK}.content.widgets.filter(each => each.model.type === 'code')[number];
            cell.model.sharedModel.setSource(source);
            {NOTEBOOK}.content.activeCellIndex = {NOTEBOOK}.content.widgets.indexOf(cell);
        }}""",
        [number, source],
    )
    command(page, "notebook:run-cell")
    return texts(notebook(page))[number][0]


def texts(notebook: dict[str, Any]) -> list[list[str]]:
    """What each cell of code printed or showed, as plain text."""
    shown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            outputs = cell["outputs"]
            stream = "".join("".join(o["text"]) for o in outputs if o["output_type"] == "stream")
            plain = ["".join(o["data"].get("text/plain", "")) for o in outputs if "data" in o]
            shown.append([stream, *plain])
    return shown


def errors(notebook: dict[str, Any]) -> list[str]:
    return [
        o["ename"] for cell in notebook["cells"] for o in cell.get("outputs", []) if "ename" in o
    ]


@pytest.mark.parametrize("name", [name for name in LABS if name != GDB])
def test_a_lab_gives_the_outputs_that_it_gives_on_cpython(
    reader: BrowserContext, address: str, name: str
) -> None:
    page = opened(reader, address, name)
    command(page, "notebook:run-all-cells")
    committed = json.loads((ROOT / "labs" / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert texts(notebook(page)) == texts(committed)


def test_lab_08_runs_to_its_end_and_says_why_no_gdb_attaches(
    reader: BrowserContext, address: str
) -> None:
    page = opened(reader, address, GDB)
    command(page, "notebook:run-all-cells")
    assert errors(notebook(page)) == []
    printed = [said for said, *_ in texts(notebook(page))]
    why = "Python in a browser can start no gdb. The transcript, 08-attach-gdb.md, shows what it prints.\n"
    asks = [
        cell
        for cell in code(notebook(page))
        if re.search(r"\b(attach|beside)\(", cell_source(cell))
    ]
    assert printed.count(why) == len(asks) > 0
    page.goto(f"{address}files/labs/08-attach-gdb.md")
    assert "stepi" in page.inner_text("body")


def code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def cell_source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_a_panel_steps_by_clicks_and_goes_back(reader: BrowserContext, address: str) -> None:
    page = opened(reader, address, LABS[0])
    run_cell(page, 0, PANEL + "lab")
    panel = page.locator(".sl-panel").first
    step, back = panel.locator(".sl-do-step"), panel.locator(".sl-do-back")
    step.click()
    panel.get_by_text("Stopped at 0x40000004 (str w0, [x19]).").wait_for()
    step.click()
    panel.get_by_text(
        "The instruction at 0x40000008 (add x1, x1, #0x1) ran without a stop."
    ).wait_for()
    assert panel.locator("tr.sl-now").count() == panel.locator("[aria-current=step]").count() == 1
    back.click()
    panel.get_by_text("Stopped at 0x40000004 (str w0, [x19]).").wait_for()
    assert panel.locator("tr.sl-now").count() == panel.locator("[aria-current=step]").count() == 1
    assert not panel.locator(".sl-unseen").count()


def test_what_a_learner_wrote_and_saved_is_there_after_a_reload(
    reader: BrowserContext, address: str
) -> None:
    page = opened(reader, address, LABS[1])
    made = run_cell(page, 0, PANEL + "lab.step()\nlab.step()\nprint(lab.code())").strip()
    kept = "from pathlib import Path\nPath('session.txt').write_text({!r})\nprint('kept')"
    assert run_cell(page, 1, kept.format(made)) == "kept\n"
    answer = "answer = 'mine'  # lab.check('state', answer)"
    run_cell(page, 2, answer)
    run_cell(page, 3, QUESTION)
    page.get_by_label("there").check()
    page.get_by_text("Not quite. It is here.").wait_for()
    command(page, "docmanager:save")
    page.close()

    page = opened(reader, address, LABS[1])
    page.locator(".sl-question > .sl-silence", has_text="run this cell").wait_for()
    assert cell_source(code(notebook(page))[2]) == answer
    run_cell(page, 3, QUESTION)
    page.get_by_text("Not quite. It is here.").wait_for()
    assert page.get_by_label("there").is_checked()
    read = "from pathlib import Path\nprint(StepLab.from_code(Path('session.txt').read_text()))"
    assert run_cell(page, 0, PANEL + read).startswith("StepLab(v4.3, step 2")
    saved = "from widgets.course.answers import download\nprint(download('01'))"
    assert answer in json.loads(json.dumps(run_cell(page, 1, saved))).replace("\\u0027", "'")


LACKS = {
    "print(lab.serve_gdb())": "no gdb can attach here: this Python has no sockets, as in a browser",
    "lab.png()": "There is no matplotlib here, as in a browser",
    "lab.draw()": "There is no matplotlib here, as in a browser",
}


def test_what_a_browser_lacks_is_said_in_one_sentence_and_no_traceback(
    reader: BrowserContext, address: str
) -> None:
    page = opened(reader, address, LABS[0])
    for asked, says in LACKS.items():
        run_cell(page, 0, PANEL + asked)
        (output,) = code(notebook(page))[0]["outputs"]
        said = output.get("text") or output["traceback"]
        assert "".join(said).startswith(says)
        assert len("".join(said).strip().splitlines()) == 1


def test_without_a_service_worker_a_lab_runs_and_says_what_is_not_kept(
    reader: BrowserContext, address: str
) -> None:
    reader.add_init_script("delete Navigator.prototype.serviceWorker")
    page = opened(reader, address, LABS[1])
    page.get_by_text("a file that a cell writes is not kept").wait_for()
    asked = "lab.step()\nfrom checks.lab01.bench import Bench\nprint(lab, Bench.__name__)"
    assert run_cell(page, 0, PANEL + asked).startswith("StepLab(v4.3, step 1")
