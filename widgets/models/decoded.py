"""What the bits of PSTATE, SPSR, MDSCR_EL1 and the syndromes say: fields with names, places and meanings.

Invariant: places come from `aarch64sim.arch`; nobody here counts bits.
"""

from __future__ import annotations

from dataclasses import fields as fields_of_class
from dataclasses import replace
from functools import lru_cache

from aarch64sim.arch import sysregs
from aarch64sim.arch.pstate import PState
from aarch64sim.kvm.vcpu import UNKNOWN
from widgets.models import syndromes
from widgets.models.syndromes import Field

NOT_WRITTEN = "not written yet"  # in place of what KVM fills registers with that nobody has written
_NO_YES = {0: "no", 1: "yes"}
_PSTATE = {
    "n": ("N", "the last result was negative", _NO_YES),
    "z": ("Z", "the last result was zero", _NO_YES),
    "c": ("C", "carry", _NO_YES),
    "v": ("V", "signed overflow", _NO_YES),
    "dit": ("DIT", "data-independent timing", _NO_YES),
    "uao": ("UAO", "unprivileged loads and stores act as others", _NO_YES),
    "pan": ("PAN", "privileged access to user memory forbidden", _NO_YES),
    "ss": ("SS", "software step", {0: "no step is granted", 1: "one instruction is granted"}),
    "il": ("IL", "illegal execution state", _NO_YES),
    "ssbs": ("SSBS", "speculative store bypass allowed", _NO_YES),
    "btype": ("BTYPE", "branch type for BTI", None),
    "d": ("D", "debug exceptions masked; counts only at the debug target level", _NO_YES),
    "a": ("A", "SError masked", _NO_YES),
    "i": ("I", "IRQ masked", _NO_YES),
    "f": ("F", "FIQ masked", _NO_YES),
    "el": ("EL", "Exception level", {n: f"EL{n}" for n in range(4)}),
    "sp": ("SP", "stack pointer", {0: "SP_EL0", 1: "that of the level"}),
}
_MDSCR = (
    (sysregs.MDSCR_MDE, "MDE", "breakpoints and watchpoints enabled"),
    (sysregs.MDSCR_KDE, "KDE", "debug exceptions also at the debug target level itself"),
    (sysregs.MDSCR_SS, "SS", "software step enabled: the guest's own bit"),
)


def _pstate_fields() -> tuple[Field, ...]:
    none = PState(**dict.fromkeys((f.name for f in fields_of_class(PState)), 0))
    found = []
    for name, (title, meaning, values) in _PSTATE.items():
        low = replace(none, **{name: 1}).to_spsr().bit_length() - 1
        high = replace(none, **{name: 3}).to_spsr().bit_length() - 1 if name in _WIDE else low
        found.append(Field(title, high, low, meaning, values))
    return tuple(sorted(found, key=lambda field: -field.low))


_WIDE = ("el", "btype")
PSTATE = _pstate_fields()
MDSCR = tuple(
    Field(name, bit.bit_length() - 1, bit.bit_length() - 1, meaning, _NO_YES)
    for bit, name, meaning in _MDSCR
)
TITLES = {
    "pstate": "PSTATE",
    "spsr_el1": "SPSR_EL1",
    "mdscr_el1": "MDSCR_EL1, as the guest sees it",
    "esr_el1": "ESR_EL1",
    "hsr": "ESR_EL2 of the last KVM_EXIT_DEBUG (hsr)",
}


def layout(register: str, word: int) -> tuple[Field, ...]:
    """The fields of one of `TITLES` from the highest bit; those of a syndrome depend on the word."""
    if register == "mdscr_el1":
        return MDSCR
    if register in ("esr_el1", "hsr"):
        return tuple(f for f in syndromes.layout(word & 0xFFFF_FFFF) if f.name != "RES0")
    return PSTATE


def place(field: Field) -> str:
    """`bit 21`, `bits 3:2`."""
    return f"bits {field.high}:{field.low}" if field.width > 1 else f"bit {field.low}"


def field_words(field: Field, word: int) -> str:
    """One field in a sentence.

    >>> field_words(PSTATE[-2], 0x3C5)
    'EL, bits 3:2, is 1. Exception level: EL1'
    """
    value = field.of(word)
    return f"{field.name}, {place(field)}, is {_short(value)}. {field.says(value)}"


@lru_cache(maxsize=256)  # most of it does not change from step to step
def word_words(register: str, word: int) -> str:
    """A register in a few lines: what is set in it, and SS where it has one.

    >>> print(word_words("mdscr_el1", 0x2000))
    MDSCR_EL1, as the guest sees it: 0x2000
    KDE 1: debug exceptions also at the debug target level itself: yes
    SS 0: software step enabled: the guest's own bit: no
    """
    if word == UNKNOWN:
        return f"{TITLES[register]}: {NOT_WRITTEN}. KVM resets it to {word:#x}"
    lines = [f"{TITLES[register]}: {word:#x}"]
    for field in layout(register, word):
        value = field.of(word)
        if value or field.name in ("SS", "ISV"):
            lines.append(f"{field.name} {_short(value)}: {field.says(value)}")
    return "\n".join(lines)


def _short(value: int) -> str:
    return hex(value) if value > 9 else str(value)
