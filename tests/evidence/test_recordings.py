"""Recordings of real kernels: all are replayed without a difference, and a difference is told clearly.

Invariant: no test here knows a recorded value that it did not read from the recordings.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aarch64sim.__main__ import main
from aarch64sim.evidence.recording import RecordingError, errno_name, linux_errno, load
from aarch64sim.evidence.replay import replay
from aarch64sim.kvm.kernels import UnknownKernelError, kernels
from aarch64sim.vmm.start import recordings_folder

KERNELS = sorted(
    path.stem for path in recordings_folder().glob("*.jsonl") if path.stem != "scenarios"
)
KERNEL = "linux-5.10.89"


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_recording_of_the_kernel_is_replayed_without_a_difference(kernel: str) -> None:
    results = [replay(recording) for recording in load(recordings_folder()).recordings(kernel)]
    assert len(results) >= 59
    assert [
        f"{r.recording}: {r.difference or r.unreplayable}" for r in results if not r.agrees
    ] == []


def test_there_are_1390_recordings_of_21_kernels() -> None:
    folder = load(recordings_folder())
    assert len(KERNELS) == len(folder.kernels) == 21
    assert sum(1 for _ in folder.recordings()) == 1390


# --- differences and bad folders --------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three scenarios of one kernel."""
    for name in ("machine.json", "kernels.json", "scenarios.jsonl"):
        shutil.copy(recordings_folder() / name, tmp_path)
    lines = (recordings_folder() / f"{KERNEL}.jsonl").read_text("utf-8").splitlines()
    chosen = [line for line in lines if json.loads(line)["scenario"] in ("a_alu", "b_str", "c_ldr")]
    (tmp_path / f"{KERNEL}.jsonl").write_text("\n".join(chosen) + "\n", "utf-8")
    return tmp_path


def change(folder: Path, scenario: str, how: Change) -> None:
    path = folder / f"{KERNEL}.jsonl"
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    how(next(entry for entry in entries if entry["scenario"] == scenario))
    path.write_text("\n".join(map(json.dumps, entries)) + "\n", "utf-8")


def runs(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in entry["events"] if event["op"] == "KVM_RUN"]


def wrong_register(entry: dict[str, Any]) -> None:
    runs(entry)[2]["registers"]["x1"] = "0x77"


def wrong_errno(entry: dict[str, Any]) -> None:
    runs(entry)[1]["errno"] = 4


def wrong_hsr(entry: dict[str, Any]) -> None:
    runs(entry)[0]["debug"]["hsr"] = "0xca000022"


def wrong_reason(entry: dict[str, Any]) -> None:
    runs(entry)[1]["exit_reason"] = "DEBUG"


def wrong_data(entry: dict[str, Any]) -> None:
    runs(entry)[1]["mmio"]["data"] = "0x42"


def wrong_final(entry: dict[str, Any]) -> None:
    entry["events"][-1]["x"][4] = "0x99"


def wrong_memory(entry: dict[str, Any]) -> None:
    memory = entry["events"][-1]["memory"]
    memory[next(iter(memory))][0] = "0xbad"


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (wrong_register, "registers: the real kernel {'x1': '0x77'}, ours"),
        (wrong_errno, "event 2: errno: the real kernel 4, ours 0"),
        (wrong_hsr, "event 1: debug.hsr: the real kernel 0xca000022, ours 0xcb000022"),
        (wrong_reason, "exit_reason: the real kernel DEBUG"),
        (wrong_data, "mmio.data: the real kernel 0x42, ours 0x41"),
        (wrong_final, "final x: the real kernel {4: '0x99'}, ours"),
        (wrong_memory, "final memory at 0x"),
    ],
)
def test_first_difference_is_told_with_the_program_around_pc(
    folder: Path, capsys: pytest.CaptureFixture[str], how: Change, sentence: str
) -> None:
    change(folder, "b_str", how)
    assert main(["replay", str(folder)]) == 1
    out = capsys.readouterr().out
    first = next(line for line in out.splitlines() if line.startswith(f"{KERNEL}/b_str: event "))
    assert sentence in first
    assert "->" in out
    assert "2 of 3 recordings agree" in out


def unknown_op(entry: dict[str, Any]) -> None:
    entry["events"].insert(1, {"op": "KVM_DANCE"})


def unreadable(entry: dict[str, Any]) -> None:
    del runs(entry)[0]["errno"]


def no_registers(entry: dict[str, Any]) -> None:
    runs(entry)[0]["registers"] = ["pc"]


def unknown_register(entry: dict[str, Any]) -> None:
    entry["events"].insert(1, {"op": "KVM_SET_ONE_REG", "register": "x99", "value": "0x1"})


def not_events(entry: dict[str, Any]) -> None:
    entry["events"] = ["KVM_RUN"]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (unknown_op, "event 1: the operation 'KVM_DANCE' is not known"),
        (unreadable, "event 1: KVM_RUN is not readable"),
        (no_registers, "event 1: KVM_RUN is not readable"),
        (unknown_register, "there is no register 'x99'"),
        (not_events, "event 0: the operation None is not known"),
    ],
)
def test_what_cannot_be_replayed_counts_as_a_failure(
    folder: Path, capsys: pytest.CaptureFixture[str], how: Change, sentence: str
) -> None:
    change(folder, "a_alu", how)
    assert main(["replay", str(folder)]) == 1
    out = capsys.readouterr().out
    assert f"{KERNEL}/a_alu: cannot be replayed: {sentence}" in out
    assert "2 of 3 recordings agree" in out


def test_an_unknown_kernel_is_named_with_the_known_ones(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / f"{KERNEL}.jsonl").rename(folder / "linux-2.6.32.jsonl")
    assert main(["replay", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "no kernel 'linux-2.6.32'" in out
    assert "v4.3" in out


def test_a_recording_cut_off_in_a_line_is_named_and_the_others_are_replayed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / f"{KERNEL}.jsonl"
    path.write_text(path.read_text("utf-8")[:-300], "utf-8")
    assert main(["replay", str(folder)]) == 1
    out = capsys.readouterr().out
    assert (
        f"{KERNEL}/c_ldr: cannot be replayed: {KERNEL}.jsonl, line 3 is cut off or not JSON" in out
    )
    assert "2 of 3 recordings agree" in out
    assert main(["replay", str(folder), "--scenario", "b_str"]) == 0


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[1, 2]", "line 4 is not what it should be"),
        ('{"scenario": "a_alu"}', "line 4: a_alu has no events"),
        ('{"scenario": "a_alu", "events": []}', "line 4: a_alu has no events"),
        ('{"scenario": "a_alu", "events": 7, "program": 1}', "line 4: a_alu has no events"),
        ('{"scenario": "z_never_heard", "events": [{}]}', "line 4: z_never_heard has no program"),
    ],
)
def test_a_line_that_is_no_recording_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, sentence: str
) -> None:
    with (folder / f"{KERNEL}.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    assert main(["replay", str(folder)]) == 1
    assert f"{KERNEL}.jsonl, {sentence}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["machine.json", "kernels.json", "scenarios.jsonl"])
def test_a_folder_lacks_a_file(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (folder / name).unlink()
    assert main(["replay", str(folder)]) == 2
    assert f"has no {name}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("machine.json", "{"),
        ("machine.json", "[]"),
        ("machine.json", "{}"),
        ("kernels.json", "[1]"),
        ("kernels.json", '{"kernel": "linux-5.0.1"}'),
        ("scenarios.jsonl", '{"scenario": "a_alu", "program": [{"address": 1}]}'),
    ],
)
def test_a_damaged_file_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    (folder / name).write_text(text, "utf-8")
    assert main(["replay", str(folder)]) == (1 if "program" in text else 2)
    told = capsys.readouterr()
    assert name in told.err or "is not what it should be" in told.out


def test_a_file_that_is_not_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / f"{KERNEL}.jsonl").write_bytes(b"\xff\xfe\x00")
    assert main(["replay", str(folder)]) == 1
    assert f"{KERNEL}.jsonl is not text" in capsys.readouterr().out


def test_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder of recordings" in capsys.readouterr().err


def test_kernel_and_scenario_select(capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(recordings_folder())
    assert main(["replay", folder, "--kernel", KERNEL, "--scenario", "b_str", "-v"]) == 0
    out = capsys.readouterr().out
    assert f"{KERNEL}/b_str: 7 exits agree with v5.5" in out
    assert "1 of 1 recordings agree; 7 exits compared." in out
    assert main(["replay", folder, "--kernel", "linux-9.9"]) == 2
    assert "no recording of that kernel and scenario" in capsys.readouterr().err


def test_a_deselected_recording_does_not_fail(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, "b_str", wrong_register)
    assert main(["replay", str(folder), "--scenario", "a_alu"]) == 0
    assert "1 of 1 recordings agree" in capsys.readouterr().out


def test_the_matrix_names_each_kernel_its_preset_and_what_agrees(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, "b_str", wrong_register)
    change(folder, "a_alu", unknown_op)
    assert main(["replay", str(folder)]) == 1
    row = next(
        line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{KERNEL} ")
    )
    assert row.split() == [KERNEL, "v5.5", "1", "1", "1", "0"]


def test_a_recording_is_named_by_kernel_and_scenario() -> None:
    recording = next(load(recordings_folder()).recordings(KERNEL, "b_str"))
    assert str(recording) == f"{KERNEL}/b_str"
    assert recording.about == "ALU; STR MMIO; ALU ALU"


def test_a_recording_can_be_replayed_on_another_kernel() -> None:
    recording = next(load(recordings_folder()).recordings(KERNEL, "b_str"))
    assert not replay(recording, kernels["fixed"]).agrees
    with pytest.raises(RecordingError):
        load(Path("nowhere"))


# --- which preset a release takes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "preset"),
    [
        ("linux-4.3", "v4.3"),
        ("linux-4.4.60", "v4.3"),
        ("linux-4.9", "v4.3"),
        ("linux-4.14.66", "v4.3"),
        ("linux-4.14.67", "v4.3"),
        ("linux-4.14.177", "v4.14.177"),
        ("linux-4.14.300", "v4.14.177"),
        ("linux-4.14.98", "v4.3"),
        ("linux-4.14.143", "v4.14.177"),
        ("linux-4.15.1", "linux-4.15.1"),
        ("linux-4.16", "linux-4.16"),
        ("linux-4.19", "v4.15"),
        ("linux-4.19.48", "v4.19.48"),
        ("linux-4.19.20", "v4.15"),
        ("linux-4.19.21", "v4.19.48"),
        ("linux-4.19.72", "linux-4.19.72"),
        ("linux-4.20.1", "v4.15"),
        ("linux-4.20.8", "v4.19.48"),
        ("linux-5.0.1", "v5.0"),
        ("linux-5.2.1", "v5.0"),
        ("linux-5.3", "v5.3"),
        ("linux-5.2.14", "v5.3"),
        ("linux-5.4.18", "v5.3"),
        ("linux-5.4.59", "linux-5.4.59"),
        ("linux-5.5", "linux-5.5"),
        ("linux-5.5.3", "v5.5"),
        ("linux-5.10.89", "v5.5"),
        ("linux-5.11", "v5.11"),
        ("linux-5.12", "linux-5.12"),
        ("linux-5.13", "linux-5.13"),
        ("linux-5.15", "v5.13"),
        ("linux-5.17", "v5.13"),
        ("linux-6.0.8", "linux-6.0.8"),
        ("linux-6.1.119", "linux-6.1.119"),
        ("linux-6.1.120", "v6.1.192"),
        ("linux-6.6.66", "linux-6.6.66"),
        ("linux-6.12.1", "linux-6.12.1"),
        ("linux-6.12.2", "v6.3"),
        ("linux-6.1.192", "v6.1.192"),
        ("linux-6.12.117", "v6.3"),
        ("linux-6.13.7", "v6.3"),
        ("linux-6.14", "v6.14"),
        ("linux-6.18.2", "v6.18"),
        ("linux-6.16", "linux-6.16"),
        ("linux-6.17", "linux-6.17"),
        ("linux-7.1.5", "v6.18"),
        ("linux-7.2", "v7.2"),
        ("linux-10.0", "v7.2"),
        ("5.10", "v5.5"),
        ("v6.6.1", "linux-6.6.1"),
        *((f"{name}", name) for name in kernels if name.startswith("what-if")),
        ("fixed", "fixed"),
    ],
)
def test_release_takes_the_era_that_does_the_same_or_a_kernel_of_its_own_name(
    release: str, preset: str
) -> None:
    assert kernels[release].name == preset


@pytest.mark.parametrize(
    "release",
    [
        "linux-4.2",
        "linux-2.6.32",
        "linux-",
        "linux-5",
        "linux-x.y",
        "freebsd-14",
        "",
        "9.10",
        "v9.9",
    ],
)
def test_release_that_nobody_knows_is_refused_with_the_known_names(release: str) -> None:
    with pytest.raises(UnknownKernelError, match=r"known are .*v4\.3.*fixed"):
        kernels[release]


def test_a_recorded_errno_is_that_of_linux_wherever_we_run() -> None:
    assert [linux_errno(OSError(number, "")) for number in (errno.EINTR, errno.ENOSYS, 12345)] == [
        4,
        38,
        12345,
    ]
    assert [errno_name(number) for number in (0, 4, 38, 99)] == ["", "EINTR", "ENOSYS", "errno 99"]
