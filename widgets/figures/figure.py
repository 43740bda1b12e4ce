"""What every figure can do: be a picture, a sentence and a table, and be saved as any of them.

Invariant: picture, sentence and table are made from the same model, so they cannot disagree. A front end that runs
shows the picture in its own theme; a file, and a notebook without a kernel, show it in light colours.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

from matplotlib.figure import Figure as MplFigure

from widgets.figures.render import svg_for_page, to_png, to_svg
from widgets.figures.repaint import repaint

PAGE_SCALE = 1.2  # CSS pixels for a point of the drawing, at most


class Figure:
    """Base of the figures. A subclass gives `name`, `sentence`, `header`, `rows` and `draw`."""

    name = "figure"

    @property
    def sentence(self) -> str:
        """The figure in words: its alt text."""
        raise NotImplementedError

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns of the table."""
        raise NotImplementedError

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The figure as a table."""
        raise NotImplementedError

    def draw(self) -> MplFigure:
        """The figure as matplotlib draws it, in light colours."""
        raise NotImplementedError

    def export(self, path: str | Path, theme: str = "light") -> Path:
        """Save as what the name ends in: .svg, .png, .csv or .json. ValueError for anything else.

        `theme` is that of the picture, "light" or "dark".
        """
        path = Path(path)
        kinds: dict[str, Callable[[], str | bytes]] = {
            ".svg": partial(self.svg, theme),
            ".png": partial(self.png, theme),
            ".csv": self.csv,
            ".json": self.json,
        }
        if path.suffix not in kinds:
            raise ValueError(f"{path.name}: a figure is saved as {', '.join(kinds)}")
        content = kinds[path.suffix]()
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
        return path

    def svg(self, theme: str = "light") -> str:
        """The picture as SVG; its first element is the alt text. Letters are outlines: no font is missing anywhere."""
        svg = to_svg(repaint(self.draw(), theme), outlines=True)
        end = svg.index(">", svg.index("<svg")) + 1
        return f"{svg[:end]}\n <title>{escape(self.sentence)}</title>{svg[end:]}"

    def png(self, theme: str = "light") -> bytes:
        """The picture as PNG."""
        return to_png(repaint(self.draw(), theme))

    def csv(self) -> str:
        """The table, one row a line."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerows([self.header, *self.rows])
        return buffer.getvalue()

    def json(self) -> str:
        """Sentence and table."""
        rows = [dict(zip(self.header, row, strict=True)) for row in self.rows]
        return (
            json.dumps({"figure": self.name, "sentence": self.sentence, "rows": rows}, indent=1)
            + "\n"
        )

    def table(self) -> str:
        """The table as HTML, with the sentence as its caption."""
        return html_table(self.header, self.rows, self.sentence)

    def __repr__(self) -> str:
        return self.sentence

    def page_html(self) -> str:
        """The figure as an element of a page: the picture in the page's theme, with the table to be opened below."""
        drawn = self.draw()
        width = int(drawn.get_figwidth() * 72 * PAGE_SCALE)
        svg = svg_for_page(drawn, f"sl{uuid4().hex[:8]}-", escape(self.sentence))
        return (
            f'<div class="sl-drawing" style="max-width:{width}px">{svg}</div>'
            f'<details class="sl-twin"><summary>The figure in words</summary>{self.table()}</details>'
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # Imported late: a figure is drawn without widgets, too.
        from widgets.page.board import Board

        live, _metadata = Board(self.page_html(), {}, {})._repr_mimebundle_() or ({}, {})
        drawn = self.draw()
        return live | {"text/plain": self.sentence, "image/png": to_png(drawn)}, {
            "image/png": {
                "alt": self.sentence,
                "width": int(drawn.get_figwidth() * 72 * PAGE_SCALE),
            }
        }


def html_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], caption: str = "") -> str:
    """A table in HTML; every text is escaped."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<table class="sl-table">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
