"""Scenarios as text: they are the recorded ones, and mistakes in them are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aarch64sim.evidence.random_scenarios import PROFILES, scenario
from aarch64sim.evidence.recording import Folder, host_of, load
from aarch64sim.evidence.scenario import Scenario, ScenarioError, scenarios_in
from aarch64sim.evidence.scenario_vmm import ScenarioVmm
from aarch64sim.evidence.shrink import shrink, without
from aarch64sim.evidence.simulated import Simulated
from aarch64sim.kvm.kernels import kernels
from aarch64sim.vmm.start import recordings_folder

SCENARIOS = {s.name: s for s in scenarios_in(recordings_folder() / "scenarios")}
FOLDER: Folder = load(recordings_folder())


def test_there_is_a_text_for_every_recorded_scenario_and_no_other() -> None:
    assert set(SCENARIOS) == set(FOLDER.scenarios)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_text_assembles_to_the_recorded_words(name: str) -> None:
    recorded = FOLDER.scenarios[name]
    assert dict(SCENARIOS[name].words) == {
        int(i["address"], 16): int(i["word"], 16) for i in recorded["program"]
    }
    assert SCENARIOS[name].about == recorded["about"]


@pytest.mark.parametrize("kernel", FOLDER.recorded)
def test_the_header_makes_the_vmm_do_what_the_recorded_one_did(kernel: str) -> None:
    target = Simulated(kernels[kernel], FOLDER.start, host_of(FOLDER.kernels[kernel]))
    for recording in FOLDER.recordings(kernel):
        events = ScenarioVmm(SCENARIOS[recording.scenario], target).record()
        line = json.dumps({"scenario": recording.scenario, "events": events})
        assert line == json.dumps(
            {"scenario": recording.scenario, "events": list(recording.events)}
        )


@pytest.mark.parametrize("number", range(60))
def test_a_random_scenario_assembles_and_its_text_says_all(number: int) -> None:
    one = scenario(3, number)
    assert one.words
    assert Scenario.parse(one.name, one.text) == one == scenario(3, number)


def test_random_scenarios_are_of_every_profile() -> None:
    assert {scenario(1, n).about.split()[1] for n in range(200)} == set(PROFILES)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("abouts: x", "there is no header line 'abouts'; did you mean 'about'"),
        ("start: dbug 3", "there is no action 'dbug'; did you mean 'debug'"),
        ("start: set x0", "'set' takes 2 words, not 1"),
        ("on lode 1: abort", "there is no event 'lode 1': expected one of load, store"),
        ("on load one: abort", "there is no event 'load one'"),
        ("limit: many", "'many' is not a number"),
        ("limit: 1 2", "'limit' cannot have 2 numbers"),
        ("final: 0x40004000", "'final' cannot have 1 numbers"),
    ],
)
def test_a_wrong_header_line_is_named(header: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse("mine", f"// about: mine\n// {header}\n\nnop\n")
    assert str(caught.value).startswith("mine, line 2: ")
    assert message in str(caught.value)


def test_an_ordinary_comment_is_no_header_line() -> None:
    one = Scenario.parse("mine", "// My first one.\n//\n// about: mine\nnop // limit: none\n")
    assert (one.about, one.source) == ("mine", "nop // limit: none\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("// start: debug STEP\nnop", "there is no flag 'STEP': expected ENABLE"),
        ("// start: set pc nowhere\nnop", "'nowhere' is not a number"),
        ("nopp", "mine: line 1"),
    ],
)
def test_what_only_a_run_shows_is_one_sentence_too(text: str, message: str) -> None:
    target = Simulated(kernels["fixed"], FOLDER.start)
    with pytest.raises(ScenarioError, match=r"^[^\n]*$") as caught:
        ScenarioVmm(Scenario.parse("mine", text), target).record()
    assert message in str(caught.value)


def test_a_folder_without_scenarios_says_so(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="there is no scenario"):
        scenarios_in(tmp_path)
    (tmp_path / "a.s").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match="is not text"):
        scenarios_in(tmp_path)


def test_save_and_restore_give_the_registers_back() -> None:
    text = """\
// start: debug ENABLE|SINGLESTEP
// on debug 2: save
// on debug 4: restore; end
    mov x0, #1
    mov x1, #2
    mov x0, #3
    mov x1, #4
"""
    target = Simulated(kernels["fixed"], FOLDER.start)
    vmm = ScenarioVmm(Scenario.parse("mine", text), target)
    vmm.record()
    assert (target.vcpu.get_one_reg("x0"), target.vcpu.get_one_reg("x1")) == (1, 2)
    assert target.vcpu.pc == 0x4000_0008


def test_shrinking_keeps_only_what_is_needed() -> None:
    assert without(list(range(100)), lambda kept: {7, 42, 43} <= set(kept)) == [7, 42, 43]

    def holds(candidate: Scenario) -> bool:
        return "svc" in candidate.source and any(r.event == "load" for r in candidate.rules)

    text = (
        "// answer: 1 2\n// on load: abort; irq 1\n// on brk: set pc pc+4\nnop\nl:\nsvc #1\nb l\n"
    )
    small = shrink(Scenario.parse("mine", text), holds)
    assert (small.source, small.answers) == ("svc #1\n", ())
    assert [str(rule) for rule in small.rules] == ["on load: irq 1"]
