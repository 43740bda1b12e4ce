"""Recordings of kernels of today: minimal programs, what-ifs of a release, and random guests.

Invariant: what does not agree stands here by name, with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace as changed_copy
from itertools import islice
from pathlib import Path

import pytest

from aarch64sim.__main__ import main
from aarch64sim.arch.choices import ARCHITECTURE
from aarch64sim.evidence.beyond import judged
from aarch64sim.evidence.fuzz import recording_of
from aarch64sim.evidence.recording import Recording, RecordingError, load
from aarch64sim.evidence.replay import needed_choices, replay
from aarch64sim.evidence.scenario import Scenario
from aarch64sim.evidence.scenario_vmm import ScenarioVmm
from aarch64sim.evidence.simulated import Simulated
from aarch64sim.kvm.kernels import changed, kernels, recorded_what_ifs
from aarch64sim.vmm.start import default_start, recordings_folder

# Scenario -> the limit of the model that it goes beyond: a key of `LIMITS`, which says it to users.
BEYOND = {
    "m_aa32": "aarch32",
    "z2_0509_mem": "aarch32",
    "z3_0915_irq": "interrupted host",
}


def differences(folder: str, kernel: str | None = None, every: int = 1) -> list[str]:
    recordings = load(recordings_folder() / folder).recordings(kernel)
    results = [judged(replay(recording)) for recording in islice(recordings, 0, None, every)]
    return [
        f"{r.recording}: {r.difference or r.unreplayable}"
        for r in results
        if not r.agrees and r.limit != BEYOND.get(r.recording.scenario, "no limit")
    ]


@pytest.mark.parametrize(
    ("folder", "recordings"),
    [("today", 490), ("minimal", 595), ("minimal-2", 24), ("minimal-3", 120)],
)
def test_every_recording_is_replayed_without_a_difference(folder: str, recordings: int) -> None:
    assert len(list(load(recordings_folder() / folder).recordings())) == recordings
    assert differences(folder) == []


def test_a_sample_of_the_random_guests_is_replayed_without_a_difference() -> None:
    assert differences("random", "linux-7.3.4", every=6) == []


@pytest.mark.fuzz
def test_every_random_guest_is_replayed_without_a_difference() -> None:
    assert differences("random") == []


def beyond(recordings: Iterable[Recording]) -> dict[str, str]:
    return {r.recording.scenario: r.limit for r in map(judged, map(replay, recordings))}


def test_what_goes_beyond_the_model_is_said_by_the_limit_that_it_meets() -> None:
    folders = [load(recordings_folder() / name) for name in ("minimal", "random")]
    assert BEYOND.items() <= {
        limit for f in folders for n in BEYOND for limit in beyond(f.recordings("linux-5.10.218", n)).items()
    }  # fmt: skip


@pytest.mark.parametrize("kernel", ["linux-5.10.218", "linux-7.3.4"])
def test_a_wrong_recording_is_explained_by_no_limit(kernel: str) -> None:
    recordings = list(islice(load(recordings_folder() / "minimal").recordings(kernel), 0, None, 9))
    for recording in recordings:
        run = next(event for event in recording.events if event["op"] == "KVM_RUN")
        run["registers"]["x7"] = "0x77"
    assert set(beyond(recordings).values()) == {""}


def test_a_pstate_of_aarch32_is_beyond_the_model() -> None:
    (recording,) = load(recordings_folder() / "minimal").recordings("linux-7.3.4", "m_nzcv")
    action = {"op": "KVM_SET_ONE_REG", "register": "pstate", "value": "0x10"}
    assert beyond([changed_copy(recording, events=(action, *recording.events))]) == {
        "m_nzcv": "aarch32"
    }


def test_the_command_line_says_what_is_outside_the_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["replay", str(recordings_folder() / "minimal"), "--scenario", "m_aa32"]) == 0
    out = capsys.readouterr().out
    assert "linux-7.3.4/m_aa32: outside the model: AArch32" in out
    assert "0 of 6 recordings agree" in out
    assert "6 outside the model: AArch32" in out


@pytest.mark.parametrize(
    ("scenario", "needed"),
    [
        ("m_nzcv", ["entry_clears_flags"]),
        ("m_pcalign_out", ["fetch_before_alignment"]),
        ("m_spalign", ["sp_alignment_checked"]),
        ("m_impdef", ["entry_clears_flags", "implementation_defined_traps"]),
        ("m_el0_daif", ["daif_fields_swapped"]),
        ("m_el0_pmselr", ["granted_pmu_traps"]),
        ("m_ilbp", ["illegal_state_last"]),
        ("m_wvr2", []),
        ("m_aa32", None),
    ],
)
def test_which_choices_of_the_cpu_a_recording_needs(
    scenario: str, needed: list[str] | None
) -> None:
    minimal = load(recordings_folder() / "minimal")
    (recording,) = minimal.recordings("linux-7.3.4", scenario)
    assert needed_choices(recording) == needed
    assert replay(recording, choices=ARCHITECTURE).agrees == (needed == [])


def test_the_command_line_replays_with_either_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(recordings_folder() / "minimal")
    arguments = ["replay", folder, "--kernel", "linux-7.3.4", "--scenario", "m_nzcv"]
    assert main([*arguments, "--choices", "qemu"]) == main(arguments) == 0
    assert main([*arguments, "--choices", "architecture"]) == 1
    assert "'pstate': '0x600003c5'" in capsys.readouterr().out


@pytest.mark.parametrize("name", recorded_what_ifs())
def test_a_what_if_is_a_release_but_for_the_fields_in_kernels_json(name: str) -> None:
    entries = json.loads((recordings_folder() / "today" / "kernels.json").read_text("utf-8"))
    entry = next(entry for entry in entries if entry["kernel"] == name)
    assert set(kernels[name].differences(kernels[entry["base"]])) == set(entry["changes"])
    assert kernels[name].name == name


@pytest.mark.parametrize(
    "changes", [{"pc_moves": True}, {"pc_advance": "NEVER"}, {"skip_clears_ss": 1}, {"name": "x"}]
)
def test_a_what_if_of_no_field_or_value_is_one_sentence(
    changes: dict[str, object], tmp_path: Path
) -> None:
    entry = {"kernel": "what-if-x", "base": "linux-7.3.4", "made": "x", "changes": changes}
    with pytest.raises(ValueError, match="what-if-x: no kernel has"):
        changed(entry)


def test_a_compressed_recording_that_is_cut_off_is_named(tmp_path: Path) -> None:
    source = recordings_folder() / "minimal-2"
    for path in source.iterdir():
        data = path.read_bytes()
        cut = path.name == "linux-7.3.4.jsonl.xz"
        (tmp_path / path.name).write_bytes(data[:-40] if cut else data)
    results = {str(r): r.damage for r in load(tmp_path).recordings("linux-7.3.4")}
    assert results == {"linux-7.3.4/all": "linux-7.3.4.jsonl.xz is cut off or not compressed by xz"}
    (tmp_path / "scenarios.jsonl.xz").write_bytes(b"no")
    with pytest.raises(RecordingError, match=r"scenarios\.jsonl\.xz is cut off"):
        load(tmp_path)


def test_a_guest_that_overwrites_its_code_may_go_on_with_what_was_there() -> None:
    source = "adr x1, 1f\n str w0, [x1]\n1: add x2, x2, #1\n str w20, [x20]\n"  # w0 is 0: UDF
    scenario = Scenario("overwrites", source)
    stale = Scenario("overwrites", source.replace("str w0, [x1]", "nop"))
    events = ScenarioVmm(stale, Simulated(kernels["v6.3"], default_start())).record()
    recording = recording_of({"kernel": "linux-6.12.118"}, scenario, events)
    result = replay(recording)
    assert not result.agrees
    assert judged(result).limit == "caches"


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        (".inst 0x1e622820", "simd"),
        ("mrs x1, s3_0_c12_c11_3", "gic"),
        ("mrs x1, cntvct_el0", "time"),
    ],
)
@pytest.mark.parametrize("wrong", [0, 1])
def test_what_is_the_hosts_or_left_out_explains_its_own_exit_only(
    line: str, limit: str, wrong: int
) -> None:
    source = (
        f"{line}\nstr w1, [x19]\nstr w20, [x20]\n.org 0x40001200\nstr w1, [x19]\nstr w20, [x20]\n"
    )
    scenario = Scenario("asks", source)
    events = ScenarioVmm(scenario, Simulated(kernels["v6.3"], default_start())).record()
    events[wrong]["registers"]["x7"] = "0x77"
    recording = recording_of({"kernel": "linux-6.12.118"}, scenario, events)
    assert judged(replay(recording)).limit == ("" if wrong else limit)


def test_what_only_the_choices_of_the_cpu_explain_is_no_limit() -> None:
    (recording,) = load(recordings_folder() / "minimal").recordings("linux-5.10.218", "m_nzcv")
    result = replay(recording, choices=ARCHITECTURE)
    assert not result.agrees
    assert judged(result, ARCHITECTURE).limit == ""
