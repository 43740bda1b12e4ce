"""What is folded at first: a stock Tab, made when the page shows the rest; its pages are made when they are opened.

Invariant: a page that is closed is neither computed nor sent; what is asked for on a page is answered there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

import ipywidgets

from widgets.page.board import Board
from widgets.page.together import HTML, Dropdown, Tab
from widgets.panel import controls, verbs

if TYPE_CHECKING:
    from widgets.panel.panel import Panel

FOLDED = "\u25be folded"  # the page that is empty
Fields = tuple[ipywidgets.Widget, ...]


class Drawers:
    """The pages of a panel's Tab: `titles` names them; a page is the part of that name, and the fields made for it."""

    fields_first: tuple[str, ...] = ()  # pages whose fields stand above the part

    def __init__(
        self, panel: Panel, maker: controls.Maker, titles: Mapping[str, str], opened: str = ""
    ) -> None:
        self._panel = panel
        self._maker = maker
        self._first = opened
        self._said: dict[str, HTML] = {}
        self._editor: ipywidgets.Textarea | None = None
        self._errors: Board | None = None
        self._titles = [FOLDED, *titles.values()]
        self._names = ["", *titles]

    @cached_property
    def tab(self) -> Tab:
        """The Tab, made when it is first asked for: a page paints the rest of the panel sooner without it."""
        tab = Tab(
            [self._maker.column() for _ in self._names],
            titles=self._titles,
            selected_index=self._names.index(self._first),
            layout=self._maker.shared(ipywidgets.Layout),
            _dom_classes=("sl-drawers",),
        )
        tab.observe(lambda _: self._turned(), "selected_index")
        return tab

    @property
    def is_made(self) -> bool:
        """Whether there is a Tab yet."""
        return "tab" in self.__dict__

    def begin(self) -> None:
        """Fill the page that is open at first."""
        if self._first:
            self._turned()

    @property
    def open(self) -> str:
        """The name of the open page, "" if none is."""
        return self._names[self.tab.selected_index or 0] if self.is_made else self._first

    def _turned(self) -> None:
        if not self.open:
            return
        box = self.tab.children[self.tab.selected_index]
        if not box.children:
            box.children = self._page(self.open)
        self._panel._show()

    def _page(self, name: str) -> Fields:
        parts = (self._panel._part(name),) if name in self._panel._views else ()
        make: Callable[[], Fields] = getattr(self, f"_{name}_fields", lambda: ())
        fields = make()
        return (*fields, *parts) if name in self.fields_first else (*parts, *fields)

    def say(self, words: str) -> None:
        """Answer on the open page, if anything can be asked for there."""
        said = self._said.get(self.open)
        if said is not None:
            said.value = f'<p class="sl-answer">{escape(words)}</p>' if words else ""

    def show_errors(self, html: str) -> None:
        """Where the program in the editor is wrong, "" if nowhere."""
        if self._errors is not None:
            self._errors.show({"errors": html})

    def refresh(self) -> None:
        """Show what has been changed elsewhere."""

    def loaded(self, source: str) -> None:
        """Another program has been loaded."""
        if self._editor is not None:
            self._editor.value = source

    # --- fields ----------------------------------------------------------------------------------------

    def _answer(self) -> HTML:
        maker = self._maker
        said = HTML(layout=maker.shared(ipywidgets.Layout), style=maker.style(ipywidgets.HTML))
        said._with = self._panel._together
        self._said[self.open] = said
        return said

    def _field(self, action: str, label: str, hint: str, words: str) -> Fields:
        """A field with its button and a place for the answer."""
        maker = self._maker
        field = maker.text(label, hint, action, lambda: field.value)
        button = maker.button(action, words, lambda: field.value)
        return maker.row(field, button), self._answer()

    def _note(self, words: str) -> HTML:
        maker = self._maker
        layout, style = maker.shared(ipywidgets.Layout), maker.style(ipywidgets.HTML)
        return HTML(f'<span class="sl-note">{words}</span>', layout=layout, style=style)

    def _edit_fields(self) -> Fields:
        maker = self._maker
        self._editor = text = maker.textarea(self._panel._source, "assemble")
        button = maker.button("assemble", "Assemble", lambda: text.value)
        errors = '<div class="sl-errors" role="alert" data-slot="errors"></div>'
        self._errors = Board(errors, {}, {"errors": ""}, self._panel._together)
        note = self._note("The old program stays until this one assembles.")
        return maker.row(text), maker.row(button, note), self._errors


class StepDrawers(Drawers):
    """The pages of a StepLab."""

    fields_first = ("points", "memory")
    _runs: Dropdown | None = None

    def _registers_fields(self) -> Fields:
        return self._field("register", "register = value", "x1 = 0x10", "Set")

    def _memory_fields(self) -> Fields:
        return self._field("address", "from", "0x40004000, x21, a label", "Show")

    def _console_fields(self) -> Fields:
        return self._field("type", "input for the UART", "hello (a newline is added)", "Send")

    def _points_fields(self) -> Fields:
        maker = self._maker
        verb = maker.dropdown("verb", "what to do", [(w, n) for n, w in verbs.VERBS.items()])

        def asked() -> str:
            return f"{verb.value} {where.value}"

        where = maker.text("where", controls.HINTS["run"], "travel", asked)
        where.add_class("sl-where")
        verb.add_class(controls.field_class("travel"))
        verb.observe(lambda _: where.set_trait("placeholder", controls.HINTS[verb.value]), "value")
        speed = maker.dropdown("speed", "how fast Play is", controls.speeds(), "medium")
        speed.description = "speed of Play"
        runs = [(words, how) for how, words in verbs.RUNS.items()]
        self._runs = maker.dropdown("runs", "what a run is", runs, self._kind_of_run)
        self._runs.description = "a run"
        return (
            maker.row(verb, where, maker.button("travel", "Go", asked)),
            self._answer(),
            maker.row(maker.button("reverse"), speed, self._runs),
            self._note(
                "A click left of an address in the listing sets a breakpoint there. A row of single steps goes wrong as"
                " the kernel's steps do, and never leaves a loop of load- and store-exclusive."
            ),
        )

    @property
    def _kind_of_run(self) -> str:
        return "steps" if self._panel.debugger.by_steps else "freely"

    def refresh(self) -> None:
        if self._runs is not None:
            with self._maker.quiet():
                self._runs.value = self._kind_of_run
