"""The names of a source: labels, numeric labels, assigned values, and other names for registers.

Invariant: a label's value is computed from its section's address, so it is right as soon as that is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import partial

from aarch64sim.asm.operands import register_of
from aarch64sim.asm.refused import undefined
from aarch64sim.asm.sections import Section
from aarch64sim.asm.text import Problem, Token, UnknownYet, did_you_mean

_DIGITS = frozenset("0123456789")


class Symbols:
    """All names that the statements so far gave a meaning."""

    def __init__(self) -> None:
        self.labels: dict[str, tuple[Section, int, int]] = {}  # with the line of the definition
        self.values: dict[
            str, int
        ] = {}  # by .equ, .set or `=`: the value that it has at this statement
        self.constants: set[str] = (
            set()
        )  # of those: that depend on no address and on nothing that comes later
        self.weak: set[str] = set()
        self.local: set[str] = set()
        self.provided: dict[
            str, int
        ] = {}  # by the linker, for names that the source does not define
        self.registers: dict[str, str] = {}  # by .req, in lower case; never changed, but replaced
        # By its digits each place of a numeric label: (order of the statement, section, offset).
        self._numeric: dict[str, list[tuple[int, Section, int]]] = {}

    def define(self, name: str, section: Section, line: int, order: int) -> None:
        """A label at the end of the section."""
        if name[0] in _DIGITS and name.isdigit() and len(name) < 10:
            place = order, section, section.size
            self._numeric.setdefault(_digits(name), []).append(place)
            return
        if name == "." or name[0] in _DIGITS or "\\" in name:
            raise Problem(0, f"expected a label, found '{name}:'")
        if name in self.labels:
            raise Problem(0, f"label '{name}' is already defined in line {self.labels[name][2]}")
        if name in self.values:
            raise Problem(0, f"'{name}' already has a value")
        self.labels[name] = section, section.size, line

    def assign(self, name: str, value: int, column: int = 0, *, constant: bool = True) -> None:
        """Give a name a value that may change: from the next statement on, or if it is no constant, when all have."""
        if name in self.labels:
            raise Problem(column, f"'{name}' is already a label in line {self.labels[name][2]}")
        self.values[name] = value
        (self.constants.add if constant else self.constants.discard)(name)

    def rename_register(self, name: str, register: str) -> None:
        """`name .req register`; with "" forget the name again."""
        if not register:
            if name.lower() not in self.registers:
                raise Problem(0, f"'{name}' is not a name that .req gave to a register")
            self.registers = {k: v for k, v in self.registers.items() if k != name.lower()}
            return
        register = self.registers.get(register.lower(), register.lower())
        if register_of(register) is None:
            raise Problem(0, f"expected a register after .req, found '{register}'")
        before = register_of(self.registers.get(name.lower(), name.lower()))
        if before not in (None, register_of(register)):
            raise Problem(0, f"'{name}' is another register already")
        self.registers = {**self.registers, name.lower(): register}

    def place(self, label: str, order: int) -> tuple[Section, int] | None:
        """Where the label stands, numeric or not, that the statement of that order names; None if nowhere (yet)."""
        if label[0] in _DIGITS:
            places, index = self._which(label, order)
            return places[index][1:] if 0 <= index < len(places) else None
        found = self.labels.get(label)
        return found[:2] if found else None

    def known(self, name: str) -> int | None:
        """The value of a name, None if it has none (yet)."""
        if name in self.labels:
            section, offset, _ = self.labels[name]
            return section.address + offset
        if name in self.values:
            return self.values[name]
        return self.provided.get(name)

    def value(self, token: Token, order: int) -> int:
        """The value of a name or of a numeric label, seen from the statement of that order; else UnknownYet."""
        if token.kind == "local":
            if found := self.place(token.text, order):
                return found[0].address + found[1]
            what = (
                f"'{token.text[:-1]}:' {'before' if token.text[-1] == 'b' else 'after'} this line"
            )
            raise UnknownYet(token.column, f"there is no label {what}", 2)
        value = self.known(token.text)
        if value is None and register_of(token.text.lower()):
            what = f"expected a number or a symbol, found register {token}"
            raise UnknownYet(token.column, what, 0)
        if value is None:
            raise UnknownYet(
                token.column, f"unknown symbol {token}", 2, partial(self._why, token.text)
            )
        return value

    def _why(self, name: str) -> str:
        known = undefined(name)
        return f": {known}" if known else did_you_mean(name, [*self.labels, *self.values])

    def meaning(self, token: Token, order: int) -> tuple[object, ...]:
        """Equal for tokens that say the same from where they stand."""
        if token.text == ".":
            return (order,)
        if token.kind == "local":
            return (token.kind, _digits(token.text[:-1]), self._which(token.text, order)[1])
        return token.text, self.values.get(token.text)

    def _which(self, label: str, order: int) -> tuple[list[tuple[int, Section, int]], int]:
        """The places of a numeric label (`1b`, `1f`), and which of them is meant."""
        places = self._numeric.get(_digits(label[:-1]), [])
        return places, bisect_left(places, (order + 1,)) - (label[-1] == "b")

    def move(self, moved: Callable[[Section, int], tuple[Section, int]]) -> None:
        """Let labels follow what they mark."""
        for name, (section, offset, line) in self.labels.items():
            self.labels[name] = *moved(section, offset), line
        for places in self._numeric.values():
            places[:] = [(order, *moved(section, offset)) for order, section, offset in places]

    def all(self) -> dict[str, int]:
        """Every name and its value, labels first."""
        return {
            name: s.address + offset for name, (s, offset, _) in self.labels.items()
        } | self.values


def _digits(numeric: str) -> str:
    return numeric if numeric[0] != "0" else numeric.lstrip("0") or "0"
