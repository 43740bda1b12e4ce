"""A syndrome as a bit ruler: ESR_ELx with the fields of its class, to read and to write.

Invariant: `word_of(fields_of(word))` is the word, for every class and every 32-bit word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

from widgets.figures.figure import Figure, live_still
from widgets.models.drawing import DASHED, Drawing
from widgets.models.syndromes import MOST_FIELDS, Field, class_name, fields_of, word_of
from widgets.page.board import Action, Board, Bundle

BIT, LEFT, TOP = 21.0, 8.0, 96.0
WIDTH = LEFT * 2 + 32 * BIT


@dataclass(frozen=True, repr=False)
class EsrRuler(Figure):
    """One syndrome, 32 bits. Bits that are not as in `before`, if that is given, are framed."""

    word: int
    register: str = "ESR_EL2"
    before: int | None = None
    name = "esr"

    def __post_init__(self) -> None:
        for word in (self.word, self.before or 0):
            if not isinstance(word, int):
                raise TypeError(f"a syndrome is a whole number of 32 bits, not {word!r}")
            if not 0 <= word < 1 << 32:
                raise ValueError(f"a syndrome has 32 bits: {word:#x} does not fit")

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

    def drawing(self) -> Drawing:
        drawing = Drawing((WIDTH, TOP + 12))
        for bit in range(32):
            self._draw_bit(drawing, bit)
        for number, (field, value) in enumerate(fields_of(self.word)):
            _draw_field(drawing, field, value, "surface" if number % 2 else "here-fill")
        return drawing

    def _draw_bit(self, drawing: Drawing, bit: int) -> None:
        x = LEFT + (31 - bit + 0.5) * BIT
        if self.before is not None and (self.word ^ self.before) >> bit & 1:
            frame: dict[str, Any] = {"edge": "run", "stroke": 2.2, "z": 2}
            drawing.box(x - 8, TOP - 25.5, 16, 17, says=("bit: changed",), **frame)
        small: dict[str, Any] = {"colour": "muted", "level": "baseline", "anchor": "middle"}
        drawing.text(x, TOP - 2, str(bit), 6.5, **small)
        value = self.word >> bit & 1
        style: dict[str, Any] = {"bold": bool(value), "colour": "ink" if value else "muted"}
        drawing.text(x, TOP - 17, str(value), 10, anchor="middle", **style)


def _draw_field(drawing: Drawing, field: Field, value: int, band: str) -> None:
    x, width = LEFT + (31 - field.high) * BIT, field.width * BIT
    reserved = field.name == "RES0"
    style: dict[str, Any] = {"edge": "line", "stroke": 1.1, "dash": DASHED if reserved else ()}
    said = f"field: {'reserved' if reserved else 'in use'}"
    for low, height, fill in ((TOP - 27, 20, band), (6, TOP - 33, "page")):
        drawing.box(x + 0.8, low, width - 1.6, height, fill=fill, says=(said,), **style)
    middle = x + width / 2
    upright = width < 7.0 * len(field.name) + 2
    name: dict[str, Any] = {"bold": True, "turned": upright, "anchor": "middle"}
    drawing.text(middle, TOP - 52 if upright else TOP - 38, field.name, 9, **name)
    shown = f"{value:#x}" if value > 9 else str(value)
    drawing.text(middle, 14 if upright else 36, shown, 8.5, anchor="middle")


class EsrLab(Board):
    """A ruler to play with: write the word, toggle a bit, write a field; the rest follows, the picture too.

    What is typed in and cannot be is answered with one sentence, and changes nothing.
    """

    def __init__(self, word: int = 0x9380_0047, register: str = "ESR_EL2") -> None:
        self.figure = EsrRuler(word, register)
        actions: dict[str, Action] = {
            f"field-{n}": partial(self._set_field, n) for n in range(MOST_FIELDS)
        }
        actions["word"] = lambda m: self._set_word(str(m.get("value")))
        actions["bit"] = lambda m: self._toggle(int(m.get("value", 0)))
        super().__init__(_skeleton(register), actions, self._values())

    @property
    def word(self) -> int:
        """The syndrome, 32 bits."""
        return self.figure.word

    @word.setter
    def word(self, value: int) -> None:
        self.figure = EsrRuler(value, self.figure.register, self.word)
        self.show(self._values())

    def _toggle(self, bit: int) -> None:
        self.word ^= 1 << bit & 0xFFFF_FFFF

    def _set_word(self, text: str) -> None:
        """A syndrome is written in hexadecimal, with or without 0x."""
        complaint = (
            f"{text!r} is no syndrome: write 32 bits in hexadecimal, 0x93800047 for example."
        )
        self._try("word", lambda: int(text, 16), complaint)

    def _set_field(self, number: int, message: Mapping[str, Any]) -> None:
        text = str(message.get("value"))
        fields = fields_of(self.word)
        if number >= len(fields):
            return  # a row that is not shown
        field = fields[number][0]

        def changed() -> int:
            fields[number] = (field, int(text, 0))
            return word_of(fields)

        complaint = f"{field.name} takes a number of {field.width} bits, not {text!r}."
        self._try(f"value-{number}", changed, complaint)

    def _try(self, slot: str, make: Callable[[], int], complaint: str) -> None:
        try:
            self.word = make()
        except ValueError as error:
            said = str(error) if "fit" in str(error) else complaint
            # It shows what was typed: the next right word is written over it.
            self.shown.pop(f"{slot}@value", None)
            self.show({"status.text": said, f"{slot}@aria-invalid": "true"})

    def _values(self) -> dict[str, str | int | None]:
        values: dict[str, str | int | None] = {
            "word@value": f"{self.word:#010x}",
            "word@aria-invalid": None,
            "status.text": self.figure.sentence,
            "picture": self.figure.live_svg(),
        }
        fields, rows = fields_of(self.word), self.figure.rows
        for field, _ in fields:
            for bit in range(field.low, field.high + 1):
                said = f"bit {bit}, {field.name}: {self.word >> bit & 1}"
                values |= {f"bit-{bit}@aria-label": said, f"bit-{bit}@title": said}
        for n in range(MOST_FIELDS):
            values[f"row-{n}@hidden"] = None if n < len(fields) else ""
            values[f"value-{n}@aria-invalid"] = None
            if n < len(fields):
                (field, value), (name, bits, shown, meaning) = fields[n], rows[n]
                values |= {
                    f"name-{n}.text": name,
                    f"bits-{n}.text": bits,
                    f"value-{n}@value": shown,
                    f"value-{n}@aria-label": f"{name}, bits {bits}",
                    f"binary-{n}.text": f"{value:0{field.width}b}",
                    f"meaning-{n}.text": meaning,
                }
        return values

    def __repr__(self) -> str:
        return f"EsrLab({self.figure.sentence})"

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        return data | live_still(self.figure.drawing(), repr(self)), metadata


def _skeleton(register: str) -> str:
    """Everything that there will ever be: a change of the word remakes no field, so the focus stays."""
    head = "".join(
        f'<th scope="col">{n}</th>' for n in ("field", "bits", "value", "binary", "meaning")
    )
    rows = "".join(
        f'<tr data-slot="row-{n}"><th scope="row" data-slot="name-{n}"></th><td data-slot="bits-{n}"></td>'
        f'<td><input type="text" size="9" data-set="field-{n}" data-slot="value-{n}"></td>'
        f'<td data-slot="binary-{n}"></td><td data-slot="meaning-{n}"></td></tr>'
        for n in range(MOST_FIELDS)
    )
    bits = "".join(
        f'<button type="button" data-do="bit" data-value="{bit}" data-slot="bit-{bit}"'
        f' tabindex="{0 if bit == 31 else -1}"></button>'
        for bit in range(31, -1, -1)
    )
    edge = 100 * LEFT / WIDTH
    return (
        '<div class="sl-panel" role="group" aria-label="a syndrome, bit by bit">'
        f'<label class="sl-kernel"><span>{escape(register)}</span>'
        '<input type="text" data-set="word" data-slot="word" size="12"></label>'
        '<p class="sl-status" role="status" aria-live="polite" data-slot="status"></p>'
        '<div class="sl-drawing sl-ruler"><div data-slot="picture"></div>'
        f'<div class="sl-toggles" data-group role="group" aria-label="toggle a bit"'
        f' style="left:{edge:.3f}%;right:{edge:.3f}%">{bits}</div></div>'
        f'<table class="sl-table sl-ruled"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
