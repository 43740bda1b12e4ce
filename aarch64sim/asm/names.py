"""The operand kinds that are names: system registers, system instructions, PSTATE fields, barriers, prefetches.

Invariant: a name that is not in a table has a generic form (`s3_0_c1_c0_0`, `#5`), so that every word has a text.
"""

from __future__ import annotations

import re
from typing import ClassVar

from aarch64sim.arch.encodings import PSTATE_FIELDS
from aarch64sim.arch.pattern import Encoding
from aarch64sim.arch.syndrome import system_fields, system_key
from aarch64sim.arch.sysregs import KEYS, NAMES
from aarch64sim.asm.operands import FieldValues, Operand, in_range
from aarch64sim.asm.text import Reader, did_you_mean

BARRIERS = {"oshld": 1, "oshst": 2, "osh": 3, "nshld": 5, "nshst": 6, "nsh": 7, "ishld": 9, "ishst": 10, "ish": 11,
            "ld": 13, "st": 14, "sy": 15}  # fmt: skip
PREFETCHES = {
    f"{kind}l{level + 1}{policy}": i << 3 | level << 1 | j
    for i, kind in enumerate(("pld", "pli", "pst"))
    for level in range(3)
    for j, policy in enumerate(("keep", "strm"))
}

# op1 CRm op2 of SYS by mnemonic and name; CRn is 7, and 8 for TLBI. TLBI: the outer (os) and inner (is) shareable forms
# differ in CRm only.
_SYSTEM = """
ic ialluis 0 1 0; ic iallu 0 5 0; ic ivau 3 5 1
dc ivac 0 6 1; dc isw 0 6 2; dc csw 0 10 2; dc cisw 0 14 2; dc zva 3 4 1; dc cvac 3 10 1; dc cvau 3 11 1
dc cvap 3 12 1; dc cvadp 3 13 1; dc civac 3 14 1
at s1e1r 0 8 0; at s1e1w 0 8 1; at s1e0r 0 8 2; at s1e0w 0 8 3; at s1e1rp 0 9 0; at s1e1wp 0 9 1
at s1e2r 4 8 0; at s1e2w 4 8 1; at s12e1r 4 8 4; at s12e1w 4 8 5; at s12e0r 4 8 6; at s12e0w 4 8 7
at s1e3r 6 8 0; at s1e3w 6 8 1
"""
_TLBI = """
vmalle1 0 7 0; vae1 0 7 1; aside1 0 7 2; vaae1 0 7 3; vale1 0 7 5; vaale1 0 7 7
alle2 4 7 0; vae2 4 7 1; alle1 4 7 4; vale2 4 7 5; vmalls12e1 4 7 6; ipas2e1 4 4 1; ipas2le1 4 4 5
alle3 6 7 0; vae3 6 7 1; vale3 6 7 5
"""
# These have no register operand.
_WITHOUT_REGISTER = re.compile(r"ialluis|iallu|vmalle1\w*|alle[123]\w*|vmalls12e1\w*")


def _system_names() -> dict[str, dict[str, int]]:
    tables: dict[str, dict[str, int]] = {"ic": {}, "dc": {}, "at": {}, "tlbi": {}}
    for entry in filter(None, map(str.strip, re.split(r"[;\n]", _SYSTEM))):
        kind, name, op1, crm, op2 = entry.split()
        tables[kind][name] = system_key(0, int(op1), 7, int(crm), int(op2))
    for entry in filter(None, map(str.strip, re.split(r"[;\n]", _TLBI))):
        name, op1, crm, op2 = entry.split()
        for suffix, less in (("", 0), ("is", 4), ("os", 6))[: 3 if crm == "7" else 2]:
            key = system_key(0, int(op1), 8, int(crm) - less, int(op2))
            tables["tlbi"][name + suffix] = key
    return tables


SYSTEM_OPERATIONS = _system_names()
SYSTEM_NAMES = {
    key: (kind, name) for kind, table in SYSTEM_OPERATIONS.items() for name, key in table.items()
}


class SystemRegister(Operand):
    """`vbar_el1`, or `s<op0>_<op1>_c<CRn>_c<CRm>_<op2>` with op0 2 or 3."""

    generic = re.compile(r"s([23])_([0-7])_c(\d|1[0-5])_c(\d|1[0-5])_([0-7])\Z")

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        name = token.text.lower()
        if match := self.generic.match(name):
            key = system_key(*(int(n) for n in match.groups()))
        elif name in KEYS:
            key = KEYS[name]
        else:
            hint = did_you_mean(name, KEYS)
            r.fail(
                f"expected a system register or s<op0>_<op1>_c<n>_c<m>_<op2>, found {token}{hint}",
                1,
            )
        r.advance()
        f["key"] = key & 0x7FFF

    def write(self, f: FieldValues, address: int) -> str:
        key = f["key"] | 0x8000
        return NAMES.get(key) or "s{}_{}_c{}_c{}_{}".format(*system_fields(key))


class SystemInstruction(Operand):
    """`#op1, Cn, Cm, #op2` of SYS and SYSL."""

    def read(self, r: Reader, f: FieldValues) -> None:
        op1 = in_range(r, r.token, r.expression(), 0, 7)
        r.expect(",")
        crn = self._control(r)
        r.expect(",")
        crm = self._control(r)
        r.expect(",")
        f["key"] = system_key(0, op1, crn, crm, in_range(r, r.token, r.expression(), 0, 7))

    def _control(self, r: Reader) -> int:
        match = re.fullmatch(r"c(\d|1[0-5])", r.token.text.lower())
        if match is None:
            r.fail(f"expected c0 to c15, found {r.token}", 1)
        r.advance()
        return int(match[1])

    def write(self, f: FieldValues, address: int) -> str:
        _, op1, crn, crm, op2 = system_fields(f["key"])
        return f"#{op1}, c{crn}, c{crm}, #{op2}"


class SystemOperation(Operand):
    """`operation.dc` and so on: a name of that instruction, one that fits the row having a register or not."""

    def read(self, r: Reader, f: FieldValues) -> None:
        table, token = SYSTEM_OPERATIONS[self.field], r.token
        key = table.get(token.text.lower())
        if key is None:
            r.fail(f"{token} is no operation of {self.field}{did_you_mean(token.text, table)}", 1)
        if takes_register(token.text.lower()) != ("Xt" in self.row.syntax):
            verb = "takes no register" if "Xt" in self.row.syntax else "takes a 64-bit register"
            r.fail(f"{token} {verb}", 2)
        r.advance()
        f["key"] = key

    def write(self, f: FieldValues, address: int) -> str:
        return SYSTEM_NAMES[f["key"]][1]


def takes_register(name: str) -> bool:
    """Whether the DC, IC, AT or TLBI operation of that name has a register operand."""
    return _WITHOUT_REGISTER.fullmatch(name) is None


class PstateField(Operand):
    """The field of MSR (immediate)."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        if token.text.lower() not in PSTATE_FIELDS:
            r.fail(f"expected a PSTATE field ({', '.join(PSTATE_FIELDS)}), found {token}")
        f["op1"], f["op2"] = PSTATE_FIELDS[token.text.lower()]
        r.advance()

    def write(self, f: FieldValues, address: int) -> str:
        return next(name for name, ops in PSTATE_FIELDS.items() if ops == (f["op1"], f["op2"]))


class Choice(Operand):
    """A name from a table, or the number itself."""

    tables: ClassVar = {
        "barrier": ("CRm", BARRIERS),
        "isb": ("CRm", {"sy": 15}),
        "prefetch": ("Rt", PREFETCHES),
    }

    def __init__(self, spec: str, row: Encoding, optional: bool) -> None:
        super().__init__(spec, row, optional)
        self.field, self.values = self.tables[self.spec]

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        if token.text.lower() in self.values:
            f[self.field] = self.values[token.text.lower()]
            r.advance()
        elif token.kind == "name":
            known = ", ".join(self.values)
            r.fail(
                f"expected one of {known}, found {token}{did_you_mean(token.text, self.values)}", 1
            )
        else:
            f[self.field] = in_range(r, token, r.expression(), 0, 15 if self.field == "CRm" else 31)

    def write(self, f: FieldValues, address: int) -> str:
        value = f[self.field]
        if self.optional and value == self.default:
            return ""
        names = [name for name, number in self.values.items() if number == value]
        return names[0] if names else f"#{value:#x}" if self.spec == "isb" else f"#{value:#04x}"


class Word(Operand):
    """A fixed word, such as the target of `bti c`."""

    def read(self, r: Reader, f: FieldValues) -> None:
        r.expect(self.spec)

    def write(self, f: FieldValues, address: int) -> str:
        return self.spec
