"""One message for all that a move changes, however many widgets show it.

Invariant: what a widget would have sent by itself is in the message, or is sent by the widget itself: nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import ipywidgets
import traitlets

from widgets.page import home


class Carrier(Protocol):
    """The widget whose page side hands the parts of a message on to the others."""

    is_ready: bool  # its page side has said so

    def send(self, content: Mapping[str, Any]) -> None:
        """Send a message of its own."""


class Together:
    """Collects what its widgets send inside `with together:`; the carrier sends it when the block ends."""

    def __init__(self) -> None:
        self.carrier: Carrier | None = None
        self.sent = 0  # messages
        self._depth = 0
        self._states: dict[str, dict[str, Any]] = {}
        self._shows: dict[str, dict[str, Any]] = {}

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._send()

    def _send(self) -> None:
        states, shows = self._states, self._shows
        self._states, self._shows = {}, {}
        if self.carrier is not None and (states or shows):
            self.carrier.send({"states": states, "shows": shows})

    def take(self, model: str, message: Mapping[str, Any]) -> bool:
        """Keep the message of a widget for later; False if the widget has to send it by itself."""
        if not self._depth or self.carrier is None or not self.carrier.is_ready:
            return False
        if message["method"] == "update":
            state = message["state"]
            if message.get("buffer_paths") or any(_refers(value) for value in state.values()):
                return False
            self._states.setdefault(model, {}).update(state)
            return True
        if message["method"] == "custom" and set(message["content"]) == {"show"}:
            self._shows.setdefault(model, {}).update(message["content"]["show"])
            return True
        return False


def _refers(value: object) -> bool:
    """Whether a value names other widgets, which only the page's own way of reading a state can look up."""
    if isinstance(value, str):
        return value.startswith("IPY_MODEL_")
    return isinstance(value, list | tuple) and any(_refers(each) for each in value)


class AtHome(ipywidgets.Widget):
    """Mixed into a widget that reads its messages at home."""

    def __init__(self, *args: Any, **options: Any) -> None:
        home.remember()
        super().__init__(*args, **options)

    def _handle_msg(self, msg: Any) -> None:
        home.at_home(lambda: super(AtHome, self)._handle_msg(msg))


class InStep(AtHome):
    """Mixed into a widget whose changes go with those of others in one message."""

    _with: Together | None = None

    @traitlets.default("tooltip")
    def _no_tooltip(self) -> str:
        return ""  # None is shown as the word "null" over the labels of stock controls

    def _send(self, msg: Mapping[str, Any], buffers: Any = None) -> None:
        together = self._with
        if together is None or self.comm is None:
            super()._send(msg, buffers)
        elif buffers or not together.take(self.model_id, msg):
            together.sent += 1
            super()._send(msg, buffers)


class Button(InStep, ipywidgets.Button):
    """The stock one, in step."""


class Dropdown(InStep, ipywidgets.Dropdown):
    """The stock one, in step."""


class HTML(InStep, ipywidgets.HTML):
    """The stock one, in step."""


class IntSlider(InStep, ipywidgets.IntSlider):
    """The stock one, in step."""


class RadioButtons(InStep, ipywidgets.RadioButtons):
    """The stock one, in step."""


class Tab(AtHome, ipywidgets.Tab):
    """The stock one, whose pages are filled at home."""


class Text(InStep, ipywidgets.Text):
    """The stock one, in step."""


class Textarea(InStep, ipywidgets.Textarea):
    """The stock one, in step."""
