"""The sentences of a panel: status line, last exit, one event.

Invariant: everything a picture says is said here in words, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from aarch64sim.debug import Debugger, Phase, Stop
from aarch64sim.debug.destinations import Destination
from aarch64sim.debug.points import Points
from aarch64sim.debug.stops import EXCLUSIVE
from aarch64sim.events import Change, Event, Lane
from aarch64sim.vmm.machine import ExitRecord
from widgets.models.timeline import LANE_TITLES, Timeline, listed
from widgets.page import sourcelink
from widgets.page.listing import Listing

# The class of a syndrome and its ISV bit tell how a stop came about (facts that the labs teach).
_STEP_WORDS = {
    0xCB000022: "a real step: an instruction was stepped",
    0xCB000062: "a real step of a load-exclusive",
    0xCA000022: "nothing was stepped: the step was already spent when the guest was entered",
    0xC8000000: "faked by the kernel",
    0xC8000022: "faked by the kernel, in its fast path",
}


def hsr_words(hsr: int) -> str:
    """What the syndrome of a KVM_EXIT_DEBUG says, "" for a syndrome of another kind."""
    return _STEP_WORDS.get(hsr, "")


def status(stop: Stop, listing: Listing, timeline: Timeline) -> str:
    """The status line: where and why the guest stopped, and what ran unseen."""
    if stop.reason == "start":
        return f"Not started. The next instruction is at {listing.where(stop.pc)}."
    text = f"Stopped at {listing.where(stop.pc)}." if stop.reason == "step" else stop.text
    text += ran_unseen(listing, timeline)
    if stop.after_exclusive:
        text += f" {EXCLUSIVE}"
    if stop.reason == "step" and not listing.text_at(stop.pc):
        text += " There is no instruction of the program here."
    return text


def ran_unseen(listing: Listing, timeline: Timeline) -> str:
    """A sentence about the instructions of a step that ran without a stop, with a space before it; "" for none."""
    ran = [listing.where(c.pc) for c in timeline.columns if c.ghost == "ran"]
    noun = "The instruction" if len(ran) == 1 else "The instructions"
    return f" {noun} at {listed(ran)} ran without a stop." if ran else ""


def arrival(
    to: Destination, debugger: Debugger, listing: Listing, timeline: Timeline | None = None
) -> str:
    """The status line after a run that was to go somewhere."""
    unseen = ran_unseen(listing, timeline) if timeline else ""
    where = listing.where(debugger.last.pc)
    if to.exit and to.reached(debugger):
        if now := debugger.phase:
            return f"At the exit. {phase(now)} Step finishes this step.{unseen}"
        return f"Stopped at {where}: KVM_RUN came back with {to.words} in this step.{unseen}"
    if debugger.ended or not to.reached(debugger):
        return f"{debugger.last.text} Never reached: {to.words}."
    words = f"Arrived at {where}." if to.holds is None else f"Stopped at {where}: {to.words}."
    return words + unseen


def kept_place(debugger: Debugger, wanted: int, status: str) -> str:
    """What is said when another kernel has made the same number of steps, or as many as it could."""
    at = debugger.position
    steps = f"{at} step{'s' if at != 1 else ''}"
    if at == wanted:
        return f"The same {steps} under {debugger.kernel.title}. {status}"
    why = "the guest has ended" if debugger.ended else "no more are made at once"
    return f"{steps.capitalize()} of {wanted} under {debugger.kernel.title}: {why}. {status}"


def run_given_up(debugger: Debugger, status: str) -> str:
    """What is said when another kernel has been chosen in the middle of a run."""
    return f"The run has ended; the guest starts over under {debugger.kernel.title}. {status}"


def phase(now: Phase) -> str:
    """The status line in the middle of a step."""
    return (
        f"Step {now.step}, event {now.index + 1} of {now.of}, {LANE_TITLES[now.event.lane]}:"
        f" {now.event.text}."
    )


def points_html(points: Points, listing: Listing) -> str:
    """What is set, each with a button that removes it."""
    set_ = [
        (f"b {address}", "breakpoint at", listing.where(address))
        for address in sorted(points.addresses)
    ]
    set_ += [(f"w {n}", "watching", str(w)) for n, w in enumerate(points.watchpoints)]
    items = "".join(
        f'<li>{kind} {escape(place)} <button type="button" data-do="remove" data-value="{value}"'
        f' aria-label="remove {escape(place)}">\u00d7</button></li>'
        for value, kind, place in set_
    )
    return (
        f'<ul class="sl-points" aria-label="breakpoints and watchpoints">{items}</ul>'
        if items
        else ""
    )


def exit_words(record: ExitRecord) -> str:
    """One return of KVM_RUN in a line."""
    name = (
        f"KVM_EXIT_{record.reason}"
        if record.reason.isupper() and not record.reason.startswith("E")
        else record.reason
    )
    words = hsr_words(record.hsr) if record.hsr is not None else ""
    return f"{name} with PC {record.pc:#x}: {record.text}" + (f" ({words})" if words else "")


def exits_html(exits: Sequence[ExitRecord], most: int = 6) -> str:
    """The returns of KVM_RUN of one step, the last one last."""
    if not exits:
        return '<p class="sl-note">KVM_RUN has not returned yet.</p>'
    hidden = len(exits) - most
    items = "".join(f"<li>{escape(exit_words(record))}</li>" for record in exits[-most:])
    more = f'<p class="sl-note">({hidden} before these)</p>' if hidden > 0 else ""
    return f'{more}<ol class="sl-exits">{items}</ol>'


def change_words(change: Change) -> str:
    """`x1 0x0 -> 0x1`."""
    return f"{change.name} {change.old:#x} \u2192 {change.new:#x}"


def event_html(event: Event, number: int, count: int) -> str:
    """All about one event: who, what, what changed, which line of ours and which commit."""
    parts = [
        f"<strong>event {number} of {count}, {LANE_TITLES[event.lane]}:</strong> {escape(event.text)}"
        f" (PC {event.pc:#x})."
    ]
    if event.before is not event.after:
        parts.append(f"The step machine goes from {event.before} to {event.after}.")
    if event.changes:
        parts.append(escape("; ".join(change_words(change) for change in event.changes)) + ".")
    if event.commit:
        parts.append(f"Mirrors Linux commit <code>{escape(event.commit)}</code>.")
    made_by = sourcelink.html(event.source) if event.lane is Lane.KVM else ""
    return f"<p>{' '.join(parts)}</p>{made_by}"
