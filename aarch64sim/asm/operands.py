"""What an operand kind is, and the kinds with registers: each reads its text into fields and writes it back.

Invariant: `read` and `write` of one kind stand side by side and are inverse; neither knows a bit position.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from aarch64sim.arch.pattern import Encoding
from aarch64sim.asm.reader import Linear, Reader
from aarch64sim.asm.text import Token, did_you_mean

FieldValues = dict[str, int]
_NAMED_REGISTERS = {"sp": "x31", "wsp": "w31", "xzr": "x31", "wzr": "w31", "lr": "x30", "fp": "x29",
                    "ip0": "x16", "ip1": "x17"}  # fmt: skip
_REGISTERS = {f"{letter}{n}": (letter, n) for letter in "xwbhsdq" for n in range(32)}
EXTENDS = ("uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx")


def register_of(name: str) -> tuple[str, int] | None:
    """Class letter and number of the register with this name (in lower case), None if there is none."""
    return _REGISTERS.get(_NAMED_REGISTERS.get(name, name))


class Operand:
    """One operand as `spec` names it in the syntax of `row`: `kind`, `kind.field`, `kind=default`."""

    def __init__(self, spec: str, row: Encoding) -> None:
        self.spec, _, default = spec.partition("=")
        self.row, self.default = row, int(default or 0)
        self.field = self.spec.partition(".")[2] or "imm"

    def read(self, r: Reader, f: FieldValues) -> None:
        """Consume the operand's tokens and set its fields."""
        raise NotImplementedError

    def write(self, f: FieldValues, address: int) -> str | None:
        """The operand's text; None where no text gives these fields."""
        raise NotImplementedError


Kind = Callable[[str, Encoding], Operand]


def register_name(letter: str, n: int, sp: bool = False) -> str:
    """`x3`, `wzr`, `sp`, `q7` ...: register `n`, 0 to 31."""
    if n == 31 and letter in "xw":
        return ("sp" if letter == "x" else "wsp") if sp else f"{letter}zr"
    return f"{letter}{n}"


def read_register(r: Reader, letters: str, sp: bool = False, unit: int = 0) -> tuple[str, int]:
    """Class letter and number of the register that must come next; `letters` are the possible classes.

    `unit`: what the word gains with each number, if it is so simple.
    """
    token, text = r.token, r.token.text.lower()
    letter, n = register_of(text) or ("", 0)
    if not letter:
        r.fail(f"expected {_expected(letters, sp)}, found {token}", hint=partial(_hint, token))
    if letter not in letters:
        r.fail(f"expected {_expected(letters, sp)}, found {token}", 2)
    if n == 31 and letter in "xw":
        if text not in _NAMED_REGISTERS:
            r.fail(f"there is no register {token}: 31 is written sp or {letter}zr", 2)
        if text.endswith("sp") != sp:
            r.fail(f"{token} is not possible here: expected {_expected(letters, sp)}", 2)
    r.registers[token.column + 1] = Linear(unit, 0, 30)
    r.at += 1
    return letter, n


@cache
def _expected(letters: str, sp: bool) -> str:
    x, w = ("x0-x30 or sp", "w0-w30 or wsp") if sp else ("x0-x30 or xzr", "w0-w30 or wzr")
    named = {"x": f"a 64-bit register ({x})", "w": f"a 32-bit register ({w})",
             "wx": f"a register ({x}, {w})"}  # fmt: skip
    simd = ", ".join(f"{c}0-{c}31" for c in letters)
    return named.get(letters, f"a SIMD&FP register ({simd})")


def _hint(token: Token) -> str:
    names = [f"{c}{n}" for c in "xw" for n in range(31)] + list(_NAMED_REGISTERS)
    return did_you_mean(token.text, names) if token.kind == "name" and len(token.text) <= 4 else ""


class Register(Operand):
    """W or X; R (width by sf), T (by the bit that is tested), Z (by size), V (SIMD&FP, by size).

    `Rn|SP`: 31 is the stack pointer. `Rn&Rm`: one register in two fields.
    """

    def __init__(self, spec: str, row: Encoding) -> None:
        super().__init__(spec, row)
        name, _, option = self.spec.replace("|", "&").partition("&")
        self.kind, self.field, self.sp = name[0], "R" + name[1:], option == "SP"
        self.twin = "Rm" if option == "Rm" else self.field
        self.unit = row.unit(*{self.field, self.twin})

    def letters(self, f: FieldValues) -> str:
        """The register classes that are possible with the fields known so far."""
        if self.kind == "R":
            return "wx"[f["sf"]] if "sf" in f else "wx"
        if self.kind == "T":
            return "wx"[f["bit"] >> 5] if "bit" in f else "wx"
        if self.kind == "Z":
            return "wx"[f["size"] == 3]
        if self.kind == "V":
            return "bhsdq"[f["size"]] if "size" in f else "bhsd"
        return self.kind.lower()

    def read(self, r: Reader, f: FieldValues) -> None:
        letter, n = read_register(r, self.letters(f), self.sp, self.unit)
        f[self.field] = f[self.twin] = n
        if self.kind in "RT":
            f["sf"] = int(letter == "x")
        elif self.kind == "V":
            f["size"] = "bhsdq".index(letter)

    def write(self, f: FieldValues, address: int) -> str | None:
        n = f[self.field]
        return register_name(self.letters(f), n, self.sp) if n == f[self.twin] else None


class EvenPair(Operand):
    """`pair.field`: two consecutive registers of CASP, the first even; one field."""

    def read(self, r: Reader, f: FieldValues) -> None:
        token = r.token
        letter, n = read_register(r, "wx"[f["sf"]] if "sf" in f else "wx")
        if n % 2:
            r.fail(f"expected an even-numbered register, found {token}", 3, token)
        r.expect(",")
        token = r.token
        if read_register(r, letter)[1] != n + 1:
            r.fail(f"expected {register_name(letter, n + 1)}, found {token}", 3, token)
        f[self.field], f["sf"] = n, int(letter == "x")

    def write(self, f: FieldValues, address: int) -> str:
        return ", ".join(register_name("wx"[f["sf"]], f[self.field] + i) for i in (0, 1))


class ExtendedRegister(Operand):
    """Rm with UXTB ... SXTX and 0 to 4; where Rn or Rd is the stack pointer, plain or LSL means UXTX (UXTW)."""

    def read(self, r: Reader, f: FieldValues) -> None:
        letter, f["Rm"] = read_register(r, "wx" if f["sf"] else "w", unit=self.row.unit("Rm"))
        f["option"], f["imm"] = 2 + f["sf"], 0
        if not r.accept(","):
            if letter != "wx"[f["sf"]]:
                r.fail("expected an extension of the 32-bit register, such as ', uxtw'", 1)
            return
        name = r.choose((*EXTENDS, "lsl"), f"lsl or an extension ({', '.join(EXTENDS)})")
        f["option"] = f["option"] if name == "lsl" else EXTENDS.index(name)
        if name == "lsl" or r.at_number():
            f["imm"] = r.number("shift amount", 0, 4)
        if f["sf"] and (letter == "x") != (f["option"] & 3 == 3):
            width = 64 if letter == "w" else 32
            r.fail(f"{EXTENDS[f['option']]} extends a {width}-bit register", 2)

    def write(self, f: FieldValues, address: int) -> str:
        plain = f["option"] == 2 + f["sf"] and 31 in (f.get("Rd"), f["Rn"])
        return _extended(f["sf"] and f["option"] & 3 == 3, f, plain, f["imm"], shown=f["imm"] > 0)


class Index(Operand):
    """The index register of a register offset: X with LSL or SXTX, W with UXTW or SXTW, times 1 or the access size."""

    def read(self, r: Reader, f: FieldValues) -> None:
        letter, f["Rm"] = read_register(r, "wx", unit=self.row.unit("Rm"))
        f["option"], f["S"], size = 3, 0, f["size"]
        if not r.accept(","):
            if letter == "w":
                r.fail("expected ', uxtw' or ', sxtw' after a 32-bit index register", 1)
            return
        names = ("lsl", "sxtx") if letter == "x" else ("uxtw", "sxtw")
        name = r.choose(names, " or ".join(names), 2)
        f["option"] = 3 if name == "lsl" else EXTENDS.index(name)
        if r.at_number():
            token, amount = r.token, r.expression()
            if amount not in (0, size):
                expected = f"0 or {size}" if size else "0"
                r.fail(f"shift amount {amount} is not possible: expected {expected}", 3, token)
            f["S"] = int(amount == size)
        elif name == "lsl":
            r.fail(f"expected #0 or #{size} after lsl, found {r.token}", 1)

    def write(self, f: FieldValues, address: int) -> str:
        return _extended(f["option"] & 1, f, f["option"] == 3, f["size"], shown=f["S"] > 0)


def _extended(wide: int, f: FieldValues, plain: bool, amount: int, *, shown: bool) -> str:
    """Rm with its extension and amount; `plain`: without, or with LSL."""
    name, by = register_name("wx"[wide], f["Rm"]), f" #{amount}" if shown else ""
    if plain:
        return f"{name}, lsl{by}" if shown else name
    return f"{name}, {EXTENDS[f['option']]}{by}"


KINDS: dict[str, Kind] = {
    "pair": EvenPair,
    "extended": ExtendedRegister,
    "index": Index,
}
