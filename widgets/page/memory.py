"""Guest memory as bytes and characters, 8 a row.

Invariant: looking changes nothing; what is no memory is said to be none.
"""

from __future__ import annotations

from html import escape

from aarch64sim.debug import Debugger

ROWS, WIDTH = 8, 8


def html(debugger: Debugger, address: int, changed: frozenset[int] = frozenset()) -> str:
    """A table of `ROWS` rows from `address` (rounded down to 8); bytes in `changed` are marked."""
    start = address & -WIDTH & 0xFFFF_FFFF_FFFF_FFFF
    rows = []
    for row in range(start, start + WIDTH * ROWS, WIDTH):
        try:
            data = debugger.read_memory(row, WIDTH)
        except OSError:
            rows.append(f'<tr><th scope="row">{row:#x}</th><td colspan="2">no memory</td></tr>')
            continue
        cells = " ".join(
            f"<b>{byte:02x}</b>" if row + n in changed else f"{byte:02x}"
            for n, byte in enumerate(data)
        )
        text = "".join(chr(b) if 32 <= b < 127 else "\u00b7" for b in data)
        rows.append(
            f'<tr><th scope="row">{row:#x}</th><td>{cells}</td><td>{escape(text)}</td></tr>'
        )
    return f'<table class="sl-memory"><tbody>{"".join(rows)}</tbody></table>'


def written(debugger: Debugger) -> frozenset[int]:
    """The addresses of bytes that the last step changed, as the log says."""
    if not debugger.position:
        return frozenset()
    return frozenset(
        int(change.name[1:-1], 16) + n
        for event in debugger.events_of(debugger.position)
        for change in event.changes
        if change.name.startswith("[")
        for n in range(16)
        if (change.old ^ change.new) >> 8 * n & 0xFF
    )
