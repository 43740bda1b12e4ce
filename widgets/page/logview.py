"""The event log as a list: the steps around the current one, a line an event, each a button that goes there.

Invariant: each step has a place of its own on the page, so that a new step fills one place and leaves the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from aarch64sim.debug import Debugger, StepRecord
from aarch64sim.events import Lane
from widgets.models.timeline import LANE_TITLES, LANES

PLACES = 20  # steps on the page
PAGE = 10  # the list moves on by so many
MOST_EVENTS = 40  # of one step


def html() -> str:
    """Filters and an empty list."""
    filters = "".join(
        f'<label><input type="checkbox" checked data-lane="{lane.value}"> {LANE_TITLES[lane]} lane</label>'
        for lane in LANES
    )
    places = "".join(f'<tbody data-slot="log-{n}"></tbody>' for n in range(PLACES))
    head = "".join(f'<th scope="col">{name}</th>' for name in ("step", "lane", "PC", "event"))
    return (
        f'<div class="sl-filters" role="group" aria-label="lanes shown in the log">{filters}'
        '<span class="sl-note" data-slot="log-note"></span></div>'
        '<div class="sl-scroll" data-follow><table class="sl-log" data-group>'
        f"<thead><tr>{head}</tr></thead>{places}</table></div>"
    )


class LogView:
    """What stands in the places; keeps the lines of the steps that are on the page."""

    def __init__(self) -> None:
        self._lines: dict[int, tuple[StepRecord, str]] = {}

    def values(self, debugger: Debugger, chosen: int | None) -> dict[str, str | int | None]:
        """The lines around `position`; `chosen` is the event of it that is looked at."""
        position, length = debugger.position, debugger.length
        first = max(1, (max(position, 1) - 1) // PAGE * PAGE + 1 - PAGE)
        last = min(length, first + PLACES - 1)
        records = debugger.records(first, last)
        kept = self._lines
        shown: dict[str, str | int | None] = {}
        self._lines = {}
        for n in range(PLACES):
            number, slot = first + n, f"log-{n}"
            here = number == position and number <= last
            shown[f"{slot}@class"] = (
                "sl-lognow sl-now" if here else "sl-ahead" if number > position else None
            )
            if number > last:
                shown[slot] = ""
                continue
            record = records[n]
            if here and chosen is not None:
                shown[slot] = _lines(number, record, chosen)
                continue
            known = kept.get(number)
            text = known[1] if known and known[0] is record else _lines(number, record, None)
            self._lines[number] = record, text
            shown[slot] = text
        shown["log-note.text"] = (
            f"Steps {first} to {last} of {length}." if last else "Nothing has happened yet."
        )
        return shown


def _lines(number: int, record: StepRecord, chosen: int | None) -> str:
    hidden = max(0, len(record.events) - MOST_EVENTS)
    more = (
        f'<tr><td></td><td colspan="3">({hidden} events of step {number} before these)</td></tr>'
        if hidden
        else ""
    )
    lanes: Sequence[tuple[int, Lane]] = [(n, e.lane) for n, e in enumerate(record.events)][hidden:]
    return more + "".join(
        f'<tr class="sl-log-{lane.value}"{_current(index == chosen)}>'
        f"<td>{number if index == hidden else ''}</td><td>{LANE_TITLES[lane]}</td>"
        f"<td>{record.events[index].pc:#x}</td>"
        f'<td><button type="button" tabindex="-1" data-do="log" data-value="{number}:{index}"'
        f' aria-label="step {number}, {LANE_TITLES[lane]}: {escape(record.events[index].text)}">'
        f"{escape(record.events[index].text)}</button></td></tr>"
        for index, lane in lanes
    )


def _current(chosen: bool) -> str:
    return ' aria-current="true"' if chosen else ""
