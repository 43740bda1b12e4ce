"""The life cycle of KVM_RUN and the ESR ruler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aarch64sim import Debugger
from aarch64sim.arch import syndrome
from aarch64sim.arch.syndrome import EC, FSC
from aarch64sim.kvm import kernels
from tests.widgets.conftest import at_step
from tests.widgets.seen import press
from widgets import CompareLab, EsrLab, EsrRuler, LifeCycle, StepLab
from widgets.figures import figure
from widgets.models.syndromes import MOST_FIELDS, fields_of, word_of
from widgets.models.visits import visits

# The life cycle


@pytest.mark.parametrize(
    ("kernel", "place", "late"),
    [
        ("v4.3", "handle", True),
        ("v5.3", "complete", True),
        ("v5.11", "adjust", False),
        ("fixed", "adjust", False),
    ],
)
def test_the_flag_stands_where_the_kernel_moves_the_pc(kernel: str, place: str, late: bool) -> None:
    cycle = LifeCycle.of(kernel)
    assert cycle.skip_at == place
    assert cycle.late == late
    assert ("second instruction" in cycle.sentence) == late


def test_the_way_through_the_life_cycle_is_closed() -> None:
    cycle = LifeCycle.of("fixed", at_step("fixed", 2).events_of(2))
    assert ("arm", "adjust") in cycle.path
    assert ("enter", "guest") in cycle.path
    assert ("answer", "call") in cycle.path
    assert ("handle", "arm") not in cycle.path


# The ruler


@given(st.integers(0, (1 << 32) - 1))
def test_fields_and_word_are_inverse(word: int) -> None:
    assert word_of(fields_of(word)) == word


@given(st.integers(0, (1 << 32) - 1))
def test_the_fields_cover_every_bit_once(word: int) -> None:
    bits = [bit for f, _ in fields_of(word) for bit in range(f.high, f.low - 1, -1)]
    assert bits == list(range(31, -1, -1))


def test_the_ruler_reads_what_the_machine_writes() -> None:
    iss = (
        syndrome.access(4, 7, sign_extend=True, sixty_four=True)
        | syndrome.WNR
        | FSC.TRANSLATION
        | 3
    )
    values = {f.name: v for f, v in fields_of(syndrome.esr(EC.DATA_ABORT, iss))}
    assert (values["SAS"], values["SRT"], values["SF"], values["SSE"], values["WnR"]) == (
        2,
        7,
        1,
        1,
        1,
    )
    step = syndrome.esr(EC.SOFTWARE_STEP, syndrome.software_step(stepped=True, exclusive=True))
    assert {f.name: v for f, v in fields_of(step)}["EX"] == 1


def test_a_field_and_the_word_are_changed_in_both_directions() -> None:
    lab = EsrLab(0x9380_0047)
    press(lab, "field-3", "3")
    assert lab.word == 0x93C0_0047
    assert lab.shown["word@value"] == "0x93c00047"
    press(lab, "word", "0xcb000022")
    assert "software step" in lab.shown["status.text"]


@pytest.mark.parametrize(
    ("action", "value", "says"),
    [
        ("field-3", "9", "SAS has 2 bits"),
        ("field-3", "x", "SAS takes a number of 2 bits"),
        ("word", "zzz", "is no syndrome"),
        ("word", "0x100000000", "does not fit"),
    ],
)
def test_a_value_that_cannot_be_is_refused(action: str, value: str, says: str) -> None:
    lab = EsrLab(0x9380_0047)
    press(lab, action, value)
    assert says in lab.shown["status.text"]
    assert lab.word == 0x9380_0047


# The life cycle agrees with the machine


@pytest.mark.parametrize("kernel", list(kernels))
def test_the_life_cycle_says_what_the_machine_does(kernel: str) -> None:
    debugger = Debugger("nop\nstr w0, [x19]\nadd x1, x1, #1\nadd x2, x2, #1", kernel)
    while debugger.last.pc < 0x4000_0008:
        debugger.step()
    cycle = LifeCycle.of(kernel)
    assert cycle.late == (debugger.last.pc == 0x4000_000C)
    assert ("second instruction" in cycle.sentence) == cycle.late
    wrong = [flag.text for flag in cycle.flags if flag.kind == "wrong"]
    assert wrong == [cycle.skip_text] * cycle.late + ["fakes a step"] * ("fakes" in cycle.sentence)


@pytest.mark.parametrize("kernel", ["v4.15", "v4.19.48"])
def test_a_pretended_step_returns_without_an_entry(kernel: str) -> None:
    cycle = LifeCycle.of(kernel)
    assert ("complete", "return") in cycle.path
    assert [visit.stage for visit in cycle.visits].count("enter") == 1


def test_what_a_kernel_emulates_alone_is_skipped_while_it_handles_the_exit() -> None:
    events = at_step("v5.3", 1, "mrs x1, oslsr_el1\nnop").events_of(1)
    skips = [v.stage for v in visits(events, kernels["v5.3"]) for e in v.events if e.what == "skip"]
    assert skips == ["handle"]


def test_arming_differs_between_the_eras() -> None:
    texts = {name: LifeCycle.of(name).rows[2][3] for name in ("v5.13", "v6.1")}
    assert texts == {"v5.13": "at every entry", "v6.1": "unless a step is pending"}


# The syndrome by hand


def test_a_bit_is_toggled_and_the_picture_frames_it() -> None:
    lab = EsrLab(0x9380_0047)
    before = lab.shown["picture"]
    press(lab, "bit", "22")
    assert lab.word == 0x93C0_0047
    assert lab.figure.before == 0x9380_0047
    assert lab.shown["picture"] != before
    assert lab.shown["bit-22@aria-label"] == "bit 22, SAS: 1"


def test_a_syndrome_is_read_with_and_without_0x() -> None:
    lab = EsrLab()
    press(lab, "word", "cb000022")
    assert lab.word == 0xCB00_0022
    press(lab, "word", "0x93800047")
    assert lab.word == 0x9380_0047


def test_a_class_with_fewer_fields_hides_the_rows_that_it_does_not_need() -> None:
    lab = EsrLab(0xCB00_0022)
    shown = [n for n in range(MOST_FIELDS) if lab.shown[f"row-{n}@hidden"] is None]
    assert len(shown) == len(fields_of(0xCB00_0022))
    press(lab, f"field-{MOST_FIELDS - 1}", "1")
    assert lab.word == 0xCB00_0022


# On a page and in files


def test_a_figure_is_a_picture_in_a_file_and_html_on_a_page_and_no_widget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ruler = EsrRuler(0x9380_0047)
    data, metadata = ruler._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png"}
    assert data["text/plain"] == metadata["image/png"]["alt"] == ruler.sentence
    assert data["image/png"] == ruler.png()
    monkeypatch.setattr(figure, "a_page_looks", lambda: True)
    data, _ = ruler._repr_mimebundle_()
    assert set(data) == {"text/plain", "text/html"}
    assert "<svg" in data["text/html"]
    assert "prefers-color-scheme" in data["text/html"]


def test_a_figure_is_exported_in_both_themes(tmp_path: Path) -> None:
    for drawn in (EsrRuler(0x9380_0047), LifeCycle.of("v5.0")):
        for kind in ("svg", "png"):
            light = drawn.export(tmp_path / f"light.{kind}").read_bytes()
            dark = drawn.export(tmp_path / f"dark.{kind}", theme="dark").read_bytes()
            assert light != dark
        assert "<text" not in (tmp_path / "light.svg").read_text(encoding="utf-8")  # outlines


@pytest.mark.parametrize("make", [lambda: StepLab("nop"), lambda: CompareLab("nop"), EsrLab])
def test_the_picture_of_what_has_controls_says_how_to_get_them(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figure, "a_page_looks", lambda: True)
    assert figure.NO_BUTTONS in make()._repr_mimebundle_()[0]["image/svg+xml"]
