"""Tasks of lab 03 about the syndrome: its fields by hand, and a decoder.

Invariant: what is right is the syndrome that the CPU model gives for the very instruction.
"""

from __future__ import annotations

from typing import Any

from aarch64sim.arch import syndrome

from checks.lab03.trap import trap
from checks.task import NotAnswered, Wrong, call, describe, entries, number

# --- a syndrome by hand ----------------------------------------------------------------------------------------------

BY_HAND = "ldrsh w7, [x19, #2]"


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


def check_by_hand(answer: Any) -> str:
    """The check of the task `by_hand`."""
    esr = trap(BY_HAND).esr
    right = fields(esr)
    given = {
        name: number(value, f"fields[{name!r}] is")
        for name, value in entries(answer, right, "fields").items()
    }
    if given == right:
        return f"Right: {BY_HAND.split(',')[0]}. You have read the instruction out of the syndrome."
    wrong = {name for name in right if given[name] != right[name]}
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


def check_decode(answer: Any) -> str:
    """The check of the task `decode`."""
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
