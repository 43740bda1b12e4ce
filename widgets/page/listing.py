"""The program as the panel shows it: each instruction once, as it was written, the current and the last line marked.

Invariant: a step changes attributes of two or three rows, never the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from html import escape

from aarch64sim.asm import Program
from aarch64sim.asm.disassembler import disassemble
from aarch64sim.events import What
from widgets.models.timeline import Timeline

_COMMENT = re.compile(r"//|/\*")
_LABELS = re.compile(r"^(?:[\w.$]+:\s*)+")
MOST_ROWS = 400  # a longer program is shown around the current line


@dataclass(frozen=True)
class Row:
    """One source line; address and disassembly where it made an instruction."""

    line: int
    source: str
    address: int | None = None
    text: str = ""


class Listing:
    """The rows of one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        # The last table that was asked for.
        self._made: tuple[tuple[int, int, bool], str] | None = None

    @cached_property
    def words(self) -> dict[int, int]:
        """Address -> 32-bit word of each instruction."""
        return dict(self.program.words())

    @cached_property
    def rows(self) -> list[Row]:
        """All source lines, each with its instructions; a line with several gets a row for each."""
        by_line: dict[int, list[int]] = {}
        for address, line in sorted(self.program.lines.items()):
            by_line.setdefault(line, []).append(address)
        rows = []
        for number, source in enumerate(self.program.source.rstrip().split("\n"), 1):
            addresses = by_line.get(number, [])
            if not addresses:
                rows.append(Row(number, source))
            for address in addresses:
                rows.append(Row(number, source, address, self.text_at(address)))
        return rows

    @cached_property
    def _index(self) -> dict[int, int]:
        return {row.address: n for n, row in enumerate(self.rows) if row.address is not None}

    def text_at(self, address: int) -> str:
        """The disassembly of the instruction at `address`, "" if the program has none there."""
        word = self.words.get(address)
        return "" if word is None else disassemble(word, address)

    def mnemonic(self, address: int) -> str:
        """The first word of the disassembly."""
        return self.text_at(address).partition(" ")[0].partition("\t")[0]

    def where(self, address: int) -> str:
        """`0x40000004 (str w0, [x19])`, or the address alone outside the program."""
        text = " ".join(self.text_at(address).split())
        return f"{address:#x} ({text})" if text else f"{address:#x}"

    def window(self, pc: int) -> tuple[int, int]:
        """First and last + 1 of the rows to show."""
        if len(self.rows) <= MOST_ROWS:
            return 0, len(self.rows)
        page = MOST_ROWS // 2
        first = max(0, self._index.get(pc, 0) // page * page - page // 2)
        return first, min(len(self.rows), first + MOST_ROWS)

    def shown(self, first: int, end: int) -> list[int]:
        """The addresses of the instructions in these rows."""
        return [row.address for row in self.rows[first:end] if row.address is not None]

    def marks(self, timeline: Timeline, pc: int) -> dict[str, str]:
        """Slot -> class of the rows that are marked: the current one, and what the last step completed."""
        marks = {
            f"row-{column.pc:x}": "sl-unseen" if column.ghost else "sl-last"
            for column in timeline.columns
            if column.event is not None and column.event.what in (What.RETIRE, What.SKIP)
        }
        here = f"row-{pc:x}"
        marks[here] = f"{marks[here]} sl-now" if here in marks else "sl-now"
        return marks

    def html(self, first: int, end: int, *, points: bool = True) -> str:
        """The table of these rows; slot `row-ADDRESS` is the row of an instruction. Lines of comment are left out."""
        asked = first, end, points
        if self._made is None or self._made[0] != asked:
            self._made = asked, self._table(first, end, points=points)
        return self._made[1]

    def _table(self, first: int, end: int, *, points: bool) -> str:
        body: list[str] = []
        has_button = False
        for row in self.rows[first:end]:
            code, note = self._said(row)
            if not code:
                continue
            slot = f' data-slot="row-{row.address:x}"' if row.address is not None else ""
            address = f"{row.address:#x}" if row.address is not None else ""
            mark = _breakpoint(row.address, first_button=not has_button) if points else ""
            has_button = has_button or bool(mark)
            body.append(
                f'<tr{slot} title="line {row.line}: {escape(" ".join(row.source.split()))}">'
                f'<td class="sl-mark">{mark}</td><td class="sl-address">{address}</td>'
                f'<td class="sl-code">{escape(code)}{note}</td></tr>'
            )
        lines = [self.rows[n].line for n in (first, end - 1, -1)]
        more = '<p class="sl-note">Lines {} to {} of {}.</p>'.format(*lines)
        return (
            '<table class="sl-listing"><thead class="sl-hidden"><tr><th scope="col">mark</th>'
            '<th scope="col">address</th><th scope="col">instruction</th></tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table>"
            + (more if end - first < len(self.rows) else "")
        )

    def _said(self, row: Row) -> tuple[str, str]:
        """An instruction as its line has it; what it is for the CPU stands after it where that has another name."""
        source = " ".join(_COMMENT.split(row.source, maxsplit=1)[0].split())
        if row.address is None:
            return source, ""
        text = " ".join(row.text.split())
        written = _LABELS.sub("", source)
        alone = sum(each.line == row.line for each in self.rows_near(row)) == 1
        if alone and written.partition(" ")[0].lower() == text.partition(" ")[0]:
            return source, ""
        return (
            source if alone else text,
            f' <span class="sl-as">{escape(text)}</span>' if alone else "",
        )

    def rows_near(self, row: Row) -> list[Row]:
        """The rows of the same source line."""
        at = self._index[row.address] if row.address is not None else 0
        return [each for each in self.rows[max(0, at - 1) : at + 2] if each.line == row.line]


def _breakpoint(address: int | None, *, first_button: bool) -> str:
    if address is None:
        return ""
    return (
        f'<button type="button" class="sl-break" data-do="breakpoint" data-value="{address}"'
        f' data-slot="bp-{address:x}" aria-pressed="false" aria-label="breakpoint at {address:#x}"'
        f' tabindex="{0 if first_button else -1}"></button>'
    )
