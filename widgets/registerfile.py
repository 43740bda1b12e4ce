"""Registers as the panel shows them: old and new value, and the bits that matter one by one.

Invariant: what a step did not change keeps its place and its look.
"""

from __future__ import annotations

from collections.abc import Mapping

GENERAL = ("pc", "sp", *(f"x{n}" for n in range(31)))
SYSTEM = ("elr_el1", "spsr_el1", "esr_el1", "far_el1", "vbar_el1")

# Register -> its fields: name, lowest bit, width, what it means.
PSTATE_FIELDS = (
    ("N", 31, 1, "the last result was negative"),
    ("Z", 30, 1, "the last result was zero"),
    ("C", 29, 1, "carry"),
    ("V", 28, 1, "signed overflow"),
    ("SS", 21, 1, "software step: as GET_ONE_REG shows it"),
    ("IL", 20, 1, "illegal execution state"),
    ("D", 9, 1, "debug exceptions masked (counts only at the debug target level)"),
    ("A", 8, 1, "SError masked"),
    ("I", 7, 1, "IRQ masked"),
    ("F", 6, 1, "FIQ masked"),
    ("EL", 2, 2, "Exception level"),
    ("SP", 0, 1, "1: the level's own SP is used"),
)
BITS: Mapping[str, tuple[tuple[str, int, int, str], ...]] = {
    "pstate": PSTATE_FIELDS,
    "spsr_el1": PSTATE_FIELDS,
    "mdscr_el1": (
        ("SS", 0, 1, "software step enabled: the guest's own bit"),
        ("KDE", 13, 1, "debug exceptions also at the debug target level itself"),
        ("MDE", 15, 1, "breakpoints and watchpoints enabled"),
    ),
}
BIT_TITLES = {
    "pstate": "PSTATE",
    "mdscr_el1": "MDSCR_EL1, as the guest sees it",
    "spsr_el1": "SPSR_EL1",
}


def value(number: int) -> str:
    """A register's value as short as it can be said.

    >>> value(0), value(65)
    ('0', '0x41')
    """
    return hex(number) if number > 9 else str(number)


def skeleton() -> tuple[str, str]:
    """Registers, and bits, with their slots."""
    cells = "".join(_cell(name) for name in GENERAL)
    system = "".join(_cell(name) for name in SYSTEM)
    bits = "".join(_bits(name) for name in BITS)
    return (
        f'<div class="sl-registers" role="list" aria-label="general registers">{cells}</div>'
        f'<div class="sl-registers sl-system" role="list" aria-label="system registers of EL1">{system}</div>'
    ), f'<div class="sl-bitrows">{bits}</div>'


def _cell(name: str) -> str:
    title = name.upper() if name.endswith("_el1") else name
    return (
        f'<div role="listitem" data-slot="r-{name}"><span class="sl-name">{title}</span> '
        f'<span data-slot="v-{name}"></span></div>'
    )


def _bits(name: str) -> str:
    cells = "".join(
        f'<div role="listitem" title="{meaning}"><span class="sl-name">{field}</span>'
        f'<span class="sl-bit" data-slot="b-{name}-{field}"></span></div>'
        for field, _, _, meaning in BITS[name]
    )
    return f'<div class="sl-bitrow"><h4>{BIT_TITLES[name]}</h4><div class="sl-bits" role="list">{cells}</div></div>'


def values(
    registers: Mapping[str, int], changes: Mapping[str, tuple[int, int]]
) -> dict[str, str | int | None]:
    """What stands in the slots."""
    shown: dict[str, str | int | None] = {}
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
    for name, fields in BITS.items():
        word = registers.get(name, 0)
        before = changes.get(name, (word, word))[0]
        for field, low, width, _ in fields:
            mask = (1 << width) - 1
            new_bits, old_bits = word >> low & mask, before >> low & mask
            shown[f"b-{name}-{field}"] = (
                str(new_bits)
                if new_bits == old_bits
                else f'<span class="sl-old">{old_bits}\u2192</span><strong>{new_bits}</strong>'
            )
    return shown
