"""Checks of lab 03, trapping MMIO: the syndrome, the path of an access, what cannot be emulated, and a device.

Invariant: what is right is what the CPU and the host model do with the very instruction or device.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any

from aarch64sim import Debugger, assemble, kernels
from aarch64sim.arch import syndrome
from aarch64sim.events import Lane, What
from aarch64sim.kvm import ExitReason
from aarch64sim.vmm import Machine
from widgets.course import program
from widgets.page.offered import Offer

from checks.lab03.trap import Trap, trap
from checks.task import Lab, NotAnswered, Task, Wrong, call, describe, expect_type

# --- a syndrome by hand ----------------------------------------------------------------------------------------------

BY_HAND = "ldrsh w7, [x19, #2]"
_BY_HAND_FIELDS = ("ec", "isv", "bytes", "sign_extends", "register", "sixty_four", "write")


def fields(esr: int) -> dict[str, int]:
    """The fields that an emulator needs, as numbers."""
    return {
        "ec": syndrome.exception_class(esr),
        "isv": int(syndrome.has_valid_access(esr)),
        "bytes": syndrome.access_size(esr),
        "sign_extends": int(syndrome.sign_extends(esr)),
        "register": syndrome.transfer_register(esr),
        "sixty_four": int(syndrome.is_sixty_four(esr)),
        "write": int(syndrome.is_write(esr)),
    }


def _check_by_hand(answer: Any) -> str:
    expect_type(answer, Mapping, f"a dictionary with the keys {', '.join(_BY_HAND_FIELDS)}")
    for name in _BY_HAND_FIELDS:
        if answer.get(name) is None:
            raise NotAnswered(f"fields[{name!r}] is still open.")
        if not isinstance(answer[name], int):
            raise Wrong(f"fields[{name!r}] is a number, not {describe(answer[name])}.")
    esr = trap(BY_HAND).esr
    right = fields(esr)
    given = {name: int(answer[name]) for name in _BY_HAND_FIELDS}
    if given == right:
        return f"Right: {BY_HAND.split(',')[0]}. You have read the instruction out of the syndrome."
    wrong = {name for name in _BY_HAND_FIELDS if given[name] != right[name]}
    if "ec" in wrong and given["ec"] == esr >> 24:
        raise Wrong(
            "0x93 is the upper byte. The class is six bits only, 31:26: shift by 26, not by 24."
        )
    if "ec" in wrong:
        raise Wrong(
            "EC is bits 31:26. Write 0x93 in binary and take the first six of its eight bits."
        )
    if "isv" in wrong:
        raise Wrong(
            "ISV is bit 24, the lowest bit of 0x93. Without it the other fields would say nothing."
        )
    if "bytes" in wrong and given["bytes"] == esr >> 22 & 3:
        raise Wrong("SAS is the logarithm of the size: 0, 1, 2, 3 mean 1, 2, 4, 8 bytes.")
    if "bytes" in wrong:
        raise Wrong(
            "SAS is bits 23:22, the two upper bits of the digit 6. The size is 1 << SAS bytes."
        )
    if "register" in wrong:
        raise Wrong("SRT is bits 20:16: the lowest bit of the digit 6, and all of the digit 7.")
    if "sign_extends" in wrong:
        raise Wrong(
            "SSE is bit 21. It is set for loads whose sign is to be kept: LDRSB, LDRSH, LDRSW."
        )
    if "sixty_four" in wrong:
        raise Wrong(
            "SF, bit 15, is the width of the register, not of the access: 0 is a W register."
        )
    raise Wrong("WnR is bit 6, Write not Read: 1 is a store, 0 is a load.")


# --- a decoder -------------------------------------------------------------------------------------------------------

_LOADS = (
    "ldrb w",
    "ldrh w",
    "ldr w",
    "ldr x",
    "ldrsb w",
    "ldrsb x",
    "ldrsh w",
    "ldrsh x",
    "ldrsw x",
)
_STORES = ("strb w", "strh w", "str w", "str x")
_NO_SYNDROME = ("ldp w2, w3, [x19]", "ldr w2, [x19], #4", "ldadd w1, w2, [x19]")


def _access_lines() -> list[tuple[str, str]]:
    """Every kind of access: the instruction to run, and what the decoder should say."""
    lines = []
    for n, start in enumerate((*_LOADS, *_STORES)):
        register = 2 * n + 1
        lines.append((f"{start}{register}, [x19]", f"{start}{register}"))
    lines += [(f"{start}zr, [x19]", f"{start}zr") for start in ("str w", "ldr x")]
    return lines


def _check_decode(answer: Any) -> str:
    checked = 0
    for line, wanted in _access_lines():
        esr = trap(line).esr
        said = call(answer, esr)
        if said is None and checked == 0:
            raise NotAnswered("decode() returns nothing yet: let it return 'ldrb w1', for example.")
        if said is None:
            raise Wrong(f"decode({esr:#x}) returned None. ISV is 1: the fields are valid.")
        if not isinstance(said, str):
            raise Wrong(f"decode() should return a text like 'ldrb w1', not {describe(said)}.")
        _compare(" ".join(said.lower().replace(",", " ").split()), wanted, esr, line)
        checked += 1
    for line in _NO_SYNDROME:
        esr = trap(line).esr
        said = call(answer, esr)
        if said is not None:
            raise Wrong(
                f"decode({esr:#x}) returned {said!r}. It was {line.split(',')[0]} ...: ISV is 0, and the bits that"
                " you have read mean nothing. Return None: nobody can say what this access was.",
                misconception="all-emulated",
            )
        checked += 1
    return f"Right for all {checked} syndromes, each made by running the instruction."


def _compare(said: str, wanted: str, esr: int, line: str) -> None:
    if said == wanted:
        return
    if said.startswith(f"{wanted} "):
        raise Wrong(f"Only the name and the register, {wanted!r}: the address is not in ESR_EL2.")
    evidence = f"{line}: ESR_EL2 = {esr:#x}; decode said {said!r}, it was {wanted!r}"
    said_name, _, said_register = said.partition(" ")
    name, _, register = wanted.partition(" ")
    if said_name[:2] != name[:2]:
        raise Wrong("Loads and stores are exchanged: WnR = 1 is a write.", evidence=evidence)
    if register.endswith("zr") and said_name == name:
        raise Wrong(
            "Register 31 is the zero register: wzr or xzr. A store of it stores 0; a load into it changes nothing.",
            evidence=evidence,
        )
    if said_name == name and said_register[1:] == register[1:]:
        raise Wrong("The width of the register is SF: w for 0, x for 1.", evidence=evidence)
    if said_name == name:
        raise Wrong("The register is SRT, bits 20:16.", evidence=evidence)
    if "s" in name[3:] and said_name == name.replace("rs", "r"):
        raise Wrong(
            "This load sign-extends (SSE, bit 21): there is an s in its name. Without it the value would be another one.",
            evidence=evidence,
        )
    if said_name.replace("rs", "r").rstrip("bhw") == name.replace("rs", "r").rstrip("bhw"):
        raise Wrong(
            "The size is SAS: b for 1 byte, h for 2. For 4 and 8 bytes the register says it, so there is no letter,"
            " except in ldrsw, which loads 4 bytes into an x register.",
            evidence=evidence,
        )
    raise Wrong(f"{said!r} is not the instruction.", evidence=evidence)


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


def _check_extend(answer: Any) -> str:
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
    if not isinstance(given, int):
        raise Wrong(f"extend() should return a number, not {describe(given)}.")
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


def _check_order(answer: Any) -> str:
    if isinstance(answer, list | tuple):
        answer = "".join(map(str, answer))
    expect_type(answer, str, "a text of the eight letters")
    given = "".join(c for c in answer.lower() if c.isalpha())
    if not given:
        raise NotAnswered("order is empty: write the eight letters in their order.")
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
    return f"Right. The log of a load has {' '.join(logged_order())}; f and g happen in between, and nobody logs them."


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


def _check_emulated(answer: Any) -> str:
    expect_type(answer, Mapping, "a dictionary from instruction to True or False")
    for line in CANDIDATES:
        if answer.get(line) is None:
            raise NotAnswered(f"emulated[{line!r}] is still open: True or False.")
        if answer[line] not in (True, False):
            raise Wrong(f"emulated[{line!r}] is True or False, not {describe(answer[line])}.")
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
        f"{line}: {_WHY[line]}",
        misconception="" if _tried(line).emulated else "all-emulated",
        evidence=repr(_tried(line)),
        first=first,
    )


# --- a device --------------------------------------------------------------------------------------------------------

BASE = 0x0903_0000


def _check_device(answer: Any) -> str:
    if not isinstance(answer, type):
        raise Wrong(f"Give the class itself, Mailbox, not {describe(answer)}.")

    def scenario() -> str:
        return _try_device(answer)

    scenario.__name__ = answer.__name__
    praise = call(scenario, lines=400_000)
    if not praise:
        raise NotAnswered("read() returns nothing yet: a load wants a number.")
    return str(praise)


def _try_device(make: Callable[[], Any]) -> str:
    """The praise, or "" while the stub is there."""
    device = make()
    for name, kind in (("name", str), ("size", int)):
        if not isinstance(getattr(device, name, None), kind):
            raise Wrong(f"A device has a {name}: the bus asks for it.")
    if device.read(0, 4) is None and device.read(8, 4) is None:
        return ""
    if device.size < 16:
        raise Wrong("The range must hold COUNT, too: a load of 8 bytes at offset 8 ends at 16.")
    _try_registers(make())
    _try_checkpoints(make())
    debugger = Debugger(program("mailbox"), devices=[(BASE, make())])
    debugger.run(limit=50)
    if debugger.console != "hi":
        raise Wrong(
            f"With your device the guest should print 'hi'. It has printed {debugger.console!r}."
        )
    debugger.goto(5)
    debugger.run(limit=50)
    if debugger.console != "hi":
        raise Wrong(
            f"After going back and on again the guest has printed {debugger.console!r}, not 'hi'."
        )
    return "Right: the guest has put in two letters, taken them out, and printed 'hi'. Your device has answered."


def _try_registers(device: Any) -> None:
    def number(offset: int, words: str) -> int:
        value = device.read(offset, 4)
        if not isinstance(value, int):
            raise Wrong(f"{words} returned {describe(value)}: a load always gets a number.")
        return value

    if number(0, "DATA, when empty,") != 0:
        raise Wrong("An empty mailbox reads as 0.")
    for value in (0x61, 0x62, 0x63):
        device.write(0, 4, value)
    if number(8, "COUNT") != 3:
        raise Wrong(f"After three stores COUNT should be 3, and it is {number(8, 'COUNT')}.")
    if number(8, "COUNT") != 3:
        raise Wrong("Reading COUNT has taken something out: only a load of DATA does that.")
    device.write(8, 4, 99)
    if number(8, "COUNT") != 3:
        raise Wrong("A store to COUNT should change nothing.")
    device.write(4, 4, 99)
    if number(8, "COUNT") != 3:
        raise Wrong("A store to offset 4 should change nothing: only offset 0 is DATA.")
    if number(4, "offset 4") != 0:
        raise Wrong("Offset 4 is neither DATA nor COUNT: it should read as 0.")
    taken = [number(0, "DATA") for _ in range(3)]
    if taken == [0x63, 0x62, 0x61]:
        raise Wrong("Last in, first out: that is a stack. A mailbox gives the oldest value first.")
    if taken == [0x61] * 3:
        raise Wrong("A load of DATA shows the value, but does not take it out.")
    if taken != [0x61, 0x62, 0x63]:
        raise Wrong(f"Stored a, b, c; the loads gave {', '.join(map(hex, taken))}.")
    if number(0, "DATA, when empty again,") != 0:
        raise Wrong("When everything is taken out, DATA reads as 0.")


def _try_checkpoints(device: Any) -> None:
    device.write(0, 4, 0x61)
    before = device.save()
    if before is None:
        raise Wrong(
            "save() returns nothing, so there is nothing to go back to: it should give the state."
        )
    for value in (0x62, 0x63):
        device.write(0, 4, value)
    for time in ("", ", the second time"):
        device.restore(before)
        if (count := device.read(8, 4)) != 1:
            raise Wrong(
                f"After save(), two stores and restore(){time}, COUNT is {count}, not 1. {_whose_fault(device)}"
            )
        device.read(0, 4)


def _whose_fault(device: Any) -> str:
    """Whether `save` gives the very list that stores go to, or `restore` keeps the list that it was given."""
    state = device.save()
    before = copy.copy(state)
    device.write(0, 4, 0x64)
    if state != before:
        return "The panel's Back needs save() to give a copy that later stores do not change, a tuple for example."
    return "restore() should make a new list of the state: now later stores change what save() has given."


LAB = Lab(
    "03",
    [
        Task(
            "by_hand",
            "Give the fields of the syndrome 0x93670005.",
            _check_by_hand,
            "fields is None: give the dictionary.",
            (
                "Write the word in binary, four bits a digit: 1001 0011 0110 0111 0000 0000 0000 0101. Number them"
                " from 31.",
                "EC is 31:26, ISV 24, SAS 23:22, SSE 21, SRT 20:16, SF 15, WnR 6.",
                "SAS counts in powers of two.",
            ),
            "0x93670005 = 100100 1 1 01 1 00111 0 ... 0 ... 000101. EC 0x24: a data abort from a lower level. ISV 1."
            " SAS 01: 2 bytes. SSE 1: sign-extend. SRT 00111: register 7. SF 0: a W register. WnR 0: a load. So it is"
            " ldrsh w7; DFSC 000101 says that stage 2 had no translation, at level 1 of its tables.",
            numeric=True,
        ),
        Task(
            "decode",
            "Write decode(esr): the mnemonic and the register, as 'ldrsh w7'; None if the syndrome does not say.",
            _check_decode,
            "decode is None: write the function.",
            (
                "Look at ISV first.",
                "ld or st from WnR, s from SSE, b or h from SAS; w or x from SF; 31 is zr.",
                "A size of 4 or 8 bytes has no letter, except in ldrsw.",
            ),
            "The hypervisor never looks at the instruction itself. Reading guest memory at PC would be slow, and another"
            " vCPU could change it meanwhile. So what the syndrome does not say, it does not know.",
            ("all-emulated",),
            "if not esr >> 24 & 1:\n    return None\nsize = esr >> 22 & 3\nsign = esr >> 21 & 1\n"
            "number = esr >> 16 & 31\nletter = 'b' if size == 0 else 'h' if size == 1 else 'w' if sign else ''\n"
            "name = ('str' if esr >> 6 & 1 else 'ldrs' if sign else 'ldr') + letter\n"
            "register = 'zr' if number == 31 else str(number)\n"
            "return f\"{name} {'x' if esr >> 15 & 1 else 'w'}{register}\"",
        ),
        Task(
            "order",
            "Put the eight events of a load into their order.",
            _check_order,
            "order is None: write the letters.",
            (
                "It begins with the abort and ends with the ERET.",
                "The kernel acts twice: inside the first KVM_RUN and inside the second. Which events belong to which?",
            ),
            "In the first KVM_RUN the kernel only finds out what is wanted. Userspace answers. In"
            " the second the kernel completes: the register, then the PC. So at KVM_EXIT_MMIO the instruction is not"
            " done, and a VMM that wants the guest to be consistent must call KVM_RUN once more. Up to 4.20 d stood"
            " before b.",
            ("mmio-is-done",),
            'order = "c g b a f e d h"',
        ),
        Task(
            "extend",
            "Write extend(data, size, sign_extends, sixty_four): the register's 64 bits after a load of `size` bytes.",
            _check_extend,
            "extend is None: write the function.",
            (
                "First the sign, then the width of the register.",
                "The sign is bit 8 * size - 1 of the data. If it is set, subtract 1 << 8 * size.",
                "At the end cut to 64 bits for an X register, to 32 for a W register.",
            ),
            "The order matters: first the sign, then the width of the register. Linux extended the sign, and then"
            " converted the value to the guest's byte order with a function that cuts to `size` bytes: the sign was"
            " gone. Commit 85f56708a443 (7.2) exchanged the two.",
            code="if sign_extends and data >> (8 * size - 1) & 1:\n    data -= 1 << 8 * size\n"
            "return data & (0xFFFF_FFFF_FFFF_FFFF if sixty_four else 0xFFFF_FFFF)",
        ),
        Task(
            "emulated",
            "Say for each instruction whether KVM can emulate it as MMIO.",
            _check_emulated,
            "emulated is None: give the dictionary.",
            (
                "ISV is 1 only for a load or store of one general register, without writeback.",
                "Acquire and release are allowed. Exclusives and atomics are not.",
            ),
            "The first five have a valid syndrome. The others do not: writeback and pairs change more than one"
            " register, exclusives and atomics do more than one access. KVM_RUN then fails with ENOSYS, or, if"
            " userspace has enabled KVM_CAP_ARM_NISV_TO_USER, returns KVM_EXIT_ARM_NISV and leaves the problem to it."
            " So drivers use plain loads and stores for device registers: in Linux readl() and writel() see to that.",
            ("all-emulated",),
        ),
        Task(
            "device",
            "Write the class Mailbox: DATA at offset 0, COUNT at offset 8.",
            _check_device,
            "Mailbox is None: write the class.",
            (
                "Keep the values in a list or a deque. A store to offset 0 appends, a load takes the first one out.",
                "Every load gets a number: 0 from an empty mailbox, 0 from any other offset.",
                "save() returns tuple(self.values), restore(state) makes a new list of it.",
            ),
            "A load of DATA has an effect: it takes something out. That is why an access must be made exactly once, and"
            " why a kernel that completes it twice, or an instruction that is run again, is a bug that one can see."
            " save() gives a copy, and restore() makes one: the panel keeps many states, and none may change later.",
            code="def __init__(self):\n    self.values = []\n\ndef read(self, offset, length):\n"
            "    if offset == 0:\n        return self.values.pop(0) if self.values else 0\n"
            "    return len(self.values) if offset == 8 else 0\n\ndef write(self, offset, length, value):\n"
            "    if offset == 0:\n        self.values.append(value)\n\ndef save(self):\n"
            "    return tuple(self.values)\n\ndef restore(self, state):\n    self.values = list(state)",
        ),
    ],
    Offer(what_ifs=False, summaries=False),
)
