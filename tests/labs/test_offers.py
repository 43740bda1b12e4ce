"""What a panel's list of kernels offers in each lab: it does not answer what the lab asks."""

from __future__ import annotations

import pytest

from aarch64sim.kvm import kernels
from widgets import CompareLab, StepLab
from widgets.course import exercises
from widgets.page import offered

LABS = tuple(f"{number:02}" for number in range(10))


@pytest.mark.parametrize("number", LABS)
def test_a_list_has_what_ifs_from_the_lab_on_that_explains_them(number: str, store: str) -> None:
    offered.use(exercises(number).offer)
    lab, both = StepLab(store), CompareLab(store)
    for chooser in (lab._chooser, *both._choosers.values()):
        names = {value for _, value in chooser.options}
        assert {"v4.3", "v6.14", "fixed"} <= names
        assert any(name.startswith("what-if") for name in names) == (number >= "05")


@pytest.mark.parametrize("number", LABS)
def test_no_summary_says_what_a_lab_asks_until_the_years_have_been_told(
    number: str, store: str
) -> None:
    offered.use(exercises(number).offer)
    lab = StepLab(store)
    lab.use_kernel("v5.3")
    assert (kernels["v5.3"].summary in lab._chooser.tooltip) == (number >= "06")


def test_a_kernel_that_is_chosen_is_in_its_list_though_it_is_not_offered(store: str) -> None:
    offered.use(exercises("00").offer)
    lab = StepLab(store, kernel="what-if-late-advance-ss-kept")
    assert lab._chooser.value == "what-if-late-advance-ss-kept"
