"""The operand kinds with registers and conditions: each reads its text into fields and writes it back.

Invariant: `read` and `write` of one kind stand side by side and are inverse; neither knows a bit position.
"""

from __future__ import annotations

import re
from typing import ClassVar

from aarch64sim.arch.encodings import CONDITIONS
from aarch64sim.arch.pattern import Encoding
from aarch64sim.asm.text import Reader, Token, did_you_mean

FieldValues = dict[str, int]
_NAMED_REGISTERS = {"sp": "x31", "wsp": "w31", "xzr": "x31", "wzr": "w31", "lr": "x30", "fp": "x29",
                    "ip0": "x16", "ip1": "x17"}  # fmt: skip
_REGISTER = re.compile(r"([xwbhsdq])([0-9]|[12][0-9]|3[01])\Z")
SHIFTS = ("lsl", "lsr", "asr", "ror")
EXTENDS = ("uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx")


def in_range(
    r: Reader, token: Token, value: int, low: int, high: int, step: int = 1, what: str = "immediate"
) -> int:
    """`value` if it is one of low, low + step ... high; else the Problem says what was expected."""
    if not low <= value <= high:
        multiple = f", a multiple of {step}" if step > 1 else ""
        r.fail(f"{what} {value} is out of range: expected {low} to {high}{multiple}", 3, token)
    if value % step:
        r.fail(f"{what} {value} is not a multiple of {step}", 3, token)
    return value


class Operand:
    """One operand kind, as `spec` names it in the syntax of `row`; `optional`: it stands in braces there."""

    def __init__(self, spec: str, row: Encoding, optional: bool) -> None:
        self.spec, _, default = spec.partition("=")
        self.row, self.optional, self.default = row, optional, int(default or 0)
        self.field = self.spec.partition(".")[2] or "imm"

    def read(self, r: Reader, f: FieldValues) -> None:
        """Consume the operand's tokens and set its fields."""
        raise NotImplementedError

    def omit(self, f: FieldValues) -> None:
        """Set the fields for an optional operand that was left out."""
        f[self.field] = self.default

    def write(self, f: FieldValues, address: int) -> str:
        """The operand's text; empty where an optional operand has its default."""
        raise NotImplementedError

    def canonical(self, f: FieldValues) -> bool:
        """Whether reading the text gives these fields back: some values have several encodings."""
        return True


def register_name(letter: str, n: int, sp: bool = False) -> str:
    """`x3`, `wzr`, `sp`, `q7` ...: register `n`, 0 to 31."""
    if n == 31 and letter in "xw":
        return ("sp" if letter == "x" else "wsp") if sp else f"{letter}zr"
    return f"{letter}{n}"


class Register(Operand):
    """A register by the letters of its spec: W or X; R (width by sf), Z (width by size), V (SIMD&FP, by size)."""

    def __init__(self, spec: str, row: Encoding, optional: bool) -> None:
        super().__init__(spec, row, optional)
        name, _, sp = self.spec.partition("|")
        self.kind, self.field, self.sp = name[0], "R" + name[1:], bool(sp)

    def letters(self, f: FieldValues) -> str:
        """The register classes that are possible with the fields known so far."""
        if self.kind == "R":
            return "wx"[f["sf"]] if "sf" in f else "wx"
        if self.kind == "Z":
            return "x" if f["size"] == 3 else "w"
        if self.kind == "V":
            return "bhsdq"[f["size"]] if "size" in f else "bhsd"
        return self.kind.lower()

    def read(self, r: Reader, f: FieldValues) -> None:
        letter, f[self.field] = read_register(r, self.letters(f), self.sp)
        if self.kind == "R":
            f["sf"] = "wx".index(letter)
        elif self.kind == "V":
            f["size"] = "bhsdq".index(letter)

    def write(self, f: FieldValues, address: int) -> str:
        if self.optional and f[self.field] == self.default:
            return ""
        return register_name(self.letters(f), f[self.field], self.sp)


def read_register(r: Reader, letters: str, sp: bool) -> tuple[str, int]:
    """Class letter and number of the register that must come next."""
    token = r.token
    text = token.text.lower()
    match = _REGISTER.match(_NAMED_REGISTERS.get(text, text)) if token.kind == "name" else None
    expected = _expected(letters, sp)
    if match is None:
        r.fail(f"expected {expected}, found {token}{_hint(token)}")
    letter, n = match[1], int(match[2])
    if letter not in letters:
        r.fail(f"expected {expected}, found {token}", 2)
    if n == 31 and letter in "xw":
        if text not in _NAMED_REGISTERS:
            r.fail(f"there is no register {token}: 31 is written sp or {letter}zr", 2)
        if text.endswith("sp") != sp:
            r.fail(f"{token} is not possible here: expected {expected}", 2)
    r.advance()
    return letter, n


def _expected(letters: str, sp: bool) -> str:
    names = {
        "x": "x0-x30 or " + ("sp" if sp else "xzr"),
        "w": "w0-w30 or " + ("wsp" if sp else "wzr"),
    }
    if letters in names:
        return f"a {'64' if letters == 'x' else '32'}-bit register ({names[letters]})"
    if set(letters) == set("wx"):
        return f"a register ({names['x']}, {names['w']})"
    return "a SIMD&FP register (" + ", ".join(f"{c}0-{c}31" for c in letters) + ")"


def _hint(token: Token) -> str:
    names = [f"{c}{n}" for c in "xw" for n in range(31)] + list(_NAMED_REGISTERS)
    return did_you_mean(token.text, names) if token.kind == "name" and len(token.text) <= 4 else ""


class Both(Register):
    """One register that the encoding names twice, as Rn and Rm."""

    def __init__(self, spec: str, row: Encoding, optional: bool) -> None:
        super().__init__("Rn", row, optional)

    def read(self, r: Reader, f: FieldValues) -> None:
        super().read(r, f)
        f["Rm"] = f["Rn"]


class Tested(Register):
    """Register and bit number of TBZ/TBNZ: the bit decides the width that is shown, either is accepted below 32."""

    def read(self, r: Reader, f: FieldValues) -> None:
        letter, f["Rt"] = read_register(r, "wx", False)
        r.expect(",")
        token, bit = r.token, r.expression()
        in_range(r, token, bit, 0, 31 if letter == "w" else 63, what="bit number")
        f["bit"] = bit

    def write(self, f: FieldValues, address: int) -> str:
        return f"{register_name('wx'[f['bit'] >= 32], f['Rt'])}, #{f['bit']}"


class EvenPair(Register):
    """Two consecutive registers of CASP, the first even; one field."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        letter, n = read_register(r, "wx"[f["sf"]] if "sf" in f else "wx", False)
        if n % 2:
            r.fail(f"expected an even-numbered register, found {token}", 3, token)
        r.expect(",")
        token = r.token
        if read_register(r, letter, False)[1] != n + 1:
            r.fail(f"expected {register_name(letter, n + 1)}, found {token}", 3, token)
        f[self.spec[5:]], f["sf"] = n, "wx".index(letter)

    def write(self, f: FieldValues, address: int) -> str:
        n = f[self.spec[5:]]
        return ", ".join(register_name("wx"[f["sf"]], i) for i in (n, n + 1))


class ShiftAmount(Operand):
    """`shift3` (LSL LSR ASR) or `shift4` (and ROR), with an amount below the register width."""

    def read(self, r: Reader, f: FieldValues) -> None:
        names, token = SHIFTS[: int(self.spec[-1])], r.token
        if token.text.lower() not in names:
            r.fail(f"expected {', '.join(names[:-1])} or {names[-1]}, found {token}", 1)
        r.advance()
        f["shift"] = names.index(token.text.lower())
        token, value = r.token, r.expression()
        in_range(r, token, value, 0, (32 << f["sf"]) - 1, what="shift amount")
        f["imm"] = value

    def omit(self, f: FieldValues) -> None:
        f["shift"] = f["imm"] = 0

    def write(self, f: FieldValues, address: int) -> str:
        return f"{SHIFTS[f['shift']]} #{f['imm']}" if f["shift"] or f["imm"] else ""


class ExtendedRegister(Operand):
    """Rm with UXTB ... SXTX and 0 to 4; where Rn or Rd is the stack pointer, plain or LSL means UXTX (UXTW)."""

    def read(self, r: Reader, f: FieldValues) -> None:
        letter, f["Rm"] = read_register(r, "wx" if f["sf"] else "w", False)
        plain = 2 + f["sf"]
        f["option"], f["imm"] = plain, 0
        if not r.accept(","):
            if letter != "wx"[f["sf"]]:
                r.fail("expected an extension of the 32-bit register, such as ', uxtw'", 1)
            return
        f["option"], f["imm"] = _read_extend(r, EXTENDS, plain, 4)
        if f["sf"] and (letter == "x") != (f["option"] & 3 == 3):
            r.fail(
                f"{EXTENDS[f['option']]} extends a {'64' if letter == 'w' else '32'}-bit register",
                2,
            )

    def write(self, f: FieldValues, address: int) -> str:
        option, amount = f["option"], f["imm"]
        name = register_name("x" if f["sf"] and option & 3 == 3 else "w", f["Rm"])
        if option == 2 + f["sf"] and 31 in (f.get("Rd"), f["Rn"]):
            return name + (f", lsl #{amount}" if amount else "")
        return f"{name}, {EXTENDS[option]}" + (f" #{amount}" if amount else "")


class Index(Operand):
    """The index register of a register offset: X with LSL or SXTX, W with UXTW or SXTW, times 1 or the access size."""

    def read(self, r: Reader, f: FieldValues) -> None:
        letter, f["Rm"] = read_register(r, "wx", False)
        f["option"], f["S"] = 3, 0
        if not r.accept(","):
            if letter == "w":
                r.fail("expected ', uxtw' or ', sxtw' after a 32-bit index register", 1)
            return
        names = ("lsl", "sxtx") if letter == "x" else ("uxtw", "sxtw")
        token, size = r.token, f["size"]
        if token.text.lower() not in names:
            r.fail(f"expected {names[0]} or {names[1]}, found {token}", 2)
        r.advance()
        f["option"] = EXTENDS.index("uxtx" if token.text.lower() == "lsl" else token.text.lower())
        if r.token.kind == "number" or r.token.text in ("#", "("):
            token, amount = r.token, r.expression()
            if amount not in (0, size):
                r.fail(f"shift amount {amount} is not possible: expected 0 or {size}", 3, token)
            f["S"] = int(amount == size)
        elif token.text.lower() == "lsl":
            r.fail(f"expected #0 or #{size} after lsl, found {r.token}", 1)

    def write(self, f: FieldValues, address: int) -> str:
        name = register_name("x" if f["option"] & 1 else "w", f["Rm"])
        if f["option"] == 3:
            return name + (f", lsl #{f['size']}" if f["S"] else "")
        return f"{name}, {EXTENDS[f['option']]}" + (f" #{f['size']}" if f["S"] else "")


def _read_extend(r: Reader, names: tuple[str, ...], lsl: int, most: int) -> tuple[int, int]:
    token = r.token
    text = token.text.lower()
    if text not in (*names, "lsl"):
        r.fail(f"expected lsl or an extension ({', '.join(names)}), found {token}", 1)
    r.advance()
    amount = 0
    if text == "lsl" or r.token.kind == "number" or r.token.text in ("#", "("):
        at, amount = r.token, r.expression()
        in_range(r, at, amount, 0, most, what="shift amount")
    return (lsl if text == "lsl" else names.index(text)), amount


class Condition(Operand):
    """`cond`, or `notcond` where the encoding holds the inverse (CSET and its kin, so not AL or NV)."""

    aliases: ClassVar[dict[str, str]] = {"hs": "cs", "lo": "cc"}

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        name = self.aliases.get(token.text.lower(), token.text.lower())
        known = CONDITIONS[:14] if self.spec == "notcond" else CONDITIONS
        if name not in known:
            hint = did_you_mean(token.text, known) if token.kind == "name" else ""
            r.fail(f"expected a condition (eq, ne, ... {known[-1]}), found {token}{hint}", 1)
        r.advance()
        f["cond"] = CONDITIONS.index(name) ^ (self.spec == "notcond")

    def write(self, f: FieldValues, address: int) -> str:
        return CONDITIONS[f["cond"] ^ (self.spec == "notcond")]
