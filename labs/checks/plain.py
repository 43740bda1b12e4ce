"""Answers made plain: values of Python's own types, which compare as Python's types do.

Invariant: what comes out is equal to a right value only if it is that value. A subclass of int with its own `__eq__`
becomes the int that it is, and an object of a learner's class becomes a `Foreign`, which is equal to nothing else.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable
from typing import Any

from checks.outcome import NotAnswered, Wrong, cut

MOST_SHOWN = 40  # characters of a value in a sentence
MOST_DEPTH = 20


class Foreign:
    """Stands for an object that is no plain value: only the name of its type is left."""

    def __init__(self, kind: str) -> None:
        self.kind = cut(kind, MOST_SHOWN)

    def __repr__(self) -> str:
        return f"an object of type {self.kind}"


def plain(value: Any, *, callables: bool = True, depth: int = 0) -> Any:
    """The value with all subclasses of Python's types taken back to those types; Foreign for what is no value.

    Functions and classes pass if `callables`, and so do values of the course's own types, a Kernel for example.

    >>> class Sly(int):
    ...     def __eq__(self, other):
    ...         return True
    >>> plain([Sly(3)]) == [4], plain({"a": (True, None, 1.5)})
    (False, {'a': (True, None, 1.5)})
    """
    if depth > MOST_DEPTH:
        return Foreign("value that is nested too deeply")

    def inner(part: Any) -> Any:
        return plain(part, callables=callables, depth=depth + 1)

    if _is_ours(value):
        return value
    match value:
        case None | bool():
            return value
        case int():
            return int.__add__(value, 0)
        case str():
            return str.__str__(value)
        case float():
            return float.__float__(value)
        case bytes() | bytearray():
            return bytes(memoryview(value))
        case list():
            return [inner(part) for part in list.__iter__(value)]
        case tuple():
            return tuple(inner(part) for part in tuple.__iter__(value))
        case set() | frozenset():
            return {inner(part) for part in _members(value)}
        case dict():
            return {inner(key): inner(part) for key, part in dict.items(value)}
    if callables and callable(value):
        return value
    return _as_number(value)


def _members(value: set[Any] | frozenset[Any]) -> list[Any]:
    if isinstance(value, set):
        return list(set.__iter__(value))
    return list(frozenset.__iter__(value))


def _as_number(value: Any) -> Any:
    """The int that another library's whole number is, or a Foreign."""
    if hasattr(type(value), "__index__"):
        return int.__add__(operator.index(value), 0)
    return Foreign(type(value).__name__)


def _is_ours(value: Any) -> bool:
    """Whether the type is one of the simulator's or of the checks', and no subclass that calls itself so."""
    kind = type(value)
    module = kind.__module__
    if module.partition(".")[0] not in ("aarch64sim", "checks"):
        return False
    found: Any = sys.modules.get(module)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


def numbers(value: Any) -> Any:
    """The value with each text that is a number made that number, at any depth.

    >>> numbers(["0x40000008", " 8 ", "eight", (1, "1")])
    [1073741832, 8, 'eight', (1, 1)]
    """
    match value:
        case str():
            try:
                return int(value.strip(), 0)
            except ValueError:
                return value
        case list() | tuple() | set():
            return type(value)(map(numbers, value))
        case dict():
            return {key: numbers(part) for key, part in value.items()}
    return value


def describe(value: Any) -> str:
    """A value as a sentence names it: its type, and itself if it is short.

    >>> describe(3), describe([1] * 100), describe("a" * 100), describe(print), describe(10**5000)
    ('the int 3', 'a list of 100 entries', 'a str of 100 characters', 'a function', 'a very large int')
    """
    kind = cut(type(value).__name__, MOST_SHOWN)
    if isinstance(value, Foreign):
        return repr(value)
    if callable(value):
        return "a class" if isinstance(value, type) else "a function"
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a very large {kind}"
    text = repr(value) if not _is_long(value) else ""
    if text and len(text) <= MOST_SHOWN:
        return f"the {kind} {text}"
    if not hasattr(value, "__len__"):
        return f"a {kind}"
    parts = "character" if isinstance(value, str | bytes) else "entry"
    return f"a {kind} of {_counted(len(value), parts)}"


def _is_long(value: Any) -> bool:
    return hasattr(value, "__len__") and len(value) > 2 * MOST_SHOWN


def _counted(count: int, name: str) -> str:
    """
    >>> _counted(1, "entry"), _counted(2, "entry")
    ('1 entry', '2 entries')
    """
    if count == 1:
        return f"1 {name}"
    return f"{count} {name.removesuffix('y')}ies" if name.endswith("y") else f"{count} {name}s"


def expect_type(answer: Any, kind: Any, asked: str) -> None:
    """Raise Wrong unless the answer has the type; `asked` names it for people, as in "a number"."""
    if not isinstance(answer, kind) or (isinstance(answer, bool) and kind is int):
        raise Wrong(f"This task asks for {asked}, and this is {describe(answer)}.")


def number(value: Any, what: str) -> int:
    """The value, if it is a whole number; else Wrong, and `what` names it, as in "steps() should return"."""
    if not isinstance(value, int):
        raise Wrong(f"{what} a whole number, not {describe(value)}.")
    return int(value)


def entries(answer: Any, keys: Iterable[Any], name: str, words: str = "") -> dict[Any, Any]:
    """The entries of the dictionary that a cell calls `name`, in the order of the keys.

    A key may be spelt in other capitals, or be a text where it is a number; keys that nobody asked for do not matter.
    Wrong for another type, or where a key has another name; NotAnswered for an entry that is missing or None: `words`
    says what it should be.
    """
    expect_type(answer, dict, "a dictionary with the keys that the cell had")
    known = {str(key).lower(): key for key in keys}
    found = {known.get(str(said).strip().lower()): value for said, value in answer.items()}
    found |= {key: answer[key] for key in known.values() if key in answer}  # True is 1, as a key
    for key in known.values():
        if key not in found and None in found:
            raise Wrong(f"There is no {name}[{key!r}]: keep the keys that the cell had.")
        if found.get(key) is None:
            raise NotAnswered(f"{name}[{key!r}] is still open{words and ': '}{words}")
    return {key: found[key] for key in known.values()}


def bits(answer: Any, keys: Iterable[Any], name: str) -> dict[Any, int]:
    """The entries of such a dictionary, each of them 0 or 1."""
    found = entries(answer, keys, name, "0 or 1")
    for key, value in found.items():
        if value not in (0, 1):
            raise Wrong(f"{name}[{key!r}] is a bit: 0 or 1, not {describe(value)}.")
    return {key: int(value) for key, value in found.items()}


def rebased(value: Any, base: int, changed: list[str]) -> Any:
    """The value with each number, or text, read as if its digits were of another base; `changed` gets those digits.

    >>> rebased([40000008, 9, ("c", "4000000c")], 16, changed := []) == [0x40000008, 9, ("c", 0x4000000C)], changed
    (True, ['40000008', '4000000c'])
    """
    match value:
        case bool():
            return value
        case int() | str():
            try:  # a number of more than 4,300 digits has no text
                digits = str(value)
                read = int(digits, base) if len(digits) > 1 else value
            except ValueError:
                return value
            changed += [digits] * (read != value)
            return read
        case list() | tuple() | set():
            return type(value)(rebased(part, base, changed) for part in value)
        case dict():
            return {key: rebased(part, base, changed) for key, part in value.items()}
    return value
