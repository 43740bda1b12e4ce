"""What StepLab and CompareLab have in common: a container of controls and parts that are in step.

Invariant: a move is one message to the page; what a learner asks for and cannot be done is answered with one sentence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets as t

from aarch64sim.asm import AssemblyError, Program
from aarch64sim.kvm import UnknownKernelError
from widgets.figures.figure import live_still, mpl_figure, png
from widgets.models.drawing import Drawing
from widgets.page import editor, home
from widgets.page.board import Action, Bundle
from widgets.page.guard import guarded
from widgets.page.runner import Runner, broken_off, could_not
from widgets.page.together import InStep, Together
from widgets.panel import controls
from widgets.panel.drawers import Drawers
from widgets.panel.face import Face, one_of
from widgets.panel.parts import KINDS, Part, ProgramTrait, Stage
from widgets.panel.statusline import StatusLine
from widgets.panel.view import Shown, View

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure


class Panel(Face, InStep, ipywidgets.VBox):
    """A container whose controls move guests, and that a run keeps informed."""

    position = t.Int(0, help="where in the history").tag(sync=True)
    length = t.Int(0, read_only=True, help="how long the history is").tag(sync=True)
    program = ProgramTrait("", help="the text of the program").tag(
        sync=True, to_json=lambda part, _: str(part)
    )
    status = t.Unicode("", read_only=True, help="the status line").tag(sync=True)
    running = t.Bool(False, read_only=True, help="a run is under way").tag(sync=True)
    ended = t.Bool(False, read_only=True, help="nothing more can be stepped").tag(sync=True)
    views = t.Tuple(help="the parts that are shown").tag(sync=True)

    _views: Mapping[str, View]  # all that there are
    _keys: tuple[str, ...]
    _prefix: str  # of the ids in its drawings
    _message: str
    _writing_state = False

    def __init__(self, views: Collection[str]) -> None:
        self._check_views(views)
        self._together = self._with = Together()
        self._maker = controls.Maker(self._together, self._act)
        self._parts: dict[str, Part] = {}
        self._asked_for: set[str] = set()  # parts that may stand anywhere
        self._is_wide = self._keys_shown = False
        self._showing = True  # what is set now is told, not wished
        self._actions = self._make_actions() | {
            "shown": lambda _: self._unfold(),
            "keys": lambda _: self._toggle_keys(),
            "wide": lambda m: self._set_wide(wide=bool(m.get("value"))),
            "assemble": lambda m: self._assemble(str(m.get("value", ""))),
        }
        self.set_trait("views", tuple(views))
        self._tell_traits()
        layout = self._maker.shared(ipywidgets.Layout)
        self._status_line = StatusLine(self, self._keys, self._prefix, layout)
        row = self._maker.row(*self._make_row(), classes=("sl-bar",))
        self._controls = self._maker.column(row, self._status_line, classes=guarded("sl-controls"))
        self._drawers = self._make_drawers()
        self._stage = Stage(self, *self._on_stage(), layout=layout, _dom_classes=("sl-stage",))
        # What the row of controls sticks to while one scrolls: it ends with the stage, above the folded pages.
        self._main = self._maker.column(self._controls, self._stage, classes=("sl-main",))
        # All that it consists of is made before it is opened: what is opened complete needs no further message.
        super().__init__(
            (self._main, self._drawers.tab) if self._drawers.open else (self._main,),
            layout=ipywidgets.Layout(width="100%", min_width="240px"),
            _dom_classes=guarded("sl-panel"),
        )
        self._together.carrier = self._status_line
        self._showing = False
        self._drawers.begin()
        self._runner.panels.add(self)

    def _unfold(self) -> None:
        """A page shows the controls and the stage: add what is folded below them."""
        self.set_trait("children", (self._main, self._drawers.tab))

    # What a panel does in its own way.
    def load(self, program: Program | str | Path) -> None:
        """Start over with another program."""
        raise NotImplementedError

    def drawing(self) -> Drawing:
        """The panel as one picture, for where nothing runs."""
        raise NotImplementedError

    def _say(self, message: str) -> None:
        raise NotImplementedError

    @property
    def _runner(self) -> Runner:
        raise NotImplementedError

    @property
    def _source(self) -> str:
        raise NotImplementedError

    def _make_actions(self) -> dict[str, Action]:
        raise NotImplementedError

    def _make_row(self) -> tuple[ipywidgets.Widget, ...]:
        raise NotImplementedError

    def _make_drawers(self) -> Drawers:
        raise NotImplementedError

    def _show(self) -> None:
        raise NotImplementedError

    def _tell_traits(self) -> None:
        raise NotImplementedError

    def _status_values(self) -> Shown:
        """What the status line shows."""
        raise NotImplementedError

    def _go_or_step(self, wanted: int) -> int:
        """Be where so many steps lead; how many there were."""
        raise NotImplementedError

    # --- parts -----------------------------------------------------------------------------------------

    @property
    def controls(self) -> ipywidgets.Widget:
        """Buttons, slider, kernels and status."""
        return self._controls

    def part(self, name: str) -> Part:
        """The part that shows a view, to stand anywhere; TraitError for a view that there is not."""
        self._check_views((name,))
        self._asked_for.add(name)
        part = self._part(name)
        part.refresh()
        return part

    def _part(self, name: str) -> Part:
        if name not in self._parts:
            self._parts[name] = KINDS.get(name, Part)(self, name)
        return self._parts[name]

    def _on_stage(self) -> tuple[str, ...]:
        wide = self._when_wide if self._is_wide else ()
        return tuple(dict.fromkeys((*self.views, *wide)))

    def _arrange(self) -> None:
        self._stage.arrange(self._on_stage())

    _when_wide: tuple[str, ...] = ()  # views that a wide page has room for

    def _set_wide(self, *, wide: bool) -> None:
        if wide != self._is_wide:
            self._is_wide = wide
            self._arrange()
            self._show()

    def _open(self) -> list[Part]:
        """The parts that somebody may see."""
        names = {*self._asked_for, self._drawers.open}
        return [self._stage, *(part for name, part in self._parts.items() if name in names)]

    def _check_views(self, views: Collection[str]) -> None:
        if isinstance(views, str) or not isinstance(views, Collection):
            raise TypeError(
                f"views are names of parts, such as ('program', 'memory'), not {views!r}"
            )
        for name in views:
            one_of("view", name, list(self._views))

    # --- traits ----------------------------------------------------------------------------------------

    @contextmanager
    def _told(self) -> Iterator[None]:
        """While traits are set to what is so, nothing is taken for a wish."""
        before, self._showing = self._showing, True
        try:
            with self._maker.quiet(), self.hold_sync():
                yield
        finally:
            self._showing = before

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """The state, as ipywidgets sends it."""
        self._writing_state = True
        try:
            return dict(super().get_state(key, drop_defaults))
        finally:
            self._writing_state = False

    @t.validate("position")
    def _check_position(self, proposal: Any) -> int:
        wanted = int(proposal["value"])
        if self._showing:
            return wanted
        if wanted < 0:
            raise t.TraitError(f"there is no step {wanted}: a position is 0 or more")
        return home.at_home(lambda: self._go_or_step(wanted))

    @t.observe("program")
    def _change_program(self, change: Any) -> None:
        if not self._showing and change["new"] != self._source:
            try:
                self.load(change["new"])
            except Exception:
                with self._told():
                    self.set_trait("program", self._source)
                raise

    @t.validate("views")
    def _check_views_trait(self, proposal: Any) -> tuple[str, ...]:
        self._check_views(proposal["value"])
        return tuple(proposal["value"])

    @t.observe("views")
    def _change_views(self, _: Any) -> None:
        if not self._showing:
            self._arrange()
            self._show()

    # --- what the controls ask for --------------------------------------------------------------------

    def _act(self, action: str, value: object = None) -> None:
        self._receive(self, {"do": action} | ({} if value is None else {"value": value}), None)

    def _receive(self, widget: object, content: Mapping[str, Any], buffers: object) -> None:
        action = self._actions.get(str(content.get("do", "")))
        if action is None:
            return
        with self._together():
            try:
                action(content)
            except (ValueError, UnknownKernelError) as error:
                self._say(could_not(error))
            except Exception as error:  # noqa: BLE001  # a device or patch of the learner's may raise anything
                self._say(broken_off(error))

    def _assemble(self, source: str) -> None:
        """Start over with the program in the editor, or say why not."""
        try:
            self.load(editor.read(source))
        except (AssemblyError, ValueError, OSError) as error:
            said = editor.refusal(error)
            self._say(said["status.text"])
            self._drawers.show_errors(said["errors"])

    def _toggle_keys(self) -> None:
        self._keys_shown = not self._keys_shown
        self._status_line.show({"keytable@hidden": None if self._keys_shown else ""})

    # --- runs ------------------------------------------------------------------------------------------

    @property
    def unanswered(self) -> int:
        """Questions to the page since it said anything."""
        return self._status_line.unanswered

    @unanswered.setter
    def unanswered(self, count: int) -> None:
        self._status_line.unanswered = count

    def ask(self) -> bool:
        """Ask the page whether it is still there; False if it never was on one."""
        return self._status_line.ask()

    def close(self) -> None:
        """Take the panel off the page. A run that only it shows ends; the guest stays as it is."""
        if self.comm is not None:  # made to its end, and not closed yet
            self._runner.leave(self)
            with self._told():
                self.set_trait("running", self._runner.running)
        super().close()

    # --- a picture -------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        data = dict(super()._repr_mimebundle_() or {})
        return data | live_still(self.drawing(), repr(self)), {}

    def draw(self, theme: str = "light") -> MplFigure:
        """That picture, as matplotlib draws it."""
        return mpl_figure(self.drawing(), theme)

    def png(self) -> bytes:
        """That picture as PNG."""
        return png(self.drawing())
