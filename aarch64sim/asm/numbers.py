"""The operand kinds with numbers: immediates, offsets, branch targets, and the views of them that aliases give.

Invariant: as in `operands`, reading and writing of one kind are inverse; a message about a value says its bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from aarch64sim.arch.pattern import Encoding
from aarch64sim.arch.vocabulary import (
    bitmask_immediate,
    encode_bitmask_immediate,
    mask_of,
    ones,
    sign_extend,
)
from aarch64sim.asm.operands import FieldValues, Kind, Operand
from aarch64sim.asm.reader import Linear, Reader
from aarch64sim.asm.text import Problem

_ABSOLUTE = re.compile(":abs_g([0-3])(|_nc|_s):")
Bounds = Callable[[FieldValues], tuple[int, int]]  # the least and the most
Put = Callable[[FieldValues, int], FieldValues]
Get = Callable[[FieldValues], int]


def _top(f: FieldValues) -> int:
    return (32 << f["sf"]) - 1


def _position(f: FieldValues) -> tuple[int, int]:
    return 0, _top(f)


class Number(Operand):
    """A decimal number within bounds; held in its field as it is, unless `put` and `get` say how."""

    def __init__(
        self,
        spec: str,
        row: Encoding,
        what: str = "immediate",
        bounds: Bounds = _position,
        put: Put | None = None,
        get: Get | None = None,
    ) -> None:
        super().__init__(spec, row)
        self.what, self.bounds = what, bounds
        self.put = put or (lambda f, n: {self.field: n})
        self.unit = 0 if put else row.unit(self.field)
        self.get = get or (lambda f: f[self.field])

    def read(self, r: Reader, f: FieldValues) -> None:
        low, high = self.bounds(f)
        f.update(self.put(f, r.number(self.what, low, high, unit=self.unit)))

    def write(self, f: FieldValues, address: int) -> str | None:
        value, (low, high) = self.get(f), self.bounds(f)
        same = all(f[name] == n for name, n in self.put(f, value).items())
        return f"#{value}" if same and low <= value <= high else None


class Immediate(Operand):
    """`u12.field` or `s9`, unsigned or signed with that many bits; `<<size` scales an offset by the access size."""

    def __init__(self, spec: str, row: Encoding) -> None:
        super().__init__(spec, row)
        head, _, self.scale = self.spec.partition("<<")
        self.signed, self.bits = head[0] == "s", int(head[1:].partition(".")[0])
        self.what = "offset" if self.signed or self.scale else "immediate"
        self.unit = row.unit(self.field)

    def read(self, r: Reader, f: FieldValues) -> None:
        shift = f["size"] if self.scale else 0
        low = -1 << self.bits - 1 if self.signed else 0
        high = low + ones(self.bits)
        bounds = low << shift, high << shift, 1 << shift
        f[self.field] = r.number(self.what, *bounds, self.unit) >> shift

    def write(self, f: FieldValues, address: int) -> str:
        value = sign_extend(f[self.field], self.bits) if self.signed else f[self.field]
        if self.what == "immediate":
            return f"#{value:#x}"
        return f"#{value << f['size'] if self.scale else value}"


class AddImmediate(Operand):
    """0 to 4095, or a multiple of 4096 up to 0xfff000, written either way (`#1, lsl #12`, `#0x1000`)."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value = r.token, r.expression()
        f["shift"] = 0
        r.note(token, Linear(self.row.unit("imm"), 0, 0xFFF))
        if r.accept(","):
            r.expect("lsl")
            f["shift"] = r.number("shift amount", 0, 12, 12, self.row.unit("shift")) // 12
        elif value > 0xFFF and value % 0x1000 == 0 and value <= 0xFFF000:
            value, f["shift"] = value >> 12, 1
        if not 0 <= value <= 0xFFF:
            what = "expected 0 to 4095, or a multiple of 4096 up to 16773120"
            r.fail(f"immediate {value} is out of range: {what}", 3, token)
        f["imm"] = value

    def write(self, f: FieldValues, address: int) -> str:
        return f"#{f['imm']:#x}" + (", lsl #12" if f["shift"] else "")


class Halfword(Operand):
    """16 bits and their place, `#1, lsl #16`, or `#:abs_g1:address` for those 16 bits of an address."""

    def read(self, r: Reader, f: FieldValues) -> None:
        if r.token.text == "#" and r.tokens[r.at + 1].kind == "relocation":
            r.advance()
        if match := _ABSOLUTE.fullmatch(r.token.text):
            r.advance()
            self._read_part(r, f, int(match[1]), match[2])
            return
        imm, shift = self.row.unit("imm"), self.row.unit("shift")
        f["imm"], f["shift"] = r.number("immediate", 0, 0xFFFF, unit=imm), 0
        if r.accept(","):
            r.expect("lsl")
            f["shift"] = r.number("shift amount", 0, 48 if f["sf"] else 16, 16, shift) // 16

    def _read_part(self, r: Reader, f: FieldValues, part: int, kind: str) -> None:
        """`:abs_g1:` fits in the first two parts, `:abs_g1_nc:` need not, `:abs_g1_s:` is signed: MOVZ or MOVN."""
        token, value, bits = r.token, r.expression(), 16 * (part + 1)
        low, high = (-1 << bits, (1 << bits) - 1) if kind == "_s" else (0, (1 << bits) - 1)
        if kind != "_nc" and part < 3 and not low <= value <= high:
            r.fail(f"{value} is out of range: expected {low} to {high}", 3, token)
        if kind == "_s":
            f["op"], value = (0, ~value) if value < 0 else (2, value)
        f["imm"], f["shift"] = value >> 16 * part & 0xFFFF, part

    def write(self, f: FieldValues, address: int) -> str:
        return f"#{f['imm']:#x}" + (f", lsl #{16 * f['shift']}" if f["shift"] else "")


class NegativeAdd(AddImmediate):
    """A negative immediate of ADD or SUB: the other of the two with its absolute value."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value = r.token, r.expression()
        if not 0 < -value <= 0xFFF000 or (-value > 0xFFF and value % 0x1000):
            r.fail(f"immediate {value} is out of range: expected -4095 to 4095", 1, token)
        f["shift"] = int(-value > 0xFFF)
        f["imm"] = -value >> 12 * f["shift"]
        f["op"] ^= 1


class Bitmask(Operand):
    """The bitmask immediate of AND, ORR, EOR, ANDS: a repeated, rotated run of ones. `.not`: its inverse is held."""

    refusal = "{:#x} is not a bitmask immediate: expected a run of ones, rotated and repeated"

    def encode(self, value: int, sf: int) -> FieldValues | None:
        found = encode_bitmask_immediate(value, sf)
        return found and dict(zip(("N", "imms", "immr"), found, strict=True))

    def decode(self, f: FieldValues) -> int:
        return bitmask_immediate(f["N"], f["imms"], f["immr"], f["sf"]) or 0

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value, mask = r.token, r.expression(), mask_of(f["sf"])
        if not -(mask + 1) // 2 <= value <= mask:  # negative ones are two's complement
            r.fail(f"immediate {value} does not fit in {32 << f['sf']} bits", 3, token)
        value = value & mask ^ self._flip(f)
        fields = self.encode(value, f["sf"])
        if fields is None:
            r.fail(self.refusal.format(value), 3, token)
        f.update(fields)

    def write(self, f: FieldValues, address: int) -> str | None:
        value = self.decode(f)
        held = self.encode(value, f["sf"]) or {}
        same = all(f[name] == held[name] for name in held)
        return f"#{value ^ self._flip(f):#x}" if same else None

    def _flip(self, f: FieldValues) -> int:
        return mask_of(f["sf"]) if self.field == "not" else 0


class Wide(Bitmask):
    """The immediate of MOV that MOVZ, or with `wide.not` only MOVN, can make: 16 bits at one place of four."""

    refusal = (
        "one mov cannot make {:#x}: expected 16 bits at a multiple of 16, the inverse of that,"
        " or a bitmask immediate (ldr with =value can)"
    )

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        super().read(r, f)
        r.note(token, Linear(0 if self.field == "not" else self.row.unit("imm"), 0, 0xFFFF))

    def encode(self, value: int, sf: int) -> FieldValues | None:
        places = (n for n in range(2 << sf) if value & ~(0xFFFF << 16 * n) == 0)
        return next(({"shift": n, "imm": value >> 16 * n} for n in places), None)

    def decode(self, f: FieldValues) -> int:
        return f["imm"] << 16 * f["shift"]

    def write(self, f: FieldValues, address: int) -> str | None:
        inverse = self.decode(f) ^ mask_of(f["sf"])
        movz = self.field == "not" and self.encode(inverse, f["sf"])
        return None if movz else super().write(f, address)


class Target(Operand):
    """`rel26`, `rel19`, `rel14`: an address in steps of 4 from here, `rel21` in bytes (ADR), `page` (ADRP)."""

    def __init__(self, spec: str, row: Encoding) -> None:
        super().__init__(spec, row)
        self.page = spec == "page"
        self.bits = 21 if self.page else int(spec[3:])
        self.step = 1 if self.bits == 21 else 4
        self.end = self.step << self.bits - 1

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        value = r.context.literal(r, self.loads(f)) if r.accept("=") else r.expression()
        distance = self.distance(value, r.context.address(), token.column)
        f["imm"], f["immlo"] = distance >> 2, distance & 3  # only ADR and ADRP have immlo

    def loads(self, f: FieldValues) -> int:
        """The bytes that are loaded from there; 0 if none are."""
        if self.row.mnemonic == "ldr":
            return 4 << f["sf"] if "sf" in f else 1 << f["size"]
        return 4 if self.row.mnemonic == "ldrsw" else 0

    def distance(self, value: int, here: int, column: int) -> int:
        """How far that value is from here, in pages or bytes; Problem at the column if it is out of reach."""
        away = (value >> 12) - (here >> 12) if self.page else value - here
        if not -self.end <= away < self.end:
            away = sign_extend(away, 52 if self.page else 64)
            if not -self.end <= away < self.end:
                raise Problem(column, self._too_far(away), 3)
        if away % self.step:
            raise Problem(column, f"the target is not a multiple of {self.step} bytes away", 3)
        return away

    def _too_far(self, away: int) -> str:
        what, unit = ("page", 4096) if self.page else ("target", 1)
        reach = f"{-self.end * unit} to {(self.end - self.step) * unit}"
        return f"the {what} is {away * unit} bytes away: the reach is {reach}"

    def write(self, f: FieldValues, address: int) -> str:
        if self.page:
            value = (address >> 12) + sign_extend(f["imm"] << 2 | f["immlo"], 21) << 12
        else:
            distance = f["imm"] << 2 | f.get("immlo", 0)
            value = address + sign_extend(distance, self.bits + (self.step == 4) * 2)
        return f"{value & ones(64):#x}"


def _held(what: str, bounds: Bounds, put: Put, get: Get) -> Kind:
    return partial(Number, what=what, bounds=bounds, put=put, get=get)


KINDS: dict[str, Kind] = {
    "bit": Number,
    "tested": partial(Number, what="bit number", bounds=lambda f: (0, 31 + 32 * f.get("sf", 1))),
    "amount": partial(Number, what="shift amount"),
    "zero": partial(Number, what="offset", bounds=lambda f: (0, 0)),
    "half": Halfword,
    # Views of immr and imms: the amount of LSL; lsb and width of BFI, BFC, SBFIZ, UBFIZ; the width of the others.
    "left": _held("shift amount", _position, lambda f, n: {"immr": -n & _top(f), "imms": _top(f) - n},
                  lambda f: _top(f) - f["imms"]),
    "insert": _held("immediate", _position,
                    lambda f, n: {"immr": -n & _top(f)}, lambda f: -f["immr"] & _top(f)),
    "width": _held("width", lambda f: (1, _top(f) + 1 - (-f["immr"] & _top(f))),
                   lambda f, n: {"imms": n - 1}, lambda f: f["imms"] + 1),
    "end": _held("width", lambda f: (1, _top(f) + 1 - f["immr"]),
                 lambda f, n: {"imms": n - 1 + f["immr"]}, lambda f: f["imms"] + 1 - f["immr"]),
    "add12": AddImmediate,
    "negative": NegativeAdd,
    "bitmask": Bitmask,
    "wide": Wide,
    **dict.fromkeys(("rel14", "rel19", "rel21", "rel26", "page"), Target),
}  # fmt: skip
