"""The same twelve checks in every front end, each in an environment of its own; what they say is the README's table.

For `make frontends`. A run writes its row of tests/browser/frontends.json.
"""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.frontends import FRONT_ENDS, FrontEnd, python_of
from tests.browser.harness import SCREENSHOTS, write_notebook
from tests.browser.server import ROOT, jupyter_server
from tests.browser.twelve import CELLS, TWELVE, outcome
from tools.frontends import DATA

pytestmark = pytest.mark.frontends
PACKAGES = ("ipywidgets", "anywidget")


def versions(python: Path, *packages: str) -> dict[str, str]:
    """Which versions of these packages an environment has."""
    code = (
        "import json\nfrom importlib.metadata import version\n"
        f"print(json.dumps({{each: version(each) for each in {packages}}}))"
    )
    said = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return dict(json.loads(said.stdout))


def write_row(row: dict[str, object], front_end: FrontEnd) -> None:
    """Into the file of results, in the order of the front ends."""
    kept = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else []
    order = [each.label for each in FRONT_ENDS]
    rows = [each for each in kept if each["label"] != front_end.label]
    tried = [each for each in rows if each["label"] in order]
    tried = sorted([*tried, row], key=lambda each: order.index(str(each["label"])))
    rows = [*tried, *(each for each in rows if "not tried" in each)]
    DATA.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda each: each.label)
def test_a_front_end_passes_all_twelve(
    browser: Browser, tmp_path: Path, front_end: FrontEnd
) -> None:
    python = python_of(ROOT, front_end)
    if not python.exists():
        pytest.skip(f"{front_end.environment} is not here: make frontends")
    with jupyter_server(tmp_path, app=front_end.app, python=str(python)) as server:
        write_notebook(server.folder / "labs" / "twelve.ipynb", *CELLS)
        with front_end.open(browser, server, "labs/twelve.ipynb") as desk:
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            found: dict[str, str] = {}
            for name, check in TWELVE.items():
                found[name] = outcome(check, desk)
                picture = f"frontend-{front_end.label}-{name.replace(' ', '-')}.png"
                desk.page.screenshot(path=SCREENSHOTS / picture)
    row = {
        "label": front_end.label,
        "front end": front_end.name,
        "versions": versions(python, front_end.package, *PACKAGES),
        "browser": browser.version,
        "date": datetime.now(UTC).date().isoformat(),
        "checks": {name: "yes" if not why else f"no: {why}" for name, why in found.items()},
    }
    write_row(row, front_end)
    assert {name: why for name, why in found.items() if why} == {}
