"""The operand kinds with numbers: immediates, offsets, branch targets, and the views of them that aliases give.

Invariant: as in `operands`, `read` and `write` of one kind are inverse; a value out of range is told its bounds.
"""

from __future__ import annotations

from aarch64sim.arch.pattern import Encoding
from aarch64sim.arch.vocabulary import (
    bitmask_immediate,
    encode_bitmask_immediate,
    mask_of,
    ones,
    sign_extend,
)
from aarch64sim.asm.operands import FieldValues, Operand, in_range
from aarch64sim.asm.text import Reader, Token


class Immediate(Operand):
    """`u12.field` or `s9`, unsigned or signed with that many bits; `<<size` scales an offset by the access size."""

    def __init__(self, spec: str, row: Encoding, optional: bool) -> None:
        super().__init__(spec, row, optional)
        head, _, self.scale = self.spec.partition("<<")
        kind, _, name = head.partition(".")
        self.signed, self.bits, self.field = kind[0] == "s", int(kind[1:]), name or "imm"
        self.offset = self.signed or bool(self.scale)

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value = r.token, r.expression()
        shift = f["size"] if self.scale else 0
        low = -1 << self.bits - 1 if self.signed else 0
        high = low + ones(self.bits)
        what = "offset" if self.offset else "immediate"
        f[self.field] = (
            in_range(r, token, value, low << shift, high << shift, 1 << shift, what) >> shift
        )

    def write(self, f: FieldValues, address: int) -> str:
        value = sign_extend(f[self.field], self.bits) if self.signed else f[self.field]
        if self.optional and value == self.default:
            return ""
        return f"#{value << f['size'] if self.scale else value}" if self.offset else f"#{value:#x}"


class Zero(Operand):
    """The `#0` that GNU as allows after the base register of exclusives."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value = r.token, r.expression()
        in_range(r, token, value, 0, 0, what="offset")

    def omit(self, f: FieldValues) -> None:
        pass

    def write(self, f: FieldValues, address: int) -> str:
        return ""


class AddImmediate(Operand):
    """0 to 4095, or a multiple of 4096 up to 0xfff000, written either way (`#1, lsl #12`, `#0x1000`)."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value = r.token, r.expression()
        f["shift"] = 0
        if r.accept(","):
            r.expect("lsl")
            at, amount = r.token, r.expression()
            f["shift"] = in_range(r, at, amount, 0, 12, 12, "shift amount") // 12
        elif value > 0xFFF and value % 0x1000 == 0 and value <= 0xFFF000:
            value, f["shift"] = value >> 12, 1
        if not 0 <= value <= 0xFFF:
            what = "expected 0 to 4095, or a multiple of 4096 up to 16773120"
            r.fail(f"immediate {value} is out of range: {what}", 3, token)
        f["imm"] = value

    def write(self, f: FieldValues, address: int) -> str:
        return f"#{f['imm']:#x}" + (", lsl #12" if f["shift"] else "")


class NegativeAdd(AddImmediate):
    """A negative immediate of ADD or SUB: the other of the two with its absolute value."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value = r.token, r.expression()
        if not 0 < -value <= 0xFFF000 or (-value > 0xFFF and value % 0x1000):
            r.fail(f"immediate {value} is out of range: expected -4095 to 4095", 1, token)
        f["shift"] = int(-value > 0xFFF)
        f["imm"] = -value >> 12 * f["shift"]
        f["op"] ^= 1


class Lsl16(Operand):
    """`lsl #0, 16, 32 or 48` of MOVZ, MOVN, MOVK."""

    def read(self, r: Reader, f: FieldValues) -> None:
        r.expect("lsl")
        token, value = r.token, r.expression()
        f["shift"] = in_range(r, token, value, 0, 48 if f["sf"] else 16, 16, "shift amount") // 16

    def omit(self, f: FieldValues) -> None:
        f["shift"] = 0

    def write(self, f: FieldValues, address: int) -> str:
        return f"lsl #{16 * f['shift']}" if f["shift"] else ""


def _register_value(r: Reader, f: FieldValues, token: Token) -> int:
    """An immediate as the bits of the register: negative numbers are two's complement of its width."""
    value, mask = r.expression(), mask_of(f["sf"])
    if not -(mask + 1) // 2 <= value <= mask:
        r.fail(f"immediate {value} does not fit in {32 << f['sf']} bits", 3, token)
    return value & mask


class Bitmask(Operand):
    """The bitmask immediate of AND, ORR, EOR, ANDS: a repeated, rotated run of ones."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        value = _register_value(r, f, token) ^ (mask_of(f["sf"]) if self.field == "not" else 0)
        encoded = encode_bitmask_immediate(value, f["sf"])
        if encoded is None:
            r.fail(
                f"{value:#x} is no bitmask immediate: expected a run of ones, rotated and repeated",
                3,
                token,
            )
        else:
            f["N"], f["imms"], f["immr"] = encoded

    def canonical(self, f: FieldValues) -> bool:
        value = bitmask_immediate(f["N"], f["imms"], f["immr"], f["sf"])
        return value is not None and encode_bitmask_immediate(value, f["sf"]) == (
            f["N"],
            f["imms"],
            f["immr"],
        )

    def write(self, f: FieldValues, address: int) -> str:
        return f"#{bitmask_immediate(f['N'], f['imms'], f['immr'], f['sf']):#x}"


class Wide(Operand):
    """The immediate of MOV that MOVZ, or with the spec `wide.not` MOVN, can make: 16 bits at one of the four places."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        value = _register_value(r, f, token)
        if self.field == "not":
            value ^= mask_of(f["sf"])
        places = [n for n in range(2 << f["sf"]) if value & ~(0xFFFF << 16 * n) == 0]
        if not places:
            what = (
                "expected 16 bits at a multiple of 16, the inverse of that, or a bitmask immediate"
            )
            r.fail(f"one mov cannot make {value:#x}: {what} (ldr with =value can)", 3, token)
        f["shift"] = places[0]
        f["imm"] = value >> 16 * places[0]

    def write(self, f: FieldValues, address: int) -> str:
        value = f["imm"] << 16 * f["shift"]
        return f"#{value ^ mask_of(f['sf']) if self.field == 'not' else value:#x}"


class BitPosition(Operand):
    """`bit.field`: 0 to 31 or 63, by sf."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value = r.token, r.expression()
        f[self.field] = in_range(r, token, value, 0, (32 << f["sf"]) - 1)

    def write(self, f: FieldValues, address: int) -> str:
        return f"#{f[self.field]}"


class LeftShift(Operand):
    """The amount of LSL (immediate), held as immr = -amount and imms = width - 1 - amount."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value, top = r.token, r.expression(), (32 << f["sf"]) - 1
        in_range(r, token, value, 0, top, what="shift amount")
        f["immr"], f["imms"] = -value & top, top - value

    def write(self, f: FieldValues, address: int) -> str:
        return f"#{(32 << f['sf']) - 1 - f['imms']}"


class InsertAt(Operand):
    """The lsb of BFI, BFC, SBFIZ, UBFIZ, held as immr = -lsb."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value, top = r.token, r.expression(), (32 << f["sf"]) - 1
        f["immr"] = -in_range(r, token, value, 0, top) & top

    def write(self, f: FieldValues, address: int) -> str:
        return f"#{-f['immr'] % (32 << f['sf'])}"


class FieldWidth(Operand):
    """The width of a bitfield: imms = width - 1 after an inserting lsb, lsb + width - 1 with the spec `width.at`."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token, value, size = r.token, r.expression(), 32 << f["sf"]
        lsb = f["immr"] if self.field == "at" else -f["immr"] % size
        in_range(r, token, value, 1, size - lsb, what="width")
        f["imms"] = value - 1 + (lsb if self.field == "at" else 0)

    def write(self, f: FieldValues, address: int) -> str:
        return f"#{f['imms'] + 1 - (f['immr'] if self.field == 'at' else 0)}"


class Target(Operand):
    """`rel26`, `rel19`, `rel14`: an address in steps of 4 from here, `rel21` in bytes (ADR), `page` (ADRP)."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        if r.accept("="):
            value = r.literal(4 << f["sf"] if self.row.mnemonic == "ldr" and "sf" in f else 0)
            r.expression()
        else:
            value = r.expression()
        if self.spec == "page":
            distance = sign_extend((value >> 12) - (r.address >> 12), 52)
            self._check(r, token, distance, 21, 1, "page", 4096)
        else:
            distance = sign_extend(value - r.address, 64)
            bits, step = int(self.spec[3:]), 1 if self.spec == "rel21" else 4
            self._check(r, token, distance, bits, step, "target", step)
        f["imm"], f["immlo"] = distance >> 2, distance & 3  # only ADR and ADRP have immlo

    def _check(
        self, r: Reader, token: Token, distance: int, bits: int, step: int, what: str, unit: int
    ) -> None:
        reach = (1 << bits - 1) * unit
        if not -(1 << bits - 1) * step <= distance < (1 << bits - 1) * step:
            r.fail(
                f"the {what} is {distance * unit // step} bytes away: the reach is {-reach} to {reach - unit}",
                3,
                token,
            )
        if distance % step:
            r.fail(f"the {what} is not a multiple of {step} bytes away", 3, token)

    def write(self, f: FieldValues, address: int) -> str:
        if self.spec in ("page", "rel21"):
            distance = sign_extend(f["imm"] << 2 | f["immlo"], 21)
            value = (
                ((address >> 12) + distance) << 12 if self.spec == "page" else address + distance
            )
        else:
            value = address + 4 * sign_extend(f["imm"], int(self.spec[3:]))
        return f"{value & ones(64):#x}"
