"""Lab 03: every wrong answer gets its own message, every right one passes, and so does the reference."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from checks.lab03 import BY_HAND, CANDIDATES, EVENTS, fields, loaded, logged_order
from checks.lab03.trap import trap

SOURCE = Path(__file__).resolve().parents[2] / "labs" / "source" / "03-trapping-mmio.py"
RIGHT_FIELDS = fields(trap(BY_HAND).esr)
RIGHT_EMULATED = {line: number < 5 for number, line in enumerate(CANDIDATES)}
X, W = 0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF


def decode(
    esr: int, *, signs: bool = True, zr: bool = True, isv: bool = True, sf: int = 15, wnr: int = 1
) -> str | None:
    if isv and not esr >> 24 & 1:
        return None
    size, sign, number = esr >> 22 & 3, esr >> 21 & 1 and signs, esr >> 16 & 31
    letter = ("b", "h", "w" if sign else "", "")[size]
    name = "str" if (esr >> 6 & 1) == wnr else "ldrs" if sign else "ldr"
    register = "zr" if number == 31 and zr else str(number)
    return f"{name}{letter} {'x' if esr >> sf & 1 else 'w'}{register}"


def extend(data: int, size: int, sign: int, wide: int) -> int:
    bits = 8 * size
    if sign:
        data = (data ^ 1 << bits - 1) - (1 << bits - 1)
    return data & (X if wide else W)


class Mailbox:
    """Right, with a deque."""

    name, size = "post", 0x1000

    def __init__(self) -> None:
        self.queue: Any = deque()

    def read(self, offset: int, length: int) -> Any:
        match offset:
            case 0 if self.queue:
                return self.queue.popleft()
            case 8:
                return len(self.queue)
        return 0

    def write(self, offset: int, length: int, value: int) -> None:
        if offset == 0:
            self.queue.append(value)

    def save(self) -> Any:
        return list(self.queue)

    def restore(self, state: Any) -> None:
        self.queue = deque(state)


class Stack(Mailbox):
    def read(self, offset: int, length: int) -> Any:
        if offset == 0 and self.queue:
            return self.queue.pop()
        return super().read(offset, length)


class Peeks(Mailbox):
    def read(self, offset: int, length: int) -> Any:
        return self.queue[0] if offset == 0 and self.queue else super().read(offset, length)


class RaisesWhenEmpty(Mailbox):
    def read(self, offset: int, length: int) -> Any:
        return self.queue.popleft() if offset == 0 else super().read(offset, length)


class TakesAnyLoad(Mailbox):
    def read(self, offset: int, length: int) -> Any:
        count = len(self.queue)
        value = self.queue.popleft() if self.queue else 0
        return count if offset == 8 else value


class TakesAnyStore(Mailbox):
    def write(self, offset: int, length: int, value: int) -> None:
        self.queue.append(value)


class StoresToCount(Mailbox):
    def write(self, offset: int, length: int, value: int) -> None:
        if offset in (0, 8):
            self.queue.append(value)


class StoresAtFour(Mailbox):
    def write(self, offset: int, length: int, value: int) -> None:
        if offset < 8:
            self.queue.append(value)


class CountsAtFour(Mailbox):
    def read(self, offset: int, length: int) -> Any:
        return len(self.queue) if offset else super().read(offset, length)


class NoneWhenEmpty(Mailbox):
    def read(self, offset: int, length: int) -> Any:
        return super().read(offset, length) if self.queue or offset else None


class SavesItself(Mailbox):
    def save(self) -> Any:
        return self.queue


class RestoresTheSame(Mailbox):
    def restore(self, state: Any) -> None:
        self.queue = state if isinstance(state, deque) else deque(state)

    def save(self) -> Any:
        return deque(self.queue)


class SavesNothing(Mailbox):
    def save(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        pass


class OnlyOneByte(Mailbox):
    def write(self, offset: int, length: int, value: int) -> None:
        if length == 1:
            super().write(offset, length, value)


class TooSmall(Mailbox):
    size = 8


class Nameless(Mailbox):
    name = None  # type: ignore[assignment]


class Endless(Mailbox):
    def read(self, offset: int, length: int) -> Any:
        while not self.queue:
            pass
        return 0


class Unanswered(Mailbox):
    def read(self, offset: int, length: int) -> Any:
        pass


WRONG: list[tuple[str, Any, str, str]] = [
    ("by_hand", RIGHT_FIELDS | {"ec": 0x93}, "upper byte", ""),
    ("by_hand", RIGHT_FIELDS | {"ec": 0x25}, "first six", ""),
    ("by_hand", RIGHT_FIELDS | {"isv": 0}, "ISV is bit 24", ""),
    ("by_hand", RIGHT_FIELDS | {"bytes": 1}, "logarithm", ""),
    ("by_hand", RIGHT_FIELDS | {"bytes": 4}, "1 << SAS", ""),
    ("by_hand", RIGHT_FIELDS | {"register": 14}, "SRT is bits 20:16", ""),
    ("by_hand", RIGHT_FIELDS | {"sign_extends": 0}, "SSE is bit 21", ""),
    ("by_hand", RIGHT_FIELDS | {"sixty_four": 1}, "not of the access", ""),
    ("by_hand", RIGHT_FIELDS | {"write": 1}, "Write not Read", ""),
    ("by_hand", RIGHT_FIELDS | {"register": "w7"}, "is a whole number", ""),
    ("decode", lambda esr: decode(esr, isv=False), "mean nothing", "all-emulated"),
    ("decode", lambda esr: decode(esr, signs=False), "sign-extends (SSE", ""),
    ("decode", lambda esr: decode(esr, zr=False), "zero register", ""),
    ("decode", lambda esr: decode(esr, wnr=0), "exchanged", ""),
    ("decode", lambda esr: decode(esr, sf=14), "The width of the register is SF", ""),
    ("decode", lambda esr: (decode(esr) or "").replace("ldrsw", "ldrs"), "The size is SAS", ""),
    ("decode", lambda esr: "ldrb w0", "The register is SRT", ""),
    ("decode", lambda esr: "mov x1", "exchanged", ""),
    ("decode", lambda esr: "ldp w1", "is not the instruction", ""),
    ("decode", lambda esr: None if esr >> 6 & 1 else decode(esr), "returned None", ""),
    ("decode", lambda esr: esr >> 26, "a text like", ""),
    ("order", "cgdbafeh", "So did Linux up to 4.20", "mmio-is-done"),
    ("order", "cgbaedfh", "does not run between two KVM_RUNs", "mmio-is-done"),
    ("order", "cgbaefdh", "does not run between two KVM_RUNs", "mmio-is-done"),
    ("order", "cgbeafdh", "before the device has answered", ""),
    ("order", "cbgafedh", "must have decoded", ""),
    ("order", "gcbafedh", "the abort is the first", ""),
    ("order", "cgbfaedh", "it answers before", ""),
    ("order", "cgabfedh", "inside KVM_RUN", ""),
    ("order", "cgbafdeh", "the register first", ""),
    ("order", "cgbafehd", "everything must be in place", ""),
    ("order", "cgbafed", "h is missing", ""),
    ("order", "cgbafedhh", "is there twice", ""),
    ("extend", lambda d, size, sign, wide: d, "The sign is lost", ""),
    (
        "extend",
        lambda d, size, sign, wide: extend(d, size, sign, wide) & (1 << 8 * size) - 1,
        "The sign is lost",
        "",
    ),
    ("extend", lambda d, size, sign, wide: extend(d, size, sign, 1), "upper half", ""),
    ("extend", lambda d, size, sign, wide: extend(d, size, sign, 0), "up to bit 63", ""),
    ("extend", lambda d, size, sign, wide: extend(d, size, 1, wide), "does not sign-extend", ""),
    (
        "extend",
        lambda d, size, sign, wide: d - (1 << 8 * size) if extend(d, size, sign, 1) != d else d,
        "unsigned number",
        "",
    ),
    (
        "extend",
        lambda d, size, sign, wide: (d | (X << 8 * size if sign else 0)) & (X if wide else W),
        "This value is positive",
        "",
    ),
    ("extend", lambda d, size, sign, wide: extend(d, 1, sign, wide), "This value is positive", ""),
    ("extend", lambda d, size, sign, wide: extend(d, min(size, 4), sign, wide) & W, "bit 63", ""),
    (
        "extend",
        lambda d, size, sign, wide: extend(d, size, sign, wide and sign),
        "cut the value to 32",
        "",
    ),
    (
        "extend",
        lambda d, size, sign, wide: (
            (d | (X << size) if sign and d >> 8 * size - 1 else d) & (X if wide else W)
        ),
        "Which bit of the data",
        "",
    ),
    ("emulated", dict.fromkeys(CANDIDATES, True), "Not every access", "all-emulated"),
    ("emulated", RIGHT_EMULATED | {CANDIDATES[5]: True}, "two registers, w2", "all-emulated"),
    ("emulated", RIGHT_EMULATED | {CANDIDATES[6]: True}, "A pair", "all-emulated"),
    ("emulated", RIGHT_EMULATED | {CANDIDATES[7]: True}, "monitor", "all-emulated"),
    ("emulated", RIGHT_EMULATED | {CANDIDATES[8]: True}, "in one go", "all-emulated"),
    ("emulated", RIGHT_EMULATED | {CANDIDATES[4]: False}, "AR", ""),
    ("emulated", RIGHT_EMULATED | {CANDIDATES[3]: False}, "stands for zero", ""),
    ("emulated", RIGHT_EMULATED | {CANDIDATES[2]: False}, "how it was computed", ""),
    ("emulated", RIGHT_EMULATED | {CANDIDATES[1]: False}, "in the syndrome: SSE", ""),
    ("emulated", RIGHT_EMULATED | {CANDIDATES[0]: "yes"}, "True or False", ""),
    ("device", Mailbox(), "the class itself", ""),
    ("device", Stack, "that is a stack", ""),
    ("device", Peeks, "does not take it out", ""),
    ("device", RaisesWhenEmpty, "raised IndexError", ""),
    ("device", TakesAnyLoad, "Reading COUNT has taken", ""),
    ("device", TakesAnyStore, "to COUNT should change nothing", ""),
    ("device", StoresToCount, "to COUNT should change nothing", ""),
    ("device", StoresAtFour, "only offset 0 is DATA", ""),
    ("device", CountsAtFour, "neither DATA nor COUNT", ""),
    ("device", NoneWhenEmpty, "always gets a number", ""),
    ("device", SavesItself, "give a copy", ""),
    ("device", RestoresTheSame, "restore() should make a new list", ""),
    ("device", SavesNothing, "nothing to go back to", ""),
    ("device", OnlyOneByte, "After three stores", ""),
    ("device", TooSmall, "must hold COUNT", ""),
    ("device", Nameless, "has a name", ""),
    ("device", Endless, "did not end", ""),
]


OPEN: list[tuple[str, Any]] = [
    ("by_hand", dict.fromkeys(RIGHT_FIELDS)),
    ("decode", lambda esr: None),
    ("order", " "),
    ("extend", lambda *_: None),
    ("emulated", dict.fromkeys(CANDIDATES)),
    ("device", Unanswered),
]

RIGHT: list[tuple[str, Any]] = [
    ("by_hand", RIGHT_FIELDS | {"isv": True, "write": False}),
    ("decode", decode),
    ("decode", lambda esr: (text := decode(esr)) and text.upper().replace(" ", ",  ")),
    ("order", "C, G, B, A, F, E, D, H"),
    ("order", list("cgbafedh")),
    ("extend", extend),
    (
        "extend",
        lambda d, size, sign, wide: (
            int.from_bytes(d.to_bytes(size, "little"), "little", signed=bool(sign))
            % (1 << (64 if wide else 32))
        ),
    ),
    ("emulated", {line: int(can) for line, can in RIGHT_EMULATED.items()}),
    ("device", Mailbox),
]


def test_the_notebook_lists_the_events_that_the_check_knows() -> None:
    source = SOURCE.read_text(encoding="utf-8")
    for letter, words in EVENTS.items():
        assert f"# | {letter} | {words} |" in source


def test_the_log_of_a_load_holds_the_right_order() -> None:
    assert [c for c in "cgbafedh" if c not in "gf"] == list(logged_order())
    assert logged_order("v4.3").index("d") < logged_order("v4.3").index("b")


def test_linux_loses_the_sign_until_2026() -> None:
    assert loaded("ldrsb x5, [x19]", 0x80, "v6.14") == 0x80
    assert loaded("ldrsb x5, [x19]", 0x80) == X - 0x7F
