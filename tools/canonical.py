"""The canonical form of a notebook: nothing in it changes from build to build.

Invariant: the same source, run with the same packages, gives the same bytes.
"""

from __future__ import annotations

import hashlib
import re
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable

import nbformat
from nbformat import NotebookNode

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def fix_ids(notebook: NotebookNode) -> None:
    """A cell's id is its name, or made from its text: editing one leaves the other ids alone."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        text = f"{cell.cell_type}\n{cell.source}".encode()
        base = cell.metadata.get("name") or f"c{hashlib.sha256(text).hexdigest()[:10]}"
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", base)[:56]
        seen[base] = seen.get(base, 0) + 1
        cell.id = base if seen[base] == 1 else f"{base}-{seen[base]}"


def plain_png(data: bytes) -> bytes:
    """The picture without its text chunks (they name the version of the library that drew it)."""
    kept, at = [data[:8]], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunk = data[at : at + 12 + length]
        if chunk[4:8] not in (b"tEXt", b"zTXt", b"iTXt", b"tIME"):
            kept.append(chunk)
        at += len(chunk)
    return b"".join(kept)


def canonical_outputs(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Streams joined, widget views and other people's traceback frames dropped, pictures plain."""
    result: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if result and result[-1].output_type == "stream" and result[-1].name == output.name:
                result[-1].text += output.text
                continue
        elif output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}"]
        else:
            data = output.data
            data.pop(WIDGET_VIEW, None)
            output.metadata = NotebookNode()
            if "image/png" in data:
                data["image/png"] = b64encode(plain_png(b64decode(data["image/png"]))).decode()
                if is_sentence(data.get("text/plain", "")):
                    output.metadata["image/png"] = NotebookNode(alt=data["text/plain"])
        result.append(output)
    return result


def is_sentence(text: str) -> bool:
    """Whether a text stands for a picture: `<Figure size 640x480 with 1 Axes>` does not.

    >>> is_sentence("Panel: stopped at 0x4000000c"), is_sentence("<Figure size 640x480>")
    (True, False)
    """
    return bool(text) and not text.startswith("<")


def canonicalise(notebook: NotebookNode) -> str:
    """The notebook as text, with nothing in it that changes from build to build."""
    notebook.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        cell.metadata.pop("lines_to_next_cell", None)
        if cell.cell_type == "code":
            cell.outputs = canonical_outputs(cell.outputs)
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook)) + "\n"
