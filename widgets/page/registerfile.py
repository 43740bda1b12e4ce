"""Registers as the panel shows them: old and new value, and the bits that matter one by one.

Invariant: what a step did not change keeps its place and its look.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from html import escape

from aarch64sim.kvm.vcpu import UNKNOWN
from widgets.models.decoded import NOT_WRITTEN, TITLES, field_words, layout, word_words
from widgets.models.syndromes import Field

GENERAL = ("pc", "sp", *(f"x{n}" for n in range(31)))
SYSTEM = ("pstate", "elr_el1", "spsr_el1", "esr_el1", "far_el1", "vbar_el1", "mdscr_el1")
BITS = tuple(TITLES)

Shown = dict[str, str | int | None]
Changes = Mapping[str, tuple[int, int]]


def value(number: int) -> str:
    """A register's value as short as it can be said.

    >>> value(0), value(65)
    ('0', '0x41')
    """
    if number == UNKNOWN:
        return NOT_WRITTEN
    return hex(number) if number > 9 else str(number)


def skeleton() -> str:
    """All registers, with their slots."""
    cells = "".join(_cell(name) for name in GENERAL)
    system = "".join(_cell(name) for name in SYSTEM)
    return (
        f'<div class="sl-registers" role="list" aria-label="general registers">{cells}</div>'
        '<div class="sl-registers sl-system" role="list" aria-label="system registers of EL1" data-group>'
        f"{system}</div>"
    )


def changes_html(changes: Changes) -> str:
    """What a step changed, in a line."""
    if not changes:
        return '<span class="sl-note">no register has changed</span>'
    return "".join(
        f'<span class="sl-change"><span class="sl-name">{name}</span> '
        f'<span class="sl-old">{value(old)} \u2192</span> <strong>{value(new)}</strong></span>'
        for name, (old, new) in changes.items()
    )


def bits_skeleton() -> str:
    """The registers whose bits are shown one by one."""
    return '<div class="sl-bitrows">{}</div>'.format(
        "".join(
            f'<div class="sl-bitrow"><h4>{title}</h4><div class="sl-bits" role="group"'
            f' aria-label="{title}" data-group data-slot="bits-{name}"></div></div>'
            for name, title in TITLES.items()
        )
    )


def _cell(name: str) -> str:
    """A name and a value; where the value has fields, it is a button that says them on hover and focus."""
    title = name.upper() if name.endswith("_el1") else "PSTATE" if name == "pstate" else name
    words = (
        f'<button type="button" class="sl-tip" tabindex="-1" data-slot="w-{name}">'
        f'<span class="sl-name">{title}</span> <span data-slot="v-{name}"></span></button>'
        if name in TITLES
        else f'<span class="sl-name">{title}</span> <span data-slot="v-{name}"></span>'
    )
    return f'<div role="listitem" data-slot="r-{name}">{words}</div>'


def values(registers: Mapping[str, int], changes: Changes) -> Shown:
    """What stands in the slots of all registers."""
    shown: Shown = {}
    for name in (*GENERAL, *SYSTEM):
        now = registers.get(name, 0)
        if name in changes and changes[name][0] != now:
            old = value(changes[name][0])
            shown[f"v-{name}"] = (
                f'<span class="sl-old">{old} \u2192</span> <strong>{value(now)}</strong>'
            )
            shown[f"r-{name}@class"] = "sl-changed" + (
                " sl-long" if len(old) + len(value(now)) > 12 else ""
            )
        else:
            shown[f"v-{name}"] = value(now)
            shown[f"r-{name}@class"] = ("sl-zero" if now == 0 else "") + (
                " sl-long" if len(value(now)) > 12 else ""
            )
        if name in TITLES:
            words = word_words(name, now)
            shown[f"w-{name}@data-tip"] = words
            shown[f"w-{name}@aria-label"] = words.replace("\n", ". ")
    return shown


def bit_values(registers: Mapping[str, int], changes: Changes, hsr: int | None) -> Shown:
    """The fields of each register, and of the syndrome that userspace was given last."""
    shown: Shown = {}
    for name in BITS:
        if name == "hsr":
            shown["bits-hsr"] = (
                '<span class="sl-note">none in this step</span>'
                if hsr is None
                else _fields("hsr", hsr, hsr)
            )
        else:
            now = registers.get(name, 0)
            before = changes.get(name, (now, now))[0]
            shown[f"bits-{name}"] = (
                f'<span class="sl-note">{NOT_WRITTEN}</span>'
                if now == UNKNOWN
                else _fields(name, now if before == UNKNOWN else before, now)
            )
    return shown


@lru_cache(maxsize=256)  # most of it does not change from step to step
def _fields(name: str, before: int, now: int) -> str:
    return "".join(_field(field, before, now) for field in layout(name, now))


def _field(field: Field, before: int, now: int) -> str:
    new, old = value(field.of(now)), value(field.of(before))
    bits = new if new == old else f'<span class="sl-old">{old}\u2192</span><strong>{new}</strong>'
    words = escape(field_words(field, now))
    return (
        f'<button type="button" class="sl-tip" tabindex="-1" data-tip="{words}" aria-label="{words}">'
        f'<span class="sl-name">{field.name}</span><span class="sl-bit">{bits}</span></button>'
    )
