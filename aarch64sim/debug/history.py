"""Time travel: checkpoints along the way, and exact replay between them.

Invariant: from a checkpoint the machine runs as it did the first time, since everything that came from outside is in
the log of inputs. Memory use is bounded: a checkpoint costs about 5 KiB, and 4 KiB for each page written since the
one before; with more than `most` checkpoints or `most_pages` pages (20 MiB and 64 MiB as they stand), every other
checkpoint goes and the distance doubles.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Any

from aarch64sim.vmm.machine import Machine

Input = Callable[[Machine], None]

FAR = 1 << 62  # beyond every step
_CHUNK = 64  # bytes: so much decoded code is forgotten where a page of code is put back


class History:
    """Checkpoints of one machine by step number, the contents of pages at them, and the inputs in between.

    `distance` is the work between two checkpoints: a step that is nothing but an instruction counts 1, one that took a
    look around `SLOW`, four instructions of a run 1, so that replaying from one to the next takes about the same time
    everywhere; where many pages are written it is longer, so that keeping them costs no more than a part of the run.
    """

    SLOW = 60
    PAGE = 100  # a page that is written in between is as much work as so many plain steps

    def __init__(
        self, machine: Machine, *, distance: int = 500, most: int = 4000, most_pages: int = 16_384
    ) -> None:
        self.machine = machine
        self.distance = distance
        self.most, self.most_pages = most, most_pages
        self.inputs: dict[int, list[Input]] = {}  # in ascending order
        self._left = distance  # work until the next checkpoint
        self._steps: list[int] = []
        self._states: list[tuple[Any, ...]] = []
        self._versions: dict[int, tuple[list[int], list[bytes]]] = {}  # page: checkpoints, contents
        self._pages = 0  # contents kept
        self._memory.start_journal()
        self._append(0)

    @property
    def _memory(self) -> Any:
        return self.machine.vcpu.cpu.memory

    @property
    def checkpoints(self) -> int:
        """How many there are."""
        return len(self._steps)

    # --- on the way --------------------------------------------------------------------------------------------------

    def room(self, step: int) -> int:
        """How many steps can be made from `step` before `arrived` has something to do; at least 1."""
        room = self._left if step >= self._steps[-1] else FAR
        if self.inputs:
            following = list(self.inputs)
            index = bisect_right(following, step)
            if index < len(following):
                room = min(room, following[index] - step)
        return max(1, room)

    def walked(self, step: int, count: int, work: int) -> bool:
        """The guest went on by `count` to `step`, which took so much `work`; whether `arrived` has something to do."""
        if step - count >= self._steps[-1]:
            self._left -= work
            if self._left <= 0:
                return True
        return step in self.inputs

    def arrived(self, step: int) -> None:
        """The machine stands at `step`: make a checkpoint if it is time, and repeat the inputs given here before."""
        if self._left <= 0 and step > self._steps[-1]:
            self._append(step)
        for act in self.inputs.get(step, ()):
            act(self.machine)

    def add_input(self, step: int, act: Input) -> None:
        """Something from outside changes the machine at `step`: do it, remember it, forget the future."""
        act(self.machine)
        self.forget_after(step)
        self.inputs.setdefault(step, []).append(act)

    def forget_after(self, step: int) -> None:
        """Steps after `step` will not happen as they did."""
        if self._steps[-1] > step:
            kept = bisect_right(self._steps, step)
            del self._steps[kept:], self._states[kept:]
            for steps, contents in self._versions.values():
                at = bisect_right(steps, step)
                self._pages -= len(steps) - at
                del steps[at:], contents[at:]
            self._left = self.distance - (step - self._steps[-1])
        if self.inputs:
            self.inputs = {at: acts for at, acts in self.inputs.items() if at <= step}

    # --- travelling --------------------------------------------------------------------------------------------------

    def nearest(self, step: int) -> int:
        """The step number of the last checkpoint at or before `step`."""
        return self._steps[bisect_right(self._steps, step) - 1]

    def back_to(self, step: int) -> int:
        """Restore the last checkpoint at or before `step`; its step number."""
        index = bisect_right(self._steps, step) - 1
        at = self._steps[index]
        self._restore_pages(at)
        self.machine.restore(self._states[index])
        self._memory.start_journal()
        for act in self.inputs.get(at, ()):
            act(self.machine)
        return at

    def written_between(self, page: int, first: int, last: int) -> bool:
        """Whether page number `page` may have been written in the steps after checkpoint `first` up to step `last`."""
        if last > self._steps[-1] and page in self._memory.journal:
            return True
        if page not in self._versions:
            return last > self._steps[-1]
        steps = self._versions[page][0]
        following = bisect_left(self._steps, last)
        end = self._steps[following] if following < len(self._steps) else FAR
        at = bisect_right(steps, first)
        return end == FAR or (at < len(steps) and steps[at] <= end)

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def _append(self, step: int) -> None:
        """A checkpoint of the machine, which stands at `step`."""
        self._left = self.distance + self.PAGE * len(self._memory.journal)
        hot: dict[int, bytes] = {}  # most likely these are written again soon
        for page, old in self._memory.journal.items():
            versions = self._versions.get(page)
            if versions is None:
                versions = self._versions[page] = ([0], [old])
                self._pages += 1
            content = self._page(page)
            if content != versions[1][-1]:
                versions[0].append(step)
                versions[1].append(content)
                self._pages += 1
                hot[page] = content
        self._steps.append(step)
        self._states.append(self.machine.save())
        self._memory.start_journal(hot)
        while len(self._steps) > self.most or (
            self._pages > self.most_pages and len(self._steps) > 2
        ):
            self._thin_out()

    def _thin_out(self) -> None:
        """Drop every other checkpoint, and what no kept one needs of the pages."""
        last, state = self._steps[-1], self._states[-1]
        self._steps, self._states = self._steps[::2], self._states[::2]
        if self._steps[-1] != last:
            # The journal starts at the last one, so that it must stay; its neighbour goes in the next round.
            self._steps.append(last)
            self._states.append(state)
        self._pages = 0
        for page, (steps, contents) in self._versions.items():
            kept_steps, kept_contents = [], []
            for n, (at, content) in enumerate(zip(steps, contents, strict=True)):
                following = steps[n + 1] if n + 1 < len(steps) else FAR
                first_user = bisect_left(self._steps, at)
                if first_user < len(self._steps) and self._steps[first_user] < following:
                    kept_steps.append(at)
                    kept_contents.append(content)
            self._versions[page] = (kept_steps, kept_contents)
            self._pages += len(kept_steps)
        self.distance *= 2

    def _page(self, page: int) -> bytes:
        return self.machine.vm.read_memory(page << 12, 4096)

    def _restore_pages(self, step: int) -> None:
        """Make memory what it was at the checkpoint `step`."""
        journal: dict[int, bytes] = self._memory.journal
        for page in journal.keys() | self._versions.keys():
            if page in self._versions:
                steps, contents = self._versions[page]
                content = contents[bisect_right(steps, step) - 1]
            else:
                content = journal[page]  # written only since the last checkpoint
            now = self._page(page)
            if now == content:
                continue
            if page not in self._memory.code:
                self.machine.vm.write_memory(page << 12, content)
                continue
            for at in range(0, 4096, _CHUNK):
                if now[at : at + _CHUNK] != content[at : at + _CHUNK]:
                    self.machine.vm.write_memory(page << 12 | at, content[at : at + _CHUNK])
