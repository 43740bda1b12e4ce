"""`record` and `fuzz`: what they write, and what they say when something is missing or dies.

A stand-in answers for the recorder here; `make fuzz` boots Debian's kernel under QEMU.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from aarch64sim.__main__ import main
from aarch64sim.evidence import debian, fuzz, record, recorder, workshop
from aarch64sim.evidence.debian import DebianError, kernel_image
from aarch64sim.evidence.recorder import GuestFailure, Recorder, RecorderError
from aarch64sim.evidence.recording import load, scenario_line
from aarch64sim.evidence.replay import replay
from aarch64sim.evidence.scenario import Scenario, scenarios_in
from aarch64sim.evidence.workshop import Workshop
from aarch64sim.vmm.start import StartState, default_start, recordings_folder
from tests.evidence import stand_in

SCENARIOS = recordings_folder() / "scenarios"
FEW = ("a_alu", "b_str", "c_ldr", "f_svc")


class StandInWorkshop:
    """Starts stand-ins; only the first has the fault."""

    def __init__(self, fault: str = "", image: Path | None = None) -> None:
        self.faults, self.image, self.cpu = [fault], image, "neoverse-n1"

    def recorder(self) -> Recorder:
        fault = self.faults.pop() if self.faults else ""
        return Recorder([sys.executable, stand_in.__file__, *fault.split()], default_start())

    def close(self) -> None:
        pass


@pytest.fixture
def with_fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make `record` and `fuzz` meet a recorder with this fault."""

    def give(fault: str) -> None:
        for module in (record, fuzz):
            monkeypatch.setattr(module, "workshop_for", lambda options: StandInWorkshop(fault))

    return give


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Four scenarios."""
    folder = tmp_path / "scenarios"
    folder.mkdir()
    for name in FEW:
        (folder / f"{name}.s").write_text((SCENARIOS / f"{name}.s").read_text("utf-8"), "utf-8")
    return folder


def recorded(folder: Path) -> dict[str, Any]:
    lines = (folder / "linux-6.12.117.jsonl").read_text("utf-8").splitlines()
    return {json.loads(line)["scenario"]: json.loads(line)["events"] for line in lines}


def test_record_writes_what_the_repository_has_of_the_same_kernel(
    with_fault: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_fault("")
    assert main(["record", "--out", str(tmp_path / "out")]) == 0
    ours = load(recordings_folder()).recordings("linux-6.12.117")
    assert recorded(tmp_path / "out") == {r.scenario: list(r.events) for r in ours}
    said = capsys.readouterr().out
    assert "71 of 71 scenarios" in said
    assert "71 of 71 recordings agree" in said


def test_two_runs_give_the_same_bytes(
    with_fault: Callable[[str], None], few: Path, tmp_path: Path
) -> None:
    files = []
    for name in ("one", "two"):
        with_fault("")
        assert main(["record", "--scenarios", str(few), "--out", str(tmp_path / name)]) == 0
        files.append({p.name: p.read_bytes() for p in sorted((tmp_path / name).iterdir())})
    assert files[0] == files[1]
    assert set(files[0]) == {
        "linux-6.12.117.jsonl", "kernels.json", "machine.json", "scenarios.jsonl"
    }  # fmt: skip


def test_a_folder_with_another_program_of_that_name_is_left_alone(
    with_fault: Callable[[str], None], few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_fault("no-kvm")  # it is said before the kernel is asked
    out = tmp_path / "out"
    out.mkdir()
    other = json.dumps(scenario_line(Scenario.parse("b_str", "nop\n")))
    (out / "scenarios.jsonl").write_text(other + "\n", "utf-8")
    assert main(["record", "--scenarios", str(few), "--out", str(out)]) == 2
    assert "has another program 'b_str': name another folder" in capsys.readouterr().err
    assert (out / "scenarios.jsonl").read_text("utf-8") == other + "\n"


@pytest.mark.parametrize("command", ["record", "fuzz"])
@pytest.mark.parametrize("place", ["file", "file/inside"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_recorded(
    command: str, place: str, with_fault: Callable[[str], None], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("", "utf-8")
    with_fault("no-kvm")  # what would be said if it were begun
    assert main([command, "--out", str(tmp_path / place)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"nothing can be written to {tmp_path / place} (")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("panic-10", "the kernel panicked: not syncing: for a test"),
        ("hang-10", "the kernel says nothing any more"),
        ("garbled-10", "the recorder's answer was garbled on the console"),
    ],
)
def test_a_kernel_that_dies_costs_one_scenario_which_is_named(
    fault: str,
    why: str,
    with_fault: Callable[[str], None],
    few: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(recorder, "ANSWER_SECONDS", 2.0)
    with_fault(fault)
    assert main(["record", "--scenarios", str(few), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "3 of 4 scenarios" in said
    assert why in said
    lost = set(FEW) - set(recorded(tmp_path / "out"))
    assert f"left out: {lost.pop()}: " in said


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("no-kvm", "Linux 6.12.117-test has no /dev/kvm: choose a kernel that is built with KVM"),
        ("no-permission", "no permission on /dev/kvm: add yourself to its group"),
    ],
)
@pytest.mark.parametrize("command", ["record", "fuzz"])
def test_a_kernel_that_cannot_be_recorded_is_one_sentence(
    command: str, fault: str, why: str, with_fault: Callable[[str], None], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with_fault(fault)
    assert main([command, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(why)
    assert "\n" not in said
    assert not (tmp_path / "out").exists()
    children = psutil.Process().children()
    assert not [child for child in children if "stand_in.py" in " ".join(child.cmdline())]


def test_what_was_recorded_is_kept_when_the_kernel_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop = StandInWorkshop()
    workshop.faults = ["panic-1"] * 9 + ["panic-12"]
    monkeypatch.setattr(record, "workshop_for", lambda options: workshop)
    assert main(["record", "--out", str(tmp_path / "out")]) == 1
    assert "what was recorded until then is kept" in capsys.readouterr().err
    assert recorded(tmp_path / "out")


def test_an_interrupted_recording_is_kept(
    few: Path, with_fault: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def interrupt(done: int, total: int, name: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with_fault("")
    monkeypatch.setattr(record, "progress_bar", lambda *_: interrupt)
    assert main(["record", "--scenarios", str(few), "--out", str(tmp_path / "out")]) == 1
    assert set(recorded(tmp_path / "out")) == set(FEW[:2])
    assert "interrupted" in capsys.readouterr().err


def test_a_kernel_that_forgets_steps_is_recorded_twice_and_what_differs_is_left_out(
    few: Path,
) -> None:
    session = record.Session(StandInWorkshop())  # type: ignore[arg-type]
    scenarios = scenarios_in(few)
    session.entry = {"kernel": "linux-5.10.89"}
    assert session.forgetful
    plain = session.record
    seen: list[str] = []

    def once_without_a_stop(scenario: Scenario) -> Any:
        events = plain(scenario)
        seen.append(scenario.name)
        return events[:-3] if scenario.name == "b_str" and seen.count("b_str") == 1 else events

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            record.Session, "record", lambda self, scenario: once_without_a_stop(scenario)
        )
        session.record_all(scenarios, lambda *_: None)
    session.disconnect()
    assert seen == [*FEW, *reversed(FEW)]
    assert set(session.events) == set(FEW) - {"b_str"}
    assert "twice recorded, it differs" in session.left_out["b_str"]


def test_debians_kernels_do_what_their_eras_do() -> None:
    results = [replay(recording) for recording in load(recordings_folder() / "debian").recordings()]
    assert len(results) == 6 * 70
    assert [
        f"{r.recording}: {r.difference or r.unreplayable}" for r in results if not r.agrees
    ] == []


def test_replay_takes_the_scenarios_from_their_texts_where_there_is_no_list(
    few: Path, tmp_path: Path
) -> None:
    for name in ("machine.json", "kernels.json", "linux-6.12.117.jsonl"):
        (tmp_path / name).write_text((recordings_folder() / name).read_text("utf-8"), "utf-8")
    folder = load(tmp_path)
    assert set(folder.scenarios) == set(FEW)
    assert all(replay(r).agrees for name in FEW for r in folder.recordings(scenario=name))


def test_replay_says_the_same_with_any_number_of_jobs(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("machine.json", "kernels.json", "linux-6.12.117.jsonl"):
        (tmp_path / name).write_text((recordings_folder() / name).read_text("utf-8"), "utf-8")
    said = []
    for jobs in ("1", "2"):
        assert main(["replay", str(tmp_path), "--jobs", jobs, "-v"]) == 1
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "4 of 71 recordings agree" in said[0]  # the others have no program here
    assert main(["replay", str(tmp_path), "--jobs", "0"]) == 2
    assert "--jobs 0" in capsys.readouterr().err


# --- what is missing on this computer -----------------------------------------------------------


def missing(monkeypatch: pytest.MonkeyPatch, machine: str, *programs: str) -> None:
    monkeypatch.setattr(workshop.platform, "machine", lambda: machine)
    monkeypatch.setattr(
        workshop.shutil, "which", lambda name: None if name in programs else f"/usr/bin/{name}"
    )


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing(monkeypatch, "x86_64", "aarch64-linux-gnu-gcc")
    with pytest.raises(RecorderError, match="apt-get install gcc-aarch64-linux-gnu libc6-dev"):
        workshop.build(tmp_path)
    missing(monkeypatch, "aarch64", "cc", "gcc", "clang", "aarch64-linux-gnu-gcc")
    with pytest.raises(RecorderError, match="apt-get install gcc libc6-dev"):
        workshop.build(tmp_path)


def test_a_compiler_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workshop.shutil, "which", lambda name: "/bin/false")
    with pytest.raises(RecorderError, match="cannot compile the recorder"):
        workshop.build(tmp_path)


def test_no_qemu_and_no_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing(monkeypatch, "x86_64", workshop.QEMU)
    with pytest.raises(RecorderError, match="is not installed: apt-get install qemu-system-arm"):
        workshop.qemu_command(tmp_path / "recorder", tmp_path / "Image", "neoverse-n1")
    missing(monkeypatch, "x86_64")
    with pytest.raises(RecorderError, match="there is no kernel image of that name"):
        workshop.qemu_command(tmp_path / "recorder", tmp_path / "Image", "neoverse-n1")


IMAGE = bytes(56) + b"ARM\x64" + bytes(4)


@pytest.mark.parametrize(
    ("data", "is_kernel"),
    [
        (IMAGE, True), (gzip.compress(IMAGE, mtime=0), True), (b"", False), (b"#!/bin/sh\n" * 9, False),
        (b"\x7fELF" + bytes(99), False), (gzip.compress(bytes(99), mtime=0), False),
        (b"\x1f\x8b" + b"x" * 99, False),
        (b"MZ\0\0zimg" + bytes(48) + b"\xcd\x23\x82\x81", False),
    ],
)  # fmt: skip
def test_a_file_that_is_no_kernel_is_refused_before_it_is_booted(
    data: bytes, is_kernel: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing(monkeypatch, "x86_64")
    (tmp_path / "Image").write_bytes(data)
    (tmp_path / "recorder").write_bytes(b"")
    command = partial(
        workshop.qemu_command, tmp_path / "recorder", tmp_path / "Image", "neoverse-n1"
    )
    if is_kernel:
        assert str(tmp_path / "Image") in command()
    else:
        with pytest.raises(RecorderError, match="Image is no arm64 kernel image: name a build's"):
            command()


def test_no_kvm_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    missing(monkeypatch, "x86_64")
    with pytest.raises(RecorderError, match="no arm64 one: name a kernel to boot under QEMU"):
        workshop.native_command(tmp_path)
    missing(monkeypatch, "aarch64")
    monkeypatch.setattr(workshop, "KVM", tmp_path / "kvm")
    with pytest.raises(RecorderError, match="there is no /dev/kvm here"):
        workshop.native_command(tmp_path)


def test_a_recorder_that_ends_at_once_says_its_last_words() -> None:
    with pytest.raises(GuestFailure, match="the last on its console: 'no such machine'"):
        Recorder([sys.executable, "-c", "print('no such machine')"], StartState((), {}))


def test_a_workshop_compiles_before_anything_is_booted(monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch, "x86_64", "aarch64-linux-gnu-gcc")
    with pytest.raises(RecorderError, match="no C compiler"):
        Workshop(default_start(), None, "neoverse-n1")


INDEX = """\
Package: linux-image-6.12.118+deb13-cloud-arm64
Version: 6.12.118-1
Filename: pool/a.deb
SHA256: 00

Package: linux-image-6.19.14+deb13-cloud-arm64
Version: 6.19.14-1~bpo13+1
Filename: pool/b.deb
SHA256: 01

Package: linux-binary-6.19.14+deb13-cloud-arm64
Version: 6.19.14-1~bpo13+1
Filename: pool/c.deb
SHA256: 02

Package: linux-image-6.19.14+deb13-arm64
Version: 6.19.14-1
Filename: pool/d.deb
SHA256: 03

"""


@pytest.mark.parametrize(
    ("what", "name"),
    [("", "linux-binary-6.19.14"), ("6.19", "linux-binary-6.19.14"), ("6.12.118", "linux-image-6.12.118")],
)  # fmt: skip
def test_a_debian_kernel_is_found_by_suite_or_version(what: str, name: str) -> None:
    packages = sorted(debian._packages("http://archive/", INDEX))
    chosen = debian._choose(what, packages)
    assert chosen.name == f"{name}+deb13-cloud-arm64"
    assert chosen.uri.startswith("http://archive/pool/")


def test_a_debian_kernel_that_is_not_there_is_one_sentence() -> None:
    packages = sorted(debian._packages("http://archive/", INDEX))
    with pytest.raises(
        DebianError, match=r"has no arm64 kernel 5\.4; it has 6\.12\.118, 6\.19\.14$"
    ):
        debian._choose("5.4", packages)


def test_no_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    with pytest.raises(DebianError, match="apt-get and dpkg-deb are not installed"):
        kernel_image("6.12", tmp_path)


# --- fuzz ---------------------------------------------------------------------------------------


def test_fuzz_agrees_with_a_kernel_that_is_ours(
    with_fault: Callable[[str], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_fault("")
    assert main(["fuzz", "--count", "8", "--seed", "5", "--out", str(tmp_path / "out")]) == 0
    assert "random scenarios agree with linux-6.12.117" in capsys.readouterr().out
    assert main(["fuzz", "--recordings", str(tmp_path / "out")]) == 0


def test_fuzz_shrinks_a_difference_and_writes_an_issue(
    with_fault: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is made to count an SVC wrong: what is left of each scenario is little more than an SVC."""
    plain = fuzz.replay

    def wrong(recording: Any) -> Any:
        result = plain(recording)
        for number, event in enumerate(recording.events):
            if "0x56" in event.get("registers", {}).get("esr_el1", "")[:4]:
                result.difference = fuzz.Difference(
                    number, "registers", {"esr_el1": "1"}, {"esr_el1": "2"}
                )
                break
        return result

    with_fault("")
    monkeypatch.setattr(fuzz, "replay", wrong)
    out = tmp_path / "out"
    assert main(["fuzz", "--count", "30", "--seed", "2", "--out", str(out)]) == 1
    text = (out / "issue.md").read_text("utf-8")
    assert text.startswith("# linux-6.12.117, seed 2, ")
    section = text.split("## ")[1]
    assert section.startswith("registers esr_el1 at svc")
    code = section.split("```asm\n")[1].split("```")[0]
    instructions = [line for line in code.splitlines() if line.startswith("    ")]
    assert len(instructions) <= 4
    assert any("svc" in line for line in instructions)


def test_fuzz_counts_what_is_outside_the_model_apart(
    with_fault: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def beyond(result: Any) -> Any:
        result.limit = "time" if "_00001_" in result.recording.scenario else ""
        return result

    with_fault("")
    monkeypatch.setattr(fuzz, "judged", beyond)
    assert main(["fuzz", "--count", "3", "--seed", "2"]) == 0
    said = capsys.readouterr().out
    assert "outside the model: fuzz_2_00001_" in said
    assert "2 of 3 random scenarios agree" in said


def test_fuzz_takes_recordings_or_a_kernel_not_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--recordings", "x", "--debian"]) == 2
    assert "--recordings needs no kernel" in capsys.readouterr().err
