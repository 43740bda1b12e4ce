"""Source text to a Program: each statement makes its bytes at once, or when the sections have their addresses.

Invariant: the first pass settles every size and offset, the second only values; any text gives a Program or an
AssemblyError that holds every fault found.
Longer than other files: statements of all kinds share the state of the first pass, and leave their rest for the second.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from functools import partial

from aarch64sim.asm.directives import (
    ALIGNMENTS,
    ASSIGNMENTS,
    DATA,
    IGNORED,
    LARGEST,
    MAKERS,
    POOLS,
    made,
    number,
    plain,
    usual_alignment,
)
from aarch64sim.asm.expansion import Expansion
from aarch64sim.asm.known import Gap, Known
from aarch64sim.asm.layout import lay_out, segments
from aarch64sim.asm.literals import Literal, Pools, literal_size
from aarch64sim.asm.merging import merge
from aarch64sim.asm.place import MOVED, Place
from aarch64sim.asm.program import Program
from aarch64sim.asm.reader import Reader
from aarch64sim.asm.refused import explained, unknown_directive, unknown_instruction
from aarch64sim.asm.sections import SECTION_DIRECTIVES, Section, Sections
from aarch64sim.asm.source import Source, Statement
from aarch64sim.asm.symbols import Symbols
from aarch64sim.asm.syntax import Branch, spellings
from aarch64sim.asm.text import Problem, Token, UnknownYet, quoted

_NAME = re.compile(r"[A-Za-z_.$][\w.$]*", re.ASCII)


class _Assembler:
    def __init__(self, text: str, base: int) -> None:
        self.source = Source(text)
        self.base = base
        self.sections, self.symbols, self.pools = Sections(base), Symbols(), Pools()
        self.known = Known()
        # The second pass: each function is called with its place and the arguments.
        self.later: list[tuple[Place, Callable[..., object], tuple[object, ...]]] = []
        self.ahead: list[
            Callable[[], object]
        ] = []  # assignments that are asked for before their turn
        self.commons: list[tuple[Statement, Callable[[], object]]] = []  # at the end of .bss
        self.order = self.made = 0

    def run(self) -> Program:
        for statement in Expansion(self.source, self):
            try:
                self._place(statement)
            except Problem as problem:
                self.source.fault(statement, problem)
        self._finish((statement, work, ()) for statement, work in self.commons)
        sections = [s for s in self.sections.all.values() if s.loaded]
        for section in sections:
            self.pools.flush(section)
        self.source.check()
        self._lay_out(sections)
        self._finish((place.statement, work, (place, *more)) for place, work, more in self.later)
        self.source.check()
        return self._program(sections)

    def _later(self, place: Place, work: Callable[..., object], *more: object) -> None:
        self.later.append((place, work, more))

    def _finish(
        self, works: Iterable[tuple[Statement, Callable[..., object], tuple[object, ...]]]
    ) -> None:
        for statement, work, arguments in works:
            try:
                work(*arguments)
            except Problem as problem:
                self.source.fault(statement, problem)

    def _lay_out(self, sections: list[Section]) -> None:
        """Settle all addresses, and the values of all names as far as they can be before their turn."""
        changing = {place.section.name for place, _, _ in self.later}
        merge((s for s in sections if s.name not in changing), self.symbols)
        self.symbols.provided = lay_out(sections, self.base)
        if any(section.address + section.size > 1 << 64 for section in sections):
            problem = Problem(0, "the program does not fit below 2**64")
            self.source.stop(Statement(1, 0, "", ""), problem)
        for assign in (*self.ahead, *reversed(self.ahead), *self.ahead):
            with suppress(Problem):
                assign()

    def _program(self, sections: list[Section]) -> Program:
        symbols = self.symbols.all()
        entries = (symbols[name] for name in ("_start", "main") if name in self.symbols.labels)
        lines = {s.address + offset: line for s in sections for offset, line in s.lines.items()}
        entry = next(entries, self.base)
        return Program(self.source.text, self.base, segments(sections), entry, symbols, lines)

    # --- what conditions and counts ask ----------------------------------------------------------------------------
    def value(self, statement: Statement) -> int:
        place = self._here(statement)
        try:
            value = place.expression()
        except Problem as problem:
            raise place.unusable(problem) from problem
        if not place.settled:
            self._later(place, Place.check_expression, value)
        return value

    def defined(self, name: str) -> bool:
        return self.symbols.known(name) is not None

    # --- first pass ------------------------------------------------------------------------------------------------
    def _here(self, s: Statement) -> Place:
        return Place(s, self.order, self.symbols, self.sections.now)

    def _put(self, data: bytes, section: Section) -> None:
        if section.zero and data.strip(b"\0"):
            raise Problem(0, f"section {section.name} holds nothing but zeros")
        self.made += len(data)
        if self.made > LARGEST:
            self.made = 0  # say it once
            raise Problem(0, f"the program is too large: at most {LARGEST} bytes")
        section.runs[-1][1].extend(data)

    def _place(self, s: Statement) -> None:
        self.order += 1
        section, name = self.sections.now, s.name
        if name[-1:] == ":":
            if section.loaded:
                self.symbols.define(s.text[:-1], section, s.line, self.order)
        elif "=" in s.text and name and s.rest.lstrip()[:1] == "=":
            self._place_assignment(s)
        elif name[:1] == ".":
            self._place_directive(s)
        elif section.loaded:  # the others are for debuggers and linkers
            self._place_instruction(s)

    def _place_word(self, s: Statement, word: bytes) -> None:
        section = self.sections.now
        offset = section.size
        if offset % 4:
            what = "expected a multiple of 4, put .align 2 before it"
            raise Problem(0, f"instruction at address {section.address + offset:#x}: {what}")
        if section.alignment < 4:
            section.alignment = 4
        section.lines[offset] = s.line
        self._put(word, section)

    def _place_instruction(self, s: Statement) -> None:
        known, text = self.known, s.text
        if word := known.word(text):
            self._place_word(s, word)
        elif branch := known.branch(text):
            self._place_branch(s, *branch)
        elif word := known.alike(text):
            self._place_word(s, word)
        elif gap := known.gap(text):
            self._place_gap(s, gap)
        else:
            self._read_instruction(s)

    def _place_branch(self, s: Statement, branch: Branch, label: str) -> None:
        """At once, if the label stands before it in its section: how far away it is can't change."""
        section = self.sections.now
        found = self.symbols.place(label, self.order)
        if found and found[0] is section and branch.within_section:
            word = branch.word(found[1], section.size, len(s.text) - len(label))
        else:
            place, word = self._here(s), bytes(4)
            self._later(place, Place.write_branch, branch, label)
        self._place_word(s, word)

    def _place_gap(self, s: Statement, gap: Gap) -> None:
        place = self._here(s)
        if size := self.known.loads(gap):
            place.entry = self._literal(place, size, gap.tokens())
        self._later(place, Place.write_gap, self.known, gap)
        self._place_word(s, bytes(4))

    def _read_instruction(self, s: Statement) -> None:
        place = self._here(s)
        tokens = place.tokens()
        if tokens[0].text.lower() not in spellings():
            if len(tokens) > 2 and tokens[1].text == ".req":
                self._rename_register(s.text[: len(s.name)], tokens[2].text)
                return
            raise unknown_instruction(tokens)
        if size := literal_size(tokens):
            place.entry = self._literal(place, size, tokens[4:])
        try:
            word = self.known.learn(s.text, tokens)
        except UnknownYet:
            gap = None if place.registers else self.known.learn_gap(s.text, tokens)
            if gap:
                self._later(place, Place.write_gap, self.known, gap)
            else:
                self._later(place, Place.write_instruction)
            self._place_word(s, bytes(4))
        except Problem as problem:
            raise explained(problem, tokens) from problem
        else:
            self._place_word(s, word)

    def _literal(self, place: Place, size: int, tokens: list[Token]) -> Literal:
        """Where the value will be, shared as GNU as does: with equal numbers, else with what means the same here."""
        value: Hashable = None
        with suppress(Problem):
            value = tokens[0].text == "-", Reader(tokens, place).expression()
        if value is None or not place.settled:
            value = tuple(self.symbols.meaning(token, place.order) for token in tokens)
        return self.pools.entry(place.section, size, value)

    def _rename_register(self, name: str, register: str) -> None:
        self.symbols.rename_register(name, register)
        self.known.forget()

    # --- directives ------------------------------------------------------------------------------------------------
    def _place_directive(self, s: Statement) -> None:
        name = s.name
        if name in SECTION_DIRECTIVES:
            self.sections.choose(name, s.rest, len(name))
        elif name in ASSIGNMENTS:
            self._place_assignment(s)
        elif not self.sections.now.loaded:
            pass
        elif name in DATA:
            self._place_numbers(s)
        elif name in MAKERS:
            self._place_bytes(s)
        elif name in IGNORED or name.startswith(".cfi_"):
            if name == ".local":
                self.symbols.local |= set(s.names)
        elif name in POOLS:
            self.pools.flush(self.sections.now)
        elif name == ".org":
            self._place_org(s)
        elif name == ".weak":
            self.symbols.weak |= set(s.names)
        elif name == ".unreq":
            self._rename_register(s.rest.strip(), "")
        elif name in (".comm", ".lcomm"):
            self._place_common(s)
        else:
            raise unknown_directive(name)

    def _place_numbers(self, s: Statement) -> None:
        """A list of numbers, or one name, needs no reader."""
        section, name, rest = self.sections.now, s.name, s.rest.strip()
        if _NAME.fullmatch(rest):
            place, data = self._here(s), bytes(DATA[name])
            self._later(place, Place.write_name, rest, len(data))
        else:
            numbers = plain(name, rest)
            if numbers is None:
                self._place_bytes(s)
                return
            data = numbers
        self._note_words(s, section, len(data))
        self._put(data, section)

    def _note_words(self, s: Statement, section: Section, size: int) -> None:
        """Words in code are instructions that are written as numbers."""
        if s.name in (".inst", ".word") and section.kind == "code" and section.size % 4 == 0:
            for offset in range(section.size, section.size + size, 4):
                section.lines[offset] = s.line

    def _place_bytes(self, s: Statement) -> None:
        place, section, name = self._here(s), self.sections.now, s.name
        unit = 4 if name == ".inst" else DATA.get(name, 0)
        try:
            data = made(name, place.reader(), section)
        except Problem as problem:
            # Where it is put may make it a right one: a distance between sections has its value only then.
            if not unit or (place.settled and not isinstance(problem, UnknownYet)):
                raise place.unusable(problem) from problem
            data = bytes(unit * (1 + sum(t.text == "," for t in place.tokens())))
        if not place.settled and name not in ALIGNMENTS:
            self._later(place, Place.write_bytes, len(data))
        self._note_words(s, section, len(data))
        self._put(data, section)

    def _place_assignment(self, s: Statement) -> None:
        """`.equ name, value` or `name = value`."""
        place = self._here(s)
        if s.name == ".equiv" and self.defined(s.names[0]):
            raise Problem(0, f"{quoted(s.names[0])} already has a value")
        with suppress(UnknownYet):
            assignment = self._assign(place)
        if place.settled:
            self._later(place, lambda _: self.symbols.assign(*assignment))
        else:
            self._later(place, self._assign)
            self.ahead.append(partial(self._assign, place))

    def _assign(self, place: Place) -> tuple[str, int, int]:
        r = Reader(place.tokens(), place)
        mark = "," if place.statement.name in ASSIGNMENTS else "="
        if mark == ",":
            r.advance()
        name = r.advance()
        if name.kind != "name" or name.text == ".":
            r.fail(f"expected a name, found {name}", token=name)
        r.expect(mark)
        value = r.expression()
        r.expect_end()
        self.symbols.assign(name.text, value, name.column, constant=place.settled)
        return name.text, value, name.column

    def _place_org(self, s: Statement) -> None:
        """`.org place, fill`: an offset in the section or, which GNU as has not, an address."""
        place, section = self._here(s), self.sections.now
        try:
            offset, fill = self._org(place)
        except Problem as problem:
            raise place.unusable(problem) from problem
        if offset < section.size or offset + section.address > 1 << 64:
            least = section.size + (section.address if section.name == ".text" else 0)
            what = f".org goes back: expected {least:#x} or more"
            raise place.unusable(Problem(len(s.name) + 1, what))
        if any(fill):
            if offset - section.size > LARGEST:
                raise Problem(len(s.name) + 1, f"at most {LARGEST} bytes can be filled")
            self._put(fill * (offset - section.size), section)
        else:
            section.leave_gap(offset - section.size)

        def check(place: Place) -> None:
            if self._org(place)[0] != offset:
                raise Problem(0, MOVED)

        self._later(place, check)

    def _org(self, place: Place) -> tuple[int, bytes]:
        r = place.reader()
        target = r.expression()
        fill = number(r, 1) if r.accept(",") else b"\0"
        r.expect_end()
        return target - (place.section.address if target >= self.base else 0), fill

    def _place_common(self, s: Statement) -> None:
        """`.comm name, size, alignment`: zeros under that name; `.lcomm`, or `.comm` of a local one, stand in .bss."""
        place = self._here(s)
        r = place.reader()
        name = r.advance()
        r.expect(",")
        size = r.number("size", 0, LARGEST)
        own = s.name == ".lcomm" or name.text in self.symbols.local
        alignment = (
            r.number("alignment", 1, 1 << 20) if r.accept(",") else usual_alignment(s.name, size)
        )
        r.expect_end()

        def allocate(section: Section) -> None:
            self._put(section.padding(alignment), section)
            self.symbols.define(name.text, section, s.line, self.order)
            self._put(bytes(size), section)

        if own:
            self.commons.append((s, partial(allocate, self.sections.named(".bss"))))
        else:
            allocate(self.sections.named("COMMON", "aw", "nobits"))


def assemble(source: str, base: int = 0x4000_0000) -> Program:
    """The Program of A64 assembly text in GNU syntax, its section .text at guest-physical address `base`.

    Entered at the label `_start`, else at `main`, else at `base`. The other sections get the addresses that GNU ld
    gives them. Raises AssemblyError with every fault found.

    >>> program = assemble("loop: subs x0, x0, #1\\n b.ne loop")
    >>> [f"{address:#x} {word:#010x}" for address, word in program.words()]
    ['0x40000000 0xf1000400', '0x40000004 0x54ffffe1']
    """
    if not isinstance(source, str):
        raise TypeError(f"a program is a Program or its source text, not {source!r}")
    if base % 4 or not 0 <= base < 1 << 64:
        raise ValueError(f"base {base:#x}: expected a multiple of 4 below 2**64")
    collected = gc.isenabled()
    gc.disable()  # millions of objects and no cycles: the collector would look at all of them again and again
    try:
        return _Assembler(source, base).run()
    finally:
        if collected:
            gc.enable()


def as_program(program: Program | str) -> Program:
    """A program, or the one that this source text says; AssemblyError. TypeError for what is neither."""
    return program if isinstance(program, Program) else assemble(program)
