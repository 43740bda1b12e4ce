"""A learner's own kernel in a panel: shown, kept, and taken up again from a session code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aarch64sim import Debugger, kernels
from aarch64sim.kvm.kernels import PcAdvance
from aarch64sim.vmm import Machine
from tests.widgets.seen import StepLab, press
from widgets.page import ownkernel
from widgets.page.session_code import Session, SessionError, encode

MINE = replace(
    kernels["v6.1.192"],
    name="mine",
    title="my kernel",
    summary="6.1.192, early",
    pc_advance=PcAdvance.BEFORE_EXIT,
)
UNNAMED = replace(kernels["v6.1.192"], pc_advance=PcAdvance.BEFORE_EXIT)


def own(lab: StepLab) -> tuple[object, object, object]:
    """What the list says: chosen value, text of the own kernel, whether it is hidden."""
    shown = lab._shown
    return shown["kernel@value"], shown["kernel-own.text"], shown["kernel-own@hidden"]


def test_an_own_kernel_is_in_the_list_and_stays_when_another_is_chosen(store: str) -> None:
    lab = StepLab(store, kernel=MINE)
    assert own(lab) == ("your kernel", "your kernel: my kernel", None)
    assert lab._shown["kernel-summary"] == "6.1.192, early"
    press(lab, "kernel", "v4.3")
    assert own(lab) == ("v4.3", "your kernel: my kernel", None)
    press(lab, "kernel", "your kernel")
    assert lab.debugger.kernel == MINE
    press(lab, "assemble", "nop\n")
    assert lab.debugger.kernel == MINE


def test_a_kernel_with_a_preset_s_name_but_another_behaviour_is_no_preset(store: str) -> None:
    lab = StepLab(store, kernel=UNNAMED)
    assert own(lab)[:2] == ("your kernel", "your kernel: Linux 6.1.192 (Debian), changed")
    assert lab._shown["kernel-summary"].startswith("v6.1.192 with pc_advance: before the exit")


def test_a_release_that_is_no_era_is_in_the_list_by_its_own_title(store: str) -> None:
    lab = StepLab(store, kernel="linux-6.1.119")
    assert own(lab)[:2] == ("your kernel", "Linux 6.1.119")
    assert lab._shown["kernel-summary"] == "as v6.1.192, but for abort_injection (lost)"
    assert own(StepLab(store, kernel="linux-5.10.89"))[0] == "v5.5"


def test_among_presets_there_is_no_own_kernel(store: str) -> None:
    assert own(StepLab(store, kernel="v4.3")) == ("v4.3", "", "")


def test_a_patched_machine_is_the_learner_s_kernel(store: str) -> None:
    machines: list[Machine] = []
    lab = StepLab(debugger=Debugger(store, "fixed", patch=machines.append))
    assert own(lab)[:2] == ("your kernel", "your kernel: fixed, patched")
    assert "with your patch" in lab._shown["kernel-summary"]
    press(lab, "assemble", "nop\nnop\n")
    assert machines[-1] is lab.debugger.machine
    press(lab, "kernel", "fixed")
    assert machines[-1] is not lab.debugger.machine
    assert own(lab)[0] == "fixed"
    press(lab, "kernel", "your kernel")
    assert machines[-1] is lab.debugger.machine


def test_a_kernel_given_from_code_is_the_learner_s_own_from_then_on(store: str) -> None:
    lab = StepLab(store, kernel="v4.3")
    lab.use_kernel(MINE)
    lab.use_kernel("fixed")
    assert own(lab)[1] == "your kernel: my kernel"


def test_an_unknown_kernel_from_the_page_is_said_and_changes_nothing(store: str) -> None:
    lab = StepLab(store, kernel="v4.3")
    lab.step()
    press(lab, "kernel", "v9.9")
    assert "no kernel 'v9.9'" in lab._shown["status.text"]
    press(lab, "kernel", "your kernel")
    assert "no kernel 'your kernel'" in lab._shown["status.text"]
    assert repr(lab).startswith("StepLab(v4.3, step 1")


@pytest.mark.parametrize("kernel", [MINE, UNNAMED, *kernels.values()], ids=lambda k: k.title)
def test_a_kernel_in_a_text_is_the_same_kernel(kernel: object) -> None:
    assert ownkernel.from_plain(ownkernel.to_plain(kernel)) == kernel


def test_a_session_under_an_own_kernel_is_taken_up_again(store: str) -> None:
    lab = StepLab(store, kernel=MINE)
    lab.step()
    lab.step()
    again = StepLab.from_code(lab.code())
    assert again.debugger.kernel == MINE
    assert repr(again) == repr(lab)


@pytest.mark.parametrize(
    "plain",
    [
        "v9.9",
        {},
        {"base": "v9.9"},
        {"base": "v4.3", "pc_advance": "SOMETIMES"},
        {"base": "v4.3", "skip_clears_ss": 1},
        {"base": "v4.3", "rm": "-rf"},
    ],
)
def test_a_session_of_a_kernel_that_is_none_is_refused(plain: object) -> None:
    with pytest.raises(SessionError, match="kernel"):
        StepLab.from_code(encode(Session("nop", plain, 0)))  # type: ignore[arg-type]


def test_a_long_session_is_taken_up_at_its_step() -> None:
    lab = StepLab("loop: add x0, x0, #1\nb loop", kernel="fixed")
    lab.run(120_000)
    again = StepLab.from_code(lab.code())
    assert again.snapshot()["step"] == 120_000
    assert again.debugger.registers["x0"] == 60_000
    short = StepLab.from_code(encode(Session("str w20, [x20]", "fixed", 9)))
    assert short._shown["status.text"] == "Taken up at step 1, not 9."
