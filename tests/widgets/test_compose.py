"""A panel as ipywidgets has it: traits that are observed, linked and set, parts that stand anywhere, names refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import ipywidgets
import pytest
from traitlets import TraitError, link

from aarch64sim.kvm import kernels
from tests.widgets.seen import press
from widgets import CompareLab, Question, StepLab

PAGE = Path(__file__).resolve().parents[2] / "labs" / "extending" / "panel.md"


@pytest.fixture
def lab(store: str) -> StepLab:
    return StepLab(store, kernel="v4.3")


def test_every_move_is_told_to_who_observes(lab: StepLab) -> None:
    told: list[tuple[str, object]] = []
    lab.observe(
        lambda change: told.append((change["name"], change["new"])), ["pc", "state", "ended"]
    )
    press(lab, "step")
    assert told == [("pc", 0x4000_0004)]
    press(lab, "later")
    press(lab, "later")
    assert ("state", "active-not-pending") in told
    lab.run()
    assert told[-1] == ("ended", True)


def test_a_position_is_set_stepping_where_the_history_ends(lab: StepLab) -> None:
    lab.position = 2
    assert (lab.debugger.position, lab.pc) == (2, 0x4000_000C)
    lab.position = 1
    assert (lab.position, lab.length) == (1, 2)
    lab.position = 99
    assert (lab.position, lab.ended) == (6, True)
    with pytest.raises(TraitError, match="no step -1"):
        lab.position = -1
    assert lab.position == 6


def test_a_position_that_is_not_reached_says_why(lab: StepLab) -> None:
    lab.position = 99
    assert lab.status.startswith("6 steps of 99 under Linux 4.3 - 4.14: the guest has ended.")
    long, both = StepLab("b .", "fixed"), CompareLab("b .")
    long.position = both.position = 3000
    assert long.status.startswith("2000 steps of 3000 under fixed: no more are made at once.")
    assert both.status == "2000 clicks of 3000: no more are made at once."


def test_two_linked_panels_step_together(store: str) -> None:
    left, right = StepLab(store, kernel="v4.3"), StepLab(store, kernel="fixed")
    link((left, "position"), (right, "position"))
    press(left, "step")
    press(left, "step")
    assert (left.pc, right.pc) == (0x4000_000C, 0x4000_0008)
    press(right, "back")
    assert left.position == 1


def test_kernel_and_program_are_set_from_code(lab: StepLab) -> None:
    lab.position = 2
    lab.kernel = "fixed"
    assert (lab.kernel, lab.position, lab.pc) == ("fixed", 2, 0x4000_0008)
    lab.kernel = replace(kernels["fixed"], name="mine", title="mine")
    assert lab.debugger.kernel.name == "mine"
    lab.program = "nop\nnop\n"
    assert lab.program == "nop\nnop\n"
    assert lab.position == 0
    with pytest.raises(Exception, match="unknown mnemonic"):
        lab.program = "nopp"
    assert lab.program == "nop\nnop\n"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("lab.step = 2", "StepLab.step cannot be set; what can be set: position"),
        ("lab.kernl = 'fixed'", "no 'kernl' (did you mean 'kernel'?)"),
        ("lab.kernel = 'v4.33'", "no kernel 'v4.33'; known are v4.3"),
        ("both.left = 'v99'", "no kernel 'v99'; known are v4.3"),
        ("both.use_kernel('up', 'v4.3')", "no side 'up': there are left and right"),
        ("both.diagram('up')", "no side 'up'"),
        ("both.timeline(9)", "no click 9: they go from 0 to 0"),
        ("both.look_at(0, 4)", "no event 4: there are none"),
        ("lab.timeline('x')", "no step 'x': they go from 0 to 0"),
        ("lab.look_at(9)", "no event 9: there are none"),
        ("lab.on_stop(5)", "is a function, not 5"),
        ("lab.load(7)", "a program is source text, a Program, or the path of a .s file, not 7"),
        ("lab.program = 'stor.s'", "no file stor.s in"),
        ("lab.load('labs/programs/stor.s')", "; did you mean 'store.s'?"),
        ("StepLab(Path('labs'))", "labs cannot be read: Is a directory"),
        (
            "both.program = b'nop'",
            "source text, a Program, or the path of a .s file, not the bytes b'nop'",
        ),
        ("StepLab(None)", "a program is source text, "),
        ("StepLab('nop', devices=5)", "devices are (base address, device) pairs, not 5"),
        ("StepLab('nop', devices=[(4096, 'x')])", "'x' is no device: it has no name, size, read"),
        ("Question('?', ['a'], 'a')", "a dict of the responses"),
        ("lab.pc = 4", "read-only"),
        ("lab.views = ('diagram',)", "no view 'diagram'; there are program"),
        ("lab.position = 'two'", "position"),
        ("lab.part('x')", "no view 'x'"),
    ],
)
def test_a_wrong_name_or_value_is_refused_with_one_sentence(
    lab: StepLab, code: str, says: str
) -> None:
    both = CompareLab("nop")
    before = lab.snapshot(), both.snapshot()
    names = {"lab": lab, "both": both, "StepLab": StepLab, "Question": Question, "Path": Path}
    with pytest.raises(
        (AttributeError, TraitError, ValueError, TypeError, KeyError, OSError)
    ) as refused:
        exec(code, names)
    assert says in str(refused.value)
    assert (lab.snapshot(), both.snapshot()) == before


def test_a_kernel_is_chosen_by_any_name_of_its_release(lab: StepLab) -> None:
    both = CompareLab("nop")
    lab.kernel = "6.6"
    both.left = "v4.9"
    assert (lab.kernel, lab.debugger.kernel) == (kernels["v6.6"].name, kernels["v6.6"])
    assert (both.left, both.debuggers[0].kernel) == (kernels["4.9"].name, kernels["4.9"])


def test_a_listener_is_called_with_each_stop(lab: StepLab) -> None:
    stops: list[int] = []
    lab.on_stop(lambda stop: stops.append(stop.pc))
    press(lab, "step")
    press(lab, "step")
    press(lab, "breakpoint", str(0x4000_0010))
    lab.back()
    assert stops == [0x4000_0004, 0x4000_000C, 0x4000_0004]


def test_parts_are_widgets_that_stand_anywhere_and_stay_in_step(lab: StepLab) -> None:
    made = ipywidgets.AppLayout(
        header=lab.controls, left_sidebar=lab.program, center=lab.machine, footer=lab.timeline
    )
    assert isinstance(lab, ipywidgets.Box)
    assert all(isinstance(child, ipywidgets.DOMWidget) for child in made.children)
    assert lab.machine is lab.machine
    registers = lab.registers
    lab.step()
    assert "0x41" in str(registers.shown["v-x0"])
    assert lab.timeline().sentence.startswith("Linux 4.3")
    both = CompareLab(lab.debugger.program)
    assert isinstance(both.machines, ipywidgets.DOMWidget)
    both.position = 2
    assert both.parted == 2


def test_what_is_folded_is_neither_computed_nor_sent(lab: StepLab) -> None:
    assert "log" not in lab._parts
    lab._drawers.tab.selected_index = lab._drawers._names.index("log")
    press(lab, "step")
    shown = dict(lab._parts["log"].shown)
    lab._drawers.tab.selected_index = 0
    press(lab, "step")
    assert lab._parts["log"].shown == shown


def test_the_public_face_is_short(lab: StepLab) -> None:
    assert {"position", "kernel", "step", "machine", "on_stop"} <= set(dir(lab))
    assert not [name for name in dir(lab) if name.startswith("_") or "unanswered" in name]
    assert all(hasattr(lab, name) for name in dir(lab))


def test_every_example_for_teachers_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PAGE.parents[1])
    names: dict[str, object] = {"display": lambda *_: None}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, names)
    assert names["left"].position == names["right"].position  # type: ignore[attr-defined]
