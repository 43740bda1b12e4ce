"""A statement in its place: what its expressions may ask, and its bytes once the sections have their addresses.

Invariant: writing changes the bytes that the first pass kept for the statement, and its entry in a literal pool.
"""

from __future__ import annotations

from contextlib import suppress

from aarch64sim.asm.directives import DATA, made, number
from aarch64sim.asm.known import Gap, Known
from aarch64sim.asm.literals import Literal
from aarch64sim.asm.reader import Reader
from aarch64sim.asm.refused import explained
from aarch64sim.asm.sections import Section
from aarch64sim.asm.source import Statement
from aarch64sim.asm.symbols import Symbols
from aarch64sim.asm.syntax import Branch, read_instruction
from aarch64sim.asm.text import Problem, Token, UnknownYet, tokenize

MOVED = "this depends on where the sections are put, which is settled only after it"


class Place:
    """The context of a statement."""

    __slots__ = (
        "apart",
        "entry",
        "offset",
        "order",
        "passed_by",
        "registers",
        "section",
        "settled",
        "statement",
        "symbols",
    )

    def __init__(
        self, statement: Statement, order: int, symbols: Symbols, section: Section
    ) -> None:
        self.statement = statement
        self.order = order  # among all statements
        self.symbols = symbols
        self.registers = symbols.registers  # the names that .req has given so far
        self.section = section
        self.offset = section.size
        self.entry: Literal | None = None
        self.passed_by = 0  # bytes of the items before the one that is read
        self.apart = False  # it depends on a symbol of another section
        self.settled = True  # what was read depends on no symbol, but for constants

    def address(self) -> int:
        return self.section.address + self.offset + self.passed_by

    def passed(self, size: int) -> None:
        self.passed_by += size

    def symbol(self, token: Token) -> int:
        self.settled = self.settled and token.text in self.symbols.constants
        if token.text == ".":
            return self.address()
        if token.text in self.symbols.weak and self.symbols.known(token.text) is None:
            return self._undefined(token)
        label = self.symbols.place(token.text, self.order)
        self.apart = self.apart or (label is not None and label[0] is not self.section)
        return self.symbols.value(token, self.order)

    def unusable(self, problem: Problem) -> Problem:
        """What to say where the first pass has to act on an expression, and can't."""
        if self.apart:
            return Problem(0, MOVED)
        if isinstance(problem, UnknownYet):
            what = f"{problem.message} (its value has to be known in this line)"
            return Problem(problem.column, what)
        return problem

    def _undefined(self, token: Token) -> int:
        """The value of a weak symbol without a definition, or without one so far."""
        if self.statement.name not in DATA:
            what = f"{token} is weak and has no definition: only data can hold its value, 0"
            raise UnknownYet(token.column, what, 2)
        return 0

    def literal(self, r: Reader, size: int) -> int:
        if self.entry is None or self.entry.size != size:
            what = "expected a label: only ldr and ldrsw take =value"
            r.fail(what, 2, r.tokens[-1])
        self.entry.put(number(r, size))
        return self.entry.address

    def tokens(self) -> list[Token]:
        """The words of the statement, registers under their own names."""
        tokens = tokenize(self.statement.text)
        if not self.registers:
            return tokens
        names = ((t, t.kind == "name" and self.registers.get(t.text.lower())) for t in tokens)
        return [Token("name", name, t.column) if name else t for t, name in names]

    def reader(self) -> Reader:
        """Reads what follows the first word."""
        self.passed_by = 0
        r = Reader(self.tokens(), self)
        r.advance()
        return r

    def expression(self) -> int:
        """The only thing that follows the first word."""
        r = self.reader()
        value = r.expression()
        r.expect_end()
        return value

    # --- second pass -----------------------------------------------------------------------------------------------
    def write_instruction(self) -> bytes:
        """Its word, read with the values that are known by now."""
        tokens = self.tokens()
        try:
            word = read_instruction(Reader(tokens, self)).to_bytes(4, "little")
        except Problem as problem:
            raise explained(problem, tokens) from problem
        self.section.write(self.offset, word)
        return word

    def write_branch(self, branch: Branch, label: str) -> None:
        """The word of such an instruction with this label."""
        found, column = self.symbols.place(label, self.order), len(self.statement.text) - len(label)
        if found:
            value = found[0].address + found[1]
        else:
            value = self.symbol(Token("local" if label[0].isdigit() else "name", label, column))
        word = branch.word(value, self.section.address + self.offset, column)
        self.section.write(self.offset, word)

    def write_gap(self, known: Known, gap: Gap) -> None:
        """The word of an instruction that is known but for this expression."""
        value = word = None
        with suppress(Problem):
            r = Reader(gap.tokens(), self)
            value = r.expression() if self.entry is None else self.literal(r, self.entry.size)
            r.expect_end()
            word = known.filled(gap, value, self.section.address + self.offset)
        if word:
            self.section.write(self.offset, word)
            return
        word = self.write_instruction()
        if value is not None and not self.entry:
            known.learn_filled(gap, value, word)

    def write_name(self, name: str, size: int) -> None:
        """The value of the name that is all that a directive has."""
        value = self.symbols.known(name)
        if value is None or not -(1 << 8 * size - 1) <= value < 1 << 8 * size:
            self.write_bytes(size)
            return
        data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        self.section.write(self.offset, data)

    def write_bytes(self, size: int) -> None:
        """Those of a directive, of which the first pass kept `size`."""
        data = made(self.statement.name, self.reader(), self.section)
        if len(data) != size:
            raise Problem(0, MOVED)
        self.section.write(self.offset, data)

    def check_expression(self, value: int) -> None:
        """Nothing is written: the first pass acted on this value."""
        if self.expression() != value:
            raise Problem(0, MOVED)
