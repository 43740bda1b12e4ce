"""A syndrome as a bit ruler: ESR_ELx with the fields of its class, to read and to write.

Invariant: `word_of(fields_of(word))` is the word, for every class and every 32-bit word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.patches import Rectangle

from widgets.board import Action, Board, Bundle
from widgets.figure import Figure
from widgets.render import canvas, to_png
from widgets.syndromes import MOST_FIELDS, Field, class_name, fields_of, word_of
from widgets.theme import LIGHT

BIT, LEFT, TOP = 21.0, 8.0, 96.0
WIDTH = LEFT * 2 + 32 * BIT


@dataclass(frozen=True, repr=False)
class EsrRuler(Figure):
    """One syndrome, 32 bits."""

    word: int
    register: str = "ESR_EL2"
    name = "esr"

    def __post_init__(self) -> None:
        if not 0 <= self.word < 1 << 32:
            raise ValueError(f"a syndrome has 32 bits: {self.word:#x} does not fit")

    @property
    def sentence(self) -> str:
        said = [f.says(v) for f, v in fields_of(self.word)[2:] if v and f.values and v in f.values]
        name = class_name(self.word)
        return f"{self.register} {self.word:#010x}: {name}" + (
            f"; {'; '.join(said)}." if said else "."
        )

    @property
    def header(self) -> tuple[str, ...]:
        return ("field", "bits", "value", "meaning")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (f.name, f"{f.high}:{f.low}" if f.width > 1 else str(f.high), f"{v:#x}", f.says(v))
            for f, v in fields_of(self.word)
        ]

    def draw(self) -> MplFigure:
        figure, axes = canvas((WIDTH, TOP + 12))
        for bit in range(32):
            x = LEFT + (31 - bit + 0.5) * BIT
            axes.text(x, TOP - 2, str(bit), fontsize=6.5, ha="center", color=LIGHT["muted"])
            value = self.word >> bit & 1
            axes.text(
                x,
                TOP - 17,
                str(value),
                fontsize=10,
                ha="center",
                va="center",
                zorder=3,
                weight="bold" if value else "normal",
                color=LIGHT["ink" if value else "muted"],
            )
        for number, (field, value) in enumerate(fields_of(self.word)):
            self._draw_field(axes, field, value, number)
        return figure

    def _draw_field(self, axes: Axes, field: Field, value: int, number: int) -> None:
        x, width = LEFT + (31 - field.high) * BIT, field.width * BIT
        colour = "here" if field.name == "RES0" else "run" if number % 2 else "stop"
        for low, height, fill in ((TOP - 27, 20, f"{colour}-fill"), (6, TOP - 33, "page")):
            box = Rectangle((x + 0.8, low), width - 1.6, height)
            box.set(facecolor=LIGHT[fill], edgecolor=LIGHT[colour], linewidth=1.1, zorder=1)
            axes.add_patch(box)
        middle = x + width / 2
        upright = width < 7.0 * len(field.name) + 2
        axes.text(
            middle,
            TOP - 38 if not upright else TOP - 52,
            field.name,
            fontsize=9,
            ha="center",
            va="center",
            rotation=90 if upright else 0,
            weight="bold",
            color=LIGHT["ink"],
        )
        axes.text(
            middle,
            14 if upright else 36,
            f"{value:#x}" if value > 9 else str(value),
            fontsize=8.5,
            ha="center",
            va="center",
            color=LIGHT["ink"],
        )


class EsrLab(Board):
    """A ruler to play with: write the word, or any field, and read the other."""

    def __init__(self, word: int = 0x9380_0047, register: str = "ESR_EL2") -> None:
        self.figure = EsrRuler(word, register)
        skeleton = (
            '<div class="sl-panel" role="group" aria-label="a syndrome, bit by bit">'
            f'<label class="sl-kernel"><span>{escape(register)}</span>'
            '<input type="text" data-set="word" data-slot="word" size="12"></label>'
            '<p class="sl-status" role="status" aria-live="polite" data-slot="status"></p>'
            '<div data-slot="fields"></div></div>'
        )
        actions: dict[str, Action] = {
            f"field-{n}": partial(self._set_field, n) for n in range(MOST_FIELDS)
        }
        actions["word"] = lambda m: self._set_word(m.get("value"))
        super().__init__(skeleton, actions, self._values())

    @property
    def word(self) -> int:
        """The syndrome, 32 bits."""
        return self.figure.word

    @word.setter
    def word(self, value: int) -> None:
        self.figure = EsrRuler(value, self.figure.register)
        self.show(self._values())

    def _set_word(self, text: object) -> None:
        self._try(
            lambda: int(str(text), 0), f"{text!r} is no number: write 0x93800047, for example."
        )

    def _set_field(self, number: int, message: Mapping[str, Any]) -> None:
        text = message.get("value")
        fields = fields_of(self.word)
        field = fields[number][0]

        def changed() -> int:
            fields[number] = (field, int(str(text), 0))
            return word_of(fields)

        self._try(changed, f"{field.name} takes a number of {field.width} bits, not {text!r}.")

    def _try(self, make: Any, complaint: str) -> None:
        try:
            self.word = make()
        except ValueError as error:
            said = str(error) if "fit" in str(error) else complaint
            self.show({"status.text": said})

    def _values(self) -> dict[str, str | int | None]:
        rows = "".join(
            f'<tr><th scope="row">{field.name}</th><td>{bits}</td><td><input type="text" size="6"'
            f' value="{value:#x}" data-set="field-{n}" aria-label="{field.name}"></td>'
            f"<td>{value:0{field.width}b}</td><td>{escape(field.says(value))}</td></tr>"
            for n, ((field, value), (_, bits, _, _)) in enumerate(
                zip(fields_of(self.word), self.figure.rows, strict=True)
            )
        )
        head = "".join(
            f'<th scope="col">{n}</th>' for n in ("field", "bits", "value", "binary", "meaning")
        )
        return {
            "word@value": f"{self.word:#010x}",
            "status.text": self.figure.sentence,
            "fields": f'<table class="sl-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>',
        }

    def __repr__(self) -> str:
        return f"EsrLab({self.figure.sentence})"

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        return data | {"text/plain": repr(self), "image/png": to_png(self.figure.draw())}, metadata
