"""Unlabelled traces for lab 06: what one real kernel did, without its name.

Invariant: a case is made of recordings only, and its number always gives the same kernel.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from widgets.figures.figure import html_table

from checks import museum
from checks.museum import Return, guest_log, recorded, returns

SEED = 6  # of this lab
CODE = 0x4000_0000
LAST = 0x4000_000C
ERAS = {
    "A": "4.3 - 4.14",
    "B": "4.15 - 4.20",
    "C": "5.0 - 5.10",
    "D": "5.11 - 6.0",
    "E": "6.1 - 6.13",
    "F": "6.14 and later",
}


@dataclass(frozen=True, repr=False)
class Case:
    """Three traces of one kernel: `store`: store.s, stepped; `signal`: the same, with a signal pending after the first
    KVM_EXIT_MMIO; `guest`: where a guest that steps itself was notified of a stop, nobody else stepping.
    """

    name: str
    store: tuple[Return, ...]
    signal: tuple[Return, ...]
    guest: tuple[int, ...]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The three traces, one return of KVM_RUN a row."""
        found = []
        for title, trace in (("store", self.store), ("signal", self.signal)):
            for number, one in enumerate(trace, 1):
                hsr = f"{one.hsr:#x}" if one.hsr is not None else ""
                found.append(
                    (title, str(number), one.reason, f"{one.pc:#x}", f"{one.pstate:#x}", hsr)
                )
        stops = " ".join(f"{pc:#x}" for pc in self.guest)
        return [*found, ("guest", "", "stops", stops, "", "")]

    def __repr__(self) -> str:
        head = f"{'trace':7}{'no.':>3}  {'':6} {'PC':10} {'PSTATE':8} hsr"
        lines = [
            f"{t:7}{n:>3}  {reason:6} {pc:10} {pstate:8} {hsr}".rstrip()
            for t, n, reason, pc, pstate, hsr in self.rows
        ]
        return "\n".join([self.name, head, *lines])

    def _repr_html_(self) -> str:
        return html_table(("trace", "no.", "return", "PC", "PSTATE", "hsr"), self.rows, self.name)


def case_of(kernel: str, name: str = "") -> Case:
    """What is known of one recorded kernel, up to the first stop at 0x4000000c: from there on all are alike."""
    traces = []
    for scenario in ("b_str", "n_sig_store"):
        all_of_it = returns(recorded(kernel, scenario))
        end = next(n for n, one in enumerate(all_of_it) if one.pc == LAST and one.reason == "DEBUG")
        traces.append(tuple(all_of_it[: end + 1]))
    log = guest_log(recorded(kernel, "k_selfstep_mmio_guestonly"))
    return Case(name or kernel, traces[0], traces[1], tuple(log))


def suspect(number: int) -> str:
    """The kernel behind a case: drawn from all, without a repetition in the first sixteen."""
    kernels = museum.real_kernels()
    drawn = random.Random(SEED).sample(kernels, len(kernels))
    return drawn[(number - 1) % len(drawn)]


def case(number: int) -> Case:
    """Case 1, 2, 3 ... : three traces of one real kernel. Which one?"""
    return case_of(suspect(number), f"case {number}")


__all__ = ["ERAS", "Case", "case", "case_of", "suspect"]
