"""The views of a panel: each a section of the page, and a function from the debugger to what stands in its slots.

Invariant: a view needs no other; leaving one out leaves the others as they are.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from widgets.figures.figure import html_table
from widgets.figures.stepfigure import StepFigure
from widgets.page import bits, logview, memory, registerfile, timelinepage, wording
from widgets.panel.view import Shown, View

if TYPE_CHECKING:
    from widgets.panel.steplab import StepLab


def _program_html(lab: StepLab) -> str:
    return '<div class="sl-scroll" data-follow data-group data-slot="listing"></div>'


def _program(lab: StepLab) -> Shown:
    return lab._listing_values()


def _exits(lab: StepLab) -> Shown:
    return {"exits": wording.exits_html(lab.debugger.last.exits)}


def _console_html(lab: StepLab) -> str:
    return '<pre data-slot="console" role="group" aria-label="what the UART has sent"></pre>'


def _console(lab: StepLab) -> Shown:
    return {"console.text": lab.debugger.console}


def _machine_html(lab: StepLab) -> str:
    return (
        '<style data-slot="step-style"></style>'
        f'<div class="sl-diagram">{machine_svg(lab._prefix)}</div>'
        '<details class="sl-twin"><summary>The diagram in words</summary>'
        '<p data-slot="step-caption"></p><div data-slot="step-table"></div></details>'
    )


def _machine(lab: StepLab) -> Shown:
    figure = lab.diagram()
    style, texts = figure.page_changes(lab._prefix)
    return {
        "step-style": style,
        "step-caption": escape(figure.sentence),
        "step-table": html_table(figure.header, figure.rows),
        **{f"#{name}": text for name, text in texts.items()},
    }


def _registers_html(lab: StepLab) -> str:
    return registerfile.skeleton()


def _registers(lab: StepLab) -> Shown:
    return registerfile.values(lab.debugger.phase_registers(), lab.debugger.changes)


def _bit_rows(lab: StepLab) -> Shown:
    debugger = lab.debugger
    return registerfile.bit_values(debugger.phase_registers(), debugger.changes, debugger.last.hsr)


def _timeline(lab: StepLab) -> Shown:
    return {"timeline": timelinepage.html(lab.last_timeline, chosen=lab.moment)}


def _event(lab: StepLab) -> Shown:
    phase = lab.debugger.phase
    return {"event": wording.event_html(phase.event, phase.index + 1, phase.of) if phase else ""}


def _log(lab: StepLab) -> Shown:
    return lab._log.values(lab.debugger, lab.moment)


def _memory_html(lab: StepLab) -> str:
    return '<div data-slot="memory"></div>'


def _memory(lab: StepLab) -> Shown:
    return {"memory": memory.html(lab.debugger, lab._memory_address, memory.written(lab.debugger))}


def session_html(kind: str) -> str:
    """A field with the code of a session, for a panel of that kind."""
    return (
        '<p class="sl-note">Copy it, and take the session up again in another notebook:'
        f' <code>{kind}.from_code("...")</code></p>'
        '<p><input type="text" class="sl-codefield" readonly data-slot="code" aria-label="session code"></p>'
    )


def _session(lab: StepLab) -> Shown:
    return {"code@value": lab.code()}


def _changes_html(lab: StepLab) -> str:
    return '<p class="sl-changes"><span data-slot="ss"></span><span data-slot="changed"></span></p>'


def _changes(lab: StepLab) -> Shown:
    debugger = lab.debugger
    now, before = debugger.phase_registers(), debugger.changes
    changes = {n: (old, now.get(n, 0)) for n, (old, _) in before.items() if now.get(n, 0) != old}
    return {
        "ss": bits.html(bits.now(debugger)),
        "changed": registerfile.changes_html(changes),
    }


def _points(lab: StepLab) -> Shown:
    return {"points": wording.points_html(lab.debugger.points, lab._listing)}


def machine_svg(prefix: str) -> str:
    """The drawing of the step machine, unlit, with ids that begin with that prefix."""
    return StepFigure().page_svg(prefix)


VIEWS: dict[str, View] = {
    "program": View("Program", _program_html, _program),
    "exits": View("KVM_RUN returned", lambda lab: '<div data-slot="exits"></div>', _exits),
    "console": View("UART", _console_html, _console),
    "machine": View("Software-step machine", _machine_html, _machine),
    "registers": View("Registers", _registers_html, _registers),
    "timeline": View(
        "This step, event by event", lambda lab: '<div data-slot="timeline"></div>', _timeline
    ),
    "event": View("", lambda lab: '<div class="sl-event" data-slot="event"></div>', _event),
    "log": View("Event log", lambda lab: logview.html(), _log),
    "bits": View("Bit by bit", lambda lab: registerfile.bits_skeleton(), _bit_rows),
    "memory": View("Memory", _memory_html, _memory),
    "session": View("", lambda lab: session_html("StepLab"), _session),
    "changes": View("", _changes_html, _changes),
    "points": View(
        "Breakpoints and watchpoints", lambda lab: '<div data-slot="points"></div>', _points
    ),
}
FIRST = ("program", "machine", "changes", "timeline", "event")  # what a panel shows at first
