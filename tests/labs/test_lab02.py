"""Lab 02: every wrong answer gets its own message, every right one passes, and so does the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aarch64sim import ExitReason, GuestDebug

from checks.lab02.probe import ASKS, SETS_AND_ASKS, Probe, guest, views

LABS = Path(__file__).resolve().parents[2] / "labs"
SOURCE = LABS / "source" / "02-the-host-steps-the-guest.py"
RIGHT_ENTRY = {"mdscr_el1": 1, "tde": 1, "tda": 1, "spsr_ss": 1}
RIGHT_VIEWS = {
    "stepped": (0, 0, 1),
    "both": (0x2000, 0x2000, 1),
    "enable": (0x2001, 0x2001, 0),
    "nobody": (0x2001, 0x2001, 0x2001),
}


def right_step(vcpu: Any, serve: Any) -> int:
    run = vcpu.run()
    while run.exit_reason == ExitReason.MMIO:
        serve(vcpu.kvm_run.mmio)
        run = vcpu.run()
    return int(vcpu.get_one_reg("pc"))


def recursive_step(vcpu: Any, serve: Any) -> int:
    if vcpu.run().reason.name == "DEBUG":
        return int(vcpu.pc)
    serve(vcpu.kvm_run.mmio)
    return recursive_step(vcpu, serve)


def stops_at_any_exit(vcpu: Any, serve: Any) -> int:
    vcpu.run()
    return int(vcpu.get_one_reg("pc"))


def serves_and_stops(vcpu: Any, serve: Any) -> int:
    run = vcpu.run()
    if run.exit_reason is ExitReason.MMIO:
        serve(run.mmio)
    return int(vcpu.get_one_reg("pc"))


def moves_the_pc(vcpu: Any, serve: Any) -> int:
    while True:
        run = vcpu.run()
        if run.exit_reason is ExitReason.DEBUG:
            return int(vcpu.get_one_reg("pc"))
        serve(run.mmio)
        vcpu.set_one_reg("pc", vcpu.get_one_reg("pc") + 4)


def only_moves_the_pc(vcpu: Any, serve: Any) -> int:
    run = vcpu.run()
    if run.exit_reason is ExitReason.MMIO:
        serve(run.mmio)
        vcpu.set_one_reg("pc", vcpu.get_one_reg("pc") + 4)
    return int(vcpu.get_one_reg("pc"))


def serves_nothing(vcpu: Any, serve: Any) -> int:
    while vcpu.run().exit_reason is not ExitReason.DEBUG:
        pass
    return int(vcpu.get_one_reg("pc"))


def only_one_access(vcpu: Any, serve: Any) -> int:
    run = vcpu.run()
    if run.exit_reason is ExitReason.MMIO:
        serve(run.mmio)
        vcpu.run()
    return int(vcpu.get_one_reg("pc"))


def returns_nothing(vcpu: Any, serve: Any) -> None:
    right_step(vcpu, serve)


def returns_the_reason(vcpu: Any, serve: Any) -> Any:
    right_step(vcpu, serve)
    return vcpu.kvm_run.exit_reason


def never_ends(vcpu: Any, serve: Any) -> None:
    while vcpu.run().exit_reason != "DEBUG":
        pass


def steps_twice(vcpu: Any, serve: Any) -> int:
    right_step(vcpu, serve)
    return right_step(vcpu, serve)


END = "\nstr w20, [x20]\n"
READS_IT = "mrs x0, mdscr_el1\nand x0, x0, #1" + END
WAITS = "again: ldxr w1, [x21]\nstxr w0, w1, [x21]\ncbnz w0, again" + END
BY_UNDEFINED = "udf #0\n.org 0x40001200\nmrs x0, spsr_el1\nubfx x0, x0, #21, #1" + END
BY_EXCLUSIVE = "ldxr w1, [x21]\nstxr w0, w1, [x21]" + END
BY_BYTE = "strb w0, [x21]\nldaxrb w3, [x21]\nnop\nstlxrb w0, w3, [x21]" + END

WRONG: list[tuple[str, Any, str, str]] = [
    ("control", GuestDebug.SINGLESTEP, "Without KVM_GUESTDBG_ENABLE", ""),
    ("control", 0, "Without KVM_GUESTDBG_ENABLE", ""),
    ("control", 1, "nobody asked for steps", ""),
    ("control", 0x10_0003, "EINVAL", ""),
    ("control", 0x1_0003, "breakpoints", ""),
    ("control", "ENABLE", "a number", ""),
    ("control", True, "a number", ""),
    ("entry", RIGHT_ENTRY | {"mdscr_el1": 0x2001}, "So it was up to 6.13", ""),
    ("entry", RIGHT_ENTRY | {"mdscr_el1": 0}, "no step at all", ""),
    ("entry", RIGHT_ENTRY | {"mdscr_el1": 0x2000}, "nobody would step", ""),
    ("entry", RIGHT_ENTRY | {"mdscr_el1": 3}, "it is bit 0", ""),
    ("entry", RIGHT_ENTRY | {"tde": 0}, "guest's kernel would get", "mdscr-alone"),
    ("entry", RIGHT_ENTRY | {"tda": 0}, "see the host's bit", ""),
    ("entry", RIGHT_ENTRY | {"spsr_ss": 0}, "stops without having run", "ss0-is-off"),
    ("entry", RIGHT_ENTRY | {"tde": "yes"}, "is a bit", ""),
    ("step", stops_at_any_exit, "not the end of the step", "mmio-is-done"),
    ("step", serves_and_stops, "not the end of the step", "mmio-is-done"),
    ("step", moves_the_pc, "one instruction too far", "mmio-is-done"),
    ("step", only_moves_the_pc, "an add never ran", "mmio-is-done"),
    ("step", serves_nothing, "served 0 accesses", ""),
    ("step", only_one_access, "more than one KVM_EXIT_MMIO", "mmio-is-done"),
    ("step", returns_nothing, "returns nothing", ""),
    ("step", returns_the_reason, "step() returned 0x4; PC is", ""),
    ("step", steps_twice, "one instruction too far", "mmio-is-done"),
    ("step", never_ends, "did not end", ""),
    ("step", lambda vcpu: vcpu.run(), "does not take them", ""),
    ("step", 3, "asks for a function", ""),
    ("views", RIGHT_VIEWS | {"stepped": (0, 1, 1)}, "does not show the host's SS", "shows-host-ss"),
    ("views", RIGHT_VIEWS | {"both": (0x2000, 1, 1)}, "both: GET_ONE_REG", "shows-host-ss"),
    ("views", RIGHT_VIEWS | {"stepped": (1, 0, 1)}, "does not read the register", ""),
    ("views", RIGHT_VIEWS | {"both": (0x2000,) * 3}, "up to 6.13", ""),
    ("views", RIGHT_VIEWS | {"both": (0x2000, 0x2000, 0)}, "think of who steps", ""),
    ("views", RIGHT_VIEWS | {"stepped": (0, 0, 0)}, "think of who steps", ""),
    ("views", RIGHT_VIEWS | {"enable": (0x2001, 0x2001, 1)}, "nobody steps here", ""),
    ("views", RIGHT_VIEWS | {"enable": (0x2001,) * 3}, "enable: that was so up to 6.13", ""),
    ("views", RIGHT_VIEWS | {"nobody": (0, 0, 0x2001)}, "write last", ""),
    ("views", RIGHT_VIEWS | {"nobody": (0x2001, 0x2001)}, "three numbers", ""),
    ("notice", READS_IT, "says nothing about the host", "shows-host-ss"),
    ("notice", WAITS, "has not ended", ""),
    ("notice", "mov x0, #0" + END, "cannot tell", ""),
    ("notice", "mov x0, #1" + END, "x0 is 0x1 in both", ""),
    ("notice", BY_EXCLUSIVE.replace(END, "\neor w0, w0, #1" + END), "other way round", ""),
    ("notice", BY_EXCLUSIVE.replace(END, "\nadd w0, w0, #5" + END), "Turn that into 0 and 1", ""),
    ("notice", "again: b again", "Left alone", ""),
    ("notice", "ldp x0, x1, [x19]", "should end with str w20", ""),
    ("notice", "mvo x0, #1", "does not assemble", ""),
]


OPEN: list[tuple[str, Any]] = [
    ("control", None),
    ("entry", dict.fromkeys(RIGHT_ENTRY)),
    ("step", lambda vcpu, serve: None),
    ("views", dict.fromkeys(RIGHT_VIEWS, (None, None, None))),
    ("views", {}),
    ("notice", "\n"),
]

RIGHT: list[tuple[str, Any]] = [
    ("control", 3),
    ("control", GuestDebug.SINGLESTEP | GuestDebug.ENABLE),
    ("entry", RIGHT_ENTRY | {"tde": True}),
    ("step", right_step),
    ("step", recursive_step),
    ("views", {name: list(three) for name, three in RIGHT_VIEWS.items()}),
    ("notice", BY_EXCLUSIVE),
    ("notice", BY_BYTE),
    ("notice", BY_UNDEFINED),
]


@pytest.mark.parametrize("control", [0, 1, 3])
def test_a_vcpu_with_a_probe_runs_as_one_without(control: int) -> None:
    finals = []
    for probed in (False, True):
        machine = guest((LABS / "programs" / "step-itself.s").read_text(), control)
        if probed:
            Probe(machine.vcpu)
        while not machine.ended:
            machine.run_once(1000)
        finals.append([machine.vcpu.get_one_reg(f"x{n}") for n in range(31)])
    assert finals[0] == finals[1]


def test_the_guest_and_one_reg_agree_and_the_cpu_need_not() -> None:
    assert views(ASKS, 3) == RIGHT_VIEWS["stepped"]
    assert views(SETS_AND_ASKS, 0) == RIGHT_VIEWS["nobody"]
