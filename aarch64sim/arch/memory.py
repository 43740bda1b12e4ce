"""Guest-physical memory as stage 2 shows it: 4 KiB pages that the host has mapped; anything else faults.

Invariant: `readable` and `writable` only cache pages that need no further look (mapped, little-endian, unwatched, no
decoded code to invalidate, already journalled), so an instruction may use them without asking anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

PAGE_BITS = 12
PAGE = 1 << PAGE_BITS
OFFSET = PAGE - 1
NOWHERE = 1 << 80  # further from every address than a page is long


@dataclass(frozen=True, slots=True)
class Stage2Page:
    """A stage-2 descriptor: the 4096 bytes that a guest-physical page is mapped to, and what is allowed."""

    data: memoryview
    writable: bool = True
    executable: bool = True


class Memory:
    """Stage 2 and its caches. Addresses are guest-physical (IPA), in bytes; pages are numbered address >> 12."""

    def __init__(self) -> None:
        self.stage2: dict[int, Stage2Page] = {}
        self.readable: dict[int, memoryview] = {}
        self.writable: dict[int, memoryview] = {}
        self.windows: list[list[Any]] = []  # those of `hot` that are open
        self.code: set[int] = set()  # pages from which instructions were decoded
        self.journal: dict[int, bytes] | None = None  # contents of pages before their first write
        self._populated: Counter[tuple[int, int]] = Counter()  # pages mapped per table entry

    def map(self, page: int, descriptor: Stage2Page) -> None:
        """Let stage 2 map page number `page`; what was there is gone."""
        self.unmap(page)
        self.stage2[page] = descriptor
        self._populated.update(((1, page >> 18), (2, page >> 9)))

    def unmap(self, page: int) -> None:
        """Remove the mapping of page number `page`, if any."""
        if self.stage2.pop(page, None):
            self._populated.subtract(((1, page >> 18), (2, page >> 9)))
        self.forget_cache(page)

    def fault_level(self, page: int) -> int:
        """The level, 1 to 3, of the stage-2 table where a walk for page number `page` finds nothing (4 KiB granule)."""
        for level, shift in ((1, 18), (2, 9)):
            if not self._populated[level, page >> shift]:
                return level
        return 3

    def forget_cache(self, page: int) -> None:
        """The next access to page number `page` asks stage 2 again."""
        self.readable.pop(page, None)
        self.writable.pop(page, None)
        self.close_windows()

    def forget_caches(self) -> None:
        """Empty `readable` and `writable`: the next access to each page asks stage 2 again."""
        self.readable.clear()
        self.writable.clear()
        self.close_windows()

    def close_windows(self) -> None:
        """`readable` or `writable` lost a page: what `hot` remembers of them is void."""
        for window in self.windows:
            window[0] = NOWHERE
        self.windows.clear()

    def start_journal(self, noted: dict[int, bytes] | None = None) -> None:
        """From now on remember each page's contents before its first write (for checkpoints); `noted` are, already."""
        self.journal = noted or {}
        for page in self.writable.keys() - self.journal.keys():
            del self.writable[page]
        self.close_windows()

    def before_write(self, page: int, data: memoryview) -> None:
        """To be called before `data`, the bytes of page number `page`, is changed."""
        if self.journal is not None and page not in self.journal:
            self.journal[page] = bytes(data)
