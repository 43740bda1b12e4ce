"""Lockstep finds the first place where two kernels, or a kernel and a recording, part."""

from __future__ import annotations

import pytest

from aarch64sim import Debugger
from aarch64sim.debug import HistoryError
from aarch64sim.evidence.lockstep import Lockstep
from aarch64sim.evidence.recording import load
from aarch64sim.vmm.start import recordings_folder
from tests.debug.programs import ENDLESS, ERAS, STORE

FOLDER = load(recordings_folder())
PLAIN = [
    "a_alu",
    "b_str",
    "c_ldr",
    "d_two",
    "d_three",
    "e_branch",
    "f_svc",
    "f_el0",
    "g_sizes",
    "h_ldar",
    "o_hvc",
    "w_svc_warm",
]


def recording(kernel: str, scenario: str):  # type: ignore[no-untyped-def]
    return next(FOLDER.recordings(kernel, scenario))


def test_an_old_kernel_parts_from_a_right_one_at_the_store() -> None:
    compare = Lockstep.kernels(STORE, "v4.3", "fixed")
    found = compare.run()
    assert found is not None
    assert (found.step, found.left.pc, found.right.pc) == (2, 0x4000_000C, 0x4000_0008)
    assert found.registers["x1"] == (1, 0)
    assert (compare.left.position, compare.right.position) == (2, 2)
    assert compare.goto(1) is None
    assert compare.goto(2) == found


@pytest.mark.parametrize("kernel", ERAS)
def test_a_kernel_does_not_part_from_itself(kernel: str) -> None:
    assert Lockstep.kernels(STORE, kernel, kernel).run() is None


def test_a_difference_of_one_register_is_found() -> None:
    left, right = Debugger(ENDLESS), Debugger(ENDLESS)
    right.run(10)
    right.set_register("far_el1", 1)
    left.run(10)
    found = Lockstep(left, right).run()
    assert found is not None
    assert list(found.registers) == ["far_el1"]
    assert str(found).startswith("step 10, both at 0x40000000: far_el1 0x1de7ec7edbadc0de / 0x1")
    assert Lockstep(left, right, ignore=["far_el1"]).run(5) is None


def test_one_that_has_ended_differs_from_one_that_has_not() -> None:
    found = Lockstep(Debugger("str w20, [x20]"), Debugger("nop\nstr w20, [x20]")).run()
    assert found is not None
    assert found.step == 1


def test_all_stops_that_differ_can_be_listed() -> None:
    assert [d.step for d in Lockstep.kernels(STORE, "v4.3", "fixed")] == [2, 3, 4, 5, 6]


def test_both_sides_must_start_at_one_step() -> None:
    left, right = Debugger(STORE), Debugger(STORE)
    left.step()
    with pytest.raises(ValueError, match="not at 1 and 0"):
        Lockstep(left, right)
    with pytest.raises(HistoryError, match="no common step 7: they go from 0 to 0"):
        Lockstep(right, Debugger(STORE)).goto(7)


@pytest.mark.parametrize("scenario", PLAIN)
@pytest.mark.parametrize(
    "kernel", ["linux-4.4.60", "linux-4.20.1", "linux-5.0.1", "linux-5.15", "linux-7.1.5"]
)
def test_a_kernel_agrees_with_its_recording_step_by_step(kernel: str, scenario: str) -> None:
    compare = Lockstep.recording(recording(kernel, scenario))
    assert compare.run() is None
    assert compare.left.position == compare.right.length > 1


def test_a_kernel_parts_from_the_recording_of_another() -> None:
    found = Lockstep.recording(recording("linux-4.4.60", "b_str"), "fixed").run()
    assert found is not None
    assert (found.step, found.left.pc, found.right.pc) == (2, 0x4000_0008, 0x4000_000C)


def test_travel_works_on_the_side_of_a_recording() -> None:
    compare = Lockstep.recording(recording("linux-5.0.1", "d_three"))
    compare.run()
    end = compare.left.registers
    assert compare.goto(1) is None
    assert compare.goto(compare.right.length) is None
    assert compare.left.registers == end
    assert compare.left.goto(compare.left.length)


def test_a_recording_of_more_than_stepping_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        ValueError, match=r"i_on_store is no recording of plain stepping: replay it"
    ):
        Lockstep.recording(recording("linux-5.0.1", "i_on_store"))
