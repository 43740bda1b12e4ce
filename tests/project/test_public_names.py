"""The names that labs, readers and other people's notebooks use: rooms may move, these stay."""

from __future__ import annotations

import importlib

import pytest

PUBLIC = {
    "aarch64sim": "VM AssemblyError Debugger ExitReason GuestDebug Kernel Program Stop assemble disassemble kernels",
    "aarch64sim.debug": "Debugger HistoryError Phase StepRecord Stop Watchpoint Write",
    "widgets": "CompareLab EsrLab EsrRuler LifeCycle Question RecordedRun StepFigure StepLab StopTable TimelineFigure",
    "widgets.course": "checks exercises program",
}


@pytest.mark.parametrize("package", PUBLIC)
def test_a_public_name_stays(package: str) -> None:
    module = importlib.import_module(package)
    names = PUBLIC[package].split()
    assert set(names) <= set(module.__all__)
    for name in names:
        assert getattr(module, name).__doc__
