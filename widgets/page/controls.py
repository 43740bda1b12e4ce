"""The controls of a panel: buttons with words, a slider over the history, the choice of a kernel.

Invariant: a control at its limit is said to be disabled but keeps the focus, so that a keyboard never loses its place.
"""

from __future__ import annotations

from collections.abc import Collection
from html import escape

from aarch64sim.kvm import Kernel, kernels
from widgets.page import historyline, ownkernel
from widgets.page.ownkernel import OwnKernel
from widgets.page.runner import PLAY_SECONDS

VERBS = {"run": "Run to", "break": "Break at", "watch": "Watch", "write": "Last write to"}
PLACES = (
    "Run to: a label, loop+8, line 7, 0x40000010, exit MMIO, x2 == 5, [0x40004000] != 0. Break at: a place."
    " Watch: an address, a label or a device (uart), with /SIZE and read, write or access."
    " Last write to: a register, an address or a label."
)

# Action, words, key, what it does.
BUTTONS = (
    ("start", "Start", "Home", "go back to the start"),
    ("back", "Back", "p", "undo the last step"),
    ("step", "Step", "n", "one click on Step, as a debugger does it"),
    ("run", "Run", "r", "run to a breakpoint, or until the guest ends"),
    ("play", "Play", "g", "a step every now and then"),
    ("stop", "Stop", "s", "stop a run or a play"),
)

MORE_BUTTONS = (
    (
        "reverse",
        "Run back",
        "R",
        "back to the breakpoint or watched access before, or to the start",
    ),
    ("earlier", "\u2039 Event", ",", "one event back"),
    ("later", "Event \u203a", ".", "one event forward: guest, kernel, userspace or debugger"),
)

ALL = tuple(button[0] for button in BUTTONS)


def buttons(which: Collection[str] = ALL) -> str:
    """The row of buttons; each has a key that works while the focus is in the panel."""
    return _buttons("stepping", BUTTONS, which)


def more_buttons() -> str:
    """Back to a stop, and from event to event."""
    return _buttons("further ways to move", MORE_BUTTONS, [button[0] for button in MORE_BUTTONS])


def _buttons(
    label: str, rows: Collection[tuple[str, str, str, str]], which: Collection[str]
) -> str:
    made = []
    for action, words, key, meaning in rows:
        if action not in which:
            continue
        primary = " sl-primary" if action == "step" else ""
        made.append(
            f'<button type="button" class="sl-button{primary}" data-do="{action}" data-key="{key}"'
            f' data-slot="do-{action}" aria-keyshortcuts="{key}" title="{meaning} (key {key})">{words}</button>'
        )
    return f'<div class="sl-buttons" role="group" aria-label="{label}">{"".join(made)}</div>'


def speed() -> str:
    """How fast Play is."""
    options = "".join(
        f"<option{' selected' if name == 'medium' else ''}>{name}</option>" for name in PLAY_SECONDS
    )
    return f'<label class="sl-kernel"><span>speed</span><select data-set="speed">{options}</select></label>'


def slider(describe: str = "") -> str:
    """The position in the history; with an id for their description, the ticks of its exits."""
    return historyline.html(describe)


def travel() -> str:
    """Where to: a verb, and a place in one grammar."""
    verbs = "".join(f'<option value="{verb}">{words}</option>' for verb, words in VERBS.items())
    return (
        '<div class="sl-field" role="group" aria-label="run to, break, watch">'
        f'<select data-field="verb" aria-label="what to do">{verbs}</select>'
        '<input type="text" data-field="where" data-enter="travel" size="22"'
        f' aria-label="where" title="{PLACES}" placeholder="loop, line 7, exit MMIO, x2 == 5">'
        '<button type="button" class="sl-button" data-do="travel" data-from="verb where">Go</button></div>'
    )


def kernel_chooser(name: str = "kernel", label: str = "kernel") -> str:
    """A list of all kernels, with the summary of the chosen one beside it."""
    groups: dict[str, list[Kernel]] = {"Linux": [], "What it should be": [], "What if": []}
    for kernel in kernels.values():
        group = "What if" if kernel.name.startswith("what-if") else "Linux"
        groups["What it should be" if kernel.name == "fixed" else group].append(kernel)
    options = "".join(
        f'<optgroup label="{title}">'
        + "".join(f'<option value="{escape(k.name)}">{escape(_title(k))}</option>' for k in members)
        + "</optgroup>"
        for title, members in groups.items()
    )
    own = f'<option value="{ownkernel.VALUE}" data-slot="{name}-own" hidden disabled></option>'
    return (
        f'<label class="sl-kernel"><span>{label}</span>'
        f'<select data-set="{name}" data-slot="{name}" aria-label="{label}">{options}{own}</select></label>'
        f'<span class="sl-summary" data-slot="{name}-summary"></span>'
    )


def _title(kernel: Kernel) -> str:
    return kernel.title.removeprefix("What if: ")


def kernel_values(
    kernel: Kernel, name: str = "kernel", *, patched: bool = False, own: OwnKernel | None = None
) -> dict[str, str | int | None]:
    """The chosen kernel and its one-line explanation; `own` is the learner's, which stays in the list."""
    preset = ownkernel.is_preset(kernel) and not patched
    own = own if preset else OwnKernel(kernel, patched)
    gone = "" if own is None else None
    return {
        f"{name}-own.text": "" if own is None else own.title,
        f"{name}-own@hidden": gone,
        f"{name}-own@disabled": gone,
        f"{name}@value": kernel.name if preset or own is None else ownkernel.VALUE,
        f"{name}-summary": escape(kernel.summary if preset or own is None else own.summary),
    }


def values(
    position: int, length: int, *, ended: bool, running: bool
) -> dict[str, str | int | None]:
    """What the buttons and the slider show."""
    at_end = ended or running
    return {
        "position.text": progress(position, length, ended),
        "history@max": length,
        "history@value": position,
        "do-start@aria-disabled": _disabled(position == 0 or running),
        "do-back@aria-disabled": _disabled(position == 0 or running),
        "do-step@aria-disabled": _disabled(at_end),
        "do-run@aria-disabled": _disabled(at_end),
        "do-play@aria-disabled": _disabled(at_end),
        "do-stop@aria-disabled": _disabled(not running),
    }


def progress(position: int, length: int, ended: bool) -> str:
    """Where in the history: "step 2", or "step 2 of 5" when there is more behind or the end is known.

    >>> progress(2, 2, False), progress(2, 5, False)
    ('step 2', 'step 2 of 5')
    """
    return f"step {position} of {length}" if ended or length > position else f"step {position}"


def _disabled(yes: bool) -> str | None:
    return "true" if yes else None
