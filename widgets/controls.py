"""The controls of a panel: buttons with words, a slider over the history, the choice of a kernel.

Invariant: a control at its limit is said to be disabled but keeps the focus, so that a keyboard never loses its place.
"""

from __future__ import annotations

from collections.abc import Collection
from html import escape

from aarch64sim.kvm import Kernel, kernels
from widgets.runner import PLAY_SECONDS

# Action, words, key, what it does.
BUTTONS = (
    ("start", "Start", "Home", "go back to the start"),
    ("back", "Back", "p", "undo the last step"),
    ("step", "Step", "n", "one click on Step, as a debugger does it"),
    ("run", "Run", "r", "run to a breakpoint, or until the guest ends"),
    ("play", "Play", "g", "a step every now and then"),
    ("stop", "Stop", "s", "stop a run or a play"),
)

ALL = tuple(button[0] for button in BUTTONS)


def buttons(which: Collection[str] = ALL) -> str:
    """The row of buttons; each has a key that works while the focus is in the panel."""
    made = []
    for action, words, key, meaning in BUTTONS:
        if action not in which:
            continue
        primary = " sl-primary" if action == "step" else ""
        made.append(
            f'<button type="button" class="sl-button{primary}" data-do="{action}" data-key="{key}"'
            f' data-slot="do-{action}" aria-keyshortcuts="{key}" title="{meaning} (key {key})">{words}</button>'
        )
    return f'<div class="sl-buttons" role="group" aria-label="stepping">{"".join(made)}</div>'


def speed() -> str:
    """How fast Play is; and two keys for the events of a step."""
    options = "".join(
        f"<option{' selected' if name == 'medium' else ''}>{name}</option>" for name in PLAY_SECONDS
    )
    keys = "".join(
        f'<button type="button" class="sl-hidden" tabindex="-1" data-do="{do}" data-key="{key}">{do}</button>'
        for do, key in (("earlier", ","), ("later", "."))
    )
    return f'<label class="sl-kernel"><span>speed</span><select data-set="speed">{options}</select></label>{keys}'


def slider() -> str:
    """The position in the history."""
    return (
        '<label class="sl-history"><span data-slot="position"></span>'
        '<input type="range" min="0" max="0" value="0" step="1" data-set="goto" data-slot="history"'
        ' aria-label="position in the history"></label>'
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
    return (
        f'<label class="sl-kernel"><span>{label}</span>'
        f'<select data-set="{name}" data-slot="{name}" aria-label="{label}">{options}</select></label>'
        f'<span class="sl-summary" data-slot="{name}-summary"></span>'
    )


def _title(kernel: Kernel) -> str:
    return kernel.title.removeprefix("What if: ")


def kernel_values(kernel: Kernel, name: str = "kernel") -> dict[str, str | int | None]:
    """The chosen kernel and its one-line explanation."""
    return {f"{name}@value": kernel.name, f"{name}-summary": escape(kernel.summary)}


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
