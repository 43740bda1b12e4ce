"""Which kernels step correctly? The table from the recordings is the table from the simulator.

Invariant: both tables are read by the same functions; what they are read from has nothing in common.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from aarch64sim.evidence.eras_table import ROWS, recorded_cells, simulated_cell, table
from aarch64sim.evidence.recording import Folder, host_of, load
from aarch64sim.kvm.kernels import (
    FIXED,
    Arming,
    Leftover,
    PcAdvance,
    SkipApplied,
    kernels,
)
from aarch64sim.vmm.start import recordings_folder

RIGHT = {
    "ordinary instruction": "1",
    "userspace MMIO": "1",
    "PC seen at KVM_EXIT_MMIO": "insn",
    "trapped sysreg": "1",
    "in-kernel MMIO (ioeventfd)": "1",
    "HVC": "1",
    "SMC": "1",
    "WFI": "1",
    "RAM stage-2 fault": "1",
    "exit while a step is pending (cold vector)": "1",
    "exception vector, warm": "1",
    "MMIO then immediate_exit": "1",
    "MMIO then signal": "1",
    "immediate_exit, no stepping: insn lost?": "no",
    "guest steps itself over MMIO": "right",
    "pstate read at the MMIO exit (stepping)": "0x3c5",
    "MMIO ldrsb x of 0x80 gives": "0xffffffffffffff80",
    "ext. abort injected at MMIO exit": "taken",
    "abort + immediate_exit": "x10=0x1 x2=0x77",
}


@cache
def folder() -> Folder:
    return load(recordings_folder())


@cache
def recorded() -> dict[tuple[str, str], str]:
    return recorded_cells(folder().recordings())


def test_recordings_answer_nearly_every_question() -> None:
    missing = len(ROWS) * 21 - len(recorded())
    # 9 kernels without the call to inject (2 rows), 4.4.60 without immediate_exit (2), 5 what-ifs without t_ and w_.
    assert missing == 9 * 2 + 2 + 5 * 2


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_recorded_cell_equals_simulated_cell(row: object) -> None:
    hosts = {name: host_of(entry) for name, entry in folder().kernels.items()}
    for (title, kernel), cell in recorded().items():
        if title == str(row):
            ours = simulated_cell(row, kernels[kernel], hosts[kernel])  # type: ignore[arg-type]
            assert (kernel, ours) == (kernel, cell)


def test_the_kernels_of_today_answer_as_theirs_that_the_simulator_makes_of_them() -> None:
    today = load(recordings_folder() / "today")
    cells = recorded_cells(today.recordings())
    assert len({kernel for _, kernel in cells}) == 7
    rows = {str(row): row for row in ROWS}
    for (title, kernel), cell in cells.items():
        ours = simulated_cell(rows[title], kernels[kernel], host_of(today.kernels[kernel]))
        assert (title, kernel, ours) == (title, kernel, cell)


def test_fixed_is_right_in_every_row() -> None:
    assert {row["case"]: row["fixed"] for row in table([FIXED])} == RIGHT


def test_no_release_before_7_2_is_right_in_every_row() -> None:
    releases = [kernel for name, kernel in kernels.items() if name.startswith("v")]
    rows = table(releases)
    right = [k.name for k in releases if all(row[k.name] == RIGHT[row["case"]] for row in rows)]
    assert right == ["v7.2"]


def test_kernels_that_never_existed_have_their_columns() -> None:
    """What counts is the order of skipping and arming, or a memory that the step is spent."""
    early = replace(FIXED, name="early", pc_advance=PcAdvance.BEFORE_EXIT)
    put_away = replace(early, name="put away", leftover_advance=Leftover.AFTER_PUT_AWAY)
    forgetful = replace(
        FIXED, name="forgetful", skip_applied=SkipApplied.AT_ONCE, arming=Arming.EVERY_ENTRY
    )
    rows = table([early, put_away, forgetful])
    mmio = next(row for row in rows if row["case"] == "userspace MMIO")
    assert [mmio[name] for name in ("early", "put away", "forgetful")] == ["1", "2", "2"]
