"""The views of a panel: each a section of the page, and a function from the debugger to what stands in its slots.

Invariant: a view needs no other; leaving one out leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from widgets.figures.figure import html_table
from widgets.page import controls, editor, logview, memory, registerfile, timelinepage, wording

if TYPE_CHECKING:
    from widgets.panel.steplab import StepLab

Shown = dict[str, str | int | None]


@dataclass(frozen=True, slots=True)
class View:
    """A name, a title, the HTML of the section, and what fills it."""

    title: str
    html: Callable[[StepLab], str]
    values: Callable[[StepLab], Shown]


def _field(action: str, label: str, words: str, hint: str) -> str:
    """A text field with its button."""
    return (
        f'<p class="sl-field"><label>{label} <input type="text" data-field="{action}" placeholder="{hint}"'
        f' data-enter="{action}" size="14"></label>'
        f'<button type="button" class="sl-button" data-do="{action}" data-from="{action}">{words}</button></p>'
    )


def _details(title: str, content: str) -> str:
    return f'<details class="sl-more"><summary>{title}</summary>{content}</details>'


def _program_html(lab: StepLab) -> str:
    return (
        '<div class="sl-scroll" data-follow data-group data-slot="listing"></div>'
        + editor.skeleton()
    )


def _program(lab: StepLab) -> Shown:
    return lab.listing_values()


def _exits(lab: StepLab) -> Shown:
    return {"exits": wording.exits_html(lab.debugger.last.exits)}


def _console_html(lab: StepLab) -> str:
    return '<pre data-slot="console" aria-label="what the UART has sent"></pre>' + _details(
        "Input for the UART", _field("type", "text", "Send", "hello")
    )


def _console(lab: StepLab) -> Shown:
    return {"console.text": lab.debugger.console}


def _machine_html(lab: StepLab) -> str:
    return (
        '<style data-slot="step-style"></style>'
        f'<div class="sl-diagram">{lab.diagram().page_svg(lab.prefix)}</div>'
        '<details class="sl-twin"><summary>The diagram in words</summary>'
        '<p data-slot="step-caption"></p><div data-slot="step-table"></div></details>'
    )


def _machine(lab: StepLab) -> Shown:
    figure = lab.diagram()
    style, texts = figure.page_changes(lab.prefix)
    return {
        "step-style": style,
        "step-caption": escape(figure.sentence),
        "step-table": html_table(figure.header, figure.rows),
        **{f"#{name}": text for name, text in texts.items()},
    }


def _registers_html(lab: StepLab) -> str:
    return registerfile.skeleton() + _details(
        "Change a register", _field("register", "register = value", "Set", "x1 = 0x10")
    )


def _registers(lab: StepLab) -> Shown:
    return registerfile.values(lab.debugger.phase_registers(), lab.debugger.changes)


def _bits(lab: StepLab) -> Shown:
    debugger = lab.debugger
    return registerfile.bit_values(debugger.phase_registers(), debugger.changes, debugger.last.hsr)


def _timeline(lab: StepLab) -> Shown:
    return {"timeline": timelinepage.html(lab.last_timeline, chosen=lab.moment)}


def _event(lab: StepLab) -> Shown:
    phase = lab.debugger.phase
    return {"event": wording.event_html(phase.event, phase.index + 1, phase.of) if phase else ""}


def _log(lab: StepLab) -> Shown:
    return lab.event_list.values(lab.debugger, lab.moment)


def _memory_html(lab: StepLab) -> str:
    return '<div data-slot="memory"></div>' + _field("address", "from", "Show", "0x40004000")


def _memory(lab: StepLab) -> Shown:
    return {"memory": memory.html(lab.debugger, lab.memory_address, memory.written(lab.debugger))}


def _session_html(lab: StepLab) -> str:
    return _details(
        "Session code",
        '<p class="sl-note">Copy it, and take the session up again in another notebook:'
        ' <code>StepLab.from_code("...")</code></p>'
        '<p><input type="text" class="sl-codefield" readonly data-slot="code" aria-label="session code"></p>',
    )


def _session(lab: StepLab) -> Shown:
    return {"code@value": lab.code()}


def _nothing(lab: StepLab) -> Shown:
    return {}


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
    "bits": View("Bit by bit", lambda lab: registerfile.bits_skeleton(), _bits),
    "memory": View("Memory", _memory_html, _memory),
    "session": View("", _session_html, _session),
}


def _section(lab: StepLab, name: str) -> str:
    if name not in lab.views:
        return ""
    view = VIEWS[name]
    title = f"<h3>{view.title}</h3>" if view.title else ""
    return f'<section class="sl-view sl-view-{name}">{title}{view.html(lab)}</section>'


def skeleton(lab: StepLab) -> str:
    """The page of a panel, in the order in which it is read and tabbed through."""

    def get(*names: str) -> str:
        return "".join(_section(lab, name) for name in names)

    return (
        '<div class="sl-panel" role="group" aria-label="a guest, a step at a time">'
        f'<div class="sl-tools">{controls.kernel_chooser()}</div>'
        f'<div class="sl-tools">{controls.buttons()}{controls.slider(f"{lab.prefix}marks")}{controls.speed()}</div>'
        f'<div class="sl-tools">{controls.travel()}{controls.more_buttons()}<div data-slot="points"></div></div>'
        '<p class="sl-status" role="status" aria-live="polite" data-slot="status"></p>'
        f'<div class="sl-columns sl-upper">{get("program")}<div>{get("exits", "console", "memory")}</div></div>'
        f'<div class="sl-columns sl-lower">{get("machine", "registers")}</div>'
        f"{get('timeline', 'event', 'log', 'bits', 'session')}</div>"
    )
