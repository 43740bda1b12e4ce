"""Instructions that have been read, and what they say about those that differ in numbers or in a label only.

Invariant: what is found here is what reading the text would give; a text that this cannot say of is not found.
"""

from __future__ import annotations

import re
import string
from contextlib import suppress
from typing import NamedTuple

from aarch64sim.asm.operands import register_of
from aarch64sim.asm.reader import Linear, Reader
from aarch64sim.asm.syntax import Branch, read_instruction
from aarch64sim.asm.text import Problem, Token, tokenize

# A number that may mean no more than itself: that of a register (31 has other names), or an immediate.
_NUMBER = re.compile(
    r"((?<=[\s,\[][xwbhsdqXWBHSDQ])(?:30|[12]?[0-9])(?![\w.$])"
    r"|(?<=[\s,#])(?:0x[0-9a-f]+|[1-9][0-9]*|0)(?![\w.$]))",
    re.ASCII,
)
_WORD = string.ascii_letters + string.digits + "_.$"
_LABEL = re.compile(r"[A-Za-z_.$][\w.$]*|[0-9]+[bf]", re.ASCII)
_GAP = re.compile(r"(\w\S*\s+(?:.*,\s*)?\[?[#=]?)([^\]]+)(\]?!?)", re.DOTALL)


class Gap(NamedTuple):
    """The text of an instruction, cut at its last expression."""

    head: str
    expression: str
    tail: str  # a bracket that closes

    def tokens(self) -> list[Token]:
        """The words of the expression, at their columns in the statement."""
        return tokenize(" " * len(self.head) + self.expression)


class _Form:
    """The instructions whose texts are alike but for their numbers."""

    def __init__(self, fixed: list[int]) -> None:
        self.fixed = fixed  # which of the numbers must be as they were read
        # By these: the word with 0 for each of the other numbers, and how it depends on them.
        self.words: dict[tuple[str, ...], tuple[int, list[tuple[int, Linear]]]] = {}

    def word(self, numbers: list[str]) -> bytes | None:
        found = self.words.get(tuple([numbers[i] for i in self.fixed]))
        if found is None:
            return None
        word, others = found
        for i, (unit, low, high, step) in others:
            number = int(numbers[i], 0)
            if not low <= number <= high or number % step:
                return None
            word += number // step * unit
        return word.to_bytes(4, "little")


class Known:
    """Words and branches by their texts."""

    def __init__(self) -> None:
        self._words: dict[str, bytes] = {}  # of instructions that mean the same everywhere
        self._forms: dict[tuple[str, ...], _Form] = {}  # by the text around the numbers
        self._branches: dict[str, Branch] = {}  # by the text up to the label
        self._literals: dict[str, Branch] = {}  # by the text up to the value
        # By the text around an expression that has no value yet: whether a number in its place means the same.
        self._gaps: dict[tuple[str, str], bool] = {}

    def forget(self) -> None:
        """Registers have other names now."""
        self._words.clear()
        self._forms.clear()
        self._branches.clear()
        self._literals.clear()
        self._gaps.clear()

    def word(self, text: str) -> bytes | None:
        """The bytes of an instruction that has been read, None if it has not."""
        return self._words.get(text)

    def alike(self, text: str) -> bytes | None:
        """The bytes of an instruction, found by others that differ in numbers; None if there are none."""
        parts = _NUMBER.split(text)
        form = self._forms.get(tuple(parts[::2]))
        return form.word(parts[1::2]) if form else None

    def learn(self, text: str, tokens: list[Token]) -> bytes:
        """Read an instruction that means the same everywhere; UnknownYet if it does not, Problem if it is wrong."""
        r = Reader(tokens)
        value = read_instruction(r)
        self._learn_form(text, value, r.registers | r.immediates)
        self._words[text] = word = value.to_bytes(4, "little")
        return word

    def _learn_form(self, text: str, word: int, linear: dict[int, Linear]) -> None:
        numbers = [*_NUMBER.finditer(text)]
        others = []
        for i, match in enumerate(numbers):
            number, found = int(match[0], 0), linear.get(match.start())
            if found and found.unit and found.low <= number <= found.high:
                word -= number // found.step * found.unit
                others.append((i, found))
        fixed = [*({*range(len(numbers))} - {i for i, _ in others})]
        key = tuple(_NUMBER.split(text)[::2])
        if key not in self._forms or len(self._forms[key].fixed) > len(fixed):
            self._forms[key] = _Form(fixed)
        if self._forms[key].fixed == fixed:
            self._forms[key].words[tuple([numbers[i][0] for i in fixed])] = word, others

    def branch(self, text: str) -> tuple[Branch, str] | None:
        """What such an instruction is but for its label, and the label; None if none like it has been read."""
        head = text.rstrip(_WORD)
        branch = self._branches.get(head)
        label = text[len(head) :]
        return (branch, label) if branch and _LABEL.fullmatch(label) else None

    def gap(self, text: str) -> Gap | None:
        """Where the text is cut, if one like it has been read that has to wait for a value."""
        match = _GAP.fullmatch(text)
        return Gap(*match.groups()) if match and (match[1], match[3]) in self._gaps else None

    def learn_gap(self, text: str, tokens: list[Token]) -> Gap | None:
        """From now on find what differs from this instruction in nothing but an expression that has no value yet."""
        match = _GAP.fullmatch(text)
        if match is None or register_of(match[2].lower()):
            return None
        gap = Gap(*match.groups())
        before = [t for t in tokens if t.column < len(gap.head) and t.text != "="]
        branch = Branch.read([*before, Token("name", "label", len(gap.head)), tokens[-1]])
        if gap.head[-1] == "=":
            if not (branch and branch.loads):
                return None
            self._literals[gap.head] = branch
        elif branch:
            self._branches[gap.head] = branch
        self._gaps.setdefault((gap.head, gap.tail), False)
        return gap

    def loads(self, gap: Gap) -> int:
        """The bytes of the literal that it asks for; 0 if it does not."""
        literal = self._literals.get(gap.head)
        return literal.loads if literal else 0

    def filled(self, gap: Gap, value: int, here: int) -> bytes | None:
        """The bytes of the instruction at address `here` with that value; None where only reading it can say."""
        if branch := self._branches.get(gap.head) or self._literals.get(gap.head):
            return branch.word(value, here, 0)
        text = f"{gap.head}{value}{gap.tail}"
        trusted = self._gaps.get((gap.head, gap.tail))
        return self.word(text) or self.alike(text) if trusted else None

    def learn_filled(self, gap: Gap, value: int, word: bytes) -> None:
        """That reading it with the value gave this word: with a number in its place it may be the same."""
        text = f"{gap.head}{value}{gap.tail}"
        with suppress(Problem):
            self._gaps[gap.head, gap.tail] = self.learn(text, tokenize(text)) == word
