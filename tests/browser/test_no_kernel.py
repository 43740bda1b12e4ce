"""A committed notebook opened where no kernel runs, trusted or not: the pictures stand where the panels were."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.harness import NOTEBOOK, LabPage, lab_page
from tests.browser.server import ROOT, Server, jupyter_environment, jupyter_server

# Between them they have every kind of panel and figure.
LABS = ("00-start-here.ipynb", "03-trapping-mmio.ipynb", "06-eleven-years-of-fixes.ipynb")


@pytest.fixture(scope="module")
def kernelless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has no kernel to offer, over committed notebooks of which it trusts one copy."""
    home = tmp_path_factory.mktemp("no-kernel")
    for trust in ("trusted", "untrusted"):
        folder = home / "served" / trust
        folder.mkdir(parents=True)
        for name in LABS:
            notebook = json.loads((ROOT / "labs" / name).read_text(encoding="utf-8"))
            notebook["metadata"]["copy"] = trust  # trust goes by content
            (folder / name).write_text(json.dumps(notebook), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "jupyter", "trust", *(home / "served" / "trusted").iterdir()],
        env=jupyter_environment(home),
        check=True,
        capture_output=True,
    )
    with jupyter_server(home, "--KernelSpecManager.allowed_kernelspecs={'none-here'}") as server:
        yield server


@pytest.fixture(scope="module")
def visitor(browser: Browser, kernelless: Server) -> Iterator[LabPage]:
    with lab_page(browser, kernelless) as lab:
        lab.open_page(f"untrusted/{LABS[0]}")
        decline_kernel(lab)
        yield lab


def decline_kernel(lab: LabPage) -> None:
    lab.page.get_by_role("dialog").get_by_role("button", name="No Kernel").click()


@pytest.mark.parametrize("name", LABS)
@pytest.mark.parametrize("trust", ["trusted", "untrusted"])
def test_without_a_kernel_every_panel_is_a_picture(visitor: LabPage, trust: str, name: str) -> None:
    visitor.turn_to(f"{trust}/{name}")
    decline_kernel(visitor)
    assert is_trusted(visitor) == (trust == "trusted")
    drawn = pictures(ROOT / "labs" / name)
    images = visitor.page.locator(".jp-OutputArea-output.jp-RenderedImage img")
    expect(images).to_have_count(len(drawn))
    shown = images.evaluate_all("all => all.map(each => [each.src, each.naturalWidth > 0])")
    assert shown == [[f"data:image/png;base64,{data}", True] for data, _ in drawn]
    assert all(alt for _, alt in drawn)
    assert "Error displaying widget" not in visitor.page.inner_text(".jp-Notebook")
    if drawn:
        visitor.scroll_to(images.first)
        visitor.screenshot(f"no-kernel-{name[:2]}-{trust}")


def is_trusted(lab: LabPage) -> bool:
    cells = f"{NOTEBOOK}.content.widgets.filter(cell => cell.model.type === 'code')"
    return bool(lab.page.evaluate(f"() => {cells}.every(cell => cell.model.trusted)"))


def pictures(path: Path) -> list[tuple[str, str]]:
    """Every picture among a notebook's outputs: its base64 text and its alternative text."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [
        ("".join(output["data"]["image/png"]).strip(), output["metadata"]["image/png"]["alt"])
        for output in outputs
        if "image/png" in output.get("data", {})
    ]
