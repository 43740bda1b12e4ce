"""The command line: what it prints, and what it says about bad input.

Invariant: bad input is one sentence on standard error and exit status 2, never a traceback.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from aarch64sim.__main__ import EXAMPLES, NOT_RUN, REINJECTED, main
from aarch64sim.asm import refused
from aarch64sim.debug.stops import EXCLUSIVE
from aarch64sim.evidence import record
from aarch64sim.evidence.recorder import RecorderError
from aarch64sim.kvm.kernels import behaviours, kernels
from aarch64sim.limits import LIMITS
from aarch64sim.vmm.start import recordings_folder

STORE = "mov x0, #0x41\nstr w0, [x19]\nadd x1, x1, #1\nadd x2, x2, #1\nstr w20, [x20]\n"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "store.s"
    path.write_text(STORE, "utf-8")
    return path


Capture = pytest.CaptureFixture[str]


def told(capsys: Capture, *arguments: object, status: int = 2) -> str:
    """What a failing command says: one sentence on standard error, no traceback."""
    assert main([str(a) for a in arguments]) == status
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("kernel", "stops"),
    [
        ("fixed", "+4 +8 +c +10"),
        ("v4.3", "+4 +c +10"),
        ("v4.15", "+0 +4 +8 +c +10"),
        ("v5.3", "+4 +c +10"),
    ],
)
def test_step_prints_a_line_for_every_exit_and_the_stops(
    program: Path, capsys: Capture, kernel: str, stops: str
) -> None:
    assert main(["step", str(program), "--kernel", kernel]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{program} under {kernels[kernel].title}: {kernels[kernel].summary}")
    assert "4-byte store of 0x41 to 0x9000000: uart" in out
    assert f"Stops: {stops}." in out
    assert "UART: 'A'" in out
    assert ": a store to the exit device." in out


def test_a_program_may_come_from_standard_input_or_with_a_byte_order_mark(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "marked.s"
    path.write_text(STORE, "utf-8-sig")
    monkeypatch.setattr("sys.stdin", path.open(encoding="utf-8"))
    for name in (str(path), "-"):
        assert main(["step", name]) == 0
        assert "Stops: +4 +8 +c +10" in capsys.readouterr().out


def test_step_stops_at_its_limit(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "loop.s"
    path.write_text("again: b again\n", "utf-8")
    assert main(["step", str(path), "--limit", "3"]) == 0
    out = capsys.readouterr().out
    assert "Stops: +0 +0 +0." in out
    assert "This is the limit of 3 steps (--limit); the guest has not ended." in out


def test_a_limit_in_an_exclusive_loop_says_why_a_step_does_not_leave_it(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "lock.s"
    path.write_text("1: ldxr w0, [x21]\nstxr w1, w0, [x21]\ncbnz w1, 1b\nstr w20, [x20]\n", "utf-8")
    assert main(["step", str(path), "--limit", "20"]) == 0
    assert EXCLUSIVE in capsys.readouterr().out


VECTORS = (
    "adr x0, v\nmsr vbar_el1, x0\nmov sp, #1\nsvc #0\n.balign 2048\nv: .skip 0x200\nldr x0, [sp]"
)


@pytest.mark.parametrize(
    ("source", "options", "why"),
    [
        ("nop\nbrk #7", [], "no handler there (BRK was raised at 0x40000004)"),
        (
            "msr daifclr, #2\nwfi",
            ["--irq", "wait"],
            "no handler there (an interrupt was raised at 0x40000008)",
        ),
        ("msr spsel, #0\nudf #0", [], "no handler there (UNDEFINED was raised at 0x40000004)"),
        (
            VECTORS,
            [],
            "the first instruction there raises SP_ALIGNMENT (SVC was raised at 0x4000000c)",
        ),
    ],
)
def test_a_guest_caught_at_its_vector_says_what_put_it_there(
    source: str, options: list[str], why: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "a.s"
    path.write_text(source, "utf-8")
    assert main(["step", str(path), *options]) == 1
    assert why in capsys.readouterr().out


def rows(out: str) -> list[int]:
    return [int(number) for number in re.findall(r"^ *(\d+)  [A-Z]", out, re.MULTILINE)]


def test_step_has_a_row_for_every_stop(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "brk.s"
    path.write_text(
        "brk #1\nstr w20, [x20]\n.org 0x40001200\nmrs x10, elr_el1\nadd x10, x10, #4\n"
        "msr elr_el1, x10\neret\n",
        "utf-8",
    )
    assert main(["step", str(path)]) == 0
    out = capsys.readouterr().out
    assert rows(out) == [1, 2, 3, 4, 5, 6, 7]
    assert f"{NOT_RUN:<17} 0x40001200 +1200              Stopped at 0x40001200. {REINJECTED}" in out


def test_a_guest_that_ends_in_an_error_is_status_1(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "nisv.s"
    path.write_text("ldp x1, x2, [x19]\n", "utf-8")
    assert main(["step", str(path), "--kernel", "v4.3"]) == 1
    assert "ENABLE" not in capsys.readouterr().out.upper()
    assert main(["step", str(path)]) == 1
    assert "enable KVM_CAP_ARM_NISV_TO_USER" in capsys.readouterr().out


def test_a_capability_is_enabled_where_there_is_one(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "nisv.s"
    path.write_text("ldp x1, x2, [x19]\n", "utf-8")
    cap = "KVM_CAP_ARM_NISV_TO_USER"
    assert main(["step", str(path), "--enable-cap", cap]) == 1
    assert "ARM_NISV" in capsys.readouterr().out
    assert f"has no capability {cap}" in told(
        capsys, "step", path, "--kernel", "v4.3", "--enable-cap", cap
    )


@pytest.mark.parametrize(("when", "stops"), [("2", "+4 +1280 +1284"), ("wait", "+4 +1280 +1284")])
def test_the_irq_line_is_raised_at_a_step_or_when_the_guest_waits(
    tmp_path: Path, capsys: Capture, when: str, stops: str
) -> None:
    path = tmp_path / "irq.s"
    path.write_text(
        "msr daifclr, #2\nagain: wfi\nb again\n.org 0x40001280\nnop\nstr w20, [x20]\n", "utf-8"
    )
    assert main(["step", str(path), "--irq", when]) == 0
    assert f"Stops: {stops}." in capsys.readouterr().out


def test_the_uart_has_input(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "echo.s"
    path.write_text("ldr w0, [x19]\nstr w0, [x19]\nstr w20, [x20]\n", "utf-8")
    assert main(["step", str(path), "--input", "Q"]) == 0
    assert "UART: 'Q'" in capsys.readouterr().out


def test_what_is_left_out_stands_in_help_and_in_limits(capsys: Capture) -> None:
    assert main(["limits"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit):
        main(["--help"])
    overview = " ".join(capsys.readouterr().out.split())
    for limit in LIMITS.values():
        assert str(limit) in out
        assert limit.what in overview
    for names, reason in refused.in_words():
        assert f"{names}: {reason}" in out


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nop\nstrr w0, [x19]\n", ["line 2, column 1", "'strr'", "did you mean 'str'"]),
        ("  add x0, x1\n", ["line 1", "column"]),
        ("mov x0, #1\nb nowhere\n", ["line 2", "nowhere"]),
        ("ldr x0, [x99]\n", ["line 1", "x99"]),
    ],
)
def test_a_mistake_in_the_program_is_named_with_line_column_and_word(
    tmp_path: Path, capsys: Capture, source: str, words: list[str]
) -> None:
    path = tmp_path / "typo.s"
    path.write_text(source, "utf-8")
    error = told(capsys, "step", path)
    assert error.startswith(f"{path}: ")
    for word in words:
        assert word in error
    assert "^" in error


def test_an_unknown_kernel_lists_the_known_ones(program: Path, capsys: Capture) -> None:
    error = told(capsys, "step", program, "--kernel", "v3.14")
    assert error.startswith("no kernel 'v3.14'; known are v4.3, ")
    assert all(name in error for name in kernels)
    assert told(capsys, "kernels", "windows") == error.replace("v3.14", "windows")


def test_a_missing_file_is_named(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "nowhere.s"
    assert told(capsys, "step", path) == f"{path}: No such file or directory\n"


def test_a_folder_is_no_program(tmp_path: Path, capsys: Capture) -> None:
    assert told(capsys, "step", tmp_path) == f"{tmp_path}: Is a directory\n"


def test_a_file_that_is_not_text_is_named(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "binary.s"
    path.write_bytes(b"\xff\xfe\x00mov")
    assert told(capsys, "step", path) == f"{path}: this is not text\n"


def test_a_damaged_elf_file_is_named(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "broken.elf"
    path.write_bytes(b"\x7fELF" + bytes(20))
    error = told(capsys, "step", path)
    assert error.startswith(f"{path}: ")
    assert error.count("\n") == 1


def test_a_program_outside_memory_is_told(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "far.s"
    path.write_text(".org 0x300000\nnop\n", "utf-8")
    assert "not in one memory slot" in told(capsys, "step", path)


def test_kernels_lists_every_preset_and_every_field(capsys: Capture) -> None:
    assert main(["kernels"]) == 0
    out = capsys.readouterr().out
    for name, kernel in kernels.items():
        assert f"{name:<38} {kernel.title}: {kernel.summary}" in out
    for behaviour in behaviours():
        assert f"\n{behaviour.name} = " in out
    assert "fixed by: bd7d95cafb49 (5.0)" in out


def test_kernels_of_one_name_says_what_it_does_not_do_as_it_should(capsys: Capture) -> None:
    assert main(["kernels", "v4.3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("v4.3: Linux 4.3 - 4.14; ")
    assert "  skip_clears_ss = False   (right: True)" in out
    assert main(["kernels", "fixed"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["step"],
        ["replay"],
        ["step", "x", "--limit", "many"],
        ["step", "x", "--limit", "0"],
        ["step", "x", "--limit", "-5"],
        ["step", "x", "--irq", "0"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


EXAMPLE_ARGUMENTS = [
    line.split()[3:]
    for line in EXAMPLES.splitlines()
    if line.startswith("    python -m aarch64sim ")
]


def refuse(*_: object) -> None:
    raise RecorderError("not here")


@pytest.mark.parametrize("arguments", EXAMPLE_ARGUMENTS, ids=" ".join)
def test_an_example_of_the_help_works(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "labs").symlink_to(Path(__file__).resolve().parents[1] / "labs")
    monkeypatch.chdir(tmp_path)  # some of them write here
    if arguments[0] == "gdb":  # it would serve until somebody stops it
        arguments = [*arguments[:-1], "v9.9"]
        assert "no kernel 'v9.9'" in told(capsys, *arguments)
    elif arguments[0] == "record":  # it would boot a kernel
        monkeypatch.setattr(record, "Workshop", refuse)
        monkeypatch.setattr(record, "kernel_image", Path)
        assert "not here" in told(capsys, *arguments)
    else:
        assert main(arguments) == 0


def test_module_runs_as_a_program() -> None:
    folder = str(recordings_folder())
    command = [sys.executable, "-m", "aarch64sim", "replay", folder, "--scenario", "a_alu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "21 of 21 recordings agree" in done.stdout
