"""Tasks of lab 03 about the path of an access: completing a load, the order of events, what cannot be emulated.

Invariant: what is right is what the host model does with the very instruction.
"""

from __future__ import annotations

import functools
from typing import Any

from aarch64sim import Debugger, assemble, kernels
from aarch64sim.events import Lane, What
from aarch64sim.kvm import ExitReason
from aarch64sim.vmm import Machine

from checks.lab03.trap import Trap, trap
from checks.task import NotAnswered, Wrong, call, describe, entries, expect_type, number

# --- completing a load -----------------------------------------------------------------------------------------------

_DATA = {1: (0x7F, 0x80, 0xFF), 2: (0x7FFF, 0x8001), 4: (0x7FFF_FFFF, 0x8000_0001), 8: (1 << 63,)}
_LOAD_NAMES = {  # (size, sign) -> name, in the order in which they are tried
    (1, 0): "ldrb",
    (2, 0): "ldrh",
    (4, 0): "ldr",
    (1, 1): "ldrsb",
    (2, 1): "ldrsh",
    (4, 1): "ldrsw",
    (8, 0): "ldr",
}


def loaded(line: str, data: int, kernel: str = "fixed") -> int:
    """The register x5 after a load from a device that answers `data`."""
    machine = Machine(assemble(f"{line}\nend: b end"), kernels[kernel])
    run = machine.vcpu.run()
    assert run.exit_reason is ExitReason.MMIO
    run.mmio.data = data
    machine.run_once(10)
    return machine.vcpu.get_one_reg("x5")


def check_extend(answer: Any) -> str:
    """The check of the task `extend`."""
    checked = 0
    for (size, sign), name in _LOAD_NAMES.items():
        for wide in (0, 1):
            if (size == 8 and not wide) or (size == 4 and wide != (name == "ldrsw")):
                continue
            if size < 4 and wide and not sign:
                continue  # there is no such instruction
            for data in _DATA[size]:
                line = f"{name} {'x' if wide else 'w'}5, [x19]"
                _check_one_load(call(answer, data, size, sign, wide), line, data, size, sign)
                checked += 1
    return f"Right for all {checked} loads. You have done better than Linux did from 2014 to 2026."


def _check_one_load(given: Any, line: str, data: int, size: int, sign: int) -> None:
    if given is None:
        raise NotAnswered("extend() returns nothing yet: let it return the register's value.")
    given = number(given, "extend() should return")
    right = loaded(line, data)
    if given == right:
        return
    shown = (
        f"{line}, the device answers {data:#x}: extend gave {given:#x}, the register is {right:#x}"
    )
    if given < 0:
        raise Wrong(
            "A register holds an unsigned number: cut what you return to 64 bits.", evidence=shown
        )
    negative = sign and data >> 8 * size - 1
    if negative and given == data:
        raise Wrong(
            "The sign is lost. Linux lost it, too, from 2014 to 2026: it extended the sign, and cut the value to the"
            " size of the access after that.",
            evidence=shown,
        )
    if negative and " w" in line and given >> 32:
        raise Wrong(
            "A W register has 32 bits: writing it clears the upper half, also after a sign.",
            evidence=shown,
        )
    if negative and given == right & 0xFFFF_FFFF:
        raise Wrong("For an X register the sign goes up to bit 63, not to bit 31.", evidence=shown)
    if size == 8 and given == data & 0xFFFF_FFFF:
        raise Wrong("An X register has 64 bits. You have cut the value to 32.", evidence=shown)
    if not sign and data >> 8 * size - 1:
        raise Wrong("This load does not sign-extend: the upper bits are zero.", evidence=shown)
    if not negative and sign:
        raise Wrong(
            "This value is positive: its uppermost bit is 0, and so are those above it.",
            evidence=shown,
        )
    raise Wrong("That is not the value. Which bit of the data is its sign?", evidence=shown)


# --- the order of events ---------------------------------------------------------------------------------------------

EVENTS = {
    "a": "the device in userspace answers the load",
    "b": "KVM_RUN returns with KVM_EXIT_MMIO",
    "c": "the CPU takes a data abort to EL2",
    "d": "the kernel moves the PC past the load",
    "e": "the kernel writes the answer to the register",
    "f": "userspace calls KVM_RUN again",
    "g": "the kernel reads ESR_EL2, FAR_EL2 and HPFAR_EL2",
    "h": "ERET: the guest goes on",
}
_LOGGED = {
    (Lane.GUEST, What.EXCEPTION): "c",
    (Lane.KVM, What.USERSPACE_EXIT): "b",
    (Lane.VMM, What.MMIO_READ): "a",
    (Lane.KVM, What.COMPLETE_MMIO): "e",
    (Lane.KVM, What.SKIP): "d",
    (Lane.KVM, What.ENTER): "h",
}


def logged_order(kernel: str = "fixed") -> str:
    """The letters of the events that the log of one load has, in their order, from the abort on."""
    debugger = Debugger("nop\nldr w2, [x19]\nadd x3, x3, #1", kernel)
    debugger.step()
    debugger.step()
    letters = "".join(_LOGGED.get((e.lane, e.what), "") for e in debugger.events_of(2))
    return letters[letters.index("c") : letters.rindex("h") + 1]


def check_order(answer: Any) -> str:
    """The check of the task `order`."""
    if isinstance(answer, list | tuple):
        answer = "".join(map(str, answer))
    expect_type(answer, str, "a text of the eight letters")
    given = "".join(c for c in answer.lower() if c.isalpha())
    if not answer.strip():
        raise NotAnswered("Write the eight letters in their order.")
    if sorted(given) != sorted(EVENTS):
        missing = sorted(set(EVENTS) - set(given))
        strange = sorted(set(given) - set(EVENTS))
        what = (
            f"{missing[0]} is missing"
            if missing
            else f"there is no event {strange[0]}"
            if strange
            else f"{next(c for c in given if given.count(c) > 1)} is there twice"
        )
        raise Wrong(f"Each letter once, please: {what}.")
    at = {letter: given.index(letter) for letter in EVENTS}
    if at["c"] != 0:
        raise Wrong(
            "Nothing can begin before the CPU has left the guest: the abort is the first event."
        )
    if at["g"] > at["b"]:
        raise Wrong(
            "The exit carries address, size and direction. The kernel must have decoded them before it returns."
        )
    if at["d"] < at["b"]:
        early = logged_order("v4.3")
        raise Wrong(
            "So did Linux up to 4.20, and userspace saw a PC past an access that was not complete. A correct kernel"
            " moves the PC when the instruction is done.",
            misconception="mmio-is-done",
            evidence=f"in the log of Linux 4.3: {' '.join(early)}; of a correct kernel: {' '.join(logged_order())}",
        )
    if at["e"] < at["a"]:
        raise Wrong(
            "The register is written with the answer. Who could write it before the device has answered?"
        )
    if at["d"] < at["f"] or at["e"] < at["f"]:
        raise Wrong(
            "Userspace has only filled in kvm_run.mmio.data. The kernel does not run between two KVM_RUNs; it"
            " completes the instruction at the beginning of the next.",
            misconception="mmio-is-done",
        )
    if at["a"] > at["f"]:
        raise Wrong("With KVM_RUN userspace says that it has answered. So it answers before.")
    if at["a"] < at["b"]:
        raise Wrong("Userspace is inside KVM_RUN until that returns: it can do nothing before.")
    if at["h"] != 7:
        raise Wrong(
            "At the ERET everything must be in place: the guest goes on as if the load had been one of memory."
        )
    if at["d"] < at["e"]:
        raise Wrong(
            "Nearly. The kernel writes the register first, and skips the instruction as the last thing it does."
        )
    return f"Right. The log of a load is {' '.join(logged_order())}: f and g, in between, are not logged."


# --- what can be emulated --------------------------------------------------------------------------------------------

CANDIDATES = (
    "str w0, [x19]",
    "ldrsb x5, [x19]",
    "ldr w2, [x19, x22, lsl #2]",
    "str xzr, [x19]",
    "ldar w2, [x19]",
    "ldr w2, [x19], #4",
    "ldp w2, w3, [x19]",
    "ldxr w2, [x19]",
    "ldadd w1, w2, [x19]",
)
_WHY = {
    "str w0, [x19]": "The simplest store there is: every driver uses it.",
    "ldrsb x5, [x19]": "Sign extension is in the syndrome: SSE.",
    "ldr w2, [x19, x22, lsl #2]": "The address is in FAR_EL2 and HPFAR_EL2; how it was computed does not matter.",
    "str xzr, [x19]": "Register 31 is in the syndrome like any other, and stands for zero.",
    "ldar w2, [x19]": "Acquire and release have a bit of their own in the syndrome, AR. It is still one register.",
    "ldr w2, [x19], #4": "It writes two registers, w2 and the address in x19. The syndrome has room for one.",
    "ldp w2, w3, [x19]": "A pair transfers two registers, and the syndrome names one.",
    "ldxr w2, [x19]": "An exclusive load also sets the monitor, which no syndrome describes.",
    "ldadd w1, w2, [x19]": "An atomic reads and writes in one go, which no syndrome describes.",
}


@functools.cache
def _tried(line: str) -> Trap:
    return trap(line)


def check_emulated(answer: Any) -> str:
    """The check of the task `emulated`."""
    answer = entries(answer, CANDIDATES, "emulated", "True or False")
    for line, value in answer.items():
        if value not in (True, False):
            raise Wrong(f"emulated[{line!r}] is True or False, not {describe(value)}.")
    wrong = [line for line in CANDIDATES if bool(answer[line]) != _tried(line).emulated]
    first = (
        f"{len(CANDIDATES) - len(wrong)} of {len(CANDIDATES)} are right. Ask of each: does it move one register, once,"
        " and change nothing else?"
    )
    if not wrong:
        return "Right, all nine, by running them. The last four make KVM_RUN fail with ENOSYS."
    if all(answer[line] for line in CANDIDATES):
        raise Wrong(
            "Not every access can be emulated. KVM does not decode the instruction; it reads the syndrome. Where ISV"
            " is 0, there is nothing to read.",
            misconception="all-emulated",
            evidence=repr(_tried("ldp w2, w3, [x19]")),
        )
    line = wrong[0]
    raise Wrong(
        f"`{line}`: {_WHY[line]}",
        misconception="" if _tried(line).emulated else "all-emulated",
        evidence=repr(_tried(line)),
        first=first,
    )
