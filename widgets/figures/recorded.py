"""A recording of a real kernel beside the simulation, one KVM_RUN a row, agreeing or not.

Invariant: the left column is the recording, the right one is made by replaying it now; nothing is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from textwrap import wrap
from typing import Any

from aarch64sim.evidence import recording as recordings
from aarch64sim.evidence.replay import Difference, Replay
from aarch64sim.kvm.kernels import Kernel, kernel_of
from aarch64sim.vmm.start import recordings_folder
from widgets.figures.figure import Figure
from widgets.models.drawing import Drawing

WIDTH, ROW, COLUMNS = 760.0, 20.0, (8.0, 60.0, 350.0, 640.0)
LINE, MOST_LETTERS = 14.0, 110  # of the title


@dataclass(frozen=True, repr=False)
class RecordedRun(Figure):
    """One recording, by the name of its kernel and its scenario, replayed on `kernel` (default: its preset)."""

    recorded: str
    scenario: str
    kernel: str | Kernel | None = None
    name = "recording"

    def __post_init__(self) -> None:
        """ValueError if there is no such recording, UnknownKernelError if there is no such kernel."""
        assert self._recording
        assert self._preset

    @cached_property
    def _recording(self) -> recordings.Recording:
        folder = recordings.load(recordings_folder())
        found = next(iter(folder.recordings(self.recorded, self.scenario)), None)
        if found is None:
            known = sorted({r.kernel for r in folder.recordings(scenario=self.scenario)})
            raise ValueError(
                f"there is no recording of {self.scenario!r} on {self.recorded!r}"
                + (f"; there are those of {', '.join(known)}" if known else "")
            )
        return found

    @cached_property
    def _preset(self) -> Kernel:
        kernel = self.kernel or self.recorded
        return kernel_of(kernel)

    @property
    def header(self) -> tuple[str, ...]:
        return ("KVM_RUN", f"{self.recorded}, recorded", f"{self._preset.title}, simulated", "")

    @cached_property
    def rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        replay = Replay(self._recording, self._preset)
        pc = replay.target.vcpu.pc
        for _, event, difference in replay.run():
            if event["op"] == "KVM_RUN":
                pc = int(event["registers"].get("pc", hex(pc)), 16)
                ours = _words(replay.ours, replay.target.vcpu.pc)
                same = "differs: " + _what(difference) if difference else "same"
                rows.append((str(len(rows) + 1), _words(event, pc), ours, same))
            if difference:
                break
        return rows

    @property
    def agrees(self) -> bool:
        """Every exit and every register was the same."""
        return all(row[3] == "same" for row in self.rows)

    @property
    def sentence(self) -> str:
        result = (
            "every exit and register agrees"
            if self.agrees
            else f"row {len(self.rows)} {self.rows[-1][3]}"
        )
        about = self._recording.about
        return (
            f"{self.recorded}, scenario {self.scenario} ({about}), beside {self._preset.title}:"
            f" {len(self.rows)} returns of KVM_RUN, {result}."
        )

    def drawing(self) -> Drawing:
        title = wrap(self.sentence, MOST_LETTERS)
        height = ROW * (len(self.rows) + 1) + LINE * len(title) + 14
        drawing = Drawing((WIDTH, height))
        for number, line in enumerate(title):
            drawing.text(8, height - 12 - LINE * number, line, 9, bold=True)
        for number, row in enumerate([self.header, *self.rows], 1):
            y = height + 6 - LINE * len(title) - ROW * number
            for x, words in zip(COLUMNS, row, strict=True):
                _draw_cell(drawing, x, y, words, "muted" if number == 1 else "ink")
        return drawing

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.header)
        marks = {"same": "\u2713 same"}
        body = "".join(
            "<tr>"
            + "".join(f"<td>{escape(marks.get(cell, cell))}</td>" for cell in row[:-1])
            + f'<td style="white-space: nowrap">{escape(marks.get(row[-1], row[-1]))}</td></tr>'
            for row in self.rows
        )
        html = f"<p>{escape(self.sentence)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return {"text/plain": self.sentence, "text/html": html}, {}


def _draw_cell(drawing: Drawing, x: float, y: float, words: str, colour: str) -> None:
    if words.startswith("differs"):
        drawing.text(x, y, f"\u2717 {words}", 8.5, colour="bug", says=("row: differs",))
    elif words == "same":
        drawing.text(x, y, "\u2713 same", 8.5, colour=colour, says=("row: same",))
    elif words:
        drawing.text(x, y, words, 8.5, colour=colour)


def _what(difference: Difference) -> str:
    if isinstance(difference.recorded, dict):
        return " ".join(difference.recorded)
    return difference.what


def _words(event: dict[str, Any], pc: int) -> str:
    words = f"{event['exit_reason']} at {pc:#x}"
    if "mmio" in event:
        mmio = event["mmio"]
        words += f", {'store' if mmio['is_write'] else 'load'} {mmio['phys_addr']}"
        words += f" = {mmio['data']}" if mmio["is_write"] else ""
    if "debug" in event:
        words += f", hsr {event['debug']['hsr']}"
    failure = recordings.errno_name(event.get("errno", 0))
    return f"{failure}, {words}" if failure else words
