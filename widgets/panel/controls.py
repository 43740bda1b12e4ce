"""The controls of a panel, stock ipywidgets all of them: buttons, the slider over the history, the list of kernels.

Invariant: what a control shows is set here; what a learner does with it is an action of the panel, by its name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import ipywidgets

from aarch64sim.kvm import Kernel, kernels
from aarch64sim.kvm.kernels import WHAT_IFS
from widgets.page import offered, ownkernel
from widgets.page.ownkernel import OwnKernel
from widgets.page.runner import PLAY_SECONDS
from widgets.page.together import Button, Dropdown, InStep, IntSlider, Text, Textarea, Together

Made = TypeVar("Made", bound=InStep)
Act = Callable[[str, object], object]  # an action of the panel, and its value

# Action, words, key, what it does.
BUTTONS = (
    ("start", "|\u25c2", "Home", "go back to the start"),
    ("end", "", "End", "go to the end of the history"),
    ("back", "\u25c2 Back", "p", "undo the last step"),
    ("step", "Step \u25b8", "n", "one click on Step, as a debugger does it"),
    ("run", "Run", "r", "run to a breakpoint, or until the guest ends"),
    ("play", "Play", "g", "a step every now and then"),
    ("stop", "Stop", "s", "stop a run or a play"),
    ("part", "First difference", "d", "go to the first click after which the two differ"),
    ("earlier", "\u2039 Event", ",", "one event back"),
    ("later", "Event \u203a", ".", "one event forward: guest, kernel, userspace or debugger"),
    (
        "reverse",
        "Run back",
        "R",
        "back to the breakpoint or watched access before, or to the start",
    ),
    ("keys", "?", "?", "the keys of this panel"),
)
STEPPING = ("start", "back", "step", "run", "play", "stop")
HINTS = {
    "run": "a label, line 7, 0x40000010, exit MMIO, x2 == 5",
    "break": "a label, line 7, 0x40000010",
    "watch": "0x40004000, a label, uart; /SIZE; read, write or access",
    "write": "x1, ss, 0x40004000, a label",
}


def keys_of(*actions: str) -> dict[str, str]:
    """Key -> action, of these actions."""
    return {key: action for action, _, key, _ in BUTTONS if action in actions}


def keys_html(*actions: str) -> str:
    """The table of the keys of these actions."""
    rows = "".join(
        f"<tr><th scope='row'><kbd>{key}</kbd></th><td>{meaning}</td></tr>"
        for action, _, key, meaning in BUTTONS
        if action in actions
    )
    return (
        f"<table class='sl-table sl-keytable'><tbody>{rows}<tr><th scope='row'><kbd>Tab</kbd></th><td>to the next"
        " control</td></tr><tr><th scope='row'>arrow keys</th><td>on the slider: through the history; in the timeline"
        " and the listing: from button to button</td></tr></tbody></table>"
    )


def field_class(action: str) -> str:
    """Marks a field whose value an action needs: the page sends it with the click (`guard.js`)."""
    return f"sl-in-{action}"


class Maker:
    """Makes stock controls that send in step and act on a panel; they share what they have in common."""

    def __init__(self, together: Together, act: Act) -> None:
        self._together = together
        self._act = act
        self._shared: dict[type, Any] = {}
        self._quiet = 0

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """While controls are set to what is so, nothing that they say is taken for a learner's wish."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def shared(self, kind: type[Any]) -> Any:
        """The one Layout or style of its kind."""
        if kind not in self._shared:
            self._shared[kind] = kind()
        return self._shared[kind]

    def style(self, kind: type[Any]) -> Any:
        """The one style for controls of a kind."""
        return self.shared(kind.style.klass)

    def _finish(self, widget: Made) -> Made:
        widget._with = self._together
        return widget

    def button(
        self,
        action: str,
        words: str = "",
        value: Callable[[], object] | None = None,
        *,
        off: bool = False,
    ) -> Button:
        """A button for an action of `BUTTONS`, or with words of its own; `off` if there is nothing to do now."""
        found = next((each for each in BUTTONS if each[0] == action), (action, words, "", ""))
        made = Button(
            description=words or found[1],
            tooltip=f"{found[3]} (key {found[2]})" if found[2] else words,
            layout=self.shared(ipywidgets.Layout),
            style=self.style(ipywidgets.Button),
            button_style="primary" if action == "step" else "",
            disabled=off,
            _dom_classes=(f"sl-do-{action}",),
        )
        made.on_click(lambda _: self._act(action, None if value is None else value()))
        return self._finish(made)

    def slider(self) -> IntSlider:
        """The position in the history. What it says is in the status line: a description would start MathJax."""
        made = IntSlider(
            min=0,
            max=0,
            readout=False,
            layout=self.shared(ipywidgets.Layout),
            style=self.style(ipywidgets.IntSlider),
            _dom_classes=("sl-history",),
        )
        made.observe(lambda change: self._wish("goto", change["new"]), "value")
        return self._finish(made)

    def dropdown(
        self, action: str, label: str, options: Sequence[tuple[str, str]], value: str | None = None
    ) -> Dropdown:
        """A list to choose from; its first, or `value`, is chosen."""
        made = Dropdown(
            options=options,
            value=options[0][1] if value is None else value,
            tooltip=label,
            layout=self.shared(ipywidgets.Layout),
            style=self.style(ipywidgets.Dropdown),
            _dom_classes=(f"sl-choose-{action}",),
        )
        made.observe(lambda change: self._wish(action, change["new"]), "value")
        return self._finish(made)

    def text(self, label: str, hint: str, action: str, value: Callable[[], object]) -> Text:
        """A field of an action, which Enter asks for."""
        made = Text(
            description=label,
            placeholder=hint,
            layout=self.shared(ipywidgets.Layout),
            style=self.style(ipywidgets.Text),
            _dom_classes=(field_class(action),),
        )
        made.on_msg(
            lambda _, content, __: content.get("event") == "submit" and self._act(action, value())
        )
        return self._finish(made)

    def textarea(self, text: str, action: str) -> Textarea:
        """A field of many lines."""
        made = Textarea(
            value=text,
            rows=10,
            layout=self.shared(ipywidgets.Layout),
            style=self.style(ipywidgets.Text),
            _dom_classes=("sl-source", field_class(action)),
        )
        return self._finish(made)

    def row(self, *children: ipywidgets.Widget, classes: Sequence[str] = ()) -> ipywidgets.HBox:
        """Controls beside each other."""
        return ipywidgets.HBox(
            children, layout=self.shared(ipywidgets.Layout), _dom_classes=("sl-row", *classes)
        )

    def column(self, *children: ipywidgets.Widget, classes: Sequence[str] = ()) -> ipywidgets.VBox:
        """Below each other."""
        return ipywidgets.VBox(
            children, layout=self.shared(ipywidgets.Layout), _dom_classes=("sl-column", *classes)
        )

    def _wish(self, action: str, value: object) -> None:
        if not self._quiet:
            self._act(action, value)


def kernel_options(chosen: str, own: OwnKernel | None = None) -> list[tuple[str, str]]:
    """What the list of kernels offers: title and name; the learner's own at the end."""
    what_ifs = offered.now().what_ifs
    names = {kernel.name for kernel in WHAT_IFS} - {chosen}
    listed = [
        (_title(kernel), kernel.name)
        for kernel in kernels.values()
        if what_ifs or kernel.name not in names
    ]
    return [*listed, (own.title, ownkernel.VALUE)] if own else listed


def _title(kernel: Kernel) -> str:
    return kernel.title if kernel.title == kernel.name else f"{kernel.title} ({kernel.name})"


def chosen_kernel(
    kernel: Kernel, *, patched: bool = False, own: OwnKernel | None = None
) -> tuple[list[tuple[str, str]], str, str]:
    """The options of the list, the chosen one, and its summary where the lab that is open shows it."""
    preset = ownkernel.is_preset(kernel) and not patched
    own = own if preset else OwnKernel(kernel, patched)
    value = kernel.name if preset or own is None else ownkernel.VALUE
    summary = kernel.summary if preset or own is None else own.summary
    said = summary if offered.now().summaries else "the kernel that steps the guest"
    return kernel_options(value, own), value, said


def choose(dropdown: Dropdown, options: Sequence[tuple[str, str]], value: str) -> None:
    """Set a list to what is so; the options only if they are new."""
    if tuple(dropdown.options) != tuple(options):
        dropdown.options = tuple(options)
    if dropdown.value != value:
        dropdown.value = value


def place(slider: IntSlider, position: int, length: int) -> None:
    """Set the slider to where one stands."""
    with slider.hold_sync():
        slider.max = max(length, position)
        slider.value = position


def disabled(position: int, *, ended: bool, running: bool) -> Mapping[str, bool]:
    """Which of the stepping buttons have nothing to do."""
    at_start, at_end = position == 0 or running, ended or running
    return {
        "start": at_start,
        "back": at_start,
        "step": at_end,
        "run": at_end,
        "play": at_end,
        "stop": not running,
    }


def progress(position: int, length: int, ended: bool) -> str:
    """Where in the history: "step 2", or "step 2 of 5" when there is more after it or the end is known.

    >>> progress(2, 2, False), progress(2, 5, False)
    ('step 2', 'step 2 of 5')
    """
    return f"step {position} of {length}" if ended or length > position else f"step {position}"


def speeds() -> list[tuple[str, str]]:
    """How fast Play is."""
    return [(name, name) for name in PLAY_SECONDS]


def keys_attribute(*actions: str) -> str:
    """The keys of these actions, as the page reads them."""
    return json.dumps(keys_of(*actions)).replace("'", "&#39;")
