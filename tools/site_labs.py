"""The labs as pages to read: their text, their panels alive, their predictions to be answered.

Invariant: every output is made by running the lab's cells now; nothing is taken from a picture.
"""

from __future__ import annotations

import json
import os
import re
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from markdown_it import MarkdownIt
from nbclient import NotebookClient
from nbformat import NotebookNode

from tools.build_labs import environment
from tools.lab_sources import Lab, for_learner, read
from widgets.course.question import UNANSWERED
from widgets.web.publish import MIME

ROOT = Path(__file__).resolve().parent.parent
LABS = ROOT / "labs"
TEXTS = {
    "glossary.md": ("glossary", "Glossary"),
    "08-attach-gdb.md": ("08-transcript", "Attach gdb: a transcript"),
}  # beside the labs: the name of the page, and its title
SETUP = "from widgets.web.publish import enable\nenable(get_ipython())\ndel enable"
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def executed(lab: Lab) -> NotebookNode:
    """A learner's lab run from its first cell to its last, its outputs made for a page."""
    notebook = read(lab.source)
    for_learner(notebook, lab.source.name)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SETUP))
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(LABS)}},
        store_widget_state=False,
        coalesce_streams=True,  # one box, however the kernel sent it
    )
    client.execute(env=environment() | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(LABS)])})
    del notebook.cells[0]
    return notebook


def page_link(target: str, homepage: str) -> str:
    """Where a link of a lab leads on the site: to a page of it, to a file of it, or to the repository."""
    path, mark, anchor = target.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return target
    if path in TEXTS:
        return f"{TEXTS[path][0]}.html{mark}{anchor}"
    if "/" not in path and path.endswith(".ipynb"):
        return f"{Path(path).stem}.html{mark}{anchor}"
    if path.startswith("images/") or path == "cheat-sheet.pdf":
        return path
    place = os.path.normpath(f"labs/{path}")
    return f"{homepage}/blob/main/{place}{mark}{anchor}"


def markdown(text: str, homepage: str) -> str:
    """Text of a lab as HTML; a picture of another site becomes its words."""
    text = re.sub(r"!\[([^\]]*)\]\(https?://[^)]*\)", r"\1", text)
    text = _LINK.sub(lambda m: m[1] + page_link(m[2], homepage) + m[3], text)
    made = str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    return re.sub(r"<h([1-4])>(.*?)</h\1>", _with_id, made)


def _with_id(heading: re.Match[str]) -> str:
    words = re.sub(r"<[^>]+>", "", heading[2]).lower()
    name = re.sub(r"[^\w -]", "", words).strip().replace(" ", "-")
    return f'<h{heading[1]} id="{name}">{heading[2]}</h{heading[1]}>'


def for_reader(text: str) -> str:
    """Text of a lab without what it asks of somebody who has its notebook."""
    text = re.sub(r"\*\*Run all cells now\*\*.*?\n\n", "", text, flags=re.DOTALL)
    text = re.sub(r"\s+Run all cells first[^.]*\.", "", text)
    return re.sub(r"run\s+all\s+cells\s+and\s+go\s+on", "go on", text)


def reachable(made: str) -> str:
    """HTML in which what may scroll sideways can be reached by a keyboard."""
    made = re.sub(r"<(pre|table)>", r'<\1 tabindex="0">', made)
    drawn = '<div class="sl-drawing"'
    return made.replace(drawn, f'{drawn} tabindex="0" role="group" aria-label="figure"')


class LabPage:
    """One lab being written; its panels and questions are numbered."""

    def __init__(self, homepage: str) -> None:
        self.homepage = homepage
        self.panels = self.questions = 0

    def body(self, notebook: NotebookNode) -> str:
        """All cells."""
        made = "".join(
            self._cell(cell)
            for cell in notebook.cells
            if "navigation" not in cell.metadata.get("tags", [])
        )
        return reachable(
            re.sub(r"<th[^>]*></th>", "<td></td>", made)
        )  # a header of nothing is none

    def _cell(self, cell: NotebookNode) -> str:
        if cell.cell_type == "markdown":
            return markdown(for_reader(cell.source), self.homepage)
        outputs = [self._output(output) for output in cell.outputs]
        code = f"<pre><code>{escape(cell.source)}</code></pre>"
        rich = any(MIME in output.get("data", {}) for output in cell.outputs)
        if rich:
            code = f'<details class="web-code"><summary>the cell that makes this</summary>{code}</details>'
        else:
            code = f'<div class="web-code">{code}</div>'
        return code + "".join(outputs)

    def _output(self, output: NotebookNode) -> str:
        if output.output_type == "stream":
            return f'<div class="web-out"><pre>{escape(_ANSI.sub("", output.text))}</pre></div>'
        if output.output_type == "error":
            return f'<div class="web-out"><pre>{escape(f"{output.ename}: {output.evalue}")}</pre></div>'
        data = output.data
        if MIME in data:
            return self._rich(data[MIME])
        if "text/html" in data:
            return f'<div class="web-out sl-board" tabindex="0">{data["text/html"]}</div>'
        return f'<div class="web-out"><pre>{escape(data.get("text/plain", ""))}</pre></div>'

    def _rich(self, made: dict[str, Any]) -> str:
        if made["kind"] == "question":
            self.questions += 1
            return question_html(f"q{self.questions}", made)
        shown = f'<div class="sl-board">{made["html"]}</div>' if made["html"] else ""
        if made["kind"] == "html":
            return shown
        return shown + self._panels(made["held"])

    def _panels(self, held: list[dict[str, Any]]) -> str:
        from tools.site import panel

        together = f"pair{self.panels}" if len(held) > 1 else ""
        parts = []
        for data in held:
            self.panels += 1
            parts.append(panel(f"p{self.panels}", data, together))
        return "".join(parts)


def question_html(name: str, made: dict[str, Any]) -> str:
    """A prediction: radio buttons, and a response to each."""
    options = "".join(
        f'<label><input type="radio" name="{name}" value="{n}"> {answer}</label>'
        for n, (answer, _) in enumerate(made["answers"])
    )
    responses = "".join(f"<li>{answer}: {said}</li>" for answer, said in made["answers"])
    said = in_script([response for _, response in made["answers"]])
    return (
        f'<div class="sl-board"><fieldset class="sl-question" data-question="{name}"><legend>{made["text"]}</legend>'
        f'{options}<details class="web-unscripted"><summary>Nothing answers without JavaScript: read all responses'
        f"</summary><ul>{responses}</ul></details>"
        f'<p role="status" aria-live="polite" data-slot="response">{UNANSWERED}'
        f'</p><script type="application/json">{said}</script></fieldset></div>'
    )


def in_script(data: object) -> str:
    """JSON for an element <script>: nothing in it ends the element, or keeps it from ending."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return text.replace("</", "<\\/").replace("<!--", "\\u003c!--")
