"""Source text to a Program: labels, directives and literal pools around `syntax.read_instruction`.

Invariant: two passes over the same statements, the first gives each its address and size, the second its bytes;
any text gives a Program or an AssemblyError that holds every fault found.
"""

from __future__ import annotations

from dataclasses import dataclass

from aarch64sim.asm.directives import LARGEST, MAKERS, bytes_of, number, size_of
from aarch64sim.asm.program import Program, Segment
from aarch64sim.asm.source import Source, Statement
from aarch64sim.asm.syntax import read_instruction, spellings
from aarch64sim.asm.text import Problem, Reader, Token, did_you_mean

POOLS = {".ltorg", ".pool"}
IGNORED = {".global", ".globl", ".text", ".data", ".arch", ".cpu", ".type", ".size"}
DIRECTIVES = MAKERS | POOLS | IGNORED | {".org", ".equ", ".set", ".inst"}


@dataclass
class _Literal:
    """An entry of a literal pool; its bytes are known when a statement that asks for it is read."""

    size: int
    data: bytes
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
        self.chunks: dict[int, bytes] = {}  # by address
        self.lines: dict[int, int] = {}
        self.late: list[Statement] = []  # assignments that need later labels
        self.made = 0  # bytes so far
        self.now = Statement(1, 0, [])

    def run(self) -> Program:
        source = self.source
        last = Statement(len(source.lines), len(source.statements), [Token("end", "", 0)])
        source.guard(self._place, source.statements)
        source.guard(self._place_pool, [last])
        source.guard(self._assign, self.late)
        source.check()
        source.guard(self._emit, source.statements)
        source.check()
        self.chunks.update((literal.address, literal.data) for literal in self.pools)
        segments = _segments(self.chunks)
        entry = self.symbols.get("_start", segments[0].address if segments else self.base)
        return Program(source.text, self.base, segments, entry, dict(self.symbols), self.lines)

    # --- symbols ---------------------------------------------------------------------------------------------------
    def _reader(self, statement: Statement) -> Reader:
        self.now = statement
        return Reader(statement.tokens, statement.address, self._symbol, self._literal)

    def _symbol(self, token: Token) -> int:
        if token.text == ".":
            return self.now.address
        if token.kind == "local":
            digits, back = token.text[:-1].lstrip("0") or "0", token.text[-1] == "b"
            places = self.numeric.get(digits, [])
            near = [at for order, at in places if (order <= self.now.order) == back]
            if not near:
                what = f"'{digits}:' {'before' if back else 'after'} this line"
                raise Problem(token.column, f"there is no label {what}", 2)
            return near[-1 if back else 0]
        if token.text not in self.symbols:
            hint = did_you_mean(token.text, self.symbols)
            raise Problem(token.column, f"unknown symbol '{token.text}'{hint}", 2)
        return self.symbols[token.text]

    def _define(self, token: Token, statement: Statement) -> None:
        if token.kind == "number" and token.text.isdigit() and len(token.text) < 10:
            places = self.numeric.setdefault(str(int(token.text)), [])
            places.append((statement.order, self.address))
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
        mark = "," if r.accept(".equ") or r.accept(".set") else "="
        name = r.advance()
        if name.kind != "name" or name.text == ".":
            r.fail(f"expected a name, found {name}", token=name)
        if name.text in self.labels:
            r.fail(f"'{name.text}' is already a label in line {self.labels[name.text]}", token=name)
        r.expect(mark)
        value = r.expression()
        r.expect_end()
        self.symbols[name.text] = value

    def _assigned(self, token: Token) -> int | None:
        """The value that a symbol other than a label has here: it may be given another."""
        return None if token.text in self.labels else self.symbols.get(token.text)

    # --- first pass: addresses -------------------------------------------------------------------------------------
    def _place(self, statement: Statement) -> None:
        tokens = statement.tokens
        while len(tokens) > 2 and tokens[1].text == ":" and tokens[1].kind == "mark":
            self._define(tokens[0], statement)
            del tokens[:2]
        statement.address = self.address
        first, name = tokens[0], statement.name
        if first.kind == "end" or name in IGNORED:
            del tokens[:-1]
        elif _assigns(statement):
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
            self._grow(statement, size_of(name, r))
        else:
            self._place_instruction(statement)

    def _grow(self, statement: Statement, size: int) -> None:
        statement.size = size
        self.made += size
        self.address += size
        if self.made > LARGEST or self.address > 1 << 64:
            self.made = self.address = 0  # say it once
            what = f"the program is too large: at most {LARGEST} bytes, below 2**64"
            raise Problem(statement.tokens[0].column, what)

    def _place_instruction(self, statement: Statement) -> None:
        tokens, name = statement.tokens, statement.name
        column = tokens[0].column
        if name.startswith(".") and name != ".inst":
            hint = did_you_mean(name, DIRECTIVES)
            raise Problem(column, f"unknown directive '{name}'{hint}")
        if name not in spellings() and name != ".inst":
            hint = did_you_mean(name, spellings())
            raise Problem(column, f"unknown mnemonic '{tokens[0].text}'{hint}")
        if self.address % 4:
            what = "expected a multiple of 4, put .align 2 before it"
            raise Problem(column, f"instruction at address {self.address:#x}: {what}")
        self._grow(statement, 4)
        if name == "ldr" and len(tokens) > 4 and tokens[3].text == "=":
            value, size = tokens[4:], 4 if tokens[1].text.lower().startswith("w") else 8
            key: tuple[object, ...] = (size, *((t.text, self._assigned(t)) for t in value))
            if any(t.text == "." or t.kind == "local" for t in value):
                key = (statement.order,)  # means something else elsewhere
            entry = self.pending.setdefault(key, _Literal(size, bytes(size)))
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
        for entry in sorted(self.pending.values(), key=lambda entry: entry.size):
            self.address += -self.address % entry.size
            entry.address = self.address
            self._grow(statement, entry.size)
            self.pools.append(entry)
        self.pending = {}

    # --- second pass: bytes ----------------------------------------------------------------------------------------
    def _emit(self, statement: Statement) -> None:
        name, address = statement.name, statement.address
        if not name or name == ".org" or name in POOLS:
            return
        if _assigns(statement):
            self._assign(statement)
            return
        r = self._reader(statement)
        if name in MAKERS:
            r.advance()
            data = bytes_of(name, r, statement.size)
        elif name == ".inst":
            r.advance()
            data = number(r, 4)
            r.expect_end()
        else:
            data = read_instruction(r).to_bytes(4, "little")
        self.chunks[address] = data
        if name not in MAKERS or (name == ".word" and address % 4 == 0):
            self.lines |= dict.fromkeys(range(address, address + len(data), 4), statement.line)

    def _literal(self, r: Reader, size: int) -> int:
        """Read the value behind `=` into its pool entry, the address of which this is."""
        entry = self.literals.get(self.now.order)
        if entry is None or entry.size != size:
            what = "expected a label: only ldr to a general register takes =value"
            r.fail(what, 2, self.now.tokens[-1])
        entry.data = number(r, size)
        return entry.address


def _assigns(statement: Statement) -> bool:
    tokens = statement.tokens
    return statement.name in (".equ", ".set") or (len(tokens) > 2 and tokens[1].text == "=")


def _segments(chunks: dict[int, bytes]) -> tuple[Segment, ...]:
    """The chunks by address, neighbours joined."""
    joined: list[tuple[int, bytearray]] = []
    end = -1
    for address in sorted(filter(chunks.get, chunks)):
        if address != end:
            joined.append((address, bytearray()))
        joined[-1][1].extend(chunks[address])
        end = address + len(chunks[address])
    return tuple(Segment(address, bytes(data)) for address, data in joined)


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
