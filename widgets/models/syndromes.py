"""Syndromes as fields: for each exception class the names, places and meanings of the bits of ESR_ELx.

Invariant: the fields of a class cover each of the 32 bits once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aarch64sim.arch.syndrome import EC, exception_class


@dataclass(frozen=True, slots=True)
class Field:
    """A field: name, highest and lowest bit, what it says, and what its values mean."""

    name: str
    high: int
    low: int
    meaning: str
    values: Mapping[int, str] | None = None

    @property
    def width(self) -> int:
        """How many bits."""
        return self.high - self.low + 1

    def of(self, word: int) -> int:
        """Its value in a word."""
        return word >> self.low & (1 << self.width) - 1

    def says(self, value: int) -> str:
        """Its value in words."""
        known = (self.values or {}).get(value, "")
        return f"{self.meaning}: {known}" if known else self.meaning


CLASSES = {int(ec): ec.name.replace("_", " ").lower().removesuffix(" same") for ec in EC}
CLASSES |= {int(ec): f"{CLASSES[int(ec)]}, same level" for ec in EC if ec.name.endswith("_SAME")}
_LEVELS = {0x00: "address size", 0x04: "translation", 0x08: "access flag", 0x0C: "permission"}
_FAULTS = {
    **{
        code + level: f"{name} fault, level {level}"
        for code, name in _LEVELS.items()
        for level in range(4)
    },
    0x10: "external abort",
    0x21: "alignment fault",
    0x22: "debug exception",
}
COMMON = (
    Field("EC", 31, 26, "exception class", CLASSES),
    Field("IL", 25, 25, "instruction length", {0: "16 bits", 1: "32 bits"}),
)
_ABORT_TAIL = (
    Field("FnV", 10, 10, "FAR is not valid", {0: "no", 1: "yes"}),
    Field("EA", 9, 9, "type of an external abort"),
)
DATA_ABORT_FIELDS = (
    Field(
        "ISV", 24, 24, "bits 23:14 are valid", {0: "no: nobody can emulate the access", 1: "yes"}
    ),
    Field("SAS", 23, 22, "access size", {0: "1 byte", 1: "2 bytes", 2: "4 bytes", 3: "8 bytes"}),
    Field("SSE", 21, 21, "the load sign-extends", {0: "no", 1: "yes"}),
    Field("SRT", 20, 16, "register", {n: f"x{n}" for n in range(31)} | {31: "xzr"}),
    Field("SF", 15, 15, "width of the register", {0: "32 bits", 1: "64 bits"}),
    Field("AR", 14, 14, "acquire/release", {0: "no", 1: "yes"}),
    Field("VNCR", 13, 13, "access through VNCR_EL2", {0: "no", 1: "yes"}),
    Field("SET", 12, 11, "synchronous error type"),
    *_ABORT_TAIL,
    Field("CM", 8, 8, "cache maintenance", {0: "no", 1: "yes"}),
    Field("S1PTW", 7, 7, "on a stage 1 table walk", {0: "no", 1: "yes"}),
    Field("WnR", 6, 6, "direction", {0: "read", 1: "write"}),
    Field("DFSC", 5, 0, "fault status", _FAULTS),
)
_INSTRUCTION_ABORT = (
    Field("RES0", 24, 11, "reserved"),
    *_ABORT_TAIL,
    Field("RES0", 8, 8, "reserved"),
    Field("S1PTW", 7, 7, "on a stage 1 table walk", {0: "no", 1: "yes"}),
    Field("RES0", 6, 6, "reserved"),
    Field("IFSC", 5, 0, "fault status", _FAULTS),
)
_STEP = (
    Field(
        "ISV",
        24,
        24,
        "EX is valid",
        {0: "no: nothing was stepped", 1: "yes: an instruction was stepped"},
    ),
    Field("RES0", 23, 7, "reserved"),
    Field("EX", 6, 6, "the stepped instruction was a load-exclusive", {0: "no", 1: "yes"}),
    Field("IFSC", 5, 0, "fault status", _FAULTS),
)
_CALL = (
    Field("RES0", 24, 16, "reserved"),
    Field("imm16", 15, 0, "the immediate of the instruction"),
)
_SYSTEM = (
    Field("RES0", 24, 22, "reserved"),
    Field("Op0", 21, 20, "op0"),
    Field("Op2", 19, 17, "op2"),
    Field("Op1", 16, 14, "op1"),
    Field("CRn", 13, 10, "CRn"),
    Field("Rt", 9, 5, "register", {n: f"x{n}" for n in range(31)} | {31: "xzr"}),
    Field("CRm", 4, 1, "CRm"),
    Field("Dir", 0, 0, "direction", {0: "MSR, write", 1: "MRS, read"}),
)
_ISS = (Field("ISS", 24, 0, "syndrome of the instruction"),)
_BY_CLASS = {
    EC.DATA_ABORT: DATA_ABORT_FIELDS,
    EC.DATA_ABORT_SAME: DATA_ABORT_FIELDS,
    EC.INSTRUCTION_ABORT: _INSTRUCTION_ABORT,
    EC.INSTRUCTION_ABORT_SAME: _INSTRUCTION_ABORT,
    EC.SOFTWARE_STEP: _STEP,
    EC.SOFTWARE_STEP_SAME: _STEP,
    EC.SVC: _CALL,
    EC.HVC: _CALL,
    EC.SMC: _CALL,
    EC.BRK: _CALL,
    EC.SYSTEM: _SYSTEM,
}

MOST_FIELDS = len(COMMON + DATA_ABORT_FIELDS)


def layout(word: int) -> tuple[Field, ...]:
    """The fields of a syndrome, from the highest bit, as its class says."""
    return COMMON + _BY_CLASS.get(exception_class(word), _ISS)  # type: ignore[call-overload, no-any-return]


def fields_of(word: int) -> list[tuple[Field, int]]:
    """The fields with their values.

    >>> [(f.name, v) for f, v in fields_of(0xCB000022) if v]
    [('EC', 50), ('IL', 1), ('ISV', 1), ('IFSC', 34)]
    """
    return [(field, field.of(word)) for field in layout(word)]


def word_of(fields: list[tuple[Field, int]]) -> int:
    """The word with these values: inverse of `fields_of`; ValueError for a value that does not fit."""
    word = 0
    for field, value in fields:
        if not 0 <= value < 1 << field.width:
            raise ValueError(f"{field.name} has {field.width} bits: {value:#x} does not fit")
        word |= value << field.low
    return word


def class_name(word: int) -> str:
    """The exception class of a syndrome in words."""
    return CLASSES.get(exception_class(word), "a class that is not in this table")
