"""Source text to a Program: labels, directives and literal pools around `syntax.read_instruction`.

Invariant: two passes over the same statements, the first gives each its address and size, the second its bytes;
any text gives a Program or an AssemblyError that holds every fault found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aarch64sim.asm.directives import LARGEST, MAKERS, bytes_of, number, size_of
from aarch64sim.asm.program import Program, Segment
from aarch64sim.asm.source import Source, Statement
from aarch64sim.asm.syntax import MNEMONICS, read_instruction
from aarch64sim.asm.text import Problem, Reader, Token, did_you_mean

POOLS = {".ltorg", ".pool"}
IGNORED = {".global", ".globl", ".text", ".data", ".arch", ".cpu", ".type", ".size"}
DIRECTIVES = MAKERS | POOLS | IGNORED | {".org", ".equ", ".set", ".inst"}


@dataclass
class _Literal:
    """An entry of a literal pool: the value's tokens, and the statement that asked for it first."""

    statement: Statement
    tokens: list[Token]
    size: int
    address: int = 0


class _Assembler:
    def __init__(self, text: str, base: int) -> None:
        self.source = Source(text)
        self.base = self.address = base
        self.symbols: dict[str, int] = {}
        self.labels: dict[str, int] = {}  # name -> line of the definition
        self.numeric: dict[str, list[tuple[int, int]]] = {}  # digits -> statement's order, address
        self.pending: dict[tuple[object, ...], _Literal] = {}  # entries of the next pool
        self.literals: dict[int, _Literal] = {}  # order of the statement -> its entry
        self.pools: list[_Literal] = []
        self.chunks: list[tuple[int, bytes]] = []
        self.lines: dict[int, int] = {}
        self.late: list[Statement] = []  # assignments that need later labels
        self.made = 0  # bytes so far
        self.now = Statement(1, 0, [])

    def run(self) -> Program:
        source = self.source
        for statement in source.statements:
            source.guard(statement, self._place)
        if self.pending:
            last = Statement(
                len(source.lines), len(source.statements), [Token("end", "", 0)], self.address
            )
            source.statements.append(last)
            source.guard(last, self._place_pool)
        for statement in self.late:
            source.guard(statement, self._assign)
        source.check()
        for statement in source.statements:
            source.guard(statement, self._emit)
        for literal in self.pools:
            source.guard(literal.statement, lambda _, literal=literal: self._emit_literal(literal))  # type: ignore[misc]
        source.check()
        segments = tuple(_merge(sorted(self.chunks)))
        start = segments[0].address if segments else self.base
        return Program(
            source.text,
            self.base,
            segments,
            self.symbols.get("_start", start),
            dict(self.symbols),
            self.lines,
        )

    # --- symbols ---------------------------------------------------------------------------------------------------
    def _reader(self, statement: Statement, tokens: list[Token] | None = None) -> Reader:
        self.now = statement
        return Reader(
            tokens or statement.tokens, self._symbol, statement.address, self._literal_address
        )

    def _symbol(self, token: Token) -> int:
        if token.text == ".":
            return self.now.address
        if token.kind == "number":
            digits, where = str(int(token.text[:-1])), token.text[-1]
            places = self.numeric.get(digits, [])
            if where == "b":
                places = [place for place in places if place[0] <= self.now.order][::-1]
            else:
                places = [place for place in places if place[0] > self.now.order]
            if not places:
                side = "before" if where == "b" else "after"
                raise Problem(token.column, f"there is no label '{digits}:' {side} this line", 2)
            return places[0][1]
        if token.text not in self.symbols:
            hint = did_you_mean(token.text, self.symbols)
            raise Problem(token.column, f"unknown symbol '{token.text}'{hint}", 2)
        return self.symbols[token.text]

    def _define(self, token: Token, statement: Statement) -> None:
        if token.kind == "number" and token.text.isdigit() and len(token.text) < 10:
            self.numeric.setdefault(str(int(token.text)), []).append(
                (statement.order, self.address)
            )
            return
        if token.kind != "name" or token.text == ".":
            raise Problem(token.column, f"expected a label, found {token}")
        if token.text in self.labels:
            line = self.labels[token.text]
            raise Problem(token.column, f"label '{token.text}' is already defined in line {line}")
        self.labels[token.text] = statement.line
        self.symbols[token.text] = self.address

    def _assign(self, statement: Statement) -> None:
        """`.equ name, value` or `name = value`."""
        r = self._reader(statement)
        directive = r.advance() if r.token.text.lower() in (".equ", ".set") else None
        name = r.advance()
        if name.kind != "name" or name.text == ".":
            r.fail(f"expected a name, found {name}", token=name)
        if name.text in self.labels:
            r.fail(f"'{name.text}' is already a label in line {self.labels[name.text]}", token=name)
        r.expect("," if directive else "=")
        value = r.expression()
        r.expect_end()
        self.symbols[name.text] = value

    # --- first pass: addresses -------------------------------------------------------------------------------------
    def _place(self, statement: Statement) -> None:
        tokens = statement.tokens
        while len(tokens) > 2 and tokens[1].text == ":" and tokens[1].kind == "mark":
            self._define(tokens[0], statement)
            del tokens[:2]
        statement.address = self.address
        first, name = tokens[0], tokens[0].text.lower()
        if first.kind == "end" or name in IGNORED:
            del tokens[:-1]
        elif _assigned(statement):
            try:
                self._assign(statement)
            except Problem as problem:
                if not problem.message.startswith(("unknown symbol", "there is no label")):
                    raise
                self.late.append(statement)
        elif first.kind != "name":
            what = "a label, a directive or an instruction"
            raise Problem(first.column, f"expected {what}, found {first}")
        elif name in POOLS:
            self._place_pool(statement)
        elif name == ".org":
            self._place_org(statement)
        elif name in MAKERS:
            r = self._reader(statement)
            r.advance()
            statement.size = size_of(name, r)
            self._grow(statement.size, first)
        else:
            self._place_instruction(name, statement)

    def _grow(self, size: int, token: Token) -> None:
        self.made += size
        self.address += size
        if self.made > LARGEST or self.address > 1 << 64:
            self.made = self.address = 0  # say it once
            what = f"the program is too large: at most {LARGEST} bytes, below 2**64"
            raise Problem(token.column, what)

    def _place_instruction(self, name: str, statement: Statement) -> None:
        first = statement.tokens[0]
        if name.startswith(".") and name != ".inst":
            hint = did_you_mean(name, DIRECTIVES)
            raise Problem(first.column, f"unknown directive '{name}'{hint}")
        if name not in MNEMONICS and name != ".inst":
            hint = did_you_mean(name, MNEMONICS)
            raise Problem(first.column, f"unknown mnemonic '{first.text}'{hint}")
        if self.address % 4:
            what = f"instruction at address {self.address:#x}: expected a multiple of 4, put .align 2 before it"
            raise Problem(first.column, what)
        statement.size = 4
        self._grow(4, first)
        tokens = statement.tokens
        if name == "ldr" and len(tokens) > 4 and tokens[3].text == "=":
            value, size = tokens[4:], 4 if tokens[1].text.lower().startswith("w") else 8
            key: tuple[object, ...] = (size, *(t.text for t in value))
            if any(t.text == "." or (t.kind == "number" and t.text[-1] in "bf") for t in value):
                key = (statement.order,)  # means something else elsewhere
            entry = self.pending.setdefault(key, _Literal(statement, value, size))
            self.literals[statement.order] = entry

    def _place_org(self, statement: Statement) -> None:
        r = self._reader(statement)
        r.advance()
        token, target = r.token, r.expression()
        r.expect_end()
        if target < self.base:
            target += self.base  # an offset, as in GNU as
        if not self.address <= target <= 1 << 64:
            what = f"expected {self.address:#x} or more, found {target:#x}"
            r.fail(f".org goes back: {what}", token=token)
        self.address = target

    def _place_pool(self, statement: Statement) -> None:
        start = self.address
        for entry in sorted(self.pending.values(), key=lambda entry: entry.size):
            self.address += -self.address % entry.size
            entry.address = self.address
            self._grow(entry.size, statement.tokens[0])
            self.pools.append(entry)
        self.pending = {}
        statement.address, statement.size = start, self.address - start

    # --- second pass: bytes ----------------------------------------------------------------------------------------
    def _emit(self, statement: Statement) -> None:
        first, name = statement.tokens[0], statement.tokens[0].text.lower()
        if first.kind == "end" or name == ".org" or name in POOLS:
            return
        r = self._reader(statement)
        if _assigned(statement):
            self._assign(statement)
        elif name in MAKERS:
            r.advance()
            self._put(statement.address, bytes_of(name, r, statement.size))
            if name == ".word" and statement.address % 4 == 0:
                self._note_lines(statement)
        else:
            if name == ".inst":
                r.advance()
                word = number(r, 4)
                r.expect_end()
            else:
                word = read_instruction(r)
            self._put(statement.address, word.to_bytes(4, "little"))
            self._note_lines(statement)

    def _note_lines(self, statement: Statement) -> None:
        for address in range(statement.address, statement.address + statement.size, 4):
            self.lines[address] = statement.line

    def _put(self, address: int, data: bytes) -> None:
        if data:
            self.chunks.append((address, data))

    def _literal_address(self, size: int) -> int:
        entry = self.literals.get(self.now.order)
        if entry is None or entry.size != size:
            what = "expected a label: only ldr to a general register takes =value"
            raise Problem(self.now.tokens[-1].column, what, 2)
        return entry.address

    def _emit_literal(self, literal: _Literal) -> None:
        r = self._reader(literal.statement, literal.tokens)
        self._put(literal.address, number(r, literal.size).to_bytes(literal.size, "little"))


def _assigned(statement: Statement) -> bool:
    tokens = statement.tokens
    return tokens[0].text.lower() in (".equ", ".set") or (len(tokens) > 2 and tokens[1].text == "=")


def _merge(chunks: list[tuple[int, bytes]]) -> Iterator[Segment]:
    """Neighbouring chunks become one segment."""
    start, data = 0, bytearray()
    for address, part in chunks:
        if data and address != start + len(data):
            yield Segment(start, bytes(data))
            data = bytearray()
        start = start if data else address
        data += part
    if data:
        yield Segment(start, bytes(data))


def assemble(source: str, base: int = 0x4000_0000) -> Program:
    """The Program of A64 assembly text in GNU syntax, its first byte at guest-physical address `base`.

    Entered at `_start` if there is such a label, else at its first byte. Raises AssemblyError with every fault found.

    >>> program = assemble("loop: subs x0, x0, #1\\n b.ne loop")
    >>> [f"{address:#x} {word:#010x}" for address, word in program.words()]
    ['0x40000000 0xf1000400', '0x40000004 0x54ffffe1']
    """
    if base % 4 or not 0 <= base < 1 << 64:
        raise ValueError(f"base {base:#x}: expected a multiple of 4 below 2**64")
    return _Assembler(source, base).run()
