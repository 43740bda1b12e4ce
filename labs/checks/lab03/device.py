"""The task of lab 03 that asks for a device: what the guest finds in it, also after a step back.

Invariant: what is right is found by putting the device into a machine, and stepping a guest that uses it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from aarch64sim import Debugger
from widgets.course import program

from checks.task import NotAnswered, Wrong, call, describe

BASE = 0x0903_0000


def check_device(answer: Any) -> str:
    """The check of the task `device`."""
    if not isinstance(answer, type):
        raise Wrong(f"Give the class itself, Mailbox, not {describe(answer)}.")

    def scenario() -> str:
        return _try_device(answer)

    scenario.__name__ = answer.__name__
    praise = call(scenario, lines=400_000)
    if not praise:
        raise NotAnswered("read() returns nothing yet: a load wants a number.")
    return str(praise)


def _try_device(make: Callable[[], Any]) -> str:
    """The praise, or "" while the stub is there."""
    device = make()
    for name, kind in (("name", str), ("size", int)):
        if not isinstance(getattr(device, name, None), kind):
            raise Wrong(f"A device has a {name}: the bus asks for it.")
    if device.read(0, 4) is None and device.read(8, 4) is None:
        return ""
    if device.size < 16:
        raise Wrong("The range must hold COUNT, too: a load of 8 bytes at offset 8 ends at 16.")
    _try_registers(make())
    _try_checkpoints(make())
    debugger = Debugger(program("mailbox"), devices=[(BASE, make())])
    debugger.run(limit=50)
    if debugger.console != "hi":
        raise Wrong(
            f"With your device the guest should print 'hi'. It has printed {debugger.console!r}."
        )
    debugger.goto(5)
    debugger.run(limit=50)
    if debugger.console != "hi":
        raise Wrong(
            f"After going back and on again the guest has printed {debugger.console!r}, not 'hi'."
        )
    return "Right: the guest has put in two letters, taken them out, and printed 'hi'. Your device has answered."


def _try_registers(device: Any) -> None:
    def number(offset: int, words: str) -> int:
        value = device.read(offset, 4)
        if not isinstance(value, int):
            raise Wrong(f"{words} returned {describe(value)}: a load always gets a number.")
        return value

    if number(0, "DATA, when empty,") != 0:
        raise Wrong("An empty mailbox reads as 0.")
    for value in (0x61, 0x62, 0x63):
        device.write(0, 4, value)
    if number(8, "COUNT") != 3:
        raise Wrong(f"After three stores COUNT should be 3, and it is {number(8, 'COUNT')}.")
    if number(8, "COUNT") != 3:
        raise Wrong("Reading COUNT has taken something out: only a load of DATA does that.")
    device.write(8, 4, 99)
    if number(8, "COUNT") != 3:
        raise Wrong("A store to COUNT should change nothing.")
    device.write(4, 4, 99)
    if number(8, "COUNT") != 3:
        raise Wrong("A store to offset 4 should change nothing: only offset 0 is DATA.")
    if number(4, "offset 4") != 0:
        raise Wrong("Offset 4 is neither DATA nor COUNT: it should read as 0.")
    taken = [number(0, "DATA") for _ in range(3)]
    if taken == [0x63, 0x62, 0x61]:
        raise Wrong("Last in, first out: that is a stack. A mailbox gives the oldest value first.")
    if taken == [0x61] * 3:
        raise Wrong("A load of DATA shows the value, but does not take it out.")
    if taken != [0x61, 0x62, 0x63]:
        raise Wrong(f"Stored a, b, c; the loads gave {', '.join(map(hex, taken))}.")
    if number(0, "DATA, when empty again,") != 0:
        raise Wrong("When everything is taken out, DATA reads as 0.")


def _try_checkpoints(device: Any) -> None:
    device.write(0, 4, 0x61)
    before = device.save()
    if before is None:
        raise Wrong(
            "save() returns nothing, so there is nothing to go back to: it should give the state."
        )
    for value in (0x62, 0x63):
        device.write(0, 4, value)
    for time in ("", ", the second time"):
        device.restore(before)
        if (count := device.read(8, 4)) != 1:
            raise Wrong(
                f"After save(), two stores and restore(){time}, COUNT is {count}, not 1. {_whose_fault(device)}"
            )
        device.read(0, 4)


def _whose_fault(device: Any) -> str:
    """Whether `save` gives the very list that stores go to, or `restore` keeps the list that it was given."""
    state = device.save()
    before = copy.copy(state)
    device.write(0, 4, 0x64)
    if state != before:
        return "The panel's Back needs save() to give a copy that later stores do not change, a tuple for example."
    return "restore() should make a new list of the state: now later stores change what save() has given."
