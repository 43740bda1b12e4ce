"""The table of what 21 real kernels were seen to do, row by row, kernel by kernel.

Invariant: the table beside this file was made with real kernels, five of which have no recording here; the simulator
finds the preset of each by its version number alone.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from aarch64sim.evidence.eras_table import ROWS, Row, Transcript, simulated_cell
from aarch64sim.evidence.recording import host_of, load
from aarch64sim.kvm.kernels import kernels
from aarch64sim.kvm.vm_state import Host, SmcCall
from aarch64sim.vmm.start import recordings_folder
from tests.kvm.player import Player
from tests.kvm.programs import SCENARIOS

TITLES = {  # of the table, where they are not those of the matrix
    "trapped sysreg (OSLAR)": "trapped sysreg",
    "WFI (patched QEMU)": "WFI",
}
SIGNAL_ROW = Row(
    "signal, no stepping: insn lost?",
    "n_imm_nostep",
    lambda transcript: "lost" if transcript.x[3] == 0 else "no",
    ("pending_signal",),
    control=0,
)
BY_TITLE = {row.title: row for row in (*ROWS, SIGNAL_ROW)}
# What SMC does on kernels without a recording here.
HOSTS = {
    "linux-4.9": Host(0x2, SmcCall.UNDEFINED),
    "linux-5.2.1": Host(0x1_0000, SmcCall.REFUSED),
    "linux-6.0.8": Host(0x1_0001, SmcCall.REFUSED),
    "linux-6.12": Host(0x1_0001, SmcCall.PSCI),
    "linux-6.13.7": Host(0x1_0003, SmcCall.PSCI),
    "linux-6.18.2": Host(0x1_0003, SmcCall.PSCI),
}


@cache
def hosts() -> dict[str, Host]:
    recorded = load(recordings_folder()).kernels
    return {name: host_of(entry) for name, entry in recorded.items()} | HOSTS


def table() -> dict[tuple[str, str], str]:
    """(row, kernel) -> cell."""
    lines = (Path(__file__).parent / "observed_eras.md").read_text("utf-8").splitlines()
    rows = [
        [c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("|")
    ]
    columns = [name.strip("†").replace("v", "linux-", 1) for name in rows[0][1:]]
    columns[columns.index("linux-6.12")] = "linux-6.12.117"  # that of Debian
    return {
        (row[0], kernel): cell.strip("*")
        for row in rows[2:]
        for kernel, cell in zip(columns, row[1:], strict=True)
    }


TABLE = table()
CELLS = [key for key, cell in TABLE.items() if not cell.startswith("(skipped") and cell != "n/a"]


def spsr_after_undef(kernel: str) -> str:
    """SPSR_EL1 after UDF while stepping: what the guest's handler read."""
    machine = Player(SCENARIOS["f_mmio_undef"], kernels[kernel], hosts()[kernel])
    machine.to_end()
    return hex(machine.x(13))


@pytest.mark.parametrize(("row", "kernel"), CELLS)
def test_cell_is_what_the_real_kernel_did(row: str, kernel: str) -> None:
    if row == "SPSR_EL1 after UDF while stepping":
        assert spsr_after_undef(kernel) == TABLE[row, kernel]
        return
    ours = simulated_cell(BY_TITLE[TITLES.get(row, row)], kernels[kernel], hosts()[kernel])
    assert ours == TABLE[row, kernel]


def test_the_table_has_21_kernels_and_all_its_rows_are_modelled() -> None:
    assert len({kernel for _, kernel in TABLE}) == 21
    assert len({row for row, _ in TABLE}) >= 19


def test_a_row_of_the_matrix_is_named_by_its_question() -> None:
    assert str(ROWS[1]) == "userspace MMIO"


def test_transcript_finds_the_first_exit_to_a_device() -> None:
    with pytest.raises(StopIteration):
        Transcript((), ()).mmio()
