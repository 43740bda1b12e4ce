"""Which instructions become one block: those that ran before and lead back to where it begins, and the loops in them.

Invariant: a region is a guess about where the code goes, and only that: a block leaves wherever its code does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aarch64sim.arch.hot.item import Item, item_at
from aarch64sim.arch.state import CpuState

MOST = 64  # instructions of a region


@dataclass
class Region:
    """The instructions by address; the loops among them by the address of their head."""

    head: int
    items: dict[int, Item]
    inside: dict[int, set[int]] = field(default_factory=dict)  # the addresses of each loop

    def follows(self, head: int) -> int | None:
        """Where a loop goes on when it ends: its most frequent way out into the region."""
        ways = [
            to
            for pc in sorted(self.inside[head])
            for to in self.items[pc].targets
            if to in self.items and to not in self.inside[head]
        ]
        return max(ways, key=ways.count, default=None)


def region(cpu: CpuState, head: int) -> Region:
    """The region that begins at `head`."""
    items = _reached(cpu, head)
    steps = {pc: [to for to in _next(item) if to in items] for pc, item in items.items()}
    links = [item.link for item in items.values() if item.link in items]
    flow = {pc: [*steps[pc], *(links if item.returns else ())] for pc, item in items.items()}
    before = _reversed(flow)
    if before[head]:  # a loop: what does not lead back to its head is not part of it
        leads_back = _all_before(before, [head], ())
        items = {pc: item for pc, item in items.items() if pc in leads_back}
        steps = {pc: [to for to in steps[pc] if to in items] for pc in items}
    found = Region(head, items)
    for top, ends in _back_edges(steps, head).items():
        found.inside[top] = {top} | (_all_before(before, ends, (top,)) & items.keys())
    return found


def _reached(cpu: CpuState, head: int) -> dict[int, Item]:
    """What can be reached from `head` through instructions that ran before, nearest first."""
    items: dict[int, Item] = {}
    rest = [head]
    while rest and len(items) < MOST:
        pc = rest.pop(0)
        item = item_at(cpu, pc) if pc not in items and pc in cpu.manual else None
        if item:
            items[pc] = item
            rest += _next(item)
    return items


def _next(item: Item) -> tuple[int, ...]:
    """Where the code goes after an instruction, taking a call as one."""
    return item.targets if item.link is None else (*item.targets, item.link)


def _reversed(graph: Mapping[int, Iterable[int]]) -> dict[int, list[int]]:
    before: dict[int, list[int]] = {pc: [] for pc in graph}
    for pc, following in graph.items():
        for to in following:
            before[to].append(pc)
    return before


def _all_before(
    before: Mapping[int, list[int]], ends: Iterable[int], without: Iterable[int]
) -> set[int]:
    """Everything from which one of `ends` can be reached, `ends` too, not going through `without`."""
    found, rest = set(without), list(ends)
    while rest:
        pc = rest.pop()
        if pc not in found:
            found.add(pc)
            rest += before[pc]
    return found - set(without)


def _back_edges(graph: Mapping[int, list[int]], head: int) -> dict[int, list[int]]:
    """By the head of each loop: from where it is entered again."""
    found: dict[int, list[int]] = {}
    path: list[int] = []
    done: set[int] = set()
    rest: list[tuple[int, bool]] = [(head, False)]
    while rest:
        pc, leaving = rest.pop()
        if leaving:
            path.pop()
        elif pc not in done:
            done.add(pc)
            path.append(pc)
            rest.append((pc, True))
            for to in graph[pc]:
                if to in path:
                    found.setdefault(to, []).append(pc)
            rest += [(to, False) for to in reversed(graph[pc])]
    return found
