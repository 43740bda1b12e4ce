"""What every figure can do: be a picture, a sentence and a table, and be saved as any of them.

Invariant: picture, sentence and table are made from the same model, so they cannot disagree. A front end that runs
shows the picture in its own theme; a file, and a notebook without a kernel, show it in light colours. Only a PNG, a
matplotlib figure and SVG with outlined letters need matplotlib.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from widgets.figures import svg_writer
from widgets.models.drawing import Drawing
from widgets.page.audience import a_page_looks

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

STATIC = Path(__file__).resolve().parents[1] / "static"
NO_BUTTONS = "This is a picture. Run the cell (Shift+Enter) to get the buttons."
PAGE_SCALE = 1.2  # CSS pixels for a point of the drawing, at most


class Figure:
    """Base of the figures. A subclass gives `name`, `sentence`, `header`, `rows` and `drawing`."""

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

    def drawing(self) -> Drawing:
        """The figure as a drawing, for any writer."""
        raise NotImplementedError

    def draw(self, theme: str = "light") -> MplFigure:
        """The figure as matplotlib draws it, in the colours of a theme, "light" or "dark"."""
        return mpl_figure(self.drawing(), theme)

    def export(self, path: str | Path, theme: str = "light") -> Path:
        """Save as what the name ends in: .svg, .png, .csv or .json. ValueError for anything else.

        `theme` is that of the picture, "light" or "dark". OSError if the file cannot be written.
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
        try:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        except OSError as error:
            raise OSError(f"{path} cannot be written: {error.strerror}") from None
        return path

    def svg(self, theme: str = "light") -> str:
        """The picture as SVG; its first element is the alt text. Letters are outlines: no font is missing anywhere.

        Without matplotlib they are letters.
        """
        if not has_matplotlib():
            return svg_writer.file_svg(self.drawing(), theme, self.sentence)
        svg = str(mpl_writer().to_svg(self.draw(theme), outlines=True))
        end = svg.index(">", svg.index("<svg")) + 1
        return f"{svg[:end]}\n <title>{escape(self.sentence)}</title>{svg[end:]}"

    def png(self, theme: str = "light") -> bytes:
        """The picture as PNG."""
        return png(self.drawing(), theme)

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

    def live_svg(self, prefix: str = "") -> str:
        """The picture as an element of a live page: SVG in the page's theme, made without matplotlib.

        Elements with names get ids that start with `prefix`, if that is given.
        """
        return svg_writer.page_svg(self.drawing(), self.sentence, prefix)

    def page_html(self) -> str:
        """The figure as an element of a page: the picture in the page's theme, with the table to be opened below."""
        return (
            f'<div class="sl-drawing" style="--sl-wide:{page_width(self.drawing())}px;max-width:var(--sl-wide)">'
            f"{self.live_svg()}</div>"
            f'<details class="sl-twin"><summary>The figure in words</summary>{self.table()}</details>'
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """For a page HTML, for a file a picture; no widget, so that it is there tomorrow, too."""
        if not a_page_looks():
            return still(self.drawing(), self.sentence)
        colours = (STATIC / "theme.css").read_text("utf-8")
        html = f'<div class="sl-board"><style>{colours}</style>{self.page_html()}</div>'
        return {"text/plain": self.sentence, "text/html": html}, {}


def has_matplotlib() -> bool:
    """Whether matplotlib is installed; in a browser it is not."""
    return find_spec("matplotlib") is not None


class NoMatplotlibError(ImportError):
    """Raised for a picture that only matplotlib makes. A notebook shows the sentence, and nothing of a traceback."""

    def __init__(self) -> None:
        super().__init__(
            "There is no matplotlib here, as in a browser, so a PNG, a PDF and a matplotlib figure cannot be made;"
            " .svg() of a figure needs none."
        )

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def mpl_writer() -> ModuleType:
    """The writer that needs matplotlib; NoMatplotlibError where that is not installed."""
    if not has_matplotlib():
        raise NoMatplotlibError
    from widgets.figures import mpl_writer

    return mpl_writer


def mpl_figure(drawing: Drawing, theme: str = "light") -> MplFigure:
    """The drawing as matplotlib draws it, in the colours of a theme."""
    made: MplFigure = mpl_writer().figure(drawing, theme)
    return made


def png(drawing: Drawing, theme: str = "light") -> bytes:
    """The drawing as PNG."""
    return bytes(mpl_writer().to_png(mpl_figure(drawing, theme)))


def page_width(drawing: Drawing) -> int:
    """CSS pixels that a drawing has on a page, at most."""
    return int(drawing.size[0] * PAGE_SCALE)


def still(drawing: Drawing, sentence: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A drawing for where nothing runs: its sentence, and PNG of it where matplotlib is installed."""
    if not has_matplotlib():
        return {"text/plain": sentence}, {}
    shown = {"alt": sentence, "width": page_width(drawing)}
    return {"text/plain": sentence, "image/png": png(drawing)}, {"image/png": shown}


def live_still(drawing: Drawing, sentence: str) -> dict[str, Any]:
    """What stands in for a live panel where nothing runs: for a page SVG, which costs nothing; for a file PNG.

    It says that it is a picture. A front end shows SVG only in a notebook that it trusts, as those that it ran itself.
    """
    drawing = _without_buttons(drawing)
    if a_page_looks() or not has_matplotlib():
        svg = svg_writer.file_svg(drawing, title=sentence)
        return {"text/plain": sentence, "image/svg+xml": svg}
    return {"text/plain": sentence, "image/png": png(drawing)}


def _without_buttons(drawing: Drawing) -> Drawing:
    """The picture of a panel, with what it lacks said above it."""
    width, height = drawing.size
    whole = Drawing((width, height + 20))
    whole.place(drawing, 0, 0)
    whole.text(8, height + 10, NO_BUTTONS, 10, bold=True, colour="stop")
    return whole


def html_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], caption: str = "") -> str:
    """A table in HTML; every text is escaped."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<table class="sl-table">{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
