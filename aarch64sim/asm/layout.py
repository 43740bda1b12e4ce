"""The addresses of sections: those that `ld -z norelro -Ttext=BASE` gives the sections of one object file.

Invariant: sections do not overlap, and each stands at a multiple of its alignment (the first of the text at `base`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from aarch64sim.asm.program import Segment
from aarch64sim.asm.sections import NOP, Section

PAGE, LARGEST_PAGE = 1 << 12, 1 << 16  # what ld for AArch64 reckons with
# The order of ld's script: a section of the output, and the names of those that it takes in. Where there is none:
# the sections of that kind that nothing else here names, each for itself.
_SCRIPT = tuple(
    (output, re.compile(names))
    for output, names in (
        (".text", r"\.text\.(unlikely(\..*)?|.*_unlikely)"),
        (".text", r"\.text\.exit(\..*)?"),
        (".text", r"\.text\.startup(\..*)?"),
        (".text", r"\.text\.hot(\..*)?"),
        (".text", r"\.text(\..*)?"),
        ("", "code"),
        (".rodata", r"\.rodata(\..*)?"),
        (".rodata1", r"\.rodata1"),
        (".gcc_except_table", r"\.gcc_except_table(\..*)?"),
        ("", "fixed"),
        (".preinit_array", r"\.preinit_array"),
        (".init_array", r"\.init_array(\..*)?"),
        (".fini_array", r"\.fini_array(\..*)?"),
        (".data.rel.ro", r"\.data\.rel\.ro\.local.*"),
        (".data.rel.ro", r"\.data\.rel\.ro(\..*)?"),
        (".data", r"\.data(\..*)?"),
        (".data1", r"\.data1"),
        ("", "data"),
        (".bss", r"\.bss(\..*)?"),
        (".bss", "COMMON"),
        ("", "zero"),
    )
)
_KINDS = {names.pattern: n for n, (output, names) in enumerate(_SCRIPT) if not output}


def lay_out(sections: Iterable[Section], base: int) -> dict[str, int]:
    """Give each section its address; the symbols that ld defines about them."""
    outputs = [*_outputs(sections)]
    code = [output for rule, output in outputs if rule <= _KINDS["fixed"]]
    data = [output for rule, output in outputs if _KINDS["fixed"] < rule <= _KINDS["data"]]
    zero = [output for rule, output in outputs if _KINDS["data"] < rule]
    end = _put(code, base)
    page = -(-end // LARGEST_PAGE) * LARGEST_PAGE
    start = page + end % LARGEST_PAGE  # on pages of their own, at the same place in the page
    if _saves_a_page(start, _put(data + zero, start)):
        start = page + ((end + PAGE - 1) % LARGEST_PAGE & -PAGE)
    edge = _put(data, start)
    last = _put(zero, edge)
    last += -last % 8
    return dict.fromkeys(("_edata", "edata", "__bss_start", "__bss_start__"), edge) | dict.fromkeys(
        ("_bss_end__", "__bss_end__", "__end__", "_end", "end"), last
    )


def _outputs(sections: Iterable[Section]) -> Iterator[tuple[int, list[Section]]]:
    """The output's sections in order, each as the (last) rule and the input's sections that it is made of."""
    ordered = sorted(((_rule(s), s) for s in sections), key=lambda pair: pair[0])
    for _, group in groupby(ordered, key=lambda pair: _SCRIPT[pair[0]][0] or pair[1].name):
        rules, members = zip(*group, strict=True)
        yield rules[-1], [*members]


def _rule(section: Section) -> int:
    for n, (output, names) in enumerate(_SCRIPT):
        if output and names.fullmatch(section.name):
            return n
    writable_code = "w" in section.flags and section.kind == "code"
    return _KINDS["data" if writable_code else section.kind]


def _put(outputs: Iterable[list[Section]], address: int) -> int:
    """Put them one after another from `address` on; the address after the last."""
    for sections in outputs:
        if _SCRIPT[_rule(sections[0])][0] != ".text":  # that has the address that was asked for
            address += -address % max(s.alignment for s in sections if s.size or s is sections[0])
        for n, section in enumerate(sections):
            gap = -address % section.alignment if n and section.size else 0
            if section.kind == "code" and gap:
                sections[n - 1].runs[-1][1].extend((NOP * (gap // 4 + 1))[:gap])
            section.address = address = address + gap
            address += section.size
    return address


def _saves_a_page(first: int, last: int) -> bool:
    """Whether the data, which begin within a page and end in another one, fit in one page fewer."""
    before, after = -first % PAGE, last % PAGE
    return bool(before and after and first // PAGE != last // PAGE and before + after <= PAGE)


def segments(sections: Iterable[Section]) -> tuple[Segment, ...]:
    """The bytes by address, neighbours joined."""
    joined: list[tuple[int, bytearray]] = []
    end = -1
    runs = ((s.address + offset, data) for s in sections for offset, data in s.runs if data)
    for address, data in sorted(runs, key=lambda run: run[0]):
        if address != end:
            joined.append((address, bytearray()))
        joined[-1][1].extend(data)
        end = address + len(data)
    return tuple(Segment(address, bytes(data)) for address, data in joined)
