"""Building the site where something is missing: one sentence says what."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from tools import lite, site_labs, site_python


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tools.site", "--no-labs"], "needs node and npm"),
        (["tools.lite"], "needs npm"),
        (["tools.site", "--front", "--lite", "nowhere"], "There is no JupyterLite in nowhere"),
    ],
)
def test_what_the_build_needs_and_does_not_find_is_said_in_one_sentence(
    arguments: list[str], says: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", *arguments, "--out", str(tmp_path / "out")]
    environment = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_simulator_of_a_page_is_packed_and_has_what_it_imports() -> None:
    data = site_python.simulator()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        held = set(archive.namelist())
        assert {"widgets/web/live.py", "widgets/panel/driving.py"} <= held
        assert "labs/recordings/machine.json" in held
        assert len(data) < 0.6 * sum(each.file_size for each in archive.infolist())
    assert data == site_python.simulator()


@pytest.mark.parametrize(
    "text", ["</script><b>", "<!-- <script>", "<!--</SCRIPT", "\u2028 <\\/ &lt;"]
)
def test_no_text_of_a_program_ends_the_script_that_holds_it(text: str) -> None:
    held = site_labs.in_script({"source": text})
    assert "</" not in held
    assert "<!--" not in held
    assert json.loads(held) == {"source": text}


def test_every_link_of_a_lab_in_jupyterlite_leads_to_a_file_there(tmp_path: Path) -> None:
    folder = lite.contents(tmp_path / "contents")
    texts = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.md")}
    for path in folder.rglob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        texts[path] = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert len(texts) >= 10
    for path, text in texts.items():
        for target in re.findall(r"\]\((?!\w+:|#)([^)\s#]+)", text):
            assert (path.parent / target).exists(), (path.name, target)
