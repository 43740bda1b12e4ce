"""The timeline on a page: a table whose chips are buttons, one stop for Tab.

Invariant: the same columns as in the figure, in the same order.
"""

from __future__ import annotations

from html import escape

from widgets.models.timeline import LANE_TITLES, LANES, Column, Timeline

MOST_COLUMNS = 16


def html(
    timeline: Timeline,
    *,
    caption: str = "",
    chosen: int | None = None,
    action: str = "event",
    width: int = 0,
    parting: int | None = None,
) -> str:
    """The last columns of a timeline as a table, at least `width` columns wide.

    A chip sends `action` with the index of its event in the step; `chosen` is the pressed one. `parting` is the column
    in which two timelines differ first.
    """
    hidden = max(0, len(timeline.columns) - MOST_COLUMNS)
    shown = Timeline(timeline.title, timeline.columns[hidden:])
    if not shown.columns:
        return f'<p class="sl-note">{escape(timeline.sentence)}</p>'
    spans = _spans(
        shown, "PC", [(f"{c.pc:#x}", f"\u2026{c.pc & 0xFF:02x}") for c in shown.columns]
    ) + _spans(shown, "SS", [(c.ss, c.ss) for c in shown.columns])
    numbers = _event_numbers(timeline)[hidden:]
    stop = numbers[0] if chosen is None else chosen
    padding = "<td></td>" * max(0, min(width, MOST_COLUMNS) - len(shown.columns))
    parted = None if parting is None else parting - hidden
    lanes = []
    for lane in LANES:
        cells = "".join(
            f"{_cell(n == parted)}{_chip(column, number, chosen, action, stop)}</td>"
            if column.lane is lane
            else f"{_cell(n == parted)}</td>"
            for n, (column, number) in enumerate(zip(shown.columns, numbers, strict=True))
        )
        lanes.append(
            f'<tr class="sl-lane sl-{lane.value}"><th scope="row">{LANE_TITLES[lane]}</th>{cells}{padding}</tr>'
        )
    note = f" (the last {MOST_COLUMNS} of {len(timeline.columns)} events)" if hidden else ""
    if parted is not None and 0 <= parted < len(shown.columns):
        note += f" The dotted line: the first difference, at {escape(shown.columns[parted].label)}."
    columns = (
        f'<colgroup><col class="sl-head">{"<col>" * max(width, len(shown.columns))}</colgroup>'
    )
    return (
        f'<table class="sl-timeline"><caption>{escape(caption or timeline.sentence)}{note}</caption>'
        f"{columns}<tbody data-group>{spans}{''.join(lanes)}</tbody></table>"
    )


def _cell(parted: bool) -> str:
    return '<td class="sl-parted" title="the first difference">' if parted else "<td>"


def _event_numbers(timeline: Timeline) -> list[int]:
    """For each column the index of its event among the events; a ghost has that of the event after it."""
    numbers, next_number = [], 0
    for column in timeline.columns:
        numbers.append(next_number)
        next_number += column.event is not None
    return numbers


def _spans(timeline: Timeline, title: str, texts: list[tuple[str, str]]) -> str:
    cells = []
    for first, count in timeline.spans(lambda c: c.pc if title == "PC" else c.ss):
        long, short = texts[first]
        text = long if count > 1 or title == "SS" else f'<abbr title="{long}">{short}</abbr>'
        none = "" if long else ' class="sl-none"'
        cells.append(f'<td colspan="{count}"><span{none}>{text or "&nbsp;"}</span></td>')
    return f'<tr class="sl-span"><th scope="row">{title}</th>{"".join(cells)}</tr>'


def _chip(column: Column, number: int, chosen: int | None, action: str, stop: int) -> str:
    text = escape(column.text)
    if column.ghost == "stop":
        return f'<span class="sl-ghost" title="{text}"><b>{escape(column.label)}</b><i>{text} \u25b8</i></span>'
    told = '<span class="sl-hidden"> (nobody was notified)</span>' if column.ghost else ""
    pressed = ' aria-pressed="true"' if number == chosen else ""
    ghost = ' class="sl-ran"' if column.ghost else ""
    return (
        f'<button type="button"{ghost} data-do="{action}" data-value="{number}" title="{text}"{pressed}'
        f' tabindex="{0 if number == stop else -1}">{escape(column.label)}{told}</button>'
    )
