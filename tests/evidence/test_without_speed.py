"""The recordings agree without the rooms for speed, too, and with blocks from the first execution on."""

from __future__ import annotations

import pytest

from aarch64sim.arch import state
from aarch64sim.evidence.recording import load
from aarch64sim.evidence.replay import replay
from aarch64sim.kvm.quick import Quick
from aarch64sim.vmm.start import recordings_folder

RECORDINGS = list(load(recordings_folder()).recordings())


@pytest.mark.parametrize("hot_after", [0, 1])
@pytest.mark.parametrize("quick", [True, False])
def test_recordings_agree_whatever_is_left_out(
    monkeypatch: pytest.MonkeyPatch, hot_after: int, quick: bool
) -> None:
    monkeypatch.setattr(state, "HOT_AFTER", hot_after)
    if not quick:
        monkeypatch.setattr(Quick, "offer", lambda self, cpu, taken, *, plainly: self.drop())
    results = [replay(recording) for recording in RECORDINGS[:: 7 if hot_after else 3]]
    assert len(results) > 190
    assert [r.recording for r in results if not r.agrees] == []
