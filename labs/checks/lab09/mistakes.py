"""False alarms of lab 09: a scenario fails on a correct hypervisor, and this says which mistake its expectation shows.

Invariant: what is right is what `fixed` does; a mistake is only named when the expectation is exactly what it leads to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.lab09.mutants import BY_NAME, FIXED
from checks.lab09.reading import CODE, Scenario, read
from checks.lab09.scenario import Observed, differences, play
from checks.task import Wrong

SS = 1 << 21


def passes(scenario: Any) -> tuple[dict[str, Any], Observed]:
    """What the scenario expects and what came of it on the correct hypervisor; Wrong if the two differ."""
    wanted = read(scenario)
    seen = play(scenario, FIXED)
    wrong = differences(wanted, seen)
    if wrong:
        text, misconception = _mistake(scenario, wanted, seen, wrong)
        raise Wrong(
            f"A false alarm: {scenario.name!r} fails on a correct hypervisor. {text}",
            misconception=misconception,
            evidence="On a correct hypervisor: " + "; ".join(wrong.values()),
        )
    if scenario.at_mmio and not seen.accesses:
        raise Wrong(
            f"{scenario.name!r}: no KVM_EXIT_MMIO before the end, so at_mmio={scenario.at_mmio!r} never happens."
        )
    return wanted, seen


def _mistake(
    scenario: Scenario, wanted: dict[str, Any], seen: Observed, wrong: Mapping[str, str]
) -> tuple[str, str]:
    if seen.end == "endless":
        return (
            "Its program does not come to an end (48 stops are the most): let it run into str w20, [x20].",
            "",
        )
    if "end" in wrong and seen.end == "ENOSYS":
        return (
            "KVM_RUN fails with ENOSYS: an access outside memory had no valid syndrome (ISV = 0), so nobody knows which"
            " register and which size it is. Not every access can be emulated.",
            "all-emulated",
        )
    if "end" in wrong and wanted["end"] == "ENOSYS":
        return (
            "It does not end with an error: every access outside memory has a valid syndrome, or there is no such"
            " access.",
            "",
        )
    if "end" in wrong:
        return f"It ends otherwise: {seen.why}.", ""
    if "stops" in wrong:
        return _wrong_stops(scenario, wanted["stops"], seen)
    if "accesses" in wrong:
        return _wrong_accesses(wanted["accesses"], seen)
    if "at_exit" in wrong:
        return _wrong_at_exit(wanted["at_exit"], seen)
    if "uart" in wrong:
        return (
            "The UART gets the low byte of what is stored to its first register, and nothing else.",
            "",
        )
    return _wrong_registers(scenario, wanted["registers"], seen)


def _wrong_stops(scenario: Scenario, stops: list[int], seen: Observed) -> tuple[str, str]:
    right, end = seen.stops, seen.registers["pc"]
    if stops == seen.exits and stops != right:
        return (
            "You count each KVM_EXIT_MMIO as a stop. It is a question to userspace in the middle of a step: the"
            " instruction is not done.",
            "mmio-is-done",
        )
    if stops == [CODE, *right]:
        return "The start is no stop: nothing has been stepped yet.", ""
    if stops in ([CODE, *right[:-1]], [CODE, *right[:-1], end]) and right:
        return (
            "You give the instructions that were stepped. A stop is reported with the address of the next instruction,"
            " the one that has not run.",
            "reports-stepped",
        )
    if stops in ([*right, end], [*right, end - 4], [*right, end + 4]):
        return (
            "The end of the guest does not count as a stop: after the store to the exit device there is none.",
            "",
        )
    if scenario.at_mmio == "interrupt" and [pc for pc in right if pc not in stops]:
        return (
            "The interrupt is taken as soon as the guest is entered again, and it comes before the pending stop: the"
            " next stop is at the guest's IRQ vector, offset 0x1280.",
            "interrupts-do-not-matter",
        )
    if scenario.at_mmio == "abort":
        return (
            "The access was answered with an abort. It is not completed; the next stop is at the guest's vector,"
            " offset 0x1200.",
            "mmio-is-done",
        )
    if scenario.at_mmio == "stop_stepping":
        return (
            "Guest debug is switched off at the first KVM_EXIT_MMIO: MDSCR_EL1.SS is 0 then, and the machine inactive."
            " There is no stop any more.",
            "ss0-is-off",
        )
    for name, text in _STOPS_OF_A_MUTANT.items():
        if stops == play(scenario, BY_NAME[name]).stops:
            return text, ""
    return "A correct hypervisor stops once after every instruction, before the next one.", ""


_STOPS_OF_A_MUTANT = {
    "ss-kept": "These are the stops of Linux 4.3, with the bug of 2014. A test says what should be.",
    "fault-is-a-step": "A page of RAM is filled in at one of these. Nothing has run then: the step is still owed.",
    "armed-again": "The stop after the HVC is missing. The CPU has completed it, so its step is spent.",
}


def _wrong_accesses(accesses: list[tuple[str, int, int, int]], seen: Observed) -> tuple[str, str]:
    if [entry for entry in accesses if entry[1] >> 12 != 0x0901_0000 >> 12] == seen.accesses:
        return "The store to the exit device is not among the accesses.", ""
    if [a[:2] + a[3:] for a in accesses] == [a[:2] + a[3:] for a in seen.accesses]:
        return (
            "The size is that of the access: 1 for a B, 2 for an H, 4 for a W register, 8 for an X register.",
            "",
        )
    if [a[:3] for a in accesses] == [a[:3] for a in seen.accesses]:
        return (
            "A value has as many bytes as the access, in the order in which they lie in memory.",
            "",
        )
    return "Which accesses does the guest make, in which order, and of how many bytes?", ""


def _wrong_at_exit(at_exit: dict[str, int], seen: Observed) -> tuple[str, str]:
    if not seen.at_exit:
        return "There is no KVM_EXIT_MMIO before the end.", ""
    if at_exit.get("pstate") == seen.at_exit["pstate"] | SS:
        return (
            "SS, bit 21 of PSTATE, belongs to the host while it steps. GET_ONE_REG shows the guest's own, and the guest"
            " has not set it.",
            "shows-host-ss",
        )
    if at_exit.get("pc") == seen.at_exit["pc"] + 4:
        return (
            "At KVM_EXIT_MMIO the instruction is not done: userspace is about to answer. PC still points to it.",
            "mmio-is-done",
        )
    return "Registers are read at the first KVM_EXIT_MMIO, before userspace answers.", ""


def _wrong_registers(
    scenario: Scenario, registers: dict[str, int], seen: Observed
) -> tuple[str, str]:
    for name, value in registers.items():
        got = seen.registers[name]
        if value == got:
            continue
        if name == "mdscr_el1" or value ^ got == SS:
            return (
                "The guest sees its own bits, never those of the host that steps it.",
                "shows-host-ss",
            )
        if got >> 32 and value == got & 0xFFFF_FFFF:
            return f"{name}: a signed load into an X register fills all 64 bits with the sign.", ""
        if value in (got & 0xFF, got & 0xFFFF) and value != got:
            return f"{name}: LDRSB, LDRSH and LDRSW extend the sign.", ""
        if scenario.at_mmio == "abort":
            return (
                f"{name} is {got:#x}. An access that was answered with an abort is not made: it fills no register,"
                " and ELR_EL1 points to it.",
                "mmio-is-done",
            )
        return f"{name} is {got:#x} at the end, and you expect {value:#x}.", ""
    raise AssertionError("the caller knows that one differs")
