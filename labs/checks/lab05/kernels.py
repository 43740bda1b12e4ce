"""Tasks of lab 05 that are answered with kernels: two predicates on the switches, and two pairs.

Invariant: a predicate is compared with what every kernel of the switches does; a pair may differ in one field only.
"""

from __future__ import annotations

from typing import Any

from checks.lab05.experiments import (
    EARLY,
    LATE,
    REAL,
    differing,
    guest_right,
    host_right,
    position,
    simulated,
    switches,
)
from checks.task import NotAnswered, Wrong, call, describe

from aarch64sim import Kernel, kernels
from aarch64sim.kvm.kernels import SkipApplied

# --- guest_steps_right, host_steps_right -------------------------------------------------------------------


def _recipe(kernel: Kernel) -> str:
    advance, clears, applied = position(kernel)
    real = REAL.get((advance, clears, applied))
    shown = f"pc_advance={advance}, skip_clears_ss={clears}, skip_applied={applied}"
    return f"The kernel that shows it: {shown}" + (f"\nRecorded: {real}" if real else "")


def _telling_first() -> list[Kernel]:
    """The kernels of the switches, those first that somebody has built and that are nearest to right."""
    return sorted(
        switches(),
        key=lambda k: (position(k) not in REAL, not k.skip_clears_ss, k.pc_advance is EARLY),
    )


def _answer(predicate: Any, kernel: Kernel) -> bool:
    said = call(predicate, kernel)
    if said is None:
        raise NotAnswered("let the function return True or False")
    if said not in (True, False):
        raise Wrong(f"the function should return True or False, and returned {describe(said)}")
    return bool(said)


def guest_steps_right(answer: Any) -> str:
    """The check of the task of that name."""
    for kernel in _telling_first():
        said, right = _answer(answer, kernel), guest_right(kernel)
        if said and not right:
            raise Wrong(
                "you say that the guest steps itself correctly here, and it is stopped late. Nobody clears SS, so the"
                " step that the guest granted itself is still owed after the skip",
                misconception="skip-is-pc",
                evidence=_recipe(kernel),
            )
        if not said and right:
            raise Wrong(
                "you say that the guest's own step is late here, and it is right. Who sets SS when nobody steps from"
                " outside? Only the guest's ERET. The kernel arms nothing, so nothing undoes the clearing",
                evidence=_recipe(kernel),
            )
    return "right: for a guest that steps itself, clearing SS at the skip is the whole fix."


def host_steps_right(answer: Any) -> str:
    """The check of the task of that name."""
    for kernel in _telling_first():
        said, right = _answer(answer, kernel), host_right(kernel)
        if said and not right:
            if not kernel.skip_clears_ss:
                raise Wrong(
                    "you say that the debugger stops in the right place, and it is late. The PC moves, and nobody"
                    " clears SS",
                    misconception="skip-is-pc",
                    evidence=_recipe(kernel),
                )
            if kernel.skip_applied is SkipApplied.AT_ONCE:
                raise Wrong(
                    "you say that the debugger stops in the right place, and it is late. The skip clears SS, and then"
                    " the kernel sets it again, as at every entry while the host steps",
                    misconception="clear-anywhere",
                    evidence=_recipe(kernel),
                )
            raise Wrong(
                "you say that the debugger stops in the right place, and it is late. With the early advance the skip is"
                " done with, SS and all, when KVM_RUN returns to userspace. The next KVM_RUN arms SS again",
                misconception="clear-anywhere",
                evidence=_recipe(kernel),
            )
        if not said and right:
            raise Wrong(
                "you say that the debugger's stop is late, and it is right: SS is cleared, and nothing sets it between"
                " the clearing and the ERET",
                evidence=_recipe(kernel),
            )
    return "right: it is not enough to clear SS. It must be cleared after it was armed."


# --- dall, maydell --------------------------------------------------------------------------------------------


def _pair(answer: Any) -> tuple[Kernel, Kernel]:
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise Wrong(f"this task asks for a pair of kernels, and this is {describe(answer)}")
    if None in answer:
        raise NotAnswered("fill in both kernels")
    pair = [kernels[k] if isinstance(k, str) and k in kernels else k for k in answer]
    for kernel in pair:
        if not isinstance(kernel, Kernel):
            raise Wrong(
                f"a kernel is made with replace(kernels[...], ...), and this is {describe(kernel)}"
            )
    return pair[0], pair[1]


def _differ_only_in(one: Kernel, other: Kernel, field: str, *free: str) -> None:
    found = [name for name in differing(one, other) if name not in free]
    if field not in found:
        raise Wrong(f"your two kernels do not differ in {field}, so they show nothing about it")
    if len(found) > 1:
        rest = ", ".join(name for name in found if name != field)
        raise Wrong(
            f"your two kernels differ in {field}, and also in {rest}. Whatever you see, nobody knows which of them did"
            " it: change one thing"
        )


def dall(answer: Any) -> str:
    """The check of the task of that name."""
    kept, cleared = _pair(answer)
    if kept == cleared:
        raise Wrong("this is the same kernel twice")
    _differ_only_in(kept, cleared, "skip_clears_ss")
    if kept.skip_clears_ss:
        kept, cleared = cleared, kept
    if host_right(cleared):
        raise Wrong(
            "in this pair the clearing fixes both, the guest's own stepping and the debugger's. So it shows no"
            " difference between them: take a kernel in which the clearing comes before SS is armed",
            misconception="clear-anywhere",
        )
    if host_right(kept) or guest_right(kept):
        raise Wrong("the first kernel should have the bug, for the host and for the guest")
    return (
        "right. Clearing SS, and nothing else: the debugger's stop is late with and without it, and the guest's own is"
        " fixed. Nobody arms SS for a guest that steps itself. That is the relation that Dall was not sure of."
    )


def maydell(answer: Any) -> str:
    """The check of the task of that name."""
    early, late = _pair(answer)
    if early == late:
        raise Wrong("this is the same kernel twice")
    if early.pc_advance is LATE:
        early, late = late, early
    _differ_only_in(early, late, "pc_advance", "early_skip_remembers_step")
    for kernel, name in ((early, "early"), (late, "late")):
        if not guest_right(kernel):
            raise Wrong(
                f"a guest that steps itself is stopped late under the {name} kernel: let the skip clear SS",
                misconception="skip-is-pc",
            )
    if not host_right(late):
        raise Wrong(
            "the debugger's stop is late under both kernels: look at your rule for host_steps_right once more",
            misconception="clear-anywhere",
        )
    if not host_right(early):
        raise Wrong(
            "the debugger's stop is late under the early kernel, so this pair suggests that stepping needs the late"
            " advance. It does not. Give the early kernel a memory of the step that is spent:"
            " early_skip_remembers_step=True",
            misconception="clear-anywhere",
        )
    seen = [simulated("pc", kernel) for kernel in (early, late)]
    return (
        "right. Both step correctly, host and guest. What the late advance alone gives is what userspace sees: the PC"
        f" at KVM_EXIT_MMIO is {seen[0]} under the early kernel, and {seen[1]} under the late one. And so an injected"
        " abort returns to the access, and not after it."
    )
